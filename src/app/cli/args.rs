//! The command line: what may be written, and nothing of what it does.
//!
//! `webmon` alone is `webmon run`, so the options of `run` stand at the top too. Limits on values are checked
//! here, at the door; what needs sites.yaml is checked where it is read.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::app::exit::complain;
use crate::model::text::redact::redacted;
use crate::model::time::duration;

use super::db::DbCommand;
use super::examples;
use super::stdout::print;

/// Watches websites from a terminal: exact rolling statistics, durable history, alerts.
#[derive(Debug, Parser)]
#[command(name = "webmon", version = env!("WEBMON_VERSION"), about)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    /// What to do; `run` when nothing is named.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `run`.
    #[command(flatten)]
    pub run: RunArgs,
    /// Options of every command.
    #[command(flatten)]
    pub common: CommonArgs,
}

impl Cli {
    /// Reads the arguments of the process; wrong usage ends it with code 2.
    #[must_use]
    pub fn read() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        Self::read_from(arguments.iter().cloned()).unwrap_or_else(|error| {
            let said = error.render().to_string();
            let shown = without_secrets(&said, &arguments);
            if shown != said {
                complain(shown.trim_end());
                std::process::exit(error.exit_code());
            }
            if error.use_stderr() || io::stdout().is_terminal() {
                error.exit();
            }
            // Help and version are output like any other: an error reports a full disk.
            let printed = print(|out| out.write_all(said.as_bytes()));
            if let Err(failure) = &printed {
                complain(failure);
            }
            std::process::exit(printed.map_or_else(|failure| failure.code(), |()| 0).into())
        })
    }

    /// How a run or a demonstration is shown; none of another command.
    #[must_use]
    pub const fn output(&self) -> Option<&OutputArgs> {
        match &self.command {
            None => Some(&self.run.output),
            Some(Command::Run(args)) => Some(&args.output),
            Some(Command::Demo(args)) => Some(&args.output),
            Some(_) => None,
        }
    }

    /// Whether it goes on until somebody ends it.
    #[must_use]
    pub const fn monitors(&self) -> bool {
        matches!(self.command, None | Some(Command::Run(_) | Command::Watch | Command::Demo(_)))
    }

    /// Reads `arguments`, the first of which is the program's own name.
    ///
    /// # Errors
    /// What is wrong with them, or the help or version that they ask for.
    pub fn read_from(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut grammar = Self::grammar();
        let matches = grammar.try_get_matches_from_mut(arguments)?;
        let before = |stray: &str, command: &str| {
            format!("`{stray}` stands before `{command}`; options of a command come after it")
        };
        let sites = matches.get_many::<String>("sites").unwrap_or_default();
        if let Some(command) = sites.clone().find(|site| command_names().contains(site)) {
            let first = sites.clone().next().map_or("", String::as_str);
            return Err(grammar.error(ErrorKind::ArgumentConflict, before(first, command)));
        }
        if let Some(command) = matches.subcommand_name() {
            // The options of `run` stand at the top for `webmon` alone; before another command they would be lost.
            let run_only = |id: &&clap::Id| {
                let common = ["config", "store", "verbose", "color", "CommonArgs"].contains(&id.as_str());
                !common && matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
            };
            if let Some(stray) = matches.ids().find(|id| run_only(id)) {
                return Err(grammar.error(ErrorKind::ArgumentConflict, before(stray.as_str(), command)));
            }
        }
        Self::from_arg_matches(&matches)
    }

    /// The grammar of the command line, with its examples.
    #[must_use]
    pub fn grammar() -> clap::Command {
        let grammar = Self::command();
        let with_examples = |command: clap::Command, name: Option<&str>| match examples::of(name) {
            Some(examples) => command.after_help(examples),
            None => command,
        };
        command_names().iter().fold(with_examples(grammar, None), |grammar, name| {
            grammar.mut_subcommand(name, |command| with_examples(command, Some(name)))
        })
    }
}

