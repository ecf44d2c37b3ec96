//! `PUT` and `GET /v1/documents/{sha256}`: files that records name by hash.
//!
//! Who uploads is known before a byte of the body is read; a download is hashed before a byte of it is
//! sent. Both go through in pieces: neither holds a document in memory.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use records::{
    DOCUMENT_BYTES_MAX, DOCUMENT_TYP, DetachedJws, DocumentClaim, EntryIndex, KeyRole, KeyState,
};
use serde::Serialize;
use service::discard_body;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::app::App;
use super::error::{ApiError, DISCARD_TIME_MAX};
use super::respond::{Caching, json};
use crate::admit::check::AwsLcEs256;
use crate::core::state::CommittedState;
use crate::documents::{DocumentId, Documents, Found, Stored, Upload, UploadError, hash_of};

/// Requests about documents that are looked at at once, refused ones included.
pub(super) const REQUESTS_MAX: usize = 256;

#[derive(Serialize)]
struct Answer {
    sha256: String,
    size: u64,
    duplicate: bool,
}

/// `PUT /v1/documents/{sha256}`
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    match before_the_body(&app, &id, &head.headers).await {
        Ok(Begun::Upload(upload, size, permit)) => {
            let answer = receive(&app, *upload, size, body).await;
            drop(permit);
            answer.unwrap_or_else(ApiError::into_response)
        }
        Ok(Begun::Here(id, size)) => {
            discard_body(body, DISCARD_BYTES_MAX, DISCARD_TIME_MAX).await;
            let answer = Answer { sha256: id.to_string(), size, duplicate: true };
            json(StatusCode::OK, Caching::NoStore, &answer)
        }
        Err(error) => {
            // So that the client, which is still sending, gets to read why.
            discard_body(body, DISCARD_BYTES_MAX, DISCARD_TIME_MAX).await;
            error.into_response()
        }
    }
}

/// What an upload comes to before its body.
enum Begun {
    Upload(Box<Upload>, u64, OwnedSemaphorePermit),
    /// The log has it already.
    Here(DocumentId, u64),
}

/// Everything that can be refused before a byte of the body is read.
async fn before_the_body(app: &App, id: &str, headers: &HeaderMap) -> Result<Begun, ApiError> {
    let id = parse_id(id)?;
    let size = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.parse::<u64>().ok())
        .ok_or(ApiError::LengthRequired)?;
    if size > DOCUMENT_BYTES_MAX {
        return Err(ApiError::BodyTooLarge { bytes_max: BYTES_MAX });
    }
    let submitter = uploader(app, id, size, headers)?;
    if !app.core.mode.is_running() {
        return Err(ApiError::Closed(app.core.mode.current()));
    }
    let transfers = &app.documents;
    let permit = Arc::clone(&transfers.uploads).try_acquire_owned();
    let permit = permit.map_err(|_| ApiError::Overloaded)?;
    let documents = Arc::clone(&transfers.documents);
    blocking(move || match find(&documents, id)? {
        Found::Withdrawn(notice) => Err(ApiError::Withdrawn(Box::new(notice))),
        Found::Here(_, size) => Ok(Begun::Here(id, size)),
        Found::Nothing => {
            let upload = documents.begin(&submitter, id, size).map_err(|it| refusal_of(&it))?;
            Ok(Begun::Upload(Box::new(upload), size, permit))
        }
    })
    .await
}

/// Whose key signed the claim over this document. The key counts as it would in the next entry.
fn uploader(app: &App, id: DocumentId, size: u64, headers: &HeaderMap) -> Result<String, ApiError> {
    let unknown = || ApiError::NotAnUploader;
    let text = headers.get(SIGNATURE).and_then(|it| it.to_str().ok());
    let text = text.ok_or(ApiError::SignatureMissing)?;
    let jws = DetachedJws::parse_as(DOCUMENT_TYP, text).map_err(|_| unknown())?;
    let state = CommittedState(&app.core.store);
    let key = records::state::key(&state, jws.kid()).map_err(|it| ApiError::internal(&it))?;
    let next = EntryIndex::new(app.core.store.head().size.get());
    let now_ms = app.documents.clock.unix_millis();
    let counts = |it: &KeyState| {
        it.role == KeyRole::Submitter && it.counts_at(next) && now_ms >= it.counts_from_ms
    };
    let key = key.filter(counts).ok_or_else(unknown)?;
    // A one-time key is nobody's: anybody could make as many as there is room on the disk.
    let submitter =
        records::submitter(&state, &key.submitter).map_err(|it| ApiError::internal(&it))?;
    submitter.filter(|it| it.closed.is_none()).ok_or_else(unknown)?;
    let name = id.to_string();
    let claim = DocumentClaim { log: app.origin.as_str(), sha256: &name, size };
    if !jws.verify(&key.public, &claim.bytes(), &AwsLcEs256) {
        return Err(unknown());
    }
    Ok(key.submitter)
}

