//! Statements that cannot run inside a transaction.
//!
//! Nothing ties such a statement to its progress, so that it begins is recorded before it, and that it is finished after
//! it. When a run finds one that was begun and not finished, it asks the catalogue whether it took effect. No fence can
//! stop it either; while it is executed its session holds an advisory lock that a take-over must get.

use migrate_core::sql::{self, Bare, Effect, ObjectClass, Reindexed, Segment, SegmentKind};

use super::PostgresBackend;
use super::message::{Message, Row};
use super::tables::literal;
use crate::backend::{Failure, Fence, Place, Work, step_error};
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::observer::Progress;

/// An index as the catalogue has it.
struct Index {
    /// Quoted, with its schema.
    name: String,
    valid: bool,
    on_table: bool,
    /// The process that builds it at the moment.
    builder: Option<String>,
}

impl PostgresBackend<'_> {
    /// Executes the one statement of a segment outside any transaction, unless it turns out to be finished.
    pub(super) async fn run_bare(
        &mut self,
        fence: Fence,
        work: &Work<'_>,
        segment: &Segment,
        place: Place,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        let statement = &work.script.sql[segment.start..segment.end];
        let effect = sql::effect(statement);
        self.hold_advisory_lock(work).await?;
        if place.uncertain {
            self.prove(fence, work).await?;
            if self.took_effect(work, segment, &effect).await? {
                return Ok(());
            }
        }
        self.make_way(fence, work, segment, &effect).await?;
        self.record_attempt(fence, work, place.number).await?;
        let mut message = Message::default();
        message.bare(&work.script, segment.statements.clone());
        self.set_bare_timeouts(work, segment).await?;
        if let Err(error) = self.run_watched(fence, work, &message, None, tell).await {
            if error.is_connection_lost() {
                return Err(error);
            }
            let error = match self.index(&effect).await? {
                Some(index) if !index.valid => error.with_help(format!(
                    "the invalid index {} was left behind: mend the cause, then run again, which drops it and builds it anew",
                    index.name
                )),
                _ => error,
            };
            // A procedure may have committed before it failed: it stays marked as begun, and is not called again.
            if effect == Effect::Untold && !matches!(segment.kind, SegmentKind::Bare(_)) {
                return Err(error.with_retryable(false).with_half_done(true).with_help(half_done(work)));
            }
            // It failed for certain. What it may have left is found by its name.
            let recorded = self.record_attempt(fence, work, 0).await;
            return Err(error.and_also("the failure could not be recorded", recorded));
        }
        match self.index(&effect).await? {
            Some(index) if !index.valid => Err(failure(
                work,
                segment,
                format!("the index {} is invalid after the statement that makes it", index.name),
            )
            .with_help("run again, which drops the index and builds it anew")),
            _ => Ok(()),
        }
    }

    /// Takes the advisory lock that a take-over must get, unless this session holds it: a statement of the script may have
    /// given it back (`DISCARD ALL`, `pg_advisory_unlock_all`). Whoever else holds it executes a statement of an earlier run.
    async fn hold_advisory_lock(&mut self, work: &Work<'_>) -> Result<(), Error> {
        let take = Message::of(&[&self.names.take_advisory_lock()]);
        let rows = self.ask("the advisory lock could not be taken", take).await?;
        if first(&rows) != Some("t") {
            return Err(Error::new(ErrorKind::LockBusy, "a statement of an earlier run is still being executed")
                .with_migration(work.step.version)
                .with_retryable(true)
                .with_help("wait for it to end; `pg_locks` shows who holds the advisory lock"));
        }
        self.holds_advisory_lock = true;
        Ok(())
    }

    /// Fails if the run has lost its lock. While the session holds the advisory lock nobody can take it over afterwards.
    async fn prove(&self, fence: Fence, work: &Work<'_>) -> Result<(), Error> {
        let mut message = self.open(fence, work);
        self.commit(&mut message, fence);
        self.run_step(fence, work, &message).await.map(drop)
    }

    /// Whether a statement that was begun earlier took effect, by what the catalogue says.
    async fn took_effect(&mut self, work: &Work<'_>, segment: &Segment, effect: &Effect) -> Result<bool, Error> {
        let question = match effect {
            Effect::Index { .. } => return Ok(self.index(effect).await?.is_some_and(|it| it.valid && it.on_table)),
            Effect::Repeatable | Effect::Reindexed(_) => return Ok(false),
            Effect::Untold => return Err(untold(work, segment)),
            Effect::NoIndex { names } => return self.dropped(work, segment, names).await,
            Effect::Object { class, name, exists } => {
                let (catalogue, column) = match class {
                    ObjectClass::Database => ("pg_database", "datname"),
                    ObjectClass::Tablespace => ("pg_tablespace", "spcname"),
                    ObjectClass::Subscription => ("pg_subscription", "subname"),
                };
                let name = literal(name);
                let here = match class {
                    // The catalogue holds those of all databases.
                    ObjectClass::Subscription => {
                        " AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
                    }
                    ObjectClass::Database | ObjectClass::Tablespace => "",
                };
                format!("SELECT EXISTS (SELECT FROM pg_catalog.{catalogue} WHERE {column} = {name}{here}) = {exists}")
            }
            Effect::Detached { table, partition } => return self.detached(table, partition).await,
        };
        let rows = self.ask("the catalogue could not be read", Message::of(&[&question])).await?;
        Ok(first(&rows) == Some("t"))
    }

    /// Whether indexes are dropped. A name without a schema may have stood for one that is gone, and stand for another one
    /// further back in `search_path` now, which is not ours to drop.
    async fn dropped(&self, work: &Work<'_>, segment: &Segment, names: &[String]) -> Result<bool, Error> {
        let values: Vec<String> = names.iter().map(|name| format!("({})", literal(name))).collect();
        let question = format!(
            "SELECT pg_catalog.bool_and(c.oid IS NULL),
                    pg_catalog.bool_or(pg_catalog.cardinality(pg_catalog.parse_ident(v.name)) = 1
                        AND c.relnamespace <> (SELECT n.oid FROM pg_catalog.pg_namespace n
                            WHERE n.nspname = pg_catalog.current_schema()))
             FROM (VALUES {}) v(name) LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(v.name)",
            values.join(", ")
        );
        let rows = self.ask("the catalogue could not be read", Message::of(&[&question])).await?;
        let row = rows.first().and_then(|rows| rows.first());
        let says = |column| row.and_then(|row| row.get(column)) == Some("t");
        if says(1) { Err(untold(work, segment)) } else { Ok(says(0)) }
    }

    /// Whether a partition is detached; one that is half detached is detached now.
    async fn detached(&mut self, table: &str, partition: &str) -> Result<bool, Error> {
        let question = format!(
            "SELECT inhdetachpending FROM pg_catalog.pg_inherits WHERE inhparent = pg_catalog.to_regclass({})
             AND inhrelid = pg_catalog.to_regclass({})",
            literal(table),
            literal(partition)
        );
        let rows = self.ask("the catalogue could not be read", Message::of(&[&question])).await?;
        match first(&rows) {
            None => Ok(true),
            Some("t") => {
                let finalize = format!("ALTER TABLE {table} DETACH PARTITION {partition} FINALIZE");
                self.ask("the partition could not be detached", Message::of(&[&finalize])).await?;
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    /// Drops what an interrupted build left: an invalid index of the name that the statement makes, or the copies of those
    /// that it builds anew.
    async fn make_way(
        &mut self,
        fence: Fence,
        work: &Work<'_>,
        segment: &Segment,
        effect: &Effect,
    ) -> Result<(), Error> {
        if let Effect::Reindexed(what) = effect {
            for copy in self.leftovers(what).await? {
                self.drop_invalid(fence, work, segment, &copy).await?;
            }
            return Ok(());
        }
        let Some(index) = self.index(effect).await?.filter(|index| !index.valid && index.on_table) else {
            return Ok(());
        };
        if let Some(builder) = index.builder {
            let message = format!("the index {} is being built by process {builder}", index.name);
            return Err(failure(work, segment, message).with_retryable(true).with_help("wait for it to end"));
        }
        self.drop_invalid(fence, work, segment, &index.name).await
    }

    /// Drops an invalid index, after proving that the lock is still ours.
    async fn drop_invalid(
        &mut self,
        fence: Fence,
        work: &Work<'_>,
        segment: &Segment,
        name: &str,
    ) -> Result<(), Error> {
        self.prove(fence, work).await?;
        self.set_bare_timeouts(work, segment).await?;
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
        self.ask(&format!("the invalid index {name} could not be dropped"), Message::of(&[&drop])).await?;
        Ok(())
    }

    /// The invalid indexes that `REINDEX CONCURRENTLY` leaves beside the real ones when it does not come to its end. Those
    /// of a table whose indexes somebody else builds at the moment are not left behind.
    async fn leftovers(&self, what: &Reindexed) -> Result<Vec<String>, Error> {
        let tables = match what {
            Reindexed::Index(name) => format!(
                "t.oid IN (SELECT x.indrelid FROM pg_catalog.pg_index x WHERE x.indexrelid = {index}
                     OR x.indexrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree({index})))",
                index = format_args!("pg_catalog.to_regclass({})", literal(name)),
            ),
            Reindexed::Table(name) => format!(
                "t.oid = {table} OR t.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree({table}))",
                table = format_args!("pg_catalog.to_regclass({})", literal(name)),
            ),
            Reindexed::Schema(name) => {
                format!("t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = {})", literal(name))
            }
            Reindexed::Database => "true".to_owned(),
        };
        let question = format!(
            "SELECT DISTINCT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
             FROM pg_catalog.pg_index i
             JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_catalog.pg_class t ON i.indrelid IN (t.oid, t.reltoastrelid)
             WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND ({tables})
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.relid = i.indrelid
                 OR (p.relid IS NULL AND p.datname = pg_catalog.current_database()))
             ORDER BY 1"
        );
        let rows = self.ask("the catalogue could not be read", Message::of(&[&question])).await?;
        Ok(rows.first().into_iter().flatten().filter_map(|row| row.get(0).map(str::to_owned)).collect())
    }

    /// The index that a statement makes, if there is one of its name.
    async fn index(&self, effect: &Effect) -> Result<Option<Index>, Error> {
        let Effect::Index { name, table } = effect else {
            return Ok(None);
        };
        let (name, table) = (literal(name), literal(table));
        // Which index another role builds is hidden: then it may be this one.
        let question = format!(
            "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), i.indisvalid,
                    i.indrelid = t.oid,
                    (SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = c.oid
                     OR (p.index_relid IS NULL AND p.datname = pg_catalog.current_database()) LIMIT 1)
             FROM pg_catalog.pg_class t
             JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace AND c.relname = {name}
             JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE t.oid = pg_catalog.to_regclass({table})"
        );
        let rows = self.ask("the catalogue could not be read", Message::of(&[&question])).await?;
        let row = rows.first().and_then(|rows| rows.first());
        Ok(row.map(|row| Index {
            name: row.get(0).unwrap_or_default().to_owned(),
            valid: row.get(1) == Some("t"),
            on_table: row.get(2) == Some("t"),
            builder: row.get(3).map(str::to_owned),
        }))
    }

    async fn record_attempt(&mut self, fence: Fence, work: &Work<'_>, number: u32) -> Result<(), Error> {
        let mut message = self.open(fence, work);
        message.push(&self.names.attempt(work.step, number));
        self.commit(&mut message, fence);
        self.run_step(fence, work, &message).await.map(drop)
    }

    /// The timeouts of a statement that has no transaction to set them in. A concurrent build of an index waits for old
    /// transactions to end, and one that is cancelled in between leaves an invalid index: it has no lock timeout.
    async fn set_bare_timeouts(&self, work: &Work<'_>, segment: &Segment) -> Result<(), Error> {
        let patient = matches!(segment.kind, SegmentKind::Bare(Bare::ConcurrentIndex | Bare::DetachPartition));
        let lock = if patient { 0 } else { work.lock_timeout.as_millis() };
        let statement = work.statement_timeout.map_or(0, |timeout| timeout.as_millis());
        let set = format!(
            "SELECT pg_catalog.set_config('lock_timeout', '{lock}ms', false),
                    pg_catalog.set_config('statement_timeout', '{statement}ms', false)"
        );
        self.ask("the timeouts could not be set", Message::of(&[&set])).await.map(drop)
    }
}

fn first(rows: &[Vec<Row>]) -> Option<&str> {
    rows.first().and_then(|rows| rows.first()).and_then(|row| row.get(0))
}

/// The error of a statement of which nobody can tell whether it took effect.
fn untold(work: &Work<'_>, segment: &Segment) -> Error {
    let message = "an earlier run was interrupted in this statement, and nothing tells whether it took effect";
    failure(work, segment, message.to_owned()).with_help(half_done(work))
}

/// What to do about a statement of which nobody can tell how far it came.
fn half_done(work: &Work<'_>) -> String {
    let version = work.step.version;
    format!(
        "find out how far it came; do the rest of this statement by hand, or undo it; then say so with `migrate repair {version} --statement applied` or `migrate repair {version} --statement not-applied`, and run again"
    )
}

/// A failure at a segment's statement that is in our own words.
fn failure(work: &Work<'_>, segment: &Segment, message: String) -> Error {
    let failure = Failure {
        database: DatabaseError { message, ..DatabaseError::default() },
        offset: Some(segment.start),
        statement: Some(segment.start..segment.end),
        retryable: false,
        connection_lost: false,
        kind: ErrorKind::Migration,
    };
    step_error(work, &work.script, failure)
}
