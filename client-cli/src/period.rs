//! The days that a complete file covers.

use std::str::FromStr;

use records::date::parse_date;

/// From one day to another, both within: `2024`, `2024-01`, `2024-01-02` or `FROM..TO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Period {
    /// A day, or the beginning of one: dates of this form sort as texts.
    from: String,
    to: String,
}

impl Period {
    /// Whether a day, `YYYY-MM-DD`, is within.
    pub(crate) fn contains(&self, day: &str) -> bool {
        day >= self.from.as_str() && (day <= self.to.as_str() || day.starts_with(&self.to))
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        for end in [from, to] {
            // The first day of a year or a month shows whether there is such a one.
            let day = match end.len() {
                4 => format!("{end}-01-01"),
                7 => format!("{end}-01"),
                _ => end.to_owned(),
            };
            if parse_date(&day).is_none() {
                return Err(format!(
                    "`{end}` is no period: write 2024, 2024-01, 2024-01-02 or FROM..TO"
                ));
            }
        }
        let period = Self { from: from.to_owned(), to: to.to_owned() };
        if from > to && !from.starts_with(to) {
            return Err(format!("{from} is after {to}"));
        }
        Ok(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_holds_its_first_and_its_last_day() {
        for (period, within, without) in [
            ("2024", &["2024-01-01", "2024-12-31"][..], &["2023-12-31", "2025-01-01"][..]),
            ("2024-02", &["2024-02-01", "2024-02-29"], &["2024-01-31", "2024-03-01"]),
            ("2024-02-03", &["2024-02-03"], &["2024-02-02", "2024-02-04"]),
            ("2023-04..2024-03", &["2023-04-01", "2024-03-31"], &["2023-03-31", "2024-04-01"]),
            ("2024-01-02..2024-01-09", &["2024-01-02", "2024-01-09"], &["2024-01-10"]),
        ] {
            let parsed: Period = period.parse().unwrap();
            for day in within {
                assert!(parsed.contains(day), "{period} has {day}");
            }
            for day in without {
                assert!(!parsed.contains(day), "{period} has no {day}");
            }
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in
            ["", "24", "2024-13", "2024-02-30", "..", "2024..", "2024-03..2024-02", "2024-1"]
        {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
