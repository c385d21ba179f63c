//! A project directory, the program run in it, and what is compared.

use std::fmt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use testkit::migrations::Directory;
use testkit::postgres::Database;
use testkit::process::{self, Output};

use crate::schemas;

/// Two migrations that run on both databases.
pub(crate) const USERS_AND_POSTS: &str = r#"
--- v1.0.0_users/metadata.json
{"version": "1.0.0", "name": "users", "description": "Users of the service"}
--- v1.0.0_users/up.sql
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
--- v1.0.0_users/down.sql
DROP TABLE users;
--- v1.1.0_posts/metadata.json
{"version": "1.1.0", "name": "posts"}
--- v1.1.0_posts/up.sql
CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users);
--- v1.1.0_posts/down.sql
DROP TABLE posts;
"#;

/// A third one that fails in its second statement.
pub(crate) const BROKEN: &str = r#"
--- v1.2.0_broken/metadata.json
{"version": "1.2.0", "name": "broken"}
--- v1.2.0_broken/up.sql
CREATE TABLE half (id INTEGER);
INSERT INTO nowhere
  VALUES (1);
--- v1.2.0_broken/down.sql
DROP TABLE half;
"#;

/// One that takes as long as it is let, on PostgreSQL.
pub(crate) const SLOW: &str = r#"
--- v1.0.0_slow/metadata.json
{"version": "1.0.0", "name": "slow"}
--- v1.0.0_slow/up.sql
SELECT pg_sleep(600);
--- v1.0.0_slow/down.sql
SELECT 1;
"#;

/// A directory with `migrations_v2` in it, where the program runs.
pub(crate) struct Project {
    root: Directory,
    url: Option<String>,
    /// Lives as long as the project.
    database: Option<Database>,
}

impl Project {
    /// The files are those of `migrations_v2`; the database is the SQLite file `app.db` beside it.
    pub(crate) fn new(files: &str) -> Self {
        let root = Directory::new(&files.replace("\n--- ", "\n--- migrations_v2/"));
        Self { root, url: Some("sqlite:app.db".to_owned()), database: None }
    }

    pub(crate) fn with_url(self, url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..self }
    }

    /// The project on a PostgreSQL database, which it keeps.
    pub(crate) fn with_database(self, database: Database) -> Self {
        Self { url: Some(database.url()), database: Some(database), ..self }
    }

    /// The URL that the program is given.
    pub(crate) fn url(&self) -> &str {
        self.url.as_deref().expect("the project has a database")
    }

    /// The first column of the first row of a query on the PostgreSQL database.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.database.as_ref().expect("the project is on PostgreSQL").psql(sql)
    }

    pub(crate) fn without_url(self) -> Self {
        Self { url: None, ..self }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) {
        self.root.write(relative, content);
    }

    pub(crate) fn remove(&self, relative: &str) {
        self.root.remove(relative);
    }

    /// The SQLite database, read and changed behind the program's back.
    pub(crate) fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("app.db")).expect("SQLite opens the file of the test")
    }

    /// Leaves the name of a run in the lock that is gone.
    pub(crate) fn leave_a_ghost(&self) {
        let sql = "UPDATE schema_migrations_v2_state SET fence = 41, lock_owner = 'ghost', lock_host = 'gone',
                   lock_process = 1, lock_acquired_at = '2026-01-01T00:00:00.000Z'";
        assert_eq!(self.sqlite().execute(sql, []).expect("the state row can be written"), 1);
    }

    /// The first column of the first row of a query on SQLite.
    pub(crate) fn value(&self, sql: &str) -> i64 {
        self.sqlite().query_row(sql, [], |row| row.get(0)).expect("the query of the test gives a number")
    }

    /// The program, with a line of arguments separated by spaces.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
        let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            ["MIGRATION_", "BACKUP_", "PG", "HEALTH_", "ROLLBACK_"].iter().any(|start| name.starts_with(start))
        });
        for variable in ours.chain(["DATABASE_URL", "NO_COLOR", "CLICOLOR_FORCE", "COLUMNS"].map(Into::into)) {
            command.env_remove(variable);
        }
        // A quoted argument may hold spaces.
        let quoted = line.split('"').enumerate();
        let words = quoted.flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        });
        command.current_dir(self.root.path()).env("USER", "tester").args(words);
        // What it says of backups differs from run to run; `backup.rs` takes them.
        command.env("BACKUP_ENABLED", "false");
        // Times are shown in the zone of whoever reads them.
        command.env("TZ", "UTC");
        if let Some(url) = &self.url {
            command.env("DATABASE_URL", url);
        }
        command
    }

    /// A run that is in the middle of [`SLOW`].
    pub(crate) fn start_sleeping(&self, database: &Database) -> Child {
        let mut run = self.command("up --quiet").stdin(Stdio::null()).spawn().expect("the program starts");
        let sleeping =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        while database.psql(sleeping) == "0" {
            let ended = run.try_wait().expect("the program can be waited for");
            assert!(ended.is_none(), "the run ended too early");
        }
        run
    }

    #[track_caller]
    pub(crate) fn migrate(&self, line: &str) -> Shown {
        Shown::new(line, process::run(&mut self.command(line)))
    }

    /// Runs it and expects it to go well.
    #[track_caller]
    pub(crate) fn done(&self, line: &str) {
        let shown = self.migrate(line);
        assert_eq!(shown.output.code, 0, "{shown}");
    }

    /// Runs it with `--json`, and expects an exit code and one document with these keys in this order.
    #[track_caller]
    pub(crate) fn document(&self, line: &str, code: i32, keys: &[&str]) -> Value {
        let shown = self.migrate(&format!("{line} --json"));
        assert_eq!(shown.output.code, code, "{shown}");
        let document = shown.document();
        assert_eq!(document["format"], 1, "{shown}");
        check_keys(&document, keys);
        document
    }
}

