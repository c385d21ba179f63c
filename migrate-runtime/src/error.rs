//! The one error type of this crate.

use std::fmt;

use migrate_core::compat::Assessment;
use migrate_core::instances::RunningInstance;
use migrate_core::sql::Secrets;
use migrate_core::version::SchemaVersion;

use crate::report::Report;

/// Why an operation failed.
///
/// Branch on [`kind`](Self::kind), never on the text. `Display` gives one paragraph: what failed, where in which file,
/// and the database's own message and code. [`help`](Self::help) says what to do. Passwords never appear in either.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    help: Option<String>,
    migration: Option<SchemaVersion>,
    location: Option<Location>,
    statement: Option<String>,
    database: Option<DatabaseError>,
    retryable: bool,
    connection_lost: bool,
    half_done: bool,
    blockers: Vec<Blocker>,
    /// Whether it waited for a lock, and nobody could see who held it.
    blocked_unseen: bool,
    instances: Vec<RunningInstance>,
    assessment: Option<Assessment>,
    report: Option<Report>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The database cannot be reached or opened: refused connection, wrong password, missing directory.
    Unreachable,
    /// An option or URL is wrong.
    Configuration,
    /// The program must not touch this database; see [`Error::assessment`].
    Incompatible,
    /// There is no plan for the target: an unknown version, or no way back. Or the plan is not the one that was expected.
    Plan,
    /// An amendment of the ledger cannot be meant as it was said: an unknown version, or a choice that was left open.
    Usage,
    /// A migration failed. Nothing of it was kept, unless it runs outside a transaction.
    Migration,
    /// Another run holds the lock, and the bound on waiting was reached.
    LockBusy,
    /// The next step would break running programs, and the bound on waiting for them was reached; see [`Error::instances`].
    BlockedByInstances,
    /// This run lost its lock to another; it stopped before changing anything more.
    LockLost,
    /// The run was cancelled: it was asked to [`Stop`](crate::Stop), its future was dropped, or the async runtime shut down.
    /// What was committed before stays.
    Cancelled,
    /// The database refuses to be written: read-only, or rights are missing.
    ReadOnly,
    /// Our tables are damaged: some are missing, or a row cannot be read.
    Ledger,
    /// A health check of severity error failed: before the first step, and nothing was done; or after the last one, and the run
    /// was told to fail then.
    Unhealthy,
    /// The database failed outside a migration's script.
    Database,
    /// A backup could not be taken, read or put back: no room or rights, damaged files, a tool that is missing or too old.
    Backup,
}

/// A place in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The path of the file, as the registry names it.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// What the database said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseError {
    /// Its message.
    pub message: String,
    /// PostgreSQL's SQLSTATE such as `42P01`, or SQLite's extended result code such as `2067`.
    pub code: Option<String>,
    /// PostgreSQL's detail.
    pub detail: Option<String>,
    /// PostgreSQL's hint.
    pub hint: Option<String>,
}

impl DatabaseError {
    /// The same without the secrets of a script, which the database may quote.
    pub(crate) fn without(self, secrets: &Secrets<'_>) -> Self {
        let hidden = |text: String| secrets.hidden_in(&text);
        Self {
            message: hidden(self.message),
            code: self.code,
            detail: self.detail.map(hidden),
            hint: self.hint.map(hidden),
        }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(code) = &self.code {
            write!(f, " (code {code})")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "; {detail}")?;
        }
        Ok(())
    }
}

