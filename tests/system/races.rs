//! A short version of `scripts/race`.

use system_tests::{Arena, race};

#[test]
fn eight_processes_at_once_on_a_rollback_journal() {
    let _ = race(Arena::Sqlite, 8, 3);
}

#[test]
fn eight_processes_at_once_on_a_wal() {
    let _ = race(Arena::SqliteWal, 8, 3);
}

#[test]
fn eight_processes_at_once_on_postgres() {
    let _ = race(Arena::Postgres, 8, 3);
}
