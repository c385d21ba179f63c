//! Every setting, once: this table makes the flags, reads environment, `.env` and `migrate.toml`, and writes
//! `docs/configuration.md`.

use std::fmt;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use migrate_core::size;
use migrate_runtime::Version;
use migrate_runtime::backup::BackupPolicy;

use crate::args::{duration, program_version};

/// Which setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    DatabaseUrl,
    DirectUrl,
    Dir,
    ShadowUrl,
    Profile,
    Protected,
    RuntimeVersion,
    Table,
    Schema,
    WaitLock,
    Lease,
    LockTimeout,
    StatementTimeout,
    MaxRetries,
    RetryDelay,
    AllowOutOfOrder,
    ApplicationRole,
    Actor,
    HealthChecks,
    HealthTimeout,
    HealthRetries,
    HealthOnFailure,
    LongTransaction,
    RollbackWindow,
    BackupEnabled,
    BackupType,
    BackupPath,
    BackupCompress,
    BackupMaxSize,
    BackupBeforeDown,
    BackupRetentionDays,
    BackupRetentionCount,
    BackupTools,
    RestoreOnFailure,
    Exclusive,
}

/// One setting and everything that is known of it before anybody says anything.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) key: Key,
    /// The key in `migrate.toml`.
    pub(crate) name: &'static str,
    /// The flag without its dashes.
    pub(crate) flag: Option<&'static str>,
    pub(crate) variable: &'static str,
    pub(crate) kind: Kind,
    /// What holds when nobody says anything, in words.
    pub(crate) default: Option<&'static str>,
    pub(crate) help: &'static str,
    /// Whether only the program `migrate` has it, and not a program that embeds its migrations.
    pub(crate) program_only: bool,
    /// Whether the flag is one verb's, which defines it, and not everyone's.
    pub(crate) verb_only: bool,
}

/// What the value of a setting looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// May hold a password.
    Url,
    Path,
    Name,
    Version,
    Duration,
    Count,
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number of bytes.
    Size,
    /// What is backed up before a run.
    BackupType,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Text(String),
    Version(Version),
    Duration(Duration),
    Count(u32),
    Switch(bool),
    Size(u64),
    BackupType(BackupPolicy),
}

