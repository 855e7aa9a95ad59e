//! Measures the lower bound of a probe: a minimal client with blocking calls, a second process of this bench.
//!
//! It connects, does the TLS handshake if any, sends the request, reads to the end and closes, at webmon's rate against
//! the same kind of server, without schedule, deadline, statistics or store. The rest is the kernel's and the
//! cryptography's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::child::Process;
use crate::server::Server;
use crate::{Folder, tls};

/// The argument that turns this bench into the client.
pub const ASK: &str = "ask";

/// Prints the CPU per probe of the client, plain and over TLS.
pub fn measure() {
    for (over_tls, a_second) in [(false, 1_000), (true, 250)] {
        ask_at(a_second, over_tls, 10);
    }
}

/// Prints the CPU per probe of the client that asks so often for so many seconds.
pub fn ask_at(a_second: u32, over_tls: bool, seconds: u64) {
    let authority = tls::Authority::new();
    let identity = over_tls.then(|| authority.issue(&tls::Leaf::naming(&["localhost"])).server_config());
    let server = Server::start(identity, false);
    let folder = Folder::with("");
    let root = folder.config();
    std::fs::write(&root, authority.root_pem()).expect("it can be written");
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.args([ASK, &server.address.to_string(), &a_second.to_string()]);
    if over_tls {
        command.arg(&root);
    }
    let process = Process::start(&mut command);
    std::thread::sleep(Duration::from_secs(2));
    let (cpu, asked) = (process.cpu(), server.asked());
    std::thread::sleep(Duration::from_secs(seconds));
    let (cpu, asked) = (process.cpu().saturating_sub(cpu), server.asked() - asked);
    let a_probe = cpu.as_secs_f64() * 1e6 / asked as f64;
    let what = if over_tls { "rustls, every signature verified" } else { "plain" };
    println!("bare: {a_probe:.1} µs of CPU per probe of a minimal client ({what}); {asked} in {seconds} s");
}

/// Sends `a_second` requests per second to `address` until killed, over TLS if `root` is given.
pub fn ask(address: &str, a_second: &str, root: Option<&String>) {
    let address: SocketAddr = address.parse().expect("an address");
    let gap = Duration::from_secs(1) / a_second.parse::<u32>().expect("a number");
    let config = root.map(|path| trusting(Path::new(path)));
    let begin = Instant::now();
    for turn in 0.. {
        std::thread::sleep((gap * turn).saturating_sub(begin.elapsed()));
        drop(ask_once(address, config.as_ref()));
    }
}

fn trusting(root: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.expect("its own versions").with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

fn ask_once(address: SocketAddr, config: Option<&Arc<ClientConfig>>) -> std::io::Result<()> {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut tcp = TcpStream::connect(address)?;
    tcp.set_nodelay(true)?;
    let mut answer = [0; 4096];
    match config {
        None => {
            tcp.write_all(REQUEST)?;
            while tcp.read(&mut answer)? > 0 {}
        }
        Some(config) => {
            let name = "localhost".try_into().expect("a name");
            let connection = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
            let mut stream = StreamOwned::new(connection, tcp);
            stream.write_all(REQUEST)?;
            while stream.read(&mut answer)? > 0 {}
        }
    }
    Ok(())
}
