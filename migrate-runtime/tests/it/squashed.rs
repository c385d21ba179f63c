//! A program whose migrations were squashed, on databases that have the ones from before.

use std::collections::BTreeMap;

use migrate_core::squash::{Request, squash};
use migrate_runtime::{Amendment, ErrorKind, MigrationState, Migrator, Outcome, Postgres, ReasonCode, Verdict};
use testkit::migrations::Directory;
use testkit::postgres::Server;
use testkit::proxy::Proxy;

use crate::bench::{Bench, PostgresServer, SqliteFile, SqliteWal, migrator, of, registry_at};
use crate::conformance::{NOTES, TAGS, USERS, conformance, version};

conformance! {
    all_of_the_old_rows_stand_for_the_new_migration
    some_of_the_old_rows_do_not
    a_baseline_puts_one_row_in_their_place
    an_empty_database_gets_the_new_migration
}

/// The first two of three migrations squashed.
fn squashed() -> Migrator {
    let before = registry_at(Directory::simple(&[USERS, NOTES, TAGS]).path());
    let request = Request {
        registry: &before,
        metadata: &BTreeMap::new(),
        dialects: &[migrate_runtime::Dialect::Sqlite, migrate_runtime::Dialect::Postgres],
        to: version(NOTES.0),
        name: "beginning",
        irreversible: None,
    };
    let set = squash(&request).unwrap();
    let directory = Directory::simple(&[TAGS]);
    for (file, text) in &set.files {
        directory.write(format!("{}/{file}", set.directory), text);
    }
    of(registry_at(directory.path()))
}

fn all_of_the_old_rows_stand_for_the_new_migration(bench: &impl Bench) {
    let (old, new) = (migrator(&[USERS, NOTES, TAGS]), squashed());
    old.up(&mut bench.open()).wait().unwrap();
    let before = (bench.ledger(), bench.history());
    let assessment = new.check(&mut bench.open()).wait().unwrap();
    assert_eq!(assessment.verdict, Verdict::Compatible);
    assert_eq!(assessment.reasons[0].code, ReasonCode::Replaced);
    let states: Vec<MigrationState> = assessment.migrations.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [MigrationState::Replaced, MigrationState::Applied, MigrationState::Applied]);
    for _ in 0..2 {
        assert_eq!(new.auto_migrate(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);
        // A program from before goes on beside it.
        assert_eq!(old.auto_migrate(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);
    }
    assert_eq!((bench.ledger(), bench.history()), before);
    let undone = new.reset(&mut bench.open()).wait().unwrap();
    assert_eq!(undone.plan.to_string(), "down 1.2.0 tags\ndown 1.1.0 notes\ndown 1.0.0 users");
    assert_eq!(bench.tables(), [""; 0]);
}

fn some_of_the_old_rows_do_not(bench: &impl Bench) {
    let (old, new) = (migrator(&[USERS, NOTES, TAGS]), squashed());
    old.up_by_one(&mut bench.open()).wait().unwrap();
    let before = (bench.ledger(), bench.history());
    let error = new.auto_migrate(&mut bench.open()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert_eq!(
        error.to_string(),
        "the database is incompatible with this program: migration 1.1.0 replaces others, and 1.1.0 is not applied"
    );
    assert!(error.help().unwrap().contains("`migrate up --to 1.1.0` with that program"));
    assert_eq!((bench.ledger(), bench.history()), before);
    old.up_to(&mut bench.open(), version("1.1.0")).wait().unwrap();
    assert_eq!(new.auto_migrate(&mut bench.open()).wait().unwrap().plan.to_string(), "up 1.2.0 tags");
}

fn a_baseline_puts_one_row_in_their_place(bench: &impl Bench) {
    let (old, new) = (migrator(&[USERS, NOTES, TAGS]), squashed());
    old.up(&mut bench.open()).wait().unwrap();
    let report = new.amend(&mut bench.open(), Amendment::Baseline { version: version("1.1.0") }).wait().unwrap();
    assert_eq!(
        report.plan.to_string(),
        "remove the row of 1.0.0 users, which 1.1.0 replaces\n\
         remove the row of 1.1.0 notes, which 1.1.0 replaces\n\
         record 1.1.0 beginning as baseline"
    );
    assert_eq!(bench.ledger(), ["1.1.0|baseline", "1.2.0|applied"]);
    let assessment = new.check(&mut bench.open()).wait().unwrap();
    assert_eq!((assessment.verdict, assessment.reasons.len()), (Verdict::Compatible, 0));
    assert_eq!(new.auto_migrate(&mut bench.open()).wait().unwrap().outcome, Outcome::NothingToDo);
    assert_eq!(old.check(&mut bench.open()).wait().unwrap().verdict, Verdict::Incompatible);
    new.reset(&mut bench.open()).wait().unwrap();
    assert_eq!(bench.tables(), [""; 0]);
}

fn an_empty_database_gets_the_new_migration(bench: &impl Bench) {
    let new = squashed();
    let report = new.auto_migrate(&mut bench.open()).wait().unwrap();
    assert_eq!(report.plan.to_string(), "up 1.1.0 beginning\nup 1.2.0 tags");
    assert_eq!(bench.tables(), ["notes", "tags", "users"]);
    assert_eq!(new.redo(&mut bench.open()).wait().unwrap().plan.to_string(), "down 1.2.0 tags\nup 1.2.0 tags");
}

#[test]
fn a_start_on_the_old_rows_is_one_round_trip() {
    let bench = PostgresServer::new();
    migrator(&[USERS, NOTES, TAGS]).up(&mut bench.open()).wait().unwrap();
    let proxy = Proxy::to(Server::shared());
    let mut database = Postgres::from_url(&proxy.url_for(&bench.database)).unwrap();
    assert_eq!(squashed().auto_migrate(&mut database).wait().unwrap().outcome, Outcome::NothingToDo);
    assert_eq!(proxy.round_trips(), 1);
}
