//! What only PostgreSQL does.

use std::time::Duration;

use migrate_runtime::{AnyDatabase, BorrowedClient, ErrorKind, Event, Migrator, Outcome, Postgres, Target, Verdict};
use testkit::migrations::Directory;
use testkit::postgres::Server;
use testkit::proxy::Proxy;

use crate::bench::{Bench, PostgresServer, migrator, of, registry_at};

const USERS: (&str, &str, &str, &str) =
    ("1.0.0", "users", "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)", "DROP TABLE users");
const NOTES: (&str, &str, &str, &str) = ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", "DROP TABLE notes");

#[test]
fn an_up_to_date_start_is_one_round_trip_and_takes_no_lock() {
    let bench = PostgresServer::new();
    let migrator = migrator(&[USERS, NOTES]);
    migrator.up(&mut bench.open()).wait().unwrap();
    let proxy = Proxy::to(Server::shared());
    let mut database = Postgres::from_url(&proxy.url_for(&bench.database)).unwrap();
    let report = migrator.auto_migrate(&mut database).wait().unwrap();
    assert_eq!(report.outcome, Outcome::NothingToDo);
    assert_eq!(proxy.round_trips(), 1);
    assert_eq!(proxy.messages('Q'), 1);

    bench.database.log_statements();
    migrator.auto_migrate(&mut bench.open()).wait().unwrap();
    let logged = bench.database.logged_messages().join("\n");
    for word in ["INSERT", "UPDATE", "DELETE", "CREATE", "LOCK", "FOR UPDATE", "FOR KEY SHARE", "advisory"] {
        assert!(!logged.contains(word), "{word} in {logged}");
    }
}

#[test]
fn reading_needs_no_more_than_select() {
    let bench = PostgresServer::new();
    let migrator = migrator(&[USERS, NOTES]);
    Server::shared().role("reader_of_ledger", "unused");
    let url = bench.database.url_as("reader_of_ledger", "unused");
    let mut reader = Postgres::from_url(&url).unwrap();
    assert_eq!(migrator.check(&mut reader).wait().unwrap().verdict, Verdict::NeedsMigration);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();

    let denied = migrator.check(&mut reader).wait().unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::ReadOnly);
    assert!(denied.help().unwrap().contains("grant"), "{denied:?}");

    bench.sql("GRANT SELECT ON schema_migrations_v2, schema_migrations_v2_history, schema_migrations_v2_state TO reader_of_ledger");
    assert_eq!(migrator.check(&mut reader).wait().unwrap().verdict, Verdict::NeedsMigration);
    assert_eq!(migrator.status(&mut reader).wait().unwrap().len(), 2);
    assert_eq!(migrator.plan(&mut reader, Target::Latest).wait().unwrap().plan.steps.len(), 1);
    assert!(!migrator.history(&mut reader, 5).wait().unwrap().is_empty());
    let error = migrator.up(&mut reader).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
}

#[test]
fn what_a_script_sets_reaches_neither_our_rows_nor_the_next_script() {
    let bench = PostgresServer::new();
    let dump = "SET statement_timeout = 0; SET lock_timeout = 0; SET standard_conforming_strings = off;
        SELECT pg_catalog.set_config('search_path', '', false); SET check_function_bodies = false;
        SET client_min_messages = warning; SET row_security = off; SET ROLE pg_monitor; RESET ROLE;
        CREATE TABLE public.users (id integer, note text DEFAULT 'it''s \\\\ here');
        SET ROLE pg_read_all_data;";
    let next = "CREATE TABLE notes AS SELECT current_setting('search_path') AS path,
        current_setting('standard_conforming_strings') AS strings, current_user::text AS who";
    let directory = Directory::simple(&[("1.0.0", "dump", dump, ""), ("1.1.0", "next", next, "")]);
    directory.write("v1.0.0_dump/verify.sql", b"SELECT count(*) = 0 FROM users");
    let registry = registry_at(directory.path());
    of(registry).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT path, strings, who FROM notes"), ["\"$user\", public|on|postgres"]);
    assert_eq!(bench.ledger().len(), 2);
}

