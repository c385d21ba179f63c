//! Counts the statements of scripts, as we find them and as the databases do, and prints where they differ.
//!
//! `scripts/statements FOLDER...`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use migrate_core::migration::{Dialect, Role};
use migrate_core::source::{LoadOptions, load};
use rusqlite::Connection;
use system_tests::statements::{PostgresServer, Tally, compare_on_sqlite};
use testkit::postgres::Server;

fn main() -> std::io::Result<ExitCode> {
    let mut out = std::io::stdout();
    let mut agrees = true;
    for folder in std::env::args().skip(1).map(PathBuf::from) {
        let dialect = if folder.to_string_lossy().ends_with("_sqlite") { Dialect::Sqlite } else { Dialect::Postgres };
        for (what, tally, refused) in compare(&folder, dialect) {
            writeln!(out, "{} {what}: {tally}", folder.display())?;
            refused.iter().try_for_each(|message| writeln!(out, "  refused and not counted: {message}"))?;
            agrees &= tally.differences.is_empty() && tally.files > 0;
        }
    }
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was counted, the count, and the scripts that the database refuses.
type Counted = (&'static str, Tally, Vec<String>);

/// All scripts of a set as the server parses them, and the up scripts, in order, as the database completes them.
fn compare(folder: &Path, dialect: Dialect) -> Vec<Counted> {
    let scripts = scripts(folder, dialect);
    let ups = || scripts.iter().filter(|(role, ..)| *role == Role::Up);
    let (mut completed, mut refused) = (Tally::default(), Vec::new());
    if dialect == Dialect::Sqlite {
        let connection = Connection::open_in_memory().expect("a database in memory can be made");
        for (_, path, script) in ups() {
            let answer = compare_on_sqlite(&connection, path, script, &mut completed);
            refused.extend(answer.err().map(|error| format!("{path}: {error}")));
        }
        return vec![("completed by SQLite", completed, refused)];
    }
    let database = Server::shared().database();
    let server = PostgresServer::connect(&database.url());
    let mut parsed = Tally::default();
    for (_, path, script) in &scripts {
        server.compare_parsed(path, script, &mut parsed);
    }
    for (_, path, script) in ups() {
        refused.extend(server.compare_completed(path, script, &mut completed).err());
    }
    vec![("parsed by the server", parsed, Vec::new()), ("completed by the server", completed, refused)]
}

/// The scripts in effect, lowest version first.
fn scripts(folder: &Path, dialect: Dialect) -> Vec<(Role, String, String)> {
    let options = LoadOptions { dialects: vec![dialect], ..LoadOptions::new(folder.display().to_string()) };
    let loaded = load(folder, &options);
    let (registry, _) = loaded.into_registry().expect("the set has no errors");
    let mut scripts = Vec::new();
    for migration in registry.migrations() {
        for script in Role::ALL.into_iter().filter_map(|role| migration.script(role, dialect)) {
            let path = registry.path(migration, &script.file_name());
            scripts.push((script.role, path, script.sql.to_string()));
        }
    }
    scripts
}
