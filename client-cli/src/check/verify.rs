//! `civiclog verify`: one file, one policy, no network.
//!
//! Each proof goes through `tlog::verify`, each entry through `records`, and the registrations
//! that the file holds give the keys against which the submitters' signatures are checked. The
//! first link that does not hold ends it. Proofs that hold and contradict each other are the log's
//! fault, not the file's: exit code 4.

mod disclosed;
mod fork;
mod registry;
mod words;

use std::collections::BTreeMap;

use records::{Entry, Genesis};
use serde::Serialize;
use tlog::{CosignedCheckpoint, Hash, Policy, TlogProof, TreeSize, VerifyError};

use crate::args::Verify;
use crate::exit::{Exit, Explain, Outcome};
use crate::screen::Screen;
use crate::share::disclosures::Disclosures;
use crate::trust;
use fork::Statements;
use registry::Registry;

pub(crate) fn run(args: &Verify, screen: &mut Screen) -> Outcome {
    let policy = trust::read_policy(&args.policy)?;
    let shown = args.file.display();
    let bytes = std::fs::read(&args.file).explain(Exit::Usage, || format!("reading {shown}"))?;
    let file = args.file.display().to_string();
    let opened = args
        .disclosure
        .iter()
        .map(|path| Disclosures::read(path))
        .collect::<Outcome<Vec<Disclosures>>>()?;
    let checked = check(&bytes, &policy, screen).and_then(|mut findings| {
        opened.iter().try_for_each(|file| disclosed::open(file, &mut findings))?;
        Ok(findings)
    });
    match checked {
        Ok(findings) => {
            screen.report(&Verdict {
                verified: true,
                file: &file,
                failed: None,
                findings: Some(&findings),
            });
            screen.say(words::verified(&file, &findings));
            Ok(Exit::Done)
        }
        Err(broken) => {
            screen.report(&Verdict {
                verified: false,
                file: &file,
                failed: Some(&broken),
                findings: None,
            });
            screen.say(words::not_verified(&file, &broken));
            Ok(if broken.link == Link::Fork { Exit::Misbehaved } else { Exit::NotVerified })
        }
    }
}

/// The document of `--json`.
#[derive(Serialize)]
struct Verdict<'a> {
    verified: bool,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'a Broken>,
    #[serde(flatten)]
    findings: Option<&'a Findings>,
}

/// The first link that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Broken {
    /// Which proof of the file, from 1; 0 is the file itself.
    pub(crate) proof: usize,
    /// The entry it claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<u64>,
    /// One of the links in [`Link`].
    pub(crate) link: Link,
    /// Why, in words.
    pub(crate) why: String,
}

/// The links of the chain from an entry to the witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Link {
    /// The file is a sequence of proofs.
    File,
    /// The proof holds its entry.
    Entry,
    /// What the log signed is a checkpoint, of one log.
    Checkpoint,
    /// The log signed it.
    LogSignature,
    /// Enough witnesses cosigned it.
    Witnesses,
    /// The entry is in the tree it names.
    Inclusion,
    /// The entry is a record of this log.
    Record,
    /// The submitter signed the record.
    SubmitterSignature,
    /// The signing key is registered for this submitter.
    Registration,
    /// A disclosed value is the one that was sealed.
    Disclosure,
    /// The log says the same in all proofs of the file. If not, it misbehaved.
    Fork,
}

/// What was found out about a file that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Findings {
    pub(crate) log: String,
    /// In file order: what the file is about, then the registrations behind it.
    pub(crate) entries: Vec<EntryFinding>,
    pub(crate) checkpoints: Vec<CheckpointFinding>,
    pub(crate) policy: String,
    /// How many of its witnesses would have to lie for this file to show another log than others
    /// see.
    pub(crate) liars_for_split_view: usize,
}

