//! The grammar of the command line.
//!
//! `webmon` alone is `webmon run`, so the options of `run` are top-level options, too. Values that need sites.yaml are
//! checked where that is read.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::app::exit::complain;
use crate::model::ListenAddress;
use crate::model::time::duration;

use super::ad_hoc::AdHocArgs;
use super::examples;
use super::fleet::commands::FleetCommand;
use super::fleet::hub::HubArgs;
pub use super::formats::{ColorChoice, LineFormat, StatsFormat, TableFormat};
use super::help::{specific, without_secrets};
use super::orders::{AckArgs, SilenceArgs};
use super::stdout::print;
use super::stored::db::DbCommand;
pub use super::stored::history::{AlertsArgs, BacktestArgs, HistoryArgs, PeriodArgs, StatsArgs};
use super::stored::incident::{IncidentArgs, WhyArgs};
use super::stored::report::ReportArgs;
use super::stored::watch::WatchArgs;

/// What `--version` prints; `-V` prints the first line.
const LONG_VERSION: &str = concat!(env!("WEBMON_VERSION"), "\nfeatures: ", env!("WEBMON_FEATURES"));

/// Watches websites from a terminal: exact rolling statistics, durable history, alerts.
#[derive(Debug, Parser)]
#[command(name = "webmon", version = env!("WEBMON_VERSION"), long_version = LONG_VERSION, about)]
pub struct Cli {
    /// The command; `run` by default.
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
    /// Parses the arguments of the process; wrong usage ends it with code 2.
    #[must_use]
    pub fn read() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        Self::read_from(arguments.iter().cloned()).unwrap_or_else(|error| {
            let text = error.render().to_string();
            let shown = without_secrets(&text, &arguments);
            if shown != text {
                complain(shown.trim_end());
                std::process::exit(error.exit_code());
            }
            if error.use_stderr() || io::stdout().is_terminal() {
                error.exit();
            }
            // A full disk is an error for help and version, too.
            let printed = print(|out| out.write_all(text.as_bytes()));
            if let Err(error) = &printed {
                complain(error.report());
            }
            std::process::exit(printed.map_or_else(|error| error.code(), |()| 0).into())
        })
    }

    /// The output options of `run` and `demo`.
    #[must_use]
    pub const fn output(&self) -> Option<&OutputArgs> {
        match &self.command {
            None => Some(&self.run.output),
            Some(Command::Run(args)) => Some(&args.output),
            Some(Command::Demo(args)) => Some(&args.output),
            Some(_) => None,
        }
    }

    /// Whether the command runs until the user ends it.
    #[must_use]
    pub const fn monitors(&self) -> bool {
        matches!(self.command, None | Some(Command::Run(_) | Command::Watch(_) | Command::Demo(_) | Command::Hub(_)))
    }

    /// Parses `arguments`, the first of which is the program's name.
    ///
    /// # Errors
    /// Wrong usage, or the text of `--help` and `--version`.
    pub fn read_from(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut grammar = Self::grammar();
        let matches = grammar.try_get_matches_from_mut(arguments)?;
        let before = |stray: &str, command: &str| {
            format!("`{stray}` comes before `{command}`; put the options of a command after it")
        };
        let sites = matches.get_many::<String>("sites").unwrap_or_default();
        if let Some(command) = sites.clone().find(|site| command_names().contains(site)) {
            let first = sites.clone().next().map_or("", String::as_str);
            return Err(grammar.error(ErrorKind::ArgumentConflict, before(first, command)));
        }
        if let Some(command) = matches.subcommand_name() {
            // The options of `run` are top-level options for `webmon` alone; before another command they would be lost.
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

    /// The grammar of the command line, with its examples. The help of a command leaves out common options without effect.
    #[must_use]
    pub fn grammar() -> clap::Command {
        let mut grammar = Self::command();
        // Only a built command has the common options.
        grammar.build();
        let with_examples = |command: clap::Command, name: Option<&str>| match examples::of(name) {
            Some(examples) => command.after_help(examples),
            None => command,
        };
        command_names().iter().fold(with_examples(grammar, None), |grammar, name| {
            grammar.mut_subcommand(name, |command| with_examples(specific(command, name), Some(name)))
        })
    }
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
    /// Show the dashboard, read-only, over the store of another webmon process, or over a fleet
    Watch(WatchArgs),
    /// Probe once, show every phase, and exit; does not touch the store
    Check(CheckArgs),
    /// Show statistics of any stored period
    Stats(StatsArgs),
    /// Write the status page and the pages of the sites as static files
    Report(ReportArgs),
    /// Gather the samples of all locations over NATS, and show them
    Hub(HubArgs),
    /// Show raw samples of any stored period
    Samples(HistoryArgs),
    /// Show the alert history
    Alerts(AlertsArgs),
    /// Tell everything about an incident: causes, first and last error, checks around it, who else failed
    Incident(IncidentArgs),
    /// Say in plain sentences why sites are not up
    Why(WhyArgs),
    /// Show what these and other rules would have found in stored checks, and reported
    Backtest(BacktestArgs),
    /// Acknowledge open incidents: no reminders, no further outlets; or list them
    Ack(AckArgs),
    /// Do not report sites for a while, though their checks go on; or list the silences
    Silence(SilenceArgs),
    /// Check a configuration file
    Validate(ValidateArgs),
    /// Show the dashboard over simulated websites; needs no network and no file
    Demo(DemoArgs),
    /// Write a commented sites.yaml
    Init(InitArgs),
    /// Print the JSON Schema of sites.yaml
    Schema,
    /// Set up the NATS server of several locations, and show how they are
    #[command(subcommand)]
    Fleet(FleetCommand),
    /// Inspect and maintain the store: contents, verification, compaction, backup
    #[command(subcommand)]
    Db(DbCommand),
    /// Print a shell completion script
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
    /// The configuration file, in place of --config
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Skip ${…} expansion, for CI without the secrets
    #[arg(long)]
    pub no_env: bool,
}

/// Options of `init`.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The file to write, in place of --config
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct CommonArgs {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", env = "WEBMON_CONFIG", default_value = "sites.yaml")]
    pub config: PathBuf,
    /// The store (overrides `storage.path`)
    #[arg(long, global = true, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Log more, up to -vvv (or set `WEBMON_LOG`); `check` shows the phases of all sites
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour (respects `NO_COLOR`)
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
}

/// Options of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Names of sites in the file, or URLs to watch ad hoc, without a store
    #[arg(value_name = "SITE|URL")]
    pub sites: Vec<String>,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Do not store results
    #[arg(long)]
    pub no_store: bool,
    /// How ad hoc URLs are checked.
    #[command(flatten)]
    pub ad_hoc: AdHocArgs,
    /// The export of results.
    #[cfg(feature = "influx")]
    #[command(flatten)]
    pub export: ExportArgs,
    /// The fleet that it is a part of.
    #[command(flatten)]
    pub fleet: FleetArgs,
}

