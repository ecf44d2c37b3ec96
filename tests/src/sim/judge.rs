//! The judge: holds everything that was signed, answered and published against everything before. Its
//! own model of a tree is the plainest there is, and shares no code with the log's.

use std::collections::BTreeMap;

use civiclog_server::admit::outcome::Receipt;
use sha2::{Digest as _, Sha256};
use tlog::{Hash, Note, TreeHead, TreeSize, VerifierKey};

/// What must not have happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

type Verdict = Result<(), Violation>;

/// Everything that was ever said, by all machines.
#[derive(Debug, Default)]
pub struct Judge {
    /// Whether the operator made two lives of one log: then only what was published counts.
    pub has_two_lives: bool,
    /// Whether the operator put an older database back: then what was committed and never published
    /// may be gone.
    has_lost_rows: bool,
    /// Whether bits flip on the disk: then what lies there may not be what lay there.
    pub is_rotting: bool,
    signed: History,
    published: History,
    largest_published: u64,
    last_note: Vec<u8>,
    answers: BTreeMap<usize, Answer>,
    /// How many answers, for the report.
    pub answered: u64,
}

/// Heads that must all be beginnings of one tree.
#[derive(Debug, Default)]
struct History {
    leaves: Vec<[u8; 32]>,
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    index: u64,
    leaf_hash: Hash,
    is_published: bool,
}

impl Judge {
    /// An older database is put back: it shows the head that it holds, which may be smaller than
    /// the one before, and goes on from there.
    pub fn loses_rows(&mut self) {
        self.has_lost_rows = true;
        self.largest_published = 0;
    }

    /// A head was signed while these entries lay on the disk.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn signed(&mut self, head: TreeHead, entries: &[Vec<u8>]) -> Verdict {
        if self.has_two_lives {
            return Ok(());
        }
        self.signed.add(head, entries, self.is_rotting, "signed")
    }

    /// A head was signed by a machine whose data was put back and marked so: it has to go on from
    /// what each witness cosigned last.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn signed_after_restore(
        &self,
        head: TreeHead,
        entries: &[Vec<u8>],
        seen: &[TreeHead],
    ) -> Verdict {
        let leaves: Vec<_> = entries.iter().map(|it| leaf(it)).collect();
        for seen in seen {
            let size = usize::try_from(seen.size.get()).unwrap_or(usize::MAX);
            let is_behind = head.size < seen.size;
            let begins = leaves.get(..size).is_some_and(|it| root(it) == *seen.root.as_bytes());
            if is_behind || !begins {
                return Err(Violation(format!(
                    "after a restore {} entries were signed that do not go on from the {} that a \
                     witness knows",
                    head.size, seen.size
                )));
            }
        }
        Ok(())
    }

    /// Whether this is another note than the one that was judged last.
    pub fn is_news(&self, note: &[u8]) -> bool {
        self.last_note != note
    }

    /// A note was shown to everybody. `quorums`: of one of these lists, three must have cosigned.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn published(
        &mut self,
        note: &[u8],
        log: &VerifierKey,
        quorums: &[Vec<VerifierKey>],
        entries: &[Vec<u8>],
    ) -> Verdict {
        let refused = |what: &str| Violation(format!("published: {what}"));
        self.last_note = note.to_vec();
        let note = Note::parse(note).map_err(|_| refused("no note"))?;
        let has_signed = |key: &VerifierKey| {
            let mut lines = note.signatures().iter().filter(|it| key.owns(it));
            lines.any(|it| key.verify(note.text(), &it.bytes).is_ok())
        };
        let is_enough =
            |keys: &Vec<VerifierKey>| keys.iter().filter(|it| has_signed(it)).count() >= 3;
        if !has_signed(log) || !quorums.iter().any(is_enough) {
            return Err(refused("too few have signed it"));
        }
        let head = head_in(note.text()).ok_or_else(|| refused("no head in it"))?;
        if head.size.get() < self.largest_published && !self.has_two_lives {
            return Err(refused(&format!(
                "{} entries after {}",
                head.size, self.largest_published
            )));
        }
        self.largest_published = self.largest_published.max(head.size.get());
        self.quorate(head, entries)
    }

    /// A head had its quorum: an RFC 6962 tree head may exist for it, whether it was shown or not.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn quorate(&mut self, head: TreeHead, entries: &[Vec<u8>]) -> Verdict {
        // What was signed is known from then, whatever the disk says now; not what was signed beyond.
        let size = usize::try_from(head.size.get()).unwrap_or(usize::MAX);
        let signed = &self.signed.leaves[..size.min(self.signed.leaves.len())];
        if !self.has_two_lives && signed.len() > self.published.leaves.len() {
            self.published.leaves = signed.to_vec();
        }
        self.published.add(head, entries, self.is_rotting, "published")
    }

    /// A client was told where its record stands. `is_published` is for a proof that it verified.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn answered(
        &mut self,
        submission: usize,
        index: u64,
        leaf_hash: Hash,
        is_published: bool,
    ) -> Verdict {
        self.answered += 1;
        let answer = Answer { index, leaf_hash, is_published };
        let Some(before) = self.answers.get_mut(&submission) else {
            self.answers.insert(submission, answer);
            return Ok(());
        };
        if (before.index, before.leaf_hash) == (index, leaf_hash) {
            before.is_published |= is_published;
            return Ok(());
        }
        // After a restore or beside a clone only what was published must stay.
        let is_weak = self.has_two_lives || self.has_lost_rows;
        if is_weak && !before.is_published {
            *before = answer;
            return Ok(());
        }
        if is_weak && !is_published {
            return Ok(());
        }
        Err(Violation(format!(
            "submission {submission} was answered {before:?} and then {answer:?}"
        )))
    }

    /// Everything that was answered lies on the disk, at its place, byte for byte.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn all_is_there(
        &self,
        entries: &[Vec<u8>],
        record_of: impl Fn(usize) -> Vec<u8>,
    ) -> Verdict {
        for (submission, answer) in &self.answers {
            if (self.has_two_lives || self.has_lost_rows) && !answer.is_published {
                continue;
            }
            let there = usize::try_from(answer.index).ok().and_then(|it| entries.get(it));
            let Some(entry) = there else {
                return Err(Violation(format!("{answer:?} of submission {submission} is lost")));
            };
            let record = record_of(*submission);
            let holds = entry.windows(record.len()).any(|it| it == record);
            if leaf(entry) != *answer.leaf_hash.as_bytes() || !holds {
                return Err(Violation(format!("{answer:?} of submission {submission} is another")));
            }
        }
        Ok(())
    }

    /// Heads that were signed, and published.
    pub fn heads(&self) -> (u64, u64) {
        (self.signed.count, self.published.count)
    }
}

