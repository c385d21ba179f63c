//! Backups before runs, and what becomes of them when a run fails.

use migrate_runtime::backup::{BackupOptions, BackupPolicy, BackupReason, Contents};
use migrate_runtime::{ErrorKind, Migrator, Outcome, RunBackup, Sqlite, Target, Verdict};
use testkit::migrations::Directory;

use super::{TABLES, contents, directory, prepared};
use crate::bench::{Bench, SqliteFile, migrator, of, registry_at};

const MORE: (&str, &str, &str, &str) = ("1.2.0", "more", "CREATE TABLE more (id INTEGER)", "DROP TABLE more");

fn with_more(options: BackupOptions) -> Migrator {
    migrator(&[TABLES[0], TABLES[1], MORE]).backup(options)
}

#[test]
fn a_run_with_something_to_do_is_backed_up() {
    let bench = SqliteFile::new();
    prepared(&bench);
    // An empty database has nothing to lose.
    assert!(directory(&bench).list().unwrap().backups.is_empty());
    let migrator = with_more(BackupOptions::default());
    let report = migrator.up(&mut bench.open()).wait().unwrap();
    let backups = directory(&bench).list().unwrap().backups;
    let Some(RunBackup::Taken { id, restored: false, remark: None, .. }) = &report.backup else {
        panic!("{:?}", report.backup);
    };
    assert_eq!((&backups[0].id, backups[0].run, backups[0].reason), (id, report.run, BackupReason::BeforeRun));
    assert_eq!(backups[0].contents, Contents::Full);
    assert!(!backups[0].rows.contains_key("more"), "it was taken before the first step");
    assert_eq!(migrator.up(&mut bench.open()).wait().unwrap().backup, None);
    let off = BackupOptions { before_down: false, ..Default::default() };
    assert_eq!(with_more(off).down(&mut bench.open()).wait().unwrap().backup, None);
    migrator.up(&mut bench.open()).wait().unwrap();
    assert!(matches!(migrator.down(&mut bench.open()).wait().unwrap().backup, Some(RunBackup::Taken { .. })));
    assert_eq!(directory(&bench).list().unwrap().backups.len(), 3);
}

#[test]
fn a_migrator_that_was_told_nothing_takes_none() {
    let bench = SqliteFile::new();
    prepared(&bench);
    assert_eq!(migrator(&[TABLES[0], TABLES[1], MORE]).up(&mut bench.open()).wait().unwrap().backup, None);
    assert!(directory(&bench).list().unwrap().backups.is_empty());
}

#[test]
fn a_policy_of_never_and_of_the_structure() {
    let bench = SqliteFile::new();
    prepared(&bench);
    let policy = |policy| BackupOptions { policy: Some(policy), ..Default::default() };
    assert_eq!(with_more(policy(BackupPolicy::Never)).up(&mut bench.open()).wait().unwrap().backup, None);
    with_more(policy(BackupPolicy::Schema)).down(&mut bench.open()).wait().unwrap();
    assert_eq!(directory(&bench).list().unwrap().backups[0].contents, Contents::Schema);
}

#[test]
fn a_large_database_is_backed_up_only_when_a_step_could_not_be_rolled_back() {
    let bench = SqliteFile::new();
    prepared(&bench);
    let small = BackupOptions { max_size: 4096, ..Default::default() };
    let report = with_more(small.clone()).up(&mut bench.open()).wait().unwrap();
    let Some(RunBackup::Skipped { reason }) = report.backup else { panic!("{:?}", report.backup) };
    assert!(reason.ends_with("more than 4 KiB, and every step can be rolled back"), "{reason}");
    let report = outside("SELECT 1").backup(small).up(&mut bench.open()).wait().unwrap();
    let Some(RunBackup::Taken { remark: Some(remark), .. }) = report.backup else { panic!("{:?}", report.backup) };
    assert_eq!(remark, "the database is larger than 4 KiB; a step could not be rolled back");
}