/// Options of `run` about a fleet.
#[derive(Clone, Debug, Default, Args)]
pub struct FleetArgs {
    /// Be a location of the fleet at the NATS server URL (default: `fleet.server` of the file): send every check to its hubs
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, conflicts_with = "no_store")]
    #[allow(clippy::option_option, reason = "not given, given without a URL, given with one")]
    pub fleet: Option<Option<String>>,
}

/// Options of `run` about the export.
#[cfg(feature = "influx")]
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Export every check to the InfluxDB at URL (default: `export.influx` of the file)
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, conflicts_with = "no_store")]
    #[allow(clippy::option_option, reason = "not given, given without a URL, given with one")]
    pub export_influx: Option<Option<String>>,
    /// Where a new export begins
    #[arg(long, value_enum, value_name = "WHEN", conflicts_with = "no_store")]
    pub export_from: Option<ExportFrom>,
}

/// Where a new export begins.
#[cfg(feature = "influx")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFrom {
    /// With new checks (the default).
    Now,
    /// With the last 24 hours.
    #[value(name = "24h")]
    Day,
    /// With everything in the store.
    All,
}

/// How a monitor is shown, and when it stops.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Print lines instead of the dashboard (the default when stdout is not a terminal)
    #[arg(long)]
    pub headless: bool,
    /// Output format when headless
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LineFormat::Text)]
    pub format: LineFormat,
    /// Events in headless JSON
    #[arg(long, value_enum, value_name = "EVENTS", value_delimiter = ',', default_value = "stats,alert")]
    pub events: Vec<Event>,
    /// Serve metrics, the status page and the API by HTTP (default: `listen.address` of the file, or 127.0.0.1:9115)
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, value_parser = ListenAddress::parse)]
    #[allow(clippy::option_option, reason = "not given, given without an address, given with one")]
    pub listen: Option<Option<ListenAddress>>,
    /// Stop after DURATION
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub duration: Option<Duration>,
}

/// Options of `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    pub output: OutputArgs,
    /// Show nothing, and write the dashboard to FILE as SVG at the end (default: after a minute)
    #[arg(long, value_name = "FILE", hide = true, conflicts_with_all = ["headless", "format", "events"])]
    pub picture: Option<PathBuf>,
}

/// Events in headless JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Event {
    /// Every check.
    Sample,
    /// The statistics of each view at each refresh.
    Stats,
    /// Alerts.
    Alert,
}

/// Options of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Names of sites in the file, or URLs (default: every site of the file)
    #[arg(value_name = "SITE|URL")]
    pub sites: Vec<String>,
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LineFormat::Text)]
    pub format: LineFormat,
    /// Also exit with 1 on a warning: a certificate that expires within `tls.warn_days`, or is accepted despite faults
    #[arg(long)]
    pub fail_on_warning: bool,
    /// How ad hoc URLs are checked.
    #[command(flatten)]
    pub ad_hoc: AdHocArgs,
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
        for line in ["watch http://ada:S3CRET#x@h", "check --format=http://ada:S3CRET@h", "db check ada:S3CRET@h"] {
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
    fn help_names_defaults_and_only_options_with_an_effect() {
        let help = |line: &str| read(&format!("{line} --help")).unwrap_err();
        for (command, default) in [("stats", "24h"), ("samples", "1h"), ("alerts", "everything")] {
            let text = help(command);
            assert!(text.contains(&format!("[default: {default}]")), "{text}");
            assert!(
                text.contains("--store <FILE>") && !text.contains("--color") && !text.contains("--verbose"),
                "{text}"
            );
        }
        for command in ["man", "completions", "schema"] {
            let text = help(command);
            assert!(!text.contains("--store") && !text.contains("--config"), "{text}");
        }
        assert!(help("check").contains("response headers") && !help("db compact").contains("--color"));
        // Hidden options are accepted still.
        assert!(read("man --color never").is_ok());
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
            assert!(error.contains("comes before"), "{line}: {error}");
        }
    }

    #[test]
    fn a_duration_needs_its_unit() {
        let error = read("--for 10").unwrap_err();
        assert!(error.contains("lacks its unit"), "{error}");
    }
}
