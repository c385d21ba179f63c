//! What is said of scripts before they run, against what the databases say: a script that a database accepts is no error.

use migrate_core::migration::Dialect;
use migrate_core::sql;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection};
use testkit::postgres::Server;

/// Statements with most of SQLite's grammar; from each, thousands are made that are nearly right.
const STATEMENTS: &str = r#"
CREATE TRIGGER r AFTER UPDATE OF b ON t FOR EACH ROW WHEN new.a > 1 BEGIN UPDATE u SET b = CASE WHEN old.a THEN 1 ELSE 2 END WHERE a = new.a; DELETE FROM u WHERE a IN (1, 2); SELECT RAISE(ABORT, 'x'); END
CREATE TABLE x (a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT NOT NULL DEFAULT ('x') CHECK (length(b) > 1), c GENERATED ALWAYS AS (a + 1) STORED, d REFERENCES t (a) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, UNIQUE (a, b) ON CONFLICT REPLACE) STRICT
SELECT a, sum(b) FILTER (WHERE a > 1) OVER w AS s, row_number() OVER (PARTITION BY a ORDER BY b DESC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM t WINDOW w AS (ORDER BY a) ORDER BY 1 LIMIT 5 OFFSET 2
WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5), d AS MATERIALIZED (SELECT 1) INSERT INTO t (a, b) SELECT n, n FROM c WHERE true ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING *
UPDATE OR IGNORE t SET (b, c) = (SELECT a, b FROM u), d = 1 FROM u WHERE t.a = u.a
DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a IS NOT DISTINCT FROM t.a) RETURNING a
CREATE UNIQUE INDEX IF NOT EXISTS main.i ON t (b COLLATE NOCASE DESC, (a + 1)) WHERE b IS NOT NULL
ALTER TABLE t ADD COLUMN e TEXT DEFAULT CURRENT_TIMESTAMP
ALTER TABLE t RENAME COLUMN b TO bb
SELECT * FROM t LEFT JOIN u USING (a) CROSS JOIN (SELECT 1) AS z ON true WHERE t.a BETWEEN 1 AND 2 AND c LIKE 'x' ESCAPE '\' OR d GLOB 'y' AND c ISNULL AND d NOTNULL GROUP BY 1, 2 HAVING count(*) > 1
PRAGMA main.user_version = 5
CREATE VIEW IF NOT EXISTS w (p, q) AS SELECT json_extract(b, '$.x') -> 'y' ->> 0, CAST(a AS DECIMAL(10, 2)) FROM t UNION SELECT 1, 2 EXCEPT VALUES (1, 2), (3, 4)
SELECT CASE a WHEN 1 THEN x'00' ELSE 0x1F END, -1.5e3, ~b, NOT c, a IN (), a NOT IN u, (1, 2) = (3, 4), group_concat(DISTINCT a), "key", [desc], `if` FROM t AS "order"
CREATE TABLE y (key, value, replace, window, over, filter, "group", temp, first, last, rowid, action, no, cast, text, match)
SELECT string_agg(b, ',' ORDER BY a DESC) FROM t RIGHT JOIN u ON t.a = u.a FULL OUTER JOIN u AS v
"#;

/// A sequence that is the same on every run.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }
}

#[test]
fn sqlite_accepts_no_statement_that_is_called_a_syntax_error() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY, b, c, d); CREATE TABLE u (a, b);").unwrap();
    let statements: Vec<Vec<&str>> = STATEMENTS.trim().lines().map(|line| line.split(' ').collect()).collect();
    let words: Vec<&str> = statements.concat();
    let mut sequence = Sequence(1);
    let (mut refused, mut accepted) = (0, 0);
    for _ in 0..20_000 {
        let mut statement = statements[sequence.below(statements.len())].clone();
        for _ in 0..sequence.below(3) {
            let at = sequence.below(statement.len());
            match sequence.below(3) {
                0 => statement[at] = words[sequence.below(words.len())],
                1 => statement.insert(at, words[sequence.below(words.len())]),
                _ if statement.len() > 1 => drop(statement.remove(at)),
                _ => {}
            }
        }
        let text = statement.join(" ");
        let Ok(parts) = sql::statements(&text, Dialect::Sqlite) else { continue };
        let [part] = parts.as_slice() else { continue };
        let text = part.text(&text);
        let answer = connection.prepare(text).map(drop);
        match sql::sqlite_syntax_error(text) {
            Some(error) => {
                assert!(answer.is_err(), "SQLite accepts `{text}`, called: {}", error.message);
                refused += 1;
            }
            None => accepted += usize::from(answer.is_ok()),
        }
    }
    assert!(refused > 5_000 && accepted > 1_000, "{refused} refused, {accepted} accepted");
}

