//! The arguments of what changes ledger and lock without running anything.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use migrate_runtime::{SchemaVersion, Standing};

use super::consent::Consent;
use super::run::FleetArgs;
use super::values::version;

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
    pub(crate) fleet: FleetArgs,
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
    pub(crate) fleet: FleetArgs,
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
    /// Settle the one statement of an interrupted migration of which nothing tells whether it took effect; the next run goes on
    /// behind it, or with it.
    #[arg(long, value_name = "STANDING", requires = "versions", conflicts_with = "standing")]
    pub(crate) statement: Option<StatementStanding>,
    /// Repair what cannot be wrong: accept scripts that differ in comments or white space only.
    #[arg(long, conflicts_with_all = ["versions", "applied", "not_applied", "statement"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// How a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatementStanding {
    /// It took effect.
    Applied,
    /// It did not, and nothing of it is left.
    NotApplied,
}

impl From<StatementStanding> for Standing {
    fn from(standing: StatementStanding) -> Self {
        match standing {
            StatementStanding::Applied => Self::Applied,
            StatementStanding::NotApplied => Self::NotApplied,
        }
    }
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
