//! Asking before data may be destroyed or the ledger is changed by hand: a yes, or, for a protected database, its name.

use crate::args::Confirmation;
use crate::config::Session;
use crate::error::Error;
use crate::output::{Printer, check_answerable};

/// Fails, before any database is touched, where a question is due and nobody can answer it. `why` is the reason for asking.
pub(super) fn check(
    why: &str,
    confirmation: &Confirmation,
    protected: bool,
    help: &str,
    printer: &Printer,
) -> Result<(), Error> {
    if !is_due(confirmation, protected) {
        return Ok(());
    }
    if protected {
        return check_answerable(why, "the database is protected: confirm with its name, `--confirm NAME`", printer);
    }
    check_answerable(why, help, printer)
}

/// Whether something is to be asked, given what was typed.
pub(super) fn is_due(confirmation: &Confirmation, protected: bool) -> bool {
    confirmation.confirm.is_none() && (protected || !confirmation.yes)
}

/// Fails if a name was typed that is not the database's.
pub(super) fn check_name(confirmation: &Confirmation, session: &Session) -> Result<(), Error> {
    let name = session.database.name();
    match &confirmation.confirm {
        // A database without a name cannot be confirmed by it.
        Some(typed) if *typed != name || name.is_empty() => Err(Error::usage(
            format!("`--confirm {typed}` does not name the database, which is `{name}`"),
            "nothing was changed; make sure that it is the database that you mean",
        )),
        _ => Ok(()),
    }
}

/// Asks on the terminal, in a way that fits the database.
pub(super) fn ask(question: &str, session: &Session, printer: &Printer) -> Result<(), Error> {
    let confirmed = if session.protected {
        printer.confirm_by_name(question, &session.database.name())
    } else {
        printer.confirm(question)
    };
    if confirmed { Ok(()) } else { Err(Error::failed("not confirmed; nothing was changed")) }
}
