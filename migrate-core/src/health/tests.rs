use std::borrow::Cow;

use super::*;
use crate::checksum::Checksum;
use crate::compat::{Rules, judge};
use crate::migration::{Script, Settings};
use crate::plan::{Target, plan};
use crate::testing::{DIALECT, execute, registry, snapshot};

#[test]
fn every_check_has_words_of_its_own() {
    let mut words: Vec<&str> = Check::ALL.iter().map(|check| check.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Check::ALL.len());
    for check in Check::ALL {
        assert!(!check.moments().is_empty() && !check.dialects().is_empty(), "{check}");
        assert!(check.meaning().ends_with('.') && !check.remedy().ends_with('.'), "{check}");
    }
}

#[test]
fn problems_fail_and_none_pass() {
    let found = conclude(Check::InvalidIndexes, Found::Problems(vec![]));
    assert_eq!((found.state, found.help), (CheckState::Passed, None));
    let problems = (1..=7).map(|number| format!("i{number}")).collect();
    let found = conclude(Check::InvalidIndexes, Found::Problems(problems));
    assert_eq!((found.state, found.severity), (CheckState::Failed, Severity::Warning));
    assert_eq!(found.message, "i1; i2; i3; i4; i5; and 2 more");
    assert!(found.help.unwrap().contains("REINDEX"));
}

#[test]
fn a_disk_needs_room_for_the_database_once_more() {
    let state = |free, used| conclude(Check::DiskSpace, Found::Space { free, used }).state;
    assert_eq!(state(100, 100), CheckState::Passed);
    assert_eq!(state(99, 100), CheckState::Failed);
    let found = conclude(Check::DiskSpace, Found::Space { free: 5 << 20, used: 2 << 30 });
    assert_eq!(found.message, "5 MiB free, and the database takes 2 GiB");
    let found = conclude(Check::DiskSpace, Found::Unknown("nobody knows".into()));
    assert_eq!((found.state, &*found.message), (CheckState::NotChecked, "nobody knows"));
}

#[track_caller]
fn check_ledger(migrations: &str, ledger: &str, state: CheckState, severity: Severity, message: &str) {
    let assessment = judge(&registry(migrations), &snapshot(ledger), DIALECT, &Rules::default());
    let found = ledger_stands(&assessment, &[]);
    assert_eq!((found.state, found.severity), (state, severity), "{found:?}");
    assert!(found.message.contains(message), "{found:?}");
    assert_eq!(found.help.is_some(), state == CheckState::Failed);
}

#[test]
fn the_ledger_stands_unless_something_is_out_of_order_changed_unknown_or_interrupted() {
    use CheckState::{Failed, Passed};
    use Severity::{Error, Warning};
    check_ledger("1.0.0 1.1.0", "1.0.0", Passed, Error, "1 applied, 1 pending");
    check_ledger("1.0.0", "", Passed, Error, "0 applied, 1 pending");
    check_ledger("1.0.0 1.1.0", "1.1.0", Failed, Error, "1.0.0 is not applied, but the higher version");
    check_ledger("1.0.0", "1.0.0:edited", Failed, Error, "was changed after it was applied");
    check_ledger("1.0.0", "1.0.0:applying", Failed, Error, "1.0.0");
    check_ledger("1.0.0", "1.0.0 1.1.0", Failed, Warning, "1.1.0");
    check_ledger("1.0.0", "1.0.0:spaced", Failed, Warning, "1.0.0");
}

#[test]
fn the_ledger_holds_what_a_run_did() {
    let migrations = registry("1.0.0 1.1.0 1.2.0");
    for target in [Target::Latest, Target::DownAll, Target::Redo, Target::DownBy(1), Target::UpBy(1)] {
        let before = snapshot("1.0.0 1.1.0");
        let planned = plan(&migrations, &before, DIALECT, target).unwrap();
        assert!(!planned.is_empty());
        let after = execute(&before, &planned);
        assert_eq!(ledger_holds(&migrations, &after, DIALECT, &planned.steps), Found::Problems(vec![]), "{target:?}");
        // A redo that was never made leaves the same ledger.
        let unchanged = ledger_holds(&migrations, &before, DIALECT, &planned.steps);
        assert_eq!(unchanged == Found::Problems(vec![]), target == Target::Redo, "{target:?}: {unchanged:?}");
    }
    let planned = plan(&migrations, &snapshot(""), DIALECT, Target::UpBy(1)).unwrap();
    let found = |ledger: &str| ledger_holds(&migrations, &snapshot(ledger), DIALECT, &planned.steps);
    assert_eq!(found("1.0.0:applying"), Found::Problems(vec!["1.0.0 is `applying`".into()]));
    assert!(matches!(found("1.0.0:edited"), Found::Problems(problems) if problems[0].contains("checksum")));
}

/// Migrations given by what they expect and their up script.
fn expecting(migrations: &[(&str, &'static str)]) -> Registry {
    let migrations = (0..).zip(migrations).map(|(minor, (expects, up))| {
        let expects = (!expects.is_empty()).then(|| Cow::Owned((*expects).to_owned()));
        let settings = Settings { expects, ..Settings::DEFAULT };
        let scripts = vec![Script::new(Role::Up, None, (*up).to_owned())];
        let version = SchemaVersion::new(1, minor, 0);
        Migration::from_parts(version, "m".into(), settings, Cow::Owned(vec![]), Cow::Owned(scripts))
    });
    Registry::from_parts(None, "migrations_v2".into(), None, Checksum::of(""), Cow::Owned(migrations.collect()))
}

#[test]
fn what_later_migrations_remove_is_expected_no_more() {
    let migrations = expecting(&[
        ("table users\ntable app.Notes\nview v", "SELECT 1"),
        ("index by_email", "ALTER TABLE users ADD x text"),
        ("", "DROP TABLE app.notes; ALTER VIEW v RENAME TO w"),
        ("table users", "DROP TABLE users"),
    ]);
    let names = |ledger: &str| -> Vec<String> {
        expected(&migrations, &snapshot(ledger), DIALECT)
            .iter()
            .map(|it| format!("{} {}", it.version, it.name))
            .collect()
    };
    assert_eq!(names("1.0.0"), ["1.0.0 users", "1.0.0 app.Notes", "1.0.0 v"]);
    assert_eq!(names("1.0.0 1.1.0 1.2.0"), ["1.0.0 users", "1.1.0 by_email"]);
    assert_eq!(names("1.0.0 1.1.0 1.2.0 1.3.0"), ["1.1.0 by_email", "1.3.0 users"]);
    assert_eq!(names("1.0.0:applying"), [""; 0]);
    let all = expected(&migrations, &snapshot("1.0.0"), DIALECT);
    assert_eq!(all[1].parts(), (Some("app"), "Notes"));
    assert_eq!(all[0].to_string(), "table `users`, expected by 1.0.0, does not exist");
}
