//! Looks names up in the hosts file and at name servers, those of the system or configured ones.
//!
//! A and AAAA are asked for at once. After A, AAAA gets 50 ms more (the resolution delay of RFC 8305 §3), because many name
//! servers drop questions for it; after AAAA, A gets a second, because where IPv6 leads nowhere a site without its IPv4
//! addresses would seem down. One question takes at most 2 s in at most three rounds, so dead servers cannot hold up a lookup.
//!
//! The system's files are read again when they change, so webmon follows to another network without a restart. Without a name
//! server in resolv.conf, the one on this machine is asked, as resolv.conf(5) says. Configured servers are asked for the name as
//! it is, without a search list.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::Hosts;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::timeout;

use crate::model::lock::lock;
use crate::model::{Cause, Family, RecordKind};
use crate::probe::failure::Failure;

use super::answer::{NoRecords, Records, Weight};
use super::record_set::{self, RECORDS_MAX, RecordSet};
use super::resolv_conf::{ResolvConf, Server};
use super::server_order::ServerOrder;
use super::system_files::{NameFiles, Stamps};

/// How long IPv4 addresses wait for those of IPv6.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// How long IPv6 addresses wait for those of IPv4.
const RESOLUTION_DELAY_V4: Duration = Duration::from_secs(1);
/// How long IPv4 addresses wait for those of IPv6 that are asked for after them.
const ONE_BY_ONE_DELAY: Duration = Duration::from_secs(1);

/// The name servers, which may change.
pub(crate) struct NameServers {
    files: NameFiles,
    /// Empty: the system's.
    configured: Vec<Server>,
    current: Mutex<(Stamps, Arc<ServerConfig>)>,
}

/// How to look names up until a file of the system changes.
pub(crate) struct ServerConfig {
    order: ServerOrder,
    hosts: Hosts,
    conf: ResolvConf,
}

type Answer = Result<Records, NoRecords>;
/// The answers for IPv6 and IPv4; one of them may not have been asked for, or not awaited.
type Answers = [Option<Answer>; 2];

/// The result of a lookup.
pub(crate) struct Resolved {
    /// IPv6 first; at least one.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether all addresses of IPv6 and of IPv4 are among them.
    pub(crate) families: [bool; 2],
    /// The name that has them; none if name servers were not asked.
    pub(crate) name: Option<Name>,
    pub(crate) ttl: Duration,
}

impl Resolved {
    /// The families that a lookup for `family` asks for.
    pub(crate) const fn asked(family: Family) -> [bool; 2] {
        [!matches!(family, Family::V4), !matches!(family, Family::V6)]
    }

