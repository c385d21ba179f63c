//! `redo`: undoes the last applied migration and applies it again.

use migrate_runtime::Target;

use super::run::{Request, run};
use crate::args::RedoArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Printer, check_answerable};

pub(super) fn check(args: &RedoArgs, printer: &Printer) -> Result<(), Error> {
    if args.yes {
        return Ok(());
    }
    check_answerable("redo", "confirm with `--yes`", printer)
}

pub(super) fn redo(args: &RedoArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    run(&Request { target: Target::Redo, dry_run: false, ask: !args.yes }, session, printer)
}
