//! One connection: its requests pass the gate, and get their answers.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hyper::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, VARY};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::model::lock::lock;
use crate::serve::answer::{Answer, Content};
use crate::serve::cache::Cache;
use crate::serve::events::Feed;
use crate::serve::gate::{Attempts, Ends, Refusal, admit};
use crate::serve::render::render;
use crate::serve::route::{Asked, Route, Selection, weighed};
use crate::serve::source::{Missing, Source};

use super::body::{AnswerBody, Pieces};
use super::patience::Patient;
use super::terms::ServeTerms;
use super::{HEAD, HEAD_MAX};

/// What all connections share.
pub struct Server {
    source: Arc<dyn Source>,
    cache: Cache,
    feed: Arc<Feed>,
    terms: watch::Receiver<Arc<ServeTerms>>,
    attempts: Mutex<Attempts>,
}

impl Server {
    /// Serves `source`, and the events of `feed`, by `terms`, which may change.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, feed: Arc<Feed>, terms: watch::Receiver<Arc<ServeTerms>>) -> Self {
        Self { cache: Cache::new(Arc::clone(&source)), source, feed, terms, attempts: Mutex::default() }
    }

    pub(super) fn terms(&self) -> Arc<ServeTerms> {
        Arc::clone(&self.terms.borrow())
    }

    /// Answers the requests of `stream` until it ends or takes too long.
    pub(super) async fn converse<S>(self: Arc<Self>, stream: S, ends: Ends)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let has_events = Arc::new(AtomicBool::new(false));
        let stream = TokioIo::new(Patient::new(stream, Arc::clone(&has_events)));
        let service = service_fn(|request| {
            let (server, has_events) = (Arc::clone(&self), Arc::clone(&has_events));
            async move { Ok::<_, Infallible>(server.answer(request, ends, &has_events).await) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_header_size(HEAD_MAX)
            .max_buf_size(2 * HEAD_MAX)
            .serve_connection(stream, service)
            .await;
        // The client sees how its connection ends.
        drop(served);
    }

    async fn answer<B>(&self, request: Request<B>, ends: Ends, has_events: &AtomicBool) -> Response<AnswerBody> {
        let (request, _) = request.into_parts();
        has_events.store(false, Ordering::Relaxed);
        let terms = self.terms();
        let admitted = {
            let attempts = &mut *lock(&self.attempts);
            admit(&request, ends, (&terms.address, &terms.access), (attempts, self.source.elapsed()))
        };
        let Asked { route, refresh } = match admitted {
            Ok(asked) => asked,
            Err(refusal) => {
                let mut answer = Answer::from(refusal);
                if refusal == Refusal::Body {
                    // The body is not read.
                    answer.set(CONNECTION, "close");
                }
                return respond(answer, None, false);
            }
        };
        if let Route::Events(selection) = route {
            return self.listen(selection, request.method == Method::GET, has_events);
        }
        let compress = accepts_gzip(&request.headers);
        let (mut answer, compressed) = match route {
            // Signs of life are never stale, and cost nothing.
            Route::Alive | Route::Ready => (render(&*self.source, &route), None),
            _ => self.cache.answer(&route, compress).await,
        };
        if let Some(refresh) = refresh {
            answer.set(HeaderName::from_static("refresh"), refresh.to_string());
        }
        respond(answer, compressed, compress)
    }

    /// An answer without an end: the events of `selection`, if they are to be sent.
    fn listen(&self, selection: Selection, sends: bool, has_events: &AtomicBool) -> Response<AnswerBody> {
        let answer = Answer::new("text/event-stream", "");
        if !sends {
            return respond(answer, None, false);
        }
        let Some(events) = self.feed.join(selection) else {
            return respond(Missing::Unavailable("too many listen already".to_owned()).into(), None, false);
        };
        has_events.store(true, Ordering::Relaxed);
        respond(answer, None, false).map(|_| AnswerBody::Events(events))
    }
}

/// `answer` with its body, or with that body `compressed`; what is written as it is taken is compressed then if `compress`.
fn respond(answer: Answer, compressed: Option<bytes::Bytes>, compress: bool) -> Response<AnswerBody> {
    let mut headers = answer.headers;
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    let (body, is_compressed) = match (answer.content, compressed) {
        (Content::Scrape(scrape), _) => (AnswerBody::Pieces(Box::new(Pieces::new(scrape, compress))), compress),
        (Content::Whole(_), Some(compressed)) => (AnswerBody::Whole(Some(compressed)), true),
        (Content::Whole(body), None) => (AnswerBody::Whole(Some(body)), false),
    };
    if is_compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers;
    response
}

/// Whether the client takes gzip (RFC 9110, section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let weighed: Vec<(String, u32)> = codings.flat_map(|value| value.split(',')).map(weighed).collect();
    let weight = |name: &str| weighed.iter().find(|(coding, _)| coding == name).map(|(_, weight)| *weight);
    weight("gzip").or(weight("*")).unwrap_or(0) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for (accepted, takes) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("GZIP;q=1.0", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            assert_eq!(accepts_gzip(&headers), takes, "{accepted}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
