//! What only PostgreSQL does.

use std::time::Duration;

use migrate_runtime::{
    AnyDatabase, BorrowedClient, Error, ErrorKind, Event, Migrator, Outcome, Postgres, Target, Verdict,
};
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

/// Each right that somebody has on our tables, as `grantee|table|right`, the owner's aside.
const RIGHTS: &str = "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants
    WHERE table_name LIKE 'schema_migrations_v2%' AND grantee <> 'postgres' ORDER BY 1, 2, 3";

#[test]
fn the_applications_role_is_given_what_it_needs_and_no_more() {
    let bench = PostgresServer::new();
    Server::shared().role("application", "unused");
    let url = bench.database.url_as("application", "unused");
    let mut application = Postgres::from_url(&url).unwrap();
    let first = migrator(&[USERS]).application_role("application");
    first.up(&mut bench.open()).wait().unwrap();
    let expected = [
        "|SELECT",
        "_history|SELECT",
        "_instances|DELETE",
        "_instances|INSERT",
        "_instances|SELECT",
        "_instances|UPDATE",
        "_state|SELECT",
    ];
    let expected = expected.map(|it| format!("application|schema_migrations_v2{it}"));
    assert_eq!(bench.sql(RIGHTS), expected);

    // It judges, starts, registers, and looks at everything there is to read.
    let migrator = migrator(&[USERS, NOTES]);
    assert_eq!(first.check(&mut application).wait().unwrap().verdict, Verdict::Compatible);
    let started = first.auto_migrate(&mut application).wait().unwrap();
    assert_eq!(started.outcome, Outcome::NothingToDo);
    let instance = first.register_instance(&mut application).wait().unwrap();
    instance.beat(&mut application).wait().unwrap();
    assert_eq!(first.instances(&mut application).wait().unwrap().len(), 1);
    instance.leave(&mut application).wait().unwrap();
    assert_eq!(first.instances(&mut application).wait().unwrap().len(), 0);
    assert_eq!(first.history(&mut application, 5).wait().unwrap().len(), 3);
    assert_eq!(migrator.check(&mut application).wait().unwrap().verdict, Verdict::NeedsMigration);

    // It neither migrates, nor changes what is recorded, nor makes a stored script its own.
    let refused = migrator.auto_migrate(&mut application).wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly, "{refused}");
    assert_eq!(first.down(&mut application).wait().unwrap_err().kind(), ErrorKind::ReadOnly);
    for write in [
        "DELETE FROM schema_migrations_v2",
        "UPDATE schema_migrations_v2 SET down_sql = 'SELECT 1'",
        "UPDATE schema_migrations_v2_state SET lock_owner = 'me'",
        "INSERT INTO schema_migrations_v2_history DEFAULT VALUES",
        "TRUNCATE schema_migrations_v2_history",
    ] {
        let denied = bench.database.try_psql(&format!("SET ROLE application; {write}")).unwrap_err();
        assert!(denied.contains("permission denied"), "{write}: {denied}");
    }
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);

    // What was taken away is given back by the next run that changes something; until then it is not asked for.
    bench.sql("REVOKE SELECT ON schema_migrations_v2_state FROM application");
    assert_eq!(first.auto_migrate(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);
    assert_eq!(bench.sql(RIGHTS).len(), expected.len() - 1);
    migrator.application_role("application").up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql(RIGHTS), expected);
}

