//! Runs whose connection to PostgreSQL is lost, and which go on all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use migrate_runtime::{ErrorKind, Event, HealthChecks, Migrator, Outcome, Postgres};
use testkit::migrations::Directory;
use testkit::postgres::Server;
use testkit::proxy::{Fate, Proxy};

use crate::bench::{Bench, PostgresServer, migrator, of, registry_at};

/// A script that loses its connection the first time that it is executed: what `nextval` gives is not rolled back.
const LOSES_ITS_CONNECTION: &str =
    "SELECT CASE WHEN nextval('once') = 1 THEN pg_terminate_backend(pg_backend_pid()) END;
     CREATE TABLE survivors (id integer)";

fn bench() -> PostgresServer {
    let bench = PostgresServer::new();
    bench.sql("CREATE SEQUENCE once");
    bench
}

fn tables(count: usize, special: (usize, &str)) -> Migrator {
    let migrations: Vec<_> = (0..count)
        .map(|number| {
            let script = format!("CREATE TABLE t{number} (id integer)");
            let script = if number == special.0 { special.1.to_owned() } else { script };
            (format!("1.{number}.0"), format!("m{number}"), script, format!("DROP TABLE IF EXISTS t{number}"))
        })
        .collect();
    let migrations: Vec<_> = migrations.iter().map(|(a, b, c, d)| (&**a, &**b, &**c, &**d)).collect();
    migrator(&migrations)
}

#[test]
fn a_step_whose_connection_is_lost_is_executed_again() {
    let bench = bench();
    let migrator = tables(24, (12, LOSES_ITS_CONNECTION));
    let report = migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(report.steps.len(), 24);
    assert_eq!(bench.ledger().len(), 24);
    assert_eq!(bench.tables().len(), 24);
    assert_eq!(bench.sql("SELECT last_value FROM once"), ["2"]);
    let history = bench.history();
    assert_eq!(history.iter().filter(|row| row.ends_with("|succeeded")).count(), 25, "{history:?}");
    let lost = bench.sql("SELECT version, error LIKE '%terminating connection%' FROM schema_migrations_v2_history WHERE outcome = 'failed'");
    assert_eq!(lost, ["1.12.0|t"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    // The run kept its number while its fence rose.
    assert_eq!(bench.sql("SELECT DISTINCT run FROM schema_migrations_v2_history"), ["1"]);
    assert_eq!(bench.sql("SELECT fence FROM schema_migrations_v2_state"), ["2"]);
    let next = migrator.down(&mut bench.open()).wait().unwrap();
    assert_eq!(next.run, Some(3));
}

#[test]
fn a_connection_that_is_lost_in_a_verify_script_is_made_again() {
    let bench = bench();
    let directory = Directory::simple(&[("1.0.0", "notes", "CREATE TABLE notes (id integer)", "")]);
    let verify =
        "SELECT CASE WHEN nextval('once') = 1 THEN pg_terminate_backend(pg_backend_pid()) END IS DISTINCT FROM false";
    directory.write("v1.0.0_notes/verify.sql", verify.as_bytes());
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
    assert_eq!((bench.tables(), bench.ledger()), (vec!["notes".to_owned()], vec!["1.0.0|applied".to_owned()]));
    let lost = bench.sql("SELECT error FROM schema_migrations_v2_history WHERE outcome = 'failed'").join("\n");
    assert!(lost.contains("v1.0.0_notes/verify.sql:1:1: verification of migration 1.0.0 `notes` failed"), "{lost}");
    assert!(!lost.contains("could not be"), "{lost}");
}

#[test]
fn a_step_that_loses_its_connection_every_time_is_not_sent_a_fourth_time() {
    let bench = bench();
    let migrator = tables(3, (1, "SELECT nextval('once'), pg_terminate_backend(pg_backend_pid())"))
        .retry_delay(Duration::from_millis(1));
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database);
    assert_eq!(error.migration(), Some("1.1.0".parse().unwrap()));
    assert_eq!(error.database().unwrap().code.as_deref(), Some("57P01"));
    let text = error.to_string();
    assert!(text.contains("lost 3 times while 1.1.0 `m1` was under way"), "{text}");
    assert_eq!(text.matches("57P01").count(), 1, "{text}");
    assert!(text.starts_with("migrations_v2/v1.1.0_m1/up.sql:1:1: "), "{text}");
    assert!(error.help().unwrap().contains("the server's log"), "{error:?}");
    assert_eq!(bench.sql("SELECT last_value FROM once"), ["3"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    let history = bench.history();
    assert_eq!(history.iter().filter(|row| **row == "up|1.1.0|failed").count(), 3, "{history:?}");
    assert_eq!(history.last().unwrap(), "run||failed");
}

#[test]
fn a_dry_connection_while_waiting_for_the_lock_is_made_anew() {
    let bench = bench();
    let migrator = tables(2, (1, "SELECT pg_sleep(0) FROM gate FOR UPDATE"));
    bench.sql("CREATE TABLE gate (id integer)");
    bench.sql("INSERT INTO gate VALUES (1)");
    std::thread::scope(|scope| {
        let (locked, is_locked) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let url = bench.url();
        scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let (client, connection) = runtime.block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls)).unwrap();
            runtime.spawn(connection);
            runtime.block_on(client.batch_execute("BEGIN; SELECT * FROM gate FOR UPDATE")).unwrap();
            locked.send(()).unwrap();
            released.recv().unwrap();
            runtime.block_on(client.batch_execute("COMMIT")).unwrap();
        });
        is_locked.recv().unwrap();
        let at_work = scope.spawn(|| migrator.up(&mut bench.open()).wait().unwrap());
        let blocked = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()
                       AND wait_event_type = 'Lock'";
        wait_until(&bench, blocked, "t");
        let waiting = scope.spawn(|| migrator.up(&mut bench.open()).wait().unwrap());
        let idle = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'migrate'
                    AND state = 'idle'";
        wait_until(&bench, &format!("SELECT count(*) > 0 {idle}"), "t");
        bench.sql(&format!("SELECT pg_terminate_backend(pid) {idle}"));
        release.send(()).unwrap();
        assert_eq!(at_work.join().unwrap().outcome, Outcome::Done);
        let report = waiting.join().unwrap();
        assert!(matches!(report.outcome, Outcome::NothingToDo | Outcome::Done), "{report:?}");
    });
    assert_eq!(bench.ledger().len(), 2);
}

