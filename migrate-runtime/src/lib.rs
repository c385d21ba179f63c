//! Schema migrations compiled into the program that needs them, for SQLite and PostgreSQL.
//!
//! ```no_run
//! use migrate_runtime::{AnyDatabase, Migrator, Registry, embed_migrations};
//!
//! static MIGRATIONS: Registry = embed_migrations!("tests/migrations");
//!
//! fn main() -> Result<(), migrate_runtime::Error> {
//!     let mut database = AnyDatabase::from_url("sqlite:app.db")?;
//!     Migrator::new(&MIGRATIONS).auto_migrate(&mut database).wait()?;
//!     Ok(())
//! }
//! ```
//!
//! In async code, `.await` takes the place of `.wait()`.
//!
//! # Words
//!
//! A *migration* is a directory such as `v1.2.0_add_index` with `metadata.json`, `up.sql` and, if there is a way back,
//! `down.sql`; a *script* is one SQL file of it. The *registry* is the checked, ordered set of them, its *digest* the
//! fingerprint. The *ledger* is the table `schema_migrations_v2`, one row per applied migration; the *history* beside it
//! has a row per attempt. The *runtime version* is the program's own version, the *floor* the highest
//! `min_runtime_version` of what is applied. The *verdict* is compatible, needs migration, or incompatible.
//!
//! # Guarantees
//!
//! - A transactional migration's script, its verification, its ledger row and its history row commit together, or
//!   nothing does. On PostgreSQL each migration is a transaction of its own; on SQLite neighbours share a commit.
//! - However many processes start at once, each migration takes effect once: a run holds a lock whose number (the
//!   *fence*) every transaction proves before it changes anything.
//! - A migration outside a transaction runs statement by statement with recorded progress, and a re-run continues.
//! - A run can be asked to stop ([`Stop`]): between two steps, or by cancelling the statement that is being executed. It
//!   gives its lock back, and the next run goes on from what was committed.
//! - A program that registered is not broken by a run: a step that it does not survive waits for it
//!   ([`Migrator::register_instance`]).
//! - Reading never writes: no table, row or database file is created by anything but a run that has work to do, or a program
//!   that registers.
//!
//! # Never stale
//!
//! Every file that `embed_migrations!` reads is a reason for cargo to compile again. A directory that is added is one
//! too with one line in `build.rs`: `migrate_build::track("migrations_v2");`. Cargo goes by modification times; where
//! these lie, the content does not: a debug build compares itself with its directory when a run begins
//! ([`Event::Stale`]), a test of `migration_tests!` compares what it was compiled from, and `check --source DIR` of migrate-cli compares any build with any directory.
//!
//! # Features
//!
//! | feature | gives |
//! |---|---|
//! | `sqlite` | SQLite through rusqlite, linked to the system's library |
//! | `sqlite-bundled` | SQLite compiled in |
//! | `postgres` | PostgreSQL through tokio-postgres |
//! | `tls-rustls` | encrypted connections to PostgreSQL, by rustls |
//! | `tokio` | SQLite work goes to tokio's blocking threads in async programs |
//! | `backup` | backups before runs, and putting them back ([`backup`]); needs a C compiler |
//! | `testing` | `migration_tests!`, tests of your migrations; for dev-dependencies |
//! | `backup` or `testing` | [`ScratchDatabase`] and [`Structure`] |
//! | `check-sqlite` | the macro reads scripts for SQLite by its grammar; needs a C compiler |
//!
//! None is on by default.

#![cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "without a database most of it has no use")
)]

mod backend;
#[cfg(feature = "backup")]
pub mod backup;
mod call;
mod database;
mod engine;
mod error;
#[cfg(feature = "failpoints")]
mod failpoint;
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub mod faults;
mod health;
mod identity;
mod instance;
mod migrator;
mod observer;
mod options;
mod report;
#[cfg(any(feature = "testing", feature = "backup"))]
mod scratch;
mod stale;
mod stop;
#[cfg(any(feature = "testing", feature = "backup"))]
mod structure;
#[cfg(all(feature = "testing", any(feature = "sqlite", feature = "postgres")))]
pub mod testing;