#[test]
fn a_ledger_whose_rows_are_hidden_is_not_taken_for_an_empty_one() {
    let bench = PostgresServer::new();
    for role in ["owner_of_hidden", "reader_of_hidden"] {
        Server::shared().role(role, "unused");
    }
    bench.sql(&format!("ALTER DATABASE {} OWNER TO owner_of_hidden", bench.database.name()));
    let open = |role| Postgres::from_url(&bench.database.url_as(role, "unused")).unwrap();
    let seen = ("1.0.0", "seen", "CREATE TABLE seen AS SELECT current_setting('row_security') AS security", "");
    let migrator = migrator(&[seen]).application_role("reader_of_hidden");
    migrator.up(&mut open("owner_of_hidden")).wait().unwrap();
    assert_eq!(bench.sql("SELECT security FROM seen"), ["on"], "what our reads set does not reach the script");

    let tables = ["", "_history", "_state", "_instances"].map(|suffix| format!("schema_migrations_v2{suffix}"));
    let switch = |tables: &[String], how: &str| {
        tables.iter().for_each(|table| drop(bench.sql(&format!("ALTER TABLE {table} {how} ROW LEVEL SECURITY"))));
    };
    let is_told = |error: Error| {
        assert_eq!(error.database().unwrap().code.as_deref(), Some("42501"), "{error:?}");
        assert!(error.help().unwrap().contains("row security off for `public.schema_migrations_v2`"), "{error:?}");
    };
    for hidden in [&tables[..], &tables[..1]] {
        switch(hidden, "ENABLE");
        let reader = &mut open("reader_of_hidden");
        is_told(migrator.check(reader).wait().unwrap_err());
        is_told(migrator.auto_migrate(reader).wait().unwrap_err());
        is_told(migrator.register_instance(reader).wait().unwrap_err());
        // The owner sees every row as long as row security is not forced upon it.
        assert_eq!(migrator.up(&mut open("owner_of_hidden")).wait().unwrap().outcome, Outcome::NothingToDo);
        switch(hidden, "FORCE");
        is_told(migrator.up(&mut open("owner_of_hidden")).wait().unwrap_err());
        switch(hidden, "NO FORCE");
        switch(hidden, "DISABLE");
    }
    switch(&tables[1..2], "ENABLE");
    is_told(migrator.history(&mut open("reader_of_hidden"), 5).wait().unwrap_err());
    switch(&tables[3..], "ENABLE");
    is_told(migrator.instances(&mut open("reader_of_hidden")).wait().unwrap_err());
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

#[test]
fn a_role_that_does_not_exist_stops_the_run_before_its_first_step() {
    let bench = PostgresServer::new();
    let error = migrator(&[USERS]).application_role("no \"such").up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("role \"no \"such\" does not exist (code 42704)"), "{error}");
    assert!(error.help().unwrap().contains("`application_role`"), "{error:?}");
    assert_eq!((bench.tables(), bench.lock_owner()), (vec![], vec![]));
    assert_eq!(bench.history(), ["run||started", "run||failed"]);
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
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
fn a_script_may_deallocate_what_the_run_has_prepared() {
    let bench = PostgresServer::new();
    let forget = "CREATE FUNCTION forget() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$";
    let directory = Directory::simple(&[
        ("1.0.0", "forget", forget, ""),
        ("1.1.0", "openly", "CREATE TABLE openly (id integer); DEALLOCATE ALL", ""),
        ("1.2.0", "prepare", "PREPARE migrate_record AS SELECT 1; CREATE TABLE prepared (id integer)", ""),
        ("1.3.0", "hidden", "CREATE TABLE hidden (id integer); SELECT forget()", ""),
        ("1.4.0", "next", "CREATE TABLE next (id integer); SELECT forget()", ""),
        ("1.5.0", "left", "CREATE TABLE remains AS SELECT name FROM pg_prepared_statements", ""),
    ]);
    directory.write("v1.4.0_next/verify.sql", b"SELECT forget() IS NOT NULL AND count(*) = 0 FROM next");
    let registry = registry_at(directory.path());
    let report = of(registry).up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.steps.len(), 6);
    assert_eq!(bench.sql("SELECT name FROM remains"), [""; 0]);
    let succeeded =
        "SELECT count(*) FROM schema_migrations_v2_history WHERE operation = 'up' AND outcome <> 'succeeded'";
    assert_eq!(bench.sql(succeeded), ["0"]);
}

#[test]
fn a_script_that_takes_our_tables_away_is_not_blamed_for_where_the_server_points() {
    let bench = PostgresServer::new();
    let long =
        format!("DROP TABLE schema_migrations_v2_history;\n{}", "SELECT 'one of many statements';\n".repeat(400));
    let directory =
        Directory::simple(&[("1.0.0", "users", "CREATE TABLE users (id integer)", ""), ("1.1.0", "away", &long, "")]);
    let error = of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("1.1.0"), "{error}");
    assert_eq!(error.location().unwrap().line, 1, "{error}");
    assert_eq!(error.database().unwrap().code.as_deref(), Some("42P01"), "{error:?}");
    assert_eq!(bench.sql("SELECT version FROM schema_migrations_v2"), ["1.0.0"]);
}

#[test]
fn a_script_that_takes_our_tables_away_is_told_to_keep_them() {
    for up in [
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
        "DROP SCHEMA public CASCADE",
        "ALTER TABLE schema_migrations_v2_history RENAME TO mine",
        "CREATE SCHEMA other; ALTER TABLE schema_migrations_v2 SET SCHEMA other",
    ] {
        let bench = PostgresServer::new();
        let error = migrator(&[USERS, ("1.1.0", "away", up, "")]).up(&mut bench.open()).wait().unwrap_err();
        let expect =
            "migrations_v2/v1.1.0_away/up.sql:1:1: migration 1.1.0 `away` removed or renamed one of our tables";
        assert!(error.to_string().starts_with(expect), "{up}: {error}");
        assert!(error.help().unwrap().contains("`public.schema_migrations_v2_state`"), "{up}: {error:?}");
        assert_eq!(bench.ledger(), ["1.0.0|applied"], "{up}");
    }
}

