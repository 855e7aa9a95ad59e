//! A real Alertmanager and a real SMTP server, as far as they are installed; where they are not, the tests say so and pass.
//!
//! Alertmanager: Debian's `prometheus-alertmanager`. SMTP: `aiosmtpd` of `PyPI`, in the Python at `target/python`, where
//! `.ci/run` installs it.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use webmon::model::{SecretUrl, Timestamp};
use webmon::notify::Service;

use crate::fixtures::{Case, envelope, news, sender};
use crate::support::program::{PATIENCE, now, wall};
use crate::support::{Behaviour, Server, ports};

/// A program that is killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn time() -> Timestamp {
    Timestamp::ZERO.after(wall().duration_since(UNIX_EPOCH).unwrap())
}

/// Waits until `found` finds something.
async fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(now() - began < PATIENCE, "still waiting for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn alertmanager(folder: &Path, address: SocketAddr) -> Killed {
    let mut command = Command::new("/usr/bin/prometheus-alertmanager");
    command.arg(format!("--config.file={}", folder.join("alertmanager.yml").display()));
    command.arg(format!("--storage.path={}", folder.join("state").display()));
    command.arg(format!("--web.listen-address={address}")).arg("--cluster.listen-address=");
    Killed(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// The states that the receiver behind Alertmanager was told, in order, with the site's name.
fn told(receiver: &Server) -> Vec<(String, String)> {
    let of = |body: &[u8]| {
        let body: Value = serde_json::from_slice(body).unwrap();
        let site = body["alerts"][0]["labels"]["site"].as_str().unwrap().to_owned();
        (body["status"].as_str().unwrap().to_owned(), site)
    };
    receiver.requests().iter().map(|request| of(&request.body)).collect()
}

#[tokio::test]
async fn an_alertmanager_tells_an_alert_and_its_end_also_over_its_own_crash() {
    if !Path::new("/usr/bin/prometheus-alertmanager").exists() {
        println!("skipped: Alertmanager is not installed (apt-get install prometheus-alertmanager)");
        return;
    }
    let receiver = Server::start(Behaviour::ok());
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "route: {{ receiver: hook, group_by: [site], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }}\n\
         receivers: [{{ name: hook, webhook_configs: [{{ url: '{}', send_resolved: true }}] }}]\n",
        receiver.url("/hook")
    );
    std::fs::write(folder.path().join("alertmanager.yml"), config).unwrap();
    let address = ports::closed_port();
    let is_open = || TcpStream::connect(address).ok();
    let running = alertmanager(folder.path(), address);
    until("Alertmanager", is_open).await;

    let url = SecretUrl::new(format!("http://{address}/").parse().unwrap());
    let mut sender = sender(Service::Alertmanager { url });
    let nasty = " \"q\" \\ {{ x }} ü";
    let site = format!("api{nasty}");
    let mut down = news(Case::Down, nasty);
    (down.alert.facts.at, down.alert.facts.since) = (time(), time());
    let since = down.alert.facts.since;
    sender.send(&envelope(vec![down.clone()]), time()).await.unwrap();
    until("the alert", || (told(&receiver) == [("firing".to_owned(), site.clone())]).then_some(())).await;

    // It forgets what is open in a crash, so it hears of it again.
    drop(running);
    let _running = alertmanager(folder.path(), address);
    until("Alertmanager", is_open).await;
    sender.send(&envelope(vec![down]), time()).await.unwrap();
    until("the alert again", || (told(&receiver).len() == 2).then_some(())).await;
    let mut up = news(Case::Up, nasty);
    (up.alert.facts.at, up.alert.facts.since) = (time(), since);
    sender.send(&envelope(vec![up]), time()).await.unwrap();
    until("its end", || (told(&receiver).last().unwrap().0 == "resolved").then_some(())).await;
    assert!(told(&receiver).iter().all(|(_, name)| *name == site), "{:?}", told(&receiver));
}

#[cfg(feature = "mail")]
mod mail {
    use std::io::{BufRead as _, BufReader};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::mpsc;

    use jiff::tz::TimeZone;
    use webmon::model::Secret;
    use webmon::notify::{FailureKind, Outlet, OutletTls, SendFailure, Sender, Smtp, SmtpSecurity};

    use super::*;
    use crate::fixtures::{MARK, NOW, outlet};

    /// aiosmtpd with a certificate that it signed itself, and what it says.
    struct Smtpd {
        _running: Killed,
        said: mpsc::Receiver<Value>,
        port: u16,
    }

    impl Smtpd {
        /// None, and a word about it, where it is not installed.
        fn start(folder: &Path, identity: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Option<Self> {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let python = root.join("target/python/bin/python3");
            let imports = |python: &PathBuf| {
                let mut command = Command::new(python);
                command.args(["-c", "import aiosmtpd"]).stderr(Stdio::null());
                command.status().is_ok_and(|status| status.success())
            };
            let Some(python) = Some(python).filter(imports) else {
                println!(
                    "skipped: aiosmtpd is not installed (python3 -m venv target/python; target/python/bin/pip install aiosmtpd)"
                );
                return None;
            };
            let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
            std::fs::write(&certificate, identity.cert.pem()).unwrap();
            std::fs::write(&key, identity.signing_key.serialize_pem()).unwrap();
            let mut command = Command::new(python);
            command.arg(root.join("tests/notify/smtpd.py"));
            command.env("CERTIFICATE", certificate).env("KEY", key).env("PASSWORD", format!("{MARK}-password"));
            let mut running =
                Killed(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
            let (sender, said) = mpsc::channel();
            let stdout = BufReader::new(running.0.stdout.take().unwrap());
            std::thread::spawn(move || {
                for line in stdout.lines().map_while(Result::ok) {
                    let _ended = sender.send(serde_json::from_str(&line).unwrap());
                }
            });
            let open: Value = said.recv_timeout(PATIENCE).unwrap();
            Some(Self { _running: running, said, port: u16::try_from(open["port"].as_u64().unwrap()).unwrap() })
        }

        fn mailer(&self, to: &str, password: &str, tls: OutletTls) -> Sender {
            let smtp = Smtp {
                host: "127.0.0.1".to_owned(),
                port: self.port,
                security: SmtpSecurity::StartTls,
                login: Some(("ada".to_owned(), Secret::new(password.to_owned()))),
            };
            let from = "webmon <webmon@example.org>".to_owned();
            let outlet = Outlet { tls, ..outlet(Service::Email { to: to.to_owned(), from, smtp }) };
            Sender::new(Arc::new(outlet), TimeZone::UTC).unwrap()
        }

        /// What it said since the last call, up to the next event of this name.
        fn hears(&self, event: &str) -> Value {
            loop {
                let said = self.said.recv_timeout(PATIENCE).unwrap();
                if said["event"] == event {
                    return said;
                }
            }
        }
    }

    #[tokio::test]
    async fn an_smtp_server_gets_letters_over_tls_that_is_verified_and_never_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let identity = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let Some(smtpd) = Smtpd::start(folder.path(), &identity) else { return };
        let password = format!("{MARK}-password");
        let trusting = OutletTls { roots: Arc::new(vec![identity.cert.der().to_vec()]), ..OutletTls::default() };
        let letter = || envelope(vec![news(Case::Down, "ü")]);

        let refused = smtpd.mailer("ada@example.com", &password, OutletTls::default()).send(&letter(), NOW).await;
        let SendFailure { kind, reason, .. } = refused.unwrap_err();
        assert!(kind == FailureKind::Broken && reason.contains("certificate"), "{reason}");

        let wrong = format!("{MARK}-wrong");
        let refused = smtpd.mailer("ada@example.com", &wrong, trusting.clone()).send(&letter(), NOW).await;
        let SendFailure { kind, reason, .. } = refused.unwrap_err();
        assert!(kind == FailureKind::Broken && reason.contains("535") && !reason.contains(MARK), "{reason}");
        assert_eq!(smtpd.hears("login")["is_right"], false);

        // Each recipient gets a letter of their own, so a dead address silences nobody.
        let mut kinds = Vec::new();
        for to in ["gone@example.com", "busy@example.com", "ada@example.com", "busy@example.com"] {
            let sent = smtpd.mailer(to, &password, trusting.clone()).send(&letter(), NOW).await;
            kinds.push(sent.map(|_| ()).map_err(|failure| (failure.kind, failure.reason)));
        }
        let broken = Err((FailureKind::Broken, "550 5.1.1 no such user".to_owned()));
        let later = Err((FailureKind::Transient, "451 4.2.1 come back later".to_owned()));
        assert_eq!(kinds, [broken, later, Ok(()), Ok(())]);
        for to in ["ada@example.com", "busy@example.com"] {
            let mail = smtpd.hears("mail");
            assert_eq!((&mail["to"], &mail["tls"]), (&serde_json::json!([to]), &true.into()), "{mail}");
            let text = mail["text"].as_str().unwrap();
            assert!(text.contains("\r\nX-Webmon-Incident: 17\r\n") && !text.contains(MARK), "{text}");
        }
    }
}
