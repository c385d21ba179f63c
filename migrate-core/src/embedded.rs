//! A registry as some long texts and a few tables of bytes: what `embed_migrations!` writes, and what a program holds.
//!
//! A set of a thousand migrations written out as expressions costs the compiler more than a second at every build, and the
//! program four times as many bytes, most of them for pointers; as literals it costs next to nothing. A program makes
//! migrations of it when it first needs one, which a start with nothing to do never does. [`Encoded`] is read back by
//! [`Tables`]; each record is of fixed size, all numbers are little-endian.
//!
//! A text of the set is a part of one of the long texts. These are neither one for each text, since each literal costs,
//! nor one for all, since the compiler hashes the whole of it for every reference into it that it writes.

use std::borrow::Cow;
use std::time::Duration;

use crate::checksum::Checksum;
use crate::migration::{Dialect, Migration, Phase, Role, Script, Settings, Text};
use crate::version::SchemaVersion;

/// The place of a text: which of the long texts holds it, where it begins there, and its length.
const TEXT: usize = 12;
/// A long text gets no further ones once it has this many bytes.
#[cfg(feature = "source")]
const FULL: usize = 4096;
/// Role, dialect, text, checksum.
const SCRIPT: usize = 2 + TEXT + 32;
/// Whether there is one, seconds, nanoseconds.
const DURATION: usize = 1 + 8 + 4;
/// Version, name, five optional texts, two flags, the phase, two durations, the number of dependencies and of scripts.
const MIGRATION: usize = 24 + 6 * TEXT + 3 + 2 * DURATION + 2 * 4;
/// Holds no text.
const NONE: u32 = u32::MAX;

/// A registry's migrations, taken apart.
#[cfg(feature = "source")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// All texts, one after the other.
    pub texts: Vec<String>,
    /// A record for each migration.
    pub migrations: Vec<u8>,
    /// A record for each dependency of each migration.
    pub dependencies: Vec<u8>,
    /// A record for each script of each migration.
    pub scripts: Vec<u8>,
}

#[cfg(feature = "source")]
impl Encoded {
    /// Takes migrations apart; `None` if a text of theirs is longer than 4 GiB.
    #[must_use]
    pub fn new(migrations: &[Migration]) -> Option<Self> {
        let mut encoded = Self::default();
        for migration in migrations {
            encoded.migration(migration)?;
        }
        Some(encoded)
    }

    fn migration(&mut self, migration: &Migration) -> Option<()> {
        let version = migration.version();
        let mut record = Vec::with_capacity(MIGRATION);
        for number in [version.major, version.minor, version.patch] {
            record.extend(number.to_le_bytes());
        }
        record.extend(self.text(migration.name())?);
        let minimum = migration.min_runtime_version().map(|version| version.to_string());
        let texts = [
            migration.description(),
            minimum.as_deref(),
            migration.irreversible(),
            migration.expects_text(),
            migration.replaces_text(),
        ];
        for text in texts {
            match text {
                Some(text) => record.extend(self.text(text)?),
                None => record.extend(NONE.to_le_bytes().into_iter().chain([0; TEXT - 4])),
            }
        }
        record.extend([u8::from(migration.transaction()), u8::from(migration.foreign_keys_off())]);
        record.push(match migration.phase() {
            None => 0,
            Some(Phase::Expand) => 1,
            Some(Phase::Contract) => 2,
        });
        for duration in [migration.lock_timeout(), migration.statement_timeout()] {
            record.push(u8::from(duration.is_some()));
            let duration = duration.unwrap_or_default();
            record.extend(duration.as_secs().to_le_bytes());
            record.extend(duration.subsec_nanos().to_le_bytes());
        }
        for count in [migration.dependencies().len(), migration.scripts().len()] {
            record.extend(u32::try_from(count).ok()?.to_le_bytes());
        }
        self.migrations.extend(record);
        for dependency in migration.dependencies() {
            let place = self.text(dependency)?;
            self.dependencies.extend(place);
        }
        for script in migration.scripts() {
            let dialect = match script.dialect {
                None => 0,
                Some(Dialect::Sqlite) => 1,
                Some(Dialect::Postgres) => 2,
            };
            let place = self.text(&script.sql)?;
            self.scripts.extend([script.role as u8, dialect]);
            self.scripts.extend(place);
            self.scripts.extend(script.checksum.as_bytes());
        }
        Some(())
    }

    fn text(&mut self, text: &str) -> Option<[u8; TEXT]> {
        if self.texts.last().is_none_or(|last| last.len() >= FULL) {
            self.texts.push(String::new());
        }
        let index = self.texts.len() - 1;
        let start = self.texts[index].len();
        self.texts[index].push_str(text);
        let mut place = [0; TEXT];
        for (bytes, number) in place.chunks_mut(4).zip([index, start, text.len()]) {
            bytes.copy_from_slice(&u32::try_from(number).ok()?.to_le_bytes());
        }
        Some(place)
    }
}

/// The registry's migrations as they stand in the program.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    texts: &'static [&'static str],
    migrations: &'static [u8],
    dependencies: &'static [u8],
    scripts: &'static [u8],
}

