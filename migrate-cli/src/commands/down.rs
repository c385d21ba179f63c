//! `down`: undoes the last applied migration, or more; `reset`, all of them.

use migrate_runtime::Target;

use super::confirm;
use super::run::{Aim, Request, run};
use crate::args::{Confirmation, DownArgs, ResetArgs};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

pub(super) fn check(args: &DownArgs, protected: bool, printer: &Printer) -> Result<(), Error> {
    check_consent("down", args.dry_run, &args.confirmation, protected, printer)
}

pub(super) fn check_reset(args: &ResetArgs, protected: bool, printer: &Printer) -> Result<(), Error> {
    check_consent("reset", args.dry_run, &args.confirmation, protected, printer)
}

fn check_consent(
    verb: &str,
    dry_run: bool,
    confirmation: &Confirmation,
    protected: bool,
    printer: &Printer,
) -> Result<(), Error> {
    if dry_run {
        return Ok(());
    }
    let help = "look at the steps with `--dry-run`, then confirm them with `--yes`";
    confirm::check(&format!("`{verb}` may destroy data"), confirmation, protected, help, printer)
}

pub(super) fn down(args: &DownArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let target = match (args.to, args.steps.or(args.count)) {
        _ if args.all => Target::DownAll,
        (Some(version), _) => Target::DownTo(version),
        (None, steps) => Target::DownBy(steps.unwrap_or(1) as usize),
    };
    run(
        &Request {
            aim: Aim::Reach(target),
            dry_run: args.dry_run,
            fleet: args.fleet,
            confirmation: Some(&args.confirmation),
        },
        session,
        printer,
    )
}

pub(super) fn reset(args: &ResetArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    run(
        &Request {
            aim: Aim::Reach(Target::DownAll),
            dry_run: args.dry_run,
            fleet: args.fleet,
            confirmation: Some(&args.confirmation),
        },
        session,
        printer,
    )
}
