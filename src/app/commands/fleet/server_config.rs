//! `webmon fleet server-config`: certificates into a folder, nats-server.conf to stdout, and to stderr what to do next.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use crate::app::cli::fleet::commands::ServerConfigArgs;
use crate::app::cli::stdout::print;
use crate::app::clock;
use crate::app::exit::{CommandError, Ending, complain};
use crate::fleet::server::{Prepared, ServerPlan, prepare};
use crate::model::text::{is_harmful, shown_path};

/// Makes what is missing in the folder, and prints the configuration.
///
/// # Errors
/// [`CommandError::Usage`]: a file is in the way, or cannot be written.
pub(super) fn server_config(args: &ServerConfigArgs) -> Result<Ending, CommandError> {
    let (certs, store) = (absolute(&args.dir)?, absolute(&args.store_dir)?);
    let prepared = prepare(&certs, &args.locations, &args.host, clock::wall());
    let prepared = prepared.map_err(|fault| CommandError::Usage(fault.to_string()))?;
    let address = if args.host.is_empty() { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let plan = ServerPlan {
        address: IpAddr::V4(address),
        port: args.port,
        store,
        certs,
        stream: args.stream.clone(),
        locations: prepared.locations.clone(),
    };
    print(|out| out.write_all(plan.conf().as_bytes()))?;
    complain(next_steps(args, &prepared));
    Ok(Ending::Done)
}

/// The absolute form of `path`, which the file for nats-server can hold.
fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    let absolute = std::path::absolute(path);
    let absolute = absolute.map_err(|error| CommandError::Usage(format!("{}: {error}", shown_path(path))))?;
    match absolute.to_str() {
        Some(text) if !text.chars().any(is_harmful) => Ok(absolute),
        _ => Err(CommandError::Usage(format!("{}: nats-server cannot read such a path", shown_path(path)))),
    }
}

/// What was made, and what to do now.
fn next_steps(args: &ServerConfigArgs, prepared: &Prepared) -> String {
    let (dir, host) = (shown_path(&args.dir), args.host.first().map_or("127.0.0.1", String::as_str));
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let made = match prepared.written.len() {
        0 => format!("{dir} has every certificate already"),
        _ => format!("made in {dir}: {}", prepared.written.join(", ")),
    };
    let stream =
        if args.stream == crate::model::FLEET_STREAM { String::new() } else { format!(", stream: {}", args.stream) };
    let names: Vec<String> = prepared.locations.iter().map(ToString::to_string).collect();
    format!(
        "{made}\n\
         {dir}/ca.key signs further certificates: keep it off the machines that need none\n\
         next:\n  \
         nats-server -c FILE     # what stdout has\n  \
         webmon fleet init       # with this in sites.yaml, as everywhere:\n    \
         fleet: {{ server: \"tls://{host}:{port}\", certs: {dir}{stream} }}\n\
         locations: {names}; each needs ca.pem and its own .pem and .key, and `location` unless its machine is called so",
        port = args.port,
        names = names.join(", "),
    )
}
