//! Statements: each booked transaction becomes a `statement.entry`, and each statement a
//! `statement.close`, or a `statement.file` if it has no number or no opening and closing balance.
//!
//! | in the message | in the record |
//! |---|---|
//! | `Stmt/Id`, and which entry of it | object `<body>/entry/<statement>/<entry>`, `statement` |
//! | `Ntry/Amt`, `CdtDbtInd` | `amount`: what left the account is negative |
//! | `BookgDt`, `ValDt`, `RvslInd`, `BkTxCd` | `booked` and `occurred`, `valued`, `reversal`, `code` |
//! | the other party and its account, `EndToEndId`, `AcctSvcrRef`, `RmtInf` | sealed: `party`, `end_to_end`, `native`, `purpose` |
//! | `Bal` OPBD and CLBD, `ElctrncSeqNb` | `opening`, `closing`, `number` of `statement.close`: the log refuses a gap |
//! | `TxsSummry` | checked |
//!
//! An entry that the bank booked for several payments becomes one record for each, if the bank says
//! the amount of each and they add up to the entry's; else the entry is one record.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use records::{Money, Value};

use super::booked::{Balances, DEBIT, apart, signed};
use super::control::{Control, Stated, sums, waits};
use super::elements::{Elements, NOT_PROVIDED, PURPOSE, below, day_of, kept, party};
use super::file::{self, MessageFile};
use super::xml::{Content, Node};
use crate::draft::{Draft, Kind, Position, Publisher, Secret, sorted};
use crate::error::ImportError;
use crate::format::{Drafted, Drafts, Format, FormatName, Input};
use crate::number::Sum;
use crate::object_id::segment;
use crate::row_error::RowError;

/// Bank statements of a publisher.
#[derive(Debug, Clone)]
pub struct Camt053 {
    /// Whose records they become.
    pub publisher: Publisher,
}

impl Format for Camt053 {
    fn name(&self) -> FormatName {
        FormatName::Camt053
    }

    fn submitter(&self) -> &str {
        &self.publisher.submitter
    }

    fn check(&self, file: &Path, _progress: &dyn Fn(u64)) -> Result<Option<u64>, ImportError> {
        file::check(file, self.name()).map(|()| None)
    }

    fn open<'a>(&'a self, input: Input<'a>) -> Result<Box<dyn Drafts + 'a>, ImportError> {
        let file = MessageFile::open(input.file)?;
        Ok(Box::new(Statements::new(file, &self.publisher.body)))
    }
}

/// The entries of all statements of a message, and after those of each its own record.
struct Statements<'a> {
    file: MessageFile,
    body: &'a str,
    entry_kind: Arc<Kind>,
    close_kind: Arc<Kind>,
    file_kind: Arc<Kind>,
    /// The statement that is being read, without its entries.
    statement: Elements,
    /// The day of the message: of statements that have none.
    day: Option<String>,
    entry: Elements,
    /// Line on which the entry begins.
    line: u64,
    counted: Counted,
    /// Records made of all statements so far.
    rows: u64,
    ready: VecDeque<Drafted>,
    warnings: Vec<RowError>,
    is_over: bool,
}

#[derive(Debug)]
struct Counted {
    all: Control,
    credits: Control,
    debits: Control,
    /// Records of its booked transactions.
    records: u64,
    /// Of these.
    sums: BTreeMap<&'static str, Sum>,
    /// Transactions that became no record.
    missing: u64,
}

impl Counted {
    fn none() -> Self {
        let [all, credits, debits] = [Control::none(), Control::none(), Control::none()];
        Self { all, credits, debits, records: 0, sums: BTreeMap::new(), missing: 0 }
    }

    fn differences(&self, statement: &Elements, line: u64) -> Vec<RowError> {
        let parts = [
            (&self.all, "TxsSummry/TtlNtries/NbOfNtries", "TxsSummry/TtlNtries/none"),
            (&self.credits, "TxsSummry/TtlCdtNtries/NbOfNtries", "TxsSummry/TtlCdtNtries/Sum"),
            (&self.debits, "TxsSummry/TtlDbtNtries/NbOfNtries", "TxsSummry/TtlDbtNtries/Sum"),
        ];
        let each = parts.into_iter().flat_map(|(control, count, sum)| {
            control.differences(&Stated::of(statement, "Stmt", count, sum), line)
        });
        each.collect()
    }
}

impl Drafts for Statements<'_> {
    fn next(&mut self) -> Result<Option<Drafted>, ImportError> {
        while self.ready.is_empty() && !self.is_over {
            match self.file.next()? {
                Some(Node::Opened) => self.begin()?,
                Some(Node::Closed(element)) => self.end(element)?,
                None => self.is_over = true,
            }
        }
        Ok(self.ready.pop_front())
    }

    fn take_warnings(&mut self) -> Vec<RowError> {
        std::mem::take(&mut self.warnings)
    }
}

