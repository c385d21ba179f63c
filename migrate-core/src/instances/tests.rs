use super::*;
use crate::plan::plan;
use crate::testing::{DIALECT, registry, snapshot, target};

/// A program of a version whose registry ends with a migration, or is empty.
fn instance(runtime_version: &str, head: &str) -> RunningInstance {
    RunningInstance {
        id: "a".to_owned(),
        runtime_version: runtime_version.to_owned(),
        registry_head: head.parse().ok(),
        registry_digest: String::new(),
        host: "web-1".to_owned(),
        process: 12,
        started_at: "2026-01-01T00:00:00.000Z".to_owned(),
        last_seen_at: "2026-01-01T00:00:30.000Z".to_owned(),
        expires_in_ms: 15_000,
    }
}

fn shown(demand: &Demand) -> String {
    match demand {
        Demand::Nothing => "-".to_owned(),
        Demand::Floor(floor) => format!(">={floor}"),
        Demand::Without(version) => format!("<{version}"),
    }
}

#[track_caller]
fn check(migrations: &str, ledger: &str, towards: &str, expect: &str) {
    let (registry, snapshot) = (registry(migrations), snapshot(ledger));
    let plan = plan(&registry, &snapshot, DIALECT, target(towards)).unwrap();
    let demands: Vec<String> = demands(&registry, &snapshot, &plan).iter().map(shown).collect();
    assert_eq!(demands.join(" "), expect, "{migrations} on [{ledger}] {towards}");
}

#[test]
fn a_step_up_demands_a_minimum_that_is_new() {
    check("1.0.0 1.1.0>=1.5.0 1.2.0", "1.0.0", "latest", ">=1.5.0 -");
    check("1.0.0>=1.5.0 1.1.0>=1.5.0 1.2.0>=1.6.0", "1.0.0>=1.5.0", "latest", "- >=1.6.0");
    check("1.0.0>=2.0.0 1.1.0>=1.5.0", "", "latest", ">=2.0.0 -");
    check("1.0.0>=2.0.0-rc.1 1.1.0>=2.0.0", "", "latest", ">=2.0.0-rc.1 >=2.0.0");
    // A minimum that cannot be read keeps nobody from asking for one.
    check("1.0.0 1.1.0>=1.5.0", "1.0.0>=nonsense", "latest", ">=1.5.0");
}

#[test]
fn a_step_down_demands_to_do_without() {
    check("1.0.0 1.1.0 1.2.0", "1.0.0 1.1.0 1.2.0", "down to 1.0.0", "<1.2.0 <1.1.0");
    // Between the two steps the minimum is not in the ledger.
    check("1.0.0 1.1.0>=1.5.0", "1.0.0 1.1.0>=1.5.0", "redo", "<1.1.0 >=1.5.0");
}

#[test]
fn what_was_begun_is_finished() {
    check("1.0.0 1.1.0>=1.5.0", "1.0.0 1.1.0:applying>=1.5.0", "latest", "-");
    check("1.0.0 1.1.0", "1.0.0 1.1.0:reverting", "down by 1", "-");
    // Changed since, it may ask for more, and then the ledger says so.
    check("1.0.0 1.1.0>=1.6.0", "1.0.0 1.1.0:begun>=1.5.0", "latest", ">=1.6.0");
    check("1.0.0 1.1.0>=1.5.0", "1.0.0 1.1.0:begun>=1.5.0", "latest", "-");
    check("1.0.0 1.1.0>=1.4.0 1.2.0>=1.5.0", "1.0.0 1.1.0:begun>=1.5.0", "latest", "- >=1.5.0");
}

#[test]
fn who_meets_a_demand() {
    let floor = |text: &str| Demand::Floor(Version::parse(text).unwrap());
    let without = |text: &str| Demand::Without(text.parse().unwrap());
    for (demand, runtime, head, meets) in [
        (Demand::Nothing, "0.1.0", "1.0.0", true),
        (floor("2.0.0"), "1.9.9", "1.0.0", false),
        (floor("2.0.0"), "2.0.0-rc.1", "1.0.0", false),
        (floor("2.0.0-0"), "2.0.0-rc.1", "1.0.0", true),
        (floor("2.0.0"), "2.0.0+build", "1.0.0", true),
        (floor("2.0.0"), "unknown", "1.0.0", false),
        (without("1.1.0"), "2.0.0", "1.0.0", true),
        (without("1.1.0"), "2.0.0", "1.1.0", false),
        (without("1.1.0"), "2.0.0", "1.2.0", false),
        (without("1.1.0"), "2.0.0", "", true),
    ] {
        assert_eq!(demand.is_met_by(&instance(runtime, head)), meets, "{demand:?} by {runtime} with {head}");
    }
}

#[test]
fn an_intent_refuses_whom_a_demand_of_the_run_would_break() {
    let demands = [
        Demand::Without("1.2.0".parse().unwrap()),
        Demand::Without("1.1.0".parse().unwrap()),
        Demand::Floor(Version::new(1, 9, 0)),
        Demand::Nothing,
        Demand::Floor(Version::new(1, 10, 0)),
    ];
    let intent = Intent::of(&demands);
    assert_eq!((intent.floor.as_deref(), intent.removal), (Some("1.10.0"), Some(SchemaVersion::new(1, 1, 0))));
    for (runtime, head) in
        [("1.9.9", "1.0.0"), ("1.10.0", "1.0.0"), ("1.10.0", "1.1.0"), ("1.9.9", "1.2.0"), ("2.0.0", "")]
    {
        let refused = intent.refuses(&Version::parse(runtime).unwrap(), head.parse().ok());
        let broken = demands.iter().any(|demand| !demand.is_met_by(&instance(runtime, head)));
        assert_eq!(refused.is_some(), broken, "{runtime} with {head}: {refused:?}");
    }
    assert_eq!(Intent::of(&[Demand::Nothing]), Intent::default());
    assert_eq!(Intent::default().refuses(&Version::new(0, 0, 1), Some(SchemaVersion::new(9, 0, 0))), None);
}

#[test]
fn a_floor_that_cannot_be_read_refuses_everybody() {
    let intent = Intent { floor: Some("nonsense".to_owned()), removal: None };
    assert_eq!(intent.refuses(&Version::new(9, 0, 0), None).unwrap().code, ReasonCode::Intended);
}

#[test]
fn alive_until_it_expires_and_so_much_longer() {
    let expired = RunningInstance { expires_in_ms: -2000, ..instance("1.0.0", "1.0.0") };
    assert!(instance("1.0.0", "1.0.0").is_live(Duration::ZERO));
    assert!(!expired.is_live(Duration::from_secs(2)));
    assert!(expired.is_live(Duration::from_millis(2001)));
    assert!(expired.is_live(Duration::MAX));
}

#[test]
fn findings_in_words() {
    let (registry, before) = (registry("1.0.0 1.1.0"), snapshot("1.0.0"));
    let up = plan(&registry, &before, DIALECT, target("latest")).unwrap().steps.remove(0);
    let floor = Demand::Floor(Version::new(1, 5, 0));
    assert_eq!(
        blocked(&up, &floor, 1).message,
        "migration 1.1.0 `m` needs version 1.5.0 or newer of this program, and 1 older one is running"
    );
    assert_eq!(
        blocked(&up, &Demand::Without(up.version), 3).message,
        "migration 1.1.0 `m` cannot be undone while 3 programs that need it are running"
    );
    assert_eq!(
        instance("1.4.0", "1.0.0").to_string(),
        "version 1.4.0 on host web-1, process 12, since 2026-01-01T00:00:00.000Z, last seen 2026-01-01T00:00:30.000Z"
    );
}
