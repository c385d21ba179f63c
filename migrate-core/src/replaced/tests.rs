use super::*;
use crate::amend::{Amendment, amend};
use crate::compat::{Assessment, MigrationState, Rules, Verdict, is_current, judge};
use crate::plan::{Target, plan};
use crate::testing::{DIALECT, holder, registry, snapshot, summary};

/// The exit code, then the reasons as `code@version`, then what `up` would run.
#[track_caller]
fn check(migrations: &str, ledger: &str, expect: &str) {
    let (registry, snapshot) = (registry(migrations), snapshot(ledger));
    let assessment = judge(&registry, &snapshot, DIALECT, &Rules::default());
    let reasons =
        assessment.reasons.iter().map(|reason| format!("{}@{}", reason.code.as_str(), reason.version.unwrap()));
    let steps = plan(&registry, &snapshot, DIALECT, Target::Latest).unwrap().steps;
    let steps = steps.iter().map(|step| format!("+{}", step.version));
    let code = assessment.verdict.exit_code().to_string();
    let shown: Vec<String> = [code].into_iter().chain(reasons).chain(steps).collect();
    assert_eq!(shown.join(" "), expect, "{migrations} on [{ledger}]");
}

const SQUASHED: &str = "1.2.0=1.0.0,1.1.0,1.2.0 1.3.0";

#[test]
fn rows_of_all_that_is_replaced_stand_for_it() {
    check(SQUASHED, "", "1 pending@1.2.0 pending@1.3.0 +1.2.0 +1.3.0");
    check(SQUASHED, "1.0.0 1.1.0 1.2.0", "1 replaced@1.2.0 pending@1.3.0 +1.3.0");
    check(SQUASHED, "1.0.0 1.1.0:baseline 1.2.0 1.3.0", "0 replaced@1.2.0");
    check(SQUASHED, "1.2.0:squashed 1.3.0", "0");
    check(SQUASHED, "1.2.0:squashed", "1 pending@1.3.0 +1.3.0");
    // What somebody applied in between by another program is judged as ever.
    check(SQUASHED, "1.0.0 1.1.0 1.1.1 1.2.0 1.3.0", "0 unknown@1.1.1 replaced@1.2.0");
}

#[test]
fn some_of_them_do_not() {
    for ledger in
        ["1.0.0", "1.0.0 1.1.0", "1.2.0", "1.0.0 1.2.0", "1.0.0 1.1.0:edited 1.2.0", "1.0.0 1.1.0 1.2.0:edited"]
    {
        check(SQUASHED, ledger, "2 replaced_in_part@1.2.0 pending@1.3.0 +1.3.0");
    }
    check(SQUASHED, "1.0.0 1.3.0", "2 replaced_in_part@1.2.0");
    check(SQUASHED, "1.0.0 1.1.0:applying", "2 replaced_in_part@1.2.0 pending@1.3.0 +1.2.0 +1.3.0");
    check(SQUASHED, "1.3.0", "2 out_of_order@1.2.0 +1.2.0");
    check(SQUASHED, "1.2.0:edited", "2 changed@1.2.0 pending@1.3.0 +1.3.0");
}

#[test]
fn why_they_do_not_is_said() {
    let assess = |ledger| judge(&registry(SQUASHED), &snapshot(ledger), DIALECT, &Rules::default());
    let said = |assessment: &Assessment| assessment.reasons[0].message.clone();
    let assessment = assess("1.0.0:edited 1.1.0:applying");
    assert_eq!(
        said(&assessment),
        "migration 1.2.0 replaces others, and 1.2.0 is not applied, 1.0.0 was applied with another script, 1.1.0 was interrupted"
    );
    assert!(assessment.reasons[0].remedy.as_ref().unwrap().contains("`migrate up --to 1.2.0`"));
    let assessment = assess("1.0.0 1.1.0 1.2.0 1.3.0");
    assert_eq!(said(&assessment), "migration 1.2.0 replaces 1.0.0 to 1.2.0, which the ledger holds in its place");
    let states: Vec<MigrationState> = assessment.migrations.iter().map(|entry| entry.state).collect();
    let (replaced, applied) = (MigrationState::Replaced, MigrationState::Applied);
    assert_eq!(states, [replaced, replaced, applied, applied]);
}

