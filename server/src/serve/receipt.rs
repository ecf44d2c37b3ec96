//! Proof files and receipt files, made from the store.
//!
//! A receipt file is several proofs in a row under one head: the entry's, those of the entries
//! that let its submitter write it (keys, rotations of governance, a lent body, a published profile), as
//! far back as it takes, and that of entry 0, where the log's own rules begin. Whoever holds it can follow the signature back without asking anybody.

use std::collections::BTreeSet;

use records::profile::shipped;
use records::registry::REGISTRY_PROFILE;
use records::{Entry, KeyRole, ObjectHead, name};
use store::{Kv, Store};
use tlog::{Checkpoint, LeafIndex, Note, TlogProof, TreeSize};

use crate::core::prove::{Failure, inclusion};
use crate::core::state::{CommittedState, DAMAGED};
use crate::publish::latest::Published;
use crate::serve::revisions::last_within;

/// The proof of one entry under a published checkpoint, with the entry in it.
pub fn proof_under<K: Kv>(
    store: &Store<K>,
    index: LeafIndex,
    note: &Note,
) -> Result<TlogProof, Failure> {
    let entry = store.entry(index)?.ok_or("an entry under the published head is missing")?;
    let head = Checkpoint::parse(note.text())?.head;
    let path = inclusion(store, index, &tlog::leaf_hash(&entry), &head)?;
    Ok(TlogProof { extra: Some(entry), index, path, note: note.clone() })
}

/// The receipt file of one entry.
pub fn receipt<K: Kv>(
    store: &Store<K>,
    index: LeafIndex,
    published: &Published,
) -> Result<String, Failure> {
    let behind = registrations(store, index)?;
    let mut text = String::new();
    for one in std::iter::once(index).chain(behind) {
        // A key that signed a published entry was registered before it, so it is published too.
        let note = published.checkpoint().note();
        text.push_str(&proof_under(store, one, note)?.encode());
    }
    Ok(text)
}

/// Entry 0, and the entries that let whoever signed an entry sign it, and those behind these, back to
/// the governance that entry 0 names. Without the entry itself.
fn registrations<K: Kv>(
    store: &Store<K>,
    index: LeafIndex,
) -> Result<BTreeSet<LeafIndex>, Failure> {
    let mut found = BTreeSet::from([LeafIndex::new(0), index]);
    let mut to_follow = vec![index];
    while let Some(next) = to_follow.pop() {
        let bytes = store.entry(next)?.ok_or("an entry under the published head is missing")?;
        let entry = Entry::parse(&bytes)?;
        for behind in behind(store, next, &entry)? {
            // A key that signs its own registration leads nowhere new.
            if found.insert(behind) {
                to_follow.push(behind);
            }
        }
        if found.len() > REGISTRATIONS_MAX {
            return Err("the keys behind the entry form a chain longer than a receipt holds".into());
        }
    }
    found.remove(&index);
    Ok(found)
}

/// What one entry rests on directly: the registrations of its keys and of whose they are, what lent
/// it its body, its profile.
fn behind<K: Kv>(
    store: &Store<K>,
    index: LeafIndex,
    entry: &Entry,
) -> Result<Vec<LeafIndex>, Failure> {
    let state = CommittedState(store);
    let (record, mut found) = (entry.record(), Vec::new());
    for signature in entry.signatures() {
        let Some(key) = records::state::key(&state, signature.kid())? else { continue };
        found.push(LeafIndex::new(key.added.get()));
        match key.role {
            // Each rotation rests on the one before, which committed to its keys.
            KeyRole::Governance if key.added.get() > 0 => {
                let rotations = heads(store, "log/governance/")?.into_iter().map(|(_, head)| head);
                let before = rotations.filter(|head| head.index <= key.added);
                found.extend(before.map(|head| LeafIndex::new(head.index.get())));
            }
            KeyRole::Submitter => {
                let owner = records::state::submitter(&state, &key.submitter)?;
                found.extend(owner.map(|it| LeafIndex::new(it.added.get())));
            }
            _ => {}
        }
    }
    if record.profile() == REGISTRY_PROFILE {
        return Ok(found);
    }
    if shipped(record.profile()).is_none() {
        let head = records::object_head(&state, &format!("log/profile/{}", record.profile()))?;
        found.extend(head.map(|it| LeafIndex::new(it.index.get())));
    }
    let submitter = records::state::submitter(&state, record.submitter())?;
    let body = name::body_of(record.object());
    if submitter.is_some_and(|it| !it.bodies.iter().any(|own| own == body)) {
        found.extend(lender(store, record.submitter(), body, index)?);
    }
    Ok(found)
}

/// The entry that lent a body to a submitter: the newest before an entry. Who lent it is part of the
/// object's name, and may have changed since.
fn lender<K: Kv>(
    store: &Store<K>,
    to: &str,
    body: &str,
    before: LeafIndex,
) -> Result<Option<LeafIndex>, Failure> {
    let end = format!("/{to}/{body}");
    let mut newest = None;
    for (object, head) in heads(store, "log/delegate/")? {
        if !object.ends_with(&end) {
            continue;
        }
        let last = last_within(store, &object, head.rev, TreeSize::new(before.get()))?;
        newest = newest.max(last.map(|(_, index)| index));
    }
    Ok(newest)
}

/// The objects of the registry below a prefix.
fn heads<K: Kv>(store: &Store<K>, prefix: &str) -> Result<Vec<(String, ObjectHead)>, Failure> {
    let rows = store.state_scan(&records::object_head_key(prefix), None, OBJECTS_MAX)?;
    let heads = rows.iter().map(|(key, value)| {
        records::parse_object_head(key, value).ok_or_else(|| Failure::from(DAMAGED))
    });
    heads.collect()
}

/// Rotations, or delegations, that are looked through for a receipt, at most.
const OBJECTS_MAX: usize = 10_000;

/// Registrations in one receipt, at most: each key that adds the next one lengthens the chain.
pub const REGISTRATIONS_MAX: usize = 256;
