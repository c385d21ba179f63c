//! Statements of PostgreSQL that run outside any transaction: begun, interrupted, and found again.

use migrate_runtime::{Amendment, ErrorKind, Migrator, Postgres, SchemaVersion, Standing};
use testkit::migrations::Directory;

use crate::bench::{Bench, PostgresServer, of, registry_at};

const USERS: (&str, &str, &str, &str) =
    ("1.0.0", "users", "CREATE TABLE users (id integer, email text)", "DROP TABLE users");

/// Users, and behind them one migration outside a transaction.
fn outside_transaction(up: &str, down: &str) -> Migrator {
    let directory = Directory::simple(&[USERS, ("1.1.0", "bare", up, down)]);
    directory.write("v1.1.0_bare/metadata.json", br#"{"version": "1.1.0", "name": "bare", "transaction": false}"#);
    of(registry_at(directory.path()))
}

/// Makes the ledger say what it says when a run was killed in the first statement of the migration.
fn interrupt(bench: &PostgresServer) {
    bench.sql("UPDATE schema_migrations_v2 SET progress = 0, attempted = 1 WHERE version = '1.1.0'");
}

fn valid(bench: &PostgresServer) -> Vec<String> {
    bench.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('by_email')")
}

/// Fails as long as the gate is empty.
const GATE: &str = "SELECT 1 / (SELECT count(*) FROM gate)";

fn gated(bench: &PostgresServer, statement: &str, down: &str) -> Migrator {
    bench.sql("CREATE TABLE gate (id integer)");
    let migrator = outside_transaction(&format!("{statement};\n{GATE}"), down);
    migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.sql("SELECT progress, attempted FROM schema_migrations_v2 WHERE version = '1.1.0'"), ["1|0"]);
    bench.sql("INSERT INTO gate VALUES (1)");
    migrator
}

#[test]
fn an_index_that_was_built_before_the_run_was_killed_is_not_built_again() {
    let bench = PostgresServer::new();
    let migrator = gated(&bench, "CREATE INDEX CONCURRENTLY by_email ON users (email)", "");
    let before = bench.sql("SELECT 'by_email'::regclass::oid");
    interrupt(&bench);
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT 'by_email'::regclass::oid"), before);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}

#[test]
fn an_index_of_somebody_else_is_not_taken_for_ours() {
    let bench = PostgresServer::new();
    let migrator = outside_transaction("CREATE INDEX CONCURRENTLY by_email ON users (email)", "");
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    bench.sql("CREATE INDEX by_email ON users (id)");
    for _ in 0..2 {
        let error = migrator.up(&mut bench.open()).wait().unwrap_err();
        assert_eq!(error.database().unwrap().code.as_deref(), Some("42P07"), "{error}");
    }
    bench.sql("DROP INDEX by_email");
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(valid(&bench), ["t"]);
}

#[test]
fn an_invalid_index_is_reported_and_built_anew_once_the_data_is_mended() {
    for statement in [
        "CREATE UNIQUE INDEX CONCURRENTLY by_email ON users (email)",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS by_email ON users (email)",
    ] {
        let bench = PostgresServer::new();
        let migrator = outside_transaction(statement, "");
        migrator.up_by_one(&mut bench.open()).wait().unwrap();
        bench.sql("INSERT INTO users VALUES (1, 'twice'), (2, 'twice')");
        let error = migrator.up(&mut bench.open()).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Migration);
        assert_eq!(error.database().unwrap().code.as_deref(), Some("23505"), "{error}");
        assert!(error.help().unwrap().contains("public.by_email"), "{error:?}");
        assert_eq!(error.location().unwrap().line, 1);
        assert_eq!(valid(&bench), ["f"]);

        // Also without the help of what the run remembers.
        interrupt(&bench);
        bench.sql("DELETE FROM users WHERE id = 2");
        migrator.up(&mut bench.open()).wait().unwrap();
        assert_eq!(valid(&bench), ["t"]);
        assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    }
}

