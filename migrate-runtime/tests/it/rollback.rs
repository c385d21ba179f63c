//! Rolling back exactly one run.

use std::time::Duration;

use migrate_runtime::{ErrorKind, Obstacle, Outcome, StepOutcome, Strategy};
use testkit::migrations::Directory;

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, migrator, of, registry_at};
use crate::conformance::conformance;

const USERS: (&str, &str, &str, &str) =
    ("1.0.0", "users", "CREATE TABLE users (id INTEGER PRIMARY KEY)", "DROP TABLE users");
const NOTES: (&str, &str, &str, &str) = ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER)", "DROP TABLE notes");
const TAGS: (&str, &str, &str, &str) = ("1.2.0", "tags", "CREATE TABLE tags (id INTEGER)", "DROP TABLE tags");

conformance! {
    takes_back_exactly_one_run
    a_newer_run_on_top_refuses
    a_dry_run_writes_nothing
    an_older_program_rolls_back_what_a_newer_one_did
    a_rollback_that_failed_half_way_goes_on
    what_cannot_be_undone_is_refused_before_anything_is_undone
    a_run_that_is_too_old
    nothing_was_ever_done
}

fn takes_back_exactly_one_run(bench: &impl Bench) {
    let all = migrator(&[USERS, NOTES, TAGS]);
    all.up_by_one(&mut bench.open()).wait().unwrap();
    all.up(&mut bench.open()).wait().unwrap();
    let answers = all.can_roll_back(&mut bench.open(), None).wait().unwrap();
    assert_eq!((answers.run, answers.recommended()), (Some(2), Some(Strategy::Undo)));
    let report = all.roll_back(&mut bench.open(), 2, Strategy::Undo).wait().unwrap();
    assert_eq!((report.outcome, report.run), (Outcome::Done, Some(3)));
    assert_eq!(report.plan, answers.answers[0].plan);
    let undone: Vec<String> = report.steps.iter().map(|step| step.version.to_string()).collect();
    assert_eq!(undone, ["1.2.0", "1.1.0"]);
    assert_eq!((bench.ledger(), bench.tables()), (vec!["1.0.0|applied".to_owned()], vec!["users".to_owned()]));
    let history = bench.history();
    assert_eq!(
        history[history.len() - 4..],
        ["run||started", "down|1.2.0|succeeded", "down|1.1.0|succeeded", "run||succeeded"]
    );
    let plan = all.history(&mut bench.open(), 4).wait().unwrap()[3].plan.clone();
    assert_eq!(plan.as_deref(), Some("roll back run 2 (undo)\ndown 1.2.0 tags\ndown 1.1.0 notes"));

    // Doing it again does nothing, and the run before is the next one.
    let again = all.roll_back(&mut bench.open(), 2, Strategy::Undo).wait().unwrap();
    assert_eq!(again.outcome, Outcome::NothingToDo);
    let nothing = all.can_roll_back(&mut bench.open(), Some(2)).wait().unwrap();
    assert_eq!(nothing.answers[0].obstacles, [Obstacle::NothingLeft { run: 2 }]);
    assert_eq!(all.can_roll_back(&mut bench.open(), None).wait().unwrap().run, Some(1));
    all.roll_back(&mut bench.open(), 1, Strategy::Undo).wait().unwrap();
    assert_eq!((bench.ledger().len(), bench.tables().len()), (0, 0));
    assert_eq!(all.can_roll_back(&mut bench.open(), None).wait().unwrap().run, None);
}

fn a_newer_run_on_top_refuses(bench: &impl Bench) {
    let all = migrator(&[USERS, NOTES, TAGS]);
    all.up_by_one(&mut bench.open()).wait().unwrap();
    all.up(&mut bench.open()).wait().unwrap();
    let before = bench.history();
    let error = all.roll_back(&mut bench.open(), 1, Strategy::Undo).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert_eq!(error.to_string(), "run 1 cannot be rolled back: the newer run 2 stands on top of it: it applied 1.2.0");
    assert!(error.help().unwrap().contains("migrate rollback --run 2"), "{error:?}");
    assert_eq!((bench.ledger().len(), bench.history()), (3, before));
}

fn a_dry_run_writes_nothing(bench: &impl Bench) {
    let all = migrator(&[USERS, NOTES]);
    all.up(&mut bench.open()).wait().unwrap();
    let before = (bench.ledger(), bench.history(), bench.tables());
    let report = all.plan_rollback(&mut bench.open(), 1, Strategy::Undo).wait().unwrap();
    assert_eq!((report.outcome, report.run, report.plan.steps.len()), (Outcome::DryRun, None, 2));
    assert_eq!((bench.ledger(), bench.history(), bench.tables()), before);
}

