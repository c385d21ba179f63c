//! Running programs: registering, heartbeats, and steps that wait for them.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use migrate_runtime::{
    AutoMigrateOptions, BorrowedClient, ErrorKind, Event, Instance, InstanceOptions, Migrator, Outcome, Postgres,
    ReasonCode, Verdict, Version,
};
use testkit::migrations::Directory;
use testkit::postgres::Server;

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, of, registry_at};
use crate::conformance::{NOTES, TAGS, USERS, conformance, version, while_locked};

conformance! {
    a_program_registers_beats_and_leaves
    a_dropped_instance_leaves
    a_thread_of_ours_beats
    a_borrowed_instance_beats_by_hand
    a_program_that_cannot_serve_is_not_registered
    a_step_that_raises_the_floor_stops_before_older_programs
    newer_and_expired_programs_are_in_nobodys_way
    a_run_waits_for_older_programs
    who_registers_during_a_run_is_judged_by_what_it_intends
    what_a_run_intended_is_withdrawn_with_its_end
    what_a_dead_run_intended_refuses_nobody_for_long
    older_programs_can_be_ignored_which_is_recorded
    breaking_steps_can_be_deferred_and_finished
    finishing_what_was_deferred_waits_and_holds_nothing
    undoing_stops_before_programs_that_need_it
    a_program_that_expired_is_judged_anew
    a_program_that_comes_back_is_waited_for_and_told
    tables_without_instances_are_read_and_grow
    two_runs_wait_for_the_same_program
    readiness_is_told_of_another_run
    a_stopped_wait_gives_the_lock_back
    an_interrupted_step_is_finished_whoever_runs
}

/// Users at 1.0.0, notes at 1.1.0, and 2.0.0 drops what programs below 2.0.0 need.
fn contract() -> Directory {
    let contract = ("2.0.0", "drop_users", "DROP TABLE users", USERS.2);
    let directory = Directory::simple(&[USERS, NOTES, contract]);
    directory.write(
        "v2.0.0_drop_users/metadata.json",
        br#"{"version": "2.0.0", "name": "drop_users", "min_runtime_version": "2.0.0"}"#,
    );
    directory
}

/// A program of version 2.0.0, which holds all three.
fn newer() -> Migrator {
    of(registry_at(contract().path())).runtime_version(Version::new(2, 0, 0))
}

/// A program of version 1.0.0, which holds the first.
fn older() -> Migrator {
    of(registry_at(Directory::simple(&[USERS]).path()))
}

/// Registers without a thread that beats.
fn register(migrator: &Migrator, bench: &impl Bench) -> Instance {
    let options = InstanceOptions { keep_alive: false, ..InstanceOptions::default() };
    migrator.register_instance_with(&mut bench.open(), options).wait().unwrap()
}

fn registered(bench: &impl Bench) -> Vec<String> {
    bench.sql("SELECT runtime_version, coalesce(registry_head, '') FROM schema_migrations_v2_instances ORDER BY 1")
}

fn expire(bench: &impl Bench) {
    bench.sql("UPDATE schema_migrations_v2_instances SET expires_at = '2026-01-01 00:00:00'");
}

fn intent(bench: &impl Bench) -> Vec<String> {
    bench.sql("SELECT coalesce(intended_floor, ''), coalesce(intended_removal, '') FROM schema_migrations_v2_state")
}

