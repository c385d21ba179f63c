//! `docs/verdict.md` lists every code, and is made of the list in the code.

use std::fmt::Write;

use super::*;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verdict.md");

const INTRODUCTION: &str = "# The verdict

`migrate check`, and every start of a program, judge a database by three things alone: the migrations that the program holds,
the rows of the ledger, and the version of the program (the *runtime version*: that of the crate that embeds the migrations,
unless another is given). Over a directory without `--runtime-version`, no minimum is judged.

| verdict | exit code | |
|---|---|---|
| compatible | 0 | the program may serve |
| needs migration | 1 | it may serve once `migrate up` has run, which it does itself at its start |
| incompatible | 2 | it must not touch the database |

The verdict is that of the worst finding. Without a finding, it is compatible. Minimums are compared as semver orders versions,
pre-releases included, build metadata left out; one that cannot be read counts as too high. A row that another run is working
on at this moment is judged by its minimum alone if the program does not hold it, and counts as pending if it does; its minimum
is in the ledger before the first statement of a migration runs outside a transaction.

`blocked_by_instances` and `intended` are about programs that registered as running (`Migrator::register_instance`). The first is
found by a run before a step that would break one of them, the second when a program registers while a run is about to take
such a step. `migrate check` finds neither.

Each finding has a code, which is stable, a sentence, and what to do about it. Codes may be added.

| code | verdict | when | what to do |
|---|---|---|---|
";

const CLOSING: &str = "
This table is written by `UPDATE_DOCS=1 cargo test -p migrate-core verdict_md`.
";

#[test]
#[expect(clippy::disallowed_methods, reason = "the document is compared with what it is made of")]
fn verdict_md_is_current() {
    let mut document = INTRODUCTION.to_owned();
    for code in ReasonCode::ALL {
        let (word, verdict, meaning) = (code.as_str(), code.verdict(), code.meaning());
        let remedy = code.remedy().unwrap_or("nothing");
        writeln!(document, "| `{word}` | {verdict} | {meaning} | {remedy} |").unwrap();
    }
    document += CLOSING;
    if std::env::var("UPDATE_DOCS").is_ok() {
        std::fs::write(DOCUMENT, &document).unwrap();
    }
    let current = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    let command = "UPDATE_DOCS=1 cargo test -p migrate-core verdict_md";
    assert!(current == document, "docs/verdict.md is stale: run `{command}`");
}
