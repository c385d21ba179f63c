//! What was typed.

mod amend;
mod backup;
mod compare;
mod consent;
mod read;
mod run;
mod set;
mod shell;
mod values;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use amend::{BaselineArgs, ForceArgs, ReleaseArgs, RepairArgs};
pub(crate) use backup::{BackupVerb, ContentsArg, CreateArgs, PruneArgs, RestoreArgs, VerifyArgs};
pub(crate) use compare::{DiffArgs, EmbeddedDiffArgs, SchemaDiffArgs, SchemaDumpArgs, SchemaVerb, TestArgs};
pub(crate) use consent::{Confirmation, Consent};
pub(crate) use read::{CompatibilityArgs, HistoryArgs, MatrixFormat, Until, WaitArgs};
pub(crate) use run::{
    DownArgs, FleetArgs, GotoArgs, PlanArgs, RedoArgs, ResetArgs, RollbackArgs, RollbackStrategy, UpArgs, UpPhase,
};
pub(crate) use set::{
    CheckArgs, FixArgs, GraphArgs, GraphFormat, LockArgs, NewArgs, SquashArgs, TemplateKind, ValidateArgs,
};
pub(crate) use shell::{CompletionsArgs, ManArgs, Shell};
pub(crate) use values::{DatabaseUrl, duration, program_version};

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
    /// Print a line of JSON for each event of a run, and the document of `--json` as the last line.
    #[arg(long, global = true)]
    pub(crate) events: bool,
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
    #[command(
        after_help = "Examples:\n  migrate init\n  migrate init --dir db/migrations\n  migrate init --database-url postgres://app@localhost/app"
    )]
    Init,
    /// Write the files of a new migration.
    #[command(after_help = NEW_EXAMPLES)]
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
    /// Repair names, metadata, migrations.lock, and a version that two branches took. No script is touched.
    #[command(after_help = FIX_EXAMPLES)]
    Fix(FixArgs),
    /// Make one migration of everything up to a version, if both leave the same on a scratch database.
    #[command(after_help = SQUASH_EXAMPLES)]
    Squash(SquashArgs),
    /// Take each migration up, down and up again on a scratch database, and compare what it leaves.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    #[command(after_help = TEST_EXAMPLES)]
    Test(TestArgs),
    /// Judge the database; the exit code is the verdict.
    #[command(after_help = "Example:\n  migrate check --runtime-version 1.4.0")]
    Check,
    /// Compare the directory with what was applied to the database, script by script.
    #[command(after_help = "Examples:\n  migrate diff\n  migrate diff --exit-code")]
    Diff(DiffArgs),
    /// Print what the database is made of, or compare it.
    #[command(subcommand, after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaVerb),
    /// Show the configuration.
    #[command(subcommand, after_help = "Examples:\n  migrate config show\n  migrate config show --profile production")]
    Config(ConfigVerb),
    /// Say everything that looks wrong, and what to do about it; some checks read the whole database.
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
    /// Compare the migrations of this program with what was applied to the database, script by script.
    #[command(after_help = "Examples:\n  app migrate diff\n  app migrate diff --source migrations_v2")]
    Diff(EmbeddedDiffArgs),
    /// Print what the database is made of, or compare it.
    #[command(subcommand, after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaVerb),
    /// Show the configuration.
    #[command(subcommand, after_help = "Example:\n  migrate config show")]
    Config(EmbeddedConfigVerb),
    /// Say everything that looks wrong, and what to do about it; some checks read the whole database.
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
    #[command(
        after_help = "Examples:\n  migrate graph\n  migrate graph --format svg > graph.svg\n  migrate graph --format mermaid"
    )]
    Graph(GraphArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print each setting, its value without secrets, and where the value comes from.
    #[command(after_help = "Examples:\n  migrate config show\n  migrate config show --profile production")]
    Show,
}

