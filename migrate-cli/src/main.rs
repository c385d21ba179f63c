//! `migrate`: the migrations of a directory, applied to a database.

use std::process::ExitCode;

fn main() -> ExitCode {
    migrate_cli::run_directory(std::env::args_os())
}
