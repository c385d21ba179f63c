//! The verbs with which an operator amends the ledger and looks after the run lock.

use migrate_runtime::{Event, Migrator, Sqlite};
use testkit::postgres::Server;
use testkit::process;

use crate::support::{Project, SLOW, USERS_AND_POSTS, snapshot};

/// A third migration that was interrupted after its first statement.
const INTERRUPTED: &str = r#"
--- v1.2.0_steps/metadata.json
{"version": "1.2.0", "name": "steps", "transaction": false}
--- v1.2.0_steps/up.sql
CREATE TABLE a (id INTEGER);
INSERT INTO missing VALUES (1);
--- v1.2.0_steps/down.sql
DROP TABLE a;
"#;

/// What the ledger holds, and how many rows the history has.
fn rows(project: &Project) -> (i64, i64) {
    (
        project.value("SELECT count(*) FROM schema_migrations_v2"),
        project.value("SELECT count(*) FROM schema_migrations_v2_history"),
    )
}

#[test]
fn force_and_what_the_history_says() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up --to 1.0.0");
    let before = rows(&project);
    snapshot!(project.migrate("force 1.1.0 --applied --reason \"made by hand\" --dry-run"));
    assert_eq!(rows(&project), before);
    snapshot!(
        project.migrate("force 1.1.0 --applied --reason \"made by hand\" --yes"),
        project.migrate("force 1.1.0 --applied --reason \"made by hand\" --yes"),
        project.migrate("status"),
        project.migrate("force 1.1.0 --not-applied --reason \"it is not there\" --yes"),
        project.migrate("history"),
    );
    assert_eq!(project.value("SELECT count(*) FROM sqlite_schema WHERE name = 'posts'"), 0);
}

#[test]
fn what_force_refuses() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    let before = rows(&project);
    snapshot!(
        project.migrate("force 1.0.5 --applied --reason x --yes"),
        project.migrate("force 1.0.0 --yes"),
        project.migrate("force 1.0.0 --not-applied --yes"),
        project.migrate("force 1.0.0 --not-applied --reason x"),
    );
    assert_eq!(rows(&project), before);
}

#[test]
fn an_interrupted_migration_is_settled() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{INTERRUPTED}"));
    assert_eq!(project.migrate("up").output.code, 70);
    let before = rows(&project);
    snapshot!(
        project.migrate("repair"),
        project.migrate("repair 1.2.0 --yes"),
        project.migrate("repair 1.1.0 --applied --yes"),
        project.migrate("repair 1.2.0 --not-applied --dry-run"),
    );
    assert_eq!(rows(&project), before);
    snapshot!(project.migrate("repair 1.2.0 --applied --yes"), project.migrate("check"), project.migrate("repair"));
}

#[test]
fn a_statement_of_which_nothing_tells_whether_it_took_effect() {
    let database = Server::shared().database();
    database.psql("CREATE TABLE gate (id integer)");
    database.psql("CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$");
    let project = Project::new(
        r#"
--- v1.0.0_fill/metadata.json
{"version": "1.0.0", "name": "fill", "transaction": false}
--- v1.0.0_fill/up.sql
CALL fill();
SELECT 1 / (SELECT count(*) FROM gate);
--- v1.0.0_fill/down.sql
SELECT 1;
"#,
    )
    .with_url(database.url());
    assert_eq!(project.migrate("up").output.code, 70);
    database.psql("INSERT INTO gate VALUES (1)");
    // What the ledger says when a run was killed in the first statement.
    database.psql("UPDATE schema_migrations_v2 SET progress = 0, attempted = 1");
    snapshot!(
        project.migrate("up"),
        project.migrate("repair"),
        project.migrate("repair 1.0.0 --statement applied --dry-run"),
        project.migrate("repair 1.0.0 1.1.0 --statement applied"),
        project.migrate("repair --statement applied"),
        project.migrate("repair 1.0.0 --statement applied --yes"),
        project.migrate("up --quiet"),
        project.migrate("repair 1.0.0 --statement applied --yes"),
    );
}

#[test]
fn force_alone_settles_it_too() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{INTERRUPTED}"));
    assert_eq!(project.migrate("up").output.code, 70);
    snapshot!(project.migrate("force 1.1.0 --yes"), project.migrate("version"), project.migrate("status"));
}

#[test]
fn changed_scripts_are_accepted() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    project.write(
        "migrations_v2/v1.0.0_users/up.sql",
        "-- The same.\nCREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n",
    );
    project.write("migrations_v2/v1.1.0_posts/up.sql", "CREATE TABLE posts (id INTEGER PRIMARY KEY);\n");
    snapshot!(
        project.migrate("repair"),
        project.migrate("repair --all"),
        project.migrate("repair --all --yes"),
        project.migrate("repair 1.1.0 --yes"),
        project.migrate("check"),
        project.migrate("repair --all --yes"),
    );
}

#[test]
fn a_row_that_this_set_does_not_hold() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    project.remove("migrations_v2/v1.1.0_posts");
    snapshot!(project.migrate("repair"), project.migrate("repair 1.1.0 --yes"));
    let sql = "UPDATE schema_migrations_v2 SET down_sql = NULL WHERE version = '1.1.0'";
    project.sqlite().execute_batch(sql).unwrap();
    snapshot!(project.migrate("repair"), project.migrate("repair 1.1.0 --yes"), project.migrate("check"));
}

