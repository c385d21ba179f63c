//! The workload: sets of migrations, the same SQL in the layout of each tool.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// How a tool wants its migrations on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `v1.N.0_NAME/{metadata.json,up.sql,down.sql,verify.sql}`; every second one has a verification.
    Ours,
    /// `N_NAME.up.sql` and `N_NAME.down.sql`.
    Sqlx,
    /// `VN__NAME.sql`; there is no way back.
    Refinery,
    /// `N_NAME/{up.sql,down.sql}`.
    Diesel,
    /// `N-NAME/{up.sql,down.sql}`.
    RusqliteMigration,
    /// `up/N.sql` and `down/N.sql`.
    Plain,
}

/// The set of `size` migrations in a layout below `work`, written if it is not there yet.
pub(crate) fn write(work: &Path, layout: Layout, size: usize) -> io::Result<PathBuf> {
    let name = format!("{layout:?}-{size}").to_lowercase();
    let set = work.join("sets").join(&name);
    if set.exists() {
        return Ok(set);
    }
    // A set that was interrupted never gets its name.
    let draft = work.join("sets").join(format!("{name}.draft"));
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    for number in 1..=size {
        for (path, content) in files(layout, number) {
            let path = draft.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&draft))?;
            fs::write(path, content)?;
        }
    }
    fs::rename(draft, &set)?;
    Ok(set)
}

/// The bytes of SQL that a tool embeds of a set: a layout without a way back embeds less.
pub(crate) fn bytes(layout: Layout, size: usize) -> usize {
    let sql = |number| files(layout, number).into_iter().filter(|(path, _)| path.ends_with(".sql"));
    (1..=size).flat_map(sql).map(|(_, content)| content.len()).sum()
}

fn files(layout: Layout, number: usize) -> Vec<(String, String)> {
    let (up, down) = (up(number), down(number));
    match layout {
        Layout::Ours => {
            let folder = format!("v1.{number}.0_table_{number}");
            let metadata = format!("{{\"version\": \"1.{number}.0\", \"name\": \"table_{number}\"}}\n");
            let mut files = vec![
                (format!("{folder}/metadata.json"), metadata),
                (format!("{folder}/up.sql"), up),
                (format!("{folder}/down.sql"), down),
            ];
            if number.is_multiple_of(2) {
                files.push((format!("{folder}/verify.sql"), format!("SELECT count(*) = 1 FROM table_{number};\n")));
            }
            files
        }
        Layout::Sqlx => vec![
            (format!("{number:05}_table_{number}.up.sql"), up),
            (format!("{number:05}_table_{number}.down.sql"), down),
        ],
        Layout::Refinery => vec![(format!("V{number}__table_{number}.sql"), up)],
        Layout::Diesel => pair(&format!("{number:05}_table_{number}"), up, down),
        Layout::RusqliteMigration => pair(&format!("{number:05}-table_{number}"), up, down),
        Layout::Plain => vec![(format!("up/{number:05}.sql"), up), (format!("down/{number:05}.sql"), down)],
    }
}

fn pair(folder: &str, up: String, down: String) -> Vec<(String, String)> {
    vec![(format!("{folder}/up.sql"), up), (format!("{folder}/down.sql"), down)]
}

/// Both databases understand it.
fn up(number: usize) -> String {
    format!(
        "CREATE TABLE table_{number} (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, name TEXT NOT NULL);\n\
         CREATE INDEX table_{number}_owner ON table_{number} (owner);\n\
         ALTER TABLE table_{number} ADD COLUMN note TEXT;\n\
         INSERT INTO table_{number} (id, owner, name, note) VALUES (1, 1, 'first', 'of {number}');\n"
    )
}

fn down(number: usize) -> String {
    format!("DROP INDEX table_{number}_owner;\nDROP TABLE table_{number};\n")
}