#[test]
fn a_dropped_index_is_not_dropped_again() {
    let bench = PostgresServer::new();
    bench.sql("CREATE TABLE other (id integer); CREATE INDEX by_id ON other (id)");
    let migrator = gated(&bench, "DROP INDEX CONCURRENTLY by_id", "");
    interrupt(&bench);
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}

#[test]
fn a_half_detached_partition_is_detached() {
    let bench = PostgresServer::new();
    bench.sql("CREATE TABLE log (day integer) PARTITION BY LIST (day)");
    bench.sql("CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1)");
    let migrator = gated(&bench, "ALTER TABLE log DETACH PARTITION log_1 CONCURRENTLY", "");
    interrupt(&bench);
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM pg_inherits"), ["0"]);
}

#[test]
fn a_database_that_was_made_is_not_made_again() {
    let bench = PostgresServer::new();
    let name = format!("{}_made", bench.database.name());
    let migrator = gated(&bench, &format!("CREATE DATABASE \"{name}\""), "");
    interrupt(&bench);
    migrator.up(&mut bench.open()).wait().unwrap();
    bench.sql(&format!("DROP DATABASE \"{name}\""));
}

#[test]
fn a_procedure_that_commits_runs_bare_and_is_asked_about_after_a_crash() {
    let bench = PostgresServer::new();
    bench.sql("CREATE TABLE log (id integer)");
    bench.sql("CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); COMMIT; INSERT INTO log VALUES (2); END $$");
    let migrator = gated(&bench, "CALL fill()", "");
    assert_eq!(bench.sql("SELECT id FROM log ORDER BY id"), ["1", "2"]);
    interrupt(&bench);
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("nothing tells whether it took effect"), "{error}");
    assert!(error.help().unwrap().contains("migrate repair 1.1.0 --statement applied"), "{error:?}");
    assert_eq!(error.statement(), Some("CALL fill()"));
    assert_eq!(bench.sql("SELECT count(*) FROM log"), ["2"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
}

#[test]
fn an_uncertain_statement_is_settled_by_a_person_and_the_rest_is_run() {
    for (standing, calls) in [(Standing::Applied, "1"), (Standing::NotApplied, "2")] {
        let bench = PostgresServer::new();
        bench.sql("CREATE TABLE log (id integer)");
        bench.sql("CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); COMMIT; END $$");
        let migrator = gated(&bench, "CALL fill()", "");
        interrupt(&bench);
        let amendment = Amendment::Settle { version: SchemaVersion::new(1, 1, 0), statement: standing };
        let report = migrator.amend(&mut bench.open(), amendment.clone()).wait().unwrap();
        assert_eq!(report.plan.changes.len(), 1);
        migrator.up(&mut bench.open()).wait().unwrap();
        assert_eq!(bench.sql("SELECT count(*) FROM log"), [calls]);
        assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
        let error = migrator.amend(&mut bench.open(), amendment).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
}

#[test]
fn vacuum_is_simply_run_again() {
    let bench = PostgresServer::new();
    let migrator = gated(&bench, "VACUUM users", "");
    interrupt(&bench);
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}

#[test]
fn a_down_script_is_resumed_in_the_same_way() {
    let bench = PostgresServer::new();
    bench.sql("CREATE TABLE gate (id integer)");
    let down = format!("DROP INDEX CONCURRENTLY by_email;\n{GATE}");
    let migrator = outside_transaction("CREATE INDEX CONCURRENTLY by_email ON users (email)", &down);
    migrator.up(&mut bench.open()).wait().unwrap();
    migrator.down(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|reverting"]);
    interrupt(&bench);
    bench.sql("INSERT INTO gate VALUES (1)");
    migrator.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

#[test]
fn settings_of_the_script_hold_for_a_procedure_that_commits() {
    let bench = PostgresServer::new();
    bench.sql("CREATE SCHEMA s");
    bench.sql("CREATE TABLE log (id integer)");
    bench.sql("CREATE TABLE s.log (id integer)");
    bench.sql("CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); COMMIT; END $$");
    let migrator = outside_transaction("SET search_path = s, public;\nCALL fill();", "");
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id FROM s.log"), ["1"]);
    assert_eq!(bench.sql("SELECT id FROM public.log"), [""; 0]);
}

#[test]
fn a_procedure_that_fails_after_it_committed_is_not_called_again() {
    for state in ["40001", "P0001"] {
        let bench = PostgresServer::new();
        bench.sql("CREATE TABLE log (id integer)");
        bench.sql(&format!(
            "CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO log VALUES (1); COMMIT; RAISE EXCEPTION 'half way' USING ERRCODE = '{state}'; END $$"
        ));
        let migrator = outside_transaction("CALL fill()", "");
        let error = migrator.up(&mut bench.open()).wait().unwrap_err();
        assert_eq!(error.database().unwrap().code.as_deref(), Some(state), "{error}");
        assert_eq!(bench.sql("SELECT id FROM log"), ["1"]);
        assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applying"]);
        let error = migrator.up(&mut bench.open()).wait().unwrap_err();
        assert!(error.to_string().contains("nothing tells whether it took effect"), "{error}");
        assert_eq!(bench.sql("SELECT id FROM log"), ["1"]);
        assert_eq!(bench.lock_owner(), [""; 0]);
    }
}

#[test]
fn a_subscription_of_another_database_is_not_taken_for_ours() {
    let (bench, elsewhere) = (PostgresServer::new(), PostgresServer::new());
    let name = format!("{}_subscription", bench.database.name());
    let drop = format!("DROP SUBSCRIPTION \"{name}\"");
    let make =
        format!("CREATE SUBSCRIPTION \"{name}\" CONNECTION '' PUBLICATION p WITH (connect = false, slot_name = NONE)");
    bench.sql(&make);
    let migrator = gated(&bench, &drop, "");
    interrupt(&bench);
    elsewhere.sql(&make);
    let result = migrator.up(&mut bench.open()).wait();
    elsewhere.sql(&drop);
    result.unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}

#[test]
fn an_index_that_another_role_is_building_is_left_alone() {
    let bench = PostgresServer::new();
    let role = format!("{}_role", bench.database.name());
    bench.sql(&format!("CREATE ROLE \"{role}\" LOGIN"));
    bench.sql(&format!("GRANT CREATE, USAGE ON SCHEMA public TO \"{role}\""));
    let mut config: tokio_postgres::Config = bench.url().parse().unwrap();
    let mut database = Postgres::from_config(config.user(&role).clone()).unwrap();
    let migrator = outside_transaction("CREATE INDEX CONCURRENTLY by_email ON users (email)", "").max_retries(0);
    migrator.up_by_one(&mut database).wait().unwrap();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let connect = || {
        let (client, connection) =
            runtime.block_on(tokio_postgres::connect(&bench.url(), tokio_postgres::NoTls)).unwrap();
        runtime.spawn(connection);
        client
    };
    let (writer, builder) = (connect(), connect());
    runtime.block_on(writer.batch_execute("BEGIN; INSERT INTO users VALUES (1, 'a')")).unwrap();
    let build = runtime
        .spawn(async move { builder.batch_execute("CREATE INDEX CONCURRENTLY by_email ON users (email)").await });
    while valid(&bench) != ["f"] {
        std::thread::yield_now();
    }
    let error = migrator.up(&mut database).wait().unwrap_err();
    assert!(error.to_string().contains("is being built by process"), "{error}");
    runtime.block_on(writer.batch_execute("COMMIT")).unwrap();
    runtime.block_on(build).unwrap().unwrap();
    assert_eq!(valid(&bench), ["t"]);
    bench.sql(&format!("DROP OWNED BY \"{role}\" CASCADE"));
    bench.sql(&format!("DROP ROLE \"{role}\""));
}