/// One entry that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EntryFinding {
    pub(crate) index: u64,
    pub(crate) tree_size: u64,
    pub(crate) profile: String,
    pub(crate) kind: String,
    pub(crate) object: String,
    pub(crate) rev: u32,
    pub(crate) op: &'static str,
    pub(crate) submitter: String,
    pub(crate) occurred: String,
    pub(crate) admitted: String,
    pub(crate) flags: Vec<String>,
    pub(crate) data: serde_json::Value,
    pub(crate) sealed: Vec<SealedFinding>,
    pub(crate) signatures: Vec<SignatureFinding>,
    /// Whether it is here only to show who may sign.
    pub(crate) is_registration: bool,
}

/// A sealed field of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SealedFinding {
    pub(crate) path: String,
    pub(crate) held: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// Its digest, which stands in the entry.
    pub(crate) digest: String,
    /// Its value, if a disclosure was given that fits the digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) opened: Option<serde_json::Value>,
}

/// A signature of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SignatureFinding {
    pub(crate) kid: String,
    pub(crate) algorithm: &'static str,
    /// Whether it was checked up to entry 0: the file holds the registration of its key, and of
    /// each key that this one depends on.
    pub(crate) checked: bool,
    /// What the file lacks for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
    /// Where its key was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registered_at: Option<u64>,
    /// Whose key it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registered_for: Option<String>,
    /// Since when the key may have been in other hands, if the file holds its revocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_doubt_since: Option<String>,
}

/// A checkpoint that proofs of the file lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CheckpointFinding {
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) witnesses: Vec<WitnessFinding>,
}

/// A witness that cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct WitnessFinding {
    pub(crate) name: String,
    pub(crate) at: String,
}

/// A proof that holds, and the record in it.
struct Proven {
    proof: usize,
    index: u64,
    entry: Entry,
    leaf_hash: Hash,
    tree_size: TreeSize,
}

