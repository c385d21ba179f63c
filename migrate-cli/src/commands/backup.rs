//! `backup`: taking backups, and looking after them.

use migrate_core::size::show;
use migrate_runtime::backup::{
    Backup, BackupDirectory, BackupReason, Contents, Listing, Pruned, Retention, Verification, VerifyOptions,
};

use super::restore;
use super::run::observed;
use crate::args::{BackupVerb, ContentsArg, CreateArgs, PruneArgs, VerifyArgs};
use crate::config::Session;
use crate::configuration::bound;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, aligned, count};
use crate::signals;

pub(super) fn backup(verb: &BackupVerb, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    match verb {
        BackupVerb::Create(args) => create(args, session, printer),
        BackupVerb::List => list(&directory(session), printer),
        BackupVerb::Verify(args) => verify(args, session, printer),
        BackupVerb::Restore(args) => restore::restore(args, session, printer),
        BackupVerb::Prune(args) => prune(args, session, printer),
    }
}

/// Where the backups of a database are.
fn directory(session: &Session) -> BackupDirectory {
    match &session.backup.directory {
        Some(path) => BackupDirectory::new(path),
        None => BackupDirectory::default_of(&session.database),
    }
}

fn create(args: &CreateArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let contents = match args.contents {
        ContentsArg::Schema => Contents::Schema,
        ContentsArg::Full => Contents::Full,
    };
    let migrator = observed(session.migrator.clone(), printer).stop(signals::stop(printer));
    let backup = migrator.create_backup(&mut session.database, contents).wait()?;
    printer.answer(&Document::new(json::OneBackup::from(&backup)), || {
        format!("backed up as {} ({}): {}", backup.id, show(backup.size), backup.path().display())
    });
    if let Some(damage) = &backup.damage {
        printer.warning(&format!("the database is damaged, and so is the copy: {damage}"));
    }
    Ok(Exit::Done)
}

fn list(directory: &BackupDirectory, printer: &Printer) -> Result<Exit, Error> {
    let listing = directory.list()?;
    printer.answer(&Document::new(json::Backups::from(&listing)), || {
        if listing.backups.is_empty() {
            return format!("there are no backups in {}", directory.path().display());
        }
        let header = ["id", "contents", "size", "at", "why", "of"].map(str::to_owned).to_vec();
        aligned(&[vec![header], listing.backups.iter().map(cells).collect()].concat())
    });
    let Listing { unreadable, .. } = listing;
    unreadable.iter().for_each(|it| printer.warning(&it.error.to_string()));
    Ok(Exit::Done)
}

/// What is known of a backup at a glance.
pub(super) fn line(backup: &Backup) -> String {
    let head = backup.ledger_head.as_ref().map_or_else(String::new, |head| format!(", at {head}"));
    let (contents, size, reason) = (contents(backup), show(backup.size), reason(backup));
    format!("{}  {contents}  {size}{head}, {reason}, of {}", backup.id, backup.database)
}

/// The same in columns.
fn cells(backup: &Backup) -> Vec<String> {
    let head = backup.ledger_head.as_ref().map(ToString::to_string).unwrap_or_default();
    let (contents, size) = (contents(backup).to_owned(), show(backup.size));
    vec![backup.id.clone(), contents, size, head, reason(backup), backup.database.clone()]
}

fn reason(backup: &Backup) -> String {
    let reason = match (backup.reason, backup.run) {
        (BackupReason::BeforeRun, Some(run)) => format!("before run {run}"),
        (BackupReason::BeforeRestore, Some(run)) => format!("before the restore in run {run}"),
        _ => "asked for".to_owned(),
    };
    let damaged = if backup.damage.is_some() { ", damaged as the database was" } else { "" };
    format!("{reason}{damaged}")
}

const fn contents(backup: &Backup) -> &'static str {
    match backup.contents {
        Contents::Full => "full",
        _ => "schema",
    }
}

fn verify(args: &VerifyArgs, session: &Session, printer: &Printer) -> Result<Exit, Error> {
    let backup = directory(session).find_of(&args.id, &session.database)?;
    let options = VerifyOptions {
        deep: args.deep,
        tools: session.backup.tools.clone(),
        scratch_url: args.scratch_url.as_ref().map(|url| url.reveal().to_owned()),
    };
    let verification = backup.verify(&options)?;
    printer.answer(&Document::new(json::Verified::new(&backup, &verification)), || {
        let Verification { checks, .. } = &verification;
        let checks: Vec<String> = checks.iter().map(|check| format!("  {check}")).collect();
        format!("the backup {} can be restored\n{}", backup.id, checks.join("\n"))
    });
    verification.warnings.iter().for_each(|warning| printer.warning(warning));
    Ok(Exit::Done)
}

fn prune(args: &PruneArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let retention =
        Retention { count: args.keep.map_or(session.backup.retention.count, bound), ..session.backup.retention };
    let pruned = session.migrator.prune_backups(&mut session.database, retention, args.dry_run).wait()?;
    printer.answer(&Document::new(json::PrunedBackups::new(&pruned, args.dry_run)), || {
        let Pruned { backups, leftovers, .. } = &pruned;
        let what = format!("{} and {}", count(backups.len(), "backup"), count(leftovers.len(), "unfinished file"));
        let closing =
            if args.dry_run { format!("dry run: {what} would be removed") } else { format!("removed {what}") };
        backups.iter().map(line).chain([closing]).collect::<Vec<_>>().join("\n")
    });
    Ok(Exit::Done)
}
