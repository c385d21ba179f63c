//! `force`: says that a migration is applied, or is not, without running it.

use migrate_runtime::Amendment;

use super::amend::amend;
use crate::args::ForceArgs;
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;

pub(super) fn force(args: &ForceArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let version = args.version;
    let standing = args.standing.get();
    // Only the short form has none: it says by itself what it is for.
    let reason = args.reason.clone().unwrap_or_else(|| format!("force {version}"));
    amend("force", Amendment::Force { version, standing, reason }, args.fleet, &args.consent, session, printer)
}
