//! The behaviours of migrate-runtime on real databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bare;
mod bench;
mod blockers;
mod conformance;
mod dependents;
mod postgres;
mod recovery;
mod sqlite;
mod stale;
mod testing;
