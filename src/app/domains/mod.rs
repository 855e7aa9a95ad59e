//! Watches when the registrations of the sites' domains end: asks their registries once a day, and warns.
//!
//! It writes each answer into the prober's [`DomainBook`]; checks show that beside the certificate and wait for no registry. It stores
//! nothing: after a start it asks again, at the pace of `schedule`.
//!
//! Invariants: it delays no check and fails none. The user hears once of a registration that ends soon, and again after a
//! renewal. An answer that does not come is logged and is no warning. Bounds: one question at a time.

pub mod once;
mod schedule;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use url::Url;

use crate::config::Config;
use crate::model::{DomainBook, DomainExpiry, Notice, Site, Timestamp};
use crate::rdap::{Directory, RdapError, Registration};

use super::clock::Clock;
use super::log::about;
use super::status::health_meter::StoreStatus;
use schedule::{HOSTS_MAX, Schedule};

/// A site whose domain is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedDomain {
    site: Arc<str>,
    /// In its ASCII form.
    host: Arc<str>,
    warn: Duration,
    bootstrap: Url,
}

/// The sites of `config` whose domains are watched.
#[must_use]
pub fn watched(config: &Config) -> Vec<WatchedDomain> {
    let of = |site: &Site| {
        let (terms, host) = (site.domain.as_ref()?, site.registrable_host()?);
        let (warn, bootstrap) = (terms.warn, terms.bootstrap.clone());
        Some(WatchedDomain { site: Arc::clone(&site.name), host: host.into(), warn, bootstrap })
    };
    config.sites.iter().filter_map(|watched| of(&watched.site)).collect()
}

/// Knows registrations.
pub trait Ask {
    /// The registration of the domain that `host` is a part of, by the registries that `list` names; none if there is none.
    ///
    /// # Errors
    /// Why it cannot be known now.
    fn ask(
        &mut self,
        host: &str,
        list: &Url,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Registration>, RdapError>>;
}

impl Ask for Directory {
    fn ask(
        &mut self,
        host: &str,
        list: &Url,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Registration>, RdapError>> {
        self.registration(host, list, now)
    }
}

/// See the module.
pub struct DomainTask {
    /// The sites, which may change.
    pub sites: watch::Receiver<Vec<WatchedDomain>>,
    /// Takes what is known.
    pub book: DomainBook,
    /// Where notices go.
    pub status: watch::Sender<StoreStatus>,
    /// The clock.
    pub clock: Clock,
}

/// The answers of registries, and the domains that the user was warned of.
#[derive(Default)]
struct Knowledge {
    /// By host; none if there is no registration.
    registrations: HashMap<Arc<str>, Option<Registration>>,
    /// Domains whose end was told and that were not renewed since.
    told: HashSet<String>,
}

impl DomainTask {
    /// Asks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.ask_with(Directory::default()) => {}
        }
    }

    /// Asks for ever.
    async fn ask_with(mut self, mut directory: impl Ask) {
        let (mut schedule, mut known) = (Schedule::default(), Knowledge::default());
        loop {
            let sites = self.sites.borrow_and_update().clone();
            self.follow(&sites, &mut schedule, &mut known);
            loop {
                let next = schedule.next().map(|(due, host)| (due, Arc::clone(host)));
                let turn = async {
                    let Some((due, host)) = next else { return std::future::pending().await };
                    sleep_until(self.clock.instant(due)).await;
                    host
                };
                let host = tokio::select! {
                    biased;
                    () = changed(&self.sites) => break,
                    host = turn => host,
                };
                let of_host = || sites.iter().filter(|site| site.host == host);
                let list = &of_host().next().expect("only hosts of sites are scheduled").bootstrap;
                let answer = directory.ask(&host, list, self.clock.now()).await;
                schedule.asked(&host, self.clock.monotonic(), answer.is_ok());
                debug!(target: about::DOMAIN, %host, ?answer, "asked");
                if let Ok(found) = answer {
                    known.registrations.insert(Arc::clone(&host), found);
                }
                self.note(&sites, Some(&host), &mut known);
            }
        }
    }

