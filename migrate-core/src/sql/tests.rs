//! Tables of scripts, and properties of every script.

use proptest::prelude::*;

use super::*;
use crate::migration::Dialect::{Postgres, Sqlite};

#[track_caller]
fn check_split(dialect: Dialect, sql: &str, expected: &[&str]) {
    let statements = statements(sql, dialect).unwrap_or_else(|error| panic!("{error}: {sql}"));
    let texts: Vec<&str> = statements.iter().map(|statement| statement.text(sql)).collect();
    assert_eq!(texts, expected, "{sql}");
}

#[track_caller]
fn check_problem(dialect: Dialect, sql: &str, expected: Problem, place: &str) {
    let error = segments(sql, dialect).expect_err(sql);
    assert_eq!((error.problem, &sql[error.offset..error.end]), (expected, place), "{sql}");
}

#[track_caller]
fn check_kind(dialect: Dialect, expected: Kind, sql: &str) {
    let statements = statements(sql, dialect).unwrap_or_else(|error| panic!("{error}: {sql}"));
    let kinds: Vec<Kind> = statements.iter().map(|statement| statement.kind).collect();
    assert_eq!(kinds, [expected], "{sql}");
}

#[test]
fn both_dialects_cut_at_semicolons() {
    for dialect in Dialect::ALL {
        check_split(dialect, "", &[]);
        check_split(dialect, " \r\n-- only\r\n/* this */", &[]);
        check_split(dialect, ";;\n;", &[]);
        check_split(dialect, "a", &["a"]);
        check_split(dialect, ";a;;b", &["a", "b"]);
        check_split(dialect, "/* x */ a b -- c;\n; -- d", &["a b"]);
        check_split(dialect, "a 'x;y''z;';\r\nb \";\"\"\" ; c", &["a 'x;y''z;'", "b \";\"\"\"", "c"]);
        check_split(dialect, "ä 'ö;'; ü", &["ä 'ö;'", "ü"]);
        check_split(dialect, "a --", &["a"]);
        check_split(dialect, "a(b)(c);d", &["a(b)(c)", "d"]);
        check_split(dialect, "f -- é\n;\ng", &["f", "g"]);
    }
}

#[test]
fn postgres_strings_hold_semicolons() {
    check_split(Postgres, "$$a;$b$;$$; b", &["$$a;$b$;$$", "b"]);
    check_split(Postgres, "$b$;$$;$B$;$b;$b$;c", &["$b$;$$;$B$;$b;$b$", "c"]);
    check_split(Postgres, "a$$;b$$", &["a$$", "b$$"]);
    check_split(Postgres, r"E'\';'; '\'; U&'\'; b", &[r"E'\';'", r"'\'", r"U&'\'", "b"]);
    check_split(Postgres, "/* /* ; */ ; */ a; b", &["a", "b"]);
    check_split(Postgres, "\u{feff};E'a'\n'b'\u{feff}c;d", &["\u{feff}", "E'a'\n'b'\u{feff}c", "d"]);
    check_split(Postgres, "a[1:2];b::c", &["a[1:2]", "b::c"]);
    check_split(Postgres, "1 +--;\n2; 3 */* ; */ 4", &["1 +--;\n2", "3 */* ; */ 4"]);
}

#[test]
fn postgres_escapes_hold_in_the_next_part_of_a_string() {
    check_split(Postgres, "E'a'\n'b\\';c'; d", &["E'a'\n'b\\';c'", "d"]);
    check_split(Postgres, "E'a' -- x\r\n -- y\n 'b\\';c'\n'\\'' ; d", &["E'a' -- x\r\n -- y\n 'b\\';c'\n'\\''", "d"]);
    // On the same line, behind another comment, or behind a plain string the backslash means nothing.
    check_split(Postgres, "E'a' 'b\\';c", &["E'a' 'b\\'", "c"]);
    check_split(Postgres, "E'a'\n/**/'b\\';c", &["E'a'\n/**/'b\\'", "c"]);
    check_split(Postgres, "'a'\n'b\\';c", &["'a'\n'b\\'", "c"]);
    check_split(Postgres, "E'a',\n'b\\';c", &["E'a',\n'b\\'", "c"]);
}

