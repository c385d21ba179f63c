//! What holds: flags over the environment over `.env` over `migrate.toml` over the defaults.

#[cfg(feature = "program")]
mod files;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use migrate_runtime::backup::{BackupOptions, BackupPolicy, Retention};
use migrate_runtime::{HealthChecks, OnUnhealthy, Version};

use crate::args::DatabaseUrl;
use crate::error::Error;
use crate::settings::{Key, Parsed, SETTINGS, Setting};

/// The file of a project, in the working directory.
pub(crate) const FILE: &str = "migrate.toml";

/// The file of variables, in the working directory.
pub(crate) const DOT_ENV: &str = ".env";

/// Everything that was said, before it is known who wins.
pub(crate) struct Inputs<'a> {
    pub(crate) typed: Vec<(Key, String)>,
    pub(crate) environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether it is the program `migrate`, which has more settings and reads files.
    pub(crate) program: bool,
    /// The text of `.env`.
    pub(crate) dot_env: Option<String>,
    /// The text of `migrate.toml`.
    pub(crate) file: Option<String>,
}

/// Every setting that has a value, and who says so.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    values: Vec<(Key, Value)>,
    /// Whether it may come from files.
    reads_files: bool,
    /// What the operator should know of how it came about.
    pub(crate) warnings: Vec<String>,
}

/// The value of a setting.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) parsed: Parsed,
    pub(crate) source: Source,
}

impl fmt::Debug for Value {
    /// Without the value: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(&'static str),
    Variable(&'static str),
    /// A line of `.env`.
    DotEnv {
        line: usize,
    },
    /// A place in `migrate.toml`.
    File {
        line: usize,
        column: usize,
        profile: Option<String>,
    },
}

impl Source {
    /// The word used in JSON.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Flag(_) => "flag",
            Self::Variable(_) => "environment",
            Self::DotEnv { .. } => "dot_env",
            Self::File { .. } => "file",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::DotEnv { line } => write!(f, "{DOT_ENV}:{line}:1"),
            Self::File { line, column, .. } => write!(f, "{FILE}:{line}:{column}"),
        }
    }
}

/// The settings that verbs work with.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionOptions {
    /// Whether settings may come from migrate.toml.
    pub(crate) reads_files: bool,
    pub(crate) database_url: Option<DatabaseUrl>,
    /// Who names the database; empty when nobody does.
    pub(crate) database_url_source: String,
    /// The same database without a pooler in between, and who names it.
    pub(crate) direct_url: Option<(DatabaseUrl, String)>,
    pub(crate) runtime_version: Option<Version>,
    pub(crate) table: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) wait_lock: Option<Duration>,
    pub(crate) lease: Option<Duration>,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) max_retries: Option<u32>,
    pub(crate) retry_delay: Option<Duration>,
    pub(crate) allow_out_of_order: bool,
    pub(crate) application_role: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) protected: bool,
    pub(crate) health_checks: Option<HealthChecks>,
    pub(crate) health_timeout: Option<Duration>,
    pub(crate) health_retries: Option<u32>,
    pub(crate) on_unhealthy: Option<OnUnhealthy>,
    pub(crate) long_transaction: Option<Duration>,
    pub(crate) rollback_window: Option<Duration>,
    pub(crate) backup: BackupOptions,
    /// Where scratch databases are made.
    pub(crate) shadow_url: Option<DatabaseUrl>,
}

impl Configuration {
    /// The configuration of the program `migrate`, in its working directory.
    #[cfg(feature = "program")]
    pub(crate) fn of_program(typed: Vec<(Key, String)>) -> Result<Self, Error> {
        let [dot_env, file] = [DOT_ENV, FILE].map(files::read);
        let (dot_env, file) = (dot_env?, file?);
        Self::merge(&Inputs { typed, environment: &|name| std::env::var_os(name), program: true, dot_env, file })
    }

    /// The configuration of a program that embeds its migrations: flags and environment, no files.
    pub(crate) fn of_embedded(typed: Vec<(Key, String)>) -> Result<Self, Error> {
        let (dot_env, file) = (None, None);
        Self::merge(&Inputs { typed, environment: &|name| std::env::var_os(name), program: false, dot_env, file })
    }

    fn merge(inputs: &Inputs<'_>) -> Result<Self, Error> {
        let mut configuration = Self { reads_files: inputs.program, ..Self::default() };
        let mut wrong = Vec::new();
        for (key, text) in &inputs.typed {
            configuration.add(*key, text, Source::Flag(Setting::of(*key).flag.unwrap_or_default()), &mut wrong);
        }
        for setting in SETTINGS.iter().filter(|setting| inputs.program || !setting.program_only) {
            let source = Source::Variable(setting.variable);
            match (inputs.environment)(setting.variable).map(OsString::into_string) {
                Some(Ok(text)) => configuration.add(setting.key, &text, source, &mut wrong),
                Some(Err(_)) => wrong.push(format!("{source}: it is not UTF-8")),
                None => {}
            }
        }
        #[cfg(feature = "program")]
        if inputs.program {
            files::merge(inputs, &mut configuration, &mut wrong);
        }
        if wrong.is_empty() {
            return Ok(configuration);
        }
        Err(Error::configuration(wrong.join("\n"), "docs/configuration.md lists the settings and their values"))
    }

    /// Adds what is said after everything that wins over it. What is empty counts as not said.
    fn add(&mut self, key: Key, text: &str, source: Source, wrong: &mut Vec<String>) {
        if text.is_empty() {
            return;
        }
        let setting = Setting::of(key);
        match setting.kind.parse(text) {
            Ok(parsed) => self.put(key, Value { text: text.to_owned(), parsed, source }),
            Err(reason) => wrong.push(format!("{source}: `{text}` cannot be `{}`: {reason}", setting.name)),
        }
    }

