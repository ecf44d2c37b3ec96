//! Submissions of every kind of every profile, drawn from a seed. Most fit the log as it stands, the
//! others break a rule or two: which, the judgement has to say.
//!
//! The drawer reads the same documents of the profiles as everybody, but nothing of the engine that
//! judges by them, and keeps a model of its own of what a close must state. So a profile that changes
//! is covered without a line here.

mod data;
mod parties;
mod registry;
mod tally;

use std::collections::BTreeMap;

use records::profile::shipped::DOCUMENTS;
use records::state::object_fold;
use records::{Entry, object_head};
use serde_json::{Map, Value, json};

use crate::random::Random;
use crate::sim::fodder::ORIGIN;
use parties::{Parties, Party};

pub use parties::found;

/// The state that entries lead to.
pub type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// A kind of a profile, as the document says it.
#[derive(Clone, Debug)]
struct Kind {
    profile: String,
    name: String,
    said: Value,
}

impl Kind {
    fn takes(&self, op: &str) -> bool {
        self.said["ops"].as_array().is_some_and(|ops| ops.iter().any(|it| it == op))
    }

    /// How its objects are named, `{id}` for everything that is not a word or a field.
    fn pattern(&self) -> String {
        let text = self.said["object"].as_str().expect("a pattern");
        text.replace("{ids}", "{id}").replace("{key}", "{id}")
    }

    fn rules(&self) -> impl Iterator<Item = &Value> {
        self.said["rules"].as_array().into_iter().flatten()
    }

    fn rule(&self, name: &str) -> Option<&Value> {
        self.rules().find(|it| it["rule"] == name)
    }
}

/// A revision that the log took.
#[derive(Clone, Debug)]
struct Revision {
    profile: String,
    kind: String,
    /// The record's members.
    record: Value,
    /// Whether nothing replaced it, and it is no void.
    stands: bool,
}

/// Draws submissions for one log.
#[derive(Debug)]
pub struct Drawer {
    kinds: Vec<Kind>,
    parties: Parties,
    /// Every object with its revisions.
    objects: BTreeMap<String, Vec<Revision>>,
    /// A profile that governance may publish.
    to_publish: Value,
}

/// A drawn submission.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// As it is posted.
    pub posted: Vec<u8>,
    /// Profile and kind, as they were meant.
    pub kind: (String, String),
}

/// What is drawn from, and for.
struct Draw<'a> {
    state: &'a State,
    now_ms: u64,
    random: Random,
}

impl Draw<'_> {
    /// One time in so many.
    fn one_in(&mut self, times: u64) -> bool {
        self.random.below(times) == 0
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> Option<&'t T> {
        let count = u64::try_from(from.len()).ok().filter(|it| *it > 0)?;
        from.get(usize::try_from(self.random.below(count)).ok()?)
    }
}

impl Drawer {
    /// For a log that [`found`] made. `to_publish`: the document of a profile that it may publish.
    ///
    /// # Panics
    /// When a document is no profile.
    pub fn new(to_publish: &str) -> Self {
        let to_publish: Value = serde_json::from_str(to_publish).expect("a profile");
        let mut kinds = Vec::new();
        for (_, document) in DOCUMENTS {
            kinds.extend(kinds_of(&serde_json::from_str(document).expect("a profile")));
        }
        kinds.extend(kinds_of(&to_publish));
        Self { kinds, parties: Parties::new(), objects: BTreeMap::new(), to_publish }
    }

