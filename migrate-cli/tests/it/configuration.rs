//! `migrate.toml`, `.env`, the environment and flags; protected databases.

use std::process::Command;

use testkit::process;

use crate::support::{Project, Shown, USERS_AND_POSTS, check_keys, snapshot};

const FILE: &str = "\
table = 'ledger'
lock_timeout = '5s'

[profiles.dev]
database_url = 'sqlite:dev.db'

[profiles.production]
protected = true
database_url = 'postgres://app:geheim@db.example/shop'
";

fn with_environment(mut command: Command, line: &str, environment: &[(&str, &str)]) -> Shown {
    let output = process::run(command.envs(environment.iter().copied()));
    Shown { line: line.to_owned(), output }
}

#[test]
fn each_value_and_where_it_comes_from() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("migrate.toml", FILE);
    project.write(".env", "# ours\nMIGRATION_ACTOR='the $pipeline'\n");
    let line = "config show --profile production --wait-lock 2m";
    let shown = with_environment(project.command(line), line, &[("MIGRATION_MAX_RETRIES", "3")]);
    assert!(!shown.to_string().contains("geheim"), "{shown}");
    snapshot!(shown);
    let document = project.document("config show --profile production", 0, &["format", "outcome", "settings"]);
    assert!(!document.to_string().contains("geheim"), "{document}");
    let url = &document["settings"][0];
    check_keys(url, &["name", "value", "default", "source", "place", "profile"]);
    assert_eq!(url["value"], "postgres://app@db.example:5432/shop");
    assert_eq!((url["source"].as_str(), url["place"].as_str()), (Some("file"), Some("migrate.toml:9:16")));
}

#[test]
fn a_wrong_value_is_78_and_names_its_source() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("migrate.toml", "lock_timeout = '5 days'\n[profiles.dev]\ndatabase_ulr = 'sqlite:dev.db'\n");
    project.write(".env", "MIGRATION_MAX_RETRIES=many\n");
    let shown = with_environment(project.command("up"), "up", &[("MIGRATION_WAIT_LOCK", "soon")]);
    assert_eq!(shown.output.code, 78, "{shown}");
    snapshot!(shown, project.migrate("status --json"), project.migrate("up --json --wait-lock soon"));
}

#[test]
fn a_url_that_cannot_be_used_names_its_source() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("migrate.toml", "database_url = 'mysql://app:geheim@host/db'\n");
    let shown = project.migrate("up");
    assert!(!shown.to_string().contains("geheim"), "{shown}");
    snapshot!(shown);
}

#[test]
fn the_chosen_profile_has_its_database() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("migrate.toml", FILE);
    project.done("up --profile dev");
    assert!(project.path("dev.db").exists());
    let ledger = rusqlite::Connection::open(project.path("dev.db")).unwrap();
    assert_eq!(ledger.query_row("SELECT count(*) FROM ledger", [], |row| row.get::<_, i64>(0)).unwrap(), 2);
    // The environment wins, and whoever named a profile is told.
    let line = "status --profile dev";
    snapshot!(with_environment(project.command(line), line, &[("DATABASE_URL", "sqlite:other.db")]));
}

#[test]
fn only_the_working_directory_is_looked_at() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write(".env", "DATABASE_URL=sqlite:app.db\n");
    project.write("migrate.toml", "table = 'ledger'\n");
    project.done("up");
    project.write("below/keep", "");
    let mut command = project.command("status --dir ../migrations_v2");
    let output = process::run(command.current_dir(project.path("below")));
    assert_eq!(output.code, 78, "{output:?}");
    assert_eq!(project.value("SELECT count(*) FROM ledger"), 2);
}

#[test]
fn a_protected_database_needs_its_name() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("migrate.toml", "[profiles.live]\nprotected = true\ndatabase_url = 'sqlite:app.db'\n");
    project.done("up --profile live");
    snapshot!(
        project.migrate("down --profile live --yes"),
        project.migrate("down --profile live --confirm other.db"),
        project.migrate("redo --database-url sqlite:app.db --yes"),
    );
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 2);
    project.done("down --profile live --confirm app.db");
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 1);
    project.done("down --profile live --dry-run");
}

#[test]
fn the_ledger_of_a_protected_database_is_not_changed_by_a_yes() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("migrate.toml", "protected = true\n");
    let rows = || project.value("SELECT count(*) FROM schema_migrations_v2");
    project.done("up --to 1.0.0");
    project.leave_a_ghost();
    let lines = [
        "baseline 1.1.0",
        "force 1.0.0 --not-applied --reason x",
        "repair 1.0.0",
        "lock release",
        "lock release --force",
    ];
    for line in lines {
        for confirmation in ["--yes", "--confirm other.db", "--yes --confirm other.db"] {
            let shown = project.migrate(&format!("{line} {confirmation}"));
            assert_eq!(shown.output.code, 64, "{shown}");
            assert!(shown.output.stderr.contains("--confirm"), "{shown}");
        }
        project.done(&format!("{line} --dry-run"));
    }
    assert_eq!(rows(), 1);
    project.done("lock release --confirm app.db");
    project.done("lock release --yes");
    project.done("baseline 1.1.0 --confirm app.db");
    project.done("repair --all --yes");
    let script = "-- The same.\nCREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n";
    project.write("migrations_v2/v1.0.0_users/up.sql", script);
    let unnamed = project.migrate("repair --all --yes");
    assert!(unnamed.output.code == 64 && unnamed.output.stderr.contains("--confirm"), "{unnamed}");
    project.done("repair --all --confirm app.db");
    assert_eq!(rows(), 2);
    project.done("force 1.1.0 --not-applied --reason x --confirm app.db");
    assert_eq!(rows(), 1);
}

#[test]
fn the_server_for_scratch_databases_is_a_setting() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("migrate.toml", "shadow_url = 'postgres://app:geheim@127.0.0.1:1/postgres'\n");
    let shown = project.migrate("config show");
    assert!(shown.output.stdout.contains("postgres://app@127.0.0.1:1/postgres"), "{shown}");
    assert!(!shown.to_string().contains("geheim"), "{shown}");
    let unreachable = project.migrate("validate");
    assert_eq!(unreachable.output.code, 69, "{unreachable}");
    assert!(!unreachable.to_string().contains("geheim"), "{unreachable}");

    // The environment wins over the file, the flag over both.
    let in_memory = [("MIGRATION_SHADOW_URL", "sqlite::memory:")];
    let shown = with_environment(project.command("config show"), "config show", &in_memory);
    assert!(shown.output.stdout.contains("sqlite::memory:"), "{shown}");
    let shown = with_environment(project.command("validate"), "validate", &in_memory);
    assert!(shown.output.code == 0 && shown.to_string().contains("tried on sqlite::memory:"), "{shown}");
    let line = "validate --shadow-url mysql://app@host/shop";
    assert_eq!(with_environment(project.command(line), line, &in_memory).output.code, 78);
    // No other verb has the flag.
    assert_eq!(project.migrate("status --shadow-url sqlite::memory:").output.code, 64);
}

#[test]
fn habits_of_other_tools() {
    let project = Project::new(USERS_AND_POSTS);
    project.done("up 1");
    project.done("up");
    project.done("down 2 --yes");
    assert_eq!(project.value("SELECT count(*) FROM schema_migrations_v2"), 0);
    assert_eq!(project.migrate("down 1 --all --yes").output.code, 64);
}
