//! What is wrong with the SQL of scripts, before a database sees it.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread;

use super::set::{in_effect, names};
use super::{Folder, LoadOptions};
use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::migration::{Dialect, Role, Script};
use crate::name::FIXTURES;
use crate::sql::{self, Kind, Problem, Statement};

/// Checks every script for every dialect on which it is in effect; gives back the dialects that the set is for.
pub(super) fn check(
    folders: &[Folder],
    candidates: &[Dialect],
    options: &LoadOptions,
    found: &mut Vec<Diagnostic>,
) -> Vec<Dialect> {
    let all = each_dialect(candidates, |dialect| findings(folders, dialect));
    let mut dialects = Vec::new();
    for (dialect, findings) in &all {
        let is_named = folders.iter().any(|folder| names(folder, *dialect));
        let others = all.iter().filter(|(other, _)| other != dialect);
        let mut others = others.map(|(_, findings)| findings.as_slice());
        let is_sure = is_named || !options.dialects.is_empty();
        if !is_sure && others.any(|other| is_for_another(findings, other)) {
            continue;
        }
        dialects.push(*dialect);
        found.extend(findings.iter().map(|finding| finding.diagnostic.clone()));
    }
    dialects
}

/// What is found for each dialect, each on a thread of its own: the scripts of a large set take most of the time that
/// the macro adds to a build.
fn each_dialect<T: Send>(dialects: &[Dialect], find: impl Fn(Dialect) -> T + Sync) -> Vec<(Dialect, T)> {
    let [others @ .., last] = dialects else {
        return Vec::new();
    };
    thread::scope(|scope| {
        let find = &find;
        let others: Vec<_> = others.iter().map(|dialect| (*dialect, scope.spawn(move || find(*dialect)))).collect();
        let last = (*last, find(*last));
        let joined = others.into_iter().map(|(dialect, thread)| match thread.join() {
            Ok(found) => (dialect, found),
            Err(panic) => resume_unwind(panic),
        });
        joined.chain([last]).collect()
    })
}

struct Finding {
    diagnostic: Diagnostic,
    /// Whether it shows that the script was written for this dialect. If not, and the script is sound in another
    /// dialect, it was probably written for that one.
    is_native: bool,
}

/// Whether findings in scripts that name no dialect tell that they are for the other one: the body of a PostgreSQL
/// function, say, is read as transaction control by the rules of SQLite, and a trigger of SQLite by those of PostgreSQL.
fn is_for_another(ours: &[Finding], theirs: &[Finding]) -> bool {
    let only = |these: &[Finding], those: &[Finding], is_native: bool| {
        let known: BTreeSet<&Diagnostic> = those.iter().map(|it| &it.diagnostic).collect();
        let wanted = |it: &&Finding| it.is_native == is_native && !known.contains(&it.diagnostic);
        these.iter().filter(wanted).count()
    };
    only(ours, theirs, true) == 0 && only(ours, theirs, false) > only(theirs, ours, false)
}

fn findings(folders: &[Folder], dialect: Dialect) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in folders {
        for role in Role::ALL {
            if let Some(script) = in_effect(folder, role, dialect) {
                check_script(folder, script, dialect, &mut findings);
            }
        }
        check_fixtures(folder, dialect, &mut findings);
    }
    findings
}

