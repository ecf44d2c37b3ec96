use super::*;
use crate::admit::{Verdict, admit};
use crate::fixture::{
    ADMITTED_MS, BODY, ORIGIN, genesis_data, governance, key, key_add, key_revoke, payment,
    registry, signed, submitter_add, treasury,
};
use crate::json::Value;
use crate::jwk::Algorithm;
use crate::jws::P256Verify;
use crate::signing::SigningKey;
use crate::submission::Submission;
use crate::{RecordDraft, entry};

const AGENT: &str = "UA-EDR-1";
const LATER: &str = "UA-EDR-2";
const DAY_MS: u64 = 86_400_000;

fn ed25519(number: u8) -> SigningKey {
    key(Algorithm::Ed25519, number)
}

fn genesis() -> RecordDraft {
    registry("genesis", "log/genesis", genesis_data())
}

fn delegate(body: &str, profiles: &[&str]) -> RecordDraft {
    let mut data =
        vec![("body", Value::from(body)), ("submitter", BODY.into()), ("to", AGENT.into())];
    if !profiles.is_empty() {
        data.push(("profiles", Value::list(profiles.iter().copied())));
    }
    let object = format!("log/delegate/{BODY}/{AGENT}/{body}");
    registry("submitter.delegate", &object, Value::map(data))
}

fn rotate(new: &SigningKey) -> RecordDraft {
    let data = Value::map([
        ("keys", Value::list([new.public().to_jwk()])),
        ("next", Value::list([ed25519(98).public().kid().as_str()])),
        ("threshold", Value::Int(1)),
    ]);
    registry("governance.rotate", &format!("log/governance/{}", new.public().kid()), data)
}

/// A log in which keys came to count in every way there is. Entries 4, 6, 11 and 12 are payments.
fn history() -> Vec<Entry> {
    let [second, recovered, agent, late, next] = [7, 40, 31, 41, 99].map(ed25519);
    let (governance, treasury) = (governance(), treasury());
    let rows: [(RecordDraft, &[&SigningKey]); 13] = [
        (genesis(), &[&governance]),
        (submitter_add(BODY, BODY, &treasury), &[&governance, &treasury]),
        (submitter_add(AGENT, AGENT, &agent), &[&governance, &agent]),
        (key_add(BODY, &second), &[&treasury, &second]),
        (payment(1), &[&second]),
        (delegate(BODY, &["spending/1"]), &[&treasury]),
        (payment(2).submitter(AGENT), &[&agent]),
        (key_add(BODY, &recovered), &[&governance, &recovered]),
        (key_revoke(&treasury), &[&second]),
        (rotate(&next), &[&next]),
        (submitter_add(LATER, BODY, &late), &[&next, &late]),
        (payment(3), &[&recovered]),
        (payment(4).submitter(LATER), &[&late]),
    ];
    let (mut state, mut entries) = (BTreeMap::new(), Vec::new());
    for (draft, keys) in rows {
        let index = EntryIndex::new(entries.len().try_into().unwrap());
        let record = draft.build().unwrap();
        let sub = Submission::parse(&signed(&record, keys, &[]), ORIGIN).unwrap();
        let sub = CheckedSubmission::unchecked(sub);
        let admitted_ms = ADMITTED_MS + index.get() * 2 * DAY_MS;
        match admit(&state, index, admitted_ms, &sub, &P256Verify).unwrap() {
            Verdict::Accepted(admitted) => {
                entries.push(Entry::parse(&admitted.entry).unwrap());
                state.extend(admitted.changes);
            }
            verdict => panic!("{index}: {verdict:?}"),
        }
    }
    entries
}

/// An entry that a log appended against its rules.
fn forged(draft: &RecordDraft, keys: &[&SigningKey]) -> Entry {
    let record = draft.clone().build().unwrap();
    let sub = Submission::parse(&signed(&record, keys, &[]), ORIGIN).unwrap();
    let admitted_ms = ADMITTED_MS + 2 * DAY_MS;
    Entry::parse(&entry::encode(admitted_ms, &[], &record, sub.signatures())).unwrap()
}

type Judged = (EntryIndex, Result<Vec<ExcerptSigner>, Refusal>);

