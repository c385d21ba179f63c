//! Every health check, passing and failing, on real databases.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use migrate_runtime::faults::{Fault, Faulty, Kind, Moment as When};
use migrate_runtime::{
    BorrowedConnection, Check, CheckResult, CheckState, Dialect, ErrorKind, Event, HealthChecks, Migrator, Moment,
    OnUnhealthy, Outcome, Postgres, Severity,
};
use testkit::disk::SmallDisk;
use testkit::migrations::Directory;
use testkit::postgres::{Database, Server};
use testkit::proxy::Proxy;

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, migrator, of, registry_at};
use crate::conformance::conformance;

const USERS: (&str, &str, &str, &str) =
    ("1.0.0", "users", "CREATE TABLE users (id INTEGER PRIMARY KEY)", "DROP TABLE users");
const NOTES: (&str, &str, &str, &str) = ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", "DROP TABLE notes");

conformance! {
    a_fresh_database_is_well_before_and_after_a_run
    every_check_is_made_by_itself
    a_run_without_checks_makes_none
    the_ledger_is_checked
    what_a_run_did_must_be_in_the_ledger
    missing_objects_make_the_outcome_say_so
    what_was_dropped_on_purpose_is_not_missed
    a_verify_script_must_still_hold
    a_failing_check_of_severity_error_stops_the_run_before_its_first_step
    checks_are_tried_again
    a_connection_lost_during_a_check_is_made_again
}

/// The result of a check.
#[track_caller]
fn result(results: &[CheckResult], check: Check) -> &CheckResult {
    results.iter().find(|result| result.check == check).unwrap_or_else(|| panic!("no {check} in {results:#?}"))
}

/// A check that is made by itself.
#[track_caller]
fn alone(bench: &impl Bench, migrator: &Migrator, check: Check) -> CheckResult {
    result(&migrator.health(&mut bench.open()).wait().unwrap(), check).clone()
}

#[track_caller]
fn assert_failed(result: &CheckResult, severity: Severity, message: &str) {
    assert_eq!((result.state, result.severity), (CheckState::Failed, severity), "{result:?}");
    assert!(result.message.contains(message), "{result:?}");
    assert!(result.help.is_some(), "{result:?}");
}

fn dialect(bench: &impl Bench) -> Dialect {
    if bench.url().starts_with("sqlite:") { Dialect::Sqlite } else { Dialect::Postgres }
}

