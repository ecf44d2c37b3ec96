//! An object's current state as the fold of its standing revisions, and undoing one of them.

use super::super::case::{RECORD, Ruling};
use super::judgement::{Judgement, change};
use super::step::step;
use crate::profile::rule::Party;
use crate::record::Op;
use crate::refusal::RuleId;
use crate::state::{self, Contribution, Fold, ObjectHead, Revision, State, StateError};

type Before = (Fold, Contribution);

impl<S: State> Judgement<'_, S> {
    /// Takes back out what the replaced revision did.
    pub(super) fn undo(
        &mut self,
        of: u32,
        head: &ObjectHead,
        before: Option<&Before>,
    ) -> Ruling<(), S> {
        let contribution = self.contribution_of(of, head, before)?;
        for added in &contribution.added {
            let mut total = state::total(&self.state, &added.total)?;
            if total.is_closed {
                self.flags.insert(RuleId::AFTER_CLOSE);
            }
            change(&mut total, added, -1)?;
            self.state.put(state::put_total(&added.total, &total));
        }
        for claim in &contribution.claims {
            self.state.put(state::put_holder(claim, ""));
        }
        for closed in &contribution.closed {
            let mut total = state::total(&self.state, closed)?;
            total.is_closed = false;
            self.state.put(state::put_total(closed, &total));
        }
        self.replaced = contribution;
        Ok(())
    }

    /// The object's state with this record in the place of the revision it replaces.
    ///
    /// ```text
    /// rev   0 add   1 next   2 correct of 0   now: 3 void of 2
    /// stand 2       1                         stand 1
    /// ```
    pub(super) fn refold(
        &self,
        of: u32,
        head: &ObjectHead,
        before: Option<&Before>,
    ) -> Ruling<Fold, S> {
        let mut revisions: Vec<Revision> = Vec::new();
        for rev in 0..=head.rev {
            let corrupt = StateError::Corrupt { family: "chain without gaps" };
            revisions.push(
                state::revision_below(&self.state, self.record.object(), head, rev)?
                    .ok_or(corrupt)?,
            );
        }
        let mut fold = Fold::default();
        for (rev, revision) in (0..).zip(&revisions) {
            if revision.op.replaces() {
                continue;
            }
            let mut standing: u32 = rev;
            let mut is_void = false;
            while standing != of {
                let Some(last) = usize::try_from(standing).ok().and_then(|at| revisions.get(at))
                else {
                    break;
                };
                is_void = last.op == Op::Void;
                match last.replaced_by {
                    Some(by) => standing = by,
                    None => break,
                }
            }
            let contribution = if standing == of {
                if self.record.op() == Op::Void {
                    continue;
                }
                self.contribution.clone()
            } else if is_void {
                continue;
            } else {
                self.contribution_of(standing, head, before)?
            };
            step(&mut fold, self.profile, &contribution)?;
        }
        Ok(fold)
    }

    /// A step that is for the one who opened the object, or for another.
    pub(super) fn check_party(&self, after: &Fold) -> Ruling<(), S> {
        let wanted = self.kind.states().and_then(|states| states.by);
        let is_opener = after.opener == self.record.submitter();
        let fits = match wanted {
            None => true,
            Some(_) if self.record.op() == Op::Void => true,
            Some(Party::Same) => is_opener,
            Some(Party::Other) => !is_opener,
        };
        if fits {
            return Ok(());
        }
        let (expected, got) = match wanted {
            Some(Party::Same) => ("the submitter who opened the object", "another"),
            _ => ("another submitter than the one who opened the object", "the same"),
        };
        let place = RECORD.member("submitter");
        Err(place.refuse(RuleId::ROLE, expected, got, "let the right party submit it").into())
    }

    fn contribution_of(
        &self,
        rev: u32,
        head: &ObjectHead,
        before: Option<&Before>,
    ) -> Ruling<Contribution, S> {
        if rev == head.rev {
            return Ok(before.map(|(_, newest)| newest.clone()).unwrap_or_default());
        }
        Ok(state::contribution_at(&self.state, self.record.object(), rev)?.unwrap_or_default())
    }
}
