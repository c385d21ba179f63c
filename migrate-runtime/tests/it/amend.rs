//! Amending the ledger, and the run lock in an operator's hands: the same on every backend.

use std::sync::mpsc::channel;
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use migrate_runtime::{
    Amendment, Error, ErrorKind, Event, LockRelease, MigrationState, Migrator, Outcome, Standing, Target, Verdict,
};
use testkit::migrations::Directory;

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, any, migrator, of, registry_at};
use crate::conformance::{NOTES, TAGS, USERS, conformance, named, outside_transaction, version, while_locked};

conformance! {
    force_records_a_migration_without_running_it
    force_takes_a_migration_out_of_the_ledger
    force_alone_settles_what_was_interrupted
    a_version_that_nobody_knows_is_refused_with_suggestions
    repair_accepts_a_changed_script
    repair_settles_an_interrupted_migration_as_it_is_told
    repair_forgets_a_row_that_cannot_be_undone
    safe_repairs_touch_comments_only
    repairs_are_proposed
    a_baseline_records_what_is_there
    a_baseline_hides_nothing
    a_baseline_can_be_undone
    all_changes_or_none
    an_amendment_waits_for_its_turn
    an_amendment_that_lost_its_lock_changes_nothing
    many_at_once_record_a_baseline_once
    another_programs_ledger_is_not_amended
    what_was_planned_writes_nothing
    what_was_confirmed_is_what_is_done
    what_was_confirmed_is_compared_under_the_lock
    the_holder_of_the_lock_is_shown
    a_lock_left_by_a_dead_run_is_freed
    a_lock_of_a_live_run_is_kept
    a_lock_that_is_taken_by_force_stops_its_holder
    only_the_lock_that_was_shown_is_freed
}

fn force(text: &str, standing: Standing) -> Amendment {
    Amendment::Force { version: version(text), standing: Some(standing), reason: "it's \\ so".to_owned() }
}

fn repair(text: &str, standing: Option<Standing>) -> Amendment {
    Amendment::Repair { versions: vec![version(text)], standing }
}

fn baseline(text: &str) -> Amendment {
    Amendment::Baseline { version: version(text) }
}

fn verdict(migrator: &Migrator, bench: &impl Bench) -> Verdict {
    migrator.check(&mut bench.open()).wait().unwrap().verdict
}

/// What the history says of the newest amendment.
fn note(migrator: &Migrator, bench: &impl Bench) -> String {
    let history = migrator.history(&mut bench.open(), 100).wait().unwrap();
    let amended = history.iter().find(|row| !["run", "up", "down"].contains(&&*row.operation)).unwrap();
    assert_eq!((&*amended.outcome, &*amended.actor), ("succeeded", "tester"));
    amended.plan.clone().unwrap()
}

