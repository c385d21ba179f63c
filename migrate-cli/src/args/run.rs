//! The arguments of what runs migrations.

use std::time::Duration;

use clap::{Args, ValueEnum};
use migrate_runtime::{Migrator, SchemaVersion};

use super::consent::{Confirmation, Consent};
use super::values::{duration, steps, version};

/// What to do about running programs that would not work with what is done.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct FleetArgs {
    /// How long to wait for running programs that this would break.
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "ignore_instances")]
    pub(crate) wait_for_fleet: Option<Duration>,
    /// Go on although running programs would break.
    #[arg(long)]
    pub(crate) ignore_instances: bool,
}

impl FleetArgs {
    /// A migrator that does so.
    pub(crate) fn applied_to(self, migrator: Migrator) -> Migrator {
        let migrator = migrator.ignore_instances(self.ignore_instances);
        match self.wait_for_fleet {
            Some(bound) => migrator.wait_for_fleet(bound),
            None => migrator,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// The last version to apply.
    #[arg(long, value_name = "VERSION", group = "target", value_parser = version)]
    pub(crate) to: Option<SchemaVersion>,
    /// How many migrations to apply.
    #[arg(long, value_name = "N", group = "target", value_parser = steps)]
    pub(crate) steps: Option<u32>,
    /// The same as `--steps N`.
    #[arg(value_name = "N", group = "target", value_parser = steps)]
    pub(crate) count: Option<u32>,
    /// `expand`, before a deploy, stops before the first step that contracts; `contract`, after it, applies these.
    #[arg(long, value_name = "PHASE", group = "target")]
    pub(crate) phase: Option<UpPhase>,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
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
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
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
    #[arg(long, value_name = "N", group = "target", value_parser = steps)]
    pub(crate) steps: Option<u32>,
    /// Show the scripts.
    #[arg(long)]
    pub(crate) sql: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// The version that stays: everything above it is undone.
    #[arg(long, value_name = "VERSION", group = "target", value_parser = version)]
    pub(crate) to: Option<SchemaVersion>,
    /// How many migrations to undo [default: 1].
    #[arg(long, value_name = "N", group = "target", value_parser = steps)]
    pub(crate) steps: Option<u32>,
    /// The same as `--steps N`.
    #[arg(value_name = "N", group = "target", value_parser = steps)]
    pub(crate) count: Option<u32>,
    /// Undo every migration, and fail at the first that has no way back.
    #[arg(long, group = "target")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) confirmation: Confirmation,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The run, by its number in the history; with `--can` the newest one of which something is left, unless it is given.
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<i64>,
    /// Say by which strategies it can be rolled back and why not by others, and do nothing. The exit code is 70 if by none.
    #[arg(long, conflicts_with_all = ["dry_run", "yes", "confirm"])]
    pub(crate) can: bool,
    /// How to roll it back.
    #[arg(long, value_name = "STRATEGY", default_value = "undo")]
    pub(crate) strategy: RollbackStrategy,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) confirmation: Confirmation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RollbackStrategy {
    /// Run the down scripts of what it applied, last one first.
    Undo,
    /// Put back the backup that was taken before it: everything that was written since is lost.
    Snapshot,
}

#[derive(Debug, Args)]
pub(crate) struct RedoArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
