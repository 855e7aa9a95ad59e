//! Whom to ask for names: the hosts file and the name servers, those of the system or given ones.
//!
//! A and AAAA are asked at once. When A has come, AAAA gets 50 ms more (the resolution delay of RFC 8305 §3), since many
//! name servers drop questions for it; the other way round A gets a second, since where IPv6 leads nowhere a site
//! without its IPv4 addresses would be reported as down. One question takes at most 2 s and there are at
//! most three rounds, so that dead servers cannot hold up a lookup for long.
//!
//! The system's files are read again when they have changed, so that another network is taken up without a restart.
//! Not having a resolv.conf, or having one without a server, is no error: then the name server is the one on
//! this machine, as resolv.conf(5) says. Given servers are asked for the name as it is, without a search list.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hickory_resolver::Hosts;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::timeout;

use crate::model::{Cause, Family};
use crate::probe::failure::Failure;

use super::answer::{Addresses, Lack, Weight};
use super::resolv_conf::{ResolvConf, Server};
use super::server_order::ServerOrder;
use super::system_files::{NameFiles, Stamps};

/// How long addresses of IPv6 are waited for when those of IPv4 are there.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// The same the other way round.
const RESOLUTION_DELAY_V4: Duration = Duration::from_secs(1);
/// How long addresses of IPv6 are waited for when they are asked for after those of IPv4 have come.
const ONE_BY_ONE_DELAY: Duration = Duration::from_secs(1);

/// Whom to ask for names.
pub(crate) struct Servers {
    files: NameFiles,
    /// Given ones; none: the system's.
    given: Vec<Server>,
    /// Swapped as a whole; the lock is held for that only.
    current: Mutex<(Stamps, Arc<Asking>)>,
}

/// What lookups share until a file of the system changes.
pub(crate) struct Asking {
    order: ServerOrder,
    hosts: Hosts,
    conf: ResolvConf,
}

/// The answers for IPv6 and IPv4, of which one may not have been asked for or waited for.
type Answers = [Option<Result<Addresses, Lack>>; 2];

/// The answer of a lookup.
pub(crate) struct Resolved {
    /// IPv6 first; at least one.
    pub(crate) addresses: Vec<IpAddr>,
    /// For how long it is good.
    pub(crate) ttl: Duration,
}

impl Servers {
    /// `given` are asked, or the system's if there are none.
    pub(crate) fn new(given: &[SocketAddr]) -> Self {
        Self::by(NameFiles::default(), given)
    }

    fn by(files: NameFiles, given: &[SocketAddr]) -> Self {
        let given: Vec<Server> = given.iter().copied().map(Server::from).collect();
        // Looked at before the files are read: what is written meanwhile is a change.
        let stamps = files.stamps();
        let asking = Asking::new(files.conf(&given), files.hosts());
        Self { files, given, current: Mutex::new((stamps, Arc::new(asking))) }
    }

    /// Whom to ask now, and whether that has changed since the last time.
    pub(crate) fn current(&self) -> (Arc<Asking>, bool) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.files.stamps();
        let has_changed = current.0 != now;
        if has_changed {
            *current = (now, Arc::new(Asking::new(self.files.conf(&self.given), self.files.hosts())));
        }
        (Arc::clone(&current.1), has_changed)
    }
}

impl Asking {
    fn new(conf: ResolvConf, hosts: Hosts) -> Self {
        Self { order: ServerOrder::new(&conf), hosts, conf }
    }