/// A migration outside a transaction on top of the others.
fn outside(up: &str) -> Migrator {
    let directory = Directory::simple(&[TABLES[0], TABLES[1], MORE, ("1.3.0", "outside", up, "")]);
    directory
        .write("v1.3.0_outside/metadata.json", br#"{"version": "1.3.0", "name": "outside", "transaction": false}"#);
    of(registry_at(directory.path())).backup(BackupOptions::default())
}

const HALF: &str = "DELETE FROM users WHERE id = 2; UPDATE users SET name = 'lost'; INSERT INTO missing VALUES (1)";

/// With rows that the failing migration changes.
fn failing(bench: &SqliteFile) -> Vec<String> {
    prepared(bench);
    with_more(BackupOptions::default()).up(&mut bench.open()).wait().unwrap();
    contents(bench)
}

#[test]
fn a_failure_half_way_says_how_to_go_back() {
    let bench = SqliteFile::new();
    let before = failing(&bench);
    let migrator = outside(HALF);
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    let Some(RunBackup::Taken { id, restored: false, .. }) = &error.report().unwrap().backup else { panic!("{error}") };
    let command = format!("`migrate restore {id}` puts back the state before the run");
    assert!(error.help().unwrap().ends_with(&command), "{:?}", error.help());
    assert_ne!(contents(&bench), before);
    migrator.restore_backup(&mut bench.open(), id, Default::default()).wait().unwrap();
    assert_eq!(contents(&bench), before);
}

#[test]
fn a_failure_half_way_is_undone_where_the_program_is_alone() {
    let bench = SqliteFile::new();
    let before = failing(&bench);
    let ledger = bench.ledger();
    let alone = BackupOptions { restore_on_failure: true, exclusive: true, ..Default::default() };
    let error = outside(HALF).backup(alone.clone()).up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("was put back: the database is as it was before the run"), "{error}");
    assert!(
        error.to_string().contains("no such table: main.missing") || error.to_string().contains("missing"),
        "{error}"
    );
    let report = error.report().unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(matches!(report.backup, Some(RunBackup::Taken { restored: true, .. })), "{:?}", report.backup);
    assert_eq!((contents(&bench), bench.ledger()), (before, ledger));
    assert!(bench.lock_owner().is_empty());
    assert_eq!(bench.sql("PRAGMA integrity_check"), ["ok"]);
    // What was tried is recorded all the same.
    let history = bench.history();
    let tail = ["run||started", "up|1.3.0|started", "up|1.3.0|failed", "restore||succeeded", "run||failed"];
    assert_eq!(history[history.len() - 5..], tail);
    let runs = "SELECT count(*), count(DISTINCT run) FROM schema_migrations_v2_history WHERE operation = 'run'";
    assert_eq!(bench.sql(runs), ["6|3"], "each run has one beginning and one end");
    let report = outside("SELECT 1").backup(alone).up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Done);
}

#[test]
fn without_the_word_of_the_program_that_it_is_alone_no_run_promises_to_put_back() {
    let bench = SqliteFile::new();
    let before = failing(&bench);
    let history = bench.history();
    let options = BackupOptions { restore_on_failure: true, ..Default::default() };
    let migrator = outside(HALF).backup(options);
    let errors = [
        migrator.up(&mut bench.open()).wait().unwrap_err(),
        migrator.auto_migrate(&mut bench.open()).wait().unwrap_err(),
        migrator.plan(&mut bench.open(), Target::Latest).wait().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("`restore_on_failure` needs `exclusive`"), "{error}");
        assert!(error.help().unwrap().contains("`--exclusive`"), "{:?}", error.help());
    }
    assert_eq!((contents(&bench), bench.history()), (before, history));
    assert_eq!(migrator.check(&mut bench.open()).wait().unwrap().verdict, Verdict::NeedsMigration);
}

#[test]
fn a_failure_that_was_rolled_back_restores_nothing() {
    let bench = SqliteFile::new();
    prepared(&bench);
    let alone = BackupOptions { restore_on_failure: true, exclusive: true, ..Default::default() };
    let failing = [TABLES[0], TABLES[1], MORE, ("1.3.0", "bad", "INSERT INTO missing VALUES (1)", "")];
    let error = migrator(&failing).backup(alone).up(&mut bench.open()).wait().unwrap_err();
    assert!(matches!(error.report().unwrap().backup, Some(RunBackup::Taken { restored: false, .. })), "{error}");
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied", "1.2.0|applied"], "what was committed stays");
}

