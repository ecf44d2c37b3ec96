//! The receipts of all rows: one file of proofs, one table.
//!
//! `FILE` is a sequence of `.tlog-proof`s: the rows in row order, then the registrations of the
//! keys that signed them, then the log's first entry, all under one checkpoint, so that
//! `civiclog verify FILE` needs nothing else. `FILE.csv` is `row,object,index,leaf_hash`: the same
//! rows give the same table whenever it is made, while the proofs follow the log's growth.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use records::Entry;
use tlog::{CosignedCheckpoint, LeafIndex, TlogProof};
use tlog_client::{LogClient, ProvenEntry, TreeView};

use crate::durable::{self, Readers};
use crate::exit::{Exit, Explain, Failure, Outcome};

/// Where a row went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Row of the sheet; nothing for what was voided because its row is gone.
    pub(crate) row: Option<u64>,
    pub(crate) object: String,
    pub(crate) index: LeafIndex,
}

/// Fetches and proves the entries of these receipts and of the registrations behind them.
pub(crate) async fn prove(
    client: &LogClient,
    view: &TreeView,
    receipts: &[Receipt],
    progress: impl FnMut(usize, usize),
) -> Outcome<Proven> {
    let indices: BTreeSet<LeafIndex> = receipts.iter().map(|receipt| receipt.index).collect();
    let rows = view.entries(&indices, progress).await?;
    let mut one_per_signers: BTreeMap<Vec<String>, LeafIndex> = BTreeMap::new();
    for receipt in receipts {
        let bytes = &rows[&receipt.index].bytes;
        let entry = Entry::parse(bytes)
            .explain(Exit::Misbehaved, || format!("entry {} is not a record", receipt.index))?;
        if entry.record().object() != receipt.object {
            return Err(Failure::new(
                Exit::Misbehaved,
                format!(
                    "the log says that {} is entry {}; it is not",
                    receipt.object, receipt.index
                ),
            ));
        }
        let kids = entry.signatures().iter().map(|signature| signature.kid().to_string());
        one_per_signers.entry(kids.collect()).or_insert(receipt.index);
    }
    let registrations = registrations(client, one_per_signers.into_values()).await?;
    let registrations = view.entries(&registrations, |_, _| ()).await?;
    Ok(Proven { rows, registrations })
}

/// Entries with their proofs under one head.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) rows: BTreeMap<LeafIndex, ProvenEntry>,
    registrations: BTreeMap<LeafIndex, ProvenEntry>,
}

/// The indices of the registrations behind entries: the log names them in its receipts, and they
/// are proven like everything else.
async fn registrations(
    client: &LogClient,
    entries: impl Iterator<Item = LeafIndex>,
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

/// Writes both files and returns the path of the table.
pub(crate) fn write(
    path: &Path,
    receipts: &[Receipt],
    proven: &Proven,
    checkpoint: &CosignedCheckpoint,
) -> Outcome<PathBuf> {
    let table = table_path(path);
    let failed = |path: &Path| format!("writing {}", path.display());
    durable::replace_with(path, Readers::Anyone, |file| {
        for receipt in receipts {
            write_proof(file, receipt.index, &proven.rows[&receipt.index], checkpoint)?;
        }
        // The first entry comes last, as in the log's own receipt files.
        for (index, entry) in proven.registrations.iter().rev() {
            write_proof(file, *index, entry, checkpoint)?;
        }
        Ok(())
    })
    .explain(Exit::Usage, || failed(path))?;
    durable::replace_with(&table, Readers::Anyone, |file| {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(["row", "object", "index", "leaf_hash"])?;
        for receipt in receipts {
            let leaf_hash = proven.rows[&receipt.index].leaf_hash.to_base64();
            let row = receipt.row.map(|row| row.to_string()).unwrap_or_default();
            let index = receipt.index.to_string();
            csv.write_record([&row, &receipt.object, &index, &leaf_hash])?;
        }
        csv.flush()
    })
    .explain(Exit::Usage, || failed(&table))?;
    Ok(table)
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
