//! Backups, and putting them back.

mod damage;
mod policy;
mod postgres;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use migrate_runtime::backup::{
    Backup, BackupDirectory, BackupOptions, BackupPolicy, BackupReason, Contents, RestoreOptions, VerifyOptions,
};
use migrate_runtime::{ErrorKind, Migrator, Outcome, SnapshotObstacle, Sqlite};
use rusqlite::Connection;

use crate::bench::{Bench, SqliteFile, SqliteWal, migrator, rows};

const TABLES: [(&str, &str, &str, &str); 2] = [
    ("1.0.0", "users", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)", "DROP TABLE users"),
    ("1.1.0", "names", "CREATE INDEX by_name ON users (name)", "DROP INDEX by_name"),
];

/// With both migrations applied and some rows.
fn prepared<B: Bench>(bench: &B) -> Migrator {
    let migrator = migrator(&TABLES).backup(BackupOptions::default());
    migrator.up(&mut bench.open()).wait().unwrap();
    bench.sql("INSERT INTO users (name) VALUES ('a'), ('b'), ('c')");
    migrator
}

fn create<B: Bench>(bench: &B, migrator: &Migrator) -> Backup {
    migrator.create_backup(&mut bench.open(), Contents::Full).wait().unwrap()
}

/// Every row of the application's tables.
fn contents<B: Bench>(bench: &B) -> Vec<String> {
    bench.sql("SELECT id, name FROM users ORDER BY id")
}

