//! `civiclog consistency`: does the log still contain all it showed before?
//!
//! The last checkpoint that was seen and held is kept in the state folder. If the log's new one
//! is not a continuation of it, both are written to a file: evidence that anybody can check with
//! `civiclog evidence verify` where the signatures alone prove it, else a note of what was seen.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use files::{Access, FileLock};
use serde::Serialize;
use tlog::{CosignedCheckpoint, Evidence, Hash, Note, Policy, VerifierKey, verify_consistency};
use tlog_client::{HttpSettings, LogClient};

use crate::args::Consistency;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::state::StateFolder;
use crate::trust;

pub(crate) async fn run(
    args: &Consistency,
    http: &HttpSettings,
    state: &StateFolder,
    screen: &mut Screen,
) -> Outcome {
    let policy = trust::read_policy(&args.policy)?;
    let client = LogClient::new(&args.at.log, http)?;
    let new = trust::checkpoint(&client, &policy).await?;
    let memory = Memory::open(&state.checkpoints(&new.checkpoint().origin))?;
    let Some(old) = memory.recall(&policy)? else {
        memory.remember(&new)?;
        return Ok(first_use(&new, screen));
    };
    let (from, to) = (old.head(), new.head());
    let answer = Answer {
        log: new.checkpoint().origin.to_string(),
        first_use: false,
        consistent: true,
        from: Some(from.size.get()),
        to: to.size.get(),
        evidence: None,
        proven: None,
    };
    let doubt = if to.size < from.size {
        Some((
            format!(
                "it shows {} entries, but showed {} before: it lost entries, or an old checkpoint \
                 is being served (a stale cache? try again in a minute)",
                to.size, from.size
            ),
            Vec::new(),
        ))
    } else {
        // Of the same tree and of the empty one there is nothing to prove, and a log is not asked.
        let proof = if to.size == from.size || from.size.get() == 0 {
            Vec::new()
        } else {
            client.consistency(from.size, to.size).await?
        };
        let held = verify_consistency(&from, &to, &proof);
        held.err().map(|error| (format!("{:#}", anyhow::Error::new(error)), proof))
    };
    let Some((why, proof)) = doubt else {
        memory.remember(&new)?;
        screen.report(&answer);
        screen.say(format!(
            "Consistent: {} grew from {} to {} entries, and all it showed before is still there.",
            answer.log, from.size, to.size
        ));
        return Ok(Exit::Done);
    };
    // The witnesses' cosignatures say that they saw each head. Only the log's own signatures on both
    // convict it.
    let keys: Vec<VerifierKey> = policy.logs().iter().map(|log| log.key.clone()).collect();
    let proven = Evidence::find(&keys, old.note(), new.note(), &proof);
    let text = match &proven {
        Some(evidence) => evidence.to_string(),
        None => seen(&old, &new, &proof, &why),
    };
    let shown = memory.keep(&text)?.display().to_string();
    let (evidence, is_proven) = (Some(shown.clone()), proven.is_some());
    screen.report(&Answer { consistent: false, evidence, proven: Some(is_proven), ..answer });
    let weight = if is_proven {
        format!("Anybody can check it: civiclog evidence verify {shown}")
    } else {
        "It is a reason to ask, not yet a proof.".to_owned()
    };
    screen.say(format!(
        "NOT CONSISTENT: {}\n\n  Why: {why}\n  Evidence: {shown}\n\n\
         The file holds both checkpoints with the signatures of the log and its witnesses. {weight} \
         Keep it, and show it to the witnesses and the press. What was remembered before stays \
         remembered.",
        new.checkpoint().origin
    ));
    Ok(Exit::Misbehaved)
}

/// Two heads that differ from what the log's answers allow, when the signatures alone prove nothing.
fn seen(old: &CosignedCheckpoint, new: &CosignedCheckpoint, proof: &[Hash], why: &str) -> String {
    let proof = proof.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    format!(
        "Two checkpoints of {}, signed by the log and cosigned by witnesses, of which the \
         second was not shown to continue the first.\nWhy: {why}\n\n\
         === seen first ===\n{}\n=== seen now ===\n{}\n=== consistency proof the log gave ===\n{proof}\n",
        new.checkpoint().origin,
        old.note(),
        new.note(),
    )
}

#[derive(Debug, Serialize)]
struct Answer {
    log: String,
    first_use: bool,
    consistent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    to: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    /// Whether the file convinces a stranger.
    #[serde(skip_serializing_if = "Option::is_none")]
    proven: Option<bool>,
}

fn first_use(new: &CosignedCheckpoint, screen: &mut Screen) -> Exit {
    let (log, to) = (new.checkpoint().origin.to_string(), new.head().size.get());
    screen.say(format!(
        "First use: remembered the checkpoint of {log} with {to} entries. There was nothing to \
         compare it with yet; run this again later."
    ));
    let (first_use, consistent) = (true, true);
    let (from, evidence, proven) = (None, None, None);
    screen.report(&Answer { log, first_use, consistent, from, to, evidence, proven });
    Exit::Done
}

/// The last checkpoint seen of one log, on disk. Locked, so that two runs cannot forget one.
struct Memory {
    folder: PathBuf,
    _lock: FileLock,
}

impl Memory {
    fn open(folder: &Path) -> Outcome<Self> {
        let shown = folder.display();
        files::create_folder(folder, Access::Umask)
            .explain(Exit::Usage, || format!("creating the state folder {shown}"))?;
        let lock = files::wait_for_lock(&folder.join("lock"))
            .explain(Exit::Usage, || format!("locking the state folder {shown}"))?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    fn latest(&self) -> PathBuf {
        self.folder.join("latest")
    }

    /// What is remembered. It is checked against today's policy: a checkpoint that does not hold
    /// under it can accuse nobody.
    fn recall(&self, policy: &Policy) -> Outcome<Option<CosignedCheckpoint>> {
        let path = self.latest();
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.explain(Exit::Usage, || format!("reading {}", path.display()))?,
        };
        let unusable = || {
            format!(
                "the remembered checkpoint {} cannot be used with this policy; if you changed the \
                 policy on purpose, move the file away to begin anew",
                path.display()
            )
        };
        let note = Note::parse(&bytes).explain(Exit::Usage, unusable)?;
        policy.check(&note).map(Some).explain(Exit::Usage, unusable)
    }

    fn remember(&self, checkpoint: &CosignedCheckpoint) -> Outcome<()> {
        let path = self.latest();
        let text = checkpoint.note().to_string();
        files::replace(&path, text.as_bytes(), Access::Umask)
            .explain(Exit::Usage, || format!("writing {}", path.display()))
    }

    /// Writes a text under the first free name; an earlier one is never replaced.
    fn keep(&self, text: &str) -> Outcome<PathBuf> {
        for number in 1..=EVIDENCE_FILES_MAX {
            let path = self.folder.join(format!("evidence-{number}.txt"));
            match files::create(&path, text.as_bytes(), Access::Umask) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                written => {
                    written.explain(Exit::Usage, || format!("writing {}", path.display()))?;
                    return Ok(path);
                }
            }
        }
        let words = format!("{} holds too many evidence files already", self.folder.display());
        Err(Failure::new(Exit::Misbehaved, words))
    }
}

const EVIDENCE_FILES_MAX: u32 = 10_000;

#[cfg(test)]
mod tests;
