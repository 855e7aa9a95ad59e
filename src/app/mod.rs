//! The shell: clock, scheduler, wiring, shutdown, command line.
//!
//! Everything that touches the world is here or in the rooms it calls: `probe` (the network), `store` (the disk) and
//! `ui` (the terminal) do not know each other, and what they have to say to a person comes back as values.
//!
//! ```text
//! main thread      runtime: control loop (engine, every 250 ms) · store flush · signals
//! webmon-net       runtime: scheduler and probes
//! webmon-ui        the dashboard's loop                    or     webmon-out   lines to stdout
//! webmon-past      reads the store for the dashboard
//! webmon-export    runtime: reads the store, sends to InfluxDB
//! webmon-log       writes the log to stderr or to its file
//! blocking thread  one commit at a time
//! ```

mod alert_log;
mod alert_test;
mod assemble;
mod begin;
mod check;
mod chronicle;
mod cli;
pub mod clock;
mod columns;
mod control;
mod dashboard;
mod db;
mod db_command;
mod demo;
mod desk;
mod examples;
mod exit;
#[cfg(feature = "influx")]
mod export;
mod follow;
mod gauges;
mod hand;
mod headless;
mod health;
mod history;
mod init;
mod keeper;
mod limits;
mod lines;
mod log;
mod long_views;
mod manual;
mod messenger;
mod monitor;
mod network;
mod news;
mod opening;
#[cfg_attr(not(feature = "influx"), allow(dead_code, reason = "without an export nobody makes an outlet"))]
mod outlet;
#[cfg(all(test, target_os = "linux"))]
mod panics;
mod past;
mod period;
mod plan;
mod probing;
mod progress;
#[cfg(unix)]
mod reap;
mod reload;
mod resume;
mod revise;
mod roster;
mod run;
mod schedule;
mod select;
mod service;
mod signals;
mod stage;
mod stats;
mod stream;
mod subject;
#[cfg(test)]
mod tests;
mod threads;
mod validate;
mod watch;
mod zone;

use std::process::ExitCode;

use crate::panic_hook;
use cli::{Cli, Command};
use exit::{Ending, Failure, complain, complain_in_time};

/// Runs the program: the command line in, the exit code out.
#[must_use]
pub fn main() -> ExitCode {
    panic_hook::hush();
    limits::outlive_file_limit();
    let cli = Cli::read();
    if cli.monitors() || std::process::id() == 1 {
        // A headless monitor reads its file again on a hang-up, when it has begun.
        signals::end_at_once(!cli.output().is_some_and(stage::is_headless));
    }
    match limits::suffice().and_then(|()| dispatch(&cli)) {
        Ok(ending) => ending.into(),
        Err(failure) => {
            if cli.monitors() {
                complain_in_time(&failure);
            } else {
                complain(&failure);
            }
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Ending, Failure> {
    let common = &cli.common;
    match &cli.command {
        None => run::run(&cli.run, common),
        Some(Command::Run(args)) => run::run(args, common),
        Some(Command::Watch) => watch::watch(common),
        Some(Command::Check(args)) => check::check(args, common),
        Some(Command::Stats(args)) => stats::stats(args, common),
        Some(Command::Samples(args)) => history::samples(args, common),
        Some(Command::Alerts(args)) if args.test => alert_test::send(common),
        Some(Command::Alerts(args)) => history::alerts(&args.history, common),
        Some(Command::Validate(args)) => validate::validate(args, common),
        Some(Command::Demo(args)) => demo::demo(args, common),
        Some(Command::Init) => init::init(common),
        Some(Command::Schema) => init::schema(),
        Some(Command::Db(command)) => db::db(command, common),
        Some(Command::Completions { shell }) => manual::completions(*shell),
        Some(Command::Man) => manual::manual(),
    }
}
