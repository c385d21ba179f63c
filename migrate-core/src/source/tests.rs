use std::fs;

use tempfile::TempDir;

use super::*;
use crate::stale;

/// Writes a directory from one text: `== path` begins a file, and a path that ends in `/` is an empty directory. A
/// migration that has no `metadata.json` gets the least one, unless `== path -` says that it goes without.
fn directory(text: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut bare: Vec<String> = Vec::new();
    for part in text.split("== ").skip(1) {
        let (path, content) = part.split_once('\n').unwrap_or((part, ""));
        if let Some(path) = path.strip_suffix(" -") {
            bare.push(path.to_owned());
            continue;
        }
        let path = root.path().join(path);
        if path.to_string_lossy().ends_with('/') {
            fs::create_dir_all(path).unwrap();
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    for entry in root.path().read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let metadata = root.path().join(&name).join(METADATA);
        let Some((version, title)) = name.strip_prefix('v').and_then(|it| it.split_once('_')) else {
            continue;
        };
        if !metadata.exists() && metadata.parent().unwrap().is_dir() && !bare.contains(&name) {
            fs::write(metadata, format!(r#"{{"version": "{version}", "name": "{title}"}}"#)).unwrap();
        }
    }
    root
}

fn options() -> LoadOptions {
    LoadOptions::new("m")
}

fn told(loaded: &Loaded, severity: Severity) -> Vec<String> {
    let wanted = loaded.diagnostics().iter().filter(|it| it.severity == severity);
    wanted.map(|it| format!("{it} [{}]", it.code)).collect()
}

/// Loads a directory; `expect` is every error.
#[track_caller]
fn check_with(options: &LoadOptions, text: &str, expect: &[&str]) {
    let root = directory(text);
    let loaded = load(root.path(), options);
    assert_eq!(told(&loaded, Severity::Error), expect);
    assert_eq!(loaded.into_registry().is_ok(), expect.is_empty());
}

#[track_caller]
fn check(text: &str, expect: &[&str]) {
    check_with(&options(), text, expect);
}

/// One migration, `m/v1.0.0_a`, with an up script and these settings.
#[track_caller]
fn check_up(settings: &str, sql: &str, expect: &[&str]) {
    let comma = if settings.is_empty() { "" } else { ", " };
    let metadata = format!(r#"{{"version": "1.0.0", "name": "a"{comma}{settings}}}"#);
    check(&format!("== v1.0.0_a/metadata.json\n{metadata}== v1.0.0_a/up.sql\n{sql}"), expect);
}

const A: &str = "== v1.0.0_a/up.sql\nSELECT 1;\n== v1.0.0_a/down.sql\nSELECT 1;\n";

/// So many that a second thread reads some of them.
#[test]
fn reads_a_large_set() {
    let migration = |at: usize| format!("== v1.0.{at}_a/up.sql\nSELECT {at};\n== v1.0.{at}_a/down.sql\nSELECT {at};\n");
    let set: String = (0..150).map(migration).collect();
    let root = directory(&set);
    let loaded = load(root.path(), &options());
    assert_eq!(loaded.files().len(), 450);
    let (registry, _) = loaded.into_registry().unwrap();
    assert!(registry.migrations().iter().enumerate().all(|(at, it)| it.version().patch == at as u64));

    let misnamed = "== v0.1.0_a/upp.sql\nSELECT 1;\n== v9.0.0_a/upp.sql\nSELECT 1;\n== migrations.lok\n";
    let root = directory(&format!("{set}{misnamed}"));
    let errors = told(&load(root.path(), &options()), Severity::Error);
    for name in ["m/v0.1.0_a/upp.sql", "m/v9.0.0_a/upp.sql", "m/migrations.lok"] {
        assert!(errors.iter().any(|error| error.starts_with(name)), "{name}: {errors:?}");
    }
}

#[test]
fn reads_a_set() {
    let root = directory(
        "== v1.10.0_c/up.sql\nSELECT 3;\n== v1.10.0_c/down.sql\nSELECT 3;\n\
         == v1.9.0_b/down.sqlite.sql\nSELECT 9;\n== v1.9.0_b/down.postgres.sql\nP;\n\
         == v1.9.0_b/verify.sql\nSELECT true;\n== v1.9.0_b/fixtures.sql\n(\n== v1.9.0_b/README.md\n\
         == README.md\n== .git/up.sql\n== notes/x.txt\n",
    );
    fs::write(root.path().join("v1.9.0_b/up.sql"), "\u{feff}SELECT 2;\r\n").unwrap();
    let options = LoadOptions {
        runtime_version: Some("2.0.0+build".to_owned()),
        name: Some("app".to_owned()),
        ..LoadOptions::new("m/")
    };
    let loaded = load(root.path(), &options);
    assert_eq!(loaded.diagnostics(), []);
    assert_eq!(loaded.dialects(), Dialect::ALL);
    assert_eq!(loaded.files().len(), 8);
    let digest = lockfile::digest(loaded.lock_entries());
    let (registry, _) = loaded.into_registry().unwrap();
    assert_eq!((registry.name(), registry.directory()), (Some("app"), "m"));
    assert_eq!(registry.digest(), digest);
    let [b, c] = registry.migrations() else { panic!("two migrations") };
    assert_eq!((b.directory_name(), c.directory_name()), ("v1.9.0_b".to_owned(), "v1.10.0_c".to_owned()));
    let files: Vec<String> = b.scripts().iter().map(Script::file_name).collect();
    assert_eq!(files, ["up.sql", "down.sqlite.sql", "down.postgres.sql", "verify.sql"]);
    assert_eq!(b.scripts()[0].sql, "SELECT 2;\r\n");
    assert_eq!(b.scripts()[0].checksum, Checksum::of("SELECT 2;\n"));
}

#[test]
fn fixtures_are_read_and_checked_when_asked_for() {
    let options = LoadOptions { fixtures: true, ..options() };
    let root = directory(&format!("{A}== v1.0.0_a/fixtures.sql\nINSERT INTO t VALUES ('a;');\n"));
    let (with, without) = (load(root.path(), &options), load(root.path(), &self::options()));
    let [fixtures] = with.fixtures() else { panic!("{:?}", with.fixtures()) };
    assert_eq!(fixtures.version, "1.0.0".parse().unwrap());
    assert_eq!(fixtures.sql, "INSERT INTO t VALUES ('a;');\n");
    assert!(with.files().contains(&root.path().join("v1.0.0_a/fixtures.sql")));
    assert_eq!((without.fixtures().len(), without.files().len() + 1), (0, with.files().len()));
    // They are no part of what is locked, fingerprinted and recorded.
    assert_eq!(with.lock_text(), without.lock_text());

    let wrong = format!("{A}== v1.0.0_a/fixtures.sql\nSELECT 'a;\n");
    check_with(&options, &wrong, &["m/v1.0.0_a/fixtures.sql:1:8: a string is not closed [unterminated-string]"]);
    check(&wrong, &[]);
}

#[test]
fn tells_what_is_wrong_with_the_directory() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let read = |name: &str| told(&load(&root.path().join(name), &options()), Severity::Error);
    assert_eq!(read("no"), ["m: directory `m` does not exist [missing-directory]"]);
    assert_eq!(read("file"), ["m:1:1: `m` is not a directory [not-a-directory]"]);
    check("== README.md\n", &["m: `m` holds no migration [no-migrations]"]);
}

#[test]
fn refuses_near_misses_and_leaves_the_rest_alone() {
    check(
        &format!(
            "{A}== 1.1.0_b/up.sql\n== V2__c.sql\n== migration.lock\n== users/up.sql\n== schema.sql\n\
             == v1.0.0_a/Up.SQL\n== v1.0.0_a/extra.json\n== v1.0.0_a/v1.1.0_d/up.sql\n== v1.0.0_a/data/x.csv\n\
             == .hidden.sql\n== v1.0.0_a/up.sql~\n"
        ),
        &[
            "m/1.1.0_b: `1.1.0_b` is not named `vMAJOR.MINOR.PATCH_name`, with a name of lower-case letters, digits and `_` [misnamed-migration]",
            "m/V2__c.sql:1:1: `V2__c.sql` is a file, and a migration is a directory [flat-migration]",
            "m/migration.lock:1:1: `migration.lock` is not the name of the lock file [misnamed-lock]",
            "m/schema.sql:1:1: `schema.sql` belongs to no migration [stray-file]",
            "m/users: `users` holds files of a migration and is not named like one [misnamed-migration]",
            "m/v1.0.0_a/Up.SQL:1:1: `Up.SQL` is not a file of a migration [misnamed-file]",
            "m/v1.0.0_a/extra.json:1:1: `extra.json` is not a file of a migration [misnamed-file]",
            "m/v1.0.0_a/v1.1.0_d: `v1.1.0_d` looks like a migration inside a migration [nested-migration]",
        ],
    );
    // The misnamed file is the missing one; that is one mistake and one message.
    check(
        "== v1.0.0_a -\n== v1.0.0_a/metdata.json\n{}\n== v1.0.0_a/up.sql\nSELECT 1;\n",
        &["m/v1.0.0_a/metdata.json:1:1: `metdata.json` is not a file of a migration [misnamed-file]"],
    );
}

#[test]
fn refuses_missing_files_and_duplicate_versions() {
    check(
        "== v1.0.0_a -\n== v1.0.0_a/down.sql\nSELECT 1;\n== v1.0.0_b/up.sql\nSELECT 1;\n",
        &[
            "m/v1.0.0_a/down.sql:1:1: `v1.0.0_a` has no `metadata.json` [missing-metadata]",
            "m/v1.0.0_a/down.sql:1:1: `v1.0.0_a` has no up script [missing-up]",
            "m/v1.0.0_b/metadata.json:1:1: version 1.0.0 is taken by both `v1.0.0_a` and `v1.0.0_b` [duplicate-version]",
        ],
    );
    check(
        "== v1.0.0_a/up.sql/\n",
        &["m/v1.0.0_a/up.sql: cannot read `m/v1.0.0_a/up.sql`: Is a directory (os error 21) [unreadable]"],
    );
}

#[test]
fn tells_one_mistake_once() {
    // What a misnamed migration or a file that cannot be read brings with it is not reported.
    let b = "== v1.2.0_b/metadata.json\n{\"version\": \"1.2.0\", \"name\": \"b\", \"dependencies\": [\"1.1.0\"]}\n\
             == v1.2.0_b/up.sql\nSELECT 1;\n";
    let misnamed = "m/V1.1_x: `V1.1_x` is not named `vMAJOR.MINOR.PATCH_name`, with a name of lower-case letters, digits and `_` [misnamed-migration]";
    check(&format!("{A}{b}== V1.1_x/up.sql\n== migrations.lock\n# format 1\n"), &[misnamed]);
    let unread = "== v1.0.0_a/metadata.json\n{\"transaction\": false\n== v1.0.0_a/up.sql\nVACUUM;\n";
    let broken = "m/v1.0.0_a/metadata.json:1:1: `metadata.json` is not JSON: unterminated object [invalid-json]";
    check(unread, &[broken]);
    // Nor that what cannot be read is not what was locked.
    let lock = load(directory(A).path(), &options()).lock_text();
    let set = format!("{A}== v1.0.0_a/metadata.json\n{{\n== migrations.lock\n{lock}");
    check(&set, &[broken]);
    let root = directory(&format!("{A}== migrations.lock\n{lock}"));
    fs::write(root.path().join("v1.0.0_a/metadata.json"), b"\xff").unwrap();
    fs::write(root.path().join("v1.0.0_a/up.sql"), b"\xff").unwrap();
    assert_eq!(
        told(&load(root.path(), &options()), Severity::Error),
        [
            "m/v1.0.0_a/metadata.json:1:1: byte 0xff is not UTF-8 [not-utf8]",
            "m/v1.0.0_a/up.sql:1:1: byte 0xff is not UTF-8 [not-utf8]",
        ]
    );
}

#[test]
fn refuses_text_that_is_not_utf8() {
    let root = directory(A);
    let up = root.path().join("v1.0.0_a/up.sql");
    fs::write(&up, b"\xef\xbb\xbfSELECT 1;\n-- \xc3\xa9 \xff\n").unwrap();
    fs::write(up.with_file_name("down.sql"), b"\xff\xfeS\0").unwrap();
    let loaded = load(root.path(), &options());
    assert_eq!(
        told(&loaded, Severity::Error),
        [
            "m/v1.0.0_a/down.sql:1:1: byte 0xff is not UTF-8 [utf-16]",
            "m/v1.0.0_a/up.sql:2:6: byte 0xff is not UTF-8 [not-utf8]",
        ]
    );
    let of_up = |it: &&Diagnostic| it.path.ends_with("up.sql");
    assert_eq!(loaded.diagnostics().iter().filter(of_up).count(), 1);
    assert_eq!(loaded.diagnostics()[0].help.as_deref(), Some("it looks like UTF-16: save it as UTF-8"));
}

#[test]
fn refuses_dependencies_that_no_lower_migration_meets() {
    let set = |b: &str, c: &str| {
        let migration = |version: &str, name: &str, dependencies: &str| {
            format!(
                "== v{version}_{name}/metadata.json\n{{\"version\": \"{version}\", \"name\": \"{name}\", \"dependencies\": [{dependencies}]}}\n\
                 == v{version}_{name}/up.sql\nSELECT 1;\n"
            )
        };
        format!("{A}{}{}", migration("1.1.0", "b", b), migration("1.2.0", "c", c))
    };
    check(&set(r#""1.0.0""#, r#"">=1.0", "~1.1""#), &[]);
    check(
        &set(r#""1.0.1""#, ""),
        &["m/v1.1.0_b/metadata.json:1:52: `v1.1.0_b` depends on `1.0.1`, which no migration is [unmet-dependency]"],
    );
    check(
        &set(r#""1.1.0", ">1.1""#, ""),
        &[
            "m/v1.1.0_b/metadata.json:1:52: `v1.1.0_b` depends on `1.1.0`, which only it is itself [self-dependency]",
            "m/v1.1.0_b/metadata.json:1:61: `v1.1.0_b` depends on `>1.1`, which comes after it [later-dependency]",
        ],
    );
    check(
        &set(r#""1.2.0""#, r#""1.1.0""#),
        &[
            "m/v1.1.0_b/metadata.json:1:52: `v1.1.0_b` depends on `1.2.0`, in a cycle: `v1.1.0_b` -> `v1.2.0_c` -> `v1.1.0_b` [cyclic-dependency]",
        ],
    );
}

#[test]
fn refuses_migrations_that_need_a_newer_program() {
    let text = "== v1.0.0_a/metadata.json\n{\"version\": \"1.0.0\", \"name\": \"a\", \"min_runtime_version\": \"2.0.0\"}\n\
                == v1.0.0_a/up.sql\nSELECT 1;\n";
    let check_version = |version: Option<&str>, expect: &[&str]| {
        let options = LoadOptions { runtime_version: version.map(str::to_owned), ..options() };
        check_with(&options, text, expect);
    };
    check_version(None, &[]);
    check_version(Some("2.0.0"), &[]);
    check_version(
        Some("2.0.0-rc.1"),
        &[
            "m/v1.0.0_a/metadata.json:1:58: `v1.0.0_a` needs version 2.0.0 of the program, and this is 2.0.0-rc.1 [runtime-too-old]",
        ],
    );
    check_version(
        Some("1.9"),
        &[
            "m: `1.9` is not the version of a program: unexpected end of input while parsing minor version number [invalid-runtime-version]",
        ],
    );
}

#[test]
fn asks_for_up_scripts_of_every_database_that_is_meant() {
    let sqlite = "== v1.1.0_b/up.sqlite.sql\nSELECT 1;\n";
    let postgres = "== v1.2.0_c/up.postgres.sql\nSELECT 1;\n";
    check(&format!("{A}{sqlite}"), &[]);
    check(
        &format!("{A}{sqlite}{postgres}"),
        &[
            "m: no database can run the whole set: an up script is missing in `v1.2.0_c` for sqlite and in `v1.1.0_b` for postgres [no-common-dialect]",
        ],
    );
    let asked = LoadOptions { dialects: vec![Dialect::Postgres], ..options() };
    check_with(&asked, &format!("{A}{postgres}"), &[]);
    check_with(
        &asked,
        &format!("{A}{sqlite}"),
        &["m/v1.1.0_b/metadata.json:1:1: `v1.1.0_b` has no up script for postgres [missing-up-for-dialect]"],
    );
    let both = "== v1.1.0_b/up.postgres.sql\nSELECT 1;\n";
    let root = directory(&format!("{A}{sqlite}{both}== v1.3.0_d/up.sqlite.sql\nSELECT 1;\n"));
    let loaded = load(root.path(), &options());
    assert_eq!(loaded.dialects(), [Dialect::Sqlite]);
    let partial = "m: the set cannot run on postgres: an up script for it is missing in `v1.3.0_d` [partial-dialect]";
    assert_eq!(told(&loaded, Severity::Warning)[0], partial);
}

#[test]
fn refuses_what_cannot_run_in_one_transaction() {
    check_up(
        "",
        "SELECT 1;\n  COMMIT; SAVEPOINT a;",
        &[
            "m/v1.0.0_a/up.sql:2:3: `COMMIT` in a migration that runs in one transaction [transaction-control]",
            "m/v1.0.0_a/up.sql:2:11: `SAVEPOINT` in a migration that runs in one transaction [transaction-control]",
        ],
    );
    check_up(
        "",
        "CREATE INDEX CONCURRENTLY i ON t (a);",
        &["m/v1.0.0_a/up.sql:1:1: `INDEX CONCURRENTLY` cannot run inside a transaction [not-in-transaction]"],
    );
    check_up(
        "",
        "VACUUM;\nPRAGMA foreign_keys = OFF;",
        &[
            "m/v1.0.0_a/up.sql:1:1: `VACUUM` cannot run inside a transaction [not-in-transaction]",
            "m/v1.0.0_a/up.sql:2:1: `PRAGMA foreign_keys` is ignored inside a transaction: a table that is rebuilt would take its child rows with it [foreign-keys-pragma]",
        ],
    );
    let free = r#""transaction": false"#;
    check_up(free, "VACUUM; PRAGMA foreign_keys = OFF; BEGIN; SELECT 1; COMMIT;", &[]);
    check_up(free, "SELECT 1;\nCOMMIT;", &["m/v1.0.0_a/up.sql:2:1: `COMMIT` has no `BEGIN` [commit-without-begin]"]);
    check(
        &format!("{A}== v1.0.0_a/verify.sql\nROLLBACK;"),
        &["m/v1.0.0_a/verify.sql:1:1: `ROLLBACK` in a verify script [transaction-in-verify]"],
    );
    check(
        &format!("{A}== v1.0.0_a/up.sqlite.sql\nVACUUM;== v1.0.0_a/up.sql\n'"),
        &[
            "m/v1.0.0_a/up.sql:1:1: a string is not closed [unterminated-string]",
            "m/v1.0.0_a/up.sqlite.sql:1:1: `VACUUM` cannot run inside a transaction [not-in-transaction]",
        ],
    );
}

/// Loads plain up scripts, one a migration; `expect` is what databases they are taken for, and the codes of the errors.
#[track_caller]
fn check_dialects(scripts: &[&str], expect: &[Dialect], errors: &[&str]) {
    let migration = |(index, sql): (usize, &&str)| format!("== v1.{index}.0_a/up.sql\n{sql}\n");
    let text: String = scripts.iter().enumerate().map(migration).collect();
    let loaded = load(directory(&text).path(), &options());
    let errors_found = loaded.diagnostics().iter().filter(|it| it.severity == Severity::Error);
    let codes: Vec<&str> = errors_found.map(|it| it.code.as_str()).collect();
    assert_eq!((loaded.dialects(), codes.as_slice()), (expect, errors), "{:?}", loaded.diagnostics());
}

#[test]
fn takes_plain_scripts_for_the_databases_they_read_as() {
    use Dialect::{Postgres, Sqlite};
    const TRIGGER: &str = "CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET n = 1; DELETE FROM u; END;";
    const FUNCTION: &str = "DO $$ BEGIN PERFORM 1; END $$;";
    check_dialects(&["SELECT 1;", "SELECT 'x"], &Dialect::ALL, &["unterminated-string"]);
    check_dialects(&[TRIGGER], &[Sqlite], &[]);
    check_dialects(&[FUNCTION], &[Postgres], &[]);
    check_dialects(&[TRIGGER, "COMMIT;"], &[Sqlite], &["transaction-control"]);
    check_dialects(&[FUNCTION, "COMMIT;"], &[Postgres], &["transaction-control"]);
    check_dialects(&[TRIGGER, "PRAGMA foreign_keys = 0;"], &[Sqlite], &["foreign-keys-pragma"]);
    check_dialects(
        &["CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET n = 1;"],
        &[Sqlite, Postgres],
        &["unterminated-body"],
    );
    check_dialects(&["CREATE TRIGGER a AFTER INSERT ON t EXECUTE FUNCTION f();"], &[Postgres], &[]);
}

#[test]
fn warns_of_empty_scripts_and_of_ways_back() {
    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let loaded = load(directory(text).path(), &options());
        assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics());
        assert_eq!(told(&loaded, Severity::Warning), expect);
    }
    check(A, &[]);
    check(
        "== v1.0.0_a/up.sql\n-- nothing\n",
        &[
            "m/v1.0.0_a/metadata.json:1:1: `v1.0.0_a` has no down script [missing-down]",
            "m/v1.0.0_a/up.sql:1:1: `up.sql` holds no statement [empty-script]",
        ],
    );
    let down = |text: &str| format!("== v1.0.0_a/up.sql\nSELECT 1;\n== v1.0.0_a/down.sql\n{text}\n");
    let empty = "m/v1.0.0_a/down.sql:1:1: `down.sql` holds no statement [empty-script]";
    let template = "-- Takes a back. Remove this file if there is no way back.";
    for nothing in ["", ";", "--", template, &format!("{template}\n\n")] {
        check(&down(nothing), &[empty]);
    }
    for reason in ["-- the rows may stay", "/* nothing to take back */", &format!("{template}\n-- Nothing to do.")] {
        check(&down(reason), &[]);
    }
    check(
        "== v1.0.0_a/up.sql\nSELECT 1;== v1.0.0_a/down.sqlite.sql\nSELECT 1;",
        &["m/v1.0.0_a/metadata.json:1:1: `v1.0.0_a` has no down script for postgres [missing-down]"],
    );
    let metadata = "== v1.0.0_a/metadata.json\n{\"version\": \"1.0.0\", \"name\": \"a\", \"irreversible\": \"x\"}\n";
    check(&format!("== v1.0.0_a/up.sql\nSELECT 1;{metadata}"), &[]);
    check(
        &format!("{A}{metadata}"),
        &[
            "m/v1.0.0_a/metadata.json:1:1: `v1.0.0_a` has a down script and says that it is irreversible [irreversible-down]",
        ],
    );
}

#[test]
fn compares_with_the_lock_file() {
    let root = directory(A);
    let lock = root.path().join(LOCK);
    fs::write(&lock, load(root.path(), &options()).lock_text()).unwrap();
    let loaded = load(root.path(), &options());
    assert_eq!(loaded.diagnostics(), []);
    assert!(loaded.files().contains(&lock));
    fs::write(root.path().join("v1.0.0_a/up.sql"), "SELECT 2;\n").unwrap();
    assert_eq!(
        told(&load(root.path(), &options()), Severity::Error),
        ["m/migrations.lock:3:88: `v1.0.0_a/up.sql` was changed after it was locked [lock-file-edited]",]
    );
    let unchecked = LoadOptions { check_lock: false, ..options() };
    assert!(!load(root.path(), &unchecked).has_errors());
}

/// Loads a directory, changes it, and compares: the registry as a debug build would embed it.
#[track_caller]
fn check_stale(change: impl FnOnce(&Path), expect: bool) {
    let root = directory(&format!("{A}== v1.1.0_b/up.postgres.sql\nSELECT 2;\n== v1.1.0_b/up.sqlite.sql\nSELECT 2;\n"));
    let (registry, _) = load(root.path(), &options()).into_registry().unwrap();
    let path: &'static str = root.path().to_str().unwrap().to_owned().leak();
    let registry = registry.compiled_from(Some(path));
    assert_eq!(stale::find(&registry), None);
    change(root.path());
    let found = stale::find(&registry);
    assert_eq!(found.is_some(), expect, "{found:?}");
    let now = load(root.path(), &options()).into_registry();
    if let (Some(found), Ok((now, _))) = (found, now) {
        assert_eq!((found.embedded, found.on_disk), (registry.digest(), now.digest()));
    }
}

#[test]
fn tells_a_directory_that_is_not_what_was_compiled() {
    let write = |file: &'static str, text: &'static [u8]| move |root: &Path| fs::write(root.join(file), text).unwrap();
    check_stale(write("v1.0.0_a/up.sql", b"SELECT 9;\n"), true);
    check_stale(write("v1.0.0_a/up.sql", b"\xff"), true);
    check_stale(write("v1.0.0_a/up.sql", b"\xef\xbb\xbfSELECT 1;\r\n"), false);
    check_stale(write("v1.0.0_a/metadata.json", br#"{"version": "1.0.0", "name": "a", "author": "x"}"#), true);
    check_stale(write("v1.0.0_a/verify.sqlite.sql", b"SELECT 1;\n"), true);
    check_stale(write("v1.2.0_c", b""), true);
    check_stale(write("README.md", b""), false);
    check_stale(write("v1.0.0_a/fixtures.sql", b""), false);
    check_stale(|root| fs::remove_file(root.join("v1.0.0_a/down.sql")).unwrap(), true);
    check_stale(|root| fs::create_dir(root.join("v1.2.0_c")).unwrap(), true);
    check_stale(|root| fs::rename(root.join("v1.1.0_b"), root.join("v1.1.0_c")).unwrap(), true);
    check_stale(|root| fs::remove_dir_all(root.join("v1.1.0_b")).unwrap(), true);
    // Elsewhere than where it was compiled, there is nothing to compare.
    check_stale(|root| fs::remove_dir_all(root).unwrap(), false);
}

/// Loads one migration that has an up script of PostgreSQL; `expect` is every diagnostic.
#[track_caller]
fn check_postgres(settings: &str, up: &str, expect: &[&str]) {
    let metadata = format!(r#"{{"version": "1.0.0", "name": "a", "irreversible": "x"{settings}}}"#);
    let text = format!("== v1.0.0_a/metadata.json\n{metadata}\n== v1.0.0_a/up.postgres.sql\n{up}");
    let loaded = load(directory(&text).path(), &options());
    let found: Vec<String> = loaded.diagnostics().iter().map(|it| format!("{it} [{}]", it.code)).collect();
    assert_eq!(found, expect);
}

#[test]
fn warns_of_timeouts_that_a_script_sets() {
    let warning = |line: usize, name: &str| {
        format!(
            "m/v1.0.0_a/up.postgres.sql:{line}:1: `{name}` is set by the script, over what the migration is run with [timeout-in-script]"
        )
    };
    check_postgres(
        "",
        "SET statement_timeout = 0;\nSET LOCAL lock_timeout TO '2s';\nSELECT pg_catalog.set_config('lock_timeout', '0', false);\n\
         SELECT set_config('search_path', '', false);\nRESET lock_timeout; SHOW lock_timeout;\n\
         ALTER ROLE a SET lock_timeout = 1; SELECT 'SET lock_timeout = 0';",
        &[&warning(1, "statement_timeout"), &warning(2, "lock_timeout"), &warning(3, "lock_timeout")],
    );
}

#[test]
fn refuses_enum_values_in_the_transaction_that_adds_them() {
    let script = "ALTER TYPE mood ADD VALUE 'fine';\nSELECT 'fine'::mood;";
    let error = "m/v1.0.0_a/up.postgres.sql:2:8: 'fine' of enum `mood` is used in the transaction that adds it [enum-value-in-use]";
    check_postgres("", script, &[error]);
    check_postgres(r#", "transaction": false"#, script, &[]);
    check_postgres(
        r#", "transaction": false"#,
        "BEGIN; ALTER TYPE mood ADD VALUE 'fine';\nINSERT INTO t VALUES ('fine'); COMMIT; SELECT 'fine'::mood;",
        &[
            "m/v1.0.0_a/up.postgres.sql:2:23: 'fine' is also the value that this transaction adds to enum `mood` [enum-value-suspect]",
        ],
    );
}

#[test]
fn silences_what_allow_names() {
    let allow = |word: &str| format!(r#", "allow": {{"{word}": "known"}}"#);
    check_postgres(&allow("timeout-in-script"), "SET lock_timeout = 0;", &[]);
    check_postgres(&allow("transaction-control"), "SELECT 1; COMMIT;", &[]);
    check_postgres(&allow("unterminated-string"), "SELECT 'a", &[]);
    check_postgres(&allow("empty-script"), "", &[]);
    let at = "m/v1.0.0_a/metadata.json:1:66";
    check_postgres(
        &allow("psql-command"),
        "SELECT 1;",
        &[&format!("{at}: `psql-command` is silenced and is not there [unused-allow]")],
    );
    check_postgres(
        &allow("empty-scripts"),
        "SELECT 1;",
        &[&format!("{at}: no diagnostic is called `empty-scripts` [unknown-allow]")],
    );
    check_postgres(
        &allow("missing-up"),
        "SELECT 1;",
        &[&format!("{at}: `missing-up` cannot be silenced [unknown-allow]")],
    );
}

#[test]
fn names_the_path_of_a_cycle() {
    let migration = |version: &str, dependency: &str| {
        format!(
            "== v{version}_m/metadata.json\n{{\"version\": \"{version}\", \"name\": \"m\", \"dependencies\": [{dependency}]}}\n\
             == v{version}_m/up.sql\nSELECT 1;\n"
        )
    };
    let set =
        [migration("1.0.0", r#""1.2.0""#), migration("1.1.0", r#""1.0.0""#), migration("1.2.0", r#"">=1, <1.2""#)];
    check(
        &set[..].concat(),
        &[
            "m/v1.0.0_m/metadata.json:1:52: `v1.0.0_m` depends on `1.2.0`, in a cycle: `v1.0.0_m` -> `v1.2.0_m` -> `v1.0.0_m` [cyclic-dependency]",
        ],
    );
    let longer = [migration("1.0.0", r#""1.2.0""#), migration("1.1.0", r#""1.0.0""#), migration("1.2.0", r#""1.1.0""#)];
    check(
        &longer.concat(),
        &[
            "m/v1.0.0_m/metadata.json:1:52: `v1.0.0_m` depends on `1.2.0`, in a cycle: `v1.0.0_m` -> `v1.2.0_m` -> `v1.1.0_m` -> `v1.0.0_m` [cyclic-dependency]",
        ],
    );
}

/// A file of SQLite's; `expect` is every error.
#[test]
fn reads_scripts_of_sqlite_by_its_grammar() {
    check(
        "== v1.0.0_a/up.sqlite.sql\nCREATE TABLE t (a);\n\n  CREATE TABEL t (b);\nINSERT INTO t VALUES (1\n",
        &["m/v1.0.0_a/up.sqlite.sql:4:22: a parenthesis or bracket has no partner [unbalanced-parenthesis]"],
    );
    check(
        "== v1.0.0_a/up.sqlite.sql\nCREATE TABLE t (a);\n\n  CREATE /* ü */ TABEL t2 (b);\nSELECT * FROM;\nSELECT ü FORM t",
        &[
            "m/v1.0.0_a/up.sqlite.sql:3:18: SQLite: near `TABEL`: syntax error [sqlite-syntax]",
            "m/v1.0.0_a/up.sqlite.sql:4:14: SQLite: incomplete input [sqlite-syntax]",
            "m/v1.0.0_a/up.sqlite.sql:5:15: SQLite: near `t`: syntax error [sqlite-syntax]",
        ],
    );
    // What is not in SQLite's grammar is for PostgreSQL, unless something else in the set is for SQLite alone.
    check_dialects(&["CREATE TABLE t (a jsonb NOT NULL); GRANT SELECT ON t TO a;"], &[Dialect::Postgres], &[]);
    check_dialects(
        &["CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT);", "CREATE TABEL u (b);"],
        &Dialect::ALL,
        &["sqlite-syntax"],
    );
    let down = "== v1.0.0_a/up.sqlite.sql\nSELECT 1;== v1.0.0_a/down.sqlite.sql\nDROP TABEL t;";
    let loaded = load(directory(down).path(), &options());
    assert_eq!(
        told(&loaded, Severity::Warning),
        ["m/v1.0.0_a/down.sqlite.sql:1:6: SQLite: near `TABEL`: syntax error [sqlite-syntax-in-down]"]
    );
}

/// The files of one migration with a down script, its settings, and whom it is known to be for; `expect` is every warning.
#[track_caller]
fn check_advice(files: &str, settings: &str, advice: Option<&[Dialect]>, expect: &[&str]) {
    let metadata = format!(r#"{{"version": "1.0.0", "name": "a"{settings}}}"#);
    let files = files.replace("== ", "== v1.0.0_a/");
    let text = format!("== v1.0.0_a/metadata.json\n{metadata}\n== v1.0.0_a/down.sql\nSELECT 1;\n{files}");
    let options = LoadOptions { advice: advice.map(<[Dialect]>::to_vec), ..options() };
    let loaded = load(directory(&text).path(), &options);
    assert_eq!(told(&loaded, Severity::Error), [""; 0]);
    let codes: Vec<&str> = loaded.diagnostics().iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, expect, "{files}");
}

#[test]
fn gives_advice_on_postgres_where_it_is_asked_for() {
    const LOCKS: &str = "ALTER TABLE a ADD b integer; ALTER TABLE c ADD b integer;";
    let plain = format!("== up.sql\n{LOCKS}\n");
    let named = format!("== up.postgres.sql\n{LOCKS}\n");
    let known: Option<&[Dialect]> = Some(&[Dialect::Postgres]);

    check_advice(&named, "", Some(&[]), &["several-locks"]);
    check_advice(&named, "", None, &[]);
    // A plain script that SQLite reads as well is for PostgreSQL only if somebody says so.
    check_advice(&plain, "", Some(&[]), &[]);
    check_advice(&plain, "", Some(&[Dialect::Sqlite]), &[]);
    check_advice(&plain, "", known, &["several-locks"]);
    check_advice(
        "== up.sql\nCREATE TABLE a (b jsonb) PARTITION BY LIST (b); SELEC 1;\n",
        "",
        Some(&[]),
        &["postgres-syntax"],
    );
    check_advice("== up.sqlite.sql\nSELECT 1;\n== up.postgres.sql\nSELEC 1;\n", "", Some(&[]), &["postgres-syntax"]);
    check_advice("== up.sqlite.sql\nSELECT 1;\n", "", Some(&[]), &[]);

    // Where each statement commits by itself, no lock is held while another is waited for.
    check_advice(&named, r#", "transaction": false"#, Some(&[]), &[]);
    check_advice(&format!("== up.sql\nSELECT 1;\n== down.sql\n{LOCKS}\n"), "", known, &[]);
}

#[test]
fn advice_is_silenced_where_it_is_given_and_unknown_where_it_is_not() {
    let allow = r#", "allow": {"several-locks": "both are small"}"#;
    let named = "== up.postgres.sql\nTRUNCATE a; DROP TABLE b;\n";
    check_advice(named, allow, Some(&[]), &[]);
    check_advice(named, allow, None, &[]);
    check_advice("== up.postgres.sql\nTRUNCATE a;\n", allow, None, &[]);
    check_advice("== up.postgres.sql\nTRUNCATE a;\n", allow, Some(&[]), &["unused-allow"]);
}

#[test]
fn the_message_names_up_to_five_tables() {
    let statements: Vec<String> = (1..=7).map(|number| format!("TRUNCATE t{number};\n")).collect();
    let root =
        directory(&format!("== v1.0.0_a/up.postgres.sql\n{}== v1.0.0_a/down.sql\nSELECT 1;\n", statements.concat()));
    let loaded = load(root.path(), &LoadOptions { advice: Some(Vec::new()), ..options() });
    assert_eq!(
        told(&loaded, Severity::Warning),
        [
            "m/v1.0.0_a/up.postgres.sql:2:1: strong locks on `t1` (line 1), `t2` (line 2), `t3` (line 3), `t4` (line 4), `t5` (line 5) and 2 more are held together until the commit [several-locks]"
        ]
    );
}

/// Migrations as `VERSION KEYS`, each with an up script; `expect` is every error, as `VERSION CODE`.
#[track_caller]
fn check_deploy(runtime: Option<&str>, migrations: &[&str], expect: &[&str]) {
    let migration = |it: &&str| {
        let (version, keys) = it.split_once(' ').unwrap_or((it, ""));
        let comma = if keys.is_empty() { "" } else { ", " };
        format!(
            "== v{version}_m/metadata.json\n{{\"version\": \"{version}\", \"name\": \"m\"{comma}{keys}}}\n\
             == v{version}_m/up.sql\nSELECT 1;\n"
        )
    };
    let root = directory(&migrations.iter().map(migration).collect::<String>());
    let loaded = load(root.path(), &LoadOptions { runtime_version: runtime.map(str::to_owned), ..options() });
    let errors = loaded.diagnostics().iter().filter(|it| it.severity == Severity::Error);
    let version = |it: &Diagnostic| it.path.trim_start_matches("m/v").split('_').next().unwrap().to_owned();
    let found: Vec<String> = errors.map(|it| format!("{} {}", version(it), it.code)).collect();
    assert_eq!(found, expect, "{migrations:?} in {runtime:?}");
}

#[test]
fn a_higher_major_raises_the_minimum() {
    check_deploy(None, &["2.0.0", "2.1.0"], &[]);
    check_deploy(None, &["1.0.0", "2.0.0"], &["2.0.0 major-without-minimum"]);
    check_deploy(None, &["1.0.0", r#"2.0.0 "min_runtime_version": "1.4.0""#, "2.1.0"], &[]);
    let first = r#"1.0.0 "min_runtime_version": "1.4.0""#;
    let same = r#"2.0.0 "min_runtime_version": "1.4.0""#;
    check_deploy(None, &[first, same], &["2.0.0 major-without-minimum"]);
    // A pre-release is below its release.
    check_deploy(None, &[first, r#"2.0.0 "min_runtime_version": "1.4.0-rc.1""#], &["2.0.0 major-without-minimum"]);
    check_deploy(None, &[first, r#"2.0.0 "allow": {"major-without-minimum": "nobody runs 1"}"#], &[]);
    // One mistake, one message.
    check_deploy(None, &["1.0.0", r#"2.0.0 "min_runtime_version": "1.4""#], &["2.0.0 invalid-minimum"]);
}

#[test]
fn a_contract_step_follows_its_expand_step_and_a_release() {
    let expand = r#"1.1.0 "phase": "expand""#;
    let contract = |keys: &str| format!(r#"1.2.0 "phase": "contract", {keys}"#);
    let good = contract(r#""dependencies": ["1.1.0"], "min_runtime_version": "1.4.0""#);
    let set = |contract: &str| ["1.0.0".to_owned(), expand.to_owned(), contract.to_owned()];
    let check = |runtime: Option<&str>, contract: &str, expect: &[&str]| {
        let set = set(contract);
        check_deploy(runtime, &set.each_ref().map(|it| &**it), expect);
    };
    check(None, &good, &[]);
    check(Some("1.5.0"), &good, &[]);
    check(Some("1.4.1"), &good, &[]);
    check(Some("1.4.0"), &good, &["1.2.0 contract-too-early"]);
    check(Some("1.3.0"), &good, &["1.2.0 runtime-too-old"]);
    check(
        Some("2.0.0"),
        &contract(r#""dependencies": ["1.1.0"], "min_runtime_version": "2.0.0-0""#),
        &["1.2.0 contract-too-early"],
    );
    check(None, &contract(r#""min_runtime_version": "1.4.0""#), &["1.2.0 contract-without-expand"]);
    check(
        None,
        &contract(r#""dependencies": ["1.0.0"], "min_runtime_version": "1.4.0""#),
        &["1.2.0 contract-without-expand"],
    );
    check(None, &contract(r#""dependencies": [">=1.1, <1.2"]"#), &["1.2.0 contract-without-minimum"]);
    let major = ["1.0.0", expand, r#"2.0.0 "phase": "contract", "dependencies": ["1.1.0"]"#];
    check_deploy(None, &major, &["2.0.0 contract-without-minimum"]);
    check_deploy(
        None,
        &["1.0.0", r#"1.1.0 "phase": "expand", "min_runtime_version": "1.4.0""#],
        &["1.1.0 expand-raises-minimum"],
    );
}
