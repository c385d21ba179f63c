//! Running a program to its end.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// What a program left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code, or 128 plus the number of the signal that ended it, as a shell says it.
    pub code: i32,
    /// Its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

/// Runs a command with nothing on its standard input.
///
/// # Panics
///
/// When the program cannot be started.
pub fn run(command: &mut Command) -> Output {
    run_with_input(command, "")
}

/// Runs a command with `input` on its standard input.
///
/// # Panics
///
/// When the program cannot be started.
pub fn run_with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("the standard input was asked to be a pipe");

    // Written from a thread of its own: a program that answers while it reads would otherwise block on a full pipe, and
    // so would we.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that ends without reading everything closes the pipe; its exit code tells why.
            let _ = stdin.write_all(input.as_bytes());
        });
        child.wait_with_output()
    })
    .unwrap_or_else(|error| panic!("cannot read the output of {command:?}: {error}"));

    let signal = output.status.signal().unwrap_or(0);
    Output {
        code: output.status.code().unwrap_or(128 + signal),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Output {
        run(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn code_and_both_streams() {
        let expected = Output { code: 3, stdout: "out\n".to_owned(), stderr: "err\n".to_owned() };
        assert_eq!(sh("echo out; echo err >&2; exit 3"), expected);
    }

    #[test]
    fn signal_is_128_and_more() {
        assert_eq!(sh("kill -9 $$").code, 137);
    }

    #[test]
    fn input_larger_than_a_pipe() {
        let input = "x".repeat(1 << 20);
        assert_eq!(run_with_input(&mut Command::new("cat"), &input).stdout, input);
        assert_eq!(run_with_input(&mut Command::new("true"), &input).code, 0);
    }
}
