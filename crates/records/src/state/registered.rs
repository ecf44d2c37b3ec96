//! The rows of the registry that say who signs: genesis, keys, submitters.

use super::codec;
use super::read::{Put, State, StateError, join, read};
use super::rows::{KeyState, SubmitterState};
use crate::jwk::Kid;
use crate::record::Record;
use crate::registry::Genesis;

/// A registered key; `None` when the log never registered it.
pub fn key<S: State>(state: &S, kid: &Kid) -> Result<Option<KeyState>, StateError<S::Error>> {
    read(state, &key_row(kid), "key", |bytes| codec::key(kid, bytes))
}

/// A registered submitter; `None` when there is none.
pub fn submitter<S: State>(
    state: &S,
    id: &str,
) -> Result<Option<SubmitterState>, StateError<S::Error>> {
    read(state, &submitter_key(id), "submitter", |bytes| codec::submitter(id, bytes))
}

/// The genesis of the log; `None` before entry 0.
pub fn genesis<S: State>(state: &S) -> Result<Option<Genesis>, StateError<S::Error>> {
    read(state, GENESIS_KEY, "genesis", |bytes| {
        Record::parse(bytes).ok().and_then(|record| record.body().genesis().cloned())
    })
}

/// The key of a submitter. Given the start of an id, the prefix of all submitters below it.
pub fn submitter_key(prefix: &str) -> Vec<u8> {
    join(b"s/", prefix.as_bytes())
}

/// Reads a key and value found under [`submitter_key`]; `None` when they are none.
pub fn parse_submitter(key: &[u8], value: &[u8]) -> Option<SubmitterState> {
    codec::submitter(std::str::from_utf8(key.strip_prefix(b"s/")?).ok()?, value)
}

/// The prefix of all registered keys.
pub const KEYS_PREFIX: &[u8] = b"k/";

/// Reads a key and value found under [`KEYS_PREFIX`]; `None` when they are none.
pub fn parse_key(key: &[u8], value: &[u8]) -> Option<KeyState> {
    codec::key(&Kid::parse(std::str::from_utf8(key.strip_prefix(KEYS_PREFIX)?).ok()?)?, value)
}

pub(crate) fn key_row(kid: &Kid) -> Vec<u8> {
    join(KEYS_PREFIX, kid.as_str().as_bytes())
}

const GENESIS_KEY: &[u8] = b"g";

pub(crate) fn put_key(key: &KeyState) -> Put {
    (key_row(key.public.kid()), codec::encode_key(key))
}

pub(crate) fn put_submitter(submitter: &SubmitterState) -> Put {
    (submitter_key(&submitter.submitter), codec::encode_submitter(submitter))
}

pub(crate) fn put_genesis(record: &Record) -> Put {
    (GENESIS_KEY.to_vec(), record.bytes().to_vec())
}