#[test]
fn tables_of_ours_that_somebody_removes_meanwhile_are_said_to_be_gone() {
    let bench = PostgresServer::new();
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let conninfo = bench.database.conninfo();
    let remove = move |event: &Event<'_>| {
        if let Event::StepStarted(_) = event {
            Server::shared().session(&conninfo).run("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        }
    };
    let directory = outside_transaction("CREATE TABLE notes (id integer)", "", "");
    let error = of(registry_at(directory.path())).observer(remove).up(&mut bench.open()).wait().unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("migration 1.1.0 could not be recorded"), "{text}");
    assert_eq!(text.matches("the lock could not be given back").count(), 1, "{text}");
    assert!(error.help().unwrap().contains("`public.schema_migrations_v2_history`"), "{error:?}");

    // No step has a use for it behind its script: only the end of the run misses it.
    let bench = PostgresServer::new();
    let rename = ("1.0.0", "rename", "ALTER TABLE schema_migrations_v2_state RENAME TO mine", "");
    let error = migrator(&[rename]).up(&mut bench.open()).wait().unwrap_err();
    assert!(error.help().unwrap().contains("`public.schema_migrations_v2_state`"), "{error:?}");
}

#[test]
fn a_row_that_is_in_the_ledger_already_is_not_the_scripts_fault() {
    let add = "INSERT INTO schema_migrations_v2 (version, name, checksum, applied_at, execution_time_ms, status,
            dependencies, kind, up_sql, registry_digest, transactional, foreign_keys_off)
        VALUES ('1.1.0', '', '', now(), 0, 'applied', '[]', 'sql', '', '', true, false)";
    for transaction in [true, false] {
        let bench = PostgresServer::new();
        let directory = Directory::simple(&[("1.0.0", "add", add, ""), NOTES]);
        let metadata = format!(r#"{{"version": "1.1.0", "name": "notes", "transaction": {transaction}}}"#);
        directory.write("v1.1.0_notes/metadata.json", metadata.as_bytes());
        let error = of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap_err();
        assert_eq!((error.kind(), error.location()), (ErrorKind::Ledger, None), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("the ledger already holds a row of 1.1.0: duplicate key"), "{text}");
        assert!(error.help().unwrap().contains("`migrate status`"), "{error:?}");
    }
}

#[test]
fn a_character_that_the_database_does_not_know_is_pointed_at() {
    let bench = PostgresServer::new();
    let name = format!("{}_latin1", bench.database.name());
    bench.sql(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"));
    let url = bench.url().replace(bench.database.name(), &name);
    let up = "CREATE TABLE arrows (id integer);\n-- ä is known";
    let scripts = [
        (format!("{up}, → is not"), "", "", "up.sql:2:16"),
        (up.to_owned(), "SELECT '→' <> ''", "", "verify.sql:1:9"),
        (up.to_owned(), "", "-- ä\nDROP TABLE arrows -- →", "down.sql:2:22"),
    ];
    for ((up, verify, down, place), transaction) in scripts.iter().zip([false, true, true]) {
        let directory = Directory::simple(&[("1.0.0", "arrows", up, down)]);
        let metadata = format!(r#"{{"version": "1.0.0", "name": "arrows", "transaction": {transaction}}}"#);
        directory.write("v1.0.0_arrows/metadata.json", metadata.as_bytes());
        directory.write("v1.0.0_arrows/verify.sql", verify.as_bytes());
        let mut database = Postgres::from_url(&url).unwrap();
        let error = of(registry_at(directory.path())).up(&mut database).wait().unwrap_err();
        let expect = format!("migrations_v2/v1.0.0_arrows/{place}: migration 1.0.0 `arrows` failed");
        assert!(error.to_string().starts_with(&expect), "{error}");
        assert_eq!(error.database().unwrap().code.as_deref(), Some("22P05"), "{error:?}");
        assert!(error.help().unwrap().contains("UTF8"), "{error:?}");
    }
    bench.sql(&format!("DROP DATABASE {name}"));
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
    let _: Migrator = migrator(&[USERS]);
}

/// A client on a runtime of its own.
fn connect(url: &str) -> (tokio::runtime::Runtime, tokio_postgres::Client) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    });
    (runtime, client)
}

