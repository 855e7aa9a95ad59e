//! Asks one name server, and interprets its answer.
//!
//! hickory has the protocol: identifiers, repeated datagrams, TCP for an answer that UDP truncated. It ignores an answer from
//! another address or to another question. A server that does not understand or answer a question with EDNS (RFC 6891 §7) is
//! asked once more without, and from then on always if that helped. Once a question with EDNS had an answer, silence and
//! SERVFAIL have other reasons: a slow server gets no second question.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::tcp::TcpClientStream;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::{DnsRequestSender as _, FirstAnswer as _};
use hickory_resolver::net::{DnsHandle as _, NetError};
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::model::Cause;
use crate::probe::failure::shortage;

use super::aliases::AliasChain;
use super::answer::{NoRecords, Records, Silence, Weight};
use super::resolv_conf::{ResolverOptions, Server};

/// How long a question with EDNS is alone before one without is asked as well.
const EDNS_PATIENCE: Duration = Duration::from_millis(500);
/// When an unanswered datagram is repeated: often enough for a lost one, too seldom to drown a slow server.
const REPEAT: Duration = Duration::from_millis(500);
const DATAGRAMS_MAX: u8 = 2;
/// Questions that continue after their lookup, to learn whether the server answers at all.
const AFTERWARDS_MAX: usize = 8;

pub(crate) struct NameServer {
    server: Server,
    /// For one question.
    pub(crate) timeout: Duration,
    /// For questions that continue after their lookup.
    pub(crate) afterwards: Arc<Semaphore>,
    runtime: TokioRuntimeProvider,
    tcp_only: bool,
    edns: AtomicBool,
    /// A question with EDNS had an answer that was not about EDNS.
    knows_edns: AtomicBool,
    /// Answers so far, of whatever kind.
    answers: AtomicU64,
    /// A [`Silence`].
    silence: AtomicU8,
}

impl NameServer {
    pub(crate) fn new(server: Server, options: &ResolverOptions) -> Self {
        Self {
            server,
            timeout: options.timeout,
            afterwards: Arc::new(Semaphore::new(AFTERWARDS_MAX)),
            runtime: TokioRuntimeProvider::default(),
            tcp_only: options.tcp_only,
            edns: AtomicBool::new(options.edns),
            knows_edns: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            silence: AtomicU8::new(Silence::None as u8),
        }
    }

    /// How it has answered lately.
    pub(crate) fn silence(&self) -> Silence {
        match self.silence.load(Ordering::Relaxed) {
            0 => Silence::None,
            1 => Silence::Suspected,
            _ => Silence::Known,
        }
    }

    /// Answers so far.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Notes that a question asked after `answers` has none. If others had one since, the server is silent about one name only.
    pub(crate) fn missed(&self, answers: u64, silence: Silence) {
        if self.answers() == answers {
            self.silence.fetch_max(silence as u8, Ordering::Relaxed);
        }
    }

    /// The records of `name` of one type, through its aliases.
    pub(crate) async fn ask(&self, name: Name, kind: RecordType) -> Result<Records, NoRecords> {
        let mut aliases = AliasChain::new(name);
        loop {
            let name = aliases.last().clone();
            let response = self.question(&Query::query(name.clone(), kind)).await?;
            if let Some(found) = aliases.follow(&response, kind)? {
                return Ok(found);
            }
            let has_alias = *aliases.last() != name;
            let negative = response.negative_ttl();
            match response.response_code {
                ResponseCode::NoError if negative.is_some() => return Err(NoRecords::no_data().good_for(negative)),
                ResponseCode::NoError if has_alias => {}
                ResponseCode::NoError if is_lame(&response) => {
                    return Err(NoRecords::failed(
                        "DNS: the name server does not resolve this name (it refers to other servers)",
                    ));
                }
                ResponseCode::NoError => return Err(NoRecords::no_data()),
                code => return Err(explain_code(code).good_for(negative)),
            }
        }
    }

    /// One question, with EDNS as long as the server is believed to understand it.
    async fn question(&self, query: &Query) -> Result<DnsResponse, NoRecords> {
        if !self.edns.load(Ordering::Relaxed) {
            return self.exchange(query, false).await;
        }
        let mut with = pin!(self.exchange(query, true));
        if self.knows_edns.load(Ordering::Relaxed) {
            let answer = with.await;
            let is_refused = answer.as_ref().is_ok_and(|answer| is_about_edns(answer.response_code));
            return if is_refused { self.exchange(query, false).await } else { answer };
        }
        let first = timeout(EDNS_PATIENCE.min(self.timeout / 2), &mut with).await;
        let is_late = match first {
            Ok(answer) if !may_be_edns(&answer) => {
                self.knows_edns.store(true, Ordering::Relaxed);
                return answer;
            }
            Ok(_) => false,
            Err(_) => true,
        };
        let mut without = pin!(self.exchange(query, false));
        let plain = if is_late {
            tokio::select! {
                // A slow server may know EDNS.
                biased;
                answer = &mut with => if may_be_edns(&answer) { without.await } else { return answer },
                answer = &mut without => answer,
            }
        } else {
            without.await
        };
        if !may_be_edns(&plain) {
            self.edns.store(false, Ordering::Relaxed);
        }
        plain
    }

