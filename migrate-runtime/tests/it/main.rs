//! The behaviours of migrate-runtime on real databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod amend;
mod backup;
mod bare;
mod bench;
mod blockers;
mod conformance;
mod dependents;
mod embedding;
mod faults;
mod health;
mod instances;
mod model;
mod postgres;
mod recovery;
mod rollback;
mod sqlite;
mod squashed;
mod stale;
mod start;
mod stops;
mod testing;
mod tls;
mod way_back;