impl<'a> Statements<'a> {
    /// The entries of a message that was checked.
    fn new(file: MessageFile, body: &'a str) -> Self {
        Self {
            file,
            body,
            entry_kind: Kind::new("spending/1", "statement.entry", Some("amount")),
            close_kind: Kind::new("spending/1", "statement.close", None),
            file_kind: Kind::new("spending/1", "statement.file", None),
            statement: Elements::default(),
            day: None,
            entry: Elements::default(),
            line: 0,
            counted: Counted::none(),
            rows: 0,
            ready: VecDeque::new(),
            warnings: Vec::new(),
            is_over: false,
        }
    }

    fn begin(&mut self) -> Result<(), ImportError> {
        match self.file.element() {
            STATEMENT => {
                self.statement = Elements::default();
                self.counted = Counted::none();
            }
            BALANCE => self.statement.mark().map_err(|many| self.file.unusable(&many))?,
            ENTRY => {
                self.entry = Elements::default();
                self.line = self.file.line();
            }
            DETAILS => self.entry.mark().map_err(|many| self.file.unusable(&many))?,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, element: Content) -> Result<(), ImportError> {
        let path = self.file.element();
        if path == ENTRY {
            self.take_entry();
        } else if path == STATEMENT {
            self.finish();
        } else if let Some(below) = below(path, ENTRY) {
            return self.entry.add(below, element).map_err(|many| self.file.unusable(&many));
        } else if let Some(below) = below(path, STATEMENT) {
            return self.statement.add(below, element).map_err(|many| self.file.unusable(&many));
        } else if path == CREATED {
            self.day = day_of(&element.text);
        }
        Ok(())
    }

    fn take_entry(&mut self) {
        let (entry, details) = std::mem::take(&mut self.entry).split("NtryDtls/TxDtls");
        let stated = entry.amount(&["Amt"]).map(|(amount, _)| amount);
        let is_debit = entry.text("CdtDbtInd") == Some(DEBIT);
        self.counted.all.add(stated);
        let side = if is_debit { &mut self.counted.debits } else { &mut self.counted.credits };
        side.add(stated);
        let status = entry.either(&["Sts", "Sts/Cd"]).unwrap_or(BOOKED);
        if status != BOOKED {
            let message = "not booked yet, so not in the record; a later statement will have it";
            let warning = RowError::new(self.line, "status", "Ntry/Sts", message);
            self.warnings.push(RowError { value: status.to_owned(), ..warning });
            return;
        }
        let number = self.counted.all.count;
        if let Some(parts) = apart(&entry, &details, self.line) {
            for (part, (details, money)) in (1_u64..).zip(details.iter().zip(parts)) {
                self.take(&entry, details, &format!("{number}/{part}"), Ok(money));
            }
            return;
        }
        // Of several payments in one, only what the entry itself says is sure.
        let single = details.first().filter(|_| details.len() == 1 && is_single(&entry));
        let money = signed(&entry, None, &["Amt"], self.line);
        self.take(&entry, single.unwrap_or(&Elements::default()), &number.to_string(), money);
    }

    fn take(
        &mut self,
        entry: &Elements,
        details: &Elements,
        number: &str,
        money: Result<Money, RowError>,
    ) {
        self.rows += 1;
        let draft = money.and_then(|money| self.draft(entry, details, number, money));
        match draft.as_ref().ok().and_then(|draft| draft.money.as_ref()) {
            Some(money) => {
                let sum = self.counted.sums.entry(money.currency()).or_default();
                sum.add(Sum::of_money(money));
                self.counted.records += 1;
            }
            None => self.counted.missing += 1,
        }
        self.ready.push_back(draft);
    }

    fn draft(
        &self,
        entry: &Elements,
        details: &Elements,
        number: &str,
        money: Money,
    ) -> Result<Draft, RowError> {
        let statement = self.number()?;
        let line = self.line;
        let day = |path: &str| {
            let paths = [format!("{path}/Dt"), format!("{path}/DtTm")];
            entry.day(line, &paths.each_ref().map(String::as_str))
        };
        let valued = day("ValDt")?;
        let booked = day("BookgDt")?
            .or_else(|| valued.clone())
            .ok_or_else(|| RowError::new(line, "date", "Ntry/BookgDt", "an entry without a day"))?;
        let mut data = BTreeMap::from([
            ("amount".to_owned(), money.to_value()),
            ("booked".to_owned(), Value::from(booked.as_str())),
            ("statement".to_owned(), statement.as_str().into()),
        ]);
        data.extend(valued.map(|day| ("valued".to_owned(), Value::from(day))));
        data.extend(code(entry).map(|code| ("code".to_owned(), Value::from(code))));
        if entry.text("RvslInd").is_some_and(|text| matches!(text, "true" | "1")) {
            data.insert("reversal".to_owned(), Value::Bool(true));
        }
        let mut secrets: Vec<Secret> = Vec::new();
        // Who paid in, or was paid.
        let side = if money.value().starts_with('-') { "Cdtr" } else { "Dbtr" };
        let [other, account] = ["", "Acct"].map(|what| format!("RltdPties/{side}{what}"));
        let other = party(details, "party", &other, &account, &mut secrets);
        data.extend(other.map(|party| ("party".to_owned(), party)));
        let end_to_end = details.text("Refs/EndToEndId").filter(|id| *id != NOT_PROVIDED);
        secrets.extend(kept("end_to_end", end_to_end.map(str::to_owned)));
        let native = entry.text("AcctSvcrRef").map(str::to_owned);
        secrets.extend(kept("native", native));
        secrets.extend(kept("purpose", details.joined(PURPOSE)));
        let object = format!("{}/entry/{statement}/{number}", self.body);
        Ok(Draft {
            position: Some(Position { line, row: self.rows }),
            money: Some(money),
            data: Value::Map(data),
            sealed: sorted(secrets),
            ..Draft::new(&self.entry_kind, &object, &booked)
        })
    }

    /// The statement's own record, once all its transactions are records.
    fn finish(&mut self) {
        let (statement, balances) = std::mem::take(&mut self.statement).split("Bal");
        self.statement = statement;
        if self.counted.missing > 0 {
            let count = self.counted.records + self.counted.missing;
            self.ready.push_back(Err(waits(self.counted.missing, count, "Stmt")));
            return;
        }
        let line = self.file.line();
        let differences = self.counted.differences(&self.statement, line);
        if !differences.is_empty() {
            self.ready.extend(differences.into_iter().map(Err));
            return;
        }
        let close = Balances::of(&balances, line).and_then(|balances| match balances {
            Some(balances) => {
                balances.check(&self.counted.sums, line)?;
                self.close(Some(&balances))
            }
            None => self.close(None),
        });
        self.ready.push_back(close);
    }

    fn close(&self, balances: Option<&Balances>) -> Result<Draft, RowError> {
        let statement = self.number()?;
        let line = self.file.line();
        let dates = ["FrToDt/ToDtTm", "FrToDt/ToDt", "CreDtTm"];
        let day = self.statement.day(line, &dates)?.or_else(|| self.day.clone());
        let day = day.ok_or_else(|| {
            RowError::new(line, "date", "Stmt/CreDtTm", "a statement without a date")
        })?;
        let year = day.get(..YEAR_BYTES).and_then(|year| year.parse().ok()).unwrap_or_default();
        let count = i64::try_from(self.counted.records).unwrap_or(i64::MAX);
        let mut data = BTreeMap::from([
            ("count".to_owned(), Value::Int(count)),
            ("statement".to_owned(), Value::from(statement.as_str())),
            ("year".to_owned(), Value::Int(year)),
        ]);
        let number = self.statement.either(&["ElctrncSeqNb", "LglSeqNb"]);
        let number = number.and_then(|number| number.parse().ok()).filter(|number| *number > 0);
        let (kind, segment) = if let (Some(number), Some(balances)) = (number, balances) {
            data.insert("number".to_owned(), Value::Int(number));
            data.insert("opening".to_owned(), balances.opening.to_value());
            data.insert("closing".to_owned(), balances.closing.to_value());
            (&self.close_kind, "statement")
        } else {
            let sums = sums(&self.counted.sums);
            if !sums.is_empty() {
                data.insert("sums".to_owned(), Value::List(sums));
            }
            (&self.file_kind, "statement-file")
        };
        let account = self.statement.either(&["Acct/Id/IBAN", "Acct/Id/Othr/Id"]);
        let sealed = kept("account", account.map(str::to_owned)).into_iter().collect();
        let object = format!("{}/{segment}/{statement}", self.body);
        let draft = Draft::new(kind, &object, &day);
        Ok(Draft { data: Value::Map(data), sealed, ..draft })
    }

    /// The statement's number, as it can stand in an object's id.
    fn number(&self) -> Result<String, RowError> {
        self.statement.text("Id").map(segment).ok_or_else(|| {
            let words = "a statement without a number of its own before its entries";
            RowError::new(self.line, "id", "Stmt/Id", words)
        })
    }
}

/// Whether the details of one payment are those of the entry.
fn is_single(entry: &Elements) -> bool {
    entry.text("NtryDtls/Btch/NbOfTxs").is_none_or(|count| count == "1")
}

/// The bank's code of what it is: domain, family and sub-family, or its own.
fn code(entry: &Elements) -> Option<String> {
    let domain = "BkTxCd/Domn";
    let parts = ["Cd", "Fmly/Cd", "Fmly/SubFmlyCd"].map(|part| format!("{domain}/{part}"));
    let parts: Vec<&str> = parts.iter().filter_map(|part| entry.text(part)).collect();
    let code =
        if parts.is_empty() { entry.text("BkTxCd/Prtry/Cd")?.to_owned() } else { parts.join("-") };
    records::name::is_code(&code).then_some(code)
}

const STATEMENT: &str = "BkToCstmrStmt/Stmt";
const CREATED: &str = "BkToCstmrStmt/GrpHdr/CreDtTm";
const BALANCE: &str = "BkToCstmrStmt/Stmt/Bal";
const ENTRY: &str = "BkToCstmrStmt/Stmt/Ntry";
const DETAILS: &str = "BkToCstmrStmt/Stmt/Ntry/NtryDtls/TxDtls";
/// Spec: ISO 20022 `EntryStatus`.
const BOOKED: &str = "BOOK";
const YEAR_BYTES: usize = 4;