    /// Every profile and kind that it draws, those of the registry apart.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.kinds.iter().map(|it| (it.profile.as_str(), it.name.as_str()))
    }

    /// Draws one for a log in this state at this time.
    pub fn draw(&self, state: &State, now_ms: u64, seed: u64) -> Drawn {
        let mut draw = Draw { state, now_ms, random: Random::new(seed) };
        if draw.one_in(8) {
            return self.draw_registry(&mut draw);
        }
        let is_of_a_tender = draw.one_in(3);
        let (kind, target) = self.choose(&mut draw, is_of_a_tender);
        let mut record = self.record(&mut draw, kind, target.as_deref());
        let signers = self.signers(&mut draw, kind, &mut record);
        let kind = (kind.profile.clone(), kind.name.clone());
        Drawn { posted: post(&mut draw, record, &signers), kind }
    }

    /// Learns of an entry that the log took.
    ///
    /// # Panics
    /// When it is none.
    pub fn learn(&mut self, entry: &[u8]) {
        let entry = Entry::parse(entry).expect("an entry");
        let record: Value = serde_json::from_slice(entry.record().bytes()).expect("JSON");
        self.parties.learn(&record);
        let revisions = self.objects.entry(entry.record().object().to_owned()).or_default();
        if let Some(of) = record["of"].as_u64().and_then(|of| usize::try_from(of).ok()) {
            revisions[of].stands = false;
        }
        revisions.push(Revision {
            profile: entry.record().profile().to_owned(),
            kind: entry.record().kind().to_owned(),
            stands: record["op"] != "void",
            record,
        });
    }

    /// A kind, and an object that waits for it. Prefers kinds that something waits for. A tender has
    /// more steps and less time than anything else, so it gets more of the draws.
    fn choose(&self, draw: &mut Draw<'_>, is_of_a_tender: bool) -> (&Kind, Option<String>) {
        let mut chosen = None;
        for _ in 0..24 {
            let kind = draw.pick(&self.kinds).expect("kinds");
            if is_of_a_tender && kind.profile != "procurement/1" {
                continue;
            }
            let targets = self.targets(draw, kind);
            let target = draw.pick(&targets).cloned();
            // What ends an object's life too early is drawn more rarely.
            let is_an_end = ["tender.cancel", "bid.withdraw"].contains(&kind.name.as_str());
            let is_promising = (target.is_some() || kind.takes("add") && self.has_all(draw, kind))
                && (!is_an_end || draw.one_in(4));
            chosen = Some((kind, target));
            if is_promising {
                break;
            }
        }
        chosen.unwrap_or((&self.kinds[0], None))
    }

    /// Whether the log has what a new object of this kind must refer to.
    fn has_all(&self, draw: &mut Draw<'_>, kind: &Kind) -> bool {
        let mut needed = kind.rules().filter(|it| it["rule"] == "exists" && it["required"] == true);
        needed.all(|rule| {
            let of = rule["of"].as_str().expect("a field");
            !self.referable(draw, kind, of, false).is_empty()
        })
    }

    /// Objects that are in a state in which a kind goes on with them.
    fn targets(&self, draw: &mut Draw<'_>, kind: &Kind) -> Vec<String> {
        let from = kind.rule("states").and_then(|it| it["from"].as_array());
        let is_loose = draw.one_in(12);
        let fits = |object: &&String| {
            let Ok(Some(fold)) = object_fold(draw.state, object) else { return false };
            let (name, _) = kind.profile.split_once('/').expect("a version");
            let opener = fold.opened_as.strip_prefix(name).and_then(|it| it.strip_prefix('/'));
            let opener = self
                .kinds
                .iter()
                .find(|it| it.profile == kind.profile && Some(it.name.as_str()) == opener);
            let is_named_so = opener.is_some_and(|it| it.pattern() == kind.pattern());
            let waits = match from {
                Some(from) => from.iter().any(|it| *it == fold.status),
                None => kind.takes("next") || kind.takes("correct"),
            };
            is_named_so && (waits || is_loose)
        };
        self.objects.keys().filter(fits).cloned().collect()
    }

    /// The members of a record, without its submitter.
    fn record(&self, draw: &mut Draw<'_>, kind: &Kind, target: Option<&str>) -> Map<String, Value> {
        let mut ops: Vec<&str> = Vec::new();
        match target {
            Some(_) => {
                for (op, weight) in [("next", 6), ("add", 2), ("correct", 2), ("void", 1)] {
                    ops.extend(std::iter::repeat_n(op, if kind.takes(op) { weight } else { 0 }));
                }
            }
            None => ops.push("add"),
        }
        let mut op = *draw.pick(&ops).unwrap_or(&"next");
        let mut record = Map::new();
        let replaced = target.and_then(|object| self.replaced(draw, kind, object));
        if ["correct", "void"].contains(&op) && replaced.is_none() {
            op = if kind.takes("add") { "add" } else { "next" };
        }
        record.insert("v".to_owned(), json!(1));
        record.insert("log".to_owned(), json!(ORIGIN));
        record.insert("profile".to_owned(), json!(kind.profile));
        record.insert("kind".to_owned(), json!(kind.name));
        record.insert("op".to_owned(), json!(op));
        let days = ["2026-05-31", "2026-06-01", "2026-06-01", "2026-03-01", "2026-09-01"];
        record.insert("occurred".to_owned(), json!(draw.pick(&days)));
        let body = self.body(draw, kind, if op == "add" { None } else { target });
        let object = body.object.clone();
        record.insert("object".to_owned(), json!(object));
        chain(draw, &mut record, op, &object, replaced.as_ref());
        record.insert("data".to_owned(), Value::Object(body.data));
        if op == "void" {
            record.insert("data".to_owned(), json!({}));
            return record;
        }
        for (name, list) in
            [("refs", body.refs), ("documents", body.documents), ("sealed", body.sealed)]
        {
            if !list.is_empty() {
                record.insert(name.to_owned(), Value::Array(list));
            }
        }
        if !body.disclosures.is_empty() {
            // Taken out again before the record is signed.
            record.insert(DISCLOSURES.to_owned(), json!(body.disclosures));
        }
        if draw.one_in(5) {
            let source = if draw.one_in(3) { json!({"rounded": true}) } else { json!({"row": 7}) };
            record.insert("source".to_owned(), source);
        }
        record
    }

    /// A revision of this kind that still stands.
    fn replaced(&self, draw: &mut Draw<'_>, kind: &Kind, object: &str) -> Option<u64> {
        let revisions = self.objects.get(object)?.iter().enumerate();
        let standing: Vec<u64> = revisions
            .filter(|(_, it)| it.stands && it.kind == kind.name)
            .filter_map(|(rev, _)| u64::try_from(rev).ok())
            .collect();
        draw.pick(&standing).copied()
    }

    /// Who signs; puts the submitter in.
    fn signers<'p>(
        &'p self,
        draw: &mut Draw<'_>,
        kind: &Kind,
        record: &mut Map<String, Value>,
    ) -> Vec<&'p Party> {
        let roles: Vec<&str> =
            kind.said["by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let is_named_by_key = kind.said["object"].as_str().is_some_and(|it| it.contains("{key}"));
        let object = record["object"].as_str().expect("a text");
        let takes_one_time = kind.said["one_time_keys"] == true;
        let submitter = if draw.one_in(25) {
            self.parties.any(&mut draw.random)
        } else if is_named_by_key {
            let kid = object.rsplit('/').next().unwrap_or_default();
            self.parties.bidder(kid).unwrap_or_else(|| self.parties.any(&mut draw.random))
        } else if takes_one_time && draw.one_in(2) {
            self.parties.any_bidder(&mut draw.random)
        } else if kind.profile == self.to_publish["profile"] {
            self.parties.newcomer()
        } else {
            self.parties.with_role(roles.first().copied(), &mut draw.random)
        };
        record.insert("submitter".to_owned(), json!(submitter.id));
        if takes_one_time && kind.said["fields"]["key"].is_object() {
            let data = record.get_mut("data").and_then(Value::as_object_mut).expect("data");
            if submitter.is_bidder() {
                data.insert("key".to_owned(), submitter.jwk());
            } else {
                data.remove("key");
            }
        }
        let mut signers = vec![submitter];
        if kind.said["cosigned_by"].is_string() && !draw.one_in(20) {
            signers.push(self.parties.with_role(Some("supervisor"), &mut draw.random));
        }
        if draw.one_in(40) {
            signers.push(self.parties.any(&mut draw.random));
        }
        signers
    }
}

