//! A server that is killed in the middle of a run.

use system_tests::field::{Migrate, until};
use testkit::postgres::Server;

#[test]
fn a_run_whose_server_is_killed_ends_well_or_is_finished_by_the_next() {
    let server = Server::start();
    // Which step waits while the server is killed, and whether it runs outside a transaction.
    for (waiting, outside) in [(1, false), (4, false), (12, false), (4, true), (12, true)] {
        let database = server.database();
        let url = database.url();
        let mut gate = server.session(&url);
        gate.run("SELECT pg_advisory_lock(1)");
        let steps: Vec<(String, String, String, &str)> = (1..=12)
            .map(|number| {
                let waits = number == waiting;
                let wait = if waits { "SELECT count(pg_advisory_xact_lock(1));" } else { "" };
                let up = format!("CREATE TABLE t{number} (id integer); {wait} INSERT INTO t{number} VALUES ({number})");
                let more = match (waits, outside) {
                    (true, true) => ", \"lock_timeout\": \"10min\", \"transaction\": false",
                    _ => ", \"lock_timeout\": \"10min\"",
                };
                (format!("1.{number}.0"), format!("t{number}"), up, more)
            })
            .collect();
        let steps: Vec<_> =
            steps.iter().map(|(version, name, up, more)| (&**version, &**name, &**up, "", *more)).collect();
        let migrate = Migrate::new(&steps);
        let run = migrate.start(&url, &["up"]);
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        until("the step to wait", || database.psql(waits) == "1");
        server.kill9();
        drop(gate);
        server.restart();
        let output = run.end();
        let applied = || database.psql("SELECT count(*) FROM schema_migrations_v2 WHERE status = 'applied'");
        if output.code == 0 {
            assert_eq!(applied(), "12");
        } else {
            assert!([69, 70].contains(&output.code), "{}: {}", output.code, output.stderr);
            assert!(output.stderr.contains("connection"), "{}", output.stderr);
            assert_eq!(applied(), (waiting - 1).to_string(), "what was committed is kept, and nothing else");
        }
        migrate.succeed(&url, &["up"]);
        assert_eq!(applied(), "12");
        let each = (1..=12).map(|number| format!("SELECT id FROM t{number}")).collect::<Vec<_>>().join(" UNION ALL ");
        assert_eq!(database.psql(&format!("SELECT count(*), sum(id) FROM ({each}) t")), "12|78");
        let twice = "SELECT count(*) - count(DISTINCT version) FROM schema_migrations_v2_history
            WHERE operation = 'up' AND outcome = 'succeeded'";
        assert_eq!(database.psql(twice), "0");
    }
}

/// A client that is gone does not hold its locks for as long as its statement would have taken.
#[test]
fn a_statement_whose_client_was_killed_ends_and_the_next_run_goes_on() {
    let (server, database) = (Server::shared(), Server::shared().database());
    let url = database.url();
    database.psql("CREATE TABLE gate (id integer)");
    let long = "CREATE TABLE users (id integer); SELECT pg_sleep(86400) WHERE NOT EXISTS (SELECT FROM gate)";
    let migrate = Migrate::new(&[("1.0.0", "users", long, "", ", \"statement_timeout\": \"48h\"")]);
    let run = migrate.start(&url, &["up"]);
    let sleeps = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until("the statement to be executed", || database.psql(sleeps) == "1");
    let backend = database.psql("SELECT lock_backend FROM schema_migrations_v2_state");
    run.signal("KILL");
    // As long as the server has not noticed, nobody takes over; the operator is told how to help it.
    let output = migrate.run(&url, &["up", "--wait-lock", "0s"]);
    let end = format!("SELECT pg_terminate_backend({backend})");
    assert!(output.code == 75 && output.stderr.contains(&end), "{}: {}", output.code, output.stderr);
    until("the server to notice", || database.psql(sleeps) == "0");
    let mut operator = server.session(&url);
    operator.run("INSERT INTO gate VALUES (1)");
    migrate.succeed(&url, &["up"]);
    assert_eq!(database.psql("SELECT status FROM schema_migrations_v2"), "applied");
}
