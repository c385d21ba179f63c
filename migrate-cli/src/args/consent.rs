//! How a verb is told that it may change something.

use clap::Args;

/// Whether a change may be made without asking, or at all.
#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
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