fn check_script(folder: &Folder, script: &Script, dialect: Dialect, found: &mut Vec<Finding>) {
    let path = folder.path(&script.file_name());
    let file = SourceFile { path: &path, text: &script.sql };
    let statements = match sql::statements(file.text, dialect) {
        Ok(statements) => statements,
        Err(error) => return found.push(sql_error(file, error)),
    };
    if statements.is_empty() {
        let message = format!("`{}` holds no statement", script.file_name());
        let help = match script.role {
            Role::Up => "an empty script counts as applied",
            Role::Down => "an empty script takes nothing back; if there is nothing to take back, say so in a comment",
            Role::Verify => "an empty script proves nothing: remove it",
        };
        found.push(Finding {
            diagnostic: Diagnostic::whole(Code::EmptyScript, file.path, message).help(help),
            is_native: true,
        });
    }
    let is_verify = script.role == Role::Verify;
    // Without readable metadata it is not known how the script runs.
    let transaction = folder.metadata.as_ref().map(|it| it.settings.transaction);
    if is_verify || transaction == Some(true) {
        let problems = statements.iter().filter_map(|statement| in_transaction(file, *statement, dialect, is_verify));
        found.extend(problems);
    } else if transaction == Some(false)
        && let Err(error) = sql::segments(file.text, dialect)
    {
        found.push(sql_error(file, error));
    }
}

fn check_fixtures(folder: &Folder, dialect: Dialect, found: &mut Vec<Finding>) {
    let path = folder.path(FIXTURES);
    let Some(text) = &folder.fixtures else { return };
    if let Err(error) = sql::statements(text, dialect) {
        found.push(sql_error(SourceFile { path: &path, text }, error));
    }
}

fn sql_error(file: SourceFile<'_>, error: sql::SqlError) -> Finding {
    let span = error.offset..error.end;
    let diagnostic = Diagnostic::at(Code::InvalidSql, file, span, error.to_string());
    let is_native = match error.problem {
        Problem::UnterminatedDollarQuote
        | Problem::UnterminatedComment
        | Problem::PsqlCommand
        | Problem::CopyFromStdin
        | Problem::CopyToStdout
        | Problem::BareInGroup(_) => true,
        // A trigger that PostgreSQL would take ends in EXECUTE FUNCTION and has no body.
        Problem::UnterminatedBody => {
            let rest = file.text.get(error.offset..).unwrap_or_default();
            !rest.to_ascii_uppercase().contains("EXECUTE")
        }
        _ => false,
    };
    Finding { diagnostic: diagnostic.help(error.help()), is_native }
}

/// What a statement must not do in the transaction of its migration.
fn in_transaction(file: SourceFile<'_>, statement: Statement, dialect: Dialect, is_verify: bool) -> Option<Finding> {
    let text = statement.text(file.text);
    let set_false = "set `\"transaction\": false` in metadata.json, or move it to a migration of its own that does";
    let (code, message, help) = match statement.kind {
        kind if kind.is_transaction_control() => {
            let word = first_word(text);
            if is_verify {
                let message = format!("`{word}` in a verify script");
                let help = "remove it: a verify script looks and leaves everything as it is".to_owned();
                (Code::TransactionControl, message, help)
            } else {
                let message = format!("`{word}` in a migration that runs in one transaction");
                let help = "remove it: the whole migration is one transaction; or set `\"transaction\": false` in metadata.json";
                (Code::TransactionControl, message, help.to_owned())
            }
        }
        Kind::Bare(bare) => {
            let message = format!("`{bare}` cannot run inside a transaction");
            let help = if is_verify { "a verify script runs inside one" } else { set_false };
            (Code::NotInTransaction, message, help.to_owned())
        }
        _ if dialect == Dialect::Sqlite => {
            let pragma = sql::pragma_outside_transaction(text)?;
            let message = format!("`PRAGMA {pragma}` fails or is ignored inside a transaction");
            let help = match pragma {
                "foreign_keys" => "remove it and set `\"foreign_keys\": \"off\"` in metadata.json",
                _ => set_false,
            };
            (Code::PragmaInTransaction, message, help.to_owned())
        }
        _ => return None,
    };
    let span = statement.start..statement.end;
    Some(Finding {
        diagnostic: Diagnostic::at(code, file, span, message).help(help),
        is_native: code != Code::TransactionControl,
    })
}

fn first_word(text: &str) -> String {
    let end = text.find(|next: char| !next.is_ascii_alphabetic());
    text[..end.unwrap_or(text.len())].to_ascii_uppercase()
}
