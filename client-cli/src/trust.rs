//! Whose signatures a checkpoint needs: the policy file of the user, or what the log names itself.

use std::path::Path;

use tlog::{CosignedCheckpoint, Note, Policy, PolicyError};
use tlog_client::{LogClient, LogInfo};

use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;

/// Reads a policy file.
pub(crate) fn read_policy(path: &Path) -> Outcome<Policy> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .explain(Exit::Usage, || format!("reading the policy {shown}"))?;
    parse(&text).explain(Exit::Usage, || format!("the policy {shown} cannot be used"))
}

/// A policy under which one lie is not enough: `quorum none` and two quorums that share no witness
/// would let a log show different people different things with nobody's help.
fn parse(text: &str) -> Result<Policy, PolicyError> {
    let policy = Policy::parse(text)?;
    policy.refuse_unsafe()?;
    Ok(policy)
}

/// The user's policy, or the log's own with a word of warning.
pub(crate) fn policy_or_own(
    path: Option<&Path>,
    info: &LogInfo,
    screen: &mut Screen,
) -> Outcome<Policy> {
    if let Some(path) = path {
        let policy = read_policy(path)?;
        if !policy.logs().iter().any(|log| log.key.name().as_str() == info.origin) {
            return Err(Failure::usage(format!(
                "the policy {} names no key of {}, which this log says it is",
                path.display(),
                info.origin
            )));
        }
        return Ok(policy);
    }
    screen.note(
        "Note: no --policy given, so this uses the witness policy that the log names itself. \
         That finds accidents, not a dishonest log.",
    );
    parse(&format!("{}\n", info.policy.join("\n")))
        .explain(Exit::Misbehaved, || "the policy that the log names cannot be used".to_owned())
}

/// The log's published checkpoint, if the policy accepts it.
pub(crate) async fn checkpoint(client: &LogClient, policy: &Policy) -> Outcome<CosignedCheckpoint> {
    let note = client.checkpoint().await?;
    accept(policy, &note)
}

/// Checks a note against a policy.
pub(crate) fn accept(policy: &Policy, note: &Note) -> Outcome<CosignedCheckpoint> {
    policy.check(note).explain(Exit::NotVerified, || {
        "the log's checkpoint does not satisfy the policy".to_owned()
    })
}
