//! The model: what a command makes of a database, said as plainly as possible and without looking at how the engine does
//! it.

use std::collections::{BTreeMap, BTreeSet};

use migrate_runtime::{ErrorKind, Target};

use super::spec::{Effect, Part, Spec};

/// A database, as far as the model cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The ledger, by the numbers of the migrations.
    pub(crate) ledger: BTreeMap<usize, Row>,
    pub(crate) tables: BTreeSet<String>,
    /// The marks that are not 0.
    pub(crate) marks: BTreeMap<String, i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Applied,
    /// After so many parts of the up script.
    Applying(usize),
    /// After so many parts of the down script.
    Reverting(usize),
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) target: Goal,
    /// How many migrations the program that runs it holds.
    pub(crate) known: usize,
}

/// A target, with the numbers of migrations in place of their versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    Up,
    UpTo(usize),
    UpByOne,
    Down,
    DownTo(usize),
    Reset,
    Redo,
}

impl Goal {
    pub(crate) fn target(self) -> Target {
        let version = |number| Spec::version(number).parse().unwrap();
        match self {
            Self::Up => Target::Latest,
            Self::UpTo(number) => Target::UpTo(version(number)),
            Self::UpByOne => Target::UpBy(1),
            Self::Down => Target::DownBy(1),
            Self::DownTo(number) => Target::DownTo(version(number)),
            Self::Reset => Target::DownAll,
            Self::Redo => Target::Redo,
        }
    }
}

/// One command on its way through a database.
pub(crate) struct Execution<'a> {
    spec: &'a Spec,
    /// The tables that are open.
    gates: &'a BTreeSet<String>,
    known: usize,
    state: State,
    /// Every state that a commit may leave, the first one included.
    pub(crate) path: Vec<State>,
}

impl<'a> Execution<'a> {
    /// Executes a command from a state; gives every state on the way, and how it ends.
    pub(crate) fn of(
        spec: &'a Spec,
        gates: &'a BTreeSet<String>,
        from: &State,
        command: Command,
    ) -> (Vec<State>, Result<(), ErrorKind>) {
        let (state, path) = (from.clone(), vec![from.clone()]);
        let mut execution = Self { spec, gates, known: command.known, state, path };
        let ended = execution.run(command.target);
        (execution.path, ended)
    }

    fn run(&mut self, goal: Goal) -> Result<(), ErrorKind> {
        let unknown_half_way =
            self.state.ledger.iter().any(|(number, row)| *number >= self.known && *row != Row::Applied);
        match goal {
            Goal::Up | Goal::UpTo(_) | Goal::UpByOne if unknown_half_way => Err(ErrorKind::Incompatible),
            Goal::Up => self.up(usize::MAX, usize::MAX),
            Goal::UpByOne => self.up(usize::MAX, 1),
            Goal::UpTo(number) => {
                self.must_exist(number)?;
                self.up(number, usize::MAX)
            }
            Goal::Down => self.down(1, None),
            Goal::DownTo(number) => {
                self.must_exist(number)?;
                self.down(usize::MAX, Some(number))
            }
            Goal::Reset => self.reset(),
            Goal::Redo => self.redo(),
        }
    }

    fn must_exist(&self, number: usize) -> Result<(), ErrorKind> {
        let exists = number < self.known || self.state.ledger.contains_key(&number);
        if exists { Ok(()) } else { Err(ErrorKind::Plan) }
    }

    fn up(&mut self, last: usize, most: usize) -> Result<(), ErrorKind> {
        let open: Vec<usize> = (0..self.known)
            .filter(|number| *number <= last && self.state.ledger.get(number) != Some(&Row::Applied))
            .take(most)
            .collect();
        for number in open {
            if let Some(Row::Reverting(_)) = self.state.ledger.get(&number) {
                self.undo(number)?;
            }
            self.apply(number)?;
        }
        Ok(())
    }

