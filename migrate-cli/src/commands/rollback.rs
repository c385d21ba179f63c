//! `rollback`: takes back exactly one run, or says whether that can be done.

use migrate_runtime::{Answer, RollbackAnswers, Strategy};

use super::confirm;
use super::run::{Aim, Request, intention, run};
use crate::args::{RollbackArgs, RollbackStrategy};
use crate::config::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

pub(super) fn check(args: &RollbackArgs, protected: bool, printer: &Printer) -> Result<(), Error> {
    if args.can || args.dry_run {
        return Ok(());
    }
    let help = "look at the steps with `--dry-run`, then confirm them with `--yes`";
    confirm::check("`rollback` may destroy data", &args.confirmation, protected, help, printer)
}

pub(super) fn rollback(args: &RollbackArgs, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let strategy = match args.strategy {
        RollbackStrategy::Undo => Strategy::Undo,
    };
    match args.run {
        Some(number) if !args.can => {
            let aim = Aim::RollBack(number, strategy);
            let (dry_run, fleet, confirmation) = (args.dry_run, args.fleet, Some(&args.confirmation));
            run(&Request { aim, dry_run, fleet, confirmation }, session, printer)
        }
        number => can(number, session, printer),
    }
}

fn can(run: Option<i64>, session: &mut Session, printer: &Printer) -> Result<Exit, Error> {
    let answers = session.migrator.can_roll_back(&mut session.database, run).wait()?;
    printer.answer(&Document::new(json::Rollback::new(&answers)), || text(&answers));
    Ok(if answers.recommended().is_some() { Exit::Done } else { Exit::Failed })
}

fn text(answers: &RollbackAnswers) -> String {
    let Some(run) = answers.run else {
        return "there is no run to roll back".to_owned();
    };
    let mut lines: Vec<String> = answers.answers.iter().flat_map(lines).collect();
    lines.push(match answers.recommended() {
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
