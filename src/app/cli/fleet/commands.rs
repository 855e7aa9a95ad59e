//! The grammar of `webmon fleet`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::app::cli::formats::LineFormat;
use crate::config;
use crate::model::{FLEET_STREAM, Location};

/// The commands of `fleet`.
#[derive(Clone, Debug, Subcommand)]
pub enum FleetCommand {
    /// Make the certificates of a fleet, and print a nats-server.conf that knows them
    ServerConfig(ServerConfigArgs),
    /// Make the stream and the buckets of the fleet on its server, or say what differs; exit code 1 if anything does
    Init(FleetInitArgs),
    /// Hand the sites of a file to all locations, which check them in place of those of their own files
    Push(FleetPushArgs),
    /// Show what the hubs say: locations, versions, clocks, what is missing; exit code 1 unless all is well
    Status(FleetStatusArgs),
}

/// Options of `fleet server-config`.
#[derive(Clone, Debug, Args)]
pub struct ServerConfigArgs {
    /// The locations to make certificates for; those that have one keep it
    #[arg(value_name = "NAME", required = true, value_parser = config::location_name)]
    pub locations: Vec<Location>,
    /// A name or an address by which other machines reach the server (repeatable); without it, it serves this machine only
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub host: Vec<String>,
    /// The port of the server
    #[arg(long, value_name = "PORT", default_value_t = 4222, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// The folder of the certificates
    #[arg(long, value_name = "FOLDER", default_value = "fleet")]
    pub dir: PathBuf,
    /// The folder in which the server keeps its data
    #[arg(long, value_name = "FOLDER", default_value = "nats")]
    pub store_dir: PathBuf,
    /// The stream, if `fleet.stream` names another than the default
    #[arg(long, value_name = "NAME", default_value = FLEET_STREAM, value_parser = config::stream_name)]
    pub stream: String,
}

/// Options of `fleet init`.
#[derive(Clone, Debug, Args)]
pub struct FleetInitArgs {
    /// Bytes of checks that the server keeps before it lets go of the oldest [default: 1GiB, or what the stream has]
    #[arg(long, value_name = "SIZE", value_parser = config::stream_size)]
    pub max_bytes: Option<u64>,
    /// Copies, each on another server of the cluster [default: 1, or what the stream has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub replicas: Option<u8>,
}

/// Options of `fleet push`.
#[derive(Clone, Debug, Args)]
pub struct FleetPushArgs {
    /// The file whose `sites`, `defaults` and `x-` keys are pushed, as they are written: variables are expanded at the locations [default: that of --config]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Let every location go back to the sites of its own file
    #[arg(long, conflicts_with = "file")]
    pub withdraw: bool,
}

/// Options of `fleet status`.
#[derive(Clone, Debug, Args)]
pub struct FleetStatusArgs {
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LineFormat::Text)]
    pub format: LineFormat,
}

/// A name of the DNS or an address, as certificates have it.
fn host(text: &str) -> Result<String, String> {
    let plain = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = plain.parse::<std::net::IpAddr>() {
        return Ok(address.to_string());
    }
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) if !name.contains(['_', '*']) => Ok(name),
        _ => Err("this is neither a name such as nats.example.com nor an address".to_owned()),
    }
}
