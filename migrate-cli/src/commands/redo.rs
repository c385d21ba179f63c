//! `redo`: undoes the last applied migration and applies it again.

use migrate_runtime::Target;

use super::run::{Aim, Request, run};
use crate::args::RedoArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

pub(super) fn redo(args: &RedoArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    run(
        &Request {
            aim: Aim::Reach(Target::Redo),
            dry_run: args.consent.dry_run,
            fleet: args.fleet,
            confirmation: Some(&args.consent.confirmation),
        },
        session,
        printer,
    )
}
