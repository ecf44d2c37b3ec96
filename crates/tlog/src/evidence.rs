//! Evidence: two heads that one key signed and that cannot both be true, in a file that anybody can
//! check without asking anybody.
//!
//! ```text
//! civiclog evidence v1
//! key log.example/spending-2026+0be1d167+AYqI4910…
//! claim one size, two roots
//!
//! log.example/spending-2026     the first signed checkpoint, with all its lines
//! 5
//! qxN…=
//!
//! — log.example/spending-2026 C+HR…=
//!
//! log.example/spending-2026     the second
//! …
//! ```
//!
//! What two signatures alone can prove is little, and a file claims no more than that:
//!
//! | claim | what proves it | file |
//! |---|---|---|
//! | `one size, two roots` | both heads | no more lines |
//! | `an empty tree that is not empty` | one head of size 0 with another root than that of nothing | one checkpoint |
//! | `the earlier tree is not in the later` | a consistency proof from *another* root of the earlier size to the later head | `root` and `proof` lines |
//!
//! **Not evidence**: a smaller head seen after a larger one (old heads stay true for ever), a proof
//! that does not verify (anybody can send a wrong one), a witness's word in a 409, two times in the
//! wrong order (clocks are set back), a signature that covers no origin (type 0x05). They are reasons
//! to ask, and no file is written about them.
//!
//! A file says what a *key* did. That the key is the log's is for its reader to know, from a policy.

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{EMPTY_ROOT, Hash};
use crate::key::{KeyError, KeyType, SignatureError, VerifierKey};
use crate::merkle::{ProofError, earlier_root, verify_consistency};
use crate::note::{Note, NoteError};
use crate::origin::Origin;
use crate::position::{TreeHead, TreeSize};

/// Heads that cannot both be true, and the keys that signed them. There is no other way to make one
/// than to show it: every value of this type was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// One or two; the first signed the first checkpoint, the last one the last.
    keys: Vec<VerifierKey>,
    contradiction: Contradiction,
    origin: Origin,
    notes: Vec<Note>,
}

/// Why the heads cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contradiction {
    /// Two trees of one size.
    TwoRoots {
        /// The size.
        size: TreeSize,
        /// The root in each checkpoint.
        roots: [Hash; 2],
    },
    /// One head, of a tree without leaves, with a root that such a tree cannot have.
    NotEmpty {
        /// The root that was signed.
        root: Hash,
    },
    /// The later tree begins with other leaves than the earlier one.
    NotAPrefix {
        /// The earlier head, as signed.
        earlier: TreeHead,
        /// The later head, as signed.
        later: TreeHead,
        /// What the later tree has at the earlier size.
        root: Hash,
        /// The consistency proof from that root to the later head, at most 63 hashes.
        proof: Vec<Hash>,
    },
}

impl Evidence {
    /// What two checkpoints prove against those who hold `keys`, whichever of them signed. `proof`
    /// is whatever consistency proof came with them; it may be empty. `None` when nothing is proven.
    ///
    /// All `keys` must be of the same signer: of one log, or of one witness.
    pub fn find(keys: &[VerifierKey], one: &Note, two: &Note, proof: &[Hash]) -> Option<Self> {
        let head = |note: &Note| Some(Checkpoint::parse(note.text()).ok()?.head);
        let (first, second) = (head(one)?, head(two)?);
        for (note, head) in [(one, first), (two, second)] {
            if not_empty(head).is_some() {
                let notes = vec![note.clone()];
                return Self::show(signers(keys, &notes)?, notes, None).ok();
            }
        }
        let in_order = if first.size <= second.size { [one, two] } else { [two, one] };
        let (earlier, later) = (first.min(second), first.max(second));
        // Honest heads are the rule, and looking at them is much cheaper than their signatures.
        let prefix = prefix_shown_by(earlier.size, &later, proof);
        let contradicts = match &prefix {
            Some(prefix) => prefix.root != earlier.root,
            None => two_roots(first, second).is_some(),
        };
        if !contradicts {
            return None;
        }
        let notes = in_order.map(Note::clone).to_vec();
        Self::show(signers(keys, &notes)?, notes, prefix).ok()
    }

