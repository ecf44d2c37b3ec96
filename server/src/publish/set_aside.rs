//! The operator's decision not to hear a witness any more, or to hear it again.
//!
//! A witness that claims to know more than this log ever signed makes it read-only, and anybody who
//! runs a witness can claim anything. What is only said can be set aside, with a reason, which is
//! kept in the anchor and shown to everybody. What our own key signed cannot: it is no claim. And
//! those who are left must still satisfy the policy.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use store::{Kv, Store};
use tlog::{Note, Policy, VerifierKey};

use crate::publish::inquiry;
use crate::sign::anchor::{Anchor, SetAside};

/// What the operator decided, by the name of a witness in the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Its unsigned claims count for nothing from now on.
    SetAside {
        name: String,
        /// Why, in the operator's words.
        because: String,
    },
    /// It is asked again like every other.
    HearAgain { name: String },
}

pub struct Judging<'a, K: Kv> {
    pub policy: &'a Policy,
    /// The store, which explains the heads that our key signed, or does not.
    pub store: &'a Store<K>,
    /// The key that signs heads.
    pub own_key: &'a VerifierKey,
    /// Where heads are kept that our key signed and the data did not explain.
    pub evidence_dir: &'a Path,
    /// The time, as RFC 3339.
    pub now: String,
}

impl Decision {
    /// Puts the decision into the anchor, where it holds over restarts.
    ///
    /// # Errors
    /// In words; the anchor is then as it was.
    pub fn take<K: Kv>(&self, judging: &Judging<'_, K>, anchor: &mut Anchor) -> anyhow::Result<()> {
        match self {
            Self::SetAside { name, because } => judging.set_aside(anchor, name, because),
            Self::HearAgain { name } => {
                let key = key_of(judging.policy, anchor, name)?.to_string();
                ensure!(
                    anchor.set_aside().iter().any(|it| it.vkey == key),
                    "witness {name} was not set aside"
                );
                anchor.hear_again(&key).context("writing the anchor")
            }
        }
    }
}

impl<K: Kv> Judging<'_, K> {
    fn set_aside(&self, anchor: &mut Anchor, name: &str, because: &str) -> anyhow::Result<()> {
        let because = because.trim();
        ensure!(
            (1..=BECAUSE_BYTES_MAX).contains(&because.len()) && !because.contains(char::is_control),
            "--because must be one line of 1 to {BECAUSE_BYTES_MAX} bytes: everybody will read it"
        );
        let key = key_of(self.policy, anchor, name)?;
        let gone: Vec<String> =
            anchor.set_aside().iter().map(|it| it.vkey.clone()).chain([key.to_string()]).collect();
        let left = self.policy.witnesses().iter().filter(|it| !gone.contains(&it.key.to_string()));
        ensure!(
            self.policy.is_satisfied_by(&left.map(|it| it.name.as_str()).collect()),
            "witness {name} cannot be set aside: the witnesses that are left cannot satisfy the \
             witness policy"
        );
        self.refuse_evidence()?;
        let witness =
            SetAside { vkey: key.to_string(), because: because.to_owned(), at: self.now.clone() };
        anchor.remember_set_aside(witness).context("writing the anchor")
    }

    /// A head that our key signed and this data does not explain is proof, whoever showed it.
    fn refuse_evidence(&self) -> anyhow::Result<()> {
        let folder = self.evidence_dir.display();
        let files = match std::fs::read_dir(self.evidence_dir) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("reading {folder}")),
        };
        for file in files {
            let path = file.with_context(|| format!("reading {folder}"))?.path();
            let bytes =
                std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            // Whatever else somebody keeps there is no signed head.
            let Ok(note) = Note::parse(&bytes) else {
                continue;
            };
            if let Some(foreign) = inquiry::judge(note, self.own_key, self.store)? {
                bail!(
                    "no witness can be set aside: {} holds {}. That is no claim of a witness. See \
                     the runbook",
                    path.display(),
                    foreign.shown
                );
            }
        }
        Ok(())
    }
}

/// The key of a witness of today's policy, or of one under which heads were published before.
fn key_of(policy: &Policy, anchor: &Anchor, name: &str) -> anyhow::Result<VerifierKey> {
    let before: Vec<Policy> =
        anchor.policies().iter().filter_map(|it| Policy::parse(it).ok()).collect();
    std::iter::once(policy)
        .chain(&before)
        .flat_map(Policy::witnesses)
        .find(|it| it.name == name)
        .map(|it| it.key.clone())
        .with_context(|| format!("the witness policy names no witness {name}"))
}

/// Longest reason, in bytes.
const BECAUSE_BYTES_MAX: usize = 500;
