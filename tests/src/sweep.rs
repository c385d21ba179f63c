//! Sweeps: a run is stopped at every place at which it can be stopped, and then run again.

pub mod child;
pub mod corpus;
pub mod cut;
pub mod ground;
pub mod kill;
pub mod register;
pub mod set;
pub mod trips;

use std::collections::BTreeSet;
use std::fmt;

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Counts {
    /// Runs that were stopped somewhere.
    pub stopped: usize,
    /// Of these, the ones that ended well all the same.
    pub ended_well: usize,
    /// Of these, the ones that a plain second run had to finish.
    pub finished_later: usize,
    /// The states of the ledger that were found before the second run, where they were looked at.
    pub states: BTreeSet<String>,
}

impl Counts {
    /// Notes how a stopped run ended and what it left.
    pub fn add(&mut self, well: bool, state: Option<String>) {
        self.stopped += 1;
        if well {
            self.ended_well += 1;
        } else {
            self.finished_later += 1;
        }
        self.states.extend(state);
    }

    /// Adds what another sweep did.
    pub fn join(&mut self, other: Self) {
        self.stopped += other.stopped;
        self.ended_well += other.ended_well;
        self.finished_later += other.finished_later;
        self.states.extend(other.states);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stopped, ended_well, finished_later, states } = self;
        write!(
            f,
            "{stopped} runs stopped, {ended_well} ended well all the same, {finished_later} finished by a second run, \
             {} states of the ledger seen; failures: 0",
            states.len()
        )
    }
}