    /// Reads and verifies an evidence file.
    ///
    /// # Errors
    /// [`EvidenceError`] naming the first thing that is not as it must be: the file proves nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            return Err(EvidenceError::TooLong { got: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| EvidenceError::Utf8)?;
        // The text of a checkpoint holds no empty line, so these are the only ones.
        let parts: Vec<&str> = text.split("\n\n").collect();
        let (head, notes) = match *parts.as_slice() {
            [head, one, lines] => (head, vec![note(one, lines)?]),
            [head, one, lines, two, more] => {
                // The line feed at the end of the first note is the one that was cut off here.
                (head, vec![note(one, &format!("{lines}\n"))?, note(two, more)?])
            }
            _ => return Err(EvidenceError::Form),
        };
        let Header { keys, claim, prefix } = Header::parse(head)?;
        let evidence = Self::show(keys, notes, prefix)?;
        if evidence.claim() != claim {
            return Err(EvidenceError::OtherClaim { shown: evidence.claim() });
        }
        if evidence.to_string() != text {
            return Err(EvidenceError::Form);
        }
        Ok(evidence)
    }

    /// Whose keys signed: one key, or the two that a log had one after the other.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// The log it is about.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Why the heads cannot both be true.
    pub fn contradiction(&self) -> &Contradiction {
        &self.contradiction
    }

    /// The signed checkpoints: two, or the one that contradicts itself.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The contradiction in plain words, one sentence without a full stop.
    pub fn in_words(&self) -> String {
        match &self.contradiction {
            Contradiction::TwoRoots { size, roots: [one, two] } => {
                format!(
                    "two different trees of {size} entries were signed, with the roots {one} and {two}"
                )
            }
            Contradiction::NotEmpty { root } => {
                format!(
                    "a tree of 0 entries was signed with the root {root}, which no empty tree has"
                )
            }
            Contradiction::NotAPrefix { earlier, later, root, .. } => format!(
                "a tree of {} entries with the root {} was signed, and one of {} entries whose first {} have the root {root}",
                earlier.size, earlier.root, later.size, earlier.size
            ),
        }
    }

    const fn claim(&self) -> &'static str {
        match self.contradiction {
            Contradiction::TwoRoots { .. } => TWO_ROOTS,
            Contradiction::NotEmpty { .. } => NOT_EMPTY,
            Contradiction::NotAPrefix { .. } => NOT_A_PREFIX,
        }
    }

    fn show(
        keys: Vec<VerifierKey>,
        notes: Vec<Note>,
        prefix: Option<Prefix>,
    ) -> Result<Self, EvidenceError> {
        let (first, last) = match notes.as_slice() {
            [one] => (one, one),
            [one, two] => (one, two),
            _ => return Err(EvidenceError::Form),
        };
        match keys.as_slice() {
            [key] => {
                refuse_unsigned(key, first)?;
                refuse_unsigned(key, last)?;
            }
            [one, two] if notes.len() == 2 && one != two => {
                refuse_unsigned(one, first)?;
                refuse_unsigned(two, last)?;
            }
            _ => return Err(EvidenceError::Form),
        }
        let (one, two) = (Checkpoint::parse(first.text())?, Checkpoint::parse(last.text())?);
        if one.origin != two.origin {
            return Err(EvidenceError::TwoLogs);
        }
        let contradiction = match (prefix, notes.len()) {
            (None, 1) => not_empty(one.head),
            (None, _) => two_roots(one.head, two.head),
            (Some(prefix), 2) => not_a_prefix(one.head, two.head, prefix)?,
            (Some(_), _) => return Err(EvidenceError::Form),
        };
        let contradiction = contradiction.ok_or(EvidenceError::NoContradiction)?;
        Ok(Self { keys, contradiction, origin: one.origin, notes })
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        self.keys.iter().try_for_each(|key| writeln!(f, "{KEY}{key}"))?;
        writeln!(f, "{CLAIM}{}", self.claim())?;
        if let Contradiction::NotAPrefix { root, proof, .. } = &self.contradiction {
            writeln!(f, "{ROOT}{root}")?;
            proof.iter().try_for_each(|hash| writeln!(f, "{PROOF}{hash}"))?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}

/// For each note the first key that signed it, and one key when that is enough.
fn signers(keys: &[VerifierKey], notes: &[Note]) -> Option<Vec<VerifierKey>> {
    let signed_all =
        |key: &&VerifierKey| notes.iter().all(|note| refuse_unsigned(key, note).is_ok());
    if let Some(key) = keys.iter().find(signed_all) {
        return Some(vec![key.clone()]);
    }
    let signed = |note: &Note| keys.iter().find(|key| refuse_unsigned(key, note).is_ok()).cloned();
    notes.iter().map(signed).collect()
}

fn refuse_unsigned(key: &VerifierKey, note: &Note) -> Result<(), EvidenceError> {
    // A tree head signature (0x05) covers no origin: it could be about another log of that key.
    if matches!(key.key_type(), None | Some(KeyType::Rfc6962)) {
        return Err(EvidenceError::KeyType);
    }
    match key.verify_note(note) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(EvidenceError::NotSigned { source: None }),
        Err(source) => Err(EvidenceError::NotSigned { source: Some(source) }),
    }
}

/// What stands at the earlier size in the later tree, and the proof of that.
struct Prefix {
    root: Hash,
    proof: Vec<Hash>,
}

/// The proof that fails from the earlier head may show from which root it would have verified.
fn prefix_shown_by(size: TreeSize, later: &TreeHead, proof: &[Hash]) -> Option<Prefix> {
    let root = earlier_root(size, later, proof)?;
    Some(Prefix { root, proof: proof.to_vec() })
}

fn not_empty(head: TreeHead) -> Option<Contradiction> {
    let contradicts = head.size == TreeSize::ZERO && head.root != EMPTY_ROOT;
    contradicts.then_some(Contradiction::NotEmpty { root: head.root })
}

