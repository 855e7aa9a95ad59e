//! Takes values from the answer to a step.
//!
//! A body is decoded as for expectations: its codings, then its charset. The work is webmon's own, so a long search goes to
//! [`crate::probe::body::worker`]. The details name the place and never quote the body, which holds a secret somewhere.
//! Bounds: [`TAKEN_MAX`] bytes a value; documents as for `expect.json`.

use std::sync::{Arc, Mutex};

use hyper::header::HeaderMap;

use crate::model::expect::Expected;
use crate::model::lock::lock;
use crate::model::steps::TAKEN_MAX;
use crate::model::{Cause, Site, Status, Step, Take, TakeFrom, figures};
use crate::probe::body::capture_search::captured;
use crate::probe::body::charset::{Charset, decode};
use crate::probe::body::content_coding::{End, Unpacked, unpack};
use crate::probe::body::interrupt::at_once;
use crate::probe::body::json;
use crate::probe::body::matcher::{Patterns, SHORT, quoted};
use crate::probe::body::received::BodyRead;
use crate::probe::expectations::Took;
use crate::probe::failure::Failure;
use crate::probe::transport::Transport;

/// Taken values, by name.
pub(super) type Values = Vec<(Arc<str>, String)>;

/// A value, or why there is none.
type Found = Result<String, String>;

/// An answer as far as it came.
pub(super) struct Answer<'a> {
    pub(super) status: Option<Status>,
    /// None if the answer broke off.
    pub(super) headers: Option<&'a HeaderMap>,
    pub(super) body: &'a BodyRead,
}

/// Takes what `step`, which is `request` as a site, wants from its `answer`; also what it can from one that is not as expected, so
/// that no text shows it.
pub(super) async fn take(transport: &Transport, step: &Step, request: &Site, answer: Answer<'_>) -> (Values, Took) {
    let is_error = answer.status.is_some_and(|status| status.get() >= 400);
    let of_body: Vec<&Take> = step.takes.iter().filter(|take| take.from.is_body()).collect();
    let (mut values, mut failure, mut is_quotable) = (Vec::new(), None, of_body.is_empty() || is_error);
    let Some(headers) = answer.headers else {
        return (values, Took { failure, is_quotable });
    };
    let mut note = |take: &Take, found: Found, cause: Cause| match found.and_then(bounded) {
        Ok(value) => {
            values.push((Arc::clone(&take.name), value));
            true
        }
        Err(why) => {
            failure.get_or_insert_with(|| Failure::new(cause, format!("nothing to take as {}: {why}", take.name)));
            false
        }
    };
    for take in &step.takes {
        if let TakeFrom::Header(name) = &take.from {
            note(take, of_header(headers, name), Cause::Header);
        }
    }
    if !of_body.is_empty() {
        match search(transport, request, &of_body, answer.body).await {
            Ok(found) => {
                let are_found: Vec<bool> =
                    of_body.iter().zip(found).map(|(take, found)| note(take, found, Cause::Body)).collect();
                is_quotable |= are_found.iter().all(|is_found| *is_found);
            }
            Err(unread) => failure = failure.or(Some(unread)),
        }
    }
    (values, Took { failure, is_quotable })
}

fn bounded(value: String) -> Found {
    if value.len() > TAKEN_MAX {
        let (length, most) = (figures::count(value.len() as u64), figures::count(TAKEN_MAX as u64));
        return Err(format!("it is {length} bytes long, more than {most}"));
    }
    Ok(value)
}

fn of_header(headers: &HeaderMap, name: &str) -> Found {
    let value = headers.get(name).ok_or_else(|| format!("the header {name} is missing"))?;
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| format!("the header {name} is not UTF-8"))?;
    Ok(text.to_owned())
}

