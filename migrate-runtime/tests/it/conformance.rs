//! One suite of behaviours that every backend passes.

use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::time::Duration;

use migrate_runtime::{
    Amendment, AutoMigrateOptions, ErrorKind, Event, MigrationState, Migrator, Outcome, Phase, ReasonCode, Report,
    SchemaVersion, Standing, StepOutcome, Target, Verdict, Version,
};
use testkit::migrations::Directory;

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, any, migrator, of, registry, registry_at};

/// Makes each behaviour a test of each backend.
macro_rules! conformance {
    ($($behaviour:ident)*) => {
        mod sqlite { $(#[test] fn $behaviour() { super::$behaviour(&<super::SqliteFile as super::Bench>::new()); })* }
        mod sqlite_wal { $(#[test] fn $behaviour() { super::$behaviour(&<super::SqliteWal as super::Bench>::new()); })* }
        mod postgres { $(#[test] fn $behaviour() { super::$behaviour(&<super::PostgresServer as super::Bench>::new()); })* }
    };
}
pub(crate) use conformance;

conformance! {
    up_applies_everything_once
    an_up_to_date_start_writes_nothing
    up_and_down_stop_where_they_are_told
    redo_and_reset
    a_failing_script_leaves_nothing_of_itself
    a_syntax_error_is_located
    a_failure_late_in_a_run_keeps_what_came_before
    verification_runs_inside_the_transaction
    verification_wants_exactly_one_true_value
    scripts_without_final_newline_or_semicolon_run
    empty_scripts_count_as_applied
    a_step_outside_a_transaction_resumes_where_it_stopped
    a_wrong_statement_is_mended_and_the_run_goes_on_with_it
    what_is_done_of_an_interrupted_script_must_stay_or_be_settled
    an_interrupted_script_of_which_only_comments_changed_is_resumed
    a_phase_ends_before_the_first_step_of_the_other
    groups_of_a_script_are_atomic
    a_step_outside_a_transaction_that_fails_at_once_leaves_nothing
    reading_creates_nothing
    reading_says_where_everything_stands
    unknown_rows_are_judged_by_their_minimum
    a_changed_script_is_refused_and_a_changed_comment_is_not
    an_older_program_undoes_what_it_does_not_know
    an_older_program_leaves_what_a_newer_one_recorded
    a_dry_run_changes_nothing
    an_incompatible_database_can_be_left_alone
    another_programs_tables_are_refused
    checksums_of_another_kind_are_refused
    other_tables_by_option
    many_at_once_apply_each_migration_once
    a_busy_lock_is_named_when_the_wait_is_over
    who_waits_goes_on_when_the_lock_is_free
    a_lock_left_by_a_dead_run_is_taken_over
    every_attempt_is_recorded
    quotes_and_backslashes_survive
    damaged_tables_are_an_error
    async_and_blocking_are_the_same
    health_is_a_code_and_a_sentence
    temporary_objects_do_not_reach_the_next_migration
    an_interrupted_down_is_finished_with_the_script_that_was_begun
    an_interrupted_step_is_finished_as_it_was_begun
    a_ledger_row_that_vanishes_under_a_step_is_an_error
    a_newer_format_is_incompatible
    a_view_of_our_name_is_not_mistaken_for_ours
    a_password_in_a_script_is_not_shown
    what_a_verify_script_sets_does_not_reach_the_next_migration
}

pub(crate) const USERS: (&str, &str, &str, &str) =
    ("1.0.0", "users", "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)", "DROP TABLE users");
pub(crate) const NOTES: (&str, &str, &str, &str) =
    ("1.1.0", "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY)", "DROP TABLE notes");
pub(crate) const TAGS: (&str, &str, &str, &str) =
    ("1.2.0", "tags", "CREATE TABLE tags (id INTEGER PRIMARY KEY)", "DROP TABLE tags");

pub(crate) fn version(text: &str) -> SchemaVersion {
    text.parse().unwrap()
}

fn up_applies_everything_once(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES, TAGS]);
    let report = migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    let done: Vec<String> = report.steps.iter().map(|step| format!("{} {}", step.direction, step.version)).collect();
    assert_eq!(done, ["up 1.0.0", "up 1.1.0", "up 1.2.0"]);
    assert_eq!(bench.tables(), ["notes", "tags", "users"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied", "1.2.0|applied"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    assert_eq!(migrator.version(&mut bench.open()).wait().unwrap(), Some(version("1.2.0")));
}

fn an_up_to_date_start_writes_nothing(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    migrator.auto_migrate(&mut bench.open()).wait().unwrap();
    let before = (bench.history(), bench.sql("SELECT fence FROM schema_migrations_v2_state"));
    let again = migrator.auto_migrate(&mut bench.open()).wait().unwrap();
    assert_eq!(again.outcome, Outcome::NothingToDo);
    assert_eq!(again.run, None);
    assert_eq!(before, (bench.history(), bench.sql("SELECT fence FROM schema_migrations_v2_state")));
}

fn up_and_down_stop_where_they_are_told(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES, TAGS]);
    let database = &mut bench.open();
    migrator.up_by_one(database).wait().unwrap();
    assert_eq!(bench.tables(), ["users"]);
    migrator.up_to(database, version("1.1.0")).wait().unwrap();
    assert_eq!(bench.tables(), ["notes", "users"]);
    migrator.up(database).wait().unwrap();
    migrator.down(database).wait().unwrap();
    assert_eq!(bench.tables(), ["notes", "users"]);
    migrator.down_to(database, version("1.0.0")).wait().unwrap();
    assert_eq!(bench.tables(), ["users"]);
    let error = migrator.up_to(database, version("7.0.0")).wait().unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Plan, "there is no migration 7.0.0".to_owned()));
}

fn redo_and_reset(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    let database = &mut bench.open();
    migrator.up(database).wait().unwrap();
    bench.sql("INSERT INTO notes (id) VALUES (1); INSERT INTO users (id) VALUES (1)");
    let redone = migrator.redo(database).wait().unwrap();
    assert_eq!(redone.plan.to_string(), "down 1.1.0 notes\nup 1.1.0 notes");
    assert_eq!(bench.sql("SELECT (SELECT count(*) FROM notes), (SELECT count(*) FROM users)"), ["0|1"]);
    migrator.reset(database).wait().unwrap();
    assert_eq!(bench.tables(), [""; 0]);
    assert_eq!(bench.ledger(), [""; 0]);
}

fn a_failing_script_leaves_nothing_of_itself(bench: &impl Bench) {
    let bad =
        "CREATE TABLE half (id INTEGER);\n\n  INSERT INTO missing\n  VALUES (1);\nCREATE TABLE never (id INTEGER);\n";
    let failing = migrator(&[USERS, ("1.1.0", "bad", bad, ""), TAGS]);
    let error = failing.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);
    assert_eq!(error.migration(), Some(version("1.1.0")));
    let location = error.location().unwrap();
    assert_eq!((&*location.path, location.line), ("migrations_v2/v1.1.0_bad/up.sql", 3));
    assert_eq!(error.statement(), Some("INSERT INTO missing VALUES (1)"));
    let printed_by_main = format!("{error:?}");
    let expected = format!("{error}\n  statement: INSERT INTO missing VALUES (1)\n\nhint: {}", error.help().unwrap());
    assert_eq!(printed_by_main, expected);
    assert!(error.database().unwrap().message.contains("missing"), "{error}");
    assert!(error.database().unwrap().code.is_some(), "{error}");
    assert_eq!(bench.tables(), ["users"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.history(), ["run||started", "up|1.0.0|succeeded", "up|1.1.0|failed", "run||failed"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    let steps = &error.report().unwrap().steps;
    assert_eq!(steps.iter().map(|step| step.outcome).collect::<Vec<_>>(), [StepOutcome::Done, StepOutcome::Failed]);

    let mended = migrator(&[USERS, ("1.1.0", "bad", "CREATE TABLE half (id INTEGER)", ""), TAGS]);
    mended.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["half", "tags", "users"]);
}

fn a_syntax_error_is_located(bench: &impl Bench) {
    let bad = "CREATE TABLE ok (id INTEGER);\n-- ünïcode\nCREATE TABLE broken (id INTEGER,, name TEXT);\n";
    let error = migrator(&[USERS, ("1.1.0", "bad", bad, ""), TAGS]).up(&mut bench.open()).wait().unwrap_err();
    let location = error.location().unwrap();
    assert_eq!((location.line, location.column), (3, 33), "{error}");
    assert_eq!(bench.tables(), ["users"]);
}

fn a_failure_late_in_a_run_keeps_what_came_before(bench: &impl Bench) {
    let mut migrations = Vec::new();
    for minor in 0..40 {
        let up = if minor == 33 {
            "INSERT INTO missing VALUES (1)".to_owned()
        } else {
            format!("CREATE TABLE t{minor} (id INTEGER)")
        };
        migrations.push((format!("1.{minor}.0"), up));
    }
    let migrations: Vec<_> = migrations.iter().map(|(version, up)| (&**version, "m", &**up, "")).collect();
    let error = migrator(&migrations).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.migration(), Some(version("1.33.0")));
    assert_eq!(error.report().unwrap().steps.len(), 34);
    assert_eq!(bench.tables().len(), 33);
    assert_eq!(bench.ledger().len(), 33);
}

fn verification_runs_inside_the_transaction(bench: &impl Bench) {
    let directory = Directory::simple(&[USERS]);
    directory.write("v1.0.0_users/verify.sql", b"-- fine\nSELECT count(*) = 0 FROM users;\n\nSELECT 1 > 2;\n");
    let failing = of(registry_at(directory.path()));
    let error = failing.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);
    assert_eq!(error.location().unwrap().to_string(), "migrations_v2/v1.0.0_users/verify.sql:4:1");
    assert!(error.to_string().contains("verification of migration 1.0.0 `users` failed"), "{error}");
    assert_eq!(bench.tables(), [""; 0]);

    directory.write("v1.0.0_users/verify.sql", b"SELECT count(*) = 0 FROM users");
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["users"]);
}

