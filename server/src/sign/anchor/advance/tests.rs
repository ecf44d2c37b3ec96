//! The anchor is held, moved forward, and never believed when it was touched.

use std::io;

use tlog::TreeSize;

use super::*;

fn origin() -> Origin {
    "log.example/spending".parse().expect("an origin")
}

fn head(size: u64) -> TreeHead {
    TreeHead { size: TreeSize::new(size), root: tlog::leaf_hash(&size.to_be_bytes()) }
}

#[test]
fn what_was_put_in_is_there_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("anchor");
    let mut anchor = Anchor::create(&path, &origin()).expect("creating");
    let moved = Guarded::for_test(TreeHead::EMPTY, head(5));
    assert_eq!(anchor.advance(moved).expect("advancing").head(), head(5));
    anchor.expect_policy("quorum all").expect("remembering");
    anchor.expect_policy("quorum any").expect("remembering");
    drop(anchor);
    let again = Anchor::open(&path, &origin()).expect("opening");
    assert_eq!(again.head(), head(5));
    assert_eq!(again.policies(), ["quorum all", "quorum any"]);
    let mut again = again;
    again.settle("quorum any").expect("settling");
    assert_eq!(again.policies(), ["quorum any"]);
}

#[test]
fn a_head_that_does_not_start_from_the_anchored_one_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("anchor");
    let mut anchor = Anchor::create(&path, &origin()).expect("creating");
    let stale = Guarded::for_test(head(3), head(5));
    assert!(matches!(anchor.advance(stale), Err(AnchorError::Moved { .. })));
    assert_eq!(anchor.head(), TreeHead::EMPTY);
}

#[test]
fn a_file_changed_by_somebody_else_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("anchor");
    let mut anchor = Anchor::create(&path, &origin()).expect("creating");
    anchor.advance(Guarded::for_test(TreeHead::EMPTY, head(5))).expect("advancing");
    let text = std::fs::read_to_string(&path).expect("reading");
    std::fs::write(&path, text.replace("\"size\": 5", "\"size\": 4")).expect("writing");
    let next = Guarded::for_test(head(5), head(6));
    assert!(matches!(anchor.advance(next), Err(AnchorError::Unusable { .. })));
    // Another server's anchor, whole and with its checksum.
    let elsewhere = folder.path().join("elsewhere");
    let mut other = Anchor::create(&elsewhere, &origin()).expect("creating");
    other.advance(Guarded::for_test(TreeHead::EMPTY, head(4))).expect("advancing");
    std::fs::copy(&elsewhere, &path).expect("copying");
    let next = Guarded::for_test(head(5), head(6));
    assert!(matches!(anchor.advance(next), Err(AnchorError::Moved { .. })));
}

#[test]
fn no_bit_of_the_file_can_change_unnoticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("anchor");
    let mut anchor = Anchor::create(&path, &origin()).expect("creating");
    anchor.advance(Guarded::for_test(TreeHead::EMPTY, head(5))).expect("advancing");
    anchor.expect_policy("quorum all").expect("remembering");
    drop(anchor);
    let before = std::fs::read(&path).expect("reading");
    for at in 0..before.len() * 8 {
        let mut bytes = before.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).expect("writing");
        // White space between members is all that may change without a trace.
        match Anchor::open(&path, &origin()) {
            Err(AnchorError::Unusable { .. }) => {}
            Ok(_) => assert!(before[at / 8].is_ascii_whitespace(), "bit {at}"),
            Err(other) => panic!("bit {at}: {other}"),
        }
    }
}

#[test]
fn an_anchor_without_a_checksum_still_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("anchor");
    let text = format!(
        "{{\"format\":\"civiclog-anchor/1\",\"origin\":\"{}\",\"size\":0,\"root\":\"{}\",\
         \"policies\":[]}}",
        origin(),
        TreeHead::EMPTY.root.to_base64()
    );
    std::fs::write(&path, text).expect("writing");
    let anchor = Anchor::open(&path, &origin()).expect("opening");
    assert_eq!(anchor.head(), TreeHead::EMPTY);
}

/// A medium whose next write fails, and takes effect or not.
struct Failing {
    bytes: Vec<u8>,
    is_applied: bool,
}

impl AnchorMedium for Failing {
    fn path(&self) -> &Path {
        Path::new("anchor")
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        Ok((!self.bytes.is_empty()).then(|| self.bytes.clone()))
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_first = self.bytes.is_empty();
        if is_first || self.is_applied {
            self.bytes = bytes.to_vec();
        }
        if is_first { Ok(()) } else { Err(io::Error::other("the disk failed")) }
    }
}

#[test]
fn after_a_failed_write_nothing_is_ever_anchored_again() {
    for is_applied in [false, true] {
        let medium = Box::new(Failing { bytes: Vec::new(), is_applied });
        let mut anchor = Anchor::create_on(medium, &origin()).expect("creating");
        let next = || Guarded::for_test(TreeHead::EMPTY, head(5));
        assert!(matches!(anchor.advance(next()), Err(AnchorError::Io { .. })));
        assert!(matches!(anchor.advance(next()), Err(AnchorError::Unknown)));
        let same = Guarded::for_test(TreeHead::EMPTY, TreeHead::EMPTY);
        assert!(matches!(anchor.advance(same), Err(AnchorError::Unknown)));
        assert!(matches!(anchor.settle("quorum all"), Err(AnchorError::Unknown)));
    }
}

#[test]
fn a_missing_or_foreign_anchor_is_refused_and_a_second_holder_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("anchor");
    assert!(matches!(Anchor::open(&path, &origin()), Err(AnchorError::Missing { .. })));
    let held = Anchor::create(&path, &origin()).expect("creating");
    assert!(matches!(Anchor::open(&path, &origin()), Err(AnchorError::Locked { .. })));
    assert!(matches!(Anchor::create(&path, &origin()), Err(AnchorError::Locked { .. })));
    drop(held);
    assert!(matches!(Anchor::create(&path, &origin()), Err(AnchorError::Exists { .. })));
    let other = "log.example/other".parse().expect("an origin");
    assert!(matches!(Anchor::open(&path, &other), Err(AnchorError::Unusable { .. })));
    std::fs::write(&path, b"{}").expect("writing");
    assert!(matches!(Anchor::open(&path, &origin()), Err(AnchorError::Unusable { .. })));
}
