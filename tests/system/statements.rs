//! A short version of `scripts/statements`: scripts are cut into statements where the databases cut them.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use system_tests::root;
use system_tests::statements::{PostgresServer, Tally, compare_on_sqlite, of_extension};
use testkit::postgres::Server;

fn hard_cases(dialect: &str) -> String {
    let path = root().join("tests/system/statements").join(format!("{dialect}.sql"));
    fs::read_to_string(path).expect("the file is part of the repository")
}

#[test]
fn a_server_parses_what_it_comes_with_as_we_cut_it() {
    let database = Server::shared().database();
    let server = PostgresServer::connect(&database.url());
    let mut tally = Tally::default();
    for (path, script) in own_scripts(&server) {
        server.compare_parsed(&path, &script, &mut tally);
    }
    assert!(tally.differences.is_empty(), "{tally}");
    assert!(tally.files > 50 && tally.statements > 2_000, "{tally}");
}

#[test]
fn what_a_server_parses_is_not_complained_of() {
    let database = Server::shared().database();
    let server = PostgresServer::connect(&database.url());
    let (mut tally, mut rare) = (Tally::default(), Tally::default());
    for (path, script) in own_scripts(&server) {
        server.compare_grammar(&path, &script, &mut tally);
    }
    server.compare_grammar("hard cases", &hard_cases("postgres"), &mut tally);
    server.compare_grammar("grammar", &hard_cases("grammar"), &mut rare);
    assert!(tally.differences.is_empty() && rare.differences.is_empty(), "{tally}\n{rare}");
    assert!(tally.statements > 2_000 && rare.statements > 150, "{tally}\n{rare}");
}

#[test]
fn a_server_completes_as_many_statements_as_we_find() {
    let database = Server::shared().database();
    let server = PostgresServer::connect(&database.url());
    let script = hard_cases("postgres");
    let mut tally = Tally::default();
    server.compare_completed("hard cases", &script, &mut tally).expect("the server accepts the hard cases");
    server.compare_parsed("hard cases", &script, &mut tally);
    for empty in ["", ";;", "-- nothing\n;", "/* a /* b */ ; */"] {
        server.compare_completed(empty, empty, &mut tally).expect("the server accepts nothing");
        server.compare_parsed(empty, empty, &mut tally);
    }
    assert!(tally.differences.is_empty(), "{tally}");
    assert!(tally.statements >= 2 * 30, "{tally}");
}

#[test]
fn sqlite_completes_as_many_statements_as_we_find() {
    let connection = Connection::open_in_memory().unwrap();
    let mut tally = Tally::default();
    compare_on_sqlite(&connection, "hard cases", &hard_cases("sqlite"), &mut tally).unwrap();
    assert!(tally.differences.is_empty(), "{tally}");
    assert!(tally.statements >= 15, "{tally}");
}

/// The comparison can fail: what is cut at the wrong place is seen.
#[test]
fn a_server_tells_one_statement_from_several() {
    let database = Server::shared().database();
    let server = PostgresServer::connect(&database.url());
    let mut tally = Tally::default();
    // Without standard_conforming_strings the server reads on where we end the string.
    server.compare_completed("setting", "SET standard_conforming_strings = off", &mut tally).unwrap();
    server.compare_parsed("escaped quote", r"SELECT 'a\'; SELECT 'b'", &mut tally);
    assert_eq!(tally.differences.len(), 1, "{tally}");
}

/// The scripts that PostgreSQL comes with, made readable for a server.
fn own_scripts(server: &PostgresServer) -> Vec<(String, String)> {
    let folder = server.value("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'");
    let read = |path: PathBuf| {
        let script = fs::read_to_string(&path).expect("the scripts of PostgreSQL are UTF-8");
        (path.display().to_string(), of_extension(&script))
    };
    sql_files(Path::new(&folder)).into_iter().map(read).collect()
}

fn sql_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files.extend(sql_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    files
}