    /// The whole sets of addresses that are known.
    pub(crate) fn sets(&self) -> Vec<RecordSet> {
        let of = |kind, is_known: bool, of_kind: fn(&IpAddr) -> bool| {
            let texts = self.addresses.iter().filter(|ip| of_kind(ip)).map(ToString::to_string);
            is_known.then(|| RecordSet { kind, texts: texts.take(RECORDS_MAX).collect() })
        };
        let [v6, v4] = self.families;
        [of(RecordKind::A, v4, IpAddr::is_ipv4), of(RecordKind::Aaaa, v6, IpAddr::is_ipv6)]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl NameServers {
    /// The `configured` ones, or the system's if there are none.
    pub(crate) fn new(configured: &[SocketAddr]) -> Self {
        Self::with_files(NameFiles::default(), configured)
    }

    fn with_files(files: NameFiles, configured: &[SocketAddr]) -> Self {
        let configured: Vec<Server> = configured.iter().copied().map(Server::from).collect();
        // Before the files are read, so that a write meanwhile is a change.
        let stamps = files.stamps();
        let config = ServerConfig::new(files.conf(&configured), files.hosts());
        Self { files, configured, current: Mutex::new((stamps, Arc::new(config))) }
    }

    /// How to look names up now, and whether that has changed since the last call.
    pub(crate) fn current(&self) -> (Arc<ServerConfig>, bool) {
        let mut current = lock(&self.current);
        let now = self.files.stamps();
        let has_changed = current.0 != now;
        if has_changed {
            *current = (now, Arc::new(ServerConfig::new(self.files.conf(&self.configured), self.files.hosts())));
        }
        (Arc::clone(&current.1), has_changed)
    }
}

impl ServerConfig {
    fn new(conf: ResolvConf, hosts: Hosts) -> Self {
        Self { order: ServerOrder::new(&conf), hosts, conf }
    }

    /// The addresses of the name servers.
    pub(crate) fn servers(&self) -> impl Iterator<Item = IpAddr> {
        self.conf.servers.iter().map(|server| server.address.ip())
    }

    /// The addresses of `name` in the hosts file, if it has some of `family`.
    pub(crate) fn in_hosts_file(&self, name: &Name, family: Family) -> Option<Resolved> {
        let addresses: Vec<IpAddr> = [RecordType::AAAA, RecordType::A]
            .into_iter()
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|lookup| ips(&lookup))
            .filter(|ip| family.holds(*ip))
            .collect();
        let families = Resolved::asked(family);
        (!addresses.is_empty()).then_some(Resolved { addresses, families, name: None, ttl: Duration::ZERO })
    }

    /// The sets of `kinds` of `name`, and how long all of them are good.
    pub(crate) async fn records(
        &self,
        name: &Name,
        kinds: &[RecordKind],
    ) -> Result<(Vec<RecordSet>, Duration), Failure> {
        let candidates = self.conf.candidates(name);
        let first = candidates.first().expect("a name is its own candidate");
        let found = record_set::ask(&self.order, first, kinds).await;
        let (sets, seconds) = found.map_err(|none| self.explain_silence(none.failure))?;
        Ok((sets, Duration::from_secs(seconds.into())))
    }

    /// The addresses of `family` of the first candidate for `name` that has one.
    pub(crate) async fn look_up(&self, name: &Name, family: Family) -> Result<Resolved, Failure> {
        let mut worst: Option<NoRecords> = None;
        for candidate in self.conf.candidates(name) {
            let none = match self.ask(&candidate, family).await {
                Ok(found) => return Ok(found),
                Err(none) => none,
            };
            let may_continue = none.is_answer() || none.weight == Weight::Failed;
            // A server that failed may know the name, so its absence is not certain.
            worst = match worst {
                Some(before) if before.is_answer() == none.is_answer() || none.is_answer() => Some(before),
                _ => Some(none),
            };
            if !may_continue {
                break;
            }
        }
        let worst = worst.unwrap_or_else(NoRecords::no_data);
        Err(self.explain_silence(worst.failure))
    }

    async fn ask(&self, name: &Name, family: Family) -> Result<Resolved, NoRecords> {
        let options = &self.conf.options;
        let one = |kind| self.order.ask(name, kind);
        let answers = match family {
            Family::V6 if options.v4_only => return Err(v6_is_forbidden()),
            Family::Any if options.v4_only => [None, Some(one(RecordType::A).await)],
            Family::V4 => [None, Some(one(RecordType::A).await)],
            Family::V6 => [Some(one(RecordType::AAAA).await), None],
            Family::Any if options.one_by_one => one_by_one(one(RecordType::A), one(RecordType::AAAA)).await,
            Family::Any => both(one(RecordType::AAAA), one(RecordType::A)).await,
        };
        let found = || answers.iter().flatten().flatten();
        let addresses: Vec<IpAddr> = found().flat_map(Records::ips).collect();
        let Some(ttl) = found().map(|found| found.ttl).min() else {
            return Err(worst(answers));
        };
        let families = answers.each_ref().map(|answer| {
            answer.as_ref().is_some_and(|answer| answer.as_ref().map_or_else(NoRecords::is_answer, |_| true))
        });
        Ok(Resolved { addresses, families, name: Some(name.clone()), ttl: Duration::from_secs(ttl.into()) })
    }

    /// `silence`, unless no name server listens on this machine.
    ///
    /// Lookups use unconnected sockets, which do not notice a closed port. A connected one does, at once for a server on this
    /// machine. It sends no question: a server ignores it or calls it malformed.
    pub(crate) fn explain_silence(&self, silence: Failure) -> Failure {
        let refuses = |server: SocketAddr| -> io::Result<bool> {
            let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0))?;
            socket.set_nonblocking(true)?;
            socket.connect(server)?;
            socket.send(&[0; 12])?;
            Ok(socket.recv(&mut [0; 12]).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
        };
        let is_closed =
            |Server { address, .. }: &Server| address.ip().is_loopback() && refuses(*address).unwrap_or(false);
        match self.conf.servers.as_slice() {
            [first, ..] if silence.cause == Cause::DnsTimeout && self.conf.servers.iter().all(is_closed) => {
                Failure::new(Cause::DnsError, format!("DNS: no name server listens at {first}"))
            }
            _ => silence,
        }
    }
}

