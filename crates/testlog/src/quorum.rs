//! A log key, witnesses, and the policy that asks for them.

use tlog::{
    Checkpoint, CosignatureSigner, CosignedCheckpoint, Ed25519Signer, Note, Origin, Policy,
    TreeHead, UnixSeconds,
};

/// Whoever has to sign before a checkpoint of this log is believed. More than two thirds of the
/// witnesses are needed: one of one, three of four.
#[derive(Clone, Debug)]
pub struct Quorum {
    origin: Origin,
    log: Ed25519Signer,
    witnesses: Vec<CosignatureSigner>,
    policy: Vec<String>,
}

impl Quorum {
    /// For the log of this name, with witnesses `w1`, `w2` … of the names `w.example/1` …
    pub fn new(origin: &str, witnesses: u8) -> Self {
        let origin: Origin = origin.parse().unwrap();
        let log = Ed25519Signer::new(origin.key_name(), [1; 32]);
        let witness = |number| {
            let name = format!("w.example/{number}").parse().unwrap();
            CosignatureSigner::new(name, [number + 10; 32])
        };
        let witnesses: Vec<_> = (1..=witnesses).map(witness).collect();
        let mut policy = vec![format!("log {}", log.verifier_key())];
        for (number, witness) in (1..).zip(&witnesses) {
            policy.push(format!("witness w{number} {}", witness.verifier_key()));
        }
        let members: Vec<_> = (1..=witnesses.len()).map(|number| format!("w{number}")).collect();
        let needed = witnesses.len() * 2 / 3 + 1;
        policy.push(format!("group all-witnesses {needed} {}", members.join(" ")));
        policy.push("quorum all-witnesses".to_owned());
        Self { origin, log, witnesses, policy }
    }

    pub fn signer(&self) -> &Ed25519Signer {
        &self.log
    }

    pub fn policy_lines(&self) -> &[String] {
        &self.policy
    }

    pub fn policy_text(&self) -> String {
        self.policy.join("\n") + "\n"
    }

    pub fn policy(&self) -> Policy {
        Policy::parse(&self.policy_text()).unwrap()
    }

    /// A checkpoint that all have signed, the witnesses at this time.
    pub fn note(&self, head: TreeHead, at: UnixSeconds) -> Note {
        let text = Checkpoint::new(self.origin.clone(), head).to_text();
        let mut lines = vec![self.log.sign(&text)];
        lines.extend(self.witnesses.iter().map(|witness| witness.sign(&text, at)));
        Note::new(text, lines).unwrap()
    }

    /// The same, accepted by the policy.
    pub fn cosigned(&self, head: TreeHead, at: UnixSeconds) -> CosignedCheckpoint {
        self.policy().check(&self.note(head, at)).unwrap()
    }
}
