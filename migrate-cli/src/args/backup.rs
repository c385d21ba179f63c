//! The arguments of backups.

use clap::{Args, Subcommand, ValueEnum};

use super::consent::Consent;
use super::run::FleetArgs;
use super::values::DatabaseUrl;

/// What can be done with backups.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupVerb {
    /// Take one now.
    #[command(after_help = "Examples:\n  migrate backup create\n  migrate backup create --contents schema")]
    Create(CreateArgs),
    /// List them, newest first.
    #[command(after_help = "Example:\n  migrate backup list")]
    List,
    /// Check that one can be restored.
    #[command(
        after_help = "Examples:\n  migrate backup verify latest\n  migrate backup verify latest --deep --scratch-url postgres://app@localhost/postgres"
    )]
    Verify(VerifyArgs),
    /// Put one back; what is there now is kept as one.
    #[command(after_help = "Example:\n  migrate backup restore 20260131T101500123Z-0123abcd")]
    Restore(RestoreArgs),
    /// Remove the old ones. The newest good one of a database stays.
    #[command(after_help = "Examples:\n  migrate backup prune --dry-run\n  migrate backup prune --keep 3")]
    Prune(PruneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What is in it.
    #[arg(long, value_name = "CONTENTS", default_value = "full")]
    pub(crate) contents: ContentsArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContentsArg {
    /// The structure as SQL, to look at.
    Schema,
    /// Everything.
    Full,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Its id, the beginning of it, or `latest`.
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) id: String,
    /// Restore it into a scratch database, and compare structure and numbers of rows.
    #[arg(long)]
    pub(crate) deep: bool,
    /// The server on which `--deep` makes a scratch database for a PostgreSQL backup.
    #[arg(long, value_name = "URL", requires = "deep")]
    pub(crate) scratch_url: Option<DatabaseUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Its id, the beginning of it, or `latest`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// On PostgreSQL, end the sessions of others instead of refusing.
    #[arg(long)]
    pub(crate) force: bool,
    /// Take the backup of another database.
    #[arg(long)]
    pub(crate) from_other: bool,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Keep so many of each database instead of `backup_retention_count`; 0 is all.
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<u32>,
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
