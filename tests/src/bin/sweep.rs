//! The long sweeps, with their counts: `sweep kill`, `sweep corpus DIRECTORY VERSION`, `sweep cut`,
//! `sweep register`, `sweep trips`. Run by `scripts/reliability`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use system_tests::Arena;
use system_tests::sweep::Counts;
use system_tests::sweep::child::Verb;
use system_tests::sweep::corpus::Corpus;
use system_tests::sweep::cut::{self, at_messages};
use system_tests::sweep::kill::{Blow, Course, at_failpoints, at_random};
use system_tests::sweep::register;
use system_tests::sweep::trips::{self, Asked};

/// From which the random times are drawn.
const SEED: u64 = 20_261_121;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["kill"] => kill(),
        ["corpus", directory, version] => corpus(Path::new(directory), version),
        ["cut"] => cut(),
        ["register"] => register(),
        ["trips"] => trips(),
        _ => {
            say("usage: sweep kill | sweep corpus DIRECTORY VERSION | sweep cut | sweep register | sweep trips");
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}

fn kill() {
    for arena in Arena::ALL {
        let course = Course::new(arena);
        let points = course.failpoints();
        say(&format!("{arena:?}: {} failpoints up, {} down", points[0], points[1]));
        let mut killed = at_failpoints(&course, Blow::Kill, 1);
        report(&format!("{arena:?}: SIGKILL at every failpoint"), &killed);
        if arena == Arena::Postgres {
            // What is under way on the server is not stopped by its client's end, so only this sees every state there.
            let mut messages = at_messages(&course, cut::Blow::Kill, 1, 1);
            // A state is looked at where the second run is not begun at once: at the even ones there, at the odd ones here.
            messages.join(at_messages(&course, cut::Blow::Kill, 1, 2));
            report(&format!("{arena:?}: SIGKILL at every message"), &messages);
            killed.join(messages);
            let terminated = at_failpoints(&course, Blow::Terminate, 1);
            report(&format!("{arena:?}: pg_terminate_backend at every failpoint"), &terminated);
            let terminated = at_random(&course, Blow::Terminate, 200, SEED);
            report(&format!("{arena:?}: pg_terminate_backend at random times"), &terminated);
        }
        assert_every_state(&course, &killed);
        report(&format!("{arena:?}: SIGKILL at random times"), &at_random(&course, Blow::Kill, 200, SEED));
    }
}

fn corpus(directory: &Path, version: &str) {
    let corpus = Corpus::new(directory, version);
    say(&format!(
        "{}: {} migrations above {version}, {} rows that refer to others; tables with another number of rows in the end: {:?}",
        directory.display(),
        corpus.migrations(),
        corpus.rows,
        corpus.changed()
    ));
    report(&format!("SIGKILL at failpoints, {} in all", corpus.failpoints()), &corpus.kill(300));
}

fn cut() {
    let course = Course::new(Arena::Postgres);
    for blow in [cut::Blow::CutBefore, cut::Blow::CutAfter, cut::Blow::Terminate] {
        let counts = at_messages(&course, blow, 1, 1);
        report(&format!("{blow:?} at every message"), &counts);
    }
}

fn register() {
    for arena in Arena::ALL {
        for (transactional, where_it_runs) in [(true, "in a transaction"), (false, "outside a transaction")] {
            let starts = register::at_failpoints(arena, transactional, 1);
            assert!(starts.are_of_every_kind(), "{arena:?}: {starts}");
            say(&format!("{arena:?}: an older program starts at every failpoint of a step {where_it_runs}: {starts}"));
        }
    }
}

fn trips() {
    let cases = [
        ("1 in a transaction", trips::transactional(1)),
        ("10 in a transaction each", trips::transactional(10)),
        ("100 in a transaction each", trips::transactional(100)),
        ("1 outside a transaction, 1 statement", trips::outside(1)),
        ("1 outside a transaction, 10 statements", trips::outside(10)),
    ];
    for (what, directory) in cases {
        let asked = trips::of(&directory, &[Verb::Up, Verb::Up, Verb::Down]);
        for (run, asked) in ["up", "up again", "down"].into_iter().zip(asked) {
            let Asked { round_trips, statements, commits } = asked;
            say(&format!("| {what}: {run} | {round_trips} | {statements} | {commits} |"));
        }
    }
}

/// Fails unless the sweep found every state of the ledger from none to all.
fn assert_every_state(course: &Course, counts: &Counts) {
    let missing: Vec<String> = course.states().into_iter().filter(|state| !counts.states.contains(state)).collect();
    assert!(missing.is_empty(), "never seen: {missing:#?}\nseen: {:#?}", counts.states);
}

fn report(what: &str, counts: &Counts) {
    say(&format!("{what}: {counts}"));
}

fn say(line: &str) {
    // When nobody reads it there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}
