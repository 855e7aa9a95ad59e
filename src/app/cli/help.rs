//! The help of each command, and errors about arguments.

use std::ffi::OsString;

use clap::{Arg, Command};

use crate::model::text::redact::redacted;

/// The common options that have an effect on the command `name`.
fn common_options(name: &str) -> &'static [&'static str] {
    match name {
        "run" => &["config", "store", "verbose", "color"],
        "watch" => &["config", "store", "color"],
        "check" => &["config", "verbose", "color"],
        "demo" => &["verbose", "color"],
        "backtest" => &["config", "store", "verbose"],
        "stats" | "samples" | "alerts" | "incident" | "why" | "report" | "ack" | "silence" | "db" => {
            &["config", "store"]
        }
        "validate" | "init" | "fleet" => &["config"],
        _ => &[],
    }
}

/// The command `name`, or a subcommand of it, with its own help of shared options.
pub fn specific(command: Command, name: &str) -> Command {
    let command = command.mut_subcommands(|below| {
        let reads_nothing = below.get_name() == "server-config";
        specific(below, if reads_nothing { "server-config" } else { name })
    });
    command.mut_args(|arg| match (arg.get_id().as_str(), name) {
        (id, _) if arg.is_global_set() && !common_options(name).contains(&id) => arg.hide(true),
        // Accepted, so that a line for `run` needs no change.
        ("interval", "check") => arg.hide(true),
        ("verbose", "check") => {
            arg.help("Show the phases of all sites, the response headers, and the start of an unexpected body")
        }
        ("verbose", "run" | "demo") => arg.help("Log more, up to -vvv (or set `WEBMON_LOG`)"),
        ("verbose", "backtest") => arg.help("List all incidents"),
        ("since", "backtest") => since(arg, "30d"),
        ("since", "stats") => since(arg, "24h"),
        ("since", "samples") => since(arg, "1h"),
        ("since", "alerts") => since(arg, "everything"),
        _ => arg,
    })
}

fn since(arg: Arg, default: &str) -> Arg {
    let help = arg.get_help().map_or_else(String::new, ToString::to_string);
    arg.help(format!("{help} [default: {default}]"))
}

/// `text`, an error about `arguments`, without the passwords of their URLs.
pub fn without_secrets(text: &str, arguments: &[OsString]) -> String {
    let texts = arguments.iter().filter_map(|argument| argument.to_str());
    let values = texts.flat_map(|text| [text, text.split_once('=').map_or(text, |(_, value)| value)]);
    values.filter(|value| !value.is_empty()).fold(text.to_owned(), |text, value| match redacted(value) {
        shown if shown == value => text,
        shown => text.replace(value, &shown),
    })
}
