//! How a command ends.

use std::fmt::Write;
use std::process::ExitCode;

use migrate_runtime::{ErrorKind, Verdict};

/// How a command ends, as a process says it.
///
/// 0, 1 and 2 are the verdict and nothing else: a typing mistake or a dead server never reads as "incompatible".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// It is done, or the database is compatible.
    Done = 0,
    /// The database needs migration.
    NeedsMigration = 1,
    /// The database is incompatible with this program.
    Incompatible = 2,
    /// The command was typed wrongly.
    Usage = 64,
    /// The migrations directory has errors.
    Directory = 65,
    /// The database cannot be reached.
    Unreachable = 69,
    /// A migration or operation failed.
    Failed = 70,
    /// Another run holds the lock, or running programs are in the way of a step that would break them.
    LockBusy = 75,
    /// The configuration is wrong.
    Configuration = 78,
}

impl Exit {
    /// Every way to end, with the words of `--help`.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Done, "done, or the database is compatible"),
        (Self::NeedsMigration, "the database needs migration"),
        (Self::Incompatible, "the database is incompatible"),
        (Self::Usage, "the command was typed wrongly"),
        (Self::Directory, "the migrations directory has errors"),
        (Self::Unreachable, "the database cannot be reached"),
        (Self::Failed, "a migration or operation failed"),
        (Self::LockBusy, "another run holds the lock, or running programs are in the way"),
        (Self::Configuration, "the configuration is wrong"),
    ];

    /// The exit code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// How a command ends that was about this verdict.
    pub(crate) const fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Compatible => Self::Done,
            Verdict::NeedsMigration => Self::NeedsMigration,
            Verdict::Incompatible => Self::Incompatible,
        }
    }

    /// How a command ends that failed in this way.
    pub(crate) const fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::Configuration => Self::Configuration,
            ErrorKind::Incompatible => Self::Incompatible,
            ErrorKind::LockBusy | ErrorKind::BlockedByInstances => Self::LockBusy,
            ErrorKind::Usage => Self::Usage,
            _ => Self::Failed,
        }
    }

    /// The table for the end of `--help`.
    pub(crate) fn help() -> String {
        let mut text = String::from("Exit codes:");
        for (exit, words) in Self::ALL {
            write!(text, "\n  {:>2}  {words}", exit.code()).expect("a string takes all that is written");
        }
        text
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
