//! `new --template`: what every template writes is valid, and runs up, down and up again on both databases.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::json;
use testkit::postgres::{Database, Server};

use crate::support::{Project, check_keys, snapshot};

/// A set for both databases.
const USERS: &str = r#"
--- v1.0.0_users/metadata.json
{"version": "1.0.0", "name": "users"}
--- v1.0.0_users/up.sqlite.sql
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT);
CREATE INDEX users_by_name ON users (name);
CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users ON DELETE CASCADE);
CREATE VIEW names AS SELECT name FROM users;
CREATE VIEW short_names AS SELECT name FROM names WHERE length(name) < 9;
CREATE TRIGGER users_email AFTER INSERT ON users BEGIN UPDATE users SET email = '' WHERE id = NEW.id AND email IS NULL; END;
INSERT INTO users (id, name, email) VALUES (1, 'Ada', 'ADA@example.com');
INSERT INTO posts (author) VALUES (1);
--- v1.0.0_users/up.postgres.sql
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT);
CREATE TYPE mood AS ENUM ('sad');
INSERT INTO users (id, name, email) VALUES (1, 'Ada', 'ADA@example.com');
--- v1.0.0_users/down.sqlite.sql
DROP VIEW short_names; DROP VIEW names; DROP TABLE posts; DROP TABLE users;
--- v1.0.0_users/down.postgres.sql
DROP TABLE users; DROP TYPE mood;
"#;

#[test]
fn scripts_are_for_the_database_that_is_configured() {
    let scripts = |project: &Project, line: &str| {
        let document = project.document(line, 0, &["format", "outcome", "version", "name", "files", "migrations"]);
        let files = document["files"].as_array().unwrap().iter().filter_map(|it| it.as_str()?.rsplit('/').next());
        files.filter(|it| it.starts_with("up")).map(str::to_owned).collect::<Vec<_>>()
    };
    let both = ["up.sqlite.sql", "up.postgres.sql"];
    let table = "new --template table notes text:text";
    assert_eq!(scripts(&Project::new("").without_url(), table), both);
    let project = Project::new("");
    assert_eq!(scripts(&project, table), ["up.sql"]);
    assert_eq!(scripts(&project, "new --template table pages --dialect both"), both);
    assert_eq!(scripts(&Project::new("").with_url("postgres://app@localhost/app"), table), ["up.sql"]);
    // The set says that it is for both.
    assert_eq!(scripts(&Project::new(USERS), table), both);
}

/// A database of each kind.
fn projects(server: &Server) -> [(Project, Option<Database>); 2] {
    let database = server.database();
    let postgres = Project::new(USERS).with_url(database.url());
    [(Project::new(USERS), None), (postgres, Some(database))]
}

#[track_caller]
fn check(template: &str, has_way_back: bool) {
    let server = Server::shared();
    for (project, _database) in projects(server) {
        project.done("lock");
        project.done(&format!("new --template {template}"));
        project.done("lock");
        let valid = project.migrate("validate");
        assert_eq!(valid.output.stdout, "2 migrations valid, 0 warnings\n", "{valid}");
        project.done("up");
        let down = project.migrate("down --yes");
        assert_eq!(down.output.code, if has_way_back { 0 } else { 70 }, "{down}");
        project.done("up");
        project.done("check");
    }
}

#[test]
fn tables_and_columns() {
    check("table orders customer:integer total:numeric(10,2)", true);
    check("table order", true);
    check("column users.age integer", true);
}

#[test]
fn indexes_that_are_built_while_others_write() {
    check("index-concurrently users name email", true);
}

#[test]
fn values_of_enum_types() {
    check("enum-value mood \"it's complicated\"", false);
    let project = Project::new(USERS).without_url();
    let server = Server::shared();
    let database = server.database();
    let project = project.with_url(database.url());
    project.done("new --template enum-value mood curious");
    project.done("up");
    let labels = database.psql("SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum");
    assert_eq!(labels, "sad curious");
}

#[test]
fn changes_of_rows() {
    check("data users.email \"lower(email)\"", false);
    let project = Project::new(USERS);
    project.done("new --template data users.email \"lower(email)\"");
    project.done("up");
    assert_eq!(project.value("SELECT email = 'ada@example.com' FROM users"), 1);
}

#[test]
fn rebuilds() {
    check("sqlite-rebuild users", true);
    let project = Project::new(USERS);
    project.done("new --template sqlite-rebuild Users");
    snapshot!(fs::read_to_string(project.path("migrations_v2/v1.1.0_rebuild_users/up.sqlite.sql")).unwrap());
    let objects = "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'schema%'";
    project.done("up 1");
    let before = project.value(objects);
    project.done("up");
    assert_eq!(project.value(objects), before);
    // DROP TABLE would have taken them along.
    assert_eq!(project.value("SELECT count(*) FROM posts"), 1);
    assert_eq!(project.value("SELECT count(*) FROM short_names"), 1);
}

/// Old and new programs write side by side; the statement leaves one row each.
const WRITES: [&str; 4] = [
    "INSERT INTO users (id, name) VALUES (2, 'Bob')",
    "INSERT INTO users (id, name, full_name) VALUES (3, 'Eve', 'Eve')",
    "UPDATE users SET name = 'Bo' WHERE id = 2",
    "UPDATE users SET full_name = 'Eva' WHERE id = 3",
];