fn check(bytes: &[u8], policy: &Policy, screen: &Screen) -> Result<Findings, Broken> {
    let proofs = TlogProof::parse_many(bytes).map_err(|error| Broken {
        proof: 0,
        index: None,
        link: Link::File,
        why: format!("this is not a proof file: {:#}", anyhow::Error::new(error)),
    })?;
    let bar = screen.progress("checking", proofs.len());
    let mut proven: Vec<Proven> = Vec::with_capacity(proofs.len());
    let mut checkpoints: BTreeMap<TreeSize, CheckpointFinding> = BTreeMap::new();
    let mut statements = Statements::default();
    let mut log: Option<String> = None;
    for (position, proof) in proofs.iter().enumerate() {
        let (one, checkpoint) = check_proof(position + 1, proof, policy)?;
        let origin = checkpoint.checkpoint().origin.to_string();
        if log.get_or_insert_with(|| origin.clone()) != &origin {
            let why = format!("the file mixes proofs of {origin} with those of another log");
            return Err(one.broken(Link::Checkpoint, why));
        }
        statements.take(&one, &checkpoint)?;
        checkpoints.entry(one.tree_size).or_insert_with(|| describe(&checkpoint));
        proven.push(one);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let registry = Registry::collect(&proven)?;
    let signatures = proven
        .iter()
        .map(|one| registry.check(one))
        .collect::<Result<Vec<Vec<SignatureFinding>>, Broken>>()?;
    let is_about_registry = proven.iter().all(|one| registry::is_registration(&one.entry));
    let entries = proven
        .iter()
        .zip(signatures)
        .enumerate()
        .map(|(position, (one, signatures))| {
            // A receipt of a registration: the first proof is what the file is about.
            let is_subject = is_about_registry && position == 0;
            let is_registration = registry::is_registration(&one.entry) && !is_subject;
            describe_entry(one, signatures, is_registration)
        })
        .collect();
    let checkpoints = checkpoints.into_values().collect();
    Ok(Findings {
        log: log.unwrap_or_default(),
        entries,
        checkpoints,
        policy: policy.quorum_words(),
        liars_for_split_view: policy.resilience().liars_for_split_view,
    })
}

/// Entry 0 of the log of a receipt file, every proof and registration of which must hold.
pub(crate) fn genesis(
    bytes: &[u8],
    policy: &Policy,
    screen: &Screen,
) -> Result<Option<Genesis>, Broken> {
    check(bytes, policy, screen)?;
    // Every proof holds, so each entry is in the log where its proof says.
    let entries = TlogProof::parse_many(bytes).unwrap_or_default();
    let first = entries.iter().filter(|it| it.index.get() == 0).find_map(|it| it.extra.clone());
    let entry = first.and_then(|it| Entry::parse(&it).ok());
    Ok(entry.and_then(|it| it.record().body().genesis().cloned()))
}

fn check_proof(
    position: usize,
    proof: &TlogProof,
    policy: &Policy,
) -> Result<(Proven, CosignedCheckpoint), Broken> {
    let index = proof.index.get();
    let broken = |link, error: anyhow::Error| Broken {
        proof: position,
        index: Some(index),
        link,
        why: format!("{error:#}"),
    };
    let verified = tlog::verify(proof, None, policy)
        .map_err(|why_not| broken(link_of(&why_not), why_not.into()))?;
    let entry =
        Entry::parse(verified.entry()).map_err(|refusal| broken(Link::Record, refusal.into()))?;
    let origin = verified.checkpoint().checkpoint().origin.as_str();
    if entry.record().log() != origin {
        let error = anyhow::anyhow!("the record is for {}, not {origin}", entry.record().log());
        return Err(broken(Link::Record, error));
    }
    let tree_size = verified.checkpoint().head().size;
    let leaf_hash = tlog::leaf_hash(verified.entry());
    let one = Proven { proof: position, index, entry, leaf_hash, tree_size };
    Ok((one, verified.checkpoint().clone()))
}

impl Proven {
    fn broken(&self, link: Link, why: impl Into<String>) -> Broken {
        Broken { proof: self.proof, index: Some(self.index), link, why: why.into() }
    }
}

fn link_of(why_not: &VerifyError) -> Link {
    match why_not {
        VerifyError::NoEntry => Link::Entry,
        VerifyError::NoLogSignature { .. } | VerifyError::LogSignature(_) => Link::LogSignature,
        VerifyError::Quorum { .. } => Link::Witnesses,
        VerifyError::Inclusion(_) => Link::Inclusion,
        // `VerifyError` may grow; what is new is about the checkpoint until it is named here.
        _ => Link::Checkpoint,
    }
}

fn describe(checkpoint: &CosignedCheckpoint) -> CheckpointFinding {
    let witnesses = checkpoint
        .cosigners()
        .iter()
        .map(|witness| WitnessFinding { name: witness.name.clone(), at: words::time(witness.at) });
    CheckpointFinding {
        size: checkpoint.head().size.get(),
        root: checkpoint.head().root.to_base64(),
        witnesses: witnesses.collect(),
    }
}

fn describe_entry(
    one: &Proven,
    signatures: Vec<SignatureFinding>,
    is_registration: bool,
) -> EntryFinding {
    let record = one.entry.record();
    let sealed = record.sealed().iter().map(|field| SealedFinding {
        path: field.path.clone(),
        held: field.held.as_str(),
        why: field.why.clone(),
        digest: field.digest.to_string(),
        opened: None,
    });
    let data = records::to_canonical(record.data());
    EntryFinding {
        index: one.index,
        tree_size: one.tree_size.get(),
        profile: record.profile().to_owned(),
        kind: record.kind().to_owned(),
        object: record.object().to_owned(),
        rev: record.rev(),
        op: record.op().as_str(),
        submitter: record.submitter().to_owned(),
        occurred: record.occurred().to_owned(),
        admitted: records::format_millis(one.entry.admitted_ms()),
        flags: one.entry.flags().iter().map(ToString::to_string).collect(),
        data: serde_json::from_slice(&data).unwrap_or_default(),
        sealed: sealed.collect(),
        signatures,
        is_registration,
    }
}

#[cfg(test)]
mod tests;