/// Writes the body as it comes. The disk sets the pace: no more than a few pieces wait for it.
async fn receive(
    app: &App,
    mut upload: Upload,
    size: u64,
    mut body: Body,
) -> Result<Response, ApiError> {
    let (pieces, mut waiting) = mpsc::channel::<Bytes>(PIECES_WAITING_MAX);
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(piece) = waiting.blocking_recv() {
            upload.write(&piece)?;
        }
        Ok::<_, UploadError>(upload)
    });
    let read = async {
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|_| ApiError::BodyTruncated)?.into_data() else {
                continue;
            };
            // The writer has ended: it says why itself.
            if pieces.send(piece).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let read = tokio::time::timeout(app.documents.upload_timeout, read).await;
    drop(pieces);
    let upload =
        writer.await.map_err(|it| ApiError::internal(&it))?.map_err(|it| refusal_of(&it))?;
    // Only now: what came of a body that was cut off is gone with the upload.
    read.map_err(|_| ApiError::BodyTimeout)??;
    let now = records::format_millis(app.documents.clock.unix_millis());
    let sha256 = upload.id().to_string();
    let stored = blocking(move || upload.finish(&now).map_err(|it| refusal_of(&it))).await?;
    let (status, duplicate) = match stored {
        Stored::New => (StatusCode::CREATED, false),
        Stored::Duplicate => (StatusCode::OK, true),
    };
    Ok(json(status, Caching::NoStore, &Answer { sha256, size, duplicate }))
}

/// `GET /v1/documents/{sha256}`
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let permit = Arc::clone(&app.documents.downloads).try_acquire_owned();
    let permit = permit.map_err(|_| ApiError::Overloaded)?;
    let documents = Arc::clone(&app.documents.documents);
    let (file, size) = blocking(move || match find(&documents, id)? {
        Found::Nothing => Err(ApiError::NotFound("the log has no document of that name")),
        Found::Withdrawn(notice) => Err(ApiError::Withdrawn(Box::new(notice))),
        Found::Here(mut file, size) => {
            // Bytes that the disk damaged are nobody's document.
            let found = hash_of(&mut file).map_err(|it| ApiError::internal(&it))?;
            if found != id {
                return Err(ApiError::internal(&Damaged { id, found }));
            }
            Ok((file, size))
        }
    })
    .await?;
    let range = headers.get(header::RANGE).and_then(|it| it.to_str().ok());
    // What a range was computed from is always this document: its bytes never change.
    let (status, from, to) = match range.map_or(Asked::All, |it| parse_range(it, size)) {
        Asked::All => (StatusCode::OK, 0, size),
        Asked::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        Asked::Outside => return Err(ApiError::RangeOutside { size }),
    };
    let mut response = (status, pieces_of(file, from, to, permit)).into_response();
    describe(response.headers_mut(), id, to - from);
    if status == StatusCode::PARTIAL_CONTENT {
        // Digits and ASCII signs are a header value.
        let value = format!("bytes {from}-{}/{size}", to - 1);
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    Ok(response)
}

