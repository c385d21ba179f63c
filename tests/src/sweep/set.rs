//! The migrations that sweeps run. Each part of a script leaves traces by which it can be told whether it took effect, and
//! how many times.

use std::fmt::Write;

use testkit::migrations::Directory;

use super::ground::Arena;

/// A migration, as the parts of its scripts.
#[derive(Debug)]
pub struct Migration {
    /// Its version.
    pub version: &'static str,
    /// Whether it runs in one transaction.
    pub transactional: bool,
    /// Whether foreign keys are off while it runs.
    pub foreign_keys_off: bool,
    /// The statements or groups of its up script. Undone in the opposite order.
    pub parts: Vec<Part>,
}

/// A part of a script: what takes effect at once when the migration runs outside a transaction.
#[derive(Debug)]
pub struct Part {
    /// What `up.sql` holds.
    pub up: String,
    /// What `down.sql` holds.
    pub down: String,
    /// The row of `marks` that it counts up when applied, and down when undone.
    pub mark: Option<String>,
    /// What is there exactly while it is applied: tables, columns as `table.column`, indexes.
    pub objects: Vec<&'static str>,
}

/// How many rows the referenced table and the one that refers to it have, from the first migration on.
pub const PARENTS: usize = 10;
/// Three each.
pub const CHILDREN: usize = 30;

/// The set of an arena.
#[must_use]
pub fn migrations(arena: Arena) -> Vec<Migration> {
    let sqlite = arena != Arena::Postgres;
    let mut set = vec![base(), rebuild(sqlite, "1.1.0", "size"), notes(), outside(sqlite), column()];
    set.push(rebuild(sqlite, "1.5.0", "weight"));
    for migration in &mut set {
        migration.name_marks();
    }
    let marks: Vec<String> = set.iter().flat_map(|it| &it.parts).filter_map(|part| part.mark.clone()).collect();
    set[0].parts.insert(0, marks_table(&marks));
    set
}

/// Writes the set as a migrations directory.
#[must_use]
pub fn directory(set: &[Migration]) -> Directory {
    let directory = Directory::new("");
    for migration in set {
        let version = migration.version;
        let folder = format!("v{version}_step");
        let foreign_keys = if migration.foreign_keys_off { ", \"foreign_keys\": \"off\"" } else { "" };
        let transaction = migration.transactional;
        let metadata = format!(
            "{{\"version\": \"{version}\", \"name\": \"step\", \"transaction\": {transaction}{foreign_keys}}}\n"
        );
        directory.write(format!("{folder}/metadata.json"), metadata);
        let script = |parts: Vec<&String>| parts.iter().fold(String::new(), |text, part| text + part + "\n");
        directory.write(format!("{folder}/up.sql"), script(migration.parts.iter().map(|part| &part.up).collect()));
        let down = migration.parts.iter().rev().map(|part| &part.down).collect();
        directory.write(format!("{folder}/down.sql"), script(down));
    }
    directory
}

impl Migration {
    fn new(version: &'static str, parts: Vec<Part>) -> Self {
        Self { version, transactional: true, foreign_keys_off: false, parts }
    }

    /// Puts the name of its mark into each part that has one.
    fn name_marks(&mut self) {
        for (number, part) in (1..).zip(&mut self.parts) {
            let name = format!("{}/{number}", self.version);
            if part.up.contains("MARK") {
                let change = |sign| format!("UPDATE marks SET number = number {sign} 1 WHERE what = '{name}'");
                part.up = part.up.replace("MARK", &change('+'));
                part.down = part.down.replace("MARK", &change('-'));
                part.mark = Some(name);
            }
        }
    }
}

