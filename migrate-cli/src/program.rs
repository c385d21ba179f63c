//! What a program is called that mounts the verbs. Messages and help say `migrate up`; a server's users type
//! `wallet-server migrate up`.

use std::ffi::OsString;
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::args::EmbeddedCommand;

const OURS: &str = "migrate ";

/// What was typed before the verb: `wallet-server migrate`. `None` where that cannot be told.
pub(crate) fn of(arguments: &[OsString]) -> Option<String> {
    let mut arguments = arguments.iter().map(|argument| argument.to_str());
    let first = Path::new(arguments.next()??).file_name()?.to_str()?;
    let verbs = EmbeddedCommand::command();
    let mut words = vec![first];
    for argument in arguments {
        // The value of an option cannot be told from a command.
        let argument = argument.filter(|it| !it.starts_with('-'))?;
        if verbs.find_subcommand(argument).is_some() {
            return Some(words.join(" "));
        }
        words.push(argument);
    }
    None
}

/// Names the program where a text names a verb of `migrate` that the program has: after an accent, and at the beginning of
/// an example's line.
pub(crate) fn named(text: &str, program: Option<&str>) -> String {
    let Some(program) = program else {
        return text.to_owned();
    };
    let verbs = EmbeddedCommand::command();
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(OURS) {
        let (before, found) = rest.split_at(at);
        let after = &found[OURS.len()..];
        let before_it = before.strip_suffix("app ").unwrap_or(before);
        let is_command = before_it.ends_with('`') || before_it.ends_with("\n  ");
        if is_command && is_verb(&verbs, after) {
            named.push_str(before_it);
            named.push_str(program);
            named.push(' ');
        } else {
            named.push_str(before);
            named.push_str(OURS);
        }
        rest = after;
    }
    named + rest
}

/// The same for the help in a document.
pub(crate) fn named_in_document(json: &str, program: Option<&str>) -> String {
    const HELP: &str = "\"help\":\"";
    let mut named = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(HELP) {
        let (before, text) = rest.split_at(at + HELP.len());
        let mut escaped = false;
        let end = text.find(|it: char| {
            let ends = it == '"' && !escaped;
            escaped = it == '\\' && !escaped;
            ends
        });
        let (help, after) = text.split_at(end.unwrap_or(text.len()));
        named.push_str(before);
        named.push_str(&self::named(help, program));
        rest = after;
    }
    named + rest
}

/// Whether a text begins with a verb that a program has. Of `lock` it has what concerns the run lock.
fn is_verb(verbs: &Command, text: &str) -> bool {
    let mut words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
    let Some(verb) = words.next().and_then(|word| verbs.find_subcommand(word)) else {
        return false;
    };
    verb.get_name() != "lock" || words.next().is_some_and(|word| verb.find_subcommand(word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_verb() {
        let of = |line: &str| of(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("/usr/bin/shop migrate up").as_deref(), Some("shop migrate"));
        assert_eq!(of("shop db schema dump").as_deref(), Some("shop db"));
        assert_eq!(of("shop up --to 1.0.0").as_deref(), Some("shop"));
        assert_eq!(of("shop --config up migrate up"), None);
        assert_eq!(of("shop serve"), None);
    }

    #[test]
    fn verbs_that_a_program_has_are_named() {
        for (text, expected) in [
            ("run `migrate up`, then `migrate status`", "run `shop db up`, then `shop db status`"),
            ("Examples:\n  migrate up\n  app migrate check", "Examples:\n  shop db up\n  shop db check"),
            ("`migrate lock show`", "`shop db lock show`"),
            ("`migrate lock`", "`migrate lock`"),
            ("`migrate validate`", "`migrate validate`"),
            ("to migrate up", "to migrate up"),
        ] {
            assert_eq!(named(text, Some("shop db")), expected);
            assert_eq!(named(text, None), text);
        }
        let json = r#"{"message":"`migrate up`","help":"a \" `migrate up`","sql":"`migrate up`"}"#;
        let expected = r#"{"message":"`migrate up`","help":"a \" `shop up`","sql":"`migrate up`"}"#;
        assert_eq!(named_in_document(json, Some("shop")), expected);
    }
}