fn verification_wants_exactly_one_true_value(bench: &impl Bench) {
    let refused = [
        "SELECT 1 = 1 WHERE 1 = 2",
        "SELECT 1 = 1 UNION ALL SELECT 2 = 2",
        "SELECT 1 = 1, 2 = 2",
        "SELECT NULL",
        "SELECT 'yes'",
    ];
    for verify in refused {
        let directory = Directory::simple(&[USERS]);
        directory.write("v1.0.0_users/verify.sql", verify.as_bytes());
        let error = of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap_err();
        assert!(error.to_string().contains("verification of migration"), "{verify}: {error}");
        assert_eq!(bench.tables(), [""; 0], "{verify}");
    }
    let directory = Directory::simple(&[USERS]);
    directory.write("v1.0.0_users/verify.sql", b"INSERT INTO users (id) VALUES (1); SELECT count(*) = 1 FROM users");
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
}

fn scripts_without_final_newline_or_semicolon_run(bench: &impl Bench) {
    let up = "CREATE TABLE a (id INTEGER);;\r\nCREATE TABLE b (id INTEGER) -- the last line, without its end";
    let migrator = migrator(&[("1.0.0", "ab", up, "DROP TABLE a; DROP TABLE b /* gone */"), NOTES]);
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["a", "b", "notes"]);
    assert_eq!(bench.ledger().len(), 2);
    migrator.reset(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), [""; 0]);
}

