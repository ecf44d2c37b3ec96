//! `civiclog governance`: drafts of the log's own records, and their signatures.
//!
//! A draft is a submission without (all of) its signatures. It travels between the people who must
//! sign; each adds a signature in place; whoever is last posts it.

use std::path::{Path, PathBuf};

use files::Access;
use records::{Disclosure, HeldBy, Kid, Record, RecordDraft, Submission, Value};
use serde::Serialize;

use crate::args::{Draft, DraftCommon, Governance, KeyAdd, KeyRevoke, Sign, SubmitterAdd};
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::govern::keygen;
use crate::govern::submission_file::read_submission;
use crate::keyfile;
use crate::screen::Screen;

pub(crate) fn run(command: &Governance, screen: &mut Screen) -> Outcome {
    match command {
        Governance::Keygen(args) => keygen::run(args, screen),
        Governance::Draft(Draft::SubmitterAdd(args)) => {
            let (record, disclosures) = submitter_add(args)?;
            write_draft(&args.common, record, disclosures, screen)
        }
        Governance::Draft(Draft::KeyAdd(args)) => {
            write_draft(&args.common, key_add(args)?, Vec::new(), screen)
        }
        Governance::Draft(Draft::KeyRevoke(args)) => {
            write_draft(&args.common, key_revoke(args)?, Vec::new(), screen)
        }
        Governance::Sign(args) => sign(args, screen),
    }
}

fn submitter_add(args: &SubmitterAdd) -> Outcome<(RecordDraft, Vec<Disclosure>)> {
    let key = keyfile::read_public_key(&args.key)?;
    let own = [args.submitter.clone()];
    let bodies = if args.body.is_empty() { &own[..] } else { &args.body };
    let texts = |items: &[String]| Value::list(items.iter().map(String::as_str));
    let mut data = vec![
        ("submitter", Value::from(args.submitter.as_str())),
        ("bodies", texts(bodies)),
        ("profiles", texts(&args.profile)),
        ("key", key.to_jwk()),
    ];
    if !args.role.is_empty() {
        data.push(("roles", texts(&args.role)));
    }
    let object = format!("log/submitter/{}", args.submitter);
    let record = of_log(&args.common, "submitter.add", &object, Value::map(data));
    // A name may be that of a person. Sealed, it can be taken down without touching the tree.
    let Some(name) = &args.name else { return Ok((record, Vec::new())) };
    let (field, disclosure) =
        records::seal("/data/name", "name", name.as_str().into(), keyfile::random()?, HeldBy::Log);
    Ok((record.sealed(field), vec![disclosure]))
}

fn key_add(args: &KeyAdd) -> Outcome<RecordDraft> {
    let key = keyfile::read_public_key(&args.key)?;
    let data =
        Value::map([("submitter", Value::from(args.submitter.as_str())), ("key", key.to_jwk())]);
    Ok(of_log(&args.common, "key.add", &format!("log/key/{}", key.kid()), data))
}

fn key_revoke(args: &KeyRevoke) -> Outcome<RecordDraft> {
    let kid = match Kid::parse(&args.key) {
        Some(kid) => kid,
        None => keyfile::read_public_key(&PathBuf::from(&args.key))?.kid().clone(),
    };
    let mut data = vec![("kid", Value::from(kid.as_str()))];
    if let Some(since) = &args.since {
        data.push(("since", since.as_str().into()));
    }
    Ok(of_log(&args.common, "key.revoke", &format!("log/revoke/{kid}"), Value::map(data)))
}

fn of_log(common: &DraftCommon, kind: &str, object: &str, data: Value) -> RecordDraft {
    RecordDraft::new(&common.origin, "registry/1", kind)
        .object(object)
        .submitter("log")
        .occurred(&common.occurred)
        .data(data)
}

fn write_draft(
    common: &DraftCommon,
    record: RecordDraft,
    disclosures: Vec<Disclosure>,
    screen: &mut Screen,
) -> Outcome {
    let record: Record = record
        .build()
        .map_err(|refusal| Failure::usage(format!("this draft would be refused: {refusal}")))?;
    let draft = Submission::unsigned(record, disclosures)
        .explain(Exit::Usage, || "putting the draft together".to_owned())?;
    let path = &common.out;
    files::create(path, &draft.to_canonical(), Access::Umask)
        .explain(Exit::Usage, || format!("writing {} (it must not exist yet)", path.display()))?;
    screen.report(&Drafted::of(path, &draft));
    screen.say(format!(
        "Draft of {} in {}\nNext: civiclog governance sign {} --key KEY.pem",
        draft.record().object(),
        path.display(),
        path.display()
    ));
    Ok(Exit::Done)
}

fn sign(args: &Sign, screen: &mut Screen) -> Outcome {
    let key = keyfile::read_signing_key(&args.key)?;
    let mut draft = read_submission(&args.file)?;
    draft.add_signature(key.sign_detached(draft.record().bytes()));
    // The log would refuse it; said here, before it travels on to the next signer.
    if draft.signatures().len() > records::SIGNATURES_MAX {
        return Err(Failure::usage(format!(
            "{} has {} signatures already, and no more are allowed",
            args.file.display(),
            records::SIGNATURES_MAX
        )));
    }
    files::replace(&args.file, &draft.to_canonical(), Access::Umask)
        .explain(Exit::Usage, || format!("writing {}", args.file.display()))?;
    let signed = Drafted::of(&args.file, &draft);
    screen.report(&signed);
    screen.say(format!(
        "Signed {} with key {}; signatures now: {}",
        signed.object,
        key.public().kid(),
        signed.signed_by.len()
    ));
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Drafted {
    file: String,
    kind: String,
    object: String,
    signed_by: Vec<String>,
}

impl Drafted {
    fn of(path: &Path, draft: &Submission) -> Self {
        Self {
            file: path.display().to_string(),
            kind: draft.record().kind().to_owned(),
            object: draft.record().object().to_owned(),
            signed_by: draft.signatures().iter().map(|jws| jws.kid().to_string()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