const NAMES: &str = "SELECT string_agg(id || name || '=' || full_name, ' ' ORDER BY id) FROM users";

#[test]
fn a_column_is_renamed_in_three_steps() {
    let server = Server::shared();
    for (project, database) in projects(server) {
        let query = |sql: &str| match &database {
            Some(database) => database.psql(sql),
            None => project.sqlite().query_row(sql, [], |row| row.get(0)).unwrap(),
        };
        let execute = |sql: &str| match &database {
            Some(database) => drop(database.psql(sql)),
            None => project.sqlite().execute_batch(sql).unwrap(),
        };
        project.done("lock");
        let new = project.migrate("new --template expand-contract rename-column users.name full_name");
        assert_eq!(new.output.code, 0, "{new}");
        if database.is_none() {
            snapshot!(new);
        }
        project.done("lock");
        assert_eq!(project.migrate("validate").output.stdout, "3 migrations valid, 0 warnings\n");
        project.done("up");
        WRITES.into_iter().for_each(execute);
        assert_eq!(query(NAMES), "1Ada=Ada 2Bo=Bo 3Eva=Eva");

        // Without a release in between it stays where nothing applies it.
        assert_eq!(project.migrate("check").output.code, 0);
        let held = "new --from migrations_v2/later/drop_users_name";
        assert_eq!(project.migrate(held).output.code, 64);
        if database.is_none() {
            // SQLite does not drop a column that something names.
            execute("DROP INDEX users_by_name; DROP VIEW short_names; DROP VIEW names");
        }
        let taken = project.migrate(&format!("{held} --min-runtime-version 2.0.0"));
        assert_eq!(taken.output.code, 0, "{taken}");
        if database.is_none() {
            snapshot!(
                taken,
                fs::read_to_string(project.path("migrations_v2/v1.3.0_drop_users_name/metadata.json")).unwrap()
            );
        }
        assert!(!project.path("migrations_v2/later").exists());
        project.done("lock");
        assert_eq!(project.migrate("validate").output.stdout, "4 migrations valid, 0 warnings\n");
        project.done("up --phase contract");
        assert_eq!(query("SELECT string_agg(full_name, ' ' ORDER BY id) FROM users"), "Ada Bo Eva");

        // The way back keeps every row, and both programs work again.
        project.done("down --yes");
        execute("UPDATE users SET name = 'Bobby' WHERE id = 2");
        assert_eq!(query(NAMES), "1Ada=Ada 2Bobby=Bobby 3Eva=Eva");
        project.done("down 2 --yes");
        assert_eq!(query("SELECT string_agg(name, ' ' ORDER BY id) FROM users"), "Ada Bobby Eva");
        project.done("up --phase expand");
    }
}

#[test]
fn scripts_from_standard_input() {
    let project = Project::new(USERS).without_url();
    let pipe = |line: &str, text: &[u8]| {
        let mut command = project.command(line);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that refuses its arguments reads nothing.
        let _ = child.stdin.take().unwrap().write_all(text);
        child.wait_with_output().unwrap()
    };
    let output = pipe("new import -", b"CREATE TABLE imported (id INTEGER);\n");
    assert_eq!(output.status.code(), Some(0));
    let read = |file: &str| fs::read_to_string(project.path("migrations_v2/v1.1.0_import").join(file));
    assert_eq!(read("up.sql").unwrap(), "CREATE TABLE imported (id INTEGER);\n");
    assert!(read("down.sql").is_err());
    assert!(String::from_utf8_lossy(&output.stdout).contains("write down.sql"));
    for (line, text, code) in [
        ("new empty --stdin", &b" \n"[..], 64),
        ("new binary --stdin", &b"\xff"[..], 70),
        ("new again --stdin --template table", &b"SELECT 1;"[..], 64),
    ] {
        assert_eq!(pipe(line, text).status.code(), Some(code), "{line}");
    }
}

#[test]
fn one_database_has_plain_names() {
    let project = Project::new("").without_url();
    project.done("new --template table users name:text --dialect postgres");
    let document = project.document(
        "new --template column users.age integer --name age",
        0,
        &["format", "outcome", "version", "name", "files", "migrations"],
    );
    assert_eq!(
        document["migrations"],
        json!([{"version": "1.1.0", "name": "age", "path": "migrations_v2/v1.1.0_age"}])
    );
    check_keys(&document["migrations"][0], &["version", "name", "path"]);
    assert!(project.path("migrations_v2/v1.0.0_create_users/up.sql").exists());
}

#[test]
fn arguments_that_do_not_fit() {
    let project = Project::new(USERS).without_url();
    snapshot!(
        project.migrate("new --template column users age"),
        project.migrate("new --template table \"us ers\""),
        project.migrate("new --template expand-contract drop-column users.name"),
        project.migrate("new --template expand-contract rename-column users.name full_name --description x"),
        project.migrate("new --template sqlite-rebuild nobody"),
        project.migrate("new --template enum-value mood glad --dialect sqlite"),
        project.migrate("new --template tabel users"),
        project.migrate("new --from nowhere"),
    );
}