fn part(up: &str, down: &str, objects: &[&'static str]) -> Part {
    Part { up: up.to_owned(), down: down.to_owned(), mark: None, objects: objects.to_vec() }
}

fn marks_table(marks: &[String]) -> Part {
    let mut up = String::from("CREATE TABLE marks (what TEXT PRIMARY KEY, number INTEGER NOT NULL);");
    for mark in marks {
        let _ = write!(up, "\nINSERT INTO marks (what, number) VALUES ('{mark}', 0);");
    }
    part(&up, "DROP TABLE marks;", &["marks"])
}

fn base() -> Migration {
    let numbers = |count: usize| (1..=count).map(|id| format!("({id})")).collect::<Vec<_>>().join(", ");
    let children: Vec<String> = (0..CHILDREN).map(|id| format!("({}, {})", id + 1, id % PARENTS + 1)).collect();
    let up = format!(
        "CREATE TABLE parents (id INTEGER PRIMARY KEY);\n\
         CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id) ON DELETE CASCADE);\n\
         INSERT INTO parents (id) VALUES {};\n\
         INSERT INTO children (id, parent) VALUES {};\n\
         MARK;",
        numbers(PARENTS),
        children.join(", ")
    );
    Migration::new(
        "1.0.0",
        vec![part(&up, "MARK;\nDROP TABLE children;\nDROP TABLE parents;", &["parents", "children"])],
    )
}

/// Adds a column to the table that others refer to: by a new table on SQLite, so that dropping the old one would delete
/// the rows that refer to it.
fn rebuild(sqlite: bool, version: &'static str, column: &'static str) -> Migration {
    let object = if column == "size" { "parents.size" } else { "parents.weight" };
    let parts = vec![part(
        &format!("{}\nMARK;", add_to_parents(sqlite, column)),
        &format!("{}\nMARK;", take_from_parents(sqlite, column)),
        &[object],
    )];
    Migration { foreign_keys_off: sqlite, ..Migration::new(version, parts) }
}

/// The columns of the table, in the order in which they come to it.
const COLUMNS: [&str; 4] = ["id", "size", "extra", "weight"];

fn add_to_parents(sqlite: bool, column: &str) -> String {
    if !sqlite {
        return format!("ALTER TABLE parents ADD COLUMN {column} INTEGER;");
    }
    let before: Vec<&str> = COLUMNS.into_iter().take_while(|name| *name != column).collect();
    copy_parents(&[&before[..], &[column]].concat(), &before)
}

fn take_from_parents(sqlite: bool, column: &str) -> String {
    if !sqlite {
        return format!("ALTER TABLE parents DROP COLUMN {column};");
    }
    let left: Vec<&str> = COLUMNS.into_iter().take_while(|name| *name != column).collect();
    copy_parents(&left, &left)
}

fn copy_parents(columns: &[&str], copied: &[&str]) -> String {
    let definitions: Vec<String> = columns
        .iter()
        .map(|name| if *name == "id" { "id INTEGER PRIMARY KEY".to_owned() } else { format!("{name} INTEGER") })
        .collect();
    let (definitions, copied) = (definitions.join(", "), copied.join(", "));
    format!(
        "CREATE TABLE parents_new ({definitions});\n\
         INSERT INTO parents_new ({copied}) SELECT {copied} FROM parents;\n\
         DROP TABLE parents;\n\
         ALTER TABLE parents_new RENAME TO parents;"
    )
}

fn notes() -> Migration {
    let up = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);\n\
              CREATE INDEX notes_by_body ON notes (body);\n\
              INSERT INTO notes (id, body) VALUES (1, 'first');\nMARK;";
    Migration::new("1.2.0", vec![part(up, "DROP TABLE notes;\nMARK;", &["notes", "notes_by_body"])])
}

/// Statement by statement, with a group, statements that set session state and one that runs in no transaction.
fn outside(sqlite: bool) -> Migration {
    let (begin_state, end_state) = if sqlite {
        ("PRAGMA foreign_keys = OFF;", "PRAGMA foreign_keys = ON;")
    } else {
        ("SET lock_timeout = '5s';", "RESET lock_timeout;")
    };
    let group = |text: String| format!("BEGIN;\n{text}\nMARK;\nCOMMIT;");
    let parts = vec![
        part("CREATE TABLE steps (id INTEGER PRIMARY KEY);", "DROP TABLE steps;", &["steps"]),
        part("MARK;", "MARK;", &[]),
        part(begin_state, end_state, &[]),
        part(&group(add_to_parents(sqlite, "extra")), &group(take_from_parents(sqlite, "extra")), &["parents.extra"]),
        part(end_state, begin_state, &[]),
        part("VACUUM notes;", "VACUUM notes;", &[]),
        part("MARK;", "MARK;", &[]),
    ];
    let mut migration = Migration { transactional: false, ..Migration::new("1.3.0", parts) };
    if sqlite {
        migration.parts[5] = part("VACUUM;", "VACUUM;", &[]);
    }
    migration
}

fn column() -> Migration {
    let up = "ALTER TABLE notes ADD COLUMN author TEXT;\nUPDATE notes SET author = 'nobody';\nMARK;";
    Migration::new("1.4.0", vec![part(up, "ALTER TABLE notes DROP COLUMN author;\nMARK;", &["notes.author"])])
}
