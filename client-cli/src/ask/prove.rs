//! `civiclog prove`: the receipt of an entry in one file.

use files::Access;
use serde::Serialize;
use tlog::TlogProof;
use tlog_client::{HttpSettings, LogClient};

use crate::args::Prove;
use crate::exit::{Exit, Explain, Failure, Outcome};
use crate::screen::Screen;
use crate::trust;

/// Runs the command. Nothing is written that does not hold.
pub(crate) async fn run(args: &Prove, http: &HttpSettings, screen: &mut Screen) -> Outcome {
    let client = LogClient::new(&args.at.log, http)?;
    let info = client.info().await?;
    let policy = trust::policy_or_own(args.policy.as_deref(), &info, screen)?;
    let receipt = client.receipt(args.index).await?;
    let proofs = TlogProof::parse_many(&receipt)
        .explain(Exit::Misbehaved, || "the log sent no receipt file".to_owned())?;
    if proofs.first().is_none_or(|proof| proof.index != args.index) {
        let words = format!("asked for entry {}, the log sent another", args.index);
        return Err(Failure::new(Exit::Misbehaved, words));
    }
    // The registrations behind the entry as well: a receipt that fails years later helps nobody.
    for proof in &proofs {
        tlog::verify(proof, None, &policy).explain(Exit::NotVerified, || {
            format!("the log's proof of entry {} does not hold", proof.index)
        })?;
    }
    files::replace(&args.output, &receipt, Access::Umask)
        .explain(Exit::Usage, || format!("writing {}", args.output.display()))?;
    let file = args.output.display().to_string();
    let indices = proofs.iter().map(|proof| proof.index.get()).collect();
    screen.report(&Written { file: &file, index: args.index.get(), entries: indices });
    screen.say(format!(
        "Wrote the receipt of entry {} to {file} ({} proofs).\n\
         Check it anywhere, any time: civiclog verify {file} --policy POLICY",
        args.index,
        proofs.len()
    ));
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a str,
    index: u64,
    /// The entries whose proofs the file holds.
    entries: Vec<u64>,
}
