//! `add-log`: one more log, or those of a list, at the end of the configuration file.
//!
//! Logs are only ever added. A list that names another key for a log that is configured changes
//! nothing: whoever could write the list could else speak for the log.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use tlog::{ListedLog, Origin, VerifierKey, parse_log_list};

use crate::config::{Config, refuse_key_of_no_log};

/// Adds a log, or a further key of one, and returns what was done in words.
///
/// # Errors
/// When the configuration would not be accepted; it is left as it is then.
pub fn add_key(
    config: &Path,
    vkey: &VerifierKey,
    origin: Option<&Origin>,
    requests_per_day: Option<u32>,
) -> anyhow::Result<String> {
    append(config, &block(vkey, origin, requests_per_day, ""))?;
    Ok(format!("added {vkey}; restart the witness"))
}

/// Adds the logs of a list whose origin is new, and returns what was done in words, a line for each.
///
/// # Errors
/// When list or configuration cannot be used; then nothing was added.
pub fn add_list(config: &Path, list: &Path) -> anyhow::Result<String> {
    let reading = || format!("reading the log list {}", list.display());
    let text = fs::read_to_string(list).with_context(reading)?;
    let listed = parse_log_list(&text).with_context(reading)?;
    let known = Config::load(config)?.logs;
    let (mut blocks, mut words) = (String::new(), String::new());
    for ListedLog { key, origin, requests_per_day, contact } in &listed {
        let done = match known.get(origin) {
            Some(log) if log.keys.contains(key) => "is watched already",
            Some(_) => "is watched already, UNDER ANOTHER KEY: left as it is",
            None if refuse_key_of_no_log(key).is_err() => {
                "has a key of a type not used here: left out"
            }
            None => {
                blocks.push_str(&block(key, Some(origin), Some(*requests_per_day), contact));
                "added"
            }
        };
        writeln!(words, "{origin} {done}").context("writing words")?;
    }
    append(config, &blocks)?;
    words.push_str("restart the witness if anything was added");
    Ok(words)
}

fn block(
    vkey: &VerifierKey,
    origin: Option<&Origin>,
    requests_per_day: Option<u32>,
    contact: &str,
) -> String {
    // Keys, names and origins hold no line feed; quotes and backslashes are escaped as JSON does.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut lines = vec![String::new(), "[[logs]]".to_owned()];
    if !contact.is_empty() {
        lines.push(format!("# contact: {}", contact.replace(char::is_control, " ")));
    }
    lines.push(format!("vkey = {}", quoted(&vkey.to_string())));
    lines.extend(origin.map(|origin| format!("origin = {}", quoted(origin.as_str()))));
    lines.extend(requests_per_day.map(|requests| format!("requests_per_day = {requests}")));
    lines.join("\n") + "\n"
}

/// Puts blocks at the end, if the whole is then a configuration; else nothing is changed.
fn append(config: &Path, blocks: &str) -> anyhow::Result<()> {
    let shown = config.display();
    let before = fs::read_to_string(config).with_context(|| format!("reading {shown}"))?;
    let line_feed = if before.ends_with('\n') { "" } else { "\n" };
    let after = format!("{before}{line_feed}{blocks}");
    Config::parse(config, &after).context("nothing was changed")?;
    files::replace(config, after.as_bytes(), files::Access::Everyone)
        .with_context(|| format!("writing {shown}"))?;
    ensure!(fs::read_to_string(config)? == after, "{shown} was changed by somebody else meanwhile");
    Ok(())
}

#[cfg(test)]
mod tests;