/// A directory of a table and a migration outside a transaction.
fn outside_transaction(up: &str, down: &str, more: &str) -> Directory {
    let directory = Directory::simple(&[USERS, ("1.1.0", "steps", up, down)]);
    let metadata = format!(r#"{{"version": "1.1.0", "name": "steps", "transaction": false{more}}}"#);
    directory.write("v1.1.0_steps/metadata.json", metadata.as_bytes());
    directory
}

#[test]
fn a_retry_outside_a_transaction_goes_on_where_it_stopped() {
    let bench = PostgresServer::new();
    let up = "CREATE TABLE log (id integer); INSERT INTO log VALUES (1); CREATE TEMP TABLE work (id integer);
        ALTER TABLE users ADD COLUMN c integer";
    let down = "INSERT INTO log VALUES (2); ALTER TABLE users DROP COLUMN c";
    let directory = outside_transaction(up, down, "");
    let migrator = || {
        let quick = of(registry_at(directory.path())).lock_timeout(Duration::from_millis(50));
        quick.retry_delay(Duration::from_millis(10))
    };
    migrator().up_by_one(&mut bench.open()).wait().unwrap();
    for back in [false, true] {
        let (runtime, reader) = connect(&bench.url());
        runtime.block_on(reader.batch_execute("BEGIN; SELECT count(*) FROM users")).unwrap();
        let (blocked, is_blocked) = std::sync::mpsc::channel();
        let run = migrator().observer(move |event: &Event<'_>| {
            if let Event::Retrying { .. } = event {
                let _ = blocked.send(());
            }
        });
        std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                let mut database = bench.open();
                if back { run.down(&mut database).wait() } else { run.up(&mut database).wait() }
            });
            is_blocked.recv().unwrap();
            runtime.block_on(reader.batch_execute("COMMIT")).unwrap();
            run.join().unwrap().unwrap();
        });
    }
    assert_eq!(bench.sql("SELECT id FROM log ORDER BY id"), ["1", "2"]);
}

#[test]
fn a_script_outside_a_transaction_may_change_role_and_defaults() {
    let bench = PostgresServer::new();
    bench.sql("CREATE ROLE limited_owner; GRANT CREATE ON SCHEMA public TO limited_owner");
    let up =
        "SET ROLE limited_owner; CREATE TABLE theirs (id integer); SET default_transaction_read_only = on; SELECT 1";
    let directory = outside_transaction(up, "", "");
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'theirs'"), ["limited_owner"]);
    bench.sql("DROP TABLE theirs; REVOKE CREATE ON SCHEMA public FROM limited_owner; DROP ROLE limited_owner");
}

#[test]
fn a_statement_that_stands_alone_has_its_timeout() {
    let bench = PostgresServer::new();
    let up = "CREATE INDEX CONCURRENTLY by_email ON users (email)";
    let directory = outside_transaction(up, "", r#", "statement_timeout": "200ms""#);
    of(registry_at(directory.path())).up_by_one(&mut bench.open()).wait().unwrap();
    let (runtime, writer) = connect(&bench.url());
    runtime.block_on(writer.batch_execute("BEGIN; INSERT INTO users VALUES (1, 'a')")).unwrap();
    let error = of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.database().unwrap().code.as_deref(), Some("57014"), "{error}");
}

#[test]
fn errors_are_located_in_every_part_of_a_step() {
    let check = |up: &str, verify: &str, expect: &str| {
        let bench = PostgresServer::new();
        let directory = Directory::simple(&[USERS, ("1.1.0", "bad", up, "")]);
        directory.write("v1.1.0_bad/verify.sql", verify.as_bytes());
        let error = of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Migration, "{error}");
        assert_eq!(error.location().unwrap().to_string(), format!("migrations_v2/v1.1.0_bad/{expect}"), "{error}");
        assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    };
    check("SELECT 1;\nSELECT 2 +", "", "up.sql:2:11");
    check("INSERT INTO users VALUES (1) RETURNING;", "", "up.sql:1:39");
    check("SELECT 1", "SELECT true;\nSELECT nonsense here now", "verify.sql:2:1");
    let deferred = "CREATE TABLE a (id integer PRIMARY KEY);
        CREATE TABLE b (a integer REFERENCES a DEFERRABLE INITIALLY DEFERRED); INSERT INTO b VALUES (7)";
    check(deferred, "", "up.sql:1:1");
}

