//! Every small combination, judged a second time by a list of rules that knows neither registry nor ledger.

use std::collections::BTreeMap;

use super::*;
use crate::testing::{DIALECT, holder, registry, snapshot};

/// Versions of programs and minimums, lowest precedence first: two of the same rank compare equal.
const RUNTIMES: [(&str, usize); 6] =
    [("1.9.9", 0), ("2.0.0-alpha", 1), ("2.0.0-rc.1", 2), ("2.0.0", 3), ("2.0.0+build.7", 3), ("2.0.1-0", 4)];

/// Where a migration stands, in the words of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Is {
    Absent,
    Pending,
    Applied,
    Baseline,
    Commented,
    Changed,
    Unknown,
    Applying,
    Reverting,
    ApplyingChanged,
    ApplyingMended,
    ApplyingUnknown,
}

impl Is {
    const ALL: [Self; 12] = [
        Self::Absent,
        Self::Pending,
        Self::Applied,
        Self::Baseline,
        Self::Commented,
        Self::Changed,
        Self::Unknown,
        Self::Applying,
        Self::Reverting,
        Self::ApplyingChanged,
        Self::ApplyingMended,
        Self::ApplyingUnknown,
    ];

    fn is_known(self) -> bool {
        !matches!(self, Self::Absent | Self::Unknown | Self::ApplyingUnknown)
    }

    fn is_unfinished(self) -> bool {
        matches!(
            self,
            Self::Applying | Self::Reverting | Self::ApplyingChanged | Self::ApplyingMended | Self::ApplyingUnknown
        )
    }

    fn is_in_the_ledger(self) -> bool {
        !matches!(self, Self::Absent | Self::Pending)
    }

    fn row(self, version: &str, floor: &str) -> LedgerRow {
        let status = match self {
            Self::Baseline => ":baseline",
            Self::Commented => ":spaced",
            Self::Changed => ":edited",
            Self::Applying | Self::ApplyingChanged | Self::ApplyingMended | Self::ApplyingUnknown => ":applying",
            Self::Reverting => ":reverting",
            _ => "",
        };
        let mut row = snapshot(&format!("{version}{status}{floor}")).rows.remove(0);
        if matches!(self, Self::ApplyingChanged | Self::ApplyingMended) {
            row.checksum = "0".repeat(64);
            row.up_sql = Some("SELECT 2".to_owned());
        }
        if self == Self::ApplyingMended {
            row.progress = 0;
        }
        row
    }
}

/// One migration, as far as the verdict depends on it.
#[derive(Clone, Copy, Debug)]
struct Fact {
    major: u64,
    minor: u64,
    is: Is,
    /// The rank of the minimum that its row records.
    floor: Option<usize>,
}

/// What the verdict depends on beside the migrations.
#[derive(Clone, Copy, Debug)]
struct Around {
    /// The rank of the program's version.
    runtime: Option<usize>,
    out_of_order: bool,
    live: bool,
}

