//! `civiclog document`: files that records name by hash.

use std::path::Path;

use files::Access;
use records::{DOCUMENT_BYTES_MAX, DOCUMENT_TYP, DocumentClaim};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tlog::Hash;
use tlog_client::{ClientError, HttpSettings, LogClient};

use crate::args::{Document, GetDocument, PutDocument};
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::keyfile;
use crate::screen::Screen;

pub(crate) async fn run(command: &Document, http: &HttpSettings, screen: &mut Screen) -> Outcome {
    match command {
        Document::Put(args) => put(args, http, screen).await,
        Document::Get(args) => get(args, http, screen).await,
    }
}

#[derive(Serialize)]
struct Uploaded<'a> {
    file: &'a str,
    sha256: &'a str,
    size: u64,
    duplicate: bool,
}

/// Uploads a file. Doing it again is harmless: it is the same document.
async fn put(args: &PutDocument, http: &HttpSettings, screen: &mut Screen) -> Outcome {
    let key = keyfile::read_signing_key(&args.key)?;
    let bytes = read_capped(&args.file)?;
    let sha256 = sha256_of(&bytes);
    let size = bytes.len() as u64;
    let client = LogClient::new(&args.at.log, http)?;
    // What is signed names the log, so that nobody can publish the document in another one.
    let log = client.info().await?.origin;
    let claim = DocumentClaim { log: &log, sha256: &sha256, size };
    let signature = key.sign_detached_as(DOCUMENT_TYP, &claim.bytes()).to_text();
    let answer = client.put_document(&sha256, bytes.into(), signature).await?;
    if (answer.sha256.as_str(), answer.size) != (sha256.as_str(), size) {
        let words = format!("uploaded {sha256}, the log says that it has {}", answer.sha256);
        return Err(Failure::new(Exit::Misbehaved, words));
    }
    let file = args.file.display().to_string();
    let duplicate = answer.duplicate;
    screen.report(&Uploaded { file: &file, sha256: &sha256, size, duplicate });
    let before = if duplicate { " The log had it already." } else { "" };
    screen.say(format!("{file} is the document {sha256}, {size} bytes.{before}"));
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Fetched<'a> {
    file: &'a str,
    sha256: &'a str,
    size: u64,
}

/// Fetches a document. Nothing is written that has another hash.
async fn get(args: &GetDocument, http: &HttpSettings, screen: &mut Screen) -> Outcome {
    if args.sha256.len() != 64 || !args.sha256.bytes().all(|it| it.is_ascii_hexdigit()) {
        let words = format!("`{}` is no SHA-256: 64 hexadecimal digits", args.sha256);
        return Err(Failure::usage(words));
    }
    let sha256 = args.sha256.to_ascii_lowercase();
    let client = LogClient::new(&args.at.log, http)?;
    let bytes_max = usize::try_from(DOCUMENT_BYTES_MAX).unwrap_or(usize::MAX);
    let bytes = match client.document(&sha256, bytes_max).await {
        Err(ClientError::Refused { status: GONE, problem }) => {
            let words = format!("the log does not show this document: {problem}");
            return Err(Failure::new(Exit::NotVerified, words));
        }
        answer => answer?,
    };
    // A record vouches for the hash, and nothing but the hash for these bytes.
    let found = sha256_of(&bytes);
    if found != sha256 {
        let words = format!("asked for the document {sha256}, the log sent {found}");
        return Err(Failure::new(Exit::Misbehaved, words));
    }
    files::replace(&args.output, &bytes, Access::Umask)
        .explain(Exit::Usage, || format!("writing {}", args.output.display()))?;
    let file = args.output.display().to_string();
    screen.report(&Fetched { file: &file, sha256: &sha256, size: bytes.len() as u64 });
    screen.say(format!("Wrote the document {sha256} to {file}; its hash is right."));
    Ok(Exit::Done)
}

/// Looks at the length first: a file of any size may be named by mistake.
fn read_capped(path: &Path) -> Outcome<Vec<u8>> {
    let reading = || format!("reading {}", path.display());
    let length = std::fs::metadata(path).explain(Exit::Usage, reading)?.len();
    if length == 0 || length > DOCUMENT_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{} has {length} bytes; a document has 1 to {DOCUMENT_BYTES_MAX}",
            path.display()
        )));
    }
    std::fs::read(path).explain(Exit::Usage, reading)
}

fn sha256_of(bytes: &[u8]) -> String {
    Hash::new(Sha256::digest(bytes).into()).to_hex()
}

/// HTTP 410.
const GONE: u16 = 410;
