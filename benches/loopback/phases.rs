//! Measures the error of each phase against a known delay, over HTTP/1.1 and HTTP/2.
//!
//! A late name server delays resolve; a server that waits delays tls, processing and transfer. The server measures its
//! own waits, so that its timers do not count as errors of the probe. connect has no delay, so all of it is error; the
//! error of tls includes the handshake itself.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;
use webmon::model::{Cause, Http, HttpOffer, Micros, Phase, Resolver, Site};
use webmon::probe::{HttpProber, Prober, ProberOptions};

use crate::spread;
use crate::tls::{Authority, Leaf};

const ROUNDS: usize = 100;
/// Delays in the order of the phases, ms.
const DELAYS: [u64; 5] = [12, 0, 20, 28, 36];

type Waited = Arc<Mutex<[Duration; 5]>>;

/// Prints the errors of all phases.
pub fn measure() {
    let waited: Waited = Arc::default();
    let authority = Authority::new();
    let identity = authority.issue(&Leaf::naming(&["phases.test"])).offering(&["h2", "http/1.1"]);
    let acceptor = TlsAcceptor::from(identity.server_config());
    let (send, receive) = std::sync::mpsc::channel();
    let server_waited = Arc::clone(&waited);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let dns = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let addresses = (dns.local_addr().expect("bound"), listener.local_addr().expect("bound"));
            send.send(addresses).expect("the receiver waits");
            tokio::join!(names(dns, Arc::clone(&server_waited)), serve(listener, acceptor, server_waited));
        });
    });
    let (names, server) = receive.recv().expect("it starts");
    let options = ProberOptions {
        resolver: Resolver::Servers(vec![names]),
        extra_roots: vec![authority.root()],
        ..ProberOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let prober = HttpProber::with(&options, Instant::now).expect("good options");
    let url: url::Url = format!("https://phases.test:{}/", server.port()).parse().expect("a URL");
    for (http, version, name) in [(HttpOffer::V11, Http::V11, "1.1"), (HttpOffer::V2, Http::V2, "2")] {
        let site = Site { http, ..Site::new("phases", url.clone()) };
        let mut errors: [Vec<f64>; 5] = Default::default();
        for _ in 0..ROUNDS {
            let seen = runtime.block_on(prober.probe(&site));
            assert_eq!((seen.cause, seen.http), (Cause::Ok, version), "{seen:?}");
            let waited = *waited.lock().expect("no panics");
            for ((phase, waited), errors) in Phase::ALL.into_iter().zip(waited).zip(&mut errors) {
                let measured = seen.phases.get(phase).map_or(Duration::ZERO, Micros::as_duration);
                errors.push((measured.as_secs_f64() - waited.as_secs_f64()) * 1e3);
            }
        }
        for ((phase, errors), delay) in Phase::ALL.into_iter().zip(&mut errors).zip(DELAYS) {
            println!("phases: HTTP/{name}, {} delayed by {delay} ms: error {}", phase.name(), spread(errors));
        }
    }
}

async fn wait(phase: usize, waited: &Waited) {
    let begin = Instant::now();
    tokio::time::sleep(Duration::from_millis(DELAYS[phase])).await;
    waited.lock().expect("no panics")[phase] = begin.elapsed();
}

/// Answers A queries late, with 127.0.0.1 and a TTL of zero, and all others empty.
async fn names(socket: UdpSocket, waited: Waited) {
    let mut packet = [0; 512];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut packet).await else { continue };
        let question_end = packet[12..length].iter().position(|&byte| byte == 0).map_or(length, |at| 12 + at + 5);
        let is_v4 = packet[question_end - 3] == 1;
        let mut reply = packet[..question_end].to_vec();
        reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
        if is_v4 {
            wait(0, &waited).await;
            // A pointer to the name, type A, class IN, TTL 0, four bytes.
            reply.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
        }
        drop(socket.send_to(&reply, from).await);
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, waited: Waited) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        drop(stream.set_nodelay(true));
        wait(2, &waited).await;
        let Ok(stream) = acceptor.accept(stream).await else { continue };
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let (stream, waited) = (TokioIo::new(stream), Arc::clone(&waited));
        let answer = service_fn(move |_: Request<Incoming>| {
            let waited = Arc::clone(&waited);
            async move {
                wait(3, &waited).await;
                Ok::<_, Infallible>(Response::new(LateBody::new(waited)))
            }
        });
        if is_http2 {
            tokio::spawn(async move {
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                drop(server.serve_connection(stream, answer).await);
            });
        } else {
            drop(hyper::server::conn::http1::Builder::new().serve_connection(stream, answer).await);
        }
    }
}

/// A body of two bytes after the delay of the transfer.
struct LateBody {
    wait: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_sent: bool,
}

impl LateBody {
    fn new(waited: Waited) -> Self {
        Self { wait: Box::pin(async move { wait(4, &waited).await }), is_sent: false }
    }
}

impl Body for LateBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_sent {
            return Poll::Ready(None);
        }
        ready!(self.wait.as_mut().poll(cx));
        self.is_sent = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"ok")))))
    }
}
