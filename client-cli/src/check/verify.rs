//! `civiclog verify`: one file, one policy, no network.
//!
//! Each proof goes through `tlog::verify`, each entry through `records`, and the registrations
//! that the file holds give the keys against which the submitters' signatures are checked. The
//! first link that does not hold ends it. Proofs that hold and contradict each other are the log's
//! fault, not the file's: exit code 4.

mod broken;
mod disclosed;
mod findings;
mod fork;
mod proven;
mod refused;
mod signatures;
mod words;

use std::collections::BTreeMap;

use records::Genesis;
use serde::Serialize;
use tlog::{Policy, TlogProof, TreeSize};

use crate::args::Verify;
use crate::exit::{Exit, Explain, Outcome};
use crate::screen::Screen;
use crate::share::disclosures::Disclosures;
use crate::trust;
use broken::{Broken, Link};
use findings::{CheckpointFinding, EntryFinding, Findings};
use fork::Statements;
use proven::Proven;

pub(crate) fn run(args: &Verify, screen: &mut Screen) -> Outcome {
    let policy = trust::read_policy(&args.policy)?;
    let file = args.file.display().to_string();
    let bytes = std::fs::read(&args.file).explain(Exit::Usage, || format!("reading {file}"))?;
    let opened = args
        .disclosure
        .iter()
        .map(|path| Disclosures::read(path))
        .collect::<Outcome<Vec<Disclosures>>>()?;
    let checked = check(&bytes, &policy, screen).and_then(|(mut findings, _)| {
        opened.iter().try_for_each(|file| disclosed::open(file, &mut findings))?;
        Ok(findings)
    });
    let (findings, failed) = match &checked {
        Ok(findings) => (Some(findings), None),
        Err(broken) => (None, Some(broken)),
    };
    screen.report(&Verdict { verified: failed.is_none(), file: &file, failed, findings });
    Ok(match checked {
        Ok(findings) => {
            screen.say(words::verified(&file, &findings));
            Exit::Done
        }
        Err(broken) => {
            screen.say(words::not_verified(&file, &broken));
            if broken.link == Link::Fork { Exit::Misbehaved } else { Exit::NotVerified }
        }
    })
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

/// Entry 0 of the log of a receipt file, every proof and registration of which must hold; `None`
/// when the file does not hold it.
pub(super) fn genesis(
    bytes: &[u8],
    policy: &Policy,
    screen: &Screen,
) -> Result<Option<Genesis>, Broken> {
    let (_, proven) = check(bytes, policy, screen)?;
    let first = proven.iter().find(|one| one.index == 0);
    Ok(first.and_then(|one| one.record().body().genesis().cloned()))
}

/// Checks all that a file holds. The proofs come in the order of the file.
fn check(
    bytes: &[u8],
    policy: &Policy,
    screen: &Screen,
) -> Result<(Findings, Vec<Proven>), Broken> {
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
    for (position, proof) in (1..).zip(&proofs) {
        let (one, checkpoint) = Proven::check(position, proof, policy)?;
        statements.take(&one, &checkpoint)?;
        let finding = || CheckpointFinding::new(&checkpoint);
        checkpoints.entry(one.tree_size).or_insert_with(finding);
        proven.push(one);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let findings = Findings {
        log: statements.log().to_owned(),
        entries: entry_findings(&proven)?,
        checkpoints: checkpoints.into_values().collect(),
        policy: policy.quorum_words(),
        liars_for_split_view: policy.resilience().liars_for_split_view,
    };
    Ok((findings, proven))
}

fn entry_findings(proven: &[Proven]) -> Result<Vec<EntryFinding>, Broken> {
    let signatures = signatures::check(proven)?;
    let is_about_registry = proven.iter().all(|one| one.registration().is_some());
    let findings =
        proven.iter().zip(signatures).enumerate().map(|(position, (one, signatures))| {
            // The receipt of a registration: its first proof is what the file is about.
            let is_subject = is_about_registry && position == 0;
            EntryFinding::new(one, signatures, one.registration().is_some() && !is_subject)
        });
    Ok(findings.collect())
}

#[cfg(test)]
mod tests;