/// Revision, predecessor and what is replaced.
fn chain(
    draw: &mut Draw<'_>,
    record: &mut Map<String, Value>,
    op: &str,
    object: &str,
    replaced: Option<&u64>,
) {
    let head = object_head(draw.state, object).expect("a state in memory can be read");
    let rev = match &head {
        Some(head) if op != "add" => u64::from(head.rev) + 1,
        _ => u64::from(draw.one_in(60)),
    };
    record.insert("rev".to_owned(), json!(rev));
    if let Some(head) = head.filter(|_| rev > 0) {
        let prev = if draw.one_in(50) { "A".repeat(43) } else { head.record_hash.to_string() };
        record.insert("prev".to_owned(), json!(prev));
    }
    if let Some(of) = replaced.filter(|_| ["correct", "void"].contains(&op)) {
        let of = if draw.one_in(20) { of.wrapping_sub(1).min(3) } else { *of };
        record.insert("of".to_owned(), json!(of));
        record.insert("why".to_owned(), json!(draw.pick(&["cor-pub", "dup", "late"])));
    }
}

/// Signs and assembles; now and then something is wrong with it.
fn post(draw: &mut Draw<'_>, mut record: Map<String, Value>, signers: &[&Party]) -> Vec<u8> {
    let disclosures = record.remove(DISCLOSURES);
    if draw.one_in(25) {
        damage(draw, &mut record);
    }
    let mut text = Value::Object(record).to_string();
    if draw.one_in(150) {
        text = text.replacen(',', ", ", 1);
    }
    let mut signatures: Vec<(String, String)> = Vec::new();
    for party in signers {
        let key = party.key(&mut draw.random);
        let kid = key.public().kid().to_string();
        if signatures.iter().all(|(known, _)| *known != kid) {
            let signed = if draw.one_in(80) { "other" } else { text.as_str() };
            signatures.push((kid, key.sign_detached(signed.as_bytes()).to_text()));
        }
    }
    signatures.sort();
    let signatures: Vec<&String> = signatures.iter().map(|(_, text)| text).collect();
    let signatures = json!(signatures);
    let disclosures = match disclosures {
        Some(list) if !draw.one_in(60) => format!("\"disclosures\":{list},"),
        _ => String::new(),
    };
    format!("{{{disclosures}\"record\":{text},\"signatures\":{signatures}}}").into_bytes()
}