/// Judges these entries up to the first that is refused.
fn judge(entries: &[(u64, &Entry)]) -> (Excerpt, Vec<Judged>) {
    let entries = entries.iter().map(|(index, entry)| (EntryIndex::new(*index), *entry));
    let mut excerpt = Excerpt::new(entries.clone());
    let mut judged = Vec::new();
    for (index, entry) in entries {
        let signers = excerpt.judge(index, entry, &P256Verify);
        let is_refused = signers.is_err();
        judged.push((index, signers));
        if is_refused {
            break;
        }
    }
    (excerpt, judged)
}

#[test]
fn a_payment_is_accounted_for_when_all_that_it_rests_on_is_there_and_nothing_honest_is_refused() {
    let history = history();
    let rests_on: [(u64, &[u64]); 4] =
        [(4, &[0, 1, 3]), (6, &[0, 1, 2, 5]), (11, &[0, 1, 7]), (12, &[0, 9, 10])];
    let count = u64::try_from(history.len()).unwrap();
    for (a, b, c) in (0..=count)
        .flat_map(|a| (a..=count).map(move |b| (a, b)))
        .flat_map(|(a, b)| (b..=count).map(move |c| (a, b, c)))
    {
        let kept: Vec<(u64, &Entry)> =
            (0..).zip(&history).filter(|(index, _)| ![a, b, c].contains(index)).collect();
        for (index, signers) in judge(&kept).1 {
            let signers = signers.unwrap_or_else(|refusal| panic!("{index}: {refusal}"));
            let Some((_, behind)) = rests_on.iter().find(|(payment, _)| *payment == index.get())
            else {
                continue;
            };
            let is_whole = behind.iter().all(|index| ![a, b, c].contains(index));
            let missing = &signers[0].missing;
            assert_eq!(missing.is_none(), is_whole, "{index} without {a}, {b}, {c}: {missing:?}");
        }
    }
}

#[test]
fn what_is_missing_is_the_first_thing_between_the_signature_and_entry_0() {
    let history = history();
    let [first, second] = [treasury(), ed25519(7)].map(|key| key.public().kid().clone());
    let lender = Row::Delegation { submitter: AGENT.into(), body: BODY.into() };
    for (kept, expected) in [
        (&[1, 3, 4][..], (3, Row::Genesis)),
        (&[0, 3, 4], (3, Row::Key(first.clone()))),
        (&[0, 1, 4], (4, Row::Key(second.clone()))),
        (&[4], (4, Row::Key(second))),
        (&[0, 1, 2, 6], (6, lender)),
        (&[0, 7, 11], (7, Row::Submitter(BODY.to_owned()))),
        (&[0, 9, 12], (12, Row::Key(ed25519(41).public().kid().clone()))),
        (&[0, 10, 12], (10, Row::Key(ed25519(99).public().kid().clone()))),
    ] {
        let entries: Vec<(u64, &Entry)> =
            kept.iter().map(|index| (*index, &history[usize::try_from(*index).unwrap()])).collect();
        let (_, judged) = judge(&entries);
        let missing = judged.last().unwrap().1.as_ref().unwrap()[0].missing.clone().unwrap();
        assert_eq!((missing.index.get(), missing.row), expected, "{kept:?}");
    }
}

#[test]
fn a_signer_is_told_with_his_key_and_what_became_of_it() {
    let history = history();
    let all: Vec<(u64, &Entry)> = (0..).zip(&history).collect();
    let (excerpt, judged) = judge(&all);
    let signers = judged[4].1.as_ref().unwrap();
    let key = signers[0].key.as_ref().unwrap();
    assert_eq!((key.added.get(), key.submitter.as_str()), (3, BODY));
    let first = state::key(excerpt.state(), treasury().public().kid()).unwrap().unwrap();
    assert_eq!(first.revoked.unwrap().get(), 8);
    let recovered = judged[11].1.as_ref().unwrap()[0].key.clone().unwrap();
    assert_eq!(recovered.counts_from_ms, ADMITTED_MS + 21 * DAY_MS);
}