fn there_and_back<B: Bench>(bench: &B) {
    let migrator = prepared(bench);
    let before = contents(bench);
    let backup = create(bench, &migrator);
    assert_eq!(backup.reason, BackupReason::Asked);
    assert_eq!(backup.ledger_head.as_deref(), Some("1.1.0"));
    assert!(backup.rows.values().eq(&[3]), "{:?}", backup.rows);
    bench.sql("DELETE FROM users WHERE id > 1");
    bench.sql("CREATE TABLE since (id integer)");
    migrator.down(&mut bench.open()).wait().unwrap();
    let restored = migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap();
    assert_eq!(restored.outcome, Outcome::Done);
    assert_eq!(contents(bench), before);
    assert_eq!(bench.tables(), ["users"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert!(bench.lock_owner().is_empty(), "{:?}", bench.lock_owner());
    // Nothing that was recorded since is lost.
    assert_eq!(
        bench.history()[4..],
        [
            "run||started",
            "down|1.1.0|succeeded",
            "run||succeeded",
            "run||started",
            "restore||succeeded",
            "run||succeeded"
        ]
    );
    let plan = bench.sql("SELECT plan FROM schema_migrations_v2_history WHERE operation = 'restore'").join("\n");
    let kept = restored.kept.unwrap();
    assert!(plan.contains(&backup.id) && plan.contains(&kept.id), "{plan}");
    // What was kept is as good a backup.
    assert_eq!(kept.reason, BackupReason::BeforeRestore);
    migrator.restore_backup(&mut bench.open(), &kept.id, RestoreOptions::default()).wait().unwrap();
    assert_eq!(bench.tables(), ["since", "users"]);
    assert_eq!(contents(bench), before[..1]);
    assert_eq!(migrator.up(&mut bench.open()).wait().unwrap().outcome, Outcome::Done);
}

#[test]
fn there_and_back_with_a_rollback_journal() {
    there_and_back(&SqliteFile::new());
}

#[test]
fn there_and_back_in_wal_mode() {
    let bench = SqliteWal::new();
    there_and_back(&bench);
    assert_eq!(bench.sql("PRAGMA journal_mode"), ["wal"]);
}

#[test]
fn files_are_private_and_complete() {
    use std::os::unix::fs::PermissionsExt;
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backup = create(&bench, &migrator);
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&backup.directory).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, [format!("app.db-{}.json", backup.id), format!("app.db-{}.sqlite.zst", backup.id)]);
    assert_eq!(backup.directory, bench.path().canonicalize().unwrap().with_file_name("app.db.backups"));
    assert_eq!(std::fs::metadata(&backup.directory).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn one_that_is_not_compressed_is_a_database() {
    let bench = SqliteWal::new();
    let migrator = migrator(&TABLES).backup(BackupOptions { compress: false, ..Default::default() });
    migrator.up(&mut bench.open()).wait().unwrap();
    bench.sql("INSERT INTO users (name) VALUES ('a')");
    let backup = create(&bench, &migrator);
    let connection = Connection::open(backup.path()).unwrap();
    assert_eq!(rows(&connection, "SELECT name FROM users"), ["a"]);
}

#[test]
fn a_deep_look_compares_with_the_manifest() {
    let bench = SqliteWal::new();
    let migrator = prepared(&bench);
    let mut backup = create(&bench, &migrator);
    let deep = VerifyOptions { deep: true, ..Default::default() };
    assert_eq!(backup.verify(&deep).unwrap().checks.len(), 4);
    *backup.rows.get_mut("users").unwrap() = 4;
    backup.verify(&VerifyOptions::default()).unwrap();
    let error = backup.verify(&deep).unwrap_err().to_string();
    assert!(error.contains("`users` has 3 rows and should have 4"), "{error}");
}

/// Every backup under a steady load is of one moment: the load keeps two tables equal in each transaction.
#[test]
fn under_a_steady_write_load() {
    for mode in ["DELETE", "WAL"] {
        let file = SqliteFile::new();
        let migrator = prepared(&file).backup(BackupOptions { compress: false, ..Default::default() });
        let table = |name: &str| format!("CREATE TABLE {name} (id INTEGER PRIMARY KEY, n INTEGER, body BLOB);");
        file.sql(&format!("PRAGMA journal_mode = {mode}; {} {}", table("one"), table("two")));
        let (stop, (tell, told)) = (AtomicBool::new(false), std::sync::mpsc::channel());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let connection = file.connection();
                connection.execute_batch("PRAGMA busy_timeout = 60000; PRAGMA synchronous = OFF").unwrap();
                for n in 0.. {
                    let one = format!("INSERT OR REPLACE INTO one VALUES ({n} % 300, {n}, randomblob(5000));");
                    connection
                        .execute_batch(&format!("BEGIN IMMEDIATE; {one} {} COMMIT", one.replace("one", "two")))
                        .unwrap();
                    if tell.send(n).is_err() || stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let mut sums = Vec::new();
            for _ in 0..4 {
                // So that something was written since the last one.
                while told.try_recv().is_ok() {}
                told.recv().unwrap();
                let backup = create(&file, &migrator);
                backup.verify(&VerifyOptions { deep: true, ..Default::default() }).unwrap();
                let copy = Connection::open(backup.path()).unwrap();
                let sum = rows(&copy, "SELECT (SELECT sum(n) FROM one), (SELECT sum(n) FROM two)").remove(0);
                let (one, two) = sum.split_once('|').unwrap();
                assert_eq!(one, two, "{mode}");
                sums.push(sum);
            }
            stop.store(true, Ordering::Relaxed);
            sums.dedup();
            assert_eq!(sums.len(), 4, "{mode}: something was written between two backups");
        });
        let backup = create(&file, &migrator);
        let everything = "SELECT id, n, hex(body) FROM one; SELECT id, n, hex(body) FROM two";
        let before = file.sql(everything);
        file.sql("DELETE FROM one; DROP TABLE two");
        migrator.restore_backup(&mut file.open(), &backup.id, RestoreOptions::default()).wait().unwrap();
        assert!(file.sql(everything) == before, "{mode}: rows differ");
    }
}

#[test]
fn an_open_wal_connection_sees_what_was_restored() {
    let bench = SqliteWal::new();
    let migrator = prepared(&bench);
    let backup = create(&bench, &migrator);
    let application = Connection::open(bench.url().trim_start_matches("sqlite:")).unwrap();
    application.execute_batch("UPDATE users SET name = 'changed'; PRAGMA wal_checkpoint").unwrap();
    application.execute_batch("INSERT INTO users (name) VALUES ('in the wal')").unwrap();
    migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap();
    assert_eq!(rows(&application, "SELECT name FROM users ORDER BY id"), ["a", "b", "c"]);
    application.execute_batch("INSERT INTO users (name) VALUES ('d'); PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(application);
    assert_eq!(bench.sql("SELECT name FROM users ORDER BY id"), ["a", "b", "c", "d"]);
    assert_eq!(bench.sql("PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn a_file_that_is_gone_is_restored() {
    for wal in [false, true] {
        let bench = SqliteFile::new();
        if wal {
            bench.sql("PRAGMA journal_mode = WAL");
        }
        let migrator = prepared(&bench);
        let before = contents(&bench);
        let (_, newer) = (create(&bench, &migrator), create(&bench, &migrator));
        std::fs::remove_file(bench.path()).unwrap();
        let restored = migrator.restore_backup(&mut bench.open(), &newer.id, RestoreOptions::default()).wait().unwrap();
        assert!(restored.kept.is_none());
        // The number of the run goes on from that of the backup.
        assert_eq!(restored.run, Some(2));
        assert_eq!(contents(&bench), before);
        let runs = bench.sql("SELECT run, operation, outcome FROM schema_migrations_v2_history ORDER BY id");
        assert_eq!(runs[4..], ["2|run|started", "2|restore|succeeded", "2|run|succeeded"]);
    }
}

#[test]
fn a_lock_in_a_backup_does_not_come_back_to_life() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    bench.sql(
        "INSERT INTO schema_migrations_v2_instances VALUES ('x', '1.0.0', NULL, '', 'there', 1, '2020', '2020', '2999');
         UPDATE schema_migrations_v2_state SET lock_owner = 'gone', lock_host = 'there', lock_process = 1,
             lock_acquired_at = '2020-01-01T00:00:00.000Z', fence = 7, intended_floor = '9.0.0', intended_removal = '1.0.0'",
    );
    let backup = create(&bench, &migrator);
    bench.sql(
        "UPDATE schema_migrations_v2_state SET fence = 40, lock_owner = NULL, lock_host = NULL, lock_process = NULL;
         DELETE FROM schema_migrations_v2_instances",
    );
    let restored = migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap();
    assert_eq!(restored.run, Some(41));
    assert!(bench.lock_owner().is_empty());
    let state = "SELECT fence, intended_floor, intended_removal FROM schema_migrations_v2_state";
    assert_eq!(bench.sql(state), ["41||"]);
    assert_eq!(bench.sql("SELECT count(*) FROM schema_migrations_v2_instances"), ["0"]);
}

#[test]
fn it_waits_for_the_run_lock() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backup = create(&bench, &migrator);
    let lock = std::fs::File::open(bench.path().with_file_name("app.db.migrate-lock")).unwrap();
    lock.lock().unwrap();
    let hasty = migrator.clone().wait_lock(Duration::ZERO);
    let error = hasty.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockBusy);
    drop(lock);
    hasty.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap();
}

#[test]
fn another_page_size() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backup = create(&bench, &migrator);
    bench.sql("PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL; DELETE FROM users");
    let restore = || migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait();
    let error = restore().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backup);
    assert!(error.to_string().contains("pages of 4096 bytes and the database of 8192"), "{error}");
    assert!(contents(&bench).is_empty());
    bench.sql("PRAGMA journal_mode = DELETE");
    restore().unwrap();
    assert_eq!(contents(&bench).len(), 3);
}

