use proptest::prelude::*;

use super::*;
use crate::plan::Direction;
use crate::rollback::Strategy;
use crate::testing::{DIALECT, execute, registry, snapshot};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Runs separated by `;`, each with what it did: `+1.0.0` applied, `-1.0.0` undone, `!1.0.0` amended. They began an hour apart,
/// the last one an hour ago.
fn past(text: &str) -> Past {
    let runs: Vec<&str> = text.split(';').collect();
    let count = u32::try_from(runs.len()).unwrap();
    let mut past = Past::default();
    for (run, words) in (1..).zip(runs) {
        let age = Duration::from_secs(3600) * (count + 1 - u32::try_from(run).unwrap());
        past.runs.push(PastRun { run, age });
        for word in words.split_whitespace() {
            let (kind, version) = word.split_at(1);
            let kind = match kind {
                "+" => ChangeKind::Up,
                "-" => ChangeKind::Down,
                _ => ChangeKind::Amended,
            };
            past.changes.push(PastChange { run, version: version.parse().unwrap(), kind });
        }
    }
    past
}

fn undo(registry: &Registry, snapshot: &Snapshot, past: &Past, run: i64, window: Duration) -> Answer {
    answer(Strategy::Undo, &Question { registry, snapshot, dialect: DIALECT, past, run, window })
}

/// `expect` is the steps of the plan, or every reason why there is none.
#[track_caller]
fn check(migrations: &str, ledger: &str, runs: &str, run: i64, expect: &str) {
    let answer = undo(&registry(migrations), &snapshot(ledger), &past(runs), run, DAY);
    let steps = answer.plan.steps.iter().map(|step| format!("-{}", step.version));
    let obstacles = answer.obstacles.iter().map(|obstacle| obstacle.to_string());
    assert_eq!(steps.chain(obstacles).collect::<Vec<_>>().join(" "), expect, "run {run} of {runs} on [{ledger}]");
}

#[test]
fn undoes_what_the_run_applied_last_one_first() {
    check("1.0.0 1.1.0 1.2.0", "1.0.0 1.1.0 1.2.0", "+1.0.0; +1.1.0 +1.2.0", 2, "-1.2.0 -1.1.0");
    // Out of order: the lower one came later.
    check("1.0.0 1.1.0 1.2.0", "1.0.0 1.1.0 1.2.0", "+1.0.0 +1.2.0; +1.1.0", 2, "-1.1.0");
    // What a program of another version applied is undone with the stored script.
    check("1.0.0", "1.0.0 1.1.0", "+1.0.0; +1.1.0", 2, "-1.1.0");
}

#[test]
fn a_newer_run_on_top_is_in_the_way_until_it_is_rolled_back() {
    let newer = "the newer run 2 stands on top of it: it applied 1.1.0";
    check("1.0.0 1.1.0", "1.0.0 1.1.0", "+1.0.0; +1.1.0", 1, newer);
    check("1.0.0 1.1.0", "1.0.0", "+1.0.0; +1.1.0; -1.1.0", 1, "-1.0.0");
    check("1.0.0 1.1.0", "1.0.0 1.1.0", "+1.0.0; !1.1.0", 1, newer);
    check("1.0.0", "1.0.0", "+1.0.0; -1.0.0 +1.0.0", 1, "nothing that run 1 applied is applied any more");
}

#[test]
fn a_rollback_that_stopped_half_way_goes_on() {
    check("1.0.0 1.1.0", "1.0.0", "+1.0.0 +1.1.0; -1.1.0", 1, "-1.0.0");
    check("1.0.0 1.1.0", "1.0.0 1.1.0:reverting", "+1.0.0 +1.1.0;", 1, "-1.1.0 -1.0.0");
    check("1.0.0 1.1.0", "", "+1.0.0 +1.1.0; -1.1.0 -1.0.0", 1, "nothing that run 1 applied is applied any more");
}

#[test]
fn every_reason_is_named() {
    check("1.0.0", "1.0.0", "+1.0.0", 7, "the history has no run 7");
    check("1.0.0", "1.0.0", "+1.0.0; ", 2, "run 2 applied nothing");
    check("1.0.0", "1.0.0", "+1.0.0; -1.0.0 +1.0.0", 2, "run 2 undid 1.0.0, which no down script brings back");
    check("1.0.0 1.1.0!", "1.0.0 1.1.0!", "+1.0.0 +1.1.0", 1, "migration 1.1.0 `m` has no down script");
    check("1.0.0 1.1.0", "1.0.0 1.1.0:applying", "+1.0.0", 1, "migration 1.1.0 `m` was interrupted half way");
    let old = "+1.0.0".to_owned() + &";".repeat(24);
    check("1.0.0", "1.0.0", &old, 1, "it was 25 h ago, and no more than 24 h is allowed");
    check(
        "1.0.0! 1.1.0",
        "1.0.0! 1.1.0",
        &format!("+1.0.0; +1.1.0{}", ";".repeat(24)),
        1,
        "the newer run 2 stands on top of it: it applied 1.1.0 migration 1.0.0 `m` has no down script it was 26 h ago, and no more than 24 h is allowed",
    );
}

