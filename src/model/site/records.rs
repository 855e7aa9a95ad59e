//! What the DNS must answer for the name of a site: the key `dns` of a site, parsed.
//!
//! Records and expectations are compared as texts of one form. An address is as Rust prints it; a name is in lower case, in
//! its ASCII form, without the final dot; an mx is `10 mail.example.com`, a caa `0 issue "ca.example"`; a txt is its strings
//! joined. Invariants (`config` holds them): expected texts have that form, and a whole set has at least one.

use std::fmt;

use super::super::expect::Expected;

/// The types of records that can be expected, in the order in which they are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// What the name is an alias of.
    Cname,
    /// Mail servers.
    Mx,
    /// The name servers of the zone that has the name.
    Ns,
    /// Texts.
    Txt,
    /// The authorities that may issue certificates for the name.
    Caa,
}

impl RecordKind {
    /// Every type, in order.
    pub const ALL: [Self; 7] = [Self::A, Self::Aaaa, Self::Cname, Self::Mx, Self::Ns, Self::Txt, Self::Caa];

    /// Its key in sites.yaml.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::Aaaa => "aaaa",
            Self::Cname => "cname",
            Self::Mx => "mx",
            Self::Ns => "ns",
            Self::Txt => "txt",
            Self::Caa => "caa",
        }
    }

    /// Whether it is an address, which the system's lookup finds as well.
    #[must_use]
    pub const fn is_address(self) -> bool {
        matches!(self, Self::A | Self::Aaaa)
    }
}

/// What the records of one type must be.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordExpectation {
    /// The type.
    pub kind: RecordKind,
    /// What they must be.
    pub wanted: RecordWish,
}

/// What a set of records must be.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordWish {
    /// Any, but at least one.
    Present,
    /// None.
    Absent,
    /// These and no others, in any order.
    Exactly(Vec<Expected<String>>),
    /// This and maybe others; of a txt, a part of it is enough.
    Contains(Expected<String>),
}

impl RecordExpectation {
    /// Whether these `records` meet it.
    #[must_use]
    pub fn is_met(&self, records: &[String]) -> bool {
        match &self.wanted {
            RecordWish::Present => !records.is_empty(),
            RecordWish::Absent => records.is_empty(),
            RecordWish::Exactly(wanted) => {
                !records.is_empty()
                    && records.iter().all(|record| wanted.iter().any(|wanted| self.is(record, &wanted.what)))
                    && wanted.iter().all(|wanted| records.iter().any(|record| self.is(record, &wanted.what)))
            }
            RecordWish::Contains(part) if self.kind == RecordKind::Txt => {
                records.iter().any(|record| record.contains(&part.what))
            }
            RecordWish::Contains(wanted) => records.iter().any(|record| self.is(record, &wanted.what)),
        }
    }

    /// Whether `record` is the `wanted` one. The preference of an mx, and the flags and the tag of a caa, may be left out, and
    /// so may what follows the name of an authority.
    fn is(&self, record: &str, wanted: &str) -> bool {
        if record == wanted {
            return true;
        }
        match self.kind {
            RecordKind::Mx => record.split_once(' ').is_some_and(|(_, host)| host == wanted),
            RecordKind::Caa => {
                let value = record.splitn(3, ' ').nth(2).unwrap_or_default().trim_matches('"');
                let authority = value.split(';').next().unwrap_or_default().trim();
                value == wanted || authority.eq_ignore_ascii_case(wanted)
            }
            _ => false,
        }
    }
}

/// As the end of a sentence: `192.0.2.10, 192.0.2.11`.
impl fmt::Display for RecordWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("at least one"),
            Self::Absent => f.write_str("none"),
            Self::Exactly(wanted) => {
                let texts: Vec<&str> = wanted.iter().map(|wanted| wanted.shown.as_str()).collect();
                f.write_str(&texts.join(", "))
            }
            Self::Contains(wanted) => write!(f, "one with {}", wanted.shown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expected(text: &str) -> Expected<String> {
        Expected { what: text.to_owned(), shown: text.to_owned() }
    }

    fn set(kind: RecordKind, wanted: &[&str]) -> RecordExpectation {
        let wanted = RecordWish::Exactly(wanted.iter().map(|text| expected(text)).collect());
        RecordExpectation { kind, wanted }
    }

    fn records(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn the_whole_set_counts_in_any_order() {
        let (kind, [a, b, c]) = (RecordKind::A, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        for (wanted, found, is_met) in [
            (&[a, b][..], &[a, b][..], true),
            (&[a, b], &[b, a], true),
            (&[a, b], &[b, a, b], true),
            (&[a, b], &[a], false),
            (&[a], &[a, b], false),
            (&[a, b], &[a, c], false),
            (&[a], &[], false),
        ] {
            assert_eq!(set(kind, wanted).is_met(&records(found)), is_met, "{wanted:?}, {found:?}");
        }
    }

    #[test]
    fn the_usual_short_forms_are_enough() {
        let caa = &[r#"0 issue "letsencrypt.org;validationmethods=dns-01""#, r#"0 issuewild "LetsEncrypt.org""#][..];
        let mx = &["10 mx.example.com", "20 mx.example.com"][..];
        for (kind, wanted, found, is_met) in [
            (RecordKind::Caa, "letsencrypt.org", caa, true),
            (RecordKind::Caa, "letsencrypt.org;validationmethods=dns-01", &caa[..1], true),
            (RecordKind::Caa, caa[0], &caa[..1], true),
            (RecordKind::Caa, "crypt.org", caa, false),
            (RecordKind::Mx, "mx.example.com", mx, true),
            (RecordKind::Mx, "10 mx.example.com", mx, false),
            (RecordKind::Mx, "10 mx.example.com", &mx[..1], true),
            (RecordKind::Mx, "10", mx, false),
            (RecordKind::Txt, "spf1", &["v=spf1 -all"], false),
            (RecordKind::Cname, "example.com", &["www.example.com"], false),
        ] {
            assert_eq!(set(kind, &[wanted]).is_met(&records(found)), is_met, "{kind:?} {wanted:?}, {found:?}");
        }
    }

    #[test]
    fn one_of_several_is_enough_where_it_says_so() {
        let contains = |kind, text| RecordExpectation { kind, wanted: RecordWish::Contains(expected(text)) };
        let found = records(&["192.0.2.10", "192.0.2.2"]);
        assert!(contains(RecordKind::A, "192.0.2.2").is_met(&found));
        assert!(!contains(RecordKind::A, "192.0.2.1").is_met(&found), "an address is no part of another");
        let found = records(&["v=spf1 -all", "token=1"]);
        assert!(contains(RecordKind::Txt, "spf1").is_met(&found) && !contains(RecordKind::Txt, "all t").is_met(&found));
        for (wanted, of_none) in [(RecordWish::Present, false), (RecordWish::Absent, true)] {
            let expectation = RecordExpectation { kind: RecordKind::Aaaa, wanted };
            assert_eq!([&records(&[])[..], &found].map(|found| expectation.is_met(found)), [of_none, !of_none]);
        }
    }

    proptest! {
        #[test]
        fn what_servers_say_makes_no_comparison_panic(found in prop::collection::vec(".{0,20}", 0..4), wanted in ".{1,9}") {
            for kind in RecordKind::ALL {
                let is_met = set(kind, &[&wanted]).is_met(&found);
                prop_assert!(!is_met || !found.is_empty());
            }
        }
    }
}
