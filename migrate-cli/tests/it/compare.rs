//! `diff`, `schema dump`, `schema diff`, `test`: what differs, and what a set leaves on scratch databases.

use serde_json::json;
use testkit::postgres::Server;

use crate::support::{Project, USERS_AND_POSTS, check_keys, snapshot};

/// A down script that forgets an index, and rows to be lost.
const FORGETFUL: &str = r#"
--- v1.2.0_by_name/metadata.json
{"version": "1.2.0", "name": "by_name"}
--- v1.2.0_by_name/up.sql
CREATE TABLE marks (id INTEGER PRIMARY KEY);
CREATE INDEX users_by_name ON users (name);
--- v1.2.0_by_name/down.sql
DROP TABLE marks;
--- v1.3.0_one_way/metadata.json
{"version": "1.3.0", "name": "one_way", "irreversible": "for a test"}
--- v1.3.0_one_way/up.sql
CREATE TABLE one_way (id INTEGER PRIMARY KEY);
"#;

#[test]
fn what_was_applied_is_compared_with_the_directory() {
    let project = Project::new(USERS_AND_POSTS);
    let before = project.migrate("diff");
    assert!(!project.path("app.db").exists());
    project.done("up");
    let equal = project.migrate("diff --exit-code");
    project.write("migrations_v2/v1.1.0_posts/up.sql", "CREATE TABLE posts (id INTEGER PRIMARY KEY);\n");
    project.write("migrations_v2/v1.2.0_tags/metadata.json", r#"{"version": "1.2.0", "name": "tags"}"#);
    project.write("migrations_v2/v1.2.0_tags/up.sql", "CREATE TABLE tags (id INTEGER PRIMARY KEY);\n");
    project.write("migrations_v2/v1.2.0_tags/down.sql", "DROP TABLE tags;\n");
    project.remove("migrations_v2/v1.0.0_users");
    snapshot!(before, equal, project.migrate("diff"), project.migrate("diff --exit-code --quiet"));
    let document = project.document("diff", 0, &["format", "outcome", "comparisons"]);
    let comparison = &document["comparisons"][0];
    check_keys(comparison, &["left", "right", "only_left", "only_right", "changed"]);
    check_keys(&comparison["changed"][0], &["migration", "file", "diff"]);
    assert_eq!(comparison["only_left"], json!(["v1.2.0_tags"]));
}

#[test]
fn the_structure_of_a_database() {
    let project = Project::new(USERS_AND_POSTS);
    let empty = project.migrate("schema dump");
    assert!(!project.path("app.db").exists());
    project.done("up");
    snapshot!(
        empty,
        project.migrate("schema dump"),
        project.migrate("schema dump --output schema.txt"),
        project.migrate("schema diff schema.txt --exit-code"),
        project.migrate("schema diff --exit-code"),
        project.migrate("schema diff nowhere.txt"),
    );
    project.sqlite().execute_batch("CREATE INDEX by_hand ON users (name); DROP TABLE posts").unwrap();
    snapshot!(
        project.migrate("schema diff"),
        project.migrate("schema diff --exit-code --quiet"),
        project.migrate("schema diff --shadow-url postgres://nobody@localhost/postgres"),
    );
    let document = project.document(
        "schema diff schema.txt",
        0,
        &["format", "outcome", "expected", "missing", "unexpected", "diff"],
    );
    assert_eq!(document["unexpected"], json!(["table users index by_hand: create index by_hand on users ( name )"]));
    project.document("schema dump", 0, &["format", "outcome", "path", "schema"]);
}

#[test]
fn a_pending_migration_is_no_drift() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{FORGETFUL}"));
    project.done("up --to 1.1.0");
    let shown = project.migrate("schema diff --exit-code");
    assert_eq!(
        (shown.output.code, &*shown.output.stdout),
        (0, "the database is as its migrations make it\n"),
        "{shown}"
    );
}

#[test]
fn drift_on_postgres() {
    let server = Server::shared();
    let database = server.database();
    let project = Project::new(USERS_AND_POSTS).with_url(database.url());
    project.done("up");
    let shadow = format!("schema diff --exit-code --shadow-url {}", server.url());
    project.done(&shadow);
    // The search path of the database is not that of the scratch database.
    database.psql(&format!("ALTER DATABASE {} SET search_path = pg_catalog", database.name()));
    database.psql("ALTER TABLE public.users ADD COLUMN by_hand text");
    let shown = project.migrate(&shadow);
    assert_eq!(shown.output.code, 70, "{shown}");
    assert!(shown.output.stdout.contains("+table public.users column by_hand: text\n"), "{shown}");
    snapshot!(project.migrate("schema diff"));
}

#[test]
fn round_trips() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{FORGETFUL}")).without_url();
    snapshot!(
        project.migrate("test"),
        project.migrate("test 1.0.0 1.3.0"),
        project.migrate("test 1.0"),
        project.migrate("test 9.0.0"),
        Project::new(USERS_AND_POSTS).without_url().migrate("test"),
    );
    let keys = ["format", "outcome", "database", "migrations", "from_empty_to_head"];
    let document = project.document("test", 70, &keys);
    check_keys(&document["migrations"][0], &["version", "name", "outcome", "reversible", "failure"]);
    assert_eq!(document["outcome"], "failed");
    assert!(document["migrations"][2]["failure"].as_str().unwrap().contains("users_by_name"));
    assert_eq!(project.document("test 1.0.0", 0, &keys)["from_empty_to_head"], json!(null));
}

#[test]
fn round_trips_with_rows() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("migrations_v2/v1.0.0_users/fixtures.sql", "INSERT INTO users (id, name) VALUES (1, 'Ada');\n");
    project.write("migrations_v2/v1.1.0_posts/up.sql", "DELETE FROM users;\nCREATE TABLE posts (id INTEGER);\n");
    let shown = project.migrate("test");
    assert_eq!(shown.output.code, 70, "{shown}");
    assert!(shown.output.stderr.contains("-users: id=1, name='Ada'"), "{shown}");
}

#[test]
fn round_trips_on_postgres() {
    let server = Server::shared();
    let project = Project::new(USERS_AND_POSTS).with_url("postgres://app@localhost/shop");
    assert_eq!(project.migrate("test").output.code, 78);
    snapshot!(project.migrate(&format!("test --shadow-url {}", server.url())));
}
