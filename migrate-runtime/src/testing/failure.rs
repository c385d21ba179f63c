//! What a failed check says.

use std::{fmt, io};

use migrate_core::stale::Stale;
use similar::TextDiff;

use super::Server;
use crate::error::Error;

/// Why a check failed: the migration, what was done, and the database's words or a unified diff.
///
/// `Debug` is the same text, so that a test that returns it shows it well.
pub struct Failure(String);

impl Failure {
    pub(super) fn new(title: &str, server: &Server, message: &str) -> Self {
        Self(format!("{title} on {}: {message}", server.dialect()))
    }

    pub(super) fn of(title: &str, server: &Server, what: &str, error: &Error) -> Self {
        let help = error.help().map(|help| format!("\nhelp: {help}"));
        Self::new(title, server, &format!("{what}: {error}{}", help.unwrap_or_default()))
    }

    /// Other migrations than the directory's.
    pub(super) fn stale(stale: &Stale) -> Self {
        let Stale { embedded, on_disk, help, .. } = stale;
        Self(format!("{stale}\n compiled: {embedded}\n  on disk: {on_disk}\nhelp: {help}"))
    }

    pub(super) fn unreadable(directory: &str, error: &io::Error) -> Self {
        Self(format!(
            "cannot compare the migrations with `{directory}`: {error}\nhelp: run the tests where they were built"
        ))
    }

    /// Two texts that should be equal, each with its name.
    pub(super) fn differs(
        title: &str,
        server: &Server,
        what: &str,
        (then, expected): (&str, &str),
        (now, found): (&str, &str),
    ) -> Self {
        let diff = TextDiff::from_lines(expected, found);
        let diff = diff.unified_diff().header(then, now).to_string();
        Self::new(title, server, &format!("not the same {what} {now} as {then}\n\n{diff}"))
    }

    /// Adds a sentence below.
    pub(super) fn note(mut self, note: Option<String>) -> Self {
        if let Some(note) = note {
            self.0.push_str(&format!("\nnote: {note}"));
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
