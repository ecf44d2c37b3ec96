//! The rules of a profile, evaluated. What a record did is kept, so that a correction can undo it.

mod evaluate;
mod history;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::case::{RECORD, Ruling};
use crate::json::Value;
use crate::money::Money;
use crate::profile::document::name_of;
use crate::profile::pattern::text_of;
use crate::profile::rule::{Count, Key};
use crate::profile::{Kind, Profile};
use crate::record::{Op, Record};
use crate::refusal::{Refusal, RuleId};
use crate::state::{self, Added, Fold, ObjectHead, Put, Said, State, Total};

/// What the rules made of a record.
pub(super) struct Ruled {
    pub(super) changes: Vec<Put>,
    pub(super) flags: BTreeSet<RuleId>,
}

/// Holds a record to the rules of its kind. The chain is already known to fit.
pub(super) fn apply<S: State>(
    state: &S,
    admitted_ms: u64,
    profile: &Profile,
    record: &Record,
    head: Option<&ObjectHead>,
) -> Ruling<Ruled, S> {
    let Some(kind) = profile.kind(record.kind()) else {
        return Ok(Ruled { changes: Vec::new(), flags: BTreeSet::new() });
    };
    let before = state::fold_and_newest(state, record.object())?;
    let mut judgement = Judgement {
        state: Overlay { state, puts: BTreeMap::new() },
        admitted_ms,
        profile,
        kind,
        record,
        fold: before.as_ref().map(|(fold, _)| fold.clone()).unwrap_or_default(),
        said: Said {
            kind: record.kind().to_owned(),
            submitter: record.submitter().to_owned(),
            ..Said::default()
        },
        replaced: Said::default(),
        flags: BTreeSet::new(),
    };
    let after = if let (Some(of), Some(head)) = (record.of(), head) {
        judgement.undo(of, head, before.as_ref())?;
        judgement.judge()?;
        judgement.refold(of, head, before.as_ref())?
    } else {
        // The object's state comes first: it explains best why a step is not taken.
        judgement.stepped()?;
        judgement.judge()?;
        judgement.stepped()?
    };
    judgement.check_party(&after)?;
    if let (Some(head), Some((_, newest))) = (head, before) {
        judgement.state.put(state::put_said(record.object(), head.rev, &newest));
    }
    judgement.state.put(state::put_fold(record.object(), &after, &judgement.said));
    Ok(Ruled { changes: judgement.state.puts.into_iter().collect(), flags: judgement.flags })
}

struct Judgement<'a, S: State> {
    state: Overlay<'a, S>,
    admitted_ms: u64,
    profile: &'a Profile,
    kind: &'a Kind,
    record: &'a Record,
    /// The object before this record.
    fold: Fold,
    /// What this record does.
    said: Said,
    /// What the revision did that it replaces.
    replaced: Said,
    flags: BTreeSet<RuleId>,
}

impl<S: State> Judgement<'_, S> {
    /// Everything but the object's states, which are judged over its whole history.
    fn judge(&mut self) -> Ruling<(), S> {
        if self.record.op() == Op::Void {
            return Ok(());
        }
        for pointer in self.kind.facts() {
            if let Some(value) = self.record.data().at(pointer) {
                self.said.facts.insert(pointer.clone(), value.clone());
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

    fn raise(&mut self, rule: RuleId, broken: &Broken) -> Result<(), Refusal> {
        if rule.as_str().starts_with('W') {
            self.flags.insert(rule);
            return Ok(());
        }
        Err(crate::refusal::refuse(rule, &broken.pointer, &broken.expected, broken.got, broken.fix))
    }

    /// Adds to a total what the kind says; a closed one is flagged.
    fn count(&mut self, count: &Count) -> Ruling<(), S> {
        let key = self.group(b"t/", &count.among, &count.by);
        let sum = count.sum.as_ref().and_then(|pointer| self.amount(pointer));
        let sum = sum.map(|(currency, sum)| {
            (currency, if count.is_minus { sum.saturating_neg() } else { sum })
        });
        self.add(Added { total: key, count: count.step, sum })
    }

    fn add(&mut self, added: Added) -> Ruling<(), S> {
        let mut total = state::total(&self.state, &added.total)?;
        if total.is_closed {
            self.flags.insert(RuleId::AFTER_CLOSE);
        }
        change(&mut total, &added, 1)?;
        self.state.put(state::put_total(&added.total, &total));
        self.said.added.push(added);
        Ok(())
    }

    /// An amount of the record's data: currency and minor units; no currency for plain numbers.
    fn amount(&self, pointer: &str) -> Option<(String, i128)> {
        amount_of(self.record.data().at(pointer)?)
    }

    /// The key of a group: a hash, so that no value can be mistaken for the end of another.
    fn group(&self, family: &[u8], among: &str, by: &[Key]) -> Vec<u8> {
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

    fn key<'t>(
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
    fn stepped(&self) -> Ruling<Fold, S> {
        let mut fold = self.fold.clone();
        history::step(&mut fold, self.profile, &self.said)
            .map_err(|states| wrong_state(&states))?;
        Ok(fold)
    }
}

fn change(total: &mut Total, added: &Added, sign: i64) -> Result<(), Refusal> {
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

fn wrong_state(states: &history::WrongState) -> Refusal {
    let expected = if states.from.is_empty() {
        "a new object".to_owned()
    } else {
        format!("an object that is {}", states.from.join(" or "))
    };
    let got = match states.found.as_str() {
        "" => "one that has no state yet".to_owned(),
        found => format!("one that is {found}"),
    };
    RECORD.member("kind").refuse(
        RuleId::STATE,
        format_args!("{expected} for {}", states.kind),
        got,
        "read the object's revisions; take later steps back first",
    )
}

/// What a rule missed.
struct Broken {
    pointer: String,
    expected: String,
    got: &'static str,
    fix: &'static str,
}

fn amount_of(value: &Value) -> Option<(String, i128)> {
    if let Value::Int(number) = value {
        return Some((String::new(), i128::from(*number)));
    }
    let money = Money::from_value(value, &crate::refusal::At::Root).ok()?;
    Some((money.currency().to_owned(), money.in_minor_units()))
}

/// The state with this record's changes over it.
struct Overlay<'a, S: State> {
    state: &'a S,
    puts: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<S: State> Overlay<'_, S> {
    fn put(&mut self, (key, value): Put) {
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

#[cfg(test)]
mod tests;
