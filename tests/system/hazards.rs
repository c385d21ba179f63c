//! The table of hazards in docs/reliability.md names tests that exist.

use std::fs;
use std::path::Path;

use system_tests::root;

#[test]
fn every_test_that_the_table_names_is_there() {
    let text = fs::read_to_string(root().join("docs/reliability.md")).expect("docs/reliability.md can be read");
    let table = text.split("## Hazards").nth(1).expect("there is a table of hazards");
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let named = rows.flat_map(|row| row.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2));
    let mut source = String::new();
    for folder in ["tests", "migrate-core", "migrate-runtime", "migrate-cli"] {
        read_sources(&root().join(folder), &mut source);
    }
    let missing: Vec<&str> = named.filter(|name| !source.contains(&format!("fn {name}("))).collect();
    assert_eq!(missing, [""; 0]);
}

fn read_sources(folder: &Path, source: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace can be read") {
        let path = entry.expect("a folder of the workspace can be read").path();
        if path.is_dir() {
            read_sources(&path, source);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            source.push_str(&fs::read_to_string(&path).expect("a source can be read"));
        }
    }
}
