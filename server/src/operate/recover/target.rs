//! The head that a recovery goes for: cosigned, ours, and not behind what anybody is known to know.

use std::path::Path;

use anyhow::{Context as _, ensure};
use tlog::{Note, Policy, TreeSize, VerifierKey};
use tlog_client::WitnessClient;

use super::mirror::Mirror;
use crate::config::Config;
use crate::operate::accepted::AcceptedHead;

/// Where the checkpoint comes from, and what it is held against.
pub(super) struct Sources<'a> {
    pub(super) mirror: &'a Mirror,
    /// A checkpoint to go for instead of the mirror's own.
    pub(super) checkpoint: Option<&'a Path>,
    /// The policies that the anchor remembers.
    pub(super) policies_before: &'a [String],
    pub(super) own_key: &'a VerifierKey,
    pub(super) anchored: TreeSize,
    /// A size that the operator knows of.
    pub(super) at_least: Option<TreeSize>,
}

/// Reads the checkpoint and checks everything about it that needs no entries.
pub(super) fn find_target(config: &Config, sources: &Sources<'_>) -> anyhow::Result<AcceptedHead> {
    let (today, text) = config.policy()?;
    let note = match sources.checkpoint {
        None => sources.mirror.checkpoint().context("the mirror's checkpoint")?,
        Some(path) => {
            let bytes = std::fs::read(path)
                .with_context(|| format!("reading the checkpoint {}", path.display()))?;
            Note::parse(&bytes).with_context(|| format!("the checkpoint {}", path.display()))?
        }
    };
    let target = accepted(&note, &today, &text, sources.policies_before)?;
    ensure!(
        target.cosigned.checkpoint().origin == config.origin,
        "the checkpoint is of the log {}, not of {}",
        target.cosigned.checkpoint().origin,
        config.origin
    );
    ensure!(
        matches!(sources.own_key.verify_note(&note), Ok(Some(_))),
        "the checkpoint does not carry a valid signature by this log's own key {}",
        sources.own_key
    );
    let size = target.cosigned.head().size;
    refuse_less(size, sources.anchored, "the log signed a tree of")?;
    if let Some(at_least) = sources.at_least {
        refuse_less(size, at_least, "--at-least says")?;
    }
    refuse_less_than_witnesses(config, &today, size, sources.own_key)?;
    Ok(target)
}

/// Today's policy first; an earlier one may have accepted what was published last.
fn accepted(
    note: &Note,
    today: &Policy,
    text: &str,
    policies_before: &[String],
) -> anyhow::Result<AcceptedHead> {
    let refusal = match today.check(note) {
        Ok(cosigned) => return Ok(AcceptedHead { cosigned, policy: text.to_owned() }),
        Err(refusal) => refusal,
    };
    if let Some(accepted) = AcceptedHead::under_first(note, policies_before)? {
        return Ok(accepted);
    }
    Err(refusal).context("the witness policy does not accept the checkpoint")
}

fn refuse_less(size: TreeSize, known: TreeSize, who: &str) -> anyhow::Result<()> {
    ensure!(
        size >= known,
        "{who} {known} entries, the checkpoint has only {size}: the entries {size} to {} are \
         missing; name a mirror that holds them",
        known.get().saturating_sub(1)
    );
    Ok(())
}

/// Asks each witness for the last checkpoint that it cosigned. This only tells early what `run`
/// would be told anyway, so a witness that does not answer here holds nothing up.
fn refuse_less_than_witnesses(
    config: &Config,
    policy: &Policy,
    size: TreeSize,
    own_key: &VerifierKey,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let settings = config.witness_settings()?;
    for witness in policy.witnesses() {
        let url = witness.url.as_deref().context("a witness without a URL")?;
        let client = WitnessClient::new(url, &settings)?;
        let asked = runtime.block_on(client.latest_checkpoint(&config.origin));
        let Ok(Some(bytes)) = asked else {
            tracing::warn!(witness = %witness.name, "it does not say what it cosigned last");
            continue;
        };
        let keys = std::slice::from_ref(own_key);
        let known = Note::parse(&bytes)
            .ok()
            .and_then(|it| tlog::SignedCheckpoint::open(it, keys).ok())
            .filter(|it| it.checkpoint().origin == config.origin);
        if let Some(known) = known {
            let who = format!("witness {} has cosigned a tree of", witness.name);
            refuse_less(size, known.head().size, &who)?;
        }
    }
    Ok(())
}
