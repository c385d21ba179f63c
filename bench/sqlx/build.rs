//! Chooses the set.

use std::path::Path;

fn main() -> std::io::Result<()> {
    bench_common::embed::write(None, |set| {
        // The macro takes no absolute path. Without the variable there is no set.
        match Path::new(set.trim_matches('"')).file_name() {
            Some(name) if name != "empty" => format!("sqlx::migrate!(\"../work/sets/{}\")", name.display()),
            _ => "sqlx::migrate::Migrator::DEFAULT".to_owned(),
        }
    })
}
