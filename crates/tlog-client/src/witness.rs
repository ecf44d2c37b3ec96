//! Asks one witness for its cosignature, and reads what it answers with suspicion: whatever does not
//! parse counts as no answer.
//!
//! Spec: c2sp.org/tlog-witness, add-checkpoint.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use tlog::{AddCheckpoint, Origin, WitnessAnswer};

use crate::error::ClientError;
use crate::settings::HttpSettings;
use crate::transport::{Call, HttpClient, LogUrl};

/// The longest answer that is read: 64 signature lines of the largest known kind fit.
pub const WITNESS_ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A client of one witness. Nothing is asked twice: the publisher decides what is asked next.
#[derive(Clone, Debug)]
pub struct WitnessClient {
    http: HttpClient,
}

impl WitnessClient {
    /// A client for the submission prefix `url`, as in the policy file.
    pub fn new(url: &str, settings: &HttpSettings) -> Result<Self, ClientError> {
        Ok(Self { http: HttpClient::new(LogUrl::parse(url)?, settings)? })
    }

    /// Sends one add-checkpoint request.
    ///
    /// # Errors
    /// When there is no usable answer; the witness may have cosigned all the same.
    pub async fn ask(&self, request: &AddCheckpoint) -> Result<WitnessAnswer, ClientError> {
        let call = Call {
            method: Method::POST,
            content_type: Some("text/plain; charset=utf-8"),
            body: request.encode().into(),
            ..Call::read("add-checkpoint".to_owned(), WITNESS_ANSWER_BYTES_MAX)
        };
        let answer = self.http.answer(&call, 1).await?;
        let content_type = answer.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        Ok(WitnessAnswer::parse(answer.status.as_u16(), content_type, &answer.body))
    }

    /// The checkpoint of a log that the witness cosigned last, as bytes; `None` when it shows none.
    ///
    /// Spec: c2sp.org/tlog-witness, monitoring.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn latest_checkpoint(&self, origin: &Origin) -> Result<Option<Bytes>, ClientError> {
        let path = format!("{}/checkpoint", origin.sha256_hex());
        let answer = self.http.answer(&Call::read(path, WITNESS_ANSWER_BYTES_MAX), 1).await?;
        Ok((answer.status == StatusCode::OK).then_some(answer.body))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// A witness that answers whatever it is asked with these bytes, again and again, for ever.
    fn endless(first: &'static [u8], again: &'static [u8]) -> WitnessClient {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 4]).unwrap();
            stream.write_all(first).unwrap();
            while stream.write_all(again).is_ok() {}
        });
        WitnessClient::new(&url, &HttpSettings::default()).unwrap()
    }

    fn request() -> AddCheckpoint {
        let signer = tlog::Ed25519Signer::new("log.example".parse().unwrap(), [1; 32]);
        let text = "log.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n".to_owned();
        let signature = signer.sign(&text);
        let checkpoint = tlog::Note::new(text, vec![signature]).unwrap();
        AddCheckpoint { old_size: tlog::TreeSize::ZERO, consistency_proof: Vec::new(), checkpoint }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_cut_off() {
        let body = endless(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 8_192]);
        assert!(matches!(body.ask(&request()).await, Err(ClientError::TooLarge { .. })));
        let headers = endless(b"HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n");
        assert!(matches!(headers.ask(&request()).await, Err(ClientError::Connection { .. })));
    }

    #[tokio::test]
    async fn a_witness_below_a_path_is_asked_there() {
        let server = testlog::Server::start(|_| testlog::Reply::new(503, "later")).await;
        let url = format!("{}/w/", server.url);
        let client = WitnessClient::new(&url, &HttpSettings::default()).unwrap();
        assert!(matches!(client.ask(&request()).await, Ok(WitnessAnswer::TryLater)));
        let origin: Origin = "log.example".parse().unwrap();
        assert_eq!(client.latest_checkpoint(&origin).await.unwrap(), None);
        let latest = format!("GET /w/{}/checkpoint", origin.sha256_hex());
        assert_eq!(server.requests(), ["POST /w/add-checkpoint".to_owned(), latest]);
    }
}
