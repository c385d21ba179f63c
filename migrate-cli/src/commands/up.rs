//! `up`: applies pending migrations.

use migrate_runtime::Target;

use super::run::{Request, run};
use crate::args::UpArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

pub(super) fn up(args: &UpArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let target = match (args.to, args.steps.or(args.count)) {
        (Some(version), _) => Target::UpTo(version),
        (None, Some(steps)) => Target::UpBy(steps as usize),
        (None, None) => Target::Latest,
    };
    run(&Request { target, dry_run: args.dry_run, confirmation: None }, session, printer)
}
