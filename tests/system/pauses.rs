//! A run that is paused (a stopped process, a machine that sleeps) and wakes up when another has gone on.

use std::time::Duration;

use system_tests::field::{Migrate, Running, WAITING_FOR_ADVISORY_LOCK, sqlite, until};
use testkit::postgres::{Database, Server, Session};
use testkit::process::Output;

/// Migrations of which one waits for the test, in the middle of a window of steps under way.
struct Held {
    migrate: Migrate,
    database: Database,
    /// Holds what the waiting step wants.
    gate: Session,
}

/// How many migrations there are: more than are ever under way at once.
const STEPS: usize = 40;

/// The number of the one that waits.
const WAITING: usize = 5;

impl Held {
    fn new() -> Self {
        let database = Server::shared().database();
        let mut gate = Server::shared().session(&database.url());
        gate.run("SELECT pg_advisory_lock(1)");
        Self { migrate: Migrate::of_steps(STEPS, WAITING), database, gate }
    }

    fn start(&self) -> Running {
        self.migrate.start(&self.database.url(), &["up"])
    }

    fn until_it_waits(&self) {
        until("a step to wait", || self.database.psql(WAITING_FOR_ADVISORY_LOCK) == "1");
    }

    /// As if the holder had not renewed its lease for as long as it lasts.
    fn let_the_lease_end(&self) {
        self.database.psql("UPDATE schema_migrations_v2_state SET lock_expires_at = now() - interval '1 second'");
    }

    fn applied(&self) -> usize {
        self.database.psql("SELECT count(*) FROM schema_migrations_v2").parse().expect("a count is a number")
    }

    #[track_caller]
    fn assert_complete(&self) {
        let each =
            (1..=STEPS).map(|number| format!("SELECT id FROM t{number}")).collect::<Vec<_>>().join(" UNION ALL ");
        assert_eq!(self.database.psql(&format!("SELECT count(*), sum(id) FROM ({each}) t")), {
            format!("{STEPS}|{}", STEPS * (STEPS + 1) / 2)
        });
        assert_eq!(self.applied(), STEPS);
        let succeeded = "SELECT count(*), count(DISTINCT version) FROM schema_migrations_v2_history
            WHERE operation = 'up' AND outcome = 'succeeded'";
        assert_eq!(self.database.psql(succeeded), format!("{STEPS}|{STEPS}"));
        let held = "SELECT count(*) FROM schema_migrations_v2_state WHERE lock_owner IS NOT NULL";
        assert_eq!(self.database.psql(held), "0");
    }
}

#[test]
fn a_holder_that_sleeps_in_a_step_loses_its_lock_and_stops_at_its_fence() {
    let mut held = Held::new();
    let sleeper = held.start();
    held.until_it_waits();
    sleeper.pause();
    // The server goes on with what was sent.
    held.gate.run("SELECT pg_advisory_unlock(1)");
    until("the server to have done what was under way", || {
        held.applied() > WAITING && {
            held.database
                .psql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'")
                == "1"
        }
    });
    let under_way = held.applied();
    assert!((WAITING..STEPS).contains(&under_way), "{under_way} steps were under way");
    held.let_the_lease_end();
    let output = held.start().end();
    assert_eq!(output.code, 0, "{}", output.stderr);
    held.assert_complete();

    sleeper.go_on();
    let output = sleeper.end();
    assert_overtaken(&output);
    held.assert_complete();
}

#[test]
fn a_take_over_waits_for_a_transaction_of_the_sleeper_that_is_still_open() {
    let mut held = Held::new();
    let sleeper = held.start();
    held.until_it_waits();
    sleeper.pause();
    held.let_the_lease_end();
    // The step's transaction holds the fence, so there is no way past it.
    let output = held.migrate.run(&held.database.url(), &["up", "--wait-lock", "500ms"]);
    assert_eq!(output.code, 75, "{}", output.stderr);
    assert_eq!(held.applied(), WAITING - 1);
    let second = held.start();
    held.gate.run("SELECT pg_advisory_unlock(1)");
    let output = second.end();
    assert_eq!(output.code, 0, "{}", output.stderr);
    sleeper.go_on();
    let output = sleeper.end();
    assert_overtaken(&output);
    held.assert_complete();
}

/// It was stopped at its fence; then it either fails and says so, or finds that nothing is left to do.
#[track_caller]
fn assert_overtaken(output: &Output) {
    let says_so = output.code == 70 && output.stderr.contains("lost its lock to another run and stopped");
    assert!(output.code == 0 || says_so, "{}: {}{}", output.code, output.stdout, output.stderr);
}

