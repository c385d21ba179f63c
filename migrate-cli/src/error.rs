//! Why a command failed, and the sentences of it.

use migrate_core::diagnostic::{Code, Diagnostic, Severity};
use migrate_core::metadata::UNREADABLE_JSON;
use migrate_runtime::ErrorKind;

use crate::commands::Differences;
use crate::exit::Exit;
use crate::output::{Printer, count};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// Something that the command itself found.
    Plain { exit: Exit, kind: &'static str, message: String, help: Option<String> },
    /// The migrations directory has problems, at least one of which is an error.
    Directory(Vec<Diagnostic>),
    /// The program holds other migrations than the directory that it is compared with.
    Stale { directory: String, differences: Differences, help: String },
    /// An operation on a database failed.
    Runtime {
        error: Box<migrate_runtime::Error>,
        exit: Exit,
        /// What to do about it, where the directory says more than the database.
        help: Option<String>,
    },
}

impl Error {
    /// The command was typed wrongly in a way that only its meaning shows.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Plain { exit: Exit::Usage, kind: "usage", message: message.into(), help: Some(help.into()) }
    }

    pub(crate) fn configuration(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Plain {
            exit: Exit::Configuration,
            kind: "configuration",
            message: message.into(),
            help: Some(help.into()),
        }
    }

    /// The operation did not take place.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Plain { exit: Exit::Failed, kind: "failed", message: message.into(), help: None }
    }

    /// Another run has not come to its end.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        let help = "wait longer with `--timeout`, or look with `migrate lock show`".to_owned();
        Self::Plain { exit: Exit::LockBusy, kind: "lock_busy", message: message.into(), help: Some(help) }
    }

    /// The program itself is wrong; `said` is what its panic says.
    pub(crate) fn defect(said: &str) -> Self {
        Self::Plain {
            exit: Exit::Failed,
            kind: "defect",
            message: format!("this program has a defect: {said}"),
            help: Some("what was committed stays, and `migrate status` shows it; please report the defect with what stands above".to_owned()),
        }
    }

    /// The migrations directory is not as it should be, in a way that no diagnostic says.
    pub(crate) fn directory(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Plain { exit: Exit::Directory, kind: "directory", message: message.into(), help: Some(help.into()) }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Plain { exit, .. } | Self::Runtime { exit, .. } => *exit,
            Self::Directory(_) => Exit::Directory,
            Self::Stale { .. } => Exit::Failed,
        }
    }

    /// The word used in JSON.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Plain { kind, .. } => kind,
            Self::Directory(_) => "directory",
            Self::Stale { .. } => "stale",
            Self::Runtime { exit: Exit::Usage, .. } => "usage",
            Self::Runtime { error, .. } => kind(error.kind()),
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Plain { message, .. } => message.clone(),
            Self::Directory(diagnostics) => summary(diagnostics),
            Self::Stale { directory, .. } => format!("this program holds other migrations than {directory}"),
            Self::Runtime { error, .. } => error.to_string(),
        }
    }

    pub(crate) fn help(&self) -> Option<&str> {
        match self {
            Self::Plain { help, .. } => help.as_deref(),
            Self::Directory(_) => None,
            Self::Stale { help, .. } => Some(help),
            Self::Runtime { error, help, .. } => help.as_deref().or_else(|| error.help()),
        }
    }

    /// Tells people.
    pub(crate) fn print(&self, printer: &Printer) {
        let mut further = Vec::new();
        match self {
            Self::Plain { .. } => {}
            Self::Directory(diagnostics) => print_diagnostics(diagnostics, printer),
            Self::Stale { differences, .. } => further.extend(differences.lines()),
            Self::Runtime { error, .. } => {
                further.extend(error.statement().map(|statement| format!("statement: {statement}")));
                let database_hint = error.database().and_then(|database| database.hint.as_deref());
                further.extend(database_hint.map(|hint| format!("the database's hint: {hint}")));
                if printer.verbose() {
                    let mut source = std::error::Error::source(&**error);
                    while let Some(cause) = source {
                        further.push(format!("cause: {cause}"));
                        source = cause.source();
                    }
                }
            }
        }
        printer.error(&self.message(), &further, self.help());
    }
}

impl From<migrate_runtime::Error> for Error {
    fn from(error: migrate_runtime::Error) -> Self {
        Self::Runtime { exit: Exit::of_kind(error.kind()), error: Box::new(error), help: None }
    }
}

/// Prints problems one after the other: errors always, warnings unless `--quiet`.
pub(crate) fn print_diagnostics(diagnostics: &[Diagnostic], printer: &Printer) {
    for diagnostic in diagnostics {
        match diagnostic.severity {
            Severity::Error => printer.error(&with_fix(diagnostic).render(), &[], None),
            Severity::Warning => printer.warning(&diagnostic.render()),
        }
    }
}

/// The same problem, with the verb that repairs the like of it.
fn with_fix(diagnostic: &Diagnostic) -> Diagnostic {
    let may_be_repaired = matches!(
        diagnostic.code,
        Code::MisnamedMigration
            | Code::MisnamedFile
            | Code::MissingMetadata
            | Code::InvalidJson
            | Code::InvalidVersion
            | Code::InvalidName
            | Code::VersionMismatch
            | Code::NameMismatch
            | Code::DuplicateVersion
    ) && diagnostic.help.as_deref() != Some(UNREADABLE_JSON);
    let help = match &diagnostic.help {
        _ if !may_be_repaired => diagnostic.help.clone(),
        Some(help) if help.ends_with('?') => Some(format!("{help} Or run `migrate fix`")),
        Some(help) => Some(format!("{help}; or run `migrate fix`")),
        None => Some("run `migrate fix`".to_owned()),
    };
    Diagnostic { help, ..diagnostic.clone() }
}

/// How many of the problems are this bad.
pub(crate) fn number_of(severity: Severity, diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    format!("the migrations directory has {}", count(number_of(Severity::Error, diagnostics), "error"))
}

/// The word used in JSON for a failure of an operation on a database.
pub(crate) const fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unreachable => "unreachable",
        ErrorKind::Configuration => "configuration",
        ErrorKind::Incompatible => "incompatible",
        ErrorKind::Plan => "plan",
        ErrorKind::Usage => "usage",
        ErrorKind::Migration => "migration",
        ErrorKind::LockBusy => "lock_busy",
        ErrorKind::BlockedByInstances => "blocked_by_instances",
        ErrorKind::LockLost => "lock_lost",
        ErrorKind::ReadOnly => "read_only",
        ErrorKind::Ledger => "ledger",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::Unhealthy => "unhealthy",
        ErrorKind::Database => "database",
        ErrorKind::Backup => "backup",
        _ => "other",
    }
}