/// A migration of a users table with more in its metadata, and a verify script.
fn with(metadata: &str, verify: &str) -> Directory {
    let directory = Directory::simple(&[USERS, NOTES]);
    let text = format!(r#"{{"version": "1.0.0", "name": "users"{metadata}}}"#);
    directory.write("v1.0.0_users/metadata.json", text);
    if !verify.is_empty() {
        directory.write("v1.0.0_users/verify.sql", verify);
    }
    directory
}

const EXPECTS_USERS: &str = r#", "expects": {"tables": ["Users"]}"#;

fn a_fresh_database_is_well_before_and_after_a_run(bench: &impl Bench) {
    for checks in [HealthChecks::Basic, HealthChecks::Full] {
        let migrator =
            of(registry_at(with(EXPECTS_USERS, "SELECT count(*) = 0 FROM users").path())).health_checks(checks);
        let report = migrator.up(&mut bench.open()).wait().unwrap();
        assert_eq!(report.outcome, Outcome::Done);
        assert_eq!(report.health.failed().count(), 0, "{:#?}", report.health);
        for (moment, results) in [(Moment::Before, &report.health.before), (Moment::After, &report.health.after)] {
            let made: Vec<Check> = results.iter().map(|result| result.check).collect();
            let of_moment = |check: &Check| {
                check.moments().contains(&moment)
                    && check.dialects().contains(&dialect(bench))
                    && (check.is_basic() || checks == HealthChecks::Full)
            };
            let expected: Vec<Check> = Check::ALL.iter().copied().filter(of_moment).collect();
            assert_eq!(made, expected, "{checks:?} {moment:?}");
        }
        assert_eq!(migrator.up(&mut bench.open()).wait().unwrap().health, Default::default());
        assert_eq!(migrator.reset(&mut bench.open()).wait().unwrap().health.failed().count(), 0);
    }
}

fn every_check_is_made_by_itself(bench: &impl Bench) {
    let migrator = of(registry_at(with(EXPECTS_USERS, "SELECT count(*) = 0 FROM users").path()));
    for applied in [false, true] {
        if applied {
            migrator.up(&mut bench.open()).wait().unwrap();
        }
        let before = bench.all_tables();
        let results = migrator.health(&mut bench.open()).wait().unwrap();
        let made: Vec<Check> = results.iter().map(|result| result.check).collect();
        let of_dialect = |check: &Check| check.dialects().contains(&dialect(bench));
        assert_eq!(made, Check::ALL.iter().copied().filter(of_dialect).collect::<Vec<_>>());
        assert!(results.iter().all(|result| result.state != CheckState::Failed), "{results:#?}");
        assert_eq!(bench.all_tables(), before);
        if applied {
            let unknown: Vec<Check> =
                results.iter().filter(|it| it.state == CheckState::NotChecked).map(|it| it.check).collect();
            let expected = if dialect(bench) == Dialect::Postgres { vec![Check::DiskSpace] } else { vec![] };
            assert_eq!(unknown, expected);
            assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
        }
    }
}

fn a_run_without_checks_makes_none(bench: &impl Bench) {
    let migrator = of(registry_at(with(r#", "expects": {"tables": ["nowhere"]}"#, "").path()));
    let report = migrator.health_checks(HealthChecks::Off).up(&mut bench.open()).wait().unwrap();
    assert_eq!((report.outcome, report.health), (Outcome::Done, Default::default()));
}

fn the_ledger_is_checked(bench: &impl Bench) {
    let both = migrator(&[USERS, NOTES]);
    both.up(&mut bench.open()).wait().unwrap();
    assert_failed(&alone(bench, &migrator(&[USERS]), Check::Ledger), Severity::Warning, "1.1.0");
    bench.sql("DELETE FROM schema_migrations_v2 WHERE version = '1.0.0'");
    assert_failed(&alone(bench, &both, Check::Ledger), Severity::Error, "the higher version 1.1.0 is");
    bench.sql("UPDATE schema_migrations_v2 SET status = 'applying'");
    assert_failed(&alone(bench, &both, Check::Ledger), Severity::Error, "1.1.0");
}

/// A trigger that takes the ledger row of a migration away as soon as it is written.
fn forgetful(bench: &impl Bench, version: &str) {
    let delete = format!("DELETE FROM schema_migrations_v2 WHERE version = '{version}'");
    bench.sql(&match dialect(bench) {
        // The ledger row of a step is followed by its history row.
        Dialect::Sqlite => {
            format!("CREATE TRIGGER forget AFTER INSERT ON schema_migrations_v2_history BEGIN {delete}; END")
        }
        Dialect::Postgres => format!(
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {delete}; RETURN NULL; END $$;
             CREATE TRIGGER forget AFTER INSERT ON schema_migrations_v2_history EXECUTE FUNCTION forget()"
        ),
    });
}

fn what_a_run_did_must_be_in_the_ledger(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    forgetful(bench, "1.1.0");
    let report = migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Unhealthy);
    assert_failed(result(&report.health.after, Check::Ledger), Severity::Error, "the row of 1.1.0 is gone");
}

fn missing_objects_make_the_outcome_say_so(bench: &impl Bench) {
    let directory = with(r#", "expects": {"tables": ["users", "nowhere"], "indexes": ["no_index"]}"#, "");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    let warned = of(registry_at(directory.path())).observer(move |event: &Event<'_>| {
        if let Event::CheckFailed(result) = event {
            told.lock().unwrap().push(result.to_string());
        }
    });
    let report = warned.up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Unhealthy);
    let message =
        "table `nowhere`, expected by 1.0.0, does not exist; index `no_index`, expected by 1.0.0, does not exist";
    let failed = result(&report.health.after, Check::ExpectedObjects);
    assert_eq!((failed.state, &*failed.message), (CheckState::Failed, message));
    assert_eq!(*heard.lock().unwrap(), [format!("expected_objects: {message}")]);
    assert_eq!(bench.ledger().len(), 2);
    assert_eq!(bench.history().last().unwrap(), "run||unhealthy");
    assert!(
        bench.sql("SELECT error FROM schema_migrations_v2_history WHERE outcome = 'unhealthy'")[0].contains(message)
    );
    assert_eq!(bench.lock_owner(), [""; 0]);
    // There is nothing to do any more, and so nothing to check.
    assert_eq!(warned.up(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);

    warned.reset(&mut bench.open()).wait().unwrap();
    let failing = of(registry_at(directory.path())).on_unhealthy(OnUnhealthy::Fail);
    let error = failing.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unhealthy);
    assert!(error.to_string().starts_with("every step is done and committed, but check expected_objects: "), "{error}");
    assert_eq!(error.report().unwrap().outcome, Outcome::Unhealthy);
    assert_eq!(error.report().unwrap().steps.len(), 2);
    assert_eq!(bench.ledger().len(), 2);
}

fn what_was_dropped_on_purpose_is_not_missed(bench: &impl Bench) {
    let directory = Directory::simple(&[USERS, ("1.1.0", "gone", "DROP TABLE users", "")]);
    directory.write(
        "v1.0.0_users/metadata.json",
        r#"{"version": "1.0.0", "name": "users", "expects": {"tables": ["users"]}}"#,
    );
    let migrator = of(registry_at(directory.path()));
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    assert_eq!(alone(bench, &migrator, Check::ExpectedObjects).state, CheckState::Passed);
    assert_eq!(migrator.up(&mut bench.open()).wait().unwrap().outcome, Outcome::Done);
    assert_eq!(alone(bench, &migrator, Check::ExpectedObjects).state, CheckState::Passed);
}

fn a_verify_script_must_still_hold(bench: &impl Bench) {
    let verified = |verify: &str| of(registry_at(with("", verify).path()));
    let migrator = verified("SELECT count(*) = 0 FROM users");
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(alone(bench, &migrator, Check::Verification).state, CheckState::Passed);
    bench.sql("INSERT INTO users VALUES (1)");
    assert_failed(&alone(bench, &migrator, Check::Verification), Severity::Error, "verify.sql:1:1");
    let writing = verified("INSERT INTO users VALUES (7); SELECT count(*) > 0 FROM users");
    let result = alone(bench, &writing, Check::Verification);
    assert_eq!((result.state, &*result.message), (CheckState::NotChecked, "the verify script of 1.0.0 writes"));
    assert_eq!(bench.sql("SELECT id FROM users"), ["1"]);
    let endless =
        verified("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) = 0 FROM n");
    let result = alone(bench, &endless.health_timeout(Duration::from_millis(50)), Check::Verification);
    assert_failed(&result, Severity::Error, "did not end within 50ms");
}

fn a_failing_check_of_severity_error_stops_the_run_before_its_first_step(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]).health_checks(HealthChecks::Full);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    // Every change of the ledger by a trial is refused from now on; a run itself would get as far as this.
    bench.sql(match dialect(bench) {
        Dialect::Sqlite => {
            "CREATE TRIGGER refuse BEFORE UPDATE OF fence ON schema_migrations_v2_state WHEN new.fence = old.fence
             BEGIN SELECT RAISE(ABORT, 'not now'); END"
        }
        Dialect::Postgres => {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
             CREATE TRIGGER refuse BEFORE DELETE ON schema_migrations_v2 FOR EACH ROW EXECUTE FUNCTION refuse()"
        }
    });
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unhealthy);
    assert!(
        error.to_string().starts_with("the run was stopped before its first step; check write_access: "),
        "{error}"
    );
    assert!(error.to_string().contains("not now"), "{error}");
    let report = error.report().unwrap();
    assert_eq!((report.outcome, report.steps.len()), (Outcome::Failed, 0));
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.tables(), ["users"]);
    assert_eq!(bench.history().last().unwrap(), "run||failed");
    assert_eq!(bench.lock_owner(), [""; 0]);
    assert_failed(&alone(bench, &migrator, Check::WriteAccess), Severity::Error, "not now");
}