    /// All that can be told before anything is done is told then.
    fn down(&mut self, most: usize, above: Option<usize>) -> Result<(), ErrorKind> {
        let applied = self.state.ledger.keys().rev().copied();
        let wanted: Vec<usize> =
            applied.take_while(|number| above.is_none_or(|above| *number > above)).take(most).collect();
        if wanted.iter().any(|number| !self.can_be_undone(*number)) {
            return Err(ErrorKind::Plan);
        }
        wanted.into_iter().try_for_each(|number| self.undo(number))
    }

    fn reset(&mut self) -> Result<(), ErrorKind> {
        let applied: Vec<usize> = self.state.ledger.keys().rev().copied().collect();
        for number in applied {
            if !self.can_be_undone(number) {
                return Err(ErrorKind::Plan);
            }
            self.undo(number)?;
        }
        Ok(())
    }

    fn redo(&mut self) -> Result<(), ErrorKind> {
        let Some(number) = self.state.ledger.keys().next_back().copied() else {
            return Ok(());
        };
        if !self.can_be_undone(number) || number >= self.known {
            return Err(ErrorKind::Plan);
        }
        self.undo(number)?;
        self.apply(number)
    }

    fn can_be_undone(&self, number: usize) -> bool {
        match self.state.ledger.get(&number) {
            Some(Row::Applying(_)) => false,
            _ => self.spec.migrations[number].down.is_some(),
        }
    }

    fn apply(&mut self, number: usize) -> Result<(), ErrorKind> {
        let migration = &self.spec.migrations[number];
        let finished = match self.state.ledger.get(&number) {
            Some(Row::Applying(finished)) => Some(*finished),
            _ => None,
        };
        self.execute(number, &migration.up, finished, Row::Applying)?;
        self.state.ledger.insert(number, Row::Applied);
        self.commit();
        Ok(())
    }

    fn undo(&mut self, number: usize) -> Result<(), ErrorKind> {
        let migration = &self.spec.migrations[number];
        let finished = match self.state.ledger.get(&number) {
            Some(Row::Reverting(finished)) => Some(*finished),
            _ => None,
        };
        let parts = migration.down.as_ref().expect("it can be undone");
        self.execute(number, parts, finished, Row::Reverting)?;
        self.state.ledger.remove(&number);
        self.commit();
        Ok(())
    }

    /// Executes a script, all of it or part by part; the caller records that it is complete.
    fn execute(
        &mut self,
        number: usize,
        parts: &[Part],
        finished: Option<usize>,
        half_way: fn(usize) -> Row,
    ) -> Result<(), ErrorKind> {
        let before = self.state.clone();
        if self.spec.migrations[number].transactional {
            for part in parts {
                if self.fails(part) {
                    self.state = before;
                    return Err(ErrorKind::Migration);
                }
                self.take_effect(part);
            }
            return Ok(());
        }
        if finished.is_none() {
            self.state.ledger.insert(number, half_way(0));
            self.commit();
        }
        let mut untouched = finished.is_none();
        for (count, part) in (1..).zip(parts).skip(finished.unwrap_or(0)) {
            if self.fails(part) {
                // Nothing but settings took effect: it counts as never begun.
                if untouched {
                    self.state = before;
                    self.commit();
                }
                return Err(ErrorKind::Migration);
            }
            untouched &= part.is_session();
            self.take_effect(part);
            self.state.ledger.insert(number, half_way(count));
            self.commit();
        }
        Ok(())
    }

    fn fails(&self, part: &Part) -> bool {
        part.gate.as_ref().is_some_and(|gate| !self.gates.contains(gate))
    }

    fn take_effect(&mut self, part: &Part) {
        for effect in &part.effects {
            match effect {
                Effect::Create(table) => assert!(self.state.tables.insert(table.clone()), "{table} is made twice"),
                Effect::Drop(table) => assert!(self.state.tables.remove(table), "{table} is dropped twice"),
                Effect::Count(mark, number) => {
                    let count = self.state.marks.entry(mark.clone()).or_default();
                    *count += number;
                    if *count == 0 {
                        self.state.marks.remove(mark);
                    }
                }
            }
        }
    }

    fn commit(&mut self) {
        self.path.push(self.state.clone());
    }
}
