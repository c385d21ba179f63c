//! The checks behind `migration_tests!`, and the macro itself.

use std::sync::Arc;

use migrate_core::source::{LoadOptions, load};
use migrate_runtime::testing::{Server, TestSet, check_all, check_content, check_from_empty_to_head, check_migration};
use testkit::migrations::Directory;

mod on_sqlite {
    migrate_runtime::migration_tests!("tests/migrations", sqlite);
}

mod on_postgres {
    use testkit::postgres;

    migrate_runtime::migration_tests!("tests/migrations", postgres = postgres::Server::shared().url(), name = checked);
}

/// A set with its fixtures, from a directory.
fn set(directory: &Directory) -> TestSet {
    let loaded = load(directory.path(), &LoadOptions { fixtures: true, ..LoadOptions::new("migrations_v2") });
    let fixtures = loaded.fixtures().to_vec();
    TestSet::new(Arc::new(loaded.into_registry().unwrap().0)).fixtures(fixtures)
}

/// Both kinds of server.
fn servers() -> [Server; 2] {
    [Server::Sqlite, Server::Postgres(testkit::postgres::Server::shared().url())]
}

/// What a check of a whole set says on a server.
fn told(directory: &Directory, server: &Server) -> String {
    check_all(&set(directory), server).unwrap_err().to_string()
}

const PARENT: (&str, &str, &str, &str) = (
    "1.0.0",
    "tables",
    "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
     CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent ON DELETE CASCADE);",
    "DROP TABLE child; DROP TABLE parent;",
);

#[test]
fn what_was_compiled_is_compared_with_the_directory() {
    let directory = Directory::simple(&[PARENT]);
    let (set, path) = (set(&directory), directory.path().to_str().unwrap());
    check_content(&set, path).unwrap();
    directory.write("v1.0.0_tables/up.sql", "CREATE TABLE parent (id INTEGER PRIMARY KEY)");
    let told = check_content(&set, path).unwrap_err().to_string();
    assert!(told.starts_with("this program was compiled from other migrations than `"), "{told}");
    assert!(told.contains("help: run `cargo clean -p "), "{told}");
    let told = check_content(&set, &format!("{path}/none")).unwrap_err().to_string();
    assert!(told.starts_with("cannot compare the migrations with `"), "{told}");
}

/// What hides at the edges: renamed tables, columns added behind constraints, defaults, views, triggers, quoted names.
#[test]
fn a_good_set_passes() {
    let directory = Directory::simple(&[
        PARENT,
        (
            "1.1.0",
            "more",
            "ALTER TABLE child ADD COLUMN note TEXT NOT NULL DEFAULT 'a, b'; CREATE UNIQUE INDEX child_note ON child (parent, note);
             CREATE VIEW notes AS SELECT note FROM child WHERE note <> 'A';",
            "drop view notes; DROP INDEX child_note; ALTER TABLE child DROP COLUMN note",
        ),
        (
            "1.2.0",
            "rename",
            "ALTER TABLE parent RENAME TO \"Parents\"; ALTER TABLE child RENAME COLUMN parent TO parent_id;",
            "ALTER TABLE \"Parents\" RENAME TO parent; ALTER TABLE child RENAME COLUMN parent_id TO parent;",
        ),
        ("1.3.0", "seen", "UPDATE child SET note = note || ', seen'", ""),
        ("1.4.0", "last", "CREATE TABLE last (id INTEGER)", "DROP TABLE last"),
    ]);
    let metadata = r#"{"version": "1.3.0", "name": "seen", "irreversible": "what was seen is seen"}"#;
    directory.write("v1.3.0_seen/metadata.json", metadata);
    directory.write(
        "v1.0.0_tables/fixtures.sql",
        "INSERT INTO parent VALUES (1, 'it''s'), (2, NULL); INSERT INTO child VALUES (10, 1), (20, 2);",
    );
    directory.write("v1.1.0_more/fixtures.sql", "INSERT INTO child VALUES (30, 2, 'A');");
    for server in servers() {
        check_all(&set(&directory), &server).unwrap();
    }
}

