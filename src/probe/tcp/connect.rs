//! The phase *connect*: addresses become one TCP connection.
//!
//! Happy eyeballs (RFC 8305): families alternate, beginning with the family of the first address; each attempt has 250 ms before
//! the next one starts, and a failed one starts the next at once. The first connection wins. If none connects, the most telling
//! failure decides: an address that refuses exists, one that does not answer may exist, one without a route says least.
//! QUIC takes turns in the same way ([`reach`]). Bounds: 8 addresses.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::model::Cause;
use crate::probe::failure::{Failure, shortage};

use super::route::route_to_anywhere;

/// The head start of an attempt over the next one.
const STAGGER: Duration = Duration::from_millis(250);
const ADDRESSES_MAX: usize = 8;

/// Connects to the first of `addresses` that answers. `address` is always the last one that was tried, or the one that answered,
/// also if this future is dropped. `scope` is the zone of a single address, or 0.
pub(crate) async fn connect(
    addresses: &[IpAddr],
    port: u16,
    scope: u32,
    address: &mut Option<SocketAddr>,
    has_route: fn(IpAddr) -> bool,
) -> Result<TcpStream, Failure> {
    let reached = reach((addresses, port, scope), address, has_route, TcpStream::connect).await;
    let stream = reached?;
    // Without it a request of several packets can wait 40 ms for a delayed ACK. Where the system refuses, the probe is slower.
    drop(stream.set_nodelay(true));
    Ok(stream)
}

/// The same with any way to `begin` an attempt, which fails if nothing answers at the address.
pub(crate) async fn reach<T, F: Future<Output = io::Result<T>> + Send>(
    (addresses, port, scope): (&[IpAddr], u16, u32),
    address: &mut Option<SocketAddr>,
    has_route: fn(IpAddr) -> bool,
    begin: impl Fn(SocketAddr) -> F,
) -> Result<T, Failure> {
    let connected = match *addresses {
        [only] => {
            let only = *address.insert(match only {
                IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, scope).into(),
                IpAddr::V4(_) => SocketAddr::new(only, port),
            });
            begin(only).await.map_err(|error| vec![(only, error)])
        }
        _ => race(addresses, port, address, begin).await,
    };
    connected.map_err(|failed| explain(failed, has_route))
}

/// The first connection to one of `addresses`, or all failures.
async fn race<T, F: Future<Output = io::Result<T>> + Send>(
    addresses: &[IpAddr],
    port: u16,
    address: &mut Option<SocketAddr>,
    begin: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<(SocketAddr, io::Error)>> {
    let mut race = Race {
        waiting: alternate(addresses).into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
        begin,
        running: Vec::new(),
        stagger: None,
        failed: Vec::new(),
    };
    match poll_fn(|cx| race.poll(cx, address)).await {
        Some((winner, stream)) => {
            *address = Some(winner);
            Ok(stream)
        }
        None => Err(race.failed),
    }
}

/// The attempts of one connection.
struct Race<F, B> {
    waiting: std::collections::VecDeque<SocketAddr>,
    begin: B,
    running: Vec<(SocketAddr, Pin<Box<F>>)>,
    stagger: Option<Pin<Box<Sleep>>>,
    failed: Vec<(SocketAddr, io::Error)>,
}

impl<T, F: Future<Output = io::Result<T>>, B: Fn(SocketAddr) -> F> Race<F, B> {
    /// Ready with the winner, or with none once all attempts have failed.
    fn poll(&mut self, cx: &mut Context<'_>, last_tried: &mut Option<SocketAddr>) -> Poll<Option<(SocketAddr, T)>> {
        loop {
            let mut index = 0;
            while let Some((address, attempt)) = self.running.get_mut(index) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Some((*address, stream))),
                    Poll::Ready(Err(error)) => {
                        self.failed.push((*address, error));
                        drop(self.running.remove(index));
                        self.stagger = None;
                    }
                    Poll::Pending => index += 1,
                }
            }
            let due = self.stagger.as_mut().is_none_or(|stagger| stagger.as_mut().poll(cx).is_ready());
            if !due {
                return Poll::Pending;
            }
            let Some(next) = self.waiting.pop_front() else {
                return if self.running.is_empty() { Poll::Ready(None) } else { Poll::Pending };
            };
            *last_tried = Some(next);
            self.running.push((next, Box::pin((self.begin)(next))));
            self.stagger = (!self.waiting.is_empty()).then(|| Box::pin(sleep(STAGGER)));
        }
    }
}

/// The addresses to try, with families alternating, beginning with the family of the first (RFC 8305 §4).
pub(crate) fn alternate(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let first_is_v4 = addresses.first().is_some_and(IpAddr::is_ipv4);
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|ip| ip.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::with_capacity(addresses.len().min(ADDRESSES_MAX));
    loop {
        let before = order.len();
        order.extend(first.next());
        order.extend(second.next());
        if order.len() == before || order.len() >= ADDRESSES_MAX {
            order.truncate(ADDRESSES_MAX);
            return order;
        }
    }
}

