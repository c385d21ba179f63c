//! What only SQLite does.

use migrate_runtime::{BorrowedConnection, ErrorKind, Migrator, Outcome, Sqlite, Verdict};
use rusqlite::Connection;
use testkit::migrations::Directory;

use crate::bench::{Bench, SqliteFile, migrator, of, registry_at};

const USERS: (&str, &str, &str, &str) =
    ("1.0.0", "users", "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE)", "DROP TABLE users");

/// A migrator whose second migration rebuilds a table that others refer to.
fn rebuild(up: &str) -> Migrator {
    let tables = "CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent ON DELETE CASCADE);
        INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (10, 1), (20, 2);";
    let directory = Directory::simple(&[("1.0.0", "tables", tables, ""), ("1.1.0", "rebuild", up, "")]);
    directory
        .write("v1.1.0_rebuild/metadata.json", br#"{"version": "1.1.0", "name": "rebuild", "foreign_keys": "off"}"#);
    of(registry_at(directory.path()))
}

#[test]
fn a_rebuild_with_foreign_keys_off_keeps_the_child_rows() {
    let bench = SqliteFile::new();
    let up = "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT);
        INSERT INTO new (id) SELECT id FROM parent; DROP TABLE parent; ALTER TABLE new RENAME TO parent;";
    rebuild(up).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM child"), ["2"]);
    assert_eq!(bench.sql("SELECT name FROM pragma_table_info('parent')"), ["id", "name"]);
}

#[test]
fn a_rebuild_that_loses_referenced_rows_is_rolled_back() {
    let bench = SqliteFile::new();
    let up = "CREATE TABLE new (id INTEGER PRIMARY KEY);
        INSERT INTO new (id) SELECT id FROM parent WHERE id > 1; DROP TABLE parent; ALTER TABLE new RENAME TO parent;";
    let error = rebuild(up).up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("1 more rows of `child` that refer to missing rows of `parent`"), "{error}");
    assert_eq!(bench.sql("SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child)"), ["2|2"]);
}

/// Runs `up` with foreign keys off where a row of `child` and one of `niece` have lacked their parent for long.
fn with_old_orphans(up: &str) -> Result<(), String> {
    let bench = SqliteFile::new();
    let tables = "CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent);
        CREATE TABLE niece (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES Parent);
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO child VALUES (10, 1), (20, 2);
        INSERT INTO niece VALUES (10, 1);";
    let tables = ("1.0.0", "tables", tables, "");
    migrator(&[tables]).up(&mut bench.open()).wait().unwrap();
    bench.sql("PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (70, 7); INSERT INTO niece VALUES (70, 7)");
    let directory = Directory::simple(&[tables, ("1.1.0", "change", up, "")]);
    directory.write("v1.1.0_change/metadata.json", br#"{"version": "1.1.0", "name": "change", "foreign_keys": "off"}"#);
    of(registry_at(directory.path())).up(&mut bench.open()).wait().map(drop).map_err(|error| error.to_string())
}

#[test]
fn old_violations_do_not_stand_in_the_way_of_new_names() {
    let rebuilt = "CREATE TABLE infant (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent);
        INSERT INTO infant SELECT * FROM child; DROP TABLE child;";
    let set_aside = "ALTER TABLE child RENAME TO old_child;
        CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent);";
    let respelled = "CREATE TABLE new (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES PARENT);
        INSERT INTO new SELECT * FROM child; DROP TABLE child; ALTER TABLE new RENAME TO Child;";
    let renamed = ["ALTER TABLE child RENAME TO infant", "ALTER TABLE parent RENAME TO elder"];
    let both = renamed.join(";");
    for up in [renamed[0], renamed[1], &both, rebuilt, set_aside, respelled] {
        assert_eq!(with_old_orphans(up), Ok(()), "{up}");
    }
}