fn checks_are_tried_again(bench: &impl Bench) {
    let patient = migrator(&[USERS]).retry_delay(Duration::from_millis(1));
    let tries = |retries: u32| {
        // Reading is the first request, the first check the second.
        let fault = Fault { at: 2, moment: When::Before, lasting: false, kind: Kind::Passing };
        let mut database = Faulty::new(bench.open(), Some(fault));
        patient.clone().health_retries(retries).health(&mut database).wait().unwrap()
    };
    let again = tries(2);
    assert!(again.iter().all(|result| result.state != CheckState::Failed), "{again:#?}");
    assert_eq!(again.iter().filter(|result| result.tries == 2).count(), 1, "{again:#?}");
    let once = tries(0);
    let failed: Vec<&CheckResult> = once.iter().filter(|result| result.state == CheckState::Failed).collect();
    assert!(matches!(failed[..], [one] if one.tries == 1 && one.message.contains("made to fail")), "{once:#?}");
}

fn a_connection_lost_during_a_check_is_made_again(bench: &impl Bench) {
    let migrator = migrator(&[USERS]).retry_delay(Duration::from_millis(1));
    let requests = {
        let mut database = Faulty::new(bench.open(), None);
        migrator.up(&mut database).wait().unwrap();
        migrator.reset(&mut bench.open()).wait().unwrap();
        database.requests()
    };
    // Read, lock, checks, step, checks, release.
    assert_eq!(requests, 6);
    for at in [3, 5] {
        let fault = Fault { at, moment: When::Before, lasting: false, kind: Kind::Lost };
        let report = migrator.up(&mut Faulty::new(bench.open(), Some(fault))).wait().unwrap();
        assert_eq!((report.outcome, report.health.failed().count()), (Outcome::Done, 0), "{at}");
        assert_eq!(bench.ledger(), ["1.0.0|applied"]);
        migrator.reset(&mut bench.open()).wait().unwrap();
    }
}

