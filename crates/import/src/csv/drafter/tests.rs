use super::*;
use crate::csv::table;

const MAP: &str = r#"
submitter = "XX-LAE-WMC"
kind = "payment"
object = { column = "No" }
occurred = { column = "Date", format = "DD/MM/YYYY" }
amount = { column = "Amount", currency = "GBP" }
contract = { column = "Contract" }
person = { column = "Type", values = ["INDV"] }
[clear]
"payee.id" = { column = "Ref", prefix = "XX-LOCAL-" }
"class.category" = { column = "Code", omit = ["n/a"] }
[sealed]
"payee.name" = { column = "Name" }
"invoice" = { column = "Invoice", held = "submitter", omit = ["REDACTED"] }
"#;

/// Names that show neither the number nor the row, and that are another for each of them.
struct Hashed;

impl PersonNames for Hashed {
    fn object(&self, prefix: &str, clear: &str) -> String {
        format!(
            "{prefix}~~{:032x}",
            clear.bytes().fold(7_u128, |name, byte| {
                name.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b) ^ u128::from(byte)
            })
        )
    }
}

fn drafts(rows: &str, map: &str) -> Vec<Result<Draft, RowError>> {
    let map: Map = toml::from_str(map).unwrap();
    let csv = format!("No,Date,Amount,Contract,Type,Ref,Code,Name,Invoice\n{rows}");
    let (columns, rows) = table::tests::parse_with(csv.as_bytes(), &map);
    let persons = map.person.as_ref().map(|_| &Hashed as &dyn PersonNames);
    let folder = tempfile::tempdir().unwrap();
    let scratch = Scratch::in_folder(folder.path()).unwrap();
    let file = std::path::Path::new("");
    let input = Input { file, sha256: "", persons, scratch: &scratch };
    let drafter = Drafter::new(&map, columns, input);
    let rows = rows.iter().map(|row| row.as_ref().unwrap());
    rows.map(|row| drafter.draft(row, drafter.identify(row).unwrap()?)).collect()
}

fn one(row: &str) -> Result<Draft, RowError> {
    drafts(row, MAP).remove(0)
}

fn json(value: &Value) -> String {
    String::from_utf8(records::to_canonical(value)).unwrap()
}

#[test]
fn a_row_becomes_clear_data_and_secrets() {
    let draft = one("T1,31/01/2024,-12.50,C 7,LTD,77,4101,Ann & Co,INV1").unwrap();
    assert_eq!(draft.object, "XX-LAE-WMC/payment/T1");
    assert_eq!(draft.occurred, "2024-01-31");
    assert_eq!(draft.contract.as_deref(), Some("XX-LAE-WMC/contract/C~207"));
    assert_eq!(
        json(&draft.data),
        r#"{"amount":{"currency":"GBP","value":"-12.50"},"class":{"category":"4101"},"native":"T1","payee":{"id":"XX-LOCAL-77"},"payer":{"id":"XX-LAE-WMC"}}"#
    );
    let secrets: Vec<_> = draft.sealed.iter().map(|s| (s.path.as_str(), s.held)).collect();
    assert_eq!(secrets, [("/data/invoice", HeldBy::Submitter), ("/data/payee/name", HeldBy::Log)]);
    assert!(!format!("{draft:?}").contains("Ann"));
}

#[test]
fn empty_and_omitted_cells_leave_nothing_behind() {
    let draft = one("T1,31/01/2024,1,,LTD,,n/a,Ann,REDACTED").unwrap();
    assert_eq!(draft.contract, None);
    assert_eq!(
        json(&draft.data),
        r#"{"amount":{"currency":"GBP","value":"1"},"native":"T1","payee":{},"payer":{"id":"XX-LAE-WMC"}}"#
    );
    assert_eq!(draft.sealed.len(), 1);
}

#[test]
fn a_person_is_sealed_whole_and_held_by_nobody_else() {
    let draft = one("T1,31/01/2024,1,,INDV,77,4101,Ann Other,INV1").unwrap();
    assert_eq!(
        json(&draft.data),
        r#"{"amount":{"currency":"GBP","value":"1"},"class":{"category":"4101"},"payee":{},"payer":{"id":"XX-LAE-WMC"}}"#
    );
    assert!(draft.is_person);
    let sealed: Vec<_> = draft
        .sealed
        .iter()
        .map(|s| (s.path.as_str(), s.value.as_str(), s.held, s.is_personal))
        .collect();
    let (held, is_personal) = (HeldBy::Submitter, true);
    assert_eq!(
        sealed,
        [
            ("/data/invoice", "INV1", held, is_personal),
            ("/data/native", "T1", held, is_personal),
            ("/data/payee/id", "XX-LOCAL-77", held, is_personal),
            ("/data/payee/name", "Ann Other", held, is_personal),
        ]
    );
}

