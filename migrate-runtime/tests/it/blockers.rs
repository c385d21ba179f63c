//! Steps on PostgreSQL that wait for locks: who holds them is told, and the sum of the waits is bounded.

use std::time::Duration;

use migrate_runtime::{BorrowedClient, Event};
use testkit::migrations::Directory;
use tokio_postgres::{Client, NoTls};

use crate::bench::{Bench, PostgresServer, migrator, of, registry_at};

const TABLES: (&str, &str, &str, &str) =
    ("1.0.0", "tables", "CREATE TABLE a (id integer); CREATE TABLE b (id integer)", "DROP TABLE a, b");

/// A session of an application called `shop`.
struct Session {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Session {
    fn new(bench: &PostgresServer) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut config: tokio_postgres::Config = bench.url().parse().unwrap();
        let (client, connection) = runtime.block_on(config.application_name("shop").connect(NoTls)).unwrap();
        runtime.spawn(connection);
        Self { runtime, client }
    }

    fn run(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap();
    }

    fn process(&self) -> i32 {
        self.runtime.block_on(self.client.query_one("SELECT pg_backend_pid()", &[])).unwrap().get(0)
    }
}

#[test]
fn who_blocks_a_step_is_in_the_error_and_in_the_history() {
    let bench = PostgresServer::new();
    migrator(&[TABLES]).up(&mut bench.open()).wait().unwrap();
    let reader = Session::new(&bench);
    let process = reader.process();
    reader.run("BEGIN; SELECT 'a secret', * FROM a");
    let wide = migrator(&[TABLES, ("1.1.0", "wide", "ALTER TABLE a ADD COLUMN wide text", "")])
        .lock_timeout(Duration::from_secs(1))
        .max_retries(0);

    let error = wide.up(&mut bench.open()).wait().unwrap_err();
    let blocker = &error.blockers()[0];
    assert_eq!((blocker.process, &*blocker.application), (process, "shop"), "{error}");
    assert_eq!(blocker.state, "idle in transaction");
    assert!(blocker.transaction_seconds.is_some());
    let text = error.to_string();
    assert!(text.contains("55P03") && text.contains("blocked by process") && text.contains("`shop`"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let recorded = bench.sql("SELECT error FROM schema_migrations_v2_history WHERE version = '1.1.0'").join("\n");
    assert!(recorded.contains(&format!("blocked by process {process}")), "{recorded}");

    let error = wide.clone().blocker_queries(true).up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("SELECT 'a secret', * FROM a"), "{error}");

    reader.run("COMMIT");
    wide.up(&mut bench.open()).wait().unwrap();
}

#[test]
fn a_verify_script_that_waits_for_a_lock_is_tried_again() {
    for transaction in [true, false] {
        let bench = PostgresServer::new();
        migrator(&[TABLES]).up(&mut bench.open()).wait().unwrap();
        let other = Session::new(&bench);
        other.run("BEGIN; LOCK TABLE b");
        let directory = Directory::simple(&[TABLES, ("1.1.0", "fill", "INSERT INTO a VALUES (1)", "")]);
        let metadata = format!(r#"{{"version": "1.1.0", "name": "fill", "transaction": {transaction}}}"#);
        directory.write("v1.1.0_fill/metadata.json", metadata.as_bytes());
        directory.write("v1.1.0_fill/verify.sql", b"SELECT count(*) = 0 FROM b");
        let filling = of(registry_at(directory.path()))
            .lock_timeout(Duration::from_secs(1))
            .retry_delay(Duration::from_millis(10));

        let error = filling.clone().max_retries(0).up(&mut bench.open()).wait().unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        assert_eq!(error.database().unwrap().code.as_deref(), Some("55P03"), "{error:?}");
        assert!(error.to_string().starts_with("migrations_v2/v1.1.0_fill/verify.sql:1:1: verification"), "{error}");
        assert_eq!(error.blockers()[0].process, other.process(), "{error:?}");
        assert!(!error.help().unwrap().contains("true value"), "{error:?}");

        let (retrying, is_retrying) = std::sync::mpsc::channel();
        let filling = filling.observer(move |event: &Event<'_>| {
            if let Event::Retrying { .. } = event {
                let _ = retrying.send(());
            }
        });
        std::thread::scope(|scope| {
            let run = scope.spawn(|| filling.up(&mut bench.open()).wait());
            is_retrying.recv().unwrap();
            other.run("COMMIT");
            run.join().unwrap().unwrap();
        });
        assert_eq!(bench.sql("SELECT * FROM a"), ["1"], "transaction: {transaction}");
    }
}

#[test]
fn the_waits_of_a_step_for_several_locks_are_bounded_in_all() {
    let bench = PostgresServer::new();
    migrator(&[TABLES]).up(&mut bench.open()).wait().unwrap();
    let (first, second) = (Session::new(&bench), Session::new(&bench));
    first.run("BEGIN; SELECT * FROM a");
    second.run("BEGIN; SELECT * FROM b");
    let both = "ALTER TABLE a ADD COLUMN wide text; ALTER TABLE b ADD COLUMN wide text";
    let wide = migrator(&[TABLES, ("1.1.0", "wide", both, "")]).lock_timeout(Duration::from_secs(3)).max_retries(0);
    let error = std::thread::scope(|scope| {
        let run = scope.spawn(|| wide.up(&mut bench.open()).wait().unwrap_err());
        // The first wait nearly uses up the time, and ends well.
        let waits = "SELECT count(*) FROM pg_stat_activity a WHERE a.wait_event_type = 'Lock'
                     AND a.datname = current_database() AND clock_timestamp() > a.query_start + interval '2 seconds'";
        while bench.sql(waits) != ["1"] {
            std::thread::yield_now();
        }
        first.run("COMMIT");
        run.join().unwrap()
    });
    assert!(error.is_retryable(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("57014") && text.contains("in all"), "{text}");
    assert_eq!(error.blockers()[0].process, second.process(), "{text}");
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    second.run("COMMIT");
    wide.up(&mut bench.open()).wait().unwrap();
}

#[test]
fn who_blocks_a_step_is_seen_although_the_second_connection_was_lost() {
    let bench = PostgresServer::new();
    migrator(&[TABLES]).up(&mut bench.open()).wait().unwrap();
    let reader = Session::new(&bench);
    let process = reader.process();
    reader.run("BEGIN; SELECT * FROM a");
    let wide = migrator(&[TABLES, ("1.1.0", "wide", "ALTER TABLE a ADD COLUMN wide text", "")])
        .lock_timeout(Duration::from_secs(5))
        .max_retries(0);
    let error = std::thread::scope(|scope| {
        let run = scope.spawn(|| wide.up(&mut bench.open()).wait().unwrap_err());
        // Cut off at its first look, it sees nothing until it looks again.
        let looks = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
                     WHERE datname = current_database() AND query LIKE '%pg_blocking_pids(s.pid)%'
                     AND pid <> pg_backend_pid()";
        while bench.sql(looks) != ["t"] {
            std::thread::yield_now();
        }
        run.join().unwrap()
    });
    assert_eq!(error.blockers()[0].process, process, "{error}");
}

/// Nothing but the watch ends these waits: the script has told the server not to.
#[test]
fn a_script_that_switches_the_lock_timeout_off_still_gives_way_to_readers() {
    let transactional = "SET lock_timeout = 0; ALTER TABLE a ADD COLUMN wide text";
    let group = "BEGIN; SET LOCAL lock_timeout = 0; ALTER TABLE a ADD COLUMN wide text; COMMIT";
    let single = "SET lock_timeout = 0; ALTER TABLE a ADD COLUMN wide text";
    for (script, transaction) in [(transactional, true), (group, false), (single, false)] {
        let bench = PostgresServer::new();
        let directory = Directory::simple(&[TABLES, ("1.1.0", "wide", script, "")]);
        let metadata = format!(r#"{{"version": "1.1.0", "name": "wide", "transaction": {transaction}}}"#);
        directory.write("v1.1.0_wide/metadata.json", metadata);
        let migrator = of(registry_at(directory.path())).lock_timeout(Duration::from_millis(500)).max_retries(0);
        migrator.up_by_one(&mut bench.open()).wait().unwrap();
        let (first, second) = (Session::new(&bench), Session::new(&bench));
        first.run("BEGIN; SELECT * FROM a");
        std::thread::scope(|scope| {
            let run = scope.spawn(|| migrator.up(&mut bench.open()).wait());
            let waits = "SELECT count(*) FROM pg_locks WHERE relation = 'a'::regclass AND NOT granted";
            while bench.sql(waits) != ["1"] {
                std::thread::yield_now();
            }
            // Behind the change, and served while the first reader is still there.
            second.run("SELECT * FROM a");
            let error = run.join().unwrap().unwrap_err();
            assert!(error.is_retryable(), "{script}: {error:?}");
            assert_eq!(error.blockers()[0].process, first.process(), "{error}");
        });
        first.run("COMMIT");
        migrator.up(&mut bench.open()).wait().unwrap();
    }
}

#[test]
fn where_nobody_can_look_the_history_says_that_the_blocker_is_unknown() {
    let bench = PostgresServer::new();
    migrator(&[TABLES]).up(&mut bench.open()).wait().unwrap();
    let reader = Session::new(&bench);
    reader.run("BEGIN; SELECT * FROM a");
    let wide = migrator(&[TABLES, ("1.1.0", "wide", "ALTER TABLE a ADD COLUMN wide text", "")])
        .lock_timeout(Duration::from_millis(100))
        .max_retries(0);
    let mut session = Session::new(&bench);
    // A borrowed client has no second connection.
    let error =
        session.runtime.block_on(async { wide.up(&mut BorrowedClient::new(&mut session.client)).await.unwrap_err() });
    assert!(error.to_string().ends_with("; who blocked it is unknown"), "{error}");
    let recorded = "SELECT error LIKE '%who blocked it is unknown' FROM schema_migrations_v2_history
        WHERE outcome = 'failed' AND version = '1.1.0'";
    assert_eq!(bench.sql(recorded), ["t"]);
}
