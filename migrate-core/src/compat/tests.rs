use super::*;
use crate::ledger::LockHolder;
use crate::testing::{DIALECT, holder, registry, snapshot, summary};

fn assess(migrations: &str, ledger: &str, runtime: &str) -> Assessment {
    let rules = Rules {
        runtime_version: (!runtime.is_empty()).then(|| Version::parse(runtime).unwrap()),
        allow_out_of_order: false,
    };
    judge(&registry(migrations), &snapshot(ledger), DIALECT, &rules)
}

/// The verdict's exit code, then the reasons as `code@version`.
fn shown(assessment: &Assessment) -> String {
    let reasons = assessment.reasons.iter().map(|reason| match reason.version {
        Some(version) => format!(" {}@{version}", reason.code.as_str()),
        None => format!(" {}", reason.code.as_str()),
    });
    format!("{}{}", assessment.verdict.exit_code(), reasons.collect::<String>())
}

#[track_caller]
fn check(migrations: &str, ledger: &str, runtime: &str, expect: &str) {
    let assessment = assess(migrations, ledger, runtime);
    assert_eq!(shown(&assessment), expect, "{migrations} on [{ledger}] as {runtime}");
    // A summary may miss that all is well, and never that it is not.
    assert!(!current(migrations, ledger, runtime) || assessment.reasons.is_empty());
}

/// What a summary of the ledger says.
fn current(migrations: &str, ledger: &str, runtime: &str) -> bool {
    let rules = Rules { runtime_version: Version::parse(runtime).ok(), allow_out_of_order: false };
    let summary = summary(&snapshot(ledger));
    summary.is_some_and(|summary| is_current(&registry(migrations), &summary, DIALECT, &rules))
}

#[test]
fn a_summary_shows_that_all_is_applied() {
    assert!(current("1.0.0 1.1.0", "1.0.0 1.1.0", "1.0.0"));
    assert!(current("1.0.0 1.1.0", "1.0.0:baseline 1.1.0", "1.0.0"));
    assert!(current("1.0.0>=1.0.0", "1.0.0>=1.0.0", "1.0.0"));
    assert!(current("", "-", "1.0.0"));
    assert!(!current("1.0.0>=1.0.1", "1.0.0>=1.0.1", "1.0.0"), "the program is too old for its own set");
    assert!(!current("1.0.0", "1.0.0>=1.0.0", "1.0.0"), "another minimum is recorded");
    assert!(!current("1.0.0", "", "1.0.0"), "there are no tables");
}

#[test]
fn all_applied_is_compatible_and_pending_needs_migration() {
    check("1.0.0 1.1.0", "1.0.0 1.1.0", "1.0.0", "0");
    check("1.0.0 1.1.0", "1.0.0", "1.0.0", "1 pending@1.1.0");
    check("1.0.0", "", "1.0.0", "1 pending@1.0.0");
    check("1.0.0", "-", "1.0.0", "1 pending@1.0.0");
    check("", "", "1.0.0", "0");
    check("1.0.0", "1.0.0:baseline", "1.0.0", "0");
}

#[test]
fn an_older_binary_starts_unless_a_row_asks_for_a_newer_one() {
    check("1.0.0", "1.0.0 1.1.0>=1.0.0", "1.0.0", "0 unknown@1.1.0");
    check("1.0.0", "1.0.0 1.1.0>=1.2.0", "1.1.9", "2 needs_newer_runtime@1.1.0 unknown@1.1.0");
    check("1.0.0", "1.0.0 1.1.0", "1.0.0", "0 unknown@1.1.0");
    check("1.0.0", "1.0.0 2.0.0", "1.0.0", "2 unknown_major@2.0.0");
    check("1.0.0", "1.0.0 2.0.0>=1.0.0", "1.0.0", "0 unknown@2.0.0");
    check("1.0.0 1.1.0", "1.0.0 1.1.0>=9.0.0", "1.0.0", "2 needs_newer_runtime@1.1.0");
}

#[test]
fn the_floor_follows_semver_precedence() {
    check("1.0.0", "1.0.0>=2.0.0-0", "2.0.0-alpha", "0");
    check("1.0.0", "1.0.0>=2.0.0", "2.0.0-alpha", "2 needs_newer_runtime@1.0.0");
    check("1.0.0", "1.0.0>=2.0.0", "2.0.0+build.7", "0");
    check("1.0.0", "1.0.0>=nonsense", "2.0.0", "2 needs_newer_runtime@1.0.0");
}

#[test]
fn without_a_runtime_version_the_floor_is_not_judged() {
    check("1.0.0", "1.0.0>=99.0.0", "", "0");
}

#[test]
fn a_changed_script_is_incompatible_unless_only_comments_or_space_changed() {
    check("1.0.0", "1.0.0:edited", "1.0.0", "2 changed@1.0.0");
    check("1.0.0", "1.0.0:spaced", "1.0.0", "0 changed_in_comments@1.0.0");
    let changed = assess("1.0.0", "1.0.0:edited", "1.0.0");
    assert_eq!(changed.migrations[0].state, MigrationState::Changed);
}

