//! The log's database: entries, tiles, lookups, admission state and published checkpoints.
//!
//! **Guarantees.** A [`Committed`] head is on the disk: entries, tiles, lookups, state and head of a
//! batch are one synced, atomic write, and only upon the size it was made for. A store that opened
//! holds the tree whose root the last commit wrote. After a write that failed, nothing is committed
//! or published again by this process. What is published never shrinks and is always a prefix of
//! the stored tree.
//!
//! **Never.** It does not sign, speak HTTP or know a policy; it does not look into an entry or a row
//! of the admission state; it makes no database where there was none unless asked to; and it takes
//! no read error for "absent".
//!
//! | module | idea |
//! |---|---|
//! | `store` | reading, by any number of threads |
//! | `commit` | the one writer and the one commit |
//! | `open` | creating and opening, with every check before anything is handed out |
//! | `checkpoints` | publishing and its history, in rows that `checkpoint_row` reads and writes |
//! | `withdraw` | taking disclosures away, and keeping why |
//! | `recheck` | hashing again what will be served, before a signature |
//! | `audit()`, `rebuild()` | checking the whole log; making the derived families anew |
//! | `kv` | the storage seam; `rocks` and `memory` are behind it, `tuning` sets RocksDB up |
//! | `layout`, `cache` | keys and values on the disk; full tiles in memory |
//!
//! What is stored, and what losing it costs:
//!
//! | family | trusted? | if it is lost | may it be rolled back? |
//! |---|---|---|---|
//! | entries | the log itself | restore from a copy | never |
//! | disclosures | checked when admitted | what was sealed stays sealed | only erased |
//! | tiles, `by_leaf`, state, head | derived, compared at open and by `audit` | `rebuild` | with the entries |
//! | checkpoints | derived by witnesses, compared at open | history has gaps | never |
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unwrap_used))]

mod audit;
mod cache;
mod checkpoint_row;
mod checkpoints;
mod commit;
mod error;
#[cfg(test)]
mod fixtures;
mod kv;
mod layout;
mod memory;
mod open;
mod rebuild;
mod recheck;
mod rocks;
mod store;
mod tuning;
mod wal;
mod withdraw;

pub use audit::{AuditError, AuditReport, audit};
pub use checkpoint_row::{CheckpointNotes, DatedNote, PublishedNote};
pub use checkpoints::{ALL_KEPT_FOR_MS, PRUNED_PER_CALL_MAX, PublishError};
pub use commit::{BATCH_ENTRIES_MAX, CommitError, Committed, NewBatch, NewEntry, Writer};
pub use error::{Fatal, ReadError};
pub use kv::{
    Batch, Direction, Family, KeyRange, Kv, KvError, KvErrorKind, Op, Row, RowVisitor, Usage,
};
pub use layout::{FORMAT_VERSION, STATE_KEY_BYTES_MAX};
pub use memory::MemoryKv;
pub use open::{OpenError, SnapshotError};
pub use rebuild::{RebuildError, RebuildReport, StateSoFar, rebuild, rebuild_on};
pub use recheck::RecheckError;
pub use rocks::RocksKv;
pub use store::{ENTRIES_PER_READ_MAX, Store};
pub use tuning::Settings;
pub use withdraw::WithdrawError;
