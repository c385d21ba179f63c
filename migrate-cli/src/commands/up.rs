//! `up`: applies pending migrations.

use migrate_runtime::{Phase, Target};

use super::run::{Aim, Request, run};
use crate::args::{UpArgs, UpPhase};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

pub(super) fn up(args: &UpArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let target = match (args.to, args.steps.or(args.count), args.phase) {
        (Some(version), _, _) => Target::UpTo(version),
        (None, Some(steps), _) => Target::UpBy(steps as usize),
        (None, None, Some(UpPhase::Expand)) => Target::Phase(Phase::Expand),
        (None, None, Some(UpPhase::Contract)) => Target::Phase(Phase::Contract),
        (None, None, None) => Target::Latest,
    };
    run(
        &Request { aim: Aim::Reach(target), dry_run: args.dry_run, fleet: args.fleet, confirmation: None },
        session,
        printer,
    )
}