#[track_caller]
fn until(what: &str, mut happens: impl FnMut() -> bool) {
    let since = Instant::now();
    while !happens() {
        assert!(since.elapsed() < Duration::from_secs(60), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `body` while `migrator` waits for running programs, before it looks again; gives what the run ended with.
fn while_waiting<T>(
    bench: &impl Bench,
    migrator: Migrator,
    body: impl FnOnce() -> T,
) -> (Result<migrate_runtime::Report, migrate_runtime::Error>, T) {
    let (waiting, waits) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let migrator = migrator.wait_for_fleet(Duration::from_secs(60)).observer(move |event: &Event<'_>| {
        if let Event::WaitingForInstances { instances, .. } = event {
            waiting.send(instances.len()).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    std::thread::scope(|scope| {
        let run = scope.spawn(move || migrator.up(&mut bench.open()).wait());
        assert_eq!(waits.recv().unwrap(), 1);
        let result = body();
        drop(go_on);
        (run.join().unwrap(), result)
    })
}

fn a_program_registers_beats_and_leaves(bench: &impl Bench) {
    newer().up(&mut bench.open()).wait().unwrap();
    let instance = register(&newer(), bench);
    let rows = newer().instances(&mut bench.open()).wait().unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((&*row.id, &*row.runtime_version, row.registry_head), (instance.id(), "2.0.0", Some(version("2.0.0"))));
    assert_eq!((row.process, &row.registry_digest), (std::process::id(), &newer().registry().digest().to_string()));
    assert!((40_000..=45_000).contains(&row.expires_in_ms), "{row:?}");
    assert!(row.is_live(Duration::ZERO));

    bench.sql("UPDATE schema_migrations_v2_instances SET last_seen_at = '2026-01-01 00:00:00'");
    instance.beat(&mut bench.open()).wait().unwrap();
    let seen = newer().instances(&mut bench.open()).wait().unwrap().remove(0);
    assert!(seen.last_seen_at >= row.last_seen_at, "{seen:?} {row:?}");
    assert_eq!(seen.started_at, row.started_at);

    instance.leave(&mut bench.open()).wait().unwrap();
    assert_eq!(registered(bench), [""; 0]);
}

fn a_dropped_instance_leaves(bench: &impl Bench) {
    newer().up(&mut bench.open()).wait().unwrap();
    let instance = newer().register_instance(&mut bench.open()).wait().unwrap();
    assert_eq!(registered(bench), ["2.0.0|2.0.0"]);
    drop(instance);
    assert_eq!(registered(bench), [""; 0]);
}

fn a_thread_of_ours_beats(bench: &impl Bench) {
    newer().up(&mut bench.open()).wait().unwrap();
    let options = InstanceOptions { heartbeat: Duration::from_millis(50), ..InstanceOptions::default() };
    let instance = newer().register_instance_with(&mut bench.open(), options.clone()).wait().unwrap();
    bench.sql("UPDATE schema_migrations_v2_instances SET last_seen_at = '2026-01-01 00:00:00'");
    let old = "SELECT count(*) FROM schema_migrations_v2_instances WHERE last_seen_at < '2026-01-02'";
    until("a heartbeat", || bench.sql(old) == ["0"]);
    assert!(instance.failure().is_none());

    let never = InstanceOptions { expiry: options.heartbeat, ..options };
    let error = newer().register_instance_with(&mut bench.open(), never).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

fn a_borrowed_instance_beats_by_hand(bench: &impl Bench) {
    newer().up(&mut bench.open()).wait().unwrap();
    let instance = register(&newer(), bench);
    expire(bench);
    // Nobody has broken it meanwhile, so it is as good as before.
    instance.beat(&mut bench.open()).wait().unwrap();
    assert!(newer().instances(&mut bench.open()).wait().unwrap()[0].is_live(Duration::ZERO));
}

fn a_program_that_cannot_serve_is_not_registered(bench: &impl Bench) {
    newer().up(&mut bench.open()).wait().unwrap();
    let error = older().register_instance(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("migration 2.0.0 needs version 2.0.0 or newer"), "{error}");
    assert_eq!(registered(bench), [""; 0]);
}

fn a_step_that_raises_the_floor_stops_before_older_programs(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let instance = register(&older(), bench);
    let error = newer().up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BlockedByInstances);
    let text = error.to_string();
    let expected = "migration 2.0.0 `drop_users` needs version 2.0.0 or newer of this program, and 1 older one is \
                    running: version 1.0.0 on host ";
    assert!(text.starts_with(expected), "{text}");
    assert_eq!((error.migration(), &*error.instances()[0].id), (Some(version("2.0.0")), instance.id()));
    for flag in ["--wait-for-fleet", "--ignore-instances", "`migrate instances`"] {
        assert!(error.help().unwrap().contains(flag), "{:?}", error.help());
    }
    let report = error.report().unwrap();
    assert_eq!((report.outcome, report.blocked_by.len()), (Outcome::Failed, 1));
    assert_eq!(report.assessment.verdict, Verdict::NeedsMigration);
    assert_eq!(report.assessment.reasons.last().unwrap().code, ReasonCode::BlockedByInstances);
    // What older programs survive is done.
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(bench.history()[3..], ["run||started", "up|1.1.0|succeeded", "run||failed"]);
    assert_eq!((bench.lock_owner(), intent(bench)), (vec![], vec!["|".to_owned()]));
    assert_eq!(older().check(&mut bench.open()).wait().unwrap().verdict, Verdict::Compatible);
}

fn newer_and_expired_programs_are_in_nobodys_way(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let gone = register(&older(), bench);
    let in_time = newer().runtime_version("2.0.0+build.7".parse().unwrap());
    let stays = register(&in_time, bench);
    expire(bench);
    stays.beat(&mut bench.open()).wait().unwrap();
    newer().up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger().len(), 3);
    // What expired long ago is forgotten by whoever registers.
    assert_eq!(registered(bench), ["2.0.0+build.7|2.0.0"]);
    drop((gone, stays));
}

fn a_run_waits_for_older_programs(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let instance = register(&older(), bench);
    let (ended, ()) = while_waiting(bench, newer(), || {
        assert_eq!(bench.ledger().len(), 2);
        assert_eq!(intent(bench), ["2.0.0|"]);
        instance.leave(&mut bench.open()).wait().unwrap();
    });
    assert_eq!(ended.unwrap().outcome, Outcome::Done);
    assert_eq!(bench.ledger().len(), 3);
    assert_eq!(intent(bench), ["|"]);
}

fn who_registers_during_a_run_is_judged_by_what_it_intends(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let instance = register(&older(), bench);
    let (ended, ()) = while_waiting(bench, newer(), || {
        let error = older().register_instance(&mut bench.open()).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Incompatible);
        let expected = "a run is about to apply what needs version 2.0.0 or newer of this program, and this is 1.0.0";
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.assessment().unwrap().reasons.last().unwrap().code, ReasonCode::Intended);
        let newer = register(&newer(), bench);
        assert_eq!(registered(bench), ["1.0.0|1.0.0", "2.0.0|2.0.0"]);
        newer.leave(&mut bench.open()).wait().unwrap();
        instance.leave(&mut bench.open()).wait().unwrap();
    });
    assert_eq!(ended.unwrap().steps.len(), 2);
    assert_eq!(registered(bench), [""; 0]);
}

fn what_a_run_intended_is_withdrawn_with_its_end(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let _instance = register(&older(), bench);
    let hasty = newer().wait_for_fleet(Duration::from_millis(30));
    assert_eq!(hasty.up(&mut bench.open()).wait().unwrap_err().kind(), ErrorKind::BlockedByInstances);
    assert_eq!(intent(bench), ["|"]);
    let _another = register(&older(), bench);
    assert_eq!(registered(bench).len(), 2);
}

fn what_a_dead_run_intended_refuses_nobody_for_long(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    bench.sql(
        "UPDATE schema_migrations_v2_state SET fence = 41, lock_owner = 'ghost', lock_host = 'gone', lock_process = 1,
            lock_acquired_at = '2026-01-01 00:00:00', lock_expires_at = '2026-01-01 00:00:30', intended_floor = '2.0.0'",
    );
    let _instance = register(&older(), bench);
    assert_eq!((registered(bench), intent(bench)), (vec!["1.0.0|1.0.0".to_owned()], vec!["|".to_owned()]));
    // Should the dead run still live, it has lost its lock.
    assert_eq!(bench.sql("SELECT fence FROM schema_migrations_v2_state"), ["42"]);
    assert_eq!(bench.lock_owner(), [""; 0]);
    assert!(bench.history().contains(&"unlock||succeeded".to_owned()), "{:?}", bench.history());
}

fn older_programs_can_be_ignored_which_is_recorded(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let _instance = register(&older(), bench);
    newer().ignore_instances(true).up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger().len(), 3);
    let plan = bench.sql("SELECT plan FROM schema_migrations_v2_history WHERE operation = 'ignore_instances'");
    assert!(plan[0].contains("go on all the same: migration 2.0.0 `drop_users` needs version 2.0.0"), "{plan:?}");
    assert!(plan[0].contains("version 1.0.0 on host"), "{plan:?}");
}

fn breaking_steps_can_be_deferred_and_finished(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let instance = register(&older(), bench);
    let options = AutoMigrateOptions { defer_breaking: true, ..AutoMigrateOptions::default() };
    let start = || newer().auto_migrate_with(&mut bench.open(), options.clone()).wait().unwrap();
    let first = start();
    assert_eq!((first.outcome, first.steps.len(), first.blocked_by.len()), (Outcome::Deferred, 1, 1));
    let left: Vec<String> = first.remaining().map(|entry| entry.version.to_string()).collect();
    assert_eq!(left, ["2.0.0"]);
    assert_eq!(bench.history().last().unwrap(), "run||deferred");

    // The next start takes no lock and writes nothing.
    let before = bench.history();
    let second = start();
    assert_eq!((second.outcome, second.run, second.blocked_by.len()), (Outcome::Deferred, None, 1));
    assert_eq!(bench.history(), before);
    let serving = register(&newer(), bench);

    instance.leave(&mut bench.open()).wait().unwrap();
    assert_eq!(start().outcome, Outcome::Done);
    assert_eq!(bench.ledger().len(), 3);
    assert_eq!(start().outcome, Outcome::NothingToDo);
    drop(serving);
}

fn finishing_what_was_deferred_waits_and_holds_nothing(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let instance = register(&older(), bench);
    let hasty = newer().wait_for_fleet(Duration::from_millis(10));
    let report = hasty.finish_deferred(&mut bench.open()).wait().unwrap();
    assert_eq!((report.outcome, report.steps.len()), (Outcome::Deferred, 1));

    let (waiting, waits) = channel();
    let patient = newer().observer(move |event: &Event<'_>| {
        if let Event::WaitingForInstances { .. } = event {
            waiting.send(()).unwrap();
        }
    });
    let report = std::thread::scope(|scope| {
        let finish = scope.spawn(|| patient.finish_deferred(&mut bench.open()).wait().unwrap());
        waits.recv().unwrap();
        // Programs of the older version may come and go meanwhile.
        assert_eq!((bench.lock_owner(), intent(bench)), (vec![], vec!["|".to_owned()]));
        register(&older(), bench).leave(&mut bench.open()).wait().unwrap();
        instance.leave(&mut bench.open()).wait().unwrap();
        finish.join().unwrap()
    });
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(bench.ledger().len(), 3);
}