type Rule = (u8, &'static str, fn(&Fact, &[Fact], Around) -> bool);

/// Section "compatibility" of the design, a line each: exit code, reason, and when.
const RULES: [Rule; 10] = [
    (2, "needs_newer_runtime", |it, _, around| {
        it.is.is_in_the_ledger() && around.runtime.is_some_and(|ours| it.floor.is_some_and(|needed| needed > ours))
    }),
    (2, "changed", |it, _, _| it.is == Is::Changed),
    (2, "out_of_order", |it, all, around| it.is == Is::Pending && !around.out_of_order && is_below_an_applied(it, all)),
    (2, "interrupted_for_good", |it, _, around| {
        !around.live && matches!(it.is, Is::ApplyingChanged | Is::ApplyingUnknown)
    }),
    (2, "unknown_major", |it, all, _| it.is == Is::Unknown && it.floor.is_none() && it.major > major_of_registry(all)),
    (1, "pending", |it, all, around| it.is == Is::Pending && (around.out_of_order || !is_below_an_applied(it, all))),
    (1, "interrupted", |it, _, around| {
        !around.live && matches!(it.is, Is::Applying | Is::Reverting | Is::ApplyingMended)
    }),
    (1, "in_progress", |it, _, around| around.live && it.is.is_unfinished() && it.is != Is::ApplyingUnknown),
    (0, "changed_in_comments", |it, _, _| it.is == Is::Commented),
    (0, "unknown", |it, all, around| match it.is {
        Is::ApplyingUnknown => around.live,
        Is::Unknown => it.floor.is_some() || it.major <= major_of_registry(all),
        _ => false,
    }),
];

fn is_below_an_applied(it: &Fact, all: &[Fact]) -> bool {
    all.iter().any(|other| {
        let above = (other.major, other.minor) > (it.major, it.minor);
        above && other.is.is_in_the_ledger() && !other.is.is_unfinished()
    })
}

fn major_of_registry(all: &[Fact]) -> u64 {
    all.iter().filter(|it| it.is.is_known()).map(|it| it.major).max().unwrap_or(0)
}

/// Judges all combinations of `states` and `floors` over `versions` with the real judge and with the rules above.
/// Gives back how many there were.
fn compare(versions: &[(u64, u64)], states: &[Is], floors: &[Option<usize>], arounds: &[(Around, Rules)]) -> usize {
    let named = |(major, minor): (u64, u64)| format!("{major}.{minor}.0");
    let written = |floor: Option<usize>| {
        floor.map_or_else(String::new, |rank| format!(">={}", RUNTIMES.iter().find(|it| it.1 == rank).unwrap().0))
    };
    // Every fact that a version may be, with its row.
    let mut choices: Vec<Vec<(Fact, Option<LedgerRow>)>> = Vec::new();
    for &(major, minor) in versions {
        let mut of_version = Vec::new();
        for &is in states {
            for &floor in floors {
                if is.is_in_the_ledger() {
                    let row = is.row(&named((major, minor)), &written(floor));
                    of_version.push((Fact { major, minor, is, floor }, Some(row)));
                } else if floor == floors[0] {
                    of_version.push((Fact { major, minor, is, floor: None }, None));
                }
            }
        }
        choices.push(of_version);
    }
    let mut registries: BTreeMap<String, Registry> = BTreeMap::new();
    let total: usize = choices.iter().map(Vec::len).product();
    for number in 0..total {
        let (mut left, mut facts, mut held) = (number, Vec::new(), String::new());
        let mut database = snapshot("-");
        for of_version in &choices {
            let (fact, row) = &of_version[left % of_version.len()];
            left /= of_version.len();
            facts.push(*fact);
            database.rows.extend(row.clone());
            if fact.is.is_known() {
                held += &format!("{} ", named((fact.major, fact.minor)));
            }
        }
        let registry = registries.entry(held).or_insert_with_key(|held| registry(held));
        for (around, rules) in arounds {
            database.state.as_mut().unwrap().lock = around.live.then(holder);
            check(registry, &database, rules, &facts, *around);
        }
    }
    total * arounds.len()
}

fn check(registry: &Registry, database: &Snapshot, rules: &Rules, facts: &[Fact], around: Around) {
    let mut expected: Vec<(u8, &str, u64, u64)> = Vec::new();
    for (exit, code, applies) in RULES {
        let found = facts.iter().filter(|it| applies(it, facts, around));
        expected.extend(found.map(|it| (exit, code, it.major, it.minor)));
    }
    let assessment = judge(registry, database, DIALECT, rules);
    let found = assessment.reasons.iter().map(|reason| {
        let version = reason.version.unwrap();
        (reason.code.verdict().exit_code(), reason.code.as_str(), version.major, version.minor)
    });
    let mut found: Vec<(u8, &str, u64, u64)> = found.collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "{facts:?} {around:?}");
    let worst = expected.iter().map(|it| it.0).max().unwrap_or(0);
    assert_eq!(assessment.verdict.exit_code(), worst, "{facts:?} {around:?}");
}

fn around(runtime: Option<(&str, usize)>, out_of_order: bool, live: bool) -> (Around, Rules) {
    let version = runtime.map(|(text, _)| Version::parse(text).unwrap());
    let rules = Rules { runtime_version: version, allow_out_of_order: out_of_order };
    (Around { runtime: runtime.map(|(_, rank)| rank), out_of_order, live }, rules)
}

/// Up to four migrations over two MAJORs, each with and without a minimum, as every version of the program.
#[test]
fn the_verdict_over_all_combinations_of_four_migrations() {
    let arounds: Vec<_> = RUNTIMES.map(Some).into_iter().chain([None]).map(|it| around(it, false, false)).collect();
    let states = [Is::Pending, Is::Applied, Is::Changed, Is::Unknown, Is::Applying];
    let floors = [None, Some(2), Some(3)];
    let versions = [(1, 0), (1, 10), (2, 0), (2, 1)];
    let number: usize = (0..=4).map(|count| compare(&versions[..count], &states, &floors, &arounds)).sum();
    assert_eq!(number, 7 * (0..=4).map(|count| 13_usize.pow(count)).sum::<usize>());
}

/// Every state there is, with a live lock and without, in and out of order.
#[test]
fn the_verdict_over_all_states_of_three_migrations() {
    let mut arounds = Vec::new();
    for runtime in [None, Some(RUNTIMES[1]), Some(RUNTIMES[3])] {
        for (out_of_order, live) in [(false, false), (false, true), (true, false), (true, true)] {
            arounds.push(around(runtime, out_of_order, live));
        }
    }
    let number = compare(&[(1, 0), (1, 1), (2, 0)], &Is::ALL, &[None, Some(2)], &arounds);
    assert_eq!(number, 22_usize.pow(3) * 12);
}
