//! The verbs, a file each.

mod amend;
mod baseline;
mod check;
mod compatibility;
mod down;
mod force;
mod history;
mod lock;
mod new;
mod redo;
mod repair;
mod run;
mod run_lock;
mod source;
mod status;
mod up;
mod validate;
mod version;

use std::path::Path;

use migrate_runtime::Registry;

use crate::args::{DirectoryVerb, EmbeddedVerb, Options, Verb};
use crate::config::{self, Session};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{Document, Failed, Run};
use crate::output::Printer;

pub(crate) use self::source::Differences;

/// A verb of the program `migrate`.
pub(crate) fn over_directory(verb: &DirectoryVerb, directory: &Path, options: &Options, printer: &Printer) -> Exit {
    let open = || {
        let database = config::database(&options.connection)?;
        let registry = config::registry(directory, &database, printer)?;
        Ok(Session::new(database, registry, &options.connection, printer))
    };
    let result = match verb {
        DirectoryVerb::New(args) => new::new(args, directory, printer),
        DirectoryVerb::Lock(args) => match &args.run_lock {
            Some(verb) => run_lock::run_lock(verb, open, printer),
            None => lock::lock(args, directory, printer),
        },
        DirectoryVerb::Validate => validate::validate(directory, &options.connection, printer),
        DirectoryVerb::Check => open().and_then(|mut session| check::check(&mut session, None, printer)),
        DirectoryVerb::Database(verb) => return over_database(verb, printer, open),
    };
    result.unwrap_or_else(|error| fail_without_answer(&error, printer))
}

/// A verb over the registry that is part of a program.
pub(crate) fn over_registry(
    verb: &EmbeddedVerb,
    registry: &'static Registry,
    options: &Options,
    printer: &Printer,
) -> Exit {
    let open = || {
        let database = config::database(&options.connection)?;
        Ok(Session::new(database, registry, &options.connection, printer))
    };
    let result = match verb {
        EmbeddedVerb::Check(args) => check::check_embedded(args, open, printer),
        EmbeddedVerb::Lock(verb) => run_lock::run_lock(verb, open, printer),
        EmbeddedVerb::Database(verb) => return over_database(verb, printer, open),
    };
    result.unwrap_or_else(|error| fail_without_answer(&error, printer))
}

/// A verb that works on a database, whichever registry it is for.
fn over_database(verb: &Verb, printer: &Printer, open: impl FnOnce() -> Result<Session, Error>) -> Exit {
    let runs = matches!(verb, Verb::Up(_) | Verb::Down(_) | Verb::Redo(_));
    execute(verb, printer, open).unwrap_or_else(|error| {
        if runs {
            fail(&error, printer, &Document::new(Run::failed(&error)))
        } else {
            fail_without_answer(&error, printer)
        }
    })
}

fn execute(verb: &Verb, printer: &Printer, open: impl FnOnce() -> Result<Session, Error>) -> Result<Exit, Error> {
    // What was typed is judged before any database is touched.
    match verb {
        Verb::Down(args) => down::check(args, printer)?,
        Verb::Redo(args) => redo::check(args, printer)?,
        Verb::Baseline(args) => amend::check("baseline", &args.consent, printer)?,
        Verb::Force(args) => amend::check("force", &args.consent, printer)?,
        Verb::Repair(args) => repair::check(args, printer)?,
        _ => {}
    }
    let mut session = open()?;
    match verb {
        Verb::Up(args) => up::up(args, &mut session, printer),
        Verb::Down(args) => down::down(args, &mut session, printer),
        Verb::Redo(args) => redo::redo(args, &mut session, printer),
        Verb::Status => status::status(&mut session, printer),
        Verb::Compatibility => compatibility::compatibility(&mut session, printer),
        Verb::History(args) => history::history(args, &mut session, printer),
        Verb::Version => version::version(&mut session, printer),
        Verb::Baseline(args) => baseline::baseline(args, &mut session, printer),
        Verb::Force(args) => force::force(args, &mut session, printer),
        Verb::Repair(args) => repair::repair(args, &mut session, printer),
    }
}

fn fail_without_answer(error: &Error, printer: &Printer) -> Exit {
    fail(error, printer, &Document::new(Failed::from(error)))
}

fn fail(error: &Error, printer: &Printer, document: &impl serde::Serialize) -> Exit {
    printer.document(document);
    error.print(printer);
    error.exit()
}
