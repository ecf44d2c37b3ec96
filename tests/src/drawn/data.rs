//! What a record of a kind says: fields by their types, what is sealed of them, what it refers to.

use records::state::object_fold;
use records::{Disclosure, HeldBy, build, format_millis, seal};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::parties::{BODY, OTHER_BODY};
use super::tally::{money, values};
use super::{Draw, Drawer, Kind};

/// The parts of a record that its kind decides.
#[derive(Default)]
pub(super) struct Body {
    pub(super) object: String,
    pub(super) data: Map<String, Value>,
    pub(super) refs: Vec<Value>,
    pub(super) documents: Vec<Value>,
    pub(super) sealed: Vec<Value>,
    pub(super) disclosures: Vec<String>,
}

impl Drawer {
    /// Draws what a record says, about an object of the log or a new one.
    pub(super) fn body(&self, draw: &mut Draw<'_>, kind: &Kind, target: Option<&str>) -> Body {
        let mut body = Body::default();
        if let Some(fields) = kind.said["fields"].as_object() {
            body.data = self.fields(draw, kind, fields, "");
        }
        body.object = self.name(draw, kind, target, &mut body.data);
        fit_bid(draw, kind, &mut body);
        self.fit_close(draw, kind, &mut body);
        self.refer(draw, kind, &mut body);
        seal_some(draw, kind, &mut body);
        body
    }

    fn fields(
        &self,
        draw: &mut Draw<'_>,
        kind: &Kind,
        fields: &Map<String, Value>,
        at: &str,
    ) -> Map<String, Value> {
        let mut drawn = Map::new();
        for (name, field) in fields {
            if field["required"] != true && draw.one_in(2) {
                continue;
            }
            let at = format!("{at}/{name}");
            if let Some(value) = self.value(draw, kind, field, &at) {
                drawn.insert(name.clone(), value);
            }
        }
        drawn
    }

    fn value(&self, draw: &mut Draw<'_>, kind: &Kind, field: &Value, at: &str) -> Option<Value> {
        Some(match field["type"].as_str().expect("a type") {
            "money" => {
                let currency = if draw.one_in(12) { "JPY" } else { "GBP" };
                let amount = i64::try_from(draw.random.below(40)).expect("small") * 50 - 100;
                money(amount, currency)
            }
            "integer" => {
                let min = field["min"].as_i64().unwrap_or(0);
                json!(min + i64::try_from(draw.random.below(6)).expect("small"))
            }
            "boolean" => json!(draw.one_in(2)),
            "date" => json!(draw.pick(&["2026-02-01", "2026-05-20", "2026-06-01"])),
            "month" => json!(draw.pick(&["2026-05", "2026-06", "2026-06"])),
            "time" => time(draw, at),
            "code" => match field["codes"].as_array() {
                Some(codes) => draw.pick(codes)?.clone(),
                None => json!(draw.pick(&["a1", "a2", "a3"])),
            },
            "class" => json!(draw.pick(&["C1", "C2"])),
            "native" => json!(draw.pick(&["N1", "N2", "N3"])),
            "organisation" if draw.one_in(40) => json!("GB-TAXID-1"),
            "organisation" => json!(draw.pick(&["GB-COH-1", "GB-COH-2", BODY])),
            "ocid" => json!("ocds-b5fd17-1"),
            "reference" => json!(self.referred(draw, kind, at)),
            "sha256" | "salt" => json!(hex(&[u8::try_from(draw.random.below(3)).ok()?])),
            // The submitter's own, put in when it is known who that is.
            "key" => return None,
            "list" => {
                let count = 1 + draw.random.below(2);
                let items = (0..count).filter_map(|_| self.value(draw, kind, &field["of"], at));
                let items: Vec<Value> = items.collect();
                if items.is_empty() {
                    return None;
                }
                Value::Array(items)
            }
            "object" => Value::Object(self.fields(draw, kind, field["fields"].as_object()?, at)),
            other => panic!("a type of field that is not drawn yet: {other}"),
        })
    }

    /// An object that a rule wants there, or another one, or one that does not exist.
    fn referred(&self, draw: &mut Draw<'_>, kind: &Kind, of: &str) -> String {
        let is_loose = draw.one_in(12);
        let known = self.referable(draw, kind, of, is_loose);
        draw.pick(&known).cloned().unwrap_or_else(|| format!("{BODY}/tender/none"))
    }