/// A PostgreSQL session that holds a lock which a step waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocker {
    /// The process id of its backend, for `pg_terminate_backend`.
    pub process: i32,
    /// The name that its application gives itself; empty when it gives none, or when this role may not see it.
    pub application: String,
    /// What it does, in PostgreSQL's words: `active`, `idle in transaction`. Empty when this role may not see it.
    pub state: String,
    /// For how many seconds its transaction has been open, if this role may see it.
    pub transaction_seconds: Option<u64>,
    /// Its last query, if the option asks for it and this role may see it.
    pub query: Option<String>,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.process)?;
        let mut known = Vec::new();
        if !self.application.is_empty() {
            known.push(format!("`{}`", self.application));
        }
        if !self.state.is_empty() {
            known.push(self.state.clone());
        }
        if let Some(seconds) = self.transaction_seconds {
            known.push(format!("its transaction open for {seconds} s"));
        }
        if let Some(query) = &self.query {
            known.push(format!("query: {query}"));
        }
        if known.is_empty() { Ok(()) } else { write!(f, " ({})", known.join(", ")) }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            help: None,
            migration: None,
            location: None,
            statement: None,
            database: None,
            retryable: false,
            connection_lost: false,
            half_done: false,
            blockers: Vec::new(),
            blocked_unseen: false,
            instances: Vec::new(),
            assessment: None,
            report: None,
            source: None,
        }))
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    pub(crate) fn with_migration(mut self, version: SchemaVersion) -> Self {
        self.0.migration = Some(version);
        self
    }

    pub(crate) fn with_location(mut self, location: Location) -> Self {
        self.0.location = Some(location);
        self
    }

    pub(crate) fn with_statement(mut self, statement: String) -> Self {
        self.0.statement = Some(statement);
        self
    }

    pub(crate) fn with_database(mut self, database: DatabaseError) -> Self {
        self.0.database = Some(database);
        self
    }

    pub(crate) fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    pub(crate) fn with_connection_lost(mut self, lost: bool) -> Self {
        self.0.connection_lost = lost;
        self
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn with_half_done(mut self, half_done: bool) -> Self {
        self.0.half_done = half_done;
        self
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn with_blocked_unseen(mut self, unseen: bool) -> Self {
        self.0.blocked_unseen = unseen;
        self
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn with_blockers(mut self, blockers: Vec<Blocker>) -> Self {
        self.0.blockers = blockers;
        self
    }

    pub(crate) fn with_instances(mut self, instances: Vec<RunningInstance>) -> Self {
        self.0.instances = instances;
        self
    }

    pub(crate) fn with_assessment(mut self, assessment: Assessment) -> Self {
        self.0.assessment = Some(assessment);
        self
    }

    pub(crate) fn with_report(mut self, report: Report) -> Self {
        self.0.report = Some(report);
        self
    }

    pub(crate) fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// Adds that something went wrong while this failure was dealt with.
    pub(crate) fn and_also(self, what: &str, result: Result<(), Self>) -> Self {
        let Err(other) = result else {
            return self;
        };
        let other = other.to_string();
        // What went wrong may begin with the same words.
        if other.starts_with(what) { self.noting(&other) } else { self.noting(&format!("{what}: {other}")) }
    }

    /// Adds a remark to the sentence.
    pub(crate) fn noting(mut self, remark: &str) -> Self {
        self.0.message = format!("{} ({remark})", self.0.message);
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The migration that failed, if it was one.
    #[must_use]
    pub fn migration(&self) -> Option<SchemaVersion> {
        self.0.migration
    }

    /// Where in which script.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.0.location.as_ref()
    }

    /// The failing statement, shortened to a line.
    #[must_use]
    pub fn statement(&self) -> Option<&str> {
        self.0.statement.as_deref()
    }

    /// What the database said.
    #[must_use]
    pub fn database(&self) -> Option<&DatabaseError> {
        self.0.database.as_ref()
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Whether the same attempt may succeed later: a lock timeout, a deadlock, a serialization failure, a busy file.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Whether the connection to the database was lost meanwhile. What the run had under way may or may not have taken
    /// effect; the ledger tells.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        self.0.connection_lost
    }

    /// Whether it was cancelled because it took too long.
    pub(crate) fn is_out_of_time(&self) -> bool {
        let code = self.0.database.as_ref().and_then(|database| database.code.as_deref());
        self.0.kind == ErrorKind::Cancelled || code == Some("57014")
    }

    /// Whether a part of the statement that failed may have taken effect: it commits by itself.
    pub(crate) fn is_half_done(&self) -> bool {
        self.0.half_done
    }

    /// Who held the locks that a step waited for in vain, as far as a second connection could see it.
    #[must_use]
    pub fn blockers(&self) -> &[Blocker] {
        &self.0.blockers
    }

    /// The running programs behind [`ErrorKind::BlockedByInstances`].
    #[must_use]
    pub fn instances(&self) -> &[RunningInstance] {
        &self.0.instances
    }

    /// The findings behind [`ErrorKind::Incompatible`].
    #[must_use]
    pub fn assessment(&self) -> Option<&Assessment> {
        self.0.assessment.as_ref()
    }

    /// What was done before the failure.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.0.report.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.0.location {
            write!(f, "{location}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(database) = &self.0.database {
            write!(f, ": {database}")?;
        }
        for (index, blocker) in self.0.blockers.iter().enumerate() {
            write!(f, "{} {blocker}", if index == 0 { "; blocked by" } else { "," })?;
        }
        if self.0.blocked_unseen {
            f.write_str("; who blocked it is unknown")?;
        }
        for (index, instance) in self.0.instances.iter().enumerate() {
            write!(f, "{} {instance}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    /// What a program prints that returns the error from `main`: the sentence, the statement, and what to do about it. The
    /// report and the assessment, which name every migration, are asked for by themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        if let Some(statement) = &self.0.statement {
            write!(f, "\n  statement: {statement}")?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n\nhint: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
