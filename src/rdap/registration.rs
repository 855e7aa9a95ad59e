//! What a registry says about a domain (RFC 9083, section 5.3): here only when its registration ends.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::model::Timestamp;

/// A registered domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its name, as it was asked for.
    pub name: String,
    /// When its registration ends.
    pub expires: Timestamp,
}

/// What is no document of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotJson;

/// When the registration in `bytes`, a JSON document, ends: the event `expiration`. Some registries do not tell.
pub(super) fn expiration(bytes: &[u8]) -> Result<Option<Timestamp>, NotJson> {
    let document: Value = serde_json::from_slice(bytes).map_err(|_| NotJson)?;
    let events = document.get("events").and_then(Value::as_array).into_iter().flatten();
    let ends = |event: &&Value| event.get("eventAction").and_then(Value::as_str) == Some("expiration");
    Ok(events.filter(ends).find_map(|event| moment(event.get("eventDate")?.as_str()?)))
}

/// RFC 3339; without an offset, which some leave out, it is UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let civil = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let at = text.parse::<jiff::Timestamp>().ok().or_else(civil)?;
    // Some write the year 9999 where a registration never ends.
    let micros = u64::try_from(at.as_microsecond()).ok().filter(|micros| *micros <= Timestamp::MAX.as_micros());
    micros.map(Timestamp::from_micros)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any JSON, with the names that matter among its keys.
    pub fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            Just(Value::from("expiration")),
            Just(Value::from("https://a.test/")),
            Just(Value::from("2027-01-22T09:00:00Z")),
        ];
        let key = prop_oneof![Just("events"), Just("eventAction"), Just("eventDate"), Just("services")];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let object = prop::collection::hash_map(key.clone().prop_map(str::to_owned), inner.clone(), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Value::from),
                object.prop_map(|object| Value::from(object.into_iter().collect::<serde_json::Map<_, _>>())),
            ]
        })
    }

    #[test]
    fn the_end_of_a_registration_is_its_event() {
        let event = |action: &str, date: &str| format!(r#"{{"eventAction":"{action}","eventDate":"{date}"}}"#);
        let end = Some("2027-01-22T09:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond());
        for (events, at) in [
            (vec![event("registration", "1995-08-14T04:00:00Z"), event("expiration", "2027-01-22T09:00:00Z")], end),
            (vec![event("expiration", "2027-01-22T10:00:00.0+01:00")], end),
            (vec![event("expiration", "2027-01-22T09:00:00")], end),
            (vec![event("expiration", "soon"), event("expiration", "2027-01-22T09:00:00Z")], end),
            (vec![event("registrar expiration", "2027-01-22T09:00:00Z")], None),
            (vec![event("expiration", "1901-01-01T00:00:00Z")], None),
            (vec![event("expiration", "9999-12-31T23:59:59Z")], None),
            (vec![event("expiration", "")], None),
            (vec!["7".to_owned(), "{}".to_owned(), r#"{"eventAction":"expiration"}"#.to_owned()], None),
            (vec![], None),
        ] {
            let text = format!(r#"{{"ldhName":"A.TEST","events":[{}]}}"#, events.join(","));
            let found = expiration(text.as_bytes()).unwrap().map(|at| at.as_micros().cast_signed());
            assert_eq!(found, at, "{text}");
        }
        for (text, found) in [
            ("", Err(NotJson)),
            ("<html>", Err(NotJson)),
            ("\u{0}", Err(NotJson)),
            ("{}", Ok(None)),
            ("[]", Ok(None)),
            (r#"{"events":{}}"#, Ok(None)),
        ] {
            assert_eq!(expiration(text.as_bytes()), found, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(document in json(), bytes: Vec<u8>) {
            let _read_or_refused = expiration(document.to_string().as_bytes());
            let _read_or_refused = expiration(&bytes);
        }
    }
}
