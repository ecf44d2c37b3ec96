//! A whole log in memory, for tests: real admission, real tiles, real signatures, HTTP on
//! loopback, and faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use records::{
    Algorithm, CheckedSubmission, Disclosure, Entry, EntryIndex, Held, P256Verify, RecordDraft,
    SigningKey, Submission, Value, Verdict,
};
use serde_json::json;
use sha2::Digest as _;
use tlog::{
    Checkpoint, CosignatureSigner, Ed25519Signer, Frontier, Hash, LeafIndex, Note, Origin, Policy,
    TileCoord, TileMap, TilePath, TileReader, TlogProof, TreeHead, TreeSize, UnixSeconds,
    encode_bundle, leaf_hash, prove_consistency, prove_inclusion,
};
use tokio::net::TcpListener;

use crate::screen::Screen;
use crate::{Cli, Environment, Exit};

pub(crate) const ORIGIN: &str = "log.example/test";
pub(crate) const SUBMITTER: &str = "XX-LAE-WMC";

/// What happens to the next `POST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 503, nothing applied.
    Busy,
    /// 400, nothing applied: for the client as good as the end of the network.
    Cut,
    /// Applied, and then an answer that cannot be used.
    AppliedThenCut,
    /// Applied and answered "committed".
    Committed,
    /// This line of a batch, from 1, is not judged.
    Skips(usize),
}

/// The log and the folder of whoever talks to it.
pub(crate) struct FakeLog {
    pub(crate) url: String,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) inner: Arc<Mutex<Inner>>,
    pub(crate) governance: SigningKey,
    runtime: tokio::runtime::Runtime,
}

/// Everything the log knows.
pub(crate) struct Inner {
    pub(crate) entries: Vec<Vec<u8>>,
    disclosures: Vec<Vec<String>>,
    /// Documents by their hash.
    pub(crate) documents: BTreeMap<String, Vec<u8>>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    frontier: Frontier,
    tiles: TileMap,
    signer: Ed25519Signer,
    witnesses: Vec<CosignatureSigner>,
    pub(crate) policy: Vec<String>,
    /// The published size, if it lags behind.
    pub(crate) published: Option<u64>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) requests: Vec<String>,
    /// Whether disclosures are still shown.
    pub(crate) discloses: bool,
}

