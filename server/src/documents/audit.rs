//! Hashing every document again.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::folder::each;
use super::name::hash_of;
use super::notice::{Notice, notice_path};
use crate::config::Config;
use crate::core::withdrawn::Act;

/// What an audit of the documents went through without finding anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audited {
    pub(crate) documents: u64,
}

/// Hashes every document and compares it with its name. Nothing that was erased may be there.
pub(crate) fn audit(config: &Config) -> anyhow::Result<Audited> {
    audit_folder(&config.documents_dir())
}

pub(super) fn audit_folder(folder: &Path) -> anyhow::Result<Audited> {
    let mut audited = Audited::default();
    match folder.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(audited),
        Err(error) => return Err(error).context("looking for the documents"),
    }
    each(folder, |id, path| {
        let found = File::open(path).and_then(|mut file| hash_of(&mut file));
        let found = found.map_err(|error: io::Error| anyhow::Error::new(error))?;
        ensure!(found == id, "the bytes of the document {id} have the hash {found}");
        let notice = Notice::read(&notice_path(folder, id))?;
        ensure!(
            notice.is_none_or(|it| it.act != Act::Erased),
            "the document {id} was erased, and it is there: `erase` it again"
        );
        audited.documents += 1;
        Ok(())
    })?;
    Ok(audited)
}