/// Awaits both answers; once one has addresses, the other one for a limited time.
async fn both(v6: impl Future<Output = Answer>, v4: impl Future<Output = Answer>) -> Answers {
    let (mut v6, mut v4) = (pin!(v6), pin!(v4));
    tokio::select! {
        biased;
        answer = &mut v6 => {
            let v4 = other(answer.is_ok(), RESOLUTION_DELAY_V4, v4).await;
            [Some(answer), v4]
        }
        answer = &mut v4 => [other(answer.is_ok(), RESOLUTION_DELAY, v6).await, Some(answer)],
    }
}

/// Awaits the answer for IPv4 and then that for IPv6, which a name without IPv4 addresses needs all the more.
async fn one_by_one(v4: impl Future<Output = Answer>, v6: impl Future<Output = Answer>) -> Answers {
    let v4 = v4.await;
    [other(v4.is_ok(), ONE_BY_ONE_DELAY, v6).await, Some(v4)]
}

/// Awaits the answer for the other family, only for `delay` if the first one `has_addresses`.
async fn other(has_addresses: bool, delay: Duration, answer: impl Future<Output = Answer>) -> Option<Answer> {
    if has_addresses { timeout(delay, answer).await.ok() } else { Some(answer.await) }
}

/// The site requires IPv6 but this machine forbids to look it up, which says nothing of the name.
fn v6_is_forbidden() -> NoRecords {
    let forbidden = "DNS: the site needs IPv6 addresses (`ip: 6`, `dns: { aaaa: … }`), but `options no-aaaa` in resolv.conf \
                     forbids looking them up; remove one of the two";
    NoRecords::new(Weight::Local, Cause::Local, forbidden)
}

fn ips(lookup: &Lookup) -> Vec<IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}

