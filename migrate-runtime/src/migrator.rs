//! The entry point: a registry, options, and every operation on a database.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use migrate_core::amend::{Amendment, Repair};
use migrate_core::compat::matrix::Matrix;
use migrate_core::compat::{Assessment, Entry, Verdict};
use migrate_core::health::CheckResult;
use migrate_core::instances::RunningInstance;
use migrate_core::ledger::LockHolder;
use migrate_core::migration::{Migration, Phase};
use migrate_core::plan::{Plan, Target};
use migrate_core::registry::Registry;
use migrate_core::rollback::Strategy;
use migrate_core::version::SchemaVersion;
use semver::Version;

#[cfg(feature = "backup")]
use crate::backup::{Backup, BackupOptions, Contents, Pruned, RestoreOptions, Retention};
use crate::call::{Call, Operation};
use crate::database::Database;
use crate::engine::{
    CanRollBack, CheckHealth, FinishDeferred, Goal, Inspect, LockRelease, Migrate, Mode, ReadHistory, ReadInstances,
    ReadLock, ReadMatrix, ReadRepairs, ReadStored, Register, ReleaseLock,
};
#[cfg(feature = "backup")]
use crate::engine::{CreateBackup, FindRunSnapshot, PruneBackups, RestoreBackup, Which};
use crate::health::{HealthChecks, OnUnhealthy};
use crate::instance::{Instance, InstanceOptions};
use crate::observer::Observer;
use crate::options::Settings;
use crate::report::{FreedLock, HistoryRow, Report, RollbackAnswers, StoredScript};
#[cfg(feature = "backup")]
use crate::report::{Restored, RunSnapshot};
use crate::stop::Stop;

/// Runs the migrations of a registry on databases.
///
/// Options are set by methods that take and return it; then each operation takes a [`Database`] and gives a [`Call`],
/// which is awaited in async code and `.wait()`ed for elsewhere.
///
/// # Examples
///
/// ```
/// # use std::error::Error;
/// use migrate_runtime::{BorrowedConnection, Migrator, Outcome, Registry, embed_migrations};
///
/// static MIGRATIONS: Registry = embed_migrations!("tests/migrations");
///
/// let mut connection = rusqlite::Connection::open_in_memory()?;
/// let mut database = BorrowedConnection::new(&mut connection);
/// let report = Migrator::new(&MIGRATIONS).auto_migrate(&mut database).wait()?;
/// assert_eq!(report.outcome, Outcome::Done);
///
/// let again = Migrator::new(&MIGRATIONS).auto_migrate(&mut database).wait()?;
/// assert_eq!(again.outcome, Outcome::NothingToDo);
/// # Ok::<(), Box<dyn Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Migrator {
    registry: SharedRegistry,
    settings: Settings,
}

/// How [`Migrator::auto_migrate_with`] behaves. Fields may be added: build it with `..Default::default()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoMigrateOptions {
    /// Make the plan and stop. Default: no.
    pub dry_run: bool,
    /// Whether an incompatible database is an error (the default), or leaves the report's outcome as
    /// [`Outcome::Refused`](crate::Outcome::Refused).
    pub fail_on_incompatible: bool,
    /// The version of this program, if not the migrator's.
    pub runtime_version: Option<Version>,
    /// Whether to undo what a newer version of this program applied, when it makes the database incompatible with this one:
    /// by the down scripts in the ledger, from the lowest such migration upwards, and with what they take away. Default: no.
    ///
    /// For programs of which one runs at a time, such as a desktop program that is installed in an older version again. Where
    /// older and newer ones run side by side, each would undo the other's work.
    pub allow_downgrade: bool,
    /// Whether a step that would break running programs is left for later, with everything after it, instead of being an
    /// error: the outcome is then [`Outcome::Deferred`](crate::Outcome::Deferred), and
    /// [`Migrator::finish_deferred`], or the next start, does what was left. Only programs that
    /// [registered](Migrator::register_instance) count. Default: no.
    pub defer_breaking: bool,
}

impl Default for AutoMigrateOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            fail_on_incompatible: true,
            runtime_version: None,
            allow_downgrade: false,
            defer_breaking: false,
        }
    }
}

/// A verdict as an exit code and a sentence, for probes and scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationHealth {
    /// 0 compatible, 1 needs migration, 2 incompatible.
    pub exit_code: u8,
    /// What it means, for people.
    pub message: String,
    /// Whether a run is at work in the database at this moment.
    pub migrating: bool,
}