fn empty_scripts_count_as_applied(bench: &impl Bench) {
    let migrator = migrator(&[("1.0.0", "none", "", ""), ("1.1.0", "words", "-- nothing to do here", "-- nor here")]);
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    migrator.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

/// A migration outside a transaction, with these scripts.
pub(crate) fn outside_transaction(up: &str, down: &str) -> Directory {
    let directory = Directory::simple(&[USERS, ("1.1.0", "steps", up, down)]);
    directory.write(
        "v1.1.0_steps/metadata.json",
        br#"{"version": "1.1.0", "name": "steps", "transaction": false, "min_runtime_version": "0.9.0"}"#,
    );
    directory
}

fn a_step_outside_a_transaction_resumes_where_it_stopped(bench: &impl Bench) {
    let up =
        "CREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (1);\nINSERT INTO b VALUES (1);\nINSERT INTO a VALUES (2)";
    let directory = outside_transaction(up, "DROP TABLE a");
    let migrator = of(registry_at(directory.path()));
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.location().unwrap().line, 3, "{error}");
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applying"]);
    assert_eq!(
        bench.sql("SELECT progress, min_runtime_version FROM schema_migrations_v2 WHERE version = '1.1.0'"),
        ["2|0.9.0"]
    );
    let assessment = migrator.check(&mut bench.open()).wait().unwrap();
    assert_eq!(assessment.verdict, Verdict::NeedsMigration);
    assert_eq!(assessment.migrations[1].state, MigrationState::Interrupted);

    bench.sql("CREATE TABLE b (id INTEGER)");
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id FROM a ORDER BY id"), ["1", "2"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    migrator.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["b", "users"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

/// The migration of [`outside_transaction`] with another minimum.
fn steps(up: &str, down: &str, minimum: &str) -> Migrator {
    let directory = outside_transaction(up, down);
    let metadata =
        format!(r#"{{"version": "1.1.0", "name": "steps", "transaction": false, "min_runtime_version": "{minimum}"}}"#);
    directory.write("v1.1.0_steps/metadata.json", metadata.as_bytes());
    of(registry_at(directory.path()))
}

fn a_wrong_statement_is_mended_and_the_run_goes_on_with_it(bench: &impl Bench) {
    let made = "CREATE TABLE a (id INTEGER);\n";
    let begun = steps(&format!("{made}INSERT INTO a (ident) VALUES (1);\nSELECT 1"), "", "0.9.0");
    let error = begun.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.location().unwrap().line, 2, "{error}");
    let help = error.help().unwrap();
    assert!(help.contains("mend it in the script first, but change none of those before it"), "{help}");

    // Mended, and wrong again behind that.
    let up =
        format!("-- mended\n{made}INSERT INTO a (id) VALUES (1);\nINSERT INTO b VALUES (1);\nINSERT INTO a VALUES (2)");
    let mended = steps(&up, "DROP TABLE b", "0.9.5");
    let assessment = mended.check(&mut bench.open()).wait().unwrap();
    assert_eq!(assessment.verdict, Verdict::NeedsMigration);
    let reason = &assessment.reasons[0];
    assert!(reason.message.ends_with("its script was changed since, behind its part 1"), "{reason:?}");
    let error = mended.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.location().unwrap().line, 4, "{error}");
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applying"]);
    let row =
        "SELECT progress, min_runtime_version, up_sql, down_sql FROM schema_migrations_v2 WHERE version = '1.1.0'";
    assert_eq!(bench.sql(row).join("\n"), format!("2|0.9.5|{up}|DROP TABLE b"));
    let resumed = "SELECT plan FROM schema_migrations_v2_history WHERE outcome = 'resumed'";
    assert_eq!(bench.sql(resumed), ["go on with 1.1.0 steps behind its part 1 with its changed script"]);

    // Part 2 is done now, so who holds the former script has another one.
    let refused = begun.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible);
    assert!(refused.to_string().contains("in what was begun: part 2 (line 3)"), "{refused}");
    // Not changed, it goes on without saying so.
    mended.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.sql(resumed).len(), 1);

    let up = format!("{made}INSERT INTO a (id) VALUES (1);\nINSERT INTO a VALUES (3)");
    let mended = steps(&up, "DROP TABLE a", "0.9.0");
    mended.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id FROM a ORDER BY id"), ["1", "3"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(bench.sql(row).join("\n"), format!("0|0.9.0|{up}|DROP TABLE a"));
    let assessment = mended.check(&mut bench.open()).wait().unwrap();
    assert_eq!((assessment.verdict, assessment.reasons.len()), (Verdict::Compatible, 0), "{assessment:?}");
    mended.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["users"]);
}

