//! The arguments of what works on the migrations.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use migrate_runtime::{Dialect, SchemaVersion, Version};

use super::RunLockVerb;
use super::compare::ShadowArgs;
use super::values::{DatabaseUrl, program_version, version};

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Its name, of lower-case letters, digits and underscores; or the arguments of the template. A last `-` is `--stdin`.
    #[arg(value_name = "NAME", required_unless_present = "from")]
    pub(crate) words: Vec<String>,
    /// What to write into the scripts.
    #[arg(long, value_name = "TEMPLATE", default_value = "empty")]
    pub(crate) template: TemplateKind,
    /// For which database the scripts are; otherwise as in the set, and where that does not say, for the one that is configured.
    #[arg(long, value_name = "DATABASE")]
    pub(crate) dialect: Option<DialectKind>,
    /// Read the up script from standard input.
    #[arg(long, conflicts_with = "template")]
    pub(crate) stdin: bool,
    /// Take a migration in that was kept for later, such as `migrations_v2/later/drop_users_name`.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["template", "stdin", "dialect", "description"])]
    pub(crate) from: Option<PathBuf>,
    /// Its name, instead of the template's.
    #[arg(long)]
    pub(crate) name: Option<String>,
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
    #[arg(long, value_name = "VERSION", value_parser = program_version)]
    pub(crate) min_runtime_version: Option<Version>,
}

/// The templates of `new`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TemplateKind {
    /// `NAME`: scripts with nothing but a comment.
    Empty,
    /// `TABLE [COLUMN:TYPE]...`
    Table,
    /// `TABLE.COLUMN TYPE`
    Column,
    /// `TABLE COLUMN...`: on PostgreSQL it is built while others write.
    IndexConcurrently,
    /// `TYPE VALUE`: a value for an enum type of PostgreSQL.
    EnumValue,
    /// `rename-column TABLE.COLUMN NEW_COLUMN [TYPE]`: in three steps; the last one waits in `later/`.
    ExpandContract,
    /// `TABLE`: a new table with the rows of the old one, for what SQLite cannot change in place.
    SqliteRebuild,
    /// `TABLE.COLUMN EXPRESSION`: new values, and the proof that every row has them.
    Data,
}

/// The kinds of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectKind {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// Each has its own.
    Both,
}

impl DialectKind {
    pub(crate) fn dialects(self) -> Vec<Dialect> {
        match self {
            Self::Sqlite => vec![Dialect::Sqlite],
            Self::Postgres => vec![Dialect::Postgres],
            Self::Both => Dialect::ALL.to_vec(),
        }
    }
}

#[derive(Debug, Args)]
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
pub(crate) struct FixArgs {
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Which of two migrations of one version gets another one, where migrations.lock does not say which was released.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) renumber: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SquashArgs {
    /// The last version that goes into it, which becomes its own.
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub(crate) to: SchemaVersion,
    /// Its name.
    #[arg(long, default_value = "squashed")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) shadow: ShadowArgs,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Fail unless this program holds exactly the migrations of a directory; without a database, that is all that is checked.
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
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
    /// A picture.
    Svg,
}