    /// The objects of the log that a rule wants there.
    pub(super) fn referable(
        &self,
        draw: &Draw<'_>,
        kind: &Kind,
        of: &str,
        is_loose: bool,
    ) -> Vec<String> {
        let wanted = kind.rules().find(|it| it["rule"] == "exists" && it["of"] == of);
        let fits = |object: &&String| {
            let Ok(Some(fold)) = object_fold(draw.state, object) else { return false };
            let Some(rule) = wanted.filter(|_| !is_loose) else { return true };
            let is_of = |name: &str, text: &str| {
                rule[name].as_array().is_none_or(|list| list.iter().any(|it| it == text))
            };
            is_of("kinds", &fold.opened_as) && is_of("states", &fold.status)
        };
        self.objects.keys().filter(fits).cloned().collect()
    }

    /// The object's name, and in the data whatever has to agree with it.
    fn name(
        &self,
        draw: &mut Draw<'_>,
        kind: &Kind,
        target: Option<&str>,
        data: &mut Map<String, Value>,
    ) -> String {
        let pattern = kind.said["object"].as_str().expect("a pattern");
        let (first, rest) = pattern.split_once('/').expect("two parts");
        let field = first.strip_prefix("{data.").and_then(|it| it.strip_suffix('}'));
        if let Some(target) = target {
            let word = rest.split('/').next().unwrap_or_default();
            if let (Some(field), Some(end)) = (field, target.rfind(&format!("/{word}/"))) {
                data.insert(field.to_owned(), json!(target[..end]));
            }
            return target.to_owned();
        }
        let mut name = match field {
            Some(field) => data.get(field).and_then(Value::as_str).unwrap_or(BODY).to_owned(),
            None if draw.one_in(15) => OTHER_BODY.to_owned(),
            None => BODY.to_owned(),
        };
        for part in rest.split('/') {
            name.push('/');
            match part {
                "{id}" => name.push_str(&(1 + draw.random.below(9)).to_string()),
                "{ids}" => {
                    name.push_str("2026/");
                    name.push_str(&(1 + draw.random.below(9)).to_string());
                }
                "{key}" => {
                    name.push_str(self.parties.any_bidder(&mut draw.random).kid().as_str());
                }
                word => match word.strip_prefix("{data.").and_then(|it| it.strip_suffix('}')) {
                    Some(field) => {
                        let text = data.get(field).map(|it| match it {
                            Value::String(text) => text.clone(),
                            other => other.to_string(),
                        });
                        name.push_str(&text.unwrap_or_else(|| "none".to_owned()));
                    }
                    None => name.push_str(word),
                },
            }
        }
        name
    }

    /// Mostly the true figures of a close.
    fn fit_close(&self, draw: &mut Draw<'_>, kind: &Kind, body: &mut Body) {
        let as_record = json!({"data": body.data, "occurred": "2026-06-01", "submitter": BODY});
        if let Some(rule) = kind.rule("sequence").filter(|_| !draw.one_in(6)) {
            let by = values(&rule["stream"], &body.object, &as_record);
            let next = self.next_number(kind, rule, &by);
            set(body, &rule["number"], json!(next));
        }
        let Some(rule) = kind.rule("totals").filter(|_| !draw.one_in(4)) else { return };
        let by = values(&rule["by"], &body.object, &as_record);
        let tally = self.tally(&kind.profile, rule["total"].as_str().expect("a name"), &by);
        if rule["count"].is_string() {
            set(body, &rule["count"], json!(tally.count));
        }
        let sums: Vec<_> = tally.sums.iter().filter(|(_, sum)| **sum != 0).collect();
        if rule["sums"].is_string() {
            let sums: Vec<Value> = sums.iter().map(|(unit, sum)| money(**sum, unit)).collect();
            if sums.is_empty() {
                body.data.remove("sums");
            } else {
                set(body, &rule["sums"], json!(sums));
            }
        }
        if rule["opening"].is_string() {
            let sum = tally.sums.get("GBP").copied().unwrap_or_default();
            set(body, &rule["opening"], money(10_000, "GBP"));
            set(body, &rule["closing"], money(10_000 + sum, "GBP"));
        }
    }

    /// Other objects, and evidence.
    fn refer(&self, draw: &mut Draw<'_>, kind: &Kind, body: &mut Body) {
        let relations = kind.rules().filter_map(|it| it["of"].as_str());
        let mut relations: Vec<&str> = relations.filter(|it| !it.starts_with('/')).collect();
        relations.retain(|it| !["self", "earlier"].contains(it));
        relations.dedup();
        for rel in relations {
            if draw.one_in(2) {
                let object = self.referred(draw, kind, rel);
                if body.refs.iter().all(|it| it["rel"] != rel) {
                    body.refs.push(json!({"object": object, "rel": rel}));
                }
            }
        }
        body.refs.sort_by_key(ToString::to_string);
        let is_evidence = |it: &Value| it["of"].as_array().is_some_and(|of| of[0] == "documents");
        if kind.rules().any(is_evidence) && draw.one_in(2) {
            let which = u8::try_from(draw.random.below(4)).expect("small");
            body.documents.push(json!({
                "media": "application/pdf", "sha256": hex(&[which]), "size": 1000,
                "type": "completionCertificate",
            }));
        }
    }
}

