//! What the whole-system tests share: building the programs under test, racing them, and counting statements.

pub mod statements;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::migrations::Directory;
use testkit::postgres::Server;

/// The path of a program of the workspace, built first if it is not up to date.
///
/// # Panics
///
/// When the build fails.
#[must_use]
pub fn program(package: &str, name: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", package, "--bin", name])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut folder = std::env::current_exe().expect("this program has a path");
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    folder.join(name)
}

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Where a race takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arena {
    /// A SQLite file with a rollback journal.
    Sqlite,
    /// A SQLite file in WAL mode.
    SqliteWal,
    /// A PostgreSQL database.
    Postgres,
}

impl Arena {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::SqliteWal, Self::Postgres];
}

/// How long the rounds of a race took, in the median.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// One process alone on a fresh database.
    pub alone: Duration,
    /// All processes at once on a fresh database, until the last has ended.
    pub together: Duration,
}

/// Starts `processes` times `migrate up` at once on a fresh database, `rounds` times over, and one alone beside each.
///
/// # Panics
///
/// When a process does not exit with 0, or a migration was not applied exactly once.
#[must_use]
pub fn race(arena: Arena, processes: usize, rounds: usize) -> Times {
    let contest = Contest::new();
    let run = |count: usize| {
        let database = Database::new(arena);
        let since = Instant::now();
        let running: Vec<Child> = (0..count).map(|_| contest.start(&database.url)).collect();
        for child in running {
            let output = child.wait_with_output().expect("migrate can be waited for");
            assert!(output.status.success(), "{arena:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let took = since.elapsed();
        database.assert_once();
        database.assert_free();
        took
    };
    let mut alone = Vec::new();
    let mut together = Vec::new();
    for _ in 0..rounds {
        alone.push(run(1));
        together.push(run(processes));
    }
    Times { alone: median(alone), together: median(together) }
}

/// Kills `migrate up` on a fresh database with SIGKILL, each time a little later, and runs it again.
///
/// # Panics
///
/// When the second run does not exit with 0, or a migration was not applied exactly once.
pub fn kill(arena: Arena, rounds: u32, apart: Duration) {
    let contest = Contest::new();
    for round in 0..rounds {
        let database = Database::new(arena);
        let mut victim = contest.start(&database.url);
        std::thread::sleep(apart * round);
        victim.kill().expect("the process can be killed");
        victim.wait().expect("the process can be waited for");
        let output = contest.start(&database.url).wait_with_output().expect("migrate can be waited for");
        assert!(output.status.success(), "{arena:?} {round}: {}", String::from_utf8_lossy(&output.stderr));
        // One that was killed behind its last step left its name in the lock row; the next run takes it over.
        database.assert_once();
    }
}

/// The program and the migrations that races and kills use.
struct Contest {
    migrate: PathBuf,
    directory: Directory,
}

/// How many migrations the contest has.
const MIGRATIONS: usize = 5;

impl Contest {
    fn new() -> Self {
        let directory = Directory::simple(&[
            ("1.0.0", "users", "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);", "DROP TABLE users;"),
            ("1.1.0", "first", "INSERT INTO users (id, email) VALUES (1, 'first');", "DELETE FROM users;"),
            ("1.2.0", "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);", "DROP TABLE notes;"),
            ("1.3.0", "index", "CREATE INDEX notes_by_body ON notes (body);", "DROP INDEX notes_by_body;"),
            ("1.4.0", "column", "ALTER TABLE users ADD COLUMN name TEXT;", "ALTER TABLE users DROP COLUMN name;"),
        ]);
        Self { migrate: program("migrate-cli", "migrate"), directory }
    }

    fn start(&self, url: &str) -> Child {
        Command::new(&self.migrate)
            .args(["up", "--quiet", "--dir"])
            .arg(self.directory.path())
            .env("DATABASE_URL", url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("migrate can be started")
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A fresh database.
struct Database {
    url: String,
    place: Place,
}

enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(testkit::postgres::Database),
}

impl Database {
    fn new(arena: Arena) -> Self {
        if arena == Arena::Postgres {
            let database = Server::shared().database();
            return Self { url: database.url(), place: Place::Postgres(database) };
        }
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let place =
            Self { url: format!("sqlite:{}", folder.path().join("app.db").display()), place: Place::Sqlite(folder) };
        if arena == Arena::SqliteWal {
            place.ask("PRAGMA journal_mode = WAL");
        }
        place
    }

    fn ask(&self, sql: &str) -> String {
        match &self.place {
            Place::Postgres(database) => database.psql(sql),
            Place::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("app.db")).expect("the file opens");
                let value = connection.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0));
                match value.expect("the query gives a row") {
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    other => panic!("{sql} gave {other:?}"),
                }
            }
        }
    }

    fn assert_once(&self) {
        let count = |sql| self.ask(sql);
        let migrations = MIGRATIONS.to_string();
        assert_eq!(count("SELECT count(*) FROM schema_migrations_v2 WHERE status = 'applied'"), migrations);
        assert_eq!(count("SELECT count(*) FROM schema_migrations_v2_history WHERE operation = 'up'"), migrations);
        assert_eq!(count("SELECT count(*) FROM users"), "1");
    }

    fn assert_free(&self) {
        let held = self.ask("SELECT count(*) FROM schema_migrations_v2_state WHERE lock_owner IS NOT NULL");
        assert_eq!(held, "0");
    }
}
