//! A migration that was interrupted outside a transaction: what of it is done, whether a run may go on with it, and which ways
//! there are out of it.
//!
//! Its script was cut into parts (the segments of [`sql`]), of which the ledger counts the finished ones. Whoever finds that
//! the next one is wrong mends it: a run goes on with a changed script as long as every part that was begun is still there,
//! comments and white space aside.

use crate::ledger::{LedgerRow, Status};
use crate::migration::{Dialect, Migration, Role};
use crate::sql;

/// An unfinished row, beside what a registry holds of its migration.
pub(crate) struct Interruption<'a> {
    row: &'a LedgerRow,
    /// The up script that was begun, where it is known.
    begun: Option<&'a str>,
    dialect: Dialect,
    /// Whether a run may go on with the registry's up script.
    pub(crate) resumption: Resumption,
}

/// How the registry's up script stands to the one that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumption {
    /// It is the same, but for comments and white space at most.
    Same,
    /// It was changed, and not in what was begun.
    ChangedBehind,
    /// It was changed in what was begun, first in the part of this number; or nobody knows what was begun.
    ChangedWithin(u32),
    /// The registry does not hold the migration.
    Unknown,
}

impl<'a> Interruption<'a> {
    pub(crate) fn of(row: &'a LedgerRow, migration: Option<&'a Migration>, dialect: Dialect) -> Self {
        let script = migration.and_then(|migration| migration.script(Role::Up, dialect));
        let same = script.filter(|script| script.checksum.to_string() == row.checksum);
        let begun = same.map(|script| &*script.sql).or(row.up_sql.as_deref());
        let resumption = match (script, begun) {
            (None, _) => Resumption::Unknown,
            (Some(script), Some(begun)) if sql::same_substance(begun, &script.sql, dialect) => Resumption::Same,
            // Once it is undone nothing is left to go on with.
            (Some(script), Some(begun)) if row.status == Status::Applying => {
                match changed_part(begun_parts(row), begun, &script.sql, dialect) {
                    Some(part) => Resumption::ChangedWithin(part),
                    None => Resumption::ChangedBehind,
                }
            }
            (Some(_), _) => Resumption::ChangedWithin(1),
        };
        Self { row, begun, dialect, resumption }
    }

    /// What it is, as a sentence for people.
    pub(crate) fn message(&self) -> String {
        let LedgerRow { version, status, .. } = self.row;
        let interrupted = format!("migration {version} was interrupted while {status}");
        match self.resumption {
            Resumption::Same => interrupted,
            Resumption::ChangedBehind => match begun_parts(self.row) {
                0 => format!("{interrupted}, and its script was changed since; nothing of it is done"),
                parts => format!("{interrupted}, and its script was changed since, behind its part {parts}"),
            },
            Resumption::ChangedWithin(_) if *status == Status::Reverting => {
                format!("{interrupted}, and its script was changed since")
            }
            Resumption::ChangedWithin(part) => {
                format!("{interrupted}, and its script was changed since in what was begun: {}", self.parts(part, part))
            }
            Resumption::Unknown => format!("{interrupted}, and this program does not hold it"),
        }
    }

    /// Every way out of it.
    pub(crate) fn ways(&self) -> String {
        let repair = format!("migrate repair {}", self.row.version);
        if self.row.status == Status::Reverting {
            return format!(
                "`migrate down` finishes undoing it, with any program, by the script that the ledger keeps; or do what is \
                 left of that by hand, then say `{repair} --not-applied`"
            );
        }
        let (finished, begun) = (self.row.progress, begun_parts(self.row));
        let first = match self.resumption {
            Resumption::Same | Resumption::ChangedBehind if begun == 0 => {
                "finish it with `migrate up`; if a statement is wrong, mend it in the script first".to_owned()
            }
            Resumption::Same | Resumption::ChangedBehind => format!(
                "finish it with `migrate up`; if a statement is wrong, mend it in the script first, where only {} must stay as \
                 begun",
                self.parts(1, begun)
            ),
            Resumption::ChangedWithin(part) if part > finished => format!(
                "if {} had no effect, say `{repair} --statement not-applied` and run `migrate up`; if it had, put it back as \
                 begun, say `{repair} --statement applied` and run `migrate up`",
                self.parts(part, part)
            ),
            Resumption::ChangedWithin(_) => format!(
                "put {} back as begun, whatever follows, and run `migrate up` (`migrate diff` shows what differs)",
                self.parts(1, begun)
            ),
            Resumption::Unknown => "run `migrate up` with a program that holds it".to_owned(),
        };
        let not_applied = match begun {
            0 => format!("say `{repair} --not-applied`, since nothing of it is done"),
            _ if begun > finished => {
                format!("undo by hand whatever {} did, then say `{repair} --not-applied`", self.parts(1, begun))
            }
            _ => format!("undo by hand what {} did, then say `{repair} --not-applied`", self.parts(1, finished)),
        };
        format!("{first}; or {not_applied}; or do the rest by hand, then say `{repair} --applied`")
    }

    /// Parts of the script that was begun, with their lines in it where they can be told.
    fn parts(&self, first: u32, last: u32) -> String {
        let parts = match first == last {
            true => format!("part {first}"),
            false => format!("parts {first} to {last}"),
        };
        let segments = self.begun.and_then(|sql| Some((sql, sql::segments(sql, self.dialect).ok()?)));
        let lines = segments.and_then(|(sql, segments)| {
            let segment = |number: u32| segments.get(usize::try_from(number).ok()?.checked_sub(1)?);
            let line = |offset| sql::line_column(sql, offset).0;
            Some((line(segment(first)?.start), line(segment(last)?.end)))
        });
        match lines {
            None => parts,
            Some((first, last)) if first == last => format!("{parts} (line {first})"),
            Some((first, last)) => format!("{parts} (lines {first} to {last})"),
        }
    }
}

/// How many parts were begun: the finished ones, and one behind them if nobody saw how it ended.
const fn begun_parts(row: &LedgerRow) -> u32 {
    if row.attempted > row.progress { row.attempted } else { row.progress }
}

/// The first of the parts that were begun which another script does not have, or has otherwise.
fn changed_part(parts: u32, begun: &str, script: &str, dialect: Dialect) -> Option<u32> {
    let (Ok(before), Ok(after)) = (sql::segments(begun, dialect), sql::segments(script, dialect)) else {
        return Some(1);
    };
    (1..=parts).zip(0..).find_map(|(number, index)| {
        let (before, after): (Option<&sql::Segment>, _) = (before.get(index), after.get(index));
        let same = before.zip(after).is_some_and(|(before, after)| {
            sql::same_substance(&begun[before.start..before.end], &script[after.start..after.end], dialect)
        });
        (!same).then_some(number)
    })
}

#[cfg(test)]
mod tests;