fn undoing_stops_before_programs_that_need_it(bench: &impl Bench) {
    let with_notes = of(registry_at(Directory::simple(&[USERS, NOTES]).path()));
    let with_tags = of(registry_at(Directory::simple(&[USERS, NOTES, TAGS]).path()));
    with_tags.up(&mut bench.open()).wait().unwrap();
    let instance = register(&with_notes, bench);
    let database = &mut bench.open();
    let error = with_tags.down_to(database, version("1.0.0")).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BlockedByInstances);
    let expected = "migration 1.1.0 `notes` cannot be undone while 1 program that needs it is running: version 1.0.0";
    assert!(error.to_string().starts_with(expected), "{error}");
    // The program does not hold what is above.
    assert_eq!(bench.ledger(), ["1.0.0|applied", "1.1.0|applied"]);
    assert_eq!(with_notes.redo(database).wait().unwrap_err().kind(), ErrorKind::BlockedByInstances);
    instance.leave(database).wait().unwrap();

    let (started, is_started) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let _held = register(&with_notes, bench);
    let undoing = with_tags.wait_for_fleet(Duration::from_secs(60)).observer(move |event: &Event<'_>| {
        if let Event::WaitingForInstances { .. } = event {
            started.send(()).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    std::thread::scope(|scope| {
        let run = scope.spawn(|| undoing.down(&mut bench.open()).wait().unwrap());
        is_started.recv().unwrap();
        assert_eq!(intent(bench), ["|1.1.0"]);
        let error = with_notes.register_instance(&mut bench.open()).wait().unwrap_err();
        assert!(error.to_string().contains("a run is about to undo migration 1.1.0"), "{error}");
        let _older = register(&older(), bench);
        bench.sql("DELETE FROM schema_migrations_v2_instances");
        drop(go_on);
        run.join().unwrap();
    });
    assert_eq!(bench.ledger(), ["1.0.0|applied"]);
}

fn a_program_that_expired_is_judged_anew(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let instance = register(&older(), bench);
    expire(bench);
    newer().up(&mut bench.open()).wait().unwrap();
    let error = instance.beat(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
}

fn a_program_that_comes_back_is_waited_for_and_told(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let (stays, returns) = (register(&older(), bench), register(&older(), bench));
    let gone =
        format!("UPDATE schema_migrations_v2_instances SET expires_at = '2026-01-01' WHERE id = '{}'", returns.id());
    bench.sql(&gone);
    let beat = || returns.beat(&mut bench.open()).wait();
    let (ended, ()) = while_waiting(bench, newer(), || {
        for _ in 0..2 {
            let error = beat().unwrap_err();
            assert!(error.to_string().contains("a run is about to apply what needs version 2.0.0"), "{error}");
        }
        stays.leave(&mut bench.open()).wait().unwrap();
        let live = newer().instances(&mut bench.open()).wait().unwrap();
        assert!(live.iter().any(|row| row.id == returns.id() && row.is_live(Duration::ZERO)), "{live:?}");
        bench.sql(&gone);
    });
    ended.unwrap();
    assert!(beat().unwrap_err().to_string().contains("migration 2.0.0 needs version 2.0.0 or newer"));
    newer().down(&mut bench.open()).wait().unwrap();
    beat().unwrap();
    beat().unwrap();
    assert!(newer().instances(&mut bench.open()).wait().unwrap()[0].is_live(Duration::ZERO));
}

fn tables_without_instances_are_read_and_grow(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let shrink = "DROP TABLE schema_migrations_v2_instances; ALTER TABLE schema_migrations_v2_state DROP COLUMN intended_removal";
    bench.sql(shrink);
    let tables = bench.all_tables();
    assert_eq!(older().auto_migrate(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);
    assert_eq!(newer().instances(&mut bench.open()).wait().unwrap(), []);
    assert_eq!(bench.all_tables(), tables);
    newer().up(&mut bench.open()).wait().unwrap();
    assert_eq!((registered(bench), intent(bench)), (vec![], vec!["|".to_owned()]));
    bench.sql(shrink);
    let _instance = register(&newer(), bench);
    assert_eq!(registered(bench), ["2.0.0|2.0.0"]);
    // Somebody removes the table alone.
    bench.sql("DROP TABLE schema_migrations_v2_instances");
    newer().down(&mut bench.open()).wait().unwrap();
    assert_eq!(registered(bench), [""; 0]);
}

fn two_runs_wait_for_the_same_program(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let instance = register(&older(), bench);
    std::thread::scope(|scope| {
        let second = newer().wait_for_fleet(Duration::from_secs(60));
        let (ended, second) = while_waiting(bench, newer(), || {
            let second = scope.spawn(move || second.up(&mut bench.open()).wait().unwrap());
            instance.leave(&mut bench.open()).wait().unwrap();
            second
        });
        assert_eq!(ended.unwrap().steps.len(), 2);
        assert_eq!(second.join().unwrap().outcome, Outcome::NothingToDo);
    });
    let twice = "SELECT version FROM schema_migrations_v2_history WHERE outcome = 'succeeded' AND version IS NOT NULL";
    assert_eq!(bench.sql(&format!("{twice} ORDER BY id")), ["1.0.0", "1.1.0", "2.0.0"]);
}

fn readiness_is_told_of_another_run(bench: &impl Bench) {
    let health = || older().check_migration_health(&mut bench.open()).wait().unwrap();
    let holder = while_locked(bench, || {
        assert!(health().migrating);
        older().check(&mut bench.open()).wait().unwrap().migrating
    });
    assert_eq!(holder.unwrap().owner, "holder");
    assert!(!health().migrating);
}

fn a_stopped_wait_gives_the_lock_back(bench: &impl Bench) {
    older().up(&mut bench.open()).wait().unwrap();
    let _instance = register(&older(), bench);
    let stop = migrate_runtime::Stop::new();
    let (ended, ()) = while_waiting(bench, newer().stop(stop.clone()), || stop.after_this_step());
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!((bench.lock_owner(), intent(bench)), (vec![], vec!["|".to_owned()]));
    assert_eq!(bench.ledger().len(), 2);
}

fn an_interrupted_step_is_finished_whoever_runs(bench: &impl Bench) {
    let directory = contract();
    directory.write(
        "v2.0.0_drop_users/metadata.json",
        br#"{"version": "2.0.0", "name": "drop_users", "min_runtime_version": "2.0.0", "transaction": false}"#,
    );
    let outside = of(registry_at(directory.path())).runtime_version(Version::new(2, 0, 0));
    outside.up(&mut bench.open()).wait().unwrap();
    bench.sql(
        "UPDATE schema_migrations_v2 SET status = 'applying' WHERE version = '2.0.0'; CREATE TABLE users (id INTEGER)",
    );
    // Its minimum is in the ledger: older programs are refused, and one that was there before is broken by now.
    let error = older().register_instance(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    outside.up(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.ledger()[2], "2.0.0|applied");
}

/// The beginning of a registration that is not committed yet, as the program sends it.
const REGISTERING: &str = "BEGIN;
    SELECT pg_advisory_xact_lock_shared(hashtextextended('\"public\".\"schema_migrations_v2_instances\"', 0));
    INSERT INTO schema_migrations_v2_instances
    VALUES ('a', '1.0.0', '1.0.0', 'digest', 'web-1', 12, now(), now(), now() + interval '1 minute')";

#[test]
fn a_registration_that_is_being_committed_is_waited_for_and_seen() {
    let bench = PostgresServer::new();
    older().up(&mut bench.open()).wait().unwrap();
    let mut session = Server::shared().session(&bench.url());
    session.run(REGISTERING);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer().up(&mut bench.open()).wait().unwrap_err());
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        until("the run to wait", || bench.sql(waits) == ["1"]);
        session.run("COMMIT");
        let error = run.join().unwrap();
        assert_eq!((error.kind(), &*error.instances()[0].host), (ErrorKind::BlockedByInstances, "web-1"));
    });
    assert_eq!(bench.tables(), ["notes", "users"]);
}

#[test]
fn a_heartbeat_during_the_last_look_of_a_run_is_judged_by_what_it_intends() {
    let bench = PostgresServer::new();
    older().up(&mut bench.open()).wait().unwrap();
    let instance = register(&older(), &bench);
    // As a run does it: nobody registers meanwhile, it says what it intends, and finds the row to have expired.
    let mut run = Server::shared().session(&bench.url());
    run.run(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('\"public\".\"schema_migrations_v2_instances\"', 0));
         UPDATE schema_migrations_v2_state SET intended_floor = '2.0.0', lock_owner = 'run', lock_host = 'h', lock_process = 1,
             lock_acquired_at = now(), lock_expires_at = now() + interval '1 minute'",
    );
    std::thread::scope(|scope| {
        let beat = scope.spawn(|| instance.beat(&mut bench.open()).wait());
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        until("the heartbeat to wait", || bench.sql(waits) == ["1"]);
        run.run("UPDATE schema_migrations_v2_instances SET expires_at = clock_timestamp(); COMMIT");
        let error = beat.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Incompatible);
        assert!(error.to_string().contains("a run is about to apply what needs version 2.0.0"), "{error}");
    });
}

