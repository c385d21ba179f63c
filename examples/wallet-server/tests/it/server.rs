//! The real program, running.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::http::{self, Answer};

/// The program with a database and a free port, not started yet.
pub(crate) fn program(database_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wallet-server"));
    command.env("DATABASE_URL", database_url).env("LISTEN", "127.0.0.1:0");
    command
}

/// A server that listens; killed on drop.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
    /// What it said before it listened.
    pub(crate) lines: Vec<String>,
}

impl Server {
    /// Starts it, and returns when it listens.
    #[track_caller]
    pub(crate) fn start(database_url: &str) -> Self {
        let mut child = program(database_url).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let mut stderr = String::new();
                child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
                panic!("the server did not start ({}) after {lines:?}:\n{stderr}", child.wait().unwrap());
            }
            match line.trim_end().strip_prefix("listening on http://") {
                Some(address) => return Self { child, stdout, address: address.to_owned(), lines },
                None => lines.push(line.trim_end().to_owned()),
            }
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, body)
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Answer {
        http::request(&self.address, method, path, body)
    }

    /// Sends a signal and waits for the end: the exit code, and what the server said since it listened.
    pub(crate) fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
