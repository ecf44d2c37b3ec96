//! Which rows does the log hold already? Asked only for rows that the journal does not know.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use records::{Disclosure, Entry};
use tlog::LeafIndex;
use tlog_client::tree::REQUESTS_IN_FLIGHT_MAX;
use tlog_client::{ClientError, LogClient, TreeView};

use crate::exit::{Exit, Explain, Failure, Outcome};

/// What the log holds about an object: its newest revision, proven, with what is disclosed of it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) index: LeafIndex,
    pub(crate) entry: Entry,
    pub(crate) disclosures: Vec<Disclosure>,
}

/// Finds the newest published revision of each object.
///
/// A small log is read whole, which proves absence as well; in a large one each object is asked
/// for, and a log that denies one is found out when it answers "conflict" to the submission.
pub(crate) async fn find(
    client: &LogClient,
    view: &TreeView,
    objects: &BTreeSet<&str>,
    progress: impl FnMut(usize, usize),
) -> Outcome<BTreeMap<String, Found>> {
    if objects.is_empty() || view.head().size.get() == 0 {
        return Ok(BTreeMap::new());
    }
    let rows = u64::try_from(objects.len()).unwrap_or(u64::MAX);
    let scan_max = rows.saturating_mul(SCAN_ENTRIES_PER_ROW).saturating_add(SCAN_ENTRIES_FREE);
    let indices = if view.head().size.get() <= scan_max {
        scan(view, |object| objects.contains(object)).await?
    } else {
        ask(client, objects).await?
    };
    open(client, view, &indices, progress).await
}

/// The newest published revision of every object whose id begins with `prefix`, but for those that
/// are `known`. In a large log these are the ones that the log lists; it cannot add any that the
/// caller does not prove, but could leave one out.
pub(crate) async fn newest_below(
    client: &LogClient,
    view: &TreeView,
    prefix: &str,
    known: &BTreeSet<&str>,
) -> Outcome<BTreeSet<LeafIndex>> {
    if view.head().size.get() <= SCAN_ENTRIES_FREE {
        return scan(view, |object| object.starts_with(prefix) && !known.contains(object)).await;
    }
    list_below(client, view, prefix, known).await
}

/// The same by the log's own list, page by page.
pub(crate) async fn list_below(
    client: &LogClient,
    view: &TreeView,
    prefix: &str,
    known: &BTreeSet<&str>,
) -> Outcome<BTreeSet<LeafIndex>> {
    let mut indices = BTreeSet::new();
    let mut after: Option<String> = None;
    loop {
        let page = client.objects(prefix, after.as_deref()).await?;
        let Some(last) = page.last() else { return Ok(indices) };
        if after.as_ref().is_some_and(|after| last.object <= *after) {
            let words = "the log lists objects in an order that does not ascend";
            return Err(Failure::new(Exit::Misbehaved, words));
        }
        after = Some(last.object.clone());
        // One published since our checkpoint is for the next run.
        let older =
            page.iter().filter(|head| LeafIndex::new(head.index).is_within(view.head().size));
        let missing = older.filter(|head| !known.contains(head.object.as_str()));
        indices.extend(missing.map(|head| LeafIndex::new(head.index)));
    }
}

/// The proven entries at these indices with their disclosures, by object.
pub(crate) async fn open(
    client: &LogClient,
    view: &TreeView,
    indices: &BTreeSet<LeafIndex>,
    mut progress: impl FnMut(usize, usize),
) -> Outcome<BTreeMap<String, Found>> {
    let proven = view.entries(indices, |_, _| ()).await?;
    let mut opened = stream::iter(proven)
        .map(async |(index, entry)| {
            let disclosures = disclosures(client, index).await;
            disclosures.map(|disclosures| (index, entry.bytes, disclosures))
        })
        .buffer_unordered(REQUESTS_IN_FLIGHT_MAX);
    let mut found = BTreeMap::new();
    while let Some((index, bytes, disclosures)) = opened.try_next().await? {
        let entry = Entry::parse(&bytes)
            .explain(Exit::Misbehaved, || format!("entry {index} is not a record"))?;
        found.insert(entry.record().object().to_owned(), Found { index, entry, disclosures });
        progress(found.len(), indices.len());
    }
    Ok(found)
}

async fn scan(view: &TreeView, is_wanted: impl Fn(&str) -> bool) -> Outcome<BTreeSet<LeafIndex>> {
    let mut newest: BTreeMap<String, LeafIndex> = BTreeMap::new();
    view.scan(|index, bytes| {
        // An entry of an engine newer than this program is not one of ours.
        let Ok(entry) = Entry::parse(bytes) else { return };
        let object = entry.record().object();
        if is_wanted(object) {
            newest.insert(object.to_owned(), index);
        }
    })
    .await?;
    Ok(newest.into_values().collect())
}

async fn ask(client: &LogClient, objects: &BTreeSet<&str>) -> Outcome<BTreeSet<LeafIndex>> {
    let mut answers = stream::iter(objects)
        .map(async |object| client.object(object).await)
        .buffer_unordered(REQUESTS_IN_FLIGHT_MAX);
    let mut indices = BTreeSet::new();
    while let Some(answer) = answers.try_next().await? {
        let newest = answer.as_ref().and_then(|object| object["revisions"].as_array()?.last());
        let index = newest.and_then(|revision| revision["index"].as_u64());
        indices.extend(index.map(LeafIndex::new));
    }
    Ok(indices)
}

/// What the log still discloses of an entry. They are matched with digests later, so what does
/// not fit is just not found.
async fn disclosures(client: &LogClient, index: LeafIndex) -> Result<Vec<Disclosure>, ClientError> {
    let record = client.record(index).await?;
    let texts = record["disclosures"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(texts
        .iter()
        .filter_map(|text| text.as_str())
        .filter_map(|text| Disclosure::parse(text).ok())
        .collect())
}

/// A log of so many entries is read whole whatever the number of rows: 45 MB.
const SCAN_ENTRIES_FREE: u64 = 65_536;
/// Reading a whole bundle of 256 costs about as much as asking for a few objects.
const SCAN_ENTRIES_PER_ROW: u64 = 32;
