//! `docs/health.md` lists every check, and is made of the list in the code.

use std::fmt::Write;

use super::*;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/health.md");

const INTRODUCTION: &str = "# Health checks, and rolling back a run

## Around a run

A run that has something to do makes checks under the run lock, before its first step and after its last. A run that finds nothing
to do makes none: an up-to-date start stays one round trip.

| `health_checks` | |
|---|---|
| `off` | no checks |
| `basic` (the default) | those that cost next to nothing: on PostgreSQL one message before the first step and one after the last, which read catalogues and statistics and lock nothing |
| `full` | all of them, one by one; some read the whole database |

A check passes, fails, or is *not checked*: some things cannot be found out, and then it says why. Each may take `health_timeout`
(30 s), and is tried again `health_retries` times (2) after a failure that may pass, such as a busy file. One that does not end in
time has failed.

- Before the first step, a failure of severity error stops the run. Nothing was done, and the exit code is 70.
- After the last step, everything is committed whatever the checks say. A failure of severity error makes the outcome of the run
  `unhealthy`, in the report, in the document of `--json` and in the history. With `health_on_failure = \"fail\"` the run also ends with
  an error and code 70. With `\"restore\"` it does so, too, and puts the backup back that was taken before it ([backup.md](backup.md)), where `exclusive`
  says that nobody else writes; otherwise the error has the command. A run that was deferred for the sake of running programs stays `deferred`; its report lists the checks all the same.
- A failure of severity warning is told, and changes nothing.

In a program: `Migrator::health_checks`, `health_timeout`, `health_retries`, `long_transaction` and `on_unhealthy`; the results are in
`Report::health`, and `Event::CheckFailed` tells of each failure at once.

## By themselves

`migrate health` makes every check, whatever `health_checks` says. It writes nothing that stays: the right to write is tried in a
transaction that is rolled back. The exit code is 0, or 70 when a check of severity error fails, or 69 when the database does not answer; it
is never 1 or 2, which are the verdict of `migrate check`. In a program: `Migrator::health`.

For probes: whether a program may serve is the verdict (`Migrator::check_migration_health`, one round trip), and belongs into the
readiness probe. `migrate health` is for people, for alerts and for the minute before a deploy. It is no liveness probe: it reads the
whole of a SQLite file, and what it finds is not mended by a restart.

## The checks

| check | when | severity | on | `basic` | what it looks at | when it fails |
|---|---|---|---|---|---|---|
";

const CLOSING: &str = "
This table is written by `UPDATE_DOCS=1 cargo test -p migrate-core health_md`.

- What other roles do on PostgreSQL is hidden from most roles. What is hidden is not found; `pg_monitor` lets a role see it.
- `expects` in `metadata.json` names objects by kind, `{\"tables\": [\"users\"], \"views\": [], \"indexes\": [\"app.by_email\"]}`, compared without
  case. A name counts until the up script of a later applied migration drops it, renames it or moves it. What a script
  does by `DO`, or in a function, is not seen.
- `verification` asks what `verify.sql` asked when its migration was applied, so write there what stays true: not `SELECT count(*) = 0
  FROM users`, which the first user makes false, but `SELECT count(*) = 0 FROM users WHERE email IS NULL`. A migration that takes away what the
  newest one names needs a verify script of its own.
- `blockers` asks for the lock timeout of a step (`lock_timeout`), `long_transactions` for `long_transaction`; of `pg_dump` and `pg_dumpall`
  it tells however young they are, since they hold a lock on every table. They are known by their `application_name`, which every role sees.
- `disk_space` is always *not checked* on PostgreSQL: no server tells how much room its disk has. Watch it where the server runs.

## Rolling back a run

`migrate history` numbers the runs. `migrate rollback --run N` takes back exactly what run N applied, last migration first, with the down
scripts of the set or, for what the set does not hold, those stored in the ledger (the strategy `undo`). It asks first like `down`, has
`--dry-run`, and stands in the history as a run whose plan begins with `roll back run N`. If it stops half way, the same command goes on.

`migrate rollback --can` says whether that can be done, for the newest run of which something is left or for `--run N`, and why not:

| reason | |
|---|---|
| `unknown_run` | the history has no such run |
| `applied_nothing` | it applied nothing |
| `undid_something` | it also undid something, as `redo` does, which no down script brings back |
| `nothing_left` | nothing that it applied is applied any more; `rollback` then has nothing to do |
| `newer_run` | a newer run stands on top of it: roll that one back first |
| `needed` | a migration that stays depends on one that would go |
| `irreversible` | a migration has no down script |
| `interrupted` | a migration was interrupted and must be settled first |
| `too_old` | it began longer ago than `rollback_window`, 24 hours unless told otherwise, by the database's clock |

All of them are looked for before anything is undone, and again under the run lock. A migration belongs to the run that applied it last;
what a restored backup took away counts as never done.
In a program: `Migrator::roll_back`, `plan_rollback`, `can_roll_back`.

`--strategy snapshot` puts the backup back that was taken before the run ([backup.md](backup.md)): everything that was written since is gone,
though kept in a backup of its own. It is recommended only where `undo` is not possible, and refused, before anything is changed and again
under the run lock, for these reasons:

| reason | |
|---|---|
| `no_backup` | no full backup was taken before this run of this ledger |
| `newer_run` | newer runs have changed the database, or left something half done |
| `too_old` | the backup is older than `rollback_window`, by this machine's clock |

Running programs are asked as before any restore: `--wait-for-fleet`, `--ignore-instances`. In a program: `Migrator::restore_run_snapshot`,
`run_snapshot` (feature `backup`).
";

#[test]
#[expect(clippy::disallowed_methods, reason = "the document is compared with what it is made of")]
fn health_md_is_current() {
    let mut document = INTRODUCTION.to_owned();
    for check in Check::ALL {
        let moments: Vec<&str> = check.moments().iter().map(|moment| moment.as_str()).collect();
        let dialects: Vec<&str> = check.dialects().iter().map(|dialect| dialect.as_str()).collect();
        let basic = if check.is_basic() { "yes" } else { "" };
        writeln!(
            document,
            "| `{check}` | {} | {} | {} | {basic} | {} | {} |",
            moments.join(", "),
            check.severity().as_str(),
            dialects.join(", "),
            check.meaning(),
            check.remedy()
        )
        .unwrap();
    }
    document += CLOSING;
    if std::env::var("UPDATE_DOCS").is_ok() {
        std::fs::write(DOCUMENT, &document).unwrap();
    }
    let current = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    let command = "UPDATE_DOCS=1 cargo test -p migrate-core health_md";
    assert!(current == document, "docs/health.md is stale: run `{command}`");
}
