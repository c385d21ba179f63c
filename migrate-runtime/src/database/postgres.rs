//! PostgreSQL databases: a configuration to connect by, or a client of the application's.

#[cfg(any(feature = "testing", feature = "backup"))]
mod ask;
#[cfg(feature = "backup")]
mod environment;
mod passfile;
mod tls;
mod url;

use std::fmt;
use std::time::Duration;

use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, SimpleQueryMessage};

use self::tls::{Driver, Tls, TlsOptions};
use super::Database;
use crate::backend::postgres::{PostgresBackend, causes, database_error};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::identity::random_name;

/// How long connecting may take, unless the URL says it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many addresses of a host are given the whole of it.
const ADDRESSES: u32 = 3;

/// How far apart TCP asks a silent server whether it is still there, three times, unless the URL says it.
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(10);

/// How long the server's machine may leave what was sent unacknowledged, unless the URL says it. Keep-alives are not sent
/// meanwhile, and the system's own bound is about 15 minutes.
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// A PostgreSQL database.
///
/// ```
/// use migrate_runtime::Postgres;
///
/// let database = Postgres::from_url("postgres://app:secret@db.example/shop")?;
/// assert_eq!(database.to_string(), "postgres://app@db.example:5432/shop");
/// # Ok::<(), migrate_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Postgres {
    config: Config,
    tls: Tls,
    /// For programs that connect by themselves.
    #[cfg(feature = "backup")]
    tls_options: TlsOptions,
    /// The same database without a pooler in between, if `config` leads through one.
    direct: Option<Box<Self>>,
}