fn force_records_a_migration_without_running_it(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    let report = migrator.amend(&mut bench.open(), force("1.1.0", Standing::Applied)).wait().unwrap();
    assert_eq!((report.outcome, report.run), (Outcome::Done, Some(2)));
    assert_eq!(report.plan.to_string(), "record 1.1.0 notes as applied");
    assert_eq!(bench.tables(), ["users"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(bench.history()[3..], ["run||started", "force|1.1.0|succeeded", "run||succeeded"]);
    assert_eq!(note(&migrator, bench), "record 1.1.0 notes as applied\nreason: it's \\ so");
    assert_eq!(bench.lock_owner(), [""; 0]);
    assert_eq!(verdict(&migrator, bench), Verdict::Compatible);
    let stored =
        bench.sql("SELECT up_sql, down_sql, runtime_version FROM schema_migrations_v2 WHERE version = '1.1.0'");
    assert_eq!(stored, [format!("{}|{}|1.0.0", NOTES.2, NOTES.3)]);

    let again = migrator.amend(&mut bench.open(), force("1.1.0", Standing::Applied)).wait().unwrap();
    assert_eq!((again.outcome, again.run), (Outcome::NothingToDo, None));
    assert_eq!(bench.history().len(), 6);
}

fn force_takes_a_migration_out_of_the_ledger(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    migrator.up(&mut bench.open()).wait().unwrap();
    migrator.amend(&mut bench.open(), force("1.1.0", Standing::NotApplied)).wait().unwrap();
    assert_eq!(bench.tables(), ["notes", "users"]);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(note(&migrator, bench), "forget 1.1.0 notes: it counts as not applied\nreason: it's \\ so");
    assert_eq!(verdict(&migrator, bench), Verdict::NeedsMigration);
}

/// A migrator whose second migration was interrupted after its first statement.
fn interrupted(bench: &impl Bench) -> Migrator {
    let directory = outside_transaction("CREATE TABLE a (id INTEGER); INSERT INTO missing VALUES (1)", "DROP TABLE a");
    let migrator = of(registry_at(directory.path()));
    migrator.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applying"]);
    migrator
}

fn force_alone_settles_what_was_interrupted(bench: &impl Bench) {
    let set = |text| Amendment::Force { version: version(text), standing: None, reason: "by hand".to_owned() };
    let migrator = interrupted(bench);
    migrator.amend(&mut bench.open(), set("1.0.0")).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    let error = migrator.amend(&mut bench.open(), set("1.1.0")).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    bench.sql("DROP TABLE a");
    migrator.up(&mut bench.open()).wait().unwrap_err();
    migrator.amend(&mut bench.open(), set("1.1.0")).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(bench.sql("SELECT progress FROM schema_migrations_v2"), ["0", "0"]);
    assert_eq!(verdict(&migrator, bench), Verdict::Compatible);
}

fn a_version_that_nobody_knows_is_refused_with_suggestions(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    for amendment in [force("1.0.1", Standing::Applied), repair("1.0.1", None), baseline("1.0.1")] {
        let error = migrator.amend(&mut bench.open(), amendment).wait().unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Usage, "there is no migration 1.0.1".to_owned()));
        assert_eq!(error.help(), Some("did you mean 1.0.0? `migrate status` lists them all"));
        assert_eq!(error.migration(), Some(version("1.0.1")));
    }
    assert_eq!(bench.all_tables(), [""; 0]);
}

fn repair_accepts_a_changed_script(bench: &impl Bench) {
    migrator(&[USERS, NOTES]).up(&mut bench.open()).wait().unwrap();
    let times = bench.sql("SELECT applied_at, execution_time_ms, status FROM schema_migrations_v2 ORDER BY version");
    let up = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL)";
    let changed = migrator(&[("1.0.0", "users", up, "DROP TABLE users; -- new"), NOTES]);
    assert_eq!(verdict(&changed, bench), Verdict::Incompatible);
    changed.amend(&mut bench.open(), repair("1.0.0", None)).wait().unwrap();
    assert_eq!(verdict(&changed, bench), Verdict::Compatible);
    assert_eq!(
        bench.sql("SELECT up_sql, down_sql FROM schema_migrations_v2 ORDER BY version"),
        [format!("{up}|DROP TABLE users; -- new"), format!("{}|{}", NOTES.2, NOTES.3)]
    );
    assert_eq!(
        bench.sql("SELECT applied_at, execution_time_ms, status FROM schema_migrations_v2 ORDER BY version"),
        times
    );
    assert_eq!(note(&changed, bench), "accept the changed script of 1.0.0 users");
    let again = changed.amend(&mut bench.open(), repair("1.0.0", None)).wait().unwrap();
    assert_eq!(again.outcome, Outcome::NothingToDo);
}

fn repair_settles_an_interrupted_migration_as_it_is_told(bench: &impl Bench) {
    let migrator = interrupted(bench);
    let error = migrator.amend(&mut bench.open(), repair("1.1.0", None)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.help().unwrap().contains("`migrate repair 1.1.0 --applied`"), "{error:?}");
    let error = migrator.amend(&mut bench.open(), repair("1.0.0", Some(Standing::Applied))).wait().unwrap_err();
    assert_eq!(error.to_string(), "migration 1.0.0 was not interrupted");
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applying"]);

    migrator.amend(&mut bench.open(), repair("1.1.0", Some(Standing::NotApplied))).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    bench.sql("DROP TABLE a");
    migrator.up(&mut bench.open()).wait().unwrap_err();
    // Mended by hand, and with another script than the one that was begun.
    let mended = of(registry_at(outside_transaction("CREATE TABLE a (id BIGINT)", "DROP TABLE a").path()));
    assert_eq!(verdict(&mended, bench), Verdict::Incompatible);
    mended.amend(&mut bench.open(), repair("1.1.0", Some(Standing::Applied))).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(verdict(&mended, bench), Verdict::Compatible);
    mended.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["users"]);
}