fn what_is_done_of_an_interrupted_script_must_stay_or_be_settled(bench: &impl Bench) {
    let up = "CREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (1);\nINSERT INTO b VALUES (1);\nSELECT 1";
    steps(up, "DROP TABLE a", "0.9.0").up(&mut bench.open()).wait().unwrap_err();
    let repair = |standing| Amendment::Repair { versions: vec![version("1.1.0")], standing: Some(standing) };
    let other = steps(&up.replace("a VALUES (1)", "a VALUES (2)").replace("INTO b", "INTO a"), "DROP TABLE a", "0.9.0");
    let before = (bench.ledger(), bench.sql("SELECT id FROM a"));
    for error in [other.up(&mut bench.open()).wait(), other.down(&mut bench.open()).wait()].map(Result::unwrap_err) {
        let help = error.help().unwrap();
        for way in [
            "put parts 1 to 2 (lines 1 to 2) back as begun, whatever follows, and run `migrate up`",
            "undo by hand what parts 1 to 2 (lines 1 to 2) did, then say `migrate repair 1.1.0 --not-applied`",
            "do the rest by hand, then say `migrate repair 1.1.0 --applied`",
        ] {
            assert!(help.contains(way), "{help}");
        }
    }
    assert_eq!((bench.ledger(), bench.sql("SELECT id FROM a")), before);
    // Whoever can go on is told how, and the way back is named, too.
    let back = steps(&up.replace("INTO b", "INTO a"), "DROP TABLE a", "0.9.0");
    let error = back.down(&mut bench.open()).wait().unwrap_err();
    assert!(error.help().unwrap().starts_with("finish it with `migrate up`"), "{error:?}");

    // The ways, one after the other.
    back.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id FROM a"), ["1", "1"]);
    back.down(&mut bench.open()).wait().unwrap();

    steps(up, "DROP TABLE a", "0.9.0").up(&mut bench.open()).wait().unwrap_err();
    bench.sql("DROP TABLE a");
    other.amend(&mut bench.open(), repair(Standing::NotApplied)).wait().unwrap();
    other.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id FROM a ORDER BY id"), ["1", "2"]);
    other.down(&mut bench.open()).wait().unwrap();

    steps(up, "DROP TABLE a", "0.9.0").up(&mut bench.open()).wait().unwrap_err();
    bench.sql("UPDATE a SET id = 2");
    other.amend(&mut bench.open(), repair(Standing::Applied)).wait().unwrap();
    assert_eq!(other.check(&mut bench.open()).wait().unwrap().verdict, Verdict::Compatible);
    other.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["users"]);
}

fn an_interrupted_script_of_which_only_comments_changed_is_resumed(bench: &impl Bench) {
    let up = "CREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (1);\nINSERT INTO b VALUES (1)";
    of(registry_at(outside_transaction(up, "DROP TABLE a").path())).up(&mut bench.open()).wait().unwrap_err();
    bench.sql("CREATE TABLE b (id INTEGER)");

    let other = "CREATE TABLE a (id INTEGER);\nINSERT INTO b VALUES (1)";
    let other = of(registry_at(outside_transaction(other, "DROP TABLE a").path()));
    let refused = other.up(&mut bench.open()).wait().unwrap_err();
    assert!(refused.to_string().contains("its script was changed since"), "{refused}");

    let commented =
        "-- What was there before stays.\nCREATE TABLE a\n  (id INTEGER);\nINSERT INTO a VALUES (1); -- one; two\n\n
        /* then; */ INSERT INTO b VALUES (1)";
    let commented = of(registry_at(outside_transaction(commented, "DROP TABLE a").path()));
    let assessment = commented.check(&mut bench.open()).wait().unwrap();
    assert_eq!(assessment.migrations[1].state, MigrationState::Interrupted);
    commented.up(&mut bench.open()).wait().unwrap();
    assert_eq!((bench.sql("SELECT id FROM a"), bench.sql("SELECT id FROM b")), (vec!["1".into()], vec!["1".into()]));
    let assessment = commented.check(&mut bench.open()).wait().unwrap();
    assert_eq!((assessment.verdict, assessment.reasons.len()), (Verdict::Compatible, 0), "{assessment:?}");
}

fn a_phase_ends_before_the_first_step_of_the_other(bench: &impl Bench) {
    let migration = |version: &str, name: &str, more: &str| {
        format!(
            "--- v{version}_{name}/metadata.json\n{{\"version\": \"{version}\", \"name\": \"{name}\"{more}}}\n\
             --- v{version}_{name}/up.sql\nCREATE TABLE {name} (id INTEGER)\n\
             --- v{version}_{name}/down.sql\nDROP TABLE {name}\n"
        )
    };
    let contract = ", \"phase\": \"contract\", \"dependencies\": [\"1.0.0\"], \"min_runtime_version\": \"0.9.0\"";
    let set = [
        migration("1.0.0", "wide", ", \"phase\": \"expand\""),
        migration("1.1.0", "narrow", contract),
        migration("1.2.0", "further", ""),
    ];
    let migrator = of(registry(&set.concat()));
    let names = |report: &Report| report.steps.iter().map(|step| step.name.clone()).collect::<Vec<_>>();
    let phase = |phase| migrator.up_phase(&mut bench.open(), phase).wait().unwrap();
    assert_eq!(names(&phase(Phase::Contract)), [""; 0]);
    let expanded = phase(Phase::Expand);
    assert_eq!(names(&expanded), ["wide"]);
    assert_eq!(expanded.remaining().count(), 2);
    assert_eq!(names(&phase(Phase::Expand)), [""; 0]);
    assert_eq!(names(&phase(Phase::Contract)), ["narrow"]);
    assert_eq!(names(&phase(Phase::Expand)), ["further"]);
}