#[test]
fn postgres_bodies_hold_semicolons() {
    let function = |body: &str| format!("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC {body} END");
    for body in [
        "",
        "SELECT 1;",
        "SELECT CASE WHEN true THEN 1 END; SELECT 2;",
        "SELECT 1 AS end; SELECT t.end FROM t; SELECT 1 end;",
        "SELECT (CASE a WHEN 1 THEN 2 END);;",
    ] {
        let function = function(body);
        check_split(Postgres, &format!("{function}; SELECT 1"), &[&function, "SELECT 1"]);
    }
    let procedure = "create or replace procedure begin.p(begin atomic) begin /**/ atomic insert into t values (1); end";
    check_split(Postgres, &format!("{procedure};"), &[procedure]);
    let rule = "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2;)";
    check_split(Postgres, &format!("{rule};{rule}"), &[rule, rule]);
    check_split(Postgres, "BEGIN; SELECT atomic; END; a", &["BEGIN", "SELECT atomic", "END", "a"]);
    check_split(Postgres, "SELECT begin atomic; END", &["SELECT begin atomic", "END"]);
    check_split(
        Postgres,
        "CREATE TRIGGER t BEFORE INSERT ON b EXECUTE FUNCTION f(); a",
        &["CREATE TRIGGER t BEFORE INSERT ON b EXECUTE FUNCTION f()", "a"],
    );
}

#[test]
fn sqlite_has_its_own_tokens() {
    check_split(Sqlite, "a [;\"]; b `;`` ;`; c", &["a [;\"]", "b `;`` ;`", "c"]);
    check_split(Sqlite, r"'\'; E'\'; $$; $$", &[r"'\'", r"E'\'", "$$", "$$"]);
    check_split(Sqlite, "a /* /* */; b */", &["a", "b */"]);
    check_split(Sqlite, "a; /* b; c", &["a"]);
    check_split(Sqlite, "a /*/; b", &["a"]);
    check_split(Sqlite, "a --\r;\nb", &["a --\r;\nb"]);
    check_split(Sqlite, "x'ab';X'';x'--'", &["x'ab'", "X''", "x'--'"]);
    check_split(Sqlite, "$a::b(;);@c;:d;?1;#e", &["$a::b(;)", "@c", ":d", "?1", "#e"]);
    check_split(Sqlite, "a\\b;c", &["a\\b", "c"]);
    check_split(Sqlite, "1e-5;.5;0x1f;1.;1..2", &["1e-5", ".5", "0x1f", "1.", "1..2"]);
}

#[test]
fn sqlite_bodies_hold_semicolons() {
    for head in [
        "CREATE TRIGGER",
        "create temp trigger",
        "CREATE /**/ TEMPORARY TRIGGER",
        "EXPLAIN CREATE TRIGGER",
        "EXPLAIN QUERY PLAN CREATE TRIGGER",
    ] {
        let trigger = format!(
            "{head} begin AFTER UPDATE ON t WHEN new.end BEGIN UPDATE t SET a = CASE WHEN 1 THEN 2 END; \
             SELECT 1 END; DELETE FROM t; END"
        );
        check_split(Sqlite, &format!("{trigger}; COMMIT"), &[&trigger, "COMMIT"]);
        check_split(Sqlite, &trigger, &[&trigger]);
    }
    check_split(Sqlite, "BEGIN; a; END; b", &["BEGIN", "a", "END", "b"]);
    let table = "create virtual table t using m (a; (b;), ';)' [;)] -- )\n, c)";
    check_split(Sqlite, &format!("{table}; d;"), &[table, "d"]);
    check_split(Sqlite, &format!("EXPLAIN QUERY PLAN {table}; d"), &[&format!("EXPLAIN QUERY PLAN {table}"), "d"]);
    check_split(Sqlite, "CREATE TABLE trigger(a); END; b", &["CREATE TABLE trigger(a)", "END", "b"]);
    check_split(Sqlite, "DROP TRIGGER t; b", &["DROP TRIGGER t", "b"]);
}

