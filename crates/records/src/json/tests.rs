use proptest::prelude::*;

use super::*;
use crate::limits::{DEPTH_MAX, KEYS_MAX, STRING_BYTES_MAX};
use crate::refusal::{Refusal, RuleId};

fn read(text: &str) -> Result<Value, Refusal> {
    parse(text.as_bytes(), &Limits::RECORD)
}

fn read_any(text: &str) -> Result<Value, Refusal> {
    parse(text.as_bytes(), &Limits::FOREIGN)
}

fn refused(text: &[u8]) -> (RuleId, String) {
    let refusal = parse(text, &Limits::RECORD).unwrap_err();
    crate::fixture::assert_form(&refusal);
    (refusal.rule, refusal.pointer)
}

#[test]
fn canonical_documents_come_back_byte_for_byte() {
    for text in [
        "{}",
        "0",
        "-1",
        "true",
        "\"\"",
        r#"{"a":1,"b":[true,false,"x"],"c":{"d":{}}}"#,
        r#"{"A":1,"a":2}"#,
        r#""\"\\/é€😀""#,
        "9007199254740991",
        "-9007199254740991",
        r#"{"until":null}"#,
        r#"["\u200d"]"#.replace("\\u200d", "\u{200d}").as_str(),
    ] {
        assert_eq!(to_canonical(&read(text).unwrap()), text.as_bytes(), "{text}");
    }
}

