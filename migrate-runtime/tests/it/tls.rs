//! Encrypted connections to real servers with certificates of our own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use migrate_runtime::{Error, ErrorKind, Postgres};
use tempfile::TempDir;
use testkit::certificates::Authority;
use testkit::postgres::{Database, Server};

use crate::bench::migrator;

/// Users that get in with encryption, without it, either way, or by a certificate of their own.
const RULES: &str = "\
hostssl all secure 127.0.0.1/32 trust
hostnossl all plain 127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 cert
host all postgres 127.0.0.1/32 trust
hostssl all secret 127.0.0.1/32 scram-sha-256";

const USERS: (&str, &str, &str, &str) = ("1.0.0", "users", "CREATE TABLE users (id integer)", "DROP TABLE users");

struct Fixture {
    /// The server's certificate is for `localhost` only.
    server: Server,
    expired: Server,
    files: TempDir,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let (authority, other) = (Authority::new("ours"), Authority::new("other"));
    let server = Server::start_with_tls(&authority.server(&["localhost"]), &authority, RULES);
    server.psql("CREATE ROLE secure LOGIN; CREATE ROLE plain LOGIN; CREATE ROLE certified LOGIN");
    server.role("secret", "geheim");
    let expired = Server::start_with_tls(&authority.expired_server(&["localhost"]), &authority, RULES);
    let files = tempfile::tempdir().unwrap();
    let (client, stranger) = (authority.client("certified"), other.client("certified"));
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("other.pem", other.pem()),
        ("client.pem", client.certificate),
        ("client.key", client.key),
        ("stranger.pem", stranger.certificate),
        ("stranger.key", stranger.key),
        ("empty.pem", String::new()),
    ] {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    Fixture { server, expired, files }
});

fn file(name: &str) -> String {
    FIXTURE.files.path().join(name).display().to_string()
}

/// A URL with parameters, in which `{name}` stands for the path of a file.
fn url(database: &Database, user: &str, host: &str, server: &Server, parameters: &str) -> String {
    let parameters = parameters.replace('{', &format!("{}/", FIXTURE.files.path().display())).replace('}', "");
    format!("postgres://{user}@{host}:{}/{}?{parameters}", server.port(), database.name())
}

/// Whether the session that a check made was encrypted, as the server says.
fn connect(database: &Database, user: &str, host: &str, parameters: &str) -> Result<bool, Error> {
    let url = url(database, user, host, &FIXTURE.server, parameters);
    let mut connector = Postgres::from_url(&url)?;
    // The server's own view is asked for by a migration: what is left behind can be read with another client.
    let encrypted = [(
        "1.0.0",
        "encrypted",
        "CREATE TABLE encrypted AS SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();",
        "DROP TABLE encrypted;",
    )];
    migrator(&encrypted).up(&mut connector).wait()?;
    let answer = database.psql("SELECT ssl FROM encrypted");
    migrator(&encrypted).down(&mut connector).wait()?;
    Ok(answer == "t")
}

fn database(user: &str) -> Database {
    let database = FIXTURE.server.database();
    database.psql(&format!("GRANT ALL ON SCHEMA public TO {user}"));
    database
}

#[track_caller]
fn check(user: &str, host: &str, parameters: &str, encrypted: bool) {
    let found = connect(&database(user), user, host, parameters);
    assert_eq!(found.unwrap_or_else(|error| panic!("{error}")), encrypted, "{parameters}");
}

#[track_caller]
fn check_refused(user: &str, host: &str, parameters: &str, message: &str, help: &str) {
    let error = connect(&database("postgres"), user, host, parameters).expect_err("the connection is refused");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains(message), "{error}");
    assert!(error.help().unwrap_or_default().contains(help), "{:?}", error.help());
    assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
}

#[test]
fn each_mode_is_encrypted_or_not_as_its_name_says() {
    check("postgres", "127.0.0.1", "sslmode=disable", false);
    check("postgres", "127.0.0.1", "sslmode=allow", false);
    check("secure", "127.0.0.1", "sslmode=allow", true);
    check("postgres", "127.0.0.1", "", true);
    check("postgres", "127.0.0.1", "sslmode=prefer", true);
    check("postgres", "127.0.0.1", "sslmode=require", true);
    check("postgres", "127.0.0.1", "sslmode=verify-ca&sslrootcert={ca.pem}", true);
    check("postgres", "localhost", "sslmode=verify-full&sslrootcert={ca.pem}", true);
}

#[test]
fn a_server_without_encryption() {
    let database = Server::shared().database();
    let with = |parameters: &str| {
        let mut connector = Postgres::from_url(&format!("{}?{parameters}", database.url()))?;
        migrator(&[USERS]).check(&mut connector).wait()
    };
    for mode in ["disable", "allow", "prefer"] {
        with(&format!("sslmode={mode}")).unwrap_or_else(|error| panic!("{mode}: {error}"));
    }
    let error = with("sslmode=require").unwrap_err();
    assert!(error.to_string().contains("server does not support TLS"), "{error}");
    assert!(error.help().unwrap_or_default().contains("`sslmode=prefer`"), "{:?}", error.help());
}

