//! `metadata.json`: every key checked, every problem at its line and column.

mod json;
mod replaces;
#[cfg(feature = "authoring")]
mod text;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::diagnostic::{Code, Diagnostic, SourceFile, did_you_mean, listed};
use crate::duration;
use crate::migration::{ObjectKind, Phase, Settings, expects_text};
use crate::name::{MigrationName, is_name};
use crate::version::{SchemaVersion, VersionError};
use json::{lower_first, span, strict, type_name};

#[cfg(feature = "authoring")]
pub use text::{is_strict, rewritten, text_of, texts_of};

const PLAIN_JSON: &str = "write plain JSON: double quotes, no comments, no comma behind the last entry";

/// What to do about a `metadata.json` of which nobody can tell what it says, so that `migrate fix` cannot write it anew.
pub const UNREADABLE_JSON: &str =
    "write plain JSON: double quotes, a colon behind each key, a comma between two entries, and every bracket closed";

/// What a `metadata.json` says.
///
/// Version and name are the directory's: a file that says otherwise is reported. A value that is wrong is reported too and
/// left at its default here, so that the checks that follow find what else there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What running the migration needs.
    pub settings: Settings,
    /// The migrations it needs.
    pub dependencies: Vec<Dependency>,
    /// Where `min_runtime_version` stands in the file.
    pub min_runtime_version_span: Range<usize>,
    /// Who wrote it.
    pub author: Option<String>,
    /// Where `phase` stands in the file.
    pub phase_span: Range<usize>,
    /// Where `replaces` stands in the file.
    pub replaces_span: Range<usize>,
    /// Diagnostics silenced here, each with its reason.
    pub allow: BTreeMap<Code, Allowed>,
}

/// One entry of `allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Why it is silenced.
    pub reason: String,
    /// Where it stands in the file.
    pub span: Range<usize>,
}

/// One entry of `dependencies`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// As it is written.
    pub text: String,
    /// What it asks for; a bare version asks for exactly that one.
    pub requirement: semver::VersionReq,
    /// Where it stands in the file.
    pub span: Range<usize>,
}

/// Every key of `metadata.json`, required ones first.
pub const KEYS: [&str; 17] = [
    "version",
    "name",
    "description",
    "min_runtime_version",
    "dependencies",
    "author",
    "transaction",
    "irreversible",
    "phase",
    "expects",
    "replaces",
    "kind",
    "foreign_keys",
    "lock_timeout",
    "statement_timeout",
    "allow",
    "$schema",
];

const KEEP_ONE: &str = "keep the one that is meant";

const REQUIRED: [&str; 2] = ["version", "name"];

/// Reads a `metadata.json` of the directory of a migration; problems are added to `found`.
///
/// `None` when it is not a JSON object, so that nothing can be said about its content.
pub fn parse(file: SourceFile<'_>, directory: &MigrationName, found: &mut Vec<Diagnostic>) -> Option<Metadata> {
    let mut reader = Reader {
        file,
        directory,
        found,
        foreign_keys_span: 0..0,
        metadata: Metadata {
            settings: Settings::DEFAULT,
            dependencies: Vec::new(),
            min_runtime_version_span: 0..0,
            author: None,
            phase_span: 0..0,
            replaces_span: 0..0,
            allow: BTreeMap::new(),
        },
    };
    reader.file().then_some(reader.metadata)
}

struct Reader<'a> {
    file: SourceFile<'a>,
    directory: &'a MigrationName,
    found: &'a mut Vec<Diagnostic>,
    /// Where `foreign_keys` stands in the file.
    foreign_keys_span: Range<usize>,
    metadata: Metadata,
}

