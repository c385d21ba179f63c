//! Every verb on SQLite.

use crate::support::{BROKEN, Project, USERS_AND_POSTS, snapshot};

#[test]
fn up_and_everything_that_reads() {
    let project = Project::new(USERS_AND_POSTS);
    snapshot!(
        project.migrate("status"),
        project.migrate("check"),
        project.migrate("version"),
        project.migrate("history"),
        project.migrate("up --dry-run"),
    );
    assert!(!project.path("app.db").exists(), "reading made a database");

    snapshot!(
        project.migrate("up --steps 1"),
        project.migrate("status"),
        project.migrate("up"),
        project.migrate("up"),
        project.migrate("status"),
        project.migrate("check"),
        project.migrate("version"),
        project.migrate("history"),
        project.migrate("history --limit 1"),
    );
}

#[test]
fn down_and_redo() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    snapshot!(
        project.migrate("down --dry-run"),
        project.migrate("redo --yes"),
        project.migrate("down --yes"),
        project.migrate("up --to 1.1.0"),
        project.migrate("down --to 1.0.0 --yes"),
        project.migrate("down --all --yes"),
        project.migrate("down --yes"),
        project.migrate("status"),
    );
}

#[test]
fn destructive_verbs_need_a_yes_without_a_terminal() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    snapshot!(project.migrate("down"), project.migrate("redo"), project.migrate("down --all --json"));
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 2);
}

#[test]
fn a_version_that_nobody_knows_is_a_typing_mistake() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    snapshot!(project.migrate("up --to 1.3.0"), project.migrate("down --to 0.9.0 --yes"));
}

#[test]
fn a_migration_without_a_way_back() {
    let project = Project::new(USERS_AND_POSTS);
    project.remove("migrations_v2/v1.1.0_posts/down.sql");
    snapshot!(project.migrate("up"), project.migrate("up --quiet"), project.migrate("down --yes --quiet"));
}

#[test]
fn a_script_that_fails_in_the_middle() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{BROKEN}"));
    snapshot!(project.migrate("up"), project.migrate("status"), project.migrate("history"));
    assert_eq!(project.value("SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    assert_eq!(
        project
            .value("SELECT count(*) FROM schema_migrations_v2_history WHERE version = '1.2.0' AND outcome = 'failed'"),
        1
    );
}

#[test]
fn versions_of_the_program() {
    let project = Project::new(
        r#"
--- v1.0.0_a/metadata.json
{"version": "1.0.0", "name": "a"}
--- v1.0.0_a/up.sql
CREATE TABLE a (id INTEGER);
--- v1.0.0_a/down.sql
DROP TABLE a;
--- v2.0.0_b/metadata.json
{"version": "2.0.0", "name": "b", "min_runtime_version": "1.5.0"}
--- v2.0.0_b/up.sql
CREATE TABLE b (id INTEGER);
--- v2.0.0_b/down.sql
DROP TABLE b;
--- v3.0.0_c/metadata.json
{"version": "3.0.0", "name": "c", "min_runtime_version": "2.0.0-0"}
--- v3.0.0_c/up.sql
CREATE TABLE c (id INTEGER);
--- v3.0.0_c/down.sql
DROP TABLE c;
"#,
    );
    project.done("up --to 2.0.0");
    snapshot!(
        project.migrate("compatibility --runtime-version 1.4.0"),
        project.migrate("compatibility --runtime-version 1.5.0 --program 1.6.0 --color always"),
        project.migrate("compatibility --runtime-version 1.5.0 --format markdown"),
        project.migrate("compatibility --runtime-version 1.5.0 --format svg"),
        project.migrate("check --runtime-version 1.4.0"),
        project.migrate("check --runtime-version 1.5.0"),
        project.migrate("check"),
    );
}

#[test]
fn quiet_says_nothing_when_all_is_well() {
    let project = Project::new(USERS_AND_POSTS);
    for line in [
        "validate",
        "lock",
        "lock --check",
        "up --dry-run",
        "up",
        "status",
        "check",
        "history",
        "version",
        "compatibility",
        "repair",
        "repair --all --yes",
        "force 1.1.0 --applied --reason x --yes",
        "baseline 1.1.0 --yes",
        "lock show",
        "lock release --yes",
        "redo --yes",
        "down --yes",
        "new more",
    ] {
        let shown = project.migrate(&format!("{line} --quiet"));
        let silent = shown.output.stdout.is_empty() && shown.output.stderr.is_empty();
        assert!(silent && shown.output.code == 0, "{shown}");
    }
}

#[test]
fn verbose_says_more() {
    let project = Project::new(USERS_AND_POSTS);
    snapshot!(project.migrate("up --verbose"));
}

#[test]
fn a_ledger_of_another_name() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up --table ours");
    assert_eq!(project.value("SELECT count(*) FROM ours"), 2);
    assert_eq!(project.value("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'schema_migrations%'"), 0);
}

#[test]
fn a_phase_stops_before_the_other_and_says_what_is_left() {
    let project = Project::new(
        r#"
--- v1.0.0_users/metadata.json
{"version": "1.0.0", "name": "users"}
--- v1.0.0_users/up.sql
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
--- v1.0.0_users/down.sql
DROP TABLE users;
--- v1.1.0_full_name/metadata.json
{"version": "1.1.0", "name": "full_name", "phase": "expand"}
--- v1.1.0_full_name/up.sql
ALTER TABLE users ADD COLUMN full_name TEXT;
--- v1.1.0_full_name/down.sql
ALTER TABLE users DROP COLUMN full_name;
--- v1.2.0_no_name/metadata.json
{"version": "1.2.0", "name": "no_name", "phase": "contract", "dependencies": ["1.1.0"], "min_runtime_version": "1.4.0"}
--- v1.2.0_no_name/up.sql
ALTER TABLE users DROP COLUMN name;
--- v1.2.0_no_name/down.sql
ALTER TABLE users ADD COLUMN name TEXT;
--- v1.3.0_posts/metadata.json
{"version": "1.3.0", "name": "posts"}
--- v1.3.0_posts/up.sql
CREATE TABLE posts (id INTEGER PRIMARY KEY);
--- v1.3.0_posts/down.sql
DROP TABLE posts;
"#,
    );
    snapshot!(
        project.migrate("up --phase contract"),
        project.migrate("up --phase expand"),
        project.migrate("up --phase expand"),
        project.migrate("up --phase contract"),
        project.migrate("up --phase expand"),
    );
    let project = Project::new(USERS_AND_POSTS);
    let document = project.document(
        "up --to 1.0.0",
        0,
        &["format", "outcome", "steps", "error", "run", "ends_with", "remaining", "health", "backup"],
    );
    assert_eq!(document["remaining"], serde_json::json!([{"version": "1.1.0", "name": "posts", "phase": null}]));
}
