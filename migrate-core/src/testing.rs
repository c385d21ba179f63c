//! Registries and snapshots from one line of text, for the tests of verdict and plan; mutations of text, for the tests of
//! readers.

use std::borrow::Cow;

use proptest::prelude::*;

use crate::checksum::{ALGORITHM, Checksum};
use crate::diagnostic::Diagnostic;
use crate::fingerprint::Fingerprint;
use crate::ledger::{FORMAT, LedgerRow, LockHolder, OLDEST_READER, Snapshot, State, Status, Summary};
use crate::migration::{Dialect, Migration, Phase, Role, Script, Settings};
use crate::plan::{Plan, Target};
use crate::registry::Registry;
use crate::replaced::{self, Replaced};

/// The dialect of these tests.
pub(crate) const DIALECT: Dialect = Dialect::Sqlite;

/// A registry of versions separated by spaces. `1.0.0!` has no down script, `1.0.0>=2.0.0` a minimum; `1.0.0e` expands,
/// `1.0.0c` contracts. `1.1.0=1.0.0>2.0.0,1.1.0` was squashed of two, of which the first has a minimum; `1.2.0=1.1.0s,1.2.0|...`
/// of one that was squashed before, and of what that one had replaced.
pub(crate) fn registry(text: &str) -> Registry {
    let migrations = text.split_whitespace().map(|word| {
        let (word, replaces) = word.split_once('=').filter(|(word, _)| !word.ends_with('>')).unwrap_or((word, ""));
        let (word, floor) = word.split_once(">=").map_or((word, None), |(word, floor)| (word, Some(floor.to_owned())));
        let (word, phase) = match word.strip_suffix('e') {
            Some(word) => (word, Some(Phase::Expand)),
            None => word.strip_suffix('c').map_or((word, None), |word| (word, Some(Phase::Contract))),
        };
        let (version, irreversible) = word.strip_suffix('!').map_or((word, false), |version| (version, true));
        let up = if replaces.is_empty() { up_of(version) } else { squashed_of(version) };
        let mut scripts = vec![Script::new(Role::Up, None, up)];
        if !irreversible {
            scripts.push(Script::new(Role::Down, None, format!("DROP TABLE t{version}")));
        }
        let min_runtime_version = floor.map(Cow::Owned);
        let replaces = replaced::text(&replaced_of(replaces));
        let settings = Settings { min_runtime_version, phase, replaces, ..Settings::DEFAULT };
        Migration::from_parts(version.parse().unwrap(), "m".into(), settings, Cow::Owned(vec![]), Cow::Owned(scripts))
    });
    let migrations = Cow::Owned(migrations.collect());
    Registry::from_parts(Some("app".into()), "migrations_v2".into(), None, Checksum::of(""), migrations)
}

fn replaced_of(text: &str) -> Vec<Vec<Replaced>> {
    let one = |word: &str| {
        let (word, minimum) = word.split_once('>').map_or((word, None), |(word, minimum)| (word, Some(minimum)));
        let up = word.strip_suffix('s').map_or_else(|| up_of(word), squashed_of);
        Replaced {
            version: word.trim_end_matches('s').parse().unwrap(),
            name: "m".to_owned(),
            checksums: [Some(Checksum::of(&up)); 2],
            min_runtime_version: minimum.map(str::to_owned),
        }
    };
    let generations = text.split('|').filter(|generation| !generation.is_empty());
    generations.map(|generation| generation.split(',').map(one).collect()).collect()
}

/// A snapshot of ledger rows separated by spaces: `1.0.0` is applied unchanged, `1.0.0:applying` has that status,
/// `1.0.0:edited` was applied with another script, `1.0.0:squashed` with that of a squashed migration, `1.0.0:spaced` with other white space, `1.0.0>=2.0.0` recorded a
/// minimum, `1.0.0!` stored no down script; `1.0.0:applying?` stands at a part of which nothing tells whether it took
/// effect; `1.0.0:begun` is `applying` with another script, of which nothing is done. A word of `-` gives an empty ledger, no word no tables.
pub(crate) fn snapshot(text: &str) -> Snapshot {
    let state = State {
        format: FORMAT,
        oldest_reader: OLDEST_READER,
        registry_name: Some("app".to_owned()),
        checksum_algorithm: ALGORITHM.to_owned(),
        fence: 0,
        lock: None,
    };
    let mut rows: Vec<LedgerRow> = text.split_whitespace().filter(|word| *word != "-").map(row).collect();
    rows.sort_by_key(|row| row.version);
    Snapshot { state: (!text.is_empty()).then_some(state), rows }
}

