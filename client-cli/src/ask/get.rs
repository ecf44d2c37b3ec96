//! `civiclog get` and `civiclog log`: what the log serves, shown as it is, not verified.

mod history;

use records::Disclosure;
use serde_json::{Value, json};
use tlog::LeafIndex;
use tlog_client::{HttpSettings, LogClient};

use crate::args::{AtLog, Get};
use crate::exit::{Exit, Failure, Outcome};
use crate::screen::Screen;

/// Shows an entry or an object, with what is disclosed of it opened.
pub(crate) async fn run(args: &Get, http: &HttpSettings, screen: &mut Screen) -> Outcome {
    // An object has a slash in it, so what is all digits is an index.
    let client = LogClient::new(&args.at.log, http)?;
    let mut shown = if args.what.bytes().all(|byte| byte.is_ascii_digit()) {
        let index: LeafIndex = args
            .what
            .parse()
            .map_err(|_| Failure::usage(format!("{} is not an index", args.what)))?;
        client.record(index).await?
    } else if records::name::is_object(&args.what) {
        client.object(&args.what).await?.ok_or_else(|| {
            Failure::new(Exit::NotVerified, format!("the log says it has no object {}", args.what))
        })?
    } else {
        return Err(Failure::usage(format!(
            "`{}` is neither an index nor an object such as GB-LAE-DEV/payment/4711",
            args.what
        )));
    };
    open_all(&mut shown);
    screen.print_json(&shown);
    if !screen.is_json() {
        // On standard error, so that what is piped on stays one JSON document.
        if let Some(words) = history::words(&shown) {
            screen.note(words);
        }
        screen.note("Shown as the log serves it, not verified. To be sure: civiclog prove, verify");
    }
    Ok(Exit::Done)
}

/// Shows what a log says about itself.
pub(crate) async fn log(args: &AtLog, http: &HttpSettings, screen: &mut Screen) -> Outcome {
    let client = LogClient::new(&args.log, http)?;
    let info = client.info().await?;
    screen.report(&info);
    let mut lines = vec![format!("{} at {}", info.origin, client.url())];
    if let Some(published) = &info.published {
        lines.push(format!("  published: {} entries, root {}", published.size, published.root));
    }
    lines.push(format!("  witnesses: {}", info.policy_words));
    if let (Some(liars), Some(down)) = (info.liars_for_split_view, info.witnesses_down_tolerated) {
        lines.push(format!(
            "             {liars} of them must lie before two people can be shown different logs; \
             {down} may be down"
        ));
    }
    lines.extend(info.vkeys.iter().map(|vkey| format!("  key:       {vkey}")));
    lines.push("  policy file, as the log names it:".to_owned());
    lines.extend(info.policy.iter().map(|line| format!("    {line}")));
    screen.say(lines.join("\n"));
    if !screen.is_json() {
        screen.note("These are the log's own words. Compare its keys with another source.");
    }
    Ok(Exit::Done)
}

/// Adds `opened` beside each `disclosures`: name and value of what the log shows. The values are
/// the submitter's words; whether they fit the record is for `verify` and the digests to say.
fn open_all(shown: &mut Value) {
    open(shown);
    let revisions = shown.get_mut("revisions").and_then(Value::as_array_mut);
    revisions.into_iter().flatten().for_each(open);
}

fn open(holder: &mut Value) {
    let Some(texts) = holder.get("disclosures").and_then(Value::as_array) else { return };
    let record = &holder["entry"]["record"];
    let sealed = record["sealed"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut opened = serde_json::Map::new();
    for disclosure in texts.iter().filter_map(|text| Disclosure::parse(text.as_str()?).ok()) {
        let digest = disclosure.digest().to_string();
        let field = sealed.iter().find(|field| field["digest"] == digest.as_str());
        let path = field.and_then(|field| field["path"].as_str());
        let value = records::to_canonical(disclosure.value());
        let value = serde_json::from_slice(&value).unwrap_or_default();
        match path {
            Some(path) => opened.insert(path.to_owned(), value),
            None => opened.insert("fits no digest".to_owned(), json!(disclosure.name())),
        };
    }
    if !opened.is_empty() {
        holder["opened"] = Value::Object(opened);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disclosures_are_opened_where_their_digest_stands() {
        let disclosure = Disclosure::new([1; 16], "name", "Ann & Co".into());
        let other = Disclosure::new([2; 16], "name", "Bob".into());
        let digest = disclosure.digest().to_string();
        let sealed = json!([{"path": "/data/payee/name", "digest": digest, "held": "log"}]);
        let mut shown = json!({
            "entry": {"record": {"sealed": sealed}},
            "disclosures": [disclosure.text(), other.text(), "!", 3],
        });
        open_all(&mut shown);
        assert_eq!(shown["opened"]["/data/payee/name"], "Ann & Co");
        assert_eq!(shown["opened"]["fits no digest"], "name");
    }
}
