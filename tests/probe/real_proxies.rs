//! Real proxies, `tinyproxy` (HTTP CONNECT) and `microsocks` (SOCKS5): what works, and whose failure is whose. A test whose program
//! is not installed says so and passes.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use webmon::model::{Cause, Flags, Observation};
use webmon::probe::Prober as _;

use crate::proxies::through;
use crate::support::program::{Folder, Killed};
use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Server, ports};
use crate::ways::{phases, prober};

/// The running program and its port; none where it is not installed.
async fn started(command: &mut Command, port: u16) -> Option<Killed> {
    let program = command.get_program().to_string_lossy().into_owned();
    let Ok(child) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        println!("skipped: {program} is not installed (apt-get install {program})");
        return None;
    };
    let child = Killed(child);
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{program} does not listen");
}

/// Checks a plain and a secure site, a closed port, a wrong password, and the proxy after its end, through the proxy at `port` that
/// takes `scheme` and the password `hunter2` of `ada`. A closed port is told as `refused`.
async fn all_ways(scheme: &str, port: u16, refused: Cause, proxy: Killed) {
    let authority = Authority::new();
    let plain = Server::start(Behaviour::ok());
    let secure = Server::start(Behaviour::ok().over_tls(authority.issue(&Leaf::naming(&["127.0.0.1"]))));
    let prober = prober(&authority);
    let url = |password: &str| format!("{scheme}://ada:{password}@127.0.0.1:{port}");
    let own = |seen: &Observation| (seen.cause, seen.is_proxy_closed);
    for (server, took) in [(&plain, "cpT"), (&secure, "ctpT")] {
        let seen = prober.probe(&through(&server.url("/"), &url("hunter2"))).await;
        assert_eq!((seen.cause, phases(&seen).as_str()), (Cause::Ok, took), "{seen:?}");
        assert_eq!((seen.address.map(|address| address.port()), seen.is_proxied), (Some(port), true));
        assert!(!seen.flags.has(Flags::REUSED));
    }
    let closed = format!("http://{}/", ports::closed_port());
    let seen = prober.probe(&through(&closed, &url("hunter2"))).await;
    assert_eq!(own(&seen), (refused, false), "{seen:?}");
    let seen = prober.probe(&through(&plain.url("/"), &url("s3cret"))).await;
    assert_eq!(own(&seen), (Cause::Local, true), "{seen:?}");
    assert!(!format!("{seen:?}").contains("s3cret"));
    drop(proxy);
    let seen = prober.probe(&through(&plain.url("/"), &url("hunter2"))).await;
    assert_eq!(own(&seen), (Cause::Local, true), "{seen:?}");
}

#[tokio::test]
async fn sites_are_up_behind_tinyproxy_and_its_own_failures_are_not_theirs() {
    let (folder, port) = (Folder::empty(), ports::closed_port().port());
    folder.write(
        "tinyproxy.conf",
        &format!("Port {port}\nListen 127.0.0.1\nTimeout 30\nAllow 127.0.0.1\nBasicAuth ada hunter2\n"),
    );
    let mut command = Command::new("tinyproxy");
    let Some(proxy) = started(command.arg("-d").arg("-c").arg(folder.path("tinyproxy.conf")), port).await else {
        return;
    };
    all_ways("http", port, Cause::Proxy, proxy).await;
}

#[tokio::test]
async fn sites_are_up_behind_microsocks_and_its_own_failures_are_not_theirs() {
    let port = ports::closed_port().port();
    let mut command = Command::new("microsocks");
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", "ada", "-P", "hunter2"]);
    let Some(proxy) = started(&mut command, port).await else { return };
    all_ways("socks5", port, Cause::ConnectRefused, proxy).await;
}
