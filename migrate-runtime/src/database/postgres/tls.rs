//! Encrypted connections, with libpq's words for how far the server is trusted.

#[cfg(feature = "tls-rustls")]
mod rustls_client;

use std::fmt;
use std::path::PathBuf;

use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use crate::error::{Error, ErrorKind};

/// What `sslmode` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server refuses it otherwise.
    Allow,
    /// Encrypted if the server can.
    Prefer,
    /// Encrypted, whoever the server is.
    Require,
    /// The server's certificate comes from an authority that we know.
    VerifyCa,
    /// And it is for the host that we connect to.
    VerifyFull,
}

impl Mode {
    const ALL: [(&'static str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, mode)| *mode);
        found.ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|(word, _)| *word).collect();
            Error::new(ErrorKind::Configuration, format!("`{text}` is no `sslmode`"))
                .with_help(format!("use one of {}", words.join(", ")))
        })
    }

    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| word)
    }
}

impl From<SslMode> for Mode {
    fn from(mode: SslMode) -> Self {
        match mode {
            SslMode::Disable => Self::Disable,
            SslMode::Prefer => Self::Prefer,
            _ => Self::Require,
        }
    }
}

/// What a URL says of encryption.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "tls-rustls"), expect(dead_code, reason = "without TLS only the mode counts"))]
pub(super) struct TlsOptions {
    pub(super) mode: Mode,
    /// Certificates of authorities; the word `system` stands for those of the operating system.
    pub(super) root_certificates: Option<PathBuf>,
    /// Our own certificate, and its key.
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) home: Option<PathBuf>,
}

/// How connections are encrypted.
#[derive(Clone)]
pub(super) struct Tls {
    mode: Mode,
    #[cfg(feature = "tls-rustls")]
    connector: Option<tokio_postgres_rustls::MakeRustlsConnect>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// The task that drives a connection. It ends when the client is dropped, after it has said goodbye to the server; that this
/// may fail changes nothing.
pub(crate) type Driver = JoinHandle<Result<(), tokio_postgres::Error>>;

impl Tls {
    /// Reads certificates, so that what is wrong with them is known before anybody connects.
    #[cfg(feature = "tls-rustls")]
    pub(super) fn new(options: &TlsOptions) -> Result<Self, Error> {
        let connector = match options.mode {
            Mode::Disable => None,
            _ => Some(rustls_client::connector(options)?),
        };
        Ok(Self { mode: options.mode, connector })
    }

    /// Without TLS compiled in, whoever demands it is refused.
    #[cfg(not(feature = "tls-rustls"))]
    pub(super) fn new(options: &TlsOptions) -> Result<Self, Error> {
        if options.mode > Mode::Prefer {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("`sslmode={}` is asked for, and this program is built without TLS", options.mode.word()),
            )
            .with_help("build it with the feature `tls-rustls` of migrate-runtime"));
        }
        Ok(Self { mode: options.mode })
    }

    /// Connects as the mode says.
    pub(super) async fn connect(&self, config: &Config) -> Result<(Client, Driver), tokio_postgres::Error> {
        // As libpq: a socket of this machine is never encrypted.
        let local = config.get_hosts().iter().all(is_socket);
        match self.mode {
            _ if local => plain(config).await,
            Mode::Disable => plain(config).await,
            Mode::Allow => match plain(config).await {
                Err(error) if refuses(&error) => self.encrypted(config, SslMode::Require).await,
                ended => ended,
            },
            Mode::Prefer => match self.encrypted(config, SslMode::Prefer).await {
                Err(error) if is_handshake(&error) || refuses(&error) => plain(config).await.map_err(|_| error),
                ended => ended,
            },
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => self.encrypted(config, SslMode::Require).await,
        }
    }

    #[cfg(feature = "tls-rustls")]
    async fn encrypted(&self, config: &Config, mode: SslMode) -> Result<(Client, Driver), tokio_postgres::Error> {
        let Some(connector) = self.connector.clone() else {
            return plain(config).await;
        };
        let mut config = config.clone();
        let (client, connection) = config.ssl_mode(mode).connect(connector).await?;
        Ok((client, tokio::spawn(connection)))
    }

    /// Only modes that need no encryption come here.
    #[cfg(not(feature = "tls-rustls"))]
    async fn encrypted(&self, config: &Config, _: SslMode) -> Result<(Client, Driver), tokio_postgres::Error> {
        plain(config).await
    }

    /// What to do about a connection that failed, if it failed over encryption.
    pub(super) fn help(&self, error: &tokio_postgres::Error) -> Option<String> {
        if is_handshake(error) {
            #[cfg(feature = "tls-rustls")]
            if let Some(help) = rustls_client::help(error) {
                return Some(help);
            }
            return Some(format!(
                "`sslmode={}` needs a server with `ssl = on`; `sslmode=prefer` also takes one without",
                self.mode.word()
            ));
        }
        let demanded = error.as_db_error().is_some_and(|error| error.message().contains("no encryption"));
        demanded
            .then(|| "the server wants encryption: use `sslmode=require`, or better `sslmode=verify-full`".to_owned())
    }
}

async fn plain(config: &Config) -> Result<(Client, Driver), tokio_postgres::Error> {
    let mut config = config.clone();
    let (client, connection) = config.ssl_mode(SslMode::Disable).connect(NoTls).await?;
    Ok((client, tokio::spawn(connection)))
}

fn is_socket(host: &Host) -> bool {
    #[cfg(unix)]
    return matches!(host, Host::Unix(_));
    #[cfg(not(unix))]
    return false;
}

/// The driver says the kind of its failures in words only.
fn is_handshake(error: &tokio_postgres::Error) -> bool {
    error.to_string().contains("TLS")
}

/// The server has no entry for such connections; perhaps it has one for the other kind.
fn refuses(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}
