//! Does a witness do what c2sp.org/tlog-witness says? One table of requests and answers, and a few
//! scenes that no single request shows, run over HTTP against any witness.
//!
//! Each row has a log of its own, so that rows cannot disturb one another and their order is
//! nothing. A witness that is to be tested must watch those logs: [`log_list`] names them. They are
//! derived from a word, so a second run against the same witness takes another word. Their private
//! keys are public: take the logs out again afterwards.

mod scenes;
mod table;

use sha2::{Digest as _, Sha256};
use testlog::ForgedLog;
use tlog::{Note, NoteSignature, SignedAt, TREE_SIZE_CONTENT_TYPE, VerifierKey, WitnessAnswer};

use crate::http::{Answer, Http};

/// What is tested, and what is known of it.
#[derive(Debug)]
pub struct Subject {
    /// Where requests go; `/add-checkpoint` is added to its base.
    pub submission: Http,
    /// Where checkpoints are shown, when it shows them.
    pub monitoring: Option<Http>,
    /// Its keys; without them a cosignature is only looked at, not verified.
    pub vkeys: Vec<VerifierKey>,
    /// The word that the names of the logs are made of.
    pub word: String,
}

/// What became of a row or a scene.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The rule, in words.
    pub name: &'static str,
    /// Where it is written.
    pub section: &'static str,
    /// Why the witness does not follow it.
    pub failure: Option<String>,
}

/// Runs everything; one verdict for each row and scene.
pub fn run(subject: &Subject) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (number, name) in table::names().into_iter().enumerate() {
        let log = subject.log(&format!("row-{number}"));
        let row = table::rows(&log).swap_remove(number);
        assert_eq!(row.name, name, "rows have an order");
        let failure = subject.run_row(&log, &row).err();
        verdicts.push(Verdict { name, section: row.section, failure });
    }
    for scene in scenes::SCENES {
        let failure = (scene.run)(subject, &subject.log(scene.log)).err();
        verdicts.push(Verdict { name: scene.name, section: scene.section, failure });
    }
    verdicts
}

/// The logs that a witness under test must watch, as a `logs/v0` list.
pub fn log_list(word: &str) -> String {
    let rows = (0..table::names().len()).map(|number| format!("row-{number}"));
    let scenes = scenes::SCENES.iter().map(|scene| scene.log.to_owned());
    let logs = rows.chain(scenes).map(|name| forged(word, &name).vkey());
    let entries: Vec<String> =
        logs.map(|vkey| format!("vkey {vkey}\nqpd 1000000\ncontact nobody\n")).collect();
    format!("logs/v0\n{}", entries.join("\n"))
}

/// One request and what must come of it.
struct Row {
    name: &'static str,
    section: &'static str,
    /// The size cosigned before; `None` when the log is new to the witness.
    before: Option<u64>,
    body: Vec<u8>,
    expected: Expected,
}

enum Expected {
    /// 200, and this size afterwards.
    Cosigned(u64),
    /// This status, and nothing changes; a 409 names the size.
    Refused(u16),
}

impl Subject {
    fn log(&self, name: &str) -> ForgedLog {
        forged(&self.word, name)
    }

    fn run_row(&self, log: &ForgedLog, row: &Row) -> Result<(), String> {
        if let Some(size) = row.before {
            self.cosigns(log, size, &log.request(0, size))?;
        }
        let after = match row.expected {
            Expected::Cosigned(size) => {
                self.cosigns(log, size, &row.body)?;
                Some(size)
            }
            Expected::Refused(status) => {
                let answer = self.ask(&row.body)?;
                if answer.status != status {
                    return Err(format!("expected {status}, got {}", shown(&answer)));
                }
                if status == 409 {
                    is_conflict(&answer, row.before.unwrap_or(0))?;
                }
                row.before
            }
        };
        self.shows(log, after)?;
        self.remembers(log, after.unwrap_or(0))
    }

    fn ask(&self, body: &[u8]) -> Result<Answer, String> {
        let answer = self.submission.try_post("/add-checkpoint", "text/plain", body.to_vec());
        answer.map_err(|error| error.to_string())
    }

