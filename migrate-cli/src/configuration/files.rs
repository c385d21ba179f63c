//! `.env` and `migrate.toml`, both in the working directory only.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;

use migrate_core::diagnostic::{SourceFile, did_you_mean};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Configuration, DOT_ENV, FILE, Inputs, Source};
use crate::error::Error;
use crate::settings::{Key, Kind, Parsed, SETTINGS, Setting};

/// The text of a file; `None` when it is not there.
pub(super) fn read(path: &str) -> Result<Option<String>, Error> {
    let cannot = |reason: &str| Error::configuration(format!("{path} cannot be read: {reason}"), "mend or remove it");
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| cannot("it is not UTF-8")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot(&error.to_string())),
    }
}

/// Adds what the files say to what flags and environment said.
pub(super) fn merge(inputs: &Inputs<'_>, configuration: &mut Configuration, wrong: &mut Vec<String>) {
    if let Some(text) = &inputs.dot_env {
        dot_env(text, configuration, wrong);
    }
    let Some(text) = &inputs.file else {
        if let Some(profile) = configuration.value(Key::Profile) {
            wrong.push(format!("{}: there is no {FILE} with a profile `{}`", profile.source, profile.text));
        }
        return;
    };
    let file = File { text: SourceFile { path: FILE, text } };
    match DeTable::parse(text) {
        Ok(table) => file.merge(table.get_ref(), configuration, wrong),
        Err(error) => {
            let (line, column) = file.text.line_and_column(error.span().map_or(0, |span| span.start));
            // The rest of the parser's words is an excerpt of the file, which may hold a password.
            wrong.push(format!("{FILE}:{line}:{column}: {}", error.message()));
        }
    }
}

fn dot_env(text: &str, configuration: &mut Configuration, wrong: &mut Vec<String>) {
    let mut pairs = Vec::new();
    for pair in dotenvy::from_read_iter(text.as_bytes()) {
        match pair {
            Ok(pair) => pairs.push(pair),
            Err(dotenvy::Error::LineParse(content, _)) => {
                // Its content is not shown: it may hold a password.
                let line = text.lines().position(|line| line.contains(content.trim())).map_or(1, |at| at + 1);
                return wrong.push(format!("{DOT_ENV}:{line}:1: this is not of the form `NAME=value`"));
            }
            Err(error) => return wrong.push(format!("{DOT_ENV}: {error}")),
        }
    }
    for setting in &SETTINGS {
        // As in a shell, the last one counts.
        let Some((name, value)) = pairs.iter().rev().find(|(name, _)| name == setting.variable) else {
            continue;
        };
        configuration.add(setting.key, value, Source::DotEnv { line: line_of(name, text) }, wrong);
    }
}

/// The line that sets a variable, from 1.
fn line_of(name: &str, text: &str) -> usize {
    let sets = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().enumerate().filter(|(_, line)| sets(line)).last().map_or(1, |(at, _)| at + 1)
}

type Table<'t> = DeTable<'t>;

struct File<'a> {
    text: SourceFile<'a>,
}

