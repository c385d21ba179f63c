//! Every diagnostic there is: its word, its severity, and what it means.

use std::fmt;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The set could not run, or not as its author means it; nothing is embedded.
    Error,
    /// Worth a look; the set is good.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// What a diagnostic is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Names, encodings, and what is there at all.
    Directory,
    /// One `metadata.json`.
    Metadata,
    /// How the migrations fit together.
    Set,
    /// What programs of different versions on one database need.
    Deploy,
    /// The text of a script.
    Sql,
    /// `migrations.lock`.
    Lock,
    /// What a database says of a script that runs on a scratch database.
    Scratch,
}

/// Declares [`Code`] and everything that is known of each: this is the one list of all diagnostics.
macro_rules! codes {
    ($($topic:ident { $($variant:ident $severity:ident $word:literal $meaning:literal)* })*) => {
        /// Which problem a diagnostic reports.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $meaning] $variant,)*)*
        }

        impl Code {
            /// Every code, in the order in which the documentation lists them.
            pub const ALL: &'static [Self] = &[$($(Self::$variant),*),*];

            /// The word for it, such as `unknown-key`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$variant => $word,)*)* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $($(Self::$variant => Severity::$severity,)*)* }
            }

            /// What it is about.
            #[must_use]
            pub const fn topic(self) -> Topic {
                match self { $($(Self::$variant)|* => Topic::$topic,)* }
            }

            /// What it means, as one sentence for the documentation.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $($(Self::$variant => $meaning,)*)* }
            }
        }
    };
}

