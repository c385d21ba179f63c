//! Taking the run lock, which is decided again under it, and giving it back.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use migrate_core::ledger::{FORMAT, LockHolder, Snapshot};
use migrate_core::plan::Plan;
use migrate_core::registry::Registry;
use semver::Version;

use super::{Decision, Goal, Migrate, fence_of, retry_pause};
use crate::backend::{Backend, Fence, Raised, Run, RunEnd};
use crate::error::{Error, ErrorKind};
use crate::observer::Event;
use crate::options::Settings;
use crate::report::Report;

pub(super) enum Locked {
    Ours(Run, Fence, Box<Decision>),
    NotNeeded(Box<Report>),
}

/// Why the lock was not taken at an attempt.
enum Attempt {
    /// Somebody holds it, or the database is busy.
    Held,
    /// Another run came and went since the database was read; this is what it left.
    Overtaken(Snapshot),
}

impl Migrate {
    /// Takes the lock, or finds while waiting that another run has done the work. Nothing is held while waiting.
    pub(super) async fn lock<B: Backend>(&self, backend: &mut B, mut decision: Decision) -> Result<Locked, Error> {
        let since = Instant::now();
        let mut told = None;
        let mut losses = 0;
        let mut busy = 0;
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(2))
            .with_max_delay(Duration::from_millis(250))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            if self.settings.stop.is_asked() {
                return Err(stopped_waiting());
            }
            let holder = decision.holder.as_ref().filter(|holder| holder.live);
            let attempt = match holder {
                Some(_) if told == Some(decision.seen) => Attempt::Held,
                Some(holder) => {
                    told = Some(decision.seen);
                    self.tell(&Event::Waiting(holder));
                    Attempt::Held
                }
                None => {
                    let run = new_run(&self.settings, &self.registry, self.describe(&decision.plan));
                    match backend.acquire(&run, decision.seen).await {
                        Ok((Some(fence), snapshot)) => {
                            // What was decided without the lock is of no use any more, and may be large.
                            drop(decision);
                            return self.locked(backend, run, fence, snapshot).await;
                        }
                        Ok((None, snapshot)) if fence_of(&snapshot) != decision.seen => Attempt::Overtaken(snapshot),
                        Ok((None, _)) => Attempt::Held,
                        // Nobody holds the lock, so nobody can say when others than runs will be done.
                        Err(error) if error.is_retryable() && busy < self.settings.max_retries => {
                            if busy == 0 {
                                self.tell(&Event::WaitingForDatabase(&error));
                            }
                            self.pause(backend, retry_pause(&self.settings, busy)).await?;
                            busy += 1;
                            Attempt::Held
                        }
                        Err(error) if error.is_connection_lost() && losses < self.settings.max_retries => {
                            losses += 1;
                            // If the lock was taken all the same, the next attempt finds that it is our own.
                            self.reconnect(backend, error).await?;
                            Attempt::Held
                        }
                        Err(error) => return Err(error),
                    }
                }
            };
            let snapshot = match attempt {
                Attempt::Overtaken(snapshot) => snapshot,
                Attempt::Held => {
                    let pause = pauses.next().unwrap_or(Duration::from_millis(250));
                    let bound = self.settings.wait_lock.filter(|bound| since.elapsed() + pause > *bound);
                    if let Some(bound) = bound {
                        return Err(lock_busy(decision.holder.as_ref(), bound));
                    }
                    self.pause(backend, pause).await?;
                    self.read_patiently(backend, since).await?
                }
            };
            decision = self.decide(backend, snapshot).await?;
            if let Some(report) = self.needs_no_lock(&decision)? {
                return Ok(Locked::NotNeeded(Box::new(report)));
            }
        }
    }

    /// Decides again under the lock; gives it back when nothing is to be done after all.
    async fn locked<B: Backend>(
        &self,
        backend: &mut B,
        run: Run,
        fence: Fence,
        mut snapshot: Snapshot,
    ) -> Result<Locked, Error> {
        let run = Run { id: fence, ..run };
        let upgraded = self.upgrade(backend, fence, &snapshot).await;
        // What an interrupted run left behind is judged as such: a live lock can only be our own.
        if let Some(state) = &mut snapshot.state {
            state.lock = None;
        }
        let decided = match upgraded {
            Ok(()) => self.decide(backend, snapshot).await,
            Err(error) => Err(error),
        };
        let decided = decided.and_then(|decision| Ok((self.needs_no_lock(&decision)?, decision)));
        match decided {
            Ok((None, decision)) => Ok(Locked::Ours(run, fence, Box::new(decision))),
            Ok((Some(report), _)) => {
                self.release(backend, &run, fence, RunEnd { outcome: "nothing_to_do", error: None }).await?;
                Ok(Locked::NotNeeded(Box::new(report)))
            }
            Err(error) => {
                let text = error.to_string();
                let end = RunEnd { outcome: "failed", error: Some(&text) };
                let released = self.release(backend, &run, fence, end).await;
                Err(error.and_also("the lock could not be given back", released))
            }
        }
    }

    /// Gives the lock back, however busy the database is.
    pub(super) async fn release<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        mut fence: Fence,
        end: RunEnd<'_>,
    ) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            match backend.release(run, fence, end).await {
                Err(error) if error.is_retryable() && tries < self.settings.max_retries => {
                    backend.sleep(retry_pause(&self.settings, tries)).await?;
                    tries += 1;
                }
                Err(error) if error.is_connection_lost() && tries < self.settings.max_retries => {
                    tries += 1;
                    match self.recover(backend, run, fence, error).await? {
                        Raised::Ours { fence: raised, .. } => fence = raised,
                        _ => return Ok(()),
                    }
                }
                ended => return ended,
            }
        }
    }

    /// Reads, waiting while the database is too busy: as long as another run is at work in it, else within the bounds of
    /// any other retry.
    pub(super) async fn read_patiently<B: Backend>(&self, backend: &mut B, since: Instant) -> Result<Snapshot, Error> {
        let mut tries = 0;
        loop {
            let error = match self.read(backend).await {
                Err(error) if error.is_retryable() => error,
                read => return read,
            };
            if self.settings.stop.is_asked() {
                return Err(stopped_waiting());
            }
            if let Some(bound) = self.settings.wait_lock.filter(|bound| since.elapsed() > *bound) {
                return Err(lock_busy(None, bound));
            }
            if error.kind() != ErrorKind::LockBusy {
                if tries == self.settings.max_retries {
                    return Err(error);
                }
                tries += 1;
            }
            self.pause(backend, retry_pause(&self.settings, tries.min(2))).await?;
        }
    }

    /// What the history says of the run's plan.
    fn describe(&self, plan: &Plan) -> String {
        match &self.goal {
            Goal::RollBack(run, strategy) => format!("roll back run {run} ({strategy})\n{plan}"),
            Goal::Reach(_) | Goal::Amend(_) => plan.to_string(),
        }
    }

    /// Brings our tables up to date, and the rights on them.
    async fn upgrade<B: Backend>(&self, backend: &mut B, fence: Fence, snapshot: &Snapshot) -> Result<(), Error> {
        let mut outdated = snapshot.state.as_ref().is_some_and(|state| state.format < FORMAT);
        let mut tries = 0;
        loop {
            let done = match &self.settings.application_role {
                _ if outdated => backend.upgrade(fence, self.settings.lock_timeout).await,
                Some(role) => backend.grant(fence, role).await,
                None => return Ok(()),
            };
            match done {
                Ok(()) if outdated => outdated = false,
                Ok(()) => return Ok(()),
                Err(error) if error.is_retryable() && tries < self.settings.max_retries => {
                    backend.restore_session().await?;
                    self.pause(backend, retry_pause(&self.settings, tries)).await?;
                    tries += 1;
                }
                Err(error) => {
                    return Err(error.and_also("the transaction could not be ended", backend.restore_session().await));
                }
            }
        }
    }
}

