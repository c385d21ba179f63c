//! `rollback`: takes back exactly one run, or says whether that can be done.

use migrate_runtime::backup::RestoreOptions;
use migrate_runtime::{Answer, RollbackAnswers, RunSnapshot, Strategy};

use super::restore::{Which, put_back};
use super::run::{Aim, Request, intention, run};
use super::{backup, confirm};
use crate::args::{RollbackArgs, RollbackStrategy};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

pub(super) fn check(args: &RollbackArgs, protected: bool, printer: &Printer) -> Result<(), Error> {
    if args.can {
        return Ok(());
    }
    if args.run.is_none() {
        return Err(Error::usage(
            "the run to take back is not given",
            "`migrate rollback --can` shows the last one and whether it can be taken back; then name it with `--run`",
        ));
    }
    if args.dry_run {
        return Ok(());
    }
    let help = "look at the steps with `--dry-run`, then confirm them with `--yes`";
    confirm::check("`rollback` may destroy data", &args.confirmation, protected, help, printer)
}

pub(super) fn rollback(args: &RollbackArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    match (args.run, args.strategy) {
        (Some(number), RollbackStrategy::Undo) if !args.can => {
            let aim = Aim::RollBack(number, Strategy::Undo);
            let (dry_run, fleet, confirmation) = (args.dry_run, args.fleet, Some(&args.confirmation));
            run(&Request { aim, dry_run, fleet, confirmation }, session, printer)
        }
        (Some(number), RollbackStrategy::Snapshot) if !args.can => {
            let options = RestoreOptions { dry_run: args.dry_run, ..RestoreOptions::default() };
            put_back(&Which::BeforeRun(number), &options, (args.fleet, &args.confirmation), session, printer)
        }
        (number, _) => can(number, session, printer),
    }
}

fn can(run: Option<i64>, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let answers = session.migrator.can_roll_back(&mut session.database, run).wait()?;
    let snapshot = match answers.run {
        Some(run) => Some(session.migrator.run_snapshot(&mut session.database, run).wait()?),
        None => None,
    };
    let recommended = recommended(&answers, snapshot.as_ref());
    let document = json::Rollback::new(&answers, snapshot.as_ref(), recommended);
    printer.answer(&Document::new(document), || text(&answers, snapshot.as_ref(), recommended));
    Ok(if recommended.is_some() { Exit::Done } else { Exit::Failed })
}

/// Down scripts take back what the run did and nothing else; a backup takes back all that was written since.
fn recommended(answers: &RollbackAnswers, snapshot: Option<&RunSnapshot>) -> Option<&'static str> {
    let undo = answers.recommended().map(Strategy::as_str);
    undo.or_else(|| snapshot.filter(|it| it.obstacles.is_empty()).map(|_| json::SNAPSHOT))
}

fn text(answers: &RollbackAnswers, snapshot: Option<&RunSnapshot>, recommended: Option<&str>) -> String {
    let (Some(run), Some(snapshot)) = (answers.run, snapshot) else {
        return "there is no run to roll back".to_owned();
    };
    let mut lines: Vec<String> = answers.answers.iter().flat_map(lines).collect();
    lines.extend(lines_of_snapshot(snapshot));
    lines.push(match recommended {
        Some(strategy) => format!("next: `migrate rollback --run {run} --strategy {strategy}`"),
        None => format!("run {run} cannot be rolled back"),
    });
    lines.join("\n")
}

fn lines(answer: &Answer) -> Vec<String> {
    let strategy = answer.strategy;
    if answer.obstacles.is_empty() {
        let steps = answer.plan.steps.iter().map(|step| format!("  {}", intention(step)));
        return [format!("{strategy}: possible")].into_iter().chain(steps).collect();
    }
    let reasons = answer.obstacles.iter().flat_map(|it| [format!("  {it}"), format!("    {}", it.help())]);
    [format!("{strategy}: not possible")].into_iter().chain(reasons).collect()
}

fn lines_of_snapshot(snapshot: &RunSnapshot) -> Vec<String> {
    let backup = snapshot.backup.iter().map(|it| format!("  {}", backup::line(it)));
    if snapshot.obstacles.is_empty() {
        return [format!("{}: possible, and loses what was written since", json::SNAPSHOT)]
            .into_iter()
            .chain(backup)
            .collect();
    }
    let reasons = snapshot.obstacles.iter().flat_map(|it| [format!("  {it}"), format!("    {}", it.help())]);
    [format!("{}: not possible", json::SNAPSHOT)].into_iter().chain(reasons).collect()
}
