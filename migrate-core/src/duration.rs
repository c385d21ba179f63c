//! Lengths of time as people write them: `500ms`, `5s`, `2min`, `1h`.

use std::time::Duration;

/// PostgreSQL keeps its timeouts as milliseconds in 32 bits.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// The length of time that a text stands for: a whole number and a unit, with the units of PostgreSQL.
///
/// ```
/// use migrate_core::duration::parse;
/// use std::time::Duration;
///
/// assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
/// assert_eq!(parse("2 min"), Ok(Duration::from_secs(120)));
/// ```
///
/// # Errors
///
/// `5` (no unit), `5 days` (another unit), `1.5s` (no whole number), more than PostgreSQL can count.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = split(text);
    read(number, unit, "its unit is not `ms`, `s`, `min` or `h`")
}

/// The same as people type it on a command line, where `2m` is two minutes, too.
///
/// ```
/// use migrate_core::duration::parse_typed;
/// use std::time::Duration;
///
/// assert_eq!(parse_typed("2m"), Ok(Duration::from_secs(120)));
/// assert_eq!(parse_typed("2min"), parse_typed("2m"));
/// ```
///
/// # Errors
///
/// Those of [`parse`].
pub fn parse_typed(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = split(text);
    let unit = if unit == "m" { "min" } else { unit };
    read(number, unit, "its unit is not `ms`, `s`, `m` or `h`")
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

fn read(number: &str, unit: &str, other_unit: &'static str) -> Result<Duration, &'static str> {
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "" => return Err("it has no unit"),
        _ if number.is_empty() => return Err("it does not begin with a whole number"),
        _ => return Err(other_unit),
    };
    if number.is_empty() {
        return Err("it does not begin with a whole number");
    }
    let number = number.parse::<u64>().unwrap_or(u64::MAX);
    let duration = Duration::from_millis(number.saturating_mul(milliseconds));
    if duration > LONGEST {
        return Err("it is longer than PostgreSQL can count, 596 hours");
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_has_no_whole_number_or_unit() {
        let check = |text: &str, expect: &str| assert_eq!(parse(text), Err(expect), "{text:?}");
        check("", "it has no unit");
        check("5", "it has no unit");
        check("s", "it does not begin with a whole number");
        check("soon", "it does not begin with a whole number");
        check("1.5s", "its unit is not `ms`, `s`, `min` or `h`");
        check("5 days", "its unit is not `ms`, `s`, `min` or `h`");
        check("99999999999999999999h", "it is longer than PostgreSQL can count, 596 hours");
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        assert_eq!(parse("596h"), Ok(Duration::from_secs(596 * 3600)));
    }

    #[test]
    fn minutes_are_m_only_where_people_type() {
        assert_eq!(parse("2m"), Err("its unit is not `ms`, `s`, `min` or `h`"));
        assert_eq!(parse_typed("2 m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_typed("2 days"), Err("its unit is not `ms`, `s`, `m` or `h`"));
        assert_eq!(parse_typed("30s"), Ok(Duration::from_secs(30)));
    }
}
