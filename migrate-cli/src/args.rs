//! What was typed.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use migrate_core::duration::parse_typed;
use migrate_core::version::VersionError;
use migrate_runtime::{SchemaVersion, Standing, Version};

use crate::exit::Exit;
use crate::settings::Typed;

/// Applies the migrations of a directory to a SQLite or PostgreSQL database.
#[derive(Debug, Parser)]
#[command(name = "migrate", version, after_help = Exit::help())]
pub(crate) struct DirectoryCommand {
    #[command(subcommand)]
    pub(crate) verb: DirectoryVerb,
    #[command(flatten)]
    pub(crate) settings: Typed<true>,
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
/// `new`, `validate` and the `lock` that writes `migrations.lock` work on a migrations directory, which a program in
/// production does not have; they are offered by the program `migrate` only.
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
    pub(crate) settings: Typed<false>,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
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
    /// Write migrate.toml, the migrations directory and .gitignore, as far as they are not there.
    #[command(after_help = "Examples:\n  migrate init\n  migrate init --dir db/migrations")]
    Init,
    /// Write the files of a new migration.
    #[command(
        after_help = "Examples:\n  migrate new add_index\n  migrate new split_names --major --min-runtime-version 2.3.0"
    )]
    New(NewArgs),
    /// Write migrations.lock; or show or free the run lock.
    #[command(
        after_help = "Examples:\n  migrate lock\n  migrate lock --check\n  migrate lock show\n  migrate lock release"
    )]
    Lock(LockArgs),
    /// Check the directory and report every problem.
    #[command(
        after_help = "Examples:\n  migrate validate\n  migrate validate --shadow-url postgres://app@localhost/postgres\n  migrate validate --shadow-url sqlite::memory:"
    )]
    Validate(ValidateArgs),
    /// Judge the database; the exit code is the verdict.
    #[command(after_help = "Example:\n  migrate check --runtime-version 1.4.0")]
    Check,
    /// Show the configuration.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Say everything that looks wrong, and what to do about it.
    #[command(after_help = "Example:\n  migrate doctor")]
    Doctor,
    #[command(flatten)]
    Shell(ShellVerb),
    #[command(flatten)]
    Set(SetVerb),
    #[command(flatten)]
    Database(Verb),
}

#[derive(Debug, Subcommand)]
pub(crate) enum EmbeddedVerb {
    /// Judge the database; the exit code is the verdict.
    #[command(after_help = "Examples:\n  app migrate check\n  app migrate check --source migrations_v2")]
    Check(CheckArgs),
    /// Show the configuration.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Say everything that looks wrong, and what to do about it.
    #[command(after_help = "Example:\n  migrate doctor")]
    Doctor,
    #[command(flatten)]
    Set(SetVerb),
    /// Show or free the run lock.
    #[command(subcommand, after_help = "Examples:\n  app migrate lock show\n  app migrate lock release")]
    Lock(RunLockVerb),
    #[command(flatten)]
    Database(Verb),
}

/// What needs nothing but the definitions of the command line.
#[derive(Debug, Subcommand)]
pub(crate) enum ShellVerb {
    /// Print the completions of a shell.
    #[command(
        after_help = "Examples:\n  migrate completions bash > /etc/bash_completion.d/migrate\n  migrate completions zsh > ~/.zfunc/_migrate"
    )]
    Completions(CompletionsArgs),
    /// Print the manual page of a command.
    #[command(after_help = "Examples:\n  migrate man | man -l -\n  migrate man up > migrate-up.1")]
    Man(ManArgs),
}