fn wait_until(bench: &PostgresServer, question: &str, answer: &str) {
    while bench.sql(question) != [answer] {
        std::thread::yield_now();
    }
}

#[test]
fn a_lock_whose_taking_loses_the_connection_every_time_is_given_up_within_the_bound() {
    let bench = bench();
    tables(1, (9, "")).up(&mut bench.open()).wait().unwrap();
    bench.sql(
        "CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql
         AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$",
    );
    bench.sql("CREATE TRIGGER hang_up BEFORE UPDATE ON schema_migrations_v2_state EXECUTE FUNCTION hang_up()");
    let error = tables(2, (9, "")).max_retries(2).up(&mut bench.open()).wait().unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

#[test]
fn a_database_that_stays_busy_after_a_lost_connection_is_not_waited_for_without_end() {
    let bench = bench();
    let busy = "CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '40001'; END $$;
        CREATE TRIGGER busy BEFORE UPDATE OF fence ON schema_migrations_v2_state EXECUTE FUNCTION busy()";
    let (waiting, waits) = std::sync::mpsc::channel();
    let migrations = [("1.0.0", "busy", busy, ""), ("1.1.0", "lost", LOSES_ITS_CONNECTION, "")];
    let migrator = migrator(&migrations).max_retries(3).retry_delay(Duration::from_millis(1)).observer(
        move |event: &Event<'_>| {
            if let Event::WaitingForDatabase(error) = event {
                waiting.send(error.to_string()).unwrap();
            }
        },
    );
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("40001"), "{error}");
    assert!(waits.recv().unwrap().contains("40001"));
    assert!(waits.try_recv().is_err(), "it was told once");
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

