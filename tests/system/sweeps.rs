//! Short versions of the sweeps that `scripts/reliability` runs in full.

use system_tests::Arena;
use system_tests::sweep::cut::{self, at_messages};
use system_tests::sweep::kill::{Blow, Course, at_failpoints, at_random};
use system_tests::sweep::register;

#[test]
fn killed_at_failpoints_on_a_rollback_journal() {
    let _ = at_failpoints(&Course::new(Arena::Sqlite), Blow::Kill, 23);
}

#[test]
fn killed_at_failpoints_on_a_wal() {
    let _ = at_failpoints(&Course::new(Arena::SqliteWal), Blow::Kill, 29);
}

#[test]
fn killed_at_failpoints_on_postgres() {
    let _ = at_failpoints(&Course::new(Arena::Postgres), Blow::Kill, 3);
}

#[test]
fn terminated_at_failpoints_on_postgres() {
    let _ = at_failpoints(&Course::new(Arena::Postgres), Blow::Terminate, 3);
}

#[test]
fn killed_at_random_times() {
    for arena in Arena::ALL {
        let _ = at_random(&Course::new(arena), Blow::Kill, 2, 1);
    }
}

#[test]
fn cut_at_messages() {
    let course = Course::new(Arena::Postgres);
    for (first, blow) in (1..).zip(cut::Blow::ALL) {
        let stride = if matches!(blow, cut::Blow::CutBefore | cut::Blow::Kill) { 67 } else { 5 };
        let _ = at_messages(&course, blow, first, stride);
    }
}

#[test]
fn older_programs_start_at_failpoints_of_a_step_that_they_do_not_survive() {
    for (arena, stride) in [(Arena::Sqlite, 17), (Arena::SqliteWal, 19), (Arena::Postgres, 3)] {
        for transactional in [true, false] {
            let _ = register::at_failpoints(arena, transactional, stride);
        }
    }
}