impl FakeLog {
    /// A log with its genesis and one submitter, whose key is `key.pem` in the folder.
    pub(crate) fn start() -> Self {
        let governance = SigningKey::generate_from_seed(Algorithm::Ed25519, [9; 32]).unwrap();
        let inner = Arc::new(Mutex::new(Inner::new(&governance)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = runtime.block_on(listen(Arc::clone(&inner)));
        let log = Self {
            url: format!("http://{address}"),
            folder: tempfile::tempdir().unwrap(),
            inner,
            governance,
            runtime,
        };
        let key = SigningKey::generate_from_seed(Algorithm::Es256, [3; 32]).unwrap();
        log.register(SUBMITTER, &key);
        log.write_private("key.pem", &key.to_pkcs8_pem().unwrap());
        let policy = log.lock().policy.join("\n") + "\n";
        log.write("policy.txt", policy);
        log
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn register(&self, submitter: &str, key: &SigningKey) {
        let data = Value::map([
            ("submitter", Value::from(submitter)),
            ("bodies", Value::list([submitter])),
            ("profiles", Value::list(["contract/1", "procurement/1", "spending/1"])),
            ("roles", Value::list(["bank"])),
            ("key", key.public().to_jwk()),
        ]);
        let record = of_log("submitter.add", &format!("log/submitter/{submitter}"), data);
        let record = record.build().unwrap();
        let signatures =
            [self.governance.sign_detached(record.bytes()), key.sign_detached(record.bytes())];
        let bytes = Submission::assemble(&record, &signatures, &[]);
        assert_eq!(self.lock().admit(&bytes).0, 200);
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    pub(crate) fn write_private(&self, name: &str, content: &str) {
        files::replace(&self.path(name), content.as_bytes(), files::Access::Owner).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Runs `civiclog` with arguments in which `@x` is the file x of the folder and `LOG` the URL.
    pub(crate) fn civiclog(&self, arguments: &str) -> Run {
        let arguments = arguments.split_whitespace().map(|argument| match argument {
            "LOG" => self.url.clone(),
            file if file.starts_with('@') => self.path(&file[1..]).display().to_string(),
            other => other.to_owned(),
        });
        let cli: Cli =
            clap::Parser::try_parse_from(std::iter::once("civiclog".to_owned()).chain(arguments))
                .unwrap();
        let (out, err) = (Buffer::default(), Buffer::default());
        let mut screen = Screen::new(Box::new(out.clone()), Box::new(err.clone()), false, cli.json);
        let environment =
            Environment { state_home: Some(self.path("state")), ..Environment::default() };
        let exit = crate::run(&cli, &environment, &mut screen);
        Run { exit, out: out.text(), err: err.text() }
    }

    pub(crate) fn size(&self) -> usize {
        self.lock().entries.len()
    }
}

impl Drop for FakeLog {
    fn drop(&mut self) {
        self.lock().faults.clear();
        let _entered = self.runtime.enter();
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The exit code was this one; else everything is shown.
    #[track_caller]
    pub(crate) fn expect(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit, "{}\n{}", self.out, self.err);
        self
    }
}

#[derive(Debug, Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn of_log(kind: &str, object: &str, data: Value) -> RecordDraft {
    RecordDraft::new(ORIGIN, "registry/1", kind)
        .object(object)
        .submitter("log")
        .occurred("2023-11-01")
        .data(data)
}

type Reply = (u16, Vec<u8>);

fn as_json(status: u16, value: &serde_json::Value) -> Reply {
    (status, value.to_string().into_bytes())
}

impl Inner {
    fn new(governance: &SigningKey) -> Self {
        let signer = Ed25519Signer::new(ORIGIN.parse().unwrap(), [1; 32]);
        let witnesses: Vec<CosignatureSigner> = (1..=4)
            .map(|n| {
                CosignatureSigner::new(format!("w.example/{n}").parse().unwrap(), [n + 10; 32])
            })
            .collect();
        let mut policy = vec![format!("log {}", signer.verifier_key())];
        for (n, witness) in witnesses.iter().enumerate() {
            policy.push(format!("witness w{} {}", n + 1, witness.verifier_key()));
        }
        policy.push("group four 3 w1 w2 w3 w4".to_owned());
        policy.push("quorum four".to_owned());
        let mut inner = Self {
            entries: Vec::new(),
            disclosures: Vec::new(),
            documents: BTreeMap::new(),
            state: BTreeMap::new(),
            frontier: Frontier::empty(),
            tiles: TileMap::new(),
            signer,
            witnesses,
            policy,
            published: None,
            faults: VecDeque::new(),
            requests: Vec::new(),
            discloses: true,
        };
        inner.found(governance);
        inner
    }

    fn found(&mut self, governance: &SigningKey) {
        let next = SigningKey::generate_from_seed(Algorithm::Ed25519, [8; 32]).unwrap();
        let data = Value::map([
            ("engine", Value::Int(1)),
            (
                "governance",
                Value::map([
                    ("keys", Value::list([governance.public().to_jwk()])),
                    ("next", Value::list([next.public().kid().as_str()])),
                    ("threshold", Value::Int(1)),
                ]),
            ),
            ("policy", Value::list(self.policy.iter().map(String::as_str))),
            ("vkeys", Value::list([self.signer.verifier_key().to_string().as_str()])),
        ]);
        let record = of_log("genesis", "log/genesis", data).build().unwrap();
        let signature = governance.sign_detached(record.bytes());
        let bytes = Submission::assemble(&record, &[signature], &[]);
        let (status, body) = self.admit(&bytes);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }

    /// Judges one submission and appends it.
    pub(crate) fn admit(&mut self, bytes: &[u8]) -> Reply {
        let refused = |status, refusal: &records::Refusal, index: Option<u64>| {
            as_json(
                status,
                &json!({
                    "title": "refused", "detail": refusal.message, "rule": refusal.rule.as_str(),
                    "pointer": refusal.pointer, "index": index,
                }),
            )
        };
        let submission = match Submission::parse(bytes, ORIGIN) {
            Ok(submission) => submission,
            Err(refusal) => return refused(400, &refusal, None),
        };
        let shown = submission.disclosures().iter().map(|d| d.text().to_owned()).collect();
        let index = u64::try_from(self.entries.len()).unwrap();
        let checked = CheckedSubmission::unchecked(submission);
        let at = 1_700_000_000_000 + index;
        let verdict =
            records::admit(&self.state, EntryIndex::new(index), at, &checked, &P256Verify).unwrap();
        let (index, duplicate) = match verdict {
            Verdict::Accepted(admitted) => {
                self.append(&admitted.entry, shown);
                self.state.extend(admitted.changes);
                (index, false)
            }
            Verdict::AlreadyThere { index } => (index.get(), true),
            Verdict::Conflict { index, refusal } => {
                return refused(409, &refusal, Some(index.get()));
            }
            Verdict::Refused(refusal) => return refused(422, &refusal, None),
        };
        let proof = self.proof(index);
        as_json(
            200,
            &json!({
                "status": "published", "index": index, "size": self.entries.len(),
                "leaf_hash": self.leaf(index).to_base64(), "duplicate": duplicate,
                "proof": proof.encode(),
            }),
        )
    }

    /// Appends any bytes, as a log that breaks its rules would.
    pub(crate) fn append(&mut self, entry: &[u8], disclosures: Vec<String>) {
        self.entries.push(entry.to_vec());
        self.disclosures.push(disclosures);
        let integration = self.frontier.integrate(&[leaf_hash(entry)]);
        for changed in integration.tiles() {
            let coord = TileCoord::new(changed.level, changed.index, changed.tile.width()).unwrap();
            self.tiles.insert(coord, changed.tile.clone());
        }
        self.frontier = integration.into_frontier();
    }

    fn leaf(&self, index: u64) -> Hash {
        leaf_hash(&self.entries[usize::try_from(index).unwrap()])
    }

    fn published(&self) -> u64 {
        self.published.unwrap_or(u64::try_from(self.entries.len()).unwrap())
    }

    pub(crate) fn note(&self) -> Note {
        let size = TreeSize::new(self.published());
        let root = tlog::root_from_tiles(size, &self.tiles).unwrap();
        let origin: Origin = ORIGIN.parse().unwrap();
        let text = Checkpoint::new(origin, TreeHead { size, root }).to_text();
        let mut note = Note::new(text.clone(), vec![self.signer.sign(&text)]).unwrap();
        for witness in &self.witnesses {
            note.push(witness.sign(&text, UnixSeconds::new(1_700_000_100))).unwrap();
        }
        note
    }

    pub(crate) fn proof(&self, index: u64) -> TlogProof {
        let size = TreeSize::new(self.published());
        TlogProof {
            extra: Some(self.entries[usize::try_from(index).unwrap()].clone()),
            index: LeafIndex::new(index),
            path: prove_inclusion(LeafIndex::new(index), size, &self.tiles).unwrap_or_default(),
            note: self.note(),
        }
    }

    fn receipt(&self, index: u64) -> String {
        let mut indices = vec![index];
        // Whoever let a key in is followed as well, down to entry 0.
        let mut next = 0;
        while let Some(index) = indices.get(next).copied() {
            next += 1;
            let entry = Entry::parse(&self.entries[usize::try_from(index).unwrap()]).unwrap();
            for signature in entry.signatures() {
                let key = records::key(&self.state, signature.kid()).unwrap().unwrap();
                if !indices.contains(&key.added.get()) {
                    indices.push(key.added.get());
                }
            }
        }
        indices[1..].sort_unstable_by(|a, b| b.cmp(a));
        indices.into_iter().map(|index| self.proof(index).encode()).collect()
    }

    fn record(&self, index: u64) -> serde_json::Value {
        let position = usize::try_from(index).unwrap();
        let entry: serde_json::Value = serde_json::from_slice(&self.entries[position]).unwrap();
        let mut shown =
            if self.discloses { self.disclosures[position].clone() } else { Vec::new() };
        // What is sealed as personal is held and not shown.
        let sealed = entry["record"]["sealed"].as_array().cloned().unwrap_or_default();
        shown.retain(|text| {
            let digest = Disclosure::parse(text).unwrap().digest().to_string();
            !sealed.iter().any(|field| field["digest"] == digest && !field["why"].is_null())
        });
        json!({
            "index": index, "entry": entry, "leaf_hash": self.leaf(index).to_base64(),
            "disclosures": shown,
        })
    }

    pub(crate) fn object(&self, object: &str) -> Option<serde_json::Value> {
        let revisions: Vec<serde_json::Value> = (0..self.published())
            .map(|index| self.record(index))
            .filter(|record| record["entry"]["record"]["object"] == object)
            .collect();
        (!revisions.is_empty()).then(|| json!({"object": object, "revisions": revisions}))
    }

    /// A page of the list of objects, short so that tests turn pages.
    fn objects(&self, prefix: &str, after: &str) -> String {
        let mut heads = BTreeMap::new();
        for index in 0..self.published() {
            let entry = self.record(index)["entry"]["record"].clone();
            let object = entry["object"].as_str().unwrap().to_owned();
            if object.starts_with(prefix) && object.as_str() > after {
                let head = json!({"object": object, "rev": entry["rev"], "index": index});
                heads.insert(object, head);
            }
        }
        let page: Vec<String> = heads.values().take(3).map(ToString::to_string).collect();
        page.join("\n")
    }

    fn get(&self, path: &str) -> Reply {
        let missing = || as_json(404, &json!({"title": "no such thing"}));
        if path == "checkpoint" {
            return (200, self.note().to_string().into_bytes());
        }
        if path.starts_with("tile/") {
            return match TilePath::parse(path) {
                Ok(TilePath::Hash(coord)) => match self.tiles.read_tile(coord) {
                    Ok(tile) => (200, tile.to_bytes()),
                    Err(_) => missing(),
                },
                Ok(TilePath::Entries(coord)) => {
                    let first = usize::try_from(coord.first_index().get()).unwrap();
                    let range = first..first + usize::from(coord.width());
                    match self.entries.get(range) {
                        Some(found) => {
                            (200, encode_bundle(found.iter().map(Vec::as_slice)).unwrap())
                        }
                        None => missing(),
                    }
                }
                Err(_) => missing(),
            };
        }
        let index_below = |prefix: &str| -> Option<u64> {
            let index = path.strip_prefix(prefix)?.parse().ok()?;
            (index < self.published()).then_some(index)
        };
        if let Some(index) = index_below("v1/records/") {
            return as_json(200, &self.record(index));
        }
        if let Some(index) = index_below("v1/receipts/") {
            return (200, self.receipt(index).into_bytes());
        }
        if let Some(query) = path.strip_prefix("v1/objects?prefix=") {
            let (prefix, after) = query.split_once("&after=").unwrap_or((query, ""));
            return (200, self.objects(prefix, after).into_bytes());
        }
        if let Some(object) = path.strip_prefix("v1/objects/") {
            return self.object(object).map_or_else(missing, |found| as_json(200, &found));
        }
        if let Some((from, to)) =
            path.strip_prefix("v1/consistency/").and_then(|sizes| sizes.split_once('/'))
        {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            let proof = prove_consistency(from, to, &self.tiles).unwrap();
            let proof: Vec<String> = proof.iter().map(Hash::to_base64).collect();
            return as_json(200, &json!({"from": from.get(), "to": to.get(), "proof": proof}));
        }
        if path == "v1/log" {
            let policy = Policy::parse(&(self.policy.join("\n") + "\n")).unwrap();
            return as_json(
                200,
                &json!({
                    "origin": ORIGIN, "vkeys": [self.signer.verifier_key().to_string()],
                    "policy": self.policy, "policy_words": policy.quorum_words(),
                    "liars_for_split_view": 2, "witnesses_down_tolerated": 1,
                    "published": {"size": self.published(), "root": self.frontier.head().root.to_base64()},
                }),
            );
        }
        missing()
    }

    fn put(&mut self, path: &str, body: &[u8]) -> Reply {
        let sha256 = path.strip_prefix("v1/documents/").unwrap();
        assert_eq!(Hash::new(sha2::Sha256::digest(body).into()).to_hex(), sha256);
        let duplicate = self.documents.insert(sha256.to_owned(), body.to_vec()).is_some();
        let size = body.len();
        as_json(200, &json!({"sha256": sha256, "size": size, "duplicate": duplicate}))
    }

    fn post(&mut self, content_type: &str, body: &[u8]) -> Reply {
        let fault = self.faults.pop_front();
        match fault {
            Some(Fault::Busy) => return (503, b"{}".to_vec()),
            Some(Fault::Cut) => return (400, b"{\"title\":\"cut\"}".to_vec()),
            _ => {}
        }
        let reply = if content_type == "application/x-ndjson" {
            let mut lines = Vec::new();
            for (number, line) in body.split_inclusive(|b| *b == b'\n').enumerate() {
                if fault == Some(Fault::Skips(number + 1)) {
                    let answer = json!({"line": number + 1, "status": "not_judged"});
                    lines.extend(format!("{answer}\n").into_bytes());
                    continue;
                }
                let (status, answer) = self.admit(line.strip_suffix(b"\n").unwrap());
                let mut answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
                answer["line"] = json!(number + 1);
                if status != 200 {
                    answer["status"] = json!("refused");
                } else if fault == Some(Fault::Committed) {
                    answer["status"] = json!("committed");
                }
                lines.extend(answer.to_string().into_bytes());
                lines.push(b'\n');
            }
            (200, lines)
        } else {
            self.admit(body)
        };
        if fault == Some(Fault::AppliedThenCut) {
            return (400, b"{\"title\":\"cut\"}".to_vec());
        }
        reply
    }
}

async fn listen(inner: Arc<Mutex<Inner>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let inner = Arc::clone(&inner);
            let service = service_fn(move |request| serve(Arc::clone(&inner), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

async fn serve(
    inner: Arc<Mutex<Inner>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, http::Error> {
    let path = request.uri().path_and_query().unwrap().as_str().trim_start_matches('/').to_owned();
    let method = request.method().clone();
    let content_type = request.headers().get("content-type");
    let content_type = content_type.map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let mut inner = inner.lock().unwrap();
    inner.requests.push(format!("{method} /{path}"));
    let (status, body) = match method {
        Method::POST => inner.post(&content_type, &body),
        Method::PUT => inner.put(&path, &body),
        _ => inner.get(&path),
    };
    Response::builder().status(status).header("retry-after", "0").body(Full::new(body.into()))
}

/// The disclosure of a value, for tests that look inside.
pub(crate) fn sealed(path: &str, value: &str) -> (records::SealedField, Disclosure) {
    let name = path.rsplit('/').next().unwrap();
    records::seal(path, name, value.into(), [5; 16], Held::Log)
}
