//! A server of HTTP/3 on loopback: one that answers by h3, and one that plays a script of frames (RFC 9114) byte by byte.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use hyper::{Request, Response};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, EndpointConfig, RecvStream, SendStream, ServerConfig, TokioRuntime, VarInt};
use tokio::sync::oneshot;

use super::on_own_runtime;
use super::tls::Identity;

/// Types of frames.
pub const DATA: u64 = 0;
pub const HEADERS: u64 = 1;
pub const SETTINGS: u64 = 4;
pub const GOAWAY: u64 = 7;
/// Codes.
pub const NO_ERROR: u32 = 0x100;
pub const INTERNAL_ERROR: u32 = 0x102;
pub const REQUEST_REJECTED: u32 = 0x10b;
pub const VERSION_FALLBACK: u32 = 0x110;

/// What a scripted server does next on the stream of a request.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes over and over until the client is gone.
    Flood(Vec<u8>),
    /// Sends these bytes on the control stream.
    Control(Vec<u8>),
    /// Does nothing while what was sent arrives: the next step may overtake it.
    Settle,
    /// Ends the stream.
    Finish,
    /// Resets the stream by this code.
    Reset(u32),
    /// Closes the connection by this code.
    Close(u32),
}

/// A number (RFC 9000 §16) below 2^30.
fn number(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (value as u16 | 0x4000).to_be_bytes().to_vec(),
        _ => (value as u32 | 0x8000_0000).to_be_bytes().to_vec(),
    }
}

/// A frame of this type.
pub fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [number(kind), number(payload.len() as u64), payload.to_vec()].concat()
}

/// A frame that says that it has so many bytes, and has none.
pub fn empty_frame(kind: u64, length: u64) -> Vec<u8> {
    [number(kind), number(length)].concat()
}

/// A head with these fields, as literals (RFC 9204 §4.5.6).
pub fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0, 0];
    for (name, value) in fields {
        block.extend(prefixed(0x20, 3, name.len()));
        block.extend(name.bytes());
        block.extend(prefixed(0, 7, value.len()));
        block.extend(value.bytes());
    }
    frame(HEADERS, &block)
}

/// `value` behind the bits of `first`, of which the low `bits` are the number's (RFC 7541 §5.1).
fn prefixed(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![first | value as u8];
    }
    let (mut bytes, mut rest) = (vec![first | most as u8], value - most);
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

type Answer = dyn Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync;

#[derive(Clone)]
enum Behaviour {
    Answering(Arc<Answer>),
    Scripted(Vec<Step>),
}

/// A running server; it stops when dropped.
pub struct Http3Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request<Bytes>>>>,
    accepted: Arc<Mutex<usize>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Http3Server {
    /// Answers each request by `answer`.
    pub fn answering(
        identity: &Identity,
        answer: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self::start(identity, &["h3"], Behaviour::Answering(Arc::new(answer)))
    }

    /// Plays `script` on the stream of each request, once the request has come whole.
    pub fn scripted(identity: &Identity, script: Vec<Step>) -> Self {
        Self::start(identity, &["h3"], Behaviour::Scripted(script))
    }

    /// Speaks another protocol (ALPN).
    pub fn speaking(identity: &Identity, protocol: &str) -> Self {
        Self::start(identity, &[protocol], Behaviour::Scripted(Vec::new()))
    }

    fn start(identity: &Identity, protocols: &[&str], behaviour: Behaviour) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let identity = identity.clone().offering(protocols);
        let tls = identity.server_config();
        let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        let (requests, accepted): (Arc<Mutex<Vec<_>>>, Arc<Mutex<usize>>) = <_>::default();
        let (log, count) = (Arc::clone(&requests), Arc::clone(&accepted));
        let (stop, stopped) = oneshot::channel();
        let thread = on_own_runtime(async move {
            let endpoint = EndpointConfig::default();
            let endpoint = Endpoint::new(endpoint, Some(config), socket, Arc::new(TokioRuntime)).unwrap();
            tokio::select! {
                () = accept(&endpoint, behaviour, log, count) => {}
                _ = stopped => {}
            }
        });
        Self { address, requests, accepted, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path` (with its slash) on it.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// The requests that were answered so far.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.requests.lock().unwrap().clone()
    }

    /// Handshakes that ended well so far.
    pub fn accepted(&self) -> usize {
        *self.accepted.lock().unwrap()
    }
}

impl Drop for Http3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn accept(
    endpoint: &Endpoint,
    behaviour: Behaviour,
    log: Arc<Mutex<Vec<Request<Bytes>>>>,
    accepted: Arc<Mutex<usize>>,
) {
    while let Some(incoming) = endpoint.accept().await {
        let (behaviour, log, accepted) = (behaviour.clone(), Arc::clone(&log), Arc::clone(&accepted));
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else { return };
            *accepted.lock().unwrap() += 1;
            // A client that leaves in the middle is part of many tests.
            match behaviour {
                Behaviour::Answering(answer) => drop(serve(connection, &*answer, &log).await),
                Behaviour::Scripted(script) => drop(play(connection, &script).await),
            }
        });
    }
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn serve(connection: Connection, answer: &Answer, log: &Mutex<Vec<Request<Bytes>>>) -> Result<(), Broken> {
    let mut http3 = h3::server::Connection::<_, Bytes>::new(h3_quinn::Connection::new(connection)).await?;
    while let Some(resolver) = http3.accept().await? {
        let (head, mut stream) = resolver.resolve_request().await?;
        let mut body = Vec::new();
        while let Some(mut data) = stream.recv_data().await? {
            body.extend(data.copy_to_bytes(data.remaining()));
        }
        let request = head.map(|()| Bytes::from(body));
        let (head, body) = answer(&request).into_parts();
        log.lock().unwrap().push(request);
        stream.send_response(Response::from_parts(head, ())).await?;
        if !body.is_empty() {
            stream.send_data(body).await?;
        }
        stream.finish().await?;
    }
    Ok(())
}

async fn play(connection: Connection, script: &[Step]) -> Result<(), Broken> {
    let mut control = connection.open_uni().await?;
    control.write_all(&[vec![0], frame(SETTINGS, &[])].concat()).await?;
    loop {
        let (send, request) = connection.accept_bi().await?;
        play_on(&connection, (send, request), &mut control, script).await?;
    }
}

async fn play_on(
    connection: &Connection,
    (mut send, mut request): (SendStream, RecvStream),
    control: &mut SendStream,
    script: &[Step],
) -> Result<(), Broken> {
    request.read_to_end(1 << 20).await?;
    for step in script {
        match step {
            Step::Send(bytes) => send.write_all(bytes).await?,
            Step::Flood(bytes) => loop {
                send.write_all(bytes).await?;
            },
            Step::Control(bytes) => control.write_all(bytes).await?,
            Step::Settle => tokio::time::sleep(Duration::from_millis(100)).await,
            Step::Finish => send.finish()?,
            Step::Reset(code) => send.reset(VarInt::from_u32(*code))?,
            Step::Close(code) => connection.close(VarInt::from_u32(*code), b""),
        }
    }
    // Until the client is gone: dropping the stream would end it.
    connection.closed().await;
    Ok(())
}