#[test]
fn new_violations_are_seen_among_old_ones_and_behind_new_names() {
    let lose = "CREATE TABLE new (id INTEGER PRIMARY KEY);
        INSERT INTO new SELECT id FROM parent WHERE id > 1; DROP TABLE parent; ALTER TABLE new RENAME TO parent;";
    let rename = "ALTER TABLE child RENAME TO infant;";
    let renamed_parent = "ALTER TABLE parent RENAME TO elder; DELETE FROM elder WHERE id = 2;";
    let moved_parent =
        "CREATE TABLE elder (id INTEGER PRIMARY KEY); INSERT INTO elder SELECT id FROM parent; DROP TABLE parent;";
    let cases = [
        (lose.to_owned(), "1 more rows of `child` that refer to missing rows of `parent`"),
        (format!("{rename} {lose}"), "1 more rows of `infant` that refer to missing rows of `parent`"),
        (renamed_parent.to_owned(), "1 more rows of `child` that refer to missing rows of `elder`"),
        (moved_parent.to_owned(), "2 more rows of `child` that refer to missing rows of `parent`"),
        // What is mended outweighs nothing that another table does.
        (format!("DELETE FROM child; {lose}"), "1 more rows of `niece` that refer to missing rows of `parent`"),
    ];
    for (up, expect) in cases {
        let error = with_old_orphans(&up).unwrap_err();
        assert!(error.contains(expect), "{up}\n{error}");
    }
}

#[test]
fn foreign_keys_are_enforced_again_afterwards_also_on_failure() {
    for up in ["SELECT 1", "INSERT INTO missing VALUES (1)"] {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        let _ = rebuild(up).up(&mut BorrowedConnection::new(&mut connection)).wait();
        let on: bool = connection.pragma_query_value(None, "foreign_keys", |row| row.get(0)).unwrap();
        assert!(on, "{up}");
    }
}

#[test]
fn a_statement_that_rolls_the_shared_transaction_back_takes_no_other_migration_with_it() {
    let bench = SqliteFile::new();
    let up = "INSERT INTO users VALUES (1, 'a'); INSERT OR ROLLBACK INTO users VALUES (2, 'a');";
    let migrations = [USERS, ("1.1.0", "twice", up, ""), ("1.2.0", "never", "CREATE TABLE never (id INTEGER)", "")];
    let error = migrator(&migrations).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.migration().unwrap().to_string(), "1.1.0");
    assert_eq!(error.database().unwrap().code.as_deref(), Some("2067"));
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.sql("SELECT count(*) FROM users"), ["0"]);
    assert_eq!(bench.history(), ["run||started", "up|1.0.0|succeeded", "up|1.1.0|failed", "run||failed"]);
}

const FAMILY: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);";

#[test]
fn a_deferred_violation_fails_the_migration_that_made_it() {
    let orphans = [
        ("INSERT INTO child VALUES (7)", "INSERT INTO parent VALUES (7)"),
        ("DROP TABLE parent", "CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1)"),
        (
            "CREATE TRIGGER note AFTER INSERT ON schema_migrations_v2 BEGIN INSERT INTO child VALUES (7); END",
            "SELECT 1",
        ),
    ];
    for (orphan, mended) in orphans {
        let tables = format!("{FAMILY} INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);");
        let first = ("1.0.0", "tables", &*tables, "");
        let all = [first, ("1.1.0", "orphan", orphan, ""), ("1.2.0", "mended", mended, "")];
        let fails_alike = |bench: &SqliteFile| {
            let error = migrator(&all).up(&mut bench.open()).wait().unwrap_err();
            assert_eq!(error.migration().unwrap().to_string(), "1.1.0", "{orphan}: {error}");
            assert_eq!(error.database().unwrap().code.as_deref(), Some("787"), "{orphan}: {error}");
            assert!(error.location().unwrap().path.ends_with("v1.1.0_orphan/up.sql"), "{orphan}: {error}");
            assert_eq!(bench.ledger(), ["1.0.0|applied"], "{orphan}");
        };
        let declared_in_the_run = SqliteFile::new();
        fails_alike(&declared_in_the_run);
        let declared_before_it = SqliteFile::new();
        migrator(&[first]).up(&mut declared_before_it.open()).wait().unwrap();
        fails_alike(&declared_before_it);
    }
}

