//! Formats of files become drafts of records, and rows that cannot go in become errors.
//!
//! **Guarantees.** A file is read as a stream: memory holds a row, a release or an entry of it, never
//! the file. Amounts go from text to text and are never rounded, except for the tail that a binary
//! float leaves, which a draft then says of itself. What is hostile or broken in a file is refused
//! within a named limit.
//!
//! **Never.** It knows no log, no key and no journal, and it opens no archive. What names a natural
//! person is derived with a secret that stays with the caller ([`PersonNames`]).
//!
//! | module | what |
//! |---|---|
//! | [`csv`] | tables, with a map that says which column is what; a first guess of such a map |
//! | [`ocds`] | OCDS 1.1: releases and release packages |
//! | [`iso20022`] | payment orders (pain.001) and bank statements (camt.053) |
//! | [`format`] | what all formats have in common, and which one a file seems to be |
//! | [`draft`], [`row_error`] | what comes out |
//! | [`object_id`], [`Sum`] | ids and sums as the log takes them |
//! | [`scratch`] | what has to be remembered of every row, on disk |

pub mod csv;
pub mod detect;
pub mod draft;
pub mod error;
pub mod format;
pub mod iso20022;
mod number;
pub mod object_id;
pub mod ocds;
pub mod row_error;
pub mod scratch;

pub use detect::detect;
pub use draft::{Draft, Kind, Position, Publisher, Secret, Series};
pub use error::ImportError;
pub use format::{Drafted, Drafts, Format, FormatName, Input, PersonNames};
pub use number::Sum;
pub use row_error::RowError;
pub use scratch::Scratch;
