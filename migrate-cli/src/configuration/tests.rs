use super::*;

/// What the sources say: `NAME=value` lines for the environment.
fn merge(typed: &[(Key, &str)], environment: &str, dot_env: &str, file: &str) -> Result<Configuration, String> {
    let lookup = |name: &str| {
        let line = environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(OsString::from)
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let inputs = Inputs {
        typed: typed.iter().map(|(key, text)| (*key, (*text).to_owned())).collect(),
        environment: &lookup,
        program: true,
        dot_env: text(dot_env),
        file: text(file),
    };
    Configuration::merge(&inputs).map_err(|error| error.message())
}

#[track_caller]
fn check(configuration: &Configuration, key: Key, expected: &str) {
    let value = configuration.value(key).map(|value| format!("{} from {}", value.text, value.source));
    assert_eq!(value.as_deref(), Some(expected));
}

#[track_caller]
fn check_error(result: Result<Configuration, String>, expected: &str) {
    assert_eq!(result.map(|_| ()), Err(expected.to_owned()));
}

#[test]
fn flags_over_environment_over_dot_env_over_profile_over_file() {
    let file = "table = 'f'\nschema = 'f'\nactor = 'f'\ndir = 'f'\nwait_lock = '1s'\n[profiles.dev]\nschema = 'p'\nactor = 'p'\ndir = 'p'\ntable = 'p'\n";
    let dot_env = "MIGRATION_DIR=d\nexport MIGRATION_TABLE=d\nMIGRATION_ACTOR='d'\n";
    let environment = "MIGRATION_TABLE=e\nMIGRATION_DIR=e";
    let all = merge(&[(Key::Table, "t"), (Key::Profile, "dev")], environment, dot_env, file).expect("nothing is wrong");
    check(&all, Key::Table, "t from --table");
    check(&all, Key::Dir, "e from the environment variable MIGRATION_DIR");
    check(&all, Key::Actor, "d from .env:3:1");
    check(&all, Key::Schema, "p from migrate.toml:7:10");
    check(&all, Key::WaitLock, "1s from migrate.toml:5:13");
    assert_eq!(all.connection().wait_lock, Some(Duration::from_secs(1)));
    assert_eq!(all.value(Key::Schema).map(|it| it.source.kind()), Some("file"));
}

#[test]
fn what_is_empty_is_not_said() {
    let all = merge(&[], "DATABASE_URL=", "DATABASE_URL=\n", "database_url = 'sqlite:a.db'").expect("nothing is wrong");
    check(&all, Key::DatabaseUrl, "sqlite:a.db from migrate.toml:1:16");
    assert_eq!(merge(&[], "", "", "").expect("nothing is wrong").directory(), PathBuf::from("migrations_v2"));
}

#[test]
fn a_wrong_value_names_its_source() {
    check_error(
        merge(&[], "MIGRATION_WAIT_LOCK=soon", "", ""),
        "the environment variable MIGRATION_WAIT_LOCK: `soon` cannot be `wait_lock`: it does not begin with a whole number",
    );
    check_error(
        merge(&[], "", "A=b\n\nMIGRATION_LOCK_TIMEOUT=5\n", ""),
        ".env:3:1: `5` cannot be `lock_timeout`: say a unit, such as `5s`",
    );
    check_error(
        merge(&[], "", "", "[profiles.x]\nruntime_version = \"1\"\nmax_retries = \"3\""),
        "migrate.toml:3:15: `max_retries` is a whole number\nmigrate.toml:2:19: `1` cannot be `runtime_version`: unexpected end of input while parsing major version number; did you mean `1.0.0`?",
    );
    check_error(merge(&[], "", "", "table = 3"), "migrate.toml:1:9: `table` is a text in quotation marks");
    check_error(
        merge(&[], "", "", "max_retries = -3"),
        "migrate.toml:1:15: `-3` cannot be `max_retries`: it is no whole number",
    );
    check_error(
        merge(&[], "", "", "allow_out_of_order = 'yes'"),
        "migrate.toml:1:22: `allow_out_of_order` is a `true` or `false`",
    );
}

#[test]
fn a_file_that_cannot_be_read_shows_no_secrets() {
    check_error(
        merge(&[], "", "", "table = 'x'\nurl = 'geheim"),
        "migrate.toml:2:14: invalid literal string, expected `'`",
    );
    check_error(merge(&[], "", "A=b\nPASS geheim\n", ""), ".env:2:1: this is not of the form `NAME=value`");
}

#[test]
fn unknown_keys_and_profiles_are_mistakes() {
    check_error(
        merge(&[], "", "", "lock_timout = '2s'\n[profiles.dev]\nprofile = 'x'\nprotect = true\n"),
        "migrate.toml:1:1: unknown key `lock_timout`; did you mean `lock_timeout`?\nmigrate.toml:3:1: unknown key `profile`\nmigrate.toml:4:1: unknown key `protect`; did you mean `protected`?",
    );
    let file = "[profiles.dev]\n[profiles.production]\n";
    check_error(
        merge(&[(Key::Profile, "prodution")], "", "", file),
        "--profile: there is no profile `prodution`; did you mean `production`?",
    );
    check_error(
        merge(&[], "MIGRATION_PROFILE=x", "", file),
        "the environment variable MIGRATION_PROFILE: there is no profile `x`, only dev, production",
    );
    check_error(merge(&[(Key::Profile, "x")], "", "", ""), "--profile: there is no migrate.toml with a profile `x`");
    check_error(
        merge(&[], "", "", "profiles = 1"),
        "migrate.toml:1:12: `profiles` holds tables, as in `[profiles.production]`",
    );
}

#[test]
fn the_file_may_name_its_profile() {
    let file = "profile = 'dev'\n[profiles.dev]\ndatabase_url = 'sqlite:dev.db'\n";
    let all = merge(&[], "", "", file).expect("nothing is wrong");
    check(&all, Key::DatabaseUrl, "sqlite:dev.db from migrate.toml:3:16");
    assert!(all.warnings.is_empty());
    let other = merge(&[(Key::Profile, "dev")], "DATABASE_URL=sqlite:x.db", "", file).expect("nothing is wrong");
    assert_eq!(
        other.warnings,
        ["the database is that of the environment variable DATABASE_URL, not that of profile `dev`"]
    );
}

#[test]
fn a_guard_cannot_be_taken_away() {
    let file = "[profiles.production]\nprotected = true\ndatabase_url = 'sqlite:live.db'\n[profiles.dev]\n";
    let protected = |typed: &[(Key, &str)], environment: &str| {
        merge(typed, environment, "", file).expect("nothing is wrong").connection().protected
    };
    assert!(protected(&[(Key::Profile, "production")], "MIGRATION_PROTECTED=false"));
    // However the database is named.
    assert!(protected(&[(Key::Profile, "dev"), (Key::DatabaseUrl, "sqlite:live.db")], ""));
    assert!(protected(&[], "DATABASE_URL=sqlite:live.db"));
    assert!(protected(&[], "MIGRATION_PROTECTED=1"));
    assert!(!protected(&[(Key::Profile, "dev")], "DATABASE_URL=sqlite:dev.db"));
}