fn repair_forgets_a_row_that_cannot_be_undone(bench: &impl Bench) {
    migrator(&[USERS, NOTES, ("1.2.0", "tags", TAGS.2, "")]).up(&mut bench.open()).wait().unwrap();
    let older = migrator(&[USERS]);
    let error = older.amend(&mut bench.open(), repair("1.1.0", None)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert!(error.help().unwrap().contains("`migrate down --to 1.0.0`"), "{error:?}");
    older.amend(&mut bench.open(), repair("1.2.0", None)).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    older.amend(&mut bench.open(), force("1.1.0", Standing::NotApplied)).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
    assert_eq!(bench.tables(), ["notes", "tags", "users"]);
}

fn safe_repairs_touch_comments_only(bench: &impl Bench) {
    migrator(&[USERS, NOTES]).up(&mut bench.open()).wait().unwrap();
    let commented = format!("-- who can sign in\n{}", USERS.2);
    let changed = migrator(&[("1.0.0", "users", &commented, USERS.3), ("1.1.0", "notes", "SELECT 1", NOTES.3)]);
    let report = changed.amend(&mut bench.open(), Amendment::RepairWhatIsSafe).wait().unwrap();
    assert_eq!(report.plan.to_string(), "accept the changed script of 1.0.0 users");
    let assessment = changed.check(&mut bench.open()).wait().unwrap();
    let states: Vec<MigrationState> = assessment.migrations.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [MigrationState::Applied, MigrationState::Changed]);
    assert!(assessment.reasons.iter().all(|reason| reason.code.as_str() != "changed_in_comments"));
}

/// Leaves the name of a run in the lock that is gone.
fn leave_a_ghost(bench: &impl Bench) {
    bench.sql(
        "UPDATE schema_migrations_v2_state SET fence = 41, lock_owner = 'ghost', lock_host = 'gone', lock_process = 1,
            lock_acquired_at = '2026-01-01T00:00:00.000Z', lock_expires_at = '2026-01-01T00:00:30.000Z'",
    );
}

fn repairs_are_proposed(bench: &impl Bench) {
    let migrator = interrupted(bench);
    leave_a_ghost(bench);
    let before = (bench.history(), bench.ledger());
    let repairs = migrator.repairs(&mut bench.open()).wait().unwrap();
    assert_eq!(
        repairs[0].commands,
        ["migrate up", "migrate repair 1.1.0 --applied", "migrate repair 1.1.0 --not-applied"]
    );
    assert_eq!(repairs[1].commands, ["migrate lock release"]);
    assert!(repairs[1].problem.contains("ghost on host gone, process 1"), "{}", repairs[1].problem);
    assert_eq!((bench.history(), bench.ledger()), before);
}

fn a_baseline_records_what_is_there(bench: &impl Bench) {
    bench.sql("CREATE TABLE users (id INTEGER); CREATE TABLE notes (id INTEGER)");
    let migrator = migrator(&[USERS, NOTES, TAGS]);
    migrator.amend(&mut bench.open(), baseline("1.0.0")).wait().unwrap();
    migrator.amend(&mut bench.open(), baseline("1.1.0")).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|baseline", "1.1.0|baseline"]);
    let status = migrator.status(&mut bench.open()).wait().unwrap();
    assert_eq!((status[1].state, status[2].state), (MigrationState::Baseline, MigrationState::Pending));
    assert_eq!(migrator.version(&mut bench.open()).wait().unwrap(), Some(version("1.1.0")));
    let amended: Vec<String> = bench.history().into_iter().filter(|row| row.starts_with("baseline")).collect();
    assert_eq!(amended, ["baseline|1.0.0|succeeded", "baseline|1.1.0|succeeded"]);
    let report = migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(report.plan.to_string(), "up 1.2.0 tags");
    assert_eq!(bench.tables(), ["notes", "tags", "users"]);
}

