//! `contract/1`: the contracts register.

use super::Data;
use crate::date;
use crate::money::Money;
use crate::name;
use crate::record::Record;
use crate::refusal::{At, Refusal, RuleId};

/// `register`: a contract that was signed.
///
/// Clear data: `buyer.id`, `supplier` (`id`, unless sealed), `value`, `signed`, and optionally
/// `class` (codes by scheme), `native`, `ocid`, `period` (`start`, `end`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// What it is worth.
    pub value: Money,
}

pub(super) fn check(record: &Record, at: &At<'_>) -> Result<Contract, Refusal> {
    let here = at.member("data");
    let data = Data::of(record.data(), here)?;
    data.only(&["buyer", "class", "native", "ocid", "period", "signed", "supplier", "value"])?;
    data.public_party("buyer")?;
    data.known_party("supplier", record)?;
    let value = Money::from_value(data.required("value")?, &here.member("value"))?;
    data.text_of("signed", DATE_WORDS, is_date)?;
    data.check_classes("class")?;
    data.optional_text_of("native", "an identifier without spaces", name::is_native_id)?;
    data.optional_text_of("ocid", "an ocid such as ocds-213czf-1", is_ocid)?;
    if let Some(period) = data.members.get("period") {
        check_period(&Data::of(period, here.member("period"))?)?;
    }
    Ok(Contract { value })
}

fn check_period(period: &Data<'_>) -> Result<(), Refusal> {
    period.only(&["end", "start"])?;
    let start = period.optional_text_of("start", DATE_WORDS, is_date)?;
    let end = period.optional_text_of("end", DATE_WORDS, is_date)?;
    // Dates of this form sort as texts.
    match (start, end) {
        (None, None) => Err(period.at.refuse(
            RuleId::GRAMMAR,
            "start or end",
            "neither",
            "leave the period out",
        )),
        (Some(start), Some(end)) if end < start => Err(period.at.member("end").refuse(
            RuleId::GRAMMAR,
            "an end on or after the start",
            "an earlier one",
            "correct the dates",
        )),
        _ => Ok(()),
    }
}

fn is_date(text: &str) -> bool {
    date::parse_date(text).is_some()
}

/// Spec: OCDS 1.1, a registered prefix `ocds-` with six letters or digits, then an internal id.
fn is_ocid(text: &str) -> bool {
    let Some((prefix, local)) = text.strip_prefix("ocds-").and_then(|rest| rest.split_once('-'))
    else {
        return false;
    };
    prefix.len() == 6
        && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && name::is_native_id(local)
}

const DATE_WORDS: &str = "a date of the calendar, YYYY-MM-DD";