/// Every setting, in the order of the documentation.
pub(crate) const SETTINGS: [Setting; 35] = [
    Setting {
        key: Key::DatabaseUrl,
        name: "database_url",
        flag: Some("database-url"),
        variable: "DATABASE_URL",
        kind: Kind::Url,
        help: "The database: `sqlite:app.db` or `postgres://user@host/name`",
        ..Setting::OPTION
    },
    Setting {
        key: Key::DirectUrl,
        name: "direct_url",
        flag: Some("direct-url"),
        variable: "MIGRATION_DIRECT_URL",
        kind: Kind::Url,
        help: "The same PostgreSQL database without the connection pooler that the other URL leads through; runs go this way",
        ..Setting::OPTION
    },
    Setting {
        key: Key::Dir,
        name: "dir",
        flag: Some("dir"),
        variable: "MIGRATION_DIR",
        kind: Kind::Path,
        default: Some("migrations_v2"),
        help: "The migrations directory",
        program_only: true,
        ..Setting::OPTION
    },
    Setting {
        key: Key::ShadowUrl,
        name: "shadow_url",
        flag: Some("shadow-url"),
        variable: "MIGRATION_SHADOW_URL",
        kind: Kind::Url,
        help: "Where `validate`, `test` and `schema diff` make scratch databases: a PostgreSQL server for tests, or `sqlite::memory:`",
        verb_only: true,
        ..Setting::OPTION
    },
    Setting {
        key: Key::Profile,
        name: "profile",
        flag: Some("profile"),
        variable: "MIGRATION_PROFILE",
        default: Some("none"),
        help: "The profile of migrate.toml whose values win over the values for all profiles",
        program_only: true,
        ..Setting::OPTION
    },
    Setting {
        key: Key::Protected,
        name: "protected",
        variable: "MIGRATION_PROTECTED",
        kind: Kind::Switch,
        default: Some("false"),
        help: "Whether destructive commands need the database's name, typed or by `--confirm NAME`",
        ..Setting::OPTION
    },
    Setting {
        key: Key::RuntimeVersion,
        name: "runtime_version",
        flag: Some("runtime-version"),
        variable: "MIGRATION_RUNTIME_VERSION",
        kind: Kind::Version,
        help: "The version of the program that is to work with the database",
        ..Setting::OPTION
    },
    Setting {
        key: Key::Table,
        name: "table",
        flag: Some("table"),
        variable: "MIGRATION_TABLE",
        default: Some("schema_migrations_v2"),
        help: "The name of the ledger table",
        ..Setting::OPTION
    },
    Setting {
        key: Key::Schema,
        name: "schema",
        flag: Some("schema"),
        variable: "MIGRATION_SCHEMA",
        default: Some("the first of the search path"),
        help: "The schema of our tables on PostgreSQL",
        ..Setting::OPTION
    },
    Setting {
        key: Key::WaitLock,
        name: "wait_lock",
        flag: Some("wait-lock"),
        variable: "MIGRATION_WAIT_LOCK",
        kind: Kind::Duration,
        default: Some("as long as it is alive"),
        help: "How long to wait for another run",
        ..Setting::OPTION
    },
    Setting {
        key: Key::Lease,
        name: "lease",
        flag: Some("lease"),
        variable: "MIGRATION_LEASE",
        kind: Kind::Duration,
        default: Some("30s"),
        help: "How long the run lock stays with a run without a sign of life on PostgreSQL: 1s to 1h",
        ..Setting::OPTION
    },
    Setting {
        key: Key::LockTimeout,
        name: "lock_timeout",
        flag: Some("lock-timeout"),
        variable: "MIGRATION_LOCK_TIMEOUT",
        kind: Kind::Duration,
        default: Some("2s"),
        help: "How long a statement waits for a lock on PostgreSQL",
        ..Setting::OPTION
    },
    Setting {
        key: Key::StatementTimeout,
        name: "statement_timeout",
        flag: Some("statement-timeout"),
        variable: "MIGRATION_STATEMENT_TIMEOUT",
        kind: Kind::Duration,
        default: Some("no bound"),
        help: "How long a statement may take on PostgreSQL",
        ..Setting::OPTION
    },
    Setting {
        key: Key::MaxRetries,
        name: "max_retries",
        flag: Some("max-retries"),
        variable: "MIGRATION_MAX_RETRIES",
        kind: Kind::Count,
        default: Some("10"),
        help: "How many times a step is tried again after a failure that may pass",
        ..Setting::OPTION
    },
    Setting {
        key: Key::RetryDelay,
        name: "retry_delay",
        flag: Some("retry-delay"),
        variable: "MIGRATION_RETRY_DELAY",
        kind: Kind::Duration,
        default: Some("100ms"),
        help: "The pause before the first such try; it doubles each time, up to 10s",
        ..Setting::OPTION
    },
    Setting {
        key: Key::AllowOutOfOrder,
        name: "allow_out_of_order",
        flag: Some("allow-out-of-order"),
        variable: "MIGRATION_ALLOW_OUT_OF_ORDER",
        kind: Kind::Switch,
        default: Some("false"),
        help: "Apply a pending migration also below an applied one",
        ..Setting::OPTION
    },
    Setting {
        key: Key::ApplicationRole,
        name: "application_role",
        flag: Some("application-role"),
        variable: "MIGRATION_APPLICATION_ROLE",
        default: Some("none"),
        help: "The PostgreSQL role of the application, which a run gives the rights on our tables that it needs",
        ..Setting::OPTION
    },
    Setting {
        key: Key::Actor,
        name: "actor",
        flag: Some("actor"),
        variable: "MIGRATION_ACTOR",
        default: Some("USER, LOGNAME or USERNAME of the environment"),
        help: "On whose behalf, for lock and history",
        ..Setting::OPTION
    },
    Setting {
        key: Key::HealthChecks,
        name: "health_checks",
        flag: Some("health-checks"),
        variable: "HEALTH_CHECKS",
        kind: Kind::Choice(&["off", "basic", "full"]),
        default: Some("basic"),
        help: "Which health checks are made around a run: `off`, `basic` or `full`",
        ..Setting::OPTION
    },
    Setting {
        key: Key::HealthTimeout,
        name: "health_timeout",
        flag: Some("health-timeout"),
        variable: "HEALTH_TIMEOUT",
        kind: Kind::Duration,
        default: Some("30s"),
        help: "How long each health check may take",
        ..Setting::OPTION
    },
    Setting {
        key: Key::HealthRetries,
        name: "health_retries",
        variable: "HEALTH_RETRIES",
        kind: Kind::Count,
        default: Some("2"),
        help: "How many times a health check is tried again after a failure that may pass",
        ..Setting::OPTION
    },
    Setting {
        key: Key::HealthOnFailure,
        name: "health_on_failure",
        flag: Some("health-on-failure"),
        variable: "HEALTH_ON_FAILURE",
        kind: Kind::Choice(&["warn", "fail", "restore"]),
        default: Some("warn"),
        help: "What a run does when a health check fails after its last step: `warn`, `fail` with code 70, or `restore` the backup from before it, too (with `--exclusive`)",
        ..Setting::OPTION
    },
    Setting {
        key: Key::LongTransaction,
        name: "long_transaction",
        variable: "HEALTH_LONG_TRANSACTION",
        kind: Kind::Duration,
        default: Some("1m"),
        help: "How long another session's transaction may be open on PostgreSQL before a health check speaks of it",
        ..Setting::OPTION
    },
    Setting {
        key: Key::RollbackWindow,
        name: "rollback_window",
        variable: "ROLLBACK_WINDOW",
        kind: Kind::Duration,
        default: Some("24h"),
        help: "How long ago a run may have begun that `rollback` takes back",
        ..Setting::OPTION
    },
    Setting {
        key: Key::BackupEnabled,
        name: "backup_enabled",
        variable: "BACKUP_ENABLED",
        kind: Kind::Switch,
        default: Some("true"),
        help: "Whether backups are taken before runs at all",
        ..Setting::OPTION
    },
    Setting {
        key: Key::BackupType,
        name: "backup_type",
        flag: Some("backup-type"),
        variable: "BACKUP_TYPE",
        kind: Kind::BackupType,
        default: Some("full on SQLite, never on PostgreSQL"),
        help: "What is backed up before a run: `never`, `schema` or `full`",
        ..Setting::OPTION
    },
    Setting {
        key: Key::BackupPath,
        name: "backup_path",
        flag: Some("backup-path"),
        variable: "BACKUP_PATH",
        kind: Kind::Path,
        default: Some("FILE.backups beside a SQLite file, migrate-backups for PostgreSQL"),
        help: "The directory of the backups",
        ..Setting::OPTION
    },
    Setting {
        key: Key::BackupCompress,
        name: "backup_compress",
        variable: "BACKUP_COMPRESS",
        kind: Kind::Switch,
        default: Some("true"),
        help: "Whether backups are compressed with zstd",
        ..Setting::OPTION
    },
    Setting {
        key: Key::BackupMaxSize,
        name: "backup_max_size",
        variable: "BACKUP_MAX_SIZE",
        kind: Kind::Size,
        default: Some("1GiB"),
        help: "Above this size a database is backed up before a run only if a step could not be rolled back",
        ..Setting::OPTION
    },
    Setting {
        key: Key::BackupBeforeDown,
        name: "backup_before_down",
        variable: "BACKUP_BEFORE_DOWN",
        kind: Kind::Switch,
        default: Some("true"),
        help: "Whether also a run that only undoes migrations is backed up",
        ..Setting::OPTION
    },
    Setting {
        key: Key::BackupRetentionDays,
        name: "backup_retention_days",
        variable: "BACKUP_RETENTION_DAYS",
        kind: Kind::Count,
        default: Some("30"),
        help: "After how many days a backup is removed; 0 is never",
        ..Setting::OPTION
    },
    Setting {
        key: Key::BackupRetentionCount,
        name: "backup_retention_count",
        variable: "BACKUP_RETENTION_COUNT",
        kind: Kind::Count,
        default: Some("10"),
        help: "How many backups of a database are kept; 0 is all",
        ..Setting::OPTION
    },
    Setting {
        key: Key::BackupTools,
        name: "backup_tools",
        variable: "BACKUP_TOOLS",
        kind: Kind::Path,
        default: Some("they are looked for in PATH"),
        help: "The directory of pg_dump, pg_restore and psql",
        ..Setting::OPTION
    },
    Setting {
        key: Key::RestoreOnFailure,
        name: "restore_on_failure",
        flag: Some("restore-on-failure"),
        variable: "BACKUP_RESTORE_ON_FAILURE",
        kind: Kind::Switch,
        default: Some("false"),
        help: "Put the backup back when a step outside a transaction fails half way; needs `exclusive`",
        ..Setting::OPTION
    },
    Setting {
        key: Key::Exclusive,
        name: "exclusive",
        flag: Some("exclusive"),
        variable: "BACKUP_EXCLUSIVE",
        kind: Kind::Switch,
        default: Some("false"),
        help: "States that nothing else writes to the database during a run",
        ..Setting::OPTION
    },
];

