//! Why a row does not go in.

use records::Value;
use serde::{Deserialize, Serialize};

use crate::draft::Draft;

/// Why a row does not go in: one line of the error CSV.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// 0 if it is about the file as a whole, or about what the file no longer has.
    pub line: u64,
    /// JSON pointer into the submission, or the name of a column.
    pub path: String,
    /// What stands there; empty if it is sealed.
    pub value: String,
    /// A rule of the log (`E06`) or a word of ours: `csv`, `date`, `id`, `twice`, `changed`, `held`.
    pub rule: String,
    /// What is wrong and, where there is one, the fix.
    pub message: String,
}

impl RowError {
    /// An error that shows nothing of what stands there.
    pub fn new(line: u64, rule: &str, path: &str, message: impl Into<String>) -> Self {
        let (path, rule, message) = (path.to_owned(), rule.to_owned(), message.into());
        Self { line, path, value: String::new(), rule, message }
    }

    /// A rule of the log that the draft of this row breaks. What stands there is shown only if
    /// it is clear data.
    pub fn of_refusal(draft: &Draft, refusal: &records::Refusal) -> Self {
        Self::of_rule(draft, refusal.rule.as_str(), &refusal.pointer, &refusal.message)
    }

    /// As [`RowError::of_refusal`], for a refusal that the log answered.
    pub fn of_rule(draft: &Draft, rule: &str, pointer: &str, message: &str) -> Self {
        let line = draft.position.map_or(0, |position| position.line);
        let mut error = Self::new(line, rule, pointer, message);
        let below_data = pointer.strip_prefix("/record").unwrap_or(pointer).strip_prefix("/data");
        let clear = below_data.and_then(|below| draft.data.at(below)).and_then(Value::as_text);
        clear.unwrap_or_default().clone_into(&mut error.value);
        error
    }
}
