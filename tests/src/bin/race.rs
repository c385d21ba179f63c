//! Races eight processes on one fresh database, many rounds, and prints how much longer that takes than one alone.
//!
//! `scripts/race [ROUNDS]`

use std::io::Write;

use system_tests::{Arena, race};

fn main() -> std::io::Result<()> {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(50);
    let mut out = std::io::stdout();
    for arena in Arena::ALL {
        let times = race(arena, 8, rounds);
        let ratio = times.together.as_secs_f64() / times.alone.as_secs_f64();
        writeln!(
            out,
            "{arena:?}: {rounds} rounds of 8 processes, all ended with 0, each migration applied once; \
             median {:.0?} together, {:.0?} alone, ratio {ratio:.2}",
            times.together, times.alone
        )?;
    }
    Ok(())
}
