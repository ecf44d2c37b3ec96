//! The refusal of a registry record that does not fit the registry as it is.

use super::super::case::RECORD;
use crate::refusal::{Refusal, RuleId};

pub(super) fn unfit(name: &str, expected: &str, got: &str) -> Refusal {
    let data = RECORD.member("data");
    data.member(name).refuse(RuleId::REGISTRY, expected, got, "read the registry and correct it")
}
