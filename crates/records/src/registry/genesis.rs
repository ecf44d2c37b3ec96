//! Entry 0: everything a stranger must know to judge the rest of the log.

use sha2::{Digest as _, Sha256};

use crate::base64url;
use crate::fields::Members;
use crate::hex;
use crate::json::Value;
use crate::jwk::{Kid, PublicKey};
use crate::limits::{ENGINE_VERSION, GOVERNANCE_THRESHOLD_MAX};
use crate::name;
use crate::refusal::{At, Refusal, RuleId};

/// The content of the genesis record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The origin of the log.
    pub log: String,
    /// Keys that sign registry records.
    pub governance: Vec<PublicKey>,
    /// Thumbprints of the keys that will replace them; nobody else can register these.
    pub next: Vec<Kid>,
    /// How many governance keys must sign.
    pub threshold: usize,
    /// Keys of the operator.
    pub operator_keys: Vec<OperatorKey>,
    /// The witness policy, line by line.
    pub policy: Vec<String>,
    /// The log's verifier keys, in note form.
    pub vkeys: Vec<String>,
    /// The log this one continues.
    pub continues: Option<Continues>,
}

/// A key of the operator and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorKey {
    /// The key.
    pub key: PublicKey,
    /// What it signs.
    pub uses: Vec<String>,
}

/// The last published head of the log before this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continues {
    /// Its origin.
    pub origin: String,
    /// Its size.
    pub size: i64,
    /// Its root.
    pub root: [u8; 32],
}

/// `governance.rotate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The new keys.
    pub keys: Vec<PublicKey>,
    /// The thumbprints of the keys after them.
    pub next: Vec<Kid>,
    /// How many of the new keys must sign.
    pub threshold: usize,
}

impl Genesis {
    pub(super) fn take(data: &mut Members<'_>, at: At<'_>, log: &str) -> Result<Self, Refusal> {
        if data.u32("engine")? != Some(ENGINE_VERSION) {
            return Err(data.wrong(
                "engine",
                "1",
                "another version or nothing",
                "write \"engine\":1",
            ));
        }
        let governance_at = at.member("governance");
        let mut governance =
            Members::of(data.required("governance")?, governance_at, RuleId::REGISTRY)?;
        let Rotation { keys, next, threshold } = rotation(&mut governance, governance_at)?;
        governance.finish()?;
        let operator_keys = operator_keys(data, &at)?;
        let is_taken = |key: &PublicKey| keys.contains(key) || next.contains(key.kid());
        if operator_keys.iter().any(|operator| is_taken(&operator.key)) {
            return Err(data.wrong(
                "operator_keys",
                "keys of their own",
                "a governance key",
                "make new keys",
            ));
        }
        let policy = policy_lines(data.required("policy")?, at.member("policy"))?;
        let vkeys = data.texts_of("vkeys", "a verifier key whose name is the origin", |vkey| {
            is_vkey(vkey, log)
        })?;
        if !vkeys.iter().any(|vkey| vkey_type(vkey) == Some(ED25519_TYPE)) {
            return Err(data.wrong(
                "vkeys",
                "an Ed25519 key (type 0x01) among them",
                "none",
                "add it",
            ));
        }
        let continues = data
            .take("continues")
            .map(|value| continues(value, at.member("continues")))
            .transpose()?;
        Ok(Self {
            log: log.to_owned(),
            governance: keys,
            next,
            threshold,
            operator_keys,
            policy,
            vkeys,
            continues,
        })
    }
}

/// Keys, the thumbprints of the next ones, and how many must sign.
pub(super) fn rotation(members: &mut Members<'_>, at: At<'_>) -> Result<Rotation, Refusal> {
    let keys = take_keys(members.required("keys")?, at.member("keys"))?;
    let next =
        members.texts_of("next", "an RFC 7638 thumbprint", |text| Kid::parse(text).is_some())?;
    let next: Vec<Kid> = next.iter().filter_map(|text| Kid::parse(text)).collect();
    let threshold = members.optional_int("threshold", 1)?.and_then(|n| usize::try_from(n).ok());
    let threshold = threshold
        .filter(|n| (1..=keys.len().min(GOVERNANCE_THRESHOLD_MAX)).contains(n))
        .ok_or_else(|| {
            let expected = "a number from 1 to the number of keys, at most 3";
            members.wrong("threshold", expected, "another value or nothing", "correct it")
        })?;
    if next.iter().any(|kid| keys.iter().any(|key| key.kid() == kid)) {
        return Err(members.wrong(
            "next",
            "keys that are not in use yet",
            "a current one",
            "make new keys",
        ));
    }
    Ok(Rotation { keys, next, threshold })
}

