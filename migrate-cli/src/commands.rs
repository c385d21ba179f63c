//! The verbs, a file each.

mod amend;
mod backup;
mod baseline;
mod check;
mod compatibility;
mod config_show;
mod confirm;
mod diff;
mod doctor;
mod down;
mod fix;
mod force;
mod goto;
mod graph;
mod health;
mod history;
mod init;
mod instances;
mod list;
mod lock;
mod new;
mod pending;
mod plan;
mod redo;
mod repair;
mod restore;
mod rollback;
mod run;
mod run_lock;
mod schema;
mod scratch;
#[cfg(feature = "program")]
mod shell;
mod source;
mod squash;
mod status;
mod stored;
#[cfg(all(feature = "program", any(feature = "sqlite", feature = "postgres")))]
mod test;
mod text_diff;
mod up;
mod validate;
mod version;
mod wait;

use migrate_runtime::Registry;

use crate::args::{
    BackupVerb, ConfigVerb, DirectoryCommand, DirectoryVerb, EmbeddedConfigVerb, EmbeddedVerb, Need, SetVerb, Verb,
};
use crate::config::{self, Session};
use crate::configuration::{Configuration, ConnectionOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{Document, Failed, Run};
use crate::output::Printer;
use crate::settings::{Key, Typed};

pub(crate) use self::source::Differences;

/// A verb of the program `migrate`.
#[cfg(feature = "program")]
pub(crate) fn over_directory(typed: DirectoryCommand, printer: &Printer) -> Exit {
    let DirectoryCommand { verb, settings, options } = typed;
    if let DirectoryVerb::Shell(verb) = &verb {
        return shell::shell(verb, printer).unwrap_or_else(|error| fail_without_answer(&error, printer));
    }
    let mut typed = [settings.0, options.settings.0].concat();
    typed.extend(verb.shadow_url().map(|url| (Key::ShadowUrl, url.reveal().to_owned())));
    let configuration = match Configuration::of_program(typed) {
        Ok(configuration) => configuration,
        Err(error) => return refuse(&error, verb.runs(), printer),
    };
    if !matches!(verb, DirectoryVerb::Doctor) {
        configuration.warnings.iter().for_each(|warning| printer.warning(warning));
    }
    let (directory, connection) = (&*configuration.directory(), configuration.connection());
    let session = |database, need| {
        let registry = config::registry(directory, &database, need, printer)?;
        Ok(Session::new(database, registry, &connection, printer))
    };
    let open_for = |need| session(config::database(&connection)?, need);
    let open = || open_for(Need::Sound);
    let result = match &verb {
        DirectoryVerb::Init => init::init(directory, &configuration, printer),
        DirectoryVerb::Shell(_) => unreachable!("these were answered before there was a configuration"),
        DirectoryVerb::Set(verb) => {
            config::registry_for_any(directory, Need::Judge, printer).map(|registry| over_set(verb, &registry, printer))
        }
        DirectoryVerb::New(args) => new::new(args, directory, &connection, printer),
        DirectoryVerb::Lock(args) => match &args.run_lock {
            Some(_) if args.check => Err(Error::usage(
                "`--check` is about migrations.lock, not about the run lock",
                "leave one of the two out",
            )),
            Some(verb) => run_lock::run_lock(verb, || open_for(Need::Nothing), printer),
            None => lock::lock(args, directory, printer),
        },
        DirectoryVerb::Fix(args) => fix::fix(args, directory, printer),
        DirectoryVerb::Squash(args) => squash::squash(args, directory, &connection, printer),
        DirectoryVerb::Validate(_) => validate::validate(directory, &configuration, printer),
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        DirectoryVerb::Test(args) => test::test(args, directory, &connection, printer),
        DirectoryVerb::Diff(args) => diff::with_ledger(args, open, printer),
        DirectoryVerb::Schema(verb) => schema::schema(verb, &connection, open, printer),
        DirectoryVerb::Check => open().and_then(|mut session| check::check(&mut session, None, printer)),
        DirectoryVerb::Doctor => {
            let open = |database| {
                let registry = config::registry_to_examine(directory, &database)?;
                Ok(Session::new(database, registry, &connection, printer))
            };
            Ok(doctor::doctor(&configuration, &connection, Some(directory), open, printer))
        }
        DirectoryVerb::Config(ConfigVerb::Show) => Ok(config_show::show(&configuration, true, printer)),
        DirectoryVerb::Database(verb) => {
            return execute(verb, &connection, printer, || open_for(verb.needs()))
                .map_err(|error| lock::remind(error, directory))
                .unwrap_or_else(|error| refuse(&error, verb.runs(), printer));
        }
    };
    result.unwrap_or_else(|error| fail_without_answer(&error, printer))
}

/// A verb over the registry that is part of a program.
pub(crate) fn over_registry(
    verb: &EmbeddedVerb,
    registry: &'static Registry,
    typed: Typed<false>,
    printer: &Printer,
) -> Exit {
    let mut typed = typed.0;
    typed.extend(verb.shadow_url().map(|url| (Key::ShadowUrl, url.reveal().to_owned())));
    let configuration = match Configuration::of_embedded(typed) {
        Ok(configuration) => configuration,
        Err(error) => return refuse(&error, verb.runs(), printer),
    };
    let connection = configuration.connection();
    let session = |database| Ok(Session::new(database, registry, &connection, printer));
    let open = || session(config::database(&connection)?);
    let result = match verb {
        EmbeddedVerb::Check(args) => check::check_embedded(args, registry, &connection, open, printer),
        EmbeddedVerb::Diff(args) => diff::embedded(args, registry, &connection, session, printer),
        EmbeddedVerb::Schema(verb) => schema::schema(verb, &connection, open, printer),
        EmbeddedVerb::Doctor => Ok(doctor::doctor(&configuration, &connection, None, session, printer)),
        EmbeddedVerb::Config(EmbeddedConfigVerb::Show) => Ok(config_show::show(&configuration, false, printer)),
        EmbeddedVerb::Set(verb) => Ok(over_set(verb, registry, printer)),
        EmbeddedVerb::Lock(verb) => run_lock::run_lock(verb, open, printer),
        EmbeddedVerb::Database(verb) => {
            return execute(verb, &connection, printer, open)
                .unwrap_or_else(|error| refuse(&error, verb.runs(), printer));
        }
    };
    result.unwrap_or_else(|error| fail_without_answer(&error, printer))
}

/// A verb that needs no database.
fn over_set(verb: &SetVerb, registry: &Registry, printer: &Printer) -> Exit {
    match verb {
        SetVerb::List => list::list(registry, printer),
        SetVerb::Graph(args) => graph::graph(args, registry, printer),
    }
}

/// A verb that works on a database, whichever registry it is for.
fn execute(
    verb: &Verb,
    connection: &ConnectionOptions,
    printer: &Printer,
    open: impl FnOnce() -> Result<Session, Error>,
) -> Result<Exit, Error> {
    // What was typed is judged before any database is touched.
    match verb {
        Verb::Down(args) => down::check(args, connection.protected, printer)?,
        Verb::Redo(args) => {
            amend::check_consent("`redo` may destroy data", &args.consent, connection.protected, printer)?;
        }
        Verb::Reset(args) => {
            amend::check_consent("`reset` may destroy data", &args.consent, connection.protected, printer)?;
        }
        Verb::Rollback(args) => rollback::check(args, connection.protected, printer)?,
        Verb::Baseline(args) => amend::check("baseline", &args.consent, connection.protected, printer)?,
        Verb::Force(args) => amend::check("force", &args.consent, connection.protected, printer)?,
        Verb::Repair(args) => repair::check(args, connection.protected, printer)?,
        Verb::Restore(args) | Verb::Backup(BackupVerb::Restore(args)) => {
            restore::check(args, connection.protected, printer)?;
        }
        _ => {}
    }
    let mut session = open()?;
    match verb {
        Verb::Up(args) => up::up(args, &mut session, printer),
        Verb::Goto(args) => goto::goto(args, &mut session, printer),
        Verb::Plan(args) => plan::plan(args, &mut session, printer),
        Verb::Pending => pending::pending(&mut session, printer),
        Verb::Wait(args) => wait::wait(args, &mut session, printer),
        Verb::Down(args) => down::down(args, &mut session, printer),
        Verb::Redo(args) => redo::redo(args, &mut session, printer),
        Verb::Reset(args) => down::reset(args, &mut session, printer),
        Verb::Rollback(args) => rollback::rollback(args, &mut session, printer),
        Verb::Health => health::health(&mut session, printer),
        Verb::Status => status::status(&mut session, printer),
        Verb::Compatibility(args) => compatibility::compatibility(args, &mut session, printer),
        Verb::History(args) => history::history(args, &mut session, printer),
        Verb::Instances => instances::instances(&mut session, printer),
        Verb::Version => version::version(&mut session, printer),
        Verb::Baseline(args) => baseline::baseline(args, &mut session, printer),
        Verb::Force(args) => force::force(args, &mut session, printer),
        Verb::Repair(args) => repair::repair(args, &mut session, printer),
        Verb::Backup(verb) => backup::backup(verb, &mut session, printer),
        Verb::Restore(args) => restore::restore(args, &mut session, printer),
    }
}

/// A run that fails before it begins answers with the document of a run all the same.
pub(crate) fn refuse(error: &Error, runs: bool, printer: &Printer) -> Exit {
    if runs { fail(error, printer, &Document::new(Run::failed(error))) } else { fail_without_answer(error, printer) }
}

fn fail_without_answer(error: &Error, printer: &Printer) -> Exit {
    fail(error, printer, &Document::new(Failed::from(error)))
}

fn fail(error: &Error, printer: &Printer, document: &impl serde::Serialize) -> Exit {
    printer.document(document);
    error.print(printer);
    error.exit()
}