#[test]
fn what_stays_keeps_what_it_depends_on() {
    let depending = |wanted: &'static str| {
        let plain = registry("1.0.0 1.1.0");
        let [first, second] = plain.migrations() else { unreachable!() };
        let second = Migration::from_parts(
            second.version(),
            "m".into(),
            crate::migration::Settings::DEFAULT,
            vec![wanted.into()].into(),
            second.scripts().to_vec().into(),
        );
        let digest = plain.digest();
        Registry::from_parts(None, "migrations_v2".into(), None, digest, vec![first.clone(), second].into())
    };
    for wanted in ["1.0.0", ">=1.0, <1.1"] {
        let runs = past("+1.1.0; +1.0.0");
        let answer = undo(&depending(wanted), &snapshot("1.0.0 1.1.0"), &runs, 2, DAY);
        let needed = Obstacle::Needed { version: SchemaVersion::new(1, 0, 0), by: SchemaVersion::new(1, 1, 0) };
        assert_eq!(answer.obstacles, [needed], "{wanted}");
    }
}

#[test]
fn the_newest_run_that_still_stands() {
    let newest = |ledger: &str, runs: &str| super::newest(&snapshot(ledger), &past(runs));
    assert_eq!(newest("1.0.0 1.1.0", "+1.0.0; +1.1.0"), Some(2));
    assert_eq!(newest("1.0.0", "+1.0.0; +1.1.0; -1.1.0"), Some(1));
    assert_eq!(newest("1.0.0", "!1.0.0"), None);
    assert_eq!(newest("", ""), None);
}

/// What a random course of runs left: the ledger and its past.
fn course(moves: &[(bool, u8)]) -> (Snapshot, Past) {
    let mut applied: Vec<u64> = Vec::new();
    let mut runs: Vec<String> = Vec::new();
    for (up, count) in moves {
        let mut words = Vec::new();
        for _ in 0..*count {
            let next = applied.last().map_or(0, |last| last + 1);
            match (up, applied.pop()) {
                (true, last) => {
                    applied.extend(last);
                    if next < 8 {
                        applied.push(next);
                        words.push(format!("+1.{next}.0"));
                    }
                }
                (false, Some(last)) => words.push(format!("-1.{last}.0")),
                (false, None) => {}
            }
        }
        runs.push(words.join(" "));
    }
    let ledger: String = applied.iter().map(|minor| format!("1.{minor}.0 ")).collect();
    (snapshot(&format!("- {ledger}")), past(&runs.join(";")))
}

proptest! {
    /// A plan undoes what the run applied and nothing else, from the top, and there is nothing left to roll back after it; and
    /// from the newest run on, every run can be rolled back in turn.
    #[test]
    fn a_plan_undoes_exactly_what_stands_of_the_run(moves in prop::collection::vec((prop::bool::weighted(0.7), 0..4_u8), 1..8)) {
        let registry = registry("1.0.0 1.1.0 1.2.0 1.3.0 1.4.0 1.5.0 1.6.0 1.7.0");
        let (mut now, mut past) = course(&moves);
        let forever = Duration::MAX;
        for run in 1..=past.runs.len() {
            let run = i64::try_from(run).unwrap();
            let answer = undo(&registry, &now, &past, run, forever);
            prop_assert_eq!(answer.plan.is_empty(), !answer.obstacles.is_empty());
            let blocked = answer.obstacles.iter().any(|it| matches!(it, Obstacle::NewerRun { .. }));
            prop_assert!(!blocked || newest(&now, &past).unwrap() > run);
        }
        while let Some(run) = newest(&now, &past) {
            let answer = undo(&registry, &now, &past, run, forever);
            prop_assert_eq!(&answer.obstacles, &[]);
            let steps = &answer.plan.steps;
            prop_assert!(!steps.is_empty() && steps.iter().all(|step| step.direction == Direction::Down));
            let undone: Vec<SchemaVersion> = steps.iter().map(|step| step.version).collect();
            let top: Vec<SchemaVersion> = now.rows.iter().rev().take(undone.len()).map(|row| row.version).collect();
            prop_assert_eq!(&undone, &top);
            prop_assert!(undone.iter().all(|version| past.last_change(*version).unwrap().run == run));
            now = execute(&now, &answer.plan);
            let by = i64::try_from(past.runs.len()).unwrap() + 1;
            past.runs.push(PastRun { run: by, age: Duration::ZERO });
            past.changes.extend(undone.iter().map(|version| PastChange { run: by, version: *version, kind: ChangeKind::Down }));
            let again = undo(&registry, &now, &past, run, forever);
            prop_assert_eq!(again.obstacles, &[Obstacle::NothingLeft { run }]);
        }
        prop_assert!(now.rows.is_empty());
    }
}
