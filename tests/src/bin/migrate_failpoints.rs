//! The program `migrate`, built with failpoints.

use std::process::ExitCode;

fn main() -> ExitCode {
    migrate_cli::run_directory(std::env::args_os())
}
