//! Races eight processes on one database, many rounds: `race [SQLITE_ROUNDS [POSTGRES_ROUNDS]]`, 2000 and 300 unless told;
//! half as many rounds with some that go up and some that go down. Run by `scripts/reliability race`.

use std::io::Write;

use system_tests::Arena;
use system_tests::race::{Way, race, race_both_ways};

const PROCESSES: usize = 8;

fn main() -> std::io::Result<()> {
    let rounds = |place: usize, otherwise: usize| {
        std::env::args().nth(place).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let (sqlite, postgres) = (rounds(1, 2000), rounds(2, 300));
    let mut out = std::io::stdout();
    for (arena, way, rounds) in [
        (Arena::Sqlite, Way::Direct, sqlite),
        (Arena::SqliteWal, Way::Direct, sqlite),
        (Arena::Postgres, Way::Direct, postgres),
        (Arena::Postgres, Way::Pooled, postgres),
    ] {
        let times = race(arena, way, PROCESSES, rounds);
        writeln!(
            out,
            "{arena:?}, {way:?}: {rounds} rounds of {PROCESSES} processes up, all ended with 0, each migration applied once; \
             median {:.0?} together, {:.0?} alone, longest {:.0?}",
            times.together, times.alone, times.longest
        )?;
        let rounds = rounds.div_ceil(2);
        let applied = race_both_ways(arena, way, PROCESSES, rounds);
        writeln!(
            out,
            "{arena:?}, {way:?}: {rounds} rounds of {PROCESSES} processes up and down, all ended with 0; \
             all applied in the end {applied} times, nothing {} times",
            rounds - applied
        )?;
    }
    Ok(())
}