#[cfg(feature = "postgres")]
pub use database::{BorrowedClient, Postgres};
#[cfg(feature = "sqlite")]
pub use database::{BorrowedConnection, Sqlite};
pub use migrate_core::amend::{Action, Amendment, Change, Repair, Standing};
pub use migrate_core::compat::matrix::{Cell, Matrix, Minimum, Program, Schema};
pub use migrate_core::compat::{Assessment, Entry, MigrationState, Reason, ReasonCode, Verdict};
pub use migrate_core::health::{Check, CheckResult, CheckState, Moment, Severity};
pub use migrate_core::instances::RunningInstance;
pub use migrate_core::ledger::{LedgerRow, LockHolder, Status};
pub use migrate_core::migration::{Dialect, Migration, ObjectKind, Phase, Role, Script};
pub use migrate_core::plan::{Direction, Origin, Plan, Step, Target};
pub use migrate_core::registry::Registry;
pub use migrate_core::rollback::{Answer, Obstacle, Strategy};
pub use migrate_core::stale::Stale;
pub use migrate_core::version::SchemaVersion;
/// Embeds a directory of migrations: constant data, checked while the program compiles.
///
/// Every problem of the directory is a compile error with file, line, column and what to do; what is only worth a look is a
/// warning of the compiler. It is an expression of type [`Registry`], for a `static` of any visibility.
///
/// The arguments, all of them optional, the directory first:
///
/// - the directory, in quotes, relative to the package: `"migrations_v2"` if not given;
/// - `dialect = "sqlite"` or `"postgres"`: the one database that the set is for, which every migration must have an up script
///   for, and whose rules alone count. Without it the set is checked for each database that has an up script for every migration;
/// - `runtime_version = "2.1.0"`: the program's version if it is not the package's, as in a library that embeds for its
///   server. No migration may need a higher one;
/// - `crate = "my_crate::migrate"`: where this crate is found if not at `::migrate_runtime`;
/// - `relative_to = "file"`: the directory is relative to the source file.
///
/// `env!("NAME")`, a variable of the build's environment, may stand for each string but the directory.
///
/// # Examples
///
/// ```
/// use migrate_runtime::{Registry, embed_migrations};
///
/// pub static MIGRATIONS: Registry =
///     embed_migrations!("tests/migrations", dialect = "sqlite", runtime_version = env!("CARGO_PKG_VERSION"));
///
/// assert_eq!(MIGRATIONS.migrations()[0].directory_name(), "v1.0.0_users");
/// ```
pub use migrate_macros::embed_migrations;
/// Makes a test of each migration of a directory, one of the way from an empty database to the newest version, and one that
/// fails where the directory does not hold what was compiled, because time stamps lied to cargo.
///
/// Each test brings a scratch database up to the version before, inserts the rows of the lower migrations' optional
/// `fixtures.sql`, applies the migration, takes it back, and applies it again. Down must leave the schema and every row as
/// they were before up, and the second up the schema as it was after the first; a failure names the migration and shows
/// a unified diff. What is compared: [`testing`]. `fixtures.sql` belongs to these tests only: no command runs it, and
/// neither ledger nor lock file knows it.
///
/// The arguments are those of [`embed_migrations!`], with the database in place of the dialect:
///
/// - `sqlite`: each test has a database in memory; or
/// - `postgres = EXPRESSION`: anything that becomes a `String`, the URL of a server on which the tests may create and drop
///   databases of their own. The expression may use the names in scope, and a variable: `std::env::var("TEST_URL").unwrap()`.
/// - `name = ...`: the name of the module that holds the tests, `migrations` if not given.
///
/// The macro is an item: call it in a module of tests, or under `#[cfg(test)]`.
///
/// # Examples
///
/// `tests/migrations.rs`, with `migrate-runtime` and its features `testing` and `sqlite-bundled` among the
/// dev-dependencies; `cargo test` then runs `migrations::v1_0_0_users` and so on:
///
/// ```
/// migrate_runtime::migration_tests!("tests/migrations", sqlite);
/// # fn main() {}
/// ```
#[cfg(all(feature = "testing", any(feature = "sqlite", feature = "postgres")))]
pub use migrate_macros::migration_tests;
pub use semver::Version;

pub use crate::call::{Call, Operation};
pub use crate::database::{AnyDatabase, Database};
pub use crate::engine::LockRelease;
pub use crate::error::{Blocker, DatabaseError, Error, ErrorKind, Location};
pub use crate::health::{
    DEFAULT_HEALTH_RETRIES, DEFAULT_HEALTH_TIMEOUT, DEFAULT_LONG_TRANSACTION, Health, HealthChecks, OnUnhealthy,
};
pub use crate::instance::{Instance, InstanceOptions};
pub use crate::migrator::{AutoMigrateOptions, MigrationHealth, Migrator, SharedRegistry};
pub use crate::observer::{Event, Observer, Progress};
pub use crate::options::{
    DEFAULT_LEASE, DEFAULT_LOCK_TIMEOUT, DEFAULT_MAX_RETRIES, DEFAULT_RETRY_DELAY, DEFAULT_ROLLBACK_WINDOW,
    DEFAULT_TABLE,
};
pub use crate::report::{
    FreedLock, HistoryRow, Outcome, Report, RollbackAnswers, RunBackup, StepOutcome, StepReport, StoredScript,
};
#[cfg(feature = "backup")]
pub use crate::report::{Restored, RunSnapshot, SnapshotObstacle};
#[cfg(any(feature = "testing", feature = "backup"))]
pub use crate::scratch::ScratchDatabase;
pub use crate::stop::Stop;
#[cfg(any(feature = "testing", feature = "backup"))]
pub use crate::structure::Structure;

/// What the expansion of `embed_migrations!` names. Not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use std::borrow::Cow;
    pub use std::option::Option;
    pub use std::primitive::str;

    pub use migrate_core::checksum::Checksum;
    pub use migrate_core::embedded;
    pub use migrate_core::registry::Registry;
    pub use migrate_core::version::SchemaVersion;
}
