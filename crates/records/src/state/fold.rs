//! What the rules of profiles keep: the current state of each object, what each revision did, totals.

use std::collections::{BTreeMap, BTreeSet};

use super::codec::{Reader, Writer};
use super::read::{Put, State, StateError, join, read};
use crate::json::{self, Limits, Value};

/// The current state of an object, as its profile sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// Its state; empty when no kind of it has any.
    pub status: String,
    /// The profile's name and kind of the first revision that stands, e.g. `contract/register`.
    pub opened_as: String,
    /// Who submitted that revision.
    pub opener: String,
    /// How many revisions stand; 0: everything was taken back.
    pub standing: u32,
    /// What the standing revisions say, later ones over earlier ones.
    pub facts: Facts,
}

/// Values by their pointers.
pub type Facts = BTreeMap<String, Value>;

/// What one revision did, so that it can be undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contribution {
    pub(crate) kind: String,
    pub(crate) submitter: String,
    pub(crate) facts: Facts,
    /// What it added: total, count, and currency with amount.
    pub(crate) added: Vec<Added>,
    /// Values it holds as the only object, by their keys.
    pub(crate) claims: BTreeSet<Vec<u8>>,
    pub(crate) closed: Vec<Vec<u8>>,
    /// Numbers it took, by their streams.
    pub(crate) numbers: BTreeMap<Vec<u8>, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) total: Vec<u8>,
    pub(crate) count: i64,
    pub(crate) sum: Option<(String, i128)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) is_closed: bool,
    pub(crate) count: i64,
    /// By currency; the empty one for plain numbers.
    pub(crate) sums: BTreeMap<String, i128>,
}

/// The current state of an object; `None` when its profile keeps none, or there is no such object.
pub fn object_fold<S: State>(
    state: &S,
    object: &str,
) -> Result<Option<Fold>, StateError<S::Error>> {
    Ok(fold_and_newest(state, object)?.map(|(fold, _)| fold))
}

/// The fold of an object, and what its newest revision did.
pub(crate) fn fold_and_newest<S: State>(
    state: &S,
    object: &str,
) -> Result<Option<(Fold, Contribution)>, StateError<S::Error>> {
    read(state, &join(b"f/", object.as_bytes()), "object state", |bytes| {
        let mut input = Reader::new(bytes)?;
        let fold = Fold {
            status: input.text()?,
            opened_as: input.text()?,
            opener: input.text()?,
            standing: input.u32()?,
            facts: facts(&mut input)?,
        };
        let contribution = read_contribution(&mut input)?;
        input.finish((fold, contribution))
    })
}

pub(crate) fn put_fold(object: &str, fold: &Fold, newest: &Contribution) -> Put {
    let mut out = Writer::new();
    out.text(&fold.status);
    out.text(&fold.opened_as);
    out.text(&fold.opener);
    out.u32(fold.standing);
    write_facts(&mut out, &fold.facts);
    write_contribution(&mut out, newest);
    (join(b"f/", object.as_bytes()), out.into_bytes())
}

/// What an older revision did.
pub(crate) fn contribution_at<S: State>(
    state: &S,
    object: &str,
    rev: u32,
) -> Result<Option<Contribution>, StateError<S::Error>> {
    read(state, &contribution_key(object, rev), "revision's effects", |bytes| {
        let mut input = Reader::new(bytes)?;
        let contribution = read_contribution(&mut input)?;
        input.finish(contribution)
    })
}

pub(crate) fn put_contribution(object: &str, rev: u32, contribution: &Contribution) -> Put {
    let mut out = Writer::new();
    write_contribution(&mut out, contribution);
    (contribution_key(object, rev), out.into_bytes())
}

pub(crate) fn total<S: State>(state: &S, key: &[u8]) -> Result<Total, StateError<S::Error>> {
    let found = read(state, key, "total", |bytes| {
        let mut input = Reader::new(bytes)?;
        let is_closed = input.u8()? == 1;
        let count = i64::from_be_bytes(input.array()?);
        let mut sums = BTreeMap::new();
        for _ in 0..input.u16()? {
            sums.insert(input.text()?, i128::from_be_bytes(input.array()?));
        }
        input.finish(Total { is_closed, count, sums })
    })?;
    Ok(found.unwrap_or_default())
}

