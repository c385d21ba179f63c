//! What a non-transactional migration is run as.

use super::classify::{self, Words};
use super::{Bare, Kind, Problem, Script, SqlError, Statement, pragma_outside_transaction};
use crate::migration::Dialect;

/// A part of a script that is run, recorded and, on resume, skipped or replayed as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first byte of its first statement, the `BEGIN` of a group included.
    pub start: usize,
    /// The byte after its last statement, the `COMMIT` of a group included.
    pub end: usize,
    /// How it is run.
    pub kind: SegmentKind,
    /// Its statements, those of a group without the `BEGIN` and the `COMMIT`.
    pub statements: Vec<Statement>,
}

impl Segment {
    /// The statements to run again on a new connection once this segment is finished, because what they set in the
    /// session is gone.
    ///
    /// A group may set session state too, and it outlives the `COMMIT`. A pragma that had no effect there is left out:
    /// outside a transaction it would have one, and `foreign_keys = ON` before a rebuild deletes rows.
    pub fn replayed(&self, sql: &str) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(move |statement| {
            let inert = self.kind == SegmentKind::Group && pragma_outside_transaction(statement.text(sql)).is_some();
            statement.kind == Kind::Session && !inert
        })
    }
}

/// How a segment is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SegmentKind {
    /// One statement, run as `BEGIN`, statement, progress, `COMMIT`.
    Transactional,
    /// The script's own `BEGIN … COMMIT`; the progress is written before the `COMMIT`.
    Group,
    /// One statement that cannot run inside a transaction.
    Bare(Bare),
    /// One statement that sets session state: run outside a transaction, and replayed on resume.
    Session,
}

/// The segments of a script, in order.
///
/// # Errors
///
/// What [`statements`](super::statements) refuses; `BEGIN` without `COMMIT` and the other way round; `ROLLBACK`,
/// `AND CHAIN` and two-phase commit anywhere; a savepoint outside a group; in a group, a statement that cannot run in a
/// transaction.
pub fn segments(sql: &str, dialect: Dialect) -> Result<Vec<Segment>, SqlError> {
    in_script(&Script::read(sql, dialect)?)
}

/// See [`Script::segments`].
pub(super) fn in_script(script: &Script<'_>) -> Result<Vec<Segment>, SqlError> {
    let mut segments = Vec::new();
    let mut group: Option<(Statement, Segment)> = None;
    for &statement in script.statements() {
        let refuse = |problem| Err(at(statement, problem));
        if let Some(problem) = never(statement.kind, script.words(&statement)) {
            return refuse(problem);
        }
        match (statement.kind, &mut group) {
            (Kind::Begin, None) => group = Some((statement, single(statement, SegmentKind::Group))),
            (Kind::Begin, Some(_)) => return refuse(Problem::NestedBegin),
            (Kind::Commit, _) => match group.take() {
                None => return refuse(Problem::CommitWithoutBegin),
                Some((_, segment)) => segments.push(Segment { end: statement.end, ..segment }),
            },
            (Kind::Bare(bare), Some(_)) => return refuse(Problem::BareInGroup(bare)),
            (_, Some((_, segment))) => segment.statements.push(statement),
            (Kind::Savepoint, None) => return refuse(Problem::SavepointOutsideGroup),
            (Kind::Bare(bare), None) => segments.push(single(statement, SegmentKind::Bare(bare))),
            (Kind::Session, None) => segments.push(single(statement, SegmentKind::Session)),
            (_, None) => segments.push(single(statement, SegmentKind::Transactional)),
        }
    }
    match group {
        Some((begin, _)) => Err(at(begin, Problem::BeginWithoutCommit)),
        None => Ok(segments),
    }
}

/// What has no place in a migration, inside a group or not.
fn never(kind: Kind, words: Words<'_>) -> Option<Problem> {
    match kind {
        Kind::Rollback => Some(Problem::Rollback),
        Kind::Commit if classify::is_chain(words) => Some(Problem::Chain),
        Kind::Savepoint if classify::is_two_phase(words) => Some(Problem::TwoPhase),
        _ => None,
    }
}

fn single(statement: Statement, kind: SegmentKind) -> Segment {
    let statements = match kind {
        SegmentKind::Group => Vec::new(),
        _ => vec![statement],
    };
    Segment { start: statement.start, end: statement.end, kind, statements }
}

const fn at(statement: Statement, problem: Problem) -> SqlError {
    SqlError { offset: statement.start, end: statement.end, problem }
}
