//! Payment orders: each transaction becomes a `payment.order`, and the message an `order.close`.
//!
//! | in the message | in the record |
//! |---|---|
//! | `GrpHdr/MsgId`, and which transaction of it | object `<body>/order/<message>.<number>`, `message` |
//! | `GrpHdr/CreDtTm` | `occurred` |
//! | `PmtInf/ReqdExctnDt` | `execution` |
//! | `Amt/InstdAmt` or `Amt/EqvtAmt/Amt` | `amount` |
//! | `Cdtr`, `CdtrAcct`, `DbtrAcct`, `PmtId/EndToEndId`, `RmtInf` | sealed: `payee`, `payer/iban`, `end_to_end`, `purpose` |
//! | `GrpHdr/NbOfTxs`, `CtrlSum`; the same of each `PmtInf` | checked; then `count` and `sums` of `order.close` |
//!
//! The object's id says the place in the message and nothing of the payee: whoever holds the
//! message, such as the bank, finds its record, and nobody learns a reference from it.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use records::Value;

use super::control::{Control, Stated, amount, sums, waits};
use super::elements::{Elements, NOT_PROVIDED, PURPOSE, below, kept, party};
use super::file::{self, MessageFile};
use super::xml::{Content, Node};
use crate::draft::{Draft, Kind, Position, Publisher, Secret, sorted};
use crate::error::ImportError;
use crate::format::{Drafted, Drafts, Format, FormatName, Input};
use crate::number::Sum;
use crate::object_id::segment;
use crate::row_error::RowError;

/// Payment orders of a publisher.
#[derive(Debug, Clone)]
pub struct Pain001 {
    /// Whose records they become.
    pub publisher: Publisher,
}

impl Format for Pain001 {
    fn name(&self) -> FormatName {
        FormatName::Pain001
    }

    fn submitter(&self) -> &str {
        &self.publisher.submitter
    }

    fn check(&self, file: &Path, _progress: &dyn Fn(u64)) -> Result<Option<u64>, ImportError> {
        file::check(file, self.name()).map(|()| None)
    }

    fn open<'a>(&'a self, input: Input<'a>) -> Result<Box<dyn Drafts + 'a>, ImportError> {
        let file = MessageFile::open(input.file)?;
        Ok(Box::new(PaymentOrders::new(file, &self.publisher.body)))
    }
}

/// The orders of a message, and at its end its own record.
struct PaymentOrders<'a> {
    file: MessageFile,
    body: &'a str,
    order_kind: Arc<Kind>,
    close_kind: Arc<Kind>,
    header: Elements,
    /// The payment instruction that is being read, without its transactions.
    instruction: Elements,
    transaction: Elements,
    /// Line on which the transaction begins.
    line: u64,
    of_message: Control,
    of_instruction: Control,
    /// Whether every instruction had what it says that it has.
    is_consistent: bool,
    /// Sums of what became orders.
    sums: BTreeMap<&'static str, Sum>,
    /// Transactions that became no order.
    missing: u64,
    ready: VecDeque<Drafted>,
    warnings: Vec<RowError>,
    is_over: bool,
}

impl Drafts for PaymentOrders<'_> {
    fn next(&mut self) -> Result<Option<Drafted>, ImportError> {
        while self.ready.is_empty() && !self.is_over {
            match self.file.next()? {
                Some(Node::Opened) => self.begin(),
                Some(Node::Closed(element)) => self.end(element)?,
                None => {
                    self.is_over = true;
                    self.finish();
                }
            }
        }
        Ok(self.ready.pop_front())
    }

    fn take_warnings(&mut self) -> Vec<RowError> {
        std::mem::take(&mut self.warnings)
    }
}

impl<'a> PaymentOrders<'a> {
    /// The orders of a message that was checked.
    fn new(file: MessageFile, body: &'a str) -> Self {
        Self {
            file,
            body,
            order_kind: Kind::new("spending/1", "payment.order", Some("amount")),
            close_kind: Kind::new("spending/1", "order.close", None),
            header: Elements::default(),
            instruction: Elements::default(),
            transaction: Elements::default(),
            line: 0,
            of_message: Control::none(),
            of_instruction: Control::none(),
            is_consistent: true,
            sums: BTreeMap::new(),
            missing: 0,
            ready: VecDeque::new(),
            warnings: Vec::new(),
            is_over: false,
        }
    }

    fn begin(&mut self) {
        match self.file.element() {
            INSTRUCTION => {
                self.instruction = Elements::default();
                self.of_instruction = Control::none();
            }
            TRANSACTION => {
                self.transaction = Elements::default();
                self.line = self.file.line();
            }
            _ => {}
        }
    }

