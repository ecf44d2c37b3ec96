//! `withhold` and `erase` for a document. The server may run.

use std::io;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use service::{Clock, SystemClock};

use crate::config::Config;
use crate::core::withdrawn::{Act, check_reason};
use crate::documents::{DocumentId, Notice, notice_path, path_of};
use crate::operate::backup;

/// Which document is to be withdrawn, and why.
#[derive(Debug)]
pub(crate) struct DocumentRequest<'a> {
    pub(crate) id: DocumentId,
    /// Hide it, or remove its bytes as well.
    pub(crate) act: Act,
    /// The legal ground, a code of `GROUNDS`.
    pub(crate) ground: &'a str,
    /// The reason, for everybody to read.
    pub(crate) because: &'a str,
}

/// A document that was withdrawn, for standard output.
#[derive(Debug, Serialize)]
pub(crate) struct WithdrawnDocument {
    #[serde(flatten)]
    notice: Notice,
    /// The backups that hold it: where else it is.
    backups: Vec<backup::Listed>,
}

/// Withdraws a document. The notice is on the disk before the bytes go; repeating it changes nothing but
/// that what was hidden can be erased.
pub(crate) fn withdraw_document(
    config: &Config,
    request: &DocumentRequest<'_>,
) -> anyhow::Result<WithdrawnDocument> {
    check_reason(request.ground, request.because)?;
    let folder = config.documents_dir();
    let path = path_of(&folder, request.id);
    let place = notice_path(&folder, request.id);
    let before = Notice::read(&place)?;
    ensure!(
        before.is_some() || path.try_exists().context("looking for the document")?,
        "there is no document {}",
        request.id
    );
    let notice = match before {
        Some(notice) if notice.act >= request.act => notice,
        _ => {
            let notice = Notice {
                sha256: request.id.to_string(),
                act: request.act,
                since: records::format_millis(SystemClock::new().unix_millis()),
                ground: request.ground.to_owned(),
                because: request.because.to_owned(),
            };
            files::replace_json(&place, &notice, files::Access::Everyone)?;
            notice
        }
    };
    if notice.act == Act::Erased {
        remove(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    let backups = backup::holding(config, request.id)?;
    Ok(WithdrawnDocument { notice, backups })
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    files::sync_folder(files::folder_of(path))
}