    fn put(&mut self, key: Key, value: Value) {
        // A guard that one source sets is not taken away by another.
        let guards = key == Key::Protected && value.parsed == Parsed::Switch(true);
        match self.values.iter_mut().find(|(other, _)| *other == key) {
            Some((_, present)) if guards && present.parsed != value.parsed => *present = value,
            Some(_) => {}
            None => self.values.push((key, value)),
        }
    }

    /// The value of a setting and where it comes from; `None` when nobody says anything.
    pub(crate) fn value(&self, key: Key) -> Option<&Value> {
        self.values.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    fn text(&self, key: Key) -> Option<String> {
        self.value(key).map(|value| value.text.clone())
    }

    fn duration(&self, key: Key) -> Option<Duration> {
        match self.value(key)?.parsed {
            Parsed::Duration(duration) => Some(duration),
            _ => None,
        }
    }

    fn count(&self, key: Key) -> Option<u32> {
        match self.value(key)?.parsed {
            Parsed::Count(count) => Some(count),
            _ => None,
        }
    }

    fn switch(&self, key: Key) -> bool {
        self.value(key).is_some_and(|value| value.parsed == Parsed::Switch(true))
    }

    /// The migrations directory.
    pub(crate) fn directory(&self) -> PathBuf {
        let default = || Setting::of(Key::Dir).default.unwrap_or_default().to_owned();
        self.text(Key::Dir).unwrap_or_else(default).into()
    }

    /// The settings that verbs work with.
    pub(crate) fn connection(&self) -> ConnectionOptions {
        let url = self.value(Key::DatabaseUrl);
        ConnectionOptions {
            reads_files: self.reads_files,
            database_url: url.and_then(|value| value.text.parse().ok()),
            database_url_source: url.map(|value| value.source.to_string()).unwrap_or_default(),
            direct_url: self
                .value(Key::DirectUrl)
                .and_then(|value| Some((value.text.parse().ok()?, value.source.to_string()))),
            runtime_version: match self.value(Key::RuntimeVersion).map(|value| &value.parsed) {
                Some(Parsed::Version(version)) => Some(version.clone()),
                _ => None,
            },
            table: self.text(Key::Table),
            schema: self.text(Key::Schema),
            wait_lock: self.duration(Key::WaitLock),
            lease: self.duration(Key::Lease),
            lock_timeout: self.duration(Key::LockTimeout),
            statement_timeout: self.duration(Key::StatementTimeout),
            max_retries: self.count(Key::MaxRetries),
            retry_delay: self.duration(Key::RetryDelay),
            allow_out_of_order: self.switch(Key::AllowOutOfOrder),
            application_role: self.text(Key::ApplicationRole),
            actor: self.text(Key::Actor),
            protected: self.switch(Key::Protected),
            health_checks: self.text(Key::HealthChecks).map(|word| match &*word {
                "off" => HealthChecks::Off,
                "full" => HealthChecks::Full,
                _ => HealthChecks::Basic,
            }),
            health_timeout: self.duration(Key::HealthTimeout),
            health_retries: self.count(Key::HealthRetries),
            on_unhealthy: self.text(Key::HealthOnFailure).map(|word| match &*word {
                "fail" => OnUnhealthy::Fail,
                "restore" => OnUnhealthy::Restore,
                _ => OnUnhealthy::Warn,
            }),
            long_transaction: self.duration(Key::LongTransaction),
            rollback_window: self.duration(Key::RollbackWindow),
            shadow_url: self.value(Key::ShadowUrl).and_then(|value| value.text.parse().ok()),
            backup: self.backup(),
        }
    }

    fn backup(&self) -> BackupOptions {
        let default = BackupOptions::default();
        let off = |key| self.value(key).is_some_and(|value| value.parsed == Parsed::Switch(false));
        let count = |key, default| match self.value(key).map(|value| &value.parsed) {
            Some(Parsed::Count(count)) => bound(*count),
            _ => default,
        };
        let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 60 * 60);
        let default_days = default.retention.age.and_then(|age| u32::try_from(age.as_secs() / (24 * 60 * 60)).ok());
        BackupOptions {
            policy: match self.value(Key::BackupType).map(|value| &value.parsed) {
                _ if off(Key::BackupEnabled) => Some(BackupPolicy::Never),
                Some(Parsed::BackupType(policy)) => Some(*policy),
                _ => None,
            },
            directory: self.text(Key::BackupPath).map(PathBuf::from),
            compress: !off(Key::BackupCompress),
            max_size: match self.value(Key::BackupMaxSize).map(|value| &value.parsed) {
                Some(Parsed::Size(size)) => *size,
                _ => default.max_size,
            },
            before_down: !off(Key::BackupBeforeDown),
            retention: Retention {
                age: count(Key::BackupRetentionDays, default_days).map(days),
                count: count(Key::BackupRetentionCount, default.retention.count),
            },
            tools: self.text(Key::BackupTools).map(PathBuf::from),
            restore_on_failure: self.switch(Key::RestoreOnFailure),
            exclusive: self.switch(Key::Exclusive),
        }
    }
}

/// A bound of what is kept; 0 is none.
pub(crate) const fn bound(count: u32) -> Option<u32> {
    match count {
        0 => None,
        count => Some(count),
    }
}

#[cfg(all(test, feature = "program"))]
mod tests;
