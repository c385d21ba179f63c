//! What is typed, and what it starts.

use std::process::ExitCode;

use clap::Parser;
use migrate_cli::MigrateCommand;

use crate::config::Config;
use crate::{MIGRATIONS, VERSION, serve};

/// Users and their wallets over HTTP.
#[derive(Debug, Parser)]
#[command(name = "wallet-server", version = VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Brings the database up to date and serves (the default). Reads `DATABASE_URL`, `LISTEN` and `WAIT_SECONDS`.
    Serve,
    /// Runs one migration command on the migrations of this program.
    Migrate(Box<MigrateCommand>),
}

/// Does what the command line says.
pub(crate) fn start() -> ExitCode {
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
