//! One database per test, of either kind, behind one interface.

use std::path::Path;
use std::sync::Arc;

use migrate_core::source::{LoadOptions, load};
use migrate_runtime::{AnyDatabase, Database, Migrator, Postgres, Registry, Sqlite, Version};
use testkit::migrations::Directory;
use testkit::postgres::Server;

/// A database of its own, gone with the value.
pub(crate) trait Bench: Sized + Send + Sync {
    type Database: Database;

    fn new() -> Self;

    /// A connector to it.
    fn open(&self) -> Self::Database;

    /// Its URL.
    fn url(&self) -> String;

    /// Runs SQL beside us and gives the rows, columns joined by `|`.
    fn sql(&self, sql: &str) -> Vec<String>;

    /// Its tables, ours aside, in order.
    fn tables(&self) -> Vec<String> {
        let ours = |name: &String| !name.starts_with("schema_migrations_v2");
        self.all_tables().into_iter().filter(ours).collect()
    }

    fn all_tables(&self) -> Vec<String>;

    /// The versions in the ledger with their status.
    fn ledger(&self) -> Vec<String> {
        self.sql("SELECT version, status FROM schema_migrations_v2 ORDER BY version")
    }

    /// The history as `operation|version|outcome`, oldest first.
    fn history(&self) -> Vec<String> {
        self.sql("SELECT operation, coalesce(version, ''), outcome FROM schema_migrations_v2_history ORDER BY id")
    }

    /// Who holds the lock, if anybody does.
    fn lock_owner(&self) -> Vec<String> {
        self.sql("SELECT lock_owner FROM schema_migrations_v2_state WHERE lock_owner IS NOT NULL")
    }
}

/// A SQLite file with a rollback journal.
pub(crate) struct SqliteFile {
    directory: tempfile::TempDir,
}

impl SqliteFile {
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("app.db")
    }

    pub(crate) fn connection(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection
    }
}

impl Bench for SqliteFile {
    type Database = Sqlite;

    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> Sqlite {
        Sqlite::file(self.path())
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        rows(&self.connection(), sql)
    }

    fn all_tables(&self) -> Vec<String> {
        self.sql("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
    }
}

/// Runs SQL on a connection and gives the rows, columns joined by `|`.
pub(crate) fn rows(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
    use rusqlite::fallible_iterator::FallibleIterator;
    let mut out = Vec::new();
    let mut batch = rusqlite::Batch::new(connection, sql);
    while let Some(mut statement) = batch.next().unwrap() {
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let text = |column| match row.get::<_, rusqlite::types::Value>(column).unwrap() {
                rusqlite::types::Value::Null => String::new(),
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Real(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Blob(_) => "blob".to_owned(),
            };
            out.push((0..columns).map(text).collect::<Vec<_>>().join("|"));
        }
    }
    out
}

/// A SQLite file in WAL mode.
pub(crate) struct SqliteWal(SqliteFile);

impl Bench for SqliteWal {
    type Database = Sqlite;

    fn new() -> Self {
        let file = SqliteFile::new();
        file.sql("PRAGMA journal_mode = WAL");
        Self(file)
    }

    fn open(&self) -> Sqlite {
        self.0.open()
    }

    fn url(&self) -> String {
        self.0.url()
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        self.0.sql(sql)
    }

    fn all_tables(&self) -> Vec<String> {
        self.0.all_tables()
    }
}

/// A PostgreSQL database.
pub(crate) struct PostgresServer {
    pub(crate) database: testkit::postgres::Database,
}

impl Bench for PostgresServer {
    type Database = Postgres;

    fn new() -> Self {
        Self { database: Server::shared().database() }
    }

    fn open(&self) -> Postgres {
        Postgres::from_url(&self.url()).unwrap()
    }

    fn url(&self) -> String {
        self.database.url()
    }

    fn sql(&self, sql: &str) -> Vec<String> {
        self.database.psql(sql).lines().map(str::to_owned).collect()
    }

    fn all_tables(&self) -> Vec<String> {
        self.sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
    }
}

/// The registry of a directory that must be sound.
#[track_caller]
pub(crate) fn registry_at(path: &Path) -> Registry {
    let loaded = load(path, &LoadOptions::new("migrations_v2"));
    match loaded.into_registry() {
        Ok((registry, _)) => registry,
        Err(problems) => panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// The registry of a directory written as text, see [`Directory::new`].
#[track_caller]
pub(crate) fn registry(text: &str) -> Registry {
    registry_at(Directory::new(text).path())
}

/// A migrator for migrations given as version, name, up and down script; an empty down script is none.
#[track_caller]
pub(crate) fn migrator(migrations: &[(&str, &str, &str, &str)]) -> Migrator {
    let directory = Directory::simple(migrations);
    of(registry_at(directory.path()))
}

pub(crate) fn of(registry: Registry) -> Migrator {
    Migrator::new(Arc::new(registry)).runtime_version(Version::new(1, 0, 0)).actor("tester")
}

/// A connector by URL.
pub(crate) fn any(url: &str) -> AnyDatabase {
    AnyDatabase::from_url(url).unwrap()
}
