//! Asks an HTTP proxy for a tunnel (CONNECT, RFC 9110, section 9.3.6).
//!
//! Its answer is read as patiently as that of a site: lines may end without a carriage return (RFC 9112, section 2.2), and the
//! status line may be odd where its status is beyond doubt.
//!
//! Invariants: the proxy sees host and port and nothing of a request; not a byte behind its answer is read, because that is the
//! server's. Bounds: [`HEAD_MAX`] of the answer. The caller bounds the time.

use std::borrow::Cow;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::model::Secret;
use crate::model::text::clean_line;
use crate::probe::io::status_line;

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
    while !(head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n")) {
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
        let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let repaired = status_line::repair(line).map_or(Cow::Borrowed(line), |(line, _)| Cow::Owned(line));
        let line = String::from_utf8_lossy(&repaired);
        let mut words = line.splitn(3, ' ');
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        let status = words.next().and_then(|status| status.parse::<u16>().ok()).filter(|_| is_http);
        let said = clean_line(line.split_once(' ').map_or("nonsense", |(_, rest)| rest), WORDS_MAX);
        Self { status, said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_odd_answer_is_read_to_its_end_and_no_further() {
        for (answer, status, said) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200), "200 Connection established"),
            ("HTTP/1.1 200 OK\n\n", Some(200), "200 OK"),
            ("HTTP/1.1 200 OK\nVia: x\n\n", Some(200), "200 OK"),
            ("HTTP/1.1 200 OK\nVia: x\r\n\r\n", Some(200), "200 OK"),
            ("HTTP/1.1 200 OK\r\nVia: x\n\r\n", Some(200), "200 OK"),
            ("HTTP/1.1  200 OK\r\n\r\n", Some(200), "200 OK"),
            ("http/1.0 200\r\n\r\n", Some(200), "200"),
            ("HTTP/1.1 502\tBad\n\n", Some(502), "502 Bad"),
            ("HTTP/1.1 2000 OK\n\n", Some(2000), "2000 OK"),
            ("SSH-2.0-x y\n\n", None, "y"),
        ] {
            let (mut client, mut proxy) = tokio::io::duplex(1 << 10);
            proxy.write_all(format!("{answer}\r\n\nhello").as_bytes()).await.unwrap();
            let answered = ask(&mut client, "a.test:80", None).await.unwrap();
            assert_eq!((answered.status, answered.said.as_str()), (status, said), "{answer:?}");
            drop(proxy);
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"\r\n\nhello", "{answer:?}");
        }
    }
}
