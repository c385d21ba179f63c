//! A short version of `scripts/reliability race`.

use system_tests::Arena;
use system_tests::race::{Way, race, race_both_ways};

#[test]
fn eight_processes_at_once_on_a_rollback_journal() {
    let _ = race(Arena::Sqlite, Way::Direct, 8, 4);
}

#[test]
fn eight_processes_at_once_on_a_wal() {
    let _ = race(Arena::SqliteWal, Way::Direct, 8, 4);
}

#[test]
fn eight_processes_at_once_on_postgres() {
    let _ = race(Arena::Postgres, Way::Direct, 8, 4);
}

#[test]
fn eight_processes_at_once_behind_a_pool_of_transactions() {
    let _ = race(Arena::Postgres, Way::Pooled, 8, 4);
}

#[test]
fn up_and_down_at_once_end_with_all_or_nothing() {
    for arena in Arena::ALL {
        let _ = race_both_ways(arena, Way::Direct, 6, 3);
    }
    let _ = race_both_ways(Arena::Postgres, Way::Pooled, 6, 3);
}
