//! A start with nothing to do takes as much memory for a thousand migrations as for ten.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use allocation_counter::measure;
use migrate_core::checksum::Checksum;
use migrate_core::embedded::{Encoded, Tables};
use migrate_core::migration::Dialect;
use migrate_core::source::{LoadOptions, load};
use migrate_runtime::{Database, Migrator, Outcome, Postgres, Registry, Sqlite, Version};
use testkit::migrations::Directory;
use testkit::postgres::Server;

#[test]
fn on_sqlite() {
    let bytes = |count: usize| {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Sqlite::file(folder.path().join("app.db"));
        let migrator = applied(&mut database, count);
        measure(|| start(&migrator, &mut database)).bytes_total
    };
    assert_eq!(bytes(1000), bytes(10));
}

#[test]
fn on_postgres() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bytes = |count: usize| {
        let server_database = Server::shared().database();
        let mut database = Postgres::from_url(&server_database.url()).unwrap();
        let migrator = applied(&mut database, count);
        // On this thread, which is the one that is measured.
        measure(|| {
            let report = runtime.block_on(async { migrator.auto_migrate(&mut database).await });
            assert_eq!(report.unwrap().outcome, Outcome::NothingToDo);
        })
        .bytes_total
    };
    let (many, few) = (bytes(1000), bytes(10));
    // Answers arrive in pieces that differ from run to run; a row or an entry for each migration would be far more.
    assert!(many.abs_diff(few) < 10_000, "{many} bytes for 1,000 migrations and {few} for 10");
}

fn start(migrator: &Migrator, database: &mut impl Database) {
    assert_eq!(migrator.auto_migrate(database).wait().unwrap().outcome, Outcome::NothingToDo);
}

/// So many migrations as a program holds them, none of them looked at, on a database where all are applied.
fn applied(database: &mut impl Database, count: usize) -> Migrator {
    let names: Vec<_> = (0..count).map(|number| (format!("1.{number}.0"), format!("t{number}"))).collect();
    let migrations: Vec<_> = names.iter().map(|(version, name)| (&**version, &**name, "SELECT 1;", "")).collect();
    let directory = Directory::simple(&migrations);
    Migrator::new(embedded(directory.path())).runtime_version(Version::new(1, 0, 0)).up(database).wait().unwrap();
    Migrator::new(embedded(directory.path()))
}

/// As `embed_migrations!` makes it.
fn embedded(path: &Path) -> &'static Registry {
    let (read, _) = load(path, &LoadOptions::new("migrations_v2")).into_registry().unwrap();
    let encoded = Encoded::new(read.migrations()).unwrap();
    let texts: Vec<&'static str> = encoded.texts.into_iter().map(|text| &*text.leak()).collect();
    let [migrations, dependencies, scripts] =
        [encoded.migrations, encoded.dependencies, encoded.scripts].map(|table| &*table.leak());
    let tables = Box::leak(Box::new(Tables::new(texts.leak(), migrations, dependencies, scripts)));
    let fingerprints = Dialect::ALL.map(|dialect| &*read.fingerprints(dialect).into_owned().leak());
    let registry = Registry::embedded(None, "migrations_v2".into(), None, Checksum::of(""), tables, fingerprints);
    Box::leak(Box::new(registry))
}
