//! `registry/1`: the log's own records. Who governs, who may submit, which keys count.
//!
//! All are submitted by `log`, about objects below `log/`, and `add` at revision 0; those marked
//! with + may be said anew as `next`:
//!
//! | kind | object | signed by |
//! |---|---|---|
//! | `genesis` | `log/genesis` | its own governance keys, ≥ threshold |
//! | `submitter.add` | `log/submitter/<id>` | governance ≥ threshold, and the new key |
//! | `submitter.delegate` + | `log/delegate/<id>/<to>/<body>` | a current key of the one who delegates |
//! | `submitter.close` | `log/close/<id>` | governance ≥ threshold, or a current key of the submitter |
//! | `key.add` | `log/key/<kid>` | the new key, and a current key of the submitter; or governance ≥ threshold: then it is flagged and counts seven days later |
//! | `key.revoke` | `log/revoke/<kid>` | governance ≥ threshold, or a current key of the submitter |
//! | `profile.publish` | `log/profile/<name>/<version>` | governance ≥ threshold |
//! | `profile.retire` | `log/retire/<name>/<version>` | governance ≥ threshold |
//! | `codelist.publish` | `log/codelist/<list>/<part>` | governance ≥ threshold |
//! | `engine.activate` | `log/engine/<version>` | governance ≥ threshold |
//! | `policy.publish` + | `log/policy/witnesses` | governance ≥ threshold |
//! | `governance.rotate` | `log/governance/<kid of the first new key>` | keys whose thumbprints were committed to before, ≥ both thresholds |
//! | `operator.key` | `log/operator/<kid>` | governance ≥ threshold, and the new key |
//! | `withhold` + | `log/withhold/<entry>` | governance ≥ threshold, or an operator key for it |
//! | `log.freeze` | `log/freeze` | governance ≥ threshold, or an operator key for it |

mod genesis;
mod kinds;

use crate::date;
use crate::fields::Members;
use crate::json::Value;
use crate::jwk::{Kid, PublicKey};
use crate::name::{self, LOG_SUBMITTER};
use crate::profile::Profile;
use crate::record::{Op, Record};
use crate::refusal::{At, Refusal, RuleId};

pub use genesis::{Continues, Genesis, OperatorKey};

/// The profile of registry records.
pub const REGISTRY_PROFILE: &str = "registry/1";

/// The kinds of engine version 1.
pub const KINDS: &[&str] = &[
    "codelist.publish",
    "engine.activate",
    "genesis",
    "governance.rotate",
    "key.add",
    "key.revoke",
    "log.freeze",
    "operator.key",
    "policy.publish",
    "profile.publish",
    "profile.retire",
    "submitter.add",
    "submitter.close",
    "submitter.delegate",
    "withhold",
];

/// Kinds that are reserved and refused by this engine version.
pub const RESERVED_KINDS: &[&str] = &["index.root"];

/// What a registry record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryRecord {
    /// Entry 0.
    Genesis(Genesis),
    /// A submitter and its first key.
    SubmitterAdd(SubmitterAdd),
    /// A further key of a submitter.
    KeyAdd {
        /// The submitter.
        submitter: String,
        /// The new key.
        key: PublicKey,
    },
    /// The end of a key.
    KeyRevoke {
        /// The key.
        kid: Kid,
        /// Since when it is said to be compromised.
        since: Option<String>,
    },
    /// A profile for this log.
    ProfilePublish(Box<Profile>),
    /// The end of a profile: it takes only corrections.
    ProfileRetire {
        /// The profile.
        profile: String,
    },
    /// A part of a code list; parts are numbered from 1, and no code is ever taken out.
    CodelistPublish {
        /// The list.
        list: String,
        /// Which part of it.
        part: u32,
        /// Its codes.
        codes: Vec<String>,
    },
    /// A submitter lets another write for a body of its own.
    SubmitterDelegate {
        /// Who lets.
        submitter: String,
        /// Whom.
        to: String,
        /// For which body.
        body: String,
        /// By which profiles; none: no longer.
        profiles: Vec<String>,
    },
    /// The end of a submitter.
    SubmitterClose {
        /// The submitter.
        submitter: String,
    },
    /// Another engine version judges what follows.
    EngineActivate {
        /// The version.
        engine: u32,
    },
    /// The witness policy, line by line.
    PolicyPublish {
        /// The lines.
        policy: Vec<String>,
    },
    /// New governance, by keys that were committed to.
    GovernanceRotate(Rotation),
    /// A key of the operator.
    OperatorKey(OperatorKey),
    /// Something that the log holds beside the tree is withheld.
    Withhold(Withheld),
    /// The log takes no more records.
    LogFreeze,
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

/// `withhold`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The entry whose disclosures or documents are withheld.
    pub entry: u64,
    /// Paths of sealed fields.
    pub paths: Vec<String>,
    /// Documents by their SHA-256.
    pub documents: Vec<String>,
    /// The legal ground, a code.
    pub why: String,
}

/// `submitter.add`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitterAdd {
    /// Its id.
    pub submitter: String,
    /// The bodies it may write for.
    pub bodies: Vec<String>,
    /// The profiles it may use.
    pub profiles: Vec<String>,
    /// The roles it has, e.g. `bank`.
    pub roles: Vec<String>,
    /// Its first key.
    pub key: PublicKey,
}

