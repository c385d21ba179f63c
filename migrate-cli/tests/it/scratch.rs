//! `validate --shadow-url`: a real database says whether a set runs.

use std::fs;
use std::path::Path;

use migrate_core::diagnostic::Code;
use serde_json::json;
use testkit::diagnostics::{Example, examples};
use testkit::postgres::Server;

use crate::support::{BROKEN, Project, Shown, USERS_AND_POSTS, check_keys, snapshot};

const NO_VERIFICATION: &str = r#"
--- v1.2.0_admin/metadata.json
{"version": "1.2.0", "name": "admin"}
--- v1.2.0_admin/up.sql
INSERT INTO users (id, name) VALUES (1, 'root');
--- v1.2.0_admin/verify.sql
SELECT count(*) = 2 FROM users;
--- v1.2.0_admin/down.sql
DELETE FROM users WHERE id = 1;
"#;

const SYNTAX_ERROR: &str = r#"
--- v1.2.0_names/metadata.json
{"version": "1.2.0", "name": "names"}
--- v1.2.0_names/up.postgres.sql
-- Größe
CREATE TABLE "größen" (id integer NOT NULL UNIQE);
--- v1.2.0_names/down.sql
DROP TABLE "größen";
"#;

const HINT: &str = r#"
--- v1.2.0_names/metadata.json
{"version": "1.2.0", "name": "names", "irreversible": "a view of names"}
--- v1.2.0_names/up.sql
CREATE VIEW names AS
SELECT users.nam FROM users;
"#;

const BROKEN_DOWN: &str = r#"
--- v1.2.0_tags/metadata.json
{"version": "1.2.0", "name": "tags"}
--- v1.2.0_tags/up.sql
CREATE TABLE tags (id integer);
--- v1.2.0_tags/down.sql
DROP TABLE tag;
"#;

const LOST_CONNECTION: &str = r#"
--- v1.2.0_lost/metadata.json
{"version": "1.2.0", "name": "lost", "irreversible": "it never gets there"}
--- v1.2.0_lost/up.sql
SELECT pg_terminate_backend(pg_backend_pid());
"#;

/// Runs `validate` on a scratch database of a server, which has none left afterwards.
#[track_caller]
fn validate(server: &Server, files: &str, options: &str) -> Shown {
    let made = || server.log().matches("statement: CREATE DATABASE migrate_scratch_").count();
    let before = made();
    let project = Project::new(&format!("{USERS_AND_POSTS}{files}")).without_url();
    let shown = project.migrate(&format!("validate --shadow-url {}{options}", server.url()));
    assert_eq!(made(), before + 1, "{shown}");
    check_nothing_is_left(server);
    shown
}

#[track_caller]
fn check_nothing_is_left(server: &Server) {
    assert_eq!(server.psql("SELECT count(*) FROM pg_database WHERE datname LIKE 'migrate%'"), "0");
}

#[test]
fn a_server_says_whether_a_set_runs_and_keeps_nothing_of_it() {
    let server = Server::start_with(&[("log_statement", "ddl")]);
    snapshot!(
        validate(&server, "", ""),
        validate(&server, BROKEN, ""),
        validate(&server, SYNTAX_ERROR, ""),
        validate(&server, NO_VERIFICATION, ""),
        validate(&server, HINT, ""),
        validate(&server, BROKEN_DOWN, ""),
    );

    let lost = validate(&server, LOST_CONNECTION, "");
    assert_ne!(lost.output.code, 0, "{lost}");
    assert!(lost.output.stderr.contains("1.2.0") && lost.output.stderr.contains("57P01"), "{lost}");

    let document = validate(&server, BROKEN, " --json").document();
    assert_eq!(
        (&document["outcome"], &document["errors"], &document["digest"]),
        (&json!("invalid"), &json!(1), &json!(null))
    );
    let problem = &document["diagnostics"][0];
    check_keys(problem, &["severity", "code", "path", "line", "column", "message", "help"]);
    assert_eq!(problem["code"], "scratch-up");
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(13)));
    assert!(problem["message"].as_str().unwrap().contains("(code 42P01)"), "{problem}");
    let document = validate(&server, "", " --json").document();
    assert_eq!(document["outcome"], "valid");
    assert_eq!(document["shadow"], server.url().as_str());
}

#[test]
fn a_role_that_may_not_create_databases() {
    let server = Server::start_with_passwords(&[]);
    server.role("scratch_poor", "geheim");
    let project = Project::new(USERS_AND_POSTS).without_url();
    let url = |password: &str| server.url().replace("postgres@", &format!("scratch_poor:{password}@"));
    let run = |line: &str, url: &str| {
        let output = testkit::process::run(project.command(line).env("MIGRATION_SHADOW_URL", url));
        let text = Shown::new(line, output).to_string();
        assert!(!text.contains("geheim"), "{text}");
        text
    };
    let refused = run("validate", &url("geheim"));
    assert!(refused.contains("[exit 70]") && refused.contains("ALTER ROLE"), "{refused}");
    let wrong = run("validate --json", &url("geheimer"));
    assert!(wrong.contains("[exit 69]") && wrong.contains(r#""kind":"unreachable""#), "{wrong}");
    snapshot!(refused);
    check_nothing_is_left(&server);
}

#[test]
fn sqlite_runs_it_in_memory() {
    let project = Project::new(&format!("{USERS_AND_POSTS}{BROKEN}")).without_url();
    snapshot!(
        project.migrate("validate --shadow-url sqlite::memory:"),
        Project::new(USERS_AND_POSTS).migrate("validate --shadow-url sqlite::memory:"),
        project.migrate("validate --shadow-url sqlite:app.db"),
        project.migrate("validate --shadow-url mysql://app:geheim@host/shop"),
        project.migrate("validate --shadow-url postgres://app:geheim@host/shop extra"),
    );
    assert!(!project.path("app.db").exists());
}

#[test]
fn a_set_with_errors_is_not_run() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("migrations_v2/v1.1.0_posts/metadata.json", "{");
    // Nothing listens there.
    snapshot!(project.migrate("validate --shadow-url postgres://postgres@127.0.0.1:1/postgres"));
}

#[test]
fn validate_says_what_the_documentation_shows() {
    let documentation = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnostics.md");
    let documentation = fs::read_to_string(documentation).unwrap();
    let is_wanted = |it: &Example| Code::from_word(it.code).is_some_and(Code::is_for_validate);
    let wanted: Vec<Example> = examples().into_iter().filter(is_wanted).collect();
    assert!(wanted.len() >= 5);
    for example in wanted {
        let project = Project::new("").without_url();
        example.write(&project.path("migrations_v2"));
        let shadow =
            if example.said().is_some() { format!(" --shadow-url {}", Server::shared().url()) } else { String::new() };
        let shown = project.migrate(&format!("validate{shadow}"));
        // Behind the diagnostic, an error is summed up.
        let said = shown.output.stderr.split("\nerror: the migrations directory").next().unwrap_or_default();
        let said = said.split("\nnext: ").next().unwrap_or_default();
        assert!(
            said.contains(" --> ") && documentation.contains(&format!("```text\n{}\n```", said.trim_end())),
            "{shown}"
        );
    }
}
