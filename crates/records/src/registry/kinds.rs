//! The kinds that change a log after its founding, as far as they can be read without state.

use super::genesis::{operator_key, policy_lines, rotation};
use super::registration::{REGISTRY_PROFILE, RegistryRecord, SubmitterAdd, Withheld};
use crate::codes;
use crate::fields::Members;
use crate::jwk::PublicKey;
use crate::name;
use crate::profile::Profile;
use crate::refusal::{At, Refusal};

/// Kinds of which the newest word counts: they may be said anew as `next`.
pub(super) const REPEATABLE: &[&str] = &["policy.publish", "submitter.delegate", "withhold"];

/// Reads a record of one of these kinds, and names its object; `None` for other kinds.
pub(super) fn take(
    kind: &str,
    data: &mut Members<'_>,
    at: At<'_>,
) -> Result<Option<(RegistryRecord, String)>, Refusal> {
    Ok(Some(match kind {
        "profile.publish" => {
            let profile = Profile::from_value(data.required("document")?, at.member("document"))?;
            let object = format!("log/profile/{}", profile.id());
            (RegistryRecord::ProfilePublish(Box::new(profile)), object)
        }
        "profile.retire" => {
            let profile = data.text_of("profile", PROFILE_WORDS, is_grantable)?;
            let object = format!("log/retire/{profile}");
            (RegistryRecord::ProfileRetire { profile }, object)
        }
        "codelist.publish" => {
            let list = data.text_of("list", "the name of a code list", name::is_word)?;
            let part =
                data.u32("part")?.filter(|part| *part > 0).ok_or_else(|| data.missing("part"))?;
            let codes = data.texts_of("codes", "a code of [A-Za-z0-9._-]", name::is_code)?;
            let object = format!("log/codelist/{list}/{part}");
            (RegistryRecord::CodelistPublish { list, part, codes }, object)
        }
        "submitter.delegate" => {
            let submitter = data.text_of("submitter", SUBMITTER_WORDS, name::is_body)?;
            let to = data.text_of("to", SUBMITTER_WORDS, name::is_body)?;
            let body = data.text_of("body", "a body such as GB-LAE-DEV", name::is_body)?;
            let profiles = data.optional_texts_of("profiles", PROFILE_WORDS, is_grantable)?;
            let object = format!("log/delegate/{submitter}/{to}/{body}");
            (RegistryRecord::SubmitterDelegate { submitter, to, body, profiles }, object)
        }
        "submitter.close" => {
            let submitter = data.text_of("submitter", SUBMITTER_WORDS, name::is_body)?;
            let object = format!("log/close/{submitter}");
            (RegistryRecord::SubmitterClose { submitter }, object)
        }
        "engine.activate" => {
            let engine = data.u32("engine")?.ok_or_else(|| data.missing("engine"))?;
            (RegistryRecord::EngineActivate { engine }, format!("log/engine/{engine}"))
        }
        "policy.publish" => {
            let policy = policy_lines(data.required("policy")?, at.member("policy"))?;
            (RegistryRecord::PolicyPublish { policy }, "log/policy/witnesses".to_owned())
        }
        "governance.rotate" => {
            let rotation = rotation(data, at)?;
            let first = rotation.keys.first().map(|key| key.kid().to_string());
            let object = format!("log/governance/{}", first.unwrap_or_default());
            (RegistryRecord::GovernanceRotate(rotation), object)
        }
        "operator.key" => {
            let operator = operator_key(data, &at)?;
            let object = format!("log/operator/{}", operator.key.kid());
            (RegistryRecord::OperatorKey(operator), object)
        }
        "withhold" => {
            let withheld = withheld(data)?;
            let object = format!("log/withhold/{}", withheld.entry);
            (RegistryRecord::Withhold(withheld), object)
        }
        "log.freeze" => (RegistryRecord::LogFreeze, "log/freeze".to_owned()),
        _ => return Ok(None),
    }))
}

fn withheld(data: &mut Members<'_>) -> Result<Withheld, Refusal> {
    let entry = data.optional_int("entry", 0)?.and_then(|entry| u64::try_from(entry).ok());
    let entry = entry.ok_or_else(|| data.missing("entry"))?;
    let is_path = |path: &str| path.starts_with("/data/");
    let paths = data.optional_texts_of("paths", "the path of a sealed field", is_path)?;
    let hash = "64 lower-case hexadecimal digits";
    let documents = data.optional_texts_of("documents", hash, name::is_sha256_hex)?;
    if paths.is_empty() && documents.is_empty() {
        return Err(data.wrong("paths", "paths or documents", "neither", "say what is withheld"));
    }
    let grounds = "a legal ground: court-order, erasure or one of the reasons for sealing";
    let is_ground =
        |code: &str| ["court-order", "erasure"].contains(&code) || codes::is_sealed_why(code);
    let why = data.text_of("why", grounds, is_ground)?;
    Ok(Withheld { entry, paths, documents, why })
}

const PROFILE_WORDS: &str = "a profile such as spending/1";

/// A submitter can be granted any profile but the log's own; whether the log has it is judged later.
fn is_grantable(profile: &str) -> bool {
    name::is_profile(profile) && profile != REGISTRY_PROFILE
}

pub(super) const SUBMITTER_WORDS: &str = "a submitter such as GB-LAE-DEV";

pub(super) fn submitter_add(data: &mut Members<'_>, at: &At<'_>) -> Result<SubmitterAdd, Refusal> {
    let submitter = data.text_of("submitter", SUBMITTER_WORDS, name::is_body)?;
    let bodies = data.texts_of("bodies", "a body such as GB-LAE-DEV", name::is_body)?;
    let profiles = data.texts_of("profiles", PROFILE_WORDS, is_grantable)?;
    let roles = data.optional_texts_of("roles", "a role such as bank", name::is_word)?;
    let key = take_key(data, at)?;
    Ok(SubmitterAdd { submitter, bodies, profiles, roles, key })
}

pub(super) fn take_key(data: &mut Members<'_>, at: &At<'_>) -> Result<PublicKey, Refusal> {
    PublicKey::from_jwk_at(&data.required("key")?, &at.member("key"))
}