impl Postgres {
    /// The database of a URL such as `postgres://user:password@host:5432/name?sslmode=verify-full`.
    ///
    /// The parameters are libpq's, as far as `docs/connections.md` lists them. What the URL leaves out is taken from libpq's
    /// environment variables (`PGHOST`, `PGUSER`, `PGPASSWORD`, `PGSSLMODE` and so on), a password also from the pass file
    /// (`PGPASSFILE`, or `~/.pgpass`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]: an unknown parameter, a port that is no number, a certificate that cannot be read, a
    /// pass file that other users can read, `sslmode=require` or stricter without the feature `tls-rustls`.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let url::Parsed { config, tls } = url::parse(url, &|name| std::env::var(name).ok())?;
        Self::new(config, &tls)
    }

    /// The database of a configuration of tokio-postgres. Encryption is as its `sslmode` says; the server's certificate is
    /// not checked, which only a URL can ask for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]: `sslmode=require` without the feature `tls-rustls`.
    pub fn from_config(config: Config) -> Result<Self, Error> {
        let mode = config.get_ssl_mode().into();
        Self::new(config, &TlsOptions { mode, root_certificates: None, certificate: None, key: None, home: None })
    }

    fn new(mut config: Config, tls: &TlsOptions) -> Result<Self, Error> {
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("migrate");
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVES_INTERVAL);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(3);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(USER_TIMEOUT);
        }
        Ok(Self {
            config,
            tls: Tls::new(tls)?,
            #[cfg(feature = "backup")]
            tls_options: tls.clone(),
            direct: None,
        })
    }

    /// The name of the database; without one in the configuration it is the user's.
    pub(crate) fn name(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or_default()
    }

    /// How to reach the same database without a connection pooler in between, where [`from_url`](Self::from_url) leads
    /// through one.
    ///
    /// Reading then goes through the pooler, and a run that has something to do goes around it: statements that cannot run
    /// inside a transaction, and settings that last, need a session of their own, which a pooler in transaction mode does not
    /// give. Without it everything else works through a pooler, too.
    ///
    /// # Errors
    ///
    /// Those of [`from_url`](Self::from_url).
    pub fn direct_url(mut self, url: &str) -> Result<Self, Error> {
        self.direct = Some(Box::new(Self::from_url(url)?));
        Ok(self)
    }

    /// The database as a run reaches it, around a pooler; `None` when there is only one way.
    pub(crate) fn direct(&self) -> Option<Self> {
        self.direct.as_deref().cloned()
    }

    /// Opens a session that carries a token among its settings, unless there is a pooler in between that refuses it.
    pub(crate) async fn connect(&self, token: &Token) -> Result<Connected, Error> {
        let bound = self.patience();
        tokio::time::timeout(bound, self.connect_unbounded(token)).await.unwrap_or_else(|_| {
            let message = format!("cannot connect to {self}: no answer within {} s", bound.as_secs());
            Err(Error::new(ErrorKind::Unreachable, message)
                .with_help("something takes connections there and stays silent: check host and port"))
        })
    }

    /// How long connecting may take. The driver bounds the connection to each address and not what is said over it, so that a
    /// server that takes a connection and stays silent would be waited for without end. A name may have several addresses.
    fn patience(&self) -> Duration {
        let hosts = u32::try_from(self.config.get_hosts().len()).unwrap_or(1).max(1);
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        each.saturating_mul(hosts.saturating_mul(ADDRESSES))
    }

    async fn connect_unbounded(&self, token: &Token) -> Result<Connected, Error> {
        let marked = match self.direct {
            Some(_) => self.open(&self.config).await,
            None => self.open(&token.startup_option(&self.config)).await,
        };
        match marked {
            // Poolers know few start-up parameters, and refuse the others as a violation of the protocol.
            Err(error) if self.direct.is_none() && error.code() == Some(&SqlState::PROTOCOL_VIOLATION) => {
                self.open(&self.config).await.map_err(|error| self.unreachable(&error))
            }
            opened => opened.map_err(|error| self.unreachable(&error)),
        }
    }

    async fn open(&self, config: &Config) -> Result<Connected, tokio_postgres::Error> {
        let (client, driver) = self.tls.connect(config).await?;
        Ok(Connected { client, driver: Some(driver) })
    }

    fn unreachable(&self, error: &tokio_postgres::Error) -> Error {
        let unreachable = Error::new(ErrorKind::Unreachable, format!("cannot connect to {self}"));
        match database_error(error) {
            Some(database) => unreachable.with_database(database),
            None => Error::new(ErrorKind::Unreachable, format!("cannot connect to {self}: {}", causes(error))),
        }
        .with_help(self.tls.help(error).unwrap_or_else(|| match error.code() {
            Some(&SqlState::INVALID_CATALOG_NAME) => self.create(),
            _ => "check that the server runs, and host, port, user, password and database name".to_owned(),
        }))
    }

    /// How to create the database.
    fn create(&self) -> String {
        let (host, port) = self.place();
        let user = self.config.get_user().map(|user| format!(" -U {user}")).unwrap_or_default();
        format!("create it with `createdb -h {host} -p {port}{user} {}`, or correct its name", self.name())
    }

    /// The first host and port.
    fn place(&self) -> (String, u16) {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        (host, port)
    }
}

/// A connection, and the task that drives it. Dropped without [`close`](Self::close), the connection is cut at once: the
/// driver would first wait for the answers to all that was sent.
pub(crate) struct Connected {
    pub(crate) client: Client,
    driver: Option<Driver>,
}

impl Connected {
    /// What to wait for once the client is dropped, which then says goodbye to the server.
    pub(crate) fn driver(&mut self) -> Option<Driver> {
        self.driver.take()
    }

    pub(crate) async fn close(mut self) {
        let driver = self.driver();
        drop(self);
        if let Some(driver) = driver {
            // That the goodbye did not arrive changes nothing.
            drop(driver.await);
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

/// Names one run of this program, unlike any other.
///
/// A session that was begun for us holds it among its settings from the start; one that a pooler lends us does not. In the
/// lock row it tells that the lock is our own, when a connection was lost before it could be told.
#[derive(Clone, Debug)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) const SETTING: &str = "migrate.session";

    pub(crate) fn new() -> Self {
        Self(random_name())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn startup_option(&self, config: &Config) -> Config {
        let mut config = config.clone();
        let own = config.get_options().map(|options| format!("{options} ")).unwrap_or_default();
        // Scripts are read as the standard has it, whatever the database's default is.
        config.options(format!("{own}-c {}={} -c standard_conforming_strings=on", Self::SETTING, self.0));
        config
    }
}

impl fmt::Display for Postgres {
    /// The URL without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.config.get_user().unwrap_or("");
        let at = if user.is_empty() { "" } else { "@" };
        let (host, port) = self.place();
        write!(f, "postgres://{user}{at}{host}:{port}/{}", self.name())
    }
}

impl Database for Postgres {
    async fn call<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        let token = Token::new();
        let connected = self.connect(&token).await?;
        let tables = operation.tables();
        let mut backend = PostgresBackend::of_connection(connected, token, self.clone(), &tables);
        let result = operation.run(&mut backend).await;
        backend.disconnect().await;
        result
    }

    fn call_blocking<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        block_on(self.call(operation))
    }
}

