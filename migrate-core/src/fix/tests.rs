//! What is repaired of which directory.

use super::*;
use crate::digest::Entry;
use crate::lockfile;

fn folder(name: &str, metadata: &str) -> Folder {
    let metadata = (!metadata.is_empty()).then(|| metadata.to_owned());
    let mut files = vec!["up.sql".to_owned()];
    files.extend(metadata.as_ref().map(|_| METADATA.to_owned()));
    Folder { name: name.to_owned(), metadata, files }
}

fn good(name: &str) -> Folder {
    let (version, title) = name.trim_start_matches('v').split_once('_').unwrap();
    folder(name, &format!(r#"{{"version": "{version}", "name": "{title}"}}"#))
}

fn line(name: &str) -> Entry {
    let (version, title) = name.trim_start_matches('v').split_once('_').unwrap();
    Entry { version: version.parse().unwrap(), name: title.to_owned(), files: Vec::new() }
}

fn locked(names: &[&str]) -> String {
    lockfile::render(&names.iter().map(|name| line(name)).collect::<Vec<_>>())
}

#[track_caller]
fn check(folders: &[Folder], lock: &str, renumber: Option<&str>, actions: &[&str], left: usize) -> Repairs {
    let repairs = repairs(folders, &Recorded::of(lock), renumber);
    assert_eq!(repairs.actions.iter().map(ToString::to_string).collect::<Vec<_>>(), actions, "{repairs:?}");
    assert_eq!(repairs.left.len(), left, "{repairs:?}");
    repairs
}

#[test]
fn names_and_metadata() {
    check(&[good("v1.0.0_users")], "", None, &[], 0);
    check(
        &[folder("v1.0_Users", r#"{"version": "1.0.0", "name": "users"}"#)],
        "",
        None,
        &["rename v1.0_Users to v1.0.0_users"],
        0,
    );
    check(
        &[folder("tables", r#"{"version": "1.0.0", "name": "users"}"#)],
        "",
        None,
        &["rename tables to v1.0.0_users"],
        0,
    );
    check(&[folder("tables", "{}")], "", None, &[], 1);
    check(&[folder("v1.0.0_users", "{")], "", None, &[], 1);
    check(&[folder("v1.0.0_users", "")], "", None, &["write v1.0.0_users/metadata.json"], 0);
    check(&[folder("v1.0.0", "")], "", None, &[], 1);
    let both = [good("v1.0.0_users"), folder("v1.0_users", "{}")];
    check(&both, "", None, &[], 1);
    let text = r#"{"name": "user", "version": "1.0", "author": "me", /* why */ }"#;
    let repairs = check(&[folder("v1.0.0_users", text)], "", None, &["write v1.0.0_users/metadata.json"], 0);
    let text = "{\n  \"version\": \"1.0.0\",\n  \"name\": \"users\",\n  \"author\": \"me\"\n}\n".to_owned();
    assert_eq!(repairs.actions, [Action::WriteMetadata { directory: "v1.0.0_users".to_owned(), text }]);
}

#[test]
fn files_that_are_nearly_named_right() {
    let mut folder = good("v1.0.0_users");
    folder.files.extend(["Down.sql", "rollback.sql", "notes.txt"].map(str::to_owned));
    check(&[folder], "", None, &["rename v1.0.0_users/Down.sql to down.sql"], 1);
}

#[test]
fn what_was_not_released_gives_way_with_those_after_it() {
    let mut more = good("v1.3.0_more");
    more.metadata =
        Some(r#"{"version": "1.3.0", "name": "more", "dependencies": ["1.2.0", "1.0.0", ">=1.2"]}"#.to_owned());
    let folders = [good("v1.0.0_users"), good("v1.2.0_posts"), good("v1.2.0_tags"), more, good("v2.0.0_far")];
    let lock = locked(&["v1.0.0_users", "v1.2.0_posts"]);
    let actions = [
        "renumber v1.3.0_more as v1.4.0_more",
        "renumber v1.2.0_tags as v1.3.0_tags",
        "write v1.3.0_tags/metadata.json",
        "write v1.4.0_more/metadata.json",
    ];
    let repairs = check(&folders, &lock, None, &actions, 0);
    let Some(Action::WriteMetadata { text, .. }) = repairs.actions.last() else { panic!("{repairs:?}") };
    assert!(text.contains(r#""dependencies": ["1.3.0", "1.0.0", ">=1.2"]"#), "{text}");
}

#[test]
fn who_gives_way_is_asked_where_the_lock_file_does_not_say() {
    let folders = [good("v1.0.0_users"), good("v1.2.0_posts"), good("v1.2.0_tags"), good("v1.3.0_more")];
    check(&folders, "", None, &[], 1);
    check(&folders, &locked(&["v1.0.0_users"]), None, &[], 1);
    let conflict = format!(
        "{}<<<<<<< HEAD\n{}=======\n{}>>>>>>> main\n",
        locked(&["v1.0.0_users"]),
        locked(&["v1.2.0_tags", "v1.3.0_more"]),
        locked(&["v1.2.0_posts"])
    );
    let repairs = check(&folders, &conflict, None, &[], 1);
    assert!(repairs.left[0].help.contains("--renumber v1.2.0_tags"), "{repairs:?}");
    let actions = [
        "renumber v1.3.0_more as v1.4.0_more",
        "renumber v1.2.0_tags as v1.3.0_tags",
        "write v1.3.0_tags/metadata.json",
        "write v1.4.0_more/metadata.json",
    ];
    check(&folders, &conflict, Some("v1.2.0_tags"), &actions, 0);
    let actions = ["renumber v1.2.0_posts as v1.4.0_posts", "write v1.4.0_posts/metadata.json"];
    check(&folders, &conflict, Some("migrations_v2/v1.2.0_posts/"), &actions, 0);
}

#[test]
fn a_lock_file_keeps_what_it_recorded() {
    let checksum = crate::checksum::Checksum::of;
    let entry = |text: &str| Entry {
        files: vec![(METADATA.to_owned(), checksum("{}")), ("up.sql".to_owned(), checksum(text))],
        ..line("v1.0.0_users")
    };
    let broken = lockfile::render(&[line("v1.1.0_gone"), entry("locked")]);
    let text = relocked(&Recorded::of(&broken), &[entry("edited"), line("v1.2.0_new")], |_| false, |_| false);
    assert_eq!(text, lockfile::render(&[entry("locked"), line("v1.1.0_gone"), line("v1.2.0_new")]));
    let text = relocked(&Recorded::of(&broken), &[entry("locked")], |_| false, |it| it.name == "gone");
    assert_eq!(text, lockfile::render(&[entry("locked")]));
}
