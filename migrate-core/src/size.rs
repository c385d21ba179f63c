//! Numbers of bytes as people write them.

const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads `1048576`, `500MiB` or `2 GiB`.
///
/// ```
/// use migrate_core::size::parse;
///
/// assert_eq!(parse("4096"), Some(4096));
/// assert_eq!(parse("2 GiB"), Some(2 << 30));
/// assert_eq!(parse("1GB"), None);
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let unit = UNITS.iter().find_map(|(name, factor)| Some((text.strip_suffix(name)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1));
    number.trim().parse::<u64>().ok()?.checked_mul(factor)
}

/// Writes a number of bytes, rounded down to a tenth of its unit.
///
/// ```
/// use migrate_core::size::show;
///
/// assert_eq!(show(1 << 30), "1 GiB");
/// assert_eq!(show(1_600_000), "1.5 MiB");
/// assert_eq!(show(17), "17 bytes");
/// ```
#[must_use]
pub fn show(bytes: u64) -> String {
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) if bytes.is_multiple_of(*unit) => format!("{} {name}", bytes / unit),
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, (bytes % unit) * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}
