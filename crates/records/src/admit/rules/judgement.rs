//! One record under the rules of its kind: what is known so far, and what it will change.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::super::case::{RECORD, Ruling};
use super::step::step;
use crate::json::Value;
use crate::money::Money;
use crate::profile::document::name_of;
use crate::profile::pattern::text_of;
use crate::profile::rule::{Count, Key};
use crate::profile::{Kind, Profile};
use crate::record::{Op, Record};
use crate::refusal::{At, Refusal, RuleId, refuse};
use crate::state::{self, Added, Contribution, Fold, Put, State, Total};

pub(super) struct Judgement<'a, S: State> {
    pub(super) state: Overlay<'a, S>,
    pub(super) admitted_ms: u64,
    pub(super) profile: &'a Profile,
    pub(super) kind: &'a Kind,
    pub(super) record: &'a Record,
    /// The object before this record.
    pub(super) fold: Fold,
    /// What this record does.
    pub(super) contribution: Contribution,
    /// What the revision did that it replaces.
    pub(super) replaced: Contribution,
    pub(super) flags: BTreeSet<RuleId>,
}

impl<S: State> Judgement<'_, S> {
    /// Everything but the object's states, which are judged over its whole history.
    pub(super) fn judge(&mut self) -> Ruling<(), S> {
        if self.record.op() == Op::Void {
            return Ok(());
        }
        for pointer in self.kind.facts() {
            if let Some(value) = self.record.data().at(pointer) {
                self.contribution.facts.insert(pointer.clone(), value.clone());
            }
        }
        let kind = self.kind;
        for rule in kind.rules() {
            if let Err(broken) = self.evaluate(&rule.primitive)? {
                self.raise(rule.raises, &broken)?;
            }
        }
        kind.counts().iter().try_for_each(|count| self.count(count))
    }

    pub(super) fn raise(&mut self, rule: RuleId, broken: &Broken) -> Result<(), Refusal> {
        if rule.as_str().starts_with('W') {
            self.flags.insert(rule);
            return Ok(());
        }
        Err(refuse(rule, &broken.pointer, &broken.expected, broken.got, broken.fix))
    }

    /// Adds to a total what the kind says; a closed one is flagged.
    pub(super) fn count(&mut self, count: &Count) -> Ruling<(), S> {
        let key = self.group(b"t/", &count.among, &count.by);
        let sum = count.sum.as_ref().and_then(|pointer| self.amount(pointer));
        let sum = sum.map(|(currency, sum)| {
            (currency, if count.is_minus { sum.saturating_neg() } else { sum })
        });
        self.add(Added { total: key, count: count.step, sum })
    }

    pub(super) fn add(&mut self, added: Added) -> Ruling<(), S> {
        let mut total = state::total(&self.state, &added.total)?;
        if total.is_closed {
            self.flags.insert(RuleId::AFTER_CLOSE);
        }
        change(&mut total, &added, 1)?;
        self.state.put(state::put_total(&added.total, &total));
        self.contribution.added.push(added);
        Ok(())
    }

    /// An amount of the record's data: currency and minor units; no currency for plain numbers.
    pub(super) fn amount(&self, pointer: &str) -> Option<(String, i128)> {
        amount_of(self.record.data().at(pointer)?)
    }

    /// The key of a group: a hash, so that no value can be mistaken for the end of another.
    pub(super) fn group(&self, family: &[u8], among: &str, by: &[Key]) -> Vec<u8> {
        let record = self.record;
        let mut values = Vec::with_capacity(by.len());
        for key in by {
            values.push(match key {
                Key::Body => crate::name::body_of(record.object()).to_owned(),
                Key::Object => record.object().to_owned(),
                Key::Submitter => record.submitter().to_owned(),
                Key::Month => record.occurred().get(..7).unwrap_or_default().to_owned(),
                Key::Field(pointer) => {
                    record.data().at(pointer).and_then(text_of).unwrap_or_default()
                }
            });
        }
        self.key(family, among, values.iter().map(String::as_str))
    }

    pub(super) fn key<'t>(
        &self,
        family: &[u8],
        among: &str,
        values: impl Iterator<Item = &'t str>,
    ) -> Vec<u8> {
        let mut hash = Sha256::new();
        let mut add = |value: &str| {
            hash.update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(value);
        };
        add(name_of(self.profile.id()));
        add(among);
        values.for_each(add);
        let mut key = family.to_vec();
        key.extend_from_slice(&hash.finalize());
        key
    }

    /// The object's state after this record.
    pub(super) fn stepped(&self) -> Ruling<Fold, S> {
        let mut fold = self.fold.clone();
        step(&mut fold, self.profile, &self.contribution)?;
        Ok(fold)
    }
}

pub(super) fn change(total: &mut Total, added: &Added, sign: i64) -> Result<(), Refusal> {
    let overflow = || {
        RECORD.member("data").refuse(
            RuleId::MONEY,
            "totals below 2^127 minor units",
            "more",
            "check the amounts",
        )
    };
    total.count = added
        .count
        .checked_mul(sign)
        .and_then(|n| total.count.checked_add(n))
        .ok_or_else(overflow)?;
    if let Some((currency, amount)) = &added.sum {
        let sum = total.sums.entry(currency.clone()).or_default();
        *sum = amount
            .checked_mul(i128::from(sign))
            .and_then(|n| sum.checked_add(n))
            .ok_or_else(overflow)?;
    }
    Ok(())
}

/// What a rule missed.
pub(super) struct Broken {
    pub(super) pointer: String,
    pub(super) expected: String,
    pub(super) got: &'static str,
    pub(super) fix: &'static str,
}

pub(super) fn amount_of(value: &Value) -> Option<(String, i128)> {
    if let Value::Int(number) = value {
        return Some((String::new(), i128::from(*number)));
    }
    let money = Money::from_value(value, &At::Root).ok()?;
    Some((money.currency().to_owned(), money.in_minor_units()))
}

/// The state with this record's changes over it.
pub(super) struct Overlay<'a, S: State> {
    pub(super) state: &'a S,
    pub(super) puts: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<S: State> Overlay<'_, S> {
    pub(super) fn put(&mut self, (key, value): Put) {
        self.puts.insert(key, value);
    }
}

impl<S: State> State for Overlay<'_, S> {
    type Error = S::Error;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, S::Error> {
        match self.puts.get(key) {
            Some(value) => Ok(Some(value.clone())),
            None => self.state.get(key),
        }
    }
}
