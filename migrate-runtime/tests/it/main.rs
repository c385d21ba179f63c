//! The behaviours of migrate-runtime on real databases.

mod bench;
mod conformance;
mod dependents;
mod postgres;
mod sqlite;
