//! What a debug build says when its migrations are not those on disk any more.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use migrate_runtime::{Event, Migrator, Registry, embed_migrations};
use testkit::migrations::Directory;

use crate::bench::{Bench, SqliteFile, registry_at};

static MIGRATIONS: Registry = embed_migrations!("tests/migrations");

const USERS: (&str, &str, &str, &str) = ("1.0.0", "users", "CREATE TABLE users (id INTEGER PRIMARY KEY)", "");

/// A registry that was compiled from a directory, of which it is the content at this moment.
fn compiled_from(directory: &Path) -> Arc<Registry> {
    let path = directory.to_str().unwrap().to_owned();
    Arc::new(Registry::clone(&registry_at(directory)).compiled_from(Some(path.leak())))
}

/// The warnings of one start.
fn warnings(registry: Arc<Registry>) -> Vec<String> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let migrator = Migrator::new(registry).observer(move |event: &Event<'_>| {
        if let Event::Stale(stale) = event {
            seen.lock().unwrap().push(stale.to_string());
        }
    });
    migrator.auto_migrate(&mut SqliteFile::new().open()).wait().unwrap();
    let told = told.lock().unwrap();
    told.clone()
}

#[test]
fn a_debug_build_knows_its_directory() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrations");
    assert_eq!(MIGRATIONS.source().map(Path::new), cfg!(debug_assertions).then_some(&*directory));
    assert_eq!(warnings(Arc::new(MIGRATIONS.clone())), [""; 0]);
}

#[test]
fn the_observer_is_told() {
    let directory = Directory::simple(&[USERS]);
    let registry = compiled_from(directory.path());
    directory.write("v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER)");
    let path = directory.path().display();
    let expected = format!("this program was compiled from other migrations than `{path}` holds now");
    assert_eq!(warnings(Arc::clone(&registry)), [expected]);
    // A program that was brought elsewhere has nothing to compare itself with.
    drop(directory);
    assert_eq!(warnings(registry), [""; 0]);
}

/// In a process of its own, whose standard error can be read.
#[test]
fn without_an_observer_standard_error_says_so_once() {
    const CHILD: &str = "MIGRATE_TEST_STALE_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let directory = Directory::simple(&[USERS]);
        let registry = compiled_from(directory.path());
        directory.remove("v1.0.0_users");
        for _ in 0..2 {
            Migrator::new(Arc::clone(&registry)).auto_migrate(&mut SqliteFile::new().open()).wait().unwrap();
        }
        return;
    }
    let name = "stale::without_an_observer_standard_error_says_so_once";
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", name]).env(CHILD, "1").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr.matches("warning: this program was compiled from other migrations than").count(), 1, "{stderr}");
}
