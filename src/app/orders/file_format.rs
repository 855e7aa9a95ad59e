//! The files of orders and of their answers: one JSON object each.
//!
//! Invariants: any bytes are read or refused with a reason; an unknown field is refused, because a monitor that leaves out a
//! part of an order does something else. Texts come out cleaned and bounded.

use serde::{Deserialize, Serialize};

use crate::alert::SiteSelector;
use crate::alert::incident::order::{Obeyed, OrderedBy, Silenced, TEXT_MAX, UserOrder};
use crate::alert::incident::terms::Target;
use crate::model::Timestamp;
use crate::model::text::{clean, clean_line};

/// The most bytes of a login name.
const NAME_MAX: usize = 64;

/// The file of an order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderFields {
    order: OrderName,
    by: String,
    /// Microseconds since 1970.
    at_us: u64,
    #[serde(default)]
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incident: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sites: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    silence: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_us: Option<u64>,
    #[serde(default)]
    maintenance: bool,
    #[serde(default)]
    replaces: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OrderName {
    Acknowledge,
    Withdraw,
    Silence,
    EndSilence,
}

/// The bytes of an order.
#[must_use]
pub fn encode(order: &UserOrder, ordered: &OrderedBy) -> Vec<u8> {
    let mut fields = OrderFields {
        order: OrderName::Acknowledge,
        by: ordered.by.to_string(),
        at_us: ordered.at.as_micros(),
        text: ordered.text.clone(),
        site: None,
        incident: None,
        sites: None,
        silence: None,
        until_us: None,
        maintenance: false,
        replaces: false,
    };
    match order {
        UserOrder::Acknowledge(target) | UserOrder::Withdraw(target) => {
            if matches!(order, UserOrder::Withdraw(_)) {
                fields.order = OrderName::Withdraw;
            }
            match target {
                Target::Number(number) => fields.incident = Some(*number),
                Target::Site(site) => fields.site = Some(site.to_string()),
            }
        }
        UserOrder::Silence { sites, until, is_maintenance, replaces } => {
            (fields.order, fields.sites) = (OrderName::Silence, Some(sites.words()));
            fields.until_us = Some(until.as_micros());
            (fields.maintenance, fields.replaces) = (*is_maintenance, *replaces);
        }
        UserOrder::EndSilence(which) => {
            fields.order = OrderName::EndSilence;
            match which {
                Silenced::All => {}
                Silenced::Number(number) => fields.silence = Some(*number),
                Silenced::Sites(sites) => fields.sites = Some(sites.words()),
            }
        }
    }
    serde_json::to_vec(&fields).unwrap_or_default()
}

/// Reads an order.
///
/// # Errors
/// A reason.
pub fn decode(bytes: &[u8]) -> Result<(UserOrder, OrderedBy), String> {
    let fields: OrderFields =
        serde_json::from_slice(bytes).map_err(|error| clean_line(&error.to_string(), TEXT_MAX))?;
    let selector = |words: Vec<String>| match words.iter().map(|word| clean(word)).collect::<Vec<_>>() {
        words if words.is_empty() || words.iter().any(String::is_empty) => Err("it names no site".to_owned()),
        words => Ok(SiteSelector::of(words.iter().map(String::as_str))),
    };
    let target = |site: Option<String>, incident| match (site, incident) {
        (Some(site), None) => Ok(Target::Site(clean(&site).into())),
        (None, Some(number)) => Ok(Target::Number(number)),
        _ => Err("it names no incident".to_owned()),
    };
    let order = match fields.order {
        OrderName::Acknowledge => UserOrder::Acknowledge(target(fields.site, fields.incident)?),
        OrderName::Withdraw => UserOrder::Withdraw(target(fields.site, fields.incident)?),
        OrderName::Silence => UserOrder::Silence {
            sites: selector(fields.sites.unwrap_or_default())?,
            until: Timestamp::from_micros(fields.until_us.ok_or("a silence needs an end")?),
            is_maintenance: fields.maintenance,
            replaces: fields.replaces,
        },
        OrderName::EndSilence => UserOrder::EndSilence(match (fields.silence, fields.sites) {
            (Some(number), None) => Silenced::Number(number),
            (None, Some(words)) => Silenced::Sites(selector(words)?),
            (None, None) => Silenced::All,
            (Some(_), Some(_)) => return Err("it names a silence and sites".to_owned()),
        }),
    };
    let by = clean_line(&fields.by, NAME_MAX);
    let at = Timestamp::from_micros(fields.at_us);
    Ok((order, OrderedBy { by: by.into(), at, text: clean_line(&fields.text, TEXT_MAX) }))
}

