//! The TCP connection to a server, direct or through an HTTP proxy (CONNECT, RFC 9110, section 9.3.6).
//!
//! Invariants: the proxy sees host and port and nothing of a request; no error holds its credentials. Bounds: those of
//! [`http_connect`]. The caller bounds the time.

use std::error::Error;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use url::Url;

use crate::model::Secret;
use crate::model::text::{DETAIL_MAX, clean_line};
use crate::probe::proxy::http_connect::{self, ConnectAnswer};

use super::error::{RequestError, SetupError};

/// An HTTP proxy.
pub(crate) struct Proxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Secret>,
}

impl Proxy {
    /// The proxy at `url`, whose userinfo is its user and password.
    ///
    /// # Errors
    /// [`SetupError::Proxy`] if it is not an `http` URL with a host.
    pub(crate) fn new(url: &Url) -> Result<Self, SetupError> {
        let host = url.host_str().filter(|_| url.scheme() == "http").ok_or(SetupError::Proxy)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let has_user = !url.username().is_empty() || url.password().is_some();
        let authorization = has_user.then(|| {
            let user = format!("{}:{}", plain(url.username()), plain(url.password().unwrap_or_default()));
            Secret::new(format!("Basic {}", STANDARD.encode(user)))
        });
        Ok(Self { host, port: url.port_or_known_default().unwrap_or(80), authorization })
    }
}

/// A connection to `port` of `host`.
///
/// # Errors
/// [`RequestError`], without a host: the caller knows it.
pub(crate) async fn connect(host: &str, port: u16, proxy: Option<&Proxy>) -> Result<TcpStream, RequestError> {
    let (at, at_port, whose) =
        proxy.map_or((host, port, ""), |proxy| (proxy.host.as_str(), proxy.port, " to the proxy"));
    let failed = |error: io::Error| RequestError::Unreached(format!("cannot connect{whose}: {}", innermost(&error)));
    let mut tcp = TcpStream::connect((at, at_port)).await.map_err(failed)?;
    // Otherwise the last packet of a body can wait for a delayed ACK.
    drop(tcp.set_nodelay(true));
    if let Some(proxy) = proxy {
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let answer = http_connect::ask(&mut tcp, &target, proxy.authorization.as_ref()).await.map_err(failed)?;
        judge(&answer)?;
    }
    Ok(tcp)
}

/// Whether the tunnel is open.
fn judge(answer: &ConnectAnswer) -> Result<(), RequestError> {
    let said = &answer.said;
    match answer.status {
        Some(200..=299) => Ok(()),
        Some(407) => Err(RequestError::Refused("the proxy requires a user and a password".to_owned())),
        Some(403 | 405) => Err(RequestError::Refused(format!("the proxy refuses the connection: {said}"))),
        Some(_) | None => Err(RequestError::Unreached(format!("the proxy cannot connect: {said}"))),
    }
}

/// The innermost reason of `error`, in one clean line.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    loop {
        let wrapped = innermost.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| innermost.source());
        match inner {
            Some(inner) => innermost = inner,
            None => return clean_line(&innermost.to_string(), DETAIL_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_opens_the_tunnel() {
        assert_eq!(judge(&ConnectAnswer::of(b"HTTP/1.1 200 Connection established\r\n\r\n")), Ok(()));
        assert_eq!(judge(&ConnectAnswer::of(b"HTTP/1.0 299\r\n\r\n")), Ok(()));
        for (head, is_refusal, part) in [
            (&b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..], true, "user and a password"),
            (b"HTTP/1.1 403 Forbidden \x1b[2J\r\n\r\n", true, "403 Forbidden [2J"),
            (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", false, "502 Bad Gateway"),
            (b"HTTP/1.1 302 Found\r\n\r\n", false, "302"),
            (b"SSH-2.0-x 200\r\n\r\n", false, "cannot connect: 200"),
            (b"\r\n\r\n", false, "nonsense"),
        ] {
            let error = judge(&ConnectAnswer::of(head)).unwrap_err();
            assert_eq!(matches!(error, RequestError::Refused(_)), is_refusal, "{error:?}");
            assert!(error.clone().into_reason().contains(part), "{error:?}");
        }
    }

    #[test]
    fn a_proxy_is_reached_by_http_and_its_user_is_decoded() {
        let proxy = Proxy::new(&"http://ada:p%40ss@[::1]".parse().unwrap()).unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("::1", 80));
        assert_eq!(proxy.authorization.unwrap().expose(), "Basic YWRhOnBAc3M=");
        assert!(Proxy::new(&"http://proxy.example:3128".parse().unwrap()).unwrap().authorization.is_none());
        for wrong in ["https://proxy.example", "socks5://proxy.example:1080", "mailto:x"] {
            assert!(matches!(Proxy::new(&wrong.parse().unwrap()), Err(SetupError::Proxy)), "{wrong}");
        }
    }
}
