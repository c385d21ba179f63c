//! Which backups may go.

use std::time::{Duration, SystemTime};

use super::manifest::{Backup, Contents};
use super::options::Retention;

/// The backups of one database, newest first, that are not to be kept. A full one that is good stays among those that are
/// kept: `is_good` is asked only until there is one.
pub(super) fn to_remove<'b>(
    backups: &[&'b Backup],
    retention: Retention,
    now: SystemTime,
    mut is_good: impl FnMut(&Backup) -> bool,
) -> Vec<&'b Backup> {
    let beyond = |index: usize, backup: &Backup| {
        let many = retention.count.is_some_and(|count| index >= count as usize);
        let old = retention.age.is_some_and(|age| age_of(backup, now) > age);
        many || old
    };
    let (mut removed, kept): (Vec<_>, Vec<_>) =
        backups.iter().copied().enumerate().partition(|(index, backup)| beyond(*index, backup));
    let mut good = |backup: &Backup| backup.contents == Contents::Full && is_good(backup);
    let lost = !removed.is_empty() && !kept.iter().any(|(_, backup)| good(backup));
    if let Some(saved) = removed.iter().position(|(_, backup)| lost && good(backup)) {
        removed.remove(saved);
    }
    removed.into_iter().map(|(_, backup)| backup).collect()
}

/// How old a backup is. One whose time cannot be read, or lies ahead, is new.
pub(crate) fn age_of(backup: &Backup, now: SystemTime) -> Duration {
    let created = humantime::parse_rfc3339(&backup.created_at).unwrap_or(now);
    now.duration_since(created).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::manifest::{BackupFormat, BackupReason};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn backup(id: &str, days: u32, now: SystemTime) -> Backup {
        Backup {
            format: 1,
            id: id.to_owned(),
            created_at: humantime::format_rfc3339_seconds(now - DAY * days).to_string(),
            database: "sqlite:app.db".to_owned(),
            contents: Contents::Full,
            file_format: BackupFormat::Sqlite,
            compressed: false,
            file: format!("{id}.sqlite"),
            size: 0,
            uncompressed_size: 0,
            sha256: String::new(),
            reason: BackupReason::Asked,
            run: None,
            ledger_table: String::new(),
            ledger_head: None,
            registry_digest: String::new(),
            tool_version: String::new(),
            database_version: String::new(),
            dump_version: None,
            schema_fingerprint: String::new(),
            rows: std::collections::BTreeMap::new(),
            foreign_key_violations: 0,
            directory: std::path::PathBuf::new(),
        }
    }

    #[track_caller]
    fn check(ages: &[u32], retention: (Option<u32>, Option<u32>), damaged: &[&str], expected: &[&str]) {
        let now = SystemTime::now();
        let backups: Vec<Backup> =
            ages.iter().enumerate().map(|(index, days)| backup(&format!("b{index}"), *days, now)).collect();
        let backups: Vec<&Backup> = backups.iter().collect();
        let (days, count) = retention;
        let retention = Retention { age: days.map(|days| DAY * days), count };
        let removed = to_remove(&backups, retention, now, |backup| !damaged.contains(&&*backup.id));
        assert_eq!(removed.iter().map(|backup| &*backup.id).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn by_age_and_count() {
        check(&[0, 5, 40], (Some(30), None), &[], &["b2"]);
        check(&[0, 1, 2], (None, Some(2)), &[], &["b2"]);
        check(&[0, 1, 40], (Some(30), Some(1)), &[], &["b1", "b2"]);
        check(&[0, 1, 400], (None, None), &[], &[]);
    }

    #[test]
    fn the_only_good_one_stays() {
        check(&[40, 50], (Some(30), None), &[], &["b1"]);
        check(&[0, 1, 2, 3], (None, Some(2)), &["b0", "b1", "b2"], &["b2"]);
        check(&[0, 1], (None, Some(0)), &[], &["b1"]);
    }
}
