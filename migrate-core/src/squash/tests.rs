use std::borrow::Cow;

use super::*;
use crate::checksum::Checksum;
use crate::migration::{Script, Settings};

struct Set {
    migrations: Vec<Migration>,
    metadata: BTreeMap<SchemaVersion, String>,
}

impl Set {
    fn new() -> Self {
        Self { migrations: Vec::new(), metadata: BTreeMap::new() }
    }

    fn with(
        mut self,
        version: &str,
        settings: Settings,
        dependencies: &[&str],
        scripts: &[(Role, Option<Dialect>, &str)],
    ) -> Self {
        let version: SchemaVersion = version.parse().unwrap();
        let name = "m";
        let list: Vec<String> = dependencies.iter().map(|it| format!("\"{it}\"")).collect();
        let text = format!(r#"{{"version": "{version}", "name": "{name}", "dependencies": [{}]}}"#, list.join(", "));
        self.metadata.insert(version, text);
        let dependencies = dependencies.iter().map(|it| Cow::Owned((*it).to_owned())).collect();
        let scripts = scripts.iter().map(|(role, dialect, sql)| Script::new(*role, *dialect, (*sql).to_owned()));
        let scripts = Cow::Owned(scripts.collect());
        self.migrations.push(Migration::from_parts(version, name.into(), settings, Cow::Owned(dependencies), scripts));
        self
    }

    fn plain(self, version: &str, dependencies: &[&str]) -> Self {
        let (up, down) = (format!("SELECT '{version}';\n"), format!("SELECT 'not {version}'"));
        self.with(version, Settings::DEFAULT, dependencies, &[(Role::Up, None, &up), (Role::Down, None, &down)])
    }

    fn squash(&self, to: &str) -> Result<Squashed, SquashError> {
        let migrations = Cow::Owned(self.migrations.clone());
        let registry = Registry::from_parts(None, "migrations_v2".into(), None, Checksum::of(""), migrations);
        squash(&Request {
            registry: &registry,
            metadata: &self.metadata,
            dialects: &Dialect::ALL,
            to: to.parse().unwrap(),
            name: "all",
            irreversible: None,
        })
    }
}

/// The text of a file.
fn file<'a>(squashed: &'a Squashed, name: &str) -> &'a str {
    let found = squashed.files.iter().find(|(file, _)| file == name);
    found.map(|(_, text)| &**text).unwrap_or_else(|| panic!("there is no {name}"))
}

/// The new migration, as reading its metadata gives it.
fn read(squashed: &Squashed) -> metadata::Metadata {
    let text = file(squashed, METADATA);
    let name = crate::name::directory(&squashed.directory);
    let crate::name::Reading::Known(name) = name else { panic!("{} is no name", squashed.directory) };
    let mut found = Vec::new();
    let metadata = metadata::parse(SourceFile { path: METADATA, text }, &name, &mut found).unwrap();
    assert!(found.is_empty(), "{found:?}");
    metadata
}

#[test]
fn scripts_are_joined_in_order_and_back() {
    let squashed =
        Set::new().plain("1.0.0", &[]).plain("1.1.0", &["1.0.0"]).plain("1.2.0", &[]).squash("1.1.0").unwrap();
    let names: Vec<&str> = squashed.files.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["metadata.json", "up.sql", "down.sql"]);
    assert_eq!(file(&squashed, "up.sql"), "-- 1.0.0 m\nSELECT '1.0.0';\n\n-- 1.1.0 m\nSELECT '1.1.0';\n");
    assert_eq!(file(&squashed, "down.sql"), "-- 1.1.0 m\nSELECT 'not 1.1.0';\n\n-- 1.0.0 m\nSELECT 'not 1.0.0';\n");
    assert_eq!(squashed.rewritten, []);
    let settings = read(&squashed).settings;
    assert_eq!(settings.min_runtime_version, None);
    assert!(settings.replaces.unwrap().starts_with("1.0.0 m "));
}

#[test]
fn a_last_statement_without_an_end_gets_one() {
    for (sql, expected) in [
        ("SELECT 1", "SELECT 1;"),
        ("SELECT 1 -- done;", "SELECT 1; -- done;"),
        ("SELECT 1; /* ; */", "SELECT 1; /* ; */"),
        ("SELECT 1;;\n", "SELECT 1;;\n"),
        ("-- nothing", "-- nothing"),
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;",
        ),
    ] {
        let mut text = sql.to_owned();
        terminate(&mut text, Dialect::Sqlite);
        assert_eq!(text, expected);
    }
}

#[test]
fn a_script_for_one_database_makes_one_for_each() {
    let up = |dialect, sql| (Role::Up, dialect, sql);
    let squashed = Set::new()
        .plain("1.0.0", &[])
        .with(
            "1.1.0",
            Settings::DEFAULT,
            &[],
            &[
                up(Some(Dialect::Sqlite), "SELECT 's'"),
                up(Some(Dialect::Postgres), "SELECT 'p'"),
                (Role::Down, None, "SELECT 0"),
                (Role::Verify, Some(Dialect::Sqlite), "SELECT true"),
            ],
        )
        .squash("1.1.0")
        .unwrap();
    let names: Vec<&str> = squashed.files.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["metadata.json", "up.sqlite.sql", "up.postgres.sql", "down.sql", "verify.sqlite.sql"]);
    assert!(file(&squashed, "up.postgres.sql").ends_with("SELECT 'p';\n"));
    let replaces = read(&squashed).settings.replaces.unwrap();
    let checksums = replaces.lines().last().unwrap().split(' ').skip(2).take(2).collect::<Vec<_>>();
    assert_ne!(checksums[0], checksums[1]);
}

