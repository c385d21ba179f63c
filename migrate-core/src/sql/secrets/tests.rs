use proptest::prelude::*;

use super::*;

/// Statements, and what is shown of them. What is secret in them holds `SECR3T`.
const FORMS: &[(&str, &str)] = &[
    ("CREATE ROLE x LOGIN PASSWORD 'SECR3T'; COMMIT;", "CREATE ROLE x LOGIN PASSWORD '***'; COMMIT;"),
    ("ALTER ROLE x password\n E'SECR3T\\'SECR3T' VALID", "ALTER ROLE x password\n E'***' VALID"),
    ("CREATE ROLE x PASSWORD $$SECR3T$$ NOPE", "CREATE ROLE x PASSWORD $$***$$ NOPE"),
    ("CREATE ROLE x PASSWORD $q$SECR3T$q$ NOPE", "CREATE ROLE x PASSWORD $q$***$q$ NOPE"),
    ("CREATE ROLE x PASSWORD U&'SECR3T' NOPE", "CREATE ROLE x PASSWORD U&'***' NOPE"),
    ("CREATE ROLE x PASSWORD /* c */ 'SECR3T' NOPE", "CREATE ROLE x PASSWORD /* c */ '***' NOPE"),
    ("CREATE ROLE x PASSWORD -- it's\n 'SECR3T' NOPE", "CREATE ROLE x PASSWORD -- it's\n '***' NOPE"),
    ("CREATE ROLE x PASSWORD 'a'\n'SECR3T' NOPE", "CREATE ROLE x PASSWORD '***'\n'***' NOPE"),
    ("CREATE ROLE x PASSWORD 'a' 'SECR3T' NOPE", "CREATE ROLE x PASSWORD '***' '***' NOPE"),
    ("CREATE ROLE x PASSWORD 'SECR3T", "CREATE ROLE x PASSWORD '***"),
    ("CREATE ROLE x PASSWORD $$SECR3T", "CREATE ROLE x PASSWORD $$***"),
    ("CREATE ROLE x PASSWORD \"SECR3T\"", "CREATE ROLE x PASSWORD \"***\""),
    ("CREATE USER x IDENTIFIED BY 'SECR3T' ACCOUNT LOCK", "CREATE USER x IDENTIFIED BY '***' ACCOUNT LOCK"),
    ("CREATE USER x IDENTIFIED WITH p BY 'SECR3T'", "CREATE USER x IDENTIFIED WITH p BY '***'"),
    (
        "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 password=SECR3T dbname=x' PUBLICATION p",
        "CREATE SUBSCRIPTION s CONNECTION '***' PUBLICATION p",
    ),
    (
        "CREATE SUBSCRIPTION s CONNECTION 'postgres://u:SECR3T@127.0.0.1:1/x' PUBLICATION p",
        "CREATE SUBSCRIPTION s CONNECTION '***' PUBLICATION p",
    ),
    (
        "SELECT dblink_connect('host=h password=SECR3T dbname=x')",
        "SELECT dblink_connect('host=h password=*** dbname=x')",
    ),
    (
        "SELECT dblink('host=h password = ''SECR3T \\''SECR3T'' dbname=x', 'SELECT 1')",
        "SELECT dblink('host=h password = ''***'' dbname=x', 'SELECT 1')",
    ),
    (
        "SELECT dblink('postgres://u:SECR3T@SECR3T@h/x', 'SELECT 1')",
        "SELECT dblink('postgres://u:***@h/x', 'SELECT 1')",
    ),
    ("SELECT dblink('postgres://h/x?password=SECR3T')", "SELECT dblink('postgres://h/x?password=***')"),
    ("SELECT set_config('my.password','SECR3T',false)", "SELECT set_config('my.password','***',false)"),
    (
        "SELECT set_config('my.password', 'a' || 'SECR3T', false)",
        "SELECT set_config('my.password', '***' || '***', false)",
    ),
    ("SET my.password = 'SECR3T'", "SET my.password = '***'"),
    ("SET my.password TO 'SECR3T'", "SET my.password TO '***'"),
    (
        "DO $$ BEGIN EXECUTE 'ALTER ROLE zz PASSWORD ''SECR3T'''; END $$",
        "DO $$ BEGIN EXECUTE 'ALTER ROLE zz PASSWORD ''***'''; END $$",
    ),
    (
        "DO 'BEGIN EXECUTE ''ALTER ROLE zz PASSWORD ''''SECR3T''''''; END'",
        "DO 'BEGIN EXECUTE ''ALTER ROLE zz PASSWORD ''''***''''''; END'",
    ),
    (
        "DO $$ BEGIN EXECUTE format('ALTER ROLE zz PASSWORD %L', 'SECR3T'); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE zz PASSWORD %L', '***'); END $$",
    ),
    (
        "DO $$ BEGIN EXECUTE 'ALTER ROLE zz PASSWORD ' || quote_literal('SECR3T'); END $$",
        "DO $$ BEGIN EXECUTE 'ALTER ROLE zz PASSWORD ' || quote_literal('***'); END $$",
    ),
    (
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (passwd 'SECR3T', host 'h')",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (passwd '***', host 'h')",
    ),
    (
        "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', \"password\" 'SECR3T')",
        "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', \"password\" '***')",
    ),
    (
        "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET password 'SECR3T', SET user 'u')",
        "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET password '***', SET user 'u')",
    ),
    (
        "ALTER SYSTEM SET primary_conninfo = 'host=h password=SECR3T'",
        "ALTER SYSTEM SET primary_conninfo = 'host=h password=***'",
    ),
    ("UPDATE u SET password = 'SECR3T', name = 'x'", "UPDATE u SET password = '***', name = 'x'"),
    (
        "UPDATE u SET password = public.crypt('SECR3T', gen_salt('bf')), name = 'x'",
        "UPDATE u SET password = public.crypt('***', gen_salt('***')), name = 'x'",
    ),
    (
        "SELECT 1 FROM u WHERE password::text <> 'SECR3T' AND a = 'x'",
        "SELECT 1 FROM u WHERE password::text <> '***' AND a = 'x'",
    ),
    (
        "SELECT 1 FROM u WHERE password IN ('SECR3T', 'SECR3T') AND a = 'x'",
        "SELECT 1 FROM u WHERE password IN ('***', '***') AND a = 'x'",
    ),
    ("SELECT f(new_password => 'SECR3T', name => 'x')", "SELECT f(new_password => '***', name => 'x')"),
    ("SELECT set_password('u', 'SECR3T')", "SELECT set_password('***', '***')"),
    (
        "INSERT INTO u (name, password) VALUES ('x', 'SECR3T'), ('y', lower('SECR3T')) ON CONFLICT DO NOTHING",
        "INSERT INTO u (name, password) VALUES ('x', '***'), ('y', lower('***')) ON CONFLICT DO NOTHING",
    ),
    ("INSERT INTO u (\"password\", name) SELECT 'SECR3T', 'x'", "INSERT INTO u (\"password\", name) SELECT '***', 'x'"),
    (
        "CREATE TABLE u (password TEXT NOT NULL DEFAULT 'SECR3T', a text DEFAULT 'x')",
        "CREATE TABLE u (password TEXT NOT NULL DEFAULT '***', a text DEFAULT 'x')",
    ),
    (
        "SELECT '{\"password\": \"SECR3T\", \"a\": \"x\"}'::jsonb",
        "SELECT '{\"password\": \"***\", \"a\": \"x\"}'::jsonb",
    ),
    ("/* ALTER ROLE x PASSWORD 'SECR3T' */ SELECT 1", "/* ALTER ROLE x PASSWORD '***' */ SELECT 1"),
    ("-- don't: ALTER ROLE x PASSWORD 'SECR3T'\nSELECT 1", "-- don't: ALTER ROLE x PASSWORD '***'\nSELECT 1"),
    ("PASSWORD\0'SECR3T'", "PASSWORD\0'***'"),
    // What SQLite reads otherwise.
    ("SELECT `it's` FROM u WHERE password = 'SECR3T'", "SELECT `it's` FROM u WHERE password = '***'"),
    ("UPDATE u SET password = x'SECR3T'", "UPDATE u SET password = x'***'"),
];

