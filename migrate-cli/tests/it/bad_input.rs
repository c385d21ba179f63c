//! Migrations directories with mistakes, and databases that do not answer.

use std::net::{Ipv4Addr, TcpListener};

use crate::support::{Project, USERS_AND_POSTS, snapshot};

#[test]
fn broken_json() {
    let project = Project::new(USERS_AND_POSTS);
    project
        .write("migrations_v2/v1.1.0_posts/metadata.json", "{\n  \"version\": \"1.1.0\",\n  \"name\" \"posts\"\n}\n");
    let shown = project.migrate("validate");
    assert!(shown.output.stderr.contains("migrations_v2/v1.1.0_posts/metadata.json:3:"), "{shown}");
    snapshot!(shown, project.migrate("up"), project.migrate("status --json"));
    assert!(!project.path("app.db").exists(), "the database was touched");
}

#[test]
fn many_mistakes_at_once() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("migrations_v2/v1.1.0_posts/metadata.json", "{\"version\": \"1.1.0\", \"nam\": \"posts\"}\n");
    project.write("migrations_v2/v1.2_tags/up.sql", "SELECT 1;\n");
    project.write("migrations_v2/v1.0.0_users/upp.sql", "SELECT 1;\n");
    snapshot!(project.migrate("validate"));
}

/// No command runs them; `validate` reads them as the tests do that insert them.
#[test]
fn fixtures_that_cannot_be_read() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("migrations_v2/v1.0.0_users/fixtures.sql", "INSERT INTO users VALUES (1, 'Ann);\n");
    snapshot!(project.migrate("validate"), project.migrate("up"));
}

#[test]
fn a_password_in_a_script() {
    let project = Project::new(USERS_AND_POSTS);
    let up = "CREATE TABLE roles (name TEXT);\nINSERT INTO rolls (name, password) VALUES ('app', 'geheim');\n";
    project.write("migrations_v2/v1.1.0_posts/up.sql", up);
    let mut shown = Vec::from(["up", "up --json"].map(|line| project.migrate(line)));
    let up = "ALTER ROLE app PASSWORD $$geheim$$; COMMIT;\nSELECT dblink('password=geheim; COMMIT;\n";
    project.write("migrations_v2/v1.1.0_posts/up.sql", up);
    shown.extend(["validate", "validate --json", "up"].map(|line| project.migrate(line)));
    for shown in shown {
        assert_ne!(shown.output.code, 0, "{shown}");
        let text = shown.to_string();
        assert!(!text.contains("geheim"), "{shown}");
    }
}

#[test]
fn text_that_is_not_utf_8() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("migrations_v2/v1.1.0_posts/up.sql", b"CREATE TABLE posts (name TEXT DEFAULT '\xe9');\n");
    snapshot!(project.migrate("up"));
}

#[test]
fn an_empty_directory() {
    let project = Project::new("");
    std::fs::create_dir(project.path("migrations_v2")).unwrap();
    snapshot!(project.migrate("validate"), project.migrate("up"));
}

#[test]
fn a_missing_directory() {
    let project = Project::new(USERS_AND_POSTS);
    snapshot!(project.migrate("up --dir migration_v2"));
}

#[test]
fn no_database_is_given() {
    let project = Project::new(USERS_AND_POSTS).without_url();
    snapshot!(project.migrate("up"), project.migrate("check --json"));
}

#[test]
fn urls_that_cannot_be_used() {
    for url in ["app.db", "mysql://user:geheim@host/db", "sqlite::memory:", "postgres://user:geheim@host/db?nosuch=1"] {
        let project = Project::new(USERS_AND_POSTS).with_url(url);
        let shown = project.migrate("check");
        assert_eq!(shown.output.code, 78, "{shown}");
        assert!(!shown.to_string().contains("geheim"), "{shown}");
    }
}

#[test]
fn a_dead_server() {
    // Bound and dropped: nobody listens there.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let project = Project::new(USERS_AND_POSTS).with_url(format!("postgres://app:geheim@127.0.0.1:{port}/shop"));
    let shown = ["check", "up", "check --json", "up --json"].map(|line| project.migrate(line));
    assert!(shown.iter().all(|shown| !shown.to_string().contains("geheim")));
    let [check, up, check_json, up_json] = shown;
    snapshot!(check, up, check_json, up_json);
}

#[test]
fn a_file_in_a_missing_directory() {
    let project = Project::new(USERS_AND_POSTS).with_url("sqlite:nowhere/app.db");
    let shown = project.migrate("up");
    assert_eq!(shown.output.code, 69, "{shown}");
}

#[test]
fn a_statement_that_is_not_sqlite() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("migrations_v2/v1.1.0_posts/up.sql", "CREATE TABLE posts (\n  id INTEGER NOT NUL\n);\n");
    snapshot!(project.migrate("validate"), project.migrate("up"));
    // Without a database it may be meant for PostgreSQL.
    let project = project.without_url();
    assert_eq!(project.migrate("validate").output.code, 0);
}
