//! A name server for tests, over UDP and TCP on loopback: answers by a table, late, wrongly or not at all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;

/// What a name server says to a question.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These addresses, each to the question of its family.
    Addresses(Vec<IpAddr>),
    /// The same, good for no time.
    Fleeting(Vec<IpAddr>),
    /// The name exists, without an address.
    NoData,
    /// This response code: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED.
    Code(u8),
    /// Nothing at all.
    Silence,
    /// The answer to another question.
    WrongId,
    /// A truncated answer, which asks for TCP, where no server listens.
    Truncated,
    /// Truncated over UDP, this one over TCP; for a server with TCP.
    OverTcp(Box<Answer>),
    /// Bytes that are no answer.
    Garbage,
    /// These addresses, of a name that was not asked for.
    OfAnotherName(Vec<IpAddr>),
    /// This one, sent from another port.
    FromElsewhere(Box<Answer>),
    /// Names that are aliases of others, and no address.
    Aliases(Vec<(String, String)>),
    /// The records of the asked type, through aliases; without any, a SOA whose negative TTL is the last number.
    Records(Vec<Record>, u8),
    /// This one to questions for a type, another one to all other questions.
    ToType(u16, Box<Answer>, Box<Answer>),
    /// No address, from a server that resolves no names for others and is no authority.
    Lame,
    /// EDNS of a version that is not known (BADVERS).
    BadVersion,
    /// This one to questions with EDNS, the other to those without.
    ByEdns(Box<Answer>, Box<Answer>),
    /// This one to questions for IPv4 addresses, the other to those for IPv6.
    PerFamily(Box<Answer>, Box<Answer>),
    /// This one, later.
    After(Duration, Box<Answer>),
}

/// A record of a name.
#[derive(Clone, Debug)]
pub struct Record {
    name: String,
    kind: u16,
    ttl_secs: u8,
    data: Vec<u8>,
}

pub const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const MX: u16 = 15;
pub const TXT: u16 = 16;
pub const AAAA: u16 = 28;
pub const CAA: u16 = 257;

impl Record {
    fn new(name: &str, kind: u16, data: Vec<u8>) -> Self {
        Self { name: name.to_owned(), kind, ttl_secs: 60, data }
    }

    pub fn address(name: &str, address: &str) -> Self {
        match address.parse().unwrap() {
            IpAddr::V4(ip) => Self::new(name, A, ip.octets().to_vec()),
            IpAddr::V6(ip) => Self::new(name, AAAA, ip.octets().to_vec()),
        }
    }

    pub fn cname(name: &str, target: &str) -> Self {
        Self::new(name, CNAME, encoded(target))
    }

    pub fn ns(name: &str, server: &str) -> Self {
        Self::new(name, NS, encoded(server))
    }

    pub fn mx(name: &str, preference: u16, host: &str) -> Self {
        Self::new(name, MX, [&preference.to_be_bytes()[..], &encoded(host)].concat())
    }

    /// Its strings are of at most 255 bytes.
    pub fn txt(name: &str, strings: &[&str]) -> Self {
        let strings = strings.iter().flat_map(|text| [&[text.len() as u8], text.as_bytes()].concat());
        Self::new(name, TXT, strings.collect())
    }

    pub fn caa(name: &str, tag: &str, value: &str) -> Self {
        Self::new(name, CAA, [&[0, tag.len() as u8], tag.as_bytes(), value.as_bytes()].concat())
    }

    /// The same, good for `ttl_secs`.
    pub fn good_for(self, ttl_secs: u8) -> Self {
        Self { ttl_secs, ..self }
    }

    fn packet(&self) -> Vec<u8> {
        let length = (self.data.len() as u16).to_be_bytes();
        let kind = self.kind.to_be_bytes();
        [&encoded(&self.name)[..], &kind, &[0, 1, 0, 0, 0, self.ttl_secs], &length, &self.data].concat()
    }
}

/// `name` as labels (RFC 1035 §3.1); the empty one is the root.
fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]).collect()
}

/// The name of these labels.
fn decoded(mut labels: &[u8]) -> String {
    let mut name = Vec::new();
    while let [length @ (1..=u8::MAX), rest @ ..] = labels {
        let (label, rest) = rest.split_at((*length).into());
        name.push(String::from_utf8_lossy(label).into_owned());
        labels = rest;
    }
    name.join(".")
}