/// What is not about passwords, or has none.
const HARMLESS: &[&str] = &[
    "CREATE TABLE u (id int, password TEXT NOT NULL, kind text DEFAULT 'a' CHECK (kind IN ('a', 'b')))",
    "CREATE TABLE \"u\" (\"password\" \"text\" NOT NULL, \"kind\" \"text\" DEFAULT 'a')",
    "CREATE TABLE secret (kind text DEFAULT 'a', note text)",
    "UPDATE u SET password_hash = crypt(name, 'x')",
    "UPDATE u SET password = NULL, name = 'x'",
    "ALTER ROLE x PASSWORD NULL VALID UNTIL 'infinity'",
    "SELECT password, 'x' FROM u WHERE password IS NOT NULL AND kind = 'a'",
    "SELECT 1 FROM u JOIN v ON u.password = v.\"password\" AND u.kind = 'a'",
    "ALTER TABLE u RENAME COLUMN pass TO password; INSERT INTO t VALUES ('x')",
    "INSERT INTO secret VALUES ('a')",
    "INSERT INTO u (password) SELECT hash FROM v WHERE kind = 'a'",
    "COMMENT ON COLUMN u.password IS 'how it is hashed'",
    "CREATE FUNCTION check_password(a text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN a = 'x'; END $$",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE u SET password = crypt(new.a, salt()) $$",
    "INSERT INTO t VALUES ('enter your password', 'x', 'see https://example.org/secret')",
    "CREATE SUBSCRIPTION s CONNECTION",
    "",
];

