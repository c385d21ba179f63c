//! A database that sweeps run on, and what must hold for it whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rusqlite::types::Value;
use testkit::postgres::Server;

pub use crate::Arena;

use super::set::{CHILDREN, Migration, PARENTS};

/// A fresh database.
#[derive(Debug)]
pub struct Ground {
    arena: Arena,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(testkit::postgres::Database),
}

/// What a database holds, read at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The ledger as version, status and progress, lowest version first; `None` when it is not there.
    pub ledger: Option<Vec<(String, String, usize)>>,
    /// Tables, columns as `table.column`, and indexes, ours aside.
    pub objects: BTreeSet<String>,
    /// How often each part took effect.
    pub marks: BTreeMap<String, String>,
    /// The number of rows of parents and children, when they are there.
    pub rows: Option<(usize, usize)>,
    /// The history as run, operation, version, outcome, oldest first.
    pub history: Vec<[String; 4]>,
}

impl Ground {
    /// A database with nothing in it; on SQLite with a rollback journal, there is no file yet.
    ///
    /// # Panics
    ///
    /// When none can be made.
    #[must_use]
    pub fn new(arena: Arena) -> Self {
        let place = if arena == Arena::Postgres {
            Place::Postgres(Server::shared().database())
        } else {
            Place::Sqlite(tempfile::tempdir().expect("a temporary directory can be made"))
        };
        let ground = Self { arena, place };
        if arena == Arena::SqliteWal {
            ground.rows("PRAGMA journal_mode = WAL");
        }
        ground
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.place {
            Place::Sqlite(_) => format!("sqlite:{}", self.path().display()),
            Place::Postgres(database) => database.url(),
        }
    }

    /// The PostgreSQL database.
    ///
    /// # Panics
    ///
    /// On SQLite.
    #[must_use]
    pub fn postgres(&self) -> &testkit::postgres::Database {
        match &self.place {
            Place::Postgres(database) => database,
            Place::Sqlite(_) => panic!("this is SQLite"),
        }
    }

    /// Reads what it holds.
    #[must_use]
    pub fn contents(&self) -> Contents {
        match &self.place {
            Place::Postgres(database) => Contents::of_rows(&database.psql(&postgres_query())),
            Place::Sqlite(_) if !self.path().exists() => Contents::of_rows(""),
            Place::Sqlite(_) => self.sqlite_contents(),
        }
    }

    /// Whether it holds a table, while others may be at work in it.
    #[must_use]
    pub fn has_table(&self, name: &str) -> bool {
        match &self.place {
            Place::Postgres(database) => database.psql(&format!("SELECT to_regclass('{name}') IS NOT NULL")) == "t",
            Place::Sqlite(_) => !self.rows(&format!("SELECT name FROM sqlite_master WHERE name = '{name}'")).is_empty(),
        }
    }

    fn path(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite(folder) => folder.path().join("app.db"),
            Place::Postgres(_) => panic!("this is PostgreSQL"),
        }
    }

    fn sqlite_contents(&self) -> Contents {
        let mut lines = Vec::new();
        let tables: BTreeSet<String> =
            self.rows("SELECT name FROM sqlite_master WHERE type = 'table'").into_iter().collect();
        lines.extend(self.rows(
            "SELECT 'object|' || name FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT LIKE 'sqlite%'
             UNION ALL SELECT 'object|' || m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c
             WHERE m.type = 'table'",
        ));
        let mut add = |table: &str, sql: &str| {
            if tables.contains(table) {
                lines.extend(self.rows(sql));
            }
        };
        for (table, sql) in QUERIES {
            add(table, sql);
        }
        Contents::of_rows(&lines.join("\n"))
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.path()).expect("the file opens");
        let mut statement = connection.prepare(sql).expect("the query is right");
        let rows = statement.query_map([], |row| {
            Ok(match row.get(0)? {
                Value::Text(text) => text,
                other => format!("{other:?}"),
            })
        });
        rows.expect("the query runs").map(|row| row.expect("a row can be read")).collect()
    }

    /// Where it is and what it holds, for a message.
    fn describe(&self, contents: &Contents) -> String {
        format!("{:?} {}\n{contents:#?}", self.arena, self.url())
    }

    /// Checks that ledger, schema and data agree, in whatever state a stopped run left them, and names the state.
    ///
    /// # Panics
    ///
    /// When they do not.
    #[track_caller]
    pub fn assert_consistent(&self, set: &[Migration], context: &str) -> String {
        let contents = self.contents();
        let ledger = contents.ledger.clone().unwrap_or_default();
        for migration in set {
            let row = ledger.iter().find(|(version, ..)| version == migration.version);
            let last = migration.parts.len();
            for (number, part) in (1..).zip(&migration.parts) {
                // Undoing goes through the parts from the last to the first. A part that takes effect together with its
                // progress is exactly where the ledger says; the next one that does not may be further.
                let (applied, next) = match row.map(|(_, status, progress)| (&**status, *progress)) {
                    None => (false, false),
                    Some(("applying", progress)) => (number <= progress, number == progress + 1),
                    Some(("reverting", progress)) => (last - number >= progress, last - number == progress),
                    Some(_) => (true, false),
                };
                if part.bare && next {
                    continue;
                }
                if let Some(mark) = &part.mark {
                    let times = contents.marks.get(mark).map_or("0", |times| times);
                    let expected = if applied { "1" } else { "0" };
                    assert_eq!(times, expected, "{context}: {mark}: {}", self.describe(&contents));
                }
                for object in &part.objects {
                    let there = contents.objects.contains(*object);
                    assert_eq!(there, applied, "{context}: {object}: {}", self.describe(&contents));
                }
            }
        }
        let rows = ledger.first().map(|_| (PARENTS, CHILDREN));
        assert_eq!(contents.rows, rows, "{context}: rows: {}", self.describe(&contents));
        contents.state()
    }

    /// Checks that it holds what an undisturbed run leaves, that nothing was applied twice, and that every run has an end.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn assert_goal(&self, set: &[Migration], goal: &Contents, context: &str) {
        self.assert_consistent(set, context);
        let contents = self.contents();
        let found = (&contents.ledger, &contents.objects, &contents.marks, contents.rows);
        let expected = (&goal.ledger, &goal.objects, &goal.marks, goal.rows);
        assert_eq!(found, expected, "{context}: {}", self.describe(&contents));
        contents.assert_history(&format!("{context}: {}", self.describe(&contents)));
    }
}

