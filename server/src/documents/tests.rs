use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use records::DOCUMENT_BYTES_MAX;
use service::FreeSpace;
use sha2::{Digest as _, Sha256};

use super::folder::LEDGER;
use super::*;
use crate::config::Config;

/// A disk with so much room left.
#[derive(Debug)]
struct Room(u64);

impl FreeSpace for Room {
    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.0)
    }
}

struct DocumentsFolder {
    folder: tempfile::TempDir,
    config: Config,
}

impl DocumentsFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server.toml");
        let text = "origin = \"log.example/a\"\ndata_dir = \".\"\npolicy = \"p\"\n\n[documents]\n\
                    bytes_per_submitter_max = 100\ndisk_free_bytes_min = 1000\n";
        fs::write(&path, text).expect("writing the configuration");
        let config = Config::load(&path).expect("a configuration");
        Self { folder, config }
    }

    fn open(&self, free: u64) -> anyhow::Result<Arc<Documents>> {
        Documents::open_in(self.config.documents_dir(), &self.config, Box::new(Room(free)))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("documents").join(name)
    }
}

fn id_of(bytes: &[u8]) -> DocumentId {
    let mut hash = Sha256::new();
    hash.update(bytes);
    DocumentId::of(hash)
}

fn upload(
    documents: &Arc<Documents>,
    submitter: &str,
    bytes: &[u8],
) -> Result<Stored, UploadError> {
    let mut upload = documents.begin(submitter, id_of(bytes), bytes.len() as u64)?;
    bytes.chunks(3).try_for_each(|it| upload.write(it))?;
    upload.finish("2026-11-23T01:02:03.000Z")
}

#[test]
fn a_name_has_one_spelling() {
    let id = id_of(b"");
    let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(id.to_string(), text);
    assert_eq!(text.parse::<DocumentId>().expect("a name"), id);
    for bad in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace('e', "+")]
    {
        assert!(bad.parse::<DocumentId>().is_err(), "{bad}");
    }
}

#[test]
fn what_is_other_or_longer_or_shorter_than_announced_gets_no_name() {
    let place = DocumentsFolder::new();
    let documents = place.open(u64::MAX).expect("documents");
    let id = id_of(b"announced");
    for bytes in [b"annoUnced".as_slice(), b"announce", b"announced and more"] {
        let mut upload = documents.begin("GB-X-1", id, 9).expect("room");
        let written = bytes.chunks(4).try_for_each(|it| upload.write(it));
        let ended = written.and_then(|()| upload.finish("now"));
        assert!(matches!(ended, Err(UploadError::OtherBytes { .. })), "{ended:?}");
        assert!(matches!(documents.find(id).expect("an answer"), Found::Nothing));
    }
    assert_eq!(fs::read_dir(place.path("incoming")).expect("a folder").count(), 0);
    assert_eq!(upload(&documents, "GB-X-1", b"announced").expect("stored"), Stored::New);
    assert_eq!(upload(&documents, "GB-X-1", b"announced").expect("stored"), Stored::Duplicate);
    assert_eq!(audit::audit_folder(&place.path("")).expect("an audit").documents, 1);
}

#[test]
fn room_is_taken_at_the_beginning_and_given_back() {
    let place = DocumentsFolder::new();
    let documents = place.open(1_040).expect("documents");
    let first = documents.begin("GB-X-1", id_of(b"a"), 40).expect("room");
    let full = documents.begin("GB-X-1", id_of(b"b"), 41);
    assert!(matches!(full, Err(UploadError::DiskAlmostFull { free: 1_040 })), "{full:?}");
    let _second = documents.begin("GB-X-1", id_of(b"b"), 40).expect("room");
    let full = documents.begin("GB-X-1", id_of(b"c"), 21);
    assert!(matches!(full, Err(UploadError::Quota { bytes_max: 100 })), "{full:?}");
    assert!(documents.begin("GB-X-2", id_of(b"c"), 21).is_ok(), "another submitter has its own");
    drop(first);
    assert!(documents.begin("GB-X-1", id_of(b"c"), 40).is_ok());
    let long = documents.begin("GB-X-1", id_of(b"c"), DOCUMENT_BYTES_MAX + 1);
    assert!(matches!(long, Err(UploadError::TooLarge { .. })), "{long:?}");
}

#[test]
fn the_ledger_remembers_and_forgives_only_its_last_line() {
    let place = DocumentsFolder::new();
    let documents = place.open(u64::MAX).expect("documents");
    upload(&documents, "GB-X-1", &[1; 60]).expect("stored");
    drop(documents);
    let ledger = fs::read_to_string(place.path(LEDGER)).expect("the ledger");
    // Killed in the middle of a line, and the same document written down twice.
    fs::write(place.path(LEDGER), format!("{ledger}{ledger}0123")).expect("writing");
    fs::write(place.path("incoming/7"), "half").expect("an upload that was cut off");
    let documents = place.open(u64::MAX).expect("documents");
    assert_eq!(fs::read_dir(place.path("incoming")).expect("a folder").count(), 0);
    assert!(matches!(upload(&documents, "GB-X-1", &[2; 41]), Err(UploadError::Quota { .. })));
    upload(&documents, "GB-X-1", &[3; 40]).expect("stored");
    drop(documents);
    let text = fs::read_to_string(place.path(LEDGER)).expect("the ledger");
    assert!(text.starts_with(&format!("{ledger}{ledger}")) && text.lines().count() == 3, "{text}");

    fs::write(place.path(LEDGER), format!("what is this\n{ledger}")).expect("writing");
    let damaged = place.open(u64::MAX).expect_err("a damaged ledger");
    assert!(damaged.to_string().contains("line 1"), "{damaged}");
}
