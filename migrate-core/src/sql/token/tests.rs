use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(dialect: Dialect, sql: &str, expected: &[&str]) {
    let lexed = lex(sql, dialect);
    assert_eq!(lexed.error, None, "{sql}");
    let texts: Vec<&str> = lexed.tokens.iter().map(|token| token.text(sql)).collect();
    assert_eq!(texts, expected, "{sql}");
}

#[test]
fn operators_are_whole() {
    check(Dialect::Postgres, "a->>b<=c", &["a", "->>", "b", "<=", "c"]);
    check(Dialect::Postgres, "a=-1 b@-1 c*+-2", &["a", "=", "-", "1", "b", "@-", "1", "c", "*", "+", "-", "2"]);
    check(Dialect::Postgres, "a::b:=c", &["a", "::", "b", ":", "=", "c"]);
    check(Dialect::Postgres, "-+ a", &["-", "+", "a"]);
    check(Dialect::Sqlite, "a->>b||c==-1", &["a", "->>", "b", "||", "c", "==", "-", "1"]);
}

#[test]
fn values_are_whole() {
    check(Dialect::Sqlite, "1e-5+0x1F-.5", &["1e-5", "+", "0x1F", "-", ".5"]);
    check(Dialect::Sqlite, "x'ab''cd' X y", &["x'ab'", "'cd'", "X", "y"]);
    check(Dialect::Sqlite, "a.b ?1,$c", &["a", ".", "b", "?1", ",", "$c"]);
    check(Dialect::Postgres, "U&'a' N'b' $1", &["U&'a'", "N'b'", "$1"]);
}

#[test]
fn a_byte_order_mark_is_white_space_to_sqlite_where_a_token_begins() {
    check(Dialect::Sqlite, "\u{feff}a b\u{feff}", &["a", "b\u{feff}"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_cover_the_script(sql in "[a-zA-Z0-9'\"$E\\\\\n ;:+<=/*@.üx`()-]{0,60}") {
        for dialect in Dialect::ALL {
            let Some(tokens) = all(&sql, dialect) else { continue };
            let text: String = tokens.iter().map(|token| token.text(&sql)).collect();
            prop_assert_eq!(&text, &sql);
        }
    }

    #[test]
    fn plain_tokens_are_those_of_the_lexer(sql in "([a-zA-Z0-9_'\"$EUx&\\\\\n\r\t ;:+<=/*@.,üx`()\\[\\]-]|E'|U&'|--|/\\*|1e|\\$\\$){0,30}") {
        let (quick, slow) = (postgres::lex(&sql, postgres::plain), postgres::lex(&sql, |_| None));
        prop_assert_eq!(quick, slow);
    }
}
