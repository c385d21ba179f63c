//! The next version of the same service, which writes `users.full_name` where the one before writes `users.name`.
//!
//! Everything else is shared. It is built beside the other, so that a test can deploy one after the other on one database.

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
#[path = "users_next.rs"]
mod users;

use std::process::ExitCode;

use migrate_runtime::{Registry, embed_migrations};

/// The version of this program.
const VERSION: &str = "0.2.0";

/// Everything that the database of this version of the server needs.
static MIGRATIONS: Registry = embed_migrations!("releases/0.2.0", runtime_version = "0.2.0");

fn main() -> ExitCode {
    start::start()
}
