//! What is wrong with the SQL of scripts, before a database sees it.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread;

use super::set::{in_effect, names};
use super::{Folder, LoadOptions};
use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::migration::{Dialect, Role, Script};
use crate::name::{FIXTURES, METADATA, PLACEHOLDER};
use crate::sql::{self, Kind, Problem, Statement};
use crate::version::SchemaVersion;

/// Checks every script for every dialect on which it is in effect; gives back the dialects that the set is for.
/// What was silenced before counts as needed.
pub(super) fn check(
    folders: &[Folder],
    candidates: &[Dialect],
    options: &LoadOptions,
    mut silenced: BTreeSet<(SchemaVersion, Code)>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Dialect> {
    let found_each = each_dialect(candidates, |dialect| findings(folders, dialect));
    let mut all = Vec::new();
    for (dialect, (findings, silent)) in found_each {
        silenced.extend(silent);
        all.push((dialect, findings));
    }
    let mut dialects = Vec::new();
    for (dialect, findings) in &all {
        // Asked only where it matters, since scripts are read again for it.
        let is_named = || folders.iter().any(|folder| names(folder, *dialect) || is_only_for(folder, *dialect));
        let others = all.iter().filter(|(other, _)| other != dialect);
        let mut others = others.map(|(_, findings)| findings.as_slice());
        let may_be_dropped = options.dialects.is_empty() && others.any(|other| is_for_another(findings, other));
        if may_be_dropped && !is_named() {
            continue;
        }
        dialects.push(*dialect);
        found.extend(findings.iter().map(|finding| finding.diagnostic.clone()));
    }
    let is_advised = options.advice.as_ref().is_some_and(|known| {
        let is_named = || folders.iter().any(|folder| names(folder, Dialect::Postgres));
        let is_sure = || known.contains(&Dialect::Postgres) || is_named();
        dialects == [Dialect::Postgres] || dialects.contains(&Dialect::Postgres) && is_sure()
    });
    if is_advised {
        let (advice, silent) = findings_by(folders, Dialect::Postgres, advise);
        found.extend(advice.into_iter().map(|finding| finding.diagnostic));
        silenced.extend(silent);
    }
    unused_allow(folders, &silenced, is_advised, found);
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

/// Whether a script that names no dialect says something that only this one has.
fn is_only_for(folder: &Folder, dialect: Dialect) -> bool {
    let says = |script: &Script| sql::Script::read(&script.sql, dialect).is_ok_and(|it| it.is_only_for_sqlite());
    dialect == Dialect::Sqlite && folder.scripts.iter().any(says)
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

/// What is wrong in every script that is in effect on a dialect.
fn findings(folders: &[Folder], dialect: Dialect) -> Found {
    let (mut findings, silenced) = findings_by(folders, dialect, |folder, script, found| {
        check_script(folder, script, dialect, found);
    });
    for folder in folders {
        check_fixtures(folder, dialect, &mut findings);
    }
    (findings, silenced)
}

/// What was found, and what of it is silenced.
type Found = (Vec<Finding>, BTreeSet<(SchemaVersion, Code)>);

/// What a check finds in every script that is in effect on a dialect, with what is silenced left out; that it was needed
/// is noted.
fn findings_by(folders: &[Folder], dialect: Dialect, check: impl Fn(&Folder, &Script, &mut Vec<Finding>)) -> Found {
    let (mut findings, mut silenced) = (Vec::new(), BTreeSet::new());
    for folder in folders {
        let mut of_folder = Vec::new();
        for role in Role::ALL {
            if let Some(script) = in_effect(folder, role, dialect) {
                check(folder, script, &mut of_folder);
            }
        }
        for finding in of_folder {
            let code = finding.diagnostic.code;
            if folder.metadata.as_ref().is_some_and(|it| it.allow.contains_key(&code)) {
                silenced.insert((folder.name.version, code));
            } else {
                findings.push(finding);
            }
        }
    }
    (findings, silenced)
}

/// What is silenced and is not there.
fn unused_allow(
    folders: &[Folder],
    silenced: &BTreeSet<(SchemaVersion, Code)>,
    is_advised: bool,
    found: &mut Vec<Diagnostic>,
) {
    for folder in folders {
        let (Some(metadata), Some(text)) = (&folder.metadata, &folder.metadata_text) else {
            continue;
        };
        let path = folder.path(METADATA);
        for (code, allowed) in &metadata.allow {
            // Where a check is not compiled in or not asked for, nothing is known of what it would find.
            let is_checked = match code {
                Code::SqliteSyntax | Code::SqliteSyntaxInDown => cfg!(feature = "sqlite-syntax"),
                Code::PostgresSyntax => is_advised && cfg!(feature = "postgres-syntax"),
                code => is_advised || !code.is_for_validate(),
            };
            if !is_checked || silenced.contains(&(folder.name.version, *code)) {
                continue;
            }
            let file = SourceFile { path: &path, text };
            let message = format!("`{code}` is silenced and is not there");
            let diagnostic = Diagnostic::at(Code::UnusedAllow, file, allowed.span.clone(), message);
            found.push(diagnostic.help("remove it: it would hide a mistake that is made later"));
        }
    }
}

fn check_script(folder: &Folder, script: &Script, dialect: Dialect, found: &mut Vec<Finding>) {
    let path = folder.path(&script.file_name());
    let file = SourceFile { path: &path, text: &script.sql };
    let read = match sql::Script::read(file.text, dialect) {
        Ok(read) => read,
        Err(error) => return found.push(sql_error(file, error)),
    };
    let statements = read.statements();
    if statements.is_empty() && !(script.role == Role::Down && says_why(file.text)) {
        found.push(empty(file, script));
    }
    let is_verify = script.role == Role::Verify;
    // Without readable metadata it is not known how the script runs.
    let transaction = folder.metadata.as_ref().map(|it| it.settings.transaction);
    // The statements that share a transaction.
    let mut together: Vec<Vec<Statement>> = Vec::new();
    if is_verify || transaction == Some(true) {
        let problems =
            statements.iter().filter_map(|statement| in_transaction(file, &read, statement, dialect, is_verify));
        found.extend(problems);
        together.push(statements.to_vec());
    } else if transaction == Some(false) {
        match read.segments() {
            Ok(segments) => together.extend(segments.into_iter().map(|segment| segment.statements)),
            Err(error) => found.push(sql_error(file, error)),
        }
    }
    match dialect {
        Dialect::Postgres => {
            found.extend(statements.iter().filter_map(|statement| sets_timeout(file, &read, statement)));
            found.extend(together.iter().flat_map(|statements| enum_values(file, &read, statements)));
        }
        Dialect::Sqlite => {
            #[cfg(feature = "sqlite-syntax")]
            found.extend(statements.iter().filter_map(|statement| sqlite_syntax(file, *statement, script.role)));
        }
    }
}

/// What is worth a look in a script for PostgreSQL. A script that is not cut into statements has errors to mend first.
fn advise(folder: &Folder, script: &Script, found: &mut Vec<Finding>) {
    let path = folder.path(&script.file_name());
    let file = SourceFile { path: &path, text: &script.sql };
    let statements = sql::statements(file.text, Dialect::Postgres).unwrap_or_default();
    #[cfg(feature = "postgres-syntax")]
    found.extend(statements.iter().filter_map(|statement| postgres_syntax(file, *statement)));
    let transaction = folder.metadata.as_ref().is_some_and(|it| it.settings.transaction);
    if transaction && script.role == Role::Up {
        found.extend(several_locks(file, &statements));
    }
}

#[cfg(feature = "postgres-syntax")]
fn postgres_syntax(file: SourceFile<'_>, statement: Statement) -> Option<Finding> {
    let error = sql::postgres_syntax_error(statement.text(file.text))?;
    let span = statement.start + error.span.start..statement.start + error.span.end;
    let message = format!("PostgreSQL: {}", error.message);
    let help = "correct the statement; `migrate validate --shadow-url` asks a server, and if it accepts the statement, say so: `\"allow\": {\"postgres-syntax\": \"...\"}`";
    let diagnostic = Diagnostic::at(Code::PostgresSyntax, file, span, message).help(help);
    Some(Finding { diagnostic, is_native: true })
}

/// Points at the second table: the first one alone would be no matter.
fn several_locks(file: SourceFile<'_>, statements: &[Statement]) -> Option<Finding> {
    const SHOWN: usize = 5;
    let locks = sql::strong_locks(file.text, statements);
    let second = locks.get(1)?;
    let mut names: Vec<String> = locks
        .iter()
        .take(SHOWN)
        .map(|lock| format!("`{}` (line {})", lock.table, sql::line_column(file.text, lock.start).0))
        .collect();
    if locks.len() > SHOWN {
        names.push(format!("{} more", locks.len() - SHOWN));
    }
    let last = names.pop()?;
    let message = format!("strong locks on {} and {last} are held together until the commit", names.join(", "));
    let help = "give each table a migration of its own, so that nobody waits for one while the others are locked; or say why not: `\"allow\": {\"several-locks\": \"...\"}`";
    let diagnostic = Diagnostic::at(Code::SeveralLocks, file, second.start..second.end, message).help(help);
    Some(Finding { diagnostic, is_native: true })
}

fn check_fixtures(folder: &Folder, dialect: Dialect, found: &mut Vec<Finding>) {
    let path = folder.path(FIXTURES);
    let Some(text) = &folder.fixtures else { return };
    if let Err(error) = sql::statements(text, dialect) {
        found.push(sql_error(SourceFile { path: &path, text }, error));
    }
}

/// Whether a script without a statement has a comment that somebody wrote: more than the line of the template.
fn says_why(text: &str) -> bool {
    text.lines().any(|line| line.contains(char::is_alphanumeric) && !line.trim_end().ends_with(PLACEHOLDER))
}

fn empty(file: SourceFile<'_>, script: &Script) -> Finding {
    let message = format!("`{}` holds no statement", script.file_name());
    let help = match script.role {
        Role::Up => "an empty script counts as applied",
        Role::Down => "an empty script takes nothing back; if there is nothing to take back, say so in a comment",
        Role::Verify => "an empty script proves nothing: remove it",
    };
    Finding { diagnostic: Diagnostic::whole(Code::EmptyScript, file.path, message).help(help), is_native: true }
}

fn sets_timeout(file: SourceFile<'_>, read: &sql::Script<'_>, statement: &Statement) -> Option<Finding> {
    let timeout = read.timeout_set(statement)?;
    let message = format!("`{timeout}` is set by the script, over what the migration is run with");
    let help = format!("remove it; for a value of its own write `\"{timeout}\": \"5s\"` in metadata.json");
    let span = statement.start..statement.end;
    let diagnostic = Diagnostic::at(Code::TimeoutInScript, file, span, message).help(help);
    Some(Finding { diagnostic, is_native: true })
}

fn enum_values<'a>(
    file: SourceFile<'a>,
    read: &sql::Script<'_>,
    statements: &[Statement],
) -> impl Iterator<Item = Finding> + use<'a> {
    read.enum_value_uses(statements).into_iter().map(move |it| {
        let text = &file.text[it.start..it.end];
        let (code, message) = if it.is_certain {
            let message = format!("{text} of enum `{}` is used in the transaction that adds it", it.enumeration);
            (Code::EnumValueInUse, message)
        } else {
            let message = format!("{text} is also the value that this transaction adds to enum `{}`", it.enumeration);
            (Code::EnumValueSuspect, message)
        };
        let help = match code {
            Code::EnumValueInUse => "use it in the next migration: PostgreSQL refuses it before the value is committed",
            _ => "if the enum's value is meant, use it in the next migration: PostgreSQL refuses it before it is committed",
        };
        Finding { diagnostic: Diagnostic::at(code, file, it.start..it.end, message).help(help), is_native: true }
    })
}

/// What SQLite's grammar has no place for. A statement of PostgreSQL may have none in it either, so it tells nothing of
/// the dialect that the script was written for.
#[cfg(feature = "sqlite-syntax")]
fn sqlite_syntax(file: SourceFile<'_>, statement: Statement, role: Role) -> Option<Finding> {
    let error = sql::sqlite_syntax_error(statement.text(file.text))?;
    let span = statement.start + error.span.start..statement.start + error.span.end;
    let message = format!("SQLite: {}", error.message);
    // A migration that was released and works must not be held up by its way back.
    let code = if role == Role::Down { Code::SqliteSyntaxInDown } else { Code::SqliteSyntax };
    let help =
        format!("correct the statement; if your SQLite accepts it, say so: `\"allow\": {{\"{code}\": \"...\"}}`");
    Some(Finding { diagnostic: Diagnostic::at(code, file, span, message).help(help), is_native: false })
}

fn sql_error(file: SourceFile<'_>, error: sql::SqlError) -> Finding {
    let (code, is_native) = match error.problem {
        Problem::UnterminatedString => (Code::UnterminatedString, false),
        Problem::UnterminatedIdentifier => (Code::UnterminatedName, false),
        Problem::UnterminatedComment => (Code::UnterminatedComment, true),
        Problem::UnterminatedDollarQuote => (Code::UnterminatedDollarQuote, true),
        // A trigger that PostgreSQL would take ends in EXECUTE FUNCTION and has no body.
        Problem::UnterminatedBody => {
            let rest = file.text.get(error.offset..).unwrap_or_default();
            (Code::UnterminatedBody, !rest.to_ascii_uppercase().contains("EXECUTE"))
        }
        Problem::UnbalancedParenthesis => (Code::UnbalancedParenthesis, false),
        Problem::PsqlCommand => (Code::PsqlCommand, true),
        Problem::CopyFromStdin => (Code::CopyFromStdin, true),
        Problem::CopyToStdout => (Code::CopyToStdout, true),
        Problem::NulByte => (Code::NulByte, false),
        Problem::BeginWithoutCommit => (Code::BeginWithoutCommit, false),
        Problem::NestedBegin => (Code::NestedBegin, false),
        Problem::CommitWithoutBegin => (Code::CommitWithoutBegin, false),
        Problem::Rollback => (Code::RollbackInMigration, false),
        Problem::Chain => (Code::CommitAndChain, false),
        Problem::SavepointOutsideGroup => (Code::SavepointOutsideGroup, false),
        Problem::TwoPhase => (Code::TwoPhaseCommit, false),
        Problem::BareInGroup(_) => (Code::NotInTransaction, true),
    };
    let diagnostic = Diagnostic::at(code, file, error.offset..error.end, error.to_string());
    Finding { diagnostic: diagnostic.help(error.help()), is_native }
}

/// What a statement must not do in the transaction of its migration.
fn in_transaction(
    file: SourceFile<'_>,
    read: &sql::Script<'_>,
    statement: &Statement,
    dialect: Dialect,
    is_verify: bool,
) -> Option<Finding> {
    const SET_FALSE: &str =
        "set `\"transaction\": false` in metadata.json, or move it to a migration of its own that does";
    let text = statement.text(file.text);
    let (code, message, help) = match statement.kind {
        kind if kind.is_transaction_control() && is_verify => {
            let message = format!("`{}` in a verify script", first_word(text));
            let help = "remove it: a verify script looks and leaves everything as it is";
            (Code::TransactionInVerify, message, help)
        }
        kind if kind.is_transaction_control() => {
            let message = format!("`{}` in a migration that runs in one transaction", first_word(text));
            let help =
                "remove it: the whole migration is one transaction; or set `\"transaction\": false` in metadata.json";
            (Code::TransactionControl, message, help)
        }
        Kind::Bare(bare) => {
            let message = format!("`{bare}` cannot run inside a transaction");
            let help = if is_verify { "a verify script runs inside one" } else { SET_FALSE };
            (Code::NotInTransaction, message, help)
        }
        _ if dialect == Dialect::Sqlite => match read.pragma_outside_transaction(statement)? {
            "foreign_keys" => {
                let message = "`PRAGMA foreign_keys` is ignored inside a transaction: a table that is rebuilt would take its child rows with it".to_owned();
                let help = "remove it and set `\"foreign_keys\": \"off\"` in metadata.json";
                (Code::ForeignKeysPragma, message, help)
            }
            pragma => {
                let message = format!("`PRAGMA {pragma}` fails or is ignored inside a transaction");
                (Code::PragmaInTransaction, message, SET_FALSE)
            }
        },
        _ => return None,
    };
    let is_native = !matches!(code, Code::TransactionControl | Code::TransactionInVerify);
    let span = statement.start..statement.end;
    Some(Finding { diagnostic: Diagnostic::at(code, file, span, message).help(help), is_native })
}

fn first_word(text: &str) -> String {
    let end = text.find(|next: char| !next.is_ascii_alphabetic());
    text[..end.unwrap_or(text.len())].to_ascii_uppercase()
}
