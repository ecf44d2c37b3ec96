//! When a witness contradicts this log, its claim is a word. The checkpoint that it cosigned last may
//! be more: if our own key signed it and this data folder does not know it, it is proof that the key
//! was used with other data. It is asked for, judged, and kept for whoever has to find out.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use files::Access;
use store::{Kv, Store};
use tlog::{Evidence, Note, SignedCheckpoint, VerifierKey};

use crate::publish::decisions::Shown;

/// A head with our signature that this data folder does not explain, as a witness showed it.
#[derive(Debug)]
pub struct Foreign {
    pub shown: Shown,
    pub signed: SignedCheckpoint,
}

/// Judges a checkpoint that a witness shows. `None` when our key did not sign it, or when it is a
/// head of this very tree.
pub fn judge<K: Kv>(
    note: Note,
    own_key: &VerifierKey,
    store: &Store<K>,
) -> anyhow::Result<Option<Foreign>> {
    let Ok(signed) = SignedCheckpoint::open(note, std::slice::from_ref(own_key)) else {
        return Ok(None);
    };
    let head = signed.head();
    if signed.checkpoint().origin != *store.origin() {
        return Ok(None);
    }
    if head.size > store.head().size {
        let shown = Shown::Newer { size: head.size };
        return Ok(Some(Foreign { shown, signed }));
    }
    let root = tlog::root_from_tiles(head.size, store).context("the root at that size")?;
    let shown = Shown::Contradicting { size: head.size };
    Ok((root != head.root).then_some(Foreign { shown, signed }))
}

/// What convinces a stranger that our key signed two histories: the foreign head beside the one that
/// this log published last. `None` while what is published does not reach that far.
pub fn evidence<K: Kv>(
    foreign: &Foreign,
    own_key: &VerifierKey,
    store: &Store<K>,
) -> anyhow::Result<Option<Evidence>> {
    let Some(published) = store.latest_published() else {
        return Ok(None);
    };
    let size = foreign.signed.head().size;
    if size > published.head().size {
        return Ok(None);
    }
    let ours = Note::parse(published.note().as_bytes()).context("the last published checkpoint")?;
    let proof = tlog::prove_consistency(size, published.head().size, store)
        .context("proving what this log has at that size")?;
    let keys = std::slice::from_ref(own_key);
    Ok(Evidence::find(keys, foreign.signed.note(), &ours, &proof))
}

/// Keeps it as a file of its own, named by size and root, and returns where: the checkpoint, and
/// beside it what [`evidence`] found. What is there already is never replaced.
pub fn keep(
    folder: &Path,
    foreign: &Foreign,
    evidence: Option<&Evidence>,
) -> anyhow::Result<PathBuf> {
    let head = foreign.signed.head();
    let root: String = head.root.to_hex().chars().take(16).collect();
    let path = folder.join(format!("head-{}-{root}.txt", head.size));
    files::create_folder(folder, Access::Owner)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    write_once(&path, &foreign.signed.note().to_string())?;
    if let Some(evidence) = evidence {
        write_once(&path.with_extension("evidence"), &evidence.to_string())?;
    }
    Ok(path)
}

