//! A policy, and whether a note satisfies it.

use std::collections::BTreeSet;

use crate::chain::VerifyError;
use crate::checkpoint::Checkpoint;
use crate::key::{SignedAt, VerifierKey};
use crate::note::Note;
use crate::position::TreeHead;
use crate::signed_checkpoint::SignedCheckpoint;
use crate::time::UnixSeconds;

/// A parsed policy: logs, witnesses, and the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(super) logs: Vec<LogEntry>,
    pub(super) witnesses: Vec<Witness>,
    /// In the order of the file: a group's members were defined before it.
    pub(super) groups: Vec<Group>,
    /// `None` is the policy `quorum none`.
    pub(super) quorum: Option<Member>,
}

/// A log key that the policy trusts. The key's name is the log's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The key.
    pub key: VerifierKey,
    /// Where the log is served, if the policy says.
    pub url: Option<String>,
}

/// A witness that the policy knows. It counts only if the quorum reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// What the policy calls it.
    pub name: String,
    /// Its key. One of a type unknown here is carried and never counts.
    pub key: VerifierKey,
    /// Where it takes checkpoints, if the policy says.
    pub url: Option<String>,
}

/// Of these members, at least `threshold`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) threshold: usize,
    pub(super) members: Vec<Member>,
}

/// A witness or a group, by its place in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    Witness(usize),
    Group(usize),
}

impl Policy {
    /// The log keys, in the order of the file.
    pub fn logs(&self) -> &[LogEntry] {
        &self.logs
    }

    /// All witnesses, in the order of the file.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Checks a note: some listed key of its log signed it, none of those that signed is wrong, and
    /// enough witnesses cosigned. Lines of unknown keys are ignored, and the line of a witness that
    /// does not verify just does not count.
    ///
    /// Spec: c2sp.org/tlog-policy; signed-note §Verification.
    pub fn check(&self, note: &Note) -> Result<CosignedCheckpoint, VerifyError> {
        let log_keys: Vec<VerifierKey> = self.logs.iter().map(|log| log.key.clone()).collect();
        let signed = SignedCheckpoint::open(note.clone(), &log_keys)?;
        let cosigners: Vec<Cosigner> =
            self.witnesses.iter().filter_map(|witness| cosigner(witness, note)).collect();
        let names = cosigners.iter().map(|cosigner| cosigner.name.as_str()).collect();
        if !self.is_satisfied_by(&names) {
            let have = cosigners.into_iter().map(|cosigner| cosigner.name).collect();
            return Err(VerifyError::Quorum { have, need: self.quorum_words() });
        }
        Ok(CosignedCheckpoint { signed, cosigners })
    }

    /// The quorum holds once the witnesses with these names have cosigned.
    pub fn is_satisfied_by(&self, names: &BTreeSet<&str>) -> bool {
        let witness = |index: usize| {
            self.witnesses.get(index).is_some_and(|witness| names.contains(witness.name.as_str()))
        };
        let holds = self.fold(witness, |group: &Group, members: &[bool]| {
            members.iter().filter(|holds| **holds).count() >= group.threshold
        });
        holds.unwrap_or(true)
    }

    /// What the quorum asks for, such as `3 of (w1, w2, w3, w4)`; `no witness` for `quorum none`.
    pub fn quorum_words(&self) -> String {
        let witness = |index: usize| {
            self.witnesses.get(index).map(|witness| witness.name.clone()).unwrap_or_default()
        };
        let words = self.fold(witness, |group: &Group, members: &[String]| {
            format!("{} of ({})", group.threshold, members.join(", "))
        });
        words.unwrap_or_else(|| "no witness".to_owned())
    }

    /// Works a value out for the quorum: from the witnesses up, group by group in the order of the
    /// file, which has members before their groups. `None` for `quorum none`.
    pub(super) fn fold<T: Clone>(
        &self,
        witness: impl Fn(usize) -> T,
        combine: impl Fn(&Group, &[T]) -> T,
    ) -> Option<T> {
        let mut values: Vec<T> = Vec::new();
        let value = |member: Member, values: &[T]| match member {
            Member::Witness(index) => Some(witness(index)),
            Member::Group(index) => values.get(index).cloned(),
        };
        for group in &self.groups {
            let members: Vec<T> =
                group.members.iter().filter_map(|member| value(*member, &values)).collect();
            values.push(combine(group, &members));
        }
        value(self.quorum?, &values)
    }
}

fn cosigner(witness: &Witness, note: &Note) -> Option<Cosigner> {
    match witness.key.verify_note(note) {
        // SPEC tlog-cosignature: without a time it says nothing of the newest tree seen.
        Ok(Some(SignedAt::Seconds(at))) => Some(Cosigner { name: witness.name.clone(), at }),
        _ => None,
    }
}

/// A checkpoint that satisfied a policy: a log key signed it and the quorum cosigned it. Only
/// [`Policy::check`] makes one, so nothing can be served that has no quorum:
///
/// ```compile_fail,E0451
/// # fn serve(signed: tlog::SignedCheckpoint) -> tlog::CosignedCheckpoint {
/// tlog::CosignedCheckpoint { signed, cosigners: Vec::new() }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignedCheckpoint {
    signed: SignedCheckpoint,
    cosigners: Vec<Cosigner>,
}

impl CosignedCheckpoint {
    /// What the log stated.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.signed.head()
    }

    /// The note with all its lines, also of keys that the policy does not know.
    pub fn note(&self) -> &Note {
        self.signed.note()
    }

    /// The witnesses of the policy that cosigned, in the policy's order.
    pub fn cosigners(&self) -> &[Cosigner] {
        &self.cosigners
    }
}

/// A witness whose cosignature verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigner {
    /// What the policy calls it.
    pub name: String,
    /// When it says it cosigned.
    pub at: UnixSeconds,
}
