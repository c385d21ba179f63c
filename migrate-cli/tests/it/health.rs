//! `health`, and what the checks around a run say.

use serde_json::json;
use testkit::postgres::Server;

use crate::support::{Project, USERS_AND_POSTS, check_keys, snapshot};

const CHECK: [&str; 7] = ["check", "state", "severity", "message", "help", "tries", "execution_time_ms"];

/// Makes the first migration expect a table that nobody makes.
fn expect_too_much(project: &Project) {
    let metadata = r#"{"version": "1.0.0", "name": "users", "expects": {"tables": ["users", "profiles"]}}"#;
    project.write("migrations_v2/v1.0.0_users/metadata.json", metadata);
}

#[test]
fn all_is_well() {
    let project = Project::new(USERS_AND_POSTS);
    let before = project.migrate("health");
    project.done("up");
    snapshot!(before, project.migrate("health"));
    let document = project.document("health", 0, &["format", "outcome", "checks"]);
    assert_eq!(document["outcome"], "healthy");
    let checks = document["checks"].as_array().unwrap();
    checks.iter().for_each(|check| check_keys(check, &CHECK));
    assert_eq!((&checks[0]["check"], &checks[0]["state"]), (&json!("connectivity"), &json!("passed")));
}

#[test]
fn a_failing_check_is_no_verdict() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    project.sqlite().execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO posts VALUES (1, 7)").unwrap();
    snapshot!(project.migrate("health"));
    let document = project.document("health", 70, &["format", "outcome", "checks"]);
    assert_eq!(document["outcome"], "unhealthy");
    assert_eq!(project.migrate("check").output.code, 0);
}

#[test]
fn nobody_answers() {
    let project = Project::new(USERS_AND_POSTS).with_url("sqlite:nowhere/app.db");
    project.write("nowhere", "no directory");
    let document = project.document("health", 69, &["format", "outcome", "checks"]);
    assert_eq!(document["outcome"], "unhealthy");
    assert_eq!(
        (&document["checks"][0]["check"], &document["checks"][0]["state"]),
        (&json!("connectivity"), &json!("failed"))
    );
    assert_eq!(document["checks"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_that_leaves_something_out() {
    let project = Project::new(USERS_AND_POSTS);
    expect_too_much(&project);
    snapshot!(
        project.migrate("up"),
        project.migrate("history --limit 1"),
        project.migrate("down --all --yes"),
        project.migrate("up --health-on-failure fail"),
        project.migrate("check"),
        project.migrate("down --all --yes"),
        project.migrate("up --health-checks off"),
        project.migrate("up --health-checks some"),
    );
}

#[test]
fn the_document_of_a_run_lists_its_checks() {
    const RUN: [&str; 9] = ["format", "outcome", "steps", "error", "run", "ends_with", "remaining", "health", "backup"];
    let project = Project::new(USERS_AND_POSTS);
    assert_eq!(project.document("up --dry-run", 0, &RUN)["health"], json!(null));
    expect_too_much(&project);
    let document = project.document("up", 0, &RUN);
    assert_eq!(document["outcome"], "unhealthy");
    check_keys(&document["health"], &["before", "after"]);
    check_keys(&document["health"]["after"][0], &CHECK);
    let failed = |moment: &str| -> Vec<String> {
        let checks = document["health"][moment].as_array().unwrap().iter();
        checks.filter(|it| it["state"] == "failed").map(|it| it["check"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((failed("before"), failed("after")), (vec![], vec!["expected_objects".to_owned()]));
    project.done("down --all --yes");
    let document = project.document("up --health-on-failure fail", 70, &RUN);
    assert_eq!((&document["outcome"], &document["error"]["kind"]), (&json!("unhealthy"), &json!("unhealthy")));
    assert_eq!(document["steps"].as_array().unwrap().len(), 2);
}

#[test]
fn a_warning_before_a_run_on_postgres() {
    let database = Server::shared().database();
    let project = Project::new(USERS_AND_POSTS).with_url(database.url());
    project.done("up --to 1.0.0");
    database.psql("ALTER TABLE users ADD CONSTRAINT positive CHECK (id > 0) NOT VALID");
    snapshot!(project.migrate("up"), project.migrate("health"));
}
