//! The fault sweep: every request that the engine makes of a database fails, before its effect or after it, alone or together
//! with all that follow.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use migrate_runtime::faults::{Fault, Faulty, Kind, Moment};
use migrate_runtime::{Amendment, ErrorKind, Migrator, Standing, Verdict};

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, migrator as migrator_of, of, registry_at};
use crate::conformance::{NOTES, USERS, outside_transaction, version};
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

/// The ways in which a request fails. One that passes (a lock timeout, a busy file) is the database's word that nothing took
/// effect, so it has no effect to come after.
const FAULTS: [Fault; 5] = [
    Fault { at: 0, moment: Moment::Before, lasting: false, kind: Kind::Plain },
    Fault { at: 0, moment: Moment::Before, lasting: false, kind: Kind::Passing },
    Fault { at: 0, moment: Moment::Before, lasting: true, kind: Kind::Plain },
    Fault { at: 0, moment: Moment::After, lasting: true, kind: Kind::Plain },
    Fault { at: 0, moment: Moment::After, lasting: false, kind: Kind::Plain },
];

/// Those that a file does not have.
const LOST: [Fault; 2] = [
    Fault { at: 0, moment: Moment::Before, lasting: false, kind: Kind::Lost },
    Fault { at: 0, moment: Moment::After, lasting: false, kind: Kind::Lost },
];

fn sweep<B: Bench>(place: &str) {
    let (mut failed, mut ended_well) = (0, 0);
    let sqlite = B::new().url().starts_with("sqlite:");
    let lost = if sqlite { &[][..] } else { &LOST };
    for fault in FAULTS.iter().chain(lost) {
        for at in 1.. {
            let struck = strike::<B>(&Fault { at, ..*fault });
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

#[test]
fn amending_on_a_rollback_journal() {
    amend::<SqliteFile>();
}

#[test]
fn amending_on_postgres() {
    amend::<PostgresServer>();
}

/// What an operator says of the ledger takes effect with its history row or not at all, and can be said again.
fn amend<B: Bench>() {
    let sqlite = B::new().url().starts_with("sqlite:");
    let lost = if sqlite { &[][..] } else { &LOST };
    let changed = ("1.0.0", USERS.1, "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, age INTEGER)", USERS.3);
    let reason = || "by hand".to_owned();
    let force = Amendment::Force { version: version("1.1.0"), standing: Some(Standing::Applied), reason: reason() };
    let repair = Amendment::Repair { versions: vec![version("1.0.0")], standing: None };
    for (migrator, amendment, word) in
        [(migrator_of(&[USERS, NOTES]), force, "force"), (migrator_of(&[changed]), repair, "repair")]
    {
        for fault in FAULTS.iter().chain(lost) {
            for at in 1.. {
                if !strike_amendment::<B>(&migrator, &amendment, word, Fault { at, ..*fault }) {
                    break;
                }
            }
        }
    }
}

#[test]
fn going_on_with_a_changed_script_on_a_rollback_journal() {
    go_on::<SqliteFile>();
}

#[test]
fn going_on_with_a_changed_script_on_postgres() {
    go_on::<PostgresServer>();
}

/// A run that goes on with a changed script fails at each of its requests. The script that was begun goes on as long as nothing
/// of the other one is done, which itself always does.
fn go_on<B: Bench>() {
    let sqlite = B::new().url().starts_with("sqlite:");
    let lost = if sqlite { &[][..] } else { &LOST };
    let made = "CREATE TABLE a (id INTEGER);";
    let begun = outside_transaction(&format!("{made} INSERT INTO a (ident) VALUES (1)"), "");
    let begun = of(registry_at(begun.path()));
    let mended = outside_transaction(&format!("{made} INSERT INTO a (id) VALUES (1); INSERT INTO a VALUES (2)"), "");
    let mended = of(registry_at(mended.path())).wait_lock(Duration::from_secs(5)).retry_delay(Duration::from_millis(1));
    let row = "SELECT checksum, progress FROM schema_migrations_v2 WHERE version = '1.1.0'";
    for fault in FAULTS.iter().filter(|fault| fault.lasting).chain(lost) {
        let mut left = BTreeSet::new();
        for at in 1.. {
            let bench = B::new();
            begun.up(&mut bench.open()).wait().unwrap_err();
            let mut database = Faulty::new(bench.open(), Some(Fault { at, ..*fault }));
            let first = mended.up(&mut database).wait();
            let context = format!("{fault:?} at {at} gave {first:#?}");
            left.extend(bench.sql(row));
            let second = mended.up(&mut bench.open()).wait();
            assert!(second.is_ok(), "the second run: {second:#?}\n{context}");
            assert_eq!(bench.sql("SELECT id FROM a ORDER BY id"), ["1", "2"], "{context}");
            let assessment = mended.check(&mut bench.open()).wait().unwrap();
            assert_eq!((assessment.verdict, assessment.reasons.len()), (Verdict::Compatible, 0), "{context}");
            if database.requests() < at {
                break;
            }
        }
        // As begun, gone on with the other script, and so on to the end.
        if fault.lasting {
            assert_eq!(left.len(), 5, "{fault:?}: {left:?}");
        }
    }
}

/// Whether the amendment makes that many requests.
fn strike_amendment<B: Bench>(migrator: &Migrator, amendment: &Amendment, word: &str, fault: Fault) -> bool {
    let bench = B::new();
    migrator_of(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let is_done = || migrator.check(&mut bench.open()).wait().unwrap().verdict == Verdict::Compatible;
    let rows = || bench.history().iter().filter(|row| row.starts_with(word)).count();
    let migrator = migrator.clone().wait_lock(Duration::from_secs(5)).retry_delay(Duration::from_millis(1));
    let mut database = Faulty::new(bench.open(), Some(fault));
    let first = migrator.amend(&mut database, amendment.clone()).wait();
    let context = format!("{fault:?} of {word} gave {first:#?}");
    assert_eq!(rows(), usize::from(is_done()), "{context}");
    assert!(first.is_err() || is_done(), "{context}");
    if !is_done() {
        let second = migrator.amend(&mut bench.open(), amendment.clone()).wait();
        assert!(second.is_ok(), "the second time: {second:?}\n{context}");
    }
    assert!(is_done(), "{context}");
    assert_eq!(rows(), 1, "{context}");
    database.requests() >= fault.at
}