/// `said`, an error about `arguments`, without the passwords of URLs among them.
fn without_secrets(said: &str, arguments: &[OsString]) -> String {
    let texts = arguments.iter().filter_map(|argument| argument.to_str());
    let values = texts.flat_map(|text| [text, text.split_once('=').map_or(text, |(_, value)| value)]);
    values.filter(|value| !value.is_empty()).fold(said.to_owned(), |said, value| match redacted(value) {
        shown if shown == value => said,
        shown => said.replace(value, &shown),
    })
}

/// The names of all commands.
#[must_use]
pub fn command_names() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the sites and show the dashboard (the default command)
    Run(RunArgs),
    /// The dashboard, read-only, over the store that another webmon is writing
    Watch,
    /// Probe once, show every phase, exit; leaves the store alone
    Check(CheckArgs),
    /// Statistics of any stored period
    Stats(StatsArgs),
    /// Raw samples of any stored period
    Samples(HistoryArgs),
    /// Alert history
    Alerts(AlertsArgs),
    /// Check a configuration file
    Validate(ValidateArgs),
    /// The dashboard over simulated websites; needs no network and no file
    Demo(DemoArgs),
    /// Write a commented sites.yaml
    Init,
    /// Print the JSON Schema of sites.yaml
    Schema,
    /// The store itself: what is in it, whether it is sound, compaction, backup
    #[command(subcommand)]
    Db(DbCommand),
    /// Print the script with which a shell completes this command line
    Completions {
        /// The shell
        #[arg(value_enum, value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// Options of `validate`.
#[derive(Clone, Debug, Args)]
pub struct ValidateArgs {
    /// Take no variable and no file into account: for places that have no secrets
    #[arg(long)]
    pub no_env: bool,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct CommonArgs {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", env = "WEBMON_CONFIG", default_value = "sites.yaml")]
    pub config: PathBuf,
    /// The store, in place of `storage.path`
    #[arg(long, global = true, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// More in the log, up to -vvv, or as `WEBMON_LOG` says (for `check`: the phases of all sites, the headers that came, how a wrong body begins)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour (`NO_COLOR` is respected)
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Whether colours are used on a terminal.
    #[must_use]
    pub fn on_terminal(self) -> bool {
        match self {
            Self::Auto => std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Options of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Names of sites in the file, or URLs to watch ad hoc, without a store
    #[arg(value_name = "SITE|URL")]
    pub sites: Vec<String>,
    /// How it is shown, and when it ends.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Keep nothing
    #[arg(long)]
    pub no_store: bool,
    /// Where samples are exported to.
    #[cfg(feature = "influx")]
    #[command(flatten)]
    pub export: ExportArgs,
}

/// Options of `run` about the export.
#[cfg(feature = "influx")]
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Export every check to the InfluxDB at URL, or to `export.influx` of the file
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, conflicts_with = "no_store")]
    #[allow(clippy::option_option, reason = "not given, given without a URL, given with one")]
    pub export_influx: Option<Option<String>>,
    /// Where an export that is new begins
    #[arg(long, value_enum, value_name = "WHEN", conflicts_with = "no_store")]
    pub export_from: Option<ExportFrom>,
}

/// Where an export that is new begins.
#[cfg(feature = "influx")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFrom {
    /// With what comes from now on (the default).
    Now,
    /// With the last 24 hours.
    #[value(name = "24h")]
    Day,
    /// With everything that is stored.
    All,
}

/// How a running monitor is shown, and when it ends.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// No dashboard: lines on stdout (by itself when stdout is not a terminal)
    #[arg(long)]
    pub headless: bool,
    /// The form of the lines when headless
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LineFormat::Text)]
    pub format: LineFormat,
    /// What to print when headless in JSON
    #[arg(long, value_enum, value_name = "EVENTS", value_delimiter = ',', default_values_t = [Event::Stats, Event::Alert])]
    pub events: Vec<Event>,
    /// End by itself after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub duration: Option<Duration>,
}