#[test]
fn what_no_further_entry_could_make_right_is_refused() {
    let history = history();
    let (founding, treasurer, agent) = (&history[0], &history[1], &history[2]);
    let (new, thief) = (ed25519(60), ed25519(61));
    let (first, governance) = (treasury(), governance());
    let late = key_add(BODY, &ed25519(7));
    let cases: [(&str, RecordDraft, &[&SigningKey], RuleId); 11] = [
        ("alone", key_add(BODY, &new), &[&new], RuleId::KEY_NOT_ALLOWED),
        ("not itself", key_add(BODY, &new), &[&first], RuleId::KEY_NOT_ALLOWED),
        ("of another", key_add(BODY, &new), &[&new, &ed25519(31)], RuleId::KEY_NOT_ALLOWED),
        ("by a later key", key_add(BODY, &new), &[&new, &ed25519(7)], RuleId::KEY_NOT_ALLOWED),
        ("no governance", submitter_add(LATER, BODY, &new), &[&new], RuleId::KEY_NOT_ALLOWED),
        ("again", submitter_add(LATER, BODY, &first), &[&governance, &first], RuleId::REGISTRY),
        ("foreign", delegate("GB-LAE-SUB", &["spending/1"]), &[&first], RuleId::REGISTRY),
        ("by itself", delegate(BODY, &["spending/1"]), &[&ed25519(31)], RuleId::KEY_NOT_ALLOWED),
        ("unsigned", rotate(&new), &[&thief], RuleId::KEY_NOT_ALLOWED),
        ("for another", payment(1).submitter(LATER), &[&first], RuleId::KEY_NOT_ALLOWED),
        ("too early", payment(1), &[&new], RuleId::KEY_NOT_COUNTING),
    ];
    for (name, draft, keys, rule) in cases {
        let wrong = forged(&draft, keys);
        let late = forged(&late, &[&first, &ed25519(7)]);
        let recovery = forged(&key_add(BODY, &new), &[&governance, &new]);
        let mut entries = vec![(0, founding), (1, treasurer), (2, agent)];
        if name == "too early" {
            entries.push((3, &recovery));
        }
        entries.extend([(4, &wrong), (5, &late)]);
        let (index, judged) = judge(&entries).1.pop().unwrap();
        assert_eq!(index.get(), 4, "{name}");
        assert_eq!(judged.unwrap_err().rule, rule, "{name}");
    }
}

#[test]
fn governance_to_which_nobody_committed_is_doubtful_and_ends_the_old() {
    let history = history();
    let (thief, own) = (ed25519(61), ed25519(62));
    let rotated = forged(&rotate(&thief), &[&thief]);
    for (governs, is_refused) in [(&thief, false), (&governance(), true)] {
        let added = forged(&submitter_add(LATER, BODY, &own), &[governs, &own]);
        let (_, mut judged) = judge(&[(0, &history[0]), (3, &rotated), (4, &added)]);
        let last = judged.pop().unwrap().1;
        assert_eq!(last.is_err(), is_refused);
        let Ok(signers) = last else { continue };
        assert!(signers.iter().all(|signer| {
            signer.missing == Some(Missing { index: EntryIndex::new(3), row: Row::Governance })
        }));
    }
}

#[test]
fn what_became_of_a_registration_later_does_not_make_it_doubtful() {
    let history = history();
    // Revoked by a key that is not in the excerpt.
    let revoked = forged(&key_revoke(&treasury()), &[&ed25519(7)]);
    let paid = forged(&payment(1), &[&treasury()]);
    let entries = [(0, &history[0]), (1, &history[1]), (2, &paid), (3, &revoked)];
    let (excerpt, judged) = judge(&entries);
    assert_eq!(judged[2].1.as_ref().unwrap()[0].missing, None);
    let key = state::key(excerpt.state(), treasury().public().kid()).unwrap().unwrap();
    assert_eq!(key.revoked, Some(EntryIndex::new(3)));
    let after = forged(&payment(2), &[&treasury()]);
    let (_, mut judged) = judge(&[&entries[..], &[(4, &after)]].concat());
    assert_eq!(judged.pop().unwrap().1.unwrap_err().rule, RuleId::KEY_NOT_COUNTING);
}
