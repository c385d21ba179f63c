//! The documents of `--json`: their keys are a contract.

use serde_json::json;

use crate::support::{BROKEN, Project, USERS_AND_POSTS, check_keys};

const ERROR: [&str; 8] = ["kind", "message", "help", "migration", "location", "statement", "code", "detail"];
const RUN: [&str; 9] = ["format", "outcome", "steps", "error", "run", "ends_with", "remaining", "health", "backup"];
const STEP: [&str; 5] = ["version", "direction", "outcome", "execution_time_ms", "name"];

#[test]
fn check() {
    let keys = [
        "format",
        "verdict",
        "exit_code",
        "runtime_version",
        "database_version",
        "pending",
        "reasons",
        "source",
        "migrating",
    ];
    let project = Project::new(USERS_AND_POSTS);
    let document = project.document("check --runtime-version 1.2.3", 1, &keys);
    assert_eq!(document["verdict"], "needs_migration");
    assert_eq!(document["exit_code"], 1);
    assert_eq!(document["runtime_version"], "1.2.3");
    assert_eq!(document["database_version"], json!(null));
    assert_eq!(document["pending"], json!(["1.0.0", "1.1.0"]));
    check_keys(&document["reasons"][0], &["code", "version", "message", "help"]);
    assert_eq!(document["reasons"][0]["code"], "pending");
    project.done("up");
    let document = project.document("check", 0, &keys);
    assert_eq!(document["verdict"], "compatible");
    assert_eq!(document["runtime_version"], json!(null));
    assert_eq!(document["database_version"], "1.1.0");
    project.write("migrations_v2/v1.0.0_users/up.sql", "SELECT 1;\n");
    assert_eq!(project.document("check", 2, &keys)["verdict"], "incompatible");
}

#[test]
fn status() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up --to 1.0.0");
    let document = project.document("status", 0, &["format", "database_version", "verdict", "migrations"]);
    let keys =
        ["version", "name", "state", "applied_at", "execution_time_ms", "runtime_version", "checksum", "description"];
    for migration in document["migrations"].as_array().unwrap() {
        check_keys(migration, &keys);
    }
    assert_eq!(document["migrations"][0]["state"], "applied");
    assert_eq!(document["migrations"][1]["state"], "pending");
    assert_eq!(document["migrations"][1]["applied_at"], json!(null));
}

#[test]
fn runs() {
    let project = Project::new(USERS_AND_POSTS);
    let document = project.document("up --dry-run", 0, &RUN);
    assert_eq!(document["outcome"], "dry_run");
    check_keys(&document["steps"][0], &STEP);
    assert_eq!(document["steps"][0]["outcome"], "planned");

    let document = project.document("up", 0, &RUN);
    assert_eq!((&document["outcome"], &document["error"]), (&json!("done"), &json!(null)));
    check_keys(&document["steps"][1], &STEP);
    assert_eq!(document["steps"][1]["direction"], "up");
    assert_eq!(document["steps"][1]["outcome"], "done");
    assert_eq!(project.document("up", 0, &RUN)["outcome"], "nothing_to_do");

    let document = project.document("redo --yes", 0, &RUN);
    let directions: Vec<_> = document["steps"].as_array().unwrap().iter().map(|step| &step["direction"]).collect();
    assert_eq!(directions, ["down", "up"]);
    assert_eq!(project.document("down --yes", 0, &RUN)["steps"][0]["direction"], "down");
}

#[test]
fn a_way_down_that_ends_early() {
    let project = Project::new(USERS_AND_POSTS);
    project.remove("migrations_v2/v1.0.0_users/down.sql");
    project.done("up");
    let document = project.document("down --all --dry-run", 0, &RUN);
    assert_eq!(document["steps"].as_array().unwrap().len(), 1);
    assert_eq!(document["ends_with"], "migration 1.0.0 `users` has no down script");
    let document = project.document("down --all --yes", 70, &RUN);
    assert_eq!(document["steps"][0]["outcome"], "done");
    assert_eq!(document["error"]["kind"], "plan");
}

#[test]
fn a_failed_run() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{BROKEN}"));
    let document = project.document("up", 70, &RUN);
    assert_eq!(document["outcome"], "failed");
    let outcomes: Vec<_> = document["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]).collect();
    assert_eq!(outcomes, ["done", "done", "failed"]);
    let error = &document["error"];
    check_keys(error, &ERROR);
    check_keys(&error["location"], &["path", "line", "column"]);
    assert_eq!(error["kind"], "migration");
    assert_eq!(error["migration"], "1.2.0");
    assert_eq!(error["location"]["path"], "migrations_v2/v1.2.0_broken/up.sql");
    assert_eq!(error["location"]["line"], 2);
    assert!(error["statement"].as_str().unwrap().starts_with("INSERT INTO nowhere"), "{error}");
    assert!(error["code"].is_string(), "{error}");
}

#[test]
fn failures_before_there_is_an_answer() {
    let project = Project::new(USERS_AND_POSTS).with_url("sqlite:nowhere/app.db");
    let document = project.document("up", 69, &RUN);
    assert_eq!((&document["outcome"], &document["steps"]), (&json!("failed"), &json!([])));
    check_keys(&document["error"], &ERROR);

    let project = project.without_url();
    for line in ["check", "status", "history", "version", "compatibility"] {
        let document = project.document(line, 78, &["format", "error"]);
        check_keys(&document["error"], &ERROR);
        assert_eq!(document["error"]["kind"], "configuration");
    }
    assert_eq!(project.document("down", 64, &RUN)["error"]["kind"], "usage");
    assert_eq!(project.document("status --nosuch", 64, &["format", "error"])["error"]["kind"], "usage");
}