pub(crate) fn put_total(key: &[u8], total: &Total) -> Put {
    let mut out = Writer::new();
    out.u8(u8::from(total.is_closed));
    out.raw(&total.count.to_be_bytes());
    out.len(total.sums.len());
    for (currency, sum) in &total.sums {
        out.text(currency);
        out.raw(&sum.to_be_bytes());
    }
    (key.to_vec(), out.into_bytes())
}

/// The object that holds a value; `None` when none does.
pub(crate) fn holder<S: State>(
    state: &S,
    key: &[u8],
) -> Result<Option<String>, StateError<S::Error>> {
    let held = read(state, key, "holder", |bytes| {
        let mut input = Reader::new(bytes)?;
        let object = input.text()?;
        input.finish(object)
    })?;
    Ok(held.filter(|object| !object.is_empty()))
}

/// Makes an object the holder of a value; an empty one frees it.
pub(crate) fn put_holder(key: &[u8], object: &str) -> Put {
    let mut out = Writer::new();
    out.text(object);
    (key.to_vec(), out.into_bytes())
}

/// The last number of a stream.
pub(crate) fn last_number<S: State>(
    state: &S,
    key: &[u8],
) -> Result<Option<u64>, StateError<S::Error>> {
    read(state, key, "number", |bytes| {
        let mut input = Reader::new(bytes)?;
        let number = input.u64()?;
        input.finish(number)
    })
}

pub(crate) fn put_number(key: &[u8], number: u64) -> Put {
    let mut out = Writer::new();
    out.u64(number);
    (key.to_vec(), out.into_bytes())
}

fn contribution_key(object: &str, rev: u32) -> Vec<u8> {
    let mut key = join(b"v/", object.as_bytes());
    key.push(0);
    key.extend_from_slice(&rev.to_be_bytes());
    key
}

fn write_facts(out: &mut Writer, facts: &Facts) {
    out.len(facts.len());
    for (pointer, value) in facts {
        out.text(pointer);
        out.bytes(&json::to_canonical(value));
    }
}

fn facts(input: &mut Reader<'_>) -> Option<Facts> {
    let count = input.u16()?;
    (0..count)
        .map(|_| Some((input.text()?, json::parse(input.bytes()?, &Limits::FOREIGN).ok()?)))
        .collect()
}

fn write_contribution(out: &mut Writer, contribution: &Contribution) {
    out.text(&contribution.kind);
    out.text(&contribution.submitter);
    write_facts(out, &contribution.facts);
    out.len(contribution.added.len());
    for added in &contribution.added {
        out.bytes(&added.total);
        out.raw(&added.count.to_be_bytes());
        out.u8(u8::from(added.sum.is_some()));
        if let Some((currency, sum)) = &added.sum {
            out.text(currency);
            out.raw(&sum.to_be_bytes());
        }
    }
    out.len(contribution.claims.len());
    contribution.claims.iter().for_each(|claim| out.bytes(claim));
    out.len(contribution.closed.len());
    contribution.closed.iter().for_each(|closed| out.bytes(closed));
    out.len(contribution.numbers.len());
    for (stream, number) in &contribution.numbers {
        out.bytes(stream);
        out.u64(*number);
    }
}

fn read_contribution(input: &mut Reader<'_>) -> Option<Contribution> {
    let (kind, submitter) = (input.text()?, input.text()?);
    let facts = facts(input)?;
    let mut added = Vec::new();
    for _ in 0..input.u16()? {
        let total = input.bytes()?.to_vec();
        let count = i64::from_be_bytes(input.array()?);
        let sum = match input.u8()? {
            0 => None,
            _ => Some((input.text()?, i128::from_be_bytes(input.array()?))),
        };
        added.push(Added { total, count, sum });
    }
    let claims =
        (0..input.u16()?).map(|_| input.bytes().map(<[u8]>::to_vec)).collect::<Option<_>>()?;
    let closed =
        (0..input.u16()?).map(|_| input.bytes().map(<[u8]>::to_vec)).collect::<Option<_>>()?;
    let numbers = (0..input.u16()?)
        .map(|_| Some((input.bytes()?.to_vec(), input.u64()?)))
        .collect::<Option<_>>()?;
    Some(Contribution { kind, submitter, facts, added, claims, closed, numbers })
}
