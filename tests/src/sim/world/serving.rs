//! Requests of clients that the server works on, from their arrival to the answer.

use civiclog_server::admit::outcome::Receipt;
use tlog::TlogProof;

use super::super::client::Job;
use super::super::life::{Life, Said, Waiting};

/// A request of a client under way in the server.
pub(super) struct Serving {
    pub(super) client: usize,
    pub(super) request: u64,
    pub(super) job: Job,
    pub(super) lines: Vec<Line>,
}

/// Where one submission of a request stands.
pub(super) enum Line {
    Waiting(Waiting),
    Committed(Receipt),
    Refused,
    NotJudged(String),
}

/// What a client is told about one submission.
#[derive(Clone)]
pub(in super::super) enum Told {
    Committed(Receipt),
    Published(Receipt, Box<TlogProof>),
    Refused,
    /// Not yet, and why.
    Later(String),
}

impl Told {
    /// Where the log says that the record stands, if it does.
    pub(super) fn receipt(&self) -> Option<Receipt> {
        match self {
            Self::Committed(receipt) | Self::Published(receipt, _) => Some(*receipt),
            Self::Refused | Self::Later(_) => None,
        }
    }
}

impl Line {
    pub(super) fn settle(&mut self) {
        let Self::Waiting(waiting) = self else {
            return;
        };
        match Life::said(waiting) {
            Said::Nothing => {}
            Said::Committed(receipt) => *self = Self::Committed(receipt),
            Said::Refused => *self = Self::Refused,
            Said::NotJudged(why) => *self = Self::NotJudged(why),
        }
    }
}

impl Serving {
    /// The answers, once there is one for every line.
    pub(super) fn answers(&self, life: &Life) -> Option<Vec<Told>> {
        let current = life.latest.current();
        self.lines
            .iter()
            .map(|line| match line {
                Line::Waiting(_) => None,
                Line::Refused => Some(Told::Refused),
                Line::NotJudged(why) => Some(Told::Later(why.clone())),
                Line::Committed(receipt) if !self.job.wants_published => {
                    Some(Told::Committed(*receipt))
                }
                Line::Committed(receipt) => {
                    let Some(published) = current.as_ref().filter(|it| it.covers(receipt.index()))
                    else {
                        // A process that will never publish it says what it knows.
                        return life.core.mode.is_read_only().then_some(Told::Committed(*receipt));
                    };
                    Some(match life.proof(receipt, published) {
                        Some(proof) => Told::Published(*receipt, Box::new(proof)),
                        None => Told::Later("there is no proof".to_owned()),
                    })
                }
            })
            .collect()
    }
}
