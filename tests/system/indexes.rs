//! Indexes that are built concurrently, beside other processes.

use system_tests::field::{Migrate, until};
use testkit::postgres::Server;

const USERS: &str = "CREATE TABLE users (id integer, email text);
    INSERT INTO users SELECT i, 'user' || i FROM generate_series(1, 1000) i";

#[test]
fn an_index_is_built_while_others_wait_for_the_run_lock() {
    let (server, database) = (Server::shared(), Server::shared().database());
    let url = database.url();
    let outside = ", \"transaction\": false";
    let migrate = Migrate::new(&[
        ("1.0.0", "users", USERS, "DROP TABLE users", ""),
        (
            "1.1.0",
            "index",
            "CREATE INDEX CONCURRENTLY by_email ON users (email)",
            "DROP INDEX CONCURRENTLY by_email",
            outside,
        ),
        ("1.2.0", "notes", "CREATE TABLE notes (id integer)", "DROP TABLE notes", ""),
    ]);
    migrate.succeed(&url, &["up", "--to", "1.0.0"]);
    // Keeps the build waiting until all others wait for the lock.
    let mut writer = server.session(&url);
    writer.run("BEGIN; UPDATE users SET email = email WHERE id = 1");
    let building = migrate.start(&url, &["up"]);
    let builds = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()";
    until("the index to be begun", || database.psql(builds) == "1");
    let waiting: Vec<_> = (0..8).map(|_| migrate.start(&url, &["up"])).collect();
    let connected = "SELECT count(*) >= 9 FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'migrate%'";
    until("all others to wait", || database.psql(connected) == "t");
    writer.run("COMMIT");
    for run in waiting.into_iter().chain([building]) {
        let output = run.end();
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    assert_eq!(database.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_email'::regclass"), "t");
    let done = "SELECT string_agg(version, ' ' ORDER BY id) FROM schema_migrations_v2_history
        WHERE operation = 'up' AND outcome = 'succeeded'";
    assert_eq!(database.psql(done), "1.0.0 1.1.0 1.2.0");
    migrate.succeed(&url, &["down", "--to", "1.0.0", "--yes"]);
    assert_eq!(database.psql("SELECT count(*) FROM pg_class WHERE relname = 'by_email'"), "0");
}

#[test]
fn an_index_that_could_not_be_built_is_reported_and_rebuilt_when_the_data_is_mended() {
    for if_not_exists in ["", "IF NOT EXISTS"] {
        let database = Server::shared().database();
        let url = database.url();
        let up = format!("CREATE UNIQUE INDEX CONCURRENTLY {if_not_exists} by_email ON users (email)");
        let migrate = Migrate::new(&[
            ("1.0.0", "users", USERS, "", ""),
            ("1.1.0", "index", &up, "", ", \"transaction\": false"),
            ("1.2.0", "notes", "CREATE TABLE notes (id integer)", "", ""),
        ]);
        migrate.succeed(&url, &["up", "--to", "1.0.0"]);
        database.psql("INSERT INTO users VALUES (1001, 'user1')");
        for _ in 0..2 {
            let output = migrate.run(&url, &["up"]);
            assert_eq!(output.code, 70, "{}", output.stderr);
            assert!(output.stderr.contains("(code 23505)"), "{}", output.stderr);
            assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2 WHERE status = 'applied'"), "1");
        }
        database.psql("DELETE FROM users WHERE id = 1001");
        migrate.succeed(&url, &["up"]);
        let valid = "SELECT string_agg(relname || ' ' || indisvalid, ', ') FROM pg_index
            JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'users'::regclass";
        assert_eq!(database.psql(valid), "by_email true");
        assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2 WHERE status = 'applied'"), "3");
    }
}
