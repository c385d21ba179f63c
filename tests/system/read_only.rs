//! Databases that may be read and not written: reading goes on, and a run says why it cannot.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use system_tests::field::{Migrate, sqlite};
use testkit::postgres::Server;
use testkit::process::{Output, run};

fn two() -> Migrate {
    Migrate::new(&[
        ("1.0.0", "users", "CREATE TABLE users (id INTEGER)", "", ""),
        ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", "", ""),
    ])
}

/// Runs without root's right to ignore the permissions of files.
fn mortal(migrate: &Migrate, url: &str, arguments: &[&str]) -> Output {
    let root = run(Command::new("id").arg("-u")).stdout.trim() == "0";
    let above: &[&str] = if root { &["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] } else { &[] };
    run(&mut migrate.command_under(above, url, arguments))
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the owner may change permissions");
}

#[test]
fn a_sqlite_file_or_folder_that_may_not_be_written() {
    // The file's mode, the folder's, whether a run has been here before, and what the database or the system says.
    let cases = [
        (0o444, 0o755, true, "attempt to write a readonly database (code 8)"),
        (0o444, 0o755, false, "attempt to write a readonly database (code 8)"),
        (0o644, 0o555, true, "(code 1544)"),
        (0o644, 0o555, false, "Permission denied"),
        (0o444, 0o555, true, "attempt to write a readonly database (code 8)"),
    ];
    for (file, folder, before, says) in cases {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let path = place.path().join("app.db");
        let url = format!("sqlite:{}", path.display());
        let migrate = two();
        if before {
            migrate.succeed(&url, &["up", "--to", "1.0.0"]);
        } else {
            rusqlite::Connection::open(&path).and_then(|it| it.execute_batch("CREATE TABLE t (id)")).expect("it opens");
        }
        let content = fs::read(&path).expect("the file can be read");
        chmod(&path, file);
        chmod(place.path(), folder);
        let output = mortal(&migrate, &url, &["up"]);
        assert_eq!(output.code, 70, "{file:o} {folder:o}: {}", output.stderr);
        assert!(output.stderr.contains(says), "{file:o} {folder:o}: {}", output.stderr);
        assert!(output.stderr.contains("writable for this user"), "{file:o} {folder:o}: {}", output.stderr);
        assert_eq!(mortal(&migrate, &url, &["check"]).code, 1);
        assert_eq!(mortal(&migrate, &url, &["status"]).code, 0);
        assert_eq!(mortal(&migrate, &url, &["history"]).code, 0);
        assert_eq!(fs::read(&path).expect("the file can be read"), content, "nothing was changed");
        chmod(place.path(), 0o755);
        chmod(&path, 0o644);
        assert_eq!(mortal(&migrate, &url, &["up"]).code, 0);
        assert_eq!(sqlite(&path, "SELECT count(*) FROM schema_migrations_v2"), "2");
    }
}

#[test]
fn a_sqlite_wal_in_a_folder_that_may_not_be_written() {
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    let path = place.path().join("app.db");
    let url = format!("sqlite:{}", path.display());
    let migrate = two();
    sqlite(&path, "PRAGMA journal_mode = WAL");
    migrate.succeed(&url, &["up", "--to", "1.0.0"]);
    chmod(place.path(), 0o555);
    // SQLite cannot read a WAL database without making two files beside it.
    for verb in ["check", "up"] {
        let output = mortal(&migrate, &url, &[verb]);
        assert_eq!(output.code, 70, "{}", output.stderr);
        assert!(output.stderr.contains("attempt to write a readonly database (code 1544)"), "{}", output.stderr);
        assert!(output.stderr.contains("make the database file and its directory writable"), "{}", output.stderr);
    }
    chmod(place.path(), 0o755);
    assert_eq!(mortal(&migrate, &url, &["up"]).code, 0);
}

#[test]
fn a_postgres_database_whose_transactions_are_read_only() {
    let database = Server::shared().database();
    let url = database.url();
    let migrate = two();
    for first in ["1.0.0", "1.1.0"] {
        database.psql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name()));
        let output = migrate.run(&url, &["up"]);
        assert_eq!(output.code, 70, "{}", output.stderr);
        assert!(output.stderr.contains("in a read-only transaction (code 25006)"), "{}", output.stderr);
        assert_eq!(migrate.run(&url, &["check"]).code, 1);
        migrate.succeed(&url, &["status"]);
        let reset = "SET default_transaction_read_only = off; ALTER DATABASE";
        database.psql(&format!("{reset} {} RESET default_transaction_read_only", database.name()));
        migrate.succeed(&url, &["up", "--to", first]);
    }
    assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2_history WHERE operation = 'up'"), "2");
}

#[test]
fn a_hot_standby() {
    let server = Server::start();
    let database = server.database();
    let url = database.url();
    let migrate = two();
    migrate.succeed(&url, &["up", "--to", "1.0.0"]);
    server.become_standby();
    assert_eq!(database.psql("SELECT pg_is_in_recovery()"), "t");
    let output = migrate.run(&url, &["up"]);
    assert_eq!(output.code, 70, "{}", output.stderr);
    assert!(output.stderr.contains("in a read-only transaction (code 25006)"), "{}", output.stderr);
    assert!(output.stderr.contains("connect to the primary server"), "{}", output.stderr);
    assert_eq!(migrate.run(&url, &["check"]).code, 1);
    assert!(migrate.succeed(&url, &["status"]).contains("1.1.0"));
    assert_eq!(migrate.succeed(&url, &["version"]).trim(), "1.0.0");
    migrate.succeed(&url, &["history"]);
}
