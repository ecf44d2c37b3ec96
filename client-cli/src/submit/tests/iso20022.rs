//! Messages into a log in memory.

use std::fs::File;

use import::iso20022::FILE_BYTES_MAX;
use serde_json::Value;

use crate::exit::Exit;
use crate::fake_log::{FakeLog, Run, SUBMITTER};

const RUN: &str =
    "submit @m.xml --submitter XX-LAE-WMC --key @key.pem --log LOG --policy @policy.txt";

/// A payment order of these transactions; `control`: what its header says of them.
fn orders(control: &str, transactions: &str) -> String {
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.03\"><CstmrCdtTrfInitn>\n\
         <GrpHdr><MsgId>RUN/7</MsgId><CreDtTm>2023-11-01T10:00:00</CreDtTm>{control}</GrpHdr>\n\
         <PmtInf><PmtInfId>1</PmtInfId><ReqdExctnDt>2023-11-03</ReqdExctnDt>\n\
         <DbtrAcct><Id><IBAN>GB11AAAA</IBAN></Id></DbtrAcct>\n{transactions}</PmtInf>\n\
         </CstmrCdtTrfInitn></Document>\n"
    )
}

/// A transaction to a person, or to whoever `cdtr` says.
fn transaction(amount: &str, currency: &str, cdtr: &str) -> String {
    format!(
        "<CdtTrfTxInf><PmtId><EndToEndId>SALARY-ROE</EndToEndId></PmtId>\n\
         <Amt><InstdAmt Ccy=\"{currency}\">{amount}</InstdAmt></Amt>\n\
         <Cdtr>{cdtr}</Cdtr><CdtrAcct><Id><IBAN>GB22BBBB</IBAN></Id></CdtrAcct>\n\
         <RmtInf><Ustrd>for Jane Roe</Ustrd></RmtInf></CdtTrfTxInf>\n"
    )
}

const PERSON: &str = "<Nm>Jane Roe</Nm>";

fn submit(log: &FakeLog, message: &str, more: &str) -> Run {
    log.write("m.xml", message);
    log.civiclog(&format!("{RUN} --json {more}"))
}

fn record(log: &FakeLog, object: &str) -> Value {
    let found = log.lock().object(&format!("{SUBMITTER}/{object}"));
    found.unwrap_or_else(|| panic!("no {object}"))["revisions"][0]["entry"]["record"].clone()
}