    /// The addresses of `name` in the hosts file, if it stands there for either family.
    pub(crate) fn in_hosts_file(&self, name: &Name) -> Vec<IpAddr> {
        [RecordType::AAAA, RecordType::A]
            .into_iter()
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|lookup| ips(&lookup))
            .collect()
    }

    /// Asks for the addresses of `family`, of the first of the names that `name` may stand for to have one.
    pub(crate) async fn look_up(&self, name: &Name, family: Family) -> Result<Resolved, Failure> {
        let mut worst: Option<Lack> = None;
        for candidate in self.conf.candidates(name) {
            let lack = match self.ask(&candidate, family).await {
                Ok(found) => return Ok(found),
                Err(lack) => lack,
            };
            let goes_on = lack.is_answer() || lack.weight == Weight::Failed;
            // A server that failed may know the name: that there is none is not certain then.
            worst = match worst {
                Some(before) if before.is_answer() == lack.is_answer() || lack.is_answer() => Some(before),
                _ => Some(lack),
            };
            if !goes_on {
                break;
            }
        }
        let worst = worst.unwrap_or_else(Lack::no_data);
        Err(self.unless_nobody_listens(worst.failure))
    }

    async fn ask(&self, name: &Name, family: Family) -> Result<Resolved, Lack> {
        let one = |kind| self.order.ask(name, kind);
        let answers = match family {
            Family::V6 if self.conf.options.v4_only => return Err(no_questions_for_v6()),
            Family::Any if self.conf.options.v4_only => [None, Some(one(RecordType::A).await)],
            Family::V4 => [None, Some(one(RecordType::A).await)],
            Family::V6 => [Some(one(RecordType::AAAA).await), None],
            Family::Any if self.conf.options.one_by_one => one_by_one(one(RecordType::A), one(RecordType::AAAA)).await,
            Family::Any => self.ask_for_both(name).await,
        };
        let found = || answers.iter().flatten().flatten();
        let addresses: Vec<IpAddr> = found().flat_map(|found| &found.ips).copied().collect();
        let Some(ttl) = found().map(|found| found.ttl).min() else {
            return Err(worst(answers));
        };
        Ok(Resolved { addresses, ttl: Duration::from_secs(ttl.into()) })
    }

    /// Asks for IPv6 and IPv4 at once; at least one has answered.
    async fn ask_for_both(&self, name: &Name) -> Answers {
        let mut v6 = pin!(self.order.ask(name, RecordType::AAAA));
        let mut v4 = pin!(self.order.ask(name, RecordType::A));
        let (mut v6_answer, mut v4_answer) = (None, None);
        let both = poll_fn(|cx| {
            if v6_answer.is_none()
                && let Poll::Ready(answer) = v6.as_mut().poll(cx)
            {
                v6_answer = Some(answer);
            }
            if v4_answer.is_none()
                && let Poll::Ready(answer) = v4.as_mut().poll(cx)
            {
                v4_answer = Some(answer);
            }
            match (&v6_answer, &v4_answer) {
                (Some(_), Some(_)) => Poll::Ready(true),
                (Some(Ok(_)), None) | (None, Some(Ok(_))) => Poll::Ready(false),
                _ => Poll::Pending,
            }
        });
        if !both.await {
            // Whether it comes in time or not, the other one is good.
            if v6_answer.is_none() {
                v6_answer = timeout(RESOLUTION_DELAY, v6).await.ok();
            } else {
                v4_answer = timeout(RESOLUTION_DELAY_V4, v4).await.ok();
            }
        }
        [v6_answer, v4_answer]
    }

    /// `silence`, unless there is nobody who could have answered.
    ///
    /// Lookups go over unconnected sockets, which do not hear that a port is closed. A connected one does, at
    /// once for a server on this machine. What is sent is no question: a server ignores it or calls it malformed.
    pub(crate) fn unless_nobody_listens(&self, silence: Failure) -> Failure {
        let refuses = |server: SocketAddr| -> io::Result<bool> {
            let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0))?;
            socket.set_nonblocking(true)?;
            socket.connect(server)?;
            socket.send(&[0; 12])?;
            Ok(socket.recv(&mut [0; 12]).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
        };
        let nobody = |Server { address, .. }: &Server| address.ip().is_loopback() && refuses(*address).unwrap_or(false);
        match self.conf.servers.as_slice() {
            [first, ..] if silence.cause == Cause::DnsTimeout && self.conf.servers.iter().all(nobody) => {
                Failure::new(Cause::DnsError, format!("DNS: no name server listens at {first}"))
            }
            _ => silence,
        }
    }
}

