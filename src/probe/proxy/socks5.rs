//! Asks a SOCKS5 proxy for a connection (RFC 1928), with user and password if there are any (RFC 1929).
//!
//! Invariants: names are resolved by the proxy; not a byte behind its reply is read, because that is the server's. Bounds: 262
//! bytes of a reply. The caller bounds the time.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use url::Host;

use crate::model::Secret;

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;

/// What a proxy said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocksAnswer {
    /// The reply to the request: 0 is a connection.
    Reply(u8),
    /// It takes none of the offered ways to log in.
    NoMethod,
    /// It refuses the user or the password.
    LoginRefused,
    /// It speaks something else.
    NotSocks,
}

/// Asks for a connection to `port` of `host`.
///
/// # Errors
/// The connection broke.
pub(crate) async fn ask<S>(
    stream: &mut S,
    (host, port): (&Host<&str>, u16),
    credentials: Option<&(Secret, Secret)>,
) -> io::Result<SocksAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let methods: &[u8] = if credentials.is_some() { &[NO_LOGIN, LOGIN] } else { &[NO_LOGIN] };
    send(stream, &[&[VERSION, length(methods)], methods]).await?;
    match (read(stream).await?, credentials) {
        ([VERSION, NO_LOGIN], _) => {}
        ([VERSION, LOGIN], Some((user, password))) => {
            let [user, password] = [user, password].map(|secret| secret.expose().as_bytes());
            send(stream, &[&[LOGIN_VERSION, length(user)], user, &[length(password)], password]).await?;
            let [_, status] = read(stream).await?;
            if status != 0 {
                return Ok(SocksAnswer::LoginRefused);
            }
        }
        ([VERSION, _], _) => return Ok(SocksAnswer::NoMethod),
        _ => return Ok(SocksAnswer::NotSocks),
    }
    send(stream, &[&[VERSION, CONNECT, 0], &place(host), &port.to_be_bytes()]).await?;
    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return Ok(SocksAnswer::NotSocks);
    }
    if reply != 0 {
        return Ok(SocksAnswer::Reply(reply));
    }
    // The address from which the proxy connected says nothing, but it is in the way.
    let rest = match kind {
        1 => 4 + 2,
        3 => usize::from(stream.read_u8().await?) + 2,
        4 => 16 + 2,
        _ => return Ok(SocksAnswer::NotSocks),
    };
    stream.read_exact(&mut [0; 257][..rest]).await?;
    Ok(SocksAnswer::Reply(0))
}

/// `host` as a request names it. A name has at most 253 bytes.
fn place(host: &Host<&str>) -> Vec<u8> {
    match host {
        Host::Ipv4(ip) => [&[1], &ip.octets()[..]].concat(),
        Host::Ipv6(ip) => [&[4], &ip.octets()[..]].concat(),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').as_bytes();
            let name = &name[..name.len().min(255)];
            [&[3, length(name)], name].concat()
        }
    }
}

fn length(part: &[u8]) -> u8 {
    u8::try_from(part.len()).expect("each part has at most 255 bytes")
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), parts: &[&[u8]]) -> io::Result<()> {
    stream.write_all(&parts.concat()).await?;
    stream.flush().await
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A reply other than 0 in words.
pub(crate) const fn words(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "its rules forbid the connection",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "no answer from the host",
        7 => "it does not connect for others",
        8 => "it does not support this kind of address",
        _ => "unknown reply",
    }
}
