//! HTTP/3 against Caddy, by webmon as it is shipped: checked, stored, and beside the same site over TCP.

use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::ports;
use crate::support::program::{Folder, Killed};

/// Caddy with a site at two ports; over UDP it listens at the first alone. None where it is not installed.
async fn caddy(folder: &Folder, ports: [u16; 2]) -> Option<Killed> {
    if !Path::new("/usr/bin/caddy").exists() {
        println!("skipped: Caddy is not installed (apt-get install caddy)");
        return None;
    }
    let data = folder.path("caddy");
    let [both, tcp] = ports;
    let server = |port: u16, protocols: &str| format!("servers :{port} {{\nprotocols {protocols}\n}}\n");
    let site = |port: u16| format!("https://localhost:{port} {{\ntls internal\nrespond \"all is well\"\n}}\n");
    folder.write(
        "Caddyfile",
        &format!(
            "{{\nadmin off\nskip_install_trust\nauto_https disable_redirects\nstorage file_system {}\n{}{}}}\n{}{}",
            data.display(),
            server(both, "h1 h2 h3"),
            server(tcp, "h1 h2"),
            site(both),
            site(tcp),
        ),
    );
    let mut command = Command::new("/usr/bin/caddy");
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(folder.path("Caddyfile"))
        .env("HOME", folder.path(""));
    let caddy = Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    for _ in 0..600 {
        let listens = ports.iter().all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok());
        if listens && data.join("pki/authorities/local/root.crt").exists() {
            return Some(caddy);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("Caddy does not listen");
}

#[tokio::test]
async fn a_site_of_caddy_is_up_over_http3_and_its_udp_port_is_a_point_of_failure_of_its_own() {
    let folder = Folder::empty();
    let [both, tcp] = [ports::closed_port().port(), ports::closed_port().port()];
    let Some(_caddy) = caddy(&folder, [both, tcp]).await else { return };
    let site = |name: &str, port: u16, more: &str| {
        let tls = "tls: { ca_file: caddy/pki/authorities/local/root.crt, warn_days: 0 }";
        format!(
            "  - {{ name: {name}, url: 'https://localhost:{port}/', ip: 4, timeout: 2s, interval: 100ms, {tls}{more} }}\n"
        )
    };
    let sites = [
        site("quic", both, ", http: 3, expect: { body_contains: all is well }"),
        site("tcp", both, ""),
        site("refused", tcp, ", http: 3"),
        site("beside", tcp, ""),
    ];
    folder.write("sites.yaml", &format!("sites:\n{}", sites.concat()));
    let check = |expected: [(&str, Option<&str>); 4]| {
        let found = folder.run("check --format json").with(1).json();
        let found = ["quic", "tcp", "refused", "beside"].map(|name| {
            let of_site = found.iter().find(|line| line["site"] == name).unwrap_or_else(|| panic!("{found:?}"));
            (
                of_site["cause"].as_str().unwrap().to_owned(),
                of_site["http"].as_str().map(str::to_owned),
                of_site.clone(),
            )
        });
        for ((cause, http), (found_cause, found_http, line)) in expected.into_iter().zip(&found) {
            assert_eq!((&**found_cause, found_http.as_deref()), (cause, http), "{line}");
        }
    };
    check([("ok", Some("3")), ("ok", Some("2")), ("connect_refused", None), ("ok", Some("2"))]);
    // What is dropped on the way, and not refused.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, tcp)).unwrap();
    check([("ok", Some("3")), ("ok", Some("2")), ("connect_timeout", None), ("ok", Some("2"))]);
    drop(silent);

    folder.run("run --headless --for 1s --store webmon.redb").with(0);
    let stored = folder.run("samples quic --store webmon.redb --format csv").quietly().stdout;
    let mut rows = csv::Reader::from_reader(stored.as_bytes());
    let column = rows.headers().unwrap().iter().position(|name| name == "http").unwrap();
    let versions: Vec<String> = rows.records().map(|row| row.unwrap()[column].to_owned()).collect();
    assert!(!versions.is_empty() && versions.iter().all(|version| version == "3"), "{stored}");
}
