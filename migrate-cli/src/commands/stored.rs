//! Down scripts that the database keeps: they are shown before they are run, since they are not part of what was released.

use migrate_runtime::{Direction, Origin, Plan, SchemaVersion, StoredScript};

use crate::config::Session;
use crate::error::Error;

/// The stored scripts that a plan would run, in its order.
pub(super) fn scripts(plan: &Plan, session: &mut Session) -> Result<Vec<StoredScript>, Error> {
    let stored = plan.steps.iter().filter(|step| step.origin == Origin::Ledger);
    let versions: Vec<SchemaVersion> = stored.map(|step| step.version).collect();
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    Ok(session.migrator.stored_scripts(&mut session.database, &versions).wait()?)
}

/// The scripts as they are shown to whoever is to confirm them.
pub(super) fn shown(scripts: &[StoredScript], plan: &Plan) -> String {
    let versions: Vec<String> = scripts.iter().map(|script| script.version.to_string()).collect();
    let mut parts = vec![format!(
        "to be undone by scripts that the database has stored, which are no part of this set: {}",
        versions.join(", ")
    )];
    parts.extend(scripts.iter().map(|script| {
        let name = plan.steps.iter().find(|step| step.version == script.version).map_or("", |step| &*step.name);
        format!("-- {} {} {name}: stored in the ledger\n{}", Direction::Down, script.version, harmless(&script.sql))
    }));
    parts.join("\n\n")
}

/// A script whose control characters do nothing to a terminal: whoever writes the ledger does not write what is seen.
pub(super) fn harmless(sql: &str) -> String {
    let plain = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    let show = |character: char| if plain(character) { character } else { char::REPLACEMENT_CHARACTER };
    sql.replace("\r\n", "\n").trim_end().chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_cannot_hide_from_a_terminal() {
        let hidden = "DROP TABLE a;\r\n-- \u{1b}[1A\u{1b}[2K\rSELECT 1;\n\tSELECT '\u{9b}2J';\n\n";
        assert_eq!(
            harmless(hidden),
            "DROP TABLE a;\n-- \u{fffd}[1A\u{fffd}[2K\u{fffd}SELECT 1;\n\tSELECT '\u{fffd}2J';"
        );
    }
}