/// A running name server; it stops when dropped.
pub struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Answers questions for a name (lower case, without the final dot) by `answer`.
    pub fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::at(StdSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), None, answer)
    }

    /// The same, over TCP as well.
    pub fn start_with_tcp(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        // The port of one may be taken for the other.
        let pair = || {
            let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            StdSocket::bind(listener.local_addr().unwrap()).ok().map(|socket| (socket, listener))
        };
        let (socket, listener) = (0..100).find_map(|_| pair()).expect("a port that is free for UDP and TCP");
        Self::at(socket, Some(listener), answer)
    }

    fn at(
        socket: StdSocket,
        listener: Option<StdListener>,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Script { answer: Box::new(answer), log: Arc::clone(&asked) });
        let (stop, stopped) = oneshot::channel();
        let thread = super::on_own_runtime(async move {
            let socket = Arc::new(UdpSocket::from_std(socket).unwrap());
            let over_tcp = async {
                match listener {
                    Some(listener) => serve_tcp(listener, Arc::clone(&script)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = serve(socket, Arc::clone(&script)) => {}
                () = over_tcp => {}
                _ = stopped => {}
            }
        });
        Self { address, asked, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names it was asked for, in order, once for each question.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    /// How often it was asked for records of `kind` of `name`.
    pub fn asked_for(&self, name: &str, kind: u16) -> usize {
        self.asked.lock().unwrap().iter().filter(|(asked, of)| asked == name && *of == kind).count()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The answers, and the questions so far.
struct Script {
    answer: Box<dyn Fn(&str) -> Answer + Send + Sync>,
    log: Arc<Mutex<Vec<(String, u16)>>>,
}

/// A packet, when to send it, and whether from another port.
struct Reply {
    packet: Vec<u8>,
    delay: Duration,
    from_elsewhere: bool,
}

impl Script {
    fn reply(&self, packet: &[u8], over_tcp: bool) -> Option<Reply> {
        let question = Question::parse(packet)?;
        self.log.lock().unwrap().push((question.name.clone(), question.kind));
        let (mut delay, mut from_elsewhere) = (Duration::ZERO, false);
        let mut answer = (self.answer)(&question.name);
        let packet = loop {
            answer = match answer {
                Answer::After(time, then) => {
                    delay += time;
                    *then
                }
                Answer::PerFamily(v4, v6) => *if question.kind == A { v4 } else { v6 },
                Answer::ToType(kind, this, other) => *if question.kind == kind { this } else { other },
                Answer::ByEdns(with, without) => *if question.has_edns { with } else { without },
                Answer::FromElsewhere(then) => {
                    from_elsewhere = true;
                    *then
                }
                Answer::OverTcp(then) => {
                    if over_tcp {
                        *then
                    } else {
                        Answer::Truncated
                    }
                }
                Answer::Silence => return None,
                other => break question.packet(&other),
            };
        };
        Some(Reply { packet, delay, from_elsewhere })
    }
}

async fn serve(socket: Arc<UdpSocket>, script: Arc<Script>) {
    let mut packet = [0; 1500];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut packet).await else { continue };
        let Some(reply) = script.reply(&packet[..length], false) else { continue };
        let elsewhere = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let socket = if reply.from_elsewhere { Arc::new(elsewhere) } else { Arc::clone(&socket) };
        tokio::spawn(async move {
            tokio::time::sleep(reply.delay).await;
            drop(socket.send_to(&reply.packet, from).await);
        });
    }
}

async fn serve_tcp(listener: StdListener, script: Arc<Script>) {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let script = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut packet = vec![0; length.into()];
                let Ok(_) = stream.read_exact(&mut packet).await else { return };
                let Some(reply) = script.reply(&packet, true) else { continue };
                tokio::time::sleep(reply.delay).await;
                let length = u16::try_from(reply.packet.len()).unwrap();
                let framed = [&length.to_be_bytes()[..], &reply.packet].concat();
                let Ok(()) = stream.write_all(&framed).await else { return };
            }
        });
    }
}