fn errors(log: &FakeLog) -> Vec<String> {
    log.read("m.xml.errors.csv").lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn each_transaction_becomes_an_order_and_the_message_its_close() {
    let log = FakeLog::start();
    let both = transaction("1000.5", "EUR", PERSON)
        + &transaction(
            "7.00000",
            "GBP",
            "<Nm>Works</Nm><Id><OrgId><LEI>529900STUVWXYZ01KL44</LEI></OrgId></Id>",
        );
    let message = orders("<NbOfTxs>2</NbOfTxs><CtrlSum>1007.50</CtrlSum>", &both);
    let report = submit(&log, &message, "").expect(Exit::Done).json();
    assert_eq!((&report["format"], &report["new"]), (&"pain.001".into(), &3.into()));
    assert_eq!(report["totals"]["EUR"]["sum"], "1000.50");
    assert_eq!(report["totals"]["GBP"]["sum"], "7.00");

    let person = record(&log, "order/RUN~2F7.1");
    assert_eq!(
        (&person["kind"], &person["occurred"]),
        (&"payment.order".into(), &"2023-11-01".into())
    );
    let expected = serde_json::json!({
        "amount": {"currency": "EUR", "value": "1000.5"}, "execution": "2023-11-03",
        "message": "RUN~2F7", "payee": {}, "payer": {"id": SUBMITTER},
    });
    assert_eq!(person["data"], expected);
    for field in person["sealed"].as_array().unwrap() {
        assert_eq!(field["held"], "submitter", "{field}");
        let is_payees = field["path"].as_str().unwrap().starts_with("/data/payee/");
        assert_eq!(field["why"] == "person", is_payees, "{field}");
    }
    let firm = record(&log, "order/RUN~2F7.2");
    assert_eq!(firm["data"]["payee"]["id"], "XI-LEI-529900STUVWXYZ01KL44");
    let name =
        firm["sealed"].as_array().unwrap().iter().find(|it| it["path"] == "/data/payee/name");
    assert_eq!(name.unwrap()["held"], "log");

    let close = record(&log, "order-file/RUN~2F7");
    let sums = serde_json::json!([
        {"currency": "EUR", "value": "1000.50"}, {"currency": "GBP", "value": "7.00"},
    ]);
    assert_eq!((&close["data"]["count"], &close["data"]["sums"]), (&2.into(), &sums));
    // Nothing of the person is in what the log has, and the journal has it.
    let entries = log.lock().entries().concat();
    let entries = String::from_utf8_lossy(&entries).into_owned();
    let shown = log.lock().object(&format!("{SUBMITTER}/order/RUN~2F7.1")).unwrap().to_string();
    for secret in ["Roe", "GB22BBBB", "GB11AAAA", "SALARY"] {
        assert!(!entries.contains(secret) && !shown.contains(secret), "{secret}");
    }
    log.civiclog("verify @m.xml.receipts --policy @policy.txt").expect(Exit::Done);
}

#[test]
fn the_same_message_again_adds_nothing() {
    let log = FakeLog::start();
    let message = orders("<NbOfTxs>1</NbOfTxs>", &transaction("5", "EUR", PERSON));
    submit(&log, &message, "").expect(Exit::Done);
    let size = log.size();
    let report = submit(&log, &message, "").expect(Exit::Done).json();
    assert_eq!((&report["new"], &report["unchanged"]), (&0.into(), &2.into()));
    assert_eq!(log.size(), size);
    // Changed without a reason: an error; with one a correction, of the message's record too.
    let changed = message.replace(">5<", ">6<");
    submit(&log, &changed, "").expect(Exit::NotVerified);
    assert_eq!(log.size(), size);
    let report = submit(&log, &changed, "--why cor-pub").expect(Exit::Done).json();
    assert_eq!(report["corrected"], 2);
}

#[test]
fn a_message_that_controls_itself_wrongly_has_no_record_as_a_whole() {
    for (control, path) in [
        ("<NbOfTxs>2</NbOfTxs>", "GrpHdr/NbOfTxs,2,control"),
        ("<CtrlSum>5.01</CtrlSum>", "GrpHdr/CtrlSum,5.01,control"),
        ("<CtrlSum>five</CtrlSum>", "GrpHdr/CtrlSum,five,control"),
        (
            "</GrpHdr><GrpHdr><CtrlSum>5</CtrlSum><NbOfTxs></NbOfTxs><NbOfTxs>0</NbOfTxs>",
            "GrpHdr/NbOfTxs,0",
        ),
    ] {
        let log = FakeLog::start();
        let message = orders(control, &transaction("5", "EUR", PERSON));
        let report = submit(&log, &message, "").expect(Exit::NotVerified).json();
        assert_eq!((&report["new"], &report["bad"]), (&1.into(), &1.into()), "{control}");
        let errors = errors(&log);
        assert!(errors[0].contains(path), "{errors:?}");
        assert!(log.lock().object(&format!("{SUBMITTER}/order-file/RUN~2F7")).is_none());
    }
    let log = FakeLog::start();
    let message = orders("<NbOfTxs>1</NbOfTxs>", &transaction("5", "EUR", PERSON))
        .replace("<PmtInfId>1</PmtInfId>", "<NbOfTxs>9</NbOfTxs>");
    submit(&log, &message, "").expect(Exit::NotVerified);
    assert!(errors(&log)[0].contains("PmtInf/NbOfTxs,9,control"));
}

#[test]
fn one_bad_transaction_keeps_itself_and_the_close_out() {
    let log = FakeLog::start();
    let some = transaction("5", "EUR", PERSON) + &transaction("1.005", "EUR", PERSON);
    let message = orders("<NbOfTxs>2</NbOfTxs><CtrlSum>6.005</CtrlSum>", &some);
    let report = submit(&log, &message, "").expect(Exit::NotVerified).json();
    assert_eq!((&report["new"], &report["bad"]), (&1.into(), &2.into()));
    let listed = errors(&log);
    assert!(listed[0].contains("waits: 1 of 2"), "{listed:?}");
    assert!(listed[1].starts_with("9,Amt/InstdAmt,1.005 EUR,E06,"), "{listed:?}");
    // Corrected in the file, all of it goes in.
    let report = submit(&log, &message.replace("1.005", "1.00").replace("6.005", "6"), "");
    let report = report.expect(Exit::Done).json();
    assert_eq!((&report["new"], &report["unchanged"]), (&2.into(), &1.into()));
}

#[test]
fn nothing_of_a_hostile_or_broken_file_is_sent() {
    let log = FakeLog::start();
    let size = log.size();
    let good = orders("", &transaction("5", "EUR", PERSON));
    for (message, expected) in [
        (good.replace("<Cdtr>", "<Cdtr>&lol;"), "entity `lol`"),
        (format!("<!DOCTYPE x [<!ENTITY lol \"lol\">]>{good}"), "document type"),
        (good.replace("</Document>", ""), "ends in the middle"),
        (good.replace("pain.001.001.03", "pain.001.001.99"), "not known here"),
        (good.replace("pain.001.001.03", "pacs.008.001.08"), "neither a payment order"),
    ] {
        let run = submit(&log, &message, "").expect(Exit::Usage);
        assert!(run.out.contains(expected), "{}", run.out);
    }
    let run = submit(&log, &good, "--format camt.053").expect(Exit::Usage);
    assert!(run.out.contains("is a pain.001, not a camt.053"), "{}", run.out);
    assert_eq!(log.size(), size);
}

#[test]
fn a_file_beyond_the_limit_is_not_opened() {
    let log = FakeLog::start();
    let file = File::create(log.path("m.xml")).unwrap();
    // Sparse: it takes no room.
    file.set_len(FILE_BYTES_MAX + 1).unwrap();
    let run = log.civiclog(&format!("{RUN} --format pain.001")).expect(Exit::Usage);
    assert!(run.err.contains("a message may have"), "{}", run.err);
}

fn statement(head: &str, entries: &str) -> String {
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt>\n\
         <GrpHdr><MsgId>M</MsgId><CreDtTm>2023-11-02T10:00:00</CreDtTm></GrpHdr>\n\
         <Stmt><Id>S1</Id>{head}<Acct><Id><IBAN>GB11AAAA</IBAN></Id></Acct>\n\
         {entries}</Stmt></BkToCstmrStmt></Document>\n"
    )
}