fn groups_of_a_script_are_atomic(bench: &impl Bench) {
    let up = "CREATE TABLE a (id INTEGER);\nBEGIN;\nINSERT INTO a VALUES (1);\nINSERT INTO b VALUES (1);\nCOMMIT;\nINSERT INTO a VALUES (2);";
    let directory = outside_transaction(up, "BEGIN; DROP TABLE a; INSERT INTO c VALUES (1); COMMIT");
    let migrator = of(registry_at(directory.path()));
    migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.sql("SELECT count(*) FROM a"), ["0"]);
    bench.sql("CREATE TABLE b (id INTEGER)");
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id FROM a ORDER BY id"), ["1", "2"]);

    // Nothing of the down script took effect, so the migration is as applied as before.
    migrator.down(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(bench.sql("SELECT count(*) FROM a"), ["2"]);
    bench.sql("CREATE TABLE c (id INTEGER)");
    migrator.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["b", "c", "users"]);
}

fn a_step_outside_a_transaction_that_fails_at_once_leaves_nothing(bench: &impl Bench) {
    let directory =
        outside_transaction("INSERT INTO b VALUES (1); CREATE TABLE a (id INTEGER)", "DELETE FROM a; DROP TABLE c");
    let migrator = of(registry_at(directory.path()));
    migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    bench.sql("CREATE TABLE b (id INTEGER)");
    migrator.up(&mut bench.open()).wait().unwrap();
    // A down script that stops half way is finished by the next `down`, or by `up`, which then applies again.
    migrator.down(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|reverting"]);
    bench.sql("CREATE TABLE c (id INTEGER)");
    bench.sql("DROP TABLE a");
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(bench.tables(), ["a", "b", "users"]);
}

fn reading_creates_nothing(bench: &impl Bench) {
    let before = bench.all_tables();
    let migrator = migrator(&[USERS]);
    let database = &mut bench.open();
    assert_eq!(migrator.check(database).wait().unwrap().verdict, Verdict::NeedsMigration);
    assert_eq!(migrator.status(database).wait().unwrap()[0].state, MigrationState::Pending);
    assert_eq!(migrator.pending(database).wait().unwrap().len(), 1);
    assert_eq!(migrator.version(database).wait().unwrap(), None);
    assert_eq!(migrator.history(database, 10).wait().unwrap().len(), 0);
    assert_eq!(migrator.plan(database, Target::Latest).wait().unwrap().plan.steps.len(), 1);
    assert_eq!(migrator.plan(database, Target::DownAll).wait().unwrap().outcome, Outcome::NothingToDo);
    assert_eq!(bench.all_tables(), before);
}

fn reading_says_where_everything_stands(bench: &impl Bench) {
    let directory = Directory::simple(&[USERS, NOTES]);
    directory.write(
        "v1.0.0_users/metadata.json",
        br#"{"version": "1.0.0", "name": "users", "description": "who can sign in", "dependencies": []}"#,
    );
    let migrator = of(registry_at(directory.path()));
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    let status = migrator.status(&mut bench.open()).wait().unwrap();
    assert_eq!(status[0].description.as_deref(), Some("who can sign in"));
    let row = status[0].row.as_ref().unwrap();
    assert_eq!(row.runtime_version.as_deref(), Some("1.0.0"));
    assert_eq!(row.checksum, status[0].checksum);
    assert!(row.applied_at.ends_with('Z') && row.applied_at.len() == 24, "{}", row.applied_at);
    assert_eq!(status[1].state, MigrationState::Pending);
    assert_eq!(migrator.list().len(), 2);
}

fn unknown_rows_are_judged_by_their_minimum(bench: &impl Bench) {
    let newer = Directory::simple(&[USERS, NOTES]);
    newer.write(
        "v1.1.0_notes/metadata.json",
        br#"{"version": "1.1.0", "name": "notes", "min_runtime_version": "1.5.0"}"#,
    );
    of(registry_at(newer.path())).runtime_version(Version::new(2, 0, 0)).up(&mut bench.open()).wait().unwrap();

    let older = migrator(&[USERS]);
    let fits = older.check_compatibility(&mut bench.open(), Version::new(1, 5, 0)).wait().unwrap();
    assert_eq!(fits.verdict, Verdict::Compatible);
    let error = older.auto_migrate(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("migration 1.1.0 needs version 1.5.0 or newer"), "{error}");
    assert_eq!(error.assessment().unwrap().verdict, Verdict::Incompatible);
}

fn a_changed_script_is_refused_and_a_changed_comment_is_not(bench: &impl Bench) {
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let commented = format!("-- who can sign in\n  {}", USERS.2);
    let commented = migrator(&[("1.0.0", "users", &commented, USERS.3)]).check(&mut bench.open()).wait().unwrap();
    assert_eq!(commented.verdict, Verdict::Compatible);
    assert_eq!(commented.reasons[0].code.as_str(), "changed_in_comments");

    let changed = migrator(&[("1.0.0", "users", "CREATE TABLE users (id BIGINT PRIMARY KEY)", USERS.3), NOTES]);
    assert_eq!(changed.status(&mut bench.open()).wait().unwrap()[0].state, MigrationState::Changed);
    let error = changed.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert_eq!(bench.tables(), ["users"]);
}

fn an_older_program_undoes_what_it_does_not_know(bench: &impl Bench) {
    migrator(&[USERS, NOTES]).up(&mut bench.open()).wait().unwrap();
    let older = migrator(&[USERS]);
    assert_eq!(older.status(&mut bench.open()).wait().unwrap()[1].state, MigrationState::Unknown);
    older.down_to(&mut bench.open(), version("1.0.0")).wait().unwrap();
    assert_eq!(bench.tables(), ["users"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

fn an_older_program_leaves_what_a_newer_one_recorded(bench: &impl Bench) {
    let newer = migrator(&[USERS, NOTES, TAGS]).runtime_version(Version::new(2, 0, 0));
    newer.up(&mut bench.open()).wait().unwrap();
    let recorded = || {
        let ledger = "SELECT version, name, checksum, applied_at, runtime_version, status, registry_digest, up_sql
            FROM schema_migrations_v2 WHERE version <> '1.0.5' ORDER BY version";
        let state = "SELECT format, oldest_reader, checksum_algorithm FROM schema_migrations_v2_state";
        [bench.sql(ledger), bench.sql(state)]
    };
    let before = recorded();
    let older = migrator(&[USERS, NOTES]);
    older.auto_migrate(&mut bench.open()).wait().unwrap();
    assert_eq!(older.up(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);
    assert_eq!(bench.history().len(), 5, "it did not even take the lock");
    // Also where it has something to do.
    let own = ("1.0.5", "own", "CREATE TABLE own (id INTEGER)", "");
    let older = migrator(&[USERS, own, NOTES]).allow_out_of_order(true);
    assert_eq!(older.up(&mut bench.open()).wait().unwrap().steps.len(), 1);
    assert_eq!(recorded(), before);
    assert_eq!(newer.status(&mut bench.open()).wait().unwrap().len(), 4);
    assert_eq!(bench.tables(), ["notes", "own", "tags", "users"]);
}

fn a_dry_run_changes_nothing(bench: &impl Bench) {
    let options = AutoMigrateOptions { dry_run: true, ..AutoMigrateOptions::default() };
    let report = migrator(&[USERS]).auto_migrate_with(&mut bench.open(), options).wait().unwrap();
    assert_eq!(report.outcome, Outcome::DryRun);
    assert_eq!(report.plan.to_string(), "up 1.0.0 users");
    assert_eq!(bench.all_tables(), [""; 0]);
}

fn an_incompatible_database_can_be_left_alone(bench: &impl Bench) {
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    let other = migrator(&[("1.0.0", "users", "CREATE TABLE other (id INTEGER)", ""), NOTES]);
    let options = AutoMigrateOptions { fail_on_incompatible: false, ..AutoMigrateOptions::default() };
    let report = other.auto_migrate_with(&mut bench.open(), options).wait().unwrap();
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(report.assessment.verdict, Verdict::Incompatible);
    assert_eq!(bench.tables(), ["users"]);
}

/// The registry of a directory under a program's name.
pub(crate) fn named(name: &str, directory: &Directory) -> migrate_runtime::Registry {
    use migrate_core::source::{LoadOptions, load};
    let mut options = LoadOptions::new("migrations_v2");
    options.name = Some(name.to_owned());
    load(directory.path(), &options).into_registry().unwrap().0
}

fn checksums_of_another_kind_are_refused(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    migrator.up(&mut bench.open()).wait().unwrap();
    bench.sql("UPDATE schema_migrations_v2_state SET checksum_algorithm = 'sha3-256'");
    let assessment = migrator.check(&mut bench.open()).wait().unwrap();
    assert_eq!(assessment.verdict, Verdict::Incompatible);
    let codes: Vec<_> = assessment.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, [ReasonCode::NewerFormat], "{assessment:?}");
    let error = migrator.down(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

fn another_programs_tables_are_refused(bench: &impl Bench) {
    let directory = Directory::simple(&[USERS]);
    of(named("shop", &directory)).up(&mut bench.open()).wait().unwrap();
    let error = of(named("blog", &directory)).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("the ledger belongs to `shop`, and this program is `blog`"), "{error}");
    assert!(error.help().unwrap().contains("`table`"));
    assert_eq!(of(registry_at(directory.path())).check(&mut bench.open()).wait().unwrap().verdict, Verdict::Compatible);
}

fn other_tables_by_option(bench: &impl Bench) {
    migrator(&[USERS]).table("it's \"ours\"").up(&mut bench.open()).wait().unwrap();
    let ours = ["", "_history", "_instances", "_state"].map(|suffix| format!("it's \"ours\"{suffix}"));
    let expected: Vec<&str> = ours.iter().map(String::as_str).chain(["users"]).collect();
    assert_eq!(bench.all_tables(), expected);
    let error = migrator(&[USERS]).table("").up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

fn many_at_once_apply_each_migration_once(bench: &impl Bench) {
    let migrator = migrator(&[USERS, ("1.1.0", "count", "INSERT INTO users (id, email) VALUES (1, 'a')", ""), TAGS]);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                migrator.auto_migrate(&mut any(&bench.url())).wait().unwrap();
            });
        }
    });
    assert_eq!(bench.ledger().len(), 3);
    assert_eq!(bench.sql("SELECT count(*) FROM users"), ["1"]);
    let applied: Vec<String> = bench.history().into_iter().filter(|row| row.starts_with("up|")).collect();
    assert_eq!(applied, ["up|1.0.0|succeeded", "up|1.1.0|succeeded", "up|1.2.0|succeeded"]);
}

/// Runs `body` while a run holds the lock; it goes on when `body` returns.
pub(crate) fn while_locked<T>(bench: &impl Bench, body: impl FnOnce() -> T) -> T {
    let (started, is_started) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let holder = migrator(&[USERS]).actor("holder").observer(move |event: &Event<'_>| {
        if let Event::Started(_) = event {
            started.send(()).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    std::thread::scope(|scope| {
        let run = scope.spawn(move || holder.up(&mut bench.open()).wait().unwrap());
        is_started.recv().unwrap();
        let result = body();
        drop(go_on);
        run.join().unwrap();
        result
    })
}

fn a_busy_lock_is_named_when_the_wait_is_over(bench: &impl Bench) {
    let error = while_locked(bench, || {
        let waiting = migrator(&[USERS]).wait_lock(Duration::from_millis(100));
        waiting.up(&mut bench.open()).wait().unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::LockBusy);
    assert!(error.to_string().contains("the run lock is held by holder on host"), "{error}");
}

fn who_waits_goes_on_when_the_lock_is_free(bench: &impl Bench) {
    let (waiting, waits) = channel();
    let late = migrator(&[USERS, NOTES]).observer(move |event: &Event<'_>| {
        if let Event::Waiting(holder) = event {
            waiting.send(holder.owner.clone()).unwrap();
        }
    });
    let second = std::thread::scope(|scope| {
        let second = while_locked(bench, || {
            let second = scope.spawn(|| late.up(&mut bench.open()).wait().unwrap());
            assert_eq!(waits.recv().unwrap(), "holder");
            second
        });
        second.join().unwrap()
    });
    assert_eq!(second.steps.len(), 1);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
}

fn a_lock_left_by_a_dead_run_is_taken_over(bench: &impl Bench) {
    migrator(&[USERS]).up(&mut bench.open()).wait().unwrap();
    bench.sql(
        "UPDATE schema_migrations_v2_state SET fence = 41, lock_owner = 'ghost', lock_host = 'gone', lock_process = 1,
            lock_acquired_at = '2026-01-01 00:00:00', lock_expires_at = '2026-01-01 00:00:30'",
    );
    bench.sql("DELETE FROM schema_migrations_v2_history WHERE operation = 'run' AND outcome = 'succeeded'");
    let report = migrator(&[USERS, NOTES]).wait_lock(Duration::from_secs(20)).up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.run, Some(42));
    assert!(bench.history().contains(&"run||interrupted".to_owned()), "{:?}", bench.history());
    assert_eq!(bench.ledger().len(), 2);
}

fn every_attempt_is_recorded(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    migrator.up(&mut bench.open()).wait().unwrap();
    migrator.down(&mut bench.open()).wait().unwrap();
    let history = migrator.history(&mut bench.open(), 100).wait().unwrap();
    let shown: Vec<String> =
        history.iter().rev().map(|row| format!("{} {} {}", row.run, row.operation, row.outcome)).collect();
    assert_eq!(
        shown,
        ["1 run started", "1 up succeeded", "1 run succeeded", "2 run started", "2 down succeeded", "2 run succeeded"]
    );
    let step = &history[4];
    assert_eq!((step.version.as_deref(), &*step.actor), (Some("1.0.0"), "tester"));
    assert_eq!(step.process, std::process::id());
    assert_eq!(step.runtime_version.as_deref(), Some("1.0.0"));
    assert_eq!(step.registry_digest, migrator.registry().digest().to_string());
    assert!(step.execution_time_ms.is_some());
    assert_eq!(history[5].plan.as_deref(), Some("up 1.0.0 users"));
    assert_eq!(migrator.history(&mut bench.open(), 2).wait().unwrap().len(), 2);
}

fn quotes_and_backslashes_survive(bench: &impl Bench) {
    let up = "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('it''s \\ here; $1 ?')";
    migrator(&[("1.0.0", "t", up, "DROP TABLE t -- it's \\ done")]).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT a FROM t"), ["it's \\ here; $1 ?"]);
    assert_eq!(
        bench.sql("SELECT up_sql, down_sql FROM schema_migrations_v2"),
        [format!("{up}|DROP TABLE t -- it's \\ done")]
    );
}

fn damaged_tables_are_an_error(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    migrator.up(&mut bench.open()).wait().unwrap();
    bench.sql("UPDATE schema_migrations_v2 SET version = 'one'");
    let error = migrator.check(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ledger);
    assert!(error.to_string().contains("`one`"), "{error}");
    bench.sql("DROP TABLE schema_migrations_v2");
    let error = migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the table `schema_migrations_v2` is damaged: it is missing while the others are there"
    );
}

fn async_and_blocking_are_the_same(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let report = runtime.block_on(async {
        migrator.up_by_one(&mut bench.open()).await.unwrap();
        // Also from a task, which must be `Send`, and blocking inside a runtime.
        let (migrator, url) = (migrator.clone(), bench.url());
        tokio::spawn(async move { migrator.up(&mut any(&url)).await }).await.unwrap().unwrap()
    });
    assert_eq!(report.steps.len(), 1);
    let version_inside = runtime.block_on(async { migrator.version(&mut bench.open()).wait() }).unwrap();
    assert_eq!(version_inside, Some(version("1.1.0")));
}

fn health_is_a_code_and_a_sentence(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    let health = migrator.check_migration_health(&mut bench.open()).wait().unwrap();
    assert_eq!(
        (health.exit_code, &*health.message),
        (1, "the database is at the beginning and needs migration: 1 pending")
    );
    migrator.up(&mut bench.open()).wait().unwrap();
    let health = migrator.check_migration_health(&mut bench.open()).wait().unwrap();
    assert_eq!((health.exit_code, &*health.message), (0, "the database is compatible, at 1.0.0"));
    bench.sql("UPDATE schema_migrations_v2 SET min_runtime_version = '3.0.0'");
    let health = migrator.check_migration_health(&mut bench.open()).wait().unwrap();
    assert_eq!(health.exit_code, 2);
    assert!(health.message.contains("needs version 3.0.0"), "{}", health.message);
}

/// Kept beside the behaviours: a directory may also be written as text.
#[test]
fn a_directory_can_be_written_as_text() {
    let registry = registry(
        "--- v1.0.0_a/metadata.json\n{\"version\": \"1.0.0\", \"name\": \"a\"}\n--- v1.0.0_a/up.sql\nSELECT 1;\n",
    );
    assert_eq!(registry.head(), Some(version("1.0.0")));
}

fn temporary_objects_do_not_reach_the_next_migration(bench: &impl Bench) {
    let migrations = [
        ("1.0.0", "orders", "CREATE TABLE orders (id INTEGER)", ""),
        ("1.0.1", "shadow", "CREATE TEMP TABLE orders AS SELECT 1 AS id; CREATE TEMP TABLE work (id INTEGER)", ""),
        ("1.1.0", "insert", "INSERT INTO orders VALUES (42); CREATE TEMPORARY TABLE work (id INTEGER)", ""),
    ];
    migrator(&migrations).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT id FROM orders"), ["42"]);
}

fn an_interrupted_down_is_finished_with_the_script_that_was_begun(bench: &impl Bench) {
    let down = "INSERT INTO a VALUES (2); INSERT INTO missing VALUES (1); DROP TABLE a";
    let directory = outside_transaction("CREATE TABLE a (id INTEGER)", down);
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
    of(registry_at(directory.path())).down(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|reverting"]);

    directory.write("v1.1.0_steps/down.sql", b"DROP TABLE users; DROP TABLE a; DROP TABLE a");
    bench.sql("CREATE TABLE missing (id INTEGER)");
    of(registry_at(directory.path())).down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["missing", "users"]);
    assert_eq!(bench.sql("SELECT count(*) FROM missing"), ["1"]);
}

fn an_interrupted_step_is_finished_as_it_was_begun(bench: &impl Bench) {
    let up = "CREATE TABLE a (id INTEGER); INSERT INTO missing VALUES (1); INSERT INTO a VALUES (1)";
    let directory = outside_transaction(up, "");
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap_err();
    directory.write("v1.1.0_steps/metadata.json", br#"{"version": "1.1.0", "name": "steps"}"#);
    bench.sql("CREATE TABLE missing (id INTEGER)");
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.sql("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM missing)"), ["1|1"]);
}

fn a_ledger_row_that_vanishes_under_a_step_is_an_error(bench: &impl Bench) {
    let directory = outside_transaction("DELETE FROM schema_migrations_v2; CREATE TABLE a (id INTEGER)", "");
    let error = of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ledger, "{error}");
    assert_eq!(bench.tables(), ["users"]);
}

