//! Which backups may go.

use std::time::{Duration, SystemTime};

use super::manifest::{Backup, BackupReason, Contents};
use super::options::Retention;

/// The backups of one ledger, newest first, that are not to be kept. A full one that is good stays among those that are
/// kept: `is_good` is asked only until there is one. Those that are `needed` stay, too.
///
/// Backups from before runs that changed nothing are alike; a program that fails at each start takes one each time. They
/// count as one, of which the newest and the oldest stay, so that they do not push out what was before them.
pub(super) fn to_remove<'b>(
    backups: &[&'b Backup],
    retention: Retention,
    now: SystemTime,
    is_needed: impl Fn(&Backup) -> bool,
    mut is_good: impl FnMut(&Backup) -> bool,
) -> Vec<&'b Backup> {
    let is_like = |one: Option<usize>, other: &Backup| {
        one.and_then(|index| backups.get(index)).is_some_and(|backup| is_same_state(backup, other))
    };
    let mut state = 0;
    let mut beyond = |index: usize, backup: &Backup| {
        let (like_newer, like_older) = (is_like(index.checked_sub(1), backup), is_like(Some(index + 1), backup));
        state += usize::from(index > 0 && !like_newer);
        let many = |count: u32| index >= count as usize && (state >= count as usize || (like_newer && like_older));
        let old = retention.age.is_some_and(|age| age_of(backup, now) > age);
        (retention.count.is_some_and(many) || old) && !is_needed(backup)
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

/// Whether two backups from before runs hold the same as far as their manifests tell: nothing came of the run between.
fn is_same_state(one: &Backup, other: &Backup) -> bool {
    let before_runs = [one, other].iter().all(|backup| backup.reason == BackupReason::BeforeRun);
    before_runs
        && one.contents == other.contents
        && one.ledger_head == other.ledger_head
        && one.survey() == other.survey()
        && one.damage == other.damage
}

/// How old a backup is. One whose time cannot be read, or lies ahead, is new.
pub(crate) fn age_of(backup: &Backup, now: SystemTime) -> Duration {
    let created = humantime::parse_rfc3339(&backup.created_at).unwrap_or(now);
    now.duration_since(created).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::manifest::BackupFormat;

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
            run_began_at: None,
            ledger_table: String::new(),
            ledger_schema: None,
            ledger_head: None,
            ledger_floor: None,
            registry_digest: String::new(),
            tool_version: String::new(),
            database_version: String::new(),
            dump_version: None,
            schema_fingerprint: String::new(),
            rows: std::collections::BTreeMap::new(),
            foreign_key_violations: 0,
            damage: None,
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
        let removed = to_remove(&backups, retention, now, |_| false, |backup| !damaged.contains(&&*backup.id));
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

    /// The ids that stay of backups from before runs, given by their heads, newest first.
    #[track_caller]
    fn stay(heads: &str, count: u32, needed: &str) -> String {
        let now = SystemTime::now();
        let backups: Vec<Backup> = heads
            .chars()
            .enumerate()
            .map(|(index, head)| Backup {
                reason: BackupReason::BeforeRun,
                ledger_head: Some(head.to_string()),
                ..backup(&index.to_string(), 0, now)
            })
            .collect();
        let backups: Vec<&Backup> = backups.iter().collect();
        let retention = Retention { age: None, count: Some(count) };
        let removed = to_remove(&backups, retention, now, |backup| backup.id == needed, |_| true);
        let stays = backups.iter().filter(|backup| !removed.iter().any(|it| it.id == backup.id));
        stays.map(|backup| &*backup.id).collect()
    }

    #[test]
    fn states_that_nothing_came_of_count_once() {
        assert_eq!(stay("cba", 2, ""), "01");
        // Five starts that failed before anything, after two runs that did something.
        assert_eq!(stay("cccccba", 3, ""), "012456");
        assert_eq!(stay("cccccba", 2, ""), "0145");
        assert_eq!(stay("ccba", 9, ""), "0123");
    }

    #[test]
    fn what_is_needed_stays() {
        assert_eq!(stay("edcba", 2, "3"), "013");
    }
}