impl Setting {
    /// What most settings share.
    const OPTION: Self = Self {
        key: Key::Table,
        name: "",
        flag: None,
        variable: "",
        kind: Kind::Name,
        default: None,
        help: "",
        program_only: false,
        verb_only: false,
    };

    pub(crate) fn of(key: Key) -> &'static Self {
        SETTINGS.iter().find(|setting| setting.key == key).expect("the table has every key")
    }

    fn argument(&'static self) -> Arg {
        let mut help = self.help.to_owned();
        if let Some(default) = self.default.filter(|_| self.kind != Kind::Switch) {
            help.push_str(&format!(" [default: {default}]"));
        }
        help.push_str(&format!(" [env: {}]", self.variable));
        let argument = Arg::new(self.name).long(self.flag.unwrap_or(self.name)).global(true).help(help);
        let argument = if self.program_only { argument } else { argument.help_heading("Database options") };
        if self.kind == Kind::Switch {
            return argument.action(ArgAction::SetTrue);
        }
        let argument = argument.value_name(self.kind.placeholder());
        if self.kind == Kind::Url {
            // Checked later, where its source is named; an empty one counts as none.
            return argument.value_parser(clap::value_parser!(String));
        }
        let check = |text: &str| self.kind.parse(text).map(|_| text.to_owned());
        match self.kind {
            Kind::Path => argument.value_parser(NonEmptyStringValueParser::new()),
            _ => argument.value_parser(check),
        }
    }
}

