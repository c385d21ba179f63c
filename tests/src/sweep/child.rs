//! `migrate` as a process that stops at each of its failpoints and waits.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use crate::program_with;

/// What is to be done to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Apply everything.
    Up,
    /// Undo everything.
    Down,
}

impl Verb {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Up => &["up", "--quiet"],
            Self::Down => &["down", "--all", "--yes", "--quiet"],
        }
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct End {
    /// Its exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// A running `migrate`.
#[derive(Debug)]
pub struct Child {
    process: Process,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
}

impl Child {
    /// Starts a run that waits at each failpoint.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn stopping(verb: Verb, directory: &Path, url: &str) -> Self {
        Self::stopping_with(&[], verb, directory, url)
    }

    /// The same with more arguments.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn stopping_with(arguments: &[&str], verb: Verb, directory: &Path, url: &str) -> Self {
        Self::spawn(command(verb, directory, url).args(arguments).env("MIGRATION_FAILPOINTS", "1"))
    }

    /// Starts a run that goes through.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn running(verb: Verb, directory: &Path, url: &str) -> Self {
        Self::with(&[], verb, directory, url)
    }

    /// The same with more arguments.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn with(arguments: &[&str], verb: Verb, directory: &Path, url: &str) -> Self {
        Self::spawn(command(verb, directory, url).args(arguments))
    }

    /// Starts any command line with more variables, which waits at each failpoint or goes through.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn of(arguments: &[&str], stopping: bool, directory: &Path, url: &str, variables: &[(&str, String)]) -> Self {
        let mut command = command_of(arguments, directory, url);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if stopping {
            command.env("MIGRATION_FAILPOINTS", "1");
        }
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("migrate can be started");
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().expect("the standard output was asked to be a pipe");
        let stderr = process.stderr.take().expect("the standard error was asked to be a pipe");
        Self { process, stdin, stdout: BufReader::new(stdout), stderr }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it is at its next failpoint, and says which; `None` when it has ended.
    ///
    /// # Panics
    ///
    /// When its output cannot be read.
    pub fn next_point(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).expect("what migrate writes can be read") == 0 {
                return None;
            }
            if let Some(point) = line.strip_prefix("failpoint ") {
                return Some(point.trim_end().to_owned());
            }
        }
    }

    /// Lets it go on from the failpoint that it is at.
    pub fn go_on(&mut self) {
        // One that was killed meanwhile does not hear it.
        let _ = self.stdin.as_mut().map(|stdin| stdin.write_all(b"\n"));
    }

    /// Lets it go on from the failpoint that it is at to the next one, which is returned; `None` when it ends before.
    pub fn to_next_point(&mut self) -> Option<String> {
        self.go_on();
        self.next_point()
    }

    /// Lets it go on through so many failpoints and leaves it at the next, which is returned; `None` when it ends before.
    pub fn pass(&mut self, points: usize) -> Option<String> {
        for _ in 0..points {
            self.next_point()?;
            self.go_on();
        }
        self.next_point()
    }

    /// Kills it with SIGKILL and returns when it is gone.
    ///
    /// # Panics
    ///
    /// When it cannot be killed.
    pub fn kill(mut self) {
        self.process.kill().expect("migrate can be killed");
        self.process.wait().expect("migrate can be waited for");
    }

    /// Lets it go on through all failpoints, and says how it ended.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
    #[must_use]
    pub fn end(mut self) -> End {
        self.go_on();
        while self.next_point().is_some() {
            self.go_on();
        }
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).expect("what migrate writes can be read");
        let status = self.process.wait().expect("migrate can be waited for");
        End { code: status.code(), stderr }
    }
}

fn command(verb: Verb, directory: &Path, url: &str) -> Command {
    command_of(verb.arguments(), directory, url)
}

fn command_of(arguments: &[&str], directory: &Path, url: &str) -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| program_with("system-tests", "migrate-failpoints", &["failpoints"]));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg("--dir")
        .arg(directory)
        .env("DATABASE_URL", url)
        .env("BACKUP_ENABLED", "false")
        .env_remove("MIGRATION_FAILPOINTS");
    command
}
