//! `webmon man` prints the manual page, generated from the grammar of the command line.
//!
//! The manual is one page: the general part, each command with its options, files, variables and exit codes.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;

use crate::app::cli::args::Cli;
use crate::app::cli::stdout::print;
use crate::app::exit::{CommandError, EXIT_CODES, Ending};
use crate::app::log::VARIABLE;

/// Files and variables with their purpose.
const PLACES: [(&str, &[(&str, &str)]); 2] = [
    (
        "FILES",
        &[
            ("sites.yaml", "the configuration; `webmon init` writes one with every key"),
            ("webmon.redb", "the store, beside sites.yaml unless storage.path or --store names another file"),
            (
                "webmon.redb.log",
                "the log while the dashboard has the terminal; three files of at most 10 MiB: .log, .log.1, .log.2",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            ("WEBMON_CONFIG", "the configuration file; --config takes precedence"),
            (
                VARIABLE,
                "what to log: a level (off, error, warn, info, debug, trace), TOPIC=LEVEL, or several of them, separated by commas; -v takes precedence",
            ),
            ("NO_COLOR", "disables colour, if set and not empty"),
            ("TZ", "the time zone of all shown times"),
        ],
    ),
];

/// Prints the manual page, in roff.
///
/// # Errors
/// [`CommandError::System`]: standard output.
pub fn manual() -> Result<Ending, CommandError> {
    print(page)?;
    Ok(Ending::Done)
}

fn page<W: Write>(out: &mut W) -> io::Result<()> {
    let mut grammar = Cli::grammar();
    grammar.build();
    let man = Man::new(grammar.clone()).title("WEBMON");
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    writeln!(out, ".SH COMMANDS")?;
    for command in documented(&grammar) {
        describe(out, command, command.get_name())?;
    }
    for (heading, entries) in PLACES {
        section(out, heading, entries.iter().map(|(name, purpose)| ((*name).to_owned(), *purpose)))?;
    }
    section(out, "EXIT STATUS", EXIT_CODES.iter().map(|(code, meaning)| ((*code).to_owned(), *meaning)))?;
    writeln!(out, ".SH EXAMPLES")?;
    examples(out, &grammar)
}

/// A command with its own options, and its subcommands. Common options appear once per page.
fn describe(out: &mut impl Write, command: &Command, name: &str) -> io::Result<()> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(out, ".SS \"{}\"\n{}", escaped(name), escaped(&about))?;
    let own = command.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    let mut options = Vec::new();
    Man::new(own).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options);
    for line in
        options.lines().filter(|line| !line.starts_with(".SH") && !line.starts_with(".ie") && !line.starts_with(".el"))
    {
        writeln!(out, "{line}")?;
    }
    examples(out, command)?;
    for below in documented(command) {
        describe(out, below, &format!("{name} {}", below.get_name()))?;
    }
    Ok(())
}

/// The subcommands of `command`, without the one that prints their help.
fn documented(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| below.get_name() != "help")
}

fn examples(out: &mut impl Write, command: &Command) -> io::Result<()> {
    let Some(examples) = command.get_after_help() else { return Ok(()) };
    writeln!(out, ".PP\n.nf")?;
    for line in examples.to_string().lines() {
        writeln!(out, "{}", escaped(line))?;
    }
    writeln!(out, ".fi")
}

fn section<'a>(
    out: &mut impl Write,
    heading: &str,
    entries: impl Iterator<Item = (String, &'a str)>,
) -> io::Result<()> {
    writeln!(out, ".SH \"{heading}\"")?;
    entries
        .into_iter()
        .try_for_each(|(name, purpose)| writeln!(out, ".TP\n\\fB{}\\fR\n{}", escaped(&name), escaped(purpose)))
}

/// `text` with the characters escaped that roff interprets.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap_complete::{Shell, generate};

    fn printed() -> String {
        let mut page_of = Vec::new();
        page(&mut page_of).unwrap();
        String::from_utf8(page_of).unwrap()
    }

    #[test]
    fn the_manual_has_every_command_every_option_and_every_exit_code() {
        let page = printed();
        let mut grammar = Cli::grammar();
        grammar.build();
        assert!(!page.contains(".SS \"help"), "the commands are described once");
        for command in documented(&grammar) {
            assert!(page.contains(&format!(".SS \"{}\"\n", escaped(command.get_name()))), "{}", command.get_name());
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let Some(long) = arg.get_long() else { continue };
                assert!(page.contains(&escaped(&format!("--{long}"))), "{long}");
            }
        }
        for (code, meaning) in EXIT_CODES {
            assert!(page.contains(&format!("\\fB{code}\\fR\n{}\n", escaped(meaning))), "{code}");
        }
        assert!(page.starts_with(".ie") || page.starts_with(".TH"), "{}", &page[..80]);
    }

    #[test]
    fn every_shell_is_given_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            generate(shell, &mut Cli::grammar(), "webmon", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::grammar().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
