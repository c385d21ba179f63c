//! `rollback`: exactly one run, or why not.

use serde_json::json;
use testkit::process;

use crate::support::{Project, Shown, USERS_AND_POSTS, check_keys, snapshot};

#[test]
fn one_run_is_taken_back() {
    let project = Project::new(USERS_AND_POSTS);
    let nothing = project.migrate("rollback --can");
    project.done("up --to 1.0.0");
    project.done("up");
    snapshot!(
        nothing,
        project.migrate("rollback --can"),
        project.migrate("rollback --can --run 1"),
        project.migrate("rollback --run 1 --yes"),
        project.migrate("rollback --run 2"),
        project.migrate("rollback --run 2 --dry-run"),
        project.migrate("rollback --run 2 --yes"),
        project.migrate("rollback --run 2 --yes"),
        project.migrate("history --limit 3"),
        project.migrate("rollback"),
    );
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1);
}

#[test]
fn the_documents() {
    let keys = ["format", "run", "recommended", "strategies"];
    let project = Project::new(USERS_AND_POSTS);
    let document = project.document("rollback --can", 70, &keys);
    assert_eq!((&document["run"], &document["strategies"]), (&json!(null), &json!([])));
    project.done("up --to 1.0.0");
    project.done("up");
    let document = project.document("rollback --can", 0, &keys);
    assert_eq!((&document["run"], &document["recommended"]), (&json!(2), &json!("undo")));
    check_keys(&document["strategies"][0], &["strategy", "possible", "steps", "backup", "reasons"]);
    assert_eq!(document["strategies"][0]["steps"][0]["version"], "1.1.0");
    let document = project.document("rollback --can --run 1", 70, &keys);
    check_keys(&document["strategies"][0]["reasons"][0], &["code", "message", "help"]);
    assert_eq!(document["strategies"][0]["reasons"][0]["code"], "newer_run");
    assert_eq!(document["recommended"], json!(null));

    let run = ["format", "outcome", "steps", "error", "run", "ends_with", "remaining", "health", "backup"];
    let document = project.document("rollback --run 1 --yes", 70, &run);
    assert_eq!(document["error"]["kind"], "plan");
    let document = project.document("rollback --run 2 --yes", 0, &run);
    assert_eq!((&document["outcome"], &document["steps"][0]["direction"]), (&json!("done"), &json!("down")));
    assert_eq!(document["remaining"], json!([]));
}

#[test]
fn by_the_backup_before_it() {
    let project = Project::new(USERS_AND_POSTS);
    let with_backups = |line: &str| {
        let mut command = project.command(line);
        Shown::new(line, process::run(command.env_remove("BACKUP_ENABLED")))
    };
    assert_eq!(with_backups("up --to 1.0.0").output.code, 0);
    project.sqlite().execute_batch("INSERT INTO users (name) VALUES ('before')").unwrap();
    project.remove("migrations_v2/v1.1.0_posts/down.sql");
    assert_eq!(with_backups("up").output.code, 0);
    project.sqlite().execute_batch("INSERT INTO users (name) VALUES ('since')").unwrap();
    snapshot!(
        with_backups("rollback --can --run 1"),
        with_backups("rollback --can"),
        with_backups("rollback --run 2 --strategy snapshot"),
        with_backups("rollback --run 2 --strategy snapshot --dry-run"),
        with_backups("rollback --run 1 --strategy snapshot --yes"),
        with_backups("rollback --run 2 --strategy snapshot --yes"),
        with_backups("rollback --run 2 --strategy snapshot --yes"),
    );
    assert_eq!(project.value("SELECT count(*) FROM users"), 1);
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1);

    let keys = ["format", "run", "recommended", "strategies"];
    let document = project.document("rollback --can --run 2", 70, &keys);
    assert_eq!(document["strategies"][1]["reasons"][0]["code"], "newer_run");
    assert_eq!(with_backups("up").output.code, 0);
    let document = project.document("rollback --can", 0, &keys);
    assert_eq!(document["recommended"], "snapshot");
    let run = document["run"].to_string();
    let restored = ["format", "outcome", "backup", "kept", "run"];
    let document = project.document(&format!("rollback --run {run} --strategy snapshot --yes"), 0, &restored);
    assert_eq!(document["outcome"], "done");
}

#[test]
fn the_window_is_a_setting() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    let sql =
        "UPDATE schema_migrations_v2_history SET recorded_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-25 hours')";
    project.sqlite().execute(sql, []).unwrap();
    assert_eq!(project.migrate("rollback --can").output.code, 70);
    project.write("migrate.toml", "rollback_window = '48h'\n");
    project.done("rollback --can");
    project.done("rollback --run 1 --yes");
}