#[test]
fn a_heartbeat_that_hangs_is_told() {
    let bench = PostgresServer::new();
    older().up(&mut bench.open()).wait().unwrap();
    let second = Duration::from_secs(1);
    let options = InstanceOptions { heartbeat: second / 10, expiry: second, ..InstanceOptions::default() };
    let instance = older().register_instance_with(&mut bench.open(), options).wait().unwrap();
    let mut session = Server::shared().session(&bench.url());
    session.run("BEGIN; LOCK TABLE schema_migrations_v2_instances IN ACCESS EXCLUSIVE MODE");
    until("a failure to be told", || instance.failure().is_some());
    session.run("ROLLBACK");
    until("a heartbeat to succeed", || instance.failure().is_none());
}

#[test]
fn a_program_that_nobody_keeps_alive_is_told() {
    let bench = SqliteFile::new();
    older().up(&mut bench.open()).wait().unwrap();
    let options =
        InstanceOptions { heartbeat: Duration::from_millis(10), expiry: Duration::from_millis(500), keep_alive: false };
    let instance = older().register_instance_with(&mut bench.open(), options).wait().unwrap();
    until("a failure to be told", || instance.failure().is_some());
    let error = instance.failure().unwrap().to_string();
    assert!(error.contains("no heartbeat has succeeded for 0 s: the program counts as gone"), "{error}");
    instance.beat(&mut bench.open()).wait().unwrap();
    assert!(instance.failure().is_none());
}