/// Options of `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// How it is shown, and when it ends.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Show nothing, and at the end (after a minute, if `--for` does not say) write the dashboard to FILE as SVG
    #[arg(long, value_name = "FILE", hide = true, conflicts_with_all = ["headless", "format", "events"])]
    pub picture: Option<PathBuf>,
}

/// The form of headless lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LineFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What headless JSON may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Event {
    /// Every check.
    Sample,
    /// The figures of each view at its refresh.
    Stats,
    /// Alerts.
    Alert,
}

/// Options of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Names of sites in the file, or any URLs; none named: all
    #[arg(value_name = "SITE|URL")]
    pub sites: Vec<String>,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LineFormat::Text)]
    pub format: LineFormat,
    /// Exit with 1 also for a warning: a certificate that expires within `tls.warn_days`, or that is accepted with faults
    #[arg(long)]
    pub fail_on_warning: bool,
}

/// Which part of the store to read.
#[derive(Clone, Debug, Args)]
pub struct PeriodArgs {
    /// Only this site (repeatable)
    #[arg(long = "site", value_name = "NAME")]
    pub sites: Vec<String>,
    /// From this time on: RFC 3339, a local date or date-time, or a duration back from now
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Up to this time, exclusive
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// Options of the commands that list stored history.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// Which part of the store.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TableFormat::Table)]
    pub format: TableFormat,
}

/// Options of `stats`.
#[derive(Clone, Debug, Args)]
pub struct StatsArgs {
    /// Which part of the store.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = StatsFormat::Table)]
    pub format: StatsFormat,
}

/// Options of `alerts`.
#[derive(Clone, Debug, Args)]
pub struct AlertsArgs {
    /// Which alerts.
    #[command(flatten)]
    pub history: HistoryArgs,
    /// Hand one made-up alert to `alerting.exec`, and say how that went
    #[arg(long, conflicts_with_all = ["sites", "since", "until", "format"])]
    pub test: bool,
}

/// The form of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// For people.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated, with a header.
    Csv,
    /// `HdrHistogram` interval log: the response times in µs of each hour (of each day beyond a week) and site, for `HdrHistogram`'s tools.
    Hlog,
}

/// The form of stored history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// For people.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated, with a header.
    Csv,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, String> {
        let words = std::iter::once("webmon").chain(line.split_whitespace());
        Cli::read_from(words.map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_error_about_arguments_shows_no_password() {
        for line in ["stats http://ada:S3CRET#x@h", "check --format=http://ada:S3CRET@h", "db check ada:S3CRET@h"] {
            let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let error = read(line).unwrap_err();
            assert!(error.contains("S3CRET"), "{error}");
            assert!(!without_secrets(&error, &arguments).contains("S3CRET"), "{error}");
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::grammar().debug_assert();
    }

    #[test]
    fn run_is_the_default_command() {
        let cli = read("https://my.site --headless --for 1m30s").unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.run.sites, ["https://my.site"]);
        assert!(cli.run.output.headless);
        assert_eq!(cli.run.output.duration, Some(Duration::from_secs(90)));
    }

    #[test]
    fn a_value_that_is_the_name_of_a_command_too_is_a_value() {
        let cli = read("--headless --format json --events stats").unwrap();
        assert!(cli.command.is_none() && cli.run.output.headless);
    }

    #[test]
    fn options_of_every_command_stand_before_it_or_after_it() {
        for line in ["-c x.yaml samples", "samples -c x.yaml"] {
            let cli = read(line).unwrap();
            assert!(matches!(cli.command, Some(Command::Samples(_))), "{line}");
            assert_eq!(cli.common.config, PathBuf::from("x.yaml"), "{line}");
        }
    }

    #[test]
    fn options_of_run_before_another_command_are_refused_not_lost() {
        for line in ["--headless samples", "--for 1m alerts", "https://my.site check"] {
            let error = read(line).unwrap_err();
            assert!(error.contains("stands before"), "{line}: {error}");
        }
    }

    #[test]
    fn a_duration_needs_its_unit() {
        let error = read("--for 10").unwrap_err();
        assert!(error.contains("lacks its unit"), "{error}");
    }
}