/// The ids of the backups, newest first.
fn ids(bench: &SqliteFile) -> Vec<String> {
    directory(bench).list().unwrap().backups.into_iter().map(|backup| backup.id).collect()
}

#[test]
fn starts_that_go_on_with_a_half_done_step_keep_the_backup_from_before_it() {
    let bench = SqliteFile::new();
    let before = failing(&bench);
    let retention = migrate_runtime::backup::Retention { age: None, count: Some(2) };
    let looping = outside(HALF).backup(BackupOptions { retention, ..Default::default() });
    let error = looping.up(&mut bench.open()).wait().unwrap_err();
    let Some(RunBackup::Taken { id, .. }) = &error.report().unwrap().backup else { panic!("{error}") };
    let run = error.report().unwrap().run.unwrap();
    let all = ids(&bench);
    for _ in 0..4 {
        let error = looping.up(&mut bench.open()).wait().unwrap_err();
        let Some(RunBackup::Earlier { id: named, run: of, restored: false, .. }) = &error.report().unwrap().backup
        else {
            panic!("{:?}", error.report());
        };
        assert_eq!((named, *of), (id, run));
        let command = format!("`migrate restore {id}` puts back the state before run {run}");
        assert!(error.help().unwrap().ends_with(&command), "{:?}", error.help());
        assert_eq!(ids(&bench), all);
    }
    // What is half done is not pruned from under it, whatever is asked for.
    let none = migrate_runtime::backup::Retention { age: Some(std::time::Duration::ZERO), count: Some(0) };
    looping.prune_backups(&mut bench.open(), none, false).wait().unwrap();
    assert!(ids(&bench).contains(id));
    // And it is what the program goes back to.
    let alone = BackupOptions { restore_on_failure: true, exclusive: true, ..Default::default() };
    let error = outside(HALF).backup(alone).up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains(&format!("the database is as it was before run {run}")), "{error}");
    assert!(matches!(error.report().unwrap().backup, Some(RunBackup::Earlier { restored: true, .. })));
    assert_eq!(contents(&bench), before);
    assert!(bench.lock_owner().is_empty());
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied", "1.2.0|applied"]);
}

#[test]
fn a_half_done_step_without_a_backup_says_so() {
    let bench = SqliteFile::new();
    failing(&bench);
    let never = BackupOptions { policy: Some(BackupPolicy::Never), ..Default::default() };
    outside(HALF).backup(never).up(&mut bench.open()).wait().unwrap_err();
    let error = outside(HALF).up(&mut bench.open()).wait().unwrap_err();
    let Some(RunBackup::Skipped { reason }) = &error.report().unwrap().backup else { panic!("{error:?}") };
    assert!(reason.contains("half done") && reason.contains("there is none from before run 3"), "{reason}");
}

#[test]
fn a_run_that_changes_nothing_leaves_no_backup_and_removes_none() {
    let bench = SqliteFile::new();
    prepared(&bench);
    let retention = migrate_runtime::backup::Retention { age: None, count: Some(2) };
    let options = BackupOptions { retention, ..Default::default() };
    with_more(options.clone()).up(&mut bench.open()).wait().unwrap();
    let before = ids(&bench);
    let bad = [TABLES[0], TABLES[1], MORE, ("1.3.0", "bad", "INSERT INTO missing VALUES (1)", "")];
    for _ in 0..3 {
        let error = migrator(&bad).backup(options.clone()).up(&mut bench.open()).wait().unwrap_err();
        assert!(matches!(error.report().unwrap().backup, Some(RunBackup::Skipped { .. })), "{error:?}");
    }
    assert_eq!(ids(&bench), before);
}