impl Migrator {
    /// A migrator for an embedded registry (`&'static Registry`) or one read at run time (`Arc<Registry>`).
    ///
    /// The runtime version is the registry's: that of the crate that embeds it.
    pub fn new(registry: impl Into<SharedRegistry>) -> Self {
        let registry = registry.into();
        let settings = Settings::new(registry.runtime_version());
        Self { registry, settings }
    }

    /// The version of this program, where it is not that of the crate that embeds the registry.
    #[must_use]
    pub fn runtime_version(mut self, version: Version) -> Self {
        self.settings.runtime_version = Some(version);
        self
    }

    /// The name of the ledger; the other tables' names begin with it. Default: [`DEFAULT_TABLE`](crate::DEFAULT_TABLE).
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.settings.tables.table = name.into();
        self
    }

    /// The PostgreSQL schema of our tables. Default: the one that `current_schema()` names. Not used on SQLite.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.settings.tables.schema = Some(name.into());
        self
    }

    /// Whether a pending migration may have a lower version than an applied one. Default: no.
    #[must_use]
    pub fn allow_out_of_order(mut self, allow: bool) -> Self {
        self.settings.allow_out_of_order = allow;
        self
    }

    /// How long to wait for another run to end. Default: as long as it is alive.
    #[must_use]
    pub fn wait_lock(mut self, bound: Duration) -> Self {
        self.settings.wait_lock = Some(bound);
        self
    }

    /// How long a run waits, before a step that would break running programs, for them to leave or to be replaced. It holds
    /// the run lock meanwhile, and programs that would not survive the step are refused when they register. Default: it
    /// does not wait and fails.
    #[must_use]
    pub fn wait_for_fleet(mut self, bound: Duration) -> Self {
        self.settings.wait_for_fleet = Some(bound);
        self
    }

    /// Whether to take steps that break running programs all the same. The history says so, and names the programs.
    /// Default: no.
    #[must_use]
    pub fn ignore_instances(mut self, ignore: bool) -> Self {
        self.settings.ignore_instances = ignore;
        self
    }

    /// How long the run lock on PostgreSQL stays with a run that gives no sign of life, such as one that is paused, or one behind
    /// a pooler that was killed. The run renews it three times meanwhile. Default: 30 s; from 1 s to 1 h, anything else is an
    /// error of kind [`Configuration`](crate::ErrorKind::Configuration). On SQLite the operating system holds the lock.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// How long a statement waits for a lock on PostgreSQL, for migrations that do not say it themselves. Default: 2 s.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.settings.lock_timeout = timeout;
        self
    }

    /// How long a statement may take on PostgreSQL, for migrations that do not say it themselves. Default: no bound.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.settings.statement_timeout = Some(timeout);
        self
    }

    /// How many times a step is tried again after a failure that may pass, such as a lock timeout. Default: 10. After a lost
    /// connection the same step is tried again twice at most, whatever is said here: it may be what ends the server.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.settings.max_retries = retries;
        self
    }

    /// The pause before the first such try; it doubles each time, up to ten seconds. Default: 100 ms.
    #[must_use]
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.settings.retry_delay = delay;
        self
    }

    /// Whether errors and the history show the queries of sessions that block a step on PostgreSQL. They may hold secrets.
    /// Default: no.
    #[must_use]
    pub fn blocker_queries(mut self, show: bool) -> Self {
        self.settings.blocker_queries = show;
        self
    }

    /// The database role of the application on PostgreSQL, where it is not the one that migrates: a run that changes something
    /// gives it the rights on our tables that it needs to judge the database at its start, and no others. Default: none. Not
    /// used on SQLite.
    #[must_use]
    pub fn application_role(mut self, name: impl Into<String>) -> Self {
        self.settings.application_role = Some(name.into());
        self
    }

    /// On whose behalf, for lock and history. Default: the environment's `MIGRATION_ACTOR`, `USER`, `LOGNAME` or `USERNAME`,
    /// else `unknown`.
    #[must_use]
    pub fn actor(mut self, name: impl Into<String>) -> Self {
        self.settings.identity.actor = name.into();
        self
    }

    /// Refuse every plan but this one: the one that was shown to whoever confirmed it. It is compared under the run lock,
    /// so that nothing is done that nobody saw. Default: whatever the plan is by then.
    #[must_use]
    pub fn expecting(mut self, plan: Plan) -> Self {
        self.settings.expected = Some(plan);
        self
    }

    /// Refuse every stored down script but these: those that were shown to whoever confirmed the plan. They are compared
    /// under the run lock, before anything is done. Default: whatever the ledger holds by then.
    #[must_use]
    pub fn expecting_stored(mut self, scripts: Vec<StoredScript>) -> Self {
        self.settings.shown = Some(scripts);
        self
    }

    /// Who is told of progress.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.settings.observer = Some(Arc::new(observer));
        self
    }

    /// What stops the runs of this migrator and its clones. Default: nothing but their end.
    #[must_use]
    pub fn stop(mut self, stop: Stop) -> Self {
        self.settings.stop = stop;
        self
    }

    /// Which health checks are made around a run. Default: [`HealthChecks::Basic`].
    #[must_use]
    pub fn health_checks(mut self, checks: HealthChecks) -> Self {
        self.settings.health.checks = checks;
        self
    }

    /// How long each health check may take. Default: 30 s.
    #[must_use]
    pub fn health_timeout(mut self, timeout: Duration) -> Self {
        self.settings.health.timeout = timeout;
        self
    }

    /// How many times a health check is tried again after a failure that may pass, such as a busy file. Default: 2.
    #[must_use]
    pub fn health_retries(mut self, retries: u32) -> Self {
        self.settings.health.retries = retries;
        self
    }

    /// How long another session's transaction may be open on PostgreSQL before a health check speaks of it. Default: 60 s.
    #[must_use]
    pub fn long_transaction(mut self, bound: Duration) -> Self {
        self.settings.health.long_transaction = bound;
        self
    }

    /// What a run does about a health check that fails after its last step. Default: [`OnUnhealthy::Warn`].
    #[must_use]
    pub fn on_unhealthy(mut self, action: OnUnhealthy) -> Self {
        self.settings.health.on_unhealthy = action;
        self
    }

    /// How long ago a run may have begun that is rolled back, by the database's clock. Default: 24 hours.
    #[must_use]
    pub fn rollback_window(mut self, window: Duration) -> Self {
        self.settings.rollback_window = window;
        self
    }

    /// Takes a backup before each run that has something to do, as the options say. Default: none.
    #[cfg(feature = "backup")]
    #[must_use]
    pub fn backup(mut self, options: BackupOptions) -> Self {
        self.settings.backup = Some(options);
        self
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The migrations of the registry, lowest version first. Asks no database.
    #[must_use]
    pub fn list(&self) -> &[Migration] {
        self.registry.migrations()
    }

    /// Brings the database to what this program needs, or refuses: the call for a program's start.
    ///
    /// It decides first, without any lock: an up-to-date database costs one round trip, for one row however many migrations
    /// there are. The report's [assessment](Report::assessment) lists no migrations then. Several processes may do this at
    /// once; each migration takes effect once, and all of them return when the work is done.
    ///
    /// # Errors
    ///
    /// [`Incompatible`](crate::ErrorKind::Incompatible) when this program must not touch the database, and everything
    /// that [`up`](Self::up) gives.
    pub fn auto_migrate<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.auto_migrate_with(database, AutoMigrateOptions::default())
    }

    /// [`auto_migrate`](Self::auto_migrate) with options.
    ///
    /// # Errors
    ///
    /// The same; without `fail_on_incompatible` an incompatible database is no error.
    pub fn auto_migrate_with<'d, D: Database>(
        &self,
        database: &'d mut D,
        options: AutoMigrateOptions,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        let mode = match (options.dry_run, options.fail_on_incompatible) {
            (true, _) => Mode::DryRun,
            (false, true) => Mode::Execute,
            (false, false) => Mode::ExecuteUnlessIncompatible,
        };
        let mut migrator = self.clone();
        if let Some(version) = options.runtime_version {
            migrator.settings.runtime_version = Some(version);
        }
        migrator.settings.allow_downgrade = options.allow_downgrade;
        migrator.settings.defer_breaking = options.defer_breaking;
        Call::new(database, Migrate { at_start: true, ..migrator.migration(Goal::Reach(Target::Latest), mode) })
    }

    /// Does what [`defer_breaking`](AutoMigrateOptions::defer_breaking) left for later, as soon as the programs that it would
    /// break are gone. Until then it looks now and then, every five seconds at most, and holds nothing: programs of an older version may come and
    /// go. For a task of a program that has started.
    ///
    /// With [`wait_for_fleet`](Self::wait_for_fleet), and when it is asked to [`stop`](Self::stop), it gives up with the
    /// outcome [`Deferred`](crate::Outcome::Deferred); the next start, or anybody's `up`, finishes the work.
    ///
    /// # Errors
    ///
    /// As [`up`](Self::up).
    pub fn finish_deferred<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        let (registry, mut settings) = (self.registry.clone(), self.settings.clone());
        settings.defer_breaking = true;
        let goal = Goal::Reach(Target::Latest);
        let migrate = Migrate { registry, settings, goal, mode: Mode::Execute, at_start: false };
        Call::new(database, FinishDeferred { migrate })
    }

    /// Registers this program as running, so that no run breaks it: a run that is about to take a step that this program
    /// does not survive stops, or waits until it is gone. Programs that do not register are not waited for.
    ///
    /// Call it after [`auto_migrate`](Self::auto_migrate) and keep the [`Instance`] as long as the program uses the database.
    /// It judges the database once more, together with what a run at work intends.
    ///
    /// # Errors
    ///
    /// [`Incompatible`](crate::ErrorKind::Incompatible): this program must not use the database, or a run is about to take
    /// a step that it would not survive; nothing is left behind. [`Configuration`](crate::ErrorKind::Configuration): there
    /// is no version of the program. [`ReadOnly`](crate::ErrorKind::ReadOnly),
    /// [`Unreachable`](crate::ErrorKind::Unreachable), [`Database`](crate::ErrorKind::Database).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::error::Error;
    /// use migrate_runtime::{Migrator, Registry, Sqlite, embed_migrations};
    ///
    /// static MIGRATIONS: Registry = embed_migrations!("tests/migrations");
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("app.db");
    /// let mut database = Sqlite::file(path);
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// migrator.auto_migrate(&mut database).wait()?;
    /// let instance = migrator.register_instance(&mut database).wait()?;
    /// assert_eq!(migrator.instances(&mut database).wait()?.len(), 1);
    /// instance.leave(&mut database).wait()?;
    /// assert_eq!(migrator.instances(&mut database).wait()?.len(), 0);
    /// # Ok::<(), Box<dyn Error>>(())
    /// ```
    pub fn register_instance<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Instance> + use<D>> {
        self.register_instance_with(database, InstanceOptions::default())
    }

    /// [`register_instance`](Self::register_instance) with options.
    ///
    /// # Errors
    ///
    /// The same; [`Configuration`](crate::ErrorKind::Configuration) for a row that would expire between two heartbeats.
    pub fn register_instance_with<'d, D: Database>(
        &self,
        database: &'d mut D,
        options: InstanceOptions,
    ) -> Call<'d, D, impl Operation<Output = Instance> + use<D>> {
        Call::new(database, Register { registry: self.registry.clone(), settings: self.settings.clone(), options })
    }

    /// The programs that registered and did not leave; [`RunningInstance::is_live`] tells which of them have expired.
    /// Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn instances<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Vec<RunningInstance>> + use<D>> {
        Call::new(database, ReadInstances { settings: self.settings.clone() })
    }

    /// Applies everything that is pending.
    ///
    /// # Errors
    ///
    /// [`Incompatible`](crate::ErrorKind::Incompatible); [`Migration`](crate::ErrorKind::Migration) when a script fails,
    /// with its place and the database's words, and nothing of that migration kept;
    /// [`LockBusy`](crate::ErrorKind::LockBusy) when [`wait_lock`](Self::wait_lock) runs out;
    /// [`BlockedByInstances`](crate::ErrorKind::BlockedByInstances) when a step would break running programs and
    /// [`wait_for_fleet`](Self::wait_for_fleet) runs out;
    /// [`Cancelled`](crate::ErrorKind::Cancelled) when it was asked to [`stop`](Self::stop);
    /// [`Unreachable`](crate::ErrorKind::Unreachable), [`ReadOnly`](crate::ErrorKind::ReadOnly).
    pub fn up<'d, D: Database>(&self, database: &'d mut D) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.run(database, Target::Latest)
    }

    /// Applies what is pending up to and including a version.
    ///
    /// # Errors
    ///
    /// As [`up`](Self::up); [`Plan`](crate::ErrorKind::Plan) for a version that does not exist.
    pub fn up_to<'d, D: Database>(
        &self,
        database: &'d mut D,
        version: SchemaVersion,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.run(database, Target::UpTo(version))
    }

    /// Applies the next pending migration.
    ///
    /// # Errors
    ///
    /// As [`up`](Self::up).
    pub fn up_by_one<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.run(database, Target::UpBy(1))
    }

    /// Applies what is pending, in order, as far as it belongs to a phase.
    ///
    /// [`Phase::Expand`], before a deploy, stops before the first step that contracts; [`Phase::Contract`], once no older
    /// program is left, applies the steps that contract and stops before the first other one.
    /// [`Report::remaining`] tells what is left.
    ///
    /// # Errors
    ///
    /// As [`up`](Self::up).
    pub fn up_phase<'d, D: Database>(
        &self,
        database: &'d mut D,
        phase: Phase,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.run(database, Target::Phase(phase))
    }

    /// Undoes the last applied migration: one, never more.
    ///
    /// # Errors
    ///
    /// As [`up`](Self::up); [`Plan`](crate::ErrorKind::Plan) when there is no down script.
    pub fn down<'d, D: Database>(&self, database: &'d mut D) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.run(database, Target::DownBy(1))
    }

    /// Undoes everything above a version, which itself stays applied.
    ///
    /// # Errors
    ///
    /// As [`down`](Self::down). When one of them has no down script, nothing is undone.
    pub fn down_to<'d, D: Database>(
        &self,
        database: &'d mut D,
        version: SchemaVersion,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.run(database, Target::DownTo(version))
    }

    /// Undoes the last applied migration and applies it again.
    ///
    /// # Errors
    ///
    /// As [`down`](Self::down) and [`up`](Self::up).
    pub fn redo<'d, D: Database>(&self, database: &'d mut D) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.run(database, Target::Redo)
    }

    /// Undoes every migration, as far as there is a way back.
    ///
    /// # Errors
    ///
    /// As [`down`](Self::down). A migration without a down script ends the run there: what was above it stays undone.
    pub fn reset<'d, D: Database>(&self, database: &'d mut D) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.run(database, Target::DownAll)
    }

    /// Brings the database to any [`Target`].
    ///
    /// # Errors
    ///
    /// Those of the operation that the target stands for.
    pub fn run<'d, D: Database>(
        &self,
        database: &'d mut D,
        target: Target,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.migrate(database, Goal::Reach(target), Mode::Execute)
    }

    /// What [`run`](Self::run) would do. Writes nothing.
    ///
    /// # Errors
    ///
    /// Those of reading, and those that `run` would give before its first step.
    pub fn plan<'d, D: Database>(
        &self,
        database: &'d mut D,
        target: Target,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.migrate(database, Goal::Reach(target), Mode::DryRun)
    }

    /// Takes back exactly what one run applied, last migration first. A run of which nothing is left is no error.
    ///
    /// # Errors
    ///
    /// As [`down`](Self::down); [`Plan`](crate::ErrorKind::Plan) with every reason why that cannot be done: an unknown run, a
    /// newer one on top of it, a migration without a way back, longer ago than
    /// [`rollback_window`](Self::rollback_window). Nothing is undone then.
    pub fn roll_back<'d, D: Database>(
        &self,
        database: &'d mut D,
        run: i64,
        strategy: Strategy,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.migrate(database, Goal::RollBack(run, strategy), Mode::Execute)
    }

    /// What [`roll_back`](Self::roll_back) would do. Writes nothing.
    ///
    /// # Errors
    ///
    /// Those of reading, and those that `roll_back` would give before its first step.
    pub fn plan_rollback<'d, D: Database>(
        &self,
        database: &'d mut D,
        run: i64,
        strategy: Strategy,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.migrate(database, Goal::RollBack(run, strategy), Mode::DryRun)
    }

    /// Whether a run can be rolled back, by which strategy, and why not; without a number the newest run of which something
    /// is left. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check). A run that cannot be rolled back is an answer, not an error.
    pub fn can_roll_back<'d, D: Database>(
        &self,
        database: &'d mut D,
        run: Option<i64>,
    ) -> Call<'d, D, impl Operation<Output = RollbackAnswers> + use<D>> {
        let operation = CanRollBack { registry: self.registry.clone(), settings: self.settings.clone(), run };
        Call::new(database, operation)
    }

    /// Changes what the ledger says without running any script: forces the standing of a migration, repairs rows, or
    /// records a baseline. All changes and their history rows commit together; the report's plan lists them.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage): a version that nobody knows, an interrupted migration of which nobody said how
    /// it stands. [`Plan`](crate::ErrorKind::Plan): a baseline over a ledger that is not the beginning of the registry, a
    /// row to be forgotten that can be undone. [`Incompatible`](crate::ErrorKind::Incompatible) only for tables of another
    /// program or a newer format. Else as [`up`](Self::up).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::error::Error;
    /// use migrate_runtime::{Amendment, BorrowedConnection, Migrator, Registry, Verdict, embed_migrations};
    ///
    /// static MIGRATIONS: Registry = embed_migrations!("tests/migrations");
    ///
    /// let mut connection = rusqlite::Connection::open_in_memory()?;
    /// let mut database = BorrowedConnection::new(&mut connection);
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// // The database was made by hand, and holds already what the migrations would create.
    /// let version = MIGRATIONS.head().expect("there are migrations");
    /// migrator.amend(&mut database, Amendment::Baseline { version }).wait()?;
    /// assert_eq!(migrator.check(&mut database).wait()?.verdict, Verdict::Compatible);
    /// # Ok::<(), Box<dyn Error>>(())
    /// ```
    pub fn amend<'d, D: Database>(
        &self,
        database: &'d mut D,
        amendment: Amendment,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.migrate(database, Goal::Amend(amendment), Mode::Execute)
    }

    /// What [`amend`](Self::amend) would change. Writes nothing.
    ///
    /// # Errors
    ///
    /// Those of reading, and those that `amend` would give before its change.
    pub fn plan_amendment<'d, D: Database>(
        &self,
        database: &'d mut D,
        amendment: Amendment,
    ) -> Call<'d, D, impl Operation<Output = Report> + use<D>> {
        self.migrate(database, Goal::Amend(amendment), Mode::DryRun)
    }

    /// Everything that could be repaired, with the commands to choose from. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn repairs<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Vec<Repair>> + use<D>> {
        Call::new(database, ReadRepairs { registry: self.registry.clone(), settings: self.settings.clone() })
    }

    /// Who holds the run lock; `None` when it is free. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn lock_holder<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Option<LockHolder>> + use<D>> {
        Call::new(database, ReadLock { settings: self.settings.clone() })
    }

    /// Frees the run lock. Its holder, should it still run, fails at its next transaction: it has to prove a number that
    /// this raises.
    ///
    /// # Errors
    ///
    /// [`LockBusy`](crate::ErrorKind::LockBusy) when the holder is alive and `force` is not set, or is inside a
    /// transaction for longer than [`wait_lock`](Self::wait_lock) (10 s unless set);
    /// [`Plan`](crate::ErrorKind::Plan) when another run holds it than the one expected.
    pub fn release_lock<'d, D: Database>(
        &self,
        database: &'d mut D,
        options: LockRelease,
    ) -> Call<'d, D, impl Operation<Output = FreedLock> + use<D>> {
        let operation = ReleaseLock { registry: self.registry.clone(), settings: self.settings.clone(), options };
        Call::new(database, operation)
    }

    /// Takes a backup of the database, by the options of [`backup`](Self::backup) or the defaults. It is of one state of the
    /// database, whatever others write meanwhile; `docs/backup.md` says what they notice.
    ///
    /// # Errors
    ///
    /// [`Backup`](crate::ErrorKind::Backup): no room on the disk, a directory that cannot be written, a `pg_dump` that is
    /// missing or older than the server. Those of reading.
    #[cfg(feature = "backup")]
    pub fn create_backup<'d, D: Database>(
        &self,
        database: &'d mut D,
        contents: Contents,
    ) -> Call<'d, D, impl Operation<Output = Backup> + use<D>> {
        let operation = CreateBackup { registry: self.registry.clone(), settings: self.settings.clone(), contents };
        Call::new(database, operation)
    }

    /// Removes the backups of each database that are beyond the retention, and what killed processes left. The newest good
    /// full backup of a database stays in any case, and the one that was taken before a migration of this database that is
    /// half done.
    ///
    /// # Errors
    ///
    /// Those of reading: what the database may need is not guessed. [`Backup`](crate::ErrorKind::Backup): the directory
    /// cannot be read, or a file cannot be removed.
    #[cfg(feature = "backup")]
    pub fn prune_backups<'d, D: Database>(
        &self,
        database: &'d mut D,
        retention: Retention,
        dry_run: bool,
    ) -> Call<'d, D, impl Operation<Output = Pruned> + use<D>> {
        Call::new(database, PruneBackups { settings: self.settings.clone(), retention, dry_run })
    }

    /// Puts a backup back, found by its id, the beginning of it, or `latest`. It is verified first and what is there now is
    /// kept as a backup; then everything is replaced at once, under the run lock. The history keeps what was recorded since.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage): no such backup, or one of another database.
    /// [`Backup`](crate::ErrorKind::Backup): it is damaged, or what is there now cannot be kept; nothing was changed then.
    /// [`LockBusy`](crate::ErrorKind::LockBusy): a run is under way, or others use the database.
    #[cfg(feature = "backup")]
    pub fn restore_backup<'d, D: Database>(
        &self,
        database: &'d mut D,
        id: &str,
        options: RestoreOptions,
    ) -> Call<'d, D, impl Operation<Output = Restored> + use<D>> {
        self.restore(database, Which::Id(id.to_owned()), options)
    }

    /// Whether the backup that was taken before a run can be put back: there is one, no newer run has changed the database,
    /// and it is not older than [`rollback_window`](Self::rollback_window). Writes nothing.
    ///
    /// # Errors
    ///
    /// Those of reading; [`Backup`](crate::ErrorKind::Backup) when the directory of the backups cannot be read.
    #[cfg(feature = "backup")]
    pub fn run_snapshot<'d, D: Database>(
        &self,
        database: &'d mut D,
        run: i64,
    ) -> Call<'d, D, impl Operation<Output = RunSnapshot> + use<D>> {
        Call::new(database, FindRunSnapshot { settings: self.settings.clone(), run })
    }

    /// [`restore_backup`](Self::restore_backup) of the one that was taken before a run.
    ///
    /// # Errors
    ///
    /// [`Plan`](crate::ErrorKind::Plan) with everything that [`run_snapshot`](Self::run_snapshot) finds against it, and
    /// those of `restore_backup`.
    #[cfg(feature = "backup")]
    pub fn restore_run_snapshot<'d, D: Database>(
        &self,
        database: &'d mut D,
        run: i64,
        options: RestoreOptions,
    ) -> Call<'d, D, impl Operation<Output = Restored> + use<D>> {
        self.restore(database, Which::BeforeRun { run }, options)
    }

    /// Judges the database: compatible, needs migration, or incompatible, with every reason. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`Unreachable`](crate::ErrorKind::Unreachable), [`Ledger`](crate::ErrorKind::Ledger) for damaged tables,
    /// [`Database`](crate::ErrorKind::Database) for missing rights. An incompatible database is an answer, not an error.
    pub fn check<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Assessment> + use<D>> {
        self.inspect(database, |assessment| assessment)
    }

    /// [`check`](Self::check) as a program of another version would see it.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn check_compatibility<'d, D: Database>(
        &self,
        database: &'d mut D,
        runtime_version: Version,
    ) -> Call<'d, D, impl Operation<Output = Assessment> + use<D>> {
        self.clone().runtime_version(runtime_version).check(database)
    }

    /// Judges the database, and every schema that the registry or the ledger know, for each version of the program at which
    /// the answer may change: the minimums that migrations ask for, this program's own, those of the programs that
    /// [registered](Self::register_instance), and `further` ones. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn compatibility<'d, D: Database>(
        &self,
        database: &'d mut D,
        further: &[Version],
    ) -> Call<'d, D, impl Operation<Output = Matrix> + use<D>> {
        let (registry, settings) = (self.registry.clone(), self.settings.clone());
        Call::new(database, ReadMatrix { registry, settings, further: further.to_vec() })
    }

    /// [`check`](Self::check) as an exit code and a sentence.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn check_migration_health<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = MigrationHealth> + use<D>> {
        self.inspect(database, |assessment| MigrationHealth::of(&assessment))
    }

    /// Makes every health check there is on this database, one by one, whatever [`health_checks`](Self::health_checks) says. Writes
    /// nothing that stays: the right to write is tried in a transaction that is rolled back. Some checks read the whole database.
    ///
    /// # Errors
    ///
    /// [`Unreachable`](crate::ErrorKind::Unreachable), or a connection that is lost meanwhile. A check that fails is an answer,
    /// not an error.
    pub fn health<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Vec<CheckResult>> + use<D>> {
        Call::new(database, CheckHealth { registry: self.registry.clone(), settings: self.settings.clone() })
    }

    /// Where every migration stands that the registry or the ledger knows. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn status<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Vec<Entry>> + use<D>> {
        self.inspect(database, |assessment| assessment.migrations)
    }

    /// What [`up`](Self::up) would apply or finish. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn pending<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Vec<Entry>> + use<D>> {
        self.inspect(database, |assessment| assessment.pending().cloned().collect())
    }

    /// The highest version that is wholly applied; `None` for a fresh database. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn version<'d, D: Database>(
        &self,
        database: &'d mut D,
    ) -> Call<'d, D, impl Operation<Output = Option<SchemaVersion>> + use<D>> {
        self.inspect(database, |assessment| assessment.database_version)
    }

    /// The down scripts that the ledger keeps of some migrations, highest version first; none of a migration that is not
    /// applied or has none. Writes nothing.
    ///
    /// A plan's step whose [`origin`](crate::Step::origin) is the ledger runs such a script: the program does not
    /// hold the migration, or holds it with another up script.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check); [`Ledger`](crate::ErrorKind::Ledger) also for a script that is not the one that was stored.
    pub fn stored_scripts<'d, D: Database>(
        &self,
        database: &'d mut D,
        versions: &[SchemaVersion],
    ) -> Call<'d, D, impl Operation<Output = Vec<StoredScript>> + use<D>> {
        Call::new(database, ReadStored { settings: self.settings.clone(), versions: versions.to_vec() })
    }

    /// The newest rows of the history, newest first. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn history<'d, D: Database>(
        &self,
        database: &'d mut D,
        limit: u32,
    ) -> Call<'d, D, impl Operation<Output = Vec<HistoryRow>> + use<D>> {
        Call::new(database, ReadHistory { settings: self.settings.clone(), limit })
    }

    fn migrate<'d, D: Database>(&self, database: &'d mut D, goal: Goal, mode: Mode) -> Call<'d, D, Migrate> {
        Call::new(database, self.migration(goal, mode))
    }

    fn migration(&self, goal: Goal, mode: Mode) -> Migrate {
        Migrate { registry: self.registry.clone(), settings: self.settings.clone(), goal, mode, at_start: false }
    }

    #[cfg(feature = "backup")]
    fn restore<'d, D: Database>(
        &self,
        database: &'d mut D,
        which: Which,
        options: RestoreOptions,
    ) -> Call<'d, D, RestoreBackup> {
        let (registry, settings) = (self.registry.clone(), self.settings.clone());
        Call::new(database, RestoreBackup { registry, settings, which, options })
    }

    fn inspect<'d, D: Database, T: Send + 'static>(
        &self,
        database: &'d mut D,
        answer: fn(Assessment) -> T,
    ) -> Call<'d, D, Inspect<T>> {
        let operation = Inspect { registry: self.registry.clone(), settings: self.settings.clone(), answer };
        Call::new(database, operation)
    }
}

