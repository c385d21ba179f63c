//! Undoing what this set does not hold, by the scripts in the ledger.

use testkit::postgres::Server;

use crate::support::{Project, snapshot};

const OLD: &str = r#"
--- v1.0.0_users/metadata.json
{"version": "1.0.0", "name": "users"}
--- v1.0.0_users/up.sql
CREATE TABLE users (id INTEGER);
--- v1.0.0_users/down.sql
DROP TABLE users;
"#;

const NEW: &str = r#"
--- v1.1.0_posts/metadata.json
{"version": "1.1.0", "name": "posts"}
--- v1.1.0_posts/up.sql
CREATE TABLE posts (id INTEGER);
--- v1.1.0_posts/down.sql
DROP TABLE posts;
--- v1.2.0_tags/metadata.json
{"version": "1.2.0", "name": "tags"}
--- v1.2.0_tags/up.sql
CREATE TABLE tags (id INTEGER);
--- v1.2.0_tags/down.sql
-- Nobody needs tags.
DROP TABLE tags;
--- v2.0.0_likes/metadata.json
{"version": "2.0.0", "name": "likes", "min_runtime_version": "2.0.0"}
--- v2.0.0_likes/up.sql
CREATE TABLE likes (id INTEGER);
--- v2.0.0_likes/down.sql
DROP TABLE likes;
"#;

/// A checkout of an older version, on a database that a newer one migrated.
fn older(url: Option<&str>) -> Project {
    let of = |files: &str| match url {
        Some(url) => Project::new(files).with_url(url),
        None => Project::new(files),
    };
    let older = of(OLD);
    let newer = of(&format!("{OLD}{NEW}"));
    let newer =
        if url.is_none() { newer.with_url(format!("sqlite:{}", older.path("app.db").display())) } else { newer };
    newer.done("up");
    older
}

#[test]
fn an_older_checkout_undoes_three_newer_migrations() {
    let project = older(None);
    snapshot!(
        project.migrate("check --runtime-version 1.0.0"),
        project.migrate("plan --to 1.0.0 --sql"),
        project.migrate("down --to 1.0.0 --dry-run"),
        project.migrate("down --to 1.0.0"),
        project.migrate("down --to 1.0.0 --yes"),
        project.migrate("check --runtime-version 1.0.0"),
    );
    assert_eq!(
        project.value("SELECT count(*) FROM sqlite_master WHERE name IN ('users', 'posts', 'tags', 'likes')"),
        1
    );
}

#[test]
fn the_same_on_postgres() {
    let database = Server::shared().database();
    let project = older(Some(&database.url()));
    let done = project.migrate("down --to 1.0.0 --yes");
    assert_eq!(done.output.code, 0, "{done}");
    let at = |text: &str| done.output.stderr.find(text).unwrap_or_else(|| panic!("{text}: {done}"));
    assert!(at("-- down 2.0.0 likes: stored in the ledger\nDROP TABLE likes;") < at("DROP TABLE tags;"));
    assert!(at("DROP TABLE tags;") < at("DROP TABLE posts;"));
    assert_eq!(database.psql("SELECT version FROM schema_migrations_v2"), "1.0.0");
}

#[test]
fn a_damaged_stored_script_is_refused() {
    let project = older(None);
    let damage = "UPDATE schema_migrations_v2 SET down_sql = 'DROP TABLE users' WHERE version = '1.1.0'";
    project.sqlite().execute(damage, []).unwrap();
    snapshot!(
        project.migrate("down --to 1.0.0 --yes"),
        project.migrate("down --to 1.0.0 --dry-run"),
        project.migrate("version"),
    );
}

#[test]
fn what_the_set_holds_itself_is_not_shown() {
    let project = Project::new(OLD);
    project.done("up");
    let done = project.migrate("down --yes");
    let next = "next: `migrate status`; or `migrate up`, which applies it again\n";
    assert_eq!((done.output.code, &*done.output.stderr), (0, next), "{done}");
}
