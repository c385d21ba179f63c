//! `redo`: undoes the last applied migration and applies it again.

use migrate_runtime::Target;

use super::confirm;
use super::run::{Aim, Request, run};
use crate::args::RedoArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

pub(super) fn check(args: &RedoArgs, protected: bool, printer: &Printer) -> Result<(), Error> {
    confirm::check("`redo` may destroy data", &args.confirmation, protected, "confirm with `--yes`", printer)
}

pub(super) fn redo(args: &RedoArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let confirmation = Some(&args.confirmation);
    run(&Request { aim: Aim::Reach(Target::Redo), dry_run: false, fleet: args.fleet, confirmation }, session, printer)
}
