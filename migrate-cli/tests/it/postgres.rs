//! The main verbs on PostgreSQL.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use testkit::certificates::Authority;
use testkit::postgres::Server;
use testkit::process;

use crate::support::{BROKEN, Project, SLOW, Shown, USERS_AND_POSTS, snapshot};

#[test]
fn up_and_down() {
    let database = Server::shared().database();
    let project = Project::new(USERS_AND_POSTS).with_url(database.url());
    snapshot!(
        project.migrate("check"),
        project.migrate("up"),
        project.migrate("up"),
        project.migrate("status"),
        project.migrate("check"),
        project.migrate("history"),
        project.migrate("redo --yes"),
        project.migrate("down --all --yes"),
        project.migrate("version"),
    );
    assert_eq!(database.psql("SELECT count(*) FROM schema_migrations_v2"), "0");
}

#[test]
fn a_script_that_fails_in_the_middle() {
    let database = Server::shared().database();
    let project = Project::new(&format!("{USERS_AND_POSTS}{BROKEN}")).with_url(database.url());
    snapshot!(project.migrate("up"), project.migrate("status"), project.migrate("history"));
    assert_eq!(database.psql("SELECT to_regclass('half') IS NULL"), "t");
}

/// However it is said, PostgreSQL itself ends the statement.
#[test]
fn a_statement_has_its_time() {
    let project = Project::new(SLOW).with_database(Server::shared().database());
    let began = Instant::now();
    let flag = project.migrate("up --statement-timeout 100ms --json");
    assert_eq!((flag.output.code, flag.document()["error"]["code"].as_str()), (70, Some("57014")), "{flag}");
    let line = "up --json";
    let variable = process::run(project.command(line).env("MIGRATION_STATEMENT_TIMEOUT", "100ms"));
    let variable = Shown::new(line, variable);
    assert_eq!(
        (variable.output.code, variable.document()["error"]["code"].as_str()),
        (70, Some("57014")),
        "{variable}"
    );
    project.write("migrate.toml", "statement_timeout = '100ms'\n");
    let file = project.migrate(line);
    assert_eq!((file.output.code, file.document()["error"]["code"].as_str()), (70, Some("57014")), "{file}");
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
}

/// The server takes the connection and never says a word.
#[test]
fn a_connection_has_its_time() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let port = silent.local_addr().expect("it is bound").port();
    let url = format!("postgres://app@127.0.0.1:{port}/shop?connect_timeout=1");
    let project = Project::new(USERS_AND_POSTS).with_url(url);
    let began = Instant::now();
    let shown = project.migrate("status");
    assert_eq!(shown.output.code, 69, "{shown}");
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(30), "{shown}");
}

#[test]
fn a_wrong_password() {
    let server = Server::start_with_passwords(&[]);
    server.role("app", "right");
    let database = server.database();
    let project = Project::new(USERS_AND_POSTS).with_url(database.url_as("app", "geheim"));
    let shown = ["check", "up --json", "status --verbose"].map(|line| project.migrate(line));
    for shown in &shown {
        assert_eq!(shown.output.code, 69, "{shown}");
        assert!(!shown.to_string().contains("geheim"), "{shown}");
    }
    let [check, ..] = shown;
    snapshot!(check);
}

#[test]
fn a_server_that_is_not_the_one_meant() {
    let authority = Authority::new("ours");
    let rules = "hostssl all all 127.0.0.1/32 scram-sha-256";
    let server = Server::start_with_tls(&authority.server(&["localhost"]), &authority, rules);
    server.role("app", "geheim");
    let database = server.database();
    let url = database.url_as("app", "geheim");
    let project = Project::new(USERS_AND_POSTS).without_url();
    project.write("ca.pem", authority.pem());
    let with = |parameters: &str| {
        project.write(".env", format!("DATABASE_URL='{url}{parameters}'\n"));
        let shown = project.migrate("check");
        assert!(!shown.to_string().contains("geheim"), "{shown}");
        shown
    };
    snapshot!(
        with("?sslmode=verify-full&sslrootcert=ca.pem"),
        with("?sslmode=verify-ca&sslrootcert=ca.pem"),
        with("?sslmode=disable"),
        with("?sslmode=verify-full&sslrootcert=missing.pem"),
        with("?sslmode=verify"),
    );
}

