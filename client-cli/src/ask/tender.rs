//! `civiclog tender`: every commitment of a tender and what became of it.
//!
//! Nothing here is the log's word. Each record shown is proven to be in the tree under a checkpoint
//! that the policy accepts. In a log that is read whole the list is proven complete as well; of a
//! large one it is as long as the log says, and must have as many commitments as the record that
//! closed the tender.

mod fate;

use std::collections::{BTreeMap, BTreeSet};

use records::{Disclosure, Entry};
use serde::Serialize;
use tlog::LeafIndex;
use tlog_client::{HttpSettings, LogClient, TreeView};

use crate::args::Tender;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::trust;
use fate::{Commitment, Step};

pub(crate) async fn run(args: &Tender, http: &HttpSettings, screen: &mut Screen) -> Outcome {
    if !records::name::is_object(&args.object) {
        let words = format!("`{}` is no object such as GB-LAE-DEV/tender/2026-17", args.object);
        return Err(Failure::usage(words));
    }
    let client = LogClient::new(&args.at.log, http)?;
    let info = client.info().await?;
    let policy = trust::policy_or_own(args.policy.as_deref(), &info, screen)?;
    let checkpoint = trust::checkpoint(&client, &policy).await?;
    let view = TreeView::new(client.clone(), checkpoint.head());
    let size = view.head().size.get();
    // Whoever reads every entry needs no list, and no list can hide an entry from her.
    let is_complete = size <= SCAN_ENTRIES_MAX;
    let steps = if is_complete {
        scan(&view, &args.object).await?
    } else {
        ask(&client, &view, &args.object).await?
    };
    if !steps.contains_key(&args.object) {
        let words = format!("the log has no tender {}", args.object);
        return Err(Failure::new(Exit::NotVerified, words));
    }
    let names = disclosed(&client, &steps).await?;
    let told = Told::of(&args.object, size, is_complete, &steps, &names);
    screen.report(&told);
    screen.say(told.words());
    if let Some(stated) = told.commitments_stated.filter(|it| *it != told.commitments.len()) {
        let words = format!(
            "the tender was closed with {stated} commitments, the log shows {}: it may not take \
             such a close, or it hides some",
            told.commitments.len()
        );
        return Err(Failure::new(Exit::Misbehaved, words));
    }
    Ok(Exit::Done)
}

/// What is told: of a person or as one JSON document.
#[derive(Serialize)]
struct Told {
    tender: String,
    /// The state of the tender: open, closed, evaluated, awarded, final, cancelled.
    state: &'static str,
    /// How many entries the log had.
    size: u64,
    /// Whether all entries were read: then nothing is missing from the list.
    is_complete: bool,
    steps: Vec<TenderStep>,
    commitments: Vec<Commitment>,
    /// How many the record that closed the tender counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    commitments_stated: Option<usize>,
    complaints: Vec<Complaint>,
}

/// One step of the tender itself.
#[derive(Serialize)]
struct TenderStep {
    kind: String,
    index: u64,
    admitted: String,
}

#[derive(Serialize)]
struct Complaint {
    object: String,
    index: u64,
    /// `open`, or the decision.
    outcome: String,
}

impl Told {
    fn of(
        tender: &str,
        size: u64,
        is_complete: bool,
        steps: &BTreeMap<String, Vec<Step>>,
        names: &BTreeMap<u64, String>,
    ) -> Self {
        let own = steps.get(tender).map(Vec::as_slice).unwrap_or_default();
        let below = |word: &str| {
            let prefix = format!("{tender}/{word}/");
            steps.iter().filter(move |(object, _)| object.starts_with(&prefix))
        };
        let mut commitments: Vec<Commitment> =
            below("bid").filter_map(|(object, steps)| fate::of(object, steps, names)).collect();
        commitments.sort_by_key(|it| it.index);
        let complaints = below("complaint").filter_map(|(object, steps)| {
            let decision = steps.iter().find_map(|it| it.text("outcome"));
            let outcome = decision.unwrap_or_else(|| "open".to_owned());
            Some(Complaint { object: object.clone(), index: steps.first()?.index, outcome })
        });
        let closed = own.iter().find(|it| it.kind() == "tender.close");
        Self {
            tender: tender.to_owned(),
            state: own.iter().filter_map(|it| state_after(it.kind())).next_back().unwrap_or("?"),
            size,
            is_complete,
            steps: own.iter().map(TenderStep::of).collect(),
            commitments,
            commitments_stated: closed.and_then(|it| it.number("commitments")),
            complaints: complaints.collect(),
        }
    }