/// The one question of a query (RFC 1035 §4.1).
struct Question {
    id: [u8; 2],
    name: String,
    kind: u16,
    has_edns: bool,
    /// Name, type and class as they were asked.
    raw: Vec<u8>,
}

impl Question {
    fn parse(packet: &[u8]) -> Option<Self> {
        const HEADER: usize = 12;
        let mut at = HEADER;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*packet.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).to_ascii_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?);
        let raw = packet.get(HEADER..at + 4)?.to_vec();
        let has_edns = packet.get(10..HEADER)? != [0, 0];
        Some(Self { id: packet.get(..2)?.try_into().ok()?, name: labels.join("."), kind, has_edns, raw })
    }

    fn packet(&self, answer: &Answer) -> Vec<u8> {
        let mut packet = match answer {
            Answer::Addresses(addresses) | Answer::OfAnotherName(addresses) => self.reply(0, addresses, 60),
            Answer::Fleeting(addresses) => self.reply(0, addresses, 0),
            Answer::Code(code) => self.reply(*code, &[], 0),
            Answer::Aliases(aliases) => self.aliases(aliases),
            Answer::Records(records, negative) => self.records(records, *negative),
            Answer::Garbage => vec![0xff; 40],
            _ => self.reply(0, &[], 0),
        };
        match answer {
            Answer::WrongId => packet[0] ^= 0xff,
            Answer::Truncated => packet[2] |= 0x02,
            Answer::Lame => packet[3] &= !0x80,
            Answer::OfAnotherName(_) => packet[13] ^= 0x01,
            Answer::BadVersion => {
                // The upper bits of the code are in the one additional record: the root, OPT, size, code, version, length.
                packet[11] = 1;
                packet.extend([0, 0, 41, 4, 0, 1, 0, 0, 0, 0, 0]);
            }
            _ => {}
        }
        packet
    }

    fn aliases(&self, aliases: &[(String, String)]) -> Vec<u8> {
        let mut packet = self.reply(0, &[], 0);
        packet[7] = aliases.len() as u8;
        packet.extend(aliases.iter().flat_map(|(name, target)| Record::cname(name, target).packet()));
        packet
    }

    fn records(&self, records: &[Record], negative: u8) -> Vec<u8> {
        let (mut name, mut answers) = (self.name.as_str(), Vec::new());
        let mut target;
        loop {
            let of_name = || records.iter().filter(|record| record.name == name);
            let found: Vec<&Record> = of_name().filter(|record| record.kind == self.kind).collect();
            let alias = of_name().find(|record| record.kind == CNAME).filter(|_| found.is_empty());
            answers.extend(found.into_iter().chain(alias).map(Record::packet));
            let Some(alias) = alias.filter(|_| answers.len() < 20) else { break };
            target = decoded(&alias.data);
            name = &target;
        }
        let has_records = records.iter().any(|record| record.kind == self.kind && record.name == name);
        let mut packet = self.reply(0, &[], 0);
        packet[7] = answers.len() as u8;
        packet.extend(answers.concat());
        if !has_records {
            packet[9] = 1;
            let numbers = [1, 60, 60, 60, u32::from(negative)].map(u32::to_be_bytes).concat();
            let soa = Record::new("", SOA, [encoded("ns.test"), encoded("mail.test"), numbers].concat());
            packet.extend(soa.packet());
        }
        packet
    }

    fn reply(&self, code: u8, addresses: &[IpAddr], ttl_secs: u8) -> Vec<u8> {
        let records: Vec<Vec<u8>> = addresses
            .iter()
            .filter_map(|address| match (address, self.kind) {
                (IpAddr::V4(ip), A) => Some(ip.octets().to_vec()),
                (IpAddr::V6(ip), AAAA) => Some(ip.octets().to_vec()),
                _ => None,
            })
            .collect();
        let mut packet = self.id.to_vec();
        // Response, recursion desired and available; one question, the records, no more.
        packet.extend([0x81, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
        packet.extend(&self.raw);
        for record in records {
            // A pointer to the name of the question, type, class IN, TTL, data.
            packet.extend([0xc0, 0x0c]);
            packet.extend(self.kind.to_be_bytes());
            packet.extend([0, 1, 0, 0, 0, ttl_secs, 0, record.len() as u8]);
            packet.extend(record);
        }
        packet
    }
}
