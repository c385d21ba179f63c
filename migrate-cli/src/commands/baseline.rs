//! `baseline`: records what the database holds already, without running it.

use migrate_runtime::Amendment;

use super::amend::amend;
use crate::args::BaselineArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

pub(super) fn baseline(args: &BaselineArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    amend("baseline", Amendment::Baseline { version: args.version }, args.fleet, &args.consent, session, printer)
}
