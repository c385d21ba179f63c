//! The proof: the set as it is and the squashed one, each run on a database of its own, must leave the same.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use migrate_core::migration::Dialect;
use migrate_runtime::{ErrorKind, Migrator, Registry, SchemaVersion, ScratchDatabase, Target};

use super::super::text_diff::unified;
use super::rows::{unsteady, without};
use crate::error::Error;

/// Two sets that should be equal in effect.
pub(super) struct Proof<'a> {
    pub(super) before: &'a Arc<Registry>,
    pub(super) after: &'a Arc<Registry>,
    /// The version of the squashed migration.
    pub(super) to: SchemaVersion,
    /// Where scratch databases are made.
    pub(super) url: &'a str,
}

/// What a proof has brought up.
pub(super) enum Outcome {
    Equal(Proven),
    /// The down scripts do not run, neither as they were nor joined: this is what fails.
    NoWayBack(String),
    Different(Difference),
}

/// Equal, as far as it was compared.
pub(super) struct Proven {
    pub(super) dialect: Dialect,
    /// Columns whose values are new at every run, as `table.column`.
    pub(super) not_compared: Vec<String>,
}

/// Where they part.
pub(super) struct Difference {
    /// `schema` or `rows`, and after which run.
    pub(super) what: String,
    /// A unified diff.
    pub(super) diff: String,
}

/// What a database holds.
struct State {
    schema: String,
    rows: Vec<String>,
}

/// A set on a database of its own.
struct Side {
    migrator: Migrator,
    scratch: ScratchDatabase,
}

impl Side {
    fn new(registry: &Arc<Registry>, url: &str) -> Result<Self, Error> {
        Ok(Self { migrator: Migrator::new(Arc::clone(registry)), scratch: ScratchDatabase::create(url)? })
    }

    fn run(&mut self, target: Target) -> Result<State, migrate_runtime::Error> {
        self.scratch.run(&self.migrator, target)?;
        Ok(State { schema: self.scratch.structure()?.to_string(), rows: self.scratch.rows()? })
    }
}

impl Proof<'_> {
    /// Up to the version, down again if there is a way back, and up to the end; compares after each.
    pub(super) fn make(&self, reversible: bool) -> Result<Outcome, Error> {
        let mut before = Side::new(self.before, self.url)?;
        let mut after = Side::new(self.after, self.url)?;
        let mut not_compared = Vec::new();
        let mut targets = vec![(Target::UpTo(self.to), format!("up to {}", self.to))];
        if reversible {
            targets.push((Target::DownAll, "down again".to_owned()));
        }
        targets.push((Target::Latest, "up to the end".to_owned()));
        for (target, title) in targets {
            let old = match before.run(target) {
                Err(error) if target == Target::DownAll && is_of_script(&error) => {
                    return Ok(Outcome::NoWayBack(error.to_string()));
                }
                old => old?,
            };
            let new = after.run(target).map_err(|error| not_equal(&error, &title))?;
            if let Some(difference) = self.difference(&title, target, &old, &new, &mut not_compared)? {
                return Ok(Outcome::Different(difference));
            }
        }
        before.scratch.remove()?;
        after.scratch.remove()?;
        let dialect = ScratchDatabase::dialect_of(self.url)?;
        not_compared.sort();
        not_compared.dedup();
        Ok(Outcome::Equal(Proven { dialect, not_compared }))
    }

    fn difference(
        &self,
        title: &str,
        target: Target,
        old: &State,
        new: &State,
        not_compared: &mut Vec<String>,
    ) -> Result<Option<Difference>, Error> {
        let differ = |what: &str, old: &str, new: &str| Difference {
            what: format!("{what} {title}"),
            diff: unified(("before", old), ("squashed", new)),
        };
        if old.schema != new.schema {
            return Ok(Some(differ("the schema", &old.schema, &new.schema)));
        }
        if old.rows == new.rows {
            return Ok(None);
        }
        // What differs between two runs of one set says nothing of the other. Clocks of databases count seconds at the
        // coarsest that matters here.
        thread::sleep(Duration::from_millis(1100));
        let mut again = Side::new(self.before, self.url)?;
        if target == Target::DownAll {
            again.run(Target::UpTo(self.to))?;
        }
        let second = again.run(target)?;
        again.scratch.remove()?;
        let columns = unsteady(&old.rows, &second.rows);
        let [old, new] = [old, new].map(|state| without(&state.rows, &columns).join("\n") + "\n");
        if old != new {
            return Ok(Some(differ("the rows", &old, &new)));
        }
        not_compared.extend(columns.iter().map(|(table, column)| format!("{table}.{column}")));
        Ok(None)
    }
}

/// Whether a script failed, and not the server.
fn is_of_script(error: &migrate_runtime::Error) -> bool {
    error.kind() == ErrorKind::Plan || error.location().is_some()
}

/// The set runs as it is and not when it is squashed.
fn not_equal(error: &migrate_runtime::Error, title: &str) -> Error {
    if !is_of_script(error) {
        return Error::failed(error.to_string());
    }
    Error::failed(format!("the squashed set does not run {title}, and nothing was changed: {error}"))
}
