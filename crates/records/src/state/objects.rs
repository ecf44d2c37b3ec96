//! The rows of an object's chain: its head, and each older revision.

use super::codec;
use super::read::{Put, State, StateError, join, read};
use super::rows::{ObjectHead, Revision};

/// The newest revision of an object; `None` when the log has none.
pub fn object_head<S: State>(
    state: &S,
    object: &str,
) -> Result<Option<ObjectHead>, StateError<S::Error>> {
    read(state, &object_head_key(object), "object head", codec::object_head)
}

/// One revision of an object; `None` when the log has none.
pub fn object_revision<S: State>(
    state: &S,
    object: &str,
    rev: u32,
) -> Result<Option<Revision>, StateError<S::Error>> {
    let Some(head) = object_head(state, object)? else { return Ok(None) };
    revision_below(state, object, &head, rev)
}

/// As [`object_revision`], for a caller that has the head.
pub(crate) fn revision_below<S: State>(
    state: &S,
    object: &str,
    head: &ObjectHead,
    rev: u32,
) -> Result<Option<Revision>, StateError<S::Error>> {
    if rev > head.rev {
        return Ok(None);
    }
    if rev == head.rev {
        return Ok(Some(head.as_revision()));
    }
    read(state, &revision_key(object, rev), "revision", codec::revision)?
        .ok_or(StateError::Corrupt { family: "chain without gaps" })
        .map(Some)
}

/// The key of an object's head. Given the start of an object, the prefix of all heads below it.
pub fn object_head_key(prefix: &str) -> Vec<u8> {
    join(b"o/", prefix.as_bytes())
}

/// Reads a key and value found under [`object_head_key`]; `None` when they are none.
pub fn parse_object_head(key: &[u8], value: &[u8]) -> Option<(String, ObjectHead)> {
    let object = std::str::from_utf8(key.strip_prefix(b"o/")?).ok()?;
    Some((object.to_owned(), codec::object_head(value)?))
}

fn revision_key(object: &str, rev: u32) -> Vec<u8> {
    // No object holds a zero byte, so no revision of one object sorts among those of another.
    let mut key = join(b"r/", object.as_bytes());
    key.push(0);
    key.extend_from_slice(&rev.to_be_bytes());
    key
}

pub(crate) fn put_head(object: &str, head: &ObjectHead) -> Put {
    (object_head_key(object), codec::encode_object_head(head))
}

pub(crate) fn put_revision(object: &str, rev: u32, revision: &Revision) -> Put {
    (revision_key(object, rev), codec::encode_revision(revision))
}