    /// The request is answered with cosignatures over the head of this size.
    fn cosigns(&self, log: &ForgedLog, size: u64, body: &[u8]) -> Result<u64, String> {
        let answer = self.ask(body)?;
        self.is_cosigned(log, size, &answer)
    }

    /// Returns the time of the cosignature, 0 without a key to verify it with.
    fn is_cosigned(&self, log: &ForgedLog, size: u64, answer: &Answer) -> Result<u64, String> {
        if answer.status != 200 {
            return Err(format!("expected a cosignature of size {size}, got {}", shown(answer)));
        }
        // SPEC tlog-witness: signature lines, each ending in a line feed, and nothing else.
        let parsed = WitnessAnswer::parse(200, None, &answer.body);
        let WitnessAnswer::Cosigned(lines) = parsed else {
            return Err(format!("expected signature lines alone, got {}", shown(answer)));
        };
        self.verified(&log.text(log.head(size)), lines)
    }

    fn verified(&self, text: &str, lines: Vec<NoteSignature>) -> Result<u64, String> {
        let note = Note::new(text.to_owned(), lines).map_err(|error| error.to_string())?;
        let mut time = 0;
        for vkey in &self.vkeys {
            match vkey.verify_note(&note) {
                Ok(Some(SignedAt::Seconds(at))) => time = at.get(),
                other => return Err(format!("expected a cosignature by {vkey}, got {other:?}")),
            }
        }
        Ok(time)
    }

    /// What a monitor sees: the last checkpoint cosigned, with the log's signature and its own.
    fn shows(&self, log: &ForgedLog, size: Option<u64>) -> Result<(), String> {
        let Some(monitoring) = &self.monitoring else { return Ok(()) };
        let path = format!("/{}/checkpoint", log.origin().sha256_hex());
        let answer = monitoring.try_get(&path).map_err(|error| error.to_string())?;
        let Some(size) = size else {
            let words = format!("expected 404 at {path}, got {}", shown(&answer));
            return if answer.status == 404 { Ok(()) } else { Err(words) };
        };
        if answer.status != 200 {
            return Err(format!("expected a checkpoint at {path}, got {}", shown(&answer)));
        }
        let note = Note::parse(&answer.body).map_err(|error| format!("monitoring: {error}"))?;
        if note.text() != log.text(log.head(size)) {
            return Err(format!("expected the head of size {size} at {path}, got {}", note.text()));
        }
        if !matches!(log.vkey().verify_note(&note), Ok(Some(_))) {
            return Err("the checkpoint shown lacks the log's signature".to_owned());
        }
        self.verified(note.text(), note.signatures().to_vec()).map(|_| ())
    }

    /// Asks in a way that changes nothing: the proof starts at a size that no row ends at.
    fn remembers(&self, log: &ForgedLog, size: u64) -> Result<(), String> {
        let answer = self.ask(&log.request(SIZE_NEVER_COSIGNED, LEAVES))?;
        is_conflict(&answer, size).map_err(|words| format!("afterwards: {words}"))
    }
}

fn is_conflict(answer: &Answer, size: u64) -> Result<(), String> {
    let content_type = answer.header("content-type");
    // SPEC tlog-witness: exactly this type, and the size on a line.
    let is_right = answer.status == 409
        && content_type == TREE_SIZE_CONTENT_TYPE
        && answer.body == format!("{size}\n");
    if is_right {
        return Ok(());
    }
    Err(format!("expected 409 {TREE_SIZE_CONTENT_TYPE} with {size}, got {}", shown(answer)))
}

fn shown(answer: &Answer) -> String {
    format!("{} {}: {:?}", answer.status, answer.header("content-type"), answer.text())
}

fn forged(word: &str, name: &str) -> ForgedLog {
    let origin = format!("conformance.example/{word}/{name}");
    let seed: [u8; 32] = Sha256::digest(origin.as_bytes()).into();
    ForgedLog::new(&origin, seed, LEAVES)
}

/// Leaves of each log.
const LEAVES: u64 = 9;
const SIZE_NEVER_COSIGNED: u64 = 7;
