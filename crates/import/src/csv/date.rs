//! Dates as publishers write them.

use records::date::parse_date;
use serde::{Deserialize, Deserializer};

/// How a column writes dates: the order of year, month and day and what stands between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DateFormat {
    pattern: String,
}

impl Default for DateFormat {
    fn default() -> Self {
        Self { pattern: "YYYY-MM-DD".to_owned() }
    }
}

impl DateFormat {
    /// Reads a pattern: `YYYY`, `MM` and `DD` once each, with single separators.
    pub(super) fn parse(pattern: &str) -> Option<Self> {
        let mut letters: Vec<char> = pattern.chars().filter(char::is_ascii_alphabetic).collect();
        letters.sort_unstable();
        let is_complete = letters.iter().collect::<String>() == "DDMMYYYY";
        let has_whole_parts =
            ["YYYY", "MM", "DD"].iter().all(|part| pattern.matches(part).count() == 1);
        (is_complete && has_whole_parts && pattern.is_ascii())
            .then(|| Self { pattern: pattern.to_owned() })
    }

    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Reads a cell as `YYYY-MM-DD`. A time after the date (`2024-01-02 00:00:00`,
    /// `2024-01-02T00:00:00Z`) is cut off: it is midnight in nearly all files, and the day as the
    /// publisher wrote it is what he answers for.
    pub(super) fn read(&self, cell: &str) -> Option<String> {
        let date = cell.get(..self.pattern.len())?;
        let rest = cell.get(self.pattern.len()..)?;
        if !rest.is_empty() && !rest.starts_with([' ', 'T']) {
            return None;
        }
        for (expected, found) in self.pattern.chars().zip(date.chars()) {
            let fits = match expected {
                'Y' | 'M' | 'D' => found.is_ascii_digit(),
                separator => separator == found,
            };
            if !fits {
                return None;
            }
        }
        let part = |name: &str| {
            let start = self.pattern.find(name)?;
            date.get(start..start + name.len())
        };
        let (year, month, day) = (part("YYYY")?, part("MM")?, part("DD")?);
        let day = format!("{year}-{month}-{day}");
        parse_date(&day).map(|_| day)
    }
}

impl<'de> Deserialize<'de> for DateFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        Self::parse(&pattern).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "date format `{pattern}`: expected YYYY, MM and DD, such as DD/MM/YYYY"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates_with_and_without_time() {
        for (pattern, cell, expected) in [
            ("YYYY-MM-DD", "2024-01-02 00:00:00", Some("2024-01-02")),
            ("YYYY-MM-DD", "2024-01-02T10:00:00Z", Some("2024-01-02")),
            ("YYYY-MM-DD", "2024-02-29", Some("2024-02-29")),
            ("YYYY-MM-DD", "2023-02-29", None),
            ("YYYY-MM-DD", "2024-1-2", None),
            ("YYYY-MM-DD", "2024-01-021", None),
            ("DD/MM/YYYY", "31/12/2023", Some("2023-12-31")),
            ("DD/MM/YYYY", "12/31/2023", None),
            ("DD.MM.YYYY", "01.02.2024", Some("2024-02-01")),
            ("YYYYMMDD", "20240102", Some("2024-01-02")),
            ("YYYY-MM-DD", "0000-01-02", None),
            ("YYYY-MM-DD", "0001-01-02", Some("0001-01-02")),
            ("YYYY-MM-DD", "", None),
            ("YYYY-MM-DD", "2024–01-02", None),
        ] {
            let format = DateFormat::parse(pattern).unwrap();
            assert_eq!(format.read(cell).as_deref(), expected, "{pattern} {cell}");
        }
    }

    #[test]
    fn refuses_patterns_that_are_no_dates() {
        for pattern in ["", "YYYY-MM", "YY-MM-DD", "YYYY-MM-DD-DD", "YMYMYDYD", "hh:YYYY-MM-DD"] {
            assert_eq!(DateFormat::parse(pattern), None, "{pattern}");
        }
    }
}
