//! Asks an HTTP proxy for a tunnel (CONNECT, RFC 9110, section 9.3.6).
//!
//! Invariants: the proxy sees host and port and nothing of a request; not a byte behind its answer is read, because that is the
//! server's. Bounds: [`HEAD_MAX`] of the answer. The caller bounds the time.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::model::Secret;
use crate::model::text::clean_line;

/// Bytes of a proxy's answer.
const HEAD_MAX: usize = 8 << 10;

/// The longest words of a proxy that are shown, bytes.
const WORDS_MAX: usize = 100;

/// The answer of a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConnectAnswer {
    /// None if it is not HTTP.
    pub(crate) status: Option<u16>,
    /// The status and its reason in one clean line.
    pub(crate) said: String,
}

/// Asks for a tunnel to `target`, a host and a port.
///
/// # Errors
/// The connection broke, or the answer has no end.
pub(crate) async fn ask<S>(stream: &mut S, target: &str, authorization: Option<&Secret>) -> io::Result<ConnectAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = authorization {
        request = format!("{request}Proxy-Authorization: {}\r\n", authorization.expose());
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).await?;
    stream.flush().await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_MAX {
            return Err(io::Error::other("its answer is not HTTP"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(ConnectAnswer::of(&head))
}

impl ConnectAnswer {
    /// Reads the first line of `head`.
    pub(crate) fn of(head: &[u8]) -> Self {
        let line = String::from_utf8_lossy(head.split(|&byte| byte == b'\r').next().unwrap_or_default()).into_owned();
        let mut words = line.splitn(3, ' ');
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        let status = words.next().and_then(|status| status.parse::<u16>().ok()).filter(|_| is_http);
        let said = clean_line(line.split_once(' ').map_or("nonsense", |(_, rest)| rest), WORDS_MAX);
        Self { status, said }
    }
}