#[test]
fn a_verify_script_cannot_answer_past_the_check() {
    for verify in [
        "SELECT set_config('search_path', 'public', true) = 'no'",
        "INSERT INTO users VALUES (1) RETURNING false",
        "SHOW work_mem",
        "EXPLAIN SELECT 1",
        "CALL answers(true)",
    ] {
        let bench = PostgresServer::new();
        bench
            .sql("CREATE PROCEDURE answers(INOUT answer boolean) LANGUAGE plpgsql AS $$ BEGIN answer := false; END $$");
        let directory = Directory::simple(&[USERS]);
        directory.write("v1.0.0_users/verify.sql", verify.as_bytes());
        let error = of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap_err();
        assert!(error.to_string().contains("verification of migration 1.0.0 `users` failed"), "{verify}: {error}");
        assert_eq!(bench.tables(), [""; 0], "{verify}");
    }
}

#[test]
fn a_script_that_changes_the_encoding_damages_nothing_behind_it() {
    let bench = PostgresServer::new();
    let text = ("1.1.0", "text", "CREATE TABLE t AS SELECT 'ü'::text AS t", "");
    migrator(&[("1.0.0", "dump", "SET client_encoding = 'LATIN1'; SET work_mem = '3MB'", ""), text])
        .up(&mut bench.open())
        .wait()
        .unwrap();
    assert_eq!(bench.sql("SELECT t, length(t) FROM t"), ["ü|1"]);
    assert_eq!(bench.sql("SELECT up_sql FROM schema_migrations_v2 WHERE version = '1.1.0'"), [text.2]);
}

#[test]
fn a_dropped_run_leaves_a_borrowed_client_clean_and_the_lock_free() {
    let bench = PostgresServer::new();
    let (runtime, mut client) = connect(&bench.url());
    runtime.block_on(async {
        let slow = migrator(&[("1.0.0", "slow", "SELECT pg_sleep(0.5); SELECT 1 / 0", "")]);
        let mut database = BorrowedClient::new(&mut client);
        let given_up = tokio::time::timeout(Duration::from_millis(200), slow.up(&mut database).into_future()).await;
        assert!(given_up.is_err());
        client.batch_execute("CREATE TABLE mine (id integer)").await.unwrap();
    });
    assert_eq!(bench.lock_owner(), [""; 0]);
    assert_eq!(bench.tables(), ["mine"]);
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
}

#[test]
fn a_dropped_run_sends_nothing_more() {
    let bench = PostgresServer::new();
    let steps: Vec<_> = (0..12).map(|number| (format!("1.{number}.0"), "SELECT pg_sleep(0.3)")).collect();
    let steps: Vec<_> = steps.iter().map(|(version, up)| (&**version, "slow", *up, "")).collect();
    let (runtime, _client) = connect(&bench.url());
    runtime.block_on(async {
        let (mut database, slow) = (bench.open(), migrator(&steps));
        let given_up = tokio::time::timeout(Duration::from_millis(500), slow.up(&mut database).into_future()).await;
        assert!(given_up.is_err());
    });
    let alive = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'migrate'";
    while bench.sql(alive) != ["0"] {
        std::thread::yield_now();
    }
    // All 12 were sent at once; those that the server has not come to are not executed any more.
    assert!(bench.ledger().len() < 8, "{:?}", bench.ledger());
    assert_eq!(migrator(&steps).up(&mut bench.open()).wait().unwrap().outcome, Outcome::Done);
}

#[test]
fn a_borrowed_client_must_be_free_and_elsewhere() {
    let bench = PostgresServer::new();
    let (runtime, mut client) = connect(&bench.url());
    runtime.block_on(async {
        client.batch_execute("BEGIN; CREATE TABLE mine (id integer)").await.unwrap();
        let error = migrator(&[USERS]).check(&mut BorrowedClient::new(&mut client)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        client.batch_execute("COMMIT").await.unwrap();

        let directory = outside_transaction("CREATE INDEX CONCURRENTLY by_email ON users (email)", "", "");
        let bare = of(registry_at(directory.path()));
        let error = bare.up(&mut BorrowedClient::new(&mut client)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");

        client.batch_execute("SET client_encoding = 'LATIN1'").await.unwrap();
        let error = bare.check(&mut BorrowedClient::new(&mut client)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    });
    // It was refused before anything was executed.
    assert_eq!(bench.tables(), ["mine"]);
    assert_eq!(bench.ledger(), [""; 0]);

    let alone = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error =
        alone.block_on(async { migrator(&[USERS]).check(&mut BorrowedClient::new(&mut client)).wait().unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[test]
fn serializable_by_default_is_no_reason_to_fail() {
    let bench = PostgresServer::new();
    bench.sql(&format!(
        "ALTER DATABASE \"{}\" SET default_transaction_isolation = 'serializable'",
        bench.database.name()
    ));
    let migrator = migrator(&[USERS, NOTES]);
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                migrator.up(&mut bench.open()).wait().unwrap();
            });
        }
    });
    assert_eq!(bench.ledger().len(), 2);
}

#[test]
fn a_second_at_sign_is_refused_without_being_shown() {
    let error = Postgres::from_url("postgres://app:hun@ter2@host/db").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("ter2"), "{error:?}");
}