fn write_once(path: &Path, text: &str) -> anyhow::Result<()> {
    match files::create(path, text.as_bytes(), Access::Everyone) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        written => written.with_context(|| format!("writing {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use store::MemoryKv;
    use tlog::{
        Checkpoint, CosignatureSigner, Ed25519Signer, Hash, Policy, TreeHead, TreeSize, UnixMillis,
        UnixSeconds,
    };

    use super::*;

    const ORIGIN: &str = "log.example/spending";

    fn grown(size: u64) -> Store<MemoryKv> {
        crate::fixtures::grown(ORIGIN, size).1
    }

    fn key(seed: u8) -> Ed25519Signer {
        Ed25519Signer::new(ORIGIN.parse().expect("a name"), [seed; 32])
    }

    fn note(key: &Ed25519Signer, origin: &str, head: TreeHead) -> Note {
        let text = Checkpoint::new(origin.parse().expect("an origin"), head).to_text();
        Note::new(text.clone(), vec![key.sign(&text)]).expect("a note")
    }

    #[test]
    fn only_a_head_that_our_key_signed_and_this_tree_does_not_have_is_foreign() {
        let (small, store) = (grown(3).head(), grown(5));
        let (ours, other) = (key(1), key(2));
        let own_key = ours.verifier_key();
        let shown = |note| judge(note, &own_key, &store).expect("readable").map(|it| it.shown);

        assert_eq!(shown(note(&ours, ORIGIN, small)), None, "a prefix of this tree");
        assert_eq!(shown(note(&ours, ORIGIN, store.head())), None, "this tree");
        let wrong = TreeHead { root: Hash::new([7; 32]), ..small };
        assert_eq!(
            shown(note(&ours, ORIGIN, wrong)),
            Some(Shown::Contradicting { size: TreeSize::new(3) })
        );
        assert_eq!(
            shown(note(&other, ORIGIN, wrong)),
            None,
            "anybody can sign with a key of his own"
        );
        assert_eq!(shown(note(&ours, "log.example/other", wrong)), None);
        let newer = TreeHead { size: TreeSize::new(6), ..wrong };
        assert_eq!(
            shown(note(&ours, ORIGIN, newer)),
            Some(Shown::Newer { size: TreeSize::new(6) })
        );
    }

    #[test]
    fn what_is_kept_is_never_replaced() {
        let store = grown(5);
        let ours = key(1);
        let wrong = TreeHead { size: TreeSize::new(3), root: Hash::new([7; 32]) };
        let foreign = judge(note(&ours, ORIGIN, wrong), &ours.verifier_key(), &store);
        let foreign = foreign.expect("readable").expect("foreign");
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("evidence");
        let none = evidence(&foreign, &ours.verifier_key(), &store).expect("readable");
        assert!(none.is_none(), "nothing is published");
        let path = keep(&dir, &foreign, None).expect("writing");
        assert!(path.ends_with("head-3-0707070707070707.txt"), "{}", path.display());
        let text = std::fs::read(&path).expect("reading");
        assert_eq!(text, foreign.signed.note().to_string().into_bytes());
        std::fs::write(&path, "somebody's notes").expect("writing");
        assert_eq!(keep(&dir, &foreign, None).expect("it is there"), path);
        assert_eq!(std::fs::read(&path).expect("reading"), b"somebody's notes");
    }

    #[test]
    fn beside_what_was_published_it_convinces_a_stranger() {
        let store = grown(5);
        let ours = key(1);
        publish(&store, &ours);
        let folder = tempfile::tempdir().expect("a folder");
        for size in [3, 5] {
            let wrong = TreeHead { size: TreeSize::new(size), root: Hash::new([7; 32]) };
            let foreign = judge(note(&ours, ORIGIN, wrong), &ours.verifier_key(), &store);
            let foreign = foreign.expect("readable").expect("foreign");
            let found = evidence(&foreign, &ours.verifier_key(), &store).expect("readable");
            let path = keep(folder.path(), &foreign, found.as_ref()).expect("writing");
            let bytes = std::fs::read(path.with_extension("evidence")).expect("it is there");
            let read = Evidence::parse(&bytes).expect("it proves something");
            assert_eq!(read.keys(), [ours.verifier_key()]);
        }
        let newer = TreeHead { size: TreeSize::new(9), root: Hash::new([7; 32]) };
        let foreign = judge(note(&ours, ORIGIN, newer), &ours.verifier_key(), &store);
        let foreign = foreign.expect("readable").expect("foreign");
        let found = evidence(&foreign, &ours.verifier_key(), &store).expect("readable");
        assert!(found.is_none(), "a longer tree may begin with ours");
    }

    /// Publishes the whole tree, under a policy of one witness.
    fn publish(store: &Store<MemoryKv>, log: &Ed25519Signer) {
        let witness =
            CosignatureSigner::new("witness.example/w1".parse().expect("a name"), [9; 32]);
        let policy = format!(
            "log {}\nwitness w1 {}\nquorum w1\n",
            log.verifier_key(),
            witness.verifier_key()
        );
        let mut note = note(log, ORIGIN, store.head());
        note.push(witness.sign(note.text(), UnixSeconds::new(1))).expect("room");
        let cosigned = Policy::parse(&policy).expect("a policy").check(&note).expect("a quorum");
        store.publish(&cosigned, UnixMillis::new(1)).expect("publishing");
    }
}
