//! `wait`: until the database answers, until another run has brought it up to date, or until no run is at work.

use std::thread;
use std::time::{Duration, Instant};

use migrate_runtime::{Assessment, Error as RuntimeError, ErrorKind, Verdict};

use crate::args::{Until, WaitArgs};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document, Happening};
use crate::output::{Printer, place};
use crate::time;

/// Often enough for a script, seldom enough for a server.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn wait(args: &WaitArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    if args.until == Until::Idle {
        return wait_until_idle(args, session, printer);
    }
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

/// A lock that a dead run left behind keeps nobody waiting: the next run takes it over.
fn wait_until_idle(args: &WaitArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let since = Instant::now();
    let mut told = false;
    loop {
        let found = session.migrator.lock_holder(&mut session.database).wait();
        let (waiting, holder) = match found {
            Ok(holder) => match holder.filter(|holder| holder.live) {
                None => {
                    printer.answer(&Document::new(json::RunLock::from(None)), || "no run is at work".to_owned());
                    return Ok(Exit::Done);
                }
                Some(holder) => {
                    (Error::busy(format!("another run is at work: {}", time::holder(&holder))), Some(holder))
                }
            },
            Err(error) if error.kind() == ErrorKind::Unreachable => (error.into(), None),
            Err(error) => return Err(error.into()),
        };
        if since.elapsed() + PAUSE > args.timeout {
            return Err(waiting);
        }
        if !told {
            let message = format!("waiting: {}", waiting.message());
            printer.note(&message);
            let holder = holder.as_ref().map(json::Holder::from);
            printer.event(|| Some(Happening::Waiting { message, holder, instances: Vec::new() }));
            told = true;
        }
        thread::sleep(PAUSE);
    }
}

/// Whether waiting longer changes nothing, or nothing more is wanted.
fn is_final(found: &Result<Assessment, RuntimeError>, until: Until) -> bool {
    match (found, until) {
        (Err(error), _) => error.kind() != ErrorKind::Unreachable,
        (Ok(_), Until::Reachable | Until::Idle) => true,
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
        Until::Reachable | Until::Idle => format!("the database answers: {place}"),
        Until::Compatible => format!("{}: {place}", assessment.verdict),
    });
    match until {
        Until::Reachable | Until::Idle => Exit::Done,
        Until::Compatible => Exit::of_verdict(assessment.verdict),
    }
}
