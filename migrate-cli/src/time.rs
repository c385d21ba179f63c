//! Times for people: in their own zone. Documents keep what is stored, RFC 3339 in UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use migrate_runtime::LockHolder;

/// A time stamp in the zone of whoever reads it, as `psql` shows one: `2026-11-21 03:07:07+01`. The zone is that of the
/// variable TZ, else that of the system, else UTC.
pub(crate) fn local(time: &str) -> String {
    in_zone(time, TimeZone::system())
}

/// Who holds the run lock, and since when.
pub(crate) fn holder(holder: &LockHolder) -> String {
    let LockHolder { owner, host, process, acquired_at, .. } = holder;
    format!("{owner} on host {host}, process {process}, since {}", local(acquired_at))
}

fn in_zone(time: &str, zone: TimeZone) -> String {
    // What is none is shown as it is stored.
    time.parse::<Timestamp>()
        .map_or_else(|_| time.to_owned(), |time| time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S%:::z").to_string())
}

#[cfg(test)]
mod tests {
    use jiff::tz;

    use super::*;

    #[test]
    fn a_time_is_shown_in_a_zone_to_the_second() {
        let zone = |seconds| TimeZone::fixed(tz::Offset::from_seconds(seconds).expect("it is an offset"));
        for (time, seconds, expected) in [
            ("2026-11-21T02:07:07.123456Z", 0, "2026-11-21 02:07:07+00"),
            ("2026-11-21T02:07:07Z", -5 * 3600, "2026-11-20 21:07:07-05"),
            ("2026-11-21T02:07:07.1+00:00", 19_800, "2026-11-21 07:37:07+05:30"),
            ("never", 0, "never"),
        ] {
            assert_eq!(in_zone(time, zone(seconds)), expected);
        }
    }
}