/// Awaits the answer for IPv4 and then that for IPv6, of which a name without IPv4 addresses has all the more need.
async fn one_by_one(
    v4: impl Future<Output = Result<Addresses, Lack>>,
    v6: impl Future<Output = Result<Addresses, Lack>>,
) -> Answers {
    let v4 = v4.await;
    let v6 = if v4.is_ok() { timeout(ONE_BY_ONE_DELAY, v6).await.ok() } else { Some(v6.await) };
    [v6, Some(v4)]
}

/// The site wants IPv6, and this machine forbids to ask for it: that says nothing of the name.
fn no_questions_for_v6() -> Lack {
    let forbidden = "DNS: the site is for IPv6 only (`ip: 6`), and `options no-aaaa` in resolv.conf forbids to look up \
                     IPv6 addresses; remove one of the two";
    Lack::new(Weight::Local, Cause::Local, forbidden)
}

fn ips(lookup: &Lookup) -> Vec<IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}

/// What says most of the answers for the two families, neither of which had an address.
fn worst(answers: Answers) -> Lack {
    let lacks = answers.into_iter().flatten().filter_map(Result::err);
    lacks.max_by_key(|lack| lack.weight).unwrap_or_else(Lack::no_data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::{RData, Record};
    use tokio::net::UdpSocket as Socket;

    fn lack(weight: Weight, cause: Cause) -> Result<Addresses, Lack> {
        Err(Lack::new(weight, cause, ""))
    }

    #[test]
    fn the_failure_that_says_most_wins() {
        let (silent, failed) = (|| lack(Weight::Silent, Cause::DnsTimeout), || lack(Weight::Failed, Cause::DnsError));
        for (answers, cause) in [
            ([Some(silent()), Some(failed())], Cause::DnsError),
            ([Some(failed()), Some(silent())], Cause::DnsError),
            ([Some(silent()), Some(silent())], Cause::DnsTimeout),
            ([Some(lack(Weight::Local, Cause::Local)), Some(silent())], Cause::Local),
            ([None, None], Cause::DnsNotFound),
        ] {
            assert_eq!(worst(answers).failure.cause, cause);
        }
    }

    /// With `options single-request`: whatever comes in time for IPv6, unless IPv4 has addresses.
    #[tokio::test(start_paused = true)]
    async fn a_name_without_ipv4_addresses_has_all_the_time_for_ipv6() {
        let address = |text: &str| Ok(Addresses { ips: vec![text.parse().unwrap()], ttl: 60 });
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            address("2001:db8::1")
        };
        let [v6, _] = one_by_one(async { Err(Lack::no_data()) }, slow()).await;
        assert!(v6.is_some_and(|v6| v6.is_ok()));
        let [v6, _] = one_by_one(async { lack(Weight::Silent, Cause::DnsTimeout) }, slow()).await;
        assert!(v6.is_some_and(|v6| v6.is_ok()));
        let [v6, v4] = one_by_one(async { address("192.0.2.1") }, slow()).await;
        assert!(v6.is_none() && v4.is_some_and(|v4| v4.is_ok()));
    }

    #[tokio::test]
    async fn a_machine_that_forbids_to_ask_for_ipv6_says_so() {
        let conf = ResolvConf::parse("options no-aaaa", "");
        let asking = Asking::new(conf, Hosts::default());
        let answer = asking.look_up(&Name::from_ascii("a.test").unwrap(), Family::V6).await;
        let failure = answer.err().unwrap();
        assert_eq!(failure.cause, Cause::Local);
        assert!(failure.detail.contains("no-aaaa"), "{}", failure.detail);
    }

    #[test]
    fn the_hosts_file_answers_for_whole_names_only() {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(&b"127.0.0.9 box.test box\n::9 box.test\n127.0.0.8 other\n"[..]).unwrap();
        let asking = Asking::new(ResolvConf::default(), hosts);
        let found = |name| asking.in_hosts_file(&Name::from_utf8(name).unwrap());
        let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(found("box.test"), ips(&["::9", "127.0.0.9"]));
        assert_eq!(found("Box.test."), ips(&["::9", "127.0.0.9"]));
        assert_eq!(found("BOX"), ips(&["127.0.0.9"]));
        assert_eq!(found("a.box.test"), ips(&[]));
    }

    #[test]
    fn who_is_asked_changes_with_the_files_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let files = NameFiles { resolv_conf: dir.path().join("resolv.conf"), hosts: dir.path().join("hosts") };
        let servers = Servers::by(files.clone(), &[]);
        let addresses = |asking: &Asking| asking.conf.servers.iter().map(ToString::to_string).collect::<Vec<_>>();
        let ((first, _), (second, has_changed)) = (servers.current(), servers.current());
        assert!(Arc::ptr_eq(&first, &second) && !has_changed);
        assert_eq!(addresses(&first), ["127.0.0.1:53", "[::1]:53"]);
        std::fs::write(&files.resolv_conf, "nameserver 127.0.0.9\n").unwrap();
        let (third, has_changed) = servers.current();
        assert_eq!((addresses(&third), has_changed), (vec!["127.0.0.9:53".to_owned()], true));
        std::fs::write(&files.hosts, "127.0.0.7 a.test\n").unwrap();
        let (fourth, has_changed) = servers.current();
        assert!(has_changed && !fourth.in_hosts_file(&Name::from_ascii("a.test").unwrap()).is_empty());
        assert!(!servers.current().1);
        let given = Servers::by(files, &[SocketAddr::from(([127, 0, 0, 1], 9))]);
        assert_eq!(addresses(&given.current().0), ["127.0.0.1:9"]);
    }

    /// A name server that knows the addresses of `known`, fails for what begins with `failing`, and keeps a list of what it
    /// was asked for.
    async fn scripted(known: &'static [&'static str]) -> (ResolvConf, Arc<Mutex<Vec<String>>>) {
        let socket = Socket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = Server::from(socket.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                let mut message = Message::from_vec(&packet[..length]).unwrap().into_response();
                let query = message.queries[0].clone();
                let name = query.name().to_ascii();
                message.metadata.recursion_available = true;
                if known.contains(&name.as_str()) {
                    let data = RData::A(std::net::Ipv4Addr::LOCALHOST.into());
                    message.answers.push(Record::from_rdata(query.name().clone(), 60, data));
                } else if name.starts_with("failing.") {
                    message.metadata.response_code = ResponseCode::ServFail;
                } else {
                    message.metadata.response_code = ResponseCode::NXDomain;
                }
                log.lock().unwrap().push(name);
                drop(socket.send_to(&message.to_vec().unwrap(), from).await);
            }
        });
        let conf = ResolvConf { servers: vec![server], ..ResolvConf::parse("search a.test b.test", "") };
        (conf, asked)
    }

    #[tokio::test]
    async fn names_go_through_the_search_list_as_ndots_says() {
        let known = &["web.", "web.b.test.", "web.team.a.test.", "own.team."];
        let (conf, asked) = scripted(known).await;
        let ndots = |ndots| {
            let mut conf = conf.clone();
            conf.options.ndots = ndots;
            Asking::new(conf, Hosts::default())
        };
        let (one, two) = (ndots(1), ndots(2));
        for (asking, name, found, names) in [
            (&one, "web", true, &["web.a.test.", "web.b.test."][..]),
            (&one, "web.", true, &["web."]),
            (&one, "web.team", true, &["web.team.", "web.team.a.test."]),
            (&one, "web.team.", false, &["web.team."]),
            (&two, "web.team", true, &["web.team.a.test."]),
            (&two, "own.team", true, &["own.team.a.test.", "own.team.b.test.", "own.team."]),
            (&one, "gone.team", false, &["gone.team.", "gone.team.a.test.", "gone.team.b.test."]),
            (&one, "failing.team", false, &["failing.team.", "failing.team.a.test.", "failing.team.b.test."]),
        ] {
            let answer = asking.look_up(&Name::from_str_relaxed(name).unwrap(), Family::V4).await;
            assert_eq!(answer.is_ok(), found, "{name}");
            assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), names, "{name}");
            let cause = if name.starts_with("failing") { Cause::DnsError } else { Cause::DnsNotFound };
            assert!(answer.is_ok() || answer.is_err_and(|failure| failure.cause == cause), "{name}");
        }
    }
}
