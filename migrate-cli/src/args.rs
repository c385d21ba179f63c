//! What was typed.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use migrate_core::duration::parse as duration;
use migrate_runtime::{SchemaVersion, Version};

use crate::exit::Exit;

/// Applies the migrations of a directory to a SQLite or PostgreSQL database.
#[derive(Debug, Parser)]
#[command(name = "migrate", version, after_help = Exit::help())]
pub(crate) struct DirectoryCommand {
    #[command(subcommand)]
    pub(crate) verb: DirectoryVerb,
    /// The migrations directory.
    #[arg(long, global = true, value_name = "PATH", env = "MIGRATION_DIR", default_value = "migrations_v2")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// Applies the migrations that are part of this program to its database.
#[derive(Debug, Parser)]
pub(crate) struct EmbeddedCommand {
    #[command(flatten)]
    pub(crate) command: MigrateCommand,
}

/// The commands over the registry that is part of a program: a subcommand for the program's own command line.
///
/// `new`, `lock` and `validate` work on a migrations directory, which a program in production does not have; they are
/// offered by the program `migrate` only.
///
/// ```
/// use clap::Parser;
/// use migrate_cli::MigrateCommand;
///
/// #[derive(Parser)]
/// enum App {
///     /// Serve requests.
///     Serve,
///     /// Look after the database.
///     Migrate(MigrateCommand),
/// }
///
/// let app = App::try_parse_from(["app", "migrate", "check", "--database-url", "sqlite:app.db"])?;
/// assert!(matches!(app, App::Migrate(_)));
/// # Ok::<(), clap::Error>(())
/// ```
#[derive(Debug, Args)]
#[command(after_help = Exit::help())]
pub struct MigrateCommand {
    #[command(subcommand)]
    pub(crate) verb: EmbeddedVerb,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What may be typed before and after every verb.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Database options")]
pub(crate) struct ConnectionOptions {
    /// The database: `sqlite:app.db` or `postgres://user@host/name`.
    #[arg(long, global = true, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<DatabaseUrl>,
    /// The version of the program that is to work with the database.
    #[arg(long, global = true, value_name = "VERSION", env = "MIGRATION_RUNTIME_VERSION")]
    pub(crate) runtime_version: Option<Version>,
    /// The name of the ledger table [default: schema_migrations_v2].
    #[arg(long, global = true, value_name = "NAME", env = "MIGRATION_TABLE")]
    pub(crate) table: Option<String>,
    /// The schema of our tables on PostgreSQL [default: the first of the search path].
    #[arg(long, global = true, value_name = "NAME", env = "MIGRATION_SCHEMA")]
    pub(crate) schema: Option<String>,
    /// How long to wait for another run [default: as long as it is alive].
    #[arg(long, global = true, value_name = "DURATION", env = "MIGRATION_WAIT_LOCK", value_parser = duration)]
    pub(crate) wait_lock: Option<Duration>,
    /// How long a statement waits for a lock on PostgreSQL [default: 2s].
    #[arg(long, global = true, value_name = "DURATION", env = "MIGRATION_LOCK_TIMEOUT", value_parser = duration)]
    pub(crate) lock_timeout: Option<Duration>,
    /// How long a statement may take on PostgreSQL [default: no bound].
    #[arg(long, global = true, value_name = "DURATION", env = "MIGRATION_STATEMENT_TIMEOUT", value_parser = duration)]
    pub(crate) statement_timeout: Option<Duration>,
    /// Apply a pending migration also below an applied one.
    #[arg(long, global = true)]
    pub(crate) allow_out_of_order: bool,
}

#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output options")]
pub(crate) struct OutputOptions {
    /// Print one JSON document.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print errors only.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// When to colour what is printed; `auto` is on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DirectoryVerb {
    /// Write the files of a new migration.
    #[command(
        after_help = "Examples:\n  migrate new add_index\n  migrate new split_names --major --min-runtime-version 2.3.0"
    )]
    New(NewArgs),
    /// Write migrations.lock.
    #[command(after_help = "Examples:\n  migrate lock\n  migrate lock --check")]
    Lock(LockArgs),
    /// Check the directory and report every problem.
    #[command(after_help = "Example:\n  migrate validate --dir migrations_v2")]
    Validate,
    /// Judge the database; the exit code is the verdict.
    #[command(after_help = "Example:\n  migrate check --runtime-version 1.4.0")]
    Check,
    #[command(flatten)]
    Database(Verb),
}

