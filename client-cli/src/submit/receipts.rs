//! The receipts of all rows: files of proofs, and a table.
//!
//! `FILE` is a sequence of `.tlog-proof`s: the rows in row order, then the registrations of the
//! keys that signed them, then the log's first entry, all under one checkpoint, so that
//! `civiclog verify FILE` needs nothing else. A file holds so many proofs; what is over goes into
//! `FILE.2`, `FILE.3` and so on, each complete in itself. `FILE.csv` is `row,object,index,leaf_hash`
//! of all of them: the same rows give the same table whenever it is made, while the proofs follow the
//! log's growth.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use files::{Access, Replacement};
use import::scratch::{Row, Scratch, Table};
use indicatif::ProgressBar;
use records::{Entry, name};
use tlog::{CosignedCheckpoint, LeafIndex, TlogProof};
use tlog_client::{LogClient, ProvenEntry, TreeView};

use crate::exit::{Exit, Explain, Failure, Outcome};

/// Where a row went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Row of the sheet; nothing for what was voided because its row is gone.
    pub(crate) row: Option<u64>,
    pub(crate) object: String,
    pub(crate) index: LeafIndex,
}

impl Receipt {
    /// As it is noted until the end of the run. `number`: apart from all others.
    pub(crate) fn to_note(&self, number: u64) -> Row {
        // What the file no longer has stands behind its rows.
        let row = self.row.unwrap_or(u64::MAX);
        let key = [row.to_be_bytes(), number.to_be_bytes()].concat();
        (key, [&self.index.get().to_be_bytes(), self.object.as_bytes()].concat())
    }

    /// # Panics
    /// If [`Receipt::to_note`] did not make it.
    fn of_note((key, value): &Row) -> Self {
        let row = u64::from_be_bytes(*key.first_chunk().expect("a row"));
        let (index, object) = value.split_first_chunk().expect("an index");
        Self {
            row: (row < u64::MAX).then_some(row),
            object: String::from_utf8_lossy(object).into_owned(),
            index: LeafIndex::new(u64::from_be_bytes(*index)),
        }
    }
}

#[derive(Debug)]
pub(crate) struct WrittenReceipts {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) table: PathBuf,
}

/// Proves all noted receipts under one checkpoint and writes them; nothing if there are none.
///
/// # Errors
/// The log cannot prove what it answered, or a file cannot be written: then the files of an earlier
/// run stay as they are.
pub(crate) async fn write(
    path: &Path,
    client: &LogClient,
    checkpoint: &CosignedCheckpoint,
    scratch: &Scratch,
    bar: &ProgressBar,
) -> Outcome<Option<WrittenReceipts>> {
    let view = TreeView::new(client.clone(), checkpoint.head());
    let prover = Prover { client, view: &view, checkpoint };
    let mut table = ReceiptTable::start(&table_path(path))?;
    let mut files: Vec<PathBuf> = Vec::new();
    let mut part: Option<ReceiptFile> = None;
    for page in scratch.pages(RECEIPTS) {
        let page = page.explain(Exit::Usage, || "reading the notes of this run".to_owned())?;
        let receipts: Vec<Receipt> = page.iter().map(Receipt::of_note).collect();
        for receipts in receipts.chunks(ROWS_PER_FILE) {
            if let Some(full) = part.take_if(|part| part.rows + receipts.len() > ROWS_PER_FILE) {
                full.finish(&prover).await?;
            }
            if part.is_none() {
                files.push(part_path(path, files.len() + 1));
            }
            let into = match &mut part {
                Some(part) => part,
                none => none.insert(ReceiptFile::start(files.last().expect("one was just added"))?),
            };
            let proven = prover.prove(receipts).await?;
            into.add(receipts, &proven, checkpoint)?;
            table.add(receipts, &proven)?;
            bar.inc(u64::try_from(receipts.len()).unwrap_or(0));
        }
    }
    let Some(last) = part else { return Ok(None) };
    last.finish(&prover).await?;
    table.finish().map(|table| Some(WrittenReceipts { files, table }))
}

/// Where proofs come from.
struct Prover<'a> {
    client: &'a LogClient,
    view: &'a TreeView,
    checkpoint: &'a CosignedCheckpoint,
}

impl Prover<'_> {
    async fn prove(&self, receipts: &[Receipt]) -> Outcome<BTreeMap<LeafIndex, ProvenEntry>> {
        let indices = receipts.iter().map(|receipt| receipt.index).collect();
        Ok(self.view.entries(&indices).await?)
    }
}

/// A file of proofs that is being written.
struct ReceiptFile {
    path: PathBuf,
    file: Replacement,
    rows: usize,
    /// For each way in which entries of this file were signed and lent the first and the last entry.
    samples: BTreeMap<Signers, [LeafIndex; 2]>,
}

/// Profile, submitter, body and key ids: entries that have these in common stand on the same
/// registrations, or on such as took their place between the first and the last.
type Signers = (String, String, String, Vec<String>);

