//! `init`: the files of a project. Nothing that is there is changed.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::args::DatabaseUrl;
use crate::config;
use crate::configuration::{Configuration, DOT_ENV, FILE, Source};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;
use crate::settings::{Key, Setting};

/// Secrets, databases, and the backups of databases, which are copies of their rows.
const IGNORED: [&str; 7] =
    [DOT_ENV, "*.db", "*.db-wal", "*.db-shm", "*.migrate-lock", "*.backups/", "migrate-backups/"];

const FROM_THE_ENVIRONMENT: &str = "# The URL comes from the environment: DATABASE_URL.";

pub(super) fn init(directory: &Path, configuration: &Configuration, printer: &Printer) -> Result<Exit, Error> {
    let connection = configuration.connection();
    let typed = configuration.value(Key::DatabaseUrl).is_some_and(|value| matches!(value.source, Source::Flag(_)));
    let url = connection.database_url.as_ref().filter(|_| typed);
    if url.is_some() {
        // One that no command could use is not written down.
        config::database(&connection)?;
    }
    let mut document = json::Init { outcome: "unchanged", written: Vec::new(), kept: Vec::new() };
    let shown = directory.display().to_string();
    let is_new = !directory.exists();
    fs::create_dir_all(directory).map_err(|error| cannot(&shown, &error))?;
    document.note(&shown, is_new);
    let wrote_file = write_new(FILE, &settings(&shown, url))?;
    document.note(FILE, wrote_file);
    let ignored = format!("{}\n", IGNORED.join("\n"));
    let wrote_ignore = write_new(".gitignore", &ignored)?;
    document.note(".gitignore", wrote_ignore);
    if !document.written.is_empty() {
        document.outcome = "written";
    }
    printer.answer(&Document::new(&document), || text(&document));
    match url {
        Some(_) if !wrote_file => printer.warning(&format!("{FILE} was there before, and does not get the database URL")),
        Some(url) if url.may_hold_a_password() => printer.warning(&format!(
            "the database URL may hold a password and is not in {FILE}: give it in the environment variable {}, or in {DOT_ENV}",
            Setting::of(Key::DatabaseUrl).variable
        )),
        _ => {}
    }
    let missing = if wrote_ignore { Vec::new() } else { not_ignored()? };
    if !missing.is_empty() {
        printer.note(&format!(
            ".gitignore does not name {}: databases, their backups and secrets do not belong into a repository",
            missing.join(", ")
        ));
    }
    Ok(Exit::Done)
}

impl json::Init {
    fn note(&mut self, path: &str, is_new: bool) {
        let list = if is_new { &mut self.written } else { &mut self.kept };
        list.push(path.to_owned());
    }
}

fn text(document: &json::Init) -> String {
    let written = document.written.iter().map(|path| format!("wrote {path}"));
    let kept = document.kept.iter().map(|path| format!("{path} is there already and stays as it is"));
    let next = "next: `migrate new add_users`".to_owned();
    written.chain(kept).chain([next]).collect::<Vec<_>>().join("\n")
}

/// Whether the file was written; one that is there is left alone.
fn write_new(path: &str, text: &str) -> Result<bool, Error> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true).map_err(|error| cannot(path, &error)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(cannot(path, &error)),
    }
}

fn not_ignored() -> Result<Vec<&'static str>, Error> {
    let text = fs::read_to_string(".gitignore").map_err(|error| cannot(".gitignore", &error))?;
    let names = |line: &&str| text.lines().any(|ignored| ignored.trim() == *line);
    Ok(IGNORED.into_iter().filter(|line| !names(line)).collect())
}

fn cannot(path: &str, error: &std::io::Error) -> Error {
    Error::failed(format!("cannot write {path}: {error}"))
}

fn settings(directory: &str, url: Option<&DatabaseUrl>) -> String {
    // A text of JSON is one of TOML.
    let directory = serde_json::Value::from(directory);
    let database = match url {
        None => "database_url = \"sqlite:app.db\"\n#database_url = \"postgres://app@localhost/app\"".to_owned(),
        Some(url) if url.may_hold_a_password() => FROM_THE_ENVIRONMENT.to_owned(),
        Some(url) => format!("database_url = {}", serde_json::Value::from(url.reveal())),
    };
    format!(
        "# Settings of `migrate`. Flags win over the environment, that over .env, and that over this file.
# `migrate config show` prints what holds and where it comes from.

# The migrations directory.
dir = {directory}
# The profile when `--profile` and MIGRATION_PROFILE name none.
profile = \"dev\"
# How long a statement waits for a lock on PostgreSQL.
#lock_timeout = \"2s\"
# How long to wait for another run.
#wait_lock = \"10m\"

[profiles.dev]
{database}

[profiles.production]
{FROM_THE_ENVIRONMENT}
# `down` and the like need the database's name, `--confirm NAME`.
protected = true
"
    )
}
