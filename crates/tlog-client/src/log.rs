//! The calls of a log, typed. What comes back is what the server said, parsed, not believed.

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use tlog::{Hash, LeafIndex, Note, TreeSize};

use crate::answer::{
    BatchLine, Consistency, DocumentAnswer, ListedObject, LogInfo, SubmitAnswer, Wait,
};
use crate::error::ClientError;
use crate::files::LogFiles;
use crate::settings::HttpSettings;
use crate::transport::{Call, HttpClient, LogUrl};

/// Lines of one NDJSON batch: the log's own cap.
pub const BATCH_LINES_MAX: usize = 10_000;
/// Bytes of one NDJSON batch: the log's own cap.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of a JSON answer about one thing.
pub const JSON_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of the history of one object.
pub const OBJECT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a proof or receipt file.
pub const PROOF_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of the answer to a batch: 10,000 lines with a long refusal each.
pub const BATCH_ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A log, seen from outside. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogClient {
    http: HttpClient,
}

impl LogClient {
    /// A client of the log at `url`.
    pub fn new(url: &str, settings: &HttpSettings) -> Result<Self, ClientError> {
        Ok(Self { http: HttpClient::new(LogUrl::parse(url)?, settings)? })
    }

    /// The log's URL.
    pub fn url(&self) -> &LogUrl {
        self.http.base()
    }

    /// Its checkpoint, tiles and bundles, unverified.
    pub fn into_files(self) -> LogFiles {
        LogFiles::Server(Box::new(self.http))
    }

    /// The published checkpoint, unverified.
    ///
    /// # Errors
    /// [`ClientError::Note`] if it is no signed note.
    pub async fn checkpoint(&self) -> Result<Note, ClientError> {
        self.clone().into_files().checkpoint().await
    }

    /// What the log says about itself.
    pub async fn info(&self) -> Result<LogInfo, ClientError> {
        self.read_json("v1/log".to_owned(), JSON_BYTES_MAX).await
    }

    /// One entry with what is disclosed of it, as JSON.
    ///
    /// # Errors
    /// As any read; [`ClientError::NotFound`] beyond the published size.
    pub async fn record(&self, index: LeafIndex) -> Result<serde_json::Value, ClientError> {
        self.read_json(format!("v1/records/{index}"), JSON_BYTES_MAX).await
    }

