use proptest::prelude::*;

use super::*;

fn refused(text: &str, currency: &str) -> Refusal {
    let refusal = Money::parse(text, currency).unwrap_err();
    crate::fixture::assert_form(&refusal);
    assert_eq!(refusal.rule, RuleId::MONEY);
    refusal
}

#[test]
fn accepts_plain_decimals_within_the_minor_units() {
    for (text, currency, units) in [
        ("3605.68", "GBP", 360_568),
        ("-3605.68", "GBP", -360_568),
        ("0", "GBP", 0),
        ("0.00", "GBP", 0),
        ("0.5", "EUR", 50),
        ("-0.01", "EUR", -1),
        ("1250", "JPY", 1250),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12_345),
        ("7", "UYW", 70_000),
        ("10.00", "USD", 1000),
    ] {
        let money = Money::parse(text, currency).unwrap();
        assert_eq!(
            (money.value(), money.currency(), money.in_minor_units()),
            (text, currency, units)
        );
    }
    let most = format!("-{}.99", "9".repeat(24));
    assert_eq!(Money::parse(&most, "GBP").unwrap().in_minor_units(), -(10_i128.pow(26) - 1));
}

#[test]
fn refuses_every_other_spelling() {
    for text in [
        "",
        "-",
        ".",
        "1.",
        ".5",
        "-.5",
        "+1",
        "1e2",
        "1E2",
        "1,000",
        "1 000",
        " 1",
        "1 ",
        "01",
        "00",
        "-01",
        "00.10",
        "-0",
        "-0.0",
        "-0.00",
        "--1",
        "1.2.3",
        "0x10",
        "NaN",
        "inf",
        "1_000",
        "١٢",
        "１",
        "1.5\u{0}",
        "\u{2212}1",
        "$1",
        "1GBP",
        "430.69000000000005",
        "12.345",
        "1.000",
    ] {
        assert_eq!(refused(text, "GBP").pointer, "/value", "{text}");
    }
    refused("1.0", "JPY");
    refused("1.2345", "KWD");
    refused("1.23456", "CLF");
    refused(&"9".repeat(25), "GBP");
}

#[test]
fn refuses_codes_that_are_no_currency_with_minor_units() {
    for code in ["", "gbp", "GB", "GBPX", "XXX", "XTS", "XAU", "XDR", "ABC", "£", "BTC", "DEM"] {
        assert_eq!(refused("1", code).pointer, "/currency", "{code}");
    }
}

#[test]
fn table_is_sorted_and_complete_in_its_special_cases() {
    assert!(currency::TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let with = |units: u32| -> Vec<&str> {
        currency::TABLE.iter().filter(|(_, u)| *u == units).map(|(code, _)| *code).collect()
    };
    assert_eq!(
        with(0).join(" "),
        "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
    );
    assert_eq!(with(3).join(" "), "BHD IQD JOD KWD LYD OMR TND");
    assert_eq!(with(4).join(" "), "CLF UYW");
    assert_eq!(with(2).len() + 18 + 7 + 2, currency::TABLE.len());
    assert_eq!(currency::TABLE.len(), 179);
    assert_eq!(minor_units("GBP"), Some(2));
}

#[test]
fn refusal_shows_an_amount_and_hides_a_name() {
    assert!(refused("12.345", "GBP").message.contains("\"12.345\""));
    assert!(!refused("Jane Roe", "GBP").message.contains("Jane"));
    assert!(!refused("1", "Jane Roe").message.contains("Jane"));
}

#[test]
fn rounds_float_tails_and_nothing_else() {
    for (text, rounded) in [
        ("430.69000000000005", "430.69"),
        ("4.3499999999999996", "4.35"),
        ("-0.30000000000000004", "-0.30"),
        ("1234567.8900000001", "1234567.89"),
        ("123456789.89000001", "123456789.89"),
        ("99.99000000000001", "99.99"),
    ] {
        assert_eq!(round_float_tail(text, "GBP").as_deref(), Some(rounded), "{text}");
    }
    assert_eq!(round_float_tail("1249.9999999999998", "JPY").as_deref(), Some("1250"));
    for text in [
        "430.69",
        "430.695",
        "1.005",
        "0.001",
        "1e-9",
        "abc",
        "",
        "1.2.3",
        "nan",
        "12.3456",
        "+1.0000000000000001",
    ] {
        assert_eq!(round_float_tail(text, "GBP"), None, "{text}");
    }
    assert_eq!(round_float_tail("1.10000000000000001", "XXX"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn minor_units_print_back_as_the_same_amount(units in -1_000_000_000_000_i64..1_000_000_000_000) {
        let sign = if units < 0 { "-" } else { "" };
        let text = format!("{sign}{}.{:02}", units.unsigned_abs() / 100, units.unsigned_abs() % 100);
        prop_assert_eq!(Money::parse(&text, "GBP").unwrap().in_minor_units(), i128::from(units));
        let three = format!("{text}0");
        prop_assert!(Money::parse(&three, "GBP").is_err());
    }

    #[test]
    fn sums_of_pence_in_floats_round_back(pence in prop::collection::vec(1_u32..10_000_000, 1..12)) {
        let float: f64 = pence.iter().map(|p| f64::from(*p) / 100.0).sum();
        let sum: u64 = pence.iter().map(|p| u64::from(*p)).sum();
        let expected = format!("{}.{:02}", sum / 100, sum % 100);
        let text = float.to_string();
        let read = round_float_tail(&text, "GBP").unwrap_or(text);
        prop_assert_eq!(
            Money::parse(&read, "GBP").unwrap().in_minor_units(),
            Money::parse(&expected, "GBP").unwrap().in_minor_units()
        );
    }
}