#[test]
fn what_was_squashed_twice_stands_on_either_set() {
    let twice = "1.3.0=1.2.0s,1.3.0|1.0.0,1.1.0,1.2.0,1.3.0";
    check(twice, "1.0.0 1.1.0 1.2.0 1.3.0", "0 replaced@1.3.0");
    check(twice, "1.2.0:squashed 1.3.0", "0 replaced@1.3.0");
    check(twice, "1.2.0:squashed", "2 replaced_in_part@1.3.0");
    check(twice, "1.0.0 1.1.0 1.2.0", "2 replaced_in_part@1.3.0");
    check(twice, "1.3.0:squashed", "0");
}

#[test]
fn minimums_of_the_rows_are_judged() {
    let rules = |version: &str| Rules { runtime_version: Some(version.parse().unwrap()), ..Rules::default() };
    let (registry, snapshot) = (registry("1.1.0=1.0.0>2.0.0,1.1.0"), snapshot("1.0.0>=2.0.0 1.1.0"));
    let verdict = |version| judge(&registry, &snapshot, DIALECT, &rules(version)).verdict;
    assert_eq!(verdict("1.9.0"), Verdict::Incompatible);
    assert_eq!(verdict("2.0.0"), Verdict::Compatible);
    assert!(!is_current(&registry, &summary(&snapshot).unwrap(), DIALECT, &rules("1.9.0")));
    assert!(is_current(&registry, &summary(&snapshot).unwrap(), DIALECT, &rules("2.0.0")));
}

#[test]
fn a_baseline_puts_one_row_in_their_place() {
    let amended = |ledger, version: &str| {
        let (registry, snapshot) = (registry(SQUASHED), snapshot(ledger));
        let assessment = judge(&registry, &snapshot, DIALECT, &Rules::default());
        let amendment = Amendment::Baseline { version: version.parse().unwrap() };
        match amend(&registry, &snapshot, &assessment, DIALECT, &amendment) {
            Err(error) => format!("error: {error}"),
            Ok(changes) => changes.iter().map(|it| format!("{}@{} ", it.action.as_str(), it.version)).collect(),
        }
    };
    assert_eq!(
        amended("1.0.0 1.1.0 1.2.0 1.3.0", "1.2.0"),
        "supersede@1.0.0 supersede@1.1.0 supersede@1.2.0 record_baseline@1.2.0 "
    );
    assert_eq!(amended("1.0.0 1.1.0 1.2.0", "1.3.0"), "record_baseline@1.3.0 ");
    assert_eq!(amended("", "1.2.0"), "record_baseline@1.2.0 ");
    assert_eq!(
        amended("1.0.0 1.1.0", "1.2.0"),
        "error: the ledger does not hold the beginning of this set: migration 1.0.0 was squashed, and not all that was squashed with it is applied"
    );
}

#[test]
fn what_was_squashed_is_undone_and_not_done_again() {
    let planned = |target| plan(&registry("1.1.0=1.0.0,1.1.0"), &snapshot("1.0.0 1.1.0"), DIALECT, target);
    let steps: Vec<String> = planned(Target::DownAll).unwrap().steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["down 1.1.0 m", "down 1.0.0 m"]);
    let refused = planned(Target::Redo).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "migration 1.1.0 `m` was squashed since it was applied, and this set does not hold it"
    );
}

#[test]
fn survives_being_a_text() {
    for migrations in [SQUASHED, "1.3.0=1.2.0s,1.3.0|1.0.0>2.0.0,1.1.0,1.2.0,1.3.0"] {
        let replaces = registry(migrations).migrations()[0].replaces();
        assert_eq!(generations(&text(&replaces).unwrap()), replaces);
    }
}