/// Searches `body` for `takes`, which are all of the body.
async fn search(transport: &Transport, site: &Site, takes: &[&Take], body: &BodyRead) -> Result<Vec<Found>, Failure> {
    let length = body.kept.len();
    let is_easy = |take: &&Take| match &take.from {
        TakeFrom::Body(regex) => transport.patterns.is_easy(&regex.what, length),
        TakeFrom::Json { query, .. } => query.is_none(),
        TakeFrom::Header(_) => true,
    };
    let is_short = length <= SHORT && body.codings.is_none() && takes.iter().all(is_easy);
    let from = takes.iter().map(|take| take.from.clone()).collect();
    let (body, patterns) = (body.clone(), Arc::clone(&transport.patterns));
    if is_short {
        return at_once(search_all(body, from, patterns));
    }
    let found: Arc<Mutex<Vec<Found>>> = Arc::default();
    let result = Arc::clone(&found);
    let work = async move {
        let all = search_all(body, from, patterns).await?;
        *lock(&result) = all;
        Ok(())
    };
    transport.workers.run(&site.name, work).await?;
    Ok(std::mem::take(&mut *lock(&found)))
}

/// A decoded body.
struct Text {
    bytes: Vec<u8>,
    /// It was not read to its end.
    is_cut: bool,
    /// The end of a sentence that says nothing was found: size and media type.
    described: String,
}

async fn search_all(body: BodyRead, from: Vec<TakeFrom>, patterns: Arc<Patterns>) -> Result<Vec<Found>, Failure> {
    let text = decoded(body).await?;
    let mut found = Vec::with_capacity(from.len());
    for from in &from {
        found.push(match from {
            TakeFrom::Body(regex) => match captured(&patterns.get(&regex.what)?, &text.bytes).await {
                Some(at) => String::from_utf8(text.bytes[at].to_vec()).map_err(|_| "it is not UTF-8 text".to_owned()),
                None => Err(text.unmatched(regex)),
            },
            TakeFrom::Json { path, query } => {
                text.json().and_then(|document| json::text_at(document, path, query.as_ref()))
            }
            TakeFrom::Header(_) => unreachable!("only what is in the body is searched for"),
        });
    }
    Ok(found)
}

async fn decoded(mut body: BodyRead) -> Result<Text, Failure> {
    let wrong = |detail: String| Failure::new(Cause::Body, detail);
    if let Some(name) = body.codings.unsupported.take().filter(|_| !body.kept.is_empty()) {
        return Err(wrong(format!("the body is compressed with {name}, which webmon does not read")));
    }
    let Unpacked { bytes, end, .. } = unpack(std::mem::take(&mut body.kept), &body.codings.known).await;
    if let End::Broken(coding) = end {
        return Err(wrong(format!("the body is not valid {}, as its header says", coding.name())));
    }
    let is_cut = body.is_capped || end != End::Whole;
    let length = figures::count(bytes.len() as u64);
    let kind = body.kind.map_or_else(String::new, |kind| format!(" of {kind}"));
    let described = match (bytes.len(), is_cut) {
        (0, false) => "; it is empty".to_owned(),
        (_, false) => format!("; it is {length} bytes{kind}"),
        (_, true) => format!(" within {length} bytes"),
    };
    let bytes = match Charset::of(&bytes, body.charset.as_deref()) {
        Charset::Of(encoding, mark) => decode(&bytes[mark..], encoding, is_cut).await.0.into_bytes(),
        Charset::AsItIs(mark) => bytes[mark..].to_vec(),
        Charset::Unknown(_) => bytes,
    };
    Ok(Text { bytes, is_cut, described })
}

impl Text {
    fn unmatched(&self, regex: &Expected<regex::bytes::Regex>) -> String {
        format!("the body does not match {}{}", quoted(&regex.shown), self.described)
    }

    /// The text as a JSON document, as far as its form does not forbid it.
    fn json(&self) -> Result<&str, String> {
        if self.is_cut {
            return Err(format!("the body cannot be read as JSON: it does not end{}", self.described));
        }
        if self.bytes.len() > json::DOCUMENT_MAX {
            return Err(format!("the body cannot be read as JSON: it is longer than {} MiB", json::DOCUMENT_MAX >> 20));
        }
        std::str::from_utf8(&self.bytes).map_err(|_| "the body is not JSON: it is not valid UTF-8".to_owned())
    }
}
