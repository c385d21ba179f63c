//! Runs that are asked to stop.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use migrate_runtime::faults::{Fault, Faulty, Kind, Moment};
use migrate_runtime::{Error, ErrorKind, Event, Migrator, Outcome, StepOutcome, Stop};
use testkit::migrations::Directory;

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, migrator, of, registry_at};
use crate::conformance::{conformance, while_locked};

conformance! {
    a_run_that_is_stopped_before_it_begins_changes_nothing
    an_up_to_date_start_ends_well_though_it_is_to_stop
    a_wait_for_the_lock_stops
    a_pause_before_another_try_stops
    a_step_outside_a_transaction_stops_before_its_first_statement
    a_step_outside_a_transaction_stops_between_statements
    the_statement_that_is_being_executed_is_cancelled
    a_statement_outside_a_transaction_is_cancelled
    a_verification_is_cancelled
}

const USERS: (&str, &str, &str, &str) = ("1.0.0", "users", "CREATE TABLE users (id INTEGER)", "DROP TABLE users");
const TAGS: (&str, &str, &str, &str) = ("1.2.0", "tags", "CREATE TABLE tags (id INTEGER)", "DROP TABLE tags");

/// Three migrations, of which the second one runs outside a transaction.
fn outside_a_transaction(up: &str) -> Migrator {
    let directory = Directory::simple(&[USERS, ("1.1.0", "notes", up, ""), TAGS]);
    directory.write(
        "v1.1.0_notes/metadata.json",
        b"{\"version\": \"1.1.0\", \"name\": \"notes\", \"transaction\": false}\n",
    );
    of(registry_at(directory.path()))
}

/// The same migrator, which stops when a step outside a transaction begins.
fn stopped_at_its_start(migrator: Migrator) -> Migrator {
    let stop = Stop::new();
    let asks = stop.clone();
    migrator.stop(stop).observer(move |event: &Event<'_>| {
        if let Event::StepStarted(_) = event {
            asks.after_this_step();
        }
    })
}

/// A query that does not end by itself and gives a number.
fn endless(bench: &impl Bench) -> &'static str {
    if bench.url().starts_with("sqlite:") {
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    } else {
        "SELECT count(*) FROM (SELECT pg_sleep(3600)) AS slept"
    }
}

/// Whether an endless query is being executed; on SQLite, whether a transaction that writes is open.
fn is_executed(bench: &impl Bench) -> bool {
    match bench.url().strip_prefix("sqlite:") {
        Some(path) => {
            let other = rusqlite::Connection::open(path).unwrap();
            other.busy_timeout(Duration::ZERO).unwrap();
            other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err()
        }
        None => {
            let executed = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event = 'PgSleep'";
            bench.sql(executed) == ["1"]
        }
    }
}

/// Runs the second migration of `migrator` alone, and stops it as soon as it executes an endless query.
fn cancelled(bench: &impl Bench, migrator: Migrator) -> Error {
    cancelled_when(bench, migrator, || is_executed(bench))
}

fn cancelled_when(bench: &impl Bench, migrator: Migrator, ready: impl Fn() -> bool) -> Error {
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    let stop = Stop::new();
    let (started, is_started) = channel();
    let migrator = migrator.stop(stop.clone()).observer(move |event: &Event<'_>| {
        if let Event::Started(_) = event {
            started.send(()).unwrap();
        }
    });
    std::thread::scope(|scope| {
        let second = "1.1.0".parse().unwrap();
        let run = scope.spawn(move || migrator.up_to(&mut bench.open(), second).wait().unwrap_err());
        is_started.recv().unwrap();
        let since = Instant::now();
        while !ready() {
            assert!(since.elapsed() < Duration::from_secs(30), "it never came to its endless query");
            std::thread::sleep(Duration::from_millis(2));
        }
        stop.now();
        run.join().unwrap()
    })
}

