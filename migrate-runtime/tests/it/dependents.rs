//! What a program that depends on this crate pulls in.

use std::path::Path;
use std::process::Command;

/// The crates in the lock file of a program that depends on migrate-runtime with these features.
fn locked(features: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = format!(
        "[package]\nname = \"dependent\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
         [dependencies]\nmigrate-runtime = {{ path = {runtime:?}, features = [{features}] }}\n[workspace]\n"
    );
    std::fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir(directory.path().join("src")).unwrap();
    std::fs::write(directory.path().join("src/lib.rs"), "").unwrap();
    // The workspace's own lock file keeps the versions, so that nothing has to be fetched.
    std::fs::copy(runtime.join("../Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO")).args(arguments).current_dir(directory.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    cargo(&["update", "--workspace", "--offline", "--quiet"]);
    let lock = std::fs::read_to_string(directory.path().join("Cargo.lock")).unwrap();
    let locked: Vec<String> = lock
        .lines()
        .filter_map(|line| line.strip_prefix("name = "))
        .map(|name| name.trim_matches('"').to_owned())
        .collect();
    let tree = cargo(&["tree", "--offline", "--edges", "normal", "--prefix", "none"]);
    for line in tree.lines() {
        let name = line.split(' ').next().unwrap();
        assert!(locked.iter().any(|locked| locked == name), "{name} is built and not locked");
    }
    locked
}

#[track_caller]
fn assert_absent(locked: &[String], names: &[&str]) {
    for name in names {
        assert!(!locked.iter().any(|locked| locked == name), "{name} is in {locked:?}");
    }
}

#[test]
fn a_sqlite_only_program_has_no_async_runtime_and_no_postgres() {
    let locked = locked("\"sqlite\"");
    assert_absent(&locked, &["tokio", "tokio-postgres", "futures-util", "postgres-protocol"]);
    assert!(locked.contains(&"rusqlite".to_owned()));
}

/// Also not in its lock file, where it would collide with another user of SQLite.
#[test]
fn a_postgres_only_program_has_no_sqlite() {
    let locked = locked("\"postgres\"");
    assert_absent(&locked, &["rusqlite", "libsqlite3-sys", "cc"]);
    assert!(locked.contains(&"tokio-postgres".to_owned()));
}

#[test]
fn tests_of_migrations_add_one_crate() {
    let (without, mut with) = (locked("\"sqlite\""), locked("\"sqlite\", \"testing\""));
    with.retain(|name| !without.contains(name));
    assert_eq!(with, ["similar"]);
}
