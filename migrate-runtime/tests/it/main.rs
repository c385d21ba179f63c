//! The behaviours of migrate-runtime on real databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod amend;
mod bench;
mod conformance;
mod dependents;
mod embedding;
mod postgres;
mod sqlite;
mod stale;
mod testing;
mod tls;
