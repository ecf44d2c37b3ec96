//! A submission in a file, between the people who sign it.

use std::path::Path;

use records::Submission;

use crate::exit::{Exit, Explain, Outcome};

/// Reads a submission that may still lack signatures.
pub(crate) fn read_submission(path: &Path) -> Outcome<Submission> {
    let shown = path.display();
    let bytes = std::fs::read(path).explain(Exit::Usage, || format!("reading {shown}"))?;
    Submission::parse_draft(&bytes)
        .explain(Exit::Usage, || format!("{shown} is not a submission or a draft of one"))
}