impl Kind {
    /// How `--help` names a value.
    const fn placeholder(self) -> &'static str {
        match self {
            Self::Url => "URL",
            Self::Path => "PATH",
            Self::Name => "NAME",
            Self::Version => "VERSION",
            Self::Duration => "DURATION",
            Self::Count => "N",
            Self::Switch => "BOOL",
            Self::Choice(_) => "WORD",
            Self::Size => "SIZE",
            Self::BackupType => "TYPE",
        }
    }

    /// What is to be written, in words.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::Url => "URL",
            Self::Path => "path",
            Self::Name => "name",
            Self::Version => "version",
            Self::Duration => "duration",
            Self::Count => "whole number",
            Self::Switch => "`true` or `false`",
            Self::Choice(_) => "word",
            Self::Size => "bytes, or with `KiB`, `MiB`, `GiB`",
            Self::BackupType => "`never`, `schema` or `full`",
        }
    }

    /// Reads a value; the error goes on after a colon.
    pub(crate) fn parse(self, text: &str) -> Result<Parsed, String> {
        match self {
            Self::Url | Self::Path => Ok(Parsed::Text(text.to_owned())),
            Self::Name if text.is_empty() => Err("it is empty".to_owned()),
            Self::Name => Ok(Parsed::Text(text.to_owned())),
            Self::Version => program_version(text).map(Parsed::Version),
            Self::Duration => duration(text).map(Parsed::Duration),
            Self::Choice(words) if words.contains(&text) => Ok(Parsed::Text(text.to_owned())),
            Self::Choice(words) => Err(format!("it is none of {}", words.join(", "))),
            Self::Count => text.parse().map(Parsed::Count).map_err(|_| "it is no whole number".to_owned()),
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(Parsed::Switch(true)),
                "false" | "0" | "no" | "off" => Ok(Parsed::Switch(false)),
                _ => Err("it is neither `true` nor `false`".to_owned()),
            },
            Self::Size => {
                size::parse(text).map(Parsed::Size).ok_or_else(|| "it is no size such as `500MiB`".to_owned())
            }
            Self::BackupType => match text.to_ascii_lowercase().as_str() {
                "never" => Ok(Parsed::BackupType(BackupPolicy::Never)),
                "schema" => Ok(Parsed::BackupType(BackupPolicy::Schema)),
                "full" => Ok(Parsed::BackupType(BackupPolicy::Full)),
                _ => Err("it is none of `never`, `schema` and `full`".to_owned()),
            },
        }
    }
}

