//! One primitive at a time: does it hold for this record?

use std::collections::BTreeMap;

use super::super::case::{RECORD, Ruling};
use super::judgement::{Broken, Judgement, amount_of};
use crate::date;
use crate::hex;
use crate::json::Value;
use crate::profile::pattern::text_of;
use crate::profile::rule::{Key, Party, Primitive, Stated, Whose};
use crate::record::Target;
use crate::state::{self, Added, Facts, State, Total};

/// Whether a rule holds; what it missed if not.
type RuleOutcome = Result<(), Broken>;

impl<S: State> Judgement<'_, S> {
    pub(super) fn evaluate(&mut self, rule: &Primitive) -> Ruling<RuleOutcome, S> {
        match rule {
            Primitive::Exists { of, kinds, states, by, is_required } => {
                self.exists(of, kinds, states, *by, *is_required)
            }
            Primitive::Unique { of, among, within } => self.unique(of, among, within),
            Primitive::Sequence { number, stream, among, starts_anywhere } => {
                self.sequence(number, stream, among, *starts_anywhere)
            }
            Primitive::Time { is_before, of, at, days } => self.time(*is_before, of, at, *days),
            Primitive::Opens { commitment, salt, sha256 } => {
                Ok(self.opens(commitment, salt, sha256))
            }
            Primitive::Sum { .. } => self.sum(rule),
            Primitive::Totals { .. } => self.totals(rule),
        }
    }

    fn exists(
        &self,
        of: &Whose,
        kinds: &[String],
        states: &[String],
        by: Option<Party>,
        is_required: bool,
    ) -> Ruling<RuleOutcome, S> {
        let objects = self.objects(of);
        let broken = |expected: String, got| {
            Ok(Err(Broken {
                pointer: pointer_of(of),
                expected,
                got,
                fix: "submit that object first, or correct the reference",
            }))
        };
        if objects.is_empty() && is_required {
            return broken("a reference".to_owned(), "none");
        }
        for object in objects {
            let Some(_) = state::object_head(&self.state, object)? else {
                return broken("an object of this log".to_owned(), "one that is not in it");
            };
            let fold = state::object_fold(&self.state, object)?.unwrap_or_default();
            if fold.standing == 0 {
                return broken("an object that stands".to_owned(), "one that was taken back");
            }
            if !kinds.is_empty() && !kinds.contains(&fold.opened_as) {
                return broken(
                    format!("an object opened as {}", kinds.join(" or ")),
                    "one of another kind",
                );
            }
            if !states.is_empty() && !states.contains(&fold.status) {
                return broken(
                    format!("an object that is {}", states.join(" or ")),
                    "one in another state",
                );
            }
            let is_same = fold.opener == self.record.submitter();
            if by.is_some_and(|by| (by == Party::Same) != is_same) {
                return broken("an object of the right party".to_owned(), "one of the other");
            }
        }
        Ok(Ok(()))
    }

    fn unique(&mut self, of: &[String], among: &str, within: &[Key]) -> Ruling<RuleOutcome, S> {
        let data = self.record.data();
        let value = |pointer: &String| data.at(pointer).and_then(text_of);
        let sets: Vec<Vec<String>> = if of.iter().any(|one| one == "documents") {
            self.record.documents().iter().map(|document| vec![document.sha256.clone()]).collect()
        } else if of.first().and_then(value).is_some() {
            vec![of.iter().map(|pointer| value(pointer).unwrap_or_default()).collect()]
        } else {
            Vec::new()
        };
        let scope = self.group(b"", among, within);
        let scope = crate::base64url::encode(&scope);
        let mut held = Ok(());
        for values in sets {
            let parts = std::iter::once(scope.as_str()).chain(values.iter().map(String::as_str));
            let key = self.key(b"u/", among, parts);
            match state::holder(&self.state, &key)? {
                Some(other) if other != self.record.object() => {
                    held = Err(Broken {
                        pointer: pointer_of_value(of.first()),
                        expected: "a value that no other object has".to_owned(),
                        got: "one that another object has",
                        fix: "check whether this was submitted before",
                    });
                }
                _ => {
                    self.state.put(state::put_holder(&key, self.record.object()));
                    self.contribution.claims.insert(key);
                }
            }
        }
        Ok(held)
    }

    fn sequence(
        &mut self,
        number: &str,
        stream: &[Key],
        among: &str,
        anywhere: bool,
    ) -> Ruling<RuleOutcome, S> {
        let contribution = self.record.data().at(number).and_then(Value::as_int);
        let Some(contribution) =
            contribution.and_then(|contribution| u64::try_from(contribution).ok())
        else {
            return Ok(Ok(()));
        };
        let key = self.group(b"n/", among, stream);
        // A correction keeps its number: it was not taken out of the stream.
        let own = self.replaced.numbers.get(&key).copied();
        let expected = match (own, state::last_number(&self.state, &key)?) {
            (Some(own), _) => own,
            (None, Some(last)) => last.saturating_add(1),
            (None, None) if anywhere => contribution,
            (None, None) => 1,
        };
        if contribution != expected {
            return Ok(Err(Broken {
                pointer: pointer_of_value(Some(&number.to_owned())),
                expected: format!("{expected}, the next number of the stream"),
                got: "another number",
                fix: "submit what is missing, or correct the number",
            }));
        }
        if own.is_none() {
            self.state.put(state::put_number(&key, contribution));
        }
        self.contribution.numbers.insert(key, contribution);
        Ok(Ok(()))
    }

    fn time(&self, is_before: bool, of: &Whose, at: &str, days: i64) -> Ruling<RuleOutcome, S> {
        let fact = match of {
            Whose::This => self.record.data().at(at).cloned(),
            _ => self.facts(of)?.and_then(|facts| facts.get(at).cloned()),
        };
        let Some(fact) = fact else {
            // Of itself or of nothing: what is not stated sets no time.
            let sets_no_time = matches!(of, Whose::This) || self.objects(of).is_empty();
            return Ok(if sets_no_time { Ok(()) } else { Err(untimed(of, at)) });
        };
        let Some((start, end)) = fact.as_text().and_then(instant) else {
            return Ok(Err(untimed(of, at)));
        };
        let shift = days.saturating_mul(DAY_MS);
        let now = i64::try_from(self.admitted_ms).unwrap_or(i64::MAX);
        let holds = if is_before {
            now < end.saturating_add(shift)
        } else {
            now >= start.saturating_add(shift)
        };
        if holds {
            return Ok(Ok(()));
        }
        let word = if is_before { "before" } else { "not before" };
        let when = if days > 0 { format!("{at} and {days} days") } else { at.to_owned() };
        Ok(Err(Broken {
            pointer: pointer_of(of),
            expected: format!("admission {word} {when}"),
            got: if is_before { "a later time" } else { "an earlier time" },
            fix: "none: the log's own time decides",
        }))
    }

    /// Spec: SHA-256 of `civiclog/commitment@1`, the object and its opener, each with a line feed,
    /// then the 32 bytes of the salt and the 32 of the hash.
    fn opens(&self, commitment: &str, salt: &str, sha256: &str) -> RuleOutcome {
        let data = self.record.data();
        let bytes =
            |pointer: &str| data.at(pointer).and_then(Value::as_text).and_then(hex::decode_32);
        let made = match (bytes(salt), bytes(sha256)) {
            (Some(salt), Some(sha256)) => Some(crate::build::commitment(
                self.record.object(),
                &self.fold.opener,
                &salt,
                &sha256,
            )),
            _ => None,
        };
        let kept = self.fold.facts.get(commitment).and_then(Value::as_text);
        if made.is_some() && made.as_deref() == kept {
            return Ok(());
        }
        Err(Broken {
            pointer: pointer_of_value(Some(&sha256.to_owned())),
            expected: "salt and hash that give the commitment".to_owned(),
            got: "others",
            fix: "reveal exactly what was committed to",
        })
    }

    fn sum(&mut self, rule: &Primitive) -> Ruling<RuleOutcome, S> {
        let Primitive::Sum { amount, is_minus, of, limit, percent, among } = rule else {
            return Ok(Ok(()));
        };
        let Some((currency, sum)) = self.amount(amount) else { return Ok(Ok(())) };
        let sum = if *is_minus { sum.saturating_neg() } else { sum };
        let objects: Vec<String> = self.objects(of).into_iter().map(str::to_owned).collect();
        let mut held = Ok(());
        for object in objects {
            let key = self.key(b"t/", among, std::iter::once(object.as_str()));
            let added = Added { total: key.clone(), count: 1, sum: Some((currency.clone(), sum)) };
            self.add(added)?;
            let limit_said = match of {
                Whose::This => self.record.data().at(limit).cloned(),
                Whose::Earlier => self.fold.facts.get(limit).cloned(),
                _ => state::object_fold(&self.state, &object)?
                    .and_then(|fold| fold.facts.get(limit).cloned()),
            };
            let used =
                state::total(&self.state, &key)?.sums.get(&currency).copied().unwrap_or_default();
            let is_within = limit_said.as_ref().and_then(amount_of).is_some_and(|(unit, limit)| {
                let scaled = (used.checked_mul(100), limit.checked_mul(i128::from(*percent)));
                unit == currency && matches!(scaled, (Some(used), Some(limit)) if used <= limit)
            });
            // What only takes off cannot exceed.
            if !is_within && sum > 0 {
                held = Err(Broken {
                    pointer: pointer_of_value(Some(amount)),
                    expected: format!("a running total within {percent} % of {limit}"),
                    got: "more, or another currency",
                    fix: "check the amount, or raise the limit first",
                });
            }
        }
        Ok(held)
    }

    fn totals(&mut self, rule: &Primitive) -> Ruling<RuleOutcome, S> {
        let Primitive::Totals { among, by, count, sums, balance, is_closing } = rule else {
            return Ok(Ok(()));
        };
        let key = self.group(b"t/", among, by);
        let mut total = state::total(&self.state, &key)?;
        let data = self.record.data();
        let differs = |pointer: String, expected: String| {
            Ok(Err(Broken {
                pointer,
                expected,
                got: "another",
                fix: "submit or correct what is missing, then close again",
            }))
        };
        let (stated, pointer) = match count {
            None => (None, None),
            Some(Stated::Fixed(number)) => (Some(*number), None),
            Some(Stated::Field(pointer)) => {
                (data.at(pointer).and_then(Value::as_int), Some(pointer))
            }
        };
        if count.is_some() && stated != Some(total.count) {
            let expected = match pointer {
                Some(_) => format!("{}, the count of what the log holds", total.count),
                None => format!(
                    "{} left, where the log holds {}",
                    stated.unwrap_or_default(),
                    total.count
                ),
            };
            return differs(
                pointer.map_or_else(|| "/record/kind".to_owned(), |at| format!("/record/data{at}")),
                expected,
            );
        }
        if let Some(pointer) = sums
            && !self.sums_agree(pointer, &total)
        {
            let expected = "the sums of what the log holds, each currency once".to_owned();
            return differs(format!("/record/data{pointer}"), expected);
        }
        if let Some((opening, closing)) = balance
            && !self.balances(opening, closing, &total)
        {
            let expected = format!("{opening} plus the sum of what the log holds");
            return differs(format!("/record/data{closing}"), expected);
        }
        if *is_closing {
            total.is_closed = true;
            self.state.put(state::put_total(&key, &total));
            self.contribution.closed.push(key);
        }
        Ok(Ok(()))
    }

    /// Whether the sums stated are those of the total; a sum of nothing need not be stated.
    fn sums_agree(&self, pointer: &str, total: &Total) -> bool {
        let listed = self.record.data().at(pointer).and_then(Value::as_list).unwrap_or_default();
        let mut stated = BTreeMap::new();
        for (currency, sum) in listed.iter().filter_map(amount_of) {
            if stated.insert(currency, sum).is_some() {
                return false;
            }
        }
        let mut held = total.sums.clone();
        stated.retain(|_, sum| *sum != 0);
        held.retain(|_, sum| *sum != 0);
        stated == held
    }

    /// Whether the opening amount and the sum give the closing one.
    fn balances(&self, opening: &str, closing: &str, total: &Total) -> bool {
        match (self.amount(opening), self.amount(closing)) {
            (Some((unit, before)), Some((other, after))) => {
                let sum = total.sums.get(&unit).copied().unwrap_or_default();
                unit == other && before.checked_add(sum) == Some(after)
            }
            (before, after) => before == after,
        }
    }

    /// The objects that a rule looks at.
    fn objects(&self, of: &Whose) -> Vec<&str> {
        match of {
            Whose::This | Whose::Earlier => vec![self.record.object()],
            Whose::Field(pointer) => {
                self.record.data().at(pointer).and_then(Value::as_text).into_iter().collect()
            }
            Whose::Reference(rel) => {
                let found = self.record.refs().iter().filter(|reference| reference.rel == *rel);
                found
                    .filter_map(|reference| match &reference.target {
                        Target::Object(object) => Some(object.as_str()),
                        Target::Id(_) => None,
                    })
                    .collect()
            }
        }
    }

    fn facts(&self, of: &Whose) -> Ruling<Option<Facts>, S> {
        if matches!(of, Whose::Earlier | Whose::This) {
            return Ok(Some(self.fold.facts.clone()));
        }
        match self.objects(of).first() {
            Some(object) => Ok(state::object_fold(&self.state, object)?.map(|fold| fold.facts)),
            None => Ok(None),
        }
    }
}

fn untimed(of: &Whose, at: &str) -> Broken {
    Broken {
        pointer: pointer_of(of),
        expected: format!("an object that states {at}"),
        got: "one that does not",
        fix: "correct the reference",
    }
}

fn pointer_of(of: &Whose) -> String {
    match of {
        Whose::This | Whose::Earlier => RECORD.member("object").pointer(),
        Whose::Field(pointer) => format!("/record/data{pointer}"),
        Whose::Reference(_) => "/record/refs".to_owned(),
    }
}

fn pointer_of_value(pointer: Option<&String>) -> String {
    match pointer {
        Some(pointer) if pointer.starts_with('/') => format!("/record/data{pointer}"),
        _ => "/record/documents".to_owned(),
    }
}

/// When a date or a time begins, and when it is over: a day lasts until the next, a time is over at once.
fn instant(text: &str) -> Option<(i64, i64)> {
    if let Some(time) = date::parse_millis(text) {
        let time = i64::try_from(time).ok()?;
        return Some((time, time));
    }
    let start = date::parse_date(text)?.checked_mul(DAY_MS)?;
    Some((start, start.checked_add(DAY_MS)?))
}

const DAY_MS: i64 = 86_400_000;