/// Every ledger of the three replaced migrations and one above, judged a second time by rules that only count.
#[test]
fn the_verdict_over_all_ledgers() {
    const STATES: [&str; 6] = ["", "applied", "baseline", "edited", "applying", "reverting"];
    let registry = registry(SQUASHED);
    let mut number = 0;
    for first in STATES {
        for second in STATES {
            for third in STATES.into_iter().chain(["squashed"]) {
                for above in ["", "applied"] {
                    for is_live in [false, true] {
                        let rows = [("1.0.0", first), ("1.1.0", second), ("1.2.0", third), ("1.3.0", above)];
                        let words = rows.iter().filter(|(_, state)| !state.is_empty());
                        let ledger: String = words.map(|(version, state)| format!("{version}:{state} ")).collect();
                        let mut database = snapshot(&format!("- {ledger}"));
                        database.state.as_mut().unwrap().lock = is_live.then(holder);
                        let of_old = [first, second, third];
                        let expected = expected(of_old, above, is_live);
                        let assessment = judge(&registry, &database, DIALECT, &Rules::default());
                        let found = assessment.reasons.iter().filter(|it| it.version < Some("1.3.0".parse().unwrap()));
                        let found: Vec<&str> = found.map(|it| it.code.as_str()).collect();
                        assert_eq!(found, expected, "{ledger} live: {is_live}");

                        let runs = plan(&registry, &database, DIALECT, Target::Latest).unwrap().steps;
                        let runs = runs.iter().any(|step| step.version.to_string() == "1.2.0");
                        // Without a live lock a plan of `up` is refused before it is looked at.
                        let may = runs_at_most(of_old);
                        assert!(!must_run(&found) || runs, "{ledger} live: {is_live}");
                        assert!(!runs || may, "{ledger}");

                        let compatible = assessment.verdict == Verdict::Compatible;
                        let plain = found.iter().all(|code| *code == "replaced");
                        let current = is_current(&registry, &summary(&database).unwrap(), DIALECT, &Rules::default());
                        assert_eq!(current, compatible && plain, "{ledger}");
                        number += 1;
                    }
                }
            }
        }
    }
    assert_eq!(number, 6 * 6 * 7 * 2 * 2);
}

/// Whoever finds this waits for the lock and looks again, or applies it.
fn must_run(found: &[&str]) -> bool {
    ["pending", "in_progress"].iter().any(|it| found.contains(it))
}

/// What is planned over rows of others is never executed: it must be absent, or somebody must be at work.
fn runs_at_most(of_old: [&str; 3]) -> bool {
    of_old.iter().all(|state| state.is_empty()) || of_old.iter().any(|state| ["applying", "reverting"].contains(state))
}

fn expected(of_old: [&str; 3], above: &str, is_live: bool) -> Vec<&'static str> {
    let [first, second, third] = of_old;
    let unfinished = |state: &str| ["applying", "reverting"].contains(&state);
    let unknown = |state: &str| match state {
        "" => None,
        state if unfinished(state) && !is_live => Some("interrupted_for_good"),
        _ => Some("unknown"),
    };
    if third == "squashed" {
        return [first, second].into_iter().filter_map(unknown).collect();
    }
    if of_old.iter().all(|state| state.is_empty()) {
        return vec![if above.is_empty() { "pending" } else { "out_of_order" }];
    }
    if [first, second].iter().all(|state| state.is_empty()) && third == "edited" {
        return vec!["changed"];
    }
    if of_old.iter().all(|state| ["applied", "baseline"].contains(state)) {
        return vec!["replaced"];
    }
    let is_begun = of_old.iter().any(|it| unfinished(it)) && (third.is_empty() || unfinished(third));
    vec![if is_live && is_begun { "in_progress" } else { "replaced_in_part" }]
}
