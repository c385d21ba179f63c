//! Private PgBouncers: the pooler that stands between programs and a server in many installations.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::postgres::{Database, Server, free_port, other_user};

/// A private PgBouncer in front of a server. It listens on 127.0.0.1 and is gone, with its directory, when this is dropped,
/// and also when the process ends in any other way.
#[derive(Debug)]
pub struct PgBouncer {
    shell: Child,
    /// Closing it ends PgBouncer.
    order: Option<ChildStdin>,
    port: u16,
}

/// How long a PgBouncer may take to begin to listen.
const PATIENCE: Duration = Duration::from_secs(20);

impl PgBouncer {
    /// Starts one with settings of its own, for example `("pool_mode", "transaction")`.
    ///
    /// # Panics
    ///
    /// When PgBouncer is not installed or does not start; the message tells what to do, or holds its log.
    pub fn start(server: &Server, settings: &[(&str, &str)]) -> Self {
        let program = program();
        for _ in 0..10 {
            match Self::try_start(&program, server, settings) {
                Ok(started) => return started,
                // Somebody took the port since it was found free.
                Err(log) if log.contains("Address already in use") || log.contains("cannot listen") => {}
                Err(log) => panic!("PgBouncer does not start:\n{log}"),
            }
        }
        panic!("PgBouncer finds no free port");
    }

    fn try_start(program: &Path, server: &Server, settings: &[(&str, &str)]) -> Result<Self, String> {
        let directory = tempfile::Builder::new()
            .prefix("testkit-pgbouncer-")
            .tempdir_in("/tmp")
            .expect("cannot create a directory in /tmp: make it writable");
        let port = free_port();
        let (ini, users, script) = (
            directory.path().join("pgbouncer.ini"),
            directory.path().join("users.txt"),
            directory.path().join("pgbouncer.sh"),
        );
        let files = [
            (&ini, &*configuration(server, port, &users, settings)),
            (&users, "\"postgres\" \"\"\n"),
            (&script, include_str!("pgbouncer.sh")),
        ];
        let mut command = Command::new("/bin/sh");
        command
            .args([&script, program, directory.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        for (path, content) in files {
            fs::write(path, content).expect("cannot write into a new directory in /tmp: is the disk full?");
        }
        // PgBouncer refuses to run as root.
        if let Some((uid, gid)) = other_user() {
            for path in [directory.path(), &ini, &users, &script] {
                chown(path, Some(uid), Some(gid)).expect("root can give a file away");
            }
            command.uid(uid).gid(gid);
        }
        let mut shell = command.spawn().expect("cannot start /bin/sh");
        let order = shell.stdin.take();
        // From here on the shell removes it.
        let log = directory.keep().join("log");
        let bouncer = Self { shell, order, port };
        let since = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let text = fs::read_to_string(&log).unwrap_or_default();
            if text.contains("FATAL") || text.contains("cannot listen") || since.elapsed() > PATIENCE {
                return Err(text);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(bouncer)
    }

    /// The port it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL that reaches the database through this PgBouncer.
    pub fn url_for(&self, database: &Database) -> String {
        database.url_at("127.0.0.1", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.order = None;
        let _ = self.shell.wait();
    }
}

fn configuration(server: &Server, port: u16, users: &Path, settings: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = trust\nauth_file = {}\nadmin_users = postgres\nmax_client_conn = 500\n",
        server.host(),
        server.port(),
        users.display()
    );
    for (name, value) in settings {
        writeln!(text, "{name} = {value}").expect("a string takes all that is written");
    }
    text
}

/// Debian keeps it where only root's PATH leads.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder: PathBuf| folder.join("pgbouncer"))
        .find(|program| program.is_file())
        .expect("the tests need PgBouncer and found none: run `scripts/setup`, or `apt-get install pgbouncer`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::run;

    #[test]
    fn transactions_share_a_server_connection() {
        let server = Server::shared();
        let database = server.database();
        let bouncer = PgBouncer::start(server, &[("pool_mode", "transaction"), ("default_pool_size", "1")]);
        let url = bouncer.url_for(&database);
        let (mut one, mut two) = (server.session(&url), server.session(&url));
        let pid = |session: &mut crate::postgres::Session| session.run("SELECT pg_backend_pid()");
        assert_eq!(pid(&mut one), pid(&mut two));
    }

    #[test]
    fn dropped_pgbouncer_is_gone() {
        let server = Server::shared();
        let database = server.database();
        let bouncer = PgBouncer::start(server, &[]);
        let url = bouncer.url_for(&database);
        let psql = || run(server.tool("psql").args(["-X", "-c", "SELECT 1", "-d", &url])).code;
        assert_eq!(psql(), 0);
        drop(bouncer);
        assert_eq!(psql(), 2);
    }
}
