//! Behind PgBouncer, which gives each transaction whatever server connection is free.

use system_tests::field::Migrate;
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::{Server, Session};

const USERS: (&str, &str, &str, &str, &str) =
    ("1.0.0", "users", "CREATE TABLE users (id integer PRIMARY KEY)", "DROP TABLE users", "");
const NOTES: (&str, &str, &str, &str, &str) =
    ("1.1.0", "notes", "CREATE TABLE notes (id integer)", "DROP TABLE notes", "");

fn pool(mode: &str) -> PgBouncer {
    PgBouncer::start(Server::shared(), &[("pool_mode", mode), ("default_pool_size", "2")])
}

#[test]
fn every_verb_works_through_a_pool_of_transactions() {
    let (database, bouncer) = (Server::shared().database(), pool("transaction"));
    let url = bouncer.url_for(&database);
    let migrate = Migrate::new(&[USERS, NOTES]);
    assert_eq!(migrate.run(&url, &["check"]).code, 1);
    migrate.succeed(&url, &["up"]);
    assert_eq!(migrate.run(&url, &["check"]).code, 0);
    assert_eq!(migrate.succeed(&url, &["version"]).trim(), "1.1.0");
    assert!(migrate.succeed(&url, &["status"]).contains("1.1.0"));
    migrate.succeed(&url, &["down", "--yes"]);
    assert_eq!(database.psql("SELECT version FROM schema_migrations_v2"), "1.0.0");
    migrate.succeed(&url, &["redo", "--yes"]);
    migrate.succeed(&url, &["down", "--all", "--yes"]);
    assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2"), "0");
    assert!(migrate.succeed(&url, &["history"]).contains("1.0.0"));
}

#[test]
fn reading_works_through_a_pool_of_statements() {
    let (database, bouncer) = (Server::shared().database(), pool("statement"));
    let url = bouncer.url_for(&database);
    let migrate = Migrate::new(&[USERS, NOTES]);
    assert_eq!(migrate.run(&url, &["check"]).code, 1);
    migrate.succeed(&database.url(), &["up"]);
    assert_eq!(migrate.run(&url, &["check"]).code, 0);
    assert_eq!(migrate.succeed(&url, &["version"]).trim(), "1.1.0");
    assert!(migrate.succeed(&url, &["status"]).contains("1.1.0"));
    assert!(migrate.succeed(&url, &["history"]).contains("1.1.0"));
}

/// What a script may leave in a session.
const LEAVES: &str = "SET search_path = pg_catalog; SET lock_timeout = '1ms'; SET statement_timeout = '1h';
    SET work_mem = '7MB'; SET session_replication_role = replica; SET default_transaction_read_only = on;
    SELECT set_config('standard_conforming_strings', 'off', false); SET ROLE pg_monitor;";

#[test]
fn settings_of_a_run_stay_out_of_the_pool_and_what_others_left_stays_in_it() {
    let (server, database, bouncer) = (Server::shared(), Server::shared().database(), pool("transaction"));
    let url = bouncer.url_for(&database);
    let mut others = [server.session(&url), server.session(&url)];
    let on_both = |others: &mut [Session; 2], sql: &str| -> Vec<String> {
        // Both have a transaction open, so each has a server connection of its own.
        for other in &mut *others {
            other.run("BEGIN");
        }
        let answers = others.each_mut().map(|other| other.run(sql));
        for other in others {
            other.run("COMMIT");
        }
        answers.into()
    };
    let state = "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
            WHERE name IN ('search_path', 'lock_timeout', 'statement_timeout', 'work_mem', 'session_replication_role',
                'default_transaction_read_only', 'role', 'standard_conforming_strings', 'client_encoding');
        SELECT current_user, session_user, (SELECT count(*) FROM pg_listening_channels()),
            (SELECT string_agg(name, ' ') FROM pg_prepared_statements),
            (SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = pg_my_temp_schema())";
    on_both(
        &mut others,
        "PREPARE theirs AS SELECT 42; CREATE TEMP TABLE theirs (id integer); SET LOCAL work_mem = '9MB'",
    );
    on_both(&mut others, "PREPARE theirs AS SELECT 42; CREATE TEMP TABLE theirs (id integer)");
    let before = on_both(&mut others, state);
    assert!(before[0].ends_with("postgres|postgres|0|theirs|theirs"), "{before:?}");

    for (name, end) in [("succeeds", ""), ("fails", "SELECT 1/0;")] {
        let script = format!("{LEAVES}{end}");
        let migrate = Migrate::new(&[USERS, ("1.0.1", name, &script, "SELECT 1", ""), NOTES]);
        // Often enough that both server connections have had their share.
        for _ in 0..3 {
            let code = migrate.run(&url, &["up"]).code;
            assert_eq!(code, if end.is_empty() { 0 } else { 70 }, "{name}");
            assert_eq!(on_both(&mut others, state), before, "{name}");
            migrate.succeed(&database.url(), &["down", "--all", "--yes"]);
        }
    }
}

#[test]
fn what_needs_a_session_is_refused_without_a_way_around_the_pool() {
    let scripts = [
        ("CREATE TEMP TABLE ours (id integer)", ""),
        ("PREPARE ours AS SELECT 1", ""),
        ("LISTEN ours", ""),
        ("SELECT pg_advisory_lock(1)", ""),
        ("CREATE INDEX CONCURRENTLY by_id ON users (id)", r#", "transaction": false"#),
        ("SET search_path = public", r#", "transaction": false"#),
        ("SET app.tenant = 'ours'", ""),
        ("SELECT set_config('app.tenant', 'ours', false)", ""),
        ("SELECT 1 AS id INTO pg_temp.users", ""),
        ("DO $$ BEGIN CREATE TEMP TABLE users (id integer); END $$", ""),
    ];
    let bouncer = pool("transaction");
    for (script, metadata) in scripts {
        let database = Server::shared().database();
        let url = bouncer.url_for(&database);
        let migrate = Migrate::new(&[USERS, ("1.1.0", "session", script, "", metadata)]);
        let refused = migrate.run(&url, &["up"]);
        // What only the server sees is found when it has been done, and taken back.
        let code = if script.starts_with("DO") { 70 } else { 78 };
        assert_eq!(refused.code, code, "{script}: {refused:?}");
        assert!(refused.stderr.contains("v1.1.0_session/up.sql:1:1"), "{script}: {refused:?}");
        assert!(refused.stderr.contains("--direct-url"), "{script}: {refused:?}");
        let before = if code == 70 { "1" } else { "0" };
        assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2"), before, "{script}");

        let direct = database.url();
        migrate.succeed(&url, &["up", "--direct-url", &direct]);
        assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2"), "2", "{script}");
        assert_eq!(migrate.run(&url, &["check", "--direct-url", &direct]).code, 0, "{script}");
    }
}