fn two_roots(one: TreeHead, two: TreeHead) -> Option<Contradiction> {
    let contradict = one.size == two.size && one.root != two.root;
    contradict.then_some(Contradiction::TwoRoots { size: one.size, roots: [one.root, two.root] })
}

fn not_a_prefix(
    earlier: TreeHead,
    later: TreeHead,
    prefix: Prefix,
) -> Result<Option<Contradiction>, EvidenceError> {
    let Prefix { root, proof } = prefix;
    // From and to the same size there is nothing to prove, and from nothing everything follows.
    if earlier.size >= later.size || earlier.size == TreeSize::ZERO || root == earlier.root {
        return Ok(None);
    }
    verify_consistency(&TreeHead { size: earlier.size, root }, &later, &proof)
        .map_err(|source| EvidenceError::Proof { source })?;
    Ok(Some(Contradiction::NotAPrefix { earlier, later, root, proof }))
}

fn note(text: &str, lines: &str) -> Result<Note, EvidenceError> {
    Ok(Note::parse(format!("{text}\n\n{lines}").as_bytes())?)
}

struct Header<'a> {
    keys: Vec<VerifierKey>,
    claim: &'a str,
    prefix: Option<Prefix>,
}

impl<'a> Header<'a> {
    fn parse(head: &'a str) -> Result<Self, EvidenceError> {
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(EvidenceError::Header);
        }
        let mut keys = Vec::new();
        while let Some(key) = lines.peek().and_then(|line| line.strip_prefix(KEY)) {
            if keys.len() == KEYS_MAX {
                return Err(EvidenceError::Form);
            }
            keys.push(key.parse().map_err(|source| EvidenceError::Key { source })?);
            lines.next();
        }
        let claim = lines.next().and_then(|line| line.strip_prefix(CLAIM));
        let claim = claim.ok_or(EvidenceError::Form)?;
        let hash = |line: &str, prefix| {
            let hash = line.strip_prefix(prefix).ok_or(EvidenceError::Form)?;
            Hash::from_base64(hash).map_err(|_| EvidenceError::Form)
        };
        let Some(root) = lines.next() else {
            return Ok(Self { keys, claim, prefix: None });
        };
        let root = hash(root, ROOT)?;
        let proof = lines.map(|line| hash(line, PROOF)).collect::<Result<_, _>>()?;
        Ok(Self { keys, claim, prefix: Some(Prefix { root, proof }) })
    }
}

/// Why a file proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Longer than [`EVIDENCE_BYTES_MAX`].
    #[error("expected at most {EVIDENCE_BYTES_MAX} bytes, got {got}")]
    TooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// Not UTF-8.
    #[error("expected UTF-8")]
    Utf8,
    /// Another first line.
    #[error("expected '{HEADER}' on the first line")]
    Header,
    /// Parts that are missing, too many or not in the form in which they are written.
    #[error(
        "expected keys, a claim and one or two signed checkpoints, in the form evidence is written"
    )]
    Form,
    /// Not a verifier key.
    #[error("expected a verifier key after '{KEY}'")]
    Key {
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// A key whose signatures say nothing about a log's name, or that cannot be checked here.
    #[error("signatures of this type of key are no evidence")]
    KeyType,
    /// What should be a checkpoint is not a note.
    #[error("not a signed note")]
    Note(#[from] NoteError),
    /// The text of a note is not a checkpoint.
    #[error("not a checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// The key did not sign one of the checkpoints.
    #[error("a checkpoint does not carry a valid signature by its key")]
    NotSigned {
        /// What is wrong with the signature that is there.
        #[source]
        source: Option<SignatureError>,
    },
    /// The checkpoints are of two logs.
    #[error("the checkpoints are of two different logs")]
    TwoLogs,
    /// The proof leads nowhere.
    #[error("the consistency proof does not verify")]
    Proof {
        /// What is wrong with it.
        #[source]
        source: ProofError,
    },
    /// An honest signer could have signed all of this.
    #[error("the checkpoints do not contradict each other")]
    NoContradiction,
    /// It proves something else than it says.
    #[error("expected the claim '{shown}', which is what the checkpoints show")]
    OtherClaim {
        /// What it proves.
        shown: &'static str,
    },
}

/// The longest evidence file that is read: room for two notes with every line a post-quantum one.
pub const EVIDENCE_BYTES_MAX: usize = 2 * 1024 * 1024;

const HEADER: &str = "civiclog evidence v1";
const KEY: &str = "key ";
const CLAIM: &str = "claim ";
const ROOT: &str = "root ";
const PROOF: &str = "proof ";
const TWO_ROOTS: &str = "one size, two roots";
const NOT_EMPTY: &str = "an empty tree that is not empty";
const NOT_A_PREFIX: &str = "the earlier tree is not in the later";
const KEYS_MAX: usize = 2;

#[cfg(test)]
mod tests;