#[test]
fn what_does_not_close_is_refused() {
    check_problem(Postgres, "a;\n 'b;\n", Problem::UnterminatedString, "'b;");
    check_problem(Postgres, "E'a'\n'\\'", Problem::UnterminatedString, "'\\'");
    check_problem(Postgres, "\"a", Problem::UnterminatedIdentifier, "\"a");
    check_problem(Postgres, "a /* /* */ ", Problem::UnterminatedComment, "/* /* */");
    check_problem(Postgres, "$a$ b $A$\r\n;", Problem::UnterminatedDollarQuote, "$a$ b $A$");
    check_problem(Postgres, "a (b; c", Problem::UnbalancedParenthesis, "(");
    check_problem(Postgres, "a (b]; c", Problem::UnbalancedParenthesis, "]");
    check_problem(Postgres, "a; b)", Problem::UnbalancedParenthesis, ")");
    check_problem(
        Postgres,
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN 2 END; a",
        Problem::UnterminatedBody,
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN 2 END; a",
    );
    check_problem(Sqlite, "a 'b", Problem::UnterminatedString, "'b");
    check_problem(Sqlite, "a x'b", Problem::UnterminatedString, "x'b");
    check_problem(Sqlite, "a [b", Problem::UnterminatedIdentifier, "[b");
    check_problem(Sqlite, "a `b``", Problem::UnterminatedIdentifier, "`b``");
    check_problem(Sqlite, "a (b; c)", Problem::UnbalancedParenthesis, "(");
    check_problem(Sqlite, "CREATE TRIGGER t\nBEGIN a; END b;", Problem::UnterminatedBody, "CREATE TRIGGER t");
    check_problem(Sqlite, "a; -- \0", Problem::NulByte, "\0");
    check_problem(Postgres, "a; -- \0", Problem::NulByte, "\0");
}

#[test]
fn what_only_psql_understands_is_refused() {
    check_problem(Postgres, "a;\n\\connect b c \nd", Problem::PsqlCommand, "\\connect b c");
    check_problem(Postgres, "a \\gexec", Problem::PsqlCommand, "\\gexec");
    // The data behind it does not lex; the command is reported nevertheless.
    check_problem(Postgres, "COPY t (a) FROM stdin;\nit's\n\\.\n", Problem::CopyFromStdin, "COPY t (a) FROM stdin");
    check_problem(
        Postgres,
        "copy t from /**/ STDIN with (format csv)",
        Problem::CopyFromStdin,
        "copy t from /**/ STDIN",
    );
    check_kind(Postgres, Kind::Other, "COPY t FROM '/tmp/stdin'");
    check_kind(Postgres, Kind::Other, "COPY (SELECT * FROM stdin) TO '/tmp/a'");
}

#[test]
fn transaction_control_is_told_apart() {
    for dialect in Dialect::ALL {
        check_kind(dialect, Kind::Begin, "begin");
        check_kind(dialect, Kind::Begin, "BEGIN TRANSACTION");
        check_kind(dialect, Kind::Commit, "COMMIT");
        check_kind(dialect, Kind::Commit, "End Transaction");
        check_kind(dialect, Kind::Rollback, "ROLLBACK TRANSACTION");
        check_kind(dialect, Kind::Savepoint, "ROLLBACK TO a");
        check_kind(dialect, Kind::Savepoint, "ROLLBACK TRANSACTION TO SAVEPOINT a");
        check_kind(dialect, Kind::Savepoint, "SAVEPOINT prepared");
        check_kind(dialect, Kind::Savepoint, "RELEASE a");
        check_kind(dialect, Kind::Other, "\"begin\"");
    }
    check_kind(Sqlite, Kind::Begin, "BEGIN IMMEDIATE");
    check_kind(Sqlite, Kind::Other, "EXPLAIN BEGIN");
    check_kind(Sqlite, Kind::Other, "ABORT");
    check_kind(Postgres, Kind::Begin, "BEGIN WORK ISOLATION LEVEL SERIALIZABLE");
    check_kind(Postgres, Kind::Begin, "START TRANSACTION READ WRITE");
    check_kind(Postgres, Kind::Rollback, "ABORT");
    check_kind(Postgres, Kind::Commit, "COMMIT WORK AND NO CHAIN");
    check_kind(Postgres, Kind::Savepoint, "ROLLBACK WORK TO a");
    check_kind(Postgres, Kind::Savepoint, "PREPARE TRANSACTION 'a'");
    check_kind(Postgres, Kind::Savepoint, "COMMIT PREPARED 'a'");
    check_kind(Postgres, Kind::Session, "PREPARE transaction AS SELECT 1");
    check_kind(Postgres, Kind::Other, "SET TRANSACTION READ ONLY");
}

