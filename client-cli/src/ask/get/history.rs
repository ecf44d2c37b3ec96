//! The life of an object in words: what holds now, and every earlier state with when, by whom and
//! why.

use serde_json::Value;

/// The lines for an object's answer; `None` if that has no revisions to tell of.
pub(super) fn words(shown: &Value) -> Option<String> {
    let revisions = shown["revisions"].as_array().filter(|revisions| !revisions.is_empty())?;
    let object = shown["object"].as_str().unwrap_or_default();
    let mut lines = vec![format!("{object}: {}", now(shown))];
    lines.extend(revisions.iter().map(step));
    lines
        .push("Only what holds now counts in a total; the lines above it are its past.".to_owned());
    Some(lines.join("\n"))
}

fn now(shown: &Value) -> String {
    match &shown["current"] {
        Value::Null => "taken back, nothing of it holds".to_owned(),
        current => format!("revision {} holds now", current["as_of_rev"]),
    }
}

fn step(revision: &Value) -> String {
    let entry = &revision["entry"];
    let record = &entry["record"];
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let of = &record["of"];
    let what = match record["op"].as_str() {
        Some("add") => "added".to_owned(),
        Some("next") => format!("went on with {}", text(&record["kind"])),
        Some("correct") => format!("corrected revision {of}"),
        Some("void") => format!("took revision {of} back"),
        _ => "?".to_owned(),
    };
    let why = record["why"].as_str().map(|why| format!(", because {why}")).unwrap_or_default();
    format!(
        "  revision {}: {} {what}{why}, admitted {} as entry {}{}",
        record["rev"],
        text(&record["submitter"]),
        text(&entry["admitted"]),
        revision["index"],
        money(&record["data"]).map(|money| format!(": {money}")).unwrap_or_default(),
    )
}

/// The first amount of money in the data, whatever its kind calls it.
fn money(data: &Value) -> Option<String> {
    data.as_object()?.values().find_map(|member| {
        Some(format!("{} {}", member["currency"].as_str()?, member["value"].as_str()?))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_state_is_told_with_when_by_whom_and_why() {
        let revision = |record: Value, index: u64| json!({"index": index, "entry": {"admitted": "2026-01-02T03:04:05.006Z", "record": record}});
        let mut shown = json!({
            "object": "XX-A-B/payment/1",
            "current": {"rev": 0, "as_of_rev": 1},
            "revisions": [
                revision(json!({"rev": 0, "op": "add", "submitter": "XX-A-B",
                    "data": {"amount": {"currency": "GBP", "value": "5.00"}}}), 7),
                revision(json!({"rev": 1, "op": "correct", "of": 0, "why": "cor-pub",
                    "submitter": "XX-A-B",
                    "data": {"amount": {"currency": "GBP", "value": "6.00"}}}), 9),
            ],
        });
        let told = words(&shown).unwrap();
        assert!(told.starts_with("XX-A-B/payment/1: revision 1 holds now\n"), "{told}");
        let first =
            "revision 0: XX-A-B added, admitted 2026-01-02T03:04:05.006Z as entry 7: GBP 5.00";
        assert!(told.contains(first), "{told}");
        assert!(told.contains("corrected revision 0, because cor-pub, admitted"), "{told}");
        shown["current"] = Value::Null;
        assert!(words(&shown).unwrap().contains("taken back"));
        assert_eq!(words(&json!({"index": 3})), None);
    }
}