#[test]
fn without_a_way_back_somewhere_there_is_none() {
    let settings = Settings { irreversible: Some("it \"drops\" data".into()), ..Settings::DEFAULT };
    let up = [(Role::Up, None, "SELECT 1")];
    let squashed = Set::new().with("1.0.0", settings, &[], &up).plain("1.1.0", &[]).squash("1.1.0").unwrap();
    assert_eq!(squashed.irreversible.as_deref(), Some("1.0.0 m: it \"drops\" data"));
    assert!(squashed.files.iter().all(|(name, _)| name != "down.sql"));
    assert_eq!(read(&squashed).settings.irreversible.as_deref(), Some("1.0.0 m: it \"drops\" data"));
    let squashed = Set::new().with("1.0.0", Settings::DEFAULT, &[], &up).plain("1.1.0", &[]).squash("1.1.0").unwrap();
    assert_eq!(squashed.irreversible.as_deref(), Some("1.0.0 m has no down script"));
}

#[test]
fn the_strictest_of_what_their_metadata_says_holds() {
    let minimum =
        |version: &str| Settings { min_runtime_version: Some(version.to_owned().into()), ..Settings::DEFAULT };
    let last = Settings { expects: Some("table a\nindex b\ntable \"c\"".into()), ..Settings::DEFAULT };
    let up = [(Role::Up, None, "SELECT 1")];
    let mut set = Set::new()
        .with("1.0.0", Settings { foreign_keys_off: true, ..minimum("2.0.0") }, &[], &up)
        .with("1.1.0", minimum("2.0.0-rc.1"), &[], &up)
        .with("1.2.0", last, &[], &up);
    let allow = r#"{"version": "1.1.0", "name": "m", "allow": {"timeout-in-script": "measured", "major-without-minimum": "x"}}"#;
    set.metadata.insert("1.1.0".parse().unwrap(), allow.to_owned());
    let read = read(&set.squash("1.2.0").unwrap());
    assert_eq!(read.settings.min_runtime_version.as_deref(), Some("2.0.0"));
    assert_eq!(read.settings.expects.as_deref(), Some("table a\ntable \"c\"\nindex b"));
    assert!(read.settings.foreign_keys_off);
    assert_eq!(read.allow.keys().collect::<Vec<_>>(), [&Code::TimeoutInScript]);
}

#[test]
fn dependencies_on_what_goes_are_rewritten() {
    let set = Set::new()
        .plain("1.0.0", &[])
        .plain("1.1.0", &[])
        .plain("1.2.0", &["1.0.0", "1.1.0", "1.0.0"])
        .plain("1.3.0", &[">=1.0", "1.2.0"])
        .plain("1.4.0", &["<1.1", "~1.2"]);
    let squashed = set.squash("1.1.0").unwrap();
    let rewritten: Vec<(&str, Vec<String>)> = squashed
        .rewritten
        .iter()
        .map(|(directory, text)| (&**directory, metadata::texts_of(text, "dependencies").unwrap()))
        .collect();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(rewritten, [("v1.2.0_m", texts(&["1.1.0"])), ("v1.4.0_m", texts(&["1.1.0", "~1.2"]))]);
}

#[test]
fn what_was_squashed_can_be_squashed_again() {
    let first = Set::new().plain("1.0.0", &[]).plain("1.1.0", &[]).squash("1.1.0").unwrap();
    let settings = read(&first).settings;
    let up = file(&first, "up.sql").to_owned();
    let set = Set::new().with("1.1.0", settings, &[], &[(Role::Up, None, &up)]).plain("1.2.0", &[]);
    let second = set.squash("1.2.0").unwrap();
    let replaces = read(&second).settings.replaces.unwrap();
    let versions = |generation: &str| -> Vec<String> {
        generation.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let generations: Vec<Vec<String>> = replaces.split("\n\n").map(versions).collect();
    assert_eq!(generations, [vec!["1.1.0", "1.2.0"], vec!["1.0.0", "1.1.0", "1.2.0"]]);
    // And a third time, which nests twice.
    let set =
        Set::new().with("1.2.0", read(&second).settings, &[], &[(Role::Up, None, "SELECT 3")]).plain("1.3.0", &[]);
    let replaces = read(&set.squash("1.3.0").unwrap()).settings.replaces.unwrap();
    let generations: Vec<usize> = replaces.split("\n\n").map(|generation| generation.lines().count()).collect();
    assert_eq!(generations, [2, 3, 4]);
}

#[test]
fn what_cannot_be_squashed_is_said() {
    let set = Set::new().plain("1.0.0", &[]).plain("1.1.0", &[]);
    let said = |error: SquashError| format!("{error}; {}", error.help());
    assert_eq!(
        said(set.squash("1.0.5").unwrap_err()),
        "there is no migration 1.0.5; `migrate list` shows what there is"
    );
    assert_eq!(
        said(set.squash("1.0.0").unwrap_err()),
        "there is nothing to squash: up to 1.0.0 there is one migration; name a higher version"
    );
    let outside = Settings { transaction: false, ..Settings::DEFAULT };
    let set = set.with("1.2.0", outside.clone(), &[], &[(Role::Up, None, "VACUUM")]).plain("1.3.0", &[]);
    assert_eq!(
        said(set.squash("1.3.0").unwrap_err()),
        "what runs outside a transaction cannot be squashed: v1.2.0_m; squash what is below: `migrate squash --to 1.1.0`"
    );
    let set = Set::new().plain("1.0.0", &[]).with("1.1.0", outside, &[], &[(Role::Up, None, "VACUUM")]);
    assert_eq!(set.squash("1.1.0").unwrap_err().help(), "nothing that could be squashed is below it");
}