/// The most significant of the answers, none of which has an address.
fn worst(answers: Answers) -> NoRecords {
    let all = answers.into_iter().flatten().filter_map(Result::err);
    all.max_by_key(|none| none.weight).unwrap_or_else(NoRecords::no_data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::{RData, Record};
    use tokio::net::UdpSocket as Socket;

    fn none(weight: Weight, cause: Cause) -> Result<Records, NoRecords> {
        Err(NoRecords::new(weight, cause, ""))
    }

    #[test]
    fn the_failure_that_says_most_wins() {
        let (silent, failed) = (|| none(Weight::Silent, Cause::DnsTimeout), || none(Weight::Failed, Cause::DnsError));
        for (answers, cause) in [
            ([Some(silent()), Some(failed())], Cause::DnsError),
            ([Some(failed()), Some(silent())], Cause::DnsError),
            ([Some(silent()), Some(silent())], Cause::DnsTimeout),
            ([Some(none(Weight::Local, Cause::Local)), Some(silent())], Cause::Local),
            ([None, None], Cause::DnsNotFound),
        ] {
            assert_eq!(worst(answers).failure.cause, cause);
        }
    }

    /// With `options single-request`: whatever comes in time for IPv6, unless IPv4 has addresses.
    #[tokio::test(start_paused = true)]
    async fn a_name_without_ipv4_addresses_has_all_the_time_for_ipv6() {
        let address = |text: &str| Ok(Records { data: vec![RData::AAAA(text.parse().unwrap())], ttl: 60 });
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            address("2001:db8::1")
        };
        let [v6, _] = one_by_one(async { Err(NoRecords::no_data()) }, slow()).await;
        assert!(v6.is_some_and(|v6| v6.is_ok()));
        let [v6, _] = one_by_one(async { none(Weight::Silent, Cause::DnsTimeout) }, slow()).await;
        assert!(v6.is_some_and(|v6| v6.is_ok()));
        let v4 = Records { data: vec![RData::A(std::net::Ipv4Addr::new(192, 0, 2, 1).into())], ttl: 60 };
        let [v6, v4] = one_by_one(async { Ok(v4) }, slow()).await;
        assert!(v6.is_none() && v4.is_some_and(|v4| v4.is_ok()));
    }

    #[tokio::test]
    async fn a_machine_that_forbids_to_ask_for_ipv6_says_so() {
        let conf = ResolvConf::parse("options no-aaaa", "");
        let config = ServerConfig::new(conf, Hosts::default());
        let answer = config.look_up(&Name::from_ascii("a.test").unwrap(), Family::V6).await;
        let failure = answer.err().unwrap();
        assert_eq!(failure.cause, Cause::Local);
        assert!(failure.detail.contains("no-aaaa"), "{}", failure.detail);
    }

    #[test]
    fn the_hosts_file_answers_for_whole_names_only() {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(&b"127.0.0.9 box.test box\n::9 box.test\n127.0.0.8 other\n"[..]).unwrap();
        let config = ServerConfig::new(ResolvConf::default(), hosts);
        let found = |name| {
            let found = config.in_hosts_file(&Name::from_utf8(name).unwrap(), Family::Any);
            found.map_or_else(Vec::new, |found| found.addresses)
        };
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
        let servers = NameServers::with_files(files.clone(), &[]);
        let addresses = |config: &ServerConfig| config.conf.servers.iter().map(ToString::to_string).collect::<Vec<_>>();
        let ((first, _), (second, has_changed)) = (servers.current(), servers.current());
        assert!(Arc::ptr_eq(&first, &second) && !has_changed);
        assert_eq!(addresses(&first), ["127.0.0.1:53", "[::1]:53"]);
        std::fs::write(&files.resolv_conf, "nameserver 127.0.0.9\n").unwrap();
        let (third, has_changed) = servers.current();
        assert_eq!((addresses(&third), has_changed), (vec!["127.0.0.9:53".to_owned()], true));
        std::fs::write(&files.hosts, "127.0.0.7 a.test\n").unwrap();
        let (fourth, has_changed) = servers.current();
        assert!(has_changed && fourth.in_hosts_file(&Name::from_ascii("a.test").unwrap(), Family::Any).is_some());
        assert!(!servers.current().1);
        let given = NameServers::with_files(files, &[SocketAddr::from(([127, 0, 0, 1], 9))]);
        assert_eq!(addresses(&given.current().0), ["127.0.0.1:9"]);
    }

    /// A name server that knows `known`, fails for names that begin with `failing`, and logs its questions.
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
            ServerConfig::new(conf, Hosts::default())
        };
        let (one, two) = (ndots(1), ndots(2));
        for (config, name, found, names) in [
            (&one, "web", true, &["web.a.test.", "web.b.test."][..]),
            (&one, "web.", true, &["web."]),
            (&one, "web.team", true, &["web.team.", "web.team.a.test."]),
            (&one, "web.team.", false, &["web.team."]),
            (&two, "web.team", true, &["web.team.a.test."]),
            (&two, "own.team", true, &["own.team.a.test.", "own.team.b.test.", "own.team."]),
            (&one, "gone.team", false, &["gone.team.", "gone.team.a.test.", "gone.team.b.test."]),
            (&one, "failing.team", false, &["failing.team.", "failing.team.a.test.", "failing.team.b.test."]),
        ] {
            let answer = config.look_up(&Name::from_str_relaxed(name).unwrap(), Family::V4).await;
            assert_eq!(answer.is_ok(), found, "{name}");
            assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), names, "{name}");
            let cause = if name.starts_with("failing") { Cause::DnsError } else { Cause::DnsNotFound };
            assert!(answer.is_ok() || answer.is_err_and(|failure| failure.cause == cause), "{name}");
        }
    }
}
