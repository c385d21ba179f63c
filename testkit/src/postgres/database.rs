use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::address::{Address, percent_encode};
use crate::process::run;

/// A database of its own, dropped with everybody in it when this is dropped.
#[derive(Debug)]
pub struct Database {
    address: Address,
    name: String,
}

impl Database {
    pub(super) fn create(address: Address) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        // The hasher's seed is random: processes in other namespaces may have our number.
        let random = RandomState::new().hash_one(counter) & 0xffff_ffff;
        let name = format!("t{}_{counter}_{random:08x}", std::process::id());
        address
            .psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
            .unwrap_or_else(|stderr| panic!("cannot create a database:\n{stderr}"));
        Self { address, name }
    }

    /// Its name: a plain identifier of the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A URL over TCP: `postgres://postgres@127.0.0.1:PORT/NAME`.
    pub fn url(&self) -> String {
        self.url_at(self.address.tcp_host(), self.address.port)
    }

    /// The same through another host and port, such as a proxy's.
    pub fn url_at(&self, host: &str, port: u16) -> String {
        let user = percent_encode(&self.address.user);
        format!("postgres://{user}@{host}:{port}/{}", self.name)
    }

    /// A URL over TCP with a user and a password.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let (user, password) = (percent_encode(user), percent_encode(password));
        let (host, port) = (self.address.tcp_host(), self.address.port);
        format!("postgres://{user}:{password}@{host}:{port}/{}", self.name)
    }

    /// A URL over the unix socket: `postgres://postgres@/NAME?host=%2Fpath&port=PORT`.
    ///
    /// # Panics
    ///
    /// When the shared server was named by a host instead of a folder.
    pub fn socket_url(&self) -> String {
        let folder = self.address.socket_folder();
        let folder = percent_encode(folder.expect("the server has no unix socket: put a folder in `host=...`"));
        let user = percent_encode(&self.address.user);
        format!("postgres://{user}@/{}?host={folder}&port={}", self.name, self.address.port)
    }

    /// The keywords of libpq, over the unix socket: `host=/path port=PORT user=postgres dbname=NAME`.
    pub fn conninfo(&self) -> String {
        self.address.conninfo(&self.name)
    }

    /// Runs a script with psql, each statement by itself; returns its rows, unaligned, without headings and without the
    /// last newline.
    ///
    /// # Panics
    ///
    /// At the first statement that fails, with the message.
    #[track_caller]
    pub fn psql(&self, sql: &str) -> String {
        match self.try_psql(sql) {
            Ok(rows) => rows,
            Err(stderr) => panic!("psql failed:\n{stderr}"),
        }
    }

    /// As [`Database::psql`].
    ///
    /// # Errors
    ///
    /// What psql wrote to its standard error, when a statement failed or the server cannot be reached.
    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        self.address.psql(&self.name, sql)
    }

    /// The schema as `pg_dump --schema-only --no-owner` writes it, without the lines that differ from run to run.
    ///
    /// # Panics
    ///
    /// When pg_dump fails.
    #[track_caller]
    pub fn dump(&self) -> String {
        let mut pg_dump = self.address.tool("pg_dump");
        let output = run(pg_dump.args(["--schema-only", "--no-owner", "-d"]).arg(self.conninfo()));
        assert_eq!(output.code, 0, "pg_dump failed:\n{}", output.stderr);
        let varies =
            |line: &&str| ["\\restrict", "\\unrestrict", "-- Dumped"].iter().any(|start| line.starts_with(start));
        output.stdout.split_inclusive('\n').filter(|line| !varies(line)).collect()
    }

    /// Makes the server log the statements of sessions that connect to this database from now on, as `log_statement=all`
    /// does for a whole server. So statements can be counted on the shared server too.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub fn log_statements(&self) {
        let sql = format!("ALTER DATABASE {} SET log_statement = 'all'", self.name);
        self.address.psql("postgres", &sql).unwrap_or_else(|stderr| panic!("cannot change the database:\n{stderr}"));
    }

    /// The statements that were logged for this database, in their order: `statement: SQL` for the simple protocol (one
    /// entry for each message, whatever number of statements it holds), `execute NAME: SQL` for the extended one. Those
    /// of [`Database::psql`] are among them.
    ///
    /// Nothing is logged unless [`Database::log_statements`] or the server's setting asks for it.
    ///
    /// # Panics
    ///
    /// When the log cannot be read, as that of a server not started by this crate.
    pub fn logged_messages(&self) -> Vec<String> {
        statements(&log(&self.address), &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server may be gone already, and the database with it.
        let _ = self.address.psql("postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

pub(super) fn log(address: &Address) -> String {
    // The socket stands in the directory of the server, beside the log.
    let path = Path::new(&address.host).join("log");
    let log = std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read the log {}: {error}", path.display()));
    String::from_utf8_lossy(&log).into_owned()
}

/// Picks the statements of one database out of a log whose records begin with `DATABASE|PID|LEVEL:  ` and whose further
/// lines begin with a tab.
pub(super) fn statements(log: &str, database: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut inside = false;
    for line in log.lines() {
        if let (Some(more), true, Some(statement)) = (line.strip_prefix('\t'), inside, statements.last_mut()) {
            statement.push('\n');
            statement.push_str(more);
            continue;
        }
        let mut parts = line.splitn(3, '|');
        let ours = parts.next() == Some(database);
        let message = parts.nth(1).and_then(|rest| rest.strip_prefix("LOG:  "));
        let statement = message.filter(|text| text.starts_with("statement: ") || text.starts_with("execute "));
        inside = ours && statement.is_some();
        statements.extend(statement.filter(|_| inside).map(str::to_owned));
    }
    statements
}