#[test]
fn a_down_script_that_forgets_an_index_fails() {
    let directory = Directory::simple(&[
        PARENT,
        (
            "1.1.0",
            "more",
            "CREATE TABLE more (id INTEGER); CREATE INDEX parent_name ON parent (name);",
            "DROP TABLE more",
        ),
    ]);
    let [sqlite, postgres] = servers();
    insta::assert_snapshot!(told(&directory, &sqlite), @r"
    v1.1.0_more on sqlite: not the same schema after down as before up

    --- before up
    +++ after down
    @@ -5,3 +5,4 @@
     table parent
     table parent column id: integer primary key 1
     table parent column name: text
    +table parent index parent_name: create index parent_name on parent ( name )
    ");
    insta::assert_snapshot!(told(&directory, &postgres), @r"
    v1.1.0_more on postgres: not the same schema after down as before up

    --- before up
    +++ after down
    @@ -10,4 +10,5 @@
     table public.parent column id: integer not null
     table public.parent column name: text
     table public.parent constraint parent_pkey: PRIMARY KEY (id)
    +table public.parent index: CREATE INDEX parent_name ON public.parent USING btree (name)
     table public.parent index: CREATE UNIQUE INDEX parent_pkey ON public.parent USING btree (id)
    ");
    let error = check_from_empty_to_head(&set(&directory), &sqlite);
    assert!(error.is_ok(), "dropping the table takes the index with it: {error:?}");
}

#[test]
fn a_rebuild_that_loses_child_rows_fails() {
    let rebuild = "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO new SELECT id, name FROM parent;
        DROP TABLE parent; ALTER TABLE new RENAME TO parent;";
    let directory = Directory::simple(&[PARENT, ("1.1.0", "rebuild", rebuild, rebuild)]);
    let rows = "INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (10, 1);";
    directory.write("v1.0.0_tables/fixtures.sql", rows);
    insta::assert_snapshot!(told(&directory, &Server::Sqlite), @r"
    v1.1.0_rebuild on sqlite: not the same rows after down as before up

    --- before up
    +++ after down
    @@ -1,2 +1 @@
    -child: id=10, parent=1
     parent: id=1, name='a'

    note: `child` has 0 of 1 rows after up
    ");

    let metadata = r#"{"version": "1.1.0", "name": "rebuild", "foreign_keys": "off"}"#;
    directory.write("v1.1.0_rebuild/metadata.json", metadata);
    check_all(&set(&directory), &Server::Sqlite).unwrap();
}

#[test]
fn rows_that_a_migration_loses_are_shown() {
    let directory = Directory::simple(&[PARENT, ("1.1.0", "clean", "DELETE FROM child WHERE id = 20", "SELECT 1")]);
    let rows = "INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (10, 1), (20, 1);";
    directory.write("v1.0.0_tables/fixtures.sql", rows);
    insta::assert_snapshot!(told(&directory, &servers()[1]), @r"
    v1.1.0_clean on postgres: not the same rows after down as before up

    --- before up
    +++ after down
    @@ -1,3 +1,2 @@
     public.child: id='10', parent='1'
    -public.child: id='20', parent='1'
     public.parent: id='1', name='a'

    note: `public.child` has 1 of 2 rows after up
    ");
}

#[test]
fn what_fails_is_named() {
    let directory =
        Directory::simple(&[PARENT, ("1.1.0", "broken", "CREATE TABLE broken (id INTEGER)", "DROP TABLE brokn")]);
    for server in servers() {
        let error = told(&directory, &server);
        let start =
            format!("v1.1.0_broken on {}: down failed: migrations_v2/v1.1.0_broken/down.sql:1:", server.dialect());
        assert!(error.starts_with(&start), "{error}");
    }
    directory.write("v1.0.0_tables/fixtures.sql", "INSERT INTO paren VALUES (1)");
    for server in servers() {
        let error = told(&directory, &server);
        let start = format!(
            "v1.0.0_tables on {}: migrations_v2/v1.0.0_tables/fixtures.sql failed: a statement was refused: ",
            server.dialect()
        );
        assert!(error.starts_with(&start), "{error}");
    }
    let error = check_migration(&set(&directory), &Server::Sqlite, "9.0.0".parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "v9.0.0 on sqlite: the set has no such migration");
}

#[test]
fn a_role_that_may_not_create_databases_is_told() {
    let server = testkit::postgres::Server::start();
    server.role("nobody", "secret");
    let server_of_nobody = Server::Postgres(server.url().replace("postgres@", "nobody:secret@"));
    let error = told(&Directory::simple(&[PARENT]), &server_of_nobody);
    assert!(error.starts_with("v1.0.0_tables on postgres: no scratch database: "), "{error}");
    assert!(error.ends_with("run `ALTER ROLE \"nobody\" CREATEDB`"), "{error}");
    assert!(!format!("{error}{server_of_nobody:?}").contains("secret"));
}

#[test]
fn scratch_databases_are_gone_afterwards() {
    let directory = Directory::simple(&[PARENT, ("1.1.0", "broken", "SELECT 1; SELECT nothing", "")]);
    let server = testkit::postgres::Server::start();
    told(&directory, &Server::Postgres(server.url()));
    assert_eq!(server.psql("SELECT count(*) FROM pg_database WHERE datname LIKE 'migrate_scratch%'"), "0");
}

/// Each change is one that a down script can forget. An empty down script must be told of every one of them.
#[track_caller]
fn check_seen(server: &Server, changes: &[(&str, &str)]) {
    let base = "CREATE TABLE base (id INTEGER PRIMARY KEY, name TEXT)";
    for (up, expect) in changes {
        let directory =
            Directory::simple(&[("1.0.0", "base", base, "DROP TABLE base"), ("1.1.0", "change", up, "SELECT 1")]);
        let version = "1.1.0".parse().unwrap();
        let error = check_migration(&set(&directory), server, version).expect_err(up).to_string();
        let added = error.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++"));
        let added: Vec<&str> = added.collect();
        assert!(added.iter().any(|line| line[1..].starts_with(expect)), "{up}: {error}");
    }
}

#[test]
fn everything_that_sqlite_knows_is_compared() {
    check_seen(
        &Server::Sqlite,
        &[
            ("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)", "table t column a: autoincrement"),
            (
                "CREATE TABLE t (a TEXT, b INT, PRIMARY KEY (b, a)) STRICT, WITHOUT ROWID",
                "table t, without rowid, strict",
            ),
            ("CREATE TABLE t (a INT NOT NULL DEFAULT (1 + 1))", "table t column a: int not null default 1 + 1"),
            ("CREATE TABLE t (a TEXT COLLATE NOCASE)", "table t column a: collate nocase"),
            ("CREATE TABLE t (a INT, b INT AS (a + 1) STORED)", "table t column b: as ( a + 1 )"),
            ("CREATE TABLE t (a INT CHECK (a > 0))", "table t check ( a > 0 )"),
            ("CREATE TABLE t (a INT, b TEXT, UNIQUE (b, a))", "table t unique (b collate binary, a collate binary)"),
            (
                "CREATE TABLE t (a INT REFERENCES base (id) ON DELETE CASCADE)",
                "table t foreign key (a) references base (id) on update no action on delete cascade",
            ),
            (
                "CREATE INDEX i ON base (name DESC) WHERE id > 1",
                "table base index i: create index i on base ( name desc ) where id > 1",
            ),
            ("CREATE VIEW v AS SELECT 1", "view v: create view v as select 1"),
            (
                "CREATE TRIGGER g AFTER DELETE ON base BEGIN SELECT 'X'; END",
                "trigger g: create trigger g after delete on base begin select 'X' ; end",
            ),
            ("CREATE VIRTUAL TABLE f USING fts5 (body)", "table f: create virtual table f using fts5 ( body )"),
        ],
    );
}

#[test]
fn everything_that_postgres_knows_is_compared() {
    check_seen(
        &servers()[1],
        &[
            ("CREATE SCHEMA other; CREATE TABLE other.t (a INT)", "schema other"),
            ("CREATE EXTENSION pgcrypto", "extension pgcrypto 1."),
            ("CREATE UNLOGGED TABLE t (a INT)", "table public.t, unlogged"),
            ("CREATE TABLE t (a INT) PARTITION BY RANGE (a)", "table public.t, partition by RANGE (a)"),
            (
                "CREATE TABLE t (a INT) PARTITION BY RANGE (a); CREATE TABLE u PARTITION OF t DEFAULT",
                "table public.u child of public.t DEFAULT",
            ),
            (
                "ALTER TABLE base ADD a numeric(4,1) NOT NULL DEFAULT 1",
                "table public.base column a: numeric(4,1) not null default 1",
            ),
            ("ALTER TABLE base ALTER name TYPE text COLLATE \"C\"", "table public.base column name: text collate C"),
            (
                "CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY, b INT GENERATED ALWAYS AS (1 + 1) STORED)",
                "table public.t column a: integer not null identity always",
            ),
            ("CREATE TABLE t (b INT GENERATED ALWAYS AS (2) STORED)", "table public.t column b: integer generated 2"),
            (
                "ALTER TABLE base ADD CONSTRAINT c CHECK (id > 0) NOT VALID",
                "table public.base constraint c: CHECK ((id > 0)) NOT VALID",
            ),
            (
                "CREATE INDEX i ON base (lower(name))",
                "table public.base index: CREATE INDEX i ON public.base USING btree (lower(name))",
            ),
            ("CREATE VIEW v AS SELECT 1 AS one", "table public.v query:  SELECT 1 AS one;"),
            ("CREATE MATERIALIZED VIEW v AS SELECT 1 AS one", "table public.v, materialized view"),
            (
                "CREATE SEQUENCE s INCREMENT 5 CYCLE",
                "sequence public.s: bigint from 1 by 5, 1 to 9223372036854775807, cycle",
            ),
            ("CREATE TYPE mood AS ENUM ('sad', 'ok')", "type public.mood: enum ('sad', 'ok')"),
            ("CREATE TYPE pair AS (a INT)", "table public.pair, type"),
            ("CREATE TYPE span AS RANGE (subtype = float8)", "type public.span: range of double precision"),
            (
                "CREATE DOMAIN age AS INT NOT NULL CHECK (VALUE > 0)",
                "type public.age constraint age_check: CHECK ((VALUE > 0))",
            ),
            (
                "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE sql AS $$ SELECT 1; $$",
                "routine public.f(a integer): CREATE OR REPLACE FUNCTION public.f(a integer)",
            ),
            (
                "CREATE AGGREGATE total (int4) (sfunc = int4pl, stype = int4)",
                "routine public.total(integer): aggregate by int4pl, state integer",
            ),
            (
                "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
                 CREATE TRIGGER t BEFORE INSERT ON base FOR EACH ROW EXECUTE FUNCTION g()",
                "table public.base trigger: CREATE TRIGGER t BEFORE INSERT ON public.base",
            ),
            ("CREATE RULE r AS ON DELETE TO base DO INSTEAD NOTHING", "table public.base rule: CREATE RULE r AS"),
            (
                "ALTER TABLE base ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON base FOR SELECT USING (id > 1)",
                "table public.base policy p: permissive, command r, for public, using (id > 1), check",
            ),
        ],
    );
}