#[test]
fn a_baseline_stops_before_older_programs() {
    let bench = SqliteFile::new();
    older().up(&mut bench.open()).wait().unwrap();
    let _instance = register(&older(), &bench);
    let baseline = migrate_runtime::Amendment::Baseline { version: version("2.0.0") };
    let error = newer().amend(&mut bench.open(), baseline.clone()).wait().unwrap_err();
    assert_eq!((error.kind(), error.instances().len()), (ErrorKind::BlockedByInstances, 1), "{error}");
    assert!(error.to_string().starts_with("`baseline` needs version 2.0.0 or newer of this program"), "{error}");
    assert_eq!((bench.ledger().len(), intent(&bench)), (1, vec!["|".to_owned()]));
    newer().ignore_instances(true).amend(&mut bench.open(), baseline).wait().unwrap();
    assert_eq!(bench.ledger().len(), 3);
    assert!(bench.history().contains(&"ignore_instances||succeeded".to_owned()));
}

#[test]
fn on_sqlite_a_program_does_not_expire_while_a_backup_keeps_it_from_the_file() {
    use migrate_runtime::backup::BackupOptions;
    let bench = SqliteFile::new();
    older().up(&mut bench.open()).wait().unwrap();
    bench.sql("CREATE TABLE data (body BLOB); INSERT INTO data VALUES (randomblob(20000000))");
    let instance = register(&older(), &bench);
    let directory = Directory::simple(&[USERS, ("2.0.0", "drop_users", "DROP TABLE users", USERS.2)]);
    directory.write(
        "v2.0.0_drop_users/metadata.json",
        br#"{"version": "2.0.0", "name": "drop_users", "min_runtime_version": "2.0.0"}"#,
    );
    // In nobody's way when the run looks first, and an older program that expired while the copy was made.
    bench.sql("UPDATE schema_migrations_v2_instances SET runtime_version = '2.0.0'");
    let (path, id) = (bench.path(), instance.id().to_owned());
    let observer = move |event: &Event<'_>| {
        if let Event::BackedUp(_) = event {
            let connection = rusqlite::Connection::open(&path).unwrap();
            let change = "UPDATE schema_migrations_v2_instances SET runtime_version = '1.0.0',
                expires_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-0.001 seconds') WHERE id = ?1";
            connection.execute(change, [&id]).unwrap();
        }
    };
    let newer = of(registry_at(directory.path()))
        .runtime_version(Version::new(2, 0, 0))
        .backup(BackupOptions::default())
        .observer(observer);
    let error = newer.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BlockedByInstances);
    assert!(error.instances()[0].expires_in_ms < 0, "{error:?}");
}