#[test]
fn steps_that_change_no_row_share_commits_beside_deferred_constraints() {
    let bench = SqliteFile::new();
    migrator(&[("1.0.0", "tables", FAMILY, "")]).up(&mut bench.open()).wait().unwrap();
    // What SQLite counts in the file's header at each commit.
    let commits = || u32::from_be_bytes(std::fs::read(bench.path()).unwrap()[24..28].try_into().unwrap());
    let before = commits();
    let more: Vec<_> = (1..=50)
        .map(|n| (format!("1.{n}.0"), format!("t{n}"), format!("CREATE TABLE t{n} (parent INTEGER REFERENCES parent)")))
        .collect();
    let more = more.iter().map(|(version, name, up)| (&**version, &**name, &**up, ""));
    let all: Vec<_> = std::iter::once(("1.0.0", "tables", FAMILY, "")).chain(more).collect();
    assert_eq!(migrator(&all).up(&mut bench.open()).wait().unwrap().steps.len(), 50);
    assert!(commits() - before < 50, "{} commits", commits() - before);
}

#[test]
fn pragmas_of_a_script_do_not_reach_the_next_one() {
    let mut connection = Connection::open_in_memory().unwrap();
    let up = "PRAGMA legacy_alter_table = ON; PRAGMA recursive_triggers = ON";
    migrator(&[("1.0.0", "pragma", up, "")]).up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
    for pragma in ["legacy_alter_table", "recursive_triggers"] {
        let on: bool = connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
        assert!(!on, "{pragma}");
    }
}

#[test]
fn a_pragma_outside_a_transaction_takes_effect_and_is_replayed_on_resume() {
    let bench = SqliteFile::new();
    let up = "PRAGMA foreign_keys = OFF; DROP TABLE parent; INSERT INTO missing VALUES (1);
        CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1), (2); PRAGMA foreign_keys = ON";
    let directory = Directory::new(&format!(
        "--- v1.0.0_tables/metadata.json\n{{\"version\": \"1.0.0\", \"name\": \"tables\"}}\n--- v1.0.0_tables/up.sql\n{}\n\
         --- v1.1.0_swap/metadata.json\n{{\"version\": \"1.1.0\", \"name\": \"swap\", \"transaction\": false}}\n\
         --- v1.1.0_swap/up.sql\n{up}\n",
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
         CREATE TABLE child (parent INTEGER REFERENCES parent ON DELETE CASCADE);
         INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1), (2);"
    ));
    let migrator = of(registry_at(directory.path()));
    migrator.up(&mut bench.open()).wait().unwrap_err();
    bench.sql("CREATE TABLE missing (id INTEGER)");
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM child"), ["2"]);
}

#[test]
fn a_database_in_memory_is_lent_by_its_connection() {
    let mut connection = Connection::open_in_memory().unwrap();
    let migrator = migrator(&[USERS]);
    migrator.up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
    assert_eq!(
        migrator.up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap().outcome,
        Outcome::NothingToDo
    );
    connection.execute("INSERT INTO users VALUES (1, 'a')", []).unwrap();

    connection.execute_batch("BEGIN").unwrap();
    let error = migrator.up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Configuration, "the borrowed connection is inside a transaction".to_owned())
    );
}

