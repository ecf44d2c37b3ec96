//! One step of an object from state to state.

use super::super::case::RECORD;
use crate::profile::Profile;
use crate::refusal::{Refusal, RuleId};
use crate::state::{Contribution, Fold};

/// Takes one standing revision into the fold.
pub(super) fn step(
    fold: &mut Fold,
    profile: &Profile,
    contribution: &Contribution,
) -> Result<(), Refusal> {
    if let Some(states) = profile.kind(&contribution.kind).and_then(|kind| kind.states()) {
        let fits = if states.from.is_empty() {
            fold.standing == 0
        } else {
            states.from.contains(&fold.status)
        };
        if !fits {
            return Err(wrong_state(&contribution.kind, &states.from, &fold.status));
        }
        fold.status.clone_from(&states.to);
    }
    if fold.standing == 0 {
        fold.opener.clone_from(&contribution.submitter);
        fold.opened_as = format!("{}/{}", profile.name(), contribution.kind);
    }
    fold.standing = fold.standing.saturating_add(1);
    fold.facts
        .extend(contribution.facts.iter().map(|(pointer, value)| (pointer.clone(), value.clone())));
    Ok(())
}

fn wrong_state(kind: &str, from: &[String], found: &str) -> Refusal {
    let expected = if from.is_empty() {
        "a new object".to_owned()
    } else {
        format!("an object that is {}", from.join(" or "))
    };
    let got = match found {
        "" => "one that has no state yet".to_owned(),
        found => format!("one that is {found}"),
    };
    RECORD.member("kind").refuse(
        RuleId::STATE,
        format_args!("{expected} for {kind}"),
        got,
        "read the object's revisions; take later steps back first",
    )
}