#[test]
fn a_role_that_only_serves_may_register() {
    let bench = PostgresServer::new();
    older().up(&mut bench.open()).wait().unwrap();
    Server::shared().role("serves_only", "unused");
    let mut database = Postgres::from_url(&bench.database.url_as("serves_only", "unused")).unwrap();
    bench.sql(
        "GRANT SELECT ON schema_migrations_v2, schema_migrations_v2_history, schema_migrations_v2_state TO serves_only;
         GRANT SELECT, INSERT, UPDATE, DELETE ON schema_migrations_v2_instances TO serves_only",
    );
    let instance = older().register_instance(&mut database).wait().unwrap();
    instance.beat(&mut database).wait().unwrap();
    instance.leave(&mut database).wait().unwrap();
    assert_eq!(registered(&bench), [""; 0]);

    // What a dead run intends it cannot withdraw.
    bench.sql(
        "UPDATE schema_migrations_v2_state SET lock_owner = 'ghost', lock_host = 'gone', lock_process = 1,
        lock_acquired_at = now(), lock_expires_at = '2026-01-01', intended_floor = '2.0.0'",
    );
    let error = older().register_instance(&mut database).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.help().unwrap().contains("`migrate lock release`"), "{error:?}");
    assert_eq!(registered(&bench), [""; 0]);
}

