//! What happens to programs in the field: they are paused and killed, run beside others and under other clocks.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::migrations::Directory;
use testkit::process::{Output, run};

use crate::program;

/// The program `migrate` over a directory.
#[derive(Debug)]
pub struct Migrate {
    program: std::path::PathBuf,
    /// Its migrations.
    pub directory: Directory,
}

impl Migrate {
    /// The program over these migrations: version, name, up and down script, and further entries of its metadata, each
    /// with a comma before it.
    ///
    /// # Panics
    ///
    /// When the program cannot be built.
    #[must_use]
    pub fn new(migrations: &[(&str, &str, &str, &str, &str)]) -> Self {
        let plain: Vec<_> =
            migrations.iter().map(|(version, name, up, down, _)| (*version, *name, *up, *down)).collect();
        let directory = Directory::simple(&plain);
        for (version, name, _, _, more) in migrations {
            let metadata = format!("{{\"version\": \"{version}\", \"name\": \"{name}\"{more}}}\n");
            directory.write(format!("v{version}_{name}/metadata.json"), metadata);
        }
        Self { program: program("migrate-cli", "migrate"), directory }
    }

    /// The program over `count` steps for PostgreSQL, each of which makes a table `tN` with the row N. The one numbered
    /// `waiting` waits until the advisory lock 1 is free.
    ///
    /// # Panics
    ///
    /// When the program cannot be built.
    #[must_use]
    pub fn of_steps(count: usize, waiting: usize) -> Self {
        let steps: Vec<(String, String, String)> = (1..=count)
            .map(|number| {
                let wait = if number == waiting { "SELECT pg_advisory_xact_lock(1);" } else { "" };
                let up = format!("{wait} CREATE TABLE t{number} (id integer); INSERT INTO t{number} VALUES ({number})");
                (format!("1.{number}.0"), format!("t{number}"), up)
            })
            .collect();
        let steps: Vec<_> = steps
            .iter()
            .map(|(version, name, up)| (&**version, &**name, &**up, "", ", \"lock_timeout\": \"10min\""))
            .collect();
        Self::new(&steps)
    }

    /// A command line, not started yet.
    #[must_use]
    pub fn command(&self, url: &str, arguments: &[&str]) -> Command {
        self.command_under(&[], url, arguments)
    }

    /// The same below another program, such as `faketime -10y`.
    #[must_use]
    pub fn command_under(&self, above: &[&str], url: &str, arguments: &[&str]) -> Command {
        let mut command = match above {
            [] => Command::new(&self.program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.program);
                command
            }
        };
        command.args(arguments).arg("--dir").arg(self.directory.path()).env("DATABASE_URL", url);
        // The tests of backups take them; others count files, bytes and time.
        command.env("BACKUP_ENABLED", "false");
        command
    }

    /// Runs a command line to its end.
    #[must_use]
    pub fn run(&self, url: &str, arguments: &[&str]) -> Output {
        run(&mut self.command(url, arguments))
    }

    /// Runs a command line that must end with 0, and gives what it said.
    ///
    /// # Panics
    ///
    /// When it ends with another code.
    #[track_caller]
    pub fn succeed(&self, url: &str, arguments: &[&str]) -> String {
        let output = self.run(url, arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {}{}", output.stdout, output.stderr);
        output.stdout
    }

    /// Starts a command line.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, url: &str, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(url, arguments))
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What it has said on standard error so far.
    said: String,
}

impl Running {
    /// Starts a command.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let stderr = BufReader::new(child.stderr.take().expect("standard error was asked to be a pipe"));
        Self { child, stderr, said: String::new() }
    }

    /// Stops it where it is, until [`Running::go_on`].
    ///
    /// # Panics
    ///
    /// When it is no longer there.
    pub fn pause(&self) {
        self.signal("STOP");
        let pid = self.child.id().to_string();
        until("the program to stand still", || {
            run(Command::new("ps").args(["-o", "stat=", "-p", &pid])).stdout.starts_with('T')
        });
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// When it is no longer there.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    /// Whether it has ended.
    ///
    /// # Panics
    ///
    /// When the system does not say.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    /// Waits until it says something on standard error.
    ///
    /// # Panics
    ///
    /// When it ends without saying it.
    #[track_caller]
    pub fn until_it_says(&mut self, text: &str) {
        assert!(self.says_before_its_end(text), "it ended without saying `{text}`: {}", self.said);
    }

    /// Waits until it says something on standard error, or ends without saying it.
    ///
    /// # Panics
    ///
    /// When its output cannot be read.
    pub fn says_before_its_end(&mut self, text: &str) -> bool {
        while !self.said.contains(text) {
            let read = self.stderr.read_line(&mut self.said).expect("standard error can be read");
            if read == 0 {
                return false;
            }
        }
        true
    }

    /// Sends it a signal, `INT` for example.
    ///
    /// # Panics
    ///
    /// When it is no longer there.
    pub fn signal(&self, name: &str) {
        let output = run(Command::new("kill").args(["-s", name, &self.child.id().to_string()]));
        assert_eq!(output.code, 0, "{}", output.stderr);
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When its output cannot be read.
    #[must_use]
    pub fn end(mut self) -> Output {
        let (child, stderr) = (self.child, &mut self.stderr);
        let said = &mut self.said;
        let output = std::thread::scope(|scope| {
            scope.spawn(|| stderr.read_to_string(said).expect("standard error can be read"));
            child.wait_with_output().expect("a child can be waited for")
        });
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: self.said,
        }
    }
}

/// Waits for something that happens by itself.
///
/// # Panics
///
/// When it has not happened after half a minute.
#[track_caller]
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let since = Instant::now();
    while !happened() {
        assert!(since.elapsed() < Duration::from_secs(30), "waited half a minute for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The first value that a query gives on a SQLite file.
///
/// # Panics
///
/// When the query fails.
#[track_caller]
pub fn sqlite(path: &Path, sql: &str) -> String {
    let connection = rusqlite::Connection::open(path).expect("the file opens");
    connection.busy_timeout(Duration::from_secs(30)).expect("a time-out can be set");
    let value = connection.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0));
    match value.unwrap_or_else(|error| panic!("{sql}: {error}")) {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}

/// Counts the sessions of this database that wait for an advisory lock.
pub const WAITING_FOR_ADVISORY_LOCK: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
