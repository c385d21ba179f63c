//! One line for `build.rs`, so that cargo builds again when a migration is added.
//!
//! ```no_run
//! // The body of `main` in build.rs; `migrate-build` is among the build-dependencies.
//! migrate_build::track("migrations_v2");
//! ```
//!
//! `embed_migrations!` makes cargo watch every file that it read; what it cannot name is a file that was not there yet.

use std::env;
use std::io::{self, Write};
use std::path::Path;

/// Has cargo watch a migrations directory, named relative to the package: when anything in it is added, removed, renamed
/// or edited, the package is compiled again. A directory that does not exist fails the build.
///
/// Cargo then runs the build script for this reason and those that the script itself prints, and no longer for every
/// change in the package.
///
/// Cargo goes by modification times. Where they lie, after `rsync -a` or a container's `COPY` over an older build, say,
/// nothing that a build script prints helps: `check --source` and the start of a debug build compare the content.
pub fn track(directory: impl AsRef<Path>) {
    let line = instruction(directory.as_ref(), &env::current_dir().unwrap_or_default());
    // Where cargo does not listen any more, there is nobody to tell.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// What cargo is told. Cargo scans a watched directory with everything below it, folders included, each time: no file
/// needs a line of its own. A path that does not exist would have it build again every time.
fn instruction(directory: &Path, package: &Path) -> String {
    let shown = directory.display();
    if package.join(directory).is_dir() {
        format!("cargo::rerun-if-changed={shown}")
    } else {
        format!(
            "cargo::error=there is no directory `{shown}` in {}: correct the path in build.rs, or create the directory \
             with `migrate new`",
            package.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_a_directory_that_exists_and_refuses_any_other() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(instruction(Path::new("src"), package), "cargo::rerun-if-changed=src");
        for other in ["migrations_v2", "Cargo.toml"] {
            let line = instruction(Path::new(other), package);
            assert!(line.starts_with(&format!("cargo::error=there is no directory `{other}` in /")), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
    }
}