fn describe(headers: &mut HeaderMap, id: DocumentId, length: u64) {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, Caching::Immutable.header());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(tag) = HeaderValue::try_from(format!("\"{id}\"")) {
        headers.insert(header::ETAG, tag);
    }
    // Strangers' files: no browser may take one for a page of this log.
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The bytes from `from` up to, but without, `to`, a piece at a time.
fn pieces_of(file: File, from: u64, to: u64, permit: OwnedSemaphorePermit) -> Body {
    struct Rest {
        file: File,
        at: u64,
        to: u64,
        // Given back when the last piece has left, or nobody wants it any more.
        _permit: OwnedSemaphorePermit,
    }
    let rest = Rest { file, at: from, to, _permit: permit };
    let pieces = futures_util::stream::try_unfold(rest, |mut rest| async move {
        if rest.at == rest.to {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let length = (rest.to - rest.at).min(PIECE_BYTES);
            let mut piece = vec![0; usize::try_from(length).unwrap_or(0)];
            rest.file.seek(SeekFrom::Start(rest.at))?;
            rest.file.read_exact(&mut piece)?;
            rest.at += length;
            Ok::<_, std::io::Error>((Bytes::from(piece), rest))
        });
        read.await.map_err(std::io::Error::other)?.map(Some)
    });
    Body::from_stream(pieces)
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    /// From the first up to, but without, the second.
    Part(u64, u64),
    Outside,
}

/// Reads a range. Several ranges, other units and what is no range ask for everything: RFC 9110 §14.2
/// lets a server ignore the header.
fn parse_range(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|it| it.split_once('-')) else {
        return Asked::All;
    };
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let (from, to) = match (number(first), number(last)) {
        (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(size)),
        (Some(from), None) if last.is_empty() => (from, size),
        // The last so many bytes; none at all cannot be sent.
        (None, Some(count)) if first.is_empty() && count > 0 => (size.saturating_sub(count), size),
        (None, Some(0)) if first.is_empty() => return Asked::Outside,
        _ => return Asked::All,
    };
    if from < to { Asked::Part(from, to) } else { Asked::Outside }
}

fn parse_id(text: &str) -> Result<DocumentId, ApiError> {
    let expected = "a SHA-256 as 64 lower-case hexadecimal digits";
    text.parse().map_err(|_| ApiError::Parameter { name: "sha256", expected })
}

fn find(documents: &Documents, id: DocumentId) -> Result<Found, ApiError> {
    documents.find(id).map_err(|it| ApiError::internal(it.as_ref()))
}

fn refusal_of(error: &UploadError) -> ApiError {
    match error {
        UploadError::TooLarge { .. } => ApiError::BodyTooLarge { bytes_max: BYTES_MAX },
        UploadError::Quota { bytes_max } => ApiError::DocumentQuota { bytes_max: *bytes_max },
        UploadError::OtherBytes { .. } => ApiError::OtherDocument(error.to_string()),
        UploadError::DiskAlmostFull { free } => {
            tracing::warn!(free, "no documents are taken in: the disk is almost full");
            ApiError::NoRoomForDocuments
        }
        UploadError::Disk(_) => ApiError::internal(error),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|it| ApiError::internal(&it))?
}

/// The disk gives other bytes than were stored.
#[derive(Debug, thiserror::Error)]
#[error("the document {id} is damaged: its bytes have the hash {found}")]
struct Damaged {
    id: DocumentId,
    found: DocumentId,
}

/// The header with the uploader's signature.
const SIGNATURE: &str = "civiclog-signature";
#[expect(clippy::cast_possible_truncation, reason = "32 MiB")]
const BYTES_MAX: usize = DOCUMENT_BYTES_MAX as usize;
const DISCARD_BYTES_MAX: usize = 2 * BYTES_MAX;
const PIECES_WAITING_MAX: usize = 4;
const PIECE_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_rfc_9110_has_it() {
        for (text, expected) in [
            ("bytes=0-0", Asked::Part(0, 1)),
            ("bytes=2-", Asked::Part(2, 10)),
            ("bytes=2-99", Asked::Part(2, 10)),
            ("bytes=-3", Asked::Part(7, 10)),
            ("bytes=-99", Asked::Part(0, 10)),
            ("bytes=9-9", Asked::Part(9, 10)),
            ("bytes=10-", Asked::Outside),
            ("bytes=99999999999999999999-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=5-4", Asked::All),
            ("bytes=0-1,3-4", Asked::All),
            ("bytes=+1-2", Asked::All),
            ("bytes=-", Asked::All),
            ("lines=1-2", Asked::All),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Asked::Outside);
    }
}