    fn words(&self) -> String {
        let mut lines = vec![format!("{}: {}", self.tender, self.state)];
        for step in &self.steps {
            lines.push(format!("  {}  {}, entry {}", step.admitted, step.kind, step.index));
        }
        lines.push(format!("{} commitments:", self.commitments.len()));
        lines.extend(self.commitments.iter().map(Commitment::words));
        let count = |fate: &str| self.commitments.iter().filter(|it| it.fate == fate).count();
        let sum = ["revealed", "withdrawn", "unrevealed", "not revealed"]
            .map(|fate| format!("{} {fate}", count(fate)));
        lines.push(format!("  {}", sum.join(", ")));
        for complaint in &self.complaints {
            let (object, index) = (&complaint.object, complaint.index);
            lines.push(format!("complaint {object}, entry {index}: {}", complaint.outcome));
        }
        lines.push(if self.is_complete {
            format!("All {} entries of the log were read: no other commitment is in it.", self.size)
        } else {
            "Each entry is proven; that the list is complete is the log's word, held against the \
             count in the record that closed the tender."
                .to_owned()
        });
        lines.join("\n")
    }
}

impl TenderStep {
    fn of(step: &Step) -> Self {
        Self {
            kind: step.kind().to_owned(),
            index: step.index,
            admitted: records::format_millis(step.entry.admitted_ms()),
        }
    }
}

/// The state that a step leads to. The profile's own table is about what may follow what; a reader
/// only wants to know where the tender stands.
///
/// Spec: the rules `states` of `procurement/1`.
fn state_after(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "tender.open" | "tender.amend" => "open",
        "tender.close" => "closed",
        "evaluation" => "evaluated",
        "award" => "awarded",
        "standstill.end" => "final",
        "tender.cancel" => "cancelled",
        _ => return None,
    })
}

/// Every entry about the tender or something below it, by reading all there are.
async fn scan(view: &TreeView, tender: &str) -> Outcome<BTreeMap<String, Vec<Step>>> {
    let below = format!("{tender}/");
    let mut steps: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    view.scan(|index, bytes| {
        // An entry of an engine newer than this program is not one of a procurement/1.
        let Ok(entry) = Entry::parse(bytes) else { return };
        let object = entry.record().object().to_owned();
        if object == tender || object.starts_with(&below) {
            steps.entry(object).or_default().push(Step { index: index.get(), entry });
        }
    })
    .await?;
    Ok(steps)
}

/// The same by the log's own list; every entry is proven.
async fn ask(
    client: &LogClient,
    view: &TreeView,
    tender: &str,
) -> Outcome<BTreeMap<String, Vec<Step>>> {
    let mut objects = vec![tender.to_owned()];
    let below = format!("{tender}/");
    let mut after: Option<String> = None;
    loop {
        let page = client.objects(&below, after.as_deref()).await?;
        let Some(last) = page.last() else { break };
        if after.as_ref().is_some_and(|after| last.object <= *after) {
            let words = "the log lists objects in an order that does not ascend";
            return Err(Failure::new(Exit::Misbehaved, words));
        }
        after = Some(last.object.clone());
        objects.extend(page.into_iter().map(|head| head.object));
    }
    let mut indices = BTreeSet::new();
    for object in objects {
        let Some(answer) = client.object(&object).await? else { continue };
        let revisions = answer["revisions"].as_array().into_iter().flatten();
        let told = revisions.filter_map(|it| it["index"].as_u64()).map(LeafIndex::new);
        // One published since our checkpoint is not proven by it.
        indices.extend(told.filter(|index| index.is_within(view.head().size)));
    }
    let mut steps: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    for (index, proven) in view.entries(&indices).await? {
        let entry = Entry::parse(&proven.bytes)
            .explain(Exit::Misbehaved, || format!("entry {index} is not a record"))?;
        let object = entry.record().object().to_owned();
        if object == tender || object.starts_with(&below) {
            steps.entry(object).or_default().push(Step { index: index.get(), entry });
        }
    }
    Ok(steps)
}

/// The names of bidders that the log shows, each held against its digest; by the entry they stand in.
async fn disclosed(
    client: &LogClient,
    steps: &BTreeMap<String, Vec<Step>>,
) -> Outcome<BTreeMap<u64, String>> {
    let mut names = BTreeMap::new();
    for step in steps.values().flatten().filter(|step| step.kind() == "bid.reveal") {
        let shown = client.record(LeafIndex::new(step.index)).await?;
        let sealed = step.entry.record().sealed().iter();
        let Some(name) = sealed.into_iter().find(|it| it.path == "/data/bidder/name") else {
            continue;
        };
        let texts = shown["disclosures"].as_array().into_iter().flatten();
        let opened = texts
            .filter_map(|text| Disclosure::parse(text.as_str()?).ok())
            .find(|disclosure| disclosure.digest() == name.digest);
        if let Some(text) = opened.as_ref().and_then(|it| it.value().as_text()) {
            names.insert(step.index, text.to_owned());
        }
    }
    Ok(names)
}

/// A log of so many entries is read whole: 45 MB.
const SCAN_ENTRIES_MAX: u64 = 65_536;

#[cfg(test)]
mod tests;
