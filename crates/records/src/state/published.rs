//! What the registry published: profiles, code lists, delegations, who governs.

use super::codec::{Reader, Writer};
use super::read::{Put, State, StateError, join, read};
use super::registered::genesis;
use crate::entry_index::EntryIndex;
use crate::jwk::Kid;

/// A profile that was published or retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileState {
    /// SHA-256 of its canonical document; of a shipped one too.
    pub digest: [u8; 32],
    /// The entry that retired it; it takes only `correct` and `void` after it.
    pub retired: Option<EntryIndex>,
}

/// A submitter that may write for the body of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Who lets it.
    pub from: String,
    /// For these profiles; none: it ended.
    pub profiles: Vec<String>,
}

/// Who governs the log now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governance {
    /// The keys.
    pub keys: Vec<Kid>,
    /// How many must sign.
    pub threshold: usize,
    /// The thumbprints of the keys that will replace them.
    pub next: Vec<Kid>,
}

/// What is known of a profile; `None` for shipped ones that nothing happened to, and unknown ones.
pub fn profile_state<S: State>(
    state: &S,
    id: &str,
) -> Result<Option<ProfileState>, StateError<S::Error>> {
    read(state, &join(b"p/", id.as_bytes()), "profile", |bytes| {
        let mut input = Reader::new(bytes)?;
        let digest = input.array()?;
        let retired = input.optional_index()?;
        input.finish(ProfileState { digest, retired })
    })
}

pub(crate) fn put_profile(id: &str, profile: &ProfileState) -> Put {
    let mut out = Writer::new();
    out.raw(&profile.digest);
    out.optional_index(profile.retired);
    (join(b"p/", id.as_bytes()), out.into_bytes())
}

/// The canonical document of a published profile.
pub fn published_profile<S: State>(
    state: &S,
    id: &str,
) -> Result<Option<Vec<u8>>, StateError<S::Error>> {
    state.get(&join(b"P/", id.as_bytes())).map_err(StateError::Read)
}

pub(crate) fn put_profile_document(id: &str, canonical: &[u8]) -> Put {
    (join(b"P/", id.as_bytes()), canonical.to_vec())
}

/// How many parts of a code list the log published.
pub(crate) fn codelist_parts<S: State>(state: &S, list: &str) -> Result<u32, StateError<S::Error>> {
    let parts = read(state, &join(b"c/", list.as_bytes()), "code list", |bytes| {
        let mut input = Reader::new(bytes)?;
        let parts = input.u32()?;
        input.finish(parts)
    })?;
    Ok(parts.unwrap_or_default())
}

pub(crate) fn put_codelist(list: &str, parts: u32) -> Put {
    let mut out = Writer::new();
    out.u32(parts);
    (join(b"c/", list.as_bytes()), out.into_bytes())
}

/// Whether a code is in a code list that the log published.
pub fn is_listed<S: State>(
    state: &S,
    list: &str,
    code: &str,
) -> Result<bool, StateError<S::Error>> {
    Ok(state.get(&pair_key(b"c/", list, code)).map_err(StateError::Read)?.is_some())
}

pub(crate) fn put_code(list: &str, code: &str) -> Put {
    (pair_key(b"c/", list, code), Writer::new().into_bytes())
}

/// What a submitter was let do for a body that is another's.
pub fn delegation<S: State>(
    state: &S,
    submitter: &str,
    body: &str,
) -> Result<Option<Delegation>, StateError<S::Error>> {
    read(state, &pair_key(b"l/", submitter, body), "delegation", |bytes| {
        let mut input = Reader::new(bytes)?;
        let (from, profiles) = (input.text()?, input.texts()?);
        input.finish(Delegation { from, profiles })
    })
}

pub(crate) fn put_delegation(submitter: &str, body: &str, delegation: &Delegation) -> Put {
    let mut out = Writer::new();
    out.text(&delegation.from);
    out.texts(&delegation.profiles);
    (pair_key(b"l/", submitter, body), out.into_bytes())
}

/// Who governs: as the last rotation says, else as the genesis does; `None` before entry 0.
pub fn governance<S: State>(state: &S) -> Result<Option<Governance>, StateError<S::Error>> {
    let kids = |texts: Vec<String>| {
        texts.iter().map(|text| Kid::parse(text)).collect::<Option<Vec<Kid>>>()
    };
    let rotated = read(state, GOVERNANCE_KEY, "governance", |bytes| {
        let mut input = Reader::new(bytes)?;
        let threshold = usize::from(input.u8()?);
        let (keys, next) = (kids(input.texts()?)?, kids(input.texts()?)?);
        input.finish(Governance { keys, threshold, next })
    })?;
    if rotated.is_some() {
        return Ok(rotated);
    }
    Ok(genesis(state)?.map(|genesis| Governance {
        keys: genesis.governance.iter().map(|key| key.kid().clone()).collect(),
        threshold: genesis.threshold,
        next: genesis.next,
    }))
}

pub(crate) fn put_governance(governance: &Governance) -> Put {
    let texts = |kids: &[Kid]| kids.iter().map(Kid::to_string).collect::<Vec<_>>();
    let mut out = Writer::new();
    out.u8(u8::try_from(governance.threshold).unwrap_or(u8::MAX));
    out.texts(&texts(&governance.keys));
    out.texts(&texts(&governance.next));
    (GOVERNANCE_KEY.to_vec(), out.into_bytes())
}

/// Whether the log was frozen.
pub(crate) fn frozen<S: State>(state: &S) -> Result<bool, StateError<S::Error>> {
    Ok(state.get(FROZEN_KEY).map_err(StateError::Read)?.is_some())
}

pub(crate) fn put_frozen() -> Put {
    (FROZEN_KEY.to_vec(), Writer::new().into_bytes())
}

fn pair_key(prefix: &[u8], first: &str, second: &str) -> Vec<u8> {
    let mut key = join(prefix, first.as_bytes());
    key.push(0);
    key.extend_from_slice(second.as_bytes());
    key
}

const GOVERNANCE_KEY: &[u8] = b"G";
const FROZEN_KEY: &[u8] = b"z";
