//! Each phase delayed by a known time: how far from it is what a probe measures?
//!
//! resolve by a name server that answers late, tls and processing and transfer by a server that waits. What the server
//! really waited is measured there, so that its timers are not taken for errors of the probe. connect is not delayed:
//! loopback answers at once, so all of it is error.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;
use webmon::model::{Cause, Micros, Phase, Site};
use webmon::probe::{HttpProber, Options, Prober, Resolver};

use crate::spread;
use crate::tls::{Authority, Leaf};

const ROUNDS: usize = 20;
/// What each phase is delayed by, in their order.
const DELAYS: [u64; 5] = [60, 0, 90, 130, 170];

type Waited = Arc<Mutex<[Duration; 5]>>;

/// Measures the errors of all phases.
pub fn measure() {
    let waited: Waited = Arc::default();
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(authority.issue(&Leaf::naming(&["phases.test"])).server_config());
    let (send, receive) = std::sync::mpsc::channel();
    let server_waited = Arc::clone(&waited);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let dns = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let addresses = (dns.local_addr().expect("bound"), listener.local_addr().expect("bound"));
            send.send(addresses).expect("somebody waits");
            tokio::join!(names(dns, Arc::clone(&server_waited)), serve(listener, acceptor, server_waited));
        });
    });
    let (names, server) = receive.recv().expect("it starts");
    let options =
        Options { resolver: Resolver::Servers(vec![names]), extra_roots: vec![authority.root()], ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let prober = HttpProber::with(&options, Instant::now).expect("good options");
    let url = format!("https://phases.test:{}/", server.port()).parse().expect("a URL");
    let site = Site::new("phases", url);
    let mut errors: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let seen = runtime.block_on(prober.probe(&site));
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
        let waited = *waited.lock().expect("no panics");
        for ((phase, waited), errors) in Phase::ALL.into_iter().zip(waited).zip(&mut errors) {
            let measured = seen.phases.get(phase).map_or(Duration::ZERO, Micros::as_duration);
            errors.push((measured.as_secs_f64() - waited.as_secs_f64()) * 1e3);
        }
    }
    for ((phase, errors), delay) in Phase::ALL.into_iter().zip(&mut errors).zip(DELAYS) {
        println!("phases: {} delayed by {delay} ms: error {}", phase.name(), spread(errors));
    }
}

async fn wait(phase: usize, waited: &Waited) {
    let begin = Instant::now();
    tokio::time::sleep(Duration::from_millis(DELAYS[phase])).await;
    waited.lock().expect("no panics")[phase] = begin.elapsed();
}

/// Answers every question for an address of IPv4 with 127.0.0.1 and every other with nothing, late and for no time.
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
            // The name again, type A, class IN, a TTL of zero, four bytes.
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
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
        wait(3, &waited).await;
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await);
        drop(stream.flush().await);
        wait(4, &waited).await;
        drop(stream.write_all(b"ok").await);
        drop(stream.shutdown().await);
    }
}
