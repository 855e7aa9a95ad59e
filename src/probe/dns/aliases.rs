//! The aliases (CNAME) of a name: followed to the end, or named when they never end.
//!
//! A name server that resolves names for others sends the whole chain; one that sends a part is asked for the rest. Limit:
//! 16 aliases, as far as one answer or one question after the other may lead.

use hickory_resolver::proto::op::DnsResponse;
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::model::Cause;

use super::answer::{Addresses, Lack, Weight};

/// Aliases that are followed.
const ALIASES_MAX: usize = 16;
/// A TTL is at most this (RFC 2181 §8): one with the top bit set is none.
const TTL_MAX: u32 = i32::MAX as u32;

/// A name, the name that it is an alias of, and so on.
#[derive(Debug)]
pub(crate) struct Aliases {
    /// At least one.
    names: Vec<Name>,
    /// For how many seconds what was read so far is good.
    ttl: u32,
}

impl Aliases {
    /// `name`, of which nothing is known yet.
    pub(crate) fn new(name: Name) -> Self {
        Self { names: vec![name], ttl: TTL_MAX }
    }

    /// The name to ask for.
    pub(crate) fn last(&self) -> &Name {
        &self.names[self.names.len() - 1]
    }

    /// The addresses of type `kind` that `response` leads to. Without any, the last name is the one to go on with.
    pub(crate) fn follow(&mut self, response: &DnsResponse, kind: RecordType) -> Result<Option<Addresses>, Lack> {
        loop {
            let name = self.last();
            let of_name = |record: &&Record| record.dns_class == DNSClass::IN && record.name == *name;
            let records: Vec<&Record> = response.answers.iter().filter(of_name).collect();
            let (mut ips, mut ttl) = (Vec::new(), self.ttl);
            for record in records.iter().filter(|record| record.record_type() == kind) {
                ips.extend(record.data.ip_addr());
                ttl = ttl.min(good_for(record));
            }
            if !ips.is_empty() {
                return Ok(Some(Addresses { ips, ttl }));
            }
            let alias = records.into_iter().find_map(|record| match &record.data {
                RData::CNAME(target) => Some((target.0.clone(), good_for(record))),
                _ => None,
            });
            let Some((target, seconds)) = alias else { return Ok(None) };
            self.ttl = self.ttl.min(seconds);
            self.push(target)?;
        }
    }

    /// Takes `target` for the next name.
    fn push(&mut self, target: Name) -> Result<(), Lack> {
        let is_loop = self.names.contains(&target);
        self.names.push(target);
        if !is_loop && self.names.len() <= ALIASES_MAX {
            return Ok(());
        }
        let what =
            if is_loop { "CNAME loop".to_owned() } else { format!("CNAME chain of more than {ALIASES_MAX} names") };
        // The letters of other scripts stay in their ASCII form: what a server sends is not to be mistaken for anything else.
        let text = |name: &Name| name.to_ascii().trim_end_matches('.').to_lowercase();
        let names: Vec<String> = self.names.iter().map(text).collect();
        Err(Lack::new(Weight::NoName, Cause::DnsNotFound, format!("DNS: {what}: {}", names.join(" -> "))))
    }
}

fn good_for(record: &Record) -> u32 {
    if record.ttl > TTL_MAX { 0 } else { record.ttl }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_of_aliases_is_named() {
        let name = |text: &str| Name::from_ascii(text).unwrap();
        for (names, told) in [
            (&["a.test.", "b.test.", "A.test."][..], "DNS: CNAME loop: a.test -> b.test -> a.test"),
            (&["a.test.", "a.test."], "DNS: CNAME loop: a.test -> a.test"),
            (&["a.test.", "b.test.", "b.test."], "DNS: CNAME loop: a.test -> b.test -> b.test"),
        ] {
            let mut aliases = Aliases::new(name(names[0]));
            let lack = names[1..].iter().find_map(|text| aliases.push(name(text)).err()).unwrap();
            assert_eq!((lack.failure.cause, lack.failure.detail.as_str()), (Cause::DnsNotFound, told));
        }
    }

    #[test]
    fn a_chain_without_end_comes_to_one() {
        let name = |at: usize| Name::from_ascii(format!("n{at}.test.")).unwrap();
        let mut aliases = Aliases::new(name(0));
        let lack = (1..100).find_map(|at| aliases.push(name(at)).err()).unwrap();
        assert!(
            lack.failure.detail.starts_with("DNS: CNAME chain of more than 16 names: n0.test -> n1.test"),
            "{lack:?}"
        );
        assert!(aliases.names.len() <= ALIASES_MAX + 1);
    }

    #[test]
    fn names_of_a_loop_cannot_forge_a_line() {
        let name = Name::from_labels([&b"a\x1b[2J\n\xe2\x80\xae"[..], b"test"]).unwrap();
        let lack = Aliases::new(name.clone()).push(name).unwrap_err();
        assert!(lack.failure.detail.is_ascii() && !lack.failure.detail.contains(char::is_control), "{lack:?}");
    }
}
