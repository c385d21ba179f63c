use proptest::prelude::*;

use super::*;
use crate::testing::{DIALECT, execute, registry, snapshot, target};

/// The steps of a plan as `+1.0.0` and `-1.0.0`, an origin other than the registry as `*`, a resumed one as `~`, with `!` if its
/// script was changed meanwhile.
#[track_caller]
fn check(migrations: &str, ledger: &str, goal: &str, expect: &str) {
    let got = match plan(&registry(migrations), &snapshot(ledger), DIALECT, target(goal)) {
        Err(error) => format!("error: {error}"),
        Ok(plan) => {
            let steps = plan.steps.iter().map(|step| {
                let sign = if step.direction == Direction::Up { '+' } else { '-' };
                let stored = if step.origin == Origin::Ledger { "*" } else { "" };
                let resumed = if step.resume_after.is_some() { "~" } else { "" };
                let changed = if step.script_changed { "!" } else { "" };
                format!("{sign}{}{stored}{resumed}{changed}", step.version)
            });
            let ends = plan.ends_with.iter().map(|error| format!("then error: {error}"));
            steps.chain(ends).collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(got, expect, "{migrations} on [{ledger}] {goal}");
}

#[test]
fn up_applies_what_is_missing_in_the_order_of_versions() {
    check("1.0.0 1.9.0 1.10.0", "", "latest", "+1.0.0 +1.9.0 +1.10.0");
    check("1.0.0 1.9.0 1.10.0", "1.0.0", "latest", "+1.9.0 +1.10.0");
    check("1.0.0 1.9.0 1.10.0", "1.0.0 1.10.0", "latest", "+1.9.0");
    check("1.0.0", "1.0.0", "latest", "");
    check("", "", "latest", "");
}

#[test]
fn up_stops_where_it_is_told() {
    check("1.0.0 1.1.0 1.2.0", "", "up to 1.1.0", "+1.0.0 +1.1.0");
    check("1.0.0 1.1.0 1.2.0", "1.0.0", "up by 1", "+1.1.0");
    check("1.0.0 1.1.0", "1.0.0 1.1.0", "up to 1.0.0", "");
    check("1.0.0", "", "up to 1.5.0", "error: there is no migration 1.5.0");
    check("1.0.0", "1.0.0 1.5.0", "up to 1.5.0", "");
}

#[test]
fn a_phase_goes_as_far_as_the_next_step_of_the_other() {
    let set = "1.0.0 1.1.0e 1.2.0 1.3.0c 1.4.0e 1.5.0c 1.6.0c";
    check(set, "", "expand", "+1.0.0 +1.1.0 +1.2.0");
    check(set, "", "contract", "");
    check(set, "1.0.0 1.1.0 1.2.0", "expand", "");
    check(set, "1.0.0 1.1.0 1.2.0", "contract", "+1.3.0");
    check(set, "1.0.0 1.1.0 1.2.0 1.3.0", "expand", "+1.4.0");
    check(set, "1.0.0 1.1.0 1.2.0 1.3.0 1.4.0", "contract", "+1.5.0 +1.6.0");
    // Half a contract step stands in the way of what comes after it, like one that was not begun.
    check(set, "1.0.0 1.1.0 1.2.0 1.3.0:applying", "expand", "");
    check(set, "1.0.0 1.1.0 1.2.0 1.3.0:applying", "contract", "+1.3.0~");
}

#[test]
fn down_undoes_from_the_top() {
    check("1.0.0 1.1.0 1.2.0", "1.0.0 1.1.0 1.2.0", "down by 1", "-1.2.0");
    check("1.0.0 1.1.0 1.2.0", "1.0.0 1.1.0 1.2.0", "down to 1.0.0", "-1.2.0 -1.1.0");
    check("1.0.0 1.1.0", "1.0.0", "down by 5", "-1.0.0");
    check("1.0.0", "", "down by 1", "");
    check("1.0.0", "1.0.0", "down to 3.0.0", "error: there is no migration 3.0.0");
}

#[test]
fn down_uses_the_stored_script_of_what_the_registry_does_not_hold_or_holds_otherwise() {
    check("1.0.0", "1.0.0 2.0.0", "down to 1.0.0", "-2.0.0*");
    check("1.0.0 1.1.0", "1.0.0 1.1.0:edited", "down by 1", "-1.1.0*");
    check("1.0.0!", "1.0.0", "down by 1", "-1.0.0*");
}

#[test]
fn a_missing_way_back_is_refused_before_anything_is_undone() {
    let refused = "error: migration 1.1.0 `m` has no down script";
    check("1.0.0 1.1.0! 1.2.0", "1.0.0 1.1.0! 1.2.0", "down to 1.0.0", refused);
    check("1.0.0 1.1.0! 1.2.0", "1.0.0 1.1.0! 1.2.0", "down by 2", refused);
    check("1.0.0 1.1.0!", "1.0.0 1.1.0!", "redo", refused);
}

#[test]
fn down_all_goes_as_far_as_there_is_a_way_back() {
    check("1.0.0 1.1.0", "1.0.0 1.1.0", "down all", "-1.1.0 -1.0.0");
    check(
        "1.0.0 1.1.0! 1.2.0",
        "1.0.0 1.1.0! 1.2.0",
        "down all",
        "-1.2.0 then error: migration 1.1.0 `m` has no down script",
    );
    check("1.0.0!", "1.0.0!", "down all", "error: migration 1.0.0 `m` has no down script");
}

#[test]
fn redo_undoes_and_applies_the_last_one() {
    check("1.0.0 1.1.0", "1.0.0 1.1.0", "redo", "-1.1.0 +1.1.0");
    check("1.0.0", "", "redo", "");
    check("1.0.0", "1.0.0 2.0.0", "redo", "error: there is no migration 2.0.0");
}

#[test]
fn what_was_interrupted_is_resumed() {
    check("1.0.0 1.1.0", "1.0.0:applying", "latest", "+1.0.0~ +1.1.0");
    check("1.0.0 1.1.0", "1.0.0 1.1.0:reverting", "latest", "-1.1.0*~ +1.1.0");
    check("1.0.0 1.1.0", "1.0.0 1.1.0:reverting", "down by 1", "-1.1.0*~");
    check("1.0.0", "1.0.0:applying", "down by 1", "error: migration 1.0.0 `m` was interrupted half way");
    check("1.0.0 1.1.0", "1.0.0:begun", "latest", "+1.0.0~! +1.1.0");
    let error = plan(&registry("1.0.0"), &snapshot("1.0.0:applying"), DIALECT, target("down by 1")).unwrap_err();
    assert!(error.help().contains("`migrate up`") && error.help().contains("--not-applied"), "{}", error.help());
}

#[test]
fn a_baseline_counts_as_applied() {
    check("1.0.0 1.1.0", "1.0.0:baseline", "latest", "+1.1.0");
    check("1.0.0", "1.0.0:baseline", "down by 1", "-1.0.0");
}

/// Some of the versions 1.0.0 to 1.7.0, each chosen by a bit.
fn chosen(bits: u8) -> String {
    (0..8).filter(|bit| bits & (1 << bit) != 0).map(|bit| format!("1.{bit}.0 ")).collect::<String>() + "-"
}

proptest! {
    #[test]
    fn a_plan_reaches_its_goal_and_planning_again_gives_nothing(held in any::<u8>(), applied in any::<u8>(), at in 0..8_u64) {
        let registry = registry(chosen(held).trim_end_matches('-'));
        let before = snapshot(&chosen(applied & held));
        for goal in [Target::Latest, Target::UpTo(SchemaVersion::new(1, at, 0)), Target::DownTo(SchemaVersion::new(1, at, 0)), Target::DownAll] {
            let Ok(first) = plan(&registry, &before, DIALECT, goal) else {
                prop_assert!(registry.find(SchemaVersion::new(1, at, 0)).is_none());
                continue;
            };
            let after = execute(&before, &first);
            for row in &after.rows {
                prop_assert!(registry.find(row.version).is_some());
            }
            let left = match goal {
                Target::DownAll => 0,
                Target::Latest => registry.migrations().len(),
                Target::UpTo(version) => {
                    let wanted = |migration: &&Migration| migration.version() <= version || before.find(migration.version()).is_some();
                    registry.migrations().iter().filter(wanted).count()
                }
                _ => before.rows.iter().filter(|row| row.version <= SchemaVersion::new(1, at, 0)).count(),
            };
            prop_assert_eq!(after.rows.len(), left);
            let again = if matches!(goal, Target::DownTo(_)) && after.find(SchemaVersion::new(1, at, 0)).is_none() {
                continue;
            } else {
                plan(&registry, &after, DIALECT, goal)
            };
            prop_assert!(again.unwrap().is_empty());
        }
    }

    /// One phase after the other, they apply everything once, in the order of `latest`.
    #[test]
    fn the_phases_in_turn_are_the_whole_way(held in any::<u8>(), contracts in any::<u8>(), applied in any::<u8>()) {
        let version = |bit: &u32| if contracts & (1 << bit) != 0 { format!("1.{bit}.0c ") } else { format!("1.{bit}.0 ") };
        let registry = registry(&(0..8).filter(|bit| held & (1 << bit) != 0).map(|bit| version(&bit)).collect::<String>());
        let mut now = snapshot(&chosen(applied & held));
        let whole = plan(&registry, &now, DIALECT, Target::Latest).unwrap();
        let mut steps = Vec::new();
        for turn in 0..9 {
            let phase = if turn % 2 == 0 { Phase::Expand } else { Phase::Contract };
            let part = plan(&registry, &now, DIALECT, Target::Phase(phase)).unwrap();
            for step in &part.steps {
                let contracts = registry.find(step.version).unwrap().phase() == Some(Phase::Contract);
                prop_assert_eq!(contracts, phase == Phase::Contract);
            }
            now = execute(&now, &part);
            steps.extend(part.steps);
        }
        prop_assert_eq!(steps, whole.steps);
    }

    #[test]
    fn every_prefix_of_a_plan_can_be_taken_up_again(held in any::<u8>(), applied in any::<u8>(), done in 0..9_usize) {
        let registry = registry(chosen(held).trim_end_matches('-'));
        let before = snapshot(&chosen(applied & held));
        let whole = plan(&registry, &before, DIALECT, Target::Latest).unwrap();
        let (head, tail) = whole.steps.split_at(done.min(whole.steps.len()));
        let halfway = execute(&before, &Plan { steps: head.to_vec(), ..Plan::default() });
        let rest = plan(&registry, &halfway, DIALECT, Target::Latest).unwrap();
        prop_assert_eq!(&rest.steps[..], tail);
    }
}