    /// Asks over UDP, then over TCP if UDP truncated or spoiled the answer: some servers send more than announced without saying
    /// so.
    async fn exchange(&self, query: &Query, edns: bool) -> Result<DnsResponse, NoRecords> {
        let address = self.server.current_address()?;
        let mut options = DnsRequestOptions::default();
        options.use_edns = edns;
        options.retry_interval = REPEAT;
        let request = DnsRequest::from_query(query.clone(), options);
        if self.tcp_only {
            return self.over_tcp(address, request, query).await;
        }
        let udp = UdpClientStream::builder(address, self.runtime.clone()).with_timeout(Some(self.timeout));
        let spoiled =
            match udp.with_max_retries(DATAGRAMS_MAX).build().send_message(request.clone()).first_answer().await {
                Ok(answer) if answer.truncation => {
                    NoRecords::failed("DNS: the name server truncated its answer and sent none over TCP")
                }
                Ok(answer) => {
                    self.note_answer();
                    return Ok(answer);
                }
                Err(error @ NetError::Proto(_)) => explain(&error),
                Err(error) => return Err(explain(&error)),
            };
        self.note_answer();
        // Ends before the question times out, so that a silent TCP does not hide the answer over UDP.
        match timeout(self.timeout / 2, self.over_tcp(address, request, query)).await {
            Ok(Err(none)) if none.weight < spoiled.weight => Err(spoiled),
            Ok(said) => said,
            Err(_) => Err(spoiled),
        }
    }

    async fn over_tcp(
        &self,
        address: SocketAddr,
        request: DnsRequest,
        query: &Query,
    ) -> Result<DnsResponse, NoRecords> {
        let tcp = TcpClientStream::exchange(address, None, self.timeout, None, self.runtime.clone()).await;
        let answer = tcp.map_err(|error| explain(&error))?.send(request).first_answer().await;
        let answer = answer.map_err(|error| explain(&error))?;
        self.note_answer();
        if answer.queries != [query.clone()] {
            return Err(NoRecords::failed("DNS: the name server answered another question"));
        }
        Ok(answer)
    }

    /// Notes an answer, whatever it says.
    fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.silence.store(Silence::None as u8, Ordering::Relaxed);
    }
}

/// Whether a question without EDNS may have another answer.
fn may_be_edns(answer: &Result<DnsResponse, NoRecords>) -> bool {
    match answer {
        Ok(answer) => answer.response_code == ResponseCode::ServFail || is_about_edns(answer.response_code),
        Err(none) => none.weight == Weight::Silent,
    }
}

/// Whether `code` means that the server does not understand EDNS.
fn is_about_edns(code: ResponseCode) -> bool {
    use ResponseCode::{BADSIG, BADVERS, FormErr, NotImp};
    // BADSIG and BADVERS are one number; without a signature it means the version.
    matches!(code, FormErr | NotImp | BADVERS | BADSIG)
}

/// Whether `response`, which has no address, comes from a server that does not resolve the name: it refers to other servers,
/// or is not recursive. With a SOA it would know (RFC 2308 §2.2).
fn is_lame(response: &DnsResponse) -> bool {
    let refers = || response.authorities.iter().any(|record| record.record_type() == RecordType::NS);
    response.soa().is_none() && !response.authoritative && (!response.recursion_available || refers())
}

fn explain_code(code: ResponseCode) -> NoRecords {
    match code {
        ResponseCode::NXDomain => NoRecords::new(Weight::NoName, Cause::DnsNotFound, "DNS: no such name (NXDOMAIN)"),
        ResponseCode::ServFail => NoRecords::failed("DNS: the name server failed (SERVFAIL)"),
        ResponseCode::Refused => NoRecords::failed("DNS: the name server refused to answer (REFUSED)"),
        code => NoRecords::failed(format!("DNS: the name server answered: {code}")),
    }
}

