//! Databases that do not look as this directory left them.

use std::fs;
use std::path::Path;

use testkit::process;

use crate::support::{Project, Shown, USERS_AND_POSTS, snapshot};

fn applied() -> Project {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    project
}

#[test]
fn a_row_that_the_directory_does_not_hold() {
    let project = applied();
    project.remove("migrations_v2/v1.1.0_posts");
    snapshot!(
        project.migrate("status"),
        project.migrate("check"),
        project.migrate("up"),
        project.migrate("down --yes")
    );
}

#[test]
fn a_row_of_a_newer_program() {
    let project = applied();
    let sql = "
        CREATE TEMP TABLE newer AS SELECT * FROM schema_migrations_v2 WHERE version = '1.1.0';
        UPDATE newer SET version = '2.0.0', name = 'later';
        INSERT INTO schema_migrations_v2 SELECT * FROM newer;
    ";
    project.sqlite().execute_batch(sql).unwrap();
    snapshot!(project.migrate("check"), project.migrate("up"), project.migrate("status"), project.migrate("up --json"));
}

#[test]
fn a_row_that_needs_a_newer_program() {
    let project = applied();
    project
        .sqlite()
        .execute_batch("UPDATE schema_migrations_v2 SET min_runtime_version = '3.0.0' WHERE version = '1.1.0'")
        .unwrap();
    snapshot!(project.migrate("check --runtime-version 2.9.0"), project.migrate("check --runtime-version 3.0.0"));
}

#[test]
fn a_script_that_was_changed() {
    let project = applied();
    project.write(
        "migrations_v2/v1.0.0_users/up.sql",
        "-- The same.\nCREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n",
    );
    snapshot!(project.migrate("check"));
    project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    snapshot!(project.migrate("check"), project.migrate("status"), project.migrate("up"));
}

#[test]
fn a_pending_one_below() {
    let project = applied();
    project.write("migrations_v2/v1.0.1_late/metadata.json", r#"{"version": "1.0.1", "name": "late"}"#);
    project.write("migrations_v2/v1.0.1_late/up.sql", "CREATE TABLE late (id INTEGER);\n");
    project.write("migrations_v2/v1.0.1_late/down.sql", "DROP TABLE late;\n");
    snapshot!(project.migrate("check"), project.migrate("up"), project.migrate("up --allow-out-of-order"));
}

#[test]
fn a_file_that_is_no_database() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("app.db", "This is a letter and no database. ".repeat(50));
    snapshot!(project.migrate("check"), project.migrate("up"));
}

#[cfg(unix)]
#[test]
fn a_read_only_database() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let project = Project::new(USERS_AND_POSTS);
    project.done("up --to 1.0.0");
    let root = project.path("");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let program = root.join("migrate");
    fs::copy(env!("CARGO_BIN_EXE_migrate"), &program).unwrap();
    let is_root = fs::metadata(&root).unwrap().uid() == 0;
    let run = |verb: &str| {
        // Root may write whatever the mode says, so the program runs as nobody, from where nobody can reach it.
        let mut as_nobody = std::process::Command::new(&program);
        as_nobody.args([verb, "--database-url", "sqlite:app.db"]).env("USER", "tester").current_dir(&root);
        as_nobody.uid(65534).gid(65534);
        let command = if is_root { &mut as_nobody } else { &mut project.command(verb) };
        Shown { line: verb.to_owned(), output: process::run(command) }
    };
    mode(&project.path("app.db"), 0o444);
    mode(&root, 0o555);
    let shown = ["up", "doctor"].map(run);
    mode(&root, 0o755);
    let [up, doctor] = shown;
    snapshot!(up, doctor);
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1);
}
