use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of `initdb`, `postgres`, `psql` and `pg_dump`.
pub(super) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("PG_BIN") {
            let folder = PathBuf::from(folder);
            assert!(
                is_complete(&folder),
                "PG_BIN is {}, which holds no initdb, postgres, psql and pg_dump: correct or unset it",
                folder.display()
            );
            return folder;
        }
        let candidates = from_pg_config().into_iter().chain(debian()).chain(path());
        candidates.into_iter().find(|folder| is_complete(folder)).expect(
            "the tests need the PostgreSQL server programs and found none: run `scripts/setup`, or \
             `apt-get install postgresql postgresql-contrib`, or set PG_BIN to the folder that holds `initdb`",
        )
    })
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "psql", "pg_dump"].iter().all(|name| folder.join(name).is_file())
}

fn from_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}

/// Debian keeps the server's programs off the PATH, one folder for each major version; highest first.
fn debian() -> Vec<PathBuf> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter_map(|path| Some((version(&path)?, path.join("bin"))))
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, path)| path).collect()
}

fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}
