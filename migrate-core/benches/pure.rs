//! What the pure parts cost, and how it grows: `cargo bench -p migrate-core`.
//!
//! Each is measured for 10, 1,000 and 10,000 migrations, or over as many bytes; a column that grows by a hundred and then by ten
//! is linear.

use std::borrow::Cow;
use std::fmt::Write;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use migrate_core::checksum::{ALGORITHM, Checksum};
use migrate_core::compat::{Rules, judge};
use migrate_core::ledger::{FORMAT, LedgerRow, Snapshot, State, Status};
use migrate_core::migration::{Dialect, Migration, Role, Script, Settings};
use migrate_core::plan::{Target, plan};
use migrate_core::registry::Registry;
use migrate_core::source::{LoadOptions, load};
use migrate_core::sql;
use migrate_core::version::SchemaVersion;

const SIZES: [usize; 3] = [10, 1_000, 10_000];

fn main() {
    divan::main();
}

/// Reading and checking a directory, files included.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn validate(bencher: Bencher<'_, '_>, size: usize) {
    let folder = directory(size);
    let options = LoadOptions::new("migrations_v2");
    bencher
        .counter(ItemsCount::new(size))
        .bench(|| load(folder.path(), &options).into_registry().expect("it is sound"));
}

#[divan::bench(args = SIZES)]
fn plan_everything(bencher: Bencher<'_, '_>, size: usize) {
    let (registry, snapshot) = (registry(size), snapshot(0));
    bencher.counter(ItemsCount::new(size)).bench(|| plan(&registry, &snapshot, Dialect::Sqlite, Target::Latest));
}

#[divan::bench(args = SIZES)]
fn plan_the_way_back(bencher: Bencher<'_, '_>, size: usize) {
    let (registry, snapshot) = (registry(size), snapshot(size));
    bencher.counter(ItemsCount::new(size)).bench(|| plan(&registry, &snapshot, Dialect::Sqlite, Target::DownAll));
}

#[divan::bench(args = SIZES)]
fn verdict_on_an_empty_database(bencher: Bencher<'_, '_>, size: usize) {
    let (registry, snapshot, rules) = (registry(size), snapshot(0), Rules::default());
    bencher.counter(ItemsCount::new(size)).bench(|| judge(&registry, &snapshot, Dialect::Sqlite, &rules));
}

#[divan::bench(args = SIZES)]
fn verdict_on_all_applied(bencher: Bencher<'_, '_>, size: usize) {
    let (registry, snapshot, rules) = (registry(size), snapshot(size), Rules::default());
    bencher.counter(ItemsCount::new(size)).bench(|| judge(&registry, &snapshot, Dialect::Sqlite, &rules));
}

#[divan::bench(args = SIZES)]
fn fingerprint(bencher: Bencher<'_, '_>, size: usize) {
    let registry = registry(size);
    bencher.counter(ItemsCount::new(size)).bench(|| registry.fingerprints(Dialect::Sqlite));
}

#[divan::bench(args = SIZES, consts = [0, 1])]
fn lexing<const DIALECT: usize>(bencher: Bencher<'_, '_>, size: usize) {
    let text = text(size);
    let dialect = Dialect::ALL[DIALECT];
    bencher.counter(BytesCount::of_str(&text)).bench(|| sql::statements(&text, dialect).expect("it lexes").len());
}

#[divan::bench(args = SIZES)]
fn checksum(bencher: Bencher<'_, '_>, size: usize) {
    let text = text(size);
    bencher.counter(BytesCount::of_str(&text)).bench(|| Checksum::of(&text));
}

fn up(number: usize) -> String {
    format!(
        "CREATE TABLE table_{number} (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, name TEXT NOT NULL);\n\
         CREATE INDEX table_{number}_owner ON table_{number} (owner); -- the owner's rows\n\
         ALTER TABLE table_{number} ADD COLUMN note TEXT DEFAULT 'none; yet';\n\
         INSERT INTO table_{number} (id, owner, name) VALUES (1, 1, 'first');\n"
    )
}

/// The scripts of so many migrations as one.
fn text(size: usize) -> String {
    (0..size).map(up).collect()
}

fn version(number: usize) -> SchemaVersion {
    SchemaVersion::new(1, number as u64, 0)
}

fn registry(size: usize) -> Registry {
    let migration = |number: usize| {
        let scripts = vec![
            Script::new(Role::Up, None, up(number)),
            Script::new(Role::Down, None, format!("DROP TABLE table_{number};\n")),
        ];
        let name = Cow::Owned(format!("table_{number}"));
        Migration::from_parts(version(number), name, Settings::DEFAULT, Cow::Borrowed(&[]), Cow::Owned(scripts))
    };
    let migrations = (0..size).map(migration).collect();
    Registry::from_parts(None, "migrations_v2".into(), None, Checksum::of(""), migrations)
}

/// A database on which the first migrations are applied.
fn snapshot(applied: usize) -> Snapshot {
    let row = |number: usize| LedgerRow {
        version: version(number),
        name: format!("table_{number}"),
        checksum: Checksum::of(&up(number)).to_string(),
        applied_at: "2026-01-01T00:00:00.000Z".to_owned(),
        runtime_version: None,
        execution_time_ms: 1,
        status: Status::Applied,
        min_runtime_version: None,
        progress: 0,
        attempted: 0,
        up_sql: None,
        has_down: true,
    };
    let state = State {
        format: FORMAT,
        oldest_reader: FORMAT,
        registry_name: None,
        checksum_algorithm: ALGORITHM.to_owned(),
        fence: 1,
        lock: None,
    };
    Snapshot { state: Some(state), rows: (0..applied).map(row).collect() }
}

fn directory(size: usize) -> testkit::migrations::Directory {
    let mut text = String::new();
    for number in 0..size {
        let folder = format!("v1.{number}.0_table_{number}");
        write!(text, "--- {folder}/metadata.json\n{{\"version\": \"1.{number}.0\", \"name\": \"table_{number}\"}}\n")
            .and_then(|()| write!(text, "--- {folder}/up.sql\n{}", up(number)))
            .and_then(|()| write!(text, "--- {folder}/down.sql\nDROP TABLE table_{number};\n"))
            .expect("a string takes all that is written");
    }
    testkit::migrations::Directory::new(&text)
}
