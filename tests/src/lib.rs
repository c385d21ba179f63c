//! What the whole-system tests share: building the programs under test, racing them, stopping them everywhere, and counting
//! statements.

pub mod field;
pub mod race;
pub mod running;
pub mod statements;
pub mod sweep;

use std::path::PathBuf;
use std::process::Command;

/// The path of a program of the workspace, built first if it is not up to date.
///
/// # Panics
///
/// When the build fails.
#[must_use]
pub fn program(package: &str, name: &str) -> PathBuf {
    program_with(package, name, &[])
}

/// The same with features of its package.
///
/// # Panics
///
/// When the build fails.
#[must_use]
pub fn program_with(package: &str, name: &str, features: &[&str]) -> PathBuf {
    // Where no cargo runs this program, the one on the path knows which toolchain is meant.
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--locked", "--package", package, "--bin", name])
        .args(["--features", &features.join(",")])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut folder = std::env::current_exe().expect("this program has a path");
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    folder.join(name)
}

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Where a race takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arena {
    /// A SQLite file with a rollback journal.
    Sqlite,
    /// A SQLite file in WAL mode.
    SqliteWal,
    /// A PostgreSQL database.
    Postgres,
}

impl Arena {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::SqliteWal, Self::Postgres];
}