#[test]
fn a_database_that_cannot_be_reached_is_an_error() {
    let mut nowhere = Postgres::from_url("postgres://u@127.0.0.1:1/d").unwrap();
    assert_eq!(migrator(&[USERS]).health(&mut nowhere).wait().unwrap_err().kind(), ErrorKind::Unreachable);
}

#[test]
fn a_damaged_sqlite_file() {
    let bench = SqliteFile::new();
    let migrator = migrator(&[USERS]);
    migrator.up(&mut bench.open()).wait().unwrap();
    bench.sql("CREATE TABLE filler (id INTEGER PRIMARY KEY, body TEXT); CREATE INDEX filled ON filler (body)");
    bench.sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO filler SELECT i, hex(randomblob(50)) FROM n");
    assert_eq!(alone(&bench, &migrator, Check::Integrity).state, CheckState::Passed);
    let mut content = std::fs::read(bench.path()).unwrap();
    let end = content.len();
    content[end - 8192..end].fill(0xa5);
    std::fs::write(bench.path(), content).unwrap();
    assert_failed(&alone(&bench, &migrator, Check::Integrity), Severity::Error, "");
    let error = self::migrator_full(&[USERS, NOTES]).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unhealthy);
    assert!(error.to_string().contains("check integrity: "), "{error}");
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

fn migrator_full(migrations: &[(&str, &str, &str, &str)]) -> Migrator {
    migrator(migrations).health_checks(HealthChecks::Full)
}

#[test]
fn rows_that_refer_to_nothing_on_sqlite() {
    let bench = SqliteFile::new();
    let children = "CREATE TABLE children (id INTEGER, user_id INTEGER REFERENCES users (id))";
    let migrator = migrator_full(&[USERS, ("1.1.0", "children", children, ""), ("1.2.0", "notes", NOTES.2, "")]);
    migrator.up_to(&mut bench.open(), "1.1.0".parse().unwrap()).wait().unwrap();
    assert_eq!(alone(&bench, &migrator, Check::ForeignKeys).state, CheckState::Passed);
    bench.sql("PRAGMA foreign_keys = OFF; INSERT INTO children VALUES (1, 7), (2, 8)");
    let message = "2 rows of `children` refer to missing rows of `users`";
    assert_failed(&alone(&bench, &migrator, Check::ForeignKeys), Severity::Error, message);
    let report = migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Unhealthy);
    assert_failed(result(&report.health.after, Check::ForeignKeys), Severity::Error, message);
}

#[test]
fn a_disk_that_is_almost_full() {
    let disk = SmallDisk::mount(4 << 20).unwrap_or_else(|said| {
        panic!("this test mounts a small disk, which needs root (`sudo -E cargo test`): {said}")
    });
    let path = disk.path().join("app.db");
    let migrator = migrator(&[USERS, NOTES]);
    let mut database = migrate_runtime::Sqlite::file(&path);
    migrator.up_by_one(&mut database).wait().unwrap();
    let results = migrator.health(&mut database).wait().unwrap();
    assert_eq!(result(&results, Check::DiskSpace).state, CheckState::Passed);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE big (body BLOB); INSERT INTO big VALUES (zeroblob(1500000))").unwrap();
    let _ballast = disk.fill(600 << 10);
    let results = migrator.health(&mut database).wait().unwrap();
    assert_failed(result(&results, Check::DiskSpace), Severity::Warning, "free, and the database takes 1.");
    // A warning stops nothing.
    let report = migrator.up(&mut database).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_failed(result(&report.health.before, Check::DiskSpace), Severity::Warning, "free");
}

