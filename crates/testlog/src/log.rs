//! A log that judges what it takes in, as the server does, behind the same HTTP interface, with
//! faults on demand. Everything is in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use http::Method;
use records::{
    Algorithm, CheckedSubmission, Disclosure, Entry, EntryIndex, P256Verify, RecordDraft,
    SigningKey, Submission, Value, Verdict,
};
use serde_json::json;
use sha2::Digest as _;
use tlog::{Hash, LeafIndex, Note, TlogProof, UnixSeconds, leaf_hash};

use crate::http::{Reply, Request, Server};
use crate::quorum::Quorum;
use crate::tree::Tree;

pub const ORIGIN: &str = "log.example/test";
/// The submitter that is registered from the beginning.
pub const SUBMITTER: &str = "XX-LAE-WMC";

/// What happens to the next `POST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
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

/// The log behind a URL, as long as this is held.
#[derive(Debug)]
pub struct LogServer {
    pub url: String,
    pub log: Arc<Mutex<Log>>,
    /// Signs what only governance may do.
    pub governance: SigningKey,
    /// Signs for [`SUBMITTER`].
    pub submitter: SigningKey,
    _server: Server,
    _runtime: tokio::runtime::Runtime,
}

/// Everything the log knows.
#[derive(Debug)]
pub struct Log {
    tree: Tree,
    quorum: Quorum,
    disclosures: Vec<Vec<String>>,
    pub documents: BTreeMap<String, Vec<u8>>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The published size, if it lags behind.
    pub published: Option<u64>,
    /// What happens to the next posts, one after the other.
    pub faults: VecDeque<Fault>,
    /// Their lines, such as `GET /checkpoint`.
    pub requests: Vec<String>,
    /// Whether disclosures are still shown.
    pub discloses: bool,
}

impl LogServer {
    /// A log with its genesis and one submitter.
    pub fn start() -> Self {
        let governance = SigningKey::generate_from_seed(Algorithm::Ed25519, [9; 32]).unwrap();
        let log = Arc::new(Mutex::new(Log::new(&governance)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let asked = Arc::clone(&log);
        let server =
            runtime.block_on(Server::start(move |request| asked.lock().unwrap().answer(request)));
        let submitter = SigningKey::generate_from_seed(Algorithm::Es256, [3; 32]).unwrap();
        let url = server.url.clone();
        let started = Self { url, log, governance, submitter, _server: server, _runtime: runtime };
        started.register(SUBMITTER, &started.submitter);
        started
    }

    /// The log, which answers nobody meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    /// Registers a submitter with its first key.
    pub fn register(&self, submitter: &str, key: &SigningKey) {
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
        assert_eq!(self.lock().admit(&bytes).status, 200);
    }
}

fn of_log(kind: &str, object: &str, data: Value) -> RecordDraft {
    RecordDraft::new(ORIGIN, "registry/1", kind)
        .object(object)
        .submitter("log")
        .occurred("2023-11-01")
        .data(data)
}

fn as_json(status: u16, value: &serde_json::Value) -> Reply {
    Reply::new(status, value.to_string())
}

impl Log {
    fn new(governance: &SigningKey) -> Self {
        let mut log = Self {
            tree: Tree::of([]),
            quorum: Quorum::new(ORIGIN, 4),
            disclosures: Vec::new(),
            documents: BTreeMap::new(),
            state: BTreeMap::new(),
            published: None,
            faults: VecDeque::new(),
            requests: Vec::new(),
            discloses: true,
        };
        log.found(governance);
        log
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
            ("policy", Value::list(self.quorum.policy_lines().iter().map(String::as_str))),
            ("vkeys", Value::list([self.quorum.signer().verifier_key().to_string().as_str()])),
        ]);
        let record = of_log("genesis", "log/genesis", data).build().unwrap();
        let signature = governance.sign_detached(record.bytes());
        let bytes = Submission::assemble(&record, &[signature], &[]);
        let reply = self.admit(&bytes);
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    }

