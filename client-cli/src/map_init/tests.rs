use crate::exit::Exit;
use crate::fake_log::FakeLog;

const PREAMBLE: &str = "Payments of the month\n\"select * from payments\"\n\n";
const HEADER: &str = "Supplier Name;Supplier ID;Payment Date;Transaction No;Net Amount;Description";

/// A file of forty rows in another layout than any shipped map has.
fn odd_file() -> String {
    let rows = (1..=40).map(|n| {
        let number = n - n % 2;
        format!("Müller & {n};{n};{:02}/05/2024;T{number};{}.50;Größe; {n}\n", n % 28 + 1, n * 10)
            .replace("; ", ", ")
    });
    format!("{PREAMBLE}{HEADER}\n{}", rows.collect::<String>())
}

fn guess(bytes: &[u8]) -> (FakeLog, String) {
    let log = FakeLog::start();
    log.write("rows.csv", bytes);
    let words = "map init @rows.csv --submitter XX-LAE-WMC --currency EUR --out @map.toml";
    log.civiclog(words).expect(Exit::Done);
    let map = log.read("map.toml");
    (log, map)
}

#[test]
fn a_guessed_map_reads_its_file_whatever_the_encoding() {
    let text = odd_file();
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &utf16].concat();
    for (bytes, encoding) in [
        (text.as_bytes().to_vec(), "utf-8"),
        (latin, "windows-1252"),
        (utf16, "utf-16le"),
        (marked, "utf-16le"),
    ] {
        let (log, map) = guess(&bytes);
        for expected in [
            &format!("encoding = \"{encoding}\""),
            "delimiter = \";\"",
            "preamble = 3",
            "column = \"Transaction No\"\n",
            "lines = true",
            "column = \"Payment Date\"\nformat = \"DD/MM/YYYY\"",
            "column = \"Net Amount\"\ncurrency = \"EUR\"\n",
            "\"payee.id\" = { column = \"Supplier ID\"",
            "\"payee.name\" = { column = \"Supplier Name\" }",
            "\"description\" = { column = \"Description\" }",
        ] {
            assert!(map.contains(expected), "{encoding}: no {expected} in\n{map}");
        }
        let submit = "submit @rows.csv --map @map.toml --key @key.pem --log LOG --policy @policy.txt \
                      --dry-run --json";
        let report = log.civiclog(submit).expect(Exit::Done).json();
        assert_eq!(report["totals"]["EUR"]["sum"], "8220.00", "{encoding}");
        assert_eq!(report["accepted"], 40);
    }
}

#[test]
fn what_is_not_recognised_is_left_to_the_reader_and_nothing_is_overwritten() {
    let (log, map) =
        guess(b"When,Pounds,Who,Colour\n2024-01-02,5.00,Ann,blue\n2024-01-03,6.00,Bob,red\n");
    assert!(map.contains("# [object]"), "{map}");
    assert!(map.contains("column = \"When\"") && map.contains("column = \"Pounds\""), "{map}");
    assert!(map.contains("# \"some_name\" = { column = \"Colour\" }"), "{map}");
    log.civiclog("map init @rows.csv --out @map.toml").expect(Exit::Usage);
}

#[test]
fn a_file_that_is_no_table_is_refused() {
    let log = FakeLog::start();
    for (bytes, words) in [
        (&b""[..], "no table"),
        (b"hello\nworld\n", "no table"),
        (b"No,Date,Amount\n", "no row below"),
    ] {
        log.write("rows.csv", bytes);
        let run = log.civiclog("map init @rows.csv").expect(Exit::Usage);
        assert!(run.err.contains(words), "{}", run.err);
    }
}
