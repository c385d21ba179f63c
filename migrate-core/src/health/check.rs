//! Every check there is: its word, when it is made, how bad its failure is, and what to do about it.

use std::fmt;

use crate::migration::Dialect;

/// Declares [`Check`] and everything that is known of each: this is the one list of all checks.
macro_rules! checks {
    ($($variant:ident $word:literal $severity:ident $moments:expr, $dialects:expr, $cost:ident,
        $meaning:literal, $well:literal, $remedy:literal)*) => {
        /// The checks around a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Check {
            $(#[doc = $meaning] $variant,)*
        }

        impl Check {
            /// Every check, in the order in which they are made.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// How bad a failure is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// When it is made around a run.
            #[must_use]
            pub const fn moments(self) -> &'static [Moment] {
                match self { $(Self::$variant => $moments,)* }
            }

            /// The databases that it is made on.
            #[must_use]
            pub const fn dialects(self) -> &'static [Dialect] {
                match self { $(Self::$variant => $dialects,)* }
            }

            /// Whether it is made around every run, and not only when all checks are asked for.
            #[must_use]
            pub const fn is_basic(self) -> bool {
                matches!(match self { $(Self::$variant => Cost::$cost,)* }, Cost::Basic)
            }

            /// What it looks at, as one sentence for the documentation.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What it says when all is well.
            #[must_use]
            pub const fn well(self) -> &'static str {
                match self { $(Self::$variant => $well,)* }
            }

            /// What to do about a failure.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

enum Cost {
    Basic,
    Full,
}

use Moment::{After, Before};

const BOTH: &[Dialect] = &Dialect::ALL;
const SQLITE: &[Dialect] = &[Dialect::Sqlite];
const POSTGRES: &[Dialect] = &[Dialect::Postgres];

checks! {
    Connectivity "connectivity" Error &[Before, After], BOTH, Basic,
        "The database answers.",
        "the database answers",
        "check that the database runs and can be reached"
    WriteAccess "write_access" Error &[Before], BOTH, Full,
        "Our tables can be written, or created where there are none: tried in a transaction that is rolled back.",
        "our tables can be written",
        "give this user the right to write: on the database file and its directory, or on the ledger's tables and schema"
    Ownership "ownership" Warning &[Before], POSTGRES, Full,
        "This role may create objects in the current schema, and owns the tables that pending scripts change.",
        "this role may change what the pending scripts change",
        "migrate as the owner, or grant this role the owner's"
    Ledger "ledger" Error &[Before, After], BOTH, Basic,
        "Before: nothing is changed, out of order, unknown or interrupted. After: the ledger says what the run did.",
        "the ledger says what the run did",
        "see who else writes the ledger, and look at it with `migrate status` and `migrate repair`"
    DiskSpace "disk_space" Warning &[Before], BOTH, Basic,
        "The disk has room for the database once more, which the rebuild of its largest table may need.",
        "there is room",
        "make room on the disk that holds the database"
    Integrity "integrity" Error &[Before], SQLITE, Full,
        "`PRAGMA quick_check`: the file is sound. Reads the whole file.",
        "the file is sound",
        "keep a copy of the file, then put a backup back with `migrate restore`, or save what can be read with sqlite3's `.recover`"
    InvalidIndexes "invalid_indexes" Warning &[Before, After], POSTGRES, Basic,
        "No index is invalid, but for those that are being built.",
        "every index is valid",
        "build it anew with `REINDEX INDEX CONCURRENTLY`, or drop it with `DROP INDEX CONCURRENTLY`"
    PreparedTransactions "prepared_transactions" Warning &[Before], POSTGRES, Basic,
        "No transaction of this database is prepared for a two-phase commit: it holds its locks until somebody ends it.",
        "there are none",
        "end it with `COMMIT PREPARED` or `ROLLBACK PREPARED`"
    LongTransactions "long_transactions" Warning &[Before], POSTGRES, Basic,
        "No other session of this database has had a transaction open for longer than is allowed, a minute unless told otherwise.",
        "there are none",
        "wait for it, or end it with `SELECT pg_terminate_backend(PROCESS)`"
    Blockers "blockers" Warning &[Before], POSTGRES, Full,
        "No other session holds a lock on a table for longer than a step would wait for it.",
        "nobody holds a table for long",
        "wait for it, or end it with `SELECT pg_terminate_backend(PROCESS)`"
    ReplicationSlots "replication_slots" Warning &[Before], POSTGRES, Basic,
        "Every replication slot has a consumer: the server keeps all that is written until it is read.",
        "every slot has a consumer",
        "start its consumer, or drop it with `SELECT pg_drop_replication_slot(NAME)`"
    ExpectedObjects "expected_objects" Error &[After], BOTH, Basic,
        "The objects exist that applied migrations name under `expects` in metadata.json.",
        "every expected object exists",
        "see whether the migration makes it, and who dropped it; make it in a new migration (`migrate new`)"
    Verification "verification" Error &[After], BOTH, Full,
        "The verify script of the newest applied migration that has one still holds, run again in a read-only transaction.",
        "it still holds",
        "see what changed since it was applied, and mend it in a new migration (`migrate new`)"
    ForeignKeys "foreign_keys" Error &[After], SQLITE, Full,
        "`PRAGMA foreign_key_check`: every row that refers to another finds it. Reads every referring table.",
        "every reference is met",
        "add the rows that are missing, or correct those that refer to them"
    Constraints "constraints" Warning &[After], POSTGRES, Basic,
        "No constraint is left that was added `NOT VALID` and never validated.",
        "every constraint is validated",
        "mend the rows, then `ALTER TABLE … VALIDATE CONSTRAINT …` in a migration"
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// When a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Under the run lock, before the first step.
    Before,
    /// After the last step, before the run lock is given back.
    After,
}

impl Moment {
    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// How bad it is when a check fails. Ordered from mild to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It is told; the run goes on.
    Warning,
    /// Before the first step it stops the run; afterwards the outcome of the run says so.
    Error,
}

impl Severity {
    /// The word used in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckState {
    /// All is well.
    Passed,
    /// Something is wrong, or the check did not end in time.
    Failed,
    /// It cannot be found out here.
    NotChecked,
}

impl CheckState {
    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotChecked => "not_checked",
        }
    }
}

impl fmt::Display for CheckState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotChecked => "not checked",
        })
    }
}