    /// Judges one submission and appends it.
    pub fn admit(&mut self, bytes: &[u8]) -> Reply {
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
        let index = self.tree.size();
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
                "status": "published", "index": index, "size": self.tree.size(),
                "leaf_hash": self.leaf(index).to_base64(), "duplicate": duplicate,
                "proof": proof.encode(),
            }),
        )
    }

    /// Appends any bytes, as a log that breaks its rules would.
    pub fn append(&mut self, entry: &[u8], disclosures: Vec<String>) {
        self.tree.append(entry);
        self.disclosures.push(disclosures);
    }

    fn leaf(&self, index: u64) -> Hash {
        leaf_hash(self.tree.entry(index))
    }

    fn published(&self) -> u64 {
        self.published.unwrap_or(self.tree.size())
    }

    pub fn entries(&self) -> &[Vec<u8>] {
        self.tree.entries()
    }

    /// All entries, for a log that serves what it did not commit to.
    pub fn entries_mut(&mut self) -> &mut [Vec<u8>] {
        self.tree.entries_mut()
    }

    pub fn policy_text(&self) -> String {
        self.quorum.policy_text()
    }

    /// The published checkpoint.
    pub fn note(&self) -> Note {
        let at = UnixSeconds::new(1_700_000_100);
        self.quorum.note(self.tree.head_at(self.published()), at)
    }

    /// The proof file of an entry under the published checkpoint.
    pub fn proof(&self, index: u64) -> TlogProof {
        TlogProof {
            extra: Some(self.tree.entry(index).to_vec()),
            index: LeafIndex::new(index),
            path: self.tree.inclusion(index, self.published()),
            note: self.note(),
        }
    }

    fn receipt(&self, index: u64) -> String {
        let mut indices = vec![index];
        // Whoever let a key in is followed as well, down to entry 0.
        let mut next = 0;
        while let Some(index) = indices.get(next).copied() {
            next += 1;
            let entry = Entry::parse(self.tree.entry(index)).unwrap();
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
        let entry: serde_json::Value = serde_json::from_slice(self.tree.entry(index)).unwrap();
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

    /// What is served for an object; `None` when nothing is published about it.
    pub fn object(&self, object: &str) -> Option<serde_json::Value> {
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

    fn answer(&mut self, request: &Request) -> Reply {
        self.requests.push(request.line());
        let reply = match request.method {
            Method::POST => self.post(&request.content_type, &request.body),
            Method::PUT => self.put(&request.path, &request.body),
            _ => self.get(&request.path),
        };
        reply.with("retry-after", "0")
    }

    fn get(&self, path: &str) -> Reply {
        let missing = || as_json(404, &json!({"title": "no such thing"}));
        if path == "checkpoint" {
            return Reply::new(200, self.note().to_string());
        }
        if path.starts_with("tile/") {
            return self.tree.served(path).map_or_else(missing, |found| Reply::new(200, found));
        }
        let index_below = |prefix: &str| -> Option<u64> {
            let index = path.strip_prefix(prefix)?.parse().ok()?;
            (index < self.published()).then_some(index)
        };
        if let Some(index) = index_below("v1/records/") {
            return as_json(200, &self.record(index));
        }
        if let Some(index) = index_below("v1/receipts/") {
            return Reply::new(200, self.receipt(index));
        }
        if let Some(query) = path.strip_prefix("v1/objects?prefix=") {
            let (prefix, after) = query.split_once("&after=").unwrap_or((query, ""));
            return Reply::new(200, self.objects(prefix, after));
        }
        if let Some(object) = path.strip_prefix("v1/objects/") {
            return self.object(object).map_or_else(missing, |found| as_json(200, &found));
        }
        if let Some((from, to)) =
            path.strip_prefix("v1/consistency/").and_then(|sizes| sizes.split_once('/'))
        {
            let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
            let proof = self.tree.consistency(from, to);
            let proof: Vec<String> = proof.iter().map(Hash::to_base64).collect();
            return as_json(200, &json!({"from": from, "to": to, "proof": proof}));
        }
        if path == "v1/log" {
            let quorum = &self.quorum;
            return as_json(
                200,
                &json!({
                    "origin": ORIGIN, "vkeys": [self.quorum.signer().verifier_key().to_string()],
                    "policy": quorum.policy_lines(), "policy_words": quorum.policy().quorum_words(),
                    "liars_for_split_view": 2, "witnesses_down_tolerated": 1,
                    "published": {"size": self.published(), "root": self.tree.head().root.to_base64()},
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
            Some(Fault::Busy) => return Reply::new(503, "{}"),
            Some(Fault::Cut) => return Reply::new(400, r#"{"title":"cut"}"#),
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
                let Reply { status, body, .. } = self.admit(line.strip_suffix(b"\n").unwrap());
                let mut answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
                answer["line"] = json!(number + 1);
                if status != 200 {
                    answer["status"] = json!("refused");
                } else if fault == Some(Fault::Committed) {
                    answer["status"] = json!("committed");
                }
                lines.extend(answer.to_string().into_bytes());
                lines.push(b'\n');
            }
            Reply::new(200, lines)
        } else {
            self.admit(body)
        };
        if fault == Some(Fault::AppliedThenCut) {
            return Reply::new(400, r#"{"title":"cut"}"#);
        }
        reply
    }
}
