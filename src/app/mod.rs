//! The application: clock, scheduler, wiring, shutdown, command line.
//!
//! All effects are here or in the modules that it calls: `probe` (network), `store` (disk) and `tui` (terminal) do not import
//! each other, and return messages for the user as values.
//!
//! ```text
//! main thread      runtime: control loop (engine, every 250 ms) · store flush · signals
//! webmon-net       runtime: scheduler and probes; more of them, webmon-net-2 and so on, by `network.threads`
//! webmon-ui        the dashboard's loop                    or     webmon-out   lines to stdout
//! webmon-past      reads the store for the dashboard
//! webmon-rewind    reads the overview of an instant for the dashboard
//! webmon-trial     tries rules on stored checks for the dashboard
//! webmon-incident  reads what is known about an incident for the dashboard
//! webmon-slo       reads where objectives stand for the dashboard
//! webmon-export    runtime: reads the store, sends to InfluxDB
//! webmon-fleet     runtime: publishes samples to hubs, or hears them
//! webmon-gather    at a hub: commits what was heard
//! webmon-report    writes a report, while one is due
//! webmon-web       runtime: answers HTTP requests, reads the store for them
//! webmon-log       writes the log to stderr or to its file
//! blocking thread  one commit at a time
//! ```

mod alerts;
mod cli;
pub mod clock;
mod commands;
pub mod dashboard;
pub mod domains;
mod exit;
#[cfg(feature = "influx")]
mod export;
#[cfg(feature = "nats")]
mod fleet;
mod follow;
mod headless;
mod locations;
mod log;
mod monitor;
mod network;
mod objectives;
#[cfg(feature = "nats")]
mod onlooker;
mod orders;
pub mod pages;
mod postmortem;
mod prober;
mod publish;
mod reload;
mod scheduler;
mod session;
#[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "only a location of a fleet has one"))]
mod share;
mod status;
mod storage;
mod stream;
mod system;
#[cfg(test)]
mod tests;
mod web;

use std::process::ExitCode;

use crate::panic_hook;

use cli::args::{Cli, Command};
use exit::{CommandError, Ending, complain, complain_in_time};

/// Parses the command line, runs the command, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    panic_hook::hush();
    system::limits::outlive_file_limit();
    let cli = Cli::read();
    if cli.monitors() || std::process::id() == 1 {
        // A headless monitor reloads its file on a hang-up, once it has started.
        system::signals::end_at_once(!cli.output().is_some_and(session::is_headless));
    }
    match system::limits::suffice().and_then(|()| dispatch(&cli)) {
        Ok(ending) => ending.into(),
        Err(error) => {
            if cli.monitors() {
                complain_in_time(error.report());
            } else {
                complain(error.report());
            }
            ExitCode::from(error.code())
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Ending, CommandError> {
    let common = &cli.common;
    match &cli.command {
        None => commands::run::run(&cli.run, common),
        Some(Command::Run(args)) => commands::run::run(args, common),
        Some(Command::Watch(args)) => commands::watch::watch(args, common),
        #[cfg(feature = "nats")]
        Some(Command::Hub(args)) => commands::hub::hub(args, common),
        #[cfg(not(feature = "nats"))]
        Some(Command::Hub(_) | Command::Fleet(_)) => Err(CommandError::Usage(cli::fleet::MISSING.to_owned())),
        Some(Command::Check(args)) => commands::check::check(args, common),
        Some(Command::Report(args)) => commands::history::report::report(args, common),
        Some(Command::Stats(args)) => commands::history::stats::stats(args, common),
        Some(Command::Samples(args)) => commands::history::samples::samples(args, common),
        Some(Command::Alerts(args)) if args.test.is_some() => commands::history::alerts_test::test(args, common),
        Some(Command::Alerts(args)) => commands::history::alerts::alerts(&args.history, common),
        Some(Command::Incident(args)) => commands::history::incident::incident(args, common),
        Some(Command::Why(args)) => commands::history::why::why(args, common),
        Some(Command::Backtest(args)) => commands::history::backtest::backtest(args, common),
        Some(Command::Ack(args)) => commands::orders::ack::ack(args, common),
        Some(Command::Silence(args)) => commands::orders::silence::silence(args, common),
        Some(Command::Validate(args)) => commands::validate::validate(args, common),
        Some(Command::Demo(args)) => commands::demo::demo(args, common),
        Some(Command::Init(args)) => commands::init::init(args, common),
        Some(Command::Schema) => commands::schema::schema(),
        #[cfg(feature = "nats")]
        Some(Command::Fleet(command)) => commands::fleet::fleet(command, common),
        Some(Command::Db(command)) => commands::db::db(command, common),
        Some(Command::Completions { shell }) => commands::completions::completions(*shell),
        Some(Command::Man) => commands::man::manual(),
    }
}