fn row(word: &str) -> LedgerRow {
    let (word, floor) = word.split_once(">=").map_or((word, None), |(word, floor)| (word, Some(floor.to_owned())));
    let (word, has_down) = word.strip_suffix('!').map_or((word, true), |word| (word, false));
    let (word, uncertain) = word.strip_suffix('?').map_or((word, false), |word| (word, true));
    let (version, status) = word.split_once(':').unwrap_or((word, "applied"));
    let up_sql = match status {
        "edited" | "begun" => "SELECT 2".to_owned(),
        "squashed" => squashed_of(version),
        "spaced" => format!("  {} -- note", up_of(version)),
        _ => up_of(version),
    };
    LedgerRow {
        version: version.parse().unwrap(),
        name: "m".to_owned(),
        checksum: Checksum::of(&up_sql).to_string(),
        applied_at: "2026-01-01T00:00:00.000Z".to_owned(),
        runtime_version: None,
        execution_time_ms: 1,
        status: match status {
            "begun" => Status::Applying,
            _ => status.parse().unwrap_or(Status::Applied),
        },
        min_runtime_version: floor,
        progress: if status == "begun" { 0 } else { 3 },
        attempted: if uncertain { 4 } else { 0 },
        up_sql: Some(up_sql),
        has_down,
    }
}

fn squashed_of(version: &str) -> String {
    format!("CREATE TABLE \"s{version}\" (id INTEGER)")
}

fn up_of(version: &str) -> String {
    format!("CREATE TABLE \"t{version}\" (id INTEGER)")
}

/// A target in words: `latest`, `up to 1.0.0`, `up by 2`, `expand`, `contract`, `down to 1.0.0`, `down by 1`, `down all`, `redo`.
pub(crate) fn target(text: &str) -> Target {
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["latest"] => Target::Latest,
        ["up", "to", version] => Target::UpTo(version.parse().unwrap()),
        ["up", "by", count] => Target::UpBy(count.parse().unwrap()),
        ["expand"] => Target::Phase(Phase::Expand),
        ["contract"] => Target::Phase(Phase::Contract),
        ["down", "to", version] => Target::DownTo(version.parse().unwrap()),
        ["down", "by", count] => Target::DownBy(count.parse().unwrap()),
        ["down", "all"] => Target::DownAll,
        ["redo"] => Target::Redo,
        _ => panic!("`{text}` is no target"),
    }
}

/// What a start reads of a ledger; `None` when there are no tables.
pub(crate) fn summary(snapshot: &Snapshot) -> Option<Summary> {
    let mut fingerprint = Fingerprint::default();
    for row in &snapshot.rows {
        let minimum = row.min_runtime_version.as_deref();
        fingerprint.add(&row.version.to_string(), &row.checksum, minimum, row.status.as_str());
    }
    let state = snapshot.state.as_ref()?;
    Some(Summary {
        oldest_reader: state.oldest_reader,
        registry_name: state.registry_name.clone(),
        checksum_algorithm: state.checksum_algorithm.clone(),
        fingerprint: fingerprint.value(),
    })
}

/// A run that is at work.
pub(crate) fn holder() -> LockHolder {
    LockHolder {
        owner: "ann".to_owned(),
        host: "a".to_owned(),
        process: 7,
        acquired_at: "2026-01-01T00:00:00.000Z".to_owned(),
        expires_at: None,
        backend: None,
        live: true,
    }
}

/// What the ledger holds once a plan is executed.
pub(crate) fn execute(snapshot: &Snapshot, plan: &Plan) -> Snapshot {
    let mut after = snapshot.clone();
    for step in &plan.steps {
        after.rows.retain(|row| row.version != step.version);
        if step.direction == crate::plan::Direction::Up {
            after.rows.push(row(&step.version.to_string()));
        }
    }
    after.rows.sort_by_key(|row| row.version);
    after
}

/// A text with up to four parts of it removed, doubled or replaced.
pub(crate) fn mutated(text: String) -> impl Strategy<Value = String> {
    let part = prop_oneof!["[\\PC\n\r\t]{0,4}", r#"[{}\[\]",:= #\\/0-9a-fnrtu.*<>-]{0,4}"#];
    let change = (any::<prop::sample::Index>(), 0_usize..12, part);
    prop::collection::vec(change, 0..=4).prop_map(move |changes| {
        let mut text = text.clone();
        for (at, length, new) in changes {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, &new);
        }
        text
    })
}

/// The place of a diagnostic lies inside its file.
pub(crate) fn is_inside(diagnostic: &Diagnostic, text: &str) -> bool {
    let line = text.split('\n').nth(diagnostic.line - 1);
    let fits = line.is_some_and(|line| diagnostic.column <= line.chars().count() + 1);
    let is_shown = diagnostic.excerpt.as_ref().is_none_or(|excerpt| {
        let is_same = |(shown, written)| shown == written || shown == '*';
        line.map(|line| line.strip_suffix('\r').unwrap_or(line)).is_some_and(|line| {
            line.chars().count() == excerpt.text.chars().count() && excerpt.text.chars().zip(line.chars()).all(is_same)
        }) && excerpt.text.get(excerpt.span.clone()).is_some()
    });
    // Rendering must not panic either.
    fits && is_shown && !diagnostic.render().is_empty()
}
