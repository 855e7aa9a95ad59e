//! `webmon fleet`: sets the NATS server of a fleet up, and shows how the fleet is.

mod init;
mod push;
mod server_config;
mod status;

use std::future::Future;

use anyhow::Context as _;
use tokio::runtime::Builder;

use crate::app::cli::args::CommonArgs;
use crate::app::cli::fleet::commands::FleetCommand;
use crate::app::cli::selection::{load, load_for_reading};
use crate::app::clock;
use crate::app::exit::{CommandError, Ending, complain};
use crate::app::system::threads;
use crate::config::{ConfigError, Needed};
use crate::fleet::connection::{ConnectFault, Link, Role, connect};
use crate::model::FleetTerms;
use crate::model::text::shown_path;

/// Runs `command`.
///
/// # Errors
/// [`CommandError`]: the configuration, or files of certificates.
pub fn fleet(command: &FleetCommand, common: &CommonArgs) -> Result<Ending, CommandError> {
    match command {
        FleetCommand::ServerConfig(args) => server_config::server_config(args),
        FleetCommand::Init(args) => init::init(args, &terms(common)?),
        FleetCommand::Push(args) => push::push(args, args.file.as_deref().unwrap_or(&common.config), &terms(common)?),
        FleetCommand::Status(args) => status::status(args, &terms(common)?),
    }
}

/// The terms of the configuration; secrets of its sites may be missing on this machine.
fn terms(common: &CommonArgs) -> Result<FleetTerms, CommandError> {
    let config = match load(&common.config) {
        Err(faults @ ConfigError::Invalid { .. }) => {
            let known = load_for_reading(&common.config, Needed::Fleet)?;
            Some(known).filter(|config| config.fleet.is_some()).ok_or(faults)?
        }
        loaded => loaded?,
    };
    config.fleet.ok_or_else(|| {
        let path = shown_path(&common.config);
        CommandError::Usage(format!(
            "{path} has no section `fleet`; example: fleet: {{ server: nats://127.0.0.1:4222 }}"
        ))
    })
}

/// Does `work` over a connection as `role`. A server that cannot be reached is no wrong usage: the command says why, and ends with code 1.
fn over_a_link<F, W>(terms: &FleetTerms, role: &Role, work: W) -> Result<Ending, CommandError>
where
    F: Future<Output = Result<Ending, CommandError>>,
    W: FnOnce(Link) -> F,
{
    let runtime = threads::runtime(&mut Builder::new_current_thread()).context("cannot start a runtime")?;
    runtime.block_on(async {
        match connect(terms, role, clock::wall).await {
            Ok(link) => work(link).await,
            Err(ConnectFault::Setup(reason)) => Err(CommandError::Usage(reason)),
            Err(fault) => {
                complain(format!("webmon: {fault}"));
                Ok(Ending::NotUp)
            }
        }
    })
}
