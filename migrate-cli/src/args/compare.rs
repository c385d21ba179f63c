//! The arguments of what compares, and of what is tried on scratch databases.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use migrate_runtime::SchemaVersion;

use super::values::{DatabaseUrl, version};

/// Where scratch databases are made.
#[derive(Debug, Args)]
pub(crate) struct ShadowArgs {
    /// Where scratch databases are made: `sqlite::memory:`, or a PostgreSQL server for tests with a role that may create
    /// databases. A URL with a password belongs into the environment, where other users of the machine do not see it.
    /// [env: MIGRATION_SHADOW_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) shadow_url: Option<DatabaseUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// End with 70 where something differs.
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EmbeddedDiffArgs {
    /// Compare this program with a directory as well; without a database, with that alone.
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) diff: DiffArgs,
}

/// What can be done with the structure of a database.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaVerb {
    /// Print what the database is made of, as text that can be compared. No database can be built of it.
    #[command(after_help = "Examples:\n  migrate schema dump\n  migrate schema dump --output schema.txt")]
    Dump(SchemaDumpArgs),
    /// Compare the database with a file, or with what its migrations make of an empty one.
    #[command(after_help = SCHEMA_DIFF_EXAMPLES)]
    Diff(SchemaDiffArgs),
}

const SCHEMA_DIFF_EXAMPLES: &str = "\
Without FILE, the migrations that are applied are run on a scratch database, and what differs was made by somebody else.

Examples:
  migrate schema diff
  migrate schema diff --exit-code schema.txt
  migrate schema diff --shadow-url postgres://app@localhost/postgres";

#[derive(Debug, Args)]
pub(crate) struct SchemaDumpArgs {
    /// Write it to a file.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaDiffArgs {
    /// What `schema dump` has written.
    #[arg(value_name = "FILE", conflicts_with = "shadow_url")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shadow: ShadowArgs,
    /// End with 70 where something differs.
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The migrations to test; all of them, and the way from empty to the highest, if none is named.
    #[arg(value_name = "VERSION", value_parser = version)]
    pub(crate) versions: Vec<SchemaVersion>,
    #[command(flatten)]
    pub(crate) shadow: ShadowArgs,
}
