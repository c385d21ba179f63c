//! `fix`: what is repaired of a directory, and what is not.

use std::fs;

use serde_json::json;

use crate::support::{Project, USERS_AND_POSTS, snapshot};

/// What two branches added.
const TAGS: &str = r#"
--- v1.2.0_tags/metadata.json
{"version": "1.2.0", "name": "tags"}
--- v1.2.0_tags/up.sql
CREATE TABLE tags (id INTEGER PRIMARY KEY);
--- v1.2.0_tags/down.sql
DROP TABLE tags;
"#;
const LIKES: &str = r#"
--- v1.2.0_likes/metadata.json
{"version": "1.2.0", "name": "likes"}
--- v1.2.0_likes/up.sql
CREATE TABLE likes (id INTEGER PRIMARY KEY);
--- v1.2.0_likes/down.sql
DROP TABLE likes;
--- v1.3.0_more_likes/metadata.json
{"version": "1.3.0", "name": "more_likes", "dependencies": ["1.2.0"]}
--- v1.3.0_more_likes/up.sql
ALTER TABLE likes ADD COLUMN more TEXT;
--- v1.3.0_more_likes/down.sql
ALTER TABLE likes DROP COLUMN more;
"#;

fn lock_of(files: &str) -> String {
    // As if others followed: a file ends where the next begins.
    let project = Project::new(&format!("{files}\n")).without_url();
    project.done("lock");
    fs::read_to_string(project.path("migrations_v2/migrations.lock")).expect("the lock file can be read")
}

#[test]
fn names_and_metadata() {
    let project = Project::new(
        r#"
--- v1.0_Users/metadata.json
{"version": "1.0", "name": "Users", "description": "Accounts", } // a comment
--- v1.0_Users/up.sql
CREATE TABLE users (id INTEGER PRIMARY KEY);
--- v1.0_Users/Down.sql
DROP TABLE users;
--- v1.1.0_posts/up.sql
CREATE TABLE posts (id INTEGER PRIMARY KEY);
--- v1.1.0_posts/down.sql
DROP TABLE posts;
"#,
    )
    .without_url();
    snapshot!(
        project.migrate("fix"),
        project.migrate("fix --dry-run"),
        project.migrate("fix --yes"),
        project.migrate("fix"),
        project.migrate("validate"),
        fs::read_to_string(project.path("migrations_v2/v1.0.0_users/metadata.json")).unwrap(),
    );
}

#[test]
fn a_version_that_two_branches_took() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{TAGS}{LIKES}"));
    // The other branch was merged first, and this one's lines were dropped from the lock file in the merge.
    project.write("migrations_v2/migrations.lock", lock_of(&format!("{USERS_AND_POSTS}{TAGS}")));
    assert_eq!(project.migrate("validate").output.code, 65);
    let before = fs::read_to_string(project.path("migrations_v2/v1.2.0_likes/up.sql")).unwrap();
    snapshot!(project.migrate("fix --yes"), project.migrate("validate"), project.migrate("list"));
    assert_eq!(fs::read_to_string(project.path("migrations_v2/v1.3.0_likes/up.sql")).unwrap(), before);
    project.done("up");
}

#[test]
fn a_merge_conflict_in_the_lock_file() {
    let files = format!("{USERS_AND_POSTS}{TAGS}{LIKES}");
    let project = Project::new(&files).without_url();
    let base = lock_of(USERS_AND_POSTS);
    let (ours, theirs) = (lock_of(&format!("{USERS_AND_POSTS}{LIKES}")), lock_of(&format!("{USERS_AND_POSTS}{TAGS}")));
    let lines =
        |text: &str| text.lines().skip(base.lines().count()).map(|line| format!("{line}\n")).collect::<String>();
    let conflict = format!("{base}<<<<<<< HEAD\n{}=======\n{}>>>>>>> main\n", lines(&ours), lines(&theirs));
    project.write("migrations_v2/migrations.lock", &conflict);
    snapshot!(
        project.migrate("fix --yes"),
        project.migrate("fix --renumber v9 --yes"),
        project.migrate("fix --renumber v1.2.0_likes --dry-run"),
        project.migrate("fix --renumber v1.2.0_likes --yes"),
        project.migrate("validate"),
    );
}

#[test]
fn an_edit_of_a_locked_script_is_not_released() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.done("lock");
    project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER);\n");
    project.write("migrations_v2/v1.2.0_new/metadata.json", r#"{"version": "1.2.0", "name": "new"}"#);
    project.write("migrations_v2/v1.2.0_new/up.sql", "SELECT 1;\n");
    project.write("migrations_v2/v1.2.0_new/down.sql", "SELECT 1;\n");
    snapshot!(project.migrate("fix --yes"), project.migrate("validate"));
}

#[test]
fn documents() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{TAGS}{LIKES}")).without_url();
    let keys = ["format", "outcome", "actions", "left", "errors"];
    let document = project.document("fix --dry-run", 65, &keys);
    assert_eq!(document["left"][0]["directory"], "v1.2.0_likes");
    let document = project.document("fix --yes --renumber v1.2.0_likes", 0, &keys);
    assert_eq!(document["outcome"], "done");
    assert_eq!(document["actions"][0], json!("renumber v1.3.0_more_likes as v1.4.0_more_likes"));
    assert_eq!(project.document("fix", 0, &keys)["outcome"], "nothing_to_do");
}
