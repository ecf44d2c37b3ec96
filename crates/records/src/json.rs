//! JSON as the log knows it: strings, booleans, integers, lists and objects in one canonical form.
//!
//! Refused and never repaired: floats, integers beyond 2^53 - 1, `-0`, duplicate members, unpaired
//! surrogates, a byte order mark, bytes that are not UTF-8, `null` (but as `until`), empty lists,
//! member names outside `[A-Za-z][A-Za-z0-9_]{0,63}`, and the code points of [`is_refused_char`].
//! No Unicode normalisation is applied or required: two spellings of one name are two texts.
//!
//! Spec: RFC 8785 (canonical form), RFC 7493 (I-JSON), RFC 8259.

mod read;
mod scalar;
mod value;
mod write;

pub(crate) use read::is_member_name;
pub use read::{Document, parse, parse_document};
pub use value::{Form, Limits, Value, is_refused_char};
pub use write::to_canonical;

#[cfg(test)]
mod tests;
