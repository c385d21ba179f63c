//! `squash`: one migration in place of many, and what becomes of databases that have the many.

use std::fs;

use serde_json::json;
use testkit::postgres::Server;

use crate::support::{Project, USERS_AND_POSTS, check_keys, snapshot};

/// A third one with rows that it inserts, and a fourth that depends on what is squashed.
const KINDS_AND_TAGS: &str = r#"
--- v1.2.0_kinds/metadata.json
{"version": "1.2.0", "name": "kinds", "dependencies": ["1.1.0"], "expects": {"tables": ["kinds"]}}
--- v1.2.0_kinds/up.sql
CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO kinds (id, name) VALUES (1, 'article'), (2, 'it''s a note')
--- v1.2.0_kinds/down.sql
DROP TABLE kinds;
--- v1.2.0_kinds/verify.sql
SELECT count(*) = 2 FROM kinds;
--- v1.3.0_tags/metadata.json
{"version": "1.3.0", "name": "tags", "dependencies": ["1.0.0", "1.2.0"]}
--- v1.3.0_tags/up.sql
CREATE TABLE tags (id INTEGER PRIMARY KEY);
--- v1.3.0_tags/down.sql
DROP TABLE tags;
"#;

fn project() -> Project {
    let project = Project::new(&format!("{USERS_AND_POSTS}{KINDS_AND_TAGS}\n"));
    project.done("lock");
    project
}

fn read(project: &Project, path: &str) -> String {
    fs::read_to_string(project.path("migrations_v2").join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names in the directory.
fn listed(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.path("migrations_v2")).expect("the directory can be read");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}

#[test]
fn many_become_one() {
    let project = project();
    let before = listed(&project);
    let shown = project.migrate("squash --to 1.2.0 --name initial_schema --dry-run");
    assert_eq!(listed(&project), before);
    snapshot!(
        shown,
        project.migrate("squash --to 1.2.0 --name initial_schema --yes"),
        listed(&project).join("\n"),
        read(&project, "v1.2.0_initial_schema/metadata.json"),
        read(&project, "v1.2.0_initial_schema/up.sql"),
        read(&project, "v1.2.0_initial_schema/down.sql"),
        read(&project, "v1.3.0_tags/metadata.json"),
        project.migrate("validate"),
        project.migrate("lock --check"),
        project.migrate("up"),
        project.migrate("status"),
        project.migrate("down --all --yes"),
    );
}

#[test]
fn a_draft_above_stays_one() {
    let project = project();
    project.done("new later");
    project.done("squash --to 1.2.0 --yes");
    let drafts: Vec<bool> =
        read(&project, "migrations.lock").lines().skip(2).map(|line| line.contains(" draft chain=")).collect();
    assert_eq!(drafts, [false, false, true]);
}

#[test]
fn a_database_that_has_the_many_goes_on() {
    let project = project();
    project.done("up --to 1.2.0");
    project.done("squash --to 1.2.0 --yes");
    snapshot!(
        project.migrate("check"),
        project.migrate("up"),
        project.migrate("status"),
        project.migrate("diff"),
        project.migrate("schema diff"),
        project.migrate("redo --yes"),
        project.migrate("down --to 1.2.0 --yes"),
        project.migrate("redo --yes"),
        project.migrate("repair 1.0.0 --yes"),
        project.migrate("repair"),
        project.migrate("baseline 1.2.0 --dry-run"),
    );
    assert_eq!(project.value("SELECT count(*) FROM kinds"), 2);
    let document = project.document("status", 0, &["format", "database_version", "verdict", "migrations"]);
    assert_eq!(document["migrations"][0]["state"], "replaced");
    snapshot!(
        project.migrate("baseline 1.2.0 --yes"),
        project.migrate("up"),
        project.migrate("status"),
        project.migrate("down --all --yes"),
    );
}

#[test]
fn a_database_that_has_some_of_the_many_is_refused() {
    let project = project();
    let copy = self::project();
    project.done("up --to 1.1.0");
    project.done("squash --to 1.2.0 --yes");
    snapshot!(
        project.migrate("check"),
        project.migrate("up"),
        project.migrate("baseline 1.2.0 --yes"),
        project.migrate("plan"),
    );
    // What the remedy says.
    fs::copy(project.path("app.db"), copy.path("app.db")).unwrap();
    copy.done("up --to 1.2.0");
    fs::copy(copy.path("app.db"), project.path("app.db")).unwrap();
    project.done("up");
    assert_eq!(project.migrate("check").output.code, 0);
}

#[test]
fn what_was_squashed_is_squashed_again() {
    let project = project();
    project.done("up");
    project.done("squash --to 1.1.0 --yes");
    project.done("squash --to 1.2.0 --name second --yes");
    project.done("squash --to 1.3.0 --name third --yes");
    snapshot!(read(&project, "v1.3.0_third/metadata.json"), project.migrate("validate"), project.migrate("check"));
}

#[test]
fn what_would_not_be_equal_is_refused() {
    let files = format!(
        r#"{USERS_AND_POSTS}
--- v1.2.0_counts/metadata.json
{{"version": "1.2.0", "name": "counts"}}
--- v1.2.0_counts/up.sql
CREATE TABLE counts (number INTEGER);
INSERT INTO counts SELECT count(*) FROM schema_migrations_v2;
--- v1.2.0_counts/down.sql
DROP TABLE counts;
"#
    );
    let project = Project::new(&files);
    let before = listed(&project);
    snapshot!(project.migrate("squash --to 1.2.0 --yes"));
    assert_eq!(listed(&project), before);
    project.write(
        "migrations_v2/v1.0.0_users/up.sql",
        "CREATE TEMP TABLE t (id INTEGER);\nCREATE TABLE users (id INTEGER);\n",
    );
    project.write(
        "migrations_v2/v1.1.0_posts/up.sql",
        "CREATE TEMP TABLE t (id INTEGER);\nCREATE TABLE posts (id INTEGER);\n",
    );
    snapshot!(project.migrate("squash --to 1.1.0 --yes"));
    assert_eq!(listed(&project), before);
}

#[test]
fn values_that_are_new_at_every_run_are_not_compared() {
    let project = Project::new(USERS_AND_POSTS);
    let up = "CREATE TABLE posts (id INTEGER, made TEXT DEFAULT (strftime('%f', 'now')), token BLOB);
INSERT INTO posts (id, token) VALUES (1, randomblob(8)), (2, randomblob(8));\n";
    project.write("migrations_v2/v1.1.0_posts/up.sql", up);
    snapshot!(project.migrate("squash --to 1.1.0 --yes"));
}

#[test]
fn a_way_back_that_does_not_exist_is_left_out() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("migrations_v2/v1.1.0_posts/down.sql", "DROP TABLE nowhere;\n");
    project.write("migrations_v2/v1.0.0_users/README.md", "For later.\n");
    snapshot!(
        project.migrate("squash --to 1.1.0 --yes"),
        read(&project, "v1.1.0_squashed/metadata.json"),
        listed(&project).join("\n"),
    );
    let project = Project::new(USERS_AND_POSTS);
    project.remove("migrations_v2/v1.0.0_users/down.sql");
    snapshot!(project.migrate("squash --to 1.1.0 --yes"));
}

