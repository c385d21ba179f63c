//! A registry as some long texts and a few tables of bytes: what `embed_migrations!` writes and the compiler reads back.
//!
//! A set of a thousand migrations written out as expressions costs the compiler more than a second at every build; as
//! literals it costs next to nothing while nothing changes, and constant evaluation makes the same static data of it.
//! [`Encoded`] is read back by the functions below it; each record is of fixed size, all numbers are little-endian.
//!
//! A text of the set is a part of one of the long texts. These are neither one for each text, since each literal costs,
//! nor one for all, since the compiler hashes the whole of it for every reference into it that it writes.

use std::borrow::Cow;
use std::mem;
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
/// Version, name, four optional texts, two flags, the phase, two durations, the number of dependencies and of scripts.
const MIGRATION: usize = 24 + 5 * TEXT + 3 + 2 * DURATION + 2 * 4;
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
        for text in [migration.description(), minimum.as_deref(), migration.irreversible(), migration.expects_text()] {
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

    /// How many scripts there are.
    #[must_use]
    pub fn script_count(&self) -> usize {
        self.scripts.len() / SCRIPT
    }

    /// How many dependencies there are.
    #[must_use]
    pub fn dependency_count(&self) -> usize {
        self.dependencies.len() / TEXT
    }
}

/// Reads scripts back.
#[must_use]
pub const fn scripts<const N: usize>(texts: &[&'static str], table: &[u8]) -> [Script; N] {
    let mut scripts = [const { Script::embedded(Role::Up, None, "", Checksum::from_bytes([0; 32])) }; N];
    let mut index = 0;
    while index < N {
        let record = table.split_at(index * SCRIPT).1;
        let role = match record[0] {
            0 => Role::Up,
            1 => Role::Down,
            _ => Role::Verify,
        };
        let dialect = match record[1] {
            0 => None,
            1 => Some(Dialect::Sqlite),
            _ => Some(Dialect::Postgres),
        };
        let checksum = Checksum::from_bytes(bytes(record, 2 + TEXT));
        let script = Script::embedded(role, dialect, text_at(texts, record, 2), checksum);
        // An assignment would drop the old value, which constant evaluation cannot do.
        mem::forget(mem::replace(&mut scripts[index], script));
        index += 1;
    }
    scripts
}

/// Reads dependencies back.
#[must_use]
pub const fn dependencies<const N: usize>(texts: &[&'static str], table: &[u8]) -> [Text; N] {
    let mut dependencies = [const { Cow::Borrowed("") }; N];
    let mut index = 0;
    while index < N {
        let dependency = Cow::Borrowed(text_at(texts, table, index * TEXT));
        mem::forget(mem::replace(&mut dependencies[index], dependency));
        index += 1;
    }
    dependencies
}

/// Reads migrations back, to which the dependencies and scripts belong in this order.
#[must_use]
pub const fn migrations<const N: usize>(
    texts: &[&'static str],
    table: &[u8],
    mut dependencies: &'static [Text],
    mut scripts: &'static [Script],
) -> [Migration; N] {
    let mut migrations = [const { EMPTY }; N];
    let mut index = 0;
    while index < N {
        let record = table.split_at(index * MIGRATION).1;
        let version = SchemaVersion::new(u64_at(record, 0), u64_at(record, 8), u64_at(record, 16));
        let flags = 24 + 5 * TEXT;
        let durations = flags + 3;
        let counts = durations + 2 * DURATION;
        let settings = Settings {
            description: option_text_at(texts, record, 24 + TEXT),
            min_runtime_version: option_text_at(texts, record, 24 + 2 * TEXT),
            irreversible: option_text_at(texts, record, 24 + 3 * TEXT),
            expects: option_text_at(texts, record, 24 + 4 * TEXT),
            phase: match record[flags + 2] {
                0 => None,
                1 => Some(Phase::Expand),
                _ => Some(Phase::Contract),
            },
            transaction: record[flags] == 1,
            foreign_keys_off: record[flags + 1] == 1,
            lock_timeout: duration_at(record, durations),
            statement_timeout: duration_at(record, durations + DURATION),
        };
        let (its_dependencies, other_dependencies) = dependencies.split_at(u32_at(record, counts) as usize);
        let (its_scripts, other_scripts) = scripts.split_at(u32_at(record, counts + 4) as usize);
        dependencies = other_dependencies;
        scripts = other_scripts;
        let migration = Migration::from_parts(
            version,
            Cow::Borrowed(text_at(texts, record, 24)),
            settings,
            Cow::Borrowed(its_dependencies),
            Cow::Borrowed(its_scripts),
        );
        mem::forget(mem::replace(&mut migrations[index], migration));
        index += 1;
    }
    migrations
}

const EMPTY: Migration = Migration::from_parts(
    SchemaVersion::new(0, 0, 0),
    Cow::Borrowed(""),
    Settings::DEFAULT,
    Cow::Borrowed(&[]),
    Cow::Borrowed(&[]),
);

const fn bytes<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    *record.split_at(at).1.first_chunk().expect("the tables hold whole records")
}

// Byte by byte: every call is a frame of the compiler's interpreter, and these are most of what it does here.
const fn u32_at(record: &[u8], at: usize) -> u32 {
    let (low, high) =
        (record[at] as u32 | (record[at + 1] as u32) << 8, record[at + 2] as u32 | (record[at + 3] as u32) << 8);
    low | high << 16
}

const fn u64_at(record: &[u8], at: usize) -> u64 {
    (u32_at(record, at + 4) as u64) << 32 | u32_at(record, at) as u64
}

const fn text_at(texts: &[&'static str], record: &[u8], at: usize) -> &'static str {
    let text = texts[u32_at(record, at) as usize];
    let (start, length) = (u32_at(record, at + 4) as usize, u32_at(record, at + 8) as usize);
    text.split_at(start).1.split_at(length).0
}

const fn option_text_at(texts: &[&'static str], record: &[u8], at: usize) -> Option<Text> {
    if u32_at(record, at) == NONE { None } else { Some(Cow::Borrowed(text_at(texts, record, at))) }
}

const fn duration_at(record: &[u8], at: usize) -> Option<Duration> {
    if record[at] == 0 { None } else { Some(Duration::new(u64_at(record, at + 1), u32_at(record, at + 9))) }
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
        assert_eq!((encoded.dependency_count(), encoded.script_count()), (2, 7));
        let texts: Vec<&'static str> = encoded.texts.into_iter().map(|text| &*text.leak()).collect();
        assert_eq!(texts.len(), 2);
        let dependencies = Box::leak(Box::new(dependencies::<2>(&texts, &encoded.dependencies)));
        let scripts = Box::leak(Box::new(scripts::<7>(&texts, &encoded.scripts)));
        assert_eq!(migrations::<3>(&texts, &encoded.migrations, dependencies, scripts), set);
    }
}
