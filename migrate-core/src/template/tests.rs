//! What is drafted of which arguments; that it runs is shown where there are databases.

use super::*;

#[track_caller]
fn check(template: Template, words: &str, dialects: &[Dialect], expected: &[&str]) -> Vec<Draft> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let drafts = template.drafts(&words, dialects).unwrap();
    let shown = |draft: &Draft| {
        let files: Vec<&str> = draft.scripts.iter().map(|(file, _)| file.as_str()).collect();
        format!("{}: {}", draft.name, files.join(" "))
    };
    assert_eq!(drafts.iter().map(shown).collect::<Vec<_>>(), expected);
    drafts
}

#[test]
fn scripts_are_for_each_database_where_they_differ() {
    const BOTH: &str = "create_users: up.sqlite.sql up.postgres.sql down.sql";
    check(Template::Table, "users email:text", &Dialect::ALL, &[BOTH]);
    check(Template::Table, "users", &[Dialect::Postgres], &["create_users: up.sql down.sql"]);
    check(Template::Column, "app.users.age integer", &Dialect::ALL, &["add_users_age: up.sql down.sql"]);
    let index =
        check(Template::IndexConcurrently, "users email", &[Dialect::Sqlite], &["index_users_email: up.sql down.sql"]);
    assert!(index[0].transaction);
}

#[test]
fn names_are_quoted_where_they_must_be() {
    let drafts = Template::Column.drafts(&["App.order.User", "text"], &Dialect::ALL).unwrap();
    assert!(drafts[0].scripts[0].1.contains("ALTER TABLE \"App\".\"order\" ADD COLUMN \"User\" text;"), "{drafts:?}");
}

#[test]
fn a_step_that_contracts_is_for_later() {
    let drafts = check(
        Template::ExpandContract,
        "rename-column users.name full_name",
        &[Dialect::Postgres],
        &[
            "add_users_full_name: up.sql down.sql",
            "fill_users_full_name: up.sql down.sql verify.sql",
            "drop_users_name: up.sql down.sql verify.sql",
        ],
    );
    assert_eq!(drafts.iter().map(|it| it.is_for_later).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(drafts[2].depends_on, [0, 1]);
}

#[test]
fn what_does_not_fit_is_refused() {
    for (template, words) in [
        (Template::Empty, vec![]),
        (Template::Table, vec!["users", "email"]),
        (Template::Table, vec!["us\"ers"]),
        (Template::Column, vec!["users", "text"]),
        (Template::Column, vec!["users.age", "text; DROP TABLE users"]),
        (Template::IndexConcurrently, vec!["users"]),
        (Template::ExpandContract, vec!["users.name", "full_name"]),
        (Template::ExpandContract, vec!["rename-column", "users.name", "name"]),
        (Template::Data, vec!["users.name"]),
    ] {
        let error = template.drafts(&words, &Dialect::ALL).expect_err("these are wrong");
        assert!(!error.help.is_empty(), "{error:?}");
    }
    assert!(Template::EnumValue.drafts(&["mood", "ok"], &[Dialect::Sqlite]).is_err());
}
