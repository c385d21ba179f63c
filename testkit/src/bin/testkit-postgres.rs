//! Runs a command with a private PostgreSQL server, which all tests below it share: `testkit-postgres cargo test`.
//!
//! It prints the value of `TESTKIT_POSTGRES_URL_BASE` on standard error, runs the command with it, and ends with the
//! command's exit code.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use testkit::postgres::{BASE_VARIABLE, Server};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        say("usage: testkit-postgres COMMAND [ARGUMENT...]");
        return ExitCode::from(64);
    };
    let server = Server::start();
    say(&format!("{BASE_VARIABLE}='{}'", server.base()));

    let status = Command::new(&program).args(arguments).env(BASE_VARIABLE, server.base()).status();
    server.stop();
    match status {
        Ok(status) => {
            let code = status.code().unwrap_or(128 + status.signal().unwrap_or(0));
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Err(error) => {
            say(&format!("cannot run {program:?}: {error}"));
            ExitCode::from(127)
        }
    }
}

fn say(line: &str) {
    // When nobody reads it there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}