#[test]
fn a_temporary_table_of_our_name_is_not_mistaken_for_ours() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TEMP TABLE schema_migrations_v2 (other INTEGER)").unwrap();
    migrator(&[USERS]).up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
    let rows: i64 =
        connection.query_row("SELECT count(*) FROM main.schema_migrations_v2", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn reading_makes_no_file() {
    let bench = SqliteFile::new();
    assert_eq!(migrator(&[USERS]).check(&mut bench.open()).wait().unwrap().verdict, Verdict::NeedsMigration);
    assert_eq!(std::fs::read_dir(bench.path().parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let bench = SqliteFile::new();
    let folder = bench.path().parent().unwrap().to_owned();
    let (users, mut nowhere) = (migrator(&[USERS]), Sqlite::file(folder.join("none/app.db")));
    let missing = [users.up(&mut nowhere).wait().map(drop), users.check(&mut nowhere).wait().map(drop)];
    for missing in missing.map(Result::unwrap_err) {
        assert_eq!(missing.kind(), ErrorKind::Unreachable);
        let said = missing.to_string();
        assert!(said.contains("none/app.db`: there is no folder `") && said.ends_with("none`"), "{missing}");
    }
    // Only the file is missing: a run makes it.
    let absent = users.check(&mut Sqlite::file(folder.join("absent.db"))).wait().unwrap();
    assert_eq!(absent.verdict, Verdict::NeedsMigration);

    std::fs::write(
        bench.path(),
        "this is no database, but long enough to be looked at as one would look at a header of one hundred bytes",
    )
    .unwrap();
    let error = migrator(&[USERS]).check(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert!(error.to_string().contains("file is not a database"), "{error}");
}

#[test]
fn a_database_that_refuses_writing_says_so_and_can_be_read() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.pragma_update(None, "query_only", true).unwrap();
    let error = migrator(&[USERS]).up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
    assert!(error.help().unwrap().contains("writable"));
    migrator(&[USERS]).check(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
}

#[test]
fn urls_name_a_file() {
    let check = |url: &str, expect: &str| {
        let got = match Sqlite::from_url(url) {
            Ok(database) => database.to_string(),
            Err(error) => format!("{:?}: {error}", error.kind()),
        };
        assert_eq!(got, expect);
    };
    check("sqlite:app.db", "sqlite:app.db");
    check("sqlite:/var/app.db", "sqlite:/var/app.db");
    check("sqlite:///var/app.db", "sqlite:/var/app.db");
    check("sqlite:", "Configuration: the SQLite URL names no file");
    check("sqlite:a.db?mode=ro", "Configuration: a SQLite URL has no parameters");
    check("file:app.db", "Configuration: a SQLite URL begins with `sqlite:`");
    let memory =
        "an in-memory database is gone with its connection; name a file, or lend the connection from a program";
    check("sqlite::memory:", &format!("Configuration: {memory}"));
}

#[test]
fn a_link_to_the_file_does_not_defeat_the_lock() {
    let bench = SqliteFile::new();
    let link = bench.path().with_file_name("link.db");
    std::os::unix::fs::symlink(bench.path(), &link).unwrap();
    let (started, is_started) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let holder = migrator(&[USERS]).observer(move |event: &migrate_runtime::Event<'_>| {
        if let migrate_runtime::Event::Started(_) = event {
            started.send(()).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    std::thread::scope(|scope| {
        let run = scope.spawn(|| holder.up(&mut bench.open()).wait().unwrap());
        is_started.recv().unwrap();
        let other = migrator(&[USERS]).wait_lock(std::time::Duration::from_millis(50));
        let error = other.up(&mut Sqlite::file(&link)).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockBusy, "{error}");
        drop(go_on);
        run.join().unwrap();
    });
}

#[test]
fn a_long_script_takes_linear_time() {
    let up: String = (0..20_000).map(|id| format!("INSERT INTO users (id) VALUES ({id});\n")).collect();
    let bench = SqliteFile::new();
    migrator(&[USERS, ("1.1.0", "rows", &up, "")]).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM users"), ["20000"]);
}

#[test]
fn a_reader_that_stays_delays_a_run_and_does_not_fail_it() {
    let bench = SqliteFile::new();
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let reader = bench.connection();
    reader.execute_batch("BEGIN; SELECT count(*) FROM users").unwrap();
    std::thread::scope(|scope| {
        let more = migrator(&[USERS, ("1.1.0", "more", "CREATE TABLE more (id INTEGER)", "")]);
        let run = scope.spawn(move || more.up(&mut bench.open()).wait().map(|report| report.steps.len()));
        // Longer than SQLite itself waits.
        std::thread::sleep(std::time::Duration::from_millis(2500));
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(run.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn a_file_that_somebody_else_keeps_busy_is_waited_for_within_the_bound() {
    let bench = SqliteFile::new();
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let writer = bench.connection();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (busy, told) = std::sync::mpsc::channel();
    let more = migrator(&[USERS, ("1.1.0", "more", "CREATE TABLE more (id INTEGER)", "")])
        .retry_delay(std::time::Duration::from_millis(1))
        .max_retries(1)
        .observer(move |event: &migrate_runtime::Event<'_>| {
            if let migrate_runtime::Event::WaitingForDatabase(error) = event {
                busy.send(error.to_string()).unwrap();
            }
        });
    let error = more.up(&mut bench.open()).wait().unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains("locked"), "{error}");
    assert_eq!(told.try_iter().count(), 1, "it is told once");
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(more.up(&mut bench.open()).wait().unwrap().steps.len(), 1);
}

#[test]
fn what_is_no_longer_awaited_stops() {
    let bench = SqliteFile::new();
    let holder = bench.connection();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let waiting = migrator(&[USERS]);
    let given_up = runtime.block_on(async {
        let mut database = bench.open();
        tokio::time::timeout(std::time::Duration::from_millis(200), waiting.up(&mut database).into_future()).await
    });
    assert!(given_up.is_err());
    holder.execute_batch("COMMIT").unwrap();
    // Waits for the blocking thread, which ends without having migrated.
    drop(runtime);
    assert_eq!(bench.tables(), [""; 0]);
}

#[test]
fn a_database_in_memory_is_refused_by_name() {
    for path in ["", ":memory:"] {
        let error = migrator(&[USERS]).up(&mut Sqlite::file(path)).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{path}");
    }
}

#[test]
fn our_tables_are_found_however_they_are_spelled() {
    let bench = SqliteFile::new();
    migrator(&[USERS]).table("Ledger").up(&mut bench.open()).wait().unwrap();
    assert_eq!(migrator(&[USERS]).table("ledger").up(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);
}

#[test]
fn what_a_script_attaches_is_detached() {
    let mut connection = Connection::open_in_memory().unwrap();
    let directory =
        Directory::simple(&[("1.0.0", "attach", "ATTACH ':memory:' AS other; PRAGMA synchronous = OFF", "")]);
    directory.write("v1.0.0_attach/metadata.json", br#"{"version": "1.0.0", "name": "attach", "transaction": false}"#);
    of(registry_at(directory.path())).up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
    let databases: i64 = connection
        .query_row("SELECT count(*) FROM pragma_database_list WHERE name = 'other'", [], |row| row.get(0))
        .unwrap();
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!((databases, synchronous), (0, 2));
}

/// A migrator with one migration that runs outside a transaction.
fn outside_transaction(up: &str) -> Migrator {
    let directory = Directory::simple(&[("1.0.0", "steps", up, "")]);
    directory.write("v1.0.0_steps/metadata.json", br#"{"version": "1.0.0", "name": "steps", "transaction": false}"#);
    of(registry_at(directory.path()))
}

#[test]
fn a_change_of_the_journal_mode_waits_although_sqlite_does_not() {
    let bench = SqliteFile::new();
    bench.sql("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER)");
    let reader = bench.connection();
    reader.execute_batch("SELECT count(*) FROM t").unwrap();
    let writer = bench.connection();
    writer.busy_timeout(std::time::Duration::from_secs(3600)).unwrap();
    let refused = writer.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0)).unwrap_err();
    assert_eq!(
        refused.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy),
        "SQLite would have waited an hour"
    );
    drop(writer);

    let (retrying, is_retrying) = std::sync::mpsc::channel();
    let run = outside_transaction("PRAGMA journal_mode = DELETE; CREATE TABLE u (id INTEGER)").observer(
        move |event: &migrate_runtime::Event<'_>| {
            if let migrate_runtime::Event::Retrying { error, .. } = event {
                let _ = retrying.send(error.to_string());
            }
        },
    );
    std::thread::scope(|scope| {
        let run = scope.spawn(|| run.up(&mut bench.open()).wait().unwrap());
        let error = is_retrying.recv().unwrap();
        assert!(error.contains("database is locked (code 5)"), "{error}");
        drop(reader);
        run.join().unwrap();
    });
    assert_eq!(bench.sql("PRAGMA journal_mode"), ["delete"]);
    assert_eq!(bench.sql("SELECT count(*) FROM u"), ["0"]);
}

#[test]
fn every_setting_of_a_script_is_undone_with_its_step() {
    let settings = [
        ("legacy_alter_table", "ON"),
        ("recursive_triggers", "ON"),
        ("ignore_check_constraints", "ON"),
        ("reverse_unordered_selects", "ON"),
        ("writable_schema", "ON"),
        ("trusted_schema", "OFF"),
        ("automatic_index", "OFF"),
        ("read_uncommitted", "ON"),
        ("secure_delete", "ON"),
        ("cache_size", "77"),
        ("busy_timeout", "1"),
        ("fullfsync", "ON"),
        ("checkpoint_fullfsync", "ON"),
        ("cell_size_check", "ON"),
        ("max_page_count", "5000"),
        ("journal_size_limit", "4096"),
        ("wal_autocheckpoint", "7"),
        ("analysis_limit", "9"),
        ("count_changes", "ON"),
        ("full_column_names", "ON"),
        ("short_column_names", "OFF"),
        ("query_only", "ON"),
    ];
    let outside = [
        ("foreign_keys", "OFF"),
        ("synchronous", "OFF"),
        ("temp_store", "MEMORY"),
        ("journal_mode", "OFF"),
        ("locking_mode", "EXCLUSIVE"),
    ];
    let script = |settings: &[(&str, &str)]| -> String {
        settings.iter().map(|(name, value)| format!("PRAGMA {name} = {value};\n")).collect()
    };
    let names = || settings.iter().chain(&outside).map(|(name, _)| *name);
    let like = "SELECT 'a' LIKE 'A'";
    let values = |connection: &Connection| -> Vec<String> {
        let value = |sql: &str| {
            connection
                .query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0))
                .map(|value| format!("{value:?}"))
        };
        names().map(|name| format!("PRAGMA {name}")).chain([like.to_owned()]).map(|sql| value(&sql).unwrap()).collect()
    };

    let bench = SqliteFile::new();
    let mut connection = bench.connection();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    let before = values(&connection);
    let directory = Directory::simple(&[
        ("1.0.0", "inside", &("PRAGMA case_sensitive_like = ON;".to_owned() + &script(&settings)), ""),
        ("1.1.0", "outside", &script(&outside), ""),
    ]);
    let metadata = br#"{"version": "1.1.0", "name": "outside", "transaction": false}"#;
    directory.write("v1.1.0_outside/metadata.json", metadata);
    let migrator = of(registry_at(directory.path()));
    for step in ["inside", "outside"] {
        migrator.up_by_one(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
        let after = values(&connection);
        let leaks: Vec<_> = names().chain([like]).zip(before.iter().zip(&after)).filter(|(_, (a, b))| a != b).collect();
        assert!(leaks.is_empty(), "{step}: {leaks:?}");
    }
    bench.sql("CREATE TABLE written_by_another_connection (id INTEGER)");

    // The list would show nothing if the scripts changed nothing.
    let fresh = Connection::open_in_memory().unwrap();
    fresh.pragma_update(None, "foreign_keys", true).unwrap();
    let unchanged = values(&fresh);
    for (name, value) in settings.iter().chain(&outside) {
        fresh.execute_batch(&format!("PRAGMA {name} = {value}")).unwrap_or_default();
    }
    fresh.execute_batch("PRAGMA case_sensitive_like = ON").unwrap();
    let pairs = unchanged.iter().zip(values(&fresh));
    let same: Vec<_> = names().chain([like]).zip(pairs).filter(|(_, (a, b))| *a == b).map(|(name, _)| name).collect();
    assert_eq!(same, [""; 0]);
}

#[test]
fn what_a_script_attaches_is_detached_before_the_next_migration() {
    let bench = SqliteFile::new();
    let other = bench.path().with_file_name("other.db");
    let attach = format!(
        "ATTACH '{}' AS other; CREATE TABLE other.things (id INTEGER); INSERT INTO other.things VALUES (7)",
        other.display()
    );
    let migrations = [
        ("1.0.0", "users", "CREATE TABLE users (id INTEGER)", ""),
        ("1.1.0", "attach", &*attach, ""),
        ("1.2.0", "after", "INSERT INTO users SELECT count(*) FROM pragma_database_list WHERE name <> 'temp'", ""),
        ("1.3.0", "again", "ATTACH ':memory:' AS other", ""),
    ];
    let mut connection = bench.connection();
    connection.execute_batch("ATTACH ':memory:' AS lent").unwrap();
    migrator(&migrations).up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    };
    assert_eq!(names("SELECT name FROM pragma_database_list WHERE name <> 'temp'"), ["main", "lent"]);
    // Main and lent.
    assert_eq!(bench.sql("SELECT id FROM users"), ["2"]);
    assert_eq!(Connection::open(other).unwrap().query_row("SELECT id FROM things", [], |row| row.get(0)), Ok(7));
}

#[test]
fn a_script_that_attaches_and_fails_leaves_nothing_attached() {
    let bench = SqliteFile::new();
    let migrations = [("1.0.0", "attach", "ATTACH ':memory:' AS other; INSERT INTO missing VALUES (1)", "")];
    let mut connection = bench.connection();
    migrator(&migrations).up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap_err();
    let sql = "SELECT count(*) FROM pragma_database_list WHERE name = 'other'";
    assert_eq!(connection.query_row(sql, [], |row| row.get(0)), Ok(0));
}

#[test]
fn temporary_objects_that_hang_on_each_other_are_dropped() {
    let bench = SqliteFile::new();
    let mut connection = bench.connection();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection.execute_batch("CREATE TEMP TABLE lent (id INTEGER); INSERT INTO lent VALUES (1)").unwrap();
    let up = "CREATE TABLE users (id INTEGER);
        CREATE TEMP TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TEMP TABLE child (parent INTEGER NOT NULL REFERENCES parent);
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);
        CREATE TEMP VIEW both AS SELECT * FROM parent, child;
        CREATE TEMP TRIGGER note AFTER INSERT ON users BEGIN INSERT INTO child VALUES (new.id); END;
        CREATE VIRTUAL TABLE temp.words USING fts5(word); INSERT INTO words VALUES ('one');";
    let migrations = [("1.0.0", "temporary", up, ""), ("1.1.0", "insert", "INSERT INTO users VALUES (99)", "")];
    migrator(&migrations).up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
    let left: String =
        connection.query_row("SELECT group_concat(name) FROM temp.sqlite_master", [], |row| row.get(0)).unwrap();
    assert_eq!(left, "lent");
}

#[test]
fn foreign_keys_off_outside_a_transaction_is_refused_before_child_rows_are_lost() {
    let up = "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT);
        INSERT INTO new (id) SELECT id FROM parent; DROP TABLE parent; ALTER TABLE new RENAME TO parent;";
    let bench = SqliteFile::new();
    let directory = Directory::simple(&[("1.0.0", "rebuild", up, up)]);
    let both = br#"{"version": "1.0.0", "name": "rebuild", "transaction": false, "foreign_keys": "off"}"#;
    directory.write("v1.0.0_rebuild/metadata.json", both);
    let loaded = migrate_core::source::load(directory.path(), &migrate_core::source::LoadOptions::new("m"));
    let problems = loaded.into_registry().unwrap_err();
    assert!(problems.iter().any(|it| it.code.as_str() == "foreign-keys-without-transaction"), "{problems:?}");

    // What an earlier version accepted is in the ledger, with the script that takes it back.
    let tables = "CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent ON DELETE CASCADE);
        INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (10, 1), (20, 2);";
    let rebuild = ("1.1.0", "rebuild", "SELECT 1", up);
    let knows = migrator(&[("1.0.0", "tables", tables, ""), rebuild]);
    knows.up(&mut bench.open()).wait().unwrap();
    bench.sql("UPDATE schema_migrations_v2 SET transactional = 0, foreign_keys_off = 1 WHERE version = '1.1.0'");
    let older = migrator(&[("1.0.0", "tables", tables, "")]);
    let mut connection = bench.connection();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    let error = older.down(&mut BorrowedConnection::new(&mut connection)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(error.help().unwrap().contains("migrate force"), "{error:?}");
    assert_eq!(bench.sql("SELECT count(*) FROM child"), ["2"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
}

#[test]
fn a_script_that_makes_its_connection_read_only_does_so_for_itself() {
    let bench = SqliteFile::new();
    let up = "CREATE TABLE users (id INTEGER); PRAGMA query_only = ON; SELECT count(*) FROM users;
        PRAGMA query_only = OFF; INSERT INTO users VALUES (1)";
    outside_transaction(up).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id FROM users"), ["1"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);

    let bench = SqliteFile::new();
    let up = "CREATE TABLE users (id INTEGER); PRAGMA query_only = ON; INSERT INTO users VALUES (1)";
    let error = outside_transaction(up).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.statement(), Some("INSERT INTO users VALUES (1)"));
    assert_eq!(bench.ledger(), ["1.0.0|applying"]);
    assert_eq!(bench.history(), ["run||started", "up|1.0.0|started", "up|1.0.0|failed", "run||failed"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
}

#[test]
fn constraints_that_a_script_defers_are_deferred_until_its_own_commit() {
    let bench = SqliteFile::new();
    let tables = "CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (parent INTEGER REFERENCES parent);";
    let deferred = "PRAGMA defer_foreign_keys = ON; INSERT INTO child VALUES (1); INSERT INTO parent VALUES (1)";
    let next = "INSERT INTO child VALUES (2); INSERT INTO parent VALUES (2)";
    let migrations =
        [("1.0.0", "tables", tables, ""), ("1.1.0", "deferred", deferred, ""), ("1.2.0", "next", next, "")];
    let mut connection = bench.connection();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    let error = migrator(&migrations).up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap_err();
    assert_eq!(error.migration().unwrap().to_string(), "1.2.0", "{error}");
    assert_eq!(error.statement(), Some("INSERT INTO child VALUES (2)"));
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}

#[test]
fn a_row_of_ours_that_a_trigger_keeps_out_fails_the_step() {
    let users = ("1.0.0", "users", "CREATE TABLE users (id INTEGER)", "DROP TABLE users");
    let more = ("1.2.0", "more", "INSERT INTO users VALUES (1)", "");
    for table in ["schema_migrations_v2", "schema_migrations_v2_history"] {
        let trigger = format!("CREATE TRIGGER quiet BEFORE INSERT ON {table} BEGIN SELECT RAISE(IGNORE); END");
        let expect = |error: &migrate_runtime::Error, version: &str| {
            assert_eq!(error.kind(), ErrorKind::Ledger, "{error}");
            let expect =
                format!("the ledger row of {version} was not written: a trigger or rule on the table keeps it out");
            assert_eq!(error.to_string(), expect);
            assert_eq!(error.migration().unwrap().to_string(), version);
        };

        let bench = SqliteFile::new();
        let error =
            migrator(&[users, ("1.1.0", "quiet", &trigger, ""), more]).up(&mut bench.open()).wait().unwrap_err();
        expect(&error, "1.1.0");
        assert_eq!(bench.ledger(), ["1.0.0|applied"]);
        assert_eq!(bench.history(), ["run||started", "up|1.0.0|succeeded", "up|1.1.0|failed", "run||failed"]);
        assert_eq!(bench.sql("SELECT name FROM sqlite_master WHERE type = 'trigger'"), [""; 0]);

        // Somebody else has made it.
        let of_versions = format!(
            "CREATE TRIGGER quiet BEFORE INSERT ON {table} WHEN new.version IS NOT NULL AND {} BEGIN SELECT RAISE(IGNORE); END",
            if table.ends_with("history") { "new.outcome <> 'failed'" } else { "true" }
        );
        bench.sql(&of_versions);
        expect(&migrator(&[users, more]).up(&mut bench.open()).wait().unwrap_err(), "1.2.0");
        assert_eq!(bench.sql("SELECT count(*) FROM users"), ["0"]);
        bench.sql("DROP TRIGGER quiet");
        migrator(&[users, more]).up(&mut bench.open()).wait().unwrap();
        assert_eq!(bench.sql("SELECT count(*) FROM users"), ["1"]);
        assert_eq!(bench.ledger(), ["1.0.0|applied", "1.2.0|applied"]);
    }
}

#[test]
fn a_run_that_a_trigger_keeps_out_of_the_history_does_not_begin() {
    let bench = SqliteFile::new();
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    bench.sql("CREATE TRIGGER quiet BEFORE INSERT ON schema_migrations_v2_history BEGIN SELECT RAISE(IGNORE); END");
    let more = migrator(&[USERS, ("1.1.0", "more", "CREATE TABLE more (id INTEGER)", "")]);
    let error = more.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ledger, "{error}");
    assert!(error.to_string().contains("the run's row of the history was not written"), "{error}");
    assert_eq!(bench.tables(), ["users"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
}
