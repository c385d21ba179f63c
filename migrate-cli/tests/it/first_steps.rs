//! What a new user does: an empty folder, a first migration that is written and applied; and what a directory that is not
//! tidy keeps from being done.

use testkit::migrations::Directory;
use testkit::process;

use crate::support::{BROKEN, Project, USERS_AND_POSTS, snapshot};

const UP: &str = "migrations_v2/v1.0.0_users/up.sql";

/// A project in which `new` has written a migration.
fn with_a_draft() -> Project {
    let project = Project::new("");
    project.done("init");
    project.done("new users");
    project
}

#[test]
fn nothing_yet() {
    let project = Project::new("");
    project.done("init");
    snapshot!(
        project.migrate("status"),
        project.migrate("wait"),
        project.migrate("wait --until compatible --timeout 0s"),
        project.migrate("version"),
        project.migrate("history"),
        project.migrate("pending"),
        project.migrate("list"),
        project.migrate("lock show"),
        project.migrate("up"),
    );
    assert!(!project.path("app.db").exists(), "looking made a database");
    let document = project.document("status", 0, &["format", "database_version", "verdict", "migrations"]);
    assert_eq!(document["verdict"], "compatible");
}

#[test]
fn a_new_migration_may_be_edited_until_it_is_locked() {
    let project = with_a_draft();
    project.write(UP, "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    snapshot!(
        project.migrate("plan"),
        project.migrate("up"),
        project.migrate("validate"),
        project.migrate("lock --check")
    );
    project.done("lock");
    project.done("lock --check");
    project.write(UP, "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n");
    snapshot!(project.migrate("lock --check"), project.migrate("up"), project.migrate("plan --json"));
}

#[test]
fn a_later_migration_leaves_a_draft_one() {
    let project = with_a_draft();
    project.done("lock");
    project.done("new posts");
    project.done("new tags");
    let lock = std::fs::read_to_string(project.path("migrations_v2/migrations.lock")).unwrap();
    let drafts: Vec<bool> = lock.lines().skip(2).map(|line| line.contains(" draft chain=")).collect();
    assert_eq!(drafts, [false, true, true], "{lock}");
    project.done("fix --yes");
    assert_eq!(std::fs::read_to_string(project.path("migrations_v2/migrations.lock")).unwrap(), lock);
}

#[test]
fn a_failed_script_is_mended() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{BROKEN}"));
    project.done("lock");
    let locked = project.migrate("up");
    project.write("migrations_v2/v1.2.0_broken/up.sql", "CREATE TABLE half (id INTEGER);\n");
    assert_eq!(project.migrate("up").output.code, 65);
    project.done("lock");
    project.done("up");
    let draft = Project::new(BROKEN);
    draft.write("migrations_v2/migrations.lock", "# format 1\n");
    draft.remove("migrations_v2/v1.2.0_broken");
    draft.done("new broken");
    draft.write("migrations_v2/v1.0.0_broken/up.sql", "INSERT INTO nowhere VALUES (1);\n");
    snapshot!(locked, draft.migrate("up"));
    draft.write("migrations_v2/v1.0.0_broken/up.sql", "CREATE TABLE half (id INTEGER);\n");
    draft.done("up");
}

#[test]
fn what_only_looks_does_not_wait_for_a_tidy_directory() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("lock");
    project.done("up");
    project.write(UP, "CREATE TABLE users (id INTEGER);\n");
    snapshot!(
        project.migrate("status"),
        project.migrate("version"),
        project.migrate("wait"),
        project.migrate("doctor"),
        project.migrate("up"),
        project.migrate("check"),
    );
    for line in ["history", "instances", "lock show", "backup list", "pending", "compatibility", "wait --until idle"] {
        let shown = project.migrate(line);
        assert_eq!(shown.output.code, 0, "{shown}");
        assert!(shown.output.stderr.contains("warning: migrations_v2 does not fit its migrations.lock"), "{shown}");
    }
    project.write("migrations_v2/v1.1.0_posts/metadata.json", "{");
    snapshot!(project.migrate("history"), project.migrate("status"), project.migrate("version"));
    for line in ["instances", "lock show", "backup list", "wait", "wait --until idle"] {
        let shown = project.migrate(line);
        assert_eq!(shown.output.code, 0, "{shown}");
        assert!(shown.output.stderr.contains(" and is left alone; `migrate validate` tells"), "{shown}");
    }
}

#[test]
fn warnings_of_the_directory_are_told_where_it_is_used() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    project.done("backup create");
    project.remove("migrations_v2/v1.1.0_posts/down.sql");
    let warns = |line: &str| project.migrate(line).output.stderr.contains("the directory has 1 warning");
    for line in ["version", "history", "lock show", "backup list", "backup create", "backup verify", "backup prune"] {
        assert!(!warns(line), "{line}");
    }
    for line in ["status", "up", "plan", "check"] {
        assert!(warns(line), "{line}");
    }
}

#[test]
fn a_database_can_be_looked_at_from_anywhere() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up");
    let elsewhere = Directory::new("");
    let run = |line: &str| {
        let mut command = project.command(line);
        command
            .current_dir(elsewhere.path())
            .env("DATABASE_URL", format!("sqlite:{}", project.path("app.db").display()));
        process::run(&mut command)
    };
    for (line, code) in
        [("version", 0), ("history", 0), ("lock show", 0), ("instances", 0), ("wait", 0), ("status", 65)]
    {
        let output = run(line);
        assert_eq!(output.code, code, "{line}: {output:?}");
        assert!(code != 0 || output.stderr.is_empty(), "{line}: {output:?}");
    }
    assert_eq!(run("version").stdout, "1.1.0\n");
}

#[test]
fn copies_of_rows_are_kept_out_of_a_repository() {
    let project = Project::new("");
    project.done("init");
    let ignored = std::fs::read_to_string(project.path(".gitignore")).unwrap();
    for line in [".env", "*.db", "*.backups/", "migrate-backups/", "*.migrate-lock"] {
        assert!(ignored.lines().any(|it| it == line), "{line}: {ignored}");
    }
}