#[test]
fn what_cannot_be_squashed() {
    let files = format!(
        r#"{USERS_AND_POSTS}
--- v1.2.0_outside/metadata.json
{{"version": "1.2.0", "name": "outside", "transaction": false, "irreversible": "for a test"}}
--- v1.2.0_outside/up.sql
VACUUM;
"#
    );
    let project = Project::new(&files);
    snapshot!(
        project.migrate("squash"),
        project.migrate("squash --to 1.0.0"),
        project.migrate("squash --to 1.0.7"),
        project.migrate("squash --to 1.2.0"),
        project.migrate("squash --to 1.1.0 --name Initial"),
        project.migrate("squash --to 1.1.0"),
    );
    project.write("migrations_v2/v1.1.0_posts/metadata.json", r#"{"version": "1.1.1", "name": "posts"}"#);
    assert_eq!(project.migrate("squash --to 1.1.0 --yes").output.code, 65);
}

#[test]
fn documents() {
    let project = project();
    let keys = [
        "format",
        "outcome",
        "version",
        "name",
        "path",
        "files",
        "replaced",
        "rewritten",
        "left_behind",
        "irreversible",
        "proven",
    ];
    let document = project.document("squash --to 1.2.0 --dry-run", 0, &keys);
    assert_eq!(document["replaced"], json!(["v1.0.0_users", "v1.1.0_posts", "v1.2.0_kinds"]));
    check_keys(&document["proven"][0], &["database", "not_compared"]);
    let document = project.document("squash --to 1.2.0 --yes", 0, &keys);
    assert_eq!(
        (&document["outcome"], &document["path"]),
        (&json!("squashed"), &json!("migrations_v2/v1.2.0_squashed"))
    );
}

#[test]
fn on_postgres() {
    let server = Server::shared();
    let project = Project::new(&format!("{USERS_AND_POSTS}{KINDS_AND_TAGS}\n")).with_database(server.database());
    project.done("up");
    let unnamed = project.migrate("squash --to 1.2.0 --yes");
    assert_eq!(unnamed.output.code, 78, "{unnamed}");
    project.done(&format!("squash --to 1.2.0 --yes --shadow-url {}", server.url()));
    snapshot!(
        project.migrate("check"),
        project.migrate("up"),
        project.migrate("baseline 1.2.0 --yes"),
        project.migrate("status"),
        project.migrate("down --all --yes"),
        project.migrate("up"),
    );
    assert_eq!(project.psql("SELECT count(*) FROM kinds").trim(), "2");
}

#[test]
fn scripts_for_a_database_that_is_not_used_are_named() {
    let project = project();
    for database in ["sqlite", "postgres"] {
        let path = format!("migrations_v2/v1.1.0_posts/up.{database}.sql");
        project.write(&path, "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER);\n");
    }
    project.remove("migrations_v2/v1.1.0_posts/up.sql");
    project.done("lock");
    snapshot!(
        project.migrate("squash --to 1.2.0 --yes"),
        project.migrate("squash --to 1.2.0 --yes --shadow-url sqlite::memory:"),
    );
    // What the hint says.
    project.remove("migrations_v2/v1.1.0_posts/up.postgres.sql");
    project.done("lock");
    project.done("squash --to 1.2.0 --yes");
}

#[test]
fn scripts_for_each_database_are_proven_on_each() {
    let server = Server::shared();
    let project = Project::new(&format!("{USERS_AND_POSTS}{KINDS_AND_TAGS}\n"));
    project.write(
        "migrations_v2/v1.1.0_posts/up.sqlite.sql",
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER);\n",
    );
    snapshot!(project.migrate("squash --to 1.2.0 --yes"));
    let line = format!("squash --to 1.2.0 --yes --shadow-url {}", server.url());
    snapshot!(project.migrate(&line), listed(&project).join("\n"), read(&project, "v1.2.0_squashed/metadata.json"));
}
