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
        project.migrate("redo --dry-run"),
        project.migrate("redo"),
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
fn reset_undoes_everything() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    snapshot!(
        project.migrate("reset"),
        project.migrate("reset --dry-run"),
        project.migrate("reset --yes"),
        project.migrate("reset --yes"),
    );
    project.done("up");
    project.write("migrate.toml", "protected = true\n");
    snapshot!(project.migrate("reset --yes"), project.migrate("reset --confirm app.db --json"));
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 0);
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
fn times_are_in_the_zone_of_the_reader() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    let sql = "UPDATE schema_migrations_v2 SET applied_at = '2026-07-01T02:07:07.123Z';
               UPDATE schema_migrations_v2_history SET recorded_at = '2026-01-01T02:07:07.123Z';";
    project.sqlite().execute_batch(sql).unwrap();
    project.leave_a_ghost();
    let shown = |line: &str, zone: &str| testkit::process::run(project.command(line).env("TZ", zone)).stdout;
    for (line, zone, time) in [
        ("status", "America/New_York", "2026-06-30 22:07:07-04"),
        ("history", "America/New_York", "2025-12-31 21:07:07-05"),
        ("lock show", "America/New_York", "2025-12-31 19:00:00-05"),
        ("status", "Asia/Kolkata", "2026-07-01 07:37:07+05:30"),
        ("status", "UTC", "2026-07-01 02:07:07+00"),
        ("status --json", "America/New_York", "2026-07-01T02:07:07.123Z"),
        ("history --json", "America/New_York", "2026-01-01T02:07:07.123Z"),
        ("lock show --json", "America/New_York", "2026-01-01T00:00:00.000Z"),
    ] {
        let shown = shown(line, zone);
        assert!(shown.contains(time), "{line}, {zone}: {shown}");
    }
}

#[test]
fn an_interrupted_migration_is_counted_as_one() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    let sql = "UPDATE schema_migrations_v2 SET status = 'applying' WHERE version = '1.1.0'";
    assert_eq!(project.sqlite().execute(sql, []), Ok(1));
    let shown = project.migrate("status");
    assert!(shown.output.stdout.contains("1 migration interrupted"), "{shown}");
}

#[test]
fn outcomes_have_their_colours() {
    let project = Project::new(USERS_AND_POSTS);
    let colored = |line: &str| project.migrate(&format!("{line} --color always")).output.stdout;
    let (green, yellow, red) = ("\x1b[1;32m", "\x1b[1;33m", "\x1b[1;31m");
    assert!(colored("check").starts_with(&format!("{yellow}needs migration")), "{}", colored("check"));
    project.done("up");
    assert!(colored("check").starts_with(&format!("{green}compatible")), "{}", colored("check"));
    assert!(colored("history").contains(&format!("{green}succeeded")), "{}", colored("history"));
    assert!(colored("health").starts_with(&format!("{green}passed")), "{}", colored("health"));
    assert!(colored("doctor").contains(&format!("{yellow}warning")), "{}", colored("doctor"));
    project.write("migrations_v2/v1.0.0_users/up.sql", "CREATE TABLE users (id INTEGER);\n");
    assert!(colored("doctor").contains(&format!("{red}error")), "{}", colored("doctor"));
    assert!(colored("check").starts_with(&format!("{red}incompatible")), "{}", colored("check"));
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