fn a_newer_format_is_incompatible(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    migrator.up(&mut bench.open()).wait().unwrap();
    let newer = migrate_core::ledger::FORMAT + 1;
    bench.sql(&format!("UPDATE schema_migrations_v2_state SET format = {newer}, oldest_reader = {newer}"));
    bench.sql("UPDATE schema_migrations_v2 SET version = 'new'");
    let assessment = migrator.check(&mut bench.open()).wait().unwrap();
    assert_eq!(assessment.verdict, Verdict::Incompatible);
    assert_eq!(assessment.reasons[0].code.as_str(), "newer_format");
}

fn a_view_of_our_name_is_not_mistaken_for_ours(bench: &impl Bench) {
    bench.sql("CREATE VIEW schema_migrations_v2 AS SELECT 1 AS one");
    let error = migrator(&[USERS]).up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ledger);
    assert_eq!(bench.all_tables(), [""; 0]);
}

fn a_password_in_a_script_is_not_shown(bench: &impl Bench) {
    for up in [
        "CREATE ROLE app WITH NOLOGIN PASSWORD 'hunter2' NONSENSE",
        // The databases name the word where they stop.
        "CREATE ROLE app PASSWORD 'a' 'hunter2'",
        "SELECT dblink_connect('host=127.0.0.1 port=1 user=u password=hunter2')",
        "INSERT INTO nowhere (password) VALUES ('hunter2')",
    ] {
        let error = migrator(&[("1.0.0", "role", up, "")]).up(&mut bench.open()).wait().unwrap_err();
        assert!(error.statement().is_some_and(|statement| statement.contains("***")), "{error:?}");
        let shown = format!("{error} {error:?} {:?}", bench.sql("SELECT error FROM schema_migrations_v2_history"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

fn what_a_verify_script_sets_does_not_reach_the_next_migration(bench: &impl Bench) {
    let sqlite = bench.url().starts_with("sqlite:");
    let directory = Directory::simple(&[USERS, NOTES]);
    let verify = if sqlite { "PRAGMA recursive_triggers = ON" } else { "CREATE SCHEMA other; SET search_path = other" };
    directory.write("v1.0.0_users/verify.sql", verify.as_bytes());
    directory.write(
        "v1.1.0_notes/verify.sql",
        if sqlite {
            b"SELECT recursive_triggers = 0 FROM pragma_recursive_triggers".as_slice()
        } else {
            b"SELECT to_regclass('public.notes') IS NOT NULL"
        },
    );
    of(registry_at(directory.path())).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["notes", "users"]);
}
