//! The verbs that work on the directory: `new`, `lock`, `validate`.

use std::fs;

use crate::support::{Project, USERS_AND_POSTS, snapshot};

#[test]
fn from_nothing() {
    let project = Project::new("").without_url();
    snapshot!(
        project.migrate("new users --description Accounts"),
        project.migrate("new add_index"),
        project.migrate("new fix_index --patch"),
        project.migrate("new split_names --major --min-runtime-version 1.4.0"),
        project.migrate("new far --version 7.0.1 --min-runtime-version 2.0.0-rc.1"),
        project.migrate("lock --check"),
        project.migrate("validate --quiet"),
    );
    let read = |file: &str| fs::read_to_string(project.path("migrations_v2/v1.0.0_users").join(file)).unwrap();
    snapshot!(read("metadata.json"), read("up.sql"), read("down.sql"));
}

#[test]
fn names_and_versions_that_cannot_be() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    snapshot!(
        project.migrate("new Add-Index"),
        project.migrate("new --"),
        project.migrate("new ../escape"),
        project.migrate("new again --version 1.1.0"),
        project.migrate("new between --version 1.0.5"),
    );
}

#[test]
fn a_higher_major_without_a_minimum() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    snapshot!(project.migrate("new split_names --major"));
    assert!(!project.path("migrations_v2/v2.0.0_split_names").exists());
}

#[test]
fn a_new_migration_does_not_release_an_edit() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.done("lock");
    project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER);\n");
    project.done("new more");
    snapshot!(
        project.migrate("lock --check"),
        project.migrate("lock"),
        project.migrate("lock"),
        project.migrate("lock --check")
    );
}

#[test]
fn what_is_locked_anew_is_named() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.done("lock");
    project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER);\n");
    project.write("migrations_v2/v1.0.0_users/verify.sql", "SELECT true;\n");
    fs::remove_dir_all(project.path("migrations_v2/v1.1.0_posts")).unwrap();
    let locked = fs::read(project.path("migrations_v2/migrations.lock")).unwrap();
    snapshot!(project.migrate("lock"), project.migrate("lock"));
    project.write("migrations_v2/migrations.lock", &locked);
    let document = project.document("lock", 0, &["format", "outcome", "path", "relocked"]);
    assert_eq!(document["relocked"].as_array().unwrap().len(), 3);
    project.write("migrations_v2/migrations.lock", [&locked[..], b"<<<<<<< HEAD\n"].concat());
    snapshot!(project.migrate("lock"));
}

#[test]
fn a_directory_without_a_lock_file_is_not_locked() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    snapshot!(project.migrate("lock --check"), project.migrate("validate"));
}
