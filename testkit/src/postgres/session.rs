use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A session that stays open between statements: a psql of its own. It ends when dropped.
#[derive(Debug)]
pub struct Session {
    psql: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What psql says when it has reached the end of what was sent.
const END: &str = "testkit: end of answer";

impl Session {
    pub(super) fn open(psql: &Command, conninfo: &str) -> Self {
        // Errors stand among the rows, in their order.
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "exec \"$0\" \"$@\" 2>&1"])
            .arg(psql.get_program())
            .args(["-X", "-q", "-A", "-t", "-d", conninfo]);
        for (name, value) in psql.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let mut psql =
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cannot start psql: is it installed?");
        let orders = psql.stdin.take();
        let answers = BufReader::new(psql.stdout.take().expect("the standard output was asked to be a pipe"));
        Self { psql, orders, answers }
    }

    /// Runs statements and gives their rows, unaligned, with what went wrong among them.
    ///
    /// # Panics
    ///
    /// When psql has ended.
    #[track_caller]
    pub fn run(&mut self, sql: &str) -> String {
        self.send(sql);
        self.answer()
    }

    /// Sends statements without waiting for what they give.
    ///
    /// # Panics
    ///
    /// When psql has ended.
    #[track_caller]
    pub fn send(&mut self, sql: &str) {
        let orders = self.orders.as_mut().expect("the pipe is open until the session is dropped");
        writeln!(orders, "{sql}\n;\n\\echo {END}").expect("psql has ended");
    }

    /// Waits for what the statements give that were sent last.
    ///
    /// # Panics
    ///
    /// When psql has ended.
    #[track_caller]
    pub fn answer(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            let count = self.answers.read_line(&mut line).expect("psql writes UTF-8");
            assert!(count > 0, "psql has ended: {text}");
            if line.trim_end() == END {
                return text.trim_end().to_owned();
            }
            text.push_str(&line);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.orders = None;
        // It may be in the middle of a statement that waits.
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}
