//! Whole sets of records, in the form in which they are expected ([`crate::model::RecordExpectation`]).
//!
//! Authorities (caa) are those of the name, or of its nearest parent that names any, as issuers look for them (RFC 8659,
//! section 3); name servers (ns) are those of the zone that the name is in. A name without records of a type has an empty set,
//! which is good for the zone's negative TTL. Bounds: 100 records of a set are kept, far more than can be expected; one question
//! for each label of the name.

use hickory_resolver::proto::rr::{Name, RData, RecordType};

use crate::model::RecordKind;
use crate::probe::failure::Failure;

use super::answer::NoRecords;
use super::server_order::ServerOrder;

pub(crate) const RECORDS_MAX: usize = 100;

/// The records of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordSet {
    pub(crate) kind: RecordKind,
    pub(crate) texts: Vec<String>,
}

impl RecordSet {
    /// The set of `kind` among `data`.
    pub(crate) fn new<'a>(kind: RecordKind, data: impl IntoIterator<Item = &'a RData>) -> Self {
        let texts = data.into_iter().filter_map(|data| text(kind, data)).take(RECORDS_MAX);
        Self { kind, texts: texts.collect() }
    }
}

/// The sets of `kinds` of `name`, asked for at the same time, and the seconds for which all of them are good.
pub(crate) async fn ask(
    order: &ServerOrder,
    name: &Name,
    kinds: &[RecordKind],
) -> Result<(Vec<RecordSet>, u32), NoRecords> {
    let of = async |kind: RecordKind| {
        if kinds.contains(&kind) { one(order, name.clone(), kind).await.map(Some) } else { Ok(None) }
    };
    let (cname, mx, ns, txt, caa) = tokio::try_join!(
        of(RecordKind::Cname),
        of(RecordKind::Mx),
        of(RecordKind::Ns),
        of(RecordKind::Txt),
        of(RecordKind::Caa)
    )?;
    let found = [cname, mx, ns, txt, caa].into_iter().flatten();
    let (sets, seconds): (Vec<RecordSet>, Vec<u32>) = found.unzip();
    Ok((sets, seconds.into_iter().min().unwrap_or(0)))
}

/// The set of `kind` of `name` or, where it may be, of a parent.
async fn one(order: &ServerOrder, mut name: Name, kind: RecordKind) -> Result<(RecordSet, u32), NoRecords> {
    let mut seconds = u32::MAX;
    loop {
        match order.ask(&name, record_type(kind)).await {
            Ok(found) => return Ok((RecordSet::new(kind, &found.data), seconds.min(found.ttl))),
            Err(none) if none.is_answer() => {
                seconds = seconds.min(none.ttl);
                let is_inherited = matches!(kind, RecordKind::Caa | RecordKind::Ns);
                if !is_inherited || name.num_labels() <= 1 {
                    return Ok((RecordSet::new(kind, []), seconds));
                }
                name = name.base_name();
            }
            Err(none) => {
                let failure =
                    Failure::new(none.failure.cause, format!("{}, asked for {}", none.failure.detail, kind.name()));
                return Err(NoRecords { failure, ..none });
            }
        }
    }
}

const fn record_type(kind: RecordKind) -> RecordType {
    match kind {
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
        RecordKind::Cname => RecordType::CNAME,
        RecordKind::Mx => RecordType::MX,
        RecordKind::Ns => RecordType::NS,
        RecordKind::Txt => RecordType::TXT,
        RecordKind::Caa => RecordType::CAA,
    }
}

/// `data` as a text, if it is of `kind`.
fn text(kind: RecordKind, data: &RData) -> Option<String> {
    match (kind, data) {
        (RecordKind::A, RData::A(ip)) => Some(ip.0.to_string()),
        (RecordKind::Aaaa, RData::AAAA(ip)) => Some(ip.0.to_string()),
        (RecordKind::Cname, RData::CNAME(target)) => Some(host(&target.0)),
        (RecordKind::Ns, RData::NS(server)) => Some(host(&server.0)),
        (RecordKind::Mx, RData::MX(mx)) => Some(format!("{} {}", mx.preference, host(&mx.exchange))),
        (RecordKind::Txt, RData::TXT(txt)) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        (RecordKind::Caa, RData::CAA(caa)) => {
            let value = String::from_utf8_lossy(&caa.value);
            Some(format!("{} {} \"{value}\"", caa.flags(), caa.tag.to_ascii_lowercase()))
        }
        _ => None,
    }
}

/// Other scripts stay in their ASCII form, so that a server cannot send lookalikes.
fn host(name: &Name) -> String {
    let ascii = name.to_ascii().to_lowercase();
    if ascii == "." { ascii } else { ascii.trim_end_matches('.').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::rr::rdata::{CAA, CNAME, MX, NULL, TXT};

    #[test]
    fn records_have_the_form_in_which_they_are_expected() {
        let name = |text: &str| Name::from_ascii(text).unwrap();
        let txt = |parts: &[&[u8]]| RData::TXT(TXT::from_bytes(parts.to_vec()));
        for (kind, data, form) in [
            (RecordKind::A, RData::A(std::net::Ipv4Addr::new(192, 0, 2, 10).into()), "192.0.2.10"),
            (RecordKind::Aaaa, RData::AAAA("2001:DB8::10".parse().unwrap()), "2001:db8::10"),
            (RecordKind::Cname, RData::CNAME(CNAME(name("WWW.example.com."))), "www.example.com"),
            (RecordKind::Mx, RData::MX(MX::new(10, name("Mail.example.com."))), "10 mail.example.com"),
            (RecordKind::Mx, RData::MX(MX::new(0, Name::root())), "0 ."),
            (RecordKind::Txt, txt(&[b"v=spf1 ", b"-all"]), "v=spf1 -all"),
            (RecordKind::Txt, txt(&[b"\xff"]), "\u{fffd}"),
            (
                RecordKind::Caa,
                RData::CAA(CAA::new_issue(true, Some(name("ca.example")), vec![])),
                "128 issue \"ca.example\"",
            ),
        ] {
            let set = RecordSet::new(kind, [&data, &RData::NULL(NULL::default())]);
            assert_eq!(set.texts, [form], "{kind:?}");
        }
    }

    #[test]
    fn no_server_fills_the_memory() {
        let data = vec![RData::A(std::net::Ipv4Addr::new(192, 0, 2, 10).into()); 4_000];
        assert_eq!(RecordSet::new(RecordKind::A, &data).texts.len(), RECORDS_MAX);
    }
}
