//! A part of a message, small enough to be in memory, as the texts of its elements by their paths.

use records::{HeldBy, Value};
use thiserror::Error;

use super::xml::Content;
use crate::draft::{Secret, one_line};
use crate::row_error::RowError;

/// A part that memory is not spent on.
#[derive(Debug, Error)]
#[error("one entry of the message has more than {ELEMENTS_MAX} elements")]
pub(super) struct TooManyElements;

/// The elements of a part that said something, in their order, with paths below the part.
#[derive(Debug, Default)]
pub(super) struct Elements {
    elements: Vec<Element>,
    /// Before which of them a part of the part begins.
    marks: Vec<usize>,
}

#[derive(Debug)]
struct Element {
    path: String,
    text: String,
    currency: Option<String>,
}

impl Elements {
    /// Adds an element; those that say nothing count as absent.
    ///
    /// # Errors
    /// The part has more than [`ELEMENTS_MAX`].
    pub(super) fn add(&mut self, path: &str, element: Content) -> Result<(), TooManyElements> {
        if element.text.is_empty() {
            return Ok(());
        }
        if self.elements.len() == ELEMENTS_MAX {
            return Err(TooManyElements);
        }
        let Content { text, currency } = element;
        self.elements.push(Element { path: path.to_owned(), text, currency });
        Ok(())
    }

    /// Marks that a part of the part begins here, so that [`Elements::split`] finds it.
    pub(super) fn mark(&mut self) -> Result<(), TooManyElements> {
        if self.marks.len() == ELEMENTS_MAX {
            return Err(TooManyElements);
        }
        self.marks.push(self.elements.len());
        Ok(())
    }

    /// The parts that were marked, with paths below `path`, and what is in none of them.
    pub(super) fn split(self, path: &str) -> (Self, Vec<Self>) {
        let mut rest = Self::default();
        let mut parts: Vec<Self> = self.marks.iter().map(|_| Self::default()).collect();
        let path = format!("{path}/");
        for (position, element) in self.elements.into_iter().enumerate() {
            let begun = self.marks.partition_point(|mark| *mark <= position);
            let part = begun.checked_sub(1).and_then(|part| parts.get_mut(part));
            match (element.path.strip_prefix(&path).map(str::to_owned), part) {
                (Some(below), Some(part)) => part.elements.push(Element { path: below, ..element }),
                _ => rest.elements.push(element),
            }
        }
        (rest, parts)
    }

    /// The first text at a path.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.elements
            .iter()
            .find(|element| element.path == path)
            .map(|element| element.text.as_str())
    }

    /// The first text at any of these paths: versions of a message differ in them.
    pub(super) fn either(&self, paths: &[&str]) -> Option<&str> {
        paths.iter().find_map(|path| self.text(path))
    }

    /// All texts at these paths, in file order, as one.
    pub(super) fn joined(&self, paths: &[&str]) -> Option<String> {
        let texts: Vec<&str> = self
            .elements
            .iter()
            .filter(|element| paths.contains(&element.path.as_str()))
            .map(|element| element.text.as_str())
            .collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    }

    /// The first amount at any of these paths, with its currency.
    pub(super) fn amount(&self, paths: &[&str]) -> Option<(&str, &str)> {
        let found = self.elements.iter().find(|element| paths.contains(&element.path.as_str()));
        found
            .map(|element| (element.text.as_str(), element.currency.as_deref().unwrap_or_default()))
    }

    /// Whether anything stands at a path or below it.
    pub(super) fn has(&self, path: &str) -> bool {
        self.elements.iter().any(|element| {
            let below = element.path.strip_prefix(path);
            below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
        })
    }

    /// The day at any of these paths, which may be a day or a time of one: the day as it is
    /// written there.
    ///
    /// # Errors
    /// A row error if what stands there is no day.
    pub(super) fn day(&self, line: u64, paths: &[&str]) -> Result<Option<String>, RowError> {
        let Some((path, text)) = paths.iter().find_map(|path| Some((*path, self.text(path)?)))
        else {
            return Ok(None);
        };
        if let Some(day) = day_of(text) {
            return Ok(Some(day));
        }
        let message = "expected a day as YYYY-MM-DD, or a time that begins with one";
        let error = RowError::new(line, "date", path, message);
        Err(RowError { value: text.to_owned(), ..error })
    }
}

/// What of a path stands below an element.
pub(super) fn below<'a>(path: &'a str, element: &str) -> Option<&'a str> {
    path.strip_prefix(element)?.strip_prefix('/')
}

/// The day that a text begins with; a time or a zone may follow (`2024-01-02+01:00`).
pub(super) fn day_of(text: &str) -> Option<String> {
    let day = text.get(..DAY_BYTES)?;
    records::date::parse_date(day).map(|_| day.to_owned())
}

/// One side of a transaction as the record has it: the clear member, or nothing if the message
/// says nothing of it; what is sealed is added to `secrets`.
///
/// Whoever is not said to be an organisation may be a person: name and account are then sealed as
/// personal, and only the submitter keeps them.
pub(super) fn party(
    elements: &Elements,
    member: &str,
    party: &str,
    account: &str,
    secrets: &mut Vec<Secret>,
) -> Option<Value> {
    let below = |path: &str| [format!("{party}/{path}"), format!("{party}/Pty/{path}")];
    let first = |paths: &[String]| paths.iter().find_map(|path| elements.text(path));
    let is_person = !below("Id/OrgId").iter().any(|path| elements.has(path));
    let lei = first(&below("Id/OrgId/LEI")).map(|lei| format!("XI-LEI-{lei}"));
    let id = lei.filter(|id| records::name::is_party_id(id));
    let account_paths = [format!("{account}/Id/IBAN"), format!("{account}/Id/Othr/Id")];
    let name = first(&below("Nm"));
    let account = first(&account_paths);
    if id.is_none() && name.is_none() && account.is_none() {
        return None;
    }
    let name_held = if is_person { HeldBy::Submitter } else { HeldBy::Log };
    for (field, value, held) in [("iban", account, HeldBy::Submitter), ("name", name, name_held)] {
        secrets.extend(value.map(|value| Secret {
            path: format!("/data/{member}/{field}"),
            value: one_line(value),
            held,
            is_personal: is_person,
        }));
    }
    Some(Value::map(id.map(|id| ("id", Value::from(id.as_str())))))
}

/// A text that only the submitter keeps.
pub(super) fn kept(member: &str, value: Option<String>) -> Option<Secret> {
    value.map(|value| Secret {
        path: format!("/data/{member}"),
        value: one_line(&value),
        held: HeldBy::Submitter,
        is_personal: false,
    })
}

/// Elements of one transaction or entry with all its details: some ten thousand payments that the
/// bank booked as one.
pub(super) const ELEMENTS_MAX: usize = 256 * 1024;
pub(super) const PURPOSE: &[&str] =
    &["RmtInf/Ustrd", "RmtInf/Strd/RfrdDocInf/Nb", "RmtInf/Strd/CdtrRefInf/Ref"];
/// Spec: SEPA and CBPR+ write this where there is no reference.
pub(super) const NOT_PROVIDED: &str = "NOTPROVIDED";
const DAY_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_entry_are_limited() {
        let mut elements = Elements::default();
        let element = || Content { text: "x".to_owned(), currency: None };
        let added = (0..=ELEMENTS_MAX).try_for_each(|_| elements.add("a", element()));
        assert!(added.is_err());
        assert!((0..=ELEMENTS_MAX).try_for_each(|_| elements.mark()).is_err());
    }
}
