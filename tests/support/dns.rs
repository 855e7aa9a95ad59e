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

/// A running name server; it stops when dropped.
pub struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
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
        self.asked.lock().unwrap().clone()
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

const A: u16 = 1;
const AAAA: u16 = 28;

/// The answers, and the questions so far.
struct Script {
    answer: Box<dyn Fn(&str) -> Answer + Send + Sync>,
    log: Arc<Mutex<Vec<String>>>,
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
        self.log.lock().unwrap().push(question.name.clone());
        let (mut delay, mut from_elsewhere) = (Duration::ZERO, false);
        let mut answer = (self.answer)(&question.name);
        let packet = loop {
            answer = match answer {
                Answer::After(time, then) => {
                    delay += time;
                    *then
                }
                Answer::PerFamily(v4, v6) => *if question.kind == A { v4 } else { v6 },
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
        let encoded = |name: &str| -> Vec<u8> {
            let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
            labels.chain([0]).collect()
        };
        let mut packet = self.reply(0, &[], 0);
        packet[7] = aliases.len() as u8;
        for (name, target) in aliases {
            let target = encoded(target);
            packet.extend(encoded(name));
            // Type CNAME, class IN, TTL, data.
            packet.extend([0, 5, 0, 1, 0, 0, 0, 60, 0, target.len() as u8]);
            packet.extend(target);
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
