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
mod store;

use std::process::ExitCode;

use clap::Parser;
use migrate_cli::MigrateCommand;
use migrate_runtime::{Registry, embed_migrations};

use crate::config::Config;

/// Everything that the database of this version of the server needs.
static MIGRATIONS: Registry = embed_migrations!("../../migrations_v2");

/// Users and their wallets over HTTP.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Brings the database up to date and serves (the default). Reads `DATABASE_URL` and `LISTEN`.
    Serve,
    /// Runs one migration command on the migrations of this program.
    Migrate(Box<MigrateCommand>),
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => run(arguments.command.unwrap_or(Command::Serve)),
        // With clap's own exit code, 2, a typing mistake would read as "incompatible".
        Err(error) => migrate_cli::usage(&error),
    }
}

fn run(command: Command) -> ExitCode {
    match command {
        Command::Serve => match Config::from_environment().and_then(|config| serve::run(&config)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        },
        Command::Migrate(command) => command.execute(&MIGRATIONS),
    }
}
