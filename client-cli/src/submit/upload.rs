//! Documents that records name: uploaded before the record that names them is sent, so that a
//! record never names bytes that the log was not given.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use import::draft::Attachment;
use records::{DOCUMENT_TYP, DocumentClaim, SigningKey};
use sha2::{Digest, Sha256};
use tlog::Hash;
use tlog_client::LogClient;

use super::planned::{PlannedRow, RowStatus};
use crate::exit::{Exit, Explain, Failure, Outcome};

/// Uploads what the records that are about to be sent name. Uploading again is harmless.
pub(crate) async fn upload(
    client: &LogClient,
    origin: &str,
    key: &SigningKey,
    file: &Path,
    rows: &[PlannedRow],
) -> Outcome<()> {
    let documents: Vec<&Attachment> = rows
        .iter()
        .filter(|row| matches!(row.status, RowStatus::New | RowStatus::Kept(_)))
        .filter_map(|row| row.draft.document.as_ref())
        .collect();
    if documents.is_empty() {
        return Ok(());
    }
    let opened = File::open(file).explain(Exit::Usage, || format!("reading {}", file.display()))?;
    let mut uploads = stream::iter(&documents)
        .map(async |document| upload_one(client, origin, key, &opened, document).await)
        .buffer_unordered(UPLOADS_IN_FLIGHT);
    while uploads.try_next().await?.is_some() {}
    Ok(())
}

async fn upload_one(
    client: &LogClient,
    origin: &str,
    key: &SigningKey,
    file: &File,
    document: &Attachment,
) -> Outcome<()> {
    let mut bytes = vec![0; document.len];
    file.read_exact_at(&mut bytes, document.offset)
        .explain(Exit::Usage, || "reading a document out of the file".to_owned())?;
    if <[u8; 32]>::from(Sha256::digest(&bytes)) != document.sha256 {
        return Err(Failure::usage(
            "the file was changed while it was read; run the same command again",
        ));
    }
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let sha256 = Hash::new(document.sha256).to_hex();
    let claim = DocumentClaim { log: origin, sha256: &sha256, size };
    let signature = key.sign_detached_as(DOCUMENT_TYP, &claim.bytes()).to_text();
    let answer = client.put_document(&sha256, Bytes::from(bytes), signature).await?;
    if (answer.sha256.as_str(), answer.size) != (sha256.as_str(), size) {
        let words = format!("uploaded {sha256}, the log says that it has {}", answer.sha256);
        return Err(Failure::new(Exit::Misbehaved, words));
    }
    Ok(())
}

/// As many at once as the log's other reads and writes are asked for.
const UPLOADS_IN_FLIGHT: usize = 8;