#[test]
fn a_database_in_memory_takes_no_disk() {
    let mut connection = rusqlite::Connection::open_in_memory().unwrap();
    let migrator = migrator(&[USERS]).health_checks(HealthChecks::Full);
    let report = migrator.up(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    let space = result(&report.health.before, Check::DiskSpace);
    assert_eq!((space.state, &*space.message), (CheckState::NotChecked, "a database in memory takes no disk"));
}

#[test]
fn an_invalid_index() {
    let bench = PostgresServer::new();
    let migrator = migrator(&[USERS, NOTES]);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    assert_eq!(alone(&bench, &migrator, Check::InvalidIndexes).state, CheckState::Passed);
    bench.sql("CREATE TABLE twice (x integer); INSERT INTO twice VALUES (1), (1)");
    bench.database.try_psql("CREATE UNIQUE INDEX CONCURRENTLY one_x ON twice (x)").unwrap_err();
    let found = alone(&bench, &migrator, Check::InvalidIndexes);
    assert_failed(&found, Severity::Warning, "`public.one_x`");
    assert!(found.help.unwrap().contains("REINDEX INDEX CONCURRENTLY"));
    let report = migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Done, "a warning is no error");
    for results in [&report.health.before, &report.health.after] {
        assert_failed(result(results, Check::InvalidIndexes), Severity::Warning, "`public.one_x`");
    }
}

#[test]
fn a_prepared_transaction_and_an_unread_slot() {
    let server = Server::start_with(&[("max_prepared_transactions", "2"), ("wal_level", "logical")]);
    let database = server.database();
    let migrator = migrator(&[USERS]);
    let results = || migrator.health(&mut Postgres::from_url(&database.url()).unwrap()).wait().unwrap();
    assert_eq!(result(&results(), Check::PreparedTransactions).state, CheckState::Passed);
    assert_eq!(result(&results(), Check::ReplicationSlots).state, CheckState::Passed);
    database.psql("CREATE TABLE t (x integer); BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'left behind'");
    database.psql("SELECT pg_create_physical_replication_slot('unread', true)");
    let found = results();
    assert_failed(result(&found, Check::PreparedTransactions), Severity::Warning, "'left behind' of postgres, since ");
    assert_failed(result(&found, Check::ReplicationSlots), Severity::Warning, "'unread' (physical)");
    let report = migrator.up(&mut Postgres::from_url(&database.url()).unwrap()).wait().unwrap();
    assert_failed(result(&report.health.before, Check::PreparedTransactions), Severity::Warning, "left behind");
    database.psql("ROLLBACK PREPARED 'left behind'");
    database.psql("SELECT pg_drop_replication_slot('unread')");
    server.stop();
}

#[test]
fn a_dump_of_somebody_else_is_seen_however_young_it_is() {
    let bench = PostgresServer::new();
    let mut session = Server::shared().session(&bench.url());
    session.run("SET application_name = 'pg_dump'; BEGIN; SELECT 1");
    let all = migrator(&[USERS]);
    let report = all.up(&mut bench.open()).wait().unwrap();
    let found = report.health.before.iter().find(|result| result.check == Check::LongTransactions).unwrap();
    assert_failed(found, Severity::Warning, "pg_dump");
    session.run("ROLLBACK");
}

#[test]
fn a_transaction_that_holds_a_table() {
    let bench = PostgresServer::new();
    let brief = Duration::from_millis(1);
    let migrator = migrator(&[USERS]).lock_timeout(brief).long_transaction(brief);
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(alone(&bench, &migrator, Check::Blockers).state, CheckState::Passed);
    assert_eq!(alone(&bench, &migrator, Check::LongTransactions).state, CheckState::Passed);
    let mut session = Server::shared().session(&bench.database.conninfo());
    session.run("SET application_name = 'report'; BEGIN; SELECT count(*) FROM users");
    // The transaction is older than a millisecond once another one has begun and ended.
    bench.sql("SELECT pg_sleep(0.002)");
    let found = alone(&bench, &migrator, Check::Blockers);
    assert_failed(&found, Severity::Warning, "`report`, idle in transaction");
    assert!(found.message.ends_with("holds `users`"), "{found:?}");
    assert_failed(
        &alone(&bench, &migrator, Check::LongTransactions),
        Severity::Warning,
        "`report`, idle in transaction",
    );
    let patient = migrator.clone().long_transaction(Duration::from_secs(600));
    assert_eq!(alone(&bench, &patient, Check::LongTransactions).state, CheckState::Passed);
    session.run("COMMIT");
    assert_eq!(alone(&bench, &migrator, Check::Blockers).state, CheckState::Passed);
    assert_eq!(alone(&bench, &migrator, Check::LongTransactions).state, CheckState::Passed);
}