#[derive(Debug, Subcommand)]
pub(crate) enum EmbeddedVerb {
    /// Judge the database; the exit code is the verdict.
    #[command(after_help = "Examples:\n  app migrate check\n  app migrate check --source migrations_v2")]
    Check(CheckArgs),
    #[command(flatten)]
    Database(Verb),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Apply pending migrations.
    #[command(
        after_help = "Examples:\n  migrate up\n  migrate up --to 1.2.0\n  migrate up --phase expand\n  migrate up --dry-run"
    )]
    Up(UpArgs),
    /// Undo the last applied migration, or more.
    #[command(after_help = "Examples:\n  migrate down\n  migrate down --to 1.2.0\n  migrate down --all --yes")]
    Down(DownArgs),
    /// Undo the last applied migration and apply it again.
    #[command(after_help = "Example:\n  migrate redo --yes")]
    Redo(RedoArgs),
    /// Show where every migration stands.
    #[command(after_help = "Example:\n  migrate status")]
    Status,
    /// Show which versions of the program work with the database.
    #[command(after_help = "Example:\n  migrate compatibility --runtime-version 1.4.0")]
    Compatibility,
    /// Show what was done to the database.
    #[command(after_help = "Example:\n  migrate history --limit 5")]
    History(HistoryArgs),
    /// Print the version of the database.
    #[command(after_help = "Example:\n  migrate version")]
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Lower-case letters, digits and underscores, such as `add_index`.
    pub(crate) name: String,
    /// Its version, instead of one counted up from the highest.
    #[arg(long, group = "next")]
    pub(crate) version: Option<SchemaVersion>,
    /// Count the major version up: older programs cannot work with it.
    #[arg(long, group = "next")]
    pub(crate) major: bool,
    /// Count the minor version up (the default).
    #[arg(long, group = "next")]
    pub(crate) minor: bool,
    /// Count the patch version up.
    #[arg(long, group = "next")]
    pub(crate) patch: bool,
    /// One line, shown by `status`.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The oldest version of the program that still works afterwards; a higher major version must raise it.
    #[arg(long, value_name = "VERSION")]
    pub(crate) min_runtime_version: Option<Version>,
}

#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// Only compare it with the directory.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Fail unless this program holds exactly the migrations of a directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// The last version to apply.
    #[arg(long, value_name = "VERSION", group = "target")]
    pub(crate) to: Option<SchemaVersion>,
    /// How many migrations to apply.
    #[arg(long, value_name = "N", group = "target", value_parser = value_parser!(u32).range(1..))]
    pub(crate) steps: Option<u32>,
    /// `expand`, before a deploy, stops before the first step that contracts; `contract`, after it, applies these.
    #[arg(long, value_name = "PHASE", group = "target")]
    pub(crate) phase: Option<UpPhase>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UpPhase {
    Expand,
    Contract,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// The version that stays: everything above it is undone.
    #[arg(long, value_name = "VERSION", group = "target")]
    pub(crate) to: Option<SchemaVersion>,
    /// How many migrations to undo [default: 1].
    #[arg(long, value_name = "N", group = "target", value_parser = value_parser!(u32).range(1..))]
    pub(crate) steps: Option<u32>,
    /// Undo every migration.
    #[arg(long, group = "target")]
    pub(crate) all: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RedoArgs {
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// How many rows to show, newest first.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// A URL that may hold a password, and so is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}
