//! The words for the network of this machine, and its objects.

use jiff::tz::TimeZone;

use crate::alert::network::{NetworkChange, NetworkState, Realm};
use crate::model::time::duration::format_seconds;

use super::time::{clock, utc};

/// `event: network`.
#[derive(serde::Serialize)]
pub(super) struct NetworkObject {
    event: &'static str,
    time: String,
    state: &'static str,
    since: String,
    hosts: usize,
    realm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_back: Option<usize>,
}

impl NetworkObject {
    pub(super) fn of(change: &NetworkChange) -> Self {
        let (until, held_back) = match change.state {
            NetworkState::Online { until, held_back } => (Some(utc(until)), Some(held_back)),
            NetworkState::Offline | NetworkState::Refuted => (None, None),
        };
        Self {
            event: "network",
            time: utc(change.at),
            state: change.state.name(),
            since: utc(change.since),
            hosts: change.hosts,
            realm: change.realm.name(),
            until,
            held_back,
        }
    }
}

/// The message about `change` to people: one or two sentences.
#[must_use]
pub fn sentence(change: &NetworkChange, zone: &TimeZone) -> String {
    let since = clock(change.since, zone);
    let (hosts, whose) = (change.hosts, whose(change.realm));
    match change.state {
        NetworkState::Offline => format!(
            "None of {hosts} unrelated hosts{whose} has answered since {since}: this machine's network, or something that \
             all of them share."
        ),
        NetworkState::Online { until, held_back } => {
            let downs = match held_back {
                0 => String::new(),
                1 => "; 1 down held back".to_owned(),
                downs => format!("; {downs} downs held back"),
            };
            let (until, lasted) = (clock(until, zone), format_seconds(change.lasted()));
            format!("no network{whose} from {since} to {until} ({lasted}){downs}; these checks count as unknown.")
        }
        NetworkState::Refuted => format!(
            "None of {hosts} unrelated hosts{whose} has answered since {since}, but this message got out: not this machine's \
             network. All checks count."
        ),
    }
}

/// The message about all of `changes`.
#[must_use]
pub fn sentences(changes: &[NetworkChange], zone: &TimeZone) -> String {
    let mut all: Vec<String> = changes.iter().map(|change| sentence(change, zone)).collect();
    // The first follows the name of what it is about.
    for later in all.iter_mut().skip(1) {
        if let Some(first) = later.get_mut(..1) {
            first.make_ascii_uppercase();
        }
    }
    all.join(" ")
}

/// A line of the log about `change`.
#[must_use]
pub fn line(change: &NetworkChange, zone: &TimeZone) -> String {
    let since = clock(change.since, zone);
    let whose = whose(change.realm);
    match change.state {
        NetworkState::Offline => {
            format!("offline since {since}: none of {} hosts{whose} answers; alerts are held", change.hosts)
        }
        NetworkState::Online { .. } => sentence(change, zone).trim_end_matches('.').to_owned(),
        NetworkState::Refuted => {
            format!("not offline{whose}: a message got out although no host answers; what was held is told")
        }
    }
}

/// What tells the hosts of a realm from all others.
const fn whose(realm: Realm) -> &'static str {
    match realm {
        Realm::Private => " in private networks",
        Realm::Global => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn a_change_of_the_network_is_said_in_words_and_as_an_object() {
        let since = Timestamp::from_secs(1_795_356_123);
        let at = since.after(std::time::Duration::from_secs(428));
        let change = |state| NetworkChange { at, realm: Realm::Global, since, hosts: 40, state };
        let object = |change| serde_json::to_string(&NetworkObject::of(&change)).unwrap();
        let offline = change(NetworkState::Offline);
        assert_eq!(
            object(offline),
            r#"{"event":"network","time":"2026-11-22T14:09:11.000000Z","state":"offline","since":"2026-11-22T14:02:03.000000Z","hosts":40,"realm":"global"}"#
        );
        assert_eq!(
            sentence(&offline, &TimeZone::UTC),
            "None of 40 unrelated hosts has answered since 14:02:03: this machine's network, or something that all of them \
             share."
        );
        let online = change(NetworkState::Online { until: at, held_back: 38 });
        assert!(object(online).ends_with(r#""realm":"global","until":"2026-11-22T14:09:11.000000Z","held_back":38}"#));
        assert_eq!(
            sentence(&online, &TimeZone::UTC),
            "no network from 14:02:03 to 14:09:11 (7m8s); 38 downs held back; these checks count as unknown."
        );
        let private = NetworkChange { realm: Realm::Private, ..offline };
        let back = NetworkChange { state: online.state, ..private };
        assert_eq!(
            sentences(&[back, online], &TimeZone::UTC),
            "no network in private networks from 14:02:03 to 14:09:11 (7m8s); 38 downs held back; these checks count as \
             unknown. No network from 14:02:03 to 14:09:11 (7m8s); 38 downs held back; these checks count as unknown."
        );
        assert_eq!(
            line(&private, &TimeZone::UTC),
            "offline since 14:02:03: none of 40 hosts in private networks answers; alerts are held"
        );
    }
}
