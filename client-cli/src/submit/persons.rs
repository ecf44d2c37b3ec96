//! Ids of objects about natural persons.
//!
//! An object's id stands in clear for ever. The publisher's own number in it would lead whoever
//! has a file with that number to the name, and a plain hash of the number can be found by trying.
//! So in rows about persons the id is derived with a secret that the submitter alone has:
//!
//! ```text
//! XX-LAE-WMC/payment/T4711                                the id that any other row gets
//! XX-LAE-WMC/payment/~~ HMAC-SHA-256(secret, that id)     the first 16 bytes, hexadecimal
//! ```
//! The same number gives the same object, so a file that is imported again finds it. `~~` stands in
//! no other id: there a `~` is followed by two hexadecimal digits.
//!
//! The secret is a file beside the journal, **trusted** and never replaced: with another one every
//! such row would be an object that the log does not know, and would be counted a second time. So
//! none is made where the journal, or the log, has such rows already.

use std::path::{Path, PathBuf};

use files::Access;
use hmac::{Hmac, KeyInit, Mac};
use import::PersonNames;
use sha2::Sha256;
use tlog::Hash;
use tlog_client::LogClient;

use super::journal::Journal;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::keyfile;

/// Derives the ids of objects about persons. Never shown.
pub(crate) struct PersonIds {
    secret: [u8; SECRET_BYTES],
}

impl std::fmt::Debug for PersonIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PersonIds").finish_non_exhaustive()
    }
}

impl PersonNames for PersonIds {
    fn object(&self, prefix: &str, clear: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        mac.update(clear.as_bytes());
        let hex = Hash::new(mac.finalize().into_bytes().into()).to_hex();
        format!("{prefix}{MARK}{}", &hex[..ID_DIGITS])
    }
}

impl PersonIds {
    /// Ids that nobody will meet again: for a rehearsal where there is no secret yet.
    fn passing() -> Outcome<Self> {
        Ok(Self { secret: keyfile::random()? })
    }
}

/// Where the secret of one submitter at one log is.
pub(crate) struct SecretFile<'a> {
    path: PathBuf,
    origin: &'a str,
    submitter: &'a str,
}

impl<'a> SecretFile<'a> {
    pub(crate) fn beside(journal: &Path, origin: &'a str, submitter: &'a str) -> Self {
        let mut path = journal.as_os_str().to_owned();
        path.push(".secret");
        Self { path: path.into(), origin, submitter }
    }

    /// Reads the secret, or makes the first one. `prefix`: how the ids of these rows begin.
    ///
    /// # Errors
    /// Usage: the file is damaged, of another submitter or log, or readable by others; or it is
    /// missing though ids were derived before.
    pub(crate) async fn find_or_make(
        &self,
        client: &LogClient,
        journal: Option<&Journal>,
        prefix: &str,
        is_rehearsal: bool,
    ) -> Outcome<PersonIds> {
        if let Some(ids) = self.read()? {
            return Ok(ids);
        }
        let shown = self.path.display();
        let has_derived = journal.map(|journal| journal.has(is_derived)).transpose();
        let has_derived = has_derived.explain(Exit::Usage, || "reading the journal".to_owned())?;
        if has_derived == Some(true) {
            return Err(Failure::usage(format!(
                "the journal has rows about persons, and the secret that names them is missing: \
                 put {shown} back from a backup. With another secret each of these rows would be \
                 a new object, and be counted twice"
            )));
        }
        if !client.objects(&format!("{prefix}{MARK}"), None).await?.is_empty() {
            return Err(Failure::usage(format!(
                "the log has rows about persons from this submitter, and the secret that names \
                 them is missing: put {shown} back from a backup, with the journal beside it. \
                 With another secret each of these rows would be a new object, and be counted twice"
            )));
        }
        if is_rehearsal { PersonIds::passing() } else { self.create() }
    }