#[test]
fn no_form_shows_a_secret() {
    for (sql, expect) in FORMS {
        let secrets = Secrets::of(sql);
        assert_eq!(secrets.redacted(), *expect, "{sql}");
        let masked = secrets.masked(0..sql.len());
        assert!(!masked.contains("SECR3T"), "{masked}");
        assert_eq!(masked.chars().count(), sql.chars().count(), "{masked}");
        assert!(!secrets.hidden_in(&format!("near \"{sql}\", SECR3T")).contains("'SECR3T"), "{sql}");
    }
}

#[test]
fn what_is_harmless_is_shown() {
    for sql in HARMLESS {
        assert_eq!(Secrets::of(sql).redacted(), *sql);
        assert_eq!(Secrets::of(sql).masked(0..sql.len()), *sql);
    }
}

#[test]
fn a_quote_too_much_shows_no_secret() {
    let check = |sql: &str| {
        let shown = Secrets::of(sql).redacted();
        assert!(!shown.contains("SECR3T"), "{shown}");
    };
    check("INSERT INTO t VALUES ('abc);\nCREATE ROLE x PASSWORD 'SECR3T';");
    check("INSERT INTO t VALUES ('it's'); CREATE ROLE x PASSWORD 'SECR3T'; SELECT 1;");
    check("INSERT INTO t VALUES ('abc); CREATE ROLE x PASSWORD 'SECR3T'; INSERT INTO t VALUES ('abc);");
    check("SELECT $$ 'a'; CREATE ROLE x PASSWORD 'SECR3T'");
}

#[test]
fn a_message_quotes_no_secret() {
    let sql = "ALTER ROLE x PASSWORD 'it''s SECR3T' NOPE; INSERT INTO u (name, password) VALUES ('app', 'a1')";
    let check = |message: &str, expect: &str| assert_eq!(Secrets::of(sql).hidden_in(message), expect);
    check("syntax error at or near \"'it''s SECR3T'\"", "syntax error at or near \"'***'\"");
    check("Failing row contains (app, it's SECR3T, a1).", "Failing row contains (app, ***, ***).");
    check("relation \"a12\" does not exist", "relation \"a12\" does not exist");
    check("invalid password = SECR3T", "invalid password = ***");
    check("SQL statement \"ALTER ROLE y PASSWORD 'SECR3T'\"", "SQL statement \"ALTER ROLE y PASSWORD '***'\"");
    check(
        "column \"password\" of relation \"u\" does not exist",
        "column \"password\" of relation \"u\" does not exist",
    );
}

