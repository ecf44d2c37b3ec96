//! What the reader refuses, each by its limit, and how it walks.

use std::fmt::Write as _;
use std::io::{Cursor, repeat};

use super::*;

const PAIN: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

fn walked(file: impl Read) -> Result<Vec<String>, Broken> {
    let mut walk = Walk::new(file);
    let mut seen = Vec::new();
    while let Some(node) = walk.next()? {
        if let Node::Closed(Content { text, currency }) = node
            && !text.is_empty()
        {
            let currency = currency.map(|it| format!(" {it}")).unwrap_or_default();
            seen.push(format!("{}={text}{currency}", walk.path()));
        }
    }
    walk.document().map(|_| seen)
}

fn message(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"{PAIN}\">\n{inner}\n</Document>\n"
    )
}

fn texts(file: &str) -> Vec<String> {
    walked(file.as_bytes()).unwrap()
}

#[track_caller]
fn refused(file: impl Read) -> Broken {
    walked(file).unwrap_err()
}

#[test]
fn elements_are_walked_with_their_paths_and_currencies() {
    let inner =
        "<A><B Ccy='EUR'> 1.00 </B><C/><D>x<!-- c -->y</D></A><A><B>&lt;&#x26;&amp;</B></A>";
    assert_eq!(texts(&message(inner)), ["A/B=1.00 EUR", "A/D=xy", "A/B=<&&"]);
    let cdata = message("<A><![CDATA[<B>]]></A>");
    assert_eq!(texts(&cdata), ["A=<B>"]);
}

#[test]
fn envelopes_headers_and_other_namespaces_are_passed_over() {
    let file = format!(
        "<e><h xmlns='urn:iso:std:iso:20022:tech:xsd:head.001.001.02'><A>h</A></h>\
         <n:Document xmlns:n='{PAIN}'><n:A>1<x xmlns='other'><n:A>no</n:A></x></n:A><B>no</B>\
         </n:Document><t>no</t></e>"
    );
    assert_eq!(texts(&file), [""; 0]);
    let file = file.replace("<n:A>1<x", "<n:A>1</n:A><n:A><x");
    assert_eq!(texts(&file), ["A=1"]);
}

#[test]
fn document_types_are_refused_and_nothing_expands() {
    // The billion laughs: ten entities of ten each.
    let mut laughs = String::from("<!DOCTYPE Document [\n<!ENTITY lol0 \"lol\">\n");
    for level in 1..10 {
        let ten = format!("&lol{};", level - 1).repeat(10);
        writeln!(laughs, "<!ENTITY lol{level} \"{ten}\">").unwrap();
    }
    laughs.push_str("]>\n");
    let bomb = format!("{laughs}<Document xmlns='{PAIN}'><A>&lol9;</A></Document>");
    assert!(refused(bomb.as_bytes()).words.contains("document type"));

    let stolen = format!(
        "<!DOCTYPE Document [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\
         <Document xmlns='{PAIN}'><A>&x;</A></Document>"
    );
    assert!(refused(stolen.as_bytes()).words.contains("document type"));
    // Without the declaration too: it may have been meant to come from elsewhere.
    let undeclared = message("<A>&lol9;</A>");
    let broken = refused(undeclared.as_bytes());
    assert!(broken.words.contains("entity `lol9`"), "{}", broken.words);
    assert_eq!(broken.line, 3);
}

#[test]
fn depth_is_limited() {
    // Document is one of the levels.
    let nested =
        |levels: usize| message(&format!("{}x{}", "<A>".repeat(levels), "</A>".repeat(levels)));
    assert_eq!(texts(&nested(DEPTH_MAX - 1)).len(), 1);
    assert!(refused(nested(DEPTH_MAX).as_bytes()).words.contains("levels deep"));
}

