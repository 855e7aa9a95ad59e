//! A name server for tests, over UDP on loopback: answers by a table, late, wrongly or not at all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as StdSocket};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::UdpSocket;
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
    /// An answer that says it is not whole, so that one should ask over TCP, where nobody listens.
    Truncated,
    /// Bytes that are no answer.
    Garbage,
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
        let socket = StdSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let (stop, stopped) = oneshot::channel();
        let thread = super::on_own_runtime(async move {
            let socket = Arc::new(UdpSocket::from_std(socket).unwrap());
            tokio::select! {
                () = serve(socket, answer, log) => {}
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

async fn serve(socket: Arc<UdpSocket>, answer: impl Fn(&str) -> Answer, log: Arc<Mutex<Vec<String>>>) {
    let mut packet = [0; 1500];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut packet).await else { continue };
        let Some(question) = Question::parse(&packet[..length]) else { continue };
        log.lock().unwrap().push(question.name.clone());
        let mut answer = answer(&question.name);
        let mut delay = Duration::ZERO;
        let reply = loop {
            match answer {
                Answer::After(time, then) => (delay, answer) = (delay + time, *then),
                Answer::PerFamily(v4, v6) => answer = if question.kind == A { *v4 } else { *v6 },
                Answer::Silence => break None,
                Answer::WrongId => {
                    let mut reply = question.reply(3, &[], 0);
                    reply[0] ^= 0xff;
                    break Some(reply);
                }
                Answer::Truncated => {
                    let mut reply = question.reply(0, &[], 0);
                    reply[2] |= 0x02;
                    break Some(reply);
                }
                Answer::Garbage => break Some(vec![0xff; 40]),
                Answer::NoData => break Some(question.reply(0, &[], 0)),
                Answer::Code(code) => break Some(question.reply(code, &[], 0)),
                Answer::Addresses(addresses) => break Some(question.reply(0, &addresses, 60)),
                Answer::Fleeting(addresses) => break Some(question.reply(0, &addresses, 0)),
            }
        };
        if let Some(reply) = reply {
            let socket = Arc::clone(&socket);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                drop(socket.send_to(&reply, from).await);
            });
        }
    }
}

/// The one question of a query (RFC 1035 §4.1).
struct Question {
    id: [u8; 2],
    name: String,
    kind: u16,
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
        Some(Self { id: packet.get(..2)?.try_into().ok()?, name: labels.join("."), kind, raw })
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
