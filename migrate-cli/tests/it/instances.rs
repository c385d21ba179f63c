//! Running programs, as an operator sees them.

use serde_json::json;

use crate::events::Watched;
use crate::support::{Project, USERS_AND_POSTS, snapshot};

/// A third migration, which programs below 2.0.0 do not survive.
const CONTRACT: &str = r#"
--- v2.0.0_drop_posts/metadata.json
{"version": "2.0.0", "name": "drop_posts", "min_runtime_version": "2.0.0"}
--- v2.0.0_drop_posts/up.sql
DROP TABLE posts;
--- v2.0.0_drop_posts/down.sql
CREATE TABLE posts (id INTEGER PRIMARY KEY);
"#;

/// A project whose database is at 1.0.0, with a program of version 1.4.0 that runs and one that has expired.
fn project() -> Project {
    let project = Project::new(&format!("{USERS_AND_POSTS}{CONTRACT}"));
    project.done("up --to 1.0.0");
    let sql = "INSERT INTO schema_migrations_v2_instances VALUES
        ('a', '1.4.0', '1.1.0', 'digest', 'web-1', 12, '2026-01-01T00:00:00.000Z', '2026-01-01T00:01:00.000Z', '2999-01-01'),
        ('b', '1.3.0', NULL, 'digest', 'web-2', 7, '2026-01-01T00:00:01.000Z', '2026-01-01T00:00:02.000Z', '2026-01-02')";
    assert_eq!(project.sqlite().execute(sql, []).expect("the rows can be written"), 2);
    project
}

#[test]
fn who_runs() {
    let project = project();
    snapshot!(project.migrate("instances"), project.migrate("instances --json"));
    assert_eq!(project.sqlite().execute("DELETE FROM schema_migrations_v2_instances", []), Ok(2));
    snapshot!(project.migrate("instances"));
}

#[test]
fn a_step_that_would_break_a_running_program() {
    let project = project();
    snapshot!(
        project.migrate("up"),
        project.migrate("up --wait-for-fleet 1ms --json"),
        project.migrate("down --yes"),
        project.migrate("up --wait-for-fleet 1m --ignore-instances"),
        project.migrate("up --ignore-instances"),
        project.migrate("history --limit 4"),
    );
}

#[test]
fn the_programs_that_a_run_waits_for() {
    let project = project();
    let mut run = Watched::start(&project, "up --wait-for-fleet 10m");
    let event = run.until("waiting");
    assert_eq!((&event["holder"], &event["instances"][0]["host"]), (&json!(null), &json!("web-1")));
    let gone = "DELETE FROM schema_migrations_v2_instances WHERE id = 'a'";
    assert_eq!(project.sqlite().execute(gone, []), Ok(1));
    let (code, document) = run.end();
    assert_eq!((code, &document["outcome"]), (Some(0), &json!("done")));
}