#[test]
fn the_text_of_an_element_is_limited_in_one_piece_and_in_many() {
    let whole = |len: usize| message(&format!("<A>{}</A>", "x".repeat(len)));
    assert_eq!(texts(&whole(TEXT_BYTES_MAX)).len(), 1);
    assert!(refused(whole(TEXT_BYTES_MAX + 1).as_bytes()).words.contains("bytes of text"));
    let pieces = message(&format!("<A>{}</A>", "&amp;x<!-- -->".repeat(TEXT_BYTES_MAX / 2 + 1)));
    assert!(refused(pieces.as_bytes()).words.contains("bytes of text"));
}

#[test]
fn no_tag_text_or_comment_fills_memory() {
    // A gigabyte that exists nowhere.
    for (start, end) in [("<A>", "</A>"), ("<!--", "-->"), ("<A b=\"", "\"/>"), ("<A", "/>")] {
        let head = format!("<Document xmlns='{PAIN}'>{start}");
        let long = repeat(b'x').take(1 << 30);
        let file = Cursor::new(head).chain(long).chain(Cursor::new(format!("{end}</Document>")));
        let words = refused(file).words;
        assert!(words.contains("more than 1048576 bytes"), "{start}: {words}");
    }
    // What is passed over may be long, up to the same limit.
    let signature = "x".repeat(EVENT_BYTES_MAX - 100);
    let file = message(&format!("<A>1</A><s xmlns='other'>{signature}</s>"));
    assert_eq!(texts(&file), ["A=1"]);
}

#[test]
fn attributes_are_limited() {
    let with = |count: usize| {
        let attributes: Vec<String> = (0..count).map(|number| format!("a{number}='1'")).collect();
        message(&format!("<A {}>1</A>", attributes.join(" ")))
    };
    assert_eq!(texts(&with(ATTRIBUTES_MAX)), ["A=1"]);
    assert!(refused(with(ATTRIBUTES_MAX + 1).as_bytes()).words.contains("attributes"));
    let two = message("<A Ccy='EUR' Ccy='USD'>1</A>");
    assert!(refused(two.as_bytes()).words.contains("two currencies"));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = message("<A><B Ccy='EUR'>1.00</B></A>");
    let end = whole.trim_end().len();
    for len in 0..end {
        assert!(walked(&whole.as_bytes()[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn what_is_no_single_message_in_utf8_is_refused() {
    let second = format!("<e>{0}{0}</e>", format!("<Document xmlns='{PAIN}'/>"));
    assert!(refused(second.as_bytes()).words.contains("second message"));
    for (file, expected) in [
        ("<Document xmlns='urn:other'/>".to_owned(), "no ISO 20022 message"),
        ("plain text".to_owned(), "no ISO 20022 message"),
        (message("<A></B>"), "no XML"),
        (message("<n:A/>"), "of no namespace"),
        (message("<A/B></A/B>"), "name"),
        (message("").replace("UTF-8", "ISO-8859-1"), "UTF-8"),
    ] {
        let words = refused(file.as_bytes()).words;
        assert!(words.contains(expected), "{file}: {words}");
    }
    let latin = message("<A>\u{e9}</A>").into_bytes();
    let latin: Vec<u8> = latin.into_iter().filter(|byte| *byte != 0xc3).collect();
    assert!(walked(latin.as_slice()).is_err());
    let utf16: Vec<u8> = message("<A/>").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(walked(utf16.as_slice()).is_err());
}

#[test]
fn lines_are_those_of_the_file() {
    let file = message("<A>\n1\n</A>\n<B>2</C>");
    assert_eq!(refused(file.as_bytes()).line, 6);
}

#[test]
fn no_change_of_a_byte_makes_it_panic_or_run_on() {
    let whole = message("<A><B Ccy='EUR'>1.00</B><!-- c --><![CDATA[d]]>&amp;</A><x xmlns='o'/>");
    for position in 0..whole.len() {
        for byte in [0, b'<', b'>', b'&', b'"', b'/', b'!', b'[', 0xff] {
            let mut bytes = whole.clone().into_bytes();
            bytes[position] = byte;
            // Refused or read, and at an end either way.
            drop(walked(bytes.as_slice()));
        }
    }
}
