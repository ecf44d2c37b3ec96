//! A witness: the real decision, over a disk that fails, a clock that is wrong, and manners.

use civiclog_witness::decide::{Cosigned, Log, Logs, Refusal, Request, decide};
use civiclog_witness::signers::Signers;
use tlog::{CosignatureSigner, Note, TreeHead, UnixSeconds, encode_cosignatures};

use super::faults::{Manner, Rate};
use super::fodder;
use crate::random::Random;

/// One of the witnesses.
pub struct SimWitness {
    signers: Signers,
    /// The same key, for when it signs without the witness's decision.
    signer: CosignatureSigner,
    logs: Logs,
    /// What lies on its disk: the note of the last checkpoint that it cosigned.
    disk: Option<Note>,
    /// What its process remembers; meaningless while it is down.
    memory: Option<Cosigned>,
    is_up: bool,
    /// A write failed: it signs nothing before a restart read the disk.
    is_unknown: bool,
    /// How far its clock is off, in seconds.
    pub clock_ahead_s: i64,
    /// How it behaves.
    pub manner: Manner,
}

/// What comes back over the network.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl SimWitness {
    /// A witness that has seen nothing, and watches the log.
    pub fn new(number: u8) -> Self {
        let key = fodder::log_keys().ed25519.verifier_key();
        Self {
            signers: fodder::witness_signers(number),
            signer: fodder::witness_key(number),
            logs: Logs::from([(
                fodder::origin(),
                Log { keys: vec![key], requests_per_day: u32::MAX },
            )]),
            disk: None,
            memory: None,
            is_up: true,
            is_unknown: false,
            clock_ahead_s: 0,
            manner: Manner::Honest,
        }
    }

    /// Its process ends.
    pub fn stop(&mut self) {
        self.is_up = false;
        self.memory = None;
    }

    /// Its process starts, and reads its disk as the real one does.
    pub fn start(&mut self) {
        let own = self.signers.verifier_keys();
        self.is_up = true;
        self.is_unknown = false;
        self.memory = self.disk.clone().map(|note| {
            let keys = self.logs.values().next().map(|it| it.keys.as_slice());
            Cosigned::verify(note, &own, keys).expect("what it wrote itself")
        });
    }

    /// It stops if it runs, and starts if it does not.
    pub fn stop_or_start(&mut self) {
        if self.is_up {
            self.stop();
        } else {
            self.start();
        }
    }

    /// The head that it must not forget: what lies on its disk, if it is honest.
    pub fn known(&self) -> Option<TreeHead> {
        let note = self.disk.as_ref().filter(|_| self.manner == Manner::Honest)?;
        super::judge::head_in(note.text())
    }

    /// What it shows of the log.
    pub fn latest(&self) -> Option<Note> {
        self.memory.as_ref().map(|it| it.note().clone()).filter(|_| self.is_up)
    }

    /// Answers a request; `None` when it is down or goes down with it.
    pub fn answer(
        &mut self,
        body: &[u8],
        true_ms: u64,
        write_fails: Rate,
        random: &mut Random,
    ) -> Option<RawAnswer> {
        if !self.is_up {
            return None;
        }
        let now = UnixSeconds::new((true_ms / 1000).saturating_add_signed(self.clock_ahead_s));
        match self.manner {
            Manner::Honest => self.honest(body, now, write_fails, random),
            Manner::SignsAnything => Some(sign_with(&self.signer, body, now)),
            Manner::ForeignKey => Some(sign_with(&fodder::witness_key(99), body, now)),
            Manner::MakesUpSizes => Some(conflict(random.below(600))),
            Manner::Denies => Some(plain(422, b"no\n".to_vec())),
            Manner::Babbles => Some(plain(200, b"\xff\x00 babble\n".to_vec())),
        }
    }

    fn honest(
        &mut self,
        body: &[u8],
        now: UnixSeconds,
        write_fails: Rate,
        random: &mut Random,
    ) -> Option<RawAnswer> {
        if self.is_unknown {
            return Some(plain(503, b"restart me\n".to_vec()));
        }
        let decided = Request::read(body, &self.logs)
            .and_then(|request| decide(self.memory.as_ref(), &request, &self.signers, now));
        let decision = match decided {
            Ok(decision) => decision,
            Err(refusal) => return Some(refused(&refusal)),
        };
        if write_fails.happens(random) {
            // It fails, and may be on the disk all the same; or the process dies with it.
            if random.below(2) == 0 {
                self.disk = Some(decision.after.note().clone());
            }
            if random.below(2) == 0 {
                self.stop();
                return None;
            }
            self.is_unknown = true;
            return Some(plain(503, b"the disk failed\n".to_vec()));
        }
        self.disk = Some(decision.after.note().clone());
        self.memory = Some(decision.after);
        Some(plain(200, encode_cosignatures(&decision.cosignatures).into_bytes()))
    }
}

/// Signs what it is shown without a look at anything.
fn sign_with(signer: &CosignatureSigner, body: &[u8], now: UnixSeconds) -> RawAnswer {
    let Ok(asked) = tlog::AddCheckpoint::parse(body) else {
        return plain(400, b"what?\n".to_vec());
    };
    let line = signer.sign(asked.checkpoint.text(), now);
    plain(200, encode_cosignatures(&[line]).into_bytes())
}

fn refused(refusal: &Refusal) -> RawAnswer {
    let status = match refusal {
        Refusal::Malformed(_) | Refusal::OldExceedsSize { .. } => 400,
        Refusal::NotAuthorized(_) => 403,
        Refusal::UnknownOrigin => 404,
        Refusal::Conflict { latest } => return conflict(latest.get()),
        Refusal::Inconsistent(_) => 422,
    };
    plain(status, format!("{refusal}\n").into_bytes())
}

fn conflict(size: u64) -> RawAnswer {
    let body = format!("{size}\n").into_bytes();
    RawAnswer { status: 409, content_type: tlog::TREE_SIZE_CONTENT_TYPE, body }
}

fn plain(status: u16, body: Vec<u8>) -> RawAnswer {
    RawAnswer { status, content_type: "text/plain; charset=utf-8", body }
}