#[test]
fn a_constraint_that_was_never_validated() {
    let bench = PostgresServer::new();
    let migrator = migrator(&[USERS, NOTES]);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    bench.sql("ALTER TABLE users ADD CONSTRAINT positive CHECK (id > 0) NOT VALID");
    assert_failed(&alone(&bench, &migrator, Check::Constraints), Severity::Warning, "`positive` on `users`");
    let report = migrator.up(&mut bench.open()).wait().unwrap();
    assert_failed(result(&report.health.after, Check::Constraints), Severity::Warning, "`positive` on `users`");
    assert_eq!(report.outcome, Outcome::Done);
    bench.sql("ALTER TABLE users VALIDATE CONSTRAINT positive");
    assert_eq!(alone(&bench, &migrator, Check::Constraints).state, CheckState::Passed);
}

/// Health as a role sees it that owns nothing.
fn as_role(database: &Database, migrator: &Migrator, role: &str) -> Vec<CheckResult> {
    migrator.health(&mut Postgres::from_url(&database.url_as(role, "unused")).unwrap()).wait().unwrap()
}

#[test]
fn a_role_without_rights() {
    let bench = PostgresServer::new();
    let alter = ("1.1.0", "email", "ALTER TABLE users ADD COLUMN email text", "");
    let migrator = migrator(&[USERS, alter]);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    Server::shared().role("health_reader", "unused");
    bench.sql(
        "GRANT SELECT ON schema_migrations_v2, schema_migrations_v2_history, schema_migrations_v2_state TO health_reader",
    );
    bench.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let found = as_role(&bench.database, &migrator, "health_reader");
    assert_failed(
        result(&found, Check::WriteAccess),
        Severity::Error,
        "permission denied for table schema_migrations_v2",
    );
    let ownership = result(&found, Check::Ownership);
    assert_failed(ownership, Severity::Warning, "nothing may be created in the schema `public`");
    assert!(ownership.message.contains("`users` belongs to postgres"), "{ownership:?}");
    bench.sql("GRANT INSERT, UPDATE, DELETE ON schema_migrations_v2 TO health_reader");
    let found = as_role(&bench.database, &migrator, "health_reader");
    assert_failed(result(&found, Check::WriteAccess), Severity::Error, "a privilege on history or state is missing");
    bench.sql("GRANT INSERT ON schema_migrations_v2_history TO health_reader; GRANT UPDATE ON schema_migrations_v2_state TO health_reader");
    let found = as_role(&bench.database, &migrator, "health_reader");
    assert_eq!(result(&found, Check::WriteAccess).state, CheckState::Passed);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);

    let empty = PostgresServer::new();
    empty.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let found = as_role(&empty.database, &migrator, "health_reader");
    assert_failed(result(&found, Check::WriteAccess), Severity::Error, "permission denied for schema public");
}

#[test]
fn a_basic_run_asks_once_before_and_once_after() {
    let bench = PostgresServer::new();
    let proxy = Proxy::to(Server::shared());
    let trips = |checks: HealthChecks, migrator: Migrator| {
        let before = proxy.round_trips();
        let mut database = Postgres::from_url(&proxy.url_for(&bench.database)).unwrap();
        migrator.health_checks(checks).up(&mut database).wait().unwrap();
        proxy.round_trips() - before
    };
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let without = trips(HealthChecks::Off, migrator(&[USERS, NOTES]));
    let with =
        trips(HealthChecks::Basic, migrator(&[USERS, NOTES, ("1.2.0", "more", "CREATE TABLE more (id INTEGER)", "")]));
    assert_eq!(with, without + 2);
    assert_eq!(
        trips(HealthChecks::Full, migrator(&[USERS, NOTES, ("1.2.0", "more", "CREATE TABLE more (id INTEGER)", "")])),
        1
    );
}