#[test]
fn a_database_that_is_not_there() {
    let url = Server::shared().database().url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let (_, port) = server.rsplit_once(':').unwrap();
    let shown = Project::new(USERS_AND_POSTS).with_url(format!("{server}/nowhere")).migrate("check");
    assert_eq!(shown.output.code, 69, "{shown}");
    let hint = format!("create it with `createdb -h 127.0.0.1 -p {port} -U postgres nowhere`, or correct its name");
    assert!(shown.output.stderr.contains(&hint), "{shown}");
}

#[test]
fn a_pass_file_that_others_can_read() {
    let project = Project::new(USERS_AND_POSTS).with_url("postgres://app@127.0.0.1:1/shop?passfile=pass");
    project.write("pass", "*:*:*:*:geheim\n");
    std::fs::set_permissions(project.path("pass"), std::fs::Permissions::from_mode(0o640)).unwrap();
    snapshot!(project.migrate("check"));
}

#[test]
fn the_variables_of_psql() {
    let server = Server::start_with_passwords(&[]);
    server.role("app", "geheim");
    let database = server.database();
    let project = Project::new(USERS_AND_POSTS).with_url("postgres://");
    let with = |more: &[(&str, &str)]| {
        let mut command = project.command("check");
        command.envs([("PGHOST", "127.0.0.1"), ("PGUSER", "app"), ("PGDATABASE", database.name())]);
        command.env("PGPORT", server.port().to_string()).env("HOME", project.path(""));
        process::run(command.envs(more.iter().copied()))
    };
    assert_eq!(with(&[]).code, 69);
    let found = with(&[("PGPASSWORD", "geheim")]);
    assert_eq!(found.code, 1, "{found:?}");
    project.write(".pgpass", "127.0.0.1:*:*:app:geheim\n");
    std::fs::set_permissions(project.path(".pgpass"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let found = with(&[]);
    assert_eq!(found.code, 1, "{found:?}");
    let refused = with(&[("PGSSLMODE", "require")]);
    assert!(refused.code == 69 && refused.stderr.contains("TLS"), "{refused:?}");
}

#[test]
fn a_schema_of_its_own() {
    let database = Server::shared().database();
    database.psql("CREATE SCHEMA bookkeeping");
    let project = Project::new(USERS_AND_POSTS).with_url(database.url());
    project.done("up --schema bookkeeping --table ledger");
    assert_eq!(database.psql("SELECT count(*) FROM bookkeeping.ledger"), "2");
}

#[test]
fn a_role_that_may_only_read() {
    let server = Server::shared();
    let database = server.database();
    Project::new(USERS_AND_POSTS).with_url(database.url()).done("up --to 1.0.0");
    server.role("cli_reader", "read");
    database.psql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO cli_reader");
    let project = Project::new(USERS_AND_POSTS).with_url(database.url_as("cli_reader", "read"));
    assert_eq!(project.migrate("check").output.code, 1);
    assert_eq!(project.migrate("status").output.code, 0);
    let shown = project.migrate("up");
    assert_eq!(shown.output.code, 70, "{shown}");
}

#[test]
fn another_run_is_at_work() {
    let database = Server::shared().database();
    let project = Project::new(SLOW).with_url(database.url());
    let mut holder = project.start_sleeping(&database);
    let shown = ["up --wait-lock 50ms", "up --wait-lock 50ms --quiet", "status"].map(|line| project.migrate(line));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let [up, quiet, status] = shown;
    snapshot!(up, quiet, status);
}
