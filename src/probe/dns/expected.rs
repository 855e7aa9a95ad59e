//! Judges what name servers say about the name of a site, before it is connected to.
//!
//! The addresses of the lookup for the connection are judged as they came, so they are not asked for twice: a family that the
//! lookup did not ask for, or whose answer it did not await, is asked for by itself. Records of other types are asked for
//! together, and are good for the shortest of their TTLs, as addresses are. All of it is time of the phase *resolve*.
//!
//! What is judged is the name in the URL, also where the check connects to another place or through a proxy; then nothing needs
//! its addresses, and a name without any has an empty set of them.

use std::net::IpAddr;
use std::sync::Arc;

use url::Host;

use crate::model::text::clean_line;
use crate::model::{Cause, Family, RecordExpectation, RecordKind, Site, is_localhost};
use crate::probe::failure::Failure;
use crate::probe::stopwatch::Stopwatch;

use super::record_set::RecordSet;
use super::resolve::{NameResolver, Wanted};

/// Longest list of records in a detail, and longest record in it, bytes.
const LIST_MAX: usize = 200;
const RECORD_MAX: usize = 100;

impl NameResolver {
    /// Judges the records of the host of `site`. Returns its addresses if the check connects to them.
    pub(crate) async fn expect(&self, site: &Site, watch: &mut Stopwatch) -> Result<Option<Arc<[IpAddr]>>, Failure> {
        let url = site.url.expose();
        let Some(Host::Domain(name)) = url.host() else { return Ok(None) };
        if site.records.is_empty() || is_localhost(name) {
            return Ok(None);
        }
        let (mut addresses, mut sets, mut found_as) = (None, Vec::new(), None);
        if site.connect_to.is_none() && site.proxy.for_url(url).is_none() {
            let found = self.known(name, Wanted::Addresses { family: site.family, whole: true }, watch).await?;
            addresses = Some(found.addresses);
            if let Some(records) = found.records {
                sets.clone_from(&records.sets);
                found_as.clone_from(&records.name);
            }
        }
        let (of_addresses, others): (Vec<_>, Vec<_>) =
            site.records.iter().partition(|expected| expected.kind.is_address());
        for expected in of_addresses {
            let set = match sets.iter().find(|set| set.kind == expected.kind) {
                Some(set) => set.clone(),
                None => self.addresses_of(name, expected.kind, watch).await?,
            };
            judge(expected, &set)?;
        }
        if !others.is_empty() {
            let kinds: Vec<RecordKind> = others.iter().map(|expected| expected.kind).collect();
            let found = self.known(name, Wanted::Records { kinds: &kinds, found_as: found_as.as_ref() }, watch).await?;
            let records = found.records.unwrap_or_default();
            for (expected, set) in others.into_iter().zip(&records.sets) {
                judge(expected, set)?;
            }
        }
        // What was spent so far stays, also if a pooled connection turns out to be stale.
        watch.stop();
        Ok(addresses)
    }

    /// The addresses of `name` of one family, maybe none.
    async fn addresses_of(&self, name: &str, kind: RecordKind, watch: &mut Stopwatch) -> Result<RecordSet, Failure> {
        let family = if kind == RecordKind::A { Family::V4 } else { Family::V6 };
        match self.known(name, Wanted::Addresses { family, whole: true }, watch).await {
            Ok(found) => {
                let sets = found.records.map(|records| records.sets.clone()).unwrap_or_default();
                let set = sets.into_iter().find(|set| set.kind == kind);
                Ok(set.unwrap_or(RecordSet { kind, texts: Vec::new() }))
            }
            Err(failure) if failure.cause == Cause::DnsNotFound => Ok(RecordSet { kind, texts: Vec::new() }),
            Err(failure) => Err(failure),
        }
    }
}