#[test]
fn a_dry_run_verifies_and_changes_nothing() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backup = create(&bench, &migrator);
    bench.sql("DELETE FROM users");
    let dry = RestoreOptions { dry_run: true, ..Default::default() };
    let restored = migrator.restore_backup(&mut bench.open(), "latest", dry).wait().unwrap();
    assert_eq!((restored.outcome, restored.backup.id), (Outcome::DryRun, backup.id));
    assert!(contents(&bench).is_empty());
    assert_eq!(bench.history().len(), 4);
}

#[test]
fn the_structure_alone_cannot_be_restored() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backup = migrator.create_backup(&mut bench.open(), Contents::Schema).wait().unwrap();
    assert!(backup.file.ends_with(".sql.zst"), "{}", backup.file);
    backup.verify(&VerifyOptions::default()).unwrap();
    let error = migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("holds the structure only"), "{error}");
}

#[test]
fn before_a_run_it_is_found_by_the_number_of_the_run() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let more = [TABLES[0], TABLES[1], ("1.2.0", "gone", "DELETE FROM users", "")];
    let newer = crate::bench::migrator(&more).backup(BackupOptions::default());
    let run = newer.up(&mut bench.open()).wait().unwrap().run.unwrap();
    assert_eq!(newer.run_snapshot(&mut bench.open(), run).wait().unwrap().obstacles, []);
    let none = newer.run_snapshot(&mut bench.open(), run + 5).wait().unwrap();
    assert_eq!(none.obstacles, [SnapshotObstacle::NoBackup { run: run + 5 }]);
    // The first run found an empty database.
    let first = newer.run_snapshot(&mut bench.open(), run - 1).wait().unwrap();
    assert_eq!(first.obstacles.len(), 2, "{:?}", first.obstacles);
    let error = newer.restore_run_snapshot(&mut bench.open(), run - 1, RestoreOptions::default()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert!(error.to_string().contains(&format!("newer runs have changed the database: {run}")), "{error}");
    newer.restore_run_snapshot(&mut bench.open(), run, RestoreOptions::default()).wait().unwrap();
    assert_eq!(contents(&bench).len(), 3);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    // What was restored is a change of its own.
    let again = migrator.run_snapshot(&mut bench.open(), run).wait().unwrap();
    assert_eq!(again.obstacles, [SnapshotObstacle::NewerRuns { runs: vec![run + 1] }]);
}