impl File<'_> {
    fn merge(&self, table: &Table<'_>, configuration: &mut Configuration, wrong: &mut Vec<String>) {
        let profiles = self.profiles(table, wrong);
        if let Some(default) = table.get(Setting::of(Key::Profile).name) {
            self.add(Key::Profile, default, None, configuration, wrong);
        }
        let chosen = configuration.value(Key::Profile).cloned();
        if let Some(chosen) = &chosen {
            match profiles.iter().find(|(name, _)| *name == chosen.text) {
                Some((name, profile)) => {
                    if !matches!(chosen.source, Source::File { .. }) {
                        self.warn_of_another_database(name, profile, configuration);
                    }
                    self.settings(profile, Some(name), configuration, wrong);
                }
                None => wrong.push(unknown_profile(&chosen.source, &chosen.text, &profiles)),
            }
        }
        self.settings(table, None, configuration, wrong);
        self.protect(&profiles, configuration);
        // What is not chosen is checked all the same: a mistake is found before the day it is needed.
        let mut unused = Configuration::default();
        for (name, profile) in &profiles {
            if chosen.as_ref().is_none_or(|chosen| chosen.text != *name) {
                self.settings(profile, Some(name), &mut unused, wrong);
            }
        }
    }

    fn profiles<'t>(&self, table: &'t Table<'_>, wrong: &mut Vec<String>) -> Vec<(&'t str, &'t Table<'t>)> {
        let Some(value) = table.get("profiles") else {
            return Vec::new();
        };
        let DeValue::Table(tables) = value.get_ref() else {
            wrong.push(format!("{}: `profiles` holds tables, as in `[profiles.production]`", self.place(value.span())));
            return Vec::new();
        };
        let mut profiles = Vec::new();
        for (name, profile) in tables {
            match profile.get_ref() {
                DeValue::Table(profile) => profiles.push((name.get_ref().as_ref(), profile)),
                _ => wrong.push(format!(
                    "{}: a profile is a table, as in `[profiles.{}]`",
                    self.place(profile.span()),
                    name.get_ref()
                )),
            }
        }
        profiles
    }

    /// The settings of one table: a profile's, or those for all profiles.
    fn settings(
        &self,
        table: &Table<'_>,
        profile: Option<&str>,
        configuration: &mut Configuration,
        wrong: &mut Vec<String>,
    ) {
        for (name, value) in table {
            let text: &str = name.get_ref();
            let setting = SETTINGS.iter().find(|setting| setting.name == text);
            match setting {
                Some(Setting { key: Key::Profile, .. }) if profile.is_none() => {}
                None if text == "profiles" && profile.is_none() => {}
                Some(Setting { key: Key::Profile, .. }) | None => {
                    wrong.push(format!("{}: {}", self.place(name.span()), unknown_key(text, profile)));
                }
                Some(setting) => self.add(setting.key, value, profile, configuration, wrong),
            }
        }
    }

    fn add(
        &self,
        key: Key,
        value: &Spanned<DeValue<'_>>,
        profile: Option<&str>,
        configuration: &mut Configuration,
        wrong: &mut Vec<String>,
    ) {
        let setting = Setting::of(key);
        let text = match (setting.kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(switch)) => switch.to_string(),
            (Kind::Count, DeValue::Integer(integer)) => integer.to_string(),
            (Kind::Switch | Kind::Count, _) => {
                let place = self.place(value.span());
                return wrong.push(format!("{place}: `{}` is a {}", setting.name, setting.kind.description()));
            }
            (_, DeValue::String(text)) => text.as_ref().to_owned(),
            (..) => {
                let place = self.place(value.span());
                return wrong.push(format!("{place}: `{}` is a text in quotation marks", setting.name));
            }
        };
        let (line, column) = self.text.line_and_column(value.span().start);
        configuration.add(key, &text, Source::File { line, column, profile: profile.map(str::to_owned) }, wrong);
    }

    /// Whoever names a profile expects its database.
    fn warn_of_another_database(&self, name: &str, profile: &Table<'_>, configuration: &mut Configuration) {
        let Some(DeValue::String(own)) = profile.get("database_url").map(Spanned::get_ref) else {
            return;
        };
        let Some(value) = configuration.value(Key::DatabaseUrl) else {
            return;
        };
        if value.text != own.as_ref() {
            let warning = format!("the database is that of {}, not that of profile `{name}`", value.source);
            configuration.warnings.push(warning);
        }
    }

    /// The database of a protected profile is protected however it is named.
    fn protect(&self, profiles: &[(&str, &Table<'_>)], configuration: &mut Configuration) {
        let Some(url) = configuration.value(Key::DatabaseUrl).map(|value| value.text.clone()) else {
            return;
        };
        for (name, profile) in profiles {
            let same = matches!(profile.get("database_url").map(Spanned::get_ref), Some(DeValue::String(own)) if own.as_ref() == url);
            let Some(protected) = profile.get("protected").filter(|_| same) else {
                continue;
            };
            if matches!(protected.get_ref(), DeValue::Boolean(true)) {
                let (line, column) = self.text.line_and_column(protected.span().start);
                let source = Source::File { line, column, profile: Some((*name).to_owned()) };
                let value = super::Value { text: "true".to_owned(), parsed: Parsed::Switch(true), source };
                configuration.put(Key::Protected, value);
            }
        }
    }

    fn place(&self, span: Range<usize>) -> String {
        let (line, column) = self.text.line_and_column(span.start);
        format!("{FILE}:{line}:{column}")
    }
}

fn unknown_key(name: &str, profile: Option<&str>) -> String {
    let names = SETTINGS.iter().map(|setting| setting.name).filter(|name| profile.is_none() || *name != "profile");
    match did_you_mean(name, names.chain(profile.is_none().then_some("profiles"))) {
        Some(meant) => format!("unknown key `{name}`; did you mean `{meant}`?"),
        None => format!("unknown key `{name}`"),
    }
}

fn unknown_profile(source: &Source, name: &str, profiles: &[(&str, &Table<'_>)]) -> String {
    let names: Vec<&str> = profiles.iter().map(|(name, _)| *name).collect();
    if names.is_empty() {
        return format!("{source}: {FILE} has no profiles, and so none named `{name}`");
    }
    match did_you_mean(name, names.iter().copied()) {
        Some(meant) => format!("{source}: there is no profile `{name}`; did you mean `{meant}`?"),
        None => format!("{source}: there is no profile `{name}`, only {}", names.join(", ")),
    }
}
