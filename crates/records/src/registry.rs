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
mod registration;

use crate::date;
use crate::envelope::{Envelope, Op};
use crate::fields::Members;
use crate::jwk::Kid;
use crate::name::{self, LOG_SUBMITTER};
use crate::refusal::{At, Refusal, RuleId};

pub use genesis::{Continues, Genesis, OperatorKey, Rotation};
pub use registration::{REGISTRY_PROFILE, RegistryRecord, SubmitterAdd, Withheld};

use kinds::{SUBMITTER_WORDS, submitter_add, take_key};

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

/// Checks a registry record as far as that needs no state.
pub(crate) fn check(record: &Envelope, at: &At<'_>) -> Result<RegistryRecord, Refusal> {
    check_envelope(record, at)?;
    let here = at.member("data");
    let mut data = Members::of(record.data().clone(), here, RuleId::REGISTRY)?;
    let (registration, object) = match record.kind() {
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
    Ok(registration)
}

/// The object of the genesis.
pub const GENESIS_OBJECT: &str = "log/genesis";

fn check_envelope(record: &Envelope, at: &At<'_>) -> Result<(), Refusal> {
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
    let is_again = record.op() == Op::Next && kinds::REPEATABLE.contains(&record.kind());
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

#[cfg(test)]
mod tests;
