//! Which verb a command line is about that could not be read, and which one was meant.

use std::ffi::OsString;

use clap::{ArgAction, Command};

/// The verbs that run migrations, and so answer with the document of a run: those of [`Verb::runs`].
///
/// [`Verb::runs`]: crate::args::Verb::runs
const RUNS: [&str; 6] = ["up", "down", "redo", "reset", "goto", "rollback"];

/// What other tools call our verbs.
const ELSEWHERE: [(&str, &str); 21] = [
    ("add", "new"),
    ("apply", "up"),
    ("clean", "reset"),
    ("create", "new"),
    ("current", "version"),
    ("deploy", "up"),
    ("downgrade", "down"),
    ("drop", "reset"),
    ("generate", "new"),
    ("info", "status"),
    ("log", "history"),
    ("ls", "list"),
    ("make", "new"),
    ("migrate", "up"),
    ("revert", "down"),
    ("run", "up"),
    ("show", "status"),
    ("stamp", "baseline"),
    ("undo", "down"),
    ("upgrade", "up"),
    ("verify", "validate"),
];

/// Our verb for a word of another tool's, if the command has it.
pub(super) fn translated(typed: &str, command: &Command) -> Option<&'static str> {
    let (_, ours) = ELSEWHERE.iter().find(|(theirs, _)| typed.eq_ignore_ascii_case(theirs))?;
    command.find_subcommand(ours).map(|_| *ours)
}

/// Whether the verb that was typed answers with the document of a run.
pub(super) fn runs(command: &Command, arguments: &[OsString]) -> bool {
    let asks = arguments.iter().any(|argument| argument == "--can");
    verb(command, arguments).is_some_and(|verb| RUNS.contains(&verb) && !(verb == "rollback" && asks))
}

/// The first word that is a verb and not the value of an option.
fn verb<'a>(command: &'a Command, arguments: &[OsString]) -> Option<&'a str> {
    let mut arguments = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    while let Some(argument) = arguments.next() {
        if let Some(option) = argument.strip_prefix("--") {
            if takes_the_next(command, option) {
                arguments.next();
            }
        } else if let Some(verb) = command.find_subcommand(argument) {
            return Some(verb.get_name());
        }
    }
    None
}

fn takes_the_next(command: &Command, option: &str) -> bool {
    let found = command.get_arguments().find(|argument| argument.get_long() == Some(option));
    found.is_some_and(|argument| matches!(argument.get_action(), ArgAction::Set | ArgAction::Append))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::{DirectoryCommand, DirectoryVerb, EmbeddedCommand};

    fn runs_of(line: &str) -> bool {
        runs(&DirectoryCommand::command(), &line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_verb_decides_and_no_other_word() {
        for (line, expected) in [
            ("migrate up --nosuch", true),
            ("migrate --table down up --nosuch", true),
            ("migrate --table=down status --nosuch", false),
            ("migrate --table up status --nosuch", false),
            ("migrate -q reset --nosuch", true),
            ("migrate rollback", true),
            ("migrate rollback --can --nosuch", false),
            ("migrate new up --template nosuch", false),
            ("migrate nosuch", false),
            ("migrate", false),
        ] {
            assert_eq!(runs_of(line), expected, "{line}");
        }
    }

    #[test]
    fn a_verb_answers_alike_whether_it_could_be_read_or_not() {
        for line in [
            "migrate up",
            "migrate down",
            "migrate redo",
            "migrate reset",
            "migrate goto 1.0.0",
            "migrate rollback --run 1",
            "migrate rollback --can",
            "migrate status",
            "migrate plan",
            "migrate backup list",
            "migrate baseline 1.0.0",
        ] {
            let typed = DirectoryCommand::try_parse_from(line.split(' ')).expect("the line is well formed");
            let DirectoryVerb::Database(verb) = typed.verb else { panic!("{line}") };
            assert_eq!(runs_of(line), verb.runs(), "{line}");
        }
    }

    #[test]
    fn words_of_other_tools_are_none_of_ours() {
        let (directory, embedded) = (DirectoryCommand::command(), EmbeddedCommand::command());
        for (theirs, ours) in ELSEWHERE {
            assert!(directory.find_subcommand(theirs).is_none(), "{theirs} is a verb of ours");
            assert_eq!(translated(theirs, &directory), Some(ours));
        }
        assert_eq!(translated("Apply", &embedded), Some("up"));
        // Only the program `migrate` has it.
        assert_eq!(translated("create", &embedded), None);
    }
}