#[test]
fn a_unix_socket_is_never_encrypted() {
    let database = FIXTURE.server.database();
    let url = format!("{}&sslmode=verify-full&sslrootcert={}", database.socket_url(), file("ca.pem"));
    let mut connector = Postgres::from_url(&url).unwrap();
    migrator(&[USERS]).check(&mut connector).wait().unwrap();
}

#[test]
fn the_server_decides_who_comes_without_encryption() {
    check_refused("secure", "127.0.0.1", "sslmode=disable", "no encryption", "`sslmode=require`");
    check_refused("plain", "127.0.0.1", "sslmode=require", "SSL encryption", "");
    check("plain", "127.0.0.1", "sslmode=allow", false);
    check("plain", "127.0.0.1", "sslmode=prefer", false);
}

#[test]
fn another_authority_is_not_trusted() {
    for mode in ["verify-ca", "verify-full", "require"] {
        let parameters = format!("sslmode={mode}&sslrootcert={{other.pem}}");
        check_refused("postgres", "localhost", &parameters, "certificate", "`sslrootcert`");
    }
}

#[test]
fn another_name_is_refused_by_verify_full_only() {
    let parameters = "sslmode=verify-full&sslrootcert={ca.pem}";
    check_refused("postgres", "127.0.0.1", parameters, "certificate", "another host");
    check("postgres", "127.0.0.1", "sslmode=require&sslrootcert={ca.pem}", true);
}

#[test]
fn an_expired_certificate_is_refused_where_it_is_checked() {
    let server = &FIXTURE.expired;
    let database = server.database();
    let with = |mode: &str| {
        let url = url(&database, "postgres", "localhost", server, &format!("sslmode={mode}"));
        migrator(&[USERS]).check(&mut Postgres::from_url(&url)?).wait()
    };
    for mode in ["verify-ca&sslrootcert={ca.pem}", "verify-full&sslrootcert={ca.pem}"] {
        let error = with(mode).unwrap_err();
        assert!(error.help().unwrap_or_default().contains("expired"), "{error} {:?}", error.help());
    }
    with("require").unwrap();
}

#[test]
fn a_certificate_of_our_own() {
    check("certified", "127.0.0.1", "sslmode=require&sslcert={client.pem}&sslkey={client.key}", true);
    check_refused("certified", "127.0.0.1", "sslmode=require", "certificate", "");
    let stranger = "sslmode=require&sslcert={stranger.pem}&sslkey={stranger.key}";
    check_refused("certified", "127.0.0.1", stranger, "", "");
}

#[test]
fn the_channel_is_bound() {
    let database = database("secret");
    let login = "secret:geheim";
    assert!(connect(&database, login, "127.0.0.1", "sslmode=require&channel_binding=require").unwrap());
    let error = connect(&database, "secret:wrong", "127.0.0.1", "sslmode=require").unwrap_err();
    assert!(error.to_string().contains("password authentication failed"), "{error}");
    // Without encryption there is no channel to bind to.
    let trusted = url(&database, "postgres", "127.0.0.1", &FIXTURE.server, "sslmode=disable&channel_binding=require");
    let error = migrator(&[USERS]).check(&mut Postgres::from_url(&trusted).unwrap()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
}

#[test]
fn files_that_cannot_be_used_are_found_before_anybody_connects() {
    let refused = |parameters: &str, message: &str| {
        let parameters = parameters.replace('{', &format!("{}/", FIXTURE.files.path().display())).replace('}', "");
        let error = Postgres::from_url(&format!("postgres://app:geheim@127.0.0.1:1/db?{parameters}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.help().is_some() && !format!("{error:?}").contains("geheim"), "{error:?}");
    };
    refused("sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "/nowhere/ca.pem cannot be read");
    refused("sslmode=verify-full&sslrootcert={empty.pem}", "no certificate in the PEM format");
    refused("sslmode=require&sslcert={client.pem}", "`sslcert` and `sslkey` belong together");
    refused("sslmode=require&sslcert={client.pem}&sslkey={stranger.key}", "do not fit");
    let open: PathBuf = FIXTURE.files.path().join("open.key");
    fs::copy(file("client.key"), &open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    refused("sslmode=require&sslcert={client.pem}&sslkey={open.key}", "can be read by other users (mode 644)");
}

#[test]
fn several_hosts_are_tried_in_order() {
    let server = Server::shared();
    let database = server.database();
    let hosts = format!("127.0.0.1:1,{}:{}", server.host(), server.port());
    let read_write = format!("postgres://postgres@{hosts}/{}?target_session_attrs=read-write", database.name());
    migrator(&[USERS]).check(&mut Postgres::from_url(&read_write).unwrap()).wait().unwrap();
    let read_only = read_write.replace("read-write", "read-only");
    let error = migrator(&[USERS]).check(&mut Postgres::from_url(&read_only).unwrap()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
}
