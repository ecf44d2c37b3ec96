//! `civiclog evidence verify`: does this file prove that somebody signed what cannot be true?
//!
//! Witnesses, logs and `civiclog consistency` write such files. Checking one needs no network and
//! no trust in whoever sent it: only the keys in it have to be known as the log's.

use std::path::Path;

use serde::Serialize;
use tlog::{Contradiction, Evidence, KeyType, Policy, VerifierKey};

use crate::args::{EvidenceCommand, EvidenceVerify};
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::trust;

pub(crate) fn run(command: &EvidenceCommand, screen: &mut Screen) -> Outcome {
    match command {
        EvidenceCommand::Verify(args) => verify(args, screen),
    }
}

fn verify(args: &EvidenceVerify, screen: &mut Screen) -> Outcome {
    let shown = args.file.display();
    let policy = args.policy.as_deref().map(trust::read_policy).transpose()?;
    let bytes = read(&args.file)?;
    let evidence =
        Evidence::parse(&bytes).explain(Exit::NotVerified, || format!("{shown} proves nothing"))?;
    let signers: Vec<Signer> =
        evidence.keys().iter().map(|key| Signer::new(key, policy.as_ref())).collect();
    // Anybody can make a key and contradict himself with it. Without a policy the keys are shown for
    // the reader to compare.
    if let Some(stranger) = signers.iter().find(|it| it.known == Some(false)) {
        return Err(Failure::new(
            Exit::NotVerified,
            format!(
                "the signatures in {shown} contradict each other, but your policy does not name \
                 the key that made them, so they accuse nobody you know: {}",
                stranger.key
            ),
        ));
    }
    screen.say(words(&evidence, &signers, policy.is_some()));
    screen.report(&Answer {
        proven: true,
        log: evidence.origin().to_string(),
        claim: claim(&evidence),
        why: evidence.in_words(),
        signers,
        checkpoints: evidence.notes().iter().map(ToString::to_string).collect(),
    });
    Ok(Exit::Done)
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    let reading = || format!("reading {}", path.display());
    let length = path.metadata().explain(Exit::Usage, reading)?.len();
    if length > u64::try_from(tlog::EVIDENCE_BYTES_MAX).unwrap_or(u64::MAX) {
        let words = format!("{} is too long to be evidence", path.display());
        return Err(Failure::new(Exit::NotVerified, words));
    }
    std::fs::read(path).explain(Exit::Usage, reading)
}

#[derive(Debug, Serialize)]
struct Answer {
    proven: bool,
    log: String,
    claim: &'static str,
    why: String,
    signers: Vec<Signer>,
    checkpoints: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Signer {
    key: String,
    role: &'static str,
    /// Whether the policy names it; absent without a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<bool>,
}

impl Signer {
    fn new(key: &VerifierKey, policy: Option<&Policy>) -> Self {
        // A key of type 0x06 may be of either; the policy or its name tells.
        let role = match key.key_type() {
            Some(KeyType::CosignatureV1) => "witness",
            Some(KeyType::MlDsa44) => "holder of the key",
            _ => "log",
        };
        let known = policy.map(|policy| {
            policy.logs().iter().any(|log| log.key == *key)
                || policy.witnesses().iter().any(|witness| witness.key == *key)
        });
        Self { key: key.to_string(), role, known }
    }
}

fn claim(evidence: &Evidence) -> &'static str {
    match evidence.contradiction() {
        Contradiction::TwoRoots { .. } => "two_roots",
        Contradiction::NotEmpty { .. } => "not_empty",
        _ => "not_a_prefix",
    }
}

fn words(evidence: &Evidence, signers: &[Signer], has_policy: bool) -> String {
    let keys: Vec<String> =
        signers.iter().map(|it| format!("  Signed by the {}: {}", it.role, it.key)).collect();
    let whose = if has_policy {
        "Your policy names this key, so it is the signer it says it is."
    } else {
        "The signatures hold. Whether this key is the one that you know as the log's or the \
         witness's\nis for you to compare, or give --policy."
    };
    format!(
        "PROVEN: of {}, {}.\n\n{}\n\n{whose}\nNo honest signer makes these signatures, and nobody \
         else can. Publish the file as it is.",
        evidence.origin(),
        evidence.in_words(),
        keys.join("\n")
    )
}

#[cfg(test)]
mod tests;
