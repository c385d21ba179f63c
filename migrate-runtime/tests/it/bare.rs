//! Statements of PostgreSQL that run outside any transaction: begun, interrupted, and found again.

use std::time::Duration;

use migrate_runtime::{Amendment, ErrorKind, Event, Migrator, Postgres, SchemaVersion, Standing, Verdict};
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
fn a_statement_that_may_have_taken_effect_is_not_changed_until_somebody_looked() {
    let bench = PostgresServer::new();
    bench.sql("CREATE TABLE log (id integer)");
    bench.sql(
        "CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO log VALUES (1); COMMIT; RAISE EXCEPTION 'half way'; END $$",
    );
    outside_transaction("SELECT 1;\nCALL fill()", "").up(&mut bench.open()).wait().unwrap_err();
    let mended = outside_transaction("SELECT 1;\nINSERT INTO log VALUES (2)", "");
    let refused = mended.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible, "{refused}");
    let way =
        "if part 2 (line 2) had no effect, say `migrate repair 1.1.0 --statement not-applied` and run `migrate up`";
    assert!(refused.help().unwrap().starts_with(way), "{refused:?}");
    // What comes behind it may be changed, which does not make it more certain.
    let longer = outside_transaction("SELECT 1;\nCALL fill();\nSELECT 2", "");
    let error = longer.up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("nothing tells whether it took effect"), "{error}");
    assert_eq!(bench.sql("SELECT attempted FROM schema_migrations_v2 WHERE version = '1.1.0'"), ["2"]);

    bench.sql("DELETE FROM log");
    let statement = Standing::NotApplied;
    let settle = Amendment::Settle { version: "1.1.0".parse().unwrap(), statement };
    mended.amend(&mut bench.open(), settle).wait().unwrap();
    mended.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id FROM log"), ["2"]);
    assert_eq!(mended.check(&mut bench.open()).wait().unwrap().verdict, Verdict::Compatible);
}

#[test]
fn an_index_that_could_not_be_built_is_mended_in_the_script() {
    let bench = PostgresServer::new();
    let begun = outside_transaction(
        "INSERT INTO users VALUES (1, 'a'), (2, 'a');\nCREATE UNIQUE INDEX CONCURRENTLY by_email ON users (email)",
        "",
    );
    begun.up(&mut bench.open()).wait().unwrap_err();
    let valid = "SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = 'by_email'::regclass";
    assert_eq!(bench.sql(valid), ["f|t"]);
    let mended = outside_transaction(
        "INSERT INTO users VALUES (1, 'a'), (2, 'a');\nCREATE INDEX CONCURRENTLY by_email ON users (email)",
        "",
    );
    mended.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql(valid), ["t|f"]);
    assert_eq!(bench.sql("SELECT count(*) FROM users"), ["2"]);
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

#[test]
fn an_index_of_another_schema_is_not_dropped_in_place_of_one_that_is_gone() {
    let bench = PostgresServer::new();
    bench.sql("CREATE SCHEMA tenant; CREATE TABLE tenant.other (id integer); CREATE TABLE other (id integer)");
    bench.sql(
        "CREATE INDEX by_id ON tenant.other (id); CREATE INDEX by_id ON other (id); CREATE TABLE gate (id integer)",
    );
    let up = format!("SET search_path = tenant, public;\nDROP INDEX CONCURRENTLY by_id;\n{GATE}");
    let migrator = outside_transaction(&up, "");
    migrator.up(&mut bench.open()).wait().unwrap_err();
    let interrupt = "UPDATE schema_migrations_v2 SET progress = 1, attempted = 2 WHERE version = '1.1.0'";
    let left = || bench.sql("SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'by_id' ORDER BY 1");
    assert_eq!(left(), ["public"]);
    bench.sql(interrupt);
    bench.sql("INSERT INTO gate VALUES (1)");
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert!(error.to_string().contains("nothing tells whether it took effect"), "{error}");
    assert_eq!(left(), ["public"]);

    // Where it was interrupted before its effect there is no doubt which one it is for.
    bench.sql("CREATE INDEX by_id ON tenant.other (id)");
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(left(), ["public"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}

#[test]
fn what_a_statement_does_to_advisory_locks_leaves_none_of_the_next_unguarded() {
    for gives_back in ["DISCARD ALL", "SELECT pg_advisory_unlock_all()"] {
        let bench = PostgresServer::new();
        let up = format!("VACUUM users;\n{gives_back};\nCREATE INDEX CONCURRENTLY by_email ON users (email)");
        let migrator = outside_transaction(&up, "");
        migrator.up_by_one(&mut bench.open()).wait().unwrap();
        let mut writer = testkit::postgres::Server::shared().session(&bench.url());
        writer.run("BEGIN; INSERT INTO users VALUES (1, 'a')");
        std::thread::scope(|scope| {
            let run = scope.spawn(|| migrator.up(&mut bench.open()).wait());
            wait_for_the_build(&bench);
            let held = bench.sql(
                "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE locktype = 'advisory' AND datname = current_database()",
            );
            writer.run("COMMIT");
            run.join().unwrap().unwrap();
            assert_eq!(held, ["1"], "{gives_back}");
        });
    }
}

/// Waits until a concurrent build has begun, and waits for the transactions before it.
fn wait_for_the_build(bench: &PostgresServer) {
    let builds = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()
        AND phase LIKE 'waiting for writers%'";
    while bench.sql(builds) != ["1"] {
        std::thread::yield_now();
    }
}

#[test]
fn a_concurrent_build_that_waits_longer_than_the_lock_timeout_is_not_cancelled() {
    let bench = PostgresServer::new();
    let migrator = outside_transaction("CREATE INDEX CONCURRENTLY by_email ON users (email)", "");
    let migrator = migrator.lock_timeout(Duration::from_millis(100)).max_retries(0);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    let mut writer = testkit::postgres::Server::shared().session(&bench.url());
    writer.run("BEGIN; INSERT INTO users VALUES (1, 'a')");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| migrator.up(&mut bench.open()).wait());
        let waited = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock' AND query_start < now() - interval '1 second'";
        while bench.sql(waited) != ["1"] {
            std::thread::yield_now();
        }
        writer.run("COMMIT");
        run.join().unwrap().unwrap();
    });
    assert_eq!(valid(&bench), ["t"]);
    assert_eq!(bench.sql("SELECT count(*) FROM schema_migrations_v2_history WHERE outcome = 'failed'"), ["0"]);
}