#[test]
fn a_program_that_is_told_of_a_change_drops_its_cached_plans() {
    let bench = PostgresServer::new();
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let (runtime, client) = connect(&bench.url());
    let cached = runtime.block_on(client.prepare("SELECT * FROM users")).unwrap();
    runtime.block_on(client.query(&cached, &[])).unwrap();

    let (change, changes) = std::sync::mpsc::channel();
    let wide = migrator(&[USERS, ("1.1.0", "wide", "ALTER TABLE users ADD COLUMN wide text", "")]).observer(
        move |event: &Event<'_>| {
            if let Event::StepEnded(step) = event {
                change.send(step.version).unwrap();
            }
        },
    );
    wide.up(&mut bench.open()).wait().unwrap();
    let error = runtime.block_on(client.query(&cached, &[])).unwrap_err();
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("0A000"));

    assert_eq!(changes.try_iter().map(|version| version.to_string()).collect::<Vec<_>>(), ["1.1.0"]);
    let fresh = runtime.block_on(client.prepare("SELECT * FROM users")).unwrap();
    assert_eq!(fresh.columns().len(), 3);
    runtime.block_on(client.query(&fresh, &[])).unwrap();
}

#[test]
fn the_lease_lasts_as_long_as_it_is_set_to_and_is_renewed() {
    let bench = PostgresServer::new();
    let mut gate = testkit::postgres::Server::shared().session(&bench.url());
    gate.run("SELECT pg_advisory_lock(7)");
    let waits = ("1.0.0", "waits", "SELECT pg_advisory_xact_lock(7)", "");
    let migrator = migrator(&[waits]).lock_timeout(Duration::from_secs(600)).lease(Duration::from_secs(2));
    std::thread::scope(|scope| {
        let run = scope.spawn(|| migrator.up(&mut bench.open()).wait());
        let until = |question: &str, answer: &str| {
            while bench.sql(question) != [answer] {
                std::thread::yield_now();
            }
        };
        until("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", "1");
        let state = "FROM schema_migrations_v2_state WHERE lock_owner IS NOT NULL";
        let short = format!("SELECT lock_expires_at < now() + interval '3 seconds' {state}");
        assert_eq!(bench.sql(&short), ["t"]);
        until(&format!("SELECT lock_expires_at > lock_acquired_at + interval '3 seconds' {state}"), "t");
        gate.run("SELECT pg_advisory_unlock(7)");
        run.join().unwrap().unwrap();
    });
    for lease in [Duration::from_millis(999), Duration::from_secs(3601)] {
        let error = migrator.clone().lease(lease).up(&mut bench.open()).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.to_string().ends_with("is outside of 1s to 3600s"), "{error}");
    }
}

#[test]
fn each_transaction_of_a_run_on_a_borrowed_client_prolongs_the_lease() {
    let bench = PostgresServer::new();
    let (runtime, mut client) = connect(&bench.url());
    let directory = outside_transaction("CREATE TABLE more (id integer); SELECT 1", "", "");
    let url = bench.url();
    let expiries = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&expiries);
    let migrator = of(registry_at(directory.path())).observer(move |event: &Event<'_>| {
        if let Event::Started(_) | Event::StepEnded(_) = event {
            let mut session = testkit::postgres::Server::shared().session(&url);
            let expires = session.run("SELECT extract(epoch FROM lock_expires_at) FROM schema_migrations_v2_state");
            seen.lock().unwrap().push(expires.trim().parse::<f64>().unwrap());
        }
    });
    runtime.block_on(async {
        migrator.up(&mut BorrowedClient::new(&mut client)).await.unwrap();
    });
    let expiries = expiries.lock().unwrap();
    assert!(expiries.len() > 1 && expiries.windows(2).all(|pair| pair[0] < pair[1]), "{expiries:?}");
}