    /// Watches `sites` from now on.
    fn follow(&self, sites: &[WatchedDomain], schedule: &mut Schedule, known: &mut Knowledge) {
        let names: HashSet<&str> = sites.iter().map(|site| &*site.site).collect();
        self.book.retain(|site| names.contains(site));
        let hosts: HashSet<&str> = sites.iter().map(|site| &*site.host).collect();
        known.registrations.retain(|host, _| hosts.contains(&**host));
        let more = schedule.follow(sites.iter().map(|site| Arc::clone(&site.host)), self.clock.monotonic());
        if more > 0 {
            self.tell(format!("only {HOSTS_MAX} domains are watched, {more} others are not"));
        }
        self.note(sites, None, known);
    }

    /// Puts what is known of `host`, or of all hosts, into the book, and tells what ends soon.
    fn note(&self, sites: &[WatchedDomain], host: Option<&str>, known: &mut Knowledge) {
        let now = self.clock.now();
        // By domain; sites may want to know at different times.
        let mut warnings: HashMap<String, Option<String>> = HashMap::new();
        for site in sites {
            let registration = known.registrations.get(&site.host).and_then(Option::as_ref);
            let name = registration.map_or_else(|| Arc::clone(&site.host), |found| found.name.as_str().into());
            let expiry = DomainExpiry { name, expires: registration.map(|found| found.expires), warn: site.warn };
            if let Some(found) = registration {
                let warning = warnings.entry(found.name.clone()).or_default();
                *warning = warning.take().or_else(|| expiry.warning(now));
            }
            if host.is_none_or(|host| *site.host == *host) {
                self.book.set(&site.site, expiry);
            }
        }
        known.told.retain(|domain| warnings.contains_key(domain));
        for (domain, warning) in warnings {
            let Some(warning) = warning else {
                known.told.remove(&domain);
                continue;
            };
            if known.told.insert(domain) {
                self.tell(warning);
            }
        }
    }

    fn tell(&self, text: String) {
        self.status.send_modify(|status| status.tell(Notice::of_domain(text)));
    }
}