/// A commitment to the bid of whoever the object is named after, and what opens it.
fn fit_bid(draw: &mut Draw<'_>, kind: &Kind, body: &mut Body) {
    let kid = body.object.rsplit('/').next().unwrap_or_default().to_owned();
    let (salt, bid) = (sha256(&format!("salt {kid}")), sha256(&format!("bid {kid}")));
    if kind.said["facts"].as_array().is_some_and(|it| it.contains(&json!("/commitment")))
        && !draw.one_in(15)
    {
        let made = build::commitment(&body.object, &format!("key:{kid}"), &salt, &bid);
        body.data.insert("commitment".to_owned(), json!(made));
    }
    if kind.rule("opens").is_some() && !draw.one_in(6) {
        body.data.insert("salt".to_owned(), json!(hex(&salt)));
        body.data.insert("bid".to_owned(), json!(hex(&bid)));
    }
}

/// Seals what must be, and some of what may be.
fn seal_some(draw: &mut Draw<'_>, kind: &Kind, body: &mut Body) {
    let mut sealable: Vec<&Value> = kind.said["sealed"].as_array().into_iter().flatten().collect();
    sealable.sort_by_key(|it| it["path"].as_str());
    for it in sealable {
        let path = it["path"].as_str().expect("a path");
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let lacks_name = path.ends_with("/name") && !has(body, &format!("{parent}/id"));
        let is_wanted = it["required"] == true || lacks_name || draw.one_in(8);
        if !is_wanted || draw.one_in(40) || !has(body, parent) {
            continue;
        }
        let holders = it["held"].as_array().expect("holders");
        let held = draw.pick(holders).expect("one").as_str().expect("a text").to_owned();
        let is_person = it["with"].is_array() && held == "submitter";
        remove(body, path);
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&draw.random.number().to_be_bytes());
        let holder = if held == "log" { HeldBy::Log } else { HeldBy::Submitter };
        let (field, opened): (_, Disclosure) =
            seal(&format!("/data{path}"), name, "Orchard Care".into(), salt, holder);
        let mut sealed = json!({
            "digest": field.digest.to_string(), "held": held, "path": format!("/data{path}"),
        });
        if is_person || it["reason"] == true {
            sealed["why"] = json!(if is_person { "person" } else { "fair-comp" });
            sealed["until"] = if draw.one_in(2) { Value::Null } else { json!("2040-01-01") };
        }
        if is_person && !draw.one_in(5) {
            for with in it["with"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                remove(body, with);
            }
        }
        body.sealed.push(sealed);
        if holder == HeldBy::Log {
            body.disclosures.push(opened.text().to_owned());
        }
    }
}

fn has(body: &Body, pointer: &str) -> bool {
    pointer.is_empty() || Value::Object(body.data.clone()).pointer(pointer).is_some()
}

fn remove(body: &mut Body, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let mut data = Value::Object(std::mem::take(&mut body.data));
    if let Some(Value::Object(members)) = data.pointer_mut(parent) {
        members.remove(name);
    }
    if let Value::Object(members) = data {
        body.data = members;
    }
}

fn set(body: &mut Body, pointer: &Value, value: Value) {
    let name = pointer.as_str().and_then(|it| it.strip_prefix('/')).expect("a field of the data");
    body.data.insert(name.to_owned(), value);
}

/// Times of a tender lie ahead, in their order; now and then one lies behind.
fn time(draw: &mut Draw<'_>, at: &str) -> Value {
    let minutes = match at {
        "/deadline" => 8,
        "/opening" => 12,
        "/reveal_until" => 40,
        _ => 10,
    };
    let at_ms = if draw.one_in(15) { draw.now_ms - 1 } else { draw.now_ms + minutes * 60_000 };
    json!(format_millis(at_ms))
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// 32 bytes in hexadecimal digits, filled up with the last one.
fn hex(bytes: &[u8]) -> String {
    let last = bytes.last().copied().unwrap_or_default();
    let bytes = (0..32).map(|at| bytes.get(at).copied().unwrap_or(last));
    let digits = bytes.flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