/// What became of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Why it was refused.
    pub refused: Option<String>,
    /// The open incidents that it concerned, and their sites.
    pub incidents: Vec<(u64, String)>,
    /// The silence that it began.
    pub silence: Option<u64>,
    /// The silences that it ended.
    pub ended: Vec<u64>,
    /// Whether it is on the disk.
    pub is_saved: bool,
}

impl Answer {
    /// The answer to an order that was obeyed.
    #[must_use]
    pub fn of(obeyed: &Obeyed) -> Self {
        let incidents = obeyed.incidents.iter().map(|(number, site)| (*number, site.to_string())).collect();
        Self { incidents, silence: obeyed.silence, ended: obeyed.ended.clone(), ..Self::default() }
    }

    /// The answer to an order that was refused, which is final.
    #[must_use]
    pub fn refusing(reason: String) -> Self {
        Self { refused: Some(reason), is_saved: true, ..Self::default() }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads an answer; `None` for other bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn orders() -> impl Strategy<Value = UserOrder> {
        let target = prop_oneof![
            any::<u64>().prop_map(Target::Number),
            "[a-z :]{1,9}".prop_map(|site| Target::Site(site.into())),
        ];
        let sites = prop_oneof![
            Just(SiteSelector::All),
            prop::collection::vec("(group:)?[b-z]{1,5}", 1..4).prop_map(|words| {
                // By names, then groups, as they are written.
                let sites = SiteSelector::of(words.iter().map(String::as_str));
                SiteSelector::of(sites.words().iter().map(String::as_str))
            }),
        ];
        prop_oneof![
            target.clone().prop_map(UserOrder::Acknowledge),
            target.prop_map(UserOrder::Withdraw),
            (sites.clone(), any::<u64>(), any::<bool>(), any::<bool>()).prop_map(
                |(sites, until, is_maintenance, replaces)| {
                    let until = Timestamp::from_micros(until);
                    UserOrder::Silence { sites, until, is_maintenance, replaces }
                }
            ),
            Just(UserOrder::EndSilence(Silenced::All)),
            any::<u64>().prop_map(|number| UserOrder::EndSilence(Silenced::Number(number))),
            sites.prop_map(|sites| UserOrder::EndSilence(Silenced::Sites(sites))),
        ]
    }

    proptest! {
        #[test]
        fn orders_read_back(order in orders(), by in "[a-z]{1,9}", at: u64, text in "[a-z]{0,30}") {
            let ordered = OrderedBy { by: by.into(), at: Timestamp::from_micros(at), text };
            prop_assert_eq!(decode(&encode(&order, &ordered)), Ok((order, ordered)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text in "\\PC*", order in orders(), cut: prop::sample::Index) {
            let _judged = (decode(&bytes), Answer::decode(&bytes));
            let _judged = decode(text.as_bytes());
            let ordered = OrderedBy { by: "ada".into(), at: Timestamp::ZERO, text: text.clone() };
            let mut cut_off = encode(&order, &ordered);
            cut_off.truncate(cut.index(cut_off.len()));
            prop_assert!(decode(&cut_off).is_err());
        }
    }

    #[test]
    fn what_a_terminal_would_obey_does_not_come_out() {
        let bytes = br#"{"order":"acknowledge","site":"a\u001b[2J","by":"ada\n\u202eeve","at_us":1,"text":"x\u0007y"}"#;
        let (order, ordered) = decode(bytes).unwrap();
        let texts = format!("{order:?} {} {}", ordered.by, ordered.text);
        assert!(!texts.chars().any(crate::model::text::is_harmful), "{texts:?}");
    }

    #[test]
    fn an_order_that_is_not_understood_whole_is_refused() {
        for (bytes, reason) in [
            (r#"{"order":"acknowledge","by":"ada","at_us":1,"site":"a","urgent":true}"#, "unknown field `urgent`"),
            (r#"{"order":"explode","by":"ada","at_us":1}"#, "unknown variant `explode`"),
            (r#"{"order":"acknowledge","by":"ada","at_us":1}"#, "it names no incident"),
            (r#"{"order":"silence","by":"ada","at_us":1,"sites":["a"]}"#, "a silence needs an end"),
            (r#"{"order":"silence","by":"ada","at_us":1,"until_us":9}"#, "it names no site"),
            (
                r#"{"order":"end_silence","by":"ada","at_us":1,"sites":["a"],"silence":3}"#,
                "it names a silence and sites",
            ),
            ("", "EOF while parsing"),
        ] {
            let refused = decode(bytes.as_bytes()).unwrap_err();
            assert!(refused.starts_with(reason), "{bytes}: {refused}");
        }
    }
}
