//! Amounts of an account: with the sign of their side, taken apart, and between two balances.

use std::collections::BTreeMap;

use records::Money;

use super::control::{amount, differs};
use super::elements::Elements;
use crate::number::Sum;
use crate::row_error::RowError;

/// The booked balances before and after, in one currency.
pub(super) struct Balances {
    pub(super) opening: Money,
    pub(super) closing: Money,
}

impl Balances {
    /// Both, if the statement has both.
    pub(super) fn of(balances: &[Elements], line: u64) -> Result<Option<Self>, RowError> {
        let (mut opening, mut closing) = (None, None);
        for balance in balances {
            let side = match balance.text("Tp/CdOrPrtry/Cd") {
                Some("OPBD") => &mut opening,
                Some("CLBD") => &mut closing,
                _ => continue,
            };
            if side.is_none() {
                *side = Some(signed(balance, None, &["Amt"], line)?);
            }
        }
        Ok(opening.zip(closing).and_then(|(opening, closing): (Money, Money)| {
            let is_one = opening.currency() == closing.currency();
            is_one.then_some(Self { opening, closing })
        }))
    }

    /// The one before, and what was booked, give the one after.
    pub(super) fn check(
        &self,
        sums: &BTreeMap<&'static str, Sum>,
        line: u64,
    ) -> Result<(), RowError> {
        let currency = self.opening.currency();
        let mut expected = Sum::of_money(&self.opening);
        expected.add(sums.get(currency).cloned().unwrap_or_default());
        if expected == Sum::of_money(&self.closing) {
            return Ok(());
        }
        let found = format!("opening and entries, {}", expected.in_currency(currency));
        Err(differs("Stmt", "Bal", self.closing.value(), &found, line))
    }
}

/// An amount with the sign of its side: what left the account is negative. `side`: that of the
/// whole, for a part that does not say its own.
pub(super) fn signed(
    elements: &Elements,
    side: Option<&str>,
    paths: &[&str],
    line: u64,
) -> Result<Money, RowError> {
    let money = amount(elements, paths, line)?;
    match elements.text("CdtDbtInd").or(side) {
        Some(CREDIT) => Ok(money),
        Some(DEBIT) if money.in_minor_units() == 0 => Ok(money),
        Some(DEBIT) => {
            let negative = format!("-{}", money.value());
            Money::parse(&negative, money.currency()).map_err(|refusal| {
                RowError::new(line, refusal.rule.as_str(), "Amt", refusal.message)
            })
        }
        other => {
            let error = RowError::new(line, "amount", "CdtDbtInd", "expected CRDT or DBIT");
            Err(RowError { value: other.unwrap_or_default().to_owned(), ..error })
        }
    }
}

/// The amounts of the payments that were booked as one, if they add up to it.
pub(super) fn apart(entry: &Elements, details: &[Elements], line: u64) -> Option<Vec<Money>> {
    if details.len() < 2 {
        return None;
    }
    let whole = signed(entry, None, &["Amt"], line).ok()?;
    let side = entry.text("CdtDbtInd");
    let parts: Option<Vec<Money>> = details
        .iter()
        .map(|details| signed(details, side, &["Amt", "AmtDtls/TxAmt/Amt"], line).ok())
        .collect();
    let parts = parts?;
    let is_one = parts.iter().all(|part| part.currency() == whole.currency());
    let mut sum = Sum::default();
    for part in &parts {
        sum.add(Sum::of_money(part));
    }
    (is_one && sum == Sum::of_money(&whole)).then_some(parts)
}

const CREDIT: &str = "CRDT";
pub(super) const DEBIT: &str = "DBIT";