impl Contents {
    /// A short name for the state of the ledger.
    #[must_use]
    pub fn state(&self) -> String {
        let Some(ledger) = &self.ledger else {
            return "no ledger".to_owned();
        };
        let rows: Vec<String> = ledger
            .iter()
            .map(|(version, status, progress)| match &**status {
                "applied" => version.clone(),
                status => format!("{version} {status} after {progress}"),
            })
            .collect();
        if rows.is_empty() { "empty".to_owned() } else { rows.join(", ") }
    }

    fn of_rows(rows: &str) -> Self {
        let mut contents =
            Self { ledger: None, objects: BTreeSet::new(), marks: BTreeMap::new(), rows: None, history: Vec::new() };
        for line in rows.lines() {
            let fields: Vec<&str> = line.split('|').collect();
            let number = |text: &str| text.parse().expect("a number is a number");
            match fields[..] {
                ["object", "schema_migrations_v2"] => contents.ledger = Some(Vec::new()),
                ["object", name] if name.contains("schema_migrations_v2") => {}
                ["object", name] => drop(contents.objects.insert(name.to_owned())),
                ["ledger", version, status, progress] => {
                    let row = (version.to_owned(), status.to_owned(), number(progress));
                    contents.ledger.get_or_insert_default().push(row);
                }
                ["mark", what, times] => drop(contents.marks.insert(what.to_owned(), times.to_owned())),
                ["rows", parents, children] => contents.rows = Some((number(parents), number(children))),
                ["history", run, operation, version, outcome] => {
                    contents.history.push([run, operation, version, outcome].map(str::to_owned));
                }
                _ => panic!("`{line}` cannot be read"),
            }
        }
        contents
    }

    /// Each migration went up and down in turn, as often as the ledger says; each run that began has one end.
    #[track_caller]
    fn assert_history(&self, context: &str) {
        let mut applied: BTreeMap<&str, bool> = BTreeMap::new();
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for [run, operation, version, outcome] in &self.history {
            match (&**operation, &**outcome) {
                ("run", "started") => assert!(open.insert(run), "run {run} begins twice: {context}"),
                ("run", _) => assert!(open.remove(&**run), "run {run} ends twice: {context}"),
                (direction @ ("up" | "down"), "succeeded") => {
                    let before = applied.insert(version, direction == "up");
                    let expected = (direction == "down").then_some(true);
                    assert_eq!(before.filter(|up| *up), expected, "{version} went {direction} twice: {context}");
                }
                _ => {}
            }
        }
        // Nothing has come after the last run to close it.
        if let Some([last, ..]) = self.history.last() {
            open.remove(&**last);
        }
        assert!(open.is_empty(), "runs without an end: {open:?}: {context}");
        let from_history: Vec<&str> = applied.iter().filter(|(_, up)| **up).map(|(version, _)| *version).collect();
        let ledger = self.ledger.clone().unwrap_or_default();
        let from_ledger: Vec<&str> = ledger.iter().map(|(version, ..)| &**version).collect();
        assert_eq!(from_history, from_ledger, "history and ledger: {context}");
    }
}

/// Ends every connection to a PostgreSQL database and returns when they are gone.
pub fn terminate_backends(database: &str) {
    Server::shared()
        .psql(&format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{database}'"));
}

/// What is read where the table is there, each row as one text.
const QUERIES: [(&str, &str); 4] = [
    (
        "schema_migrations_v2",
        "SELECT 'ledger|' || version || '|' || status || '|' || progress FROM schema_migrations_v2 ORDER BY version",
    ),
    ("marks", "SELECT 'mark|' || what || '|' || number FROM marks"),
    ("parents", "SELECT 'rows|' || (SELECT count(*) FROM parents) || '|' || (SELECT count(*) FROM children)"),
    (
        "schema_migrations_v2_history",
        "SELECT 'history|' || run || '|' || operation || '|' || coalesce(version, '') || '|' || outcome
         FROM schema_migrations_v2_history ORDER BY id",
    ),
];

/// All queries, once no other connection is left: a run that was stopped may still be committing.
fn postgres_query() -> String {
    let mut query = String::from(
        "DO $$BEGIN LOOP
             PERFORM pg_stat_clear_snapshot();
             EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                                   AND pid <> pg_backend_pid() AND backend_type = 'client backend');
             PERFORM pg_sleep(0.002);
         END LOOP; END$$;
         SELECT 'object|' || tablename FROM pg_tables WHERE schemaname = 'public'
         UNION ALL SELECT 'object|' || indexname FROM pg_indexes WHERE schemaname = 'public'
         UNION ALL SELECT 'object|invalid ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid
         UNION ALL SELECT 'object|' || table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = 'public';\n",
    );
    for (table, sql) in QUERIES {
        query.push_str(&format!("SELECT to_regclass('public.{table}') IS NOT NULL AS there \\gset\n"));
        query.push_str(&format!("\\if :there\n{sql};\n\\endif\n"));
    }
    query
}