/// SQLite takes every token as an argument of a virtual table's module, semicolons among them.
#[test]
fn sqlite_reads_arguments_of_virtual_tables_as_we_do() {
    #[track_caller]
    fn check(script: &str, expect: &[&str]) {
        let connection = Connection::open_in_memory().unwrap();
        let mut batch = Batch::new(&connection, script);
        let mut count = 0;
        while let Some(mut statement) = batch.next().unwrap_or_else(|error| panic!("{script}: {error}")) {
            statement.raw_execute().unwrap();
            count += 1;
        }
        let found = sql::statements(script, Dialect::Sqlite).unwrap();
        let found: Vec<&str> = found.iter().map(|it| it.text(script)).collect();
        assert_eq!(found, expect);
        assert_eq!(count, expect.len(), "{script}");
        for statement in found {
            assert_eq!(sql::sqlite_syntax_error(statement), None);
        }
    }
    let table = "CREATE VIRTUAL TABLE t USING rtree(id; x, a, b)";
    check(&format!("{table}; DROP TABLE t;"), &[table, "DROP TABLE t"]);
    let table = "CREATE VIRTUAL TABLE IF NOT EXISTS main.t USING rtree(id (;), 'a;)' , [;)] /* ) */)";
    check(&format!("{table};; DROP TABLE t"), &[table, "DROP TABLE t"]);
    let table =
        "CREATE VIRTUAL TABLE t USING fts5(a, b UNINDEXED, tokenize = 'unicode61 separators '';'' ', prefix = '2 3')";
    check(
        &format!("{table}; INSERT INTO t VALUES (';', '('); DROP TABLE t"),
        &[table, "INSERT INTO t VALUES (';', '(')", "DROP TABLE t"],
    );
    let other = "CREATE TABLE t (a; b)";
    assert!(Connection::open_in_memory().unwrap().execute_batch(other).is_err());
    assert!(sql::statements(other, Dialect::Sqlite).is_err());
}

/// Runs statements behind one that adds `'fine'` to an enum, in a transaction; `expect` is what is said of them before.
#[track_caller]
fn check_enum(rest: &str, expect: Option<bool>) {
    let script = format!("ALTER TYPE mood ADD VALUE 'fine'; {rest}");
    let read = sql::Script::read(&script, Dialect::Postgres).expect("the script lexes");
    let uses = read.enum_value_uses(read.statements());
    assert_eq!(uses.first().map(|it| it.is_certain), expect, "{rest}");
    let database = Server::shared().database();
    database.psql("CREATE TYPE mood AS ENUM ('good'); CREATE TABLE t (m mood, x text)");
    let answer = database.try_psql(&format!("BEGIN; {script}; COMMIT"));
    let is_refused = answer.as_ref().is_err_and(|error| error.contains("unsafe use of new value"));
    match expect {
        Some(true) => assert!(is_refused, "{rest}: {answer:?}"),
        Some(false) => {}
        None => assert!(answer.is_ok(), "{rest}: {answer:?}"),
    }
}

#[test]
fn postgres_refuses_enum_values_that_are_called_in_use() {
    check_enum("SELECT 'fine'::mood", Some(true));
    check_enum("SELECT CAST('fine' AS mood) WHERE false", Some(true));
    check_enum("CREATE VIEW v AS SELECT 'fine'::public.mood, 'fine'::mood", Some(true));
    check_enum("INSERT INTO t (m) VALUES ('fine')", Some(false));
    check_enum("INSERT INTO t (x) VALUES ('fine')", Some(false));
    check_enum("ALTER TYPE mood ADD VALUE 'best' AFTER 'fine'; COMMENT ON TYPE mood IS 'fine'", None);
    check_enum("DROP TABLE t; DROP TYPE mood; CREATE TYPE mood AS ENUM ('fine'); SELECT 'fine'::mood", None);
    check_enum("DO $$ BEGIN IF false THEN PERFORM 'fine'::mood; END IF; END $$", None);
}