#[track_caller]
fn assert_was_cancelled(bench: &impl Bench, error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(error.migration().unwrap().to_string(), "1.1.0");
    let code = if bench.url().starts_with("sqlite:") { "9" } else { "57014" };
    assert_eq!(error.database().unwrap().code.as_deref(), Some(code), "{error}");
    let report = error.report().unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    let ended: Vec<StepOutcome> = report.steps.iter().map(|step| step.outcome).collect();
    assert_eq!(ended, [StepOutcome::Failed]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    let history = bench.history();
    assert_eq!(history[history.len() - 2..], ["up|1.1.0|failed", "run||failed"]);
}

/// A plain run does the rest, and nothing was applied twice.
#[track_caller]
fn assert_goes_on(bench: &impl Bench, migrator: &Migrator) {
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied", "1.2.0|applied"]);
    assert_eq!(bench.tables(), ["notes", "tags", "users"]);
    let succeeded = bench.history().into_iter().filter(|row| row.starts_with("up|") && row.ends_with("succeeded"));
    assert_eq!(succeeded.count(), 3);
}

fn a_run_that_is_stopped_before_it_begins_changes_nothing(bench: &impl Bench) {
    let stop = Stop::new();
    stop.after_this_step();
    let error = migrator(&[USERS]).stop(stop).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.to_string(), "the run was stopped before its first step; nothing was changed");
    assert_eq!(bench.all_tables(), [""; 0]);
}

fn an_up_to_date_start_ends_well_though_it_is_to_stop(bench: &impl Bench) {
    let stop = Stop::new();
    let migrator = migrator(&[USERS]).stop(stop.clone());
    migrator.up(&mut bench.open()).wait().unwrap();
    stop.now();
    assert_eq!(migrator.up(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);
}

fn a_wait_for_the_lock_stops(bench: &impl Bench) {
    let stop = Stop::new();
    let asks = stop.clone();
    let waiter = migrator(&[USERS, TAGS]).stop(stop).observer(move |event: &Event<'_>| {
        if let Event::Waiting(_) = event {
            asks.after_this_step();
        }
    });
    let error = while_locked(bench, || waiter.up(&mut bench.open()).wait().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.history(), ["run||started", "up|1.0.0|succeeded", "run||succeeded"]);
}

