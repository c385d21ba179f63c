use proptest::prelude::*;

use super::*;
use crate::testing::{is_inside, mutated};

fn read(text: &str) -> (Option<Metadata>, Vec<Diagnostic>) {
    let directory = MigrationName { version: SchemaVersion::new(1, 2, 0), name: "users".to_owned() };
    let mut found = Vec::new();
    let file = SourceFile { path: "m", text };
    let metadata = parse(file, &directory, &mut found);
    (metadata, found)
}

/// Reads a whole file; `expect` is `line:column code: message` of each problem.
#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let (_, found) = read(text);
    let found: Vec<String> =
        found.iter().map(|it| format!("{}:{} {}: {}", it.line, it.column, it.code, it.message)).collect();
    assert_eq!(found, expect);
}

/// Reads a file with one more key on its second line.
#[track_caller]
fn check_key(line: &str, expect: &[&str]) {
    check(&with(line), expect);
}

fn with(line: &str) -> String {
    format!("{{\"version\": \"1.2.0\", \"name\": \"users\",\n{line}}}")
}

const ONE: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const FULL: &str = r#"{
            "$schema": "https://example.org/schema.json",
            "version": "1.2.0", "name": "users",
            "description": "Ünïcode – “quoted” \"text\"",
            "min_runtime_version": "2.0.0-0",
            "dependencies": ["1.0.0", ">=1.0, <1.2"],
            "author": "A. Uthor",
            "transaction": true,
            "irreversible": "drops data",
            "phase": "contract",
            "expects": {"tables": ["users", "posts"], "indexes": []},
            "replaces": [
                {"version": "1.0.0", "name": "a", "checksum": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                {"version": "1.2.0", "name": "users", "min_runtime_version": "2.0.0-0", "checksum":
                    {"postgres": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}
            ],
            "kind": "sql",
            "foreign_keys": "off",
            "lock_timeout": "5s", "statement_timeout": "2min",
            "allow": {"timeout-in-script": "measured"}
        }"#;

#[test]
fn reads_every_key() {
    let (metadata, found) = read(FULL);
    assert_eq!(found, []);
    let metadata = metadata.unwrap();
    let settings = Settings {
        description: Some("Ünïcode – “quoted” \"text\"".into()),
        min_runtime_version: Some("2.0.0-0".into()),
        irreversible: Some("drops data".into()),
        expects: Some("table users\ntable posts".into()),
        replaces: Some(format!("1.0.0 a {ONE} {ONE} -\n1.2.0 users - {ONE} 2.0.0-0\n").into()),
        phase: Some(Phase::Contract),
        transaction: true,
        foreign_keys_off: true,
        lock_timeout: Some(Duration::from_secs(5)),
        statement_timeout: Some(Duration::from_secs(120)),
    };
    assert_eq!(metadata.settings, settings);
    let texts: Vec<&str> = metadata.dependencies.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, ["1.0.0", ">=1.0, <1.2"]);
    assert_eq!(metadata.author.as_deref(), Some("A. Uthor"));
    assert_eq!(metadata.allow[&Code::TimeoutInScript].reason, "measured");
    check(r#"{"version": "1.2.0", "name": "users"}"#, &[]);
}

#[test]
fn foreign_keys_are_off_around_a_transaction_only() {
    check_key(r#"  "transaction": false"#, &[]);
    let both = [
        (r#"  "transaction": false, "foreign_keys": "off""#, 41),
        (r#"  "foreign_keys": "off", "transaction": false"#, 19),
    ];
    for (line, column) in both {
        let message = "`\"foreign_keys\": \"off\"` needs the transaction that `\"transaction\": false` takes away";
        check_key(line, &[&format!("2:{column} foreign-keys-without-transaction: {message}")]);
    }
}

#[test]
fn refuses_what_is_not_one_json_object() {
    check("", &["1:1 not-an-object: `metadata.json` is empty, expected an object"]);
    check("[]", &["1:1 not-an-object: expected an object, found a list"]);
    check("{\n  \"version\": }", &["2:14 invalid-json: `metadata.json` is not JSON: unexpected close brace"]);
    check("{\"a\": 1\n\"b\": 2}", &["1:8 invalid-json: `metadata.json` is not JSON: expected comma"]);
    for text in ["{\"a\": 1,}", "{a: 1}", "{'a': 1}", "{} // c", "/* c */ {}", "{} {}", "{\"a\": \"\n", "{\"a\": tru}"]
    {
        let (_, found) = read(text);
        let codes: Vec<Code> = found.iter().map(|it| it.code).collect();
        assert_eq!(codes, [Code::InvalidJson], "{text}");
    }
    let (_, found) = read(&"[".repeat(100_000));
    assert_eq!(found[0].code, Code::InvalidJson);
}

#[test]
fn refuses_keys_that_are_missing_unknown_or_given_twice() {
    check(
        "\n{}",
        &["2:1 missing-key: required key `version` is missing", "2:1 missing-key: required key `name` is missing"],
    );
    check_key(r#"  "dependancies": []"#, &["2:3 unknown-key: unknown key `dependancies`"]);
    check_key(r#"  "author": "a", "author": "b""#, &["2:18 duplicate-key: key `author` is given twice"]);
    check_key(r#"  "name": "users""#, &["2:3 duplicate-key: key `name` is given twice"]);
    check_key(
        r#"  "expects": {"tables": [], "tables": []}"#,
        &["2:29 duplicate-key: key `expects.tables` is given twice"],
    );
    check_key(r#"  "expects": {"tabels": ["users"]}"#, &["2:15 unknown-key: unknown key `expects.tabels`"]);
    check_key(
        r#"  "expects": {"tables": [" ", "users"]}"#,
        &["2:26 not-one-line: ` ` in `expects.tables` is not the name of a table"],
    );
}

#[test]
fn suggests_the_key_that_was_meant() {
    #[track_caller]
    fn check_help(key: &str, expect: &str) {
        let (_, found) = read(&with(&format!("\"{key}\": 1")));
        assert_eq!(found[0].help.as_deref(), Some(expect));
    }
    check_help("dependancies", "did you mean `dependencies`?");
    check_help("Author", "did you mean `author`?");
    check_help("min_runtime_verison", "did you mean `min_runtime_version`?");
    check_help("minRuntimeVersion", "did you mean `min_runtime_version`?");
    check_help("transactional", "did you mean `transaction`?");
    check_help("lock-timeout", "did you mean `lock_timeout`?");
}

#[test]
fn refuses_values_of_the_wrong_type() {
    check_key(r#""description": 1"#, &["2:16 wrong-type: `description` is a number, expected a string"]);
    check_key(r#""transaction": "no""#, &["2:16 wrong-type: `transaction` is a string, expected `true` or `false`"]);
    check_key(r#""irreversible": true"#, &["2:17 wrong-type: `irreversible` is a boolean, expected a string"]);
    check_key(
        r#""dependencies": "1.0.0""#,
        &["2:17 wrong-type: `dependencies` is a string, expected a list of strings"],
    );
    check_key(
        r#""dependencies": ["1.0.0", 2]"#,
        &["2:27 wrong-type: `dependencies[1]` is a number, expected a string"],
    );
    check_key(
        r#""expects": {"tables": "users"}"#,
        &["2:23 wrong-type: `expects.tables` is a string, expected a list of strings"],
    );
    check_key(
        r#""allow": ["rule"]"#,
        &["2:10 wrong-type: `allow` is a list, expected an object of diagnostics and reasons"],
    );
    check_key(r#""author": null"#, &["2:11 wrong-type: `author` is null, expected a string"]);
}

#[test]
fn refuses_versions_and_names_that_differ_from_the_directory() {
    check(
        r#"{"version": "1.2.1", "name": "user"}"#,
        &[
            "1:13 version-mismatch: version `1.2.1` differs from the directory's, `1.2.0`",
            "1:30 name-mismatch: name `user` differs from the directory's, `users`",
        ],
    );
    check(
        r#"{"version": "1.2.0-rc.1", "name": "Users"}"#,
        &[
            "1:13 invalid-version: `1.2.0-rc.1` is not the version of a migration: the version of a migration has no pre-release part",
            "1:35 invalid-name: `Users` is not a name: expected lower-case letters, digits and `_`",
        ],
    );
    let (_, found) = read(r#"{"version": "1.2", "name": "users"}"#);
    assert_eq!(found[0].code, Code::InvalidVersion);
}

#[test]
fn refuses_versions_of_programs_that_cannot_be_compared() {
    check_key(r#""min_runtime_version": "2.0.0-rc.1""#, &[]);
    check_key(
        r#""min_runtime_version": "2.0.0+7""#,
        &[
            "2:24 invalid-minimum: `2.0.0+7` is not the version of a program: build metadata takes no part in comparisons",
        ],
    );
    let (_, found) = read(&with(r#""min_runtime_version": "2.0""#));
    assert_eq!(found[0].code, Code::InvalidMinimum);
}

#[test]
fn reads_dependencies() {
    #[track_caller]
    fn matches(text: &str, version: &str, expect: bool) {
        let version = semver::Version::parse(version).unwrap();
        assert_eq!(requirement(text).unwrap().matches(&version), expect, "{text} {version}");
    }
    matches("1.0.0", "1.0.0", true);
    matches("1.0.0", "1.0.1", false);
    matches("=1.0", "1.0.7", true);
    matches("^1.0.0", "1.0.1", true);
    matches(">=1.2, <2", "1.9.0", true);
    matches(">=1.2, <2", "2.0.0", false);
    matches("1.*", "1.3.0", true);
    for text in ["", "1", "1.0", "v1.0.0", "1.0.0-rc.1", "1.0.0+7", ">=1, 2", ">= x", "users", "latest"] {
        assert!(requirement(text).is_err(), "{text}");
    }
    check_key(
        r#""dependencies": ["1.0"]"#,
        &["2:18 invalid-dependency: `1.0` is not a dependency: `1.0` has no operator and is not a whole version"],
    );
}

#[test]
fn refuses_values_that_make_no_sense() {
    check_key(r#""phase": "expnd""#, &["2:10 unknown-value: unknown value `expnd` for `phase`"]);
    check_key(r#""kind": "rust""#, &["2:9 unknown-value: unknown value `rust` for `kind`"]);
    check_key(r#""foreign_keys": "on""#, &["2:17 unknown-value: unknown value `on` for `foreign_keys`"]);
    check_key(r#""irreversible": " ""#, &["2:17 empty-reason: `irreversible` is empty, expected a reason"]);
    check_key(r#""description": "a\nb""#, &["2:16 not-one-line: `description` is not one line of text"]);
    check_key(r#""allow": {"rule": ""}"#, &["2:19 empty-reason: `allow.rule` is empty, expected a reason"]);
}

#[test]
fn a_timeout_of_zero_is_refused() {
    check_key(
        r#""lock_timeout": "0s""#,
        &["2:17 invalid-duration: `0s` is not a duration for `lock_timeout`: zero would switch the timeout off"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_is_read_or_refused_inside_of_it(text in prop_oneof!["[\\PC\n\r]{0,60}", mutated(FULL.to_owned())]) {
        let (_, found) = read(&text);
        for diagnostic in found {
            prop_assert!(is_inside(&diagnostic, &text), "{diagnostic:?} in {text:?}");
        }
    }
}

#[test]
fn refuses_what_squash_does_not_write() {
    let entry = |version: &str| format!(r#"{{"version": "{version}", "name": "a", "checksum": "{ONE}"}}"#);
    let list = |entries: &[String]| format!("\"replaces\": [{}]", entries.join(", "));
    let nested = format!(r#"{{"version": "1.0.0", "name": "a", "checksum": "{ONE}", {}}}"#, list(&[entry("1.0.0")]));
    check_key(&list(&[nested.clone(), entry("1.2.0")]), &[]);
    check_key(r#""replaces": "1.0.0""#, &["2:13 wrong-type: `replaces` is a string, expected a list of objects"]);
    check_key(r#""replaces": ["1.0.0"]"#, &["2:14 wrong-type: `replaces[0]` is a string, expected an object"]);
    check_key(
        r#""replaces": []"#,
        &["2:13 invalid-replaces: `replaces` does not end with the migration that had the version 1.2.0 before"],
    );
    check_key(
        &list(&[entry("1.1.0"), entry("1.0.0"), entry("1.2.0")]),
        &["2:129 invalid-replaces: `replaces` has 1.0.0 behind a version that is not lower"],
    );
    check_key(
        &list(&[entry("0.1.0"), nested, entry("1.2.0")]),
        &["2:243 invalid-replaces: only the first of `replaces` can replace others itself"],
    );
    check_key(r#""replaces": [{"version": "1.2.0", "nmae": "a"}]"#, &["2:35 unknown-key: unknown key `replaces.nmae`"]);
    check_key(
        r#""replaces": [{"version": "1.2.0", "name": "a"}]"#,
        &["2:14 invalid-replaces: an entry of `replaces` lacks its version, name or checksum"],
    );
    check_key(
        r#""replaces": [{"version": "1.2", "name": "A", "checksum": {"mysql": "00"}, "min_runtime_version": "2"}]"#,
        &[
            "2:26 invalid-replaces: `1.2` in `replaces` is no version",
            "2:41 invalid-replaces: `A` in `replaces` is no name",
            "2:59 unknown-key: unknown key `replaces.checksum.mysql`",
            "2:98 invalid-replaces: `2` in `replaces` is no min runtime version",
        ],
    );
}