#[test]
fn a_holder_that_wakes_up_in_time_goes_on() {
    let mut held = Held::new();
    let sleeper = held.start();
    held.until_it_waits();
    sleeper.pause();
    let waiter = held.start();
    held.gate.run("SELECT pg_advisory_unlock(1)");
    sleeper.go_on();
    for run in [sleeper, waiter] {
        let output = run.end();
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    held.assert_complete();
}

#[test]
fn a_holder_that_sleeps_on_sqlite_keeps_its_lock_and_is_named() {
    for mode in ["DELETE", "WAL"] {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let path = folder.path().join("app.db");
        sqlite(&path, &format!("PRAGMA journal_mode = {mode}"));
        let url = format!("sqlite:{}", path.display());
        // Long enough to be found in the middle of it.
        let long =
            "CREATE TABLE rows AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
            SELECT i FROM n";
        let migrate = Migrate::new(&[
            ("1.0.0", "first", "CREATE TABLE first (id INTEGER)", "", ""),
            ("1.1.0", "long", long, "", ""),
            ("1.2.0", "last", "CREATE TABLE last (id INTEGER)", "", ""),
        ]);
        migrate.succeed(&url, &["up", "--to", "1.0.0"]);
        let sleeper = migrate.start(&url, &["up"]);
        // With a rollback journal it also begins to write the file before its commit.
        let begin = if mode == "WAL" { "BEGIN IMMEDIATE; ROLLBACK" } else { "SELECT count(*) FROM first" };
        let is_locked_out = || {
            let other = rusqlite::Connection::open(&path).expect("the file opens");
            other.busy_timeout(Duration::ZERO).expect("a time-out can be set");
            other.execute_batch(begin).is_err()
        };
        loop {
            until("the run to be inside a transaction", is_locked_out);
            sleeper.pause();
            if is_locked_out() {
                break;
            }
            // It had just left a short one.
            sleeper.go_on();
        }
        let output = migrate.run(&url, &["up", "--wait-lock", "300ms"]);
        assert_eq!(output.code, 75, "{}", output.stderr);
        assert!(output.stderr.contains("the run lock is held by"), "{}", output.stderr);
        let read = migrate.run(&url, &["check"]);
        if mode == "WAL" {
            assert_eq!(read.code, 1, "reading goes on: {}", read.stderr);
        } else {
            // The script has outgrown SQLite's memory and locked readers out.
            assert_eq!(read.code, 75, "{}", read.stderr);
            assert!(read.stderr.contains("database is locked (code 5)"), "{}", read.stderr);
        }
        let waiter = migrate.start(&url, &["up"]);
        sleeper.go_on();
        for run in [sleeper, waiter] {
            let output = run.end();
            assert_eq!(output.code, 0, "{mode}: {}", output.stderr);
        }
        assert_eq!(sqlite(&path, "SELECT count(*) FROM rows"), "500000");
        assert_eq!(sqlite(&path, "SELECT count(*) FROM schema_migrations_v2_history WHERE operation = 'up'"), "3");
        assert_eq!(sqlite(&path, "PRAGMA integrity_check"), "ok");
    }
}

/// A statement that no fence can stop: the advisory lock of its session is what holds a take-over back.
#[test]
fn nobody_takes_over_while_a_concurrent_build_of_the_sleeper_goes_on() {
    for killed in [false, true] {
        let (server, database) = (Server::shared(), Server::shared().database());
        let url = database.url();
        let migrate = Migrate::new(&[
            ("1.0.0", "users", "CREATE TABLE users (id integer)", "", ""),
            ("1.1.0", "index", "CREATE INDEX CONCURRENTLY by_id ON users (id)", "", ", \"transaction\": false"),
            ("1.2.0", "notes", "CREATE TABLE notes (id integer)", "", ""),
        ]);
        migrate.succeed(&url, &["up", "--to", "1.0.0"]);
        let mut writer = server.session(&url);
        writer.run("BEGIN; INSERT INTO users VALUES (1)");
        let sleeper = migrate.start(&url, &["up"]);
        let builds = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()";
        until("the index to be begun", || database.psql(builds) == "1");
        sleeper.pause();
        database.psql("UPDATE schema_migrations_v2_state SET lock_expires_at = now() - interval '1 second'");
        let output = migrate.run(&url, &["up", "--wait-lock", "500ms"]);
        assert_eq!(output.code, 75, "{}", output.stderr);
        assert_eq!(database.psql(builds), "1", "the build goes on");
        let second = migrate.start(&url, &["up"]);
        writer.run("COMMIT");
        if killed {
            sleeper.signal("KILL");
        } else {
            sleeper.go_on();
            let output = sleeper.end();
            assert_overtaken(&output);
        }
        let output = second.end();
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert_eq!(database.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_id'::regclass"), "t");
        assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2 WHERE status = 'applied'"), "3");
        let succeeded = "SELECT count(*), count(DISTINCT version) FROM schema_migrations_v2_history
            WHERE operation = 'up' AND outcome = 'succeeded'";
        assert_eq!(database.psql(succeeded), "3|3");
    }
}
