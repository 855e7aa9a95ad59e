//! Wrong tokens, counted by who presents them.
//!
//! Invariants: after [`WRONG_MAX`] wrong ones within [`SPAN`] nothing more is compared for that client, right or wrong, until the
//! span is over. Bounds: [`CLIENTS_MAX`] clients are told apart; the others share one count. An IPv6 client is its /64.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Wrong tokens a span.
pub const WRONG_MAX: u32 = 10;

/// See [`WRONG_MAX`].
pub const SPAN: Duration = Duration::from_mins(1);

/// Clients with a count of their own.
const CLIENTS_MAX: usize = 1_024;

/// Who presents a token; `None` stands for a Unix socket.
pub type Client = Option<IpAddr>;

/// See the module.
#[derive(Debug, Default)]
pub struct Attempts {
    /// The start of the span, and the wrong tokens in it.
    counts: HashMap<Client, (Duration, u32)>,
    others: Option<(Duration, u32)>,
}

impl Attempts {
    /// Whether a token of `client` may be compared at `now`, time since the start.
    pub fn may_try(&mut self, client: Client, now: Duration) -> bool {
        self.count(client, now).is_none_or(|(_, wrong)| *wrong < WRONG_MAX)
    }

    /// Counts a wrong token of `client`.
    pub fn note_wrong(&mut self, client: Client, now: Duration) {
        if let Some((_, wrong)) = self.count(client, now) {
            *wrong += 1;
            return;
        }
        if self.counts.len() >= CLIENTS_MAX {
            self.counts.retain(|_, (began, _)| now.saturating_sub(*began) < SPAN);
        }
        if self.counts.len() < CLIENTS_MAX {
            self.counts.insert(network(client), (now, 1));
        } else {
            self.others = Some((now, 1));
        }
    }

    /// The count of `client` in a span that is not over.
    fn count(&mut self, client: Client, now: Duration) -> Option<&mut (Duration, u32)> {
        let is_full = self.counts.len() >= CLIENTS_MAX;
        let own = self.counts.get_mut(&network(client)).filter(|(began, _)| now.saturating_sub(*began) < SPAN);
        let others = self.others.as_mut().filter(|(began, _)| is_full && now.saturating_sub(*began) < SPAN);
        own.or(others)
    }
}

fn network(client: Client) -> Client {
    match client {
        Some(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_none() => {
            Some(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_wrong_token_of_a_minute_is_not_compared() {
        let (mut attempts, second) = (Attempts::default(), Duration::from_secs);
        let (one, other): (Client, Client) = (Some([10, 0, 0, 1].into()), None);
        for n in 0..u64::from(WRONG_MAX) {
            assert!(attempts.may_try(one, second(n)));
            attempts.note_wrong(one, second(n));
        }
        assert!(!attempts.may_try(one, second(59)));
        assert!(attempts.may_try(other, second(59)));
        assert!(attempts.may_try(one, second(60)), "the span began with the first");
        attempts.note_wrong(one, second(60));
        assert!(attempts.may_try(one, second(61)));
    }

    #[test]
    fn memory_is_bounded_and_a_network_counts_as_one() {
        let mut attempts = Attempts::default();
        for n in 0..20_000u32 {
            attempts.note_wrong(Some(IpAddr::V4(n.into())), Duration::from_secs(1));
        }
        assert_eq!(attempts.counts.len(), CLIENTS_MAX);
        assert!(!attempts.may_try(Some(IpAddr::V4(19_999.into())), Duration::from_secs(2)), "they share a count");
        assert!(attempts.may_try(Some(IpAddr::V4(1.into())), Duration::from_secs(2)));
        let mut attempts = Attempts::default();
        for n in 0..10u128 {
            attempts.note_wrong(Some(IpAddr::V6((0x2001_0db8 << 96 | n).into())), Duration::ZERO);
        }
        assert!(!attempts.may_try(Some(IpAddr::V6((0x2001_0db8 << 96 | 0x63).into())), Duration::ZERO));
    }
}