impl History {
    /// Adds a head while these entries lie on the disk. What is known of earlier entries stays.
    fn add(
        &mut self,
        head: TreeHead,
        entries: &[Vec<u8>],
        is_rotting: bool,
        what: &str,
    ) -> Verdict {
        self.count += 1;
        let size = usize::try_from(head.size.get()).unwrap_or(usize::MAX);
        let known = self.leaves.len();
        if size > known {
            let Some(entries) = entries.get(..size) else {
                return Err(Violation(format!(
                    "{what} a tree of {size} entries while {} lie on the disk",
                    entries.len()
                )));
            };
            let leaves: Vec<_> = entries.iter().map(|it| leaf(it)).collect();
            if !is_rotting && leaves[..known] != self.leaves[..] {
                return Err(Violation(format!(
                    "{what} a tree of {size} entries that does not extend the {known} before"
                )));
            }
            self.leaves.extend(&leaves[known..]);
        }
        if root(&self.leaves[..size]) == *head.root.as_bytes() {
            return Ok(());
        }
        Err(Violation(format!("{what} a tree of {size} entries with a root that is none of it")))
    }
}

/// What a log is about to answer lies on its disk.
///
/// # Errors
/// [`Violation`].
pub fn on_disk(entries: &[Vec<u8>], said: &[Receipt]) -> Verdict {
    for receipt in said {
        let index = receipt.index().get();
        let there = usize::try_from(index).ok().and_then(|it| entries.get(it));
        if there.is_none_or(|it| leaf(it) != *receipt.leaf_hash().as_bytes()) {
            return Err(Violation(format!("entry {index} is answered and not on the disk")));
        }
    }
    Ok(())
}

/// The head in a checkpoint's text: origin, size and root, a line each.
pub fn head_in(text: &str) -> Option<TreeHead> {
    let mut lines = text.lines().skip(1);
    let size = TreeSize::new(lines.next()?.parse().ok()?);
    let root = Hash::from_base64(lines.next()?).ok()?;
    Some(TreeHead { size, root })
}

fn leaf(entry: &[u8]) -> [u8; 32] {
    hash(&[&[0], entry])
}

/// RFC 6962, section 2.1, as it stands there.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => hash(&[]),
        [one] => *one,
        many => {
            let half = many.len().next_power_of_two() / 2;
            hash(&[&[1], &root(&many[..half]), &root(&many[half..])])
        }
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
