//! The shell: clock, scheduler, wiring, shutdown, command line.
//!
//! Everything that touches the world is here or in the rooms it calls: `probe` (the network), `store` (the disk) and
//! `tui` (the terminal) do not know each other, and what they have to say to a person comes back as values.
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

mod alerts;
mod cli;
pub mod clock;
mod commands;
mod dashboard;
mod exit;
#[cfg(feature = "influx")]
mod export;
mod follow;
mod headless;
mod log;
mod monitor;
mod prober;
mod reload;
mod scheduler;
mod session;
mod status;
mod storage;
mod stream;
mod system;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use crate::panic_hook;

use cli::args::{Cli, Command};
use exit::{Ending, Failure, complain, complain_in_time};

/// Runs the program: the command line in, the exit code out.
#[must_use]
pub fn main() -> ExitCode {
    panic_hook::hush();
    system::limits::outlive_file_limit();
    let cli = Cli::read();
    if cli.monitors() || std::process::id() == 1 {
        // A headless monitor reads its file again on a hang-up, when it has begun.
        system::signals::end_at_once(!cli.output().is_some_and(session::is_headless));
    }
    match system::limits::suffice().and_then(|()| dispatch(&cli)) {
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
        None => commands::run::run(&cli.run, common),
        Some(Command::Run(args)) => commands::run::run(args, common),
        Some(Command::Watch) => commands::watch::watch(common),
        Some(Command::Check(args)) => commands::check::check(args, common),
        Some(Command::Stats(args)) => commands::stats::stats(args, common),
        Some(Command::Samples(args)) => commands::samples::samples(args, common),
        Some(Command::Alerts(args)) if args.test => commands::alerts_test::send(common),
        Some(Command::Alerts(args)) => commands::samples::alerts(&args.history, common),
        Some(Command::Validate(args)) => commands::validate::validate(args, common),
        Some(Command::Demo(args)) => commands::demo::demo(args, common),
        Some(Command::Init) => commands::init::init(common),
        Some(Command::Schema) => commands::init::schema(),
        Some(Command::Db(command)) => commands::db::db(command, common),
        Some(Command::Completions { shell }) => commands::man::completions(*shell),
        Some(Command::Man) => commands::man::manual(),
    }
}
