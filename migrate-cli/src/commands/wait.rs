//! `wait`: until the database answers, or until another run has brought it up to date.

use std::thread;
use std::time::{Duration, Instant};

use migrate_runtime::{Assessment, Error as RuntimeError, ErrorKind, Verdict};

use crate::args::{Until, WaitArgs};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document, Happening};
use crate::output::{Printer, place};

/// Often enough for a script, seldom enough for a server.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn wait(args: &WaitArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let since = Instant::now();
    let mut told = false;
    loop {
        let found = session.migrator.check(&mut session.database).wait();
        if is_final(&found, args.until) || since.elapsed() + PAUSE > args.timeout {
            return Ok(end(&found?, args.until, printer));
        }
        if !told {
            let message = waiting(&found);
            printer.note(&message);
            printer.event(|| Some(Happening::Waiting { message, holder: None, instances: Vec::new() }));
            told = true;
        }
        thread::sleep(PAUSE);
    }
}

/// Whether waiting longer changes nothing, or nothing more is wanted.
fn is_final(found: &Result<Assessment, RuntimeError>, until: Until) -> bool {
    match (found, until) {
        (Err(error), _) => error.kind() != ErrorKind::Unreachable,
        (Ok(_), Until::Reachable) => true,
        (Ok(assessment), Until::Compatible) => assessment.verdict != Verdict::NeedsMigration,
    }
}

fn waiting(found: &Result<Assessment, RuntimeError>) -> String {
    match found {
        Err(error) => format!("waiting: {error}"),
        Ok(assessment) => format!("waiting for another run: {}", place(assessment.database_version)),
    }
}

/// What was wanted, or the bound: then the verdict says how far it came.
fn end(assessment: &Assessment, until: Until, printer: &Printer) -> Exit {
    let place = place(assessment.database_version);
    printer.answer(&Document::new(json::Check::new(assessment, None)), || match until {
        Until::Reachable => format!("the database answers: {place}"),
        Until::Compatible => format!("{}: {place}", assessment.verdict),
    });
    match until {
        Until::Reachable => Exit::Done,
        Until::Compatible => Exit::of_verdict(assessment.verdict),
    }
}
