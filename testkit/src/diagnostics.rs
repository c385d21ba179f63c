//! One example of every diagnostic, for all tests that show what is said of it.

use std::fs;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = include_str!("../diagnostics.txt");

/// A migrations directory with one mistake.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The word of the diagnostic.
    pub code: &'static str,
    /// Arguments of the macro behind the directory, such as `dialect = "postgres"`; empty when there are none.
    pub arguments: &'static str,
    options: &'static str,
    text: &'static str,
}

/// All examples, in the order of the file.
pub fn examples() -> Vec<Example> {
    let entries = EXAMPLES.split("\n#### ").skip(1);
    let example = |entry: &'static str| {
        let (head, text) = entry.split_once('\n').unwrap_or((entry, ""));
        let (code, words) = head.split_once(" | ").unwrap_or((head, ""));
        let (arguments, options) = if words.contains('=') { (words, "") } else { ("", words) };
        Example { code, arguments, options, text: text.trim_end() }
    };
    entries.map(example).collect()
}

impl Example {
    /// The value of an argument of the macro.
    pub fn argument(&self, name: &str) -> Option<&'static str> {
        let value = self.arguments.strip_prefix(name)?.trim_start_matches([' ', '=']);
        Some(value.trim_matches('"'))
    }

    /// What a PostgreSQL server says of it: the file, line and column in it, and the message.
    ///
    /// # Panics
    ///
    /// When the head of the example is not `said PATH:LINE:COLUMN: MESSAGE`.
    pub fn said(&self) -> Option<(&'static str, (usize, usize), &'static str)> {
        let (place, message) = self.options.strip_prefix("said ")?.split_once(": ").expect("a place and a message");
        let mut place = place.splitn(3, ':');
        let mut part = || place.next().expect("PATH:LINE:COLUMN");
        let path = part();
        let mut number = || part().parse().expect("a number");
        Some((path, (number(), number()), message))
    }

    /// The files that make the example, as the documentation shows them.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let parts = self.text.split("--- ").skip(1);
        let file = |part: &'static str| {
            let (path, content) = part.split_once('\n').unwrap_or((part, ""));
            (path, format!("{}\n", content.trim_end_matches('\n')))
        };
        parts.map(file).collect()
    }

    /// Writes the example; `root` is the migrations directory, and nothing else is there before.
    ///
    /// # Panics
    ///
    /// When a write fails.
    pub fn write(&self, root: &Path) {
        let mut folders: Vec<PathBuf> = Vec::new();
        for (path, content) in self.files() {
            if path == "." {
                return put(root, content.as_bytes());
            }
            let bytes = if self.options == "escaped" { unescape(&content) } else { content.into_bytes() };
            put(&root.join(path), &bytes);
            let folder = path.split_once('/').map(|(folder, _)| root.join(folder));
            folders.extend(folder.filter(|folder| !folders.contains(folder)));
        }
        for folder in folders.iter().filter(|_| self.options != "bare") {
            self.complete(folder);
        }
    }

    /// Adds what every migration should have.
    fn complete(&self, folder: &Path) {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((version, name)) = name.strip_prefix('v').and_then(|name| name.split_once('_')) else {
            return;
        };
        let metadata = folder.join("metadata.json");
        if !metadata.exists() {
            put(&metadata, format!("{{\"version\": \"{version}\", \"name\": \"{name}\"}}\n").as_bytes());
        }
        let downs = ["down.sql", "down.sqlite.sql", "down.postgres.sql"];
        let has_down = downs.iter().any(|down| folder.join(down).exists());
        if !has_down && self.options != "bare-down" {
            put(&folder.join("down.sql"), b"SELECT 1;\n");
        }
    }
}

fn put(path: &Path, bytes: &[u8]) {
    let parent = path.parent().expect("a file has a directory");
    let result = fs::create_dir_all(parent).and_then(|()| fs::write(path, bytes));
    result.unwrap_or_else(|error| panic!("cannot write `{}`: {error}", path.display()));
}

/// `\xNN` as the byte.
fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
        bytes.extend(rest.as_bytes());
    }
    bytes
}
