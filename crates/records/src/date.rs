//! Calendar dates and admission times, without a clock.
//!
//! Spec: RFC 3339; days are of the proleptic Gregorian calendar, counted from 1970-01-01.

/// Milliseconds of one day.
pub const DAY_MS: u64 = 86_400_000;
/// The last millisecond of the year 9999; later times have no RFC 3339 form.
pub const ADMITTED_MS_MAX: u64 = 253_402_300_799_999;

/// Days from 1970-01-01 to a date `YYYY-MM-DD`; `None` when it is not a date of the calendar.
pub fn parse_date(text: &str) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else { return None };
    let year = number(&[y1, y2, y3, y4])?;
    let month = number(&[m1, m2])?;
    let day = number(&[d1, d2])?;
    let is_real =
        year >= 1 && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    is_real.then(|| days_from_civil(year, month, day))
}

/// A date as `YYYY-MM-DD`.
pub fn format_date(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The day on which a time of admission falls, in UTC.
pub fn day_of_millis(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms / DAY_MS).unwrap_or(i64::MAX)
}

/// A time of admission as RFC 3339 UTC with milliseconds: `2026-01-02T03:04:05.678Z`.
///
/// Times beyond the year 9999 are written as its last millisecond.
pub fn format_millis(unix_ms: u64) -> String {
    let unix_ms = unix_ms.min(ADMITTED_MS_MAX);
    let of_day = unix_ms % DAY_MS;
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
    let date = format_date(day_of_millis(unix_ms));
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads what [`format_millis`] writes and nothing else: no other zone, no leap second.
pub fn parse_millis(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let [h1, h2, b':', m1, m2, b':', s1, s2, b'.', f1, f2, f3, b'Z'] = *time.as_bytes() else {
        return None;
    };
    let days = u64::try_from(parse_date(date)?).ok()?;
    let hour = number(&[h1, h2]).filter(|h| *h < 24)?;
    let minute = number(&[m1, m2]).filter(|m| *m < 60)?;
    let second = number(&[s1, s2]).filter(|s| *s < 60)?;
    let milli = number(&[f1, f2, f3])?;
    let of_day = ((hour * 60 + minute) * 60 + second) * 1000 + milli;
    Some(days * DAY_MS + u64::try_from(of_day).ok()?)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts years from March, so that the leap day is the last of its year.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_calendar() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2000-03-01"), Some(11_017));
        assert_eq!(parse_date("2024-02-29"), Some(19_782));
        for bad in [
            "2023-02-29",
            "1900-02-29",
            "2024-00-01",
            "2024-13-01",
            "2024-04-31",
            "2024-01-00",
            "0000-01-01",
            "2024-1-1",
            "2024-01-01T",
            "２024-01-1",
            "+024-01-01",
            "20240101",
            "",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_day_of_ten_thousand_years_round_trips() {
        let last = parse_date("9999-12-31").unwrap();
        let mut days = parse_date("0001-01-01").unwrap();
        while days <= last {
            assert_eq!(parse_date(&format_date(days)), Some(days));
            days += 1;
        }
    }

    #[test]
    fn admission_time_has_one_form() {
        assert_eq!(format_millis(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(format_millis(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(format_millis(u64::MAX), "9999-12-31T23:59:59.999Z");
        for ms in [0, 1, 999, 86_399_999, 1_735_689_599_999, ADMITTED_MS_MAX] {
            assert_eq!(parse_millis(&format_millis(ms)), Some(ms));
        }
        for bad in [
            "2024-12-31T23:59:60.000Z",
            "2024-12-31T24:00:00.000Z",
            "2024-12-31T23:59:59Z",
            "2024-12-31T23:59:59.999+00:00",
            "2024-12-31t23:59:59.999z",
            "1969-12-31T23:59:59.999Z",
            "2024-12-31 23:59:59.999Z",
            "2024-12-31T23:59:59.9990Z",
        ] {
            assert_eq!(parse_millis(bad), None, "{bad}");
        }
    }
}
