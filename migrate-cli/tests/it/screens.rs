//! The screens of the README: what the program shows on a terminal, as SVG.

use std::fs;
use std::path::Path;
use std::process::Command;

use anstyle_svg::Term;
use regex::Regex;
use testkit::process::run;

use crate::support::{BROKEN, Project, USERS_AND_POSTS};

/// Two migrations after those of users and posts: one that old programs outlive, and one that they do not.
const NAMES: &str = r#"
--- v1.2.0_full_name/metadata.json
{"version": "1.2.0", "name": "full_name", "phase": "expand", "dependencies": ["1.0.0"]}
--- v1.2.0_full_name/up.sql
ALTER TABLE users ADD COLUMN full_name TEXT;
--- v1.2.0_full_name/down.sql
ALTER TABLE users DROP COLUMN full_name;
--- v2.0.0_drop_name/metadata.json
{"version": "2.0.0", "name": "drop_name", "phase": "contract", "dependencies": ["1.2.0"], "min_runtime_version": "1.5.0"}
--- v2.0.0_drop_name/up.sql
ALTER TABLE users DROP COLUMN name;
--- v2.0.0_drop_name/down.sql
ALTER TABLE users ADD COLUMN name TEXT;
"#;

/// What a terminal of 80 columns shows of some commands, with their lines.
fn screen(project: &Project, lines: &[&str]) -> String {
    let mut shown = String::new();
    for line in lines {
        let program = env!("CARGO_BIN_EXE_migrate");
        let typed = format!("stty cols 80; '{program}' {line}");
        let mut script = Command::new("script");
        // The variables of the program's own tests.
        for (name, value) in project.command("").get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script.env("TERM", "xterm-256color").env_remove("CLICOLOR");
        let output = run(script.args(["-qec", &typed, "/dev/null"]).current_dir(project.path("")));
        shown.push_str(&format!("\x1b[1m$ migrate {line}\x1b[0m\n{}\n", output.stdout.replace('\r', "")));
    }
    same_on_every_run(shown.trim_end())
}

/// Times, and the columns that become wider with them.
fn same_on_every_run(text: &str) -> String {
    let changing = [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00", "2026-01-01 09:30:00+00"),
        (r"\((\d+ ms|\d+\.\d s)\)", "(2 ms)"),
        (r"(?m)(09:30:00\+00) +[\d.]+ m?s$", "$1  2 ms"),
        (r"(?m)(applied at) +took$", "$1              took"),
        (r"took (\d+ ms|\d+\.\d s) last", "took 2 ms last"),
    ];
    changing.iter().fold(text.to_owned(), |text, (pattern, replacement)| {
        Regex::new(pattern).expect("the pattern is well formed").replace_all(&text, *replacement).into_owned()
    })
}

/// Compares a screen with its file in `docs/screens`, or writes it.
#[track_caller]
fn check(name: &str, project: &Project, lines: &[&str]) {
    let current = Term::new().render_svg(&screen(project, lines));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/screens").join(format!("{name}.svg"));
    if std::env::var("UPDATE_DOCS").is_ok() {
        fs::write(&path, &current).expect("docs can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        current == kept,
        "docs/screens/{name}.svg is stale: run `UPDATE_DOCS=1 cargo test -p migrate-cli --test it screens`"
    );
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&format!("(docs/screens/{name}.svg)")), "README.md does not show docs/screens/{name}.svg");
}

fn project() -> Project {
    Project::new(&format!("{USERS_AND_POSTS}{NAMES}"))
}

#[test]
fn status() {
    let project = project();
    project.done("up --to 1.2.0");
    project.write("migrations_v2/v1.1.0_posts/up.sql", "CREATE TABLE posts (id INTEGER PRIMARY KEY);\n");
    check("status", &project, &["status"]);
}

#[test]
fn up() {
    check("up", &Project::new(&format!("{USERS_AND_POSTS}{BROKEN}")), &["up"]);
}

#[test]
fn plan() {
    let project = project();
    project.done("up --to 1.0.0");
    check("plan", &project, &["plan", "plan --to 1.2.0 --sql"]);
}

#[test]
fn compatibility() {
    let project = project();
    project.done("up");
    check("compatibility", &project, &["compatibility --runtime-version 1.4.0"]);
}

#[test]
fn graph() {
    check("graph", &project(), &["graph", "graph --format mermaid"]);
}