#[test]
fn a_borrowed_client_registers_and_beats() {
    let bench = PostgresServer::new();
    older().up(&mut bench.open()).wait().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (mut client, connection) = tokio_postgres::connect(&bench.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let mut database = BorrowedClient::new(&mut client);
        let instance = older().register_instance(&mut database).await.unwrap();
        instance.beat(&mut database).await.unwrap();
        bench.sql("DELETE FROM schema_migrations_v2_instances");
        instance.beat(&mut database).await.unwrap();
        assert_eq!(registered(&bench), ["1.0.0|1.0.0"]);
        instance.leave(&mut database).await.unwrap();
        assert_eq!(registered(&bench), [""; 0]);

        // A failure leaves no transaction behind.
        bench.sql("ALTER TABLE schema_migrations_v2_instances ADD CHECK (host = '')");
        assert!(older().register_instance(&mut BorrowedClient::new(&mut client)).await.is_err());
        client.batch_execute("CREATE TABLE mine (id integer)").await.unwrap();
    });
    assert!(bench.tables().contains(&"mine".to_owned()));
}

#[test]
fn on_sqlite_a_program_does_not_expire_while_steps_keep_it_from_the_file() {
    let bench = SqliteFile::new();
    older().up(&mut bench.open()).wait().unwrap();
    let _instance = register(&older(), &bench);
    // A step that takes long, in which the row expires.
    let busy = "CREATE TABLE busy (id INTEGER);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) INSERT INTO busy SELECT max(i) FROM n;
        UPDATE schema_migrations_v2_instances SET expires_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-0.001 seconds')";
    let directory = contract();
    directory.write("v1.1.0_notes/up.sql", busy);
    let newer = of(registry_at(directory.path())).runtime_version(Version::new(2, 0, 0));
    let error = newer.up(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BlockedByInstances);
    assert!(error.instances()[0].expires_in_ms < 0, "{error:?}");
}
