//! The way to a site through a proxy: HTTP CONNECT, in the clear or over TLS, or SOCKS5.
//!
//! A plain site goes through CONNECT as well, so that a proxy is one way for all requests. The proxy resolves the names of sites.
//!
//! Invariants: as long as the proxy itself is the obstacle the failure is of this machine (its way out is closed), and says nothing
//! of the site; no detail holds the proxy's credentials.

pub(crate) mod http_connect;
mod socks5;

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use url::Host;

use crate::model::{Cause, Proxy, ProxyKind};

use super::failure::{Failure, shortage};
use http_connect::ConnectAnswer;
use socks5::SocksAnswer;

/// A connection to a proxy that speaks TLS.
pub(crate) type SecuredLine = TlsStream<TcpStream>;
/// A connection to a server: its own, or through a proxy. TLS streams are large, and connections are moved a dozen times.
pub(crate) type Line = Either<TcpStream, Box<SecuredLine>>;

/// The failure of a check whose `proxy` cannot be reached because of `failure`.
pub(crate) fn unreached(proxy: &Proxy, failure: &Failure) -> Failure {
    Failure::new(Cause::Local, format!("cannot reach {}: {}", proxy.shown, failure.detail))
}

/// Asks `proxy`, at the other end of `line`, for a connection to `port` of `host`.
pub(crate) async fn open<S>(proxy: &Proxy, line: &mut S, (host, port): (&Host<&str>, u16)) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let target = format!("{host}:{port}");
    let broken = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => "closed the connection".to_owned(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => "reset the connection".to_owned(),
            _ => format!("broke the connection ({error})"),
        };
        let failure = || Failure::new(Cause::Proxy, format!("{} {why} when asked for {target}", proxy.shown));
        shortage(&error).unwrap_or_else(failure)
    };
    let verdict = if proxy.kind == ProxyKind::Socks5 {
        let answer = socks5::ask(line, (host, port), proxy.credentials.as_ref()).await.map_err(broken)?;
        judge_socks(answer, proxy.credentials.is_some())
    } else {
        let answer = http_connect::ask(line, &target, proxy.authorization().as_ref()).await.map_err(broken)?;
        judge_connect(&answer, proxy.credentials.is_some())
    };
    match verdict {
        None => Ok(()),
        Some((Cause::Local, why)) => Err(Failure::new(Cause::Local, format!("{} {why}", proxy.shown))),
        Some((cause, why)) => Err(Failure::new(cause, format!("{} cannot connect to {target}: {why}", proxy.shown))),
    }
}

/// Why there is no tunnel; none if there is one. tinyproxy says 401 where others say 407.
fn judge_connect(answer: &ConnectAnswer, has_credentials: bool) -> Option<(Cause, String)> {
    let said = &answer.said;
    match answer.status {
        Some(200..=299) => None,
        Some(401 | 407) if has_credentials => {
            Some((Cause::Local, format!("refuses the user or the password of `proxy`: {said}")))
        }
        Some(401 | 407) => Some((Cause::Local, format!("requires a user and a password in `proxy`: {said}"))),
        Some(_) => Some((Cause::Proxy, said.clone())),
        None => Some((Cause::Local, "does not answer as an HTTP proxy".to_owned())),
    }
}

/// The same for SOCKS5.
fn judge_socks(answer: SocksAnswer, has_credentials: bool) -> Option<(Cause, String)> {
    let local = |why: &str| Some((Cause::Local, why.to_owned()));
    match answer {
        SocksAnswer::Reply(0) => None,
        SocksAnswer::Reply(reply) => {
            let cause = match reply {
                3 | 4 => Cause::ConnectUnreachable,
                5 => Cause::ConnectRefused,
                6 => Cause::ConnectTimeout,
                _ => Cause::Proxy,
            };
            Some((cause, format!("{} (SOCKS reply {reply})", socks5::words(reply))))
        }
        SocksAnswer::NoMethod if has_credentials => local("takes no user and password"),
        SocksAnswer::NoMethod => local("requires a user and a password in `proxy`"),
        SocksAnswer::LoginRefused => local("refuses the user or the password of `proxy`"),
        SocksAnswer::NotSocks => local("does not answer as a SOCKS5 proxy"),
    }
}
