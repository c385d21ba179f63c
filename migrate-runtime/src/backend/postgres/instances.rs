//! The SQL of running programs on PostgreSQL: the table of instances, and what the run at work intends.
//!
//! Registering and intending exclude each other by an advisory lock that ends with its transaction: shared by those who
//! register, exclusive for the run. A row lock on the state row would ask for the right to change it, which a program that
//! only registers need not have; and it would stand in the way of a run that is to take the run lock.

use std::time::Duration;

use migrate_core::instances::{Intent, RunningInstance};
use migrate_core::version::SchemaVersion;

use super::message::{Message, Row};
use super::tables::{EVERY_ROW, Fields, Names, literal, optional_literal, rfc3339};
use crate::backend::{Fence, InstanceRow, ledger_error};
use crate::error::Error;

/// How long to wait for whoever registers, or for the run that says what it intends: each is one message.
fn settings() -> String {
    format!("{EVERY_ROW}, pg_catalog.set_config('lock_timeout', '2s', true)")
}

/// Each statement then sees what was committed before it began, and not what was when the transaction did.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// The columns of the table of instances.
pub(super) const COLUMNS: &str =
    "id, runtime_version, registry_head, registry_digest, host, process, started_at, last_seen_at, expires_at";

impl Names {
    /// What the table of instances is made by.
    pub(super) fn create_instances(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (
                id text NOT NULL PRIMARY KEY,
                runtime_version text NOT NULL,
                registry_head text,
                registry_digest text NOT NULL,
                host text NOT NULL,
                process bigint NOT NULL,
                started_at timestamptz NOT NULL,
                last_seen_at timestamptz NOT NULL,
                expires_at timestamptz NOT NULL
            )",
            self.instances()
        )
    }

    /// Selects what the run at work intends.
    fn select_intent(&self) -> String {
        format!("SELECT intended_floor, intended_removal FROM {} WHERE id = 1", self.state())
    }

    /// Selects who is registered, oldest first.
    fn select_instances(&self) -> String {
        format!(
            "SELECT id, runtime_version, registry_head, registry_digest, host, process, {started}, {seen},
                    (extract(epoch FROM expires_at - pg_catalog.clock_timestamp()) * 1000)::bigint
             FROM {instances} ORDER BY started_at, id",
            started = rfc3339("started_at"),
            seen = rfc3339("last_seen_at"),
            instances = self.instances(),
        )
    }

    /// Reads what the run at work intends, and who is registered.
    pub(super) fn registered(&self) -> Message<'static> {
        Message::of(&[EVERY_ROW, &self.select_intent(), &self.select_instances()])
    }

    pub(super) fn parse_intent(&self, rows: &[Row]) -> Result<Intent, Error> {
        let Some(row) = rows.first() else {
            return Err(ledger_error(&self.plain[2], "its one row is missing"));
        };
        let row = Fields { row, table: &self.plain[2] };
        Ok(Intent { floor: row.optional(0), removal: row.optional(1).map(|_| row.number(1)).transpose()? })
    }

    pub(super) fn parse_instance(&self, row: &Row) -> Result<RunningInstance, Error> {
        let row = Fields { row, table: &self.plain[3] };
        Ok(RunningInstance {
            id: row.text(0)?,
            runtime_version: row.text(1)?,
            registry_head: row.optional(2).map(|_| row.number::<SchemaVersion>(2)).transpose()?,
            registry_digest: row.text(3)?,
            host: row.text(4)?,
            process: row.number(5)?,
            started_at: row.text(6)?,
            last_seen_at: row.text(7)?,
            expires_in_ms: row.number(8)?,
        })
    }

    /// Writes what the run intends once nobody registers, and reads who is registered then.
    pub(super) fn intend(&self, fence: Fence, intent: &Intent) -> Message<'static> {
        let write = format!(
            "UPDATE {state} SET intended_floor = {floor}, intended_removal = {removal},
                    lock_expires_at = pg_catalog.clock_timestamp() + interval '{lease} milliseconds'
             WHERE id = 1 AND fence = {fence}",
            state = self.state(),
            floor = optional_literal(intent.floor.as_deref()),
            removal = optional_literal(intent.removal.map(|version| version.to_string()).as_deref()),
            lease = self.lease.as_millis(),
        );
        let alone = format!("SELECT pg_catalog.pg_advisory_xact_lock({})", self.instances_key());
        let (proof, read) = (self.prove(fence), self.select_instances());
        Message::of(&[BEGIN, &settings(), &alone, &proof, &write, &read, "COMMIT"])
    }

    /// Writes the row of an instance while no run can say anew what it intends, and reads state, ledger and intent.
    /// Rows that expired long ago are removed with that; one that expired just now may be prolonged yet.
    pub(super) fn register(&self, row: &InstanceRow) -> Message<'static> {
        let instances = self.instances();
        let shared = self.shared();
        let forget =
            format!("DELETE FROM {instances} WHERE expires_at < pg_catalog.clock_timestamp() - interval '1 day'");
        let add = format!(
            "INSERT INTO {instances} ({COLUMNS})
             VALUES ({id}, {version}, {head}, {digest}, {host}, {process}, pg_catalog.clock_timestamp(),
                     pg_catalog.clock_timestamp(), {expires})
             ON CONFLICT (id) DO UPDATE SET last_seen_at = excluded.last_seen_at, expires_at = excluded.expires_at",
            id = literal(&row.id),
            version = literal(&row.runtime_version.to_string()),
            head = optional_literal(row.registry_head.map(|version| version.to_string()).as_deref()),
            digest = literal(&row.registry_digest),
            host = literal(&row.host),
            process = row.process,
            expires = expires(row.expiry),
        );
        let reads = [self.select_state(), self.select_ledger(), self.select_intent()];
        let [state, ledger, intent] = reads.each_ref().map(String::as_str);
        Message::of(&[BEGIN, &settings(), &shared, &forget, &add, state, ledger, intent, "COMMIT"])
    }

    /// Prolongs the row of an instance that has not expired, and gives a row if there was one: while no run can say anew
    /// what it intends. A row that a run has counted as gone would else be alive again without anybody's judgement.
    pub(super) fn prolong_instance(&self, row: &InstanceRow) -> Message<'static> {
        let prolong = format!(
            "UPDATE {} SET last_seen_at = pg_catalog.clock_timestamp(), expires_at = {}
             WHERE id = {} AND expires_at > pg_catalog.clock_timestamp() RETURNING id",
            self.instances(),
            expires(row.expiry),
            literal(&row.id)
        );
        Message::of(&[BEGIN, &settings(), &self.shared(), &prolong, "COMMIT"])
    }

    /// Removes the row of an instance.
    pub(super) fn remove_instance(&self, row: &InstanceRow) -> Message<'static> {
        Message::of(&[&format!("DELETE FROM {} WHERE id = {}", self.instances(), literal(&row.id))])
    }

    /// Waits until no run says what it intends, and keeps it from doing so.
    fn shared(&self) -> String {
        format!("SELECT pg_catalog.pg_advisory_xact_lock_shared({})", self.instances_key())
    }

    /// The key of the advisory lock of those who register and of the run that says what it intends.
    fn instances_key(&self) -> String {
        format!("pg_catalog.hashtextextended({}, 0)", literal(&self.instances()))
    }
}

/// The time so far from now.
fn expires(expiry: Duration) -> String {
    format!("pg_catalog.clock_timestamp() + interval '{} milliseconds'", expiry.as_millis())
}