fn entry(amount: &str, side: &str, more: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>\
         <Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2023-11-01</Dt></BookgDt>{more}</Ntry>\n"
    )
}

fn balance(code: &str, amount: &str) -> String {
    format!(
        "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}</Amt>\
         <CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2023-11-01</Dt></Dt></Bal>"
    )
}

#[test]
fn a_statement_becomes_its_entries_and_a_close_that_balances() {
    let log = FakeLog::start();
    let details = |name: &str, amount: &str| {
        format!(
            "<TxDtls><Refs><EndToEndId>E-{name}</EndToEndId></Refs><Amt Ccy=\"EUR\">{amount}</Amt>\
             <RltdPties><Cdtr><Pty><Nm>{name}</Nm></Pty></Cdtr></RltdPties></TxDtls>"
        )
    };
    let split = format!("<NtryDtls>{}{}</NtryDtls>", details("Ann", "10"), details("Bo", "20.50"));
    let not_split = format!("<NtryDtls>{}{}</NtryDtls>", details("Ann", "10"), details("Bo", "20"));
    let entries = entry("100", "CRDT", "<RvslInd>true</RvslInd>")
        + &entry("30.50", "DBIT", &split)
        + &entry("40", "DBIT", &not_split)
        + &entry("5", "DBIT", "").replace("BOOK", "PDNG");
    let head = "<ElctrncSeqNb>4</ElctrncSeqNb>".to_owned()
        + &balance("OPBD", "1000")
        + &balance("CLBD", "1029.50");
    let message = statement(&head, &entries);
    let report = submit(&log, &message, "").expect(Exit::Done).json();
    assert_eq!((&report["new"], &report["warned"]), (&5.into(), &1.into()));
    assert_eq!(report["totals"]["EUR"]["sum"], "29.50");
    assert_eq!(record(&log, "entry/S1/1")["data"]["reversal"], true);
    assert_eq!(record(&log, "entry/S1/2/1")["data"]["amount"]["value"], "-10");
    assert_eq!(record(&log, "entry/S1/2/2")["data"]["amount"]["value"], "-20.50");
    // Of payments whose amounts do not add up, nobody can say which is whose.
    let whole = record(&log, "entry/S1/3");
    assert_eq!(whole["data"]["amount"]["value"], "-40");
    assert!(whole.get("sealed").is_none() && whole["data"].get("party").is_none());
    let close = record(&log, "statement/S1");
    assert_eq!((&close["kind"], &close["data"]["number"]), (&"statement.close".into(), &4.into()));
    assert_eq!(close["data"]["closing"]["value"], "1029.50");

    let other = FakeLog::start();
    let message = message.replace("1029.50", "1029.51");
    submit(&other, &message, "").expect(Exit::NotVerified);
    assert!(errors(&other)[0].contains("Stmt/Bal,1029.51,control"));
    assert!(other.lock().object(&format!("{SUBMITTER}/statement/S1")).is_none());
}