#[test]
fn the_object_of_a_person_is_found_again_and_tells_no_number() {
    let lines = MAP.replace("{ column = \"No\" }", "{ column = \"No\", lines = true }");
    let none = MAP.replace("object = { column = \"No\" }\n", "");
    let rows = "T1,31/01/2024,1,,INDV,7,4,Ann,\nT1,31/01/2024,2,,INDV,7,4,Ann,\n";
    for map in [&lines, &none] {
        let first: Vec<Draft> = drafts(rows, map).into_iter().map(Result::unwrap).collect();
        let again: Vec<Draft> = drafts(rows, map).into_iter().map(Result::unwrap).collect();
        assert_eq!(first, again);
        assert_ne!(first[0].object, first[1].object);
        for draft in &first {
            let name = draft.object.strip_prefix("XX-LAE-WMC/payment/~~").unwrap();
            assert!(name.len() == 32 && !name.contains("T1") && !name.contains('/'), "{name}");
            assert!(!json(&draft.data).contains("T1") && !json(&draft.data).contains("line"));
        }
    }
    // The number of a contract is no number of a payment.
    let register = MAP.replace("\"payment\"", "\"register\"").replace("payee", "supplier");
    let row = "T1,31/01/2024,1,,INDV,7,4,Ann,\n";
    let [payment, contract] = [MAP, &register].map(|map| drafts(row, map).remove(0).unwrap());
    let name = |draft: &Draft| draft.object.rsplit('/').next().unwrap().to_owned();
    assert!(contract.object.starts_with("XX-LAE-WMC/contract/~~"), "{}", contract.object);
    assert_ne!(name(&payment), name(&contract));
}

#[test]
fn amounts_as_spreadsheets_write_them() {
    for (cell, expected) in [
        ("430.69000000000005", Ok(("430.69", true))),
        ("-990.4499999999999", Ok(("-990.45", true))),
        ("\"58,456.44\"", Ok(("58456.44", false))),
        ("\"£1,234\"", Ok(("1234", false))),
        ("(12.30)", Ok(("-12.30", false))),
        ("-.5", Ok(("-0.5", false))),
        ("-0.00", Ok(("0.00", false))),
        ("12.345", Err("E06")),
        ("\"1,23\"", Err("E06")),
        ("1e3", Err("E06")),
        ("", Err("E06")),
    ] {
        let read = one(&format!("T1,31/01/2024,{cell},,LTD,77,4101,Ann,"));
        let read = read.map(|draft| (draft.money.unwrap().value().to_owned(), draft.rounded));
        let read = read.as_ref().map(|(value, rounded)| (value.as_str(), *rounded));
        assert_eq!(read.map_err(|error| error.rule.as_str()), expected, "{cell}");
    }
}

#[test]
fn bad_cells_are_named_with_line_and_column() {
    let error = one("T1,2024-01-31,1,,LTD,77,4101,Ann,").unwrap_err();
    assert_eq!((error.line, error.path.as_str(), error.rule.as_str()), (2, "Date", "date"));
    assert_eq!(error.value, "2024-01-31");
    assert_eq!(one(",31/01/2024,1,,LTD,77,4101,Ann,").unwrap_err().rule, "id");
}

#[test]
fn a_number_on_two_lines_is_an_error_or_two_lines_of_one_thing() {
    let rows = "T1,31/01/2024,1,,LTD,7,4,Ann,\nT1,31/01/2024,2,,LTD,7,4,Ann,\n";
    let twice = drafts(rows, MAP);
    assert!(twice[0].is_ok());
    assert_eq!(twice[1].as_ref().unwrap_err().rule, "twice");
    let lines = MAP.replace("{ column = \"No\" }", "{ column = \"No\", lines = true }");
    let objects: Vec<String> =
        drafts(rows, &lines).into_iter().map(|draft| draft.unwrap().object).collect();
    assert_eq!(objects, ["XX-LAE-WMC/payment/T1/1", "XX-LAE-WMC/payment/T1/2"]);
}

#[test]
fn line_breaks_in_sealed_cells_become_blanks() {
    let draft = one("T1,31/01/2024,1,,LTD,77,4101,\"Ann\r\n\tOther\",").unwrap();
    assert_eq!(draft.sealed[0].value, "Ann Other");
}

#[test]
fn an_error_shows_clear_values_and_never_sealed_ones() {
    let draft = one("T1,31/01/2024,1,,LTD,77,4101,Ann,").unwrap();
    let clear = RowError::of_rule(&draft, "E15", "/record/data/class/category", "m");
    assert_eq!(clear.value, "4101");
    for pointer in ["/record/data/payee/name", "/disclosures/0", "/record/object", ""] {
        assert_eq!(RowError::of_rule(&draft, "E15", pointer, "m").value, "", "{pointer}");
    }
}