/// Every row was run between BEGIN and ROLLBACK on PostgreSQL 15: those in the first list fail there, the others do not.
#[test]
fn what_postgres_refuses_in_a_transaction_is_bare() {
    for (bare, sql) in [
        (Bare::ConcurrentIndex, "create unique index concurrently i on t (a)"),
        (Bare::ConcurrentIndex, "CREATE INDEX CONCURRENTLY ON t (a)"),
        (Bare::ConcurrentIndex, "DROP INDEX CONCURRENTLY IF EXISTS i"),
        (Bare::ConcurrentIndex, "REINDEX TABLE CONCURRENTLY t"),
        (Bare::ConcurrentIndex, "REINDEX (VERBOSE, CONCURRENTLY) SCHEMA s"),
        (Bare::Reindex, "REINDEX (VERBOSE) SCHEMA s"),
        (Bare::Reindex, "REINDEX SYSTEM d"),
        (Bare::Reindex, "REINDEX DATABASE d"),
        (Bare::Vacuum, "VACUUM (ANALYZE) t"),
        (Bare::AlterSystem, "ALTER SYSTEM SET work_mem = '5MB'"),
        (Bare::Database, "CREATE DATABASE d"),
        (Bare::Database, "DROP DATABASE IF EXISTS d"),
        (Bare::Database, "ALTER DATABASE d SET TABLESPACE s"),
        (Bare::Tablespace, "CREATE TABLESPACE s LOCATION '/s'"),
        (Bare::Tablespace, "DROP TABLESPACE s"),
        (Bare::Cluster, "CLUSTER"),
        (Bare::Cluster, "CLUSTER VERBOSE"),
        (Bare::DetachPartition, "ALTER TABLE ONLY t DETACH PARTITION p CONCURRENTLY"),
        (Bare::DiscardAll, "DISCARD ALL"),
        (Bare::Subscription, "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p"),
        (Bare::Subscription, "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p WITH (create_slot)"),
        (Bare::Subscription, "DROP SUBSCRIPTION s"),
        (Bare::Subscription, "ALTER SUBSCRIPTION s REFRESH PUBLICATION"),
        (Bare::Subscription, "ALTER SUBSCRIPTION s SET PUBLICATION p"),
    ] {
        check_kind(Postgres, Kind::Bare(bare), sql);
    }
    for sql in [
        "CREATE INDEX i ON t (concurrently)",
        "REINDEX TABLE t",
        "REINDEX (CONCURRENTLY false) TABLE t",
        "REINDEX (CONCURRENTLY = off) INDEX i",
        "ANALYZE t",
        "ALTER DATABASE d SET work_mem = '4MB'",
        "ALTER TABLESPACE s RENAME TO u",
        "CLUSTER t USING i",
        "CLUSTER (VERBOSE) t",
        "ALTER TABLE t DETACH PARTITION p",
        "ALTER TABLE t DETACH PARTITION p FINALIZE",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "ALTER TYPE e ADD VALUE 'b'",
        "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p WITH (create_slot = 'off', enabled = false)",
        "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p WITH (connect = false)",
        "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
        "ALTER SUBSCRIPTION s DISABLE",
        "CALL p()",
        "DO $$ BEGIN END $$",
        "NOTIFY c",
    ] {
        check_kind(Postgres, Kind::Other, sql);
    }
}