#[track_caller]
pub(crate) fn check_keys(object: &Value, keys: &[&str]) {
    let object = object.as_object().unwrap_or_else(|| panic!("{object} is no object"));
    let mut found: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut keys = keys.to_vec();
    found.sort_unstable();
    keys.sort_unstable();
    assert_eq!(found, keys);
}

/// What one command left behind, as a snapshot shows it.
pub(crate) struct Shown {
    pub(crate) line: String,
    pub(crate) output: Output,
}

impl Shown {
    /// What `migrate` with a line of arguments left behind. A document is validated.
    #[track_caller]
    pub(crate) fn new(line: &str, output: Output) -> Self {
        schemas::check(&line.split_whitespace().collect::<Vec<_>>(), &output.stdout, output.code);
        Self { line: line.to_owned(), output }
    }

    /// Standard output, which must be one line with one document.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        assert_eq!(self.output.stdout.matches('\n').count(), 1, "{self}");
        serde_json::from_str(&self.output.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Output { code, stdout, stderr } = &self.output;
        write!(f, "$ migrate {}\n[exit {code}]\n", self.line)?;
        for (name, text) in [("stdout", stdout), ("stderr", stderr)] {
            if !text.is_empty() {
                write!(f, "--- {name}\n{text}")?;
            }
        }
        Ok(())
    }
}

/// What differs from run to run, and what stands for it. Columns after a number may move with its width, so the space
/// around numbers goes as well.
pub(crate) const REDACTIONS: [(&str, &str); 18] = [
    (r"took (\d+ ms|\d+\.\d s)", "took [ms] ms"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00", "2026-01-01 00:00:00+00"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-01-01T00:00:00Z"),
    (r"\((\d+ ms|\d+\.\d s)\)", "([ms] ms)"),
    (r"(?m)(2026-01-01 00:00:00\+00) +[\d.]+ m?s$", "$1 [ms]"),
    (r"(?m)(applied at) +took$", "$1 took"),
    (r"(?m)(started|succeeded|failed) +([\d.]+ m?s +)?tester$", "$1 [ms] tester"),
    (r"(?m)(outcome) +took +by$", "$1 took by"),
    (r"\b[0-9a-f]{64}\b", "[checksum]"),
    (r"127\.0\.0\.1:\d+/\w+", "127.0.0.1:[port]/[database]"),
    (r#"host "127\.0\.0\.1", user "(\w+)", database "\w+""#, r#"host "[host]", user "$1", database "[database]""#),
    (
        r"[\d.]+ [TGMK]iB free, and the database takes [\d.]+ (bytes|[MK]iB)",
        "[size] free, and the database takes [size]",
    ),
    (r#""execution_time_ms":\d+"#, r#""execution_time_ms":0"#),
    (r"\b\d{8}T\d{9}Z-[0-9a-f]{8}\b", "[backup]"),
    (r"\d+(\.\d)? KiB", "[size] KiB"),
    (r"/[^\s`]+/app\.db", "[folder]/app.db"),
    (r"tester on host \S+, process \d+", "tester on host [host], process [process]"),
    (r"pg_terminate_backend\(\d+\)", "pg_terminate_backend([backend])"),
];

/// Compares commands with the snapshot of the test that calls it.
macro_rules! snapshot {
    ($($shown:expr),+ $(,)?) => {{
        let mut settings = insta::Settings::clone_current();
        for (pattern, replacement) in crate::support::REDACTIONS {
            settings.add_filter(pattern, replacement);
        }
        settings.set_prepend_module_to_snapshot(true);
        settings.set_omit_expression(true);
        let shown: Vec<String> = vec![$($shown.to_string()),+];
        settings.bind(|| insta::assert_snapshot!(shown.join("\n")));
    }};
}

pub(crate) use snapshot;
