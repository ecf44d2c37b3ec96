//! What a person sees. Text from files and servers never reaches a terminal as it came.

use std::fmt::Write as _;
use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Standard output for results, standard error for what happens meanwhile.
pub struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    is_terminal: bool,
    is_json: bool,
}

impl Screen {
    /// A screen over two streams. `is_terminal`: whether `err` is one (progress bars are drawn).
    pub fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        is_terminal: bool,
        is_json: bool,
    ) -> Self {
        Self { out, err, is_terminal, is_json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Prints lines of a result for people; nothing with `--json`.
    pub(crate) fn say(&mut self, text: impl AsRef<str>) {
        if self.is_json {
            return;
        }
        for line in text.as_ref().split('\n') {
            write_line(&mut self.out, &clean(line));
        }
    }

    /// Prints the one JSON document of a result; nothing without `--json`.
    pub(crate) fn report(&mut self, document: &impl Serialize) {
        if self.is_json {
            self.print_json(document);
        }
    }

    /// Prints a JSON document, indented, whatever the mode.
    pub(crate) fn print_json(&mut self, document: &impl Serialize) {
        let text = serde_json::to_string_pretty(document)
            .expect("a document of strings, numbers and maps with text keys always serialises");
        for line in text.split('\n') {
            write_line(&mut self.out, &clean(line));
        }
    }

    /// Prints lines to standard error: what a person should know, not part of the result.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        for line in text.as_ref().split('\n') {
            write_line(&mut self.err, &clean(line));
        }
    }

    /// A progress bar on standard error; silent if that is not a terminal.
    pub(crate) fn progress(&self, what: &str, total: usize) -> ProgressBar {
        if !self.is_terminal {
            return ProgressBar::hidden();
        }
        let total = u64::try_from(total).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg:22} [{bar:30}] {human_pos}/{human_len}");
        bar.set_style(style.expect("the template is a constant").progress_chars("=> "));
        bar.with_message(what.to_owned())
    }
}

/// A closed pipe (`civiclog … | head`) ends the printing, never the work: what is left to do
/// may be half a submission. So a failed write is dropped here.
fn write_line(stream: &mut impl Write, line: &str) {
    drop(stream.write_all(format!("{line}\n").as_bytes()).and_then(|()| stream.flush()));
}

/// Makes untrusted text harmless on a terminal: control characters (escape sequences with them),
/// bidirectional overrides and invisible characters become `\uXXXX`, which is also how JSON
/// writes them.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(cleaned, "\\u{unit:04x}").expect("writing to a String cannot fail");
            }
            continue;
        }
        cleaned.push(c);
    }
    cleaned
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_bidi_overrides_are_made_visible() {
        assert_eq!(clean("\u{1b}[2Jpaid \u{202e}001"), "\\u001b[2Jpaid \\u202e001");
        assert_eq!(clean("a\r\nb\u{9b}"), "a\\u000d\\u000ab\\u009b");
        assert_eq!(clean("\u{e0001}"), "\\udb40\\udc01");
    }

    #[test]
    fn ordinary_text_of_any_script_is_untouched() {
        for text in ["Zmluva č. 7 – 12 €", "платіж", "دفع", "支払い"] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn cleaned_json_is_still_the_same_json() {
        let value = serde_json::json!({"name": "x\u{202e}y"});
        let cleaned = clean(&value.to_string());
        assert!(!cleaned.contains('\u{202e}'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&cleaned).unwrap(), value);
    }

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        }
        let mut screen = Screen::new(Box::new(Closed), Box::new(Closed), false, false);
        screen.say("one\ntwo");
        screen.note("three");
    }
}
