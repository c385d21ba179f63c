//! The arguments of what works on the migrations.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use migrate_runtime::{SchemaVersion, Version};

use super::RunLockVerb;
use super::values::{DatabaseUrl, version};

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
pub(crate) struct CheckArgs {
    /// Fail unless this program holds exactly the migrations of a directory.
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
}