fn judge(expected: &RecordExpectation, set: &RecordSet) -> Result<(), Failure> {
    debug_assert_eq!(expected.kind, set.kind, "records are judged by what is expected of their type");
    if expected.is_met(&set.texts) {
        return Ok(());
    }
    let (kind, found) = (expected.kind.name(), list(set));
    Err(Failure::new(Cause::DnsAnswer, format!("DNS: {kind} is {found}, expected {}", expected.wanted)))
}

/// The records of `set` in their order as texts, as far as there is room.
fn list(set: &RecordSet) -> String {
    let quoted = |text: &String| {
        let line = clean_line(text, RECORD_MAX);
        if set.kind == RecordKind::Txt { format!("\"{line}\"") } else { line }
    };
    let mut texts: Vec<String> = set.texts.iter().map(quoted).collect();
    texts.sort_unstable();
    let mut length = 0;
    let shown = texts.iter().take_while(|text| {
        length += text.len();
        length <= LIST_MAX
    });
    let shown = shown.count().max(1);
    match texts.len().checked_sub(shown) {
        None => "absent".to_owned(),
        Some(0) => texts.join(", "),
        Some(more) => format!("{} and {more} more", texts[..shown].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::{DETAIL_MAX, is_harmful};
    use crate::model::{Expected, RecordWish};
    use proptest::prelude::*;

    fn set(kind: RecordKind, texts: &[&str]) -> RecordSet {
        RecordSet { kind, texts: texts.iter().map(|&text| text.to_owned()).collect() }
    }

    fn expected(text: &str) -> Expected<String> {
        Expected { what: text.to_owned(), shown: text.to_owned() }
    }

    #[test]
    fn a_detail_says_what_is_and_what_should_be() {
        let two = RecordWish::Exactly(vec![expected("192.0.2.10"), expected("192.0.2.11")]);
        let secret = RecordWish::Contains(Expected { what: "k3y".to_owned(), shown: "***".to_owned() });
        for (wanted, found, detail) in [
            (two.clone(), set(RecordKind::A, &["192.0.2.10"]), "a is 192.0.2.10, expected 192.0.2.10, 192.0.2.11"),
            (two, set(RecordKind::A, &[]), "a is absent, expected 192.0.2.10, 192.0.2.11"),
            (RecordWish::Absent, set(RecordKind::Aaaa, &["::2", "::1"]), "aaaa is ::1, ::2, expected none"),
            (RecordWish::Present, set(RecordKind::Caa, &[]), "caa is absent, expected at least one"),
            (secret, set(RecordKind::Txt, &["v=1\x1b[2J"]), "txt is \"v=1\u{fffd}[2J\", expected one with ***"),
        ] {
            let expectation = RecordExpectation { kind: found.kind, wanted };
            let failure = judge(&expectation, &found).unwrap_err();
            assert_eq!((failure.cause, failure.detail), (Cause::DnsAnswer, format!("DNS: {detail}")));
        }
    }

    #[test]
    fn many_records_leave_room_for_what_is_expected() {
        let many: Vec<String> = (0..100).map(|at| format!("10.0.0.{at}")).collect();
        let found = RecordSet { kind: RecordKind::A, texts: many };
        let wanted =
            RecordExpectation { kind: RecordKind::A, wanted: RecordWish::Exactly(vec![expected("192.0.2.1")]) };
        let detail = judge(&wanted, &found).unwrap_err().detail;
        assert!(detail.ends_with("more, expected 192.0.2.1") && detail.contains(" and "), "{detail}");
    }

    proptest! {
        #[test]
        fn no_record_harms_a_detail(texts in prop::collection::vec(".{0,200}", 0..40)) {
            let found = RecordSet { kind: RecordKind::Txt, texts };
            let wanted = RecordExpectation { kind: RecordKind::Txt, wanted: RecordWish::Exactly(vec![expected("\u{1}")]) };
            if let Err(failure) = judge(&wanted, &found) {
                prop_assert!(failure.detail.len() <= DETAIL_MAX && !failure.detail.chars().any(is_harmful));
            }
        }
    }
}