impl MigrationHealth {
    /// The health that an assessment stands for.
    #[must_use]
    pub fn of(assessment: &Assessment) -> Self {
        let at = assessment.database_version.map_or_else(|| "the beginning".to_owned(), |version| version.to_string());
        let message = match assessment.verdict {
            Verdict::Compatible => format!("the database is compatible, at {at}"),
            Verdict::NeedsMigration => {
                format!("the database is at {at} and needs migration: {} pending", assessment.pending().count())
            }
            Verdict::Incompatible => {
                let worst = assessment.reasons.iter().find(|reason| reason.code.verdict() == Verdict::Incompatible);
                let why = worst.map_or("", |reason| &reason.message);
                format!("the database is at {at} and incompatible: {why}")
            }
        };
        let migrating = assessment.migrating.is_some();
        Self { exit_code: assessment.verdict.exit_code(), message, migrating }
    }
}

/// A registry that is part of the program or shared at run time.
#[derive(Clone, Debug)]
pub struct SharedRegistry(Holder);

#[derive(Clone, Debug)]
enum Holder {
    Static(&'static Registry),
    Shared(Arc<Registry>),
}

impl From<&'static Registry> for SharedRegistry {
    fn from(registry: &'static Registry) -> Self {
        Self(Holder::Static(registry))
    }
}

impl From<Arc<Registry>> for SharedRegistry {
    fn from(registry: Arc<Registry>) -> Self {
        Self(Holder::Shared(registry))
    }
}

impl Deref for SharedRegistry {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        match &self.0 {
            Holder::Static(registry) => registry,
            Holder::Shared(registry) => registry,
        }
    }
}