/// Takes a member away, or puts a wrong one in.
fn damage(draw: &mut Draw<'_>, record: &mut Map<String, Value>) {
    let is_in_data = draw.one_in(2);
    let place = match record.get_mut("data") {
        Some(Value::Object(data)) if is_in_data && !data.is_empty() => data,
        _ => record,
    };
    let names: Vec<String> = place.keys().cloned().collect();
    let Some(name) = draw.pick(&names) else { return };
    let wrong =
        [json!(-1), json!("?"), json!({}), json!(true), json!("Orchard Care"), json!("GB-X/y/1")];
    match draw.random.below(3) {
        0 => drop(place.remove(name)),
        1 => drop(place.insert("surplus".to_owned(), json!("x"))),
        _ => drop(place.insert(name.clone(), draw.pick(&wrong).expect("one").clone())),
    }
}

fn kinds_of(document: &Value) -> Vec<Kind> {
    let profile = document["profile"].as_str().expect("a name").to_owned();
    let kinds = document["kinds"].as_array().expect("kinds").iter();
    kinds
        .map(|said| Kind {
            profile: profile.clone(),
            name: said["kind"].as_str().expect("a name").to_owned(),
            said: said.clone(),
        })
        .collect()
}

/// Where the disclosures wait beside the members of a record.
const DISCLOSURES: &str = "(disclosures)";