#[test]
fn a_database_in_memory() {
    let mut connection = Connection::open_in_memory().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let options = BackupOptions { directory: Some(directory.path().to_owned()), ..Default::default() };
    let migrator = migrator(&TABLES).backup(options);
    migrator.up(&mut migrate_runtime::BorrowedConnection::new(&mut connection)).wait().unwrap();
    connection.execute_batch("INSERT INTO users (name) VALUES ('a')").unwrap();
    let database = &mut migrate_runtime::BorrowedConnection::new(&mut connection);
    let backup = migrator.create_backup(database, Contents::Full).wait().unwrap();
    connection.execute_batch("DELETE FROM users").unwrap();
    let database = &mut migrate_runtime::BorrowedConnection::new(&mut connection);
    migrator.restore_backup(database, &backup.id, RestoreOptions::default()).wait().unwrap();
    assert_eq!(rows(&connection, "SELECT name FROM users"), ["a"]);
}

#[test]
fn latest_is_the_newest_full_one_of_this_database() {
    let (bench, other) = (SqliteFile::new(), SqliteFile::new());
    let place = tempfile::tempdir().unwrap();
    let options = BackupOptions { directory: Some(place.path().to_owned()), ..Default::default() };
    let migrator = prepared(&bench).backup(options.clone());
    let full = create(&bench, &migrator);
    let schema = migrator.create_backup(&mut bench.open(), Contents::Schema).wait().unwrap();
    create(&other, &prepared(&other).backup(options));
    let restored = migrator.restore_backup(&mut bench.open(), "latest", RestoreOptions::default()).wait().unwrap();
    assert_eq!(restored.backup.id, full.id);
    let here = crate::bench::any(&bench.url());
    assert_eq!(BackupDirectory::new(place.path()).find_of("latest", &here).unwrap().id, restored.kept.unwrap().id);
    assert!(schema.id > full.id);
}

#[test]
fn the_backup_of_a_run_of_a_file_that_was_made_anew_is_not_that_of_its_runs() {
    let bench = SqliteFile::new();
    let more = [TABLES[0], TABLES[1], ("1.2.0", "more", "CREATE TABLE more (id INTEGER)", "")];
    let newer = crate::bench::migrator(&more).backup(BackupOptions::default());
    let twice = || {
        prepared(&bench);
        newer.up(&mut bench.open()).wait().unwrap().run.unwrap()
    };
    let run = twice();
    assert_eq!(newer.run_snapshot(&mut bench.open(), run).wait().unwrap().obstacles, []);
    std::fs::remove_file(bench.path()).unwrap();
    let off = newer.clone().backup(BackupOptions { policy: Some(BackupPolicy::Never), ..Default::default() });
    prepared(&bench);
    assert_eq!(off.up(&mut bench.open()).wait().unwrap().run, Some(run));
    let none = newer.run_snapshot(&mut bench.open(), run).wait().unwrap();
    assert_eq!(none.obstacles, [SnapshotObstacle::NoBackup { run }]);
}

#[test]
fn the_backup_of_a_run_of_another_ledger_in_the_same_file_is_not_that_of_its_runs() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let more = [TABLES[0], TABLES[1], ("1.2.0", "more", "CREATE TABLE more (id INTEGER)", "")];
    let run = crate::bench::migrator(&more)
        .backup(BackupOptions::default())
        .up(&mut bench.open())
        .wait()
        .unwrap()
        .run
        .unwrap();
    let another = crate::bench::migrator(&[("1.0.0", "own", "CREATE TABLE own (id INTEGER)", "")])
        .table("another")
        .backup(BackupOptions::default());
    another.up(&mut bench.open()).wait().unwrap();
    let none = another.run_snapshot(&mut bench.open(), run).wait().unwrap();
    assert_eq!(none.obstacles, [SnapshotObstacle::NoBackup { run }]);
    let id = migrator.run_snapshot(&mut bench.open(), run).wait().unwrap().backup.unwrap().id;
    let error = another.restore_backup(&mut bench.open(), &id, RestoreOptions::default()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("was taken with the ledger `schema_migrations_v2`"), "{error}");
}

