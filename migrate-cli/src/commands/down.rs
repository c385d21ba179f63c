//! `down`: undoes the last applied migration, or more.

use migrate_runtime::Target;

use super::run::{Request, run};
use crate::args::DownArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Printer, check_answerable};

pub(super) fn check(args: &DownArgs, printer: &Printer) -> Result<(), Error> {
    if args.dry_run || args.yes {
        return Ok(());
    }
    check_answerable("down", "look at the steps with `--dry-run`, then confirm them with `--yes`", printer)
}

pub(super) fn down(args: &DownArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let target = match (args.to, args.steps) {
        _ if args.all => Target::DownAll,
        (Some(version), _) => Target::DownTo(version),
        (None, steps) => Target::DownBy(steps.unwrap_or(1) as usize),
    };
    run(&Request { target, dry_run: args.dry_run, ask: !args.yes }, session, printer)
}
