//! Each verb says what comes next, where something does: to people, and to nobody else.

use crate::support::{Project, USERS_AND_POSTS};

#[test]
fn each_tells_the_next() {
    for (before, line, next) in [
        (&[][..], "lock", "`migrate up`"),
        (&[], "validate", "`migrate plan`"),
        (&["lock", "new tags"], "validate", "`migrate up`; before you commit, `migrate lock`"),
        (&[], "list", "`migrate status`"),
        (&["up"], "down --yes", "`migrate status`; or `migrate up`, which applies it again"),
        (&["up"], "reset --yes", "`migrate status`; or `migrate up`, which applies it again"),
        (&["up"], "goto 1.0.0 --yes", "`migrate status`; or `migrate up`, which applies it again"),
        (&["up"], "rollback --run 1 --yes", "`migrate status`; or `migrate up`, which applies it again"),
        (&["up"], "redo --yes", "`migrate status`"),
        (&[], "baseline 1.0.0 --yes", "`migrate status`"),
        (&["up", "backup create"], "restore latest --yes", "`migrate status`"),
    ] {
        let prepared = || {
            let project = Project::new(USERS_AND_POSTS);
            before.iter().for_each(|line| project.done(line));
            project
        };
        let shown = prepared().migrate(line);
        let expected = format!("next: {next}\n");
        assert!(shown.output.code == 0 && shown.output.stderr.ends_with(&expected), "{expected}{shown}");
        for silent in ["--quiet", "--json"] {
            let shown = prepared().migrate(&format!("{line} {silent}"));
            assert!(shown.output.code == 0 && !shown.output.stderr.contains("next: "), "{shown}");
        }
    }
}

#[test]
fn a_repaired_directory_is_checked_next() {
    let project = Project::new(USERS_AND_POSTS);
    project.write("migrations_v2/v1.2_tags/up.sql", "CREATE TABLE tags (id INTEGER);\n");
    project.write("migrations_v2/v1.2_tags/metadata.json", r#"{"version": "1.2.0", "name": "tags"}"#);
    let shown = project.migrate("validate");
    assert!(shown.output.stderr.contains("did you mean `v1.2.0_tags`? Or run `migrate fix`"), "{shown}");
    let shown = project.migrate("fix --yes");
    assert!(shown.output.code == 0 && shown.output.stderr.ends_with("next: `migrate validate`\n"), "{shown}");
}
