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
    for folder in ["tests", "migrate-build", "migrate-core", "migrate-runtime", "migrate-cli"] {
        read_sources(&root().join(folder), &mut source);
    }
    let missing: Vec<&str> = named.filter(|name| !source.contains(&format!("fn {name}("))).collect();
    assert_eq!(missing, [""; 0]);
}

/// Users who were told that their database is broken have deleted good ones.
#[test]
fn no_help_advises_to_delete_data() {
    let mut source = String::new();
    for folder in ["migrate-core/src", "migrate-runtime/src", "migrate-cli/src"] {
        read_sources(&root().join(folder), &mut source);
    }
    let of_sources = source.split("help(").skip(1).map(|rest| rest.split([';', '}']).next().unwrap_or_default());
    let mut shown = String::new();
    read_files(&root().join("migrate-cli/tests/it/snapshots"), "snap", &mut shown);
    read_files(&root().join("docs"), "md", &mut shown);
    let of_output = shown.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("hint: ") || line.starts_with("= help: ") || line.starts_with("help: ")
    });
    let words = ["delete ", "drop ", "truncate ", "wipe ", "erase ", "start over", "from scratch", "rm -"];
    // A scratch database of our own, and the words of a script that is to be corrected.
    let known = ["drop it by hand: `{sql", "help: correct `DROP"];
    let advises = |text: &&str| {
        words.iter().any(|word| text.to_lowercase().contains(word)) && !known.iter().any(|it| text.contains(it))
    };
    let helps: Vec<&str> = of_sources.chain(of_output).collect();
    assert!(helps.len() > 200, "{} texts were found", helps.len());
    let bad: Vec<&str> = helps.into_iter().filter(advises).collect();
    assert_eq!(bad, [""; 0]);
}

fn read_sources(folder: &Path, source: &mut String) {
    read_files(folder, "rs", source);
}

fn read_files(folder: &Path, kind: &str, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace can be read") {
        let path = entry.expect("a folder of the workspace can be read").path();
        if path.is_dir() {
            read_files(&path, kind, text);
        } else if path.extension().is_some_and(|extension| extension == kind) {
            text.push_str(&fs::read_to_string(&path).expect("a text can be read"));
        }
    }
}
