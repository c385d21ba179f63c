//! Looking at the run lock, and freeing it.

use std::time::{Duration, Instant};

use migrate_core::compat;
use migrate_core::ledger::LockHolder;

use super::locking::{lock_busy, new_run};
use super::{fence_of, incompatible, is_foreign, rules};
use crate::backend::{Backend, Fence, HistoryEntry, Run, RunEnd};
use crate::call::Operation;
use crate::error::{Error, ErrorKind};
use crate::migrator::SharedRegistry;
use crate::options::{Settings, Tables};
use crate::report::{FreedLock, Outcome};

/// How long a lock that is to be freed may be inside a transaction of its holder's, unless the options say it.
const DEFAULT_BOUND: Duration = Duration::from_secs(10);

/// How often it is tried meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads who holds the run lock.
#[derive(Debug)]
pub(crate) struct ReadLock {
    pub(crate) settings: Settings,
}

impl Operation for ReadLock {
    type Output = Option<LockHolder>;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<Option<LockHolder>, Error> {
        Ok(backend.read().await?.state.and_then(|state| state.lock))
    }
}

/// Frees the run lock.
#[derive(Debug)]
pub(crate) struct ReleaseLock {
    pub(crate) registry: SharedRegistry,
    pub(crate) settings: Settings,
    pub(crate) options: LockRelease,
}

/// How [`Migrator::release_lock`](crate::Migrator::release_lock) behaves. Fields may be added: build it with
/// `..Default::default()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockRelease {
    /// Free it also while its holder is alive, which then fails at its next transaction. Default: no.
    pub force: bool,
    /// Say what would be done, and do nothing. Default: no.
    pub dry_run: bool,
    /// Free it only while this is its holder: the one that was shown to whoever confirmed it. Default: any.
    pub expected: Option<LockHolder>,
}

impl Operation for ReleaseLock {
    type Output = FreedLock;

    fn tables(&self) -> Tables {
        self.settings.tables.clone()
    }

    async fn run<B: Backend>(self, backend: &mut B) -> Result<FreedLock, Error> {
        self.settings.check_lease()?;
        let snapshot = backend.read().await?;
        let assessment = compat::judge(&self.registry, &snapshot, B::DIALECT, &rules(&self.settings));
        if assessment.reasons.iter().any(is_foreign) {
            return Err(incompatible(assessment));
        }
        let seen = fence_of(&snapshot);
        let Some(holder) = snapshot.state.and_then(|state| state.lock) else {
            return Ok(FreedLock { outcome: Outcome::NothingToDo, holder: None, run: None });
        };
        if self.options.expected.as_ref().is_some_and(|expected| !is_same_run(expected, &holder)) {
            return Err(held_by_another());
        }
        if holder.live && !self.options.force {
            return Err(alive(&holder));
        }
        if self.options.dry_run {
            return Ok(FreedLock { outcome: Outcome::DryRun, holder: Some(holder), run: None });
        }
        let run = new_run(&self.settings, &self.registry, "free the run lock".to_owned());
        let fence = self.take(backend, &run, seen, &holder).await?;
        let run = Run { id: fence, ..run };
        let forced = if holder.live { ", which was alive" } else { "" };
        let note = format!("free the run lock of {holder}{forced}");
        let entry = HistoryEntry { operation: "unlock", plan: Some(&note), ..HistoryEntry::of_run("succeeded") };
        backend.amend(&run, fence, &[], &[entry]).await?;
        backend.release(&run, fence, RunEnd { outcome: "succeeded", error: None }).await?;
        Ok(FreedLock { outcome: Outcome::Done, holder: Some(holder), run: Some(fence) })
    }
}

impl ReleaseLock {
    /// Takes the lock over, which raises the fence. A transaction that has proved the old fence is waited for.
    async fn take<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        seen: Fence,
        holder: &LockHolder,
    ) -> Result<Fence, Error> {
        let since = Instant::now();
        let bound = self.settings.wait_lock.unwrap_or(DEFAULT_BOUND);
        loop {
            let taken =
                if self.options.force { backend.seize(run, seen).await } else { backend.acquire(run, seen).await };
            match taken {
                Ok((Some(fence), _)) => return Ok(fence),
                Ok((None, snapshot)) if fence_of(&snapshot) != seen => return Err(held_by_another()),
                Err(error) if !error.is_retryable() => return Err(error),
                Ok((None, _)) | Err(_) if since.elapsed() + PAUSE > bound => {
                    return Err(lock_busy(Some(holder), bound).with_help(
                        "it is inside a transaction, which has to end first: wait, or end its process or database session",
                    ));
                }
                Ok((None, _)) | Err(_) => backend.sleep(PAUSE).await?,
            }
        }
    }
}

/// Whether two readings of the lock are of the same run; whether it is alive may have changed.
fn is_same_run(one: &LockHolder, other: &LockHolder) -> bool {
    let run =
        |holder: &LockHolder| (holder.owner.clone(), holder.host.clone(), holder.process, holder.acquired_at.clone());
    run(one) == run(other)
}

fn held_by_another() -> Error {
    Error::new(ErrorKind::Plan, "the run lock is no longer held by the run that was shown; nothing was changed")
        .with_help("look again with `migrate lock show`")
}

fn alive(holder: &LockHolder) -> Error {
    Error::new(ErrorKind::LockBusy, format!("the run lock is held by {holder}, which is alive; nothing was changed"))
        .with_help("wait for it or end its process; with `--force` it loses the lock, and stops with an error before its next change")
}
