use std::path::PathBuf;
use std::process::Command;

use crate::process::{Output, run_with_input};

/// Where a server listens, and with which tools it is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) binaries: PathBuf,
    /// The folder of the unix socket (it begins with `/`) or the name of a host.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
}

impl Address {
    /// Reads what [`Address::base`] writes.
    pub(super) fn parse(base: &str, binaries: PathBuf) -> Result<Self, String> {
        let (mut host, mut port, mut user) = (None, None, None);
        for word in base.split_whitespace() {
            match word.split_once('=') {
                Some(("host", value)) => host = Some(value.to_owned()),
                Some(("port", value)) => port = Some(value.parse().map_err(|_| format!("`{value}` is not a port"))?),
                Some(("user", value)) => user = Some(value.to_owned()),
                _ => {
                    return Err(format!("`{word}` is not one of `host=...`, `port=...`, `user=...`"));
                }
            }
        }
        Ok(Self {
            binaries,
            host: host.ok_or("`host=...` is missing")?,
            port: port.ok_or("`port=...` is missing")?,
            user: user.unwrap_or_else(|| "postgres".to_owned()),
        })
    }

    pub(super) fn base(&self) -> String {
        format!("host={} port={} user={}", self.host, self.port, self.user)
    }

    pub(super) fn socket_folder(&self) -> Option<&str> {
        self.host.starts_with('/').then_some(self.host.as_str())
    }

    pub(super) fn tcp_host(&self) -> &str {
        if self.socket_folder().is_some() { "127.0.0.1" } else { &self.host }
    }

    pub(super) fn conninfo(&self, database: &str) -> String {
        format!("{} dbname={database}", self.base())
    }

    /// A program of this PostgreSQL version, free of the environment of whoever runs the tests.
    pub(super) fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        clean_environment(&mut command);
        command
    }

    pub(super) fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = self.tool("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-A", "-t", "-f", "-", "-d"]);
        let Output { code, stdout, stderr } = run_with_input(psql.arg(self.conninfo(database)), sql);
        if code == 0 { Ok(stdout.trim_end_matches('\n').to_owned()) } else { Err(stderr) }
    }
}

/// `PGOPTIONS`, `PGSSLMODE` and their like would change what a test sees, and a language changes the messages.
pub(super) fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C.UTF-8");
}

/// Percent-encodes what is not an unreserved character of RFC 3986.
pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_there_and_back() {
        let base = "host=/tmp/x port=5555 user=me";
        let address = Address::parse(base, PathBuf::new()).unwrap();
        assert_eq!(address.base(), base);
        assert_eq!((address.socket_folder(), address.tcp_host()), (Some("/tmp/x"), "127.0.0.1"));
        let address = Address::parse("port=1 host=db", PathBuf::new()).unwrap();
        assert_eq!((address.socket_folder(), address.tcp_host()), (None, "db"));
        assert_eq!(address.user, "postgres");
    }

    #[test]
    fn base_that_is_wrong() {
        for (base, message) in [
            ("", "`host=...` is missing"),
            ("host=/x", "`port=...` is missing"),
            ("host=/x port=y", "`y` is not a port"),
            ("host=/x sslmode=on", "`sslmode=on` is not one of `host=...`, `port=...`, `user=...`"),
        ] {
            assert_eq!(Address::parse(base, PathBuf::new()).unwrap_err(), message);
        }
    }

    #[test]
    fn percent() {
        assert_eq!(percent_encode("/tmp/a b.c-ü"), "%2Ftmp%2Fa%20b.c-%C3%BC");
    }
}