fn a_baseline_hides_nothing(bench: &impl Bench) {
    migrator(&[NOTES]).up(&mut bench.open()).wait().unwrap();
    let error = migrator(&[USERS, NOTES, TAGS]).amend(&mut bench.open(), baseline("1.2.0")).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert!(error.to_string().ends_with("migration 1.1.0 is applied, and a lower one is not"), "{error}");
    assert_eq!(bench.ledger(), ["1.1.0|applied"]);
}

fn a_baseline_can_be_undone(bench: &impl Bench) {
    bench.sql("CREATE TABLE users (id INTEGER); CREATE TABLE notes (id INTEGER)");
    let migrator = migrator(&[USERS, NOTES]);
    migrator.amend(&mut bench.open(), baseline("1.1.0")).wait().unwrap();
    migrator.down(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|baseline"]);
    assert_eq!(bench.tables(), ["users"]);
}

fn all_changes_or_none(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    migrator.amend(&mut bench.open(), force("1.0.0", Standing::NotApplied)).wait().unwrap();
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    migrator.down(&mut bench.open()).wait().unwrap();
    bench.sql("CREATE UNIQUE INDEX one ON schema_migrations_v2_history (operation) WHERE operation = 'baseline'");
    let error = migrator.amend(&mut bench.open(), baseline("1.1.0")).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database, "{error}");
    assert_eq!(bench.ledger(), [""; 0]);
    assert_eq!(bench.history().last().unwrap(), "run||failed");
    assert_eq!(bench.lock_owner(), [""; 0]);
    bench.sql("DROP INDEX one");
    migrator.amend(&mut bench.open(), baseline("1.1.0")).wait().unwrap();
    assert_eq!(bench.ledger(), ["1.0.0|baseline", "1.1.0|baseline"]);
}

fn an_amendment_waits_for_its_turn(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    let error = while_locked(bench, || {
        let hurried = migrator.clone().wait_lock(Duration::from_millis(100));
        hurried.amend(&mut bench.open(), force("1.1.0", Standing::Applied)).wait().unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::LockBusy);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

fn an_amendment_that_lost_its_lock_changes_nothing(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    migrator.up(&mut bench.open()).wait().unwrap();
    let error = stopped_by_force(bench, |paused| {
        paused.amend(&mut bench.open(), force("1.1.0", Standing::NotApplied)).wait().unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::LockLost, "{error}");
    assert_eq!(bench.ledger().len(), 2);
    assert!(!bench.history().contains(&"force|1.1.0|succeeded".to_owned()));
}

fn many_at_once_record_a_baseline_once(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                migrator.amend(&mut any(&bench.url()), baseline("1.1.0")).wait().unwrap();
            });
        }
    });
    assert_eq!(bench.ledger(), ["1.0.0|baseline", "1.1.0|baseline"]);
    let amended: Vec<String> = bench.history().into_iter().filter(|row| row.starts_with("baseline")).collect();
    assert_eq!(amended, ["baseline|1.0.0|succeeded", "baseline|1.1.0|succeeded"]);
}

