//! A set of migrations as a model sees it: what each statement does, and what must be there for it to succeed.

use std::fmt::Write;

use testkit::migrations::Directory;
use testkit::random::Random;

/// Migrations in the order of their versions.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) migrations: Vec<Migration>,
}

#[derive(Clone, Debug)]
pub(crate) struct Migration {
    pub(crate) transactional: bool,
    pub(crate) foreign_keys_off: bool,
    /// Lower migrations, by their numbers.
    pub(crate) dependencies: Vec<usize>,
    pub(crate) up: Vec<Part>,
    /// `None` when there is no way back.
    pub(crate) down: Option<Vec<Part>>,
}

/// A statement, or a group of statements, that takes effect as one when the migration runs outside a transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    pub(crate) effects: Vec<Effect>,
    /// The table without which it fails.
    pub(crate) gate: Option<String>,
    /// Whether it is a `BEGIN … COMMIT` of the script's own.
    pub(crate) group: bool,
}

/// What a statement does. One that does nothing sets session state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Create(String),
    Drop(String),
    /// Counts a row of `marks` up or down.
    Count(String, i64),
}

impl Effect {
    fn undone(&self) -> Self {
        match self {
            Self::Create(table) => Self::Drop(table.clone()),
            Self::Drop(table) => Self::Create(table.clone()),
            Self::Count(mark, number) => Self::Count(mark.clone(), -number),
        }
    }
}

impl Spec {
    /// A set of up to seven migrations.
    pub(crate) fn random(random: &mut Random, sqlite: bool) -> Self {
        let count = 1 + random.below(7);
        let migrations = (0..count).map(|number| Migration::random(random, number, sqlite)).collect();
        Self { migrations }
    }

    /// Every kind of migration, and none that fails.
    pub(crate) fn of_every_kind(sqlite: bool) -> Self {
        let plain = |number| Migration::plain(number, &[&["table"], &["mark"]]);
        let outside = |number| Migration {
            transactional: false,
            ..Migration::plain(number, &[&["table"], &["mark"], &[], &["table", "mark"], &["mark"]])
        };
        let apart = |number| Migration { foreign_keys_off: sqlite, ..plain(number) };
        Self { migrations: vec![plain(0), plain(1), apart(2), outside(3), plain(4), outside(5), plain(6)] }
    }

    /// The version of a migration.
    pub(crate) fn version(number: usize) -> String {
        format!("1.{number}.0")
    }

    /// Every mark there is, for the table that holds them.
    pub(crate) fn marks(&self) -> Vec<String> {
        let effects = self.migrations.iter().flat_map(|it| &it.up).flat_map(|part| &part.effects);
        let mark = |effect: &Effect| match effect {
            Effect::Count(mark, _) => Some(mark.clone()),
            _ => None,
        };
        effects.filter_map(mark).collect()
    }

    /// Every gate there is.
    pub(crate) fn gates(&self) -> Vec<String> {
        let scripts = self.migrations.iter().flat_map(|it| [Some(&it.up), it.down.as_ref()]).flatten();
        scripts.flatten().filter_map(|part| part.gate.clone()).collect()
    }

    /// The first `known` migrations as a directory.
    pub(crate) fn directory(&self, known: usize, sqlite: bool) -> Directory {
        let directory = Directory::new("");
        for (number, migration) in self.migrations.iter().take(known).enumerate() {
            let version = Self::version(number);
            let folder = format!("v{version}_m");
            let mut metadata =
                format!("{{\"version\": \"{version}\", \"name\": \"m\", \"transaction\": {}", migration.transactional);
            if migration.foreign_keys_off {
                metadata.push_str(", \"foreign_keys\": \"off\"");
            }
            if migration.down.is_none() {
                metadata.push_str(", \"irreversible\": \"no way back\"");
            }
            let dependencies: Vec<String> =
                migration.dependencies.iter().map(|it| format!("\"{}\"", Self::version(*it))).collect();
            let _ = write!(metadata, ", \"dependencies\": [{}]}}", dependencies.join(", "));
            directory.write(format!("{folder}/metadata.json"), metadata);
            directory.write(format!("{folder}/up.sql"), script(&migration.up, sqlite));
            if let Some(down) = &migration.down {
                directory.write(format!("{folder}/down.sql"), script(down, sqlite));
            }
        }
        directory
    }
}