impl Tables {
    /// The tables of an [`Encoded`].
    #[must_use]
    pub const fn new(
        texts: &'static [&'static str],
        migrations: &'static [u8],
        dependencies: &'static [u8],
        scripts: &'static [u8],
    ) -> Self {
        Self { texts, migrations, dependencies, scripts }
    }

    /// The version of the last migration. Reads nothing else.
    #[must_use]
    pub fn head(&self) -> Option<SchemaVersion> {
        let start = self.migrations.len().checked_sub(MIGRATION)?;
        Some(Record { texts: self.texts, bytes: &self.migrations[start..] }.version())
    }

    /// Puts the migrations together; their texts stay where they are.
    #[must_use]
    pub fn read(&self) -> Vec<Migration> {
        let mut dependencies = self.records(self.dependencies, TEXT).map(|mut record| Cow::Borrowed(record.text()));
        let mut scripts = self.records(self.scripts, SCRIPT).map(|mut record| record.script());
        let migrations = self.records(self.migrations, MIGRATION);
        migrations.map(|mut record| record.migration(&mut dependencies, &mut scripts)).collect()
    }

    fn records(&self, table: &'static [u8], size: usize) -> impl Iterator<Item = Record> {
        table.chunks_exact(size).map(|bytes| Record { texts: self.texts, bytes })
    }
}

/// The rest of a record that is being read.
struct Record {
    texts: &'static [&'static str],
    bytes: &'static [u8],
}

impl Record {
    fn migration(
        &mut self,
        dependencies: &mut impl Iterator<Item = Text>,
        scripts: &mut impl Iterator<Item = Script>,
    ) -> Migration {
        let version = self.version();
        let name = Cow::Borrowed(self.text());
        let [description, min_runtime_version, irreversible, expects, replaces] =
            [(); 5].map(|()| self.option_text().map(Cow::Borrowed));
        let [transaction, foreign_keys_off] = [(); 2].map(|()| self.byte() == 1);
        let phase = match self.byte() {
            0 => None,
            1 => Some(Phase::Expand),
            _ => Some(Phase::Contract),
        };
        let [lock_timeout, statement_timeout] = [(); 2].map(|()| self.duration());
        let [dependency_count, script_count] = [(); 2].map(|()| self.number() as usize);
        let settings = Settings {
            description,
            min_runtime_version,
            irreversible,
            expects,
            replaces,
            phase,
            transaction,
            foreign_keys_off,
            lock_timeout,
            statement_timeout,
        };
        let dependencies = dependencies.take(dependency_count).collect();
        let scripts = scripts.take(script_count).collect();
        Migration::from_parts(version, name, settings, Cow::Owned(dependencies), Cow::Owned(scripts))
    }

    fn script(&mut self) -> Script {
        let role = match self.byte() {
            0 => Role::Up,
            1 => Role::Down,
            _ => Role::Verify,
        };
        let dialect = match self.byte() {
            0 => None,
            1 => Some(Dialect::Sqlite),
            _ => Some(Dialect::Postgres),
        };
        let sql = self.text();
        Script::embedded(role, dialect, sql, Checksum::from_bytes(self.take()))
    }

    fn version(&mut self) -> SchemaVersion {
        let [major, minor, patch] = [(); 3].map(|()| u64::from_le_bytes(self.take()));
        SchemaVersion::new(major, minor, patch)
    }

    fn duration(&mut self) -> Option<Duration> {
        let (is_there, seconds, nanoseconds) = (self.byte() == 1, u64::from_le_bytes(self.take()), self.number());
        is_there.then(|| Duration::new(seconds, nanoseconds))
    }

    fn text(&mut self) -> &'static str {
        self.option_text().unwrap_or_default()
    }

    fn option_text(&mut self) -> Option<&'static str> {
        let [index, start, length] = [(); 3].map(|()| self.number());
        if index == NONE {
            return None;
        }
        let (start, length) = (start as usize, length as usize);
        Some(&self.texts[index as usize][start..start + length])
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn byte(&mut self) -> u8 {
        u8::from_le_bytes(self.take())
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.bytes.split_first_chunk().expect("the tables hold whole records");
        self.bytes = rest;
        *taken
    }
}

#[cfg(all(test, feature = "source"))]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_taken_apart() {
        let script = |role, dialect, sql: &str| Script::new(role, dialect, sql.to_owned());
        let plain = Migration::from_parts(
            SchemaVersion::new(1, 0, u64::MAX),
            "plain".into(),
            Settings::DEFAULT,
            Cow::Owned(vec![]),
            Cow::Owned(vec![script(Role::Up, None, "SELECT 'ü';\r\n"), script(Role::Down, None, "")]),
        );
        let full = Migration::from_parts(
            SchemaVersion::new(1, 2, 3),
            "full".into(),
            Settings {
                description: Some("Ünï".into()),
                min_runtime_version: Some("2.0.0-0".into()),
                irreversible: Some("".into()),
                expects: Some("table users\nindex by_email".into()),
                replaces: Some("1.0.0 users - - -\n".into()),
                phase: Some(Phase::Contract),
                transaction: false,
                foreign_keys_off: true,
                lock_timeout: Some(Duration::new(u64::MAX, 999_999_999)),
                statement_timeout: Some(Duration::ZERO),
            },
            Cow::Owned(vec!["1.0.0".into(), ">=0.1".into()]),
            Cow::Owned(vec![
                script(Role::Up, Some(Dialect::Sqlite), "a"),
                script(Role::Up, Some(Dialect::Postgres), "b"),
                script(Role::Verify, None, &"c".repeat(FULL)),
            ]),
        );
        let set = [plain.clone(), full, plain];
        let encoded = Encoded::new(&set).unwrap();
        let texts: Vec<&'static str> = encoded.texts.into_iter().map(|text| &*text.leak()).collect();
        assert_eq!(texts.len(), 2);
        let [migrations, dependencies, scripts] =
            [encoded.migrations, encoded.dependencies, encoded.scripts].map(|table| &*table.leak());
        let tables = Tables::new(texts.leak(), migrations, dependencies, scripts);
        assert_eq!(tables.read(), set);
        assert_eq!(tables.head(), Some(SchemaVersion::new(1, 0, u64::MAX)));
        assert_eq!(Tables::new(&[], &[], &[], &[]).head(), None);
    }
}
