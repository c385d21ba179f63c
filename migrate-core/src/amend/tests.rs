use super::*;
use crate::compat::{Rules, judge};
use crate::ledger::LockHolder;
use crate::testing::{DIALECT, registry, snapshot};

/// `force 1.0.0 --applied`, `force 1.0.0`, `repair 1.0.0 1.1.0 --not-applied`, `repair --all`, `baseline 1.0.0`.
fn amendment(text: &str) -> Amendment {
    let words: Vec<&str> = text.split(' ').collect();
    let standing = words.iter().find_map(|word| match *word {
        "--applied" => Some(Standing::Applied),
        "--not-applied" => Some(Standing::NotApplied),
        _ => None,
    });
    let versions: Vec<SchemaVersion> = words.iter().filter_map(|word| word.parse().ok()).collect();
    match words[0] {
        "force" => Amendment::Force { version: versions[0], standing, reason: "because".to_owned() },
        "repair" if words.contains(&"--all") => Amendment::RepairWhatIsSafe,
        "settle" => Amendment::Settle { version: versions[0], statement: standing.unwrap() },
        "repair" => Amendment::Repair { versions, standing },
        "baseline" => Amendment::Baseline { version: versions[0] },
        _ => panic!("`{text}` is no amendment"),
    }
}

/// The changes as `action@version`, or the error.
#[track_caller]
fn check(migrations: &str, ledger: &str, text: &str, expect: &str) {
    let (registry, snapshot) = (registry(migrations), snapshot(ledger));
    let assessment = judge(&registry, &snapshot, DIALECT, &Rules::default());
    let got = match amend(&registry, &snapshot, &assessment, DIALECT, &amendment(text)) {
        Err(error) => format!("error: {error}"),
        Ok(changes) => {
            let changes = changes.iter().map(|change| format!("{}@{}", change.action.as_str(), change.version));
            changes.collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(got, expect, "{migrations} on [{ledger}]: {text}");
}

#[test]
fn force_changes_one_row_or_none() {
    check("1.0.0 1.1.0", "1.0.0", "force 1.1.0 --applied", "record_applied@1.1.0");
    check("1.0.0 1.1.0", "", "force 1.1.0 --applied", "record_applied@1.1.0");
    check("1.0.0", "1.0.0", "force 1.0.0 --applied", "");
    check("1.0.0", "1.0.0:baseline", "force 1.0.0 --applied", "");
    check("1.0.0", "1.0.0:applying", "force 1.0.0 --applied", "complete@1.0.0");
    check("1.0.0", "1.0.0:reverting", "force 1.0.0 --not-applied", "forget@1.0.0");
    check("1.0.0", "1.0.0", "force 1.0.0 --not-applied", "forget@1.0.0");
    check("1.0.0", "", "force 1.0.0 --not-applied", "");
    check("1.0.0", "1.0.0 2.0.0", "force 2.0.0 --not-applied", "forget@2.0.0");
    check("1.0.0", "1.0.0 2.0.0:applying", "force 2.0.0 --applied", "complete@2.0.0");
}

#[test]
fn force_alone_settles_what_was_interrupted() {
    check("1.0.0 1.1.0", "1.0.0 1.1.0:applying", "force 1.1.0", "complete@1.1.0");
    check("1.0.0 1.1.0", "1.0.0 1.1.0:applying", "force 1.0.0", "forget@1.1.0");
    check("1.0.0 1.1.0", "1.0.0 1.1.0:reverting", "force 1.0.0", "forget@1.1.0");
    check("1.0.0", "1.0.0:applying", "force 1.0.0", "complete@1.0.0");
    check("1.0.0 1.1.0", "1.0.0", "force 1.0.0", "");
}

#[test]
fn force_alone_is_refused_where_it_is_not_clear() {
    let unclear = |version| {
        format!("error: it is not clear what to change: this settles one interrupted migration at or above {version}")
    };
    check("1.0.0 1.1.0", "1.0.0", "force 1.1.0", &unclear("1.1.0"));
    check("1.0.0 1.1.0", "1.0.0 1.1.0", "force 1.0.0", &unclear("1.0.0"));
    check("1.0.0 1.1.0 1.2.0", "1.0.0 1.1.0:applying 1.2.0", "force 1.1.0", &unclear("1.1.0"));
    check("1.0.0 1.1.0 1.2.0", "1.0.0 1.2.0:applying", "force 1.1.0", &unclear("1.1.0"));
    check("1.0.0 1.1.0", "1.0.0:applying 1.1.0:applying", "force 1.1.0", &unclear("1.1.0"));
}

#[test]
fn a_version_that_nobody_knows_is_named_with_its_neighbours() {
    for text in ["force 1.5.0 --applied", "force 1.5.0", "repair 1.5.0", "baseline 1.5.0"] {
        check("1.0.0 2.0.0", "1.0.0", text, "error: there is no migration 1.5.0");
    }
    let near = |migrations, text: &str| {
        let (registry, snapshot) = (registry(migrations), Snapshot::default());
        let assessment = judge(&registry, &snapshot, DIALECT, &Rules::default());
        amend(&registry, &snapshot, &assessment, DIALECT, &amendment(text)).unwrap_err().help()
    };
    let all = "`migrate status` lists them all";
    assert_eq!(near("1.0.0 1.2.0", "force 1.1.0"), format!("did you mean 1.0.0 or 1.2.0? {all}"));
    assert_eq!(near("1.0.0 1.2.0", "force 1.2.1"), format!("did you mean 1.2.0? {all}"));
    assert_eq!(near("1.0.0 2.0.0", "force 1.5.0"), format!("did you mean 1.0.0? {all}"));
    for unlike in ["force 9.0.0", "repair 9.9.9", "baseline 2.5.5", "force 0.5.0"] {
        assert_eq!(near("1.0.0 2.0.0", unlike), format!("the highest version is 2.0.0; {all}"));
    }
    assert_eq!(near("", "force 0.5.0"), "there are no migrations");
}

#[test]
fn repair_does_what_the_state_asks_for() {
    check("1.0.0", "1.0.0:edited", "repair 1.0.0", "accept@1.0.0");
    check("1.0.0", "1.0.0:spaced", "repair 1.0.0", "accept@1.0.0");
    check("1.0.0 1.1.0", "1.0.0:spaced 1.1.0:edited", "repair 1.1.0 1.0.0 1.1.0", "accept@1.0.0 accept@1.1.0");
    check("1.0.0 1.1.0", "1.0.0", "repair 1.0.0 1.1.0", "");
    check("1.0.0", "1.0.0:applying", "repair 1.0.0 --applied", "complete@1.0.0");
    check("1.0.0", "1.0.0:applying", "repair 1.0.0 --not-applied", "forget@1.0.0");
    let unsaid = "error: migration 1.0.0 was interrupted, and nothing says whether it is applied";
    check("1.0.0", "1.0.0:reverting", "repair 1.0.0", unsaid);
    check("1.0.0", "1.0.0", "repair 1.0.0 --applied", "error: migration 1.0.0 was not interrupted");
}

#[test]
fn a_statement_is_settled_where_one_is_uncertain() {
    check("1.0.0", "1.0.0:applying?", "settle 1.0.0 --applied", "finish_part@1.0.0");
    check("1.0.0", "1.0.0:reverting?", "settle 1.0.0 --not-applied", "repeat_part@1.0.0");
    let certain = "error: migration 1.0.0 does not stand at a statement of which nothing tells whether it took effect";
    check("1.0.0", "1.0.0:applying", "settle 1.0.0 --applied", certain);
    check("1.0.0", "1.0.0", "settle 1.0.0 --applied", certain);
}

#[test]
fn repair_forgets_a_row_only_if_it_cannot_be_undone() {
    check("1.0.0", "1.0.0 1.1.0!", "repair 1.1.0", "forget@1.1.0");
    let refused = "error: migration 1.1.0 is not in this set, but the ledger holds its down script";
    check("1.0.0", "1.0.0 1.1.0", "repair 1.1.0", refused);
}

#[test]
fn what_is_safe_is_what_differs_in_comments_only() {
    check("1.0.0 1.1.0 1.2.0", "1.0.0:spaced 1.1.0:edited 1.2.0:spaced", "repair --all", "accept@1.0.0 accept@1.2.0");
    check("1.0.0", "1.0.0:applying 2.0.0!", "repair --all", "");
}

#[test]
fn a_baseline_extends_a_beginning() {
    check("1.0.0 1.1.0 1.2.0", "", "baseline 1.1.0", "record_baseline@1.0.0 record_baseline@1.1.0");
    check("1.0.0 1.1.0 1.2.0", "-", "baseline 1.0.0", "record_baseline@1.0.0");
    check("1.0.0 1.1.0 1.2.0", "1.0.0", "baseline 1.1.0", "record_baseline@1.1.0");
    check("1.0.0 1.1.0", "1.0.0:baseline 1.1.0", "baseline 1.1.0", "");
    check("1.0.0 1.1.0", "1.0.0:spaced", "baseline 1.1.0", "record_baseline@1.1.0");
}

#[test]
fn a_baseline_hides_nothing() {
    let refused = |version, problem| {
        format!("error: the ledger does not hold the beginning of this set: migration {version} {problem}")
    };
    check("1.0.0 1.1.0", "1.1.0", "baseline 1.0.0", &refused("1.1.0", "is applied, and a lower one is not"));
    check("1.0.0 1.1.0", "1.0.0:edited", "baseline 1.1.0", &refused("1.0.0", "was changed after it was applied"));
    check("1.0.0 1.1.0", "1.0.0:applying", "baseline 1.1.0", &refused("1.0.0", "was interrupted"));
    check("1.0.0 1.1.0", "0.9.0", "baseline 1.1.0", &refused("0.9.0", "is not in it"));
}

#[test]
fn repairs_are_proposed_with_their_commands() {
    let registry = registry("1.0.0 1.1.0 1.2.0 1.3.0");
    let mut snapshot = snapshot("1.0.0:spaced 1.1.0:edited 1.2.0:applying 1.3.0:applying? 1.4.0 1.5.0!");
    let (owner, host) = ("ghost".to_owned(), "gone".to_owned());
    let (acquired_at, expires_at) = ("2026-01-01T00:00:00.000Z".to_owned(), None);
    let holder = LockHolder { owner, host, process: 1, acquired_at, expires_at, backend: None, live: false };
    snapshot.state.as_mut().unwrap().lock = Some(holder);
    let assessment = judge(&registry, &snapshot, DIALECT, &Rules::default());
    let shown: Vec<String> = repairs(&snapshot, &assessment)
        .iter()
        .map(|repair| format!("{}{}", repair.commands.join(" | "), if repair.safe { " (safe)" } else { "" }))
        .collect();
    assert_eq!(
        shown,
        [
            "migrate repair 1.0.0 (safe)",
            "migrate repair 1.1.0",
            "migrate up | migrate repair 1.2.0 --applied | migrate repair 1.2.0 --not-applied",
            "migrate up | migrate repair 1.3.0 --statement applied | migrate repair 1.3.0 --statement not-applied \
             | migrate repair 1.3.0 --applied | migrate repair 1.3.0 --not-applied",
            "migrate down --to 1.3.0",
            "migrate repair 1.5.0",
            "migrate lock release",
        ]
    );
    snapshot.state.as_mut().unwrap().lock.as_mut().unwrap().live = true;
    assert_eq!(repairs(&snapshot, &assessment).len(), 6);
}