#[test]
fn a_statement_without_balances_says_its_sums_and_is_checked_by_its_summary() {
    let summary = |credits: &str| {
        format!(
            "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries>\
             <TtlCdtNtries><NbOfNtries>1</NbOfNtries><Sum>{credits}</Sum></TtlCdtNtries></TxsSummry>"
        )
    };
    let entries = entry("7", "CRDT", "") + &entry("3", "DBIT", "");
    let log = FakeLog::start();
    submit(&log, &statement(&summary("7.0"), &entries), "").expect(Exit::Done);
    let file = record(&log, "statement-file/S1");
    assert_eq!(file["data"]["sums"][0]["value"], "4.00");
    let log = FakeLog::start();
    submit(&log, &statement(&summary("8"), &entries), "").expect(Exit::NotVerified);
    assert!(errors(&log)[0].contains("Stmt/TxsSummry/TtlCdtNtries/Sum,8,control"));
}

#[test]
fn entries_that_say_no_side_or_no_day_are_bad_rows() {
    let log = FakeLog::start();
    let good = entry("7", "CRDT", "");
    let entries = good.replace("CRDT", "BOTH")
        + &good.replace("<BookgDt><Dt>2023-11-01</Dt></BookgDt>", "")
        + &good.replace("2023-11-01", "01.11.2023")
        + &good.replace(" Ccy=\"EUR\"", "");
    let report = submit(&log, &statement("", &entries), "").expect(Exit::NotVerified).json();
    assert_eq!((&report["new"], &report["bad"]), (&0.into(), &5.into()));
    let errors = errors(&log).join("\n");
    for expected in ["CdtDbtInd,BOTH,amount", "Ntry/BookgDt,,date", "01.11.2023,date", "E06"] {
        assert!(errors.contains(expected), "{expected}: {errors}");
    }
}