/// Ends when there are other sites.
async fn changed(sites: &watch::Receiver<Vec<WatchedDomain>>) {
    let mut sites = sites.clone();
    if sites.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const DAY: u64 = 86_400;
    const START: u64 = 1_795_340_000;

    type Script = Box<dyn Fn(&str, Timestamp) -> Result<Option<Registration>, RdapError>>;

    /// Answers by a script, and logs when it was asked for what, in seconds after the start.
    struct Registries {
        asked: Arc<Mutex<Vec<(u64, String)>>>,
        answer: Script,
    }

    impl Ask for Registries {
        async fn ask(&mut self, host: &str, _: &Url, now: Timestamp) -> Result<Option<Registration>, RdapError> {
            let at = now.since(Timestamp::from_secs(START)).as_secs();
            self.asked.lock().unwrap().push((at, host.to_owned()));
            (self.answer)(host, now)
        }
    }

    fn site(name: &str, host: &str, warn_days: u64) -> WatchedDomain {
        WatchedDomain {
            site: name.into(),
            host: host.into(),
            warn: Duration::from_secs(warn_days * DAY),
            bootstrap: Url::parse("https://list.test/").unwrap(),
        }
    }

    struct Scene {
        sites: watch::Sender<Vec<WatchedDomain>>,
        book: DomainBook,
        status: watch::Sender<StoreStatus>,
        asked: Arc<Mutex<Vec<(u64, String)>>>,
        clock: Clock,
    }

    impl Scene {
        fn told(&self) -> Vec<String> {
            self.status.borrow().notices.iter().map(|notice| notice.text.clone()).collect()
        }

        fn days_left(&self, site: &str) -> Option<i64> {
            self.book.of(site).and_then(|known| known.days_left(self.clock.now()))
        }
    }

    fn begin(
        sites: Vec<WatchedDomain>,
        answer: impl Fn(&str, Timestamp) -> Result<Option<Registration>, RdapError> + 'static,
    ) -> (Scene, impl Future<Output = ()>) {
        let clock = Clock::start_at(Timestamp::from_secs(START));
        let (sites, watched) = watch::channel(sites);
        let (book, status, asked) = (DomainBook::default(), watch::Sender::new(StoreStatus::default()), Arc::default());
        let registries = Registries { asked: Arc::clone(&asked), answer: Box::new(answer) };
        let task = DomainTask { sites: watched, book: book.clone(), status: status.clone(), clock: clock.clone() };
        (Scene { sites, book, status, asked, clock }, task.ask_with(registries))
    }

    async fn play(asking: impl Future<Output = ()>, story: impl Future<Output = ()>) {
        tokio::select! {
            () = asking => unreachable!("it asks for ever"),
            () = story => {}
        }
    }

    async fn wait(secs: u64) {
        tokio::time::sleep(Duration::from_secs(secs)).await;
    }

    fn registered(name: &str, until_day: u64) -> Registration {
        Registration { name: name.to_owned(), expires: Timestamp::from_secs(START + until_day * DAY) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_domain_that_ends_soon_is_told_once_and_again_after_it_was_renewed() {
        // Renewed on the 50th day, for 60 days.
        let answer = |host: &str, now: Timestamp| {
            assert_eq!(host, "www.a.test");
            let until = if now < Timestamp::from_secs(START + 50 * DAY) { 60 } else { 120 };
            Ok(Some(registered("a.test", until)))
        };
        let sites = vec![site("one", "www.a.test", 30), site("two", "www.a.test", 14)];
        let (scene, asking) = begin(sites, answer);
        play(asking, async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(scene.days_left("one"), None, "it is not known yet");
            assert_eq!(scene.book.of("one").unwrap().name, "www.a.test".into());
            wait(10).await;
            assert_eq!((scene.days_left("one"), scene.days_left("two")), (Some(59), Some(59)));
            assert_eq!(scene.book.of("two").unwrap().name, "a.test".into());
            wait(29 * DAY).await;
            assert_eq!(scene.told(), [""; 0]);
            wait(DAY).await;
            assert_eq!(scene.told(), ["the domain a.test expires in 29 days"]);
            wait(59 * DAY).await;
            assert_eq!(scene.told().len(), 1, "renewed");
            wait(3 * DAY).await;
            assert_eq!(scene.told()[1..], ["the domain a.test expires in 29 days"]);
            assert_eq!(scene.asked.lock().unwrap().len(), 93, "once a day");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_known_is_no_warning_and_what_is_known_stays() {
        let answer = |host: &str, now: Timestamp| match host {
            "gone.test" => Ok(None),
            "a.test" if now < Timestamp::from_secs(START + DAY) => Ok(Some(registered("a.test", 60))),
            _ => Err(RdapError::List("no answer within 10 s".to_owned())),
        };
        let sites = vec![site("gone", "gone.test", 30), site("a", "a.test", 30), site("silent", "silent.test", 30)];
        let (scene, asking) = begin(sites, answer);
        play(asking, async {
            wait(5 * DAY).await;
            assert_eq!(scene.told(), [""; 0]);
            assert_eq!(["gone", "a", "silent"].map(|site| scene.days_left(site)), [None, Some(55), None]);
            let asked = scene.asked.lock().unwrap().clone();
            let of = |host: &str| asked.iter().filter(|(_, asked)| asked == host).count();
            assert_eq!((of("gone.test"), of("silent.test")), (5, 9));
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_follows_the_sites_of_another_file() {
        let (scene, asking) = begin(vec![site("a", "a.test", 30)], |host, _| Ok(Some(registered(host, 10))));
        play(asking, async {
            wait(60).await;
            assert_eq!(scene.told(), ["the domain a.test expires in 9 days"]);
            // The same domain under another name, and a new one.
            scene.sites.send_replace(vec![site("renamed", "a.test", 30), site("b", "b.test", 5)]);
            wait(60).await;
            assert_eq!(scene.told().len(), 1, "nothing new");
            assert_eq!(
                (scene.book.of("a"), scene.days_left("renamed"), scene.days_left("b")),
                (None, Some(9), Some(9))
            );
            scene.sites.send_replace(Vec::new());
            wait(2 * DAY).await;
            assert_eq!(scene.asked.lock().unwrap().len(), 2);
            assert_eq!(scene.book.of("b"), None);
        })
        .await;
    }
}