#[test]
fn a_first_read_that_loses_its_connection_twice_is_made_a_third_time() {
    let bench = bench();
    let proxy = Proxy::to(Server::shared());
    let seen = std::sync::atomic::AtomicUsize::new(0);
    proxy.watch(move |passing| {
        let asks = passing.kind == 'Q' && passing.from_client;
        if asks && seen.fetch_add(1, Ordering::SeqCst) < 2 { Fate::CutAfter } else { Fate::Pass }
    });
    let mut database = Postgres::from_url(&proxy.url_for(&bench.database)).unwrap();
    let migrator = tables(1, (9, "")).retry_delay(Duration::from_millis(1));
    assert_eq!(migrator.up(&mut database).wait().unwrap().outcome, Outcome::Done);
}

#[test]
fn an_error_of_a_script_about_another_connection_is_no_lost_connection() {
    let bench = bench();
    let elsewhere = "DO $$ BEGIN RAISE EXCEPTION 'no way to the other server' USING ERRCODE = '08006'; END $$";
    let error = tables(2, (1, elsewhere)).up(&mut bench.open()).wait().unwrap_err();
    assert!(!error.is_connection_lost(), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Migration);
    assert_eq!(bench.history().iter().filter(|row| **row == "up|1.1.0|failed").count(), 1);
    assert_eq!(bench.sql("SELECT fence FROM schema_migrations_v2_state"), ["1"]);
}

#[test]
fn the_wait_for_what_a_lost_connection_sent_is_told() {
    let bench = PostgresServer::new();
    let mut gate = Server::shared().session(&bench.url());
    gate.run("SELECT pg_advisory_lock(7)");
    let proxy = Proxy::to(Server::shared());
    let messages = Arc::new(AtomicUsize::new(0));
    let (left, (waiting, waits)) = (Arc::clone(&messages), std::sync::mpsc::channel());
    // The step is sent, and then nobody is there to hear how it ends.
    proxy.watch(move |passing| {
        let counts = passing.kind == 'Q' && passing.from_client && left.load(Ordering::SeqCst) > 0;
        if counts && left.fetch_sub(1, Ordering::SeqCst) == 1 { Fate::CutAfter } else { Fate::Pass }
    });
    let step = ("1.0.0", "waits", "SELECT pg_advisory_xact_lock(7); CREATE TABLE users (id integer)", "");
    // The checks before the first step would be the message that is struck.
    let migrator = migrator(&[step]).health_checks(HealthChecks::Off).lock_timeout(Duration::from_secs(600));
    let migrator = migrator.observer(move |event: &Event<'_>| match event {
        // What prepares the step is sent ahead of it.
        Event::Started(_) => messages.store(2, Ordering::SeqCst),
        Event::WaitingForOldConnection => waiting.send(()).unwrap(),
        _ => {}
    });
    let mut database = Postgres::from_url(&proxy.url_for(&bench.database)).unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| migrator.up(&mut database).wait().unwrap());
        waits.recv().unwrap();
        gate.run("SELECT pg_advisory_unlock(7)");
        assert_eq!(run.join().unwrap().steps.len(), 1);
    });
    assert_eq!(waits.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty), "it was told once");
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

#[test]
fn a_run_that_is_overtaken_behind_its_last_step_has_one_end() {
    let bench = PostgresServer::new();
    let overtakes = Server::shared().session(&bench.url());
    let overtakes = std::sync::Mutex::new(overtakes);
    let migrator = tables(2, (9, "")).health_checks(HealthChecks::Off).observer(move |event: &Event<'_>| {
        if let Event::StepEnded(step) = event
            && step.name == "m1"
        {
            overtakes.lock().unwrap().run("UPDATE schema_migrations_v2_state SET fence = fence + 1");
        }
    });
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockLost, "{error:?}");
    assert_eq!(error.report().unwrap().steps.len(), 2);
    assert_eq!(bench.ledger().len(), 2);
    let history = bench.history();
    assert_eq!(history.iter().filter(|row| row.starts_with("run|")).count(), 1, "{history:?}");
}