#[test]
fn other_spellings_are_refused_and_never_repaired() {
    let not_canonical = [
        (" {}", ""),
        ("{} ", ""),
        ("{}\n", ""),
        (r#"{"a": 1}"#, "/a"),
        (r#"{"b":1,"a":2}"#, "/a"),
        (r#"{"a":1,"a":1}"#, "/a"),
        (r#"{"x":{"a":1,"a":2}}"#, "/x/a"),
        (r#"{"a":"\u0041"}"#, "/a"),
        (r#"{"a":"\/"}"#, "/a"),
        (r#"{"a":"\u00e9"}"#, "/a"),
        (r#"{"a":1.0}"#, "/a"),
        (r#"{"a":1e2}"#, "/a"),
        (r#"{"a":-0}"#, "/a"),
        (r#"{"a":01}"#, "/a"),
        (r#"{"a":+1}"#, "/a"),
        (r#"{"a":-}"#, "/a"),
        (r#"{"a":.5}"#, "/a"),
        (r#"{"a":9007199254740992}"#, "/a"),
        (r#"{"a":-9007199254740992}"#, "/a"),
        (r#"{"a":123456789012345678901234567890}"#, "/a"),
        (r#"{"a":null}"#, "/a"),
        (r#"{"a":[]}"#, "/a"),
        (r#"{"a":[1,null]}"#, "/a/1"),
        (r#"{"until":[null]}"#, "/until/0"),
        ("[1,]", "/1"),
        ("{\"a\":1,}", ""),
        ("[1 ,2]", "/1"),
        (r#"{"a":"\ud800"}"#, "/a"),
        (r#"{"a":"\udc00\ud800"}"#, "/a"),
        (r#"{"a":"\ud800\u0041"}"#, "/a"),
        (r#"{"a":"\n"}"#, "/a"),
        ("{\"a\":\"\n\"}", "/a"),
        (r#"{"a":"\x"}"#, "/a"),
        (r#"{"a":"\u12g4"}"#, "/a"),
        ("", ""),
        ("{", ""),
        ("[", "/0"),
        (r#"{"a"}"#, "/a"),
        (r#"{"a":}"#, "/a"),
        (r#"{"a":1"#, ""),
        ("\"", ""),
        ("\"\\", ""),
        ("tru", ""),
        ("nul", ""),
        ("NaN", ""),
        ("Infinity", ""),
        ("{}{}", ""),
        ("]", ""),
        ("}", ""),
        ("[1}", "/1"),
        ("{\"a\":1]", ""),
        ("'a'", ""),
        ("{a:1}", ""),
        ("//", ""),
    ];
    for (text, pointer) in not_canonical {
        assert_eq!(refused(text.as_bytes()), (RuleId::NOT_CANONICAL, pointer.to_owned()), "{text}");
    }
}

#[test]
fn bytes_that_are_no_plain_utf8_are_refused() {
    for bytes in [
        &b"\xef\xbb\xbf{}"[..],
        b"\"\xff\"",
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf5\x80\x80\x80\"",
        b"\xff\xfe{\0}\0",
        b"\"\xe2\x82\"",
    ] {
        assert_eq!(refused(bytes).0, RuleId::NOT_CANONICAL);
    }
}

#[test]
fn every_listed_code_point_is_refused_and_its_neighbours_are_not() {
    let listed = [
        0x7f,
        0x80,
        0x85,
        0x9f,
        0x2028,
        0x2029,
        0x61c,
        0x200e,
        0x200f,
        0x202a,
        0x202e,
        0x2066,
        0x2069,
        0xfeff,
        0xfff9,
        0xfffb,
        0xe0000,
        0xe0041,
        0xe007f,
        0xfdd0,
        0xfdef,
        0xfffe,
        0xffff,
        0x1fffe,
        0x0010_ffff,
    ];
    for code in (0..0x20).chain(listed) {
        let c = char::from_u32(code).unwrap();
        assert!(is_refused_char(c));
        assert_eq!(
            refused(format!("[\"a{c}\"]").as_bytes()),
            (RuleId::NOT_CANONICAL, "/0".into()),
            "{code:x}"
        );
        if code < 0x10000 {
            assert!(read_any(&format!("[\"\\u{code:04x}\"]")).is_err(), "{code:x} escaped");
        }
    }
    for code in [
        0x20,
        0x7e,
        0xa0,
        0x61b,
        0x200c,
        0x200d,
        0x2027,
        0x202f,
        0x2065,
        0xfffd,
        0xe000,
        0x0010_fffd,
    ] {
        assert!(read(&format!("[\"{}\"]", char::from_u32(code).unwrap())).is_ok(), "{code:x}");
    }
}

#[test]
fn no_unicode_normalisation_is_applied() {
    let (composed, decomposed) = (read("\"é\"").unwrap(), read("\"e\u{301}\"").unwrap());
    assert_ne!(composed, decomposed);
    assert_ne!(to_canonical(&composed), to_canonical(&decomposed));
}

#[test]
fn limits_hold_at_their_edge() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(DEPTH_MAX - 1)).is_ok());
    assert_eq!(refused(nested(DEPTH_MAX).as_bytes()).0, RuleId::TOO_LARGE);
    assert!(parse(nested(DEPTH_MAX).as_bytes(), &Limits::SUBMISSION).is_ok());
    assert_eq!(refused("[".repeat(30_000).as_bytes()).0, RuleId::TOO_LARGE);
    assert_eq!(refused("{\"a\":".repeat(5_000).as_bytes()).0, RuleId::TOO_LARGE);

    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    assert!(read(&text(STRING_BYTES_MAX)).is_ok());
    assert_eq!(refused(text(STRING_BYTES_MAX + 1).as_bytes()).0, RuleId::TOO_LARGE);
    let escaped = format!("\"{}\\\"\"", "x".repeat(STRING_BYTES_MAX));
    assert_eq!(refused(escaped.as_bytes()).0, RuleId::TOO_LARGE);
    assert!(read(&format!("\"{}\"", "é".repeat(STRING_BYTES_MAX / 2))).is_ok());
    assert_eq!(
        refused(format!("\"{}\"", "é".repeat(STRING_BYTES_MAX / 2 + 1)).as_bytes()).0,
        RuleId::TOO_LARGE
    );

    let object = |keys: usize| {
        let members: Vec<String> = (0..keys).map(|n| format!("\"k{n:03}\":1")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(read(&object(KEYS_MAX)).is_ok());
    assert_eq!(refused(object(KEYS_MAX + 1).as_bytes()).0, RuleId::TOO_LARGE);

    let padded = format!("[{}]", vec![text(8000); 5].join(","));
    assert_eq!(refused(padded.as_bytes()).0, RuleId::TOO_LARGE);
}

#[test]
fn member_names_are_plain_ascii_words() {
    for name in ["", "1a", "a-b", "a b", "é", "a.b", "__proto__", "a/b", "~", &"a".repeat(65)] {
        assert_eq!(refused(format!("{{\"{name}\":1}}").as_bytes()).0, RuleId::GRAMMAR, "{name}");
    }
    assert!(read(&format!("{{\"{}\":1}}", "a".repeat(64))).is_ok());
}

#[test]
fn any_form_is_free_in_writing_and_strict_in_values() {
    let value =
        read_any(" {\"b\" : [ 1 , \"\\u00e9\\ud83d\\ude00\\/\" ] ,\r\n\t\"a\":true} ").unwrap();
    assert_eq!(to_canonical(&value), "{\"a\":true,\"b\":[1,\"é😀/\"]}".as_bytes());
    for text in [
        r#"{"b":1,"a":1,"b":2}"#,
        "[1.0]",
        "[-0]",
        "[]",
        "{\"a\":null}",
        r#"["\ud800"]"#,
        r#"["\udbff\ud800"]"#,
        r#"["\ud83dx"]"#,
        r#"["\ud83d"#,
    ] {
        assert!(read_any(text).is_err(), "{text}");
    }
}

#[test]
fn empty_lists_are_allowed_where_the_limits_name_them() {
    assert!(parse(br#"{"flags":[]}"#, &Limits::ENTRY).is_ok());
    assert!(parse(br#"{"a":{"flags":[]}}"#, &Limits::ENTRY).is_err());
    assert!(parse(br#"{"signatures":[]}"#, &Limits::ENTRY).is_err());
    assert!(parse(br#"{"signatures":[]}"#, &Limits::DRAFT).is_ok());
}

#[test]
fn span_is_the_bytes_of_the_outermost_member() {
    let text = br#"{"a":{"record":1},"record":{"x":[1,2]},"z":1}"#;
    let document = parse_document(text, &Limits::RECORD, "record").unwrap();
    assert_eq!(&text[document.span.unwrap()], br#"{"x":[1,2]}"#);
}

/// RFC 8785 §3.2.3: the order of the sample is by UTF-16 units, which is not that of UTF-8.
#[test]
fn writes_the_sorting_sample_of_rfc_8785() {
    let names = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
    let value = Value::map(names.map(|name| (name, 1_i64)));
    let expected = "{\"\\r\":1,\"1\":1,\"\u{80}\":1,\"\u{f6}\":1,\"\u{20ac}\":1,\"\u{1f600}\":1,\"\u{fb33}\":1}";
    assert_eq!(String::from_utf8(to_canonical(&value)).unwrap(), expected);
}

/// RFC 8785 §3.2.2: the strings and literals of the sample; its floats and `null` have no place here.
#[test]
fn writes_the_string_sample_of_rfc_8785() {
    let value = Value::map([
        ("string", Value::from("\u{20ac}$\u{f}\nA'B\"\\\\\"/")),
        ("literals", Value::list([true, false])),
    ]);
    let expected =
        "{\"literals\":[true,false],\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    assert_eq!(String::from_utf8(to_canonical(&value)).unwrap(), expected);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::Int),
        any::<String>().prop_map(|text| {
            Value::Text(text.chars().filter(|c| !is_refused_char(*c)).collect())
        }),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..5).prop_map(Value::List),
            prop::collection::btree_map("[A-Za-z][A-Za-z0-9_]{0,9}", inner, 0..5)
                .prop_map(Value::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn canonical_bytes_read_back_as_the_same_value(value in value()) {
        let bytes = to_canonical(&value);
        prop_assert_eq!(parse(&bytes, &Limits::RECORD).unwrap(), value.clone());
        // Another implementation reads the same document.
        let other: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let pretty = serde_json::to_string_pretty(&other).unwrap();
        prop_assert_eq!(to_canonical(&parse(pretty.as_bytes(), &Limits { bytes_max: 1 << 20, ..Limits::FOREIGN }).unwrap()), bytes);
    }

    #[test]
    fn whatever_is_accepted_is_its_own_canonical_form(bytes in prop::collection::vec(prop::sample::select(&b"{}[]\",:01-9atruefalsn\\u \xc3\xa9"[..]), 0..24)) {
        if let Ok(value) = parse(&bytes, &Limits::RECORD) {
            prop_assert_eq!(to_canonical(&value), bytes);
        }
    }

    #[test]
    fn changing_one_byte_is_refused_or_read_as_another_value(value in value(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = to_canonical(&value);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(other) = parse(&bytes, &Limits::RECORD) {
            prop_assert_ne!(other, value);
        }
    }
}
