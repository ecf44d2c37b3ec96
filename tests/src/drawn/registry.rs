//! Records of the registry: keys that come and go, bodies that are lent, profiles, lists.

use records::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::parties::{BODY, OTHER_BODY, Party, jwk};
use super::{Draw, Drawer, Drawn, ORIGIN};
use crate::submitter::key;

impl Drawer {
    /// Draws one, signed as it has to be or otherwise.
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each kind")]
    pub(super) fn draw_registry(&self, draw: &mut Draw<'_>) -> Drawn {
        let treasury = &self.parties.registered[0];
        let governance = self.parties.governance.last().expect("a key");
        let new = &key(Algorithm::Ed25519, 0xc0 + self.parties.next_key);
        let seed = 0x60 + u8::try_from(self.parties.governance.len()).expect("few");
        let next = &key(Algorithm::Ed25519, seed);
        let (kind, object, data, mut keys) = match draw.random.below(40) {
            0..=3 => {
                let data = json!({"key": jwk(new), "submitter": treasury.id});
                let by = if draw.one_in(3) { governance } else { newest_of(treasury) };
                ("key.add", format!("log/key/{}", new.public().kid()), data, vec![by, new])
            }
            4..=6 => {
                let party = self.parties.any(&mut draw.random);
                let kid = newest_of(party).public().kid().to_string();
                let mut data = json!({"kid": kid});
                if draw.one_in(2) {
                    data["since"] = json!("2026-05-31");
                }
                // Its first key stays, so that much of what is drawn is still signed by keys that count.
                let by = if party.keys.len() > 1 { governance } else { new };
                ("key.revoke", format!("log/revoke/{kid}"), data, vec![by])
            }
            7..=12 => {
                let profiles: &[&str] =
                    if draw.one_in(4) { &[] } else { &["spending/1", "procurement/1"] };
                let mut data = json!({"body": BODY, "submitter": BODY, "to": OTHER_BODY});
                if !profiles.is_empty() {
                    data["profiles"] = json!(profiles);
                }
                let object = format!("log/delegate/{BODY}/{OTHER_BODY}/{BODY}");
                ("submitter.delegate", object, data, vec![&treasury.keys[0]])
            }
            13 => {
                let after = key(Algorithm::Ed25519, seed + 1).public().kid().to_string();
                let data = json!({"keys": [jwk(next)], "next": [after], "threshold": 1});
                let object = format!("log/governance/{}", next.public().kid());
                ("governance.rotate", object, data, vec![next])
            }
            14 | 15 => {
                let data = json!({"key": jwk(new), "use": ["withhold"]});
                let object = format!("log/operator/{}", new.public().kid());
                ("operator.key", object, data, vec![governance, new])
            }
            16..=19 => {
                let id = self.to_publish["profile"].as_str().expect("a name");
                let data = json!({"document": self.to_publish});
                ("profile.publish", format!("log/profile/{id}"), data, vec![governance])
            }
            20 => {
                let id = self.to_publish["profile"].as_str().expect("a name");
                (
                    "profile.retire",
                    format!("log/retire/{id}"),
                    json!({"profile": id}),
                    vec![governance],
                )
            }
            21..=24 => {
                let part = 1 + draw.random.below(3);
                let data = json!({"codes": [format!("a{part}")], "list": "areas", "part": part});
                ("codelist.publish", format!("log/codelist/areas/{part}"), data, vec![governance])
            }
            25..=28 => {
                let policy = crate::sim::fodder::fodder().policies[1].text.lines();
                let data = json!({"policy": policy.collect::<Vec<_>>()});
                ("policy.publish", "log/policy/witnesses".to_owned(), data, vec![governance])
            }
            29..=33 => {
                let entry = draw.random.below(12);
                let data = json!({"entry": entry, "paths": ["/data/payee/name"], "why": "erasure"});
                ("withhold", format!("log/withhold/{entry}"), data, vec![governance])
            }
            34 if draw.one_in(6) => {
                ("log.freeze", "log/freeze".to_owned(), json!({}), vec![governance])
            }
            34 => {
                let data = json!({"engine": 2});
                ("engine.activate", "log/engine/2".to_owned(), data, vec![governance])
            }
            35..=38 => {
                let id = "GB-LAE-NEW";
                let profiles = [self.to_publish["profile"].clone(), json!("spending/1")];
                let data = json!({
                    "bodies": [BODY], "key": jwk(new), "profiles": profiles, "submitter": id,
                });
                ("submitter.add", format!("log/submitter/{id}"), data, vec![governance, new])
            }
            _ => {
                let id = if draw.one_in(8) { OTHER_BODY } else { "GB-LAE-NEW" };
                let data = json!({"submitter": id});
                ("submitter.close", format!("log/close/{id}"), data, vec![governance])
            }
        };
        if draw.one_in(15) {
            keys = vec![newest_of(self.parties.any(&mut draw.random))];
        }
        let posted = registry_record(draw, kind, &object, &data, &keys);
        Drawn { posted, kind: ("registry/1".to_owned(), kind.to_owned()) }
    }
}

fn registry_record(
    draw: &mut Draw<'_>,
    kind: &str,
    object: &str,
    data: &Value,
    keys: &[&SigningKey],
) -> Vec<u8> {
    let head = records::object_head(draw.state, object).expect("a state in memory can be read");
    let mut record = json!({
        "v": 1, "log": ORIGIN, "profile": "registry/1", "kind": kind, "object": object,
        "submitter": "log", "occurred": "2026-06-01", "op": "add", "rev": 0, "data": data,
    });
    if let Some(head) = head.filter(|_| !draw.one_in(5)) {
        record["op"] = json!("next");
        record["rev"] = json!(head.rev + 1);
        record["prev"] = json!(head.record_hash.to_string());
    }
    let text = record.to_string();
    let mut signatures: Vec<(String, String)> = keys
        .iter()
        .map(|key| {
            let signature = key.sign_detached(text.as_bytes()).to_text();
            (key.public().kid().to_string(), signature)
        })
        .collect();
    signatures.sort();
    let signatures: Vec<&String> = signatures.iter().map(|(_, text)| text).collect();
    format!("{{\"record\":{text},\"signatures\":{}}}", json!(signatures)).into_bytes()
}

fn newest_of(party: &Party) -> &SigningKey {
    party.keys.last().expect("a key")
}
