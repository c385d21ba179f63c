//! An example: a small HTTP service on SQLite or PostgreSQL that brings its database up to date when it starts.
//!
//! The migrations are compiled in. `wallet-server` serves, `wallet-server migrate ...` runs one migration command on the
//! same migrations.

mod api_error;
mod config;
mod console;
mod failure;
mod health;
mod model;
mod routes;
mod schema;
mod serve;
mod start;
mod store;
mod users;

use std::process::ExitCode;

use migrate_runtime::{Registry, embed_migrations};

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Everything that the database of this version of the server needs.
static MIGRATIONS: Registry = embed_migrations!("../../migrations_v2");

fn main() -> ExitCode {
    start::start()
}
