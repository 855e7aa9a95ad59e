//! The opening handshake of a WebSocket (RFC 6455 §4): the request, and what the server must answer.
//!
//! Invariant: an answer with 101 is accepted only from a server that speaks WebSocket and has read this very request: a proxy or a
//! cache that does not understand it cannot know what belongs to the key.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};

use crate::model::{Cause, Site};
use crate::probe::failure::Failure;
use crate::probe::http::request::Request;

/// What servers append to the key.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Random bytes for keys and masks.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the generator is seeded before any check that needs it");
    bytes
}

/// The handshake of one connection.
pub(crate) struct Handshake {
    key: String,
    pub(crate) request: Request,
}

impl Handshake {
    /// A handshake with `site`, whose headers are sent.
    pub(crate) fn with(site: &Site) -> Result<Self, Failure> {
        let key = STANDARD.encode(random::<16>());
        let mut request = Request::first(site)?;
        let key_value = HeaderValue::try_from(&key).expect("Base64 can be sent");
        request.set_header(CONNECTION, Some(HeaderValue::from_static("Upgrade")));
        request.set_header(UPGRADE, Some(HeaderValue::from_static("websocket")));
        request.set_header(SEC_WEBSOCKET_VERSION, Some(HeaderValue::from_static("13")));
        request.set_header(SEC_WEBSOCKET_KEY, Some(key_value));
        request.set_header(SEC_WEBSOCKET_EXTENSIONS, None);
        Ok(Self { key, request })
    }

    /// Whether an answer of 101 with `headers` accepts this handshake.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let wrong = |what: &str| Err(Failure::new(Cause::BadResponse, format!("not a WebSocket: {what}")));
        if !tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket")) {
            return wrong("the answer lacks \"Upgrade: websocket\"");
        }
        if !tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade")) {
            return wrong("the answer lacks \"Connection: Upgrade\"");
        }
        let mut accepted = tokens(headers, &SEC_WEBSOCKET_ACCEPT);
        match (accepted.next(), accepted.next()) {
            (None, _) => return wrong("the answer lacks Sec-WebSocket-Accept"),
            (Some(accepted), None) if accepted == accept(&self.key) => {}
            _ => return wrong("Sec-WebSocket-Accept does not belong to the key of the request"),
        }
        if tokens(headers, &SEC_WEBSOCKET_EXTENSIONS).next().is_some() {
            return wrong("the server uses an extension that was not offered");
        }
        let offered: Vec<&str> = tokens(self.request.headers(), &SEC_WEBSOCKET_PROTOCOL).collect();
        if tokens(headers, &SEC_WEBSOCKET_PROTOCOL).any(|chosen| !offered.contains(&chosen)) {
            return wrong("the server chose a subprotocol that was not offered");
        }
        Ok(())
    }
}

/// The words between commas in all headers `name`.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// What a server answers to `key`.
fn accept(key: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{MAGIC}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn handshake(headers: &[(&str, &str)]) -> Handshake {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
        Handshake::with(&Site { headers, ..Site::new("a", "wss://a.test/live?x=1".parse().unwrap()) }).unwrap()
    }

    #[test]
    fn the_accept_is_that_of_the_rfc() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_request_asks_for_a_websocket_whatever_the_site_says() {
        let own =
            [("Connection", "close"), ("Sec-WebSocket-Extensions", "permessage-deflate"), ("Origin", "https://a")];
        let handshake = handshake(&own);
        let message = handshake.request.message(false).unwrap();
        let header = |name: &str| message.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!((message.method().as_str(), message.uri().to_string()), ("GET", "/live?x=1".to_owned()));
        for (name, value) in [
            ("host", Some("a.test")),
            ("connection", Some("Upgrade")),
            ("upgrade", Some("websocket")),
            ("sec-websocket-version", Some("13")),
            ("sec-websocket-key", Some(handshake.key.as_str())),
            ("sec-websocket-extensions", None),
            ("origin", Some("https://a")),
        ] {
            assert_eq!(header(name).as_deref(), value, "{name}");
        }
        assert_eq!(STANDARD.decode(&handshake.key).unwrap().len(), 16);
    }

    #[test]
    fn only_an_answer_to_this_request_is_accepted() {
        let asked = handshake(&[("Sec-WebSocket-Protocol", "chat, superchat")]);
        let right = accept(&asked.key);
        let said = |changed: &[(&str, Option<&str>)]| {
            let usual =
                [("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade"), ("sec-websocket-accept", &right)];
            let mut headers = HeaderMap::new();
            for (name, value) in usual.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name)) {
                headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
            }
            for (name, value) in changed.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
                headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
            }
            asked.judge(&headers).err().map_or_else(String::new, |failure| {
                assert_eq!(failure.cause, Cause::BadResponse);
                failure.detail
            })
        };
        for (changed, sentence) in [
            (&[][..], ""),
            (&[("sec-websocket-protocol", Some("chat"))], ""),
            (&[("upgrade", None)], "not a WebSocket: the answer lacks \"Upgrade: websocket\""),
            (&[("upgrade", Some("h2c"))], "not a WebSocket: the answer lacks \"Upgrade: websocket\""),
            (&[("connection", Some("close"))], "not a WebSocket: the answer lacks \"Connection: Upgrade\""),
            (&[("sec-websocket-accept", None)], "not a WebSocket: the answer lacks Sec-WebSocket-Accept"),
            (
                &[("sec-websocket-accept", Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))],
                "not a WebSocket: Sec-WebSocket-Accept does not belong to the key of the request",
            ),
            (
                &[("sec-websocket-accept", Some(&format!("{right}, {right}")))],
                "not a WebSocket: Sec-WebSocket-Accept does not belong to the key of the request",
            ),
            (
                &[("sec-websocket-extensions", Some("permessage-deflate"))],
                "not a WebSocket: the server uses an extension that was not offered",
            ),
            (
                &[("sec-websocket-protocol", Some("mqtt"))],
                "not a WebSocket: the server chose a subprotocol that was not offered",
            ),
        ] {
            assert_eq!(said(changed), sentence);
        }
    }
}
