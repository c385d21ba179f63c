//! A run that is killed leaves nothing that a second run could not go on from.

use std::time::Duration;

use system_tests::Arena;
use system_tests::race::kill;

#[test]
fn killed_on_a_rollback_journal() {
    kill(Arena::Sqlite, 40, Duration::from_micros(500));
}

#[test]
fn killed_on_a_wal() {
    kill(Arena::SqliteWal, 40, Duration::from_micros(500));
}

#[test]
fn killed_on_postgres() {
    kill(Arena::Postgres, 40, Duration::from_micros(1500));
}
