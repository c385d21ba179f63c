//! Chooses the set: a folder with `up` and `down`, each with one file for each migration.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    bench_common::embed::write(None, |set| {
        let set = set.trim_matches('"');
        // An unreadable set is an empty one: without the variable there is none.
        format!("({}, {})", list(set, "up").unwrap_or("&[]".into()), list(set, "down").unwrap_or("&[]".into()))
    })
}

fn list(set: &str, folder: &str) -> io::Result<String> {
    let entries = fs::read_dir(Path::new(set).join(folder))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    let mut list = String::from("&[");
    for file in files {
        write!(list, "include_str!({file:?}),").map_err(io::Error::other)?;
    }
    list.push(']');
    Ok(list)
}
