//! A directory of migrations that is not ours, killed on SQLite with rows in every table.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Counts;
use super::child::{Child, Verb};

/// How many rows are put into each table.
const ROWS: usize = 3;

/// A directory with a database that is half way and full of rows.
#[derive(Debug)]
pub struct Corpus {
    directory: PathBuf,
    folder: tempfile::TempDir,
    /// What every table holds after so many applied migrations, in an undisturbed run; and the schema at the end.
    undisturbed: BTreeMap<u32, BTreeMap<String, u32>>,
    schema: Vec<String>,
    /// How many rows refer to others when the sweep begins.
    pub rows: usize,
}

impl Corpus {
    /// Applies a directory up to a version, fills the tables, and notes what an undisturbed run makes of it.
    ///
    /// # Panics
    ///
    /// When a migration fails, or the rows cannot be made to fit.
    #[must_use]
    pub fn new(directory: &Path, version: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let directory = directory.canonicalize().expect("the directory of migrations is there");
        let mut corpus = Self { directory, folder, undisturbed: BTreeMap::new(), schema: Vec::new(), rows: 0 };
        let template = corpus.path("template.db");
        corpus.up(&template, &["--to", version]);
        corpus.rows = fill(&Connection::open(&template).expect("the file opens"));

        let path = corpus.fresh("undisturbed.db");
        loop {
            let (applied, half_way, contents) = look(&path);
            assert!(!half_way, "an undisturbed step leaves nothing half way");
            let last = corpus.undisturbed.insert(applied, contents).is_some();
            if last {
                corpus.schema = schema(&path);
                return corpus;
            }
            corpus.up(&path, &["--steps", "1"]);
        }
    }

    /// How many failpoints an undisturbed run goes through.
    #[must_use]
    pub fn failpoints(&self) -> usize {
        let path = self.fresh("counted.db");
        let mut child = Child::stopping(Verb::Up, &self.directory, &url(&path));
        let mut points = 0;
        while child.next_point().is_some() {
            points += 1;
            child.go_on();
        }
        points
    }

    /// Kills a run at `kills` failpoints, as far apart as they can be, and runs it again.
    ///
    /// # Panics
    ///
    /// When a second run fails, or rows or schema are not those of an undisturbed run.
    #[must_use]
    pub fn kill(&self, kills: usize) -> Counts {
        let mut counts = Counts::default();
        let points = self.failpoints();
        for number in (0..points).step_by((points / kills).max(1)) {
            let path = self.fresh("killed.db");
            let mut child = Child::stopping(Verb::Up, &self.directory, &url(&path));
            let point = child.pass(number).unwrap_or_default();
            child.kill();
            let context = format!("{} killed at failpoint {number} ({point})", self.directory.display());
            let (applied, half_way, contents) = look(&path);
            if !half_way {
                assert_eq!(Some(&contents), self.undisturbed.get(&applied), "{context}");
            }
            self.up(&path, &[]);
            let (end, half_way_at_end, contents) = look(&path);
            assert!(!half_way_at_end, "{context}");
            assert_eq!(Some((&end, &contents)), self.undisturbed.last_key_value(), "{context}");
            assert_eq!(schema(&path), self.schema, "{context}");
            counts.add(false, Some(format!("{applied}{}", if half_way { " and a half" } else { "" })));
        }
        counts
    }

    /// The tables that were there from the first to the last migration and have another number of rows in the end, as
    /// name, rows before, rows after.
    #[must_use]
    pub fn changed(&self) -> Vec<(&str, u32, u32)> {
        let (Some((_, first)), Some((_, last))) =
            (self.undisturbed.first_key_value(), self.undisturbed.last_key_value())
        else {
            return Vec::new();
        };
        first
            .iter()
            .filter_map(|(table, before)| last.get(table).map(|after| (&**table, *before, *after)))
            .filter(|(_, before, after)| before != after)
            .collect()
    }

    /// How many migrations the sweep applies.
    #[must_use]
    pub fn migrations(&self) -> usize {
        self.undisturbed.len() - 1
    }

    fn up(&self, path: &Path, arguments: &[&str]) {
        let end = Child::with(arguments, Verb::Up, &self.directory, &url(path)).end();
        assert_eq!(end.code, Some(0), "{}: {}", path.display(), end.stderr);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of the filled database.
    fn fresh(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        for behind in ["-journal", "-wal", "-shm"] {
            let _ = fs::remove_file(self.path(&format!("{name}{behind}")));
        }
        fs::copy(self.path("template.db"), &path).expect("a file can be copied");
        path
    }
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).expect("the query is right");
    let rows = statement.query_map([], |row| row.get(0)).expect("the query runs");
    rows.map(|row| row.expect("a row can be read")).collect()
}