/// The lines of a policy file as they are; what they mean is for the verifier of checkpoints.
pub(super) fn policy_lines(value: Value, at: At<'_>) -> Result<Vec<String>, Refusal> {
    let fix = "write each line of the policy file as one text";
    let Value::List(items) = value else {
        return Err(at.refuse(RuleId::REGISTRY, "a list of texts", value.kind(), fix));
    };
    let read = |(position, line): (usize, Value)| match line {
        Value::Text(line) => Ok(line),
        other => Err(at.item(position).refuse(RuleId::REGISTRY, "a text", other.kind(), fix)),
    };
    items.into_iter().enumerate().map(read).collect()
}

fn operator_keys(data: &mut Members<'_>, at: &At<'_>) -> Result<Vec<OperatorKey>, Refusal> {
    let list = at.member("operator_keys");
    let mut operators: Vec<OperatorKey> = Vec::new();
    for (position, item) in data.optional_list("operator_keys")?.into_iter().enumerate() {
        let here = list.item(position);
        let mut members = Members::of(item, here, RuleId::REGISTRY)?;
        let operator = operator_key(&mut members, &here)?;
        members.finish()?;
        if operators.iter().any(|other| other.key == operator.key) {
            return Err(here.refuse(RuleId::REGISTRY, "each key once", "it again", "remove one"));
        }
        operators.push(operator);
    }
    Ok(operators)
}

/// Takes a list of keys, all different.
fn take_keys(value: Value, at: At<'_>) -> Result<Vec<PublicKey>, Refusal> {
    let Value::List(items) = value else {
        return Err(at.refuse(
            RuleId::REGISTRY,
            "a list of JWKs",
            value.kind(),
            "write it in brackets",
        ));
    };
    let mut keys: Vec<PublicKey> = Vec::with_capacity(items.len());
    for (position, item) in items.into_iter().enumerate() {
        let here = at.item(position);
        let key = PublicKey::from_jwk_at(&item, &here)?;
        if keys.contains(&key) {
            return Err(here.refuse(RuleId::REGISTRY, "each key once", "it again", "remove one"));
        }
        keys.push(key);
    }
    Ok(keys)
}

pub(super) fn operator_key(members: &mut Members<'_>, at: &At<'_>) -> Result<OperatorKey, Refusal> {
    let key = PublicKey::from_jwk_at(&members.required("key")?, &at.member("key"))?;
    let uses =
        members.texts_of("use", "one of index.root, log.freeze, refusals, withhold", |text| {
            ["index.root", "log.freeze", "refusals", "withhold"].contains(&text)
        })?;
    Ok(OperatorKey { key, uses })
}

fn continues(value: Value, at: At<'_>) -> Result<Continues, Refusal> {
    let mut members = Members::of(value, at, RuleId::REGISTRY)?;
    let origin = members.text_of("origin", "the origin of a log", name::is_origin)?;
    let size = members.optional_int("size", 1)?.ok_or_else(|| members.missing("size"))?;
    let root = members.text("root")?;
    let root = base64url::decode_standard_32(&root).ok_or_else(|| {
        members.wrong(
            "root",
            "padded base64 of 32 bytes, as in a checkpoint",
            "another text",
            "copy it from there",
        )
    })?;
    members.finish()?;
    Ok(Continues { origin, size, root })
}

const ED25519_TYPE: u8 = 0x01;

/// Spec: c2sp.org/signed-note, verifier key: `name+8 hex digits+base64(type ‖ key)`.
///
/// The key id of types that hash the name in the plain way is recomputed; other types are carried.
fn is_vkey(vkey: &str, log: &str) -> bool {
    let mut parts = vkey.splitn(3, '+');
    let (Some(key_name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Some(material) = base64url::decode_standard(material) else { return false };
    let is_hex =
        id.len() == 8 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if key_name != log || !is_hex || material.len() < 2 {
        return false;
    }
    if material.first() != Some(&ED25519_TYPE) {
        return true;
    }
    let hash =
        Sha256::new().chain_update(log).chain_update(b"\n").chain_update(&material).finalize();
    material.len() == 33 && hex::encode(&hash).starts_with(id)
}

fn vkey_type(vkey: &str) -> Option<u8> {
    base64url::decode_standard(vkey.splitn(3, '+').nth(2)?)?.first().copied()
}
