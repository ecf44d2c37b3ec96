//! Who signed the entries of a file, as far as the file accounts for it.
//!
//! Every entry is proven to be in the log. Whether its signatures count is for the rules by which
//! the log itself admits records: [`records::Excerpt`] judges the entries of the file by them, in
//! log order, so that a registration is known before what rests on it.
//!
//! ```text
//! key ◄─ submitter.add ◄─ governance keys, as many as their threshold
//! key ◄─ key.add ◄─ the new key, and a key of the same submitter that is itself accounted for
//! key ◄─ key.add ◄─ the new key and governance: a recovery, which counts seven days later
//! governance keys ◄─ governance.rotate ◄─ the new keys, to each of which those before committed
//! key:… ◄─ the record that brings the key of this thumbprint
//! ```
//! What the file lacks on the way to entry 0 leaves a signature unchecked, in words. What the rules
//! refuse whatever else the log holds breaks the file.

use std::collections::BTreeMap;

use records::{
    DetachedJws, EntryIndex, Excerpt, ExcerptSigner, Missing, P256Verify, RegistryRecord, Row,
};

use super::broken::Broken;
use super::findings::SignatureFinding;
use super::proven::Proven;
use super::refused::Refused;

/// The findings about the signatures of each proof, in the order of the file.
pub(super) fn check(proven: &[Proven]) -> Result<Vec<Vec<SignatureFinding>>, Broken> {
    // One entry may stand in a file twice, under two checkpoints.
    let by_index: BTreeMap<u64, &Proven> = proven.iter().map(|one| (one.index, one)).collect();
    let entries = by_index.values().map(|one| (EntryIndex::new(one.index), &one.entry));
    let mut excerpt = Excerpt::new(entries);
    let mut signers: BTreeMap<u64, Vec<ExcerptSigner>> = BTreeMap::new();
    for one in by_index.values() {
        let judged = excerpt.judge(EntryIndex::new(one.index), &one.entry, &P256Verify);
        let judged = judged.map_err(|refusal| {
            Refused { one, refusal, excerpt: &excerpt, entries: &by_index }.broken()
        })?;
        signers.insert(one.index, judged);
    }
    let finding = |one: &Proven| {
        let signers = signers.get(&one.index).into_iter().flatten();
        let signatures = one.entry.signatures().iter().zip(signers);
        signatures
            .map(|(signature, signer)| describe(one, signature, signer, &excerpt, &by_index))
            .collect()
    };
    Ok(proven.iter().map(finding).collect())
}

fn describe(
    one: &Proven,
    signature: &DetachedJws,
    signer: &ExcerptSigner,
    excerpt: &Excerpt,
    entries: &BTreeMap<u64, &Proven>,
) -> SignatureFinding {
    let checked = signer.key.as_ref().filter(|_| signer.missing.is_none());
    // A revocation comes after what it casts doubt on, so it is looked up when all are judged.
    let revoked = match one.registration() {
        Some(_) => None,
        None => records::key(excerpt.state(), signature.kid()).ok().flatten(),
    };
    SignatureFinding {
        kid: signature.kid().to_string(),
        algorithm: signature.algorithm().as_str(),
        checked: checked.is_some(),
        missing: signer.missing.as_ref().map(|missing| lack(one, missing, entries)),
        registered_at: checked.map(|key| key.added.get()),
        registered_for: checked.map(|key| key.submitter.clone()),
        in_doubt_since: revoked.and_then(|key| key.since),
    }
}

/// What the file lacks, in words.
fn lack(one: &Proven, missing: &Missing, entries: &BTreeMap<u64, &Proven>) -> String {
    let index = missing.index.get();
    let registration = entries.get(&index).and_then(|judged| judged.registration());
    match (&missing.row, registration) {
        (Row::Key(_), _) if index == one.index && one.registration().is_none() => {
            NO_REGISTRATION.to_owned()
        }
        (Row::Key(kid), Some(RegistryRecord::KeyAdd { key, .. })) => {
            let let_in = format!("which let key {} in", key.kid());
            format!("the file lacks the registration of key {kid}, {let_in}")
        }
        (Row::Key(kid), Some(RegistryRecord::SubmitterDelegate { .. })) => {
            format!("the file lacks the registration of key {kid}")
        }
        // Perhaps these are the keys of a rotation that is not in the file.
        (Row::Key(_), Some(_)) => format!(
            "the file lacks the registration of keys that signed entry {index}, perhaps of a later \
             governance"
        ),
        (Row::Governance, _) => {
            format!("the file lacks what committed to the governance keys of entry {index}")
        }
        (row, _) => format!("the file lacks {row}"),
    }
}

/// What is missing when nothing of a key is in the file.
pub(super) const NO_REGISTRATION: &str = "this file lacks the key's registration";
