//! PostgreSQL URLs with libpq's parameters, and the environment variables that libpq reads for what a URL leaves out.
//!
//! The driver knows neither `sslmode=verify-full` nor certificates nor pass files, and refuses what it does not know; so
//! URLs are read here, and what remains for the driver goes to it as keywords.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

use super::passfile::{self, Wanted};
use super::tls::{Mode, TlsOptions};
use crate::backend::postgres::causes;
use crate::error::{Error, ErrorKind};

/// A connection that nobody uses may be dropped on the way by a firewall; the system's default asks after two hours.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(60);

/// Where servers put their unix sockets.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Every parameter, and the environment variable that is asked when a URL leaves it out.
const PARAMETERS: [(&str, &str); 24] = [
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("passfile", "PGPASSFILE"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    // libpq has no variables for these.
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    ("keepalives_retries", ""),
    ("tcp_user_timeout", ""),
];

/// What the driver does not know.
const OURS: [&str; 6] = ["password", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/// What a URL and the environment say.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) config: Config,
    pub(super) tls: TlsOptions,
}

/// Reads a URL; `variable` is the environment.
pub(super) fn parse(url: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Parsed, Error> {
    let mut parameters = Parameters::of_url(url)?;
    parameters.fill_in(variable);
    let tls = TlsOptions {
        mode: parameters.get("sslmode").map_or(Ok(Mode::Prefer), Mode::parse)?,
        root_certificates: parameters.get("sslrootcert").map(PathBuf::from),
        certificate: parameters.get("sslcert").map(PathBuf::from),
        key: parameters.get("sslkey").map(PathBuf::from),
        home: variable("HOME").map(PathBuf::from),
    };
    if parameters.get("sslnegotiation") == Some("direct") && tls.mode < Mode::Require {
        return Err(wrong("`sslnegotiation=direct` needs `sslmode=require` or stricter"));
    }
    let mut config: Config = parameters.keywords().parse().map_err(|error: tokio_postgres::Error| {
        // The driver's words name the parameter, never its value.
        wrong(format!("the PostgreSQL URL cannot be used: {}", causes(&error)))
    })?;
    if parameters.get("keepalives_idle").is_none() {
        config.keepalives_idle(KEEPALIVES_IDLE);
    }
    if let Some(password) = parameters.password(variable)? {
        config.password(password);
    }
    Ok(Parsed { config, tls })
}

struct Parameters(BTreeMap<Cow<'static, str>, Vec<u8>>);

impl Parameters {
    /// What the URL itself says.
    fn of_url(url: &str) -> Result<Self, Error> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.ok_or_else(|| wrong("a PostgreSQL URL begins with `postgres://`"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        if credentials.contains('@') || database.contains('@') || (query.contains('@') && !authority.contains('@')) {
            // Most likely a password with an unescaped `@`, `/` or `?`, so nothing of it is shown.
            return Err(Error::new(ErrorKind::Configuration, "the PostgreSQL URL has an `@` where none can be")
                .with_help("write `@`, `/`, `?`, `#` and `%` in a user name or password as `%40`, `%2F`, `%3F`, `%23` and `%25`"));
        }
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        let mut parameters = Self(BTreeMap::new());
        parameters.insert("user", user);
        parameters.insert("password", password.unwrap_or_default());
        parameters.insert("dbname", database);
        parameters.hosts(hosts)?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| wrong("a parameter of the PostgreSQL URL has no `=`"))?;
            let Some((name, _)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
                return Err(unknown(name));
            };
            parameters.insert(name, value);
        }
        Ok(parameters)
    }

    /// `host`, `host:port`, `[::1]:port`, or several of these with commas between.
    fn hosts(&mut self, text: &str) -> Result<(), Error> {
        if text.is_empty() {
            return Ok(());
        }
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for part in text.split(',') {
            let (host, port) = match part.strip_prefix('[').map(|rest| rest.split_once(']')) {
                Some(Some((host, rest))) => (host, rest.strip_prefix(':').unwrap_or(rest)),
                Some(None) => return Err(wrong("the PostgreSQL URL has a `[` without a `]`")),
                None => part.split_once(':').unwrap_or((part, "")),
            };
            if !port.is_empty() && port.parse::<u16>().is_err() {
                return Err(wrong("the PostgreSQL URL cannot be used: the port is no number up to 65535"));
            }
            hosts.push(host);
            ports.push(port);
        }
        if ports.iter().any(|port| !port.is_empty()) {
            // The driver takes one port for all hosts, or one for each.
            let ports: Vec<&str> = ports.iter().map(|port| if port.is_empty() { "5432" } else { *port }).collect();
            self.insert("port", &ports.join(","));
        }
        self.insert("host", &hosts.join(","));
        Ok(())
    }

    /// What is empty is left out, so that the environment may say it.
    fn insert(&mut self, name: &'static str, encoded: &str) {
        let value: Vec<u8> = percent_decode_str(encoded).collect();
        if !value.is_empty() {
            self.0.insert(Cow::Borrowed(name), value);
        }
    }

    /// What the environment says and the URL does not; who we are and where the server is if nobody says it.
    fn fill_in(&mut self, variable: &dyn Fn(&str) -> Option<String>) {
        for (name, from) in PARAMETERS.iter().filter(|(_, from)| !from.is_empty()) {
            // An address belongs to its host.
            let skip = self.0.contains_key(*name) || (*name == "hostaddr" && self.0.contains_key("host"));
            if let Some(value) = variable(from).filter(|value| !skip && !value.is_empty()) {
                self.0.insert(Cow::Borrowed(*name), value.into_bytes());
            }
        }
        if !self.0.contains_key("user")
            && let Some(user) = variable("USER").or_else(|| variable("LOGNAME")).filter(|user| !user.is_empty())
        {
            self.0.insert(Cow::Borrowed("user"), user.into_bytes());
        }
        if !self.0.contains_key("host") && !self.0.contains_key("hostaddr") {
            let port = self.get("port").unwrap_or("5432").to_owned();
            let is_there = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
            let host = SOCKET_FOLDERS.iter().find(is_there).unwrap_or(&"localhost");
            self.0.insert(Cow::Borrowed("host"), host.as_bytes().to_vec());
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The form in which the driver takes everything that it knows.
    fn keywords(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.0.iter().filter(|(name, _)| !OURS.contains(&name.as_ref())) {
            let value = String::from_utf8_lossy(value).replace('\\', "\\\\").replace('\'', "\\'");
            let name = if name == "keepalives_count" { "keepalives_retries" } else { name };
            text.push_str(&format!("{name}='{value}' "));
        }
        text
    }

    /// The password: from the URL or the environment, else from the pass file.
    fn password(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Vec<u8>>, Error> {
        if let Some(password) = self.0.get("password") {
            return Ok(Some(password.clone()));
        }
        let home = variable("HOME").map(|home| Path::new(&home).join(".pgpass"));
        let Some(file) = self.get("passfile").map(PathBuf::from).or(home) else {
            return Ok(None);
        };
        let user = self.get("user").unwrap_or_default();
        let database = self.get("dbname").unwrap_or(user);
        let ports: Vec<&str> = self.get("port").unwrap_or("5432").split(',').collect();
        let hosts = self.get("host").unwrap_or("localhost").split(',').enumerate();
        let wanted: Vec<Wanted<'_>> = hosts
            .map(|(at, host)| Wanted {
                host: if SOCKET_FOLDERS.contains(&host) { "localhost" } else { host },
                port: ports.get(at).or(ports.first()).copied().unwrap_or("5432"),
                database,
                user,
            })
            .collect();
        passfile::password(&file, self.0.contains_key("passfile"), &wanted)
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message).with_help("use `postgres://user:password@host:5432/name`")
}

fn unknown(name: &str) -> Error {
    // A part of a password may stand here, if the password has an unescaped `?`.
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return wrong("the PostgreSQL URL has a parameter that is none");
    }
    let error = Error::new(ErrorKind::Configuration, format!("the PostgreSQL URL has an unknown parameter `{name}`"));
    if name == "service" {
        return error.with_help("service files are not read: write host, port and user into the URL");
    }
    let known: Vec<&str> = PARAMETERS.iter().map(|(known, _)| *known).collect();
    error.with_help(format!("leave it out, or use one of {}", known.join(", ")))
}

#[cfg(test)]
mod tests;