impl Reader<'_> {
    /// Whether there is an object.
    fn file(&mut self) -> bool {
        let text = self.file.text;
        let parsed = match parse_to_ast(text, &CollectOptions::default(), &strict()) {
            Ok(parsed) => parsed,
            Err(error) => {
                let problem = lower_first(&error.kind().to_string());
                let message = format!("`metadata.json` is not JSON: {problem}");
                // What other readers of JSON take, `migrate fix` can write anew.
                let read = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
                let is_object = read.is_ok_and(|read| matches!(read.value, Some(Value::Object(_))));
                let help = if is_object { PLAIN_JSON } else { UNREADABLE_JSON };
                self.report(Code::InvalidJson, span(&error.range()), message, help.to_owned());
                return false;
            }
        };
        match parsed.value {
            Some(Value::Object(object)) => {
                self.object(&object);
                true
            }
            other => {
                let at = other.as_ref().map_or(0..0, span);
                let message = match &other {
                    None => "`metadata.json` is empty, expected an object".to_owned(),
                    Some(other) => format!("expected an object, found {}", type_name(other)),
                };
                let MigrationName { version, name } = self.directory;
                let help = format!(r#"the least is `{{"version": "{version}", "name": "{name}"}}`"#);
                self.report(Code::NotAnObject, at, message, help);
                false
            }
        }
    }

    fn object(&mut self, object: &Object<'_>) {
        let mut seen: Vec<&str> = Vec::new();
        for property in &object.properties {
            let key = property.name.as_str();
            let at = span(&property.name);
            if seen.contains(&key) {
                let message = format!("key `{key}` is given twice");
                self.report(Code::DuplicateKey, at, message, KEEP_ONE.to_owned());
                continue;
            }
            seen.push(key);
            self.key(key, at, &property.value);
        }
        let start = object.range.start;
        for key in REQUIRED.into_iter().filter(|key| !seen.contains(key)) {
            let MigrationName { version, name } = self.directory;
            let line = match key {
                "version" => format!(r#""version": "{version}""#),
                _ => format!(r#""name": "{name}""#),
            };
            let message = format!("required key `{key}` is missing");
            self.report(Code::MissingKey, start..start + 1, message, format!("add `{line}`"));
        }
        let Settings { transaction, foreign_keys_off, .. } = self.metadata.settings;
        if foreign_keys_off && !transaction {
            let message = "`\"foreign_keys\": \"off\"` needs the transaction that `\"transaction\": false` takes away";
            let help = "remove `transaction`; what cannot run inside a transaction belongs into a migration of its own, or write `PRAGMA foreign_keys = OFF` into the script instead of the key";
            let at = self.foreign_keys_span.clone();
            self.report(Code::ForeignKeysWithoutTransaction, at, message.to_owned(), help.to_owned());
        }
    }

    fn key(&mut self, key: &str, at: Range<usize>, value: &Value<'_>) {
        match key {
            "version" => self.version(value),
            "name" => self.name(value),
            "description" => {
                self.metadata.settings.description = self.line(key, value).map(Into::into);
            }
            "min_runtime_version" => self.min_runtime_version(value),
            "dependencies" => self.dependencies(value),
            "author" => self.metadata.author = self.line(key, value),
            "transaction" => {
                if let Some(transaction) = self.boolean(key, value) {
                    self.metadata.settings.transaction = transaction;
                }
            }
            "irreversible" => {
                self.metadata.settings.irreversible = self.reason(key, value).map(Into::into);
            }
            "phase" => {
                self.metadata.phase_span = span(value);
                self.metadata.settings.phase = match self.choice(key, value, &["expand", "contract"]) {
                    Some("expand") => Some(Phase::Expand),
                    Some(_) => Some(Phase::Contract),
                    None => None,
                };
            }
            "expects" => self.expects(value),
            "replaces" => self.replaces(value),
            "kind" => {
                self.choice(key, value, &["sql"]);
            }
            "foreign_keys" => {
                self.foreign_keys_span = span(value);
                let off = self.choice(key, value, &["off"]).is_some();
                self.metadata.settings.foreign_keys_off = off;
            }
            "lock_timeout" => self.metadata.settings.lock_timeout = self.timeout(key, value),
            "statement_timeout" => {
                self.metadata.settings.statement_timeout = self.timeout(key, value);
            }
            "allow" => self.allow(value),
            "$schema" => {}
            unknown => {
                let help = match did_you_mean(unknown, KEYS) {
                    Some(key) => format!("did you mean `{key}`?"),
                    None => format!("the keys are {}", listed(&KEYS)),
                };
                self.report(Code::UnknownKey, at, format!("unknown key `{unknown}`"), help);
            }
        }
    }

    fn version(&mut self, value: &Value<'_>) {
        let Some(text) = self.string("version", value) else {
            return;
        };
        let expected = self.directory.version;
        let (code, message, help) = match text.parse::<SchemaVersion>() {
            Ok(version) if version == expected => return,
            Ok(_) => (
                Code::VersionMismatch,
                format!("version `{text}` differs from the directory's, `{expected}`"),
                format!("write `\"{expected}\"`, or rename the directory"),
            ),
            Err(error) => (
                Code::InvalidVersion,
                format!("`{text}` is not the version of a migration: {error}"),
                format!("write `\"{expected}\"`, as in the directory's name"),
            ),
        };
        self.report(code, span(value), message, help);
    }

    fn name(&mut self, value: &Value<'_>) {
        let Some(text) = self.string("name", value) else {
            return;
        };
        let expected = &self.directory.name;
        if text == *expected {
            return;
        }
        let (code, message) = if is_name(&text) {
            let message = format!("name `{text}` differs from the directory's, `{expected}`");
            (Code::NameMismatch, message)
        } else {
            let message = format!("`{text}` is not a name: expected lower-case letters, digits and `_`");
            (Code::InvalidName, message)
        };
        let help = format!("write `\"{expected}\"`, or rename the directory");
        self.report(code, span(value), message, help);
    }

    fn min_runtime_version(&mut self, value: &Value<'_>) {
        let Some(text) = self.string("min_runtime_version", value) else {
            return;
        };
        let problem = match semver::Version::parse(&text) {
            Ok(version) if version.build.is_empty() => {
                self.metadata.settings.min_runtime_version = Some(text.into());
                self.metadata.min_runtime_version_span = span(value);
                return;
            }
            Ok(_) => "build metadata takes no part in comparisons".to_owned(),
            Err(error) => error.to_string(),
        };
        let message = format!("`{text}` is not the version of a program: {problem}");
        let help = "write MAJOR.MINOR.PATCH, with a pre-release if need be, such as `\"2.0.0-rc.1\"`";
        self.report(Code::InvalidMinimum, span(value), message, help.to_owned());
    }

    fn dependencies(&mut self, value: &Value<'_>) {
        let Some(entries) = self.strings("dependencies", value) else {
            return;
        };
        for (text, span) in entries {
            match requirement(&text) {
                Ok(requirement) => self.metadata.dependencies.push(Dependency { text, requirement, span }),
                Err(problem) => {
                    let message = format!("`{text}` is not a dependency: {problem}");
                    let help = "write a version, such as `\"1.0.0\"` for exactly that one, or a requirement with operators, such as `\">=1.2, <2\"`";
                    self.report(Code::InvalidDependency, span, message, help.to_owned());
                }
            }
        }
    }

    fn expects(&mut self, value: &Value<'_>) {
        let Value::Object(object) = value else {
            return self.wrong_type("expects", "an object of lists", value);
        };
        let mut seen: Vec<&str> = Vec::new();
        let mut expected = Vec::new();
        for property in &object.properties {
            let word = property.name.as_str();
            let key = format!("expects.{word}");
            let Some(kind) = ObjectKind::ALL.into_iter().find(|kind| kind.plural() == word) else {
                self.unknown_expects(word, span(&property.name));
                continue;
            };
            let Some(names) = self.strings(&key, &property.value) else {
                continue;
            };
            if seen.contains(&word) {
                let message = format!("key `{key}` is given twice");
                self.report(Code::DuplicateKey, span(&property.name), message, KEEP_ONE.to_owned());
                continue;
            }
            seen.push(word);
            for (name, at) in names {
                if name.trim().is_empty() || name.chars().any(char::is_control) {
                    let message = format!("`{name}` in `{key}` is not the name of a {kind}");
                    let help = "write it as the database knows it, with its schema if need be".to_owned();
                    self.report(Code::NotOneLine, at, message, help);
                    continue;
                }
                expected.push((kind, name));
            }
        }
        self.metadata.settings.expects = expects_text(&expected);
    }

    fn unknown_expects(&mut self, word: &str, at: Range<usize>) {
        let kinds = ObjectKind::ALL.map(ObjectKind::plural);
        let help = match did_you_mean(word, kinds) {
            Some(kind) => format!("did you mean `{kind}`?"),
            None => format!("the kinds are {}", listed(&kinds)),
        };
        self.report(Code::UnknownKey, at, format!("unknown key `expects.{word}`"), help);
    }

    fn allow(&mut self, value: &Value<'_>) {
        let Value::Object(object) = value else {
            return self.wrong_type("allow", "an object of diagnostics and reasons", value);
        };
        for property in &object.properties {
            let word = property.name.as_str();
            let key = format!("allow.{word}");
            let Some(reason) = self.reason(&key, &property.value) else {
                continue;
            };
            let at = span(&property.name);
            let Some(code) = Code::from_word(word).filter(|code| code.can_be_silenced()) else {
                self.unknown_allow(word, at);
                continue;
            };
            if self.metadata.allow.insert(code, Allowed { reason, span: at.clone() }).is_some() {
                let message = format!("key `{key}` is given twice");
                self.report(Code::DuplicateKey, at, message, KEEP_ONE.to_owned());
            }
        }
    }

    fn unknown_allow(&mut self, word: &str, at: Range<usize>) {
        let message = match Code::from_word(word) {
            Some(_) => format!("`{word}` cannot be silenced"),
            None => format!("no diagnostic is called `{word}`"),
        };
        let silenced = Code::ALL.iter().filter(|code| code.can_be_silenced());
        let help = match did_you_mean(word, silenced.map(|code| code.as_str())) {
            Some(code) => format!("did you mean `{code}`?"),
            None => {
                "remove it: what is said of the SQL of scripts and of rolling deploys can be silenced, and nothing else"
                    .to_owned()
            }
        };
        self.report(Code::UnknownAllow, at, message, help);
    }

    fn timeout(&mut self, key: &str, value: &Value<'_>) -> Option<Duration> {
        let text = self.string(key, value)?;
        let parsed = match duration::parse(&text) {
            Ok(Duration::ZERO) => Err("zero would switch the timeout off"),
            parsed => parsed,
        };
        match parsed {
            Ok(duration) => Some(duration),
            Err(problem) => {
                let message = format!("`{text}` is not a duration for `{key}`: {problem}");
                let help = "write a whole number and its unit, such as `\"500ms\"`, `\"5s\"`, `\"2min\"` or `\"1h\"`";
                self.report(Code::InvalidDuration, span(value), message, help.to_owned());
                None
            }
        }
    }

    fn choice(&mut self, key: &str, value: &Value<'_>, choices: &[&'static str]) -> Option<&'static str> {
        let text = self.string(key, value)?;
        let chosen = choices.iter().copied().find(|choice| *choice == text);
        if chosen.is_none() {
            let expected: Vec<String> = choices.iter().map(|it| format!("`\"{it}\"`")).collect();
            let message = format!("unknown value `{text}` for `{key}`");
            let help = match did_you_mean(&text, choices.iter().copied()) {
                Some(choice) => format!("did you mean `\"{choice}\"`?"),
                None => format!("write {}, or leave the key out", expected.join(" or ")),
            };
            self.report(Code::UnknownValue, span(value), message, help);
        }
        chosen
    }

    /// One line of text, shown in tables.
    fn line(&mut self, key: &str, value: &Value<'_>) -> Option<String> {
        let text = self.string(key, value)?;
        if text.chars().any(char::is_control) {
            let message = format!("`{key}` is not one line of text");
            let help = "put longer texts into a README.md beside it".to_owned();
            self.report(Code::NotOneLine, span(value), message, help);
            return None;
        }
        Some(text)
    }

    /// One line of text that says something.
    fn reason(&mut self, key: &str, value: &Value<'_>) -> Option<String> {
        let text = self.line(key, value)?;
        if text.trim().is_empty() {
            let message = format!("`{key}` is empty, expected a reason");
            let help = "say why, in a few words".to_owned();
            self.report(Code::EmptyReason, span(value), message, help);
            return None;
        }
        Some(text)
    }

    fn boolean(&mut self, key: &str, value: &Value<'_>) -> Option<bool> {
        if let Value::BooleanLit(literal) = value {
            return Some(literal.value);
        }
        self.wrong_type(key, "`true` or `false`", value);
        None
    }

    fn string(&mut self, key: &str, value: &Value<'_>) -> Option<String> {
        if let Value::StringLit(literal) = value {
            return Some(literal.value.clone().into_owned());
        }
        self.wrong_type(key, "a string", value);
        None
    }

    fn strings(&mut self, key: &str, value: &Value<'_>) -> Option<Vec<(String, Range<usize>)>> {
        let Value::Array(array) = value else {
            self.wrong_type(key, "a list of strings", value);
            return None;
        };
        let mut strings = Vec::new();
        for (index, element) in array.elements.iter().enumerate() {
            if let Some(text) = self.string(&format!("{key}[{index}]"), element) {
                strings.push((text, span(element)));
            }
        }
        Some(strings)
    }

    fn wrong_type(&mut self, key: &str, expected: &str, value: &Value<'_>) {
        let found = type_name(value);
        let message = format!("`{key}` is {found}, expected {expected}");
        self.report(Code::WrongType, span(value), message, format!("write {expected}, or leave the key out"));
    }

    fn report(&mut self, code: Code, at: Range<usize>, message: String, help: String) {
        self.found.push(Diagnostic::at(code, self.file, at, message).help(help));
    }
}

/// Which versions a dependency means. A version means exactly that version; anything else must say by operators what it means.
///
/// # Errors
///
/// `"1.2"` (no operator, and not a whole version), `"1.0.0-rc.1"` (a migration has no pre-release part), `"newest"`.
pub fn requirement(text: &str) -> Result<semver::VersionReq, String> {
    match text.parse::<SchemaVersion>() {
        Ok(version) => {
            let comparator = semver::Comparator {
                op: semver::Op::Exact,
                major: version.major,
                minor: Some(version.minor),
                patch: Some(version.patch),
                pre: semver::Prerelease::EMPTY,
            };
            return Ok(semver::VersionReq { comparators: vec![comparator] });
        }
        Err(error @ (VersionError::PreRelease | VersionError::BuildMetadata)) => {
            return Err(error.to_string());
        }
        Err(_) => {}
    }
    let requirement = semver::VersionReq::parse(text).map_err(|error| error.to_string())?;
    for part in text.split(',').map(str::trim) {
        let clear = part.starts_with(['=', '<', '>', '~', '^']) || part.ends_with('*');
        if !clear {
            return Err(format!("`{part}` has no operator and is not a whole version"));
        }
    }
    Ok(requirement)
}

#[cfg(test)]
mod tests;