/// A run that does not have the lock yet.
pub(super) fn new_run(settings: &Settings, registry: &Registry, plan: String) -> Run {
    Run {
        id: 0,
        identity: settings.identity.clone(),
        runtime_version: settings.runtime_version.as_ref().map(Version::to_string),
        registry_digest: registry.digest().to_string(),
        registry_name: registry.name().map(str::to_owned),
        plan,
        lease: settings.lease,
    }
}

pub(super) fn stopped_waiting() -> Error {
    Error::new(ErrorKind::Cancelled, "the run was stopped before its first step; nothing was changed")
        .with_help("run the same command again")
}

pub(super) fn lock_busy(holder: Option<&LockHolder>, bound: Duration) -> Error {
    let mut help = "wait for the other run to end, or allow a longer wait (`--wait-lock`)".to_owned();
    // A backend lives on with what it executes when its program is gone, at least until it looks whether it is.
    if let Some(backend) = holder.and_then(|holder| holder.backend) {
        help.push_str("; if its program is gone and its session stays, end that: ");
        help.push_str(&format!("`SELECT pg_terminate_backend({backend})`"));
    }
    let holder = holder.map_or_else(|| "another run".to_owned(), LockHolder::to_string);
    Error::new(ErrorKind::LockBusy, format!("the run lock is held by {holder}; gave up after {bound:?}"))
        .with_help(help)
}