const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'
                      AND name NOT LIKE 'schema_migrations_v2%' ORDER BY name";

/// How many migrations are applied, whether one is half way, and how many rows each table has.
fn look(path: &Path) -> (u32, bool, BTreeMap<String, u32>) {
    let connection = Connection::open(path).expect("the file opens");
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).expect("a count is a row");
    let contents = texts(&connection, TABLES)
        .into_iter()
        .map(|table| (table.clone(), count(&format!("SELECT count(*) FROM \"{table}\""))));
    (
        count("SELECT count(*) FROM schema_migrations_v2 WHERE status = 'applied'"),
        count("SELECT count(*) FROM schema_migrations_v2 WHERE status <> 'applied'") > 0,
        contents.collect(),
    )
}

fn schema(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("the file opens");
    texts(&connection, "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1")
}

/// A column, as SQLite describes it.
struct Column {
    name: String,
    kind: String,
    /// The table and the column that it refers to.
    refers: Option<(String, Option<String>)>,
}

/// Puts rows into every table, each row of a table that refers to another at one of its rows. Says how many rows refer to
/// others.
fn fill(connection: &Connection) -> usize {
    connection.pragma_update(None, "foreign_keys", false).expect("a pragma can be set");
    let mut referring = 0;
    for table in texts(connection, TABLES) {
        let columns = columns(connection, &table);
        let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let places = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT OR IGNORE INTO \"{table}\" ({}) VALUES ({places})", names.join(", "));
        for row in 0..ROWS {
            let values = columns.iter().map(|column| value(connection, &table, column, row, 0));
            let inserted = connection.execute(&insert, params_from_iter(values));
            let inserted = inserted.unwrap_or_else(|error| panic!("{table}: {error}"));
            referring += inserted * usize::from(columns.iter().any(|column| column.refers.is_some()));
        }
    }
    let violations = texts(connection, "SELECT \"table\" FROM pragma_foreign_key_check");
    assert!(violations.is_empty(), "rows that refer to nothing: {violations:?}");
    referring
}

fn columns(connection: &Connection, table: &str) -> Vec<Column> {
    let mut statement = connection
        .prepare(
            "SELECT c.name, c.type, f.\"table\", f.\"to\" FROM pragma_table_info(?1) c
             LEFT JOIN pragma_foreign_key_list(?1) f ON f.\"from\" = c.name GROUP BY c.name",
        )
        .expect("the query is right");
    let tables = texts(connection, TABLES);
    let column = |row: &rusqlite::Row<'_>| {
        let (name, parent, to): (String, Option<String>, Option<String>) = (row.get(0)?, row.get(2)?, row.get(3)?);
        // A key that a later migration declares is one already: it deletes the rows that refer to nothing.
        let named = name.strip_suffix("_id").map(|parent| format!("{parent}s"));
        let parent = parent.or_else(|| named.filter(|named| tables.contains(named)));
        Ok(Column { name, kind: row.get(1)?, refers: parent.map(|parent| (parent, to)) })
    };
    let columns = statement.query_map([table], column).expect("the query runs");
    columns.map(|column| column.expect("a row can be read")).collect()
}

/// The value that a column has in a row: one of its own, or that of the row that it refers to.
fn value(connection: &Connection, table: &str, column: &Column, row: usize, depth: usize) -> Value {
    if let Some((parent, to)) = column.refers.as_ref().filter(|_| depth < 5) {
        let columns = columns(connection, parent);
        let key = to.clone().unwrap_or_else(|| "id".to_owned());
        let referred = columns.iter().find(|column| column.name == key).expect("a key refers to a column");
        return value(connection, parent, referred, row, depth + 1);
    }
    let number = i64::try_from(row).expect("a small number") + 1;
    let kind = column.kind.to_ascii_uppercase();
    if ["INT", "BOOL", "NUM", "REAL", "DATE"].iter().any(|word| kind.contains(word)) {
        return Value::Integer(number);
    }
    // Some migrations read texts as JSON.
    Value::Text(format!("[\"{table}-{}-{number}\"]", column.name))
}
