//! Looking for erased disclosures in every file, as bytes: the proof of an erasure that trusts no
//! database.
//!
//! A disclosure is one run of base64url characters. Two things give it away. Its **digest**, which the
//! entry names: each run is hashed, so that a search needs to know nothing that should be gone. And
//! **marks**: stretches of its salt, which are random and stand nowhere else; a file format that cuts
//! the run in two, as a write-ahead log may, leaves one of them whole.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use records::{Disclosure, DisclosureDigest};
use sha2::{Digest as _, Sha256};

#[derive(Debug, Default)]
pub(crate) struct Sought {
    digests: BTreeSet<[u8; 32]>,
    marks: BTreeSet<[u8; MARK_LEN]>,
}

/// What a search went through, and where it found something.
#[derive(Debug, Default)]
pub(crate) struct Searched {
    /// Files that were read to their end.
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) found_in: Vec<PathBuf>,
}

impl Sought {
    pub(crate) fn digest(&mut self, digest: DisclosureDigest) {
        self.digests.insert(*digest.as_bytes());
    }

    /// Looks for this disclosure, and for parts of it.
    pub(crate) fn disclosure(&mut self, disclosure: &Disclosure) {
        self.digest(disclosure.digest());
        let text = disclosure.text().as_bytes();
        // `["` and then the salt: its characters are bytes 2 to 24 of the array's usual form, which
        // are wholly within characters 4 to 32 of the text.
        self.marks.extend(
            text.get(4..32)
                .unwrap_or_default()
                .chunks_exact(MARK_LEN)
                .filter_map(|mark| <[u8; MARK_LEN]>::try_from(mark).ok()),
        );
    }

    fn is_in(&self, run: &[u8], is_whole: bool) -> bool {
        let starts = |it: &[u8]| self.marks.iter().any(|mark| mark == it);
        let is_hit = run.len() >= RUN_LEN_MIN
            && is_whole
            && self.digests.contains(&<[u8; 32]>::from(Sha256::digest(run)));
        is_hit || run.windows(MARK_LEN).any(starts)
    }
}

/// Searches folders with all that is below them, and single files; symbolic links are not followed.
/// What could not be read was not searched, and is an error.
pub(crate) fn search(
    places: &[PathBuf],
    skip: &[PathBuf],
    sought: &Sought,
) -> anyhow::Result<Searched> {
    let mut searched = Searched::default();
    let mut waiting: Vec<PathBuf> = places.to_vec();
    while let Some(path) = waiting.pop() {
        let reading = || format!("searching {}", path.display());
        if skip.contains(&path) {
            continue;
        }
        let kind = std::fs::symlink_metadata(&path).with_context(reading)?.file_type();
        if kind.is_dir() {
            for entry in std::fs::read_dir(&path).with_context(reading)? {
                waiting.push(entry.with_context(reading)?.path());
            }
        } else if kind.is_file() {
            let (bytes, holds) = search_file(&path, sought).with_context(reading)?;
            searched.files += 1;
            searched.bytes += bytes;
            if holds {
                searched.found_in.push(path);
            }
        }
    }
    searched.found_in.sort();
    Ok(searched)
}

fn search_file(path: &Path, sought: &Sought) -> io::Result<(u64, bool)> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut run: Vec<u8> = Vec::new();
    let mut is_whole = true;
    let mut bytes = 0;
    let mut holds = false;
    loop {
        let count = file.read(&mut chunk)?;
        bytes += count as u64;
        for byte in &chunk[..count] {
            if is_base64url(*byte) {
                run.push(*byte);
                if run.len() == RUN_LEN_MAX {
                    // No disclosure is this long; a mark may still lie across the cut.
                    holds |= sought.is_in(&run, false);
                    run.drain(..RUN_LEN_MAX - (MARK_LEN - 1));
                    is_whole = false;
                }
            } else if !run.is_empty() {
                holds |= sought.is_in(&run, is_whole);
                run.clear();
                is_whole = true;
            }
        }
        if count == 0 {
            holds |= sought.is_in(&run, is_whole);
            return Ok((bytes, holds));
        }
    }
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Twelve characters hold 54 random bits or more of the salt.
const MARK_LEN: usize = 12;
/// The shortest disclosure is a salt of 16 bytes, a name and a value.
const RUN_LEN_MIN: usize = 40;
/// A submission, disclosures included, is at most this long.
const RUN_LEN_MAX: usize = records::SUBMISSION_BYTES_MAX;
const CHUNK_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8], sought: &Sought) -> bool {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("below")).expect("a folder");
        std::fs::write(folder.path().join("below/file"), bytes).expect("a file");
        let searched = search(&[folder.path().to_owned()], &[], sought).expect("a search");
        assert_eq!((searched.files, searched.bytes), (1, bytes.len() as u64));
        let skipped = search(&[folder.path().to_owned()], &[folder.path().join("below")], sought);
        assert_eq!(skipped.expect("a search").files, 0);
        !searched.found_in.is_empty()
    }

    fn disclosure(salt: u8) -> Disclosure {
        Disclosure::new([salt; 16], "name", "Harrowmere Supplies 7 Ltd".into())
    }

    #[test]
    fn a_disclosure_is_found_by_its_digest_alone_in_quotes_and_at_the_end() {
        let (wanted, other) = (disclosure(1), disclosure(2));
        let mut sought = Sought::default();
        sought.digest(wanted.digest());
        let row = |it: &Disclosure| format!("\u{1}[\"{}\"]rest", it.text()).into_bytes();
        assert!(found(&row(&wanted), &sought));
        assert!(found(wanted.text().as_bytes(), &sought));
        assert!(!found(&row(&other), &sought), "the same name under another salt is another's");
        assert!(!found(b"", &sought));
    }

    #[test]
    fn a_disclosure_that_is_cut_anywhere_is_found_by_its_marks() {
        let wanted = disclosure(3);
        let mut sought = Sought::default();
        sought.disclosure(&wanted);
        let text = wanted.text().as_bytes();
        for cut in 0..text.len() {
            let parts = [b"\0".as_slice(), &text[..cut], b"\0\x07cut", &text[cut..], b"\0"];
            assert!(found(&parts.concat(), &sought), "cut at {cut}");
        }
        let other = disclosure(4);
        assert!(!found(other.text().as_bytes(), &sought));
    }

    #[test]
    fn a_mark_across_two_chunks_or_in_an_endless_run_is_found() {
        let wanted = disclosure(5);
        let mut sought = Sought::default();
        sought.disclosure(&wanted);
        for filler in [b' ', b'A'] {
            for before in [CHUNK_BYTES - 20, RUN_LEN_MAX - 15, RUN_LEN_MAX - 9] {
                let bytes = [vec![filler; before], wanted.text().as_bytes().to_vec()].concat();
                assert!(found(&bytes, &sought), "{before} times {filler}");
            }
        }
    }
}