/// What needs the migrations and no database.
#[derive(Debug, Subcommand)]
pub(crate) enum SetVerb {
    /// List the migrations, without a database.
    #[command(after_help = "Example:\n  migrate list")]
    List,
    /// Draw which migration depends on which.
    #[command(after_help = "Examples:\n  migrate graph\n  migrate graph --format dot | dot -Tsvg > graph.svg")]
    Graph(GraphArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print each setting, its value without secrets, and where the value comes from.
    #[command(after_help = "Examples:\n  migrate config show\n  migrate config show --profile production")]
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Apply pending migrations.
    #[command(
        after_help = "Examples:\n  migrate up\n  migrate up --to 1.2.0\n  migrate up --phase expand\n  migrate up --dry-run"
    )]
    Up(UpArgs),
    /// Bring the database to exactly a version, up or down.
    #[command(after_help = "Examples:\n  migrate goto 1.2.0\n  migrate goto 1.2.0 --dry-run")]
    Goto(GotoArgs),
    /// Show what `up` or `goto` would do, and with `--sql` the scripts.
    #[command(after_help = "Examples:\n  migrate plan\n  migrate plan --to 1.2.0 --sql")]
    Plan(PlanArgs),
    /// Undo the last applied migration, or more.
    #[command(after_help = "Examples:\n  migrate down\n  migrate down --to 1.2.0\n  migrate down --all --yes")]
    Down(DownArgs),
    /// Undo the last applied migration and apply it again.
    #[command(after_help = "Example:\n  migrate redo --yes")]
    Redo(RedoArgs),
    /// Show where every migration stands.
    #[command(after_help = "Example:\n  migrate status")]
    Status,
    /// List what `up` would apply.
    #[command(after_help = "Example:\n  migrate pending")]
    Pending,
    /// Wait until the database answers, or until its migrations are done.
    #[command(after_help = "Examples:\n  migrate wait\n  migrate wait --until compatible --timeout 10m")]
    Wait(WaitArgs),
    /// Show which versions of the program work with the database.
    #[command(after_help = "Example:\n  migrate compatibility --runtime-version 1.4.0")]
    Compatibility,
    /// Show what was done to the database.
    #[command(after_help = "Example:\n  migrate history --limit 5")]
    History(HistoryArgs),
    /// Print the version of the database.
    #[command(after_help = "Example:\n  migrate version")]
    Version,
    /// Record what the database holds already, without running it.
    #[command(after_help = "Examples:\n  migrate baseline 1.4.0 --dry-run\n  migrate baseline 1.4.0 --yes")]
    Baseline(BaselineArgs),
    /// Say that a migration is applied, or is not, without running it.
    #[command(after_help = FORCE_EXAMPLES)]
    Force(ForceArgs),
    /// Show what does not fit in the ledger, or mend it.
    #[command(after_help = REPAIR_EXAMPLES)]
    Repair(RepairArgs),
}

const FORCE_EXAMPLES: &str = "\
Without --applied or --not-applied, one interrupted migration is settled so that the database is at VERSION.

Examples:
  migrate force 1.2.0 --applied --reason \"was run by hand\"
  migrate force 1.2.0 --not-applied --reason \"was never there\"
  migrate force 1.2.0";

const REPAIR_EXAMPLES: &str = "\
A script that was changed is accepted, an interrupted migration counts as said, and a row is forgotten that this set
does not hold and nothing can undo.

Examples:
  migrate repair
  migrate repair --all
  migrate repair 1.2.0
  migrate repair 1.2.0 --not-applied";