impl Migration {
    fn random(random: &mut Random, number: usize, sqlite: bool) -> Self {
        let transactional = !random.once_in(3);
        let mut migration = Self::plain(number, &[]);
        for part in 0..random.below(5) {
            let kinds: &[&str] = match random.below(4) {
                0 => &["table"],
                1 | 2 => &["mark"],
                _ if transactional => &["mark"],
                _ if random.once_in(2) => &[],
                _ => &["table", "mark"],
            };
            migration.up.push(Part::new(number, part, kinds));
        }
        let undone = migration.undone();
        let gate = |parts: &mut Vec<Part>, random: &mut Random, name: &str| {
            let places: Vec<usize> = (0..parts.len())
                .filter(|at| parts[*at].effects.iter().any(|effect| matches!(effect, Effect::Count(..))))
                .collect();
            if let Some(at) = places.get(random.below(places.len().max(1))) {
                parts[*at].gate = Some(format!("gate_{name}_{number}"));
            }
        };
        if random.once_in(3) {
            gate(&mut migration.up, random, "up");
        }
        let mut down = undone;
        if random.once_in(5) {
            gate(&mut down, random, "down");
        }
        Self {
            transactional,
            foreign_keys_off: sqlite && transactional && random.once_in(4),
            dependencies: (0..number).filter(|_| random.once_in(3)).collect(),
            down: (!random.once_in(8)).then_some(down),
            ..migration
        }
    }

    /// One in a transaction, with parts of these kinds and the way back.
    fn plain(number: usize, parts: &[&[&str]]) -> Self {
        let up = parts.iter().enumerate().map(|(at, kinds)| Part::new(number, at, kinds)).collect();
        let mut migration =
            Self { transactional: true, foreign_keys_off: false, dependencies: Vec::new(), up, down: None };
        migration.down = Some(migration.undone());
        migration
    }

    fn undone(&self) -> Vec<Part> {
        let undone = |part: &Part| Part {
            effects: part.effects.iter().rev().map(Effect::undone).collect(),
            gate: None,
            group: part.group,
        };
        self.up.iter().rev().map(undone).collect()
    }
}

impl Part {
    fn new(migration: usize, part: usize, kinds: &[&str]) -> Self {
        let effect = |kind: &&str| match *kind {
            "table" => Effect::Create(format!("t_{migration}_{part}")),
            _ => Effect::Count(format!("m_{migration}_{part}"), 1),
        };
        Self { effects: kinds.iter().map(effect).collect(), gate: None, group: kinds.len() > 1 }
    }

    /// Whether it only sets session state.
    pub(crate) fn is_session(&self) -> bool {
        self.effects.is_empty()
    }

    fn sql(&self, sqlite: bool) -> String {
        let gate =
            self.gate.as_ref().map_or_else(String::new, |gate| format!(" AND (SELECT count(*) FROM {gate}) = 0"));
        let statement = |effect: &Effect| match effect {
            Effect::Create(table) => format!("CREATE TABLE {table} (id INTEGER);"),
            Effect::Drop(table) => format!("DROP TABLE {table};"),
            Effect::Count(mark, number) => {
                format!("UPDATE marks SET number = number + ({number}) WHERE what = '{mark}'{gate};")
            }
        };
        let statements: Vec<String> = self.effects.iter().map(statement).collect();
        let text = statements.join("\n");
        match (self.is_session(), sqlite) {
            (true, true) => "PRAGMA recursive_triggers = ON;".to_owned(),
            (true, false) => "SET lock_timeout = '3s';".to_owned(),
            _ if self.group => format!("BEGIN;\n{text}\nCOMMIT;"),
            _ => text,
        }
    }
}

fn script(parts: &[Part], sqlite: bool) -> String {
    parts.iter().map(|part| part.sql(sqlite) + "\n").collect()
}