#[test]
fn a_database_that_was_there_before() {
    let project = Project::new(USERS_AND_POSTS);
    snapshot!(project.migrate("baseline 1.0.0 --dry-run"), project.migrate("baseline 1.0.0"));
    assert!(!project.path("app.db").exists(), "a dry run made a database");
    let sql = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)";
    project.sqlite().execute_batch(sql).unwrap();
    snapshot!(
        project.migrate("baseline 1.0.0 --yes"),
        project.migrate("status"),
        project.migrate("up"),
        project.migrate("baseline 1.1.0 --yes"),
    );
    project.sqlite().execute_batch("DELETE FROM schema_migrations_v2 WHERE version = '1.0.0'").unwrap();
    snapshot!(project.migrate("baseline 1.1.0 --yes"));
}

#[test]
fn the_lock_of_a_run_that_is_gone() {
    let project = Project::new(USERS_AND_POSTS);
    snapshot!(project.migrate("lock show"), project.migrate("lock release"), project.migrate("repair --all"));
    assert!(!project.path("app.db").exists(), "looking at the lock made a database");
    project.done("up");
    project.leave_a_ghost();
    let before = rows(&project);
    snapshot!(
        project.migrate("lock show"),
        project.migrate("repair"),
        project.migrate("lock release"),
        project.migrate("lock release --dry-run"),
    );
    assert_eq!(rows(&project), before);
    snapshot!(project.migrate("lock release --yes"), project.migrate("lock show"), project.migrate("history"));
}

#[test]
fn the_lock_of_a_run_that_is_alive() {
    let project = Project::new(USERS_AND_POSTS);
    let options = migrate_core::source::LoadOptions::new("migrations_v2");
    let loaded = migrate_core::source::load(&project.path("migrations_v2"), &options);
    let (registry, _) = loaded.into_registry().expect("the directory has no errors");
    let (started, is_started) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let holder = Migrator::new(std::sync::Arc::new(registry)).actor("tester").observer(move |event: &Event<'_>| {
        if let Event::Started(_) = event {
            started.send(()).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    let mut database = Sqlite::file(project.path("app.db"));
    let (shown, error) = std::thread::scope(|scope| {
        let run = scope.spawn(move || holder.up(&mut database).wait().unwrap_err());
        is_started.recv().unwrap();
        let shown = ["lock release --yes", "lock release --dry-run --force", "lock release --force --yes", "lock show"]
            .map(|line| project.migrate(line));
        drop(go_on);
        (shown, run.join().unwrap())
    });
    assert!(error.to_string().contains("lost its lock"), "{error}");
    let [kept, planned, forced, free] = shown;
    snapshot!(kept, planned, forced, free);
    project.done("up");
}

#[test]
fn the_lock_of_a_run_inside_a_transaction() {
    let database = Server::shared().database();
    let project = Project::new(SLOW).with_url(database.url());
    let mut holder = project.start_sleeping(&database);
    let shown =
        ["lock release --yes", "lock release --force --yes --wait-lock 200ms"].map(|line| project.migrate(line));
    let lock = project.document("lock show", 0, &["format", "holder"])["holder"].clone();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!((lock["owner"].as_str(), lock["alive"].as_bool()), (Some("tester"), Some(true)));
    assert!(lock["expires_at"].is_string(), "{lock}");
    let [kept, forced] = shown;
    snapshot!(kept, forced);
}

#[test]
fn the_same_on_postgres() {
    let database = Server::shared().database();
    let project = Project::new(&format!("{USERS_AND_POSTS}{INTERRUPTED}")).with_url(database.url());
    snapshot!(project.migrate("baseline 1.0.0 --dry-run"), project.migrate("lock show"));
    assert_eq!(database.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    database.psql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)");
    snapshot!(
        project.migrate("baseline 1.0.0 --yes"),
        project.migrate("up --quiet"),
        project.migrate("repair"),
        project.migrate("force 1.1.0 --yes"),
        project.migrate("force 1.2.0 --applied --reason \"made by hand\" --yes"),
        project.migrate("check"),
    );
    database.psql(
        "UPDATE schema_migrations_v2_state SET lock_owner = 'ghost', lock_host = 'gone', lock_process = 1,
            lock_acquired_at = '2026-01-01T00:00:00Z', lock_expires_at = '2026-01-01T00:00:30Z'",
    );
    snapshot!(project.migrate("lock show"), project.migrate("lock release --yes"), project.migrate("lock show"));
    let newest = "SELECT string_agg(operation || ' ' || outcome, ', ' ORDER BY id) FROM
        (SELECT * FROM schema_migrations_v2_history ORDER BY id DESC LIMIT 3) newest";
    assert_eq!(database.psql(newest), "run started, unlock succeeded, run succeeded");
}

#[test]
fn who_acted_can_be_named() {
    let project = Project::new(USERS_AND_POSTS);
    let named = |value| {
        let output = process::run(project.command("redo --yes").env("MIGRATION_ACTOR", value));
        assert_eq!(output.code, 0, "{output:?}");
        let sql = "SELECT actor FROM schema_migrations_v2_history ORDER BY id DESC LIMIT 1";
        project.sqlite().query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    project.done("up");
    assert_eq!(named("deploy 7"), "deploy 7");
    assert_eq!(named(""), "tester");
}
