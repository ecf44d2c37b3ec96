//! `civiclog post`: one ready submission into the log.

use files::Access;
use serde::Serialize;
use tlog::TlogProof;
use tlog_client::{HttpSettings, LineStatus, LogClient, Wait};

use crate::args::Post;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::govern::submission_file::read_submission;
use crate::screen::Screen;

/// Runs the command. Posting the same file again is harmless: it is the same record.
pub(crate) async fn run(args: &Post, http: &HttpSettings, screen: &mut Screen) -> Outcome {
    let submission = read_submission(&args.file)?;
    if submission.signatures().is_empty() {
        let shown = args.file.display();
        return Err(Failure::usage(format!(
            "nobody has signed {shown} yet: civiclog governance sign {shown} --key KEY.pem"
        )));
    }
    let client = LogClient::new(&args.at.log, http)?;
    let mut answer = client.submit(submission.to_canonical().into(), Wait::Published).await?;
    // Committed but not published: asking again is how to wait, for the log holds each request.
    for _ in 1..WAITS_MAX {
        if answer.status != LineStatus::Committed {
            break;
        }
        answer = client.submit(submission.to_canonical().into(), Wait::Published).await?;
    }
    let Some(proof) = answer.proof.filter(|_| answer.status == LineStatus::Published) else {
        let words = format!(
            "entry {} is in the log and durable, but the witnesses have not signed it yet; run the \
             same command again later",
            answer.index
        );
        return Err(Failure::new(Exit::Unreachable, words));
    };
    let parsed = TlogProof::parse(proof.as_bytes())
        .explain(Exit::Misbehaved, || "the log's proof of the new entry".to_owned())?;
    if parsed.index.get() != answer.index {
        let words = "the log sent the proof of another entry".to_owned();
        return Err(Failure::new(Exit::Misbehaved, words));
    }
    if let Some(path) = &args.output {
        files::replace(path, proof.as_bytes(), Access::Umask)
            .explain(Exit::Usage, || format!("writing {}", path.display()))?;
    }
    let object = submission.record().object().to_owned();
    screen.say(format!("Published: {object} is entry {}", answer.index));
    screen.report(&Posted { object, index: answer.index, leaf_hash: answer.leaf_hash });
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Posted {
    object: String,
    index: u64,
    leaf_hash: String,
}

/// Each wait is as long as the log holds a request, 20 s.
const WAITS_MAX: u32 = 6;
