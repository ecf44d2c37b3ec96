//! `spending/1`: payments.

use super::Data;
use crate::codes;
use crate::money::Money;
use crate::name;
use crate::record::Record;
use crate::refusal::{At, Refusal};

/// `payment`: one line of published spending.
///
/// Clear data: `amount`, `payer.id`, `payee` (`id`, unless sealed), and optionally `class` (codes by
/// scheme), `line`, `measure`, `native` (the transaction's own id).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The amount; negative for a credit note.
    pub amount: Money,
}

pub(super) fn check(record: &Record, at: &At<'_>) -> Result<Payment, Refusal> {
    let here = at.member("data");
    let data = Data::of(record.data(), here)?;
    data.only(&["amount", "class", "line", "measure", "native", "payee", "payer"])?;
    data.public_party("payer")?;
    data.known_party("payee", record)?;
    let amount = Money::from_value(data.required("amount")?, &here.member("amount"))?;
    data.check_classes("class")?;
    data.optional_line("line")?;
    data.optional_text_of("measure", "gross, net, obligation or outlay", |measure| {
        codes::MEASURE.contains(&measure)
    })?;
    data.optional_text_of("native", "an identifier without spaces", name::is_native_id)?;
    Ok(Payment { amount })
}