codes! {
    Directory {
        MissingDirectory Error "missing-directory" "The migrations directory is not there."
        NotADirectory Error "not-a-directory" "The path of the migrations directory is that of a file."
        Unreadable Error "unreadable" "A directory or file cannot be read."
        NoMigrations Error "no-migrations" "The directory holds no migration."
        MisnamedMigration Error "misnamed-migration" "A directory looks like a migration and is not named like one."
        FlatMigration Error "flat-migration" "A file is named like a migration, which is a directory."
        NestedMigration Error "nested-migration" "A migration lies inside another one."
        StrayFile Error "stray-file" "A script or JSON file belongs to no migration."
        MisnamedFile Error "misnamed-file" "A file in a migration looks like one of its files and is not named like one."
        MisnamedLock Error "misnamed-lock" "A file looks like `migrations.lock` and has another name."
        MissingMetadata Error "missing-metadata" "A migration has no `metadata.json`."
        NotUtf8 Error "not-utf8" "A file is not UTF-8."
        Utf16 Error "utf-16" "A file is UTF-16, which some editors write."
    }
    Metadata {
        InvalidJson Error "invalid-json" "A `metadata.json` is not JSON."
        NotAnObject Error "not-an-object" "A `metadata.json` is not one JSON object."
        DuplicateKey Error "duplicate-key" "A key is given twice."
        UnknownKey Error "unknown-key" "A key is not known."
        MissingKey Error "missing-key" "A required key is missing."
        WrongType Error "wrong-type" "A value has the wrong JSON type."
        UnknownValue Error "unknown-value" "A value is none of those that its key can have."
        NotOneLine Error "not-one-line" "A text for tables has line ends or other control characters."
        EmptyReason Error "empty-reason" "A reason is empty."
        InvalidDuration Error "invalid-duration" "A timeout is not a duration, or is zero."
        ForeignKeysWithoutTransaction Error "foreign-keys-without-transaction" "A migration runs outside a transaction and asks for foreign keys to be off, which only holds around one."
        InvalidName Error "invalid-name" "The name of a migration has characters that names do not have."
        InvalidVersion Error "invalid-version" "The version of a migration is not MAJOR.MINOR.PATCH."
        InvalidMinimum Error "invalid-minimum" "`min_runtime_version` is not the version of a program."
        InvalidDependency Error "invalid-dependency" "A dependency is neither a version nor a requirement with operators."
        InvalidReplaces Error "invalid-replaces" "`replaces` is not what `migrate squash` writes, or its migration is not the lowest of the set."
        VersionMismatch Error "version-mismatch" "The metadata and the directory's name disagree on the version."
        NameMismatch Error "name-mismatch" "The metadata and the directory's name disagree on the name."
        UnknownAllow Warning "unknown-allow" "`allow` names a diagnostic that does not exist or that it cannot silence."
        UnusedAllow Warning "unused-allow" "`allow` silences a diagnostic that is not there."
    }
    Set {
        DuplicateVersion Error "duplicate-version" "Two migrations have the same version."
        UnmetDependency Error "unmet-dependency" "No migration of the set meets a dependency."
        SelfDependency Error "self-dependency" "A migration depends on itself."
        LaterDependency Error "later-dependency" "A migration depends on one with a higher version."
        CyclicDependency Error "cyclic-dependency" "Migrations depend on each other in a circle."
        InvalidRuntimeVersion Error "invalid-runtime-version" "The version of the program that embeds the set is not a version."
        RuntimeTooOld Error "runtime-too-old" "A migration needs a newer program than the one that embeds it."
        MissingUp Error "missing-up" "A migration has no up script."
        MissingUpForDialect Error "missing-up-for-dialect" "A migration has no up script for a database that the set is for."
        NoCommonDialect Error "no-common-dialect" "No database has up scripts in all migrations."
        PartialDialect Warning "partial-dialect" "Some migrations have scripts for a database that others leave out."
        MissingDown Warning "missing-down" "A migration has no way back and does not say why."
        IrreversibleDown Warning "irreversible-down" "A migration has a way back and says that there is none."
    }
    Deploy {
        MajorWithoutMinimum Error "major-without-minimum" "A migration has a higher MAJOR than the one before it and does not raise the minimum version of the program."
        ExpandRaisesMinimum Error "expand-raises-minimum" "A step that expands raises the minimum version of the program."
        ContractWithoutExpand Error "contract-without-expand" "A step that contracts depends on no step that expands."
        ContractWithoutMinimum Error "contract-without-minimum" "A step that contracts does not raise the minimum version of the program."
        ContractTooEarly Error "contract-too-early" "A step that contracts needs the very version that is being built: no released version lies in between."
    }
    Sql {
        NulByte Error "nul-byte" "A script holds a NUL byte, behind which a database would not read on."
        UnterminatedString Error "unterminated-string" "A string has no closing quote."
        UnterminatedName Error "unterminated-name" "A quoted name has no closing quote."
        UnterminatedComment Error "unterminated-comment" "A comment has no `*/` (PostgreSQL, where comments nest)."
        UnterminatedDollarQuote Error "unterminated-dollar-quote" "A dollar-quoted string has no end."
        UnterminatedBody Error "unterminated-body" "The body of a trigger (SQLite) or of a `BEGIN ATOMIC` function (PostgreSQL) has no `END`."
        UnbalancedParenthesis Error "unbalanced-parenthesis" "A parenthesis or bracket has no partner."
        SqliteSyntax Error "sqlite-syntax" "A statement is not in the grammar of SQLite."
        SqliteSyntaxInDown Warning "sqlite-syntax-in-down" "A statement of a down script is not in the grammar of SQLite: the way back does not exist."
        PsqlCommand Error "psql-command" "A backslash command, which only psql understands."
        CopyFromStdin Error "copy-from-stdin" "`COPY ... FROM stdin`, whose data only psql can send."
        CopyToStdout Error "copy-to-stdout" "`COPY ... TO stdout`, whose rows nobody would receive."
        TransactionControl Error "transaction-control" "A migration that runs in one transaction begins, ends or divides one."
        TransactionInVerify Error "transaction-in-verify" "A verify script begins, ends or divides a transaction."
        NotInTransaction Error "not-in-transaction" "A statement cannot run in a transaction and its migration does."
        ForeignKeysPragma Error "foreign-keys-pragma" "`PRAGMA foreign_keys`, which is silently ignored in the transaction that its migration runs in (SQLite)."
        PragmaInTransaction Error "pragma-in-transaction" "A pragma fails or has no effect in a transaction and its migration runs in one (SQLite)."
        BeginWithoutCommit Error "begin-without-commit" "Outside a transaction, a group of statements that is not closed."
        CommitWithoutBegin Error "commit-without-begin" "Outside a transaction, the end of a group that was not begun."
        NestedBegin Error "nested-begin" "Outside a transaction, a group inside a group."
        RollbackInMigration Error "rollback-in-migration" "Outside a transaction, a roll back of what is then recorded as done."
        CommitAndChain Error "commit-and-chain" "Outside a transaction, `AND CHAIN`."
        SavepointOutsideGroup Error "savepoint-outside-group" "Outside a transaction, a savepoint that guards nothing."
        TwoPhaseCommit Error "two-phase-commit" "Outside a transaction, a part of a two-phase commit."
        EnumValueInUse Error "enum-value-in-use" "An enum value is cast to its type in the transaction that adds it (PostgreSQL)."
        EnumValueSuspect Warning "enum-value-suspect" "A text equals an enum value that the same transaction adds: PostgreSQL refuses it if the value is meant."
        TimeoutInScript Warning "timeout-in-script" "A script sets `lock_timeout` or `statement_timeout`, over which the engine loses control (PostgreSQL)."
        PostgresSyntax Warning "postgres-syntax" "A statement is not in the grammar of PostgreSQL, as far as `migrate` knows it."
        SeveralLocks Warning "several-locks" "One transaction takes strong locks on several tables that were there before it (PostgreSQL)."
        EmptyScript Warning "empty-script" "A script holds no statement."
    }
    Lock {
        LockConflict Error "lock-conflict" "`migrations.lock` holds an unresolved merge conflict."
        LockFormat Error "lock-format" "`migrations.lock` has no format line, or one that is not known."
        LockLine Error "lock-line" "A line of `migrations.lock` cannot be understood."
        LockOrder Error "lock-order" "The lines of `migrations.lock` are not in the order of versions."
        LockChain Error "lock-chain" "A line of `migrations.lock` does not follow from those above it."
        LockDraft Warning "lock-draft" "A migration is still being written: `migrations.lock` names it, and does not record what it holds."
        LockMissing Error "lock-missing" "A migration is not in `migrations.lock`."
        LockRemoved Error "lock-removed" "A migration in `migrations.lock` is no longer there."
        LockRenamed Error "lock-renamed" "A migration has another name than in `migrations.lock`."
        LockFileAdded Error "lock-file-added" "A file was added to a migration after it was locked."
        LockFileRemoved Error "lock-file-removed" "A file of a migration was removed after it was locked."
        LockFileEdited Error "lock-file-edited" "A file was edited after it was locked."
    }
    Scratch {
        ScratchUp Error "scratch-up" "A migration fails on a scratch database."
        ScratchDown Warning "scratch-down" "A down script fails on a scratch database: the way back does not exist."
        ScratchUpAgain Warning "scratch-up-again" "A migration fails on a scratch database once it was applied and undone: its down script leaves something behind."
    }
}

impl Code {
    /// Whether the key `allow` silences it.
    #[must_use]
    pub const fn can_be_silenced(self) -> bool {
        matches!(self.topic(), Topic::Deploy | Topic::Sql)
    }

    /// Whether only `migrate validate` says it, and not the compiler: it needs a parser or a server that the macro does
    /// not have, or it is advice that a released set cannot follow any more.
    #[must_use]
    pub const fn is_for_validate(self) -> bool {
        matches!(self, Self::PostgresSyntax | Self::SeveralLocks) || matches!(self.topic(), Topic::Scratch)
    }

    /// The code that a word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_word_for_each_code() {
        let mut words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(words.iter().all(|word| { word.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric()) }));
    }
}