/// A client of your own.
///
/// The reduced mode: the client must not be inside a transaction and nothing else may use it meanwhile; there is no
/// second connection, so the lock's lease is not renewed and a run between two steps may lose it after 30 seconds.
#[derive(Debug)]
pub struct BorrowedClient<'c> {
    client: &'c mut Client,
}

impl<'c> BorrowedClient<'c> {
    /// Borrows a client.
    pub fn new(client: &'c mut Client) -> Self {
        Self { client }
    }
}

impl BorrowedClient<'_> {
    /// Refuses a client that is inside a transaction, or whose texts we could not read.
    async fn refuse_unless_free(&self) -> Result<(), Error> {
        // Inside a transaction the time of its begin is not that of the statement; in a failed one this is an error.
        let probe = "SELECT pg_catalog.transaction_timestamp() = pg_catalog.statement_timestamp(),
                            pg_catalog.current_setting('client_encoding')";
        let answer = self.client.simple_query(probe).await.unwrap_or_default();
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((row.get(0), row.get(1))),
            _ => None,
        });
        match row {
            Some((Some("t"), Some("UTF8"))) => Ok(()),
            Some((Some("t"), _)) => {
                Err(Error::new(ErrorKind::Configuration, "the borrowed client's encoding is not UTF-8")
                    .with_help("run `SET client_encoding = 'UTF8'` on it before migrating"))
            }
            _ => Err(Error::new(ErrorKind::Configuration, "the borrowed client is inside a transaction or closed")
                .with_help("commit or roll back before migrating")),
        }
    }
}

impl Database for BorrowedClient<'_> {
    async fn call<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        self.refuse_unless_free().await?;
        let tables = operation.tables();
        operation.run(&mut PostgresBackend::of_borrowed(self.client, &tables)).await
    }

    fn call_blocking<O: Operation>(&mut self, operation: O) -> Result<O::Output, Error> {
        use tokio::runtime::{Handle, RuntimeFlavor};
        let single = |handle: Handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread;
        if Handle::try_current().is_ok_and(single) {
            // This thread drives the client's connection; waiting here would wait for itself.
            return Err(Error::new(
                ErrorKind::Configuration,
                "a borrowed client cannot be waited for on its own thread",
            )
            .with_help("`.await` the call instead of `.wait()`"));
        }
        block_on(self.call(operation))
    }
}

impl Postgres {
    /// Runs an operation on the calling thread, which must not be one of an async runtime, and gives it up after a time: the
    /// connection is closed then, whatever the server does.
    pub(crate) fn call_within<O: Operation>(
        &mut self,
        operation: O,
        bound: std::time::Duration,
    ) -> Result<O::Output, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let failed = |error| Error::new(ErrorKind::Unreachable, "no async runtime could be made").with_source(error);
        let runtime = runtime.map_err(failed)?;
        let ended = runtime.block_on(async { tokio::time::timeout(bound, self.call(operation)).await });
        // A name that is being looked up may take long, and cannot be stopped.
        runtime.shutdown_background();
        ended.unwrap_or_else(|_| {
            let message = format!("{self} has not answered within {bound:?}");
            Err(Error::new(ErrorKind::Unreachable, message).with_help("check that the server runs and can be reached"))
        })
    }
}

/// Runs a future to its end; inside an async runtime, whose threads may not wait, on a thread of its own.
pub(crate) fn block_on<T: Send>(future: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let failed = |error| Error::new(ErrorKind::Unreachable, "no async runtime could be made").with_source(error);
        runtime.map_err(failed)?.block_on(future)
    };
    if tokio::runtime::Handle::try_current().is_err() {
        return run();
    }
    std::thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
