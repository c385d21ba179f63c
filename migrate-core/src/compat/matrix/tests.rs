use proptest::prelude::*;

use super::*;
use crate::compat::ReasonCode;
use crate::testing::{DIALECT, registry, snapshot};

fn rules(runtime: &str) -> Rules {
    let runtime_version = (!runtime.is_empty()).then(|| runtime.parse().unwrap());
    Rules { runtime_version, allow_out_of_order: false }
}

fn of(migrations: &str, ledger: &str, runtime: &str, further: &str) -> Matrix {
    let further: Vec<Version> = further.split_whitespace().map(|text| text.parse().unwrap()).collect();
    matrix(&registry(migrations), &snapshot(ledger), DIALECT, &rules(runtime), &further)
}

/// A line for the programs, then one for each schema, then one for the database: exit codes and the worst finding.
fn shown(matrix: &Matrix) -> String {
    let program = |program: &Program| {
        let version = program.version.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string);
        format!("{version}{}", if program.own { "*" } else { "" })
    };
    let cell = |verdict: Verdict, reasons: &[Reason]| match reasons.iter().find(|it| it.code.verdict() == verdict) {
        Some(Reason { code, version: Some(version), .. }) if verdict != Verdict::Compatible => {
            format!("{} {}@{version}", verdict.exit_code(), code.as_str())
        }
        _ => verdict.exit_code().to_string(),
    };
    let mut lines = vec![matrix.programs.iter().map(program).collect::<Vec<_>>().join(" | ")];
    for schema in &matrix.schemas {
        let cells = schema.cells.iter().map(|it| cell(it.verdict, &it.reasons)).collect::<Vec<_>>();
        lines.push(format!("{}: {}", schema.version, cells.join(" | ")));
    }
    let database = matrix.database.iter().map(|it| cell(it.verdict, &it.reasons)).collect::<Vec<_>>();
    lines.push(format!("database: {}", database.join(" | ")));
    lines.join("\n")
}

#[track_caller]
fn check(migrations: &str, ledger: &str, runtime: &str, further: &str, expect: &str) {
    let expect: Vec<&str> = expect.trim().lines().map(str::trim).collect();
    assert_eq!(shown(&of(migrations, ledger, runtime, further)), expect.join("\n"));
}

#[test]
fn each_program_is_judged_with_what_it_can_hold() {
    check(
        "1.0.0 1.1.0>=1.1.0 2.0.0>=2.0.0-0",
        "1.0.0 1.1.0>=1.1.0",
        "2.0.0",
        "1.0.0",
        "1.0.0 | 1.1.0 | 2.0.0-0 | 2.0.0*
         1.0.0: 0 | 1 pending@1.1.0 | 1 pending@1.1.0 | 1 pending@1.1.0
         1.1.0: 2 needs_newer_runtime@1.1.0 | 0 | 1 pending@2.0.0 | 1 pending@2.0.0
         2.0.0: 2 needs_newer_runtime@1.1.0 | 2 needs_newer_runtime@2.0.0 | 0 | 0
         database: 2 needs_newer_runtime@1.1.0 | 0 | 1 pending@2.0.0 | 1 pending@2.0.0",
    );
}

#[test]
fn a_ledger_of_a_newer_program_has_rows_and_columns_of_its_own() {
    check(
        "1.0.0",
        "1.0.0 1.5.0 2.0.0>=2.0.0",
        "1.0.0",
        "",
        "1.0.0* | 2.0.0
         1.0.0: 0 | 0
         1.5.0: 0 | 0
         2.0.0: 2 needs_newer_runtime@2.0.0 | 0
         database: 2 needs_newer_runtime@2.0.0 | 0",
    );
}

#[test]
fn without_any_version_there_is_one_program() {
    check("1.0.0 1.1.0", "1.0.0", "", "", "any*\n1.0.0: 1 pending@1.1.0\n1.1.0: 0\ndatabase: 1 pending@1.1.0");
    check("", "", "", "", "any*\ndatabase: 0");
}

#[test]
fn the_program_at_hand_is_judged_with_all_it_holds_and_stands_for_its_precedence() {
    check(
        "1.0.0 1.1.0>=1.1.0",
        "1.0.0",
        "1.0.0+build.7",
        "1.0.0 1.1.0+other",
        "1.0.0+build.7* | 1.1.0
         1.0.0: 1 pending@1.1.0 | 1 pending@1.1.0
         1.1.0: 2 needs_newer_runtime@1.1.0 | 0
         database: 1 pending@1.1.0 | 1 pending@1.1.0",
    );
}

#[test]
fn only_the_row_of_the_database_knows_what_is_half_way_or_out_of_order() {
    check(
        "1.0.0 1.1.0 1.2.0",
        "1.0.0 1.2.0:applying",
        "1.0.0",
        "",
        "1.0.0*
         1.0.0: 1 pending@1.1.0
         1.1.0: 1 pending@1.2.0
         1.2.0: 0
         database: 1 pending@1.1.0",
    );
}

#[test]
fn a_cell_has_one_reason_of_each_kind() {
    let matrix = of("1.0.0 1.1.0 1.2.0", "", "1.0.0", "");
    let reasons = &matrix.schemas[0].cells[0].reasons;
    assert_eq!((reasons.len(), reasons[0].code), (1, ReasonCode::Pending));
    assert_eq!(matrix.database[0].reasons.len(), 3);
}

