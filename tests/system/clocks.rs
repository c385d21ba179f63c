//! Programs whose clocks are wrong, or jump while they run.

use std::process::Command;

use system_tests::field::{Migrate, Running, WAITING_FOR_ADVISORY_LOCK, sqlite, until};
use testkit::postgres::Server;
use testkit::process::run;

const YEARS_AGO: &str = "-3650d";
const YEARS_AHEAD: &str = "+3650d";

/// Runs below `faketime`, which gives a program another time of day. The clock that only counts on stays as it is: that is
/// how clocks jump.
fn under(migrate: &Migrate, offset: &str, url: &str, arguments: &[&str]) -> Command {
    let mut command = migrate.command_under(&["faketime", "-f", offset], url, arguments);
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    command
}

#[test]
fn faketime_changes_what_a_program_takes_for_the_time() {
    let year = |offset: &str| -> i32 {
        let output = run(Command::new("faketime").args(["-f", offset, "date", "+%Y"]));
        output.stdout.trim().parse().unwrap_or_else(|_| panic!("{}: is faketime installed?", output.stderr))
    };
    assert!(year(YEARS_AHEAD) - year(YEARS_AGO) >= 19);
}

#[test]
fn a_lease_lives_by_the_clock_of_the_database() {
    let (server, database) = (Server::shared(), Server::shared().database());
    let url = database.url();
    let mut gate = server.session(&url);
    gate.run("SELECT pg_advisory_lock(1)");
    let migrate = Migrate::new(&[
        ("1.0.0", "waits", "SELECT pg_advisory_xact_lock(1)", "", ", \"lock_timeout\": \"10min\""),
        ("1.1.0", "users", "CREATE TABLE users (id integer)", "", ""),
    ]);
    let lease = "SELECT lock_expires_at - now() BETWEEN interval '0' AND interval '1 minute'
        AND lock_acquired_at BETWEEN now() - interval '1 minute' AND now() FROM schema_migrations_v2_state";
    let holder = Running::start(&mut under(&migrate, YEARS_AGO, &url, &["up"]));
    until("the holder to be in its first step", || database.psql(WAITING_FOR_ADVISORY_LOCK) == "1");
    assert_eq!(database.psql(lease), "t");
    // For a program of the far future the lease of one of the far past still lives.
    for offset in [YEARS_AGO, YEARS_AHEAD] {
        let output = run(&mut under(&migrate, offset, &url, &["up", "--wait-lock", "300ms"]));
        assert_eq!(output.code, 75, "{}", output.stderr);
    }
    let waiter = Running::start(&mut under(&migrate, YEARS_AHEAD, &url, &["up"]));
    gate.run("SELECT pg_advisory_unlock(1)");
    for run in [holder, waiter] {
        let output = run.end();
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    let now = "SELECT count(*) FROM schema_migrations_v2_history
        WHERE recorded_at NOT BETWEEN now() - interval '10 minutes' AND now()";
    assert_eq!(database.psql(now), "0", "the history is written by the clock of the database");
    assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2"), "2");
}

#[test]
fn a_clock_that_jumps_during_a_run_changes_nothing() {
    let (server, database) = (Server::shared(), Server::shared().database());
    let url = database.url();
    let mut gate = server.session(&url);
    gate.run("SELECT pg_advisory_lock(1)");
    let migrate = Migrate::new(&[
        ("1.0.0", "waits", "SELECT pg_advisory_xact_lock(1)", "", ", \"lock_timeout\": \"10min\""),
        ("1.1.0", "users", "CREATE TABLE users (id integer)", "", ""),
    ]);
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let clock = folder.path().join("clock");
    let set = |offset: &str| std::fs::write(&clock, offset).expect("a temporary file can be written");
    set("+0");
    let library = run(Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"])).stdout;
    let start = || {
        let mut command = migrate.command(&url, &["up"]);
        command.env("LD_PRELOAD", library.trim()).env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1");
        Running::start(command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1"))
    };
    let (holder, waiter) = (start(), start());
    until("the holder to be in its first step", || database.psql(WAITING_FOR_ADVISORY_LOCK) == "1");
    for offset in [YEARS_AHEAD, YEARS_AGO, "+1d"] {
        set(offset);
        assert_eq!(migrate.run(&url, &["up", "--wait-lock", "100ms"]).code, 75);
    }
    gate.run("SELECT pg_advisory_unlock(1)");
    for run in [holder, waiter] {
        let output = run.end();
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2_history WHERE operation = 'up'"), "2");
}

#[test]
fn on_sqlite_the_order_is_that_of_versions_whatever_the_clock_says() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let path = folder.path().join("app.db");
    let url = format!("sqlite:{}", path.display());
    let migrate = Migrate::new(&[
        ("1.0.0", "users", "CREATE TABLE users (id INTEGER)", "DROP TABLE users", ""),
        ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", "DROP TABLE notes", ""),
        ("1.2.0", "tags", "CREATE TABLE tags (id INTEGER)", "DROP TABLE tags", ""),
    ]);
    let does = |offset: &str, arguments: &[&str]| {
        let output = run(&mut under(&migrate, offset, &url, arguments));
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.stderr);
        output.stdout
    };
    does(YEARS_AHEAD, &["up", "--to", "1.1.0"]);
    does(YEARS_AGO, &["up"]);
    let applied = sqlite(
        &path,
        "SELECT group_concat(version, ' ') FROM (SELECT version FROM schema_migrations_v2 ORDER BY applied_at)",
    );
    assert_eq!(applied, "1.2.0 1.0.0 1.1.0", "the clock was wrong");
    assert_eq!(does("+0", &["version"]).trim(), "1.2.0");
    does("+0", &["down", "--yes"]);
    assert_eq!(does(YEARS_AGO, &["version"]).trim(), "1.1.0");
    does(YEARS_AGO, &["down", "--all", "--yes"]);
    assert_eq!(sqlite(&path, "SELECT count(*) FROM schema_migrations_v2"), "0");
}