#[test]
fn a_message_quotes_no_part_of_a_connection_string() {
    #[track_caller]
    fn check(sql: &str, message: &str, expect: &str) {
        assert_eq!(Secrets::of(sql).hidden_in(message), expect);
    }
    let sql = "CREATE SUBSCRIPTION s CONNECTION 'host=h password=one two port=1' PUBLICATION p";
    check(
        sql,
        "missing \"=\" after \"two\" in connection info string",
        "missing \"=\" after \"***\" in connection info string",
    );
    check(
        sql,
        "connection to server at \"h\", port 1 failed: one",
        "connection to server at \"h\", port 1 failed: ***",
    );
    let sql = "SELECT dblink('postgres://u:one/two@h:1/x', '')";
    check(
        sql,
        "invalid integer value \"one\" for connection option \"port\"",
        "invalid integer value \"***\" for connection option \"port\"",
    );
}

#[test]
fn masks_keep_the_width() {
    let sql = "ALTER ROLE x\n PASSWORD 'ü\n界' NOPE";
    assert_eq!(Secrets::of(sql).masked(0..sql.len()), "ALTER ROLE x\n PASSWORD '***' NOPE");
    let start = sql.find('界').unwrap();
    assert_eq!(Secrets::of(sql).masked(start..sql.len()), "*' NOPE");
}

#[test]
fn deep_quotes_end() {
    for open in ["PASSWORD $a$ $b$", "PASSWORD '", "/* password ", "\"password", "password=(", "//u:@"] {
        let sql = open.repeat(300);
        assert!(!Secrets::of(&sql).redacted().is_empty());
    }
    let nested = (0..30).fold("PASSWORD 'SECR3T'".to_owned(), |sql, level| format!("DO $d{level}$ {sql} $d{level}$"));
    assert!(!Secrets::of(&nested).redacted().contains("SECR3T"));
}

/// A secret in quotes of any form.
fn quoted() -> impl Strategy<Value = String> {
    let secret = "[a-z'\\\\ $=@/üA-Z\"-]{0,6}";
    let forms = (secret, secret, 0_usize..6);
    forms.prop_map(|(before, behind, form)| {
        let secret = format!("{before}SECR3T{behind}");
        match form {
            0 => format!("'{}'", secret.replace('\'', "''")),
            1 => format!("E'{}'", secret.replace('\\', "\\\\").replace('\'', "\\'")),
            2 => format!("U&'{}'", secret.replace('\'', "''")),
            3 => format!("$quote$ {secret}$quote$"),
            4 => format!("'a'\n'{}'", secret.replace('\'', "''")),
            _ => format!("N'{}", secret.replace('\'', "''")),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_survives(
        before in "[a-z0-9(), =.\n]{0,20}",
        name in "(PASSWORD|my_password|passwd|Secret|CONNECTION|IDENTIFIED BY)",
        between in "( | = |=| /\\* c \\*/ | -- it's\n)",
        quoted in quoted(),
        nesting in 0_usize..4,
    ) {
        let mut sql = format!("{before} {name}{between}{quoted}");
        for level in 0..nesting {
            sql = match level {
                1 => format!("DO $do$ {sql} $do$ LANGUAGE x"),
                _ => format!("EXECUTE '{}';", sql.replace('\'', "''")),
            };
        }
        let secrets = Secrets::of(&sql);
        prop_assert!(!secrets.redacted().contains("SECR3T"), "{}", secrets.redacted());
        let masked = secrets.masked(0..sql.len());
        prop_assert!(!masked.contains("SECR3T"), "{}", masked);
        prop_assert_eq!(masked.chars().count(), sql.chars().count());
    }

    #[test]
    fn every_text_is_read(text in "([a-z0-9 '\"$\\\\(),;=:@/*%\n\0ü`\\[\\]-]|password|E'|U&'|\\$\\$|--|//){0,40}") {
        let secrets = Secrets::of(&text);
        prop_assert_eq!(secrets.masked(0..text.len()).chars().count(), text.chars().count());
        let _ = secrets.hidden_in(&text);
    }
}
