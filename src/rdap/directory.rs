//! Finds the registration of a host: the list of registries, the registry, and the names to ask it for.
//!
//! The list is good for a day. The names that were found registered are known for a day, too, so the hosts of one domain ask once.
//! A registry that does not know a name says so by 404; some refuse names that they cannot have registered by 400 or 422.
//! Bounds: 8 connections, and as many names as hosts are asked about.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;
use url::{Position, Url};

use crate::http::{Client, Method, Outgoing, Reply, RequestError, Terms, reason_phrase};
use crate::model::Timestamp;

use super::bootstrap::{Bootstrap, parents};
use super::registration::{Registration, expiration};

/// Time for one request.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// Bytes of the list that are read.
const LIST_MAX: usize = 8 << 20;
/// Bytes of an answer about a domain that are read.
const ANSWER_MAX: usize = 1 << 20;
const REDIRECTS_MAX: usize = 3;
/// Names that a registry is asked for, for one host.
const NAMES_MAX: usize = 8;
const CLIENTS_MAX: usize = 8;
const DAY: Duration = Duration::from_hours(24);

/// Why nothing is known of a host; it may be known later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RdapError {
    /// The list of registries cannot be had.
    #[error("cannot read the list of registries: {0}")]
    List(String),
    /// A registry did not answer, or not with a registration.
    #[error("the registry of {name} does not answer: {reason}")]
    Registry {
        /// The name that was asked for.
        name: String,
        /// Why, without anything that it said.
        reason: String,
    },
}

/// See the module.
#[derive(Default)]
pub struct Directory {
    /// By the URL of the list.
    lists: HashMap<Url, (Timestamp, Bootstrap)>,
    known: HashMap<String, (Timestamp, Registration)>,
    /// By origin.
    clients: HashMap<String, Client>,
}

impl Directory {
    /// The registration of the domain that `host`, in its ASCII form, is a part of, by the registries listed at `list`. None if no
    /// registry has one, or it does not tell when it ends.
    ///
    /// # Errors
    /// [`RdapError`].
    pub async fn registration(
        &mut self,
        host: &str,
        list: &Url,
        now: Timestamp,
    ) -> Result<Option<Registration>, RdapError> {
        self.known.retain(|_, (since, _)| now.since(*since) < DAY);
        if let Some((_, known)) = std::iter::once(host).chain(parents(host)).find_map(|name| self.known.get(name)) {
            return Ok(Some(known.clone()));
        }
        let allows_http = list.scheme() == "http";
        let list = self.list(list, now).await?;
        let Some((server, domain)) = list.server_of(host) else { return Ok(None) };
        let (server, labels) = (server.clone(), domain.split('.').count());
        let names: Vec<&str> =
            std::iter::once(host).chain(parents(host)).filter(|name| name.split('.').count() > labels).collect();
        for name in &names[names.len().saturating_sub(NAMES_MAX)..] {
            let failed = |reason| RdapError::Registry { name: (*name).to_owned(), reason };
            let url = domain_url(&server, name).ok_or_else(|| failed("its URL cannot be used".to_owned()))?;
            let reply = self.get(url, (ANSWER_MAX, allows_http)).await.map_err(failed)?;
            match reply.status {
                200 => {
                    let expires = aside(move || expiration(&reply.body)).await;
                    let expires =
                        expires.and_then(Result::ok).ok_or_else(|| failed("its answer is not JSON".to_owned()))?;
                    let Some(expires) = expires else { return Ok(None) };
                    let found = Registration { name: (*name).to_owned(), expires };
                    self.known.insert(found.name.clone(), (now, found.clone()));
                    return Ok(Some(found));
                }
                400 | 404 | 422 => {}
                status => return Err(failed(words(status))),
            }
        }
        Ok(None)
    }

    /// The list of registries at `url`, of the last day.
    async fn list(&mut self, url: &Url, now: Timestamp) -> Result<&Bootstrap, RdapError> {
        if self.lists.get(url).is_none_or(|(since, _)| now.since(*since) >= DAY) {
            let allows_http = url.scheme() == "http";
            let reply = self.get(url.clone(), (LIST_MAX, allows_http)).await.map_err(RdapError::List)?;
            if reply.status != 200 {
                return Err(RdapError::List(words(reply.status)));
            }
            if reply.cut && reply.body.len() >= LIST_MAX {
                return Err(RdapError::List("it is longer than 8 MiB".to_owned()));
            }
            let parsed = aside(move || Bootstrap::parse(&reply.body, allows_http)).await;
            let list = parsed.flatten().ok_or_else(|| RdapError::List("it lists no registry".to_owned()))?;
            self.lists.insert(url.clone(), (now, list));
        }
        Ok(&self.lists.get(url).expect("it is there, or has just been inserted").1)
    }

    /// The answer at `url`, after redirects, with at most so many bytes of its body.
    async fn get(&mut self, mut url: Url, (most, allows_http): (usize, bool)) -> Result<Reply, String> {
        for _ in 0..=REDIRECTS_MAX {
            if url.scheme() != "https" && !(allows_http && url.scheme() == "http") {
                return Err("it redirects to a URL that is not https".to_owned());
            }
            let reply = timeout(REQUEST_MAX, self.get_once(&url, most)).await;
            let reply = reply.map_err(|_| format!("no answer within {} s", REQUEST_MAX.as_secs()))??;
            let target = reply.location.as_deref().filter(|_| matches!(reply.status, 301 | 302 | 303 | 307 | 308));
            let Some(target) = target else { return Ok(reply) };
            url = url.join(target).map_err(|_| "it redirects to no URL".to_owned())?;
        }
        Err(format!("more than {REDIRECTS_MAX} redirects"))
    }

    async fn get_once(&mut self, url: &Url, most: usize) -> Result<Reply, String> {
        let origin = url[..Position::BeforePath].to_owned();
        if self.clients.len() >= CLIENTS_MAX && !self.clients.contains_key(&origin) {
            self.clients.clear();
        }
        if !self.clients.contains_key(&origin) {
            let client = Client::new(url, &Terms::default()).map_err(|error| error.to_string())?;
            self.clients.insert(origin.clone(), client);
        }
        let client = self.clients.get_mut(&origin).expect("it is there, or has just been inserted");
        let accept = [("Accept", "application/rdap+json, application/json")];
        let request = Outgoing::new(Method::GET, url, accept, Vec::new()).map_err(|error| error.to_string())?;
        let request = Outgoing { is_repeatable: true, ..request };
        client.reading(most).send(&request).await.map_err(RequestError::into_reason)
    }
}

/// Parses on another thread: megabytes of JSON take longer than others on this one can wait.
async fn aside<T: Send + 'static>(parse: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(parse).await.ok()
}

/// Where `server` answers for the domain `name` (RFC 9082, section 3.1.3).
fn domain_url(server: &Url, name: &str) -> Option<Url> {
    let mut url = server.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(["domain", name]);
    Some(url)
}

fn words(status: u16) -> String {
    format!("{status} {}", reason_phrase(status).unwrap_or_default()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_below_its_own_path() {
        for (server, url) in [
            ("https://rdap.test/com/v1/", "https://rdap.test/com/v1/domain/a.com"),
            ("https://rdap.test/com/v1", "https://rdap.test/com/v1/domain/a.com"),
            ("https://rdap.test", "https://rdap.test/domain/a.com"),
        ] {
            assert_eq!(domain_url(&Url::parse(server).unwrap(), "a.com").unwrap().as_str(), url);
        }
    }
}