#[test]
fn a_failure_that_left_nothing_is_no_newer_run() {
    let bench = SqliteFile::new();
    prepared(&bench);
    let more = ("1.2.0", "more", "CREATE TABLE more (id INTEGER)", "");
    let newer = crate::bench::migrator(&[TABLES[0], TABLES[1], more]).backup(BackupOptions::default());
    let run = newer.up(&mut bench.open()).wait().unwrap().run.unwrap();
    let bad = ("1.3.0", "bad", "INSERT INTO missing VALUES (1)", "");
    crate::bench::migrator(&[TABLES[0], TABLES[1], more, bad]).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(newer.run_snapshot(&mut bench.open(), run).wait().unwrap().obstacles, []);
}

#[test]
fn a_rollback_after_a_restore_judges_by_what_was_restored() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backup = create(&bench, &migrator);
    // Undone and applied again, and then put back as run 1 left it.
    migrator.down(&mut bench.open()).wait().unwrap();
    migrator.up(&mut bench.open()).wait().unwrap();
    migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap();
    let answers = migrator.can_roll_back(&mut bench.open(), None).wait().unwrap();
    assert_eq!(answers.run, Some(1));
    assert_eq!(answers.answers[0].obstacles, []);
    migrator.roll_back(&mut bench.open(), 1, migrate_runtime::Strategy::Undo).wait().unwrap();
    assert!(bench.ledger().is_empty());
}

#[test]
fn a_restore_that_finds_something_else_afterwards_gives_the_lock_back() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backup = create(&bench, &migrator);
    let text = std::fs::read_to_string(backup.manifest_path()).unwrap();
    std::fs::write(backup.manifest_path(), text.replace("\"users\": 3", "\"users\": 9")).unwrap();
    let error = migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap_err();
    assert!(error.to_string().contains("something else was written since"), "{error}");
    assert!(bench.lock_owner().is_empty());
    assert_eq!(bench.history()[4..], ["run||started", "restore||succeeded", "run||failed"]);
}

/// The programs that are registered, by version.
fn registered(bench: &SqliteFile) -> Vec<String> {
    bench.sql("SELECT runtime_version FROM schema_migrations_v2_instances ORDER BY 1")
}

#[test]
fn programs_that_run_stay_registered_when_a_backup_is_put_back() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let gone = migrator.register_instance(&mut bench.open()).wait().unwrap();
    let backup = create(&bench, &migrator);
    drop(gone);
    let newer = migrator.clone().runtime_version(migrate_runtime::Version::new(1, 1, 0));
    let _stays = newer.register_instance(&mut bench.open()).wait().unwrap();
    migrator.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap();
    assert_eq!(registered(&bench), ["1.1.0"]);
}

#[test]
fn a_backup_without_what_running_programs_need_is_refused() {
    let bench = SqliteFile::new();
    let migrator = prepared(&bench);
    let backup = create(&bench, &migrator);
    let more = [TABLES[0], TABLES[1], ("1.2.0", "more", "CREATE TABLE more (id INTEGER)", "")];
    let newer = crate::bench::migrator(&more).backup(BackupOptions::default());
    let run = newer.up(&mut bench.open()).wait().unwrap().run.unwrap();
    let _older = migrator.register_instance(&mut bench.open()).wait().unwrap();
    let needs = newer.register_instance(&mut bench.open()).wait().unwrap();
    let error = newer.restore_backup(&mut bench.open(), &backup.id, RestoreOptions::default()).wait().unwrap_err();
    assert_eq!((error.kind(), error.instances().len()), (ErrorKind::BlockedByInstances, 1), "{error}");
    assert!(error.to_string().contains("takes away migration 1.2.0, which 1 program that is running needs"), "{error}");
    assert!(error.help().unwrap().contains("--ignore-instances"), "{:?}", error.help());
    let error = newer.restore_run_snapshot(&mut bench.open(), run, RestoreOptions::default()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BlockedByInstances);
    assert_eq!((bench.ledger().len(), registered(&bench).len()), (3, 2));
    let intent = "SELECT intended_removal FROM schema_migrations_v2_state WHERE intended_removal IS NOT NULL";
    assert!(bench.sql(intent).is_empty());
    let ignoring = newer.clone().ignore_instances(true);
    ignoring.restore_run_snapshot(&mut bench.open(), run, RestoreOptions::default()).wait().unwrap();
    assert_eq!(bench.ledger().len(), 2);
    let plan = bench.sql("SELECT plan FROM schema_migrations_v2_history WHERE operation = 'restore'").join("");
    assert!(plan.contains("go on all the same: "), "{plan}");
    drop(needs);
}

/// The directory of a file's backups.
fn directory(bench: &SqliteFile) -> BackupDirectory {
    BackupDirectory::new(bench.path().canonicalize().unwrap().with_file_name("app.db.backups"))
}

fn open(bench: &SqliteFile) -> Sqlite {
    bench.open()
}