/// What can be done with the run lock.
#[derive(Debug, Subcommand)]
pub(crate) enum RunLockVerb {
    /// Show who holds the run lock. Writes nothing.
    #[command(after_help = "Example:\n  migrate lock show")]
    Show,
    /// Free the run lock that a dead run left behind.
    #[command(after_help = "Examples:\n  migrate lock release\n  migrate lock release --force --yes")]
    Release(ReleaseArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Lower-case letters, digits and underscores, such as `add_index`.
    pub(crate) name: String,
    /// Its version, instead of one counted up from the highest.
    #[arg(long, group = "next", value_parser = version)]
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
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct LockArgs {
    #[command(subcommand)]
    pub(crate) run_lock: Option<RunLockVerb>,
    /// Only compare migrations.lock with the directory.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Run the set on a scratch database as well: up, down and up again. For PostgreSQL name a server for tests and a role that
    /// may create databases. A URL with a password belongs into the environment, where other users of the machine do not see it.
    /// [env: MIGRATION_SHADOW_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) shadow_url: Option<DatabaseUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// Free it also while its holder is alive, which then stops with an error before its next change.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct BaselineArgs {
    /// The last version that the database holds already.
    #[arg(value_parser = version)]
    pub(crate) version: SchemaVersion,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct ForceArgs {
    /// The migration.
    #[arg(value_parser = version)]
    pub(crate) version: SchemaVersion,
    #[command(flatten)]
    pub(crate) standing: StandingArgs,
    /// Why, for the history.
    #[arg(
        long,
        value_name = "TEXT",
        required_if_eq_any = [("applied", "true"), ("not_applied", "true")],
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// The migrations; without any, what could be repaired is shown.
    #[arg(value_name = "VERSION", value_parser = version)]
    pub(crate) versions: Vec<SchemaVersion>,
    #[command(flatten)]
    pub(crate) standing: StandingArgs,
    /// Repair what cannot be wrong: accept scripts that differ in comments or white space only.
    #[arg(long, conflicts_with_all = ["versions", "applied", "not_applied"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// How a migration stands.
#[derive(Debug, Args)]
pub(crate) struct StandingArgs {
    /// It is in effect.
    #[arg(long, group = "standing")]
    applied: bool,
    /// It is not in effect, and nothing of it is left.
    #[arg(long, group = "standing")]
    not_applied: bool,
}

impl StandingArgs {
    pub(crate) const fn get(&self) -> Option<Standing> {
        match (self.applied, self.not_applied) {
            (true, _) => Some(Standing::Applied),
            (_, true) => Some(Standing::NotApplied),
            _ => None,
        }
    }
}

/// Whether a change may be made without asking, or at all.
#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) confirmation: Confirmation,
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
    #[arg(long, value_name = "VERSION", group = "target", value_parser = version)]
    pub(crate) to: Option<SchemaVersion>,
    /// How many migrations to apply.
    #[arg(long, value_name = "N", group = "target", value_parser = value_parser!(u32).range(1..))]
    pub(crate) steps: Option<u32>,
    /// The same as `--steps N`.
    #[arg(value_name = "N", group = "target", value_parser = value_parser!(u32).range(1..))]
    pub(crate) count: Option<u32>,
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
pub(crate) struct GotoArgs {
    /// The version that the database is to have: what is pending up to it is applied, what is above it undone.
    #[arg(value_parser = version)]
    pub(crate) version: SchemaVersion,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) confirmation: Confirmation,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The version to go to, up or down, as with `goto`.
    #[arg(long, value_name = "VERSION", group = "target", value_parser = version)]
    pub(crate) to: Option<SchemaVersion>,
    /// How many migrations to apply.
    #[arg(long, value_name = "N", group = "target", value_parser = value_parser!(u32).range(1..))]
    pub(crate) steps: Option<u32>,
    /// Show the scripts.
    #[arg(long)]
    pub(crate) sql: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// What to wait for.
    #[arg(long, value_name = "WHAT", default_value = "reachable")]
    pub(crate) until: Until,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_typed)]
    pub(crate) timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// The database answers.
    Reachable,
    /// Nothing is pending, because another run has done it.
    Compatible,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// The language of the drawing.
    #[arg(long, default_value = "text")]
    pub(crate) format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Lines for people.
    Text,
    /// Graphviz.
    Dot,
    /// Mermaid, which many web pages draw.
    Mermaid,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell.
    pub(crate) shell: Shell,
}

/// The shells whose completions can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Which command; `migrate` itself if none is named.
    pub(crate) command: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// The version that stays: everything above it is undone.
    #[arg(long, value_name = "VERSION", group = "target", value_parser = version)]
    pub(crate) to: Option<SchemaVersion>,
    /// How many migrations to undo [default: 1].
    #[arg(long, value_name = "N", group = "target", value_parser = value_parser!(u32).range(1..))]
    pub(crate) steps: Option<u32>,
    /// The same as `--steps N`.
    #[arg(value_name = "N", group = "target", value_parser = value_parser!(u32).range(1..))]
    pub(crate) count: Option<u32>,
    /// Undo every migration.
    #[arg(long, group = "target")]
    pub(crate) all: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) confirmation: Confirmation,
}

#[derive(Debug, Args)]
pub(crate) struct RedoArgs {
    #[command(flatten)]
    pub(crate) confirmation: Confirmation,
}

/// How a verb that may destroy data is told that it may.
#[derive(Debug, Args)]
pub(crate) struct Confirmation {
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Do not ask, if this is the database's name; a protected database needs it instead of `--yes`.
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
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

impl Verb {
    /// Whether it runs migrations, and so answers with the document of a run.
    pub(crate) const fn runs(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Goto(_) | Self::Down(_) | Self::Redo(_))
    }
}

/// The version of a migration; for one that is written too short, the one that was probably meant.
fn version(text: &str) -> Result<SchemaVersion, String> {
    text.parse().map_err(|error: VersionError| {
        let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let padded = format!("{digits}{}", ".0".repeat(2_usize.saturating_sub(digits.matches('.').count())));
        match padded.parse::<SchemaVersion>() {
            Ok(meant) => format!("{error}; did you mean `{meant}`?"),
            Err(_) => error.to_string(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_are_too_short_are_completed() {
        for (text, meant) in [("1.1", "`1.1.0`"), ("2", "`2.0.0`"), ("v1.2.3", "`1.2.3`"), ("v1", "`1.0.0`")] {
            let error = version(text).unwrap_err();
            assert!(error.ends_with(&format!("did you mean {meant}?")), "{error}");
        }
        assert!(!version("1.x").unwrap_err().contains("did you mean"));
        assert_eq!(version("1.2.3"), Ok(SchemaVersion::new(1, 2, 3)));
    }
}
