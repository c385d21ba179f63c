//! Putting the backup from before a run back, by the run itself: after a step that could not be rolled back, and where the
//! checks after the last step fail.

use super::restore::{Restoring, verify_options};
use super::run_backup::Before;
use super::steps::{Ended, Lock};
use super::{Migrate, health};
use crate::backend::{Backend, Fence, Run};
use crate::backup::{Backup, Contents, verify};
use crate::error::{Error, ErrorKind};
use crate::health::OnUnhealthy;
use crate::report::RunBackup;

impl Migrate {
    /// After a failure that could not be rolled back: puts the backup back if the options say so, else says how to.
    pub(super) async fn recover_from_backup<B: Backend>(
        &self,
        backend: &mut B,
        run: &mut Run,
        before: &Before,
        ended: &mut Ended,
    ) {
        let Some(backup) = before.backup.as_ref().filter(|it| it.contents == Contents::Full) else {
            return;
        };
        if ended.error.is_none() || ended.lock == Lock::Overtaken || self.is_settled(backend, ended.lock).await {
            return;
        }
        let Some(error) = ended.error.take() else {
            return;
        };
        let command = command(backup, before.run, run.id);
        // A run that was asked to stop has not failed: the next one goes on from there.
        let wanted = self.settings.backup.as_ref().is_some_and(|it| it.restore_on_failure)
            && error.kind() != ErrorKind::Cancelled;
        let Lock::Held(fence) = ended.lock else {
            ended.error = Some(or_else(error, &command));
            return;
        };
        ended.error = Some(match wanted {
            false => or_else(error, &command),
            true => {
                let error = error.with_help("mend the script, then run the same command again");
                self.put_back_and_tell(backend, run, fence, (before.run, backup), ended, error).await
            }
        });
    }

    /// After checks that failed behind the last step: puts the backup back if the options say so.
    pub(super) async fn restore_unhealthy<B: Backend>(&self, backend: &mut B, run: &mut Run, ended: &mut Ended) {
        let unhealthy = health::unhealthy(&ended.health.after);
        let (Some(error), None, Lock::Held(fence)) = (unhealthy, &ended.error, ended.lock) else {
            return;
        };
        if self.settings.health.on_unhealthy != OnUnhealthy::Restore {
            return;
        }
        let found = match &ended.backup {
            Some(RunBackup::Taken { id, file, restored: false, .. }) => {
                crate::backup::BackupDirectory::new(file.parent().unwrap_or(file)).find(id).ok()
            }
            _ => None,
        };
        let Some(backup) = found.filter(|backup| backup.contents == Contents::Full) else {
            ended.error = Some(error.noting("and there is no backup from before the run to put back"));
            return;
        };
        let alone = self.settings.backup.as_ref().is_some_and(|options| options.exclusive);
        ended.error = Some(match alone {
            false => {
                let help = command(&backup, run.id, run.id);
                error.noting("nothing was put back, since others may have written (`exclusive`)").with_help(help)
            }
            true => self.put_back_and_tell(backend, run, fence, (run.id, &backup), ended, error).await,
        });
    }

    /// Whether nothing in the ledger is half done. Of a database that is out of reach nobody knows.
    async fn is_settled<B: Backend>(&self, backend: &mut B, lock: Lock) -> bool {
        let Lock::Held(_) = lock else {
            return false;
        };
        backend.read().await.is_ok_and(|snapshot| snapshot.rows.iter().all(|row| row.status.is_complete()))
    }

    /// Puts a backup back and says so with the error that was the reason.
    async fn put_back_and_tell<B: Backend>(
        &self,
        backend: &mut B,
        run: &mut Run,
        mut fence: Fence,
        (of, backup): (i64, &Backup),
        ended: &mut Ended,
        error: Error,
    ) -> Error {
        let (moment, command) = (moment(of, run.id), command(backup, of, run.id));
        let (held, of_this_run) = (fence, of == run.id);
        let put_back = self.put_back(backend, run, &mut fence, backup, of_this_run).await;
        if fence != held {
            run.id = fence;
        }
        ended.lock = Lock::Held(fence);
        match put_back {
            Ok(()) => {
                if let Some(RunBackup::Taken { restored, .. } | RunBackup::Earlier { restored, .. }) = &mut ended.backup
                {
                    *restored = true;
                }
                error.noting(&format!(
                    "the backup {} was put back: the database is as it was before {moment}",
                    backup.id
                ))
            }
            Err(failed) => error.and_also("the backup could not be put back", Err(failed)).with_help(command),
        }
    }

    async fn put_back<B: Backend>(
        &self,
        backend: &mut B,
        run: &Run,
        fence: &mut Fence,
        backup: &Backup,
        of_this_run: bool,
    ) -> Result<(), Error> {
        let (_, extracted) = verify(backup, &verify_options(&self.settings))?;
        let restoring = Restoring {
            registry: &self.registry,
            settings: &self.settings,
            backup,
            extracted: extracted.as_ref(),
            force: false,
            // Nobody else uses the database, says the program.
            exclusive: true,
            of_this_run,
        };
        backend.restore_session().await?;
        restoring.restore(backend, run, fence).await.map(drop)
    }
}

/// Before which run a backup was taken, in words for another run.
fn moment(of: i64, now: i64) -> String {
    if of == now { "the run".to_owned() } else { format!("run {of}") }
}

fn command(backup: &Backup, of: i64, now: i64) -> String {
    format!("`migrate restore {}` puts back the state before {}", backup.id, moment(of, now))
}

fn or_else(error: Error, command: &str) -> Error {
    let help = error.help().map_or_else(|| command.to_owned(), |help| format!("{help}; or {command}"));
    error.with_help(help)
}