/// The same of a program that embeds its migrations, which has no profiles.
#[derive(Debug, Subcommand)]
pub(crate) enum EmbeddedConfigVerb {
    /// Print each setting, its value without secrets, and where the value comes from.
    #[command(after_help = "Example:\n  migrate config show")]
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Apply pending migrations.
    #[command(
        after_help = "Examples:\n  migrate up\n  migrate up --to 1.2.0\n  migrate up --phase expand\n  migrate up --phase contract --wait-for-fleet 10m\n  migrate up --dry-run"
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
    #[command(after_help = "Examples:\n  migrate redo --dry-run\n  migrate redo --yes")]
    Redo(RedoArgs),
    /// Undo every migration, and fail at the first that has no way back, as `down --all` does.
    #[command(after_help = "Examples:\n  migrate reset --dry-run\n  migrate reset --yes")]
    Reset(ResetArgs),
    /// Undo what one run applied, or say whether that can be done.
    #[command(
        after_help = "Examples:\n  migrate rollback --can\n  migrate rollback --run 12 --dry-run\n  migrate rollback --run 12 --yes"
    )]
    Rollback(RollbackArgs),
    /// Show where every migration stands.
    #[command(after_help = "Example:\n  migrate status")]
    Status,
    /// Make every health check; some read the whole database.
    #[command(after_help = "Example:\n  migrate health --json")]
    Health,
    /// List what `up` would apply.
    #[command(after_help = "Example:\n  migrate pending")]
    Pending,
    /// Wait until the database answers, until its migrations are done, or until no other run is at work.
    #[command(
        after_help = "Examples:\n  migrate wait\n  migrate wait --until compatible --timeout 10m\n  migrate wait --until idle && pg_dump shop > shop.sql"
    )]
    Wait(WaitArgs),
    /// Show which versions of the program work with the database and with every other schema.
    #[command(after_help = COMPATIBILITY_EXAMPLES)]
    Compatibility(CompatibilityArgs),
    /// Show what was done to the database.
    #[command(after_help = "Example:\n  migrate history --limit 5")]
    History(HistoryArgs),
    /// List the programs that registered as running.
    #[command(after_help = "Example:\n  migrate instances")]
    Instances,
    /// Print the version of the database.
    #[command(after_help = "Example:\n  migrate version")]
    Version,
    /// Record what the database holds already, without running it.
    #[command(after_help = "Examples:\n  migrate baseline 1.4.0 --dry-run\n  migrate baseline 1.4.0 --yes")]
    Baseline(BaselineArgs),
    /// Take backups, look at them, and put them back.
    #[command(
        subcommand,
        after_help = "Examples:\n  migrate backup create\n  migrate backup list\n  migrate backup verify latest --deep\n  migrate backup restore 20260131T101500123Z-0123abcd\n  migrate backup prune --dry-run"
    )]
    Backup(BackupVerb),
    /// Put a backup back; what is there now is kept as one.
    #[command(
        after_help = "Examples:\n  migrate restore latest --dry-run\n  migrate restore 20260131T101500123Z-0123abcd"
    )]
    Restore(RestoreArgs),
    /// Say that a migration is applied, or is not, without running it.
    #[command(after_help = FORCE_EXAMPLES)]
    Force(ForceArgs),
    /// Show what does not fit in the ledger, or mend it.
    #[command(after_help = REPAIR_EXAMPLES)]
    Repair(RepairArgs),
}

const SCHEMA_EXAMPLES: &str = "\
Examples:
  migrate schema dump --output schema.txt
  migrate schema diff schema.txt
  migrate schema diff";

const NEW_EXAMPLES: &str = "\
Examples:
  migrate new add_index
  migrate new split_names --major --min-runtime-version 2.3.0
  migrate new --template table users email:text
  migrate new --template column users.age integer
  migrate new --template index-concurrently users email
  migrate new --template enum-value mood curious
  migrate new --template sqlite-rebuild users
  migrate new --template data users.email \"lower(email)\"
  migrate new --template expand-contract rename-column users.name full_name
  migrate new --from migrations_v2/later/drop_users_name --min-runtime-version 2.4.0
  pg_dump --schema-only shop | migrate new import -";

const FIX_EXAMPLES: &str = "\
Of two migrations of one version, the one that migrations.lock does not have gets the next free version, and so do the
unreleased ones after it. What cannot be repaired is shown, and the exit code is then 65.

Examples:
  migrate fix --dry-run
  migrate fix --yes
  migrate fix --renumber v1.2.0_tags";

const SQUASH_EXAMPLES: &str = "\
The set as it is and the squashed one are run on scratch databases: SQLite's are in memory, for PostgreSQL name a server. Where schema or
rows differ, nothing is changed. A database that applied all of the former migrations goes on as it is; one that applied only some of
them must first get to the version with the former set.

