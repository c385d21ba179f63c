//! The arguments of what reads a database.

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use migrate_runtime::Version;

use super::values::{duration, program_version};

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// What to wait for.
    #[arg(long, value_name = "WHAT", default_value = "reachable")]
    pub(crate) until: Until,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// The database answers.
    Reachable,
    /// Nothing is pending, because another run has done it.
    Compatible,
    /// No run is at work; after the bound, the exit code is 75.
    Idle,
}

#[derive(Debug, Args)]
pub(crate) struct CompatibilityArgs {
    /// What to print the matrix as.
    #[arg(long, default_value = "text")]
    pub(crate) format: MatrixFormat,
    /// A further version of the program to be judged; may be given more than once.
    #[arg(long, value_name = "VERSION", value_parser = program_version)]
    pub(crate) program: Vec<Version>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatrixFormat {
    /// Tables for people.
    Text,
    /// A table for release notes.
    Markdown,
    /// A drawing.
    Svg,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// How many rows to show, newest first.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}
