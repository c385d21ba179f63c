use std::borrow::Cow;

use super::*;
use crate::checksum::Checksum;
use crate::migration::{Script, Settings};
use crate::testing::snapshot;

const BEGUN: &str = "CREATE TABLE a (id INTEGER);\n\nBEGIN;\nINSERT INTO a VALUES (1);\nCOMMIT;\nVACUUM;\nSELECT 1";

/// The row of a script that was begun: how many of its parts are finished, and the number of the one that is uncertain.
fn row(begun: &str, progress: u32, attempted: u32) -> LedgerRow {
    let row = snapshot("1.1.0:applying").rows.remove(0);
    let checksum = Checksum::of(begun).to_string();
    LedgerRow { checksum, up_sql: Some(begun.to_owned()), progress, attempted, ..row }
}

fn migration(up: &str) -> Migration {
    let scripts = Cow::Owned(vec![Script::new(Role::Up, None, up.to_owned())]);
    let version = "1.1.0".parse().unwrap();
    Migration::from_parts(version, "steps".into(), Settings::DEFAULT, Cow::Owned(vec![]), scripts)
}

#[track_caller]
fn check(progress: u32, attempted: u32, up: &str, expect: Resumption) {
    let (row, migration) = (row(BEGUN, progress, attempted), migration(up));
    assert_eq!(Interruption::of(&row, Some(&migration), Dialect::Postgres).resumption, expect, "{progress} of {up}");
}

#[test]
fn what_was_begun_must_be_there_and_what_follows_may_be_changed() {
    use Resumption::{ChangedBehind, ChangedWithin, Same};
    let with = |from: &str, to: &str| BEGUN.replace(from, to);
    check(2, 0, BEGUN, Same);
    check(2, 0, &with(";\n", "; -- a note\n  "), Same);
    check(4, 0, &with("SELECT 1", "SELECT /* one */ 1"), Same);

    check(2, 0, &with("VACUUM", "VACUUM FULL"), ChangedBehind);
    check(2, 0, &with("VACUUM;\n", ""), ChangedBehind);
    check(2, 0, &with("\nVACUUM;\nSELECT 1", ""), ChangedBehind);
    check(2, 0, &with("VACUUM;\n", "SELECT 0; SELECT 0;\nVACUUM;\n"), ChangedBehind);
    check(
        2,
        0,
        &with("CREATE TABLE a (id INTEGER);", "/* a */ CREATE TABLE a\n(id INTEGER); SELECT 2;"),
        ChangedWithin(2),
    );
    check(4, 0, &with("SELECT 1", "SELECT 1; SELECT 2"), ChangedBehind);

    check(2, 0, &with("VALUES (1)", "VALUES (2)"), ChangedWithin(2));
    check(2, 0, &with("BEGIN;\n", "").replace("COMMIT;\n", ""), ChangedWithin(2));
    check(2, 0, &with("id INTEGER", "id BIGINT"), ChangedWithin(1));
    check(3, 0, &with("VACUUM", "VACUUM FULL"), ChangedWithin(3));
    check(2, 0, "CREATE TABLE a (id INTEGER)", ChangedWithin(2));
    check(1, 0, "", ChangedWithin(1));
    // Nothing is done, so that everything may be changed.
    check(0, 0, "SELECT 1", ChangedBehind);
    // It could not be run.
    check(2, 0, &with("SELECT 1", "SELECT 'open"), ChangedWithin(1));
    // More is said to be done than there is.
    check(9, 0, &with("SELECT 1", "SELECT 2"), ChangedWithin(4));
}

#[test]
fn what_nobody_saw_the_end_of_counts_as_begun() {
    let with = |from: &str, to: &str| BEGUN.replace(from, to);
    check(2, 3, &with("SELECT 1", "SELECT 2"), Resumption::ChangedBehind);
    check(2, 3, &with("VACUUM", "VACUUM FULL"), Resumption::ChangedWithin(3));
    check(2, 0, &with("VACUUM", "VACUUM FULL"), Resumption::ChangedBehind);
    check(0, 1, "SELECT 1", Resumption::ChangedWithin(1));
}

#[test]
fn a_script_that_nobody_knows_was_changed() {
    let migration = migration("SELECT 1");
    let row = LedgerRow { up_sql: None, ..row(BEGUN, 0, 0) };
    let found = Interruption::of(&row, Some(&migration), Dialect::Postgres);
    assert_eq!(found.resumption, Resumption::ChangedWithin(1));
    assert!(found.message().ends_with("was changed since in what was begun: part 1"), "{}", found.message());
    // What is being undone goes on with the script of the ledger, and then nothing is left of the former one.
    let row = LedgerRow { status: Status::Reverting, ..self::row(BEGUN, 2, 0) };
    assert_eq!(Interruption::of(&row, Some(&migration), Dialect::Postgres).resumption, Resumption::ChangedWithin(1));
}

#[test]
fn every_way_out_is_named() {
    let said = |progress, attempted, up: Option<&str>| {
        let (row, migration) = (row(BEGUN, progress, attempted), up.map(migration));
        let found = Interruption::of(&row, migration.as_ref(), Dialect::Postgres);
        format!("{}\n{}", found.message(), found.ways())
    };
    let changed = BEGUN.replace("id INTEGER", "id BIGINT");
    let cases = [
        said(2, 0, Some(BEGUN)),
        said(2, 0, Some(&BEGUN.replace("VACUUM", "VACUUM FULL"))),
        said(0, 0, Some("SELECT 1")),
        said(2, 0, Some(&changed)),
        said(2, 3, Some(&BEGUN.replace("VACUUM", "VACUUM FULL"))),
        said(2, 3, Some(&changed)),
        said(1, 0, None),
        said(0, 0, None),
    ];
    let expected = include_str!("ways.txt");
    assert_eq!(cases.join("\n\n") + "\n", expected);
}