    /// All revisions of an object and its current state, as JSON; `None` if the log says it has
    /// no such object, which proves nothing.
    pub async fn object(&self, object: &str) -> Result<Option<serde_json::Value>, ClientError> {
        match self.read_json(format!("v1/objects/{object}"), OBJECT_BYTES_MAX).await {
            Ok(value) => Ok(Some(value)),
            Err(ClientError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One page of the log's list of objects whose names begin with `prefix`, in the order of their
    /// names, from the one after `after`. A page of none is the end. Nothing of it is proven.
    pub async fn objects(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<ListedObject>, ClientError> {
        // Names of objects have no character that a query would have to escape.
        let after = after.map(|name| format!("&after={name}")).unwrap_or_default();
        let path = format!("v1/objects?prefix={prefix}{after}");
        let body = self.read(path.clone(), OBJECT_BYTES_MAX).await?;
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| self.parse_json(&path, line)).collect()
    }

    /// The `.tlog-proof` text of an entry.
    pub async fn proof(&self, index: LeafIndex) -> Result<Bytes, ClientError> {
        self.read(format!("v1/proofs/{index}"), PROOF_BYTES_MAX).await
    }

    /// The receipt file of an entry: its proof, those of the registrations behind its
    /// signatures, that of entry 0.
    pub async fn receipt(&self, index: LeafIndex) -> Result<Bytes, ClientError> {
        self.read(format!("v1/receipts/{index}"), PROOF_BYTES_MAX).await
    }

    /// The consistency proof between two sizes, unverified. An unreadable hash is left as the
    /// zero hash, with which no proof holds.
    pub async fn consistency(
        &self,
        from: TreeSize,
        to: TreeSize,
    ) -> Result<Vec<Hash>, ClientError> {
        let path = format!("v1/consistency/{from}/{to}");
        let answer: Consistency = self.read_json(path, JSON_BYTES_MAX).await?;
        Ok(answer
            .proof
            .iter()
            .map(|hash| Hash::from_base64(hash).unwrap_or(Hash::new([0; 32])))
            .collect())
    }

    /// Uploads a document under its SHA-256 (64 lower-case hexadecimal digits). `signature`: a detached
    /// JWS over the claim that this log is to keep this hash and this length. Sending it again is safe.
    ///
    /// # Errors
    /// [`ClientError::Refused`], and as any call.
    pub async fn put_document(
        &self,
        sha256: &str,
        document: Bytes,
        signature: String,
    ) -> Result<DocumentAnswer, ClientError> {
        let call = Call {
            method: Method::PUT,
            path: format!("v1/documents/{sha256}"),
            content_type: Some("application/octet-stream"),
            header: Some(("civiclog-signature", signature)),
            body: document,
            answer_bytes_max: JSON_BYTES_MAX,
        };
        let answer = self.http.call(&call).await?;
        self.parse_json(&call.path, &answer)
    }

    /// Fetches a document by its SHA-256, at most `bytes_max` long. Whoever asks hashes it.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if the log has none of that name; [`ClientError::Refused`] with 410 if
    /// it does not show it any more.
    pub async fn document(&self, sha256: &str, bytes_max: usize) -> Result<Bytes, ClientError> {
        self.read(format!("v1/documents/{sha256}"), bytes_max).await
    }

    /// Posts one submission, canonical bytes.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the rule, and as any call.
    pub async fn submit(&self, submission: Bytes, wait: Wait) -> Result<SubmitAnswer, ClientError> {
        let call = Call {
            method: Method::POST,
            path: format!("v1/records?{}", wait.as_query()),
            content_type: Some("application/json"),
            header: None,
            body: submission,
            answer_bytes_max: JSON_BYTES_MAX,
        };
        let answer = self.http.call(&call).await?;
        self.parse_json(&call.path, &answer)
    }

    /// Posts a batch of submissions, canonical bytes, in order; the answers are in that order.
    ///
    /// The caller keeps the batch within [`BATCH_LINES_MAX`] and [`BATCH_BYTES_MAX`].
    ///
    /// # Errors
    /// [`ClientError::LineCount`] if an answer is missing, and as any call.
    pub async fn submit_batch(
        &self,
        submissions: &[Bytes],
        wait: Wait,
    ) -> Result<Vec<BatchLine>, ClientError> {
        let mut body = Vec::with_capacity(submissions.iter().map(|s| s.len() + 1).sum());
        for submission in submissions {
            body.extend_from_slice(submission);
            body.push(b'\n');
        }
        let call = Call {
            method: Method::POST,
            path: format!("v1/records?{}", wait.as_query()),
            content_type: Some("application/x-ndjson"),
            header: None,
            body: body.into(),
            answer_bytes_max: BATCH_ANSWER_BYTES_MAX,
        };
        let answer = self.http.call(&call).await?;
        let lines = answer
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| self.parse_json(&call.path, line))
            .collect::<Result<Vec<BatchLine>, _>>()?;
        if lines.len() != submissions.len() {
            return Err(ClientError::LineCount { sent: submissions.len(), got: lines.len() });
        }
        Ok(lines)
    }

    async fn read(&self, path: String, bytes_max: usize) -> Result<Bytes, ClientError> {
        self.http.get(&path, bytes_max).await
    }

    async fn read_json<T: DeserializeOwned>(
        &self,
        path: String,
        bytes_max: usize,
    ) -> Result<T, ClientError> {
        let body = self.read(path.clone(), bytes_max).await?;
        self.parse_json(&path, &body)
    }

    fn parse_json<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body)
            .map_err(|source| ClientError::Json { url: self.url().join(path), source })
    }
}

#[cfg(test)]
mod tests;
