use std::ffi::OsStr;
use std::fmt::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::address::{Address, percent_encode};
use super::supervisor::Supervisor;
use super::{Database, Session, binaries};
use crate::certificates::{Authority, Identity};

/// The environment variable that names a running server for [`Server::shared`], as `host=/tmp/x port=5555 user=postgres`.
/// The program `testkit-postgres` sets it, so that one server serves all test programs of a run.
pub const BASE_VARIABLE: &str = "TESTKIT_POSTGRES_URL_BASE";

/// A private PostgreSQL server. It listens on 127.0.0.1 and on a unix socket, with superuser `postgres` and no password.
///
/// It is gone, with its directory, when this is dropped, and also when the process ends in any other way.
#[derive(Debug)]
pub struct Server {
    address: Address,
    /// `None` for a server that somebody else started.
    supervisor: Option<Mutex<Supervisor>>,
}

impl Server {
    /// Starts a server, which takes about a second. Prefer [`Server::shared`].
    ///
    /// # Panics
    ///
    /// When PostgreSQL is not installed or does not start; the message tells what to do, or holds its log.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with settings of its own, for example `("log_statement", "all")`; they win over the defaults.
    ///
    /// # Panics
    ///
    /// As [`Server::start`].
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::launch(settings, &[], "trust")
    }

    /// Starts a server that demands a password (`scram-sha-256`) over TCP and none on the unix socket.
    ///
    /// `postgres` has no password, so over TCP only users made by [`Server::role`] get in, with [`Database::url_as`].
    ///
    /// # Panics
    ///
    /// As [`Server::start`].
    pub fn start_with_passwords(settings: &[(&str, &str)]) -> Self {
        Self::launch(settings, &[], "scram-sha-256")
    }

    /// The server of this test process, started by the first call; or of this whole test run, when [`BASE_VARIABLE`] is
    /// set.
    ///
    /// # Panics
    ///
    /// As [`Server::start`], and when the variable cannot be understood.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            let Some(base) = std::env::var_os(BASE_VARIABLE) else {
                return Self::start();
            };
            let address = Address::parse(&base.to_string_lossy(), binaries::folder().to_owned())
                .unwrap_or_else(|message| panic!("{BASE_VARIABLE} is {base:?}: {message}"));
            Self { address, supervisor: None }
        })
    }

    /// Starts a server that can encrypt, with a certificate of its own, and takes clients' certificates of `authority`.
    ///
    /// `host_rules` are the lines of `pg_hba.conf` for TCP, such as `hostssl all all 127.0.0.1/32 trust`.
    ///
    /// # Panics
    ///
    /// As [`Server::start`].
    pub fn start_with_tls(identity: &Identity, authority: &Authority, host_rules: &str) -> Self {
        let rules = format!("local all all trust\n{host_rules}\n");
        let authority = authority.pem();
        let files = [
            ("server.crt", &*identity.certificate),
            ("server.key", &identity.key),
            ("clients.crt", &authority),
            ("pg_hba.conf", &rules),
        ];
        // Relative to the data directory, except for the last, which is relative to where the server is started.
        let settings = [
            ("ssl", "on"),
            ("ssl_cert_file", "../server.crt"),
            ("ssl_key_file", "../server.key"),
            ("ssl_ca_file", "../clients.crt"),
            ("hba_file", "pg_hba.conf"),
        ];
        Self::launch(&settings, &files, "trust")
    }

    fn launch(settings: &[(&str, &str)], files: &[(&str, &str)], host_method: &str) -> Self {
        let host_method = format!("--auth-host={host_method}");
        let mut supervisor = Supervisor::new(
            &configuration(settings),
            files,
            &["-U", "postgres", "--auth-local=trust", &host_method, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        );
        let folder = supervisor.directory().to_str().expect("a name below /tmp is UTF-8").to_owned();
        let mut port = free_port();
        for _ in 0..10 {
            if supervisor.order(&format!("start {port}")) {
                let address = Address {
                    binaries: binaries::folder().to_owned(),
                    host: folder,
                    port,
                    user: "postgres".to_owned(),
                };
                return Self { address, supervisor: Some(Mutex::new(supervisor)) };
            }
            // Somebody took the port since it was found free.
            if !supervisor.log().contains("could not create any TCP/IP sockets") {
                break;
            }
            port = free_port();
        }
        panic!("PostgreSQL does not start:\n{}", supervisor.log());
    }

    /// Stops the server and removes its directory, and returns when both are gone.
    pub fn stop(self) {
        drop(self);
    }

    /// Kills all processes of the server with SIGKILL. Its files stay as they are.
    ///
    /// # Panics
    ///
    /// When the server is not running, or was not started by this process.
    pub fn kill9(&self) {
        assert!(self.supervisor().order("crash"), "the server does not run");
    }

    /// Starts the server again at the same address, after [`Server::kill9`] or after stopping it.
    ///
    /// # Panics
    ///
    /// When it does not start, or was not started by this process.
    pub fn restart(&self) {
        let mut supervisor = self.supervisor();
        supervisor.order("stop");
        let order = format!("start {}", self.port());
        // Killed processes take a moment to let go of the shared memory.
        let started = (0..10).any(|_| supervisor.order(&order));
        assert!(started, "PostgreSQL does not start again:\n{}", supervisor.log());
    }

    /// Stops the server and starts it again as a hot standby: it serves reading, and refuses to be written.
    ///
    /// # Panics
    ///
    /// When it does not start, or was not started by this process.
    pub fn become_standby(&self) {
        self.supervisor().order("stop");
        let signal = self.socket_folder().join("data/standby.signal");
        std::fs::write(&signal, "").unwrap_or_else(|error| panic!("cannot write {}: {error}", signal.display()));
        self.restart();
    }

    fn supervisor(&self) -> MutexGuard<'_, Supervisor> {
        let supervisor = self.supervisor.as_ref();
        supervisor
            .expect("the server belongs to the whole test run: use one from `Server::start`")
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates an empty database of its own name from template0.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub fn database(&self) -> Database {
        Database::create(self.address.clone())
    }

    /// Creates a user that may log in. Users belong to the server, not to a database: on the shared server, take a name
    /// that no other test takes.
    ///
    /// # Panics
    ///
    /// When the user exists, or the server refuses.
    pub fn role(&self, name: &str, password: &str) {
        let (name, password) = (name.replace('"', "\"\""), password.replace('\'', "''"));
        self.psql(&format!("CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}'"));
    }

    /// Runs a script in the database `postgres`, as [`Database::psql`] does in its own.
    ///
    /// # Panics
    ///
    /// When the script fails.
    pub fn psql(&self, sql: &str) -> String {
        self.address.psql("postgres", sql).unwrap_or_else(|stderr| panic!("psql failed:\n{stderr}"))
    }

    /// A session with what a URL or libpq's keywords name, such as [`Database::url`] or one through a proxy.
    ///
    /// # Panics
    ///
    /// When psql cannot be started.
    pub fn session(&self, conninfo: &str) -> Session {
        Session::open(&self.tool("psql"), conninfo)
    }

    /// A PostgreSQL program (`pg_dump`, `pgbench`, ...) of the server's version, free of `PG...` variables.
    pub fn tool(&self, name: &str) -> Command {
        self.address.tool(name)
    }

    /// Everything that the server has logged so far. Each record begins with `DATABASE|PID|`.
    ///
    /// # Panics
    ///
    /// When the log cannot be read, as that of a server not started by this crate.
    pub fn log(&self) -> String {
        super::database::log(&self.address)
    }

    /// The value for [`BASE_VARIABLE`] that makes other processes share this server.
    pub fn base(&self) -> String {
        self.address.base()
    }

    /// The URL of its database `postgres` over TCP, to make other databases from.
    pub fn url(&self) -> String {
        format!("postgres://{}@{}:{}/postgres", percent_encode(&self.address.user), self.host(), self.port())
    }

    /// The host of its TCP port.
    pub fn host(&self) -> &str {
        self.address.tcp_host()
    }

    /// Its TCP port, which also names the unix socket.
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// The folder of the unix socket: the server's directory.
    ///
    /// # Panics
    ///
    /// When [`BASE_VARIABLE`] names a host instead.
    pub fn socket_folder(&self) -> &Path {
        let folder = self.address.socket_folder();
        Path::new(OsStr::new(folder.expect("the server has no unix socket: put a folder in `host=...`")))
    }
}

fn configuration(settings: &[(&str, &str)]) -> String {
    let defaults = [
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ".."),
        ("fsync", "off"),
        ("max_connections", "300"),
        ("max_locks_per_transaction", "512"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("autovacuum", "off"),
        ("lc_messages", "C"),
        ("log_line_prefix", "%d|%p|"),
    ];
    let mut configuration = String::from("\n");
    for (name, value) in defaults.iter().chain(settings) {
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        writeln!(configuration, "{name} = '{value}'").expect("a string takes all that is written");
    }
    configuration
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("cannot find a free port at 127.0.0.1: is loopback up?")
        .port()
}
