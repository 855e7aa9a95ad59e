//! A scripted SMTP server on loopback, with or without TLS, on a thread of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::support::tls::Identity;

/// How the server treats its clients.
#[derive(Clone, Default)]
pub struct Post {
    /// TLS from the start.
    pub implicit: Option<Identity>,
    /// TLS on request.
    pub starttls: Option<Identity>,
    /// Refuses everything but STARTTLS before TLS.
    pub requires_tls: bool,
    /// The answer to the credentials, if it asks for some.
    pub auth: Option<&'static str>,
    /// The answer to a recipient, in place of 250.
    pub recipient: Option<&'static str>,
    /// The answer to the end of the text, in place of 250; an empty one never comes.
    pub end: Option<&'static str>,
    /// The greeting, in place of 220.
    pub greeting: Option<&'static str>,
}

/// What it heard: commands, with the lines of the text after DATA.
pub type Heard = Arc<Mutex<Vec<String>>>;

/// A running server; it stops when dropped.
pub struct PostOffice {
    pub address: SocketAddr,
    pub heard: Heard,
    connections: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl PostOffice {
    pub fn open(post: Post) -> Self {
        let heard = Heard::default();
        let (listens, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let log = Arc::clone(&heard);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                listens.send(listener.local_addr().unwrap()).unwrap();
                let serve = async {
                    loop {
                        let (tcp, _) = listener.accept().await.unwrap();
                        counted.fetch_add(1, Ordering::SeqCst);
                        let (served, counted) = (client(tcp, post.clone(), Arc::clone(&log)), Arc::clone(&counted));
                        tokio::spawn(async move {
                            served.await;
                            counted.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), heard, connections, stop: Some(stop), thread: Some(thread) }
    }

    /// Connections that are open.
    pub fn open_connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What was heard so far, a line each.
    pub fn heard(&self) -> String {
        self.heard.lock().unwrap().join("\n")
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn client(tcp: TcpStream, post: Post, heard: Heard) {
    let greeting = post.greeting.unwrap_or("220 post.test ESMTP");
    if let Some(identity) = &post.implicit {
        let Ok(tls) = TlsAcceptor::from(identity.server_config()).accept(tcp).await else { return };
        drop(talk(&mut BufReader::new(tls), Some(greeting), true, &post, &heard).await);
        return;
    }
    let mut plain = BufReader::new(tcp);
    let Ok(true) = talk(&mut plain, Some(greeting), false, &post, &heard).await else { return };
    let identity = post.starttls.as_ref().unwrap();
    let Ok(tls) = TlsAcceptor::from(identity.server_config()).accept(plain.into_inner()).await else { return };
    drop(talk(&mut BufReader::new(tls), None, true, &post, &heard).await);
}

/// Talks until the client leaves, or, true, until it asks for TLS.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    greeting: Option<&str>,
    is_secure: bool,
    post: &Post,
    heard: &Heard,
) -> std::io::Result<bool> {
    if let Some(greeting) = greeting {
        say(stream, greeting).await?;
    }
    loop {
        let Some(command) = line(stream, heard).await? else { return Ok(false) };
        let verb = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                let mut offers = vec!["250-post.test".to_owned(), "250-8BITMIME".to_owned()];
                offers.extend(post.starttls.as_ref().filter(|_| !is_secure).map(|_| "250-STARTTLS".to_owned()));
                offers.extend(post.auth.map(|_| "250-AUTH PLAIN LOGIN".to_owned()));
                offers.push("250 SIZE 1000000".to_owned());
                say(stream, &offers.join("\r\n")).await?;
            }
            "STARTTLS" => {
                say(stream, "220 go ahead").await?;
                return Ok(true);
            }
            "QUIT" => {
                say(stream, "221 bye").await?;
                return Ok(false);
            }
            _ if post.requires_tls && !is_secure => {
                say(stream, "530 5.7.0 Must issue a STARTTLS command first").await?;
            }
            "AUTH" => say(stream, post.auth.unwrap_or("503 no")).await?,
            "RCPT" => say(stream, post.recipient.unwrap_or("250 ok")).await?,
            "DATA" => {
                say(stream, "354 go ahead").await?;
                while line(stream, heard).await?.is_some_and(|text| text != ".") {}
                match post.end {
                    Some("") => std::future::pending::<()>().await,
                    answer => say(stream, answer.unwrap_or("250 queued as 1")).await?,
                }
            }
            _ => say(stream, "250 ok").await?,
        }
    }
}

async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>, heard: &Heard) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let line = line.trim_end().to_owned();
    heard.lock().unwrap().push(line.clone());
    Ok(Some(line))
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await?;
    stream.flush().await
}