#[test]
fn another_script_under_another_name_may_be_of_another_program() {
    let mut ledger = snapshot("1.0.0:edited");
    ledger.rows[0].name = "orders".to_owned();
    let assessment = judge(&registry("1.0.0"), &ledger, DIALECT, &Rules::default());
    assert_eq!(shown(&assessment), "2 changed@1.0.0");
    assert_eq!(assessment.reasons[0].message, "migration 1.0.0 was applied as `orders`, and is another one here, `m`");
    let remedy = assessment.reasons[0].remedy.as_deref().unwrap();
    assert!(remedy.starts_with("see whether this is the database of another program"), "{remedy}");
}

#[test]
fn a_pending_one_below_an_applied_one_is_out_of_order() {
    check("1.0.0 1.1.0", "1.1.0", "1.0.0", "2 out_of_order@1.0.0");
    let rules = Rules { allow_out_of_order: true, ..Rules::default() };
    let allowed = judge(&registry("1.0.0 1.1.0"), &snapshot("1.1.0"), DIALECT, &rules);
    assert_eq!(shown(&allowed), "1 pending@1.0.0");
}

#[test]
fn an_interrupted_one_can_be_resumed_if_it_is_known_and_unchanged() {
    check("1.0.0", "1.0.0:applying", "1.0.0", "1 interrupted@1.0.0");
    check("1.0.0", "1.0.0:reverting", "1.0.0", "1 interrupted@1.0.0");
    check("1.0.0", "1.0.0 1.1.0:applying", "1.0.0", "2 interrupted_for_good@1.1.0");
    let mut edited = snapshot("1.0.0:applying");
    edited.rows[0].checksum = "0".repeat(64);
    // The script that was begun is the same but for its comments, is another one, or is not known.
    edited.rows[0].up_sql = snapshot("1.0.0:spaced").rows[0].up_sql.clone();
    let assessment = judge(&registry("1.0.0"), &edited, DIALECT, &Rules::default());
    assert_eq!(shown(&assessment), "1 interrupted@1.0.0");
    edited.rows[0].up_sql = None;
    let assessment = judge(&registry("1.0.0"), &edited, DIALECT, &Rules::default());
    assert_eq!(shown(&assessment), "2 interrupted_for_good@1.0.0");
    edited.rows[0].up_sql = Some("SELECT 2".to_owned());
    let assessment = judge(&registry("1.0.0"), &edited, DIALECT, &Rules::default());
    assert_eq!(shown(&assessment), "2 interrupted_for_good@1.0.0");
    // Nothing of it was done yet.
    edited.rows[0].progress = 0;
    let assessment = judge(&registry("1.0.0"), &edited, DIALECT, &Rules::default());
    assert_eq!(shown(&assessment), "1 interrupted@1.0.0");
    assert_eq!(
        assessment.reasons[0].message,
        "migration 1.0.0 was interrupted while applying, and its script was changed since; nothing of it is done"
    );
}

#[test]
fn under_a_live_lock_an_unfinished_row_is_in_progress() {
    let check = |ledger: &str, live: bool, expect: &str| {
        let mut snapshot = snapshot(ledger);
        snapshot.state.as_mut().unwrap().lock = Some(LockHolder { live, ..holder() });
        let rules = Rules { runtime_version: Some(Version::new(1, 0, 0)), allow_out_of_order: false };
        let assessment = judge(&registry("1.0.0"), &snapshot, DIALECT, &rules);
        assert_eq!(shown(&assessment), expect);
    };
    check("1.0.0:applying", true, "1 in_progress@1.0.0");
    check("1.0.0:applying", false, "1 interrupted@1.0.0");
    check("1.0.0 1.1.0:applying", true, "0 unknown@1.1.0");
    // Its floor alone counts: not that it has a higher MAJOR, nor that its script is not known.
    check("1.0.0 2.0.0:applying", true, "0 unknown@2.0.0");
    check("1.0.0 2.0.0:applying>=2.0.0", true, "2 needs_newer_runtime@2.0.0 unknown@2.0.0");
    check("1.0.0:applying>=2.0.0", true, "2 needs_newer_runtime@1.0.0 in_progress@1.0.0");
    check("1.0.0 1.1.0:applying", false, "2 interrupted_for_good@1.1.0");
}

#[test]
fn tables_of_another_program_or_format_are_refused() {
    let mut other = snapshot("1.0.0");
    other.state.as_mut().unwrap().registry_name = Some("shop".to_owned());
    assert_eq!(shown(&judge(&registry("1.0.0"), &other, DIALECT, &Rules::default())), "2 other_registry");

    let mut newer = snapshot("1.0.0");
    newer.state.as_mut().unwrap().oldest_reader = FORMAT + 1;
    assert_eq!(shown(&judge(&registry("1.0.0"), &newer, DIALECT, &Rules::default())), "2 newer_format");

    let mut unnamed = snapshot("1.0.0");
    unnamed.state.as_mut().unwrap().registry_name = None;
    assert_eq!(shown(&judge(&registry("1.0.0"), &unnamed, DIALECT, &Rules::default())), "0");
}

#[test]
fn every_code_has_one_word_and_what_is_not_compatible_names_a_command() {
    let mut words: Vec<&str> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), ReasonCode::ALL.len());
    for code in ReasonCode::ALL {
        assert_eq!(code.remedy().is_none(), code.verdict() == Verdict::Compatible, "{code:?}");
        assert!(code.remedy().is_none_or(|remedy| remedy.contains("`migrate")), "{code:?} names no command");
    }
    let order: Vec<Verdict> = ReasonCode::ALL.iter().map(|code| code.verdict()).collect();
    assert!(order.is_sorted());
}