impl RegistryRecord {
    /// The keys that this record brings itself and that may sign it.
    pub fn own_keys(&self) -> &[PublicKey] {
        match self {
            Self::Genesis(genesis) => &genesis.governance,
            Self::SubmitterAdd(add) => std::slice::from_ref(&add.key),
            Self::KeyAdd { key, .. } => std::slice::from_ref(key),
            Self::GovernanceRotate(rotation) => &rotation.keys,
            Self::OperatorKey(operator) => std::slice::from_ref(&operator.key),
            _ => &[],
        }
    }
}

/// Checks a registry record as far as that needs no state.
pub(crate) fn check(record: &Record, at: &At<'_>) -> Result<RegistryRecord, Refusal> {
    check_envelope(record, at)?;
    let here = at.member("data");
    let mut data = Members::of(record.data().clone(), here, RuleId::REGISTRY)?;
    let (said, object) = match record.kind() {
        "genesis" => {
            let genesis = Genesis::take(&mut data, here, record.log())?;
            (RegistryRecord::Genesis(genesis), GENESIS_OBJECT.to_owned())
        }
        "submitter.add" => {
            let add = submitter_add(&mut data, &here)?;
            let object = format!("log/submitter/{}", add.submitter);
            (RegistryRecord::SubmitterAdd(add), object)
        }
        "key.add" => {
            let submitter = data.text_of("submitter", SUBMITTER_WORDS, name::is_body)?;
            let key = take_key(&mut data, &here)?;
            let object = format!("log/key/{}", key.kid());
            (RegistryRecord::KeyAdd { submitter, key }, object)
        }
        "key.revoke" => {
            let kid = data.text("kid")?;
            let kid = Kid::parse(&kid).ok_or_else(|| {
                data.wrong("kid", "an RFC 7638 thumbprint", "another text", "correct it")
            })?;
            let since = data.optional_text_of("since", "a date, YYYY-MM-DD", |text| {
                date::parse_date(text).is_some()
            })?;
            let object = format!("log/revoke/{kid}");
            (RegistryRecord::KeyRevoke { kid, since }, object)
        }
        kind => match kinds::take(kind, &mut data, here)? {
            Some(read) => read,
            None => return Err(refuse_kind(kind, at)),
        },
    };
    data.finish()?;
    if record.object() != object {
        return Err(at.member("object").refuse(
            RuleId::REGISTRY,
            format_args!("\"{object}\""),
            "another object",
            "name the object after what the record is about",
        ));
    }
    Ok(said)
}

/// The object of the genesis.
pub const GENESIS_OBJECT: &str = "log/genesis";

const PROFILE_WORDS: &str = "a profile such as spending/1";

/// A submitter can be granted any profile but the log's own; whether the log has it is judged later.
fn is_grantable(profile: &str) -> bool {
    name::is_profile(profile) && profile != REGISTRY_PROFILE
}

const SUBMITTER_WORDS: &str = "a submitter such as GB-LAE-DEV";

fn submitter_add(data: &mut Members<'_>, at: &At<'_>) -> Result<SubmitterAdd, Refusal> {
    let submitter = data.text_of("submitter", SUBMITTER_WORDS, name::is_body)?;
    let bodies = data.texts_of("bodies", "a body such as GB-LAE-DEV", name::is_body)?;
    let profiles = data.texts_of("profiles", PROFILE_WORDS, is_grantable)?;
    let roles = data.optional_texts_of("roles", "a role such as bank", name::is_word)?;
    let key = take_key(data, at)?;
    Ok(SubmitterAdd { submitter, bodies, profiles, roles, key })
}

fn take_key(data: &mut Members<'_>, at: &At<'_>) -> Result<PublicKey, Refusal> {
    PublicKey::from_jwk_at(&data.required("key")?, &at.member("key"))
}

fn check_envelope(record: &Record, at: &At<'_>) -> Result<(), Refusal> {
    let refused = |name, expected, got, fix| {
        Err(at.member(name).refuse(RuleId::REGISTRY, expected, got, fix))
    };
    if record.submitter() != LOG_SUBMITTER {
        return refused(
            "submitter",
            "log",
            "another submitter",
            "registry records are the log's own",
        );
    }
    let is_again = record.op() == Op::Next && kinds::SAID_ANEW.contains(&record.kind());
    if record.op() != Op::Add && !is_again {
        return refused(
            "op",
            "add",
            "another op",
            "registry records are never corrected; revoke instead",
        );
    }
    if !record.refs().is_empty() {
        return refused("refs", "no references", "some", "leave the member out");
    }
    if !record.documents().is_empty() {
        return refused("documents", "no documents", "some", "leave the member out");
    }
    if record.source().is_some() {
        return refused("source", "no source", "one", "leave the member out");
    }
    let may_seal = |path: &str| record.kind() == "submitter.add" && path == "/data/name";
    if record.sealed().iter().any(|field| !may_seal(&field.path)) {
        return refused(
            "sealed",
            "at most /data/name, in submitter.add",
            "another field",
            "leave it out",
        );
    }
    Ok(())
}

fn refuse_kind(kind: &str, at: &At<'_>) -> Refusal {
    let got = if RESERVED_KINDS.contains(&kind) {
        format!("{kind}, which is reserved and not yet active")
    } else {
        "a kind that is not known".to_owned()
    };
    at.member("kind").refuse(
        RuleId::UNKNOWN_PROFILE,
        "a kind of the registry, e.g. submitter.add or key.add",
        got,
        "wait for an engine version that activates it",
    )
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

#[cfg(test)]
mod tests;
