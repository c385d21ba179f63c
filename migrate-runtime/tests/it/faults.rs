//! The fault sweep: every request that the engine makes of a database fails, before its effect, and after it together with
//! all that follow: an answer is only ever lost with the connection.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use migrate_runtime::ErrorKind;
use migrate_runtime::faults::{Fault, Faulty, Moment};

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal};
use crate::model::spec::Spec;
use crate::model::state::{Command, Execution, Goal, State};
use crate::model::{found, migrator, prepare};

#[test]
fn on_a_rollback_journal() {
    sweep::<SqliteFile>("SQLite with a rollback journal");
}

#[test]
fn on_a_wal() {
    sweep::<SqliteWal>("SQLite in WAL mode");
}

#[test]
fn on_postgres() {
    sweep::<PostgresServer>("PostgreSQL");
}

/// The ways in which a request fails.
const FAULTS: [Fault; 4] = [
    Fault { at: 0, moment: Moment::Before, lasting: false, passing: false },
    Fault { at: 0, moment: Moment::Before, lasting: false, passing: true },
    Fault { at: 0, moment: Moment::Before, lasting: true, passing: false },
    Fault { at: 0, moment: Moment::After, lasting: true, passing: false },
];

fn sweep<B: Bench>(place: &str) {
    let (mut failed, mut ended_well) = (0, 0);
    for fault in FAULTS {
        for at in 1.. {
            let struck = strike::<B>(&Fault { at, ..fault });
            failed += struck.iter().flatten().count();
            ended_well += struck.iter().flatten().filter(|well| **well).count();
            if struck == [None, None] {
                break;
            }
        }
    }
    // When nobody reads it there is nobody to tell.
    let _ = writeln!(
        std::io::stderr(),
        "{place}: {failed} requests failed, {ended_well} runs ended well all the same; failures: 0"
    );
}

/// Runs everything up and then down on one database with a fault each, and again without. Says for both whether the run
/// ended well; `None` when it makes fewer requests.
fn strike<B: Bench>(fault: &Fault) -> [Option<bool>; 2] {
    let mut bench = B::new();
    let sqlite = bench.url().starts_with("sqlite:");
    let spec = Spec::of_every_kind(sqlite);
    let migrator = migrator(&spec, spec.migrations.len(), sqlite).wait_lock(Duration::from_secs(5));
    prepare(&spec, &mut bench);
    let mut from = State::default();
    [Goal::Up, Goal::Reset].map(|goal| {
        let command = Command { target: goal, known: spec.migrations.len() };
        let (path, _) = Execution::of(&spec, &BTreeSet::new(), &from, command);
        let mut database = Faulty::new(bench.open(), Some(*fault));
        let first = migrator.run(&mut database, goal.target()).wait();
        let context = format!("{fault:?} {goal:?} gave {first:#?}");

        let (left, _) = found(&spec, &mut bench);
        assert!(path.contains(&left), "{left:#?}\nis not on the way: {context}");
        let own = first.as_ref().err().is_none_or(|error| error.kind() != ErrorKind::LockBusy);
        assert!(own, "the lock was held: {context}");

        let second = migrator.run(&mut bench.open(), goal.target()).wait();
        assert!(second.is_ok(), "the second run: {second:#?}\n{context}");
        let (end, _) = found(&spec, &mut bench);
        assert_eq!(Some(&end), path.last(), "{context}");
        from = end;
        (database.requests() >= fault.at).then_some(first.is_ok())
    })
}
