//! `pg_dump`, `pg_restore` and `psql`: where they are, which version they have, and how they connect.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio_postgres::Client;

use super::survey::rows;
use crate::database::Postgres;
use crate::error::{Error, ErrorKind};

/// What else in the environment would have a say in where a program connects.
const OTHERS: [&str; 6] = ["PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGPASSFILE", "PGREQUIRESSL", "PGOPTIONS"];

/// The client programs of one installation.
pub(super) struct Tools<'a> {
    directory: Option<&'a Path>,
}

/// The version of a server.
pub(super) struct ServerVersion {
    pub(super) major: u32,
    pub(super) text: String,
}

impl<'a> Tools<'a> {
    pub(super) fn new(directory: Option<&'a Path>) -> Self {
        Self { directory }
    }

    /// A program that connects to a database. The password is in its environment, which only this user can read.
    pub(super) fn command(&self, name: &str, database: &Postgres) -> Command {
        let mut command = self.plain(name);
        for variable in OTHERS {
            command.env_remove(variable);
        }
        command.envs(database.environment());
        command
    }

    /// A program that connects to nothing.
    pub(super) fn plain(&self, name: &str) -> Command {
        match self.directory {
            Some(directory) => Command::new(directory.join(name)),
            None => Command::new(name),
        }
    }

    /// The version of a program, which must not be older than that of the server.
    pub(super) fn check(&self, name: &'static str, server: u32) -> Result<String, Error> {
        let output = self.plain(name).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|error| missing(name, &error))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let number = text.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        let major = number.and_then(|it| it.split(|it: char| !it.is_ascii_digit()).next()?.parse::<u32>().ok());
        let Some((number, major)) = number.zip(major).filter(|_| output.status.success()) else {
            return Err(Error::new(ErrorKind::Backup, format!("`{name} --version` says nothing of use: {text}"))
                .with_help(help(server)));
        };
        if major < server {
            let message =
                format!("`{name}` has version {number}, and the server {server}: an older one cannot read it");
            return Err(Error::new(ErrorKind::Backup, message).with_help(help(server)));
        }
        Ok(format!("{name} {number}"))
    }
}

pub(super) async fn server_version(client: &Client) -> Result<ServerVersion, Error> {
    let sql = "SELECT pg_catalog.current_setting('server_version_num')::int / 10000,
        pg_catalog.current_setting('server_version')";
    let answer = rows(client, sql).await?;
    let value = |column: usize| answer.first().and_then(|row| row.get(column)).cloned().unwrap_or_default();
    Ok(ServerVersion { major: value(0).parse().unwrap_or_default(), text: value(1) })
}

/// A program that cannot be started.
pub(super) fn missing(name: &str, error: &io::Error) -> Error {
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("`{name}` is not there"),
        _ => format!("`{name}` cannot be run: {error}"),
    };
    Error::new(ErrorKind::Backup, message).with_help(help(0))
}

fn help(server: u32) -> String {
    let which = if server == 0 { String::new() } else { format!(" {server} or newer") };
    format!("install the client programs of PostgreSQL{which}, or name their directory (`backup_tools`)")
}
