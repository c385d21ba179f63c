//! A disk that is full: nothing is half done, and once there is room the next run goes on.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use system_tests::field::{Migrate, sqlite};
use testkit::disk::SmallDisk;
use testkit::postgres::Server;
use testkit::process::{Output, run};

/// Migrations of which the third needs more than a megabyte.
fn growing() -> Migrate {
    let rows = "CREATE TABLE big (id INTEGER, body BLOB);
        INSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        SELECT i, randomblob(4000) FROM n";
    Migrate::new(&[
        ("1.0.0", "users", "CREATE TABLE users (id INTEGER)", "", ""),
        ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", "", ""),
        ("1.2.0", "big", rows, "", ""),
        ("1.3.0", "more", "CREATE TABLE more (id INTEGER)", "", ""),
    ])
}

/// How much room there is: none for the first byte, none for our tables, for some of the migrations, for almost all.
const ROOMS: [u64; 8] = [0, 4 << 10, 16 << 10, 40 << 10, 80 << 10, 200 << 10, 700 << 10, 1000 << 10];

#[test]
fn a_full_disk_on_sqlite() {
    for mode in ["DELETE", "WAL"] {
        for room in ROOMS {
            // Where mounting is forbidden, the size of a file is limited instead.
            let disk = SmallDisk::mount(4 << 20);
            let folder = tempfile::tempdir().expect("a temporary directory can be made");
            let path = disk.as_ref().map_or(folder.path(), SmallDisk::path).join("app.db");
            let limited = disk.is_err().then_some(room);
            check_full_disk(mode, &path, limited, || disk.as_ref().ok().map(|disk| disk.fill(room)));
        }
    }
}

#[test]
fn a_file_on_sqlite_that_may_not_grow() {
    for mode in ["DELETE", "WAL"] {
        for room in ROOMS.into_iter().skip(1).step_by(3) {
            let folder = tempfile::tempdir().expect("a temporary directory can be made");
            check_full_disk(mode, &folder.path().join("app.db"), Some(room), || ());
        }
    }
}

/// Migrates a file while `full` holds what takes its room, or with files limited to a size, and then without.
fn check_full_disk<T>(mode: &str, path: &Path, limit: Option<u64>, full: impl FnOnce() -> T) {
    let url = format!("sqlite:{}", path.display());
    let migrate = growing();
    sqlite(path, &format!("PRAGMA journal_mode = {mode}"));
    let ballast = full();
    let output = match limit {
        None => migrate.run(&url, &["up"]),
        Some(bytes) => {
            let limited = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
            run(&mut migrate.command_under(&["sh", "-c", &limited], &url, &["up"]))
        }
    };
    assert_says_full(&output);
    drop(ballast);
    assert_eq!(sqlite(path, "PRAGMA integrity_check"), "ok");
    let tables =
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('users', 'notes', 'big', 'more')";
    let ours = "SELECT count(*) FROM sqlite_master WHERE name = 'schema_migrations_v2'";
    if sqlite(path, ours) == "1" {
        assert_eq!(
            sqlite(path, "SELECT count(*) FROM schema_migrations_v2"),
            sqlite(path, tables),
            "{}",
            output.stderr
        );
    } else {
        assert_eq!(sqlite(path, tables), "0");
    }
    migrate.succeed(&url, &["up"]);
    assert_eq!(sqlite(path, tables), "4");
    assert_eq!(sqlite(path, "SELECT count(*) FROM big"), "300");
    let succeeded =
        "SELECT count(*) FROM schema_migrations_v2_history WHERE operation = 'up' AND outcome = 'succeeded'";
    assert_eq!(sqlite(path, succeeded), "4");
}

#[track_caller]
fn assert_says_full(output: &Output) {
    assert!([69, 70].contains(&output.code), "{}: {}", output.code, output.stderr);
    // A file that reaches its limit is a failure to write for SQLite; so is a full disk under the -shm file of a WAL.
    let full = output.stderr.contains("database or disk is full (code 13)");
    let other = output.stderr.contains("No space left on device") || output.stderr.contains("disk I/O error (code ");
    assert!(full || other, "{}", output.stderr);
    if full {
        assert!(output.stderr.contains("make room on the disk"), "{}", output.stderr);
    }
}

#[test]
fn a_full_disk_on_postgres() {
    let disk = SmallDisk::mount(24 << 20).unwrap_or_else(|said| {
        panic!("this test mounts a small disk, which needs root (`sudo -E cargo test`): {said}")
    });
    let server = Server::start();
    let space = disk.path().join("space");
    std::fs::create_dir(&space).expect("a folder can be made on the new disk");
    let (uid, gid) = owner(&server.socket_folder().join("data"));
    chown(&space, Some(uid), Some(gid)).expect("root can give a folder away");
    server.psql(&format!("CREATE TABLESPACE small LOCATION '{}'", space.display()));
    let rows = "CREATE TABLE big AS SELECT i AS id, repeat(md5(i::text), 60) AS body FROM generate_series(1, 3000) i;
        ALTER TABLE big ALTER body SET STORAGE EXTERNAL";
    for (name, room) in [("nothing", 0), ("little", 100 << 10), ("more", 1 << 20)] {
        server.psql(&format!("CREATE DATABASE {name} TEMPLATE template0 TABLESPACE small"));
        let url = format!("postgres://postgres@{}:{}/{name}", server.host(), server.port());
        let psql = |sql: &str| run(server.tool("psql").args(["-X", "-q", "-A", "-t", "-d", &url, "-c", sql])).stdout;
        let migrate = Migrate::new(&[
            ("1.0.0", "users", "CREATE TABLE users (id integer PRIMARY KEY)", "", ""),
            ("1.1.0", "big", rows, "", ""),
            ("1.2.0", "more", "CREATE TABLE more (id integer PRIMARY KEY)", "", ""),
        ]);
        // The first connection writes a cache into the database's folder.
        psql("SELECT 1");
        let ballast = disk.fill(room);
        let output = migrate.run(&url, &["up"]);
        assert_eq!(output.code, 70, "{name}: {}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains("(code 53100)"), "{name}: {}", output.stderr);
        assert!(output.stderr.contains("Check free disk space"), "{name}: {}", output.stderr);
        drop(ballast);
        let tables =
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename IN ('users', 'big', 'more')";
        if psql("SELECT count(*) FROM pg_tables WHERE tablename = 'schema_migrations_v2'").trim() == "1" {
            assert_eq!(psql("SELECT count(*) FROM schema_migrations_v2"), psql(tables), "{name}");
        } else {
            assert_eq!(psql(tables).trim(), "0", "{name}");
        }
        migrate.succeed(&url, &["up"]);
        assert_eq!(psql(tables).trim(), "3");
        assert_eq!(psql("SELECT count(*) FROM big").trim(), "3000");
        server.psql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    }
    server.stop();
}

fn owner(path: &Path) -> (u32, u32) {
    let id = |format: &str| {
        let output = run(Command::new("stat").args(["-c", format]).arg(path));
        output.stdout.trim().parse().unwrap_or_else(|_| panic!("stat failed: {}", output.stderr))
    };
    (id("%u"), id("%g"))
}