fn an_older_program_rolls_back_what_a_newer_one_did(bench: &impl Bench) {
    let old = migrator(&[USERS]);
    old.up(&mut bench.open()).wait().unwrap();
    migrator(&[USERS, NOTES]).up(&mut bench.open()).wait().unwrap();
    old.roll_back(&mut bench.open(), 2, Strategy::Undo).wait().unwrap();
    assert_eq!((bench.ledger(), bench.tables()), (vec!["1.0.0|applied".to_owned()], vec!["users".to_owned()]));
}

fn a_rollback_that_failed_half_way_goes_on(bench: &impl Bench) {
    let gated = ("1.0.0", "users", USERS.2, "DROP TABLE users; DROP TABLE gate");
    let all = migrator(&[gated, NOTES]);
    all.up(&mut bench.open()).wait().unwrap();
    let error = all.roll_back(&mut bench.open(), 1, Strategy::Undo).wait().unwrap_err();
    let outcomes: Vec<StepOutcome> = error.report().unwrap().steps.iter().map(|step| step.outcome).collect();
    assert_eq!(outcomes, [StepOutcome::Done, StepOutcome::Failed]);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    bench.sql("CREATE TABLE gate (id INTEGER)");
    all.roll_back(&mut bench.open(), 1, Strategy::Undo).wait().unwrap();
    assert_eq!((bench.ledger().len(), bench.tables().len()), (0, 0));
}

fn what_cannot_be_undone_is_refused_before_anything_is_undone(bench: &impl Bench) {
    let directory = Directory::simple(&[("1.0.0", "users", USERS.2, ""), NOTES]);
    let metadata = r#"{"version": "1.0.0", "name": "users", "irreversible": "the rows would be lost"}"#;
    directory.write("v1.0.0_users/metadata.json", metadata);
    let all = of(registry_at(directory.path()));
    all.up(&mut bench.open()).wait().unwrap();
    let error = all.roll_back(&mut bench.open(), 1, Strategy::Undo).wait().unwrap_err();
    assert!(error.to_string().ends_with("migration 1.0.0 `users` is irreversible: the rows would be lost"), "{error}");
    assert_eq!(bench.ledger().len(), 2);
    let answers = all.can_roll_back(&mut bench.open(), Some(1)).wait().unwrap();
    assert_eq!((answers.recommended(), answers.answers[0].obstacles[0].as_str()), (None, "irreversible"));
    assert!(answers.answers[0].plan.is_empty());

    // A run that took something back cannot be rolled back by taking something back.
    all.redo(&mut bench.open()).wait().unwrap();
    let error = all.roll_back(&mut bench.open(), 2, Strategy::Undo).wait().unwrap_err();
    assert!(error.to_string().contains("run 2 undid 1.1.0"), "{error}");
}

fn a_run_that_is_too_old(bench: &impl Bench) {
    let all = migrator(&[USERS]);
    all.up(&mut bench.open()).wait().unwrap();
    let earlier = if bench.url().starts_with("sqlite:") {
        "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-25 hours')"
    } else {
        "now() - interval '25 hours'"
    };
    bench.sql(&format!("UPDATE schema_migrations_v2_history SET recorded_at = {earlier}"));
    let error = all.roll_back(&mut bench.open(), 1, Strategy::Undo).wait().unwrap_err();
    let message = "run 1 cannot be rolled back: it was 25 h ago, and no more than 24 h is allowed";
    assert_eq!(error.to_string(), message);
    let patient = all.rollback_window(Duration::from_secs(48 * 3600));
    assert_eq!(patient.roll_back(&mut bench.open(), 1, Strategy::Undo).wait().unwrap().outcome, Outcome::Done);
}

fn nothing_was_ever_done(bench: &impl Bench) {
    let all = migrator(&[USERS]);
    let before = bench.all_tables();
    assert_eq!(all.can_roll_back(&mut bench.open(), None).wait().unwrap().run, None);
    let error = all.roll_back(&mut bench.open(), 1, Strategy::Undo).wait().unwrap_err();
    assert_eq!(error.to_string(), "run 1 cannot be rolled back: the history has no run 1");
    assert_eq!(bench.all_tables(), before);
}