#[test]
fn session_state_is_seen() {
    for sql in [
        "SET search_path = a",
        "SET SESSION work_mem TO '1MB'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET ROLE r",
        "SET local.x = 1",
        "RESET ALL",
        "DISCARD TEMP",
        "LOAD 'x'",
        "PREPARE p AS SELECT 1",
        "DEALLOCATE p",
        "LISTEN c",
        "UNLISTEN *",
        "CREATE TEMP TABLE t (a int)",
        "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1",
        "CREATE LOCAL TEMP TABLE t (a int)",
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT 1 AS a INTO TEMP TABLE t",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "WITH a AS (SELECT \"set_config\"('a.b', 'c', false)) SELECT * FROM a",
    ] {
        check_kind(Postgres, Kind::Session, sql);
    }
    for sql in [
        "SET LOCAL lock_timeout = '1s'",
        "SET CONSTRAINTS ALL DEFERRED",
        "DECLARE c CURSOR FOR SELECT 1",
        "CREATE TABLE temp (a int)",
        "SELECT 1 AS a INTO t",
        "(SELECT 1 AS a INTO t)",
        "SELECT 1 AS a INTO temp FROM u",
    ] {
        check_kind(Postgres, Kind::Other, sql);
    }
    for sql in [
        "PRAGMA foreign_keys",
        "ATTACH 'a' AS b",
        "DETACH b",
        "CREATE TEMPORARY VIEW v AS SELECT 1",
        "CREATE TABLE IF NOT EXISTS \"temp\".t (a)",
        "SELECT load_extension('x')",
    ] {
        check_kind(Sqlite, Kind::Session, sql);
    }
    check_kind(Sqlite, Kind::Bare(Bare::Vacuum), "VACUUM INTO 'a'");
    check_kind(Sqlite, Kind::Other, "CREATE TABLE t (temp)");
}

#[test]
fn queries_are_seen() {
    for dialect in Dialect::ALL {
        check_kind(dialect, Kind::Query, "select 1");
        check_kind(dialect, Kind::Query, "VALUES (1)");
        check_kind(dialect, Kind::Query, "WITH a AS (SELECT 1), b(c) AS (VALUES (1)) SELECT 1");
        check_kind(dialect, Kind::Other, "WITH RECURSIVE a AS (SELECT 1) INSERT INTO t SELECT * FROM a");
        check_kind(dialect, Kind::Other, "WITH a AS (SELECT 1) DELETE FROM t");
        check_kind(dialect, Kind::Other, "INSERT INTO t SELECT 1");
        check_kind(dialect, Kind::Other, "EXPLAIN SELECT 1");
    }
    check_kind(Postgres, Kind::Query, "TABLE t");
    check_kind(Postgres, Kind::Query, "((SELECT 1) UNION SELECT 2)");
    check_kind(Postgres, Kind::Query, "WITH insert AS (SELECT 1), update AS (SELECT 1) SELECT * FROM insert");
    check_kind(Postgres, Kind::Query, "WITH a AS (INSERT INTO t VALUES (1) RETURNING b) (SELECT * FROM a)");
    check_kind(Postgres, Kind::Query, "SELECT a AS into, t.into FROM t");
    check_kind(Postgres, Kind::Query, "SELECT set_config FROM t");
    check_kind(Sqlite, Kind::Other, "WITH a AS (SELECT 1) REPLACE INTO t SELECT * FROM a");
}

#[track_caller]
fn check_segments(dialect: Dialect, sql: &str, expected: &[(SegmentKind, &str, usize)]) {
    let segments = segments(sql, dialect).unwrap_or_else(|error| panic!("{error}: {sql}"));
    let found: Vec<_> = segments
        .iter()
        .map(|segment| (segment.kind, &sql[segment.start..segment.end], segment.statements.len()))
        .collect();
    assert_eq!(found, expected, "{sql}");
}

#[test]
fn segments_follow_the_script() {
    check_segments(
        Postgres,
        "SET a = 1; b; VACUUM; BEGIN; c; SET d = 1; SAVEPOINT e; COMMIT; SELECT 1",
        &[
            (SegmentKind::Session, "SET a = 1", 1),
            (SegmentKind::Transactional, "b", 1),
            (SegmentKind::Bare(Bare::Vacuum), "VACUUM", 1),
            (SegmentKind::Group, "BEGIN; c; SET d = 1; SAVEPOINT e; COMMIT", 3),
            (SegmentKind::Transactional, "SELECT 1", 1),
        ],
    );
    check_segments(
        Sqlite,
        "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; PRAGMA foreign_key_check; END;",
        &[
            (SegmentKind::Session, "PRAGMA foreign_keys = OFF", 1),
            (SegmentKind::Group, "BEGIN IMMEDIATE; PRAGMA foreign_key_check; END", 1),
        ],
    );
    check_segments(Postgres, "BEGIN; COMMIT AND NO CHAIN", &[(SegmentKind::Group, "BEGIN; COMMIT AND NO CHAIN", 0)]);
    check_segments(Sqlite, "-- nothing", &[]);
}

#[track_caller]
fn check_replayed(dialect: Dialect, sql: &str, expected: &[&str]) {
    let segments = segments(sql, dialect).unwrap();
    let replayed = segments.iter().flat_map(|segment| segment.replayed(sql));
    let texts: Vec<&str> = replayed.map(|statement| statement.text(sql)).collect();
    assert_eq!(texts, expected, "{sql}");
}

#[test]
fn session_state_is_replayed_as_it_took_effect() {
    check_replayed(
        Sqlite,
        "PRAGMA foreign_keys=OFF; BEGIN; PRAGMA foreign_keys=ON; PRAGMA recursive_triggers=ON; a; COMMIT; b",
        &["PRAGMA foreign_keys=OFF", "PRAGMA recursive_triggers=ON"],
    );
    check_replayed(Postgres, "BEGIN; SET a = 1; SET LOCAL b = 1; COMMIT; VACUUM; SELECT 1", &["SET a = 1"]);
}

#[test]
fn transactions_that_do_not_pair_are_refused() {
    check_problem(Postgres, "a; BEGIN WORK; b", Problem::BeginWithoutCommit, "BEGIN WORK");
    check_problem(Postgres, "BEGIN; BEGIN; COMMIT", Problem::NestedBegin, "BEGIN");
    check_problem(Sqlite, "a; END", Problem::CommitWithoutBegin, "END");
    check_problem(Sqlite, "BEGIN; a; ROLLBACK", Problem::Rollback, "ROLLBACK");
    check_problem(Postgres, "ABORT", Problem::Rollback, "ABORT");
    check_problem(Postgres, "BEGIN; COMMIT WORK AND CHAIN; COMMIT", Problem::Chain, "COMMIT WORK AND CHAIN");
    check_problem(Sqlite, "SAVEPOINT a; RELEASE a", Problem::SavepointOutsideGroup, "SAVEPOINT a");
    check_problem(Postgres, "BEGIN; PREPARE TRANSACTION 'x'", Problem::TwoPhase, "PREPARE TRANSACTION 'x'");
    check_problem(Postgres, "BEGIN; VACUUM; COMMIT", Problem::BareInGroup(Bare::Vacuum), "VACUUM");
}

#[test]
fn pragmas_that_need_to_be_outside_are_known() {
    let outside = pragma_outside_transaction;
    assert_eq!(outside("PRAGMA main.\"Foreign_Keys\"(0)"), Some("foreign_keys"));
    assert_eq!(outside("pragma journal_mode = wal"), Some("journal_mode"));
    assert_eq!(outside("PRAGMA wal_checkpoint"), Some("wal_checkpoint"));
    assert_eq!(outside("PRAGMA synchronous"), None);
    assert_eq!(outside("PRAGMA defer_foreign_keys = ON"), None);
    assert_eq!(outside("SELECT 1"), None);
}

#[track_caller]
fn check_substance(dialect: Dialect, a: &str, b: &str, same: bool) {
    assert_eq!(same_substance(a, b, dialect), same, "{a} | {b}");
    assert_eq!(same_substance(b, a, dialect), same, "{b} | {a}");
}

#[test]
fn comments_and_white_space_are_no_substance() {
    for dialect in Dialect::ALL {
        check_substance(dialect, "SELECT 1;", "-- one\nSELECT\r\n\t1 /* x */ ;\n", true);
        check_substance(dialect, "a(b)", "a ( b )", true);
        check_substance(dialect, "a=-1", "a = -1", true);
        check_substance(dialect, "SELECT 1", "select 1", false);
        check_substance(dialect, "a <= b", "a < = b", false);
        check_substance(dialect, "a b", "ab", false);
        check_substance(dialect, "'a  b'", "'a b'", false);
        check_substance(dialect, "'a\r\nb' --", "'a\nb'", true);
        check_substance(dialect, "a;", "a", false);
        check_substance(dialect, "'", "'", true);
        check_substance(dialect, "'", " '", false);
    }
    check_substance(Postgres, "'a'\n'b'", "'a'\n\n -- x\n'b'", true);
    check_substance(Postgres, "'a'\n'b'", "'a' 'b'", false);
    check_substance(Postgres, "$$a -- b$$", "$$a$$", false);
    check_substance(Postgres, "a @-1", "a @ -1", false);
}

#[test]
fn empty_scripts_hold_no_statement() {
    for dialect in Dialect::ALL {
        assert!(is_empty("", dialect));
        assert!(is_empty("\r\n-- a\n;; /* b */", dialect));
        assert!(!is_empty("a", dialect));
        assert!(!is_empty("\0", dialect));
    }
    assert!(is_empty("/* a", Sqlite));
    assert!(!is_empty("/* a", Postgres));
}

#[test]
fn every_problem_says_what_to_do() {
    for (sql, message) in [
        (
            "BEGIN; VACUUM; COMMIT",
            "`VACUUM` cannot run inside a transaction: move it in front of BEGIN or behind COMMIT",
        ),
        ("'a", "a string is not closed: close it with a single quote; a quote inside is written twice"),
    ] {
        let error = segments(sql, Postgres).unwrap_err();
        assert_eq!(format!("{error}: {}", error.help()), message);
    }
}

#[test]
fn long_scripts_take_linear_time() {
    for (dialect, unit) in [
        (Postgres, "E'a'\n'b\\'';"),
        (Postgres, "$a$ $b"),
        (Postgres, "("),
        (Postgres, "CREATE FUNCTION f() BEGIN ATOMIC END;"),
        (Sqlite, "CREATE TRIGGER t BEGIN a; END"),
        (Sqlite, "/*"),
        (Sqlite, "$a(b ;"),
    ] {
        let script = unit.repeat(20_000);
        let _ = segments(&script, dialect);
        assert!(same_substance(&script, &script, dialect));
    }
}

/// Scripts of the pieces that matter, well formed only by chance.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        ";",
        "; END;",
        "'",
        "''",
        "\"",
        "`",
        "[",
        "]",
        "(",
        ")",
        "$$",
        "$a$",
        "$a",
        "E'",
        "\\",
        "\\'",
        "--",
        "\n",
        "\r\n",
        "/*",
        "*/",
        " ",
        "\t",
        "x'",
        "U&'",
        "BEGIN",
        " ATOMIC ",
        "END",
        "CASE",
        " CREATE FUNCTION ",
        " CREATE TRIGGER ",
        "TEMP ",
        "COMMIT",
        "SELECT 1",
        "WITH a AS ",
        "INSERT",
        "COPY t FROM stdin",
        "ü",
        "\u{feff}",
        "\u{b}",
        ".5e",
        "1",
        "@",
        ":",
        "::",
        "<=",
        "-",
        "+",
        "PRAGMA",
        "VACUUM",
        "SET LOCAL ",
        "DROP SUBSCRIPTION",
        "REINDEX (",
        "CONCURRENTLY",
        "=",
        ",",
        "\0",
    ];
    let piece = prop_oneof![
        20 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn dialect() -> impl Strategy<Value = Dialect> {
    proptest::sample::select(Dialect::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn statements_lie_in_order_with_only_trivia_between(sql in soup(), dialect in dialect()) {
        match statements(&sql, dialect) {
            Err(error) => {
                prop_assert!(error.offset < error.end, "{error:?}");
                prop_assert!(sql.get(error.offset..error.end).is_some());
            }
            Ok(statements) => {
                let mut end = 0;
                for statement in &statements {
                    prop_assert!(end <= statement.start && statement.start < statement.end);
                    prop_assert!(is_empty(&sql[end..statement.start], dialect));
                    let text = statement.text(&sql);
                    let again = super::statements(text, dialect);
                    prop_assert_eq!(again.map(|again| again.len()), Ok(1), "{}", text);
                    end = statement.end;
                }
                prop_assert!(is_empty(&sql[end..], dialect));
                prop_assert_eq!(is_empty(&sql, dialect), statements.is_empty());
            }
        }
    }

    #[test]
    fn segments_hold_every_statement(sql in soup(), dialect in dialect()) {
        if let Ok(segments) = segments(&sql, dialect) {
            let mut end = 0;
            for segment in &segments {
                prop_assert!(end <= segment.start && segment.start < segment.end);
                prop_assert!(is_empty(&sql[end..segment.start], dialect));
                let inside = |inner: &Statement| segment.start <= inner.start && inner.end <= segment.end;
                prop_assert!(segment.statements.iter().all(inside));
                end = segment.end;
            }
            prop_assert!(is_empty(&sql[end..], dialect));
        }
    }

    #[test]
    fn places_and_excerpts_never_fail(sql in soup(), offset in 0_usize..200) {
        let (line, column) = line_column(&sql, offset);
        prop_assert!(line >= 1 && column >= 1);
        prop_assert!(sql.is_char_boundary(offset_of_character(&sql, offset)));
        prop_assert!(excerpt(&sql).chars().count() <= 120);
        prop_assert!(!excerpt(&sql).contains('\n'));
        for dialect in Dialect::ALL {
            prop_assert!(same_substance(&sql, &sql, dialect));
            let _ = pragma_outside_transaction(&sql);
        }
    }
}

#[test]
fn what_a_statement_answers_with_is_seen() {
    #[track_caller]
    fn check(statement: &str, expect: Answer) {
        assert_eq!(answer(statement), expect, "{statement}");
    }
    check("SELECT 1", Answer::Query);
    check("(VALUES (1))", Answer::Query);
    check("SELECT set_config('a.b', 'c', true) = 'd'", Answer::Query);
    check("WITH a AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT 1 FROM a", Answer::Query);
    check("SELECT false INTO TEMP t", Answer::Nothing);
    check("UPDATE t SET a = 1 RETURNING false", Answer::Rows);
    check("UPDATE t SET a = (SELECT 'RETURNING')", Answer::Nothing);
    check("SHOW work_mem", Answer::Rows);
    check("EXPLAIN SELECT 1", Answer::Rows);
    check("CALL p(true)", Answer::Rows);
    check("DO $$ BEGIN PERFORM 1; END $$", Answer::Nothing);
    check("", Answer::Nothing);
}

#[test]
fn a_place_is_a_statement_or_a_token() {
    #[track_caller]
    fn check(place: (usize, usize), expect: &str) {
        const SCRIPT: &str = "-- ü\nSELECT 'ü;',\n  größe FROM t;\nSELECT 1";
        let span = span_at(SCRIPT, Dialect::Postgres, place.0, place.1);
        assert_eq!(&SCRIPT[span], expect);
    }
    check((2, 1), "SELECT 'ü;',\n  größe FROM t");
    check((2, 8), "'ü;'");
    check((3, 3), "größe");
    check((3, 9), "FROM");
    check((4, 1), "SELECT 1");
    check((4, 9), "");
    check((9, 9), "");
    assert_eq!(span_at("SELECT 'a", Dialect::Postgres, 1, 8).start, 7);
}
