//! Many processes at once on one database, released by a barrier.

use std::io::{BufRead, BufReader, PipeReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::migrations::Directory;
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::Server;

use crate::field::sqlite;
use crate::{Arena, program};

/// How long the rounds of a race took.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// One process alone on a fresh database, in the median.
    pub alone: Duration,
    /// All processes at once on a fresh database, until the last has ended, in the median.
    pub together: Duration,
    /// The longest of those.
    pub longest: Duration,
}

/// How the processes reach a PostgreSQL server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each has connections of its own.
    Direct,
    /// Through a PgBouncer that gives each transaction one of four server connections.
    Pooled,
}

impl Way {
    fn open(self) -> Option<PgBouncer> {
        let settings = [("pool_mode", "transaction"), ("default_pool_size", "4")];
        (self == Self::Pooled).then(|| PgBouncer::start(Server::shared(), &settings))
    }
}

/// Within this time every process of a round must have ended: many times what the slowest machine needs.
const BOUND: Duration = Duration::from_secs(120);

const UP: [&str; 1] = ["up"];
const DOWN: [&str; 3] = ["down", "--all", "--yes"];

/// Starts `processes` times `migrate up` at once on a fresh database, `rounds` times over, and one alone beside each of the
/// first hundred.
///
/// # Panics
///
/// When a process does not exit with 0 in time, or a migration was not applied exactly once.
#[must_use]
pub fn race(arena: Arena, way: Way, processes: usize, rounds: usize) -> Times {
    let (contest, pool) = (Contest::new(), way.open());
    let run = |count: usize| {
        let database = Database::new(arena, pool.as_ref());
        let took = contest.run(&database.url, &vec![UP.as_slice(); count]);
        database.assert_once();
        database.assert_free();
        took
    };
    let alone = (0..rounds.min(100)).map(|_| run(1)).collect();
    let together: Vec<Duration> = (0..rounds).map(|_| run(processes)).collect();
    let longest = together.iter().max().copied().unwrap_or_default();
    Times { alone: median(alone), together: median(together), longest }
}

/// Starts as many times `migrate up` as `migrate down --all` at once, on a fresh database in every other round and on a
/// migrated one in between; says in how many rounds everything was applied in the end.
///
/// # Panics
///
/// When a process does not exit with 0 in time, or some migrations are applied and some are not.
#[must_use]
pub fn race_both_ways(arena: Arena, way: Way, processes: usize, rounds: usize) -> usize {
    let (contest, pool) = (Contest::new(), way.open());
    let commands: Vec<&[&str]> =
        (0..processes).map(|number| if number % 2 == 0 { &UP[..] } else { &DOWN[..] }).collect();
    let ends = (0..rounds).filter(|round| {
        let database = Database::new(arena, pool.as_ref());
        contest.run(&database.url, &[&UP]);
        if round % 2 == 0 {
            contest.run(&database.url, &[&DOWN]);
        }
        contest.run(&database.url, &commands);
        database.assert_free();
        database.assert_all_or_nothing()
    });
    ends.count()
}

/// Kills `migrate up` on a fresh database with SIGKILL, each time a little later, and runs it again.
///
/// # Panics
///
/// When the second run does not exit with 0, or a migration was not applied exactly once.
pub fn kill(arena: Arena, rounds: u32, apart: Duration) {
    let contest = Contest::new();
    for round in 0..rounds {
        let database = Database::new(arena, None);
        let mut victim = contest.start(&database.url, &UP);
        std::thread::sleep(apart * round);
        victim.kill().expect("the process can be killed");
        victim.wait().expect("the process can be waited for");
        let output = contest.start(&database.url, &UP).wait_with_output().expect("migrate can be waited for");
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

    fn start(&self, url: &str, arguments: &[&str]) -> Child {
        let mut command = Command::new(&self.migrate);
        self.start_as(&mut command, url, arguments).stdin(Stdio::null()).spawn().expect("migrate can be started")
    }

    /// Starts a shell that says that it is there, waits for the barrier to fall, and becomes the program.
    fn start_behind(&self, barrier: &PipeReader, url: &str, arguments: &[&str]) -> Racer {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo ready; read -r _; exec \"$0\" \"$@\""]).arg(&self.migrate);
        let barrier = barrier.try_clone().expect("a pipe can be shared");
        let mut child = self.start_as(&mut shell, url, arguments).stdin(barrier).spawn().expect("sh can be started");
        let mut said = BufReader::new(child.stdout.take().expect("the standard output was asked to be a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("sh can be read");
        assert_eq!(line, "ready\n");
        Racer { child, _said: said }
    }

    fn start_as<'c>(&self, command: &'c mut Command, url: &str, arguments: &[&str]) -> &'c mut Command {
        command.args(arguments).args(["--quiet", "--dir"]).arg(self.directory.path());
        command.env("DATABASE_URL", url).stdout(Stdio::piped()).stderr(Stdio::piped())
    }

    /// Runs commands at once; each must end with 0 in time. Gives the time until the last has ended.
    fn run(&self, url: &str, commands: &[&[&str]]) -> Duration {
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        let racers: Vec<Racer> = commands.iter().map(|command| self.start_behind(&reader, url, command)).collect();
        let since = Instant::now();
        drop((reader, writer));
        for (racer, command) in racers.into_iter().zip(commands) {
            racer.finish(since, command);
        }
        since.elapsed()
    }
}

/// A process of a race.
struct Racer {
    child: Child,
    /// Kept open, so that writing to it is no error.
    _said: BufReader<std::process::ChildStdout>,
}

impl Racer {
    fn finish(mut self, since: Instant, command: &[&str]) {
        while self.child.try_wait().expect("a child can be asked").is_none() {
            if since.elapsed() > BOUND {
                self.child.kill().expect("the process can be killed");
                panic!("{command:?} has not ended after {BOUND:?}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let output = self.child.wait_with_output().expect("migrate can be waited for");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
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
    /// `pool` stands between it and its programs, if there is one.
    fn new(arena: Arena, pool: Option<&PgBouncer>) -> Self {
        if arena == Arena::Postgres {
            let database = Server::shared().database();
            let url = pool.map_or_else(|| database.url(), |pool| pool.url_for(&database));
            return Self { url, place: Place::Postgres(database) };
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
            Place::Sqlite(folder) => sqlite(&folder.path().join("app.db"), sql),
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

    /// Either everything is there, or nothing; says which.
    fn assert_all_or_nothing(&self) -> bool {
        let applied = self.ask("SELECT count(*) FROM schema_migrations_v2");
        let tables = match &self.place {
            Place::Postgres(_) => "SELECT count(*) FROM pg_tables WHERE tablename IN ('users', 'notes')",
            Place::Sqlite(_) => "SELECT count(*) FROM sqlite_master WHERE name IN ('users', 'notes')",
        };
        let all = applied == MIGRATIONS.to_string();
        assert!(all || applied == "0", "{applied} are applied");
        assert_eq!(self.ask(tables), if all { "2" } else { "0" });
        if all {
            assert_eq!(self.ask("SELECT count(*) FROM users"), "1");
        }
        // Each migration went up and down in turn.
        let turns = "SELECT count(*) FROM (SELECT version, sum(CASE operation WHEN 'up' THEN 1 ELSE -1 END) AS up
            FROM schema_migrations_v2_history WHERE operation IN ('up', 'down') AND outcome = 'succeeded'
            GROUP BY version) t WHERE up <> ";
        assert_eq!(self.ask(&format!("{turns} {}", u8::from(all))), "0");
        all
    }
}
