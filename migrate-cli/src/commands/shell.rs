//! `completions` and `man`: what shells and readers need, made of the definitions of the command line.

use clap::{Command, CommandFactory};
use clap_complete::Shell as Generator;
use clap_mangen::Man;

use crate::args::{CompletionsArgs, DirectoryCommand, ManArgs, Shell, ShellVerb};
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

/// Also where the configuration is broken.
pub(super) fn shell(verb: &ShellVerb, printer: &Printer) -> Result<Exit, Error> {
    match verb {
        ShellVerb::Completions(args) => Ok(completions(args, printer)),
        ShellVerb::Man(args) => man(args, printer),
    }
}

fn completions(args: &CompletionsArgs, printer: &Printer) -> Exit {
    let generator = match args.shell {
        Shell::Bash => Generator::Bash,
        Shell::Elvish => Generator::Elvish,
        Shell::Fish => Generator::Fish,
        Shell::Powershell => Generator::PowerShell,
        Shell::Zsh => Generator::Zsh,
    };
    let mut text = Vec::new();
    clap_complete::generate(generator, &mut DirectoryCommand::command(), "migrate", &mut text);
    print(&text, printer);
    Exit::Done
}

fn man(args: &ManArgs, printer: &Printer) -> Result<Exit, Error> {
    let mut command = DirectoryCommand::command();
    command.build();
    let below = |command: &Command, name: &String| command.find_subcommand(name).cloned();
    let found = args.command.iter().try_fold(command, |command, name| below(&command, name).map(titled));
    let command = found.ok_or_else(|| {
        let name = args.command.join(" ");
        Error::usage(format!("there is no command `{name}`"), "`migrate --help` lists the commands")
    })?;
    let mut text = Vec::new();
    Man::new(command)
        .source(concat!("migrate ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)
        .map_err(|error| Error::failed(format!("cannot write the page: {error}")))?;
    print(&text, printer);
    Ok(Exit::Done)
}

/// A page of its own is named as it is looked for: `man migrate-up`.
fn titled(command: Command) -> Command {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    command.bin_name(name)
}

fn print(text: &[u8], printer: &Printer) {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end();
    printer.answer(&Document::new(json::Text { text: text.to_owned() }), || text.to_owned());
}