impl ReceiptFile {
    fn start(path: &Path) -> Outcome<Self> {
        let file = Replacement::start(path, Access::Umask)
            .explain(Exit::Usage, || format!("writing {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, rows: 0, samples: BTreeMap::new() })
    }

    fn add(
        &mut self,
        receipts: &[Receipt],
        proven: &BTreeMap<LeafIndex, ProvenEntry>,
        checkpoint: &CosignedCheckpoint,
    ) -> Outcome<()> {
        for Receipt { index, object, .. } in receipts {
            let entry = &proven[index];
            let sample = self.samples.entry(signers(*index, entry, object)?).or_insert([*index; 2]);
            *sample = [sample[0].min(*index), sample[1].max(*index)];
            write_proof(&mut self.file, *index, entry, checkpoint)
                .explain(Exit::Usage, || format!("writing {}", self.path.display()))?;
        }
        self.rows += receipts.len();
        Ok(())
    }

    /// Adds what stands behind the entries and puts the file in place.
    async fn finish(mut self, prover: &Prover<'_>) -> Outcome<()> {
        let samples = std::mem::take(&mut self.samples);
        let samples: BTreeSet<LeafIndex> = samples.into_values().flatten().collect();
        let behind = registrations(prover.client, samples).await?;
        let behind = prover.view.entries(&behind).await?;
        // The first entry comes last, as in the log's own receipt files.
        let mut entries = behind.iter().rev();
        entries
            .try_for_each(|(index, it)| write_proof(&mut self.file, *index, it, prover.checkpoint))
            .and_then(|()| self.file.finish())
            .explain(Exit::Usage, || format!("writing {}", self.path.display()))
    }
}

/// How an entry was signed. It has to be about the object that the log named it for.
fn signers(index: LeafIndex, proven: &ProvenEntry, object: &str) -> Outcome<Signers> {
    let entry = Entry::parse(&proven.bytes)
        .explain(Exit::Misbehaved, || format!("entry {index} is not a record"))?;
    let record = entry.record();
    if record.object() != object {
        let words = format!("the log says that {object} is entry {index}; it is not");
        return Err(Failure::new(Exit::Misbehaved, words));
    }
    let kids = entry.signatures().iter().map(|signature| signature.kid().to_string());
    let [profile, submitter, body] = [record.profile(), record.submitter(), name::body_of(object)];
    Ok((profile.to_owned(), submitter.to_owned(), body.to_owned(), kids.collect()))
}

/// The table that is being written.
struct ReceiptTable {
    path: PathBuf,
    rows: csv::Writer<Replacement>,
}

impl ReceiptTable {
    fn start(path: &Path) -> Outcome<Self> {
        let writing = || format!("writing {}", path.display());
        let file = Replacement::start(path, Access::Umask).explain(Exit::Usage, writing)?;
        let mut rows = csv::Writer::from_writer(file);
        rows.write_record(["row", "object", "index", "leaf_hash"]).explain(Exit::Usage, writing)?;
        Ok(Self { path: path.to_owned(), rows })
    }

    fn add(
        &mut self,
        receipts: &[Receipt],
        proven: &BTreeMap<LeafIndex, ProvenEntry>,
    ) -> Outcome<()> {
        for Receipt { row, object, index } in receipts {
            let leaf_hash = proven[index].leaf_hash.to_base64();
            let row = row.map(|row| row.to_string()).unwrap_or_default();
            self.rows
                .write_record([&row, object, &index.to_string(), &leaf_hash])
                .explain(Exit::Usage, || format!("writing {}", self.path.display()))?;
        }
        Ok(())
    }

    fn finish(self) -> Outcome<PathBuf> {
        let Self { path, rows } = self;
        rows.into_inner()
            .map_err(|error| io::Error::new(error.error().kind(), error.error().to_string()))
            .and_then(Replacement::finish)
            .explain(Exit::Usage, || format!("writing {}", path.display()))?;
        Ok(path)
    }
}

/// The indices of the registrations behind entries: the log names them in its receipts, and they
/// are proven like everything else.
async fn registrations(
    client: &LogClient,
    entries: BTreeSet<LeafIndex>,
) -> Outcome<BTreeSet<LeafIndex>> {
    let mut indices = BTreeSet::new();
    for index in entries {
        let receipt = client.receipt(index).await?;
        let proofs = TlogProof::parse_many(&receipt)
            .explain(Exit::Misbehaved, || format!("the log's receipt of entry {index}"))?;
        indices.extend(proofs.iter().skip(1).map(|proof| proof.index));
    }
    Ok(indices)
}

/// The file with this part of the proofs, counted from 1.
fn part_path(path: &Path, part: usize) -> PathBuf {
    if part == 1 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{part}"));
    name.into()
}

/// The table beside a receipts file.
pub(crate) fn table_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".csv");
    name.into()
}

fn write_proof(
    file: &mut impl Write,
    index: LeafIndex,
    entry: &ProvenEntry,
    checkpoint: &CosignedCheckpoint,
) -> std::io::Result<()> {
    let proof = TlogProof {
        extra: Some(entry.bytes.to_vec()),
        index,
        path: entry.path.clone(),
        note: checkpoint.note().clone(),
    };
    file.write_all(proof.encode().as_bytes())
}

/// Rows of one file: with what stands behind them they are no more proofs than a file may hold.
const ROWS_PER_FILE: usize = if cfg!(test) { 400 } else { 65_000 };

/// Rows that are in the log, by their place in the file.
pub(super) const RECEIPTS: Table = Table::named("receipts");
