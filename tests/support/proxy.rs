//! Proxies for tests, of HTTP and of SOCKS5: they open a tunnel, or say something else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::tls::Identity;

/// What a proxy does when it is asked.
#[derive(Clone)]
pub enum Way {
    /// A tunnel to this server, whatever was asked for.
    To(SocketAddr),
    /// These bytes: of HTTP the answer, of SOCKS5 the last reply.
    Say(&'static [u8]),
    /// Closing the connection.
    Close,
    /// Nothing.
    Silence,
}

/// A proxy; it runs as long as the runtime of its test.
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Of HTTP, over TLS with an identity.
    pub async fn http(way: Way, identity: Option<Identity>) -> Self {
        let acceptor = identity.map(|identity| TlsAcceptor::from(identity.server_config()));
        Self::start(move |tcp, asked| {
            let (way, acceptor) = (way.clone(), acceptor.clone());
            async move {
                match acceptor {
                    Some(acceptor) => match acceptor.accept(tcp).await {
                        Ok(tls) => speak_http(tls, &way, &asked).await,
                        Err(_) => None,
                    },
                    None => speak_http(tcp, &way, &asked).await,
                }
            }
        })
        .await
    }

    /// Of SOCKS5, choosing this method; 2 takes any user and password but `wrong`.
    pub async fn socks5(method: u8, way: Way) -> Self {
        Self::start(move |tcp, asked| {
            let way = way.clone();
            async move { speak_socks(tcp, method, &way, &asked).await }
        })
        .await
    }

    async fn start<F, W>(serve: F) -> Self
    where
        F: Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> W + Send + 'static,
        W: Future<Output = Option<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::default());
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp, Arc::clone(&log)));
            }
        });
        Self { address, asked }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked for: the heads of HTTP, `user:password@host:port` of SOCKS5.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn speak_http<S>(mut stream: S, way: &Way, asked: &Mutex<Vec<String>>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    asked.lock().unwrap().push(String::from_utf8(head).unwrap());
    go(stream, way, b"HTTP/1.1 200 Connection established\r\nVia: a test\r\n\r\n").await
}

async fn speak_socks(mut stream: TcpStream, method: u8, way: &Way, asked: &Mutex<Vec<String>>) -> Option<()> {
    async fn part(stream: &mut TcpStream, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await.ok()?;
        Some(bytes)
    }
    let greeting = part(&mut stream, 2).await?;
    let offered = part(&mut stream, greeting[1].into()).await?;
    let method = if offered.contains(&method) { method } else { 0xff };
    stream.write_all(&[5, method]).await.ok()?;
    let mut told = String::new();
    if method == 2 {
        for (before, after) in [(1, ':'), (0, '@')] {
            part(&mut stream, before).await?;
            let length = stream.read_u8().await.ok()?;
            told.push_str(&String::from_utf8(part(&mut stream, length.into()).await?).unwrap());
            told.push(after);
        }
        let is_wrong = told.contains("wrong");
        stream.write_all(&[1, is_wrong.into()]).await.ok()?;
        if is_wrong {
            return None;
        }
    }
    let request = part(&mut stream, 4).await?;
    assert_eq!(request[..3], [5, 1, 0]);
    told.push_str(&match request[3] {
        1 => std::net::Ipv4Addr::from(<[u8; 4]>::try_from(part(&mut stream, 4).await?).unwrap()).to_string(),
        4 => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(part(&mut stream, 16).await?).unwrap()).to_string(),
        _ => {
            let length = stream.read_u8().await.ok()?;
            String::from_utf8(part(&mut stream, length.into()).await?).unwrap()
        }
    });
    told = format!("{told}:{}", stream.read_u16().await.ok()?);
    asked.lock().unwrap().push(told);
    // The address that it connected from, as a name.
    go(stream, way, b"\x05\x00\x00\x03\x04test\x00\x50").await
}

/// Goes `way`; `opened` precedes a tunnel.
async fn go<S>(mut stream: S, way: &Way, opened: &[u8]) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match way {
        Way::To(server) => {
            let mut server = TcpStream::connect(server).await.unwrap();
            stream.write_all(opened).await.ok()?;
            copy_bidirectional(&mut stream, &mut server).await.ok()?;
        }
        Way::Say(bytes) => {
            stream.write_all(bytes).await.ok()?;
            stream.flush().await.ok()?;
            // Closing at once could take back what was said.
            drop(stream.read_u8().await);
        }
        Way::Close => {}
        Way::Silence => drop(stream.read_u8().await),
    }
    Some(())
}