/// The settings that were typed, as text: those of the program `migrate` only, or those that every program has.
#[derive(Clone, Default)]
pub(crate) struct Typed<const PROGRAM_ONLY: bool>(pub(crate) Vec<(Key, String)>);

impl<const PROGRAM_ONLY: bool> Typed<PROGRAM_ONLY> {
    fn settings() -> impl Iterator<Item = &'static Setting> {
        SETTINGS
            .iter()
            .filter(|setting| setting.flag.is_some() && !setting.verb_only && setting.program_only == PROGRAM_ONLY)
    }
}

impl<const PROGRAM_ONLY: bool> fmt::Debug for Typed<PROGRAM_ONLY> {
    /// Without the values: one of them may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

impl<const PROGRAM_ONLY: bool> Args for Typed<PROGRAM_ONLY> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::settings().map(Setting::argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const PROGRAM_ONLY: bool> FromArgMatches for Typed<PROGRAM_ONLY> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let text = |setting: &Setting| match setting.kind {
            Kind::Switch => matches.get_flag(setting.name).then(|| "true".to_owned()),
            _ => matches.get_one::<String>(setting.name).cloned(),
        };
        Ok(Self(Self::settings().filter_map(|setting| Some((setting.key, text(setting)?))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_entry_and_a_name_of_its_own() {
        for setting in &SETTINGS {
            assert_eq!(Setting::of(setting.key).name, setting.name);
            assert!(setting.flag.is_none_or(|flag| flag == setting.name.replace('_', "-")), "{}", setting.name);
            assert!(!setting.help.ends_with('.') && !setting.variable.is_empty(), "{}", setting.name);
            assert_eq!(SETTINGS.iter().filter(|other| other.variable == setting.variable).count(), 1);
        }
    }

    #[test]
    fn defaults_are_those_of_the_runtime() {
        let default = |key: Key| Setting::of(key).default.unwrap_or_default();
        assert_eq!(default(Key::Table), migrate_runtime::DEFAULT_TABLE);
        assert_eq!(default(Key::MaxRetries), migrate_runtime::DEFAULT_MAX_RETRIES.to_string());
        assert_eq!(duration(default(Key::Lease)), Ok(migrate_runtime::DEFAULT_LEASE));
        assert_eq!(duration(default(Key::LockTimeout)), Ok(migrate_runtime::DEFAULT_LOCK_TIMEOUT));
        assert_eq!(duration(default(Key::RetryDelay)), Ok(migrate_runtime::DEFAULT_RETRY_DELAY));
        assert_eq!(duration(default(Key::HealthTimeout)), Ok(migrate_runtime::DEFAULT_HEALTH_TIMEOUT));
        assert_eq!(default(Key::HealthRetries), migrate_runtime::DEFAULT_HEALTH_RETRIES.to_string());
        let long = duration(default(Key::LongTransaction));
        assert_eq!(long, Ok(migrate_runtime::DEFAULT_LONG_TRANSACTION));
        let window = duration(default(Key::RollbackWindow));
        assert_eq!(window, Ok(migrate_runtime::DEFAULT_ROLLBACK_WINDOW));
        assert_eq!(size::parse(default(Key::BackupMaxSize)), Some(migrate_runtime::backup::DEFAULT_MAX_BACKUP_SIZE));
        let retention = migrate_runtime::backup::DEFAULT_RETENTION;
        assert_eq!(default(Key::BackupRetentionCount).parse().ok(), retention.count);
        let days = retention.age.map(|age| age.as_secs() / (24 * 60 * 60));
        assert_eq!(default(Key::BackupRetentionDays).parse().ok(), days);
    }

    #[test]
    fn switches_are_what_people_write() {
        for (text, expected) in [("TRUE", Ok(Parsed::Switch(true))), ("off", Ok(Parsed::Switch(false)))] {
            assert_eq!(Kind::Switch.parse(text), expected);
        }
        assert!(Kind::Switch.parse("maybe").is_err());
    }
}
