//! Migrations directories for tests.

use std::fs;
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

/// A migrations directory in a temporary place, removed on drop.
///
/// ```
/// let directory = testkit::migrations::Directory::new(
///     r#"
/// --- v1.0.0_users/metadata.json
/// {"version":"1.0.0","name":"users"}
/// --- v1.0.0_users/up.sql
/// CREATE TABLE users (id INTEGER PRIMARY KEY);
/// "#,
/// );
/// assert!(directory.path().join("v1.0.0_users/up.sql").is_file());
/// ```
#[derive(Debug)]
pub struct Directory {
    root: TempDir,
}

impl Directory {
    /// Writes the files that `text` describes: a line `--- PATH` begins a file, which goes on to the next such line.
    ///
    /// So no file can itself hold a line that begins with `--- `; use [`Directory::write`] for one that must.
    ///
    /// # Panics
    ///
    /// When there is text before the first header, a path appears twice or leaves the directory, or a write fails.
    pub fn new(text: &str) -> Self {
        let directory = Self {
            root: tempfile::Builder::new()
                .prefix("migrations-")
                .tempdir()
                .expect("cannot create a temporary directory: check TMPDIR"),
        };
        for (path, content) in files(text) {
            assert!(!directory.path().join(path).exists(), "`{path}` is written twice");
            directory.write(path, content);
        }
        directory
    }

    /// A directory of migrations `(version, name, up, down)` with the shortest metadata; an empty `down` writes no file.
    ///
    /// # Panics
    ///
    /// As [`Directory::new`].
    pub fn simple(migrations: &[(&str, &str, &str, &str)]) -> Self {
        let directory = Self::new("");
        for (version, name, up, down) in migrations {
            let folder = format!("v{version}_{name}");
            let metadata = format!("{{\"version\":\"{version}\",\"name\":\"{name}\"}}\n");
            directory.write(format!("{folder}/metadata.json"), metadata);
            directory.write(format!("{folder}/up.sql"), up);
            if !down.is_empty() {
                directory.write(format!("{folder}/down.sql"), down);
            }
        }
        directory
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Writes or replaces one file, with the folders above it.
    ///
    /// # Panics
    ///
    /// When the path leaves the directory or the write fails.
    pub fn write(&self, relative: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.resolve(relative.as_ref());
        let folder = path.parent().expect("a path below the directory has a parent");
        fs::create_dir_all(folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
        fs::write(&path, content).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Removes one file, or one folder with everything in it.
    ///
    /// # Panics
    ///
    /// When there is no such path, or it leaves the directory.
    pub fn remove(&self, relative: impl AsRef<Path>) {
        let path = self.resolve(relative.as_ref());
        if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
            .unwrap_or_else(|error| panic!("cannot remove {}: {error}", path.display()));
    }

    fn resolve(&self, relative: &Path) -> PathBuf {
        let inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
        assert!(inside && relative.file_name().is_some(), "`{}` is not a path below the directory", relative.display());
        self.path().join(relative)
    }
}

fn files(text: &str) -> Vec<(&str, String)> {
    let mut files: Vec<(&str, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(path) = line.strip_prefix("--- ") {
            files.push((path.trim(), String::new()));
        } else if let Some((_, content)) = files.last_mut() {
            content.push_str(line);
        } else {
            assert!(line.trim().is_empty(), "`{}` stands before the first `--- PATH`", line.trim());
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(directory: &Directory, relative: &str) -> String {
        fs::read_to_string(directory.path().join(relative)).unwrap()
    }

    #[test]
    fn files_under_headers() {
        let directory = Directory::new(
            "\n--- v1.0.0_users/metadata.json\n{}\n--- v1.0.0_users/up.sql\n-- a comment\n\nCREATE;\n--- README\nno newline",
        );
        assert_eq!(read(&directory, "v1.0.0_users/metadata.json"), "{}\n");
        assert_eq!(read(&directory, "v1.0.0_users/up.sql"), "-- a comment\n\nCREATE;\n");
        assert_eq!(read(&directory, "README"), "no newline");
    }

    #[test]
    fn simple_writes_the_metadata() {
        let directory = Directory::simple(&[("1.0.0", "users", "UP", "DOWN"), ("1.1.0", "more", "UP", "")]);
        assert_eq!(read(&directory, "v1.0.0_users/metadata.json"), "{\"version\":\"1.0.0\",\"name\":\"users\"}\n");
        assert_eq!(read(&directory, "v1.0.0_users/down.sql"), "DOWN");
        assert!(!directory.path().join("v1.1.0_more/down.sql").exists());
    }

    #[test]
    fn write_replace_remove() {
        let directory = Directory::new("");
        directory.write("a/b.sql", "one");
        directory.write("a/b.sql", [0xff, 0x00]);
        assert_eq!(fs::read(directory.path().join("a/b.sql")).unwrap(), [0xff, 0x00]);
        directory.remove("a/b.sql");
        assert!(!directory.path().join("a/b.sql").exists());
        directory.remove("a");
        assert!(!directory.path().join("a").exists());
    }

    #[test]
    fn gone_on_drop() {
        let directory = Directory::new("--- a\n");
        let path = directory.path().to_owned();
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    #[should_panic(expected = "`../a` is not a path below the directory")]
    fn leaving_the_directory() {
        Directory::new("--- ../a\n");
    }

    #[test]
    #[should_panic(expected = "`a` is written twice")]
    fn same_path_twice() {
        Directory::new("--- a\n--- a\n");
    }

    #[test]
    #[should_panic(expected = "`lost` stands before the first")]
    fn text_before_the_first_header() {
        Directory::new("lost\n--- a\n");
    }
}