Examples:
  migrate squash --to 2.0.0 --dry-run
  migrate squash --to 2.0.0 --name initial_schema
  migrate squash --to 2.0.0 --shadow-url postgres://app@localhost/postgres --yes";

const TEST_EXAMPLES: &str = "\
After down, the schema and every row must be as before up; after the second up, the schema as after the first. Rows of
fixtures.sql are there meanwhile. This is what `migration_tests!` does in a program's own tests. SQLite runs in memory.

Examples:
  migrate test
  migrate test 1.2.0
  migrate test --shadow-url postgres://app@localhost/postgres";

const COMPATIBILITY_EXAMPLES: &str = "\
A schema is everything up to a version of the set or of the database. A program is each version that a migration asks for, that
of --runtime-version, those of the programs that run, and those of --program; what an older one holds are the migrations below the first that asks for more.

Examples:
  migrate compatibility --runtime-version 1.4.0
  migrate compatibility --runtime-version 1.4.0 --program 1.3.0 --format markdown";

const FORCE_EXAMPLES: &str = "\
Without --applied or --not-applied, one interrupted migration is settled so that the database is at VERSION.

Examples:
  migrate force 1.2.0 --applied --reason \"was run by hand\"
  migrate force 1.2.0 --not-applied --reason \"was never there\"
  migrate force 1.2.0";

const REPAIR_EXAMPLES: &str = "\
A script that was changed is accepted, an interrupted migration or its statement counts as said, and a row is forgotten that this set
does not hold and nothing can undo.

Examples:
  migrate repair
  migrate repair --all
  migrate repair 1.2.0
  migrate repair 1.2.0 --not-applied
  migrate repair 1.2.0 --statement applied";

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

/// What a verb needs of the migrations directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A set that can be run.
    Sound,
    /// A set to judge the database by: none yet is one, and migrations.lock may be behind it.
    Judge,
    /// Nothing, as it is about the database alone.
    Nothing,
}

impl DirectoryVerb {
    /// As [`Verb::runs`].
    pub(crate) const fn runs(&self) -> bool {
        matches!(self, Self::Database(verb) if verb.runs())
    }

    /// Where scratch databases are to be made, if that was typed.
    pub(crate) fn shadow_url(&self) -> Option<&DatabaseUrl> {
        match self {
            Self::Validate(args) => args.shadow_url.as_ref(),
            Self::Squash(args) => args.shadow.shadow_url.as_ref(),
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            Self::Test(args) => args.shadow.shadow_url.as_ref(),
            Self::Schema(verb) => verb.shadow_url(),
            _ => None,
        }
    }
}

impl EmbeddedVerb {
    /// As [`Verb::runs`].
    pub(crate) const fn runs(&self) -> bool {
        matches!(self, Self::Database(verb) if verb.runs())
    }

    /// Where scratch databases are to be made, if that was typed.
    pub(crate) fn shadow_url(&self) -> Option<&DatabaseUrl> {
        match self {
            Self::Schema(verb) => verb.shadow_url(),
            _ => None,
        }
    }
}

impl SchemaVerb {
    fn shadow_url(&self) -> Option<&DatabaseUrl> {
        match self {
            Self::Dump(_) => None,
            Self::Diff(args) => args.shadow.shadow_url.as_ref(),
        }
    }
}

impl Verb {
    /// Whether it runs migrations, and so answers with the document of a run.
    pub(crate) const fn runs(&self) -> bool {
        match self {
            Self::Up(_) | Self::Goto(_) | Self::Down(_) | Self::Redo(_) | Self::Reset(_) => true,
            Self::Rollback(args) => !args.can,
            _ => false,
        }
    }

    /// What it needs of the migrations directory. A way back out of trouble does not wait for a tidy one.
    pub(crate) const fn needs(&self) -> Need {
        match self {
            Self::Status
            | Self::Pending
            | Self::Compatibility(_)
            | Self::Health
            | Self::Restore(_)
            | Self::Wait(WaitArgs { until: Until::Compatible, .. }) => Need::Judge,
            Self::History(_) | Self::Instances | Self::Version | Self::Wait(_) | Self::Backup(_) => Need::Nothing,
            _ => Need::Sound,
        }
    }
}