fn a_pause_before_another_try_stops(bench: &impl Bench) {
    let stop = Stop::new();
    let asks = stop.clone();
    // The requests are: read, take the lock, the checks before, the first step.
    let fault = Fault { at: 4, moment: Moment::Before, lasting: false, kind: Kind::Passing };
    let mut database = Faulty::new(bench.open(), Some(fault));
    let migrator = migrator(&[USERS, TAGS]).stop(stop).observer(move |event: &Event<'_>| {
        if let Event::Retrying { .. } = event {
            asks.after_this_step();
        }
    });
    let error = migrator.up(&mut database).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(error.to_string(), "the run was stopped before 1.0.0 `users` (no step of this run was done)");
    assert_eq!(error.help(), Some("`migrate up` goes on from there"));
    assert_eq!(bench.tables(), [""; 0]);
    assert_eq!(bench.history(), ["run||started", "up|1.0.0|failed", "run||failed"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
}

fn a_step_outside_a_transaction_stops_before_its_first_statement(bench: &impl Bench) {
    let whole = outside_a_transaction("CREATE TABLE notes (id INTEGER)");
    let error = stopped_at_its_start(whole.clone()).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(
        error.to_string(),
        "migration 1.1.0 `notes` was stopped before its part 1 of 1 (1 step before it is committed and stays)"
    );
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.tables(), ["users"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    assert_goes_on(bench, &whole);
}

fn a_step_outside_a_transaction_stops_between_statements(bench: &impl Bench) {
    let script =
        "CREATE TABLE notes (id INTEGER); INSERT INTO notes SELECT id FROM later; INSERT INTO notes VALUES (3)";
    let whole = outside_a_transaction(script);
    whole.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applying"]);
    bench.sql("CREATE TABLE later (id INTEGER); INSERT INTO later VALUES (2)");
    let error = stopped_at_its_start(whole.clone()).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.to_string().contains("was stopped before its part 2 of 3"), "{error}");
    assert_eq!(error.help(), Some("`migrate up` goes on with this part"));
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applying"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    whole.up(&mut bench.open()).wait().unwrap();
    bench.sql("DROP TABLE later");
    assert_eq!(bench.sql("SELECT id FROM notes ORDER BY id"), ["2", "3"]);
    assert_goes_on(bench, &whole);
}

fn the_statement_that_is_being_executed_is_cancelled(bench: &impl Bench) {
    let long = format!("CREATE TABLE notes (id INTEGER); {}; CREATE TABLE never (id INTEGER)", endless(bench));
    let error = cancelled(bench, migrator(&[USERS, ("1.1.0", "notes", &long, ""), TAGS]));
    assert_was_cancelled(bench, &error);
    assert!(error.to_string().contains("was stopped (no step of this run was done)"), "{error}");
    assert_eq!(error.help(), Some("nothing of 1.1.0 was kept; `migrate up` runs it again"));
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.tables(), ["users"]);
    assert_goes_on(bench, &migrator(&[USERS, ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", ""), TAGS]));
}

fn a_statement_outside_a_transaction_is_cancelled(bench: &impl Bench) {
    let long = format!("CREATE TABLE notes (id INTEGER); INSERT INTO notes {}", endless(bench));
    let progress = || bench.sql("SELECT progress FROM schema_migrations_v2 WHERE version = '1.1.0'");
    let error = cancelled_when(bench, outside_a_transaction(&long), || progress() == ["1"] && is_executed(bench));
    assert_was_cancelled(bench, &error);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applying"]);
    assert_eq!(progress(), ["1"]);
    assert_eq!(bench.sql("SELECT count(*) FROM notes"), ["0"]);
}

fn a_verification_is_cancelled(bench: &impl Bench) {
    let directory = Directory::simple(&[USERS, ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", ""), TAGS]);
    let whole = of(registry_at(directory.path()));
    directory.write("v1.1.0_notes/verify.sql", format!("SELECT ({}) > 0", endless(bench)));
    let error = cancelled(bench, of(registry_at(directory.path())));
    assert_was_cancelled(bench, &error);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.tables(), ["users"]);
    assert_goes_on(bench, &whole);
}

#[test]
fn sqlite_keeps_nothing_of_a_change_of_rows_that_is_cancelled() {
    let bench = SqliteFile::new();
    // SQLite ends the whole transaction when it interrupts such a statement.
    let fill = format!("INSERT INTO users {}", endless(&bench));
    let error = cancelled(&bench, migrator(&[USERS, ("1.1.0", "notes", &fill, ""), TAGS]));
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.sql("SELECT count(*) FROM users"), ["0"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    assert_eq!(bench.history().last().unwrap(), "run||failed");
    assert_goes_on(&bench, &migrator(&[USERS, ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", ""), TAGS]));
}

/// Steps are sent ahead, so those behind are on their way when the run is asked to stop.
#[test]
fn postgres_calls_back_steps_that_it_has_not_begun() {
    let bench = PostgresServer::new();
    let sleep = "CREATE TABLE slept (id INTEGER); SELECT pg_sleep(20)";
    let steps =
        [USERS, ("1.1.0", "short", "SELECT 1", ""), ("1.2.0", "long", sleep, ""), ("1.3.0", "other", sleep, "")];
    let stop = Stop::new();
    let asks = stop.clone();
    let stopping = migrator(&steps).stop(stop).observer(move |event: &Event<'_>| {
        if let Event::StepEnded(_) = event {
            asks.after_this_step();
        }
    });
    let error = stopping.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    let report = error.report().unwrap();
    let done: Vec<StepOutcome> = report.steps.iter().map(|step| step.outcome).collect();
    assert_eq!(done, [StepOutcome::Done; 2], "{error}");
    assert!(
        error.to_string().contains("stopped before 1.2.0 `long` (2 steps before it are committed and stay)"),
        "{error}"
    );
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(bench.tables(), ["users"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    assert_eq!(bench.history().last().unwrap(), "run||failed");
}
