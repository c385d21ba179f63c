//! A change that must wait for a lock does not make the service wait with it.

use system_tests::field::{Migrate, Running, until};
use testkit::postgres::Server;

#[test]
fn a_reader_behind_a_waiting_change_is_held_up_no_longer_than_the_lock_timeout() {
    a_reader_queues_behind_a_change(None);
}

/// The dump has ended before the change asks for its lock, so nobody queues behind it.
#[test]
fn nor_when_a_backup_is_taken_before() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    a_reader_queues_behind_a_change(Some(folder.path()));
    let backups = std::fs::read_dir(folder.path()).expect("the folder can be read");
    let names = backups.map(|entry| entry.expect("the folder can be read").file_name().to_string_lossy().into_owned());
    assert_eq!(names.filter(|name| name.ends_with(".dump.zst")).count(), 1);
}

fn a_reader_queues_behind_a_change(backups: Option<&std::path::Path>) {
    let (server, database) = (Server::shared(), Server::shared().database());
    let url = database.url();
    let up = "ALTER TABLE users ADD COLUMN name text";
    let migrate =
        Migrate::new(&[("1.0.0", "users", "CREATE TABLE users (id integer)", "", ""), ("1.1.0", "name", up, "", "")]);
    migrate.succeed(&url, &["up", "--to", "1.0.0"]);
    let mut long_reader = server.session(&url);
    assert_eq!(long_reader.run("BEGIN; SELECT count(*) FROM users"), "0");
    let mut command = migrate.command(&url, &["up", "--lock-timeout", "400ms"]);
    if let Some(path) = backups {
        let tools = std::path::PathBuf::from(server.tool("pg_dump").get_program());
        command.env_remove("BACKUP_ENABLED").env("BACKUP_TYPE", "full").env("BACKUP_PATH", path);
        command.env("BACKUP_TOOLS", tools.parent().expect("a program is in a directory"));
    }
    let mut change = Running::start(&mut command);
    let waits = "SELECT count(*) FROM pg_locks JOIN pg_class c ON c.oid = relation
        WHERE relname = 'users' AND mode = 'AccessExclusiveLock' AND NOT granted";
    let mut second_reader = server.session(&url);
    // The change alone would wait for ever. Each of its tries ends at the lock timeout; the reader counts how many ended
    // until it was served, since a clock would measure the machine.
    let tries = "(SELECT count(*) FROM schema_migrations_v2_history WHERE version = '1.1.0' AND outcome = 'failed')";
    let dumping =
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation
        WHERE relname = 'users' AND l.mode = 'AccessShareLock' AND a.query ILIKE '%copy%'";
    let mut queued = 0;
    while queued < 3 {
        until("the change to wait for its lock", || database.psql(waits) == "1");
        // It begins while the change waits, so it queues behind it.
        let answer = second_reader.run(&format!("SELECT {tries};\nSELECT (SELECT count(*) FROM users), {tries}"));
        let (before, after) = answer.split_once('\n').expect("there are two answers");
        let (before, after): (u32, u32) =
            (before.parse().expect("a count"), after.trim_start_matches("0|").parse().expect("a count"));
        assert!(after - before <= 1, "the second reader was held up for more than one try: {answer}");
        assert!(!change.has_ended());
        assert_eq!(database.psql(dumping), "0", "the dump has ended before the change begins");
        queued += 1;
    }
    long_reader.run("COMMIT");
    let output = change.end();
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2 WHERE status = 'applied'"), "2");
    let failed = "SELECT count(*) > 0 FROM schema_migrations_v2_history
        WHERE version = '1.1.0' AND outcome = 'failed' AND error LIKE '%55P03%'";
    assert_eq!(database.psql(failed), "t", "every attempt is in the history");
}

#[test]
fn an_index_built_by_others_is_not_held_up_by_runs_that_wait() {
    let (server, database) = (Server::shared(), Server::shared().database());
    let url = database.url();
    let migrate = Migrate::new(&[
        ("1.0.0", "users", "CREATE TABLE users (id integer)", "", ""),
        ("1.1.0", "notes", "CREATE TABLE notes (id integer)", "", ""),
    ]);
    migrate.succeed(&url, &["up", "--to", "1.0.0"]);
    // A holder that is alive and between two steps.
    let mut holder = server.session(&url);
    holder.run(
        "UPDATE schema_migrations_v2_state SET fence = fence + 1, lock_owner = 'holder', lock_host = 'here',
             lock_process = 1, lock_backend = pg_backend_pid(), lock_acquired_at = now(),
             lock_expires_at = now() + interval '1 hour'",
    );
    let waiting: Vec<_> = (0..8).map(|_| migrate.start(&url, &["up"])).collect();
    let connected = "SELECT count(*) >= 8 FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'migrate%'";
    until("all to wait", || database.psql(connected) == "t");
    let mut other = server.session(&url);
    // Without waiters it takes a few milliseconds.
    let answer = other.run("SET statement_timeout = '20s'; CREATE INDEX CONCURRENTLY by_id ON users (id)");
    assert_eq!(answer, "");
    assert_eq!(database.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_id'::regclass"), "t");
    drop(holder);
    for waiter in waiting {
        let output = waiter.end();
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2_history WHERE version = '1.1.0'"), "1");
}