#[test]
fn history_and_version_and_compatibility() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    let document = project.document("history", 0, &["format", "rows"]);
    let keys = [
        "id",
        "run",
        "operation",
        "version",
        "outcome",
        "error",
        "execution_time_ms",
        "runtime_version",
        "registry_digest",
        "actor",
        "host",
        "process",
        "recorded_at",
        "plan",
    ];
    let rows = document["rows"].as_array().unwrap();
    rows.iter().for_each(|row| check_keys(row, &keys));
    assert_eq!(rows.last().unwrap()["plan"], json!(["up 1.0.0 users", "up 1.1.0 posts"]));

    let keys = ["format", "database_version", "registry_version", "runtime_version"];
    assert_eq!(project.document("version", 0, &keys)["database_version"], "1.1.0");

    let keys = ["format", "database_version", "runtime_version", "minimums", "versions", "schemas"];
    let document = project.document("compatibility --runtime-version 1.0.0", 0, &keys);
    check_keys(&document["versions"][0], &["runtime_version", "verdict", "reasons"]);
    check_keys(&document["schemas"][0], &["version", "programs"]);
    check_keys(&document["schemas"][0]["programs"][0], &["runtime_version", "verdict", "reasons"]);
}

#[test]
fn what_an_operator_does() {
    let keys = ["format", "outcome", "changes", "run"];
    let project = Project::new(USERS_AND_POSTS);
    let document = project.document("baseline 1.0.0 --dry-run", 0, &keys);
    assert_eq!((&document["outcome"], &document["run"]), (&json!("dry_run"), &json!(null)));
    let document = project.document("baseline 1.0.0 --yes", 0, &keys);
    let change = json!({"version": "1.0.0", "name": "users", "change": "record_baseline"});
    assert_eq!((&document["outcome"], &document["changes"]), (&json!("done"), &json!([change])));
    assert_eq!(document["run"], 1);
    let document = project.document("baseline 1.0.0 --yes", 0, &keys);
    assert_eq!((&document["outcome"], &document["changes"]), (&json!("nothing_to_do"), &json!([])));
    let document = project.document("force 1.1.0 --applied --reason x --yes", 0, &keys);
    assert_eq!(document["changes"][0]["change"], "record_applied");
    project.write(
        "migrations_v2/v1.0.0_users/up.sql",
        "-- Users.\nCREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n",
    );
    let document = project.document("repair", 0, &["format", "repairs"]);
    check_keys(&document["repairs"][0], &["version", "problem", "commands", "safe"]);
    assert_eq!(document["repairs"][0]["commands"], json!(["migrate repair 1.0.0"]));
    assert_eq!(project.document("repair --all --yes", 0, &keys)["changes"][0]["change"], "accept");
    let document = project.document("force 1.1.0 --not-applied --reason x --yes", 0, &keys);
    assert_eq!(document["changes"][0]["change"], "forget");

    let release = ["format", "outcome", "holder", "run"];
    assert_eq!(project.document("lock show", 0, &["format", "holder"])["holder"], json!(null));
    assert_eq!(project.document("lock release", 0, &release)["outcome"], "nothing_to_do");
    project.leave_a_ghost();
    assert_eq!(project.document("lock release", 64, &["format", "error"])["error"]["kind"], "usage");
    let holder = project.document("lock show", 0, &["format", "holder"])["holder"].clone();
    check_keys(&holder, &["owner", "host", "process", "acquired_at", "expires_at", "alive"]);
    assert_eq!((&holder["owner"], &holder["alive"]), (&json!("ghost"), &json!(false)));
    let document = project.document("lock release --yes", 0, &release);
    assert_eq!((&document["outcome"], &document["holder"], &document["run"]), (&json!("done"), &holder, &json!(42)));

    for (line, code, kind) in [
        ("force 1.0.1 --applied --reason x --yes", 64, "usage"),
        ("baseline 1.1.0", 64, "usage"),
        ("lock show --nosuch", 64, "usage"),
    ] {
        assert_eq!(project.document(line, code, &["format", "error"])["error"]["kind"], kind, "{line}");
    }
}

#[test]
fn the_directory() {
    let project = Project::new(USERS_AND_POSTS);
    let keys = ["format", "outcome", "errors", "warnings", "migrations", "digest", "diagnostics", "shadow"];
    assert_eq!(project.document("validate", 0, &keys)["outcome"], "valid");
    let lock = ["format", "outcome", "path"];
    assert_eq!(project.document("lock", 0, &lock)["outcome"], "written");
    assert_eq!(project.document("lock", 0, &lock)["outcome"], "unchanged");
    assert_eq!(project.document("lock --check", 0, &lock)["outcome"], "current");
    let document = project.document("new more", 0, &["format", "outcome", "version", "name", "files", "migrations"]);
    assert_eq!(document["version"], "1.2.0");

    project.write("migrations_v2/v1.1.0_posts/metadata.json", "{");
    let document = project.document("validate", 65, &keys);
    assert_eq!(document["outcome"], "invalid");
    let diagnostic = ["severity", "code", "path", "line", "column", "message", "help"];
    check_keys(&document["diagnostics"][0], &diagnostic);
    let document = project.document("status", 65, &["format", "error"]);
    assert_eq!(document["error"]["kind"], "directory");
    check_keys(&document["error"]["diagnostics"][0], &diagnostic);
}