    fn read(&self) -> Outcome<Option<PersonIds>> {
        let shown = self.path.display();
        let reading = || format!("reading {shown}");
        let text = match files::read_secret(&self.path) {
            Err(error) if error.is_absent() => return Ok(None),
            read => read.explain(Exit::Usage, reading)?,
        };
        let base64 = text.strip_prefix(&self.header()).map(str::trim_end);
        let Some(secret) = base64.and_then(|base64| Hash::from_base64(base64).ok()) else {
            return Err(Failure::usage(format!(
                "{shown} is not the secret of {} at {}: expected the line `{}` and below it \
                 {SECRET_BYTES} bytes as base64",
                self.submitter,
                self.origin,
                self.header().trim_end()
            )));
        };
        Ok(Some(PersonIds { secret: *secret.as_bytes() }))
    }

    /// Durable before a row is named with it. The journal's lock keeps a second process out.
    fn create(&self) -> Outcome<PersonIds> {
        let ids = PersonIds { secret: keyfile::random()? };
        let text = format!("{}{}\n", self.header(), Hash::new(ids.secret).to_base64());
        files::replace(&self.path, text.as_bytes(), Access::Owner)
            .explain(Exit::Usage, || format!("writing {}", self.path.display()))?;
        Ok(ids)
    }

    fn header(&self) -> String {
        format!("civiclog-person-secret 1 {} {}\n", self.origin, self.submitter)
    }
}

/// Whether an object's id was derived with a secret.
fn is_derived(object: &str) -> bool {
    object.rsplit('/').next().is_some_and(|last| last.starts_with(MARK))
}

const MARK: &str = "~~";
const SECRET_BYTES: usize = 32;
/// 16 bytes: two numbers share an id once in 2^64 rows.
const ID_DIGITS: usize = 32;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn ids(byte: u8) -> PersonIds {
        PersonIds { secret: [byte; SECRET_BYTES] }
    }

    #[test]
    fn ids_are_those_of_another_implementation() {
        // python3 -c 'import hmac; print(hmac.new(bytes([7]*32),
        //     b"XX-LAE-WMC/payment/T4711", "sha256").hexdigest()[:32])'
        let prefix = "XX-LAE-WMC/payment/";
        let object = ids(7).object(prefix, "XX-LAE-WMC/payment/T4711");
        assert_eq!(object, "XX-LAE-WMC/payment/~~dd01043b9177cf7e88edb51570361ba8");
        assert!(records::name::is_object(&object) && is_derived(&object));
        assert_ne!(object, ids(8).object(prefix, "XX-LAE-WMC/payment/T4711"));
        assert_ne!(object, ids(7).object(prefix, "XX-LAE-WMC/payment/T4712"));
    }

    #[test]
    fn no_number_looks_like_a_derived_id() {
        for number in ["~~a", "~", "~~", "a~~", "T1/~~x"] {
            let object = format!("XX-A-B/payment/{}", import::object_id::segment(number));
            assert!(!is_derived(&object), "{object}");
        }
    }

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        let file = SecretFile::beside(&journal, "log.example/a", "XX-A-B");
        assert!(file.read().unwrap().is_none());
        let made = file.create().unwrap();
        let read = file.read().unwrap().unwrap();
        assert_eq!(made.secret, read.secret);
        let path = folder.path().join("journal.secret");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!format!("{made:?}").contains(&made.secret[0].to_string()));
    }

    #[test]
    fn another_secret_is_not_taken_for_ours() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        SecretFile::beside(&journal, "log.example/a", "XX-A-B").create().unwrap();
        for (origin, submitter) in [("log.example/b", "XX-A-B"), ("log.example/a", "XX-A-C")] {
            let refused = SecretFile::beside(&journal, origin, submitter).read().unwrap_err();
            assert!(format!("{:#}", refused.error).contains("is not the secret of"));
        }
        let path = folder.path().join("journal.secret");
        let whole = std::fs::read(&path).unwrap();
        let file = SecretFile::beside(&journal, "log.example/a", "XX-A-B");
        for len in 0..whole.len() - 1 {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert!(file.read().is_err(), "cut to {len} bytes");
        }
        std::fs::write(&path, &whole).unwrap();
        assert!(file.read().unwrap().is_some());
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .unwrap();
        let refused = file.read().unwrap_err();
        assert!(format!("{:#}", refused.error).contains("chmod 600"));
    }
}