#[test]
fn two_tenants_of_one_database_migrate_at_once() {
    let bench = PostgresServer::new();
    let mut gate = testkit::postgres::Server::shared().session(&bench.url());
    gate.run("SELECT pg_advisory_lock(7); CREATE SCHEMA one; CREATE SCHEMA two");
    // A statement that no transaction can hold takes a lock of its own, which lasts as long as the run.
    let directory = outside_transaction("VACUUM users; SELECT pg_advisory_xact_lock(7)", "", "");
    let tenant = |schema: &str| {
        let url = format!("{}?options=-c%20search_path%3D{schema}", bench.url());
        (of(registry_at(directory.path())).lock_timeout(Duration::from_secs(600)), Postgres::from_url(&url).unwrap())
    };
    std::thread::scope(|scope| {
        let (migrator, mut database) = tenant("one");
        let one = scope.spawn(move || migrator.up(&mut database).wait());
        let waits = "SELECT count(*) FROM pg_stat_activity a WHERE a.datname = current_database()
            AND a.wait_event = 'advisory'";
        while bench.sql(waits) != ["1"] {
            std::thread::yield_now();
        }
        // The second gets as far as the first, while the first has all its locks.
        let (migrator, mut database) = tenant("two");
        let two = scope.spawn(move || migrator.up(&mut database).wait());
        while bench.sql(waits) != ["2"] {
            assert!(!two.is_finished());
            std::thread::yield_now();
        }
        gate.run("SELECT pg_advisory_unlock(7)");
        for run in [one, two] {
            assert_eq!(run.join().unwrap().unwrap().outcome, Outcome::Done);
        }
    });
    for schema in ["one", "two"] {
        let ledger = format!("SELECT count(*) FROM {schema}.schema_migrations_v2 WHERE status = 'applied'");
        assert_eq!(bench.sql(&ledger), ["2"], "{schema}");
    }
}

/// Where backslashes escape in plain strings, the server ends the first string where this crate does not see its end.
#[test]
fn strings_are_standard_whatever_the_database_has_as_its_default() {
    let bench = PostgresServer::new();
    let name = bench.database.name();
    bench.sql(&format!("ALTER DATABASE \"{name}\" SET standard_conforming_strings = off"));
    // Read otherwise, the string would end before the COMMIT.
    let script = r"CREATE TABLE kept AS SELECT 'a\''; COMMIT; SELECT 1 --' AS text";
    let migrator = migrator(&[("1.0.0", "hidden", script, ""), NOTES]);
    let (runtime, mut client) = connect(&bench.url());
    let refused = runtime.block_on(async { migrator.up(&mut BorrowedClient::new(&mut client)).await.unwrap_err() });
    assert_eq!(refused.kind(), ErrorKind::Configuration, "{refused}");
    assert!(refused.help().unwrap().contains("standard_conforming_strings"), "{refused:?}");
    assert_eq!((bench.tables(), bench.lock_owner()), (vec![], vec![]));

    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT text FROM kept"), [r"a\'; COMMIT; SELECT 1 --"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}

#[test]
fn what_a_function_leaves_in_the_session_does_not_reach_the_next_script() {
    let bench = PostgresServer::new();
    let functions = "CREATE TABLE totals (id integer, n integer);
        CREATE FUNCTION recompute() RETURNS void LANGUAGE plpgsql AS
            $$ BEGIN CREATE TEMP TABLE totals AS SELECT 1 AS id, 2 AS n; END $$;
        CREATE FUNCTION configure() RETURNS void LANGUAGE plpgsql AS
            $$ BEGIN SET array_nulls = off; PERFORM set_config('app.tenant', 'theirs', false); END $$;";
    let directory = Directory::simple(&[
        ("1.0.0", "functions", functions, ""),
        ("1.1.0", "calls", "SELECT recompute(), configure()", ""),
        ("1.2.0", "alter", "ALTER TABLE totals ADD COLUMN label text", ""),
        ("1.3.0", "verified", "SELECT 1", ""),
        ("1.4.0", "insert", "INSERT INTO totals SELECT 9, 9, current_setting('app.tenant', true)", ""),
        (
            "1.5.0",
            "own",
            "SET app.tenant = 'ours'; INSERT INTO totals VALUES (10, 10, current_setting('app.tenant'))",
            "",
        ),
        (
            "1.6.0",
            "seen",
            "CREATE TABLE seen AS SELECT current_setting('array_nulls') AS nulls, current_setting('app.tenant', true) AS tenant",
            "",
        ),
    ]);
    directory.write("v1.3.0_verified/verify.sql", b"SELECT recompute() IS NOT NULL AND configure() IS NOT NULL");
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id, coalesce(label, '') FROM totals ORDER BY id"), ["9|", "10|ours"]);
    assert_eq!(bench.sql("SELECT nulls, coalesce(tenant, '') FROM seen"), ["on|"]);
}

#[test]
fn a_cursor_that_is_held_ends_with_its_script() {
    let bench = PostgresServer::new();
    let holds = "DECLARE held CURSOR WITH HOLD FOR SELECT 1";
    migrator(&[("1.0.0", "one", holds, ""), ("1.1.0", "two", holds, "")]).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger().len(), 2);
}

