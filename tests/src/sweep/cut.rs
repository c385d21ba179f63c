//! The cut sweep: a proxy between `migrate` and PostgreSQL cuts the connection, or kills a side, at every message of the
//! protocol in both directions.

use std::process::Command;
use std::sync::{Arc, Mutex};

use testkit::postgres::Server;
use testkit::process::run;
use testkit::proxy::{Fate, Passing, Proxy};

use super::Counts;
use super::child::Verb;
use super::ground::{Ground, terminate_backends};
use super::kill::Course;

/// What happens when the message passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The connection is cut, and the receiver never sees the message.
    CutBefore,
    /// The receiver sees the message, and then the connection is cut.
    CutAfter,
    /// The process of `migrate` is killed before it has sent, or seen, the message.
    Kill,
    /// The server ends its side of the connection, by `pg_terminate_backend`.
    Terminate,
}

impl Blow {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::CutBefore, Self::CutAfter, Self::Kill, Self::Terminate];

    /// Whether the message is one to strike at. After a message of the server comes before the next one of it, and what a
    /// server has sent does not change when its end of the connection goes.
    fn concerns(self, passing: Passing) -> bool {
        match self {
            Self::CutBefore | Self::Kill => true,
            Self::CutAfter | Self::Terminate => passing.from_client,
        }
    }
}

/// Strikes a run at every `stride`-th message that is concerned, beginning with `first`, up and then down on the same database.
///
/// # Panics
///
/// When a second run does not reach the goal, or ledger, schema, data and history disagree.
#[must_use]
pub fn at_messages(course: &Course, blow: Blow, first: usize, stride: usize) -> Counts {
    let mut counts = Counts::default();
    let mut number = first;
    loop {
        let ground = Ground::new(course.arena);
        let struck = [Verb::Up, Verb::Down].map(|verb| {
            let (message, well) = strike(course, verb, &ground, blow, number);
            let passing = message.map_or_else(|| "nothing".to_owned(), |message| format!("{message:?}"));
            let context = format!("{blow:?} {verb:?} at {passing}");
            let state = course.finish(verb, &ground, stride > 1 || number.is_multiple_of(2), &context);
            if message.is_some() {
                counts.add(well, state);
            }
            message.is_some()
        });
        if struck == [false, false] {
            return counts;
        }
        number += stride;
    }
}

/// Runs through a proxy that strikes at a message; says at which, and whether the run ended well all the same.
fn strike(course: &Course, verb: Verb, ground: &Ground, blow: Blow, number: usize) -> (Option<Passing>, bool) {
    let proxy = Proxy::to(Server::shared());
    let struck = Arc::<Mutex<Option<Passing>>>::default();
    let (note, victim) = (struck.clone(), Arc::<Mutex<u32>>::default());
    let (process, database) = (victim.clone(), ground.postgres().name().to_owned());
    // The first message waits here until the process to kill is known.
    let mut id = process.lock().expect("nobody panics with it");
    let mut concerned = 0;
    proxy.watch(move |passing| {
        let process = *victim.lock().expect("nobody panics with it");
        concerned += usize::from(blow.concerns(passing));
        if concerned != number || !blow.concerns(passing) {
            return Fate::Pass;
        }
        *note.lock().expect("nobody panics with it") = Some(passing);
        match blow {
            Blow::CutBefore => Fate::CutBefore,
            Blow::CutAfter => Fate::CutAfter,
            Blow::Kill => {
                run(Command::new("kill").args(["-9", &process.to_string()]));
                Fate::CutBefore
            }
            Blow::Terminate => {
                terminate_backends(&database);
                Fate::Pass
            }
        }
    });
    let child = course.start_at(verb, &proxy.url_for(ground.postgres()));
    *id = child.id();
    drop(id);
    let end = child.end();
    let passing = *struck.lock().expect("nobody panics with it");
    assert!(passing.is_some() || end.code == Some(0), "{}", end.stderr);
    (passing, end.code == Some(0))
}