#[test]
fn a_run_that_stops_before_running_programs_costs_no_backup() {
    let bench = SqliteFile::new();
    prepared(&bench);
    let _older = migrator(&TABLES).register_instance(&mut bench.open()).wait().unwrap();
    let set = Directory::simple(&[TABLES[0], TABLES[1], MORE]);
    set.write("v1.2.0_more/metadata.json", br#"{"version": "1.2.0", "name": "more", "min_runtime_version": "2.0.0"}"#);
    let newer = of(registry_at(set.path()))
        .runtime_version(migrate_runtime::Version::new(2, 0, 0))
        .backup(BackupOptions::default());
    let error = newer.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BlockedByInstances);
    assert_eq!(error.report().unwrap().backup, None);
    assert!(ids(&bench).is_empty());
    // What is written while a run waits is in its backup.
    let (waiting, waits) = std::sync::mpsc::channel();
    let newer =
        newer.wait_for_fleet(std::time::Duration::from_secs(60)).observer(move |event: &migrate_runtime::Event<'_>| {
            if let migrate_runtime::Event::WaitingForInstances { .. } = event {
                let _ = waiting.send(());
            }
        });
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.up(&mut bench.open()).wait().unwrap());
        waits.recv().unwrap();
        bench.sql("INSERT INTO users (name) VALUES ('meanwhile')");
        drop(_older);
        let report = run.join().unwrap();
        assert!(matches!(report.backup, Some(RunBackup::Taken { .. })), "{:?}", report.backup);
    });
    assert_eq!(directory(&bench).list().unwrap().backups[0].rows["users"], 4);
}

#[test]
fn a_check_that_fails_behind_the_last_step_puts_the_backup_back() {
    let bench = SqliteFile::new();
    prepared(&bench);
    let before = (contents(&bench), bench.ledger());
    let set = Directory::simple(&[TABLES[0], TABLES[1], ("1.2.0", "gone", "DELETE FROM users", "")]);
    let expects = br#"{"version": "1.2.0", "name": "gone", "expects": {"tables": ["nowhere"]}}"#;
    set.write("v1.2.0_gone/metadata.json", expects);
    let unhealthy = |exclusive| {
        of(registry_at(set.path()))
            .on_unhealthy(migrate_runtime::OnUnhealthy::Restore)
            .backup(BackupOptions { exclusive, ..Default::default() })
            .up(&mut bench.open())
            .wait()
            .unwrap_err()
    };
    let error = unhealthy(true);
    assert_eq!(error.kind(), ErrorKind::Unhealthy, "{error}");
    assert!(error.to_string().contains("the database is as it was before the run"), "{error}");
    assert!(matches!(error.report().unwrap().backup, Some(RunBackup::Taken { restored: true, .. })));
    assert_eq!((contents(&bench), bench.ledger()), before);
    assert!(bench.lock_owner().is_empty());
    assert_eq!(bench.history().last().unwrap(), "run||failed");
    // Without the word that the program is alone it says how.
    let error = unhealthy(false);
    assert!(error.help().unwrap().contains("`migrate restore "), "{:?}", error.help());
    assert_eq!(bench.ledger().len(), 3);
}

#[test]
fn a_damaged_database_is_not_migrated_and_its_backup_is_not_a_good_one() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let good = super::create(&bench, &migrator);
    super::damage::damage_the_index(&bench);
    let before = bench.ledger();
    let error = with_more(BackupOptions::default()).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backup, "{error}");
    assert!(error.to_string().contains("the database is damaged: integrity_check says: "), "{error}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!((bench.ledger(), ids(&bench)), (before, vec![good.id.clone()]));
    let damaged = super::create(&bench, &migrator);
    assert!(damaged.damage.is_some());
    let none = migrate_runtime::backup::Retention { age: None, count: Some(0) };
    migrator.prune_backups(&mut bench.open(), none, false).wait().unwrap();
    assert_eq!(ids(&bench), std::slice::from_ref(&good.id));
    // It can be gone back from all the same.
    let restored = migrator.restore_backup(&mut bench.open(), &good.id, Default::default()).wait().unwrap();
    assert!(restored.kept.unwrap().damage.is_some());
    assert_eq!(bench.sql("PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn old_ones_go_when_a_new_one_is_there() {
    let bench = SqliteFile::new();
    prepared(&bench);
    let retention = migrate_runtime::backup::Retention { age: None, count: Some(2) };
    let migrator = with_more(BackupOptions { retention, ..Default::default() });
    for _ in 0..3 {
        migrator.up(&mut bench.open()).wait().unwrap();
        migrator.down(&mut Sqlite::file(bench.path())).wait().unwrap();
    }
    assert_eq!(directory(&bench).list().unwrap().backups.len(), 2);
}