fn another_programs_ledger_is_not_amended(bench: &impl Bench) {
    let directory = Directory::simple(&[USERS, NOTES]);
    of(named("shop", &directory)).up(&mut bench.open()).wait().unwrap();
    let other = of(named("blog", &directory));
    let error = other.amend(&mut bench.open(), force("1.1.0", Standing::NotApplied)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    leave_a_ghost(bench);
    let error = other.release_lock(&mut bench.open(), LockRelease::default()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert_eq!(bench.ledger().len(), 2);
    assert_eq!(bench.lock_owner(), ["ghost"]);
}

fn what_was_planned_writes_nothing(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    for amendment in [force("1.0.0", Standing::Applied), baseline("1.1.0")] {
        let report = migrator.plan_amendment(&mut bench.open(), amendment).wait().unwrap();
        assert_eq!((report.outcome, report.run), (Outcome::DryRun, None));
        assert!(!report.plan.changes.is_empty());
    }
    assert_eq!(migrator.repairs(&mut bench.open()).wait().unwrap(), []);
    assert_eq!(migrator.lock_holder(&mut bench.open()).wait().unwrap(), None);
    let free = migrator.release_lock(&mut bench.open(), LockRelease::default()).wait().unwrap();
    assert_eq!((free.outcome, free.holder), (Outcome::NothingToDo, None));
    assert_eq!(bench.all_tables(), [""; 0]);
}

fn what_was_confirmed_is_what_is_done(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    migrator.up_by_one(&mut bench.open()).wait().unwrap();
    let shown = migrator.plan(&mut bench.open(), Target::DownBy(1)).wait().unwrap().plan;
    let amendment = || force("1.1.0", Standing::NotApplied);
    let nothing = migrator.plan_amendment(&mut bench.open(), amendment()).wait().unwrap().plan;
    migrator.up(&mut bench.open()).wait().unwrap();
    let before = bench.history();

    let careful = migrator.clone().expecting(shown.clone());
    let error = careful.run(&mut bench.open(), Target::DownBy(1)).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert!(error.to_string().contains("what was confirmed"), "{error}");
    let error = migrator.clone().expecting(nothing).amend(&mut bench.open(), amendment()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert_eq!((bench.ledger().len(), bench.history()), (2, before));

    migrator.down(&mut bench.open()).wait().unwrap();
    careful.run(&mut bench.open(), Target::DownBy(1)).wait().unwrap();
    assert_eq!(bench.ledger(), [""; 0]);
}

fn what_was_confirmed_is_compared_under_the_lock(bench: &impl Bench) {
    let migrator = migrator(&[USERS, NOTES]);
    let amendment = || baseline("1.1.0");
    let shown = migrator.plan_amendment(&mut bench.open(), amendment()).wait().unwrap().plan;
    let (waiting, waits) = channel();
    let careful = migrator.expecting(shown).observer(move |event: &Event<'_>| {
        if let Event::Waiting(_) = event {
            waiting.send(()).unwrap();
        }
    });
    let result = std::thread::scope(|scope| {
        let second = while_locked(bench, || {
            let second = scope.spawn(|| careful.amend(&mut bench.open(), amendment()).wait());
            waits.recv().unwrap();
            second
        });
        second.join().unwrap()
    });
    // The run before it applied 1.0.0.
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Plan);
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

fn the_holder_of_the_lock_is_shown(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    let holder = while_locked(bench, || migrator.lock_holder(&mut bench.open()).wait().unwrap().unwrap());
    assert_eq!((&*holder.owner, holder.process, holder.live), ("holder", std::process::id(), true));
    assert_eq!(holder.expires_at.is_some(), bench.url().starts_with("postgres"));
    assert_eq!(migrator.lock_holder(&mut bench.open()).wait().unwrap(), None);
    leave_a_ghost(bench);
    let ghost = migrator.lock_holder(&mut bench.open()).wait().unwrap().unwrap();
    assert_eq!((&*ghost.owner, &*ghost.host, ghost.process, ghost.live), ("ghost", "gone", 1, false));
    assert_eq!(ghost.acquired_at, "2026-01-01T00:00:00.000Z");
    assert_eq!(bench.lock_owner(), ["ghost"]);
}

fn a_lock_left_by_a_dead_run_is_freed(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    migrator.up(&mut bench.open()).wait().unwrap();
    leave_a_ghost(bench);
    bench.sql("DELETE FROM schema_migrations_v2_history WHERE operation = 'run' AND outcome = 'succeeded'");
    let planned = LockRelease { dry_run: true, ..LockRelease::default() };
    let planned = migrator.release_lock(&mut bench.open(), planned).wait().unwrap();
    assert_eq!((planned.outcome, planned.run), (Outcome::DryRun, None));
    assert_eq!(bench.lock_owner(), ["ghost"]);

    let freed = migrator.release_lock(&mut bench.open(), LockRelease::default()).wait().unwrap();
    assert_eq!((freed.outcome, freed.run), (Outcome::Done, Some(42)));
    assert_eq!(freed.holder.unwrap().owner, "ghost");
    assert_eq!(bench.lock_owner(), [""; 0]);
    assert_eq!(bench.sql("SELECT fence FROM schema_migrations_v2_state"), ["42"]);
    let mut newest = bench.history().split_off(2);
    // The end of the dead run and the beginning of ours are written by one statement.
    newest[..2].sort();
    assert_eq!(newest, ["run||interrupted", "run||started", "unlock||succeeded", "run||succeeded"]);
    let expected = "free the run lock of ghost on host gone, process 1, since 2026-01-01T00:00:00.000Z";
    assert_eq!(note(&migrator, bench), expected);
}

fn a_lock_of_a_live_run_is_kept(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    let planned = LockRelease { dry_run: true, ..LockRelease::default() };
    let errors = while_locked(bench, || {
        [planned, LockRelease::default()]
            .map(|options| migrator.release_lock(&mut bench.open(), options).wait().unwrap_err())
    });
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::LockBusy);
        assert!(error.to_string().contains("holder on host"), "{error}");
        assert!(error.help().unwrap().contains("`--force`"), "{error:?}");
    }
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

/// Runs an operation up to the moment when it holds the lock, takes the lock from it by force, and lets it go on.
fn stopped_by_force(bench: &impl Bench, operation: impl FnOnce(Migrator) -> Error + Send) -> Error {
    let (started, is_started) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let paused = migrator(&[USERS, NOTES]).actor("holder").observer(move |event: &Event<'_>| {
        if let Event::Started(_) = event {
            started.send(()).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    std::thread::scope(|scope| {
        let run = scope.spawn(|| operation(paused));
        is_started.recv().unwrap();
        let force = LockRelease { force: true, ..LockRelease::default() };
        let freed = migrator(&[USERS, NOTES]).release_lock(&mut bench.open(), force).wait().unwrap();
        assert_eq!((freed.outcome, freed.holder.unwrap().owner), (Outcome::Done, "holder".to_owned()));
        drop(go_on);
        run.join().unwrap()
    })
}

fn a_lock_that_is_taken_by_force_stops_its_holder(bench: &impl Bench) {
    let error = stopped_by_force(bench, |paused| paused.up(&mut bench.open()).wait().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::LockLost, "{error}");
    assert!(
        error.to_string().starts_with("the run lost its lock to another run and stopped: its fence 1 is gone"),
        "{error}"
    );
    assert_eq!(bench.tables(), [""; 0]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    // Whoever took the lock has closed the run.
    let ends = "SELECT outcome FROM schema_migrations_v2_history WHERE run = 1 AND operation = 'run' ORDER BY id";
    assert_eq!(bench.sql(ends), ["started", "interrupted"]);
    let migrator = migrator(&[USERS, NOTES]);
    assert!(note(&migrator, bench).ends_with(", which was alive"));
    migrator.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), ["notes", "users"]);
}

fn only_the_lock_that_was_shown_is_freed(bench: &impl Bench) {
    let migrator = migrator(&[USERS]);
    migrator.up(&mut bench.open()).wait().unwrap();
    leave_a_ghost(bench);
    let expected = migrator.lock_holder(&mut bench.open()).wait().unwrap();
    let options = LockRelease { expected, ..LockRelease::default() };
    bench.sql("UPDATE schema_migrations_v2_state SET lock_process = 2");
    let error = migrator.release_lock(&mut bench.open(), options.clone()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert_eq!(bench.lock_owner(), ["ghost"]);
    bench.sql("UPDATE schema_migrations_v2_state SET lock_process = 1");
    migrator.release_lock(&mut bench.open(), options).wait().unwrap();
    assert_eq!(bench.lock_owner(), [""; 0]);
}