    fn end(&mut self, element: Content) -> Result<(), ImportError> {
        let line = self.file.line();
        let path = self.file.element();
        if path == TRANSACTION {
            self.take_transaction();
        } else if path == INSTRUCTION {
            let stated = Stated::of(&self.instruction, "PmtInf", "NbOfTxs", "CtrlSum");
            let differences = self.of_instruction.differences(&stated, line);
            self.is_consistent &= differences.is_empty();
            self.ready.extend(differences.into_iter().map(Err));
        } else if let Some(below) = below(path, TRANSACTION) {
            return self.transaction.add(below, element).map_err(|many| self.file.unusable(&many));
        } else if let Some(below) = below(path, INSTRUCTION) {
            return self.instruction.add(below, element).map_err(|many| self.file.unusable(&many));
        } else if let Some(below) = below(path, HEADER) {
            return self.header.add(below, element).map_err(|many| self.file.unusable(&many));
        }
        Ok(())
    }

    fn take_transaction(&mut self) {
        let transaction = std::mem::take(&mut self.transaction);
        let amount = transaction.amount(AMOUNTS).map(|(amount, _)| amount);
        self.of_message.add(amount);
        self.of_instruction.add(amount);
        let draft = self.draft(&transaction);
        match draft.as_ref().ok().and_then(|draft| draft.money.as_ref()) {
            Some(money) => {
                let sum = self.sums.entry(money.currency()).or_default();
                sum.add(Sum::of_money(money));
            }
            None => self.missing += 1,
        }
        self.ready.push_back(draft);
    }

    fn draft(&self, transaction: &Elements) -> Result<Draft, RowError> {
        let message = self.message()?;
        let number = self.of_message.count;
        let money = amount(transaction, AMOUNTS, self.line)?;
        let occurred = self.occurred()?;
        let mut secrets: Vec<Secret> = Vec::new();
        let mut data = BTreeMap::from([
            ("amount".to_owned(), money.to_value()),
            ("message".to_owned(), message.as_str().into()),
            ("payer".to_owned(), Value::map([("id", self.body)])),
        ]);
        let execution = self
            .instruction
            .day(self.line, &["ReqdExctnDt/Dt", "ReqdExctnDt/DtTm", "ReqdExctnDt"])?;
        data.extend(execution.map(|day| ("execution".to_owned(), Value::from(day))));
        let payee = party(transaction, "payee", "Cdtr", "CdtrAcct", &mut secrets);
        data.extend(payee.map(|payee| ("payee".to_owned(), payee)));
        let payer = self.instruction.either(&["DbtrAcct/Id/IBAN", "DbtrAcct/Id/Othr/Id"]);
        secrets.extend(kept("payer/iban", payer.map(str::to_owned)));
        let end_to_end = transaction.text("PmtId/EndToEndId").filter(|id| *id != NOT_PROVIDED);
        secrets.extend(kept("end_to_end", end_to_end.map(str::to_owned)));
        secrets.extend(kept("purpose", transaction.joined(PURPOSE)));
        let object = format!("{}/order/{message}.{number}", self.body);
        Ok(Draft {
            position: Some(Position { line: self.line, row: number }),
            money: Some(money),
            data: Value::Map(data),
            sealed: sorted(secrets),
            ..Draft::new(&self.order_kind, &object, &occurred)
        })
    }

    /// The message's own record, once all its transactions are orders.
    fn finish(&mut self) {
        let stated = Stated::of(&self.header, "GrpHdr", "NbOfTxs", "CtrlSum");
        let differences = self.of_message.differences(&stated, 0);
        self.is_consistent &= differences.is_empty();
        self.ready.extend(differences.into_iter().map(Err));
        if self.missing > 0 {
            self.ready.push_back(Err(waits(self.missing, self.of_message.count, "GrpHdr")));
        } else if self.is_consistent {
            let close = self.close();
            self.ready.push_back(close);
        }
    }

    fn close(&self) -> Result<Draft, RowError> {
        let message = self.message()?;
        let count = i64::try_from(self.of_message.count).unwrap_or(i64::MAX);
        let mut data = BTreeMap::from([
            ("count".to_owned(), Value::Int(count)),
            ("message".to_owned(), message.as_str().into()),
        ]);
        let sums: Vec<Value> = sums(&self.sums);
        if !sums.is_empty() {
            data.insert("sums".to_owned(), Value::List(sums));
        }
        let object = format!("{}/order-file/{message}", self.body);
        let draft = Draft::new(&self.close_kind, &object, &self.occurred()?);
        Ok(Draft { data: Value::Map(data), ..draft })
    }

    /// The message's number, as it can stand in an object's id.
    fn message(&self) -> Result<String, RowError> {
        self.header.text("MsgId").map(segment).ok_or_else(|| {
            RowError::new(self.line, "id", "GrpHdr/MsgId", "a message without a number of its own")
        })
    }

    fn occurred(&self) -> Result<String, RowError> {
        self.header.day(self.line, &["CreDtTm"])?.ok_or_else(|| {
            RowError::new(self.line, "date", "GrpHdr/CreDtTm", "a message without a date")
        })
    }
}

const HEADER: &str = "CstmrCdtTrfInitn/GrpHdr";
const INSTRUCTION: &str = "CstmrCdtTrfInitn/PmtInf";
const TRANSACTION: &str = "CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf";
const AMOUNTS: &[&str] = &["Amt/InstdAmt", "Amt/EqvtAmt/Amt"];