fn explain(error: &NetError) -> NoRecords {
    match error {
        NetError::Timeout => NoRecords::silence(),
        NetError::Io(io) if io.kind() == io::ErrorKind::TimedOut => NoRecords::silence(),
        NetError::Io(io) => match shortage(io) {
            Some(failure) => NoRecords { weight: Weight::Local, failure, ttl: 0 },
            None => NoRecords::failed(format!("DNS: cannot reach a name server: {io}")),
        },
        other => NoRecords::failed(format!("DNS: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::resolv_conf::ResolvConf;
    use super::*;
    use hickory_resolver::proto::op::{Message, OpCode};
    use hickory_resolver::proto::rr::rdata::{NS, SOA};
    use hickory_resolver::proto::rr::{RData, Record};
    use std::net::IpAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn errors_have_a_weight_and_a_cause() {
        for (error, weight, cause) in [
            (NetError::Timeout, Weight::Silent, Cause::DnsTimeout),
            (io::Error::from(io::ErrorKind::TimedOut).into(), Weight::Silent, Cause::DnsTimeout),
            (io::Error::from(io::ErrorKind::ConnectionRefused).into(), Weight::Failed, Cause::DnsError),
            (io::Error::from_raw_os_error(24).into(), Weight::Local, Cause::Local),
        ] {
            let lack = explain(&error);
            assert_eq!((lack.weight, lack.failure.cause), (weight, cause), "{error:?}");
        }
        assert!(explain_code(ResponseCode::NXDomain).is_answer() && !explain_code(ResponseCode::NotImp).is_answer());
    }

    #[test]
    fn a_server_that_only_refers_to_others_knows_nothing() {
        let name = Name::from_ascii("a.test.").unwrap();
        let ns = Record::from_rdata(name.clone(), 60, RData::NS(NS(name.clone())));
        let soa = SOA::new(name.clone(), name.clone(), 1, 1, 1, 1, 1);
        let soa = Record::from_rdata(name, 60, RData::SOA(soa));
        for (authoritative, recursive, authorities, lame) in [
            (false, false, vec![], true),
            (false, false, vec![ns.clone()], true),
            (false, true, vec![ns.clone()], true),
            (false, true, vec![], false),
            (true, false, vec![], false),
            (false, false, vec![soa.clone()], false),
            (false, true, vec![ns, soa], false),
        ] {
            let mut message = Message::response(1, OpCode::Query);
            message.metadata.authoritative = authoritative;
            message.metadata.recursion_available = recursive;
            message.authorities = authorities;
            let response = DnsResponse::from_message(message).unwrap();
            assert_eq!(is_lame(&response), lame, "{response:?}");
        }
    }

    /// A server with `spoil`ed datagrams; over TCP it answers, or only accepts.
    async fn spoiling(spoil: fn(&Message) -> Vec<u8>, speaks_tcp: bool) -> NameServer {
        let (tcp, udp) = loop {
            let tcp = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            if let Ok(udp) = tokio::net::UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let address = tcp.local_addr().unwrap();
        let answer = |question: &[u8]| {
            let mut message = Message::from_vec(question).unwrap().into_response();
            message.metadata.recursion_available = true;
            let name = message.queries[0].name().clone();
            message.answers.push(Record::from_rdata(name, 60, RData::A(std::net::Ipv4Addr::LOCALHOST.into())));
            message
        };
        tokio::spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, from)) = udp.recv_from(&mut packet).await {
                drop(udp.send_to(&spoil(&answer(&packet[..length])), from).await);
            }
        });
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = tcp.accept().await {
                if speaks_tcp {
                    let length = stream.read_u16().await.unwrap();
                    let mut question = vec![0; length.into()];
                    stream.read_exact(&mut question).await.unwrap();
                    let bytes = answer(&question).to_vec().unwrap();
                    stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
                    stream.write_all(&bytes).await.unwrap();
                }
                open.push(stream);
            }
        });
        NameServer::new(Server::from(address), &ResolvConf::parse("", "").options)
    }

    /// More than a datagram may hold, without the truncation bit.
    fn oversized(message: &Message) -> Vec<u8> {
        let mut message = message.clone();
        message.answers = vec![message.answers[0].clone(); 400];
        message.to_vec().unwrap()
    }

    fn half(message: &Message) -> Vec<u8> {
        let bytes = message.to_vec().unwrap();
        bytes[..bytes.len() - 3].to_vec()
    }

    fn cut_off(message: &Message) -> Vec<u8> {
        let mut message = message.clone();
        message.metadata.truncation = true;
        message.answers.clear();
        message.to_vec().unwrap()
    }

    #[tokio::test]
    async fn what_udp_spoiled_is_asked_over_tcp_and_a_silent_tcp_is_not_a_silent_server() {
        for spoil in [oversized as fn(&Message) -> Vec<u8>, half, cut_off] {
            let name = Name::from_ascii("a.test.").unwrap();
            let found = spoiling(spoil, true).await.ask(name.clone(), RecordType::A).await.unwrap();
            assert_eq!(found.ips().collect::<Vec<_>>(), [IpAddr::from([127, 0, 0, 1])]);
            let mut server = spoiling(spoil, false).await;
            server.timeout = Duration::from_secs(1);
            let lack = server.ask(name, RecordType::A).await.unwrap_err();
            assert_eq!((lack.weight, lack.failure.cause), (Weight::Failed, Cause::DnsError), "{lack:?}");
        }
    }
}