#[test]
fn each_tenants_schema_has_a_ledger_of_its_own() {
    let bench = PostgresServer::new();
    bench.sql("CREATE SCHEMA tenant1");
    let migrator = migrator(&[USERS]);
    migrator.up(&mut bench.open()).wait().unwrap();
    let tenant = format!("{}?options=-c%20search_path%3Dtenant1,public", bench.url());
    let mut database = Postgres::from_url(&tenant).unwrap();
    assert_eq!(migrator.check(&mut database).wait().unwrap().verdict, Verdict::NeedsMigration);
    migrator.up(&mut database).wait().unwrap();
    let by_option = migrator.clone().schema("tenant1");
    assert_eq!(by_option.up(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);
    let tables = "SELECT schemaname FROM pg_tables WHERE tablename IN ('schema_migrations_v2', 'users') ORDER BY 1";
    assert_eq!(bench.sql(tables), ["public", "public", "tenant1", "tenant1"]);

    let error = migrator.clone().schema("missing").up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
}

#[test]
fn an_index_is_built_concurrently_outside_a_transaction() {
    let bench = PostgresServer::new();
    let directory = Directory::simple(&[
        USERS,
        (
            "1.1.0",
            "index",
            "CREATE INDEX CONCURRENTLY by_email ON users (email);\nANALYZE users",
            "DROP INDEX CONCURRENTLY by_email",
        ),
    ]);
    directory.write("v1.1.0_index/metadata.json", br#"{"version": "1.1.0", "name": "index", "transaction": false}"#);
    let migrator = of(registry_at(directory.path()));
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_email'::regclass"), ["t"]);
    migrator.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM pg_class WHERE relname = 'by_email'"), ["0"]);
}

#[test]
fn a_lock_timeout_is_tried_again_and_every_try_recorded() {
    let bench = PostgresServer::new();
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let (blocked, is_blocked) = std::sync::mpsc::channel();
    let altering = migrator(&[USERS, ("1.1.0", "alter", "ALTER TABLE users ADD COLUMN name text", "")])
        .lock_timeout(Duration::from_millis(50))
        .retry_delay(Duration::from_millis(10))
        .observer(move |event: &Event<'_>| {
            if let Event::Retrying { error, .. } = event {
                assert!(error.is_retryable());
                let _ = blocked.send(());
            }
        });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let blocker = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&bench.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("BEGIN; SELECT count(*) FROM users").await.unwrap();
        client
    });
    std::thread::scope(|scope| {
        let run = scope.spawn(|| altering.up(&mut bench.open()).wait());
        is_blocked.recv().unwrap();
        runtime.block_on(blocker.batch_execute("COMMIT")).unwrap();
        run.join().unwrap().unwrap();
    });
    let history = bench.history();
    assert!(history.contains(&"up|1.1.0|failed".to_owned()), "{history:?}");
    assert_eq!(history.iter().filter(|row| *row == "up|1.1.0|succeeded").count(), 1);
}

#[test]
fn tries_are_bounded() {
    let bench = PostgresServer::new();
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _blocker = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&bench.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("BEGIN; SELECT count(*) FROM users").await.unwrap();
        client
    });
    let altering = migrator(&[USERS, ("1.1.0", "alter", "ALTER TABLE users ADD COLUMN name text", "")])
        .lock_timeout(Duration::from_millis(20))
        .retry_delay(Duration::from_millis(1))
        .max_retries(2);
    let error = altering.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.database().unwrap().code.as_deref(), Some("55P03"));
    assert_eq!(bench.history().iter().filter(|row| *row == "up|1.1.0|failed").count(), 3);
}

#[test]
fn a_borrowed_client_works_and_keeps_its_settings() {
    let bench = PostgresServer::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let path = runtime.block_on(async {
        let (mut client, connection) = tokio_postgres::connect(&bench.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("SET work_mem = '7MB'; CREATE SCHEMA mine; SET search_path = mine").await.unwrap();
        let set = ("1.1.0", "set", "SET search_path = public", "");
        migrator(&[USERS, set]).up(&mut BorrowedClient::new(&mut client)).await.unwrap();
        let row = client.query_one("SELECT current_setting('search_path') || ' ' || current_setting('work_mem')", &[]);
        row.await.unwrap().get::<_, String>(0)
    });
    assert_eq!(path, "mine 7MB");
    assert_eq!(bench.sql("SELECT schemaname FROM pg_tables WHERE tablename = 'schema_migrations_v2'"), ["mine"]);
}

#[test]
fn a_database_that_refuses_writing_says_so() {
    let bench = PostgresServer::new();
    let url = format!("{}?options=-c%20default_transaction_read_only%3Don", bench.url());
    let error = migrator(&[USERS]).up(&mut Postgres::from_url(&url).unwrap()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
}

#[test]
fn a_password_is_never_shown() {
    let server = Server::start_with_passwords(&[]);
    server.role("app", "correct-horse");
    let database = server.database();
    let url = database.url_as("app", "hunter2-is-wrong");
    let mut database = AnyDatabase::from_url(&url).unwrap();
    let error = migrator(&[USERS]).check(&mut database).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.database().unwrap().code.as_deref(), Some("28P01"));
    let shown = format!("{error} {error:?} {error:#?} {database} {database:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let wrong = Postgres::from_url("postgres://app:hunter2@localhost/db?nonsense=1").unwrap_err();
    assert!(!format!("{wrong} {wrong:?}").contains("hunter2"));
}

#[test]
fn a_dead_server_is_unreachable() {
    let mut database = Postgres::from_url("postgres://app@127.0.0.1:1/db").unwrap();
    let error = migrator(&[USERS]).check(&mut database).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("cannot connect to postgres://app@127.0.0.1:1/db"), "{error}");
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
}

#[test]
fn urls_are_checked() {
    let refused = |url: &str, word: &str| {
        let error = AnyDatabase::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(word), "{error}");
    };
    refused("mysql://root@localhost/db", "`mysql:` is no known kind of database");
    refused("app.db", "does not say which kind");
    refused("postgres://localhost:port/db", "the PostgreSQL URL cannot be used");
    refused("postgres://localhost/db?sslmode=require", "TLS is not supported");
    let _: Migrator = migrator(&[USERS]);
}
