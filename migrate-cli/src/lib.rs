//! The command `migrate`, and the same commands for a program of your own.
//!
//! The program `migrate` reads a migrations directory ([`run_directory`]). A server offers the same verbs over the
//! registry that it embeds, so that what runs in production is what was compiled:
//!
//! ```
//! use std::process::ExitCode;
//!
//! use clap::Parser;
//! use migrate_cli::MigrateCommand;
//! use migrate_runtime::Registry;
//!
//! #[derive(Parser)]
//! enum App {
//!     /// Serve requests.
//!     Serve,
//!     /// Look after the database.
//!     Migrate(MigrateCommand),
//! }
//!
//! // `registry` is the static that `embed_migrations!` fills.
//! fn app(registry: &'static Registry) -> ExitCode {
//!     match App::try_parse() {
//!         Ok(App::Migrate(command)) => command.execute(registry),
//!         Ok(App::Serve) => ExitCode::SUCCESS,
//!         // With clap's own exit code, 2, a typing mistake would read as "incompatible".
//!         Err(error) => migrate_cli::usage(&error),
//!     }
//! }
//! ```
//!
//! A program's own commands read flags and the environment (`DATABASE_URL`, `MIGRATION_*`); `migrate.toml` and `.env` are
//! read by `migrate` only. `docs/configuration.md` lists every setting.
//!
//! Exit codes 0, 1 and 2 are the verdict and nothing else; [`Exit`] lists them all. Every document of `--json` is
//! described in `docs/json.md`.
//!
//! # Features
//!
//! | feature | gives |
//! |---|---|
//! | `sqlite` | SQLite, linked to the system's library |
//! | `sqlite-bundled` (default) | SQLite compiled in |
//! | `postgres` (default) | PostgreSQL |
//! | `tls-rustls` (default) | encrypted connections to PostgreSQL |
//! | `program` (default) | what only the program `migrate` has: the verbs over a directory, `migrate.toml`, `.env`, completions, the manual page |

#![cfg_attr(
    not(all(feature = "program", any(feature = "sqlite", feature = "postgres"))),
    expect(
        dead_code,
        unused_imports,
        reason = "what belongs to the program `migrate` alone, or needs a database, has no use"
    )
)]

mod args;
mod bar;
mod commands;
mod config;
mod configuration;
mod defect;
mod error;
mod exit;
mod json;
mod output;
mod program;
#[cfg(all(test, feature = "program"))]
mod reference;
mod settings;
mod signals;
mod time;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use migrate_runtime::Registry;

use crate::args::{DirectoryCommand, EmbeddedCommand};

pub use crate::args::MigrateCommand;
pub use crate::exit::Exit;
pub use crate::output::Output;
pub use crate::usage::usage;

/// Runs a whole command line over the registry that is part of a program. The first argument is the program's name.
///
/// On Unix a run of migrations takes SIGINT and SIGTERM over for the rest of the process: the first SIGINT stops it after
/// the step under way; a second one, or SIGTERM, cancels the statement. It gives its lock back and ends with
/// [`Exit::Failed`]. [`MigrateCommand::execute`] leaves signals to the program that calls it.
///
/// ```
/// use std::process::ExitCode;
///
/// use migrate_runtime::Registry;
///
/// // The whole of a program that only migrates; `registry` is the static that `embed_migrations!` fills.
/// fn program(registry: &'static Registry) -> ExitCode {
///     migrate_cli::run(std::env::args_os(), registry)
/// }
/// ```
#[must_use]
pub fn run<I, T>(arguments: I, registry: &'static Registry) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    signals::are_ours();
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    match EmbeddedCommand::try_parse_from(&arguments) {
        Ok(typed) => {
            let output = Output::standard().program(program::of(&arguments));
            typed.command.execute_to(registry, output).into()
        }
        Err(error) => usage::report(&error, &arguments, &EmbeddedCommand::command(), program::of(&arguments)),
    }
}

/// Runs the command line of the program `migrate`, which works on a directory. The first argument is the program's name.
/// Signals are handled as [`run`] does.
#[cfg(feature = "program")]
#[must_use]
pub fn run_directory<I, T>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    signals::are_ours();
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let typed = match DirectoryCommand::try_parse_from(&arguments) {
        Ok(typed) => typed,
        Err(error) => return usage::report(&error, &arguments, &DirectoryCommand::command(), None),
    };
    let printer = Output::standard().with(typed.options.output);
    let exit = defect::guard(typed.verb.runs(), &printer, || commands::over_directory(typed, &printer));
    printer.close(exit).into()
}

impl MigrateCommand {
    /// Does what was typed over the registry that is part of this program, and tells it on the streams of this process.
    ///
    /// It blocks; inside an async runtime it may be called all the same. It leaves signals to the program. What it says to
    /// run next is named as the command line of this process is, `app migrate up`.
    #[must_use]
    pub fn execute(self, registry: &'static Registry) -> ExitCode {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        self.execute_to(registry, Output::standard().program(program::of(&arguments))).into()
    }

    /// [`execute`](Self::execute) with streams of your own.
    #[must_use]
    pub fn execute_to(self, registry: &'static Registry, output: Output) -> Exit {
        let Self { verb, options } = self;
        let printer = output.with(options.output);
        let exit = defect::guard(verb.runs(), &printer, || {
            commands::over_registry(&verb, registry, options.settings, &printer)
        });
        printer.close(exit)
    }
}