#[test]
fn copies_that_an_interrupted_reindex_left_are_dropped() {
    for statement in [
        "REINDEX TABLE CONCURRENTLY users",
        "REINDEX INDEX CONCURRENTLY by_email",
        "REINDEX (CONCURRENTLY) SCHEMA public",
    ] {
        let bench = PostgresServer::new();
        let migrator = gated_after(&bench, "CREATE INDEX by_email ON users (email)", statement);
        bench.sql("CREATE TABLE other (id integer); CREATE INDEX other_ccnew ON other (id)");
        bench.sql("CREATE INDEX by_email_ccnew ON users (email); CREATE INDEX by_email_ccold1 ON users (email)");
        bench.sql("CREATE INDEX good_ccnew ON users (email); CREATE INDEX broken ON users (email)");
        bench.sql(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN
             ('by_email_ccnew'::regclass, 'by_email_ccold1'::regclass, 'broken'::regclass)",
        );
        interrupt(&bench);
        migrator.up(&mut bench.open()).wait().unwrap();
        let left = bench.sql(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class c ON c.oid = indexrelid
            WHERE c.relnamespace = 'public'::regnamespace AND relname !~ '^schema_' ORDER BY 1",
        );
        assert_eq!(left, ["broken", "by_email", "good_ccnew", "other_ccnew"], "{statement}");
        assert_eq!(valid(&bench), ["t"]);
    }
}

/// [`gated`] where the tables are there before.
fn gated_after(bench: &PostgresServer, before: &str, statement: &str) -> Migrator {
    let migrator = outside_transaction("SELECT 1", "");
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    bench.sql(before);
    gated(bench, statement, "")
}

#[test]
fn nothing_is_dropped_or_detached_for_a_run_that_has_lost_its_lock() {
    let lose = "UPDATE schema_migrations_v2_state SET fence = fence + 1";
    let bench = PostgresServer::new();
    let up = format!("{lose};\nCREATE INDEX CONCURRENTLY by_email ON users (email)");
    let migrator = outside_transaction(&up, "");
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    bench.sql("CREATE INDEX by_email ON users (email)");
    bench.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_email'::regclass");
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockLost, "{error}");
    assert_eq!(valid(&bench), ["f"], "it is still there");

    let bench = PostgresServer::new();
    bench.sql("CREATE TABLE log (day integer) PARTITION BY LIST (day)");
    bench.sql("CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1)");
    bench.sql("CREATE TABLE log_2 PARTITION OF log FOR VALUES IN (2)");
    let migrator = gated(&bench, "ALTER TABLE log DETACH PARTITION log_1 CONCURRENTLY", "");
    bench.sql("UPDATE pg_inherits SET inhdetachpending = true");
    bench.sql("UPDATE schema_migrations_v2 SET progress = 0, attempted = 1 WHERE version = '1.1.0'");
    // As if it had been interrupted in the midst of it.
    bench.sql("ALTER TABLE log_1 RENAME TO log_0; ALTER TABLE log_2 RENAME TO log_1");
    let url = bench.url();
    let migrator = migrator.observer(move |event: &Event<'_>| {
        if let Event::StepStarted(_) = event {
            testkit::postgres::Server::shared().session(&url).run(lose);
        }
    });
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockLost, "{error}");
    assert_eq!(bench.sql("SELECT inhdetachpending FROM pg_inherits"), ["t"]);
}

#[test]
fn a_bare_statement_waits_for_one_of_an_earlier_run_that_is_still_executed() {
    let bench = PostgresServer::new();
    let migrator = outside_transaction("VACUUM users", "").max_retries(0);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    let mut earlier = testkit::postgres::Server::shared().session(&bench.url());
    earlier.run(r#"SELECT pg_advisory_lock(hashtextextended('"public"."schema_migrations_v2_state"', 0))"#);
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockBusy, "{error}");
    assert!(error.to_string().contains("a statement of an earlier run is still being executed"), "{error}");
    assert_eq!(bench.lock_owner(), [""; 0]);
    drop(earlier);
    migrator.max_retries(10).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}
