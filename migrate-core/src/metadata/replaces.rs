//! `replaces`: the migrations that a squashed one stands for.

use std::ops::Range;

use jsonc_parser::ast::{Object, Value};

use super::Reader;
use super::json::span;
use crate::checksum::Checksum;
use crate::diagnostic::{Code, did_you_mean, listed};
use crate::migration::Dialect;
use crate::name::is_name;
use crate::replaced::{Replaced, text};
use crate::version::SchemaVersion;

const KEYS: [&str; 5] = ["version", "name", "checksum", "min_runtime_version", "replaces"];
const HELP: &str = "put back what `migrate squash` wrote; who runs these migrations goes by it";

impl Reader<'_> {
    pub(super) fn replaces(&mut self, value: &Value<'_>) {
        self.metadata.replaces_span = span(value);
        let last = self.directory.version;
        if let Some(generations) = self.generations(value, last) {
            self.metadata.settings.replaces = text(&generations);
        }
    }

    /// The migrations of a list, and those that its first one replaced in turn; `None` when something is wrong with them.
    fn generations(&mut self, value: &Value<'_>, last: SchemaVersion) -> Option<Vec<Vec<Replaced>>> {
        let Value::Array(array) = value else {
            self.wrong_type("replaces", "a list of objects", value);
            return None;
        };
        let mut direct: Vec<Replaced> = Vec::new();
        let mut older = Vec::new();
        let mut is_good = true;
        for (index, element) in array.elements.iter().enumerate() {
            let Value::Object(object) = element else {
                self.wrong_type(&format!("replaces[{index}]"), "an object", element);
                is_good = false;
                continue;
            };
            let Some(replaced) = self.replaced(object) else {
                is_good = false;
                continue;
            };
            if direct.last().is_some_and(|before| before.version >= replaced.version) {
                let message = format!("`replaces` has {} behind a version that is not lower", replaced.version);
                self.wrong_replaces(span(element), message);
                is_good = false;
            }
            if let Some(nested) = object.get("replaces") {
                if index > 0 {
                    let message = "only the first of `replaces` can replace others itself".to_owned();
                    self.wrong_replaces(span(&nested.name), message);
                    is_good = false;
                } else {
                    match self.generations(&nested.value, replaced.version) {
                        Some(generations) => older = generations,
                        None => is_good = false,
                    }
                }
            }
            direct.push(replaced);
        }
        if is_good && direct.last().map(|it| it.version) != Some(last) {
            let message = format!("`replaces` does not end with the migration that had the version {last} before");
            self.wrong_replaces(span(value), message);
            return None;
        }
        let rest = direct.get(1..).unwrap_or_default();
        let older: Vec<Vec<Replaced>> =
            older.into_iter().map(|generation| generation.into_iter().chain(rest.iter().cloned()).collect()).collect();
        is_good.then(|| [direct].into_iter().chain(older).collect())
    }

    fn replaced(&mut self, object: &Object<'_>) -> Option<Replaced> {
        let mut version = None;
        let mut name = None;
        let mut checksums = None;
        let mut min_runtime_version = None;
        let mut is_good = true;
        for property in &object.properties {
            let key = property.name.as_str();
            let value = &property.value;
            let read = match key {
                "version" => {
                    self.replaced_text("version", value, |text| text.parse::<SchemaVersion>().is_ok()).map(|text| {
                        version = text.parse().ok();
                    })
                }
                "name" => self.replaced_text("name", value, is_name).map(|text| name = Some(text)),
                "checksum" => self.checksums(value).map(|found| checksums = Some(found)),
                "min_runtime_version" => self
                    .replaced_text("min_runtime_version", value, |text| semver::Version::parse(text).is_ok())
                    .map(|text| min_runtime_version = Some(text)),
                "replaces" => Some(()),
                unknown => {
                    let help = match did_you_mean(unknown, KEYS) {
                        Some(key) => format!("did you mean `{key}`?"),
                        None => format!("the keys are {}", listed(&KEYS)),
                    };
                    self.report(
                        Code::UnknownKey,
                        span(&property.name),
                        format!("unknown key `replaces.{unknown}`"),
                        help,
                    );
                    None
                }
            };
            is_good &= read.is_some();
        }
        if !is_good {
            return None;
        }
        let (Some(version), Some(name), Some(checksums)) = (version, name, checksums) else {
            let message = "an entry of `replaces` lacks its version, name or checksum".to_owned();
            self.wrong_replaces(object.range.start..object.range.start + 1, message);
            return None;
        };
        Some(Replaced { version, name, checksums, min_runtime_version })
    }

    fn replaced_text(&mut self, key: &str, value: &Value<'_>, is_good: fn(&str) -> bool) -> Option<String> {
        let text = self.string(&format!("replaces.{key}"), value)?;
        if is_good(&text) {
            return Some(text);
        }
        self.wrong_replaces(span(value), format!("`{text}` in `replaces` is no {}", key.replace('_', " ")));
        None
    }

    /// One for every database, or one for each by its name.
    fn checksums(&mut self, value: &Value<'_>) -> Option<[Option<Checksum>; 2]> {
        let Value::Object(object) = value else {
            let one = self.checksum(value)?;
            return Some([Some(one); 2]);
        };
        let mut checksums = [None; 2];
        for property in &object.properties {
            let key = property.name.as_str();
            let Ok(dialect) = key.parse::<Dialect>() else {
                let help = format!("the databases are {}", listed(&Dialect::ALL.map(Dialect::as_str)));
                let message = format!("unknown key `replaces.checksum.{key}`");
                self.report(Code::UnknownKey, span(&property.name), message, help);
                return None;
            };
            checksums[dialect as usize] = Some(self.checksum(&property.value)?);
        }
        Some(checksums)
    }

    fn checksum(&mut self, value: &Value<'_>) -> Option<Checksum> {
        self.replaced_text("checksum", value, |text| text.parse::<Checksum>().is_ok())?.parse().ok()
    }

    fn wrong_replaces(&mut self, at: Range<usize>, message: String) {
        self.report(Code::InvalidReplaces, at, message, HELP.to_owned());
    }
}
