//! Follows the aliases (CNAME) of a name, and reports chains that never end.
//!
//! A recursive name server sends the whole chain; one that sends a part is asked for the rest. Bounds: 16 aliases, in one answer
//! or over several questions.

use hickory_resolver::proto::op::DnsResponse;
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::model::Cause;

use super::answer::{NoRecords, Records, Weight};

const ALIASES_MAX: usize = 16;
/// The longest TTL (RFC 2181 §8); one with the top bit set is 0.
const TTL_MAX: u32 = i32::MAX as u32;

/// A name, the name that it is an alias of, and so on.
#[derive(Debug)]
pub(crate) struct AliasChain {
    /// At least one.
    names: Vec<Name>,
    /// The shortest TTL so far, seconds.
    ttl: u32,
}

impl AliasChain {
    pub(crate) fn new(name: Name) -> Self {
        Self { names: vec![name], ttl: TTL_MAX }
    }

    /// The name to ask for.
    pub(crate) fn last(&self) -> &Name {
        &self.names[self.names.len() - 1]
    }

    /// The records of type `kind` that `response` leads to. If none, ask for the last name.
    pub(crate) fn follow(&mut self, response: &DnsResponse, kind: RecordType) -> Result<Option<Records>, NoRecords> {
        loop {
            let name = self.last();
            let of_name = |record: &&Record| record.dns_class == DNSClass::IN && record.name == *name;
            let records: Vec<&Record> = response.answers.iter().filter(of_name).collect();
            let (mut data, mut ttl) = (Vec::new(), self.ttl);
            for record in records.iter().filter(|record| record.record_type() == kind) {
                data.push(record.data.clone());
                ttl = ttl.min(good_for(record));
            }
            if !data.is_empty() {
                return Ok(Some(Records { data, ttl }));
            }
            let alias = records.into_iter().find_map(|record| match &record.data {
                RData::CNAME(target) => Some((target.0.clone(), good_for(record))),
                _ => None,
            });
            let Some((target, seconds)) = alias else { return Ok(None) };
            // The alias of another name begins no zone (RFC 1034, section 3.6.2); that of the other name is not this one's.
            if kind == RecordType::NS {
                return Err(NoRecords::no_data().good_for(Some(seconds)));
            }
            self.ttl = self.ttl.min(seconds);
            self.push(target)?;
        }
    }

    fn push(&mut self, target: Name) -> Result<(), NoRecords> {
        let is_loop = self.names.contains(&target);
        self.names.push(target);
        if !is_loop && self.names.len() <= ALIASES_MAX {
            return Ok(());
        }
        let what =
            if is_loop { "CNAME loop".to_owned() } else { format!("CNAME chain of more than {ALIASES_MAX} names") };
        // Other scripts stay in their ASCII form, so that a server cannot send lookalikes.
        let text = |name: &Name| name.to_ascii().trim_end_matches('.').to_lowercase();
        let names: Vec<String> = self.names.iter().map(text).collect();
        Err(NoRecords::new(Weight::NoName, Cause::DnsNotFound, format!("DNS: {what}: {}", names.join(" -> "))))
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
            let mut aliases = AliasChain::new(name(names[0]));
            let none = names[1..].iter().find_map(|text| aliases.push(name(text)).err()).unwrap();
            assert_eq!((none.failure.cause, none.failure.detail.as_str()), (Cause::DnsNotFound, told));
        }
    }

    #[test]
    fn a_chain_without_end_comes_to_one() {
        let name = |at: usize| Name::from_ascii(format!("n{at}.test.")).unwrap();
        let mut aliases = AliasChain::new(name(0));
        let none = (1..100).find_map(|at| aliases.push(name(at)).err()).unwrap();
        assert!(
            none.failure.detail.starts_with("DNS: CNAME chain of more than 16 names: n0.test -> n1.test"),
            "{none:?}"
        );
        assert!(aliases.names.len() <= ALIASES_MAX + 1);
    }

    #[test]
    fn names_of_a_loop_cannot_forge_a_line() {
        let name = Name::from_labels([&b"a\x1b[2J\n\xe2\x80\xae"[..], b"test"]).unwrap();
        let none = AliasChain::new(name.clone()).push(name).unwrap_err();
        assert!(none.failure.detail.is_ascii() && !none.failure.detail.contains(char::is_control), "{none:?}");
    }
}
