//! What does the log hold already? Asked only for rows that the journal does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use futures_util::{StreamExt, TryStreamExt, stream};
use import::scratch::{Row, Scratch, Table};
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

/// Objects with the places of their newest revisions, in the order of their ids.
pub(crate) type Heads = Vec<(String, LeafIndex)>;

/// Looks objects up in the log as of one checkpoint.
///
/// A small log is read whole, once, which proves absence as well; in a large one each object is asked
/// for, and a log that denies one is found out when it answers "conflict" to the submission.
pub(crate) struct Lookup<'a> {
    client: &'a LogClient,
    view: &'a TreeView,
    scratch: &'a Scratch,
    /// How many entries are read rather than asked for.
    scan_max: u64,
    is_read: bool,
}

impl<'a> Lookup<'a> {
    /// `rows`: how many will be looked up, as far as that is known.
    pub(crate) fn new(
        client: &'a LogClient,
        view: &'a TreeView,
        scratch: &'a Scratch,
        rows: u64,
    ) -> Self {
        let scan_max = rows.saturating_mul(SCAN_ENTRIES_PER_ROW).saturating_add(SCAN_ENTRIES_FREE);
        Self { client, view, scratch, scan_max, is_read: false }
    }

    /// Finds the newest published revision of each object.
    pub(crate) async fn find(
        &mut self,
        objects: &BTreeSet<&str>,
    ) -> Outcome<BTreeMap<String, Found>> {
        let size = self.view.head().size.get();
        if objects.is_empty() || size == 0 {
            return Ok(BTreeMap::new());
        }
        let indices = if size <= self.scan_max {
            self.read().await?;
            let heads = objects.iter().map(|object| self.scratch.get(HEADS, object.as_bytes()));
            let heads =
                heads.filter_map(Result::transpose).map(|head| head.map(|it| index_in(&it)));
            heads.collect::<Result<_, _>>().explain(Exit::Usage, noting)?
        } else {
            ask(self.client, objects).await?
        };
        open(self.client, self.view, &indices).await
    }

    /// Objects whose ids begin with `prefix` and stand behind `after`, some at a time; none at the
    /// end. In a large log these are the ones that the log lists; it cannot add any that the caller
    /// does not prove, but could leave one out.
    pub(crate) async fn below(&mut self, prefix: &str, after: Option<&str>) -> Outcome<Heads> {
        if !self.is_read && self.view.head().size.get() > SCAN_ENTRIES_FREE {
            return self.list_below(prefix, after).await;
        }
        self.read().await?;
        let from = after
            .map_or(Bound::Included(prefix.as_bytes()), |after| Bound::Excluded(after.as_bytes()));
        let page = self.scratch.page(HEADS, from).explain(Exit::Usage, noting)?;
        let heads = page
            .into_iter()
            .map(|(object, head)| (String::from_utf8_lossy(&object).into_owned(), index_in(&head)));
        Ok(heads.take_while(|(object, _)| object.starts_with(prefix)).collect())
    }

    /// The same by the log's own list.
    pub(crate) async fn list_below(&self, prefix: &str, after: Option<&str>) -> Outcome<Heads> {
        let page = self.client.objects(prefix, after).await?;
        let heads: Heads =
            page.into_iter().map(|head| (head.object, LeafIndex::new(head.index))).collect();
        let before = after.into_iter().chain(heads.iter().map(|(object, _)| object.as_str()));
        if !before.is_sorted_by(|one, next| one < next) {
            let words = "the log lists objects in an order that does not ascend";
            return Err(Failure::new(Exit::Misbehaved, words));
        }
        Ok(heads)
    }

    /// Reads the log whole, if that was not done yet.
    async fn read(&mut self) -> Outcome<()> {
        if self.is_read {
            return Ok(());
        }
        let mut heads: Vec<Row> = Vec::new();
        let mut noted = Ok(());
        self.view
            .scan(|index, bytes| {
                // An entry of an engine newer than this program is not one of ours.
                let Ok(entry) = Entry::parse(bytes) else { return };
                let object = entry.record().object().as_bytes().to_vec();
                heads.push((object, index.get().to_be_bytes().to_vec()));
                if heads.len() == NOTED_AT_ONCE && noted.is_ok() {
                    noted = self.scratch.put_all(HEADS, heads.drain(..));
                }
            })
            .await?;
        noted.and_then(|()| self.scratch.put_all(HEADS, heads)).explain(Exit::Usage, noting)?;
        self.is_read = true;
        Ok(())
    }
}

fn index_in(head: &[u8]) -> LeafIndex {
    LeafIndex::new(u64::from_be_bytes(*head.first_chunk().expect("an index was noted")))
}

fn noting() -> String {
    "noting what the log holds".to_owned()
}

/// The proven entries at these indices with their disclosures, by object.
pub(crate) async fn open(
    client: &LogClient,
    view: &TreeView,
    indices: &BTreeSet<LeafIndex>,
) -> Outcome<BTreeMap<String, Found>> {
    let proven = view.entries(indices).await?;
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
    }
    Ok(found)
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
const NOTED_AT_ONCE: usize = 1_024;

/// Newest revisions in the log, by object.
const HEADS: Table = Table::named("heads");