/// The failure of a connection of which every attempt `failed`.
fn explain(failed: Vec<(SocketAddr, io::Error)>, has_route: fn(IpAddr) -> bool) -> Failure {
    let addresses: Vec<IpAddr> = failed.iter().map(|(address, _)| address.ip()).collect();
    let (_, failure) = failed
        .into_iter()
        .map(|(address, error)| weigh(&error, || has_route(address.ip())))
        .max_by_key(|&(weight, _)| weight)
        .unwrap_or_else(|| (0, Failure::new(Cause::DnsNotFound, "DNS: the name has no address")));
    if failure.cause == Cause::ConnectUnreachable {
        return offline(&addresses, has_route).unwrap_or(failure);
    }
    failure
}

/// The failure of a machine without a network, unless one of `addresses` is its own or has a route. No `addresses` stand for a
/// name without known addresses.
pub(crate) fn offline(addresses: &[IpAddr], has_route: fn(IpAddr) -> bool) -> Option<Failure> {
    let reachable = addresses.iter().any(|ip| ip.is_loopback() || has_route(*ip));
    (!reachable && !route_to_anywhere(has_route))
        .then(|| Failure::new(Cause::Local, "no route to the network from this machine"))
}

/// The failure of one attempt and how much it says; `has_route` is about its address.
fn weigh(error: &io::Error, has_route: impl FnOnce() -> bool) -> (u8, Failure) {
    const NO_SUCH_DEVICE: i32 = 19;
    if error.raw_os_error() == Some(NO_SUCH_DEVICE) {
        return (6, Failure::new(Cause::Local, "this machine has no network interface with the index of the zone"));
    }
    let unreachable = |detail: &str| (1, Failure::new(Cause::ConnectUnreachable, detail));
    match error.kind() {
        io::ErrorKind::ConnectionRefused => (5, Failure::new(Cause::ConnectRefused, "connection refused")),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            (4, Failure::new(Cause::Reset, "connection reset while connecting"))
        }
        io::ErrorKind::TimedOut => (3, Failure::new(Cause::ConnectTimeout, "no answer to the connection attempt")),
        io::ErrorKind::NetworkUnreachable => unreachable("network unreachable"),
        io::ErrorKind::HostUnreachable => unreachable("host unreachable"),
        io::ErrorKind::PermissionDenied => unreachable("this machine does not permit the connection"),
        // Without an address of this family the machine is not short of anything, and the other family says more. With a route
        // it has run out of ports, and an address that could not be tried may be the one that answers.
        io::ErrorKind::AddrNotAvailable if !has_route() => (0, unreachable("network unreachable").1),
        _ => match shortage(error) {
            Some(shortage) => (6, shortage),
            None => unreachable(&format!("cannot connect: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_beginning_with_the_first() {
        for (given, order) in [
            (&["::1", "::2", "1.1.1.1"][..], &["::1", "1.1.1.1", "::2"][..]),
            (&["1.1.1.1", "1.1.1.2", "::1"], &["1.1.1.1", "::1", "1.1.1.2"]),
            (&["1.1.1.1"], &["1.1.1.1"]),
            (&[], &[]),
        ] {
            assert_eq!(alternate(&ips(given)), ips(order));
        }
        assert_eq!(alternate(&ips(&["1.1.1.1"; 40])).len(), ADDRESSES_MAX);
    }

    fn failed(kinds: &[(&str, io::ErrorKind)]) -> Vec<(SocketAddr, io::Error)> {
        kinds.iter().map(|&(ip, kind)| (SocketAddr::new(ip.parse().unwrap(), 80), kind.into())).collect()
    }

    #[test]
    fn the_attempt_that_says_most_decides() {
        use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
        for (attempts, cause) in [
            (&[("2001:db8::1", NetworkUnreachable), ("192.0.2.1", ConnectionRefused)][..], Cause::ConnectRefused),
            (&[("192.0.2.1", HostUnreachable), ("192.0.2.2", TimedOut)], Cause::ConnectTimeout),
            (&[("::1", AddrNotAvailable), ("127.0.0.1", ConnectionRefused)], Cause::ConnectRefused),
            (&[("192.0.2.1", AddrNotAvailable)], Cause::Local),
            // No local port is left and no IPv6; then no IPv6 and a host that is gone.
            (&[("2001:db8::1", NetworkUnreachable), ("192.0.2.1", AddrNotAvailable)], Cause::Local),
            (&[("2001:db8::1", AddrNotAvailable), ("192.0.2.1", HostUnreachable)], Cause::ConnectUnreachable),
            (&[("2001:db8::1", AddrNotAvailable)], Cause::ConnectUnreachable),
            (&[("192.0.2.1", AddrNotAvailable), ("192.0.2.2", ConnectionRefused)], Cause::Local),
            (&[("192.0.2.1", HostUnreachable)], Cause::ConnectUnreachable),
        ] {
            assert_eq!(explain(failed(attempts), |ip| ip.is_ipv4()).cause, cause, "{attempts:?}");
        }
    }

    #[test]
    fn unreachable_is_local_only_on_a_machine_without_a_network() {
        use io::ErrorKind::{AddrNotAvailable, NetworkUnreachable};
        for kind in [NetworkUnreachable, AddrNotAvailable] {
            let (remote, own) = ([("2001:db8::7", kind)], [("::1", kind)]);
            assert_eq!(explain(failed(&remote), |_| false).cause, Cause::Local);
            assert_eq!(explain(failed(&remote), |ip| ip.is_ipv4()).cause, Cause::ConnectUnreachable);
            assert_eq!(explain(failed(&own), |_| false).cause, Cause::ConnectUnreachable);
        }
    }
}