#[test]
fn what_a_script_defers_is_done_with_it() {
    let bench = PostgresServer::new();
    let late = |does: &str| {
        format!(
            "CREATE TABLE late (id integer); CREATE TABLE done (id integer);
             CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION late();
             INSERT INTO late VALUES (7)"
        )
    };
    let fails = late("RAISE EXCEPTION 'late %', NEW.id");
    let error = migrator(&[("1.0.0", "late", &fails, ""), NOTES]).up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("late 7 (code P0001)"), "{error}");
    assert!(error.location().unwrap().to_string().ends_with("v1.0.0_late/up.sql:1:1"), "{error:?}");
    assert_eq!(bench.tables(), [""; 0]);

    let sets = late("INSERT INTO done VALUES (NEW.id); SET search_path = pg_catalog");
    let directory = Directory::simple(&[("1.0.0", "late", &sets, ""), NOTES]);
    directory.write("v1.0.0_late/verify.sql", b"SELECT id = 7 FROM done");
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["done", "late", "notes"]);
}

#[test]
fn a_step_whose_ledger_row_is_kept_out_is_not_done() {
    let bench = PostgresServer::new();
    let keeps_out = "CREATE TABLE half (id integer);
        CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER keep_out BEFORE INSERT ON schema_migrations_v2 FOR EACH ROW EXECUTE FUNCTION keep_out()";
    for metadata in ["", r#", "transaction": false"#] {
        let directory = Directory::simple(&[USERS, ("1.1.0", "out", keeps_out, "")]);
        let json = format!(r#"{{"version": "1.1.0", "name": "out"{metadata}}}"#);
        directory.write("v1.1.0_out/metadata.json", json.as_bytes());
        let migrator = of(registry_at(directory.path()));
        if !metadata.is_empty() {
            bench.sql(keeps_out);
        }
        let error = migrator.up(&mut bench.open()).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ledger, "{error}");
        assert!(error.to_string().starts_with("the ledger row of 1.1.0 was not written"), "{error}");
        assert_eq!(bench.ledger(), ["1.0.0|applied"]);
        assert_eq!(bench.lock_owner(), [""; 0]);
    }
}

#[test]
fn a_script_may_change_the_types_of_our_columns() {
    let bench = PostgresServer::new();
    let changes = "ALTER TABLE schema_migrations_v2 ALTER COLUMN version TYPE varchar(99);
        ALTER TABLE schema_migrations_v2_history ALTER COLUMN execution_time_ms TYPE integer";
    migrator(&[USERS, ("1.1.0", "changes", changes, ""), ("1.2.0", "next", "SELECT 1", "")])
        .up(&mut bench.open())
        .wait()
        .unwrap();
    assert_eq!(bench.ledger().len(), 3);
}

#[test]
fn a_script_that_resets_everything_resets_nothing_for_others() {
    let bench = PostgresServer::new();
    let (runtime, mut client) = connect(&bench.url());
    let next =
        "CREATE TABLE seen AS SELECT current_setting('work_mem') AS memory, current_setting('lock_timeout') AS wait,
        current_user::text AS who";
    let reset = "RESET ALL; CREATE TABLE users (id integer)";
    let migrator = migrator(&[("1.0.0", "reset", reset, ""), ("1.1.0", "next", next, "")]);
    let migrator = migrator.lock_timeout(Duration::from_secs(3));
    let kept: String = runtime.block_on(async {
        client.batch_execute("SET work_mem = '7MB'; SET ROLE pg_database_owner").await.unwrap();
        migrator.up(&mut BorrowedClient::new(&mut client)).await.unwrap();
        let kept = "SELECT current_setting('work_mem') || ' ' || current_setting('role')";
        client.query_one(kept, &[]).await.unwrap().get(0)
    });
    assert_eq!(kept, "7MB pg_database_owner");
    assert_eq!(bench.sql("SELECT memory, wait, who FROM seen"), ["7MB|3s|pg_database_owner"]);
}

#[test]
fn a_migration_runs_outside_a_transaction_whatever_its_script_begins_with() {
    for beginning in ["\u{feff}", "\n\n", "-- a comment\n", "\u{feff}\n/* another */ -- one\r\n"] {
        let bench = PostgresServer::new();
        let directory = outside_transaction(&format!("{beginning}VACUUM users"), "", "");
        of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
        assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"], "{beginning:?}");
    }
}