#[test]
fn the_minimums_are_those_of_the_ledger_where_it_has_them() {
    let matrix = of("1.0.0>=1.0.0 1.1.0>=1.1.0", "1.0.0>=0.9.0", "1.2.0", "");
    let shown = |it: &Minimum| format!("{} {} {}", it.version, it.state, it.min_runtime_version);
    let minimums: Vec<String> = matrix.minimums.iter().map(shown).collect();
    assert_eq!(minimums, ["1.0.0 applied 0.9.0", "1.1.0 pending 1.1.0"]);
}

const PROGRAMS: [&str; 7] = ["0.9.0", "1.0.0", "1.1.0-rc.1", "1.1.0", "2.0.0-0", "2.0.0", "3.0.0"];

/// Words of the tests' language, a migration each, sorted by version.
fn words(status: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let minimum = prop::option::weighted(0.4, prop::sample::select(&PROGRAMS[..]));
    let word = (prop::sample::select(status), minimum).prop_map(|(status, minimum)| {
        format!("{status}{}", minimum.map(|minimum| format!(">={minimum}")).unwrap_or_default())
    });
    let versions = prop::collection::btree_map((1..4_u64, 0..3_u64), word, 0..5);
    versions.prop_map(|all| all.into_iter().map(|((major, minor), word)| format!("{major}.{minor}.0{word}")).collect())
}

fn version_of(word: &str) -> SchemaVersion {
    word.split([':', '>', '!']).next().unwrap().parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every cell is what `judge` says of a registry and a ledger that are written out for it.
    #[test]
    fn every_cell_is_a_judgement(
        migrations in words(&[""]),
        ledger in words(&["", ":baseline", ":edited", ":spaced", ":applying", ":reverting"]),
        own in prop::option::of(prop::sample::select(&PROGRAMS[..])),
        further in prop::collection::vec(prop::sample::select(&PROGRAMS[..]), 0..3),
    ) {
        let (set, database) = (migrations.join(" "), ledger.join(" "));
        let matrix = of(&set, &database, own.unwrap_or_default(), &further.join(" "));

        let mut rows: Vec<SchemaVersion> = migrations.iter().chain(&ledger).map(|word| version_of(word)).collect();
        rows.sort_unstable();
        rows.dedup();
        prop_assert_eq!(matrix.schemas.iter().map(|schema| schema.version).collect::<Vec<_>>(), rows);
        prop_assert_eq!(&matrix.own, &judge(&registry(&set), &snapshot(&database), DIALECT, &rules(own.unwrap_or_default())));

        let asked = matrix.minimums.iter().map(|it| it.min_runtime_version.as_str());
        let mut columns: Vec<&str> = asked.chain(own).chain(further.iter().copied()).collect();
        columns.sort_by_key(|text| PROGRAMS.iter().position(|it| it == text));
        columns.dedup();
        let found = matrix.programs.iter().filter_map(|program| Some(program.version.as_ref()?.to_string()));
        prop_assert_eq!(found.collect::<Vec<_>>(), columns);

        for (column, program) in matrix.programs.iter().enumerate() {
            let text = program.version.as_ref().map(ToString::to_string).unwrap_or_default();
            let rank = |text: &str| PROGRAMS.iter().position(|it| *it == text);
            let above = |word: &String| word.split_once(">=").is_some_and(|(_, minimum)| rank(minimum) > rank(&text));
            let end = if program.own { None } else { migrations.iter().position(above) };
            let held = registry(&migrations[..end.unwrap_or(migrations.len())].join(" "));
            let judged = |ledger: &str| judge(&held, &snapshot(ledger), DIALECT, &rules(&text));
            prop_assert_eq!(&matrix.database[column], &judged(&database));
            for schema in &matrix.schemas {
                let applied = ledger.iter().map(|word| word.replace(":applying", "").replace(":reverting", ""));
                let rest = migrations.iter().filter(|word| ledger.iter().all(|row| version_of(row) != version_of(word)));
                let all = applied.chain(rest.cloned()).filter(|word| version_of(word) <= schema.version);
                let expected = judged(&all.collect::<Vec<_>>().join(" "));
                let cell = &schema.cells[column];
                prop_assert_eq!(cell.verdict, expected.verdict);
                for code in ReasonCode::ALL {
                    let first = expected.reasons.iter().find(|reason| reason.code == *code);
                    prop_assert_eq!(cell.reasons.iter().find(|reason| reason.code == *code), first);
                }
            }
        }
    }

    /// What a program cannot work with does not get better by adding to it, and a newer program meets every minimum that an
    /// older one meets.
    #[test]
    fn incompatibility_only_grows_with_the_schema_and_minimums_only_shrink_with_the_program(
        migrations in words(&[""]),
        ledger in words(&["", ":edited"]),
        own in prop::sample::select(&PROGRAMS[..]),
    ) {
        let matrix = of(&migrations.join(" "), &ledger.join(" "), own, &PROGRAMS.join(" "));
        let too_old = |cell: &Cell| cell.reasons.iter().any(|reason| reason.code == ReasonCode::NeedsNewerRuntime);
        for column in 0..matrix.programs.len() {
            let verdicts = matrix.schemas.iter().map(|schema| schema.cells[column].verdict == Verdict::Incompatible);
            prop_assert!(verdicts.collect::<Vec<_>>().is_sorted());
        }
        for schema in &matrix.schemas {
            prop_assert!(schema.cells.iter().map(|cell| !too_old(cell)).collect::<Vec<_>>().is_sorted());
        }
    }
}
