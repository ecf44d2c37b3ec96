//! Who submits: five registered parties, and bidders whom nobody registered.

use records::{Algorithm, Kid, SigningKey};
use serde_json::Value;

use crate::memory_log::MemoryLog;
use crate::random::Random;
use crate::submitter::key;

/// The body that most records are about.
pub(super) const BODY: &str = "GB-LAE-DEV";

/// A second body, whose submitter writes for the first only when it is let.
pub(super) const OTHER_BODY: &str = "GB-LAE-SUB";

/// A log of all parties, at the time at which simulations begin.
pub fn found() -> MemoryLog {
    let mut log = MemoryLog::founded_at(crate::sim::fodder::START_MS);
    for party in Parties::new().registered {
        let bodies: &[&str] = if party.id == OTHER_BODY { &[OTHER_BODY] } else { &[BODY] };
        let roles: Vec<&str> = party.role.into_iter().collect();
        log.register(&party.id, bodies, &roles, &party.keys[0]);
    }
    log
}

/// One party with its keys.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) id: String,
    role: Option<&'static str>,
    pub(super) keys: Vec<SigningKey>,
}

impl Party {
    fn registered(id: &str, role: Option<&'static str>, key: SigningKey) -> Self {
        Self { id: id.to_owned(), role, keys: vec![key] }
    }

    /// A key that nobody registered.
    fn bidder(number: u8) -> Self {
        let key = key(Algorithm::Ed25519, 0xa0 + number);
        Self { id: format!("key:{}", key.public().kid()), role: None, keys: vec![key] }
    }

    pub(super) fn is_bidder(&self) -> bool {
        self.id.starts_with("key:")
    }

    /// Mostly its first key.
    pub(super) fn key(&self, random: &mut Random) -> &SigningKey {
        let later = usize::try_from(random.below(self.keys.len() as u64)).expect("few");
        &self.keys[if random.below(3) == 0 { later } else { 0 }]
    }

    pub(super) fn jwk(&self) -> Value {
        jwk(&self.keys[0])
    }

    pub(super) fn kid(&self) -> &Kid {
        self.keys[0].public().kid()
    }
}

pub(super) fn jwk(key: &SigningKey) -> Value {
    let text = records::to_canonical(&key.public().to_jwk());
    serde_json::from_slice(&text).expect("a JWK")
}

/// All of them.
#[derive(Debug)]
pub(super) struct Parties {
    pub(super) registered: Vec<Party>,
    bidders: Vec<Party>,
    /// The governance keys, the newest last.
    pub(super) governance: Vec<SigningKey>,
    /// Keys that may be registered; the number of the next one.
    pub(super) next_key: u8,
}

impl Parties {
    pub(super) fn new() -> Self {
        let of = |id, role, algorithm, seed| Party::registered(id, role, key(algorithm, seed));
        Self {
            registered: vec![
                of(BODY, Some("buyer"), Algorithm::Es256, 2),
                of("GB-BOE-BANK", Some("bank"), Algorithm::Ed25519, 3),
                of("GB-COH-SUPPLIER", Some("supplier"), Algorithm::Ed25519, 4),
                of("GB-COH-SUPERVISOR", Some("supervisor"), Algorithm::Ed25519, 5),
                of(OTHER_BODY, None, Algorithm::Ed25519, 6),
            ],
            bidders: (0..8).map(Party::bidder).collect(),
            governance: vec![MemoryLog::governance()],
            next_key: 0,
        }
    }

    /// Whoever has a role, or the treasury.
    pub(super) fn with_role(&self, role: Option<&str>, random: &mut Random) -> &Party {
        let found = self.registered.iter().find(|it| role.is_some() && it.role == role);
        let other = if random.below(8) == 0 { 4 } else { 0 };
        found.unwrap_or(&self.registered[other])
    }

    /// Whoever was registered last.
    pub(super) fn newcomer(&self) -> &Party {
        self.registered.last().expect("parties")
    }

    /// Anybody.
    pub(super) fn any(&self, random: &mut Random) -> &Party {
        let all: Vec<&Party> = self.registered.iter().chain(&self.bidders).collect();
        all[usize::try_from(random.below(all.len() as u64)).expect("few")]
    }

    pub(super) fn any_bidder(&self, random: &mut Random) -> &Party {
        &self.bidders[usize::try_from(random.below(self.bidders.len() as u64)).expect("few")]
    }

    pub(super) fn bidder(&self, kid: &str) -> Option<&Party> {
        self.bidders.iter().find(|it| it.kid().as_str() == kid)
    }

    /// Learns of keys that a record registers.
    pub(super) fn learn(&mut self, record: &Value) {
        let data = &record["data"];
        match record["kind"].as_str() {
            Some("key.add") => {
                let new = key(Algorithm::Ed25519, 0xc0 + self.next_key);
                let owner = self.registered.iter_mut().find(|it| data["submitter"] == it.id);
                if let Some(owner) = owner.filter(|_| data["key"] == jwk(&new)) {
                    owner.keys.push(new);
                    self.next_key += 1;
                }
            }
            Some("submitter.add") => {
                let new = key(Algorithm::Ed25519, 0xc0 + self.next_key);
                if data["key"] == jwk(&new) {
                    let id = data["submitter"].as_str().expect("a name");
                    self.registered.push(Party::registered(id, None, new));
                    self.next_key += 1;
                }
            }
            Some("operator.key") => {
                let new = key(Algorithm::Ed25519, 0xc0 + self.next_key);
                self.next_key += u8::from(data["key"] == jwk(&new));
            }
            Some("governance.rotate") => {
                let seed = 0x60 + u8::try_from(self.governance.len()).expect("few");
                self.governance.push(key(Algorithm::Ed25519, seed));
            }
            _ => {}
        }
    }
}
