//! Reads and validates sites.yaml.
//!
//! `keys::declared` lists the keys; `syntax` parses the text into a tree with positions; `keys::reader` walks it and expands
//! `${…}`; `sections` take the declared keys, the rest is unknown; `excerpt` shows all faults at once, each at its position.
//!
//! Invariants: a [`Config`] keeps the invariants of [`crate::model::Site`]; no error and no warning shows the content of a
//! variable or a secret. Bounds: one UTF-8 document of at most 64 MiB. Relative paths start at the folder of the file.

mod diagnostics;
mod error;
mod excerpt;
mod files;
mod keys;
mod load;
pub mod parts;
mod sections;
mod syntax;
pub mod typed;

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::alert::maintenance::Schedule;
use crate::config::syntax::variables::Env;
use crate::model::{
    ExportTarget, FleetTerms, KnownSecrets, ListenTarget, PageTerms, ProxyRule, Resolver, Secret, Timestamp, View,
};
use crate::notify::secret_parts;

pub use crate::model::text::suggest::near as nearest;
pub use diagnostics::warning::BYTES_A_SAMPLE;
pub use error::ConfigError;
pub use files::file::{FileStamp, Named};
pub use files::runnable::obstacle_of;
pub use keys::declared::THREADS_MAX;
pub use keys::json_schema::schema;
pub use keys::template::template;
pub use keys::value::name as site_name;
pub use load::{load, load_for_reading, load_without_env};
pub use sections::Storage;
pub use sections::alerting::{Alerting, Heartbeat};
pub use sections::dashboard::{Dashboard, Symbols, Theme, default_views};
pub use sections::exec::{DEFAULT_PATH, Exec};
pub use sections::export::typed_sink;
pub use sections::fleet::{location as location_name, stream as stream_name, stream_size};
pub use sections::locations::LocationTerms;
pub use sections::site::ConfiguredSite;
pub use sections::web::{listen::QUANTILES_OF, page::title as page_title, report::ReportTerms};
pub use syntax::needed::Needed;

use diagnostics::lookalike::{SeenNames, with_lookalikes};
use diagnostics::warning::Warnings;
use excerpt::redact::Redactor;
use excerpt::source::SourceText;
use keys::mapping::Keys;
use keys::reader::ConfigReader;
use sections::alerting::AlertingSection;
use sections::exec;
use sections::names::unique::SiteNames;
use sections::notes::{Literal, Notes};
use sections::policies::AlertSettings;
use sections::site::{SiteEntryDraft, SiteSettings};
use syntax::fault::Fault;
use syntax::tree::{NodeId, Tree};
use syntax::variables::Substitutions;
use typed::TypedSettings;

/// Longest file that is read, bytes.
const FILE_MAX: usize = 64 << 20;

/// Most sites in a file.
const SITES_MAX: usize = 100_000;

/// A validated configuration; the default watches nothing.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The sites to watch, at least one unless some count as absent, in the order of the file; names are unique.
    pub sites: Vec<ConfiguredSite>,
    /// The sites with `enabled: false`, in the order of the file.
    pub disabled: Vec<ConfiguredSite>,
    /// What holds for all alerts.
    pub alerting: Alerting,
    /// The program to run on alerts.
    pub exec: Option<Arc<Exec>>,
    /// The views, at least one.
    pub views: Vec<View>,
    /// Appearance and sound of the dashboard.
    pub dashboard: Dashboard,
    /// Who resolves host names.
    pub resolver: Resolver,
    /// The number of network threads; none: by the number of cores.
    pub network_threads: Option<NonZero<usize>>,
    /// Where samples are stored; none for ad hoc sites.
    pub storage: Option<Storage>,
    /// The InfluxDB that samples are exported to.
    pub export: Option<ExportTarget>,
    /// The NATS servers at which several webmons meet, and who this one is.
    pub fleet: Option<FleetTerms>,
    /// Where it serves by HTTP, and to whom.
    pub listen: ListenTarget,
    /// How the status page looks.
    pub page: PageTerms,
    /// Where the page goes as files, and how often.
    pub report: Option<ReportTerms>,
    /// Whether `/metrics` has quantiles, those of the view of [`QUANTILES_OF`].
    pub quantiles: bool,
    /// Surprising settings, one line each, with its position in the file.
    pub warnings: Vec<String>,
    /// What counts as absent in a load that does not need the whole file, and changes what is read; one line each.
    pub absent: Vec<String>,
    /// Masked in the output of commands and of servers: the contents of expressions, credentials.
    pub secrets: KnownSecrets,
    /// The other files that were read: those of `${file:…}` and of certificates.
    pub files: Named,
}

impl Config {
    /// The contents of `expressions`, the secrets of all sites, and the export's credentials.
    fn all_secrets(&self, expressions: &[String]) -> KnownSecrets {
        let (alerting, expressions) = (&self.alerting, expressions.iter().map(String::as_str));
        let outlets: Vec<KnownSecrets> = alerting.outlets.iter().map(|outlet| outlet.secrets()).collect();
        let heartbeat = alerting.heartbeat.iter().flat_map(|heartbeat| secret_parts(heartbeat.url.expose(), true));
        let heartbeat: Vec<String> = heartbeat.collect();
        let outlets = outlets.iter().flat_map(KnownSecrets::iter).chain(heartbeat.iter().map(String::as_str));
        let sites = self.sites.iter().chain(&self.disabled).flat_map(|configured| configured.site.secrets.iter());
        let export = self.export.iter().filter_map(|target| target.authorization.as_ref());
        let export = export.filter_map(|secret| secret.expose().split_once(' ')).map(|(_, secret)| secret);
        let token = self.listen.access.token.iter().map(Secret::expose);
        let fleet = self.fleet.iter().filter_map(|fleet| fleet.login.credential.as_ref());
        let fleet = fleet.map(|credential| credential.secret().expose());
        KnownSecrets::new(expressions.chain(sites).chain(export).chain(outlets).chain(token).chain(fleet))
    }

    /// Completes the maintenance windows: `zone` is this machine's, and those that are over at `now` are warned of.
    pub fn settle_windows(&mut self, zone: &TimeZone, now: Timestamp) {
        for window in self.alerting.maintenance.iter_mut().filter(|window| window.zone.is_unknown()) {
            window.zone = zone.clone();
        }
        let windows = &self.alerting.maintenance;
        for watched in self.sites.iter_mut().chain(&mut self.disabled) {
            let (site, group) = (&watched.site.name, watched.group.as_deref());
            watched.maintenance = windows.iter().filter(|window| window.sites.selects(site, group)).cloned().collect();
        }
        let past = self.alerting.maintenance.iter().filter(|window| window.never_comes(now));
        let warnings = past.map(|window| match &window.schedule {
            Schedule::Once { from, to } => format!("alerting.maintenance: the window from {from} to {to} is over"),
            Schedule::Every { .. } => "alerting.maintenance: a window never comes again".to_owned(),
        });
        self.warnings.extend(warnings);
    }
}

/// Validates `text`. Errors call it `file_name`; relative paths start at `base_dir`.
///
/// # Errors
/// [`ConfigError::Invalid`] with every fault of the text.
pub fn parse(text: &str, file_name: &str, base_dir: &Path, env: &Env<'_>) -> Result<Config, ConfigError> {
    validate(text, file_name, Substitutions::new(Some(env), base_dir), false)
}

/// A configuration for typed URLs: `settings` over the defaults, no store. The scheme may be left out; a repeated URL is one
/// site.
///
/// # Errors
/// [`ConfigError::Invalid`] with every text that is not a URL.
pub fn ad_hoc(urls: &[String], settings: &TypedSettings) -> Result<Config, ConfigError> {
    let settings = settings.over_defaults();
    let (mut sites, mut refused): (Vec<ConfiguredSite>, _) = (Vec::new(), Vec::new());
    for text in urls {
        match SiteEntryDraft::typed(text, settings.clone()) {
            Ok(entry) if sites.iter().any(|known| known.site.name == entry.configured.site.name) => {}
            Ok(entry) => sites.push(entry.configured),
            Err(message) => refused.push((text.as_str(), message)),
        }
    }
    if sites.is_empty() && refused.is_empty() {
        refused.push(("", "there is no URL to watch".to_owned()));
    }
    if !refused.is_empty() {
        return Err(excerpt::source::typed(&refused));
    }
    let secrets = KnownSecrets::new(sites.iter().flat_map(|configured| configured.site.secrets.iter()));
    Ok(Config { sites, secrets, views: default_views(), ..Config::default() })
}

fn validate(text: &str, name: &str, scope: Substitutions<'_>, exposed: bool) -> Result<Config, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > FILE_MAX {
        let fault = Fault::new(0..0, "this file is longer than 64 MiB: let another webmon watch some of its sites");
        return Err(SourceText::new(name, "").report(vec![fault], &Redactor::default()));
    }
    let source = SourceText::new(name, text);
    let (tree, root) = Tree::parse(text).map_err(|fault| {
        let secrets = Redactor::of_line(text, fault.span.start);
        source.report(vec![fault], &secrets)
    })?;
    let (env, base_dir) = (scope.env, scope.base_dir);
    let reader = ConfigReader::new(&tree, text, scope);
    let mut warnings = Warnings::default();
    let config = if let Some(root) = root.filter(|&root| !reader.is_null(root)) {
        let raw = Keys::of_file(&reader, root).and_then(|keys| RawConfig::read(keys, base_dir));
        raw.map(|raw| raw.finish(&reader, &mut warnings, exposed))
    } else {
        reader.fault(Fault::new(0..0, "this file holds no configuration").hint(EXAMPLE));
        None
    };
    let (expressions, absent) = (reader.secrets(), reader.absences.lines(|at| source.place(at)));
    let (faults, unknown, files) = reader.finish();
    match config {
        Some(mut config) if faults.is_empty() => {
            let is_direct = config.sites.iter().all(|watched| watched.site.proxy == ProxyRule::None);
            if let Some(env) = env.filter(|_| is_direct) {
                warnings.proxies(env);
            }
            config.warnings = with_lookalikes(warnings, &tree, text).into_lines(&source);
            (config.files, config.absent) = (files, absent);
            config.secrets = config.all_secrets(&expressions);
            let then = config.report.as_mut().and_then(|report| report.then.as_mut());
            for exec in config.exec.as_mut().into_iter().chain(then) {
                Arc::make_mut(exec).secrets = config.secrets.clone();
            }
            Ok(config)
        }
        _ => Err(source.report(faults, &Redactor::of_tree(&tree, text, &unknown)).naming(files)),
    }
}

const EXAMPLE: &str = "example: sites: [https://www.rust-lang.org]";

/// A file that was read, before its sites are compared with each other.
struct RawConfig {
    /// Everything but the sites.
    config: Config,
    entries: Vec<SiteEntryDraft>,
    sites_at: Option<NodeId>,
    outlet_names: Vec<Arc<str>>,
    storage: Storage,
    max_size_at: Option<NodeId>,
    notes: Notes,
}

impl RawConfig {
    /// None when there are no sites.
    fn read(mut keys: Keys<'_, '_>, base_dir: &Path) -> Option<Self> {
        let reader = keys.reader();
        let (mut alert, mut notes) = (AlertSettings::default(), Notes::default());
        let (exec, section) = keys.section("alerting", |keys| {
            alert.read(keys, &mut notes);
            (exec::program(keys, &exec::EXEC, &mut notes), AlertingSection::read(keys, &mut notes))
        });
        let AlertingSection { alerting, outlet_names } = section;
        let mut defaults = SiteSettings::new(alert);
        keys.section("defaults", |keys| defaults.read(keys, &mut notes));
        let (views, dashboard) =
            keys.section("dashboard", |keys| (sections::dashboard::views(keys), Dashboard::read(keys)));
        let resolver = keys.section("dns", sections::resolver);
        let network_threads = keys.section("network", sections::network_threads);
        let (storage, max_size_at) = keys.section("storage", |keys| Storage::read(keys, base_dir));
        let export = keys.section("export", |keys| sections::export::influx(keys, &mut notes));
        let fleet = sections::fleet::fleet(&mut keys, &mut notes);
        let listen = keys.section("listen", |keys| sections::web::listen::listen(keys, &mut notes));
        let page = keys.section("page", sections::web::page::page);
        let report = sections::web::report::report(&mut keys, &mut notes);
        let quantiles = keys.section("metrics", |keys| sections::web::listen::metrics(keys, &views, &mut notes));
        let sites_at = keys.take("sites");
        keys.finish();
        let entries = Self::read_sites(reader, sites_at, &defaults, &mut notes)?;
        let config = Config { alerting, exec: exec.map(Arc::new), views, dashboard, ..Config::default() };
        let config = Config { resolver, network_threads, export, fleet, listen, page, report, quantiles, ..config };
        Some(Self { config, entries, sites_at, outlet_names, storage, max_size_at, notes })
    }

    fn read_sites(
        reader: &ConfigReader<'_>,
        sites_at: Option<NodeId>,
        defaults: &SiteSettings,
        notes: &mut Notes,
    ) -> Option<Vec<SiteEntryDraft>> {
        let items = match sites_at {
            Some(id) if !reader.is_null(id) => reader.list(id)?,
            _ => &[],
        };
        if items.is_empty() {
            let span = sites_at.map_or(0..0, |id| reader.span(id));
            reader.fault(Fault::new(span, "there are no sites to watch").hint(EXAMPLE));
            return None;
        }
        if items.len() > SITES_MAX {
            reader.fault_at(items[SITES_MAX], format!("there are more than {SITES_MAX} sites"));
        }
        // A full reader notes no more faults, so the rest need not be read.
        let items = items.iter().take(SITES_MAX).take_while(|_| !reader.is_full());
        let mut names = SiteNames::default();
        let read = |&item| SiteEntryDraft::read(reader, item, defaults, (&mut names, &mut *notes));
        let entries = items.filter_map(read).collect();
        Some(entries)
    }

    /// Faults what names an outlet, a site or a group that is not in the file.
    fn check_names(&self, reader: &ConfigReader<'_>) {
        let items = self.sites_at.map_or(0, |id| reader.list(id).map_or(0, <[NodeId]>::len));
        let names = self.entries.iter().map(|entry| &*entry.configured.site.name).collect();
        let groups = self.entries.iter().filter_map(|entry| entry.configured.group.as_deref()).collect();
        // The names of sites that could not be read are not known, nor is a group that counts as absent.
        let is_known = items == self.entries.len() && !reader.absences.cast_doubt();
        let known = Some((names, groups)).filter(|_| is_known);
        sections::parents::check(reader, &self.entries, known.as_ref().map(|(names, _)| names));
        let sites = self.entries.iter().map(|entry| (&entry.span, &*entry.configured.site));
        sections::names::records::check(reader, sites, &self.notes, &self.config.resolver);
        self.notes.check(reader, &self.outlet_names, known.as_ref());
    }

    fn finish(self, reader: &ConfigReader<'_>, warnings: &mut Warnings, exposed: bool) -> Config {
        self.check_names(reader);
        let (mut config, mut checks_per_second) = (self.config, 0.0);
        let (mut names, mut groups) = (SeenNames::default(), SeenNames::default());
        for SiteEntryDraft { span, configured, note, enabled, .. } in self.entries {
            let (at, ConfiguredSite { site, group, .. }) = (span.start, &configured);
            if let Some(oddity) = names.oddity(&site.name) {
                warnings.add(Some(at), Some(&site.name), format!("its name {oddity}"));
            }
            if let Some(oddity) = group.as_ref().and_then(|group| groups.oddity(group)) {
                warnings.add(Some(at), Some(&site.name), format!("its group {oddity}"));
            }
            config.page.site_notes.extend(note.map(|note| (Arc::clone(&site.name), note)));
            if enabled {
                warnings.site(at, &configured);
                checks_per_second += site.interval.as_secs_f64().recip();
                config.sites.push(configured);
            } else {
                config.disabled.push(configured);
            }
        }
        if let (true, false, Some(id)) = (config.sites.is_empty(), config.disabled.is_empty(), self.sites_at) {
            let message = "every site is disabled, so there is nothing to watch";
            reader.fault_of_several(Fault::new(reader.span(id), message));
        }
        warnings.storage(self.max_size_at.map(|id| reader.span(id).start), &self.storage, checks_per_second);
        config.storage = Some(self.storage);
        for (at, text) in self.notes.warnings {
            warnings.place(at, text);
        }
        for Literal { span, what } in self.notes.literals.into_iter().filter(|_| exposed) {
            let advice = "which other users can read; use ${VAR} or ${file:PATH}, or chmod 600";
            warnings.add(Some(span.start), None, format!("{what} is in this file, {advice}"));
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Rule;
    use crate::model::time::duration;
    use crate::model::{Family, HttpOffer, Site, curl};
    use std::fmt::Write as _;

    fn env(name: &str) -> Option<String> {
        (name == "TOKEN").then(|| "s3cret".to_owned())
    }

    fn taken(text: &str) -> Config {
        parse(text, "sites.yaml", Path::new("/etc/webmon"), &env).unwrap_or_else(|error| panic!("{error}"))
    }

    fn headers(site: &Site) -> Vec<String> {
        site.headers.iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect()
    }

    /// Ten thousand sites may each name the same file and pattern.
    #[test]
    fn shared_files_and_patterns_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(folder.path().join("c.pem"), certificate.pem() + &key.serialize_pem()).unwrap();
        let mut text = "sites:\n".to_owned();
        for site in 0..50 {
            let tls = if site % 2 == 0 { "ca_file: c.pem" } else { "ca_file: c.pem, client_cert: c.pem" };
            writeln!(
                text,
                "- {{ name: s{site}, url: 'https://a', tls: {{ {tls} }}, expect: {{ body_regex: 'a{{9}}' }} }}"
            )
            .unwrap();
        }
        let config = parse(&text, "sites.yaml", folder.path(), &env).unwrap_or_else(|error| panic!("{error}"));
        let files: Vec<_> = config.sites.iter().map(|configured| configured.site.tls.files.as_ref().unwrap()).collect();
        assert!(files.iter().all(|of| Arc::ptr_eq(&of.roots, &files[0].roots)));
        assert!(files.iter().skip(1).step_by(2).all(|of| Arc::ptr_eq(of, files[1])));
        assert_eq!(config.files.len(), 1);
    }

    #[test]
    fn one_url_is_a_whole_file() {
        let config = taken("sites: [https://www.rust-lang.org]");
        let (site, rule) = (&config.sites[0].site, config.sites[0].rule());
        assert_eq!(
            (&*site.name, site.url.expose().as_str()),
            ("https://www.rust-lang.org", "https://www.rust-lang.org/")
        );
        assert_eq!((site.interval.as_secs(), site.timeout.as_secs()), (10, 10));
        assert_eq!((site.method.as_str(), site.max_redirects, site.max_body), ("GET", 10, 1 << 20));
        assert_eq!((site.tls.insecure, site.headers.len(), *rule), (false, 0, Rule::default()));
        assert_eq!((config.views, config.dashboard), (default_views(), Dashboard::default()));
        assert_eq!(config.storage, Some(Storage::at("/etc/webmon/webmon.redb".into())));
        assert_eq!(config.warnings, Vec::<String>::new());
    }

    #[test]
    fn the_content_of_a_variable_is_not_shown() {
        for (url, shown) in [
            ("https://a.example/hook/${TOKEN}/x?k=v", "https://a.example/hook/***/x?k=***"),
            ("https://${TOKEN}.example/", "https://***.example/"),
            ("https://a.example:${NO:-81}/", "https://***"),
            ("https://ada:${TOKEN}@a.example/x", "https://a.example/x"),
            ("https://a.example/x?k=v", "https://a.example/x?k=***"),
        ] {
            let config = taken(&format!("sites: [{{ name: a, url: '{url}' }}]"));
            assert_eq!(&*config.sites[0].site.shown, shown, "{url}");
        }
        let config =
            taken("sites: [{ url: https://a, expect: { body_contains: 'x${TOKEN}', body_regex: '${TOKEN}$' } }]");
        let expect = &config.sites[0].site.expect;
        let (part, pattern) = (&expect.body.contains[0], expect.body.regex.as_ref().unwrap());
        assert_eq!((part.what.as_str(), part.shown.as_str()), ("xs3cret", "x***"));
        assert_eq!((pattern.what.as_str(), pattern.shown.as_str()), ("s3cret$", "***$"));
    }

    #[test]
    fn expectations_are_inherited_key_by_key_and_headers_by_name() {
        let config = taken(
            r#"
            defaults: { expect: { headers: { Via: present, server: "nginx*" }, json: { /a: 1 }, body_contains: x } }
            sites:
              - https://a.example
              - url: https://b.example
                expect:
                  headers: { VIA: null, x-v: { regex: "^${TOKEN}" } }
                  body_contains: [ok, "${TOKEN}"]
                  body_not_contains: no
                  body_not_regex: "(?i)error"
                  json: { /t: "1", /n: 1.5, /no: null, /on: true, /q: "<= 5", "$.a[*]": [up, 2], /x: absent, /s: "${TOKEN}" }
            "#,
        );
        let shown = |site: usize| {
            let expect = &config.sites[site].site.expect;
            let headers = expect.headers.iter().map(|header| format!("{} {}", header.name, header.wanted));
            let json = expect.body.json.iter().map(|json| format!("{} {}", json.path, json.wanted));
            (headers.collect::<Vec<_>>(), json.collect::<Vec<_>>(), expect.body.contains.len())
        };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(shown(0), (texts(&["via present", "server \"nginx*\""]), texts(&["/a 1"]), 1));
        let json =
            ["/t \"1\"", "/n 1.5", "/no null", "/on true", "/q <= 5", "$.a[*] \"up\" or 2", "/x absent", "/s \"***\""];
        assert_eq!(shown(1), (texts(&["server \"nginx*\"", "x-v a match of \"^***\""]), texts(&json), 2));
        let body = &config.sites[1].site.expect.body;
        assert_eq!(
            (body.not_contains[0].what.as_str(), body.not_regex.is_some(), body.regex.is_some()),
            ("no", true, false)
        );
        assert!(body.needs_end() && !config.sites[0].site.is_same(&config.sites[1].site));
    }

    #[test]
    fn request_keys_and_the_resolver_are_read() {
        let config = taken(
            "
            defaults: { http: 2, ip: 4, keep_alive: true, expect: { max_response_time: 1s }, max_body: 1GiB }
            sites:
              - https://a.example
              - { url: https://b.example, http: 1.1, ip: any, keep_alive: false, expect: { body_contains: x } }
            dns: { resolver: [1.1.1.1, '[::1]:5353'] }
            ",
        );
        let [a, b] = config.sites.as_slice() else { panic!("two sites") };
        assert_eq!((a.site.http, a.site.family, a.site.keep_alive), (HttpOffer::V2, Family::V4, true));
        assert_eq!((b.site.http, b.site.family, b.site.keep_alive), (HttpOffer::V11, Family::Any, false));
        assert_eq!(b.site.expect.max_response_time, Some(std::time::Duration::from_secs(1)));
        assert_eq!((a.site.body_max(), b.site.body_max()), (1 << 30, 16 << 20));
        let servers = ["1.1.1.1:53", "[::1]:5353"].map(|server| server.parse().unwrap());
        assert_eq!(config.resolver, Resolver::Servers(servers.to_vec()));
        assert_eq!(taken("{ sites: [https://a], dns: { resolver: system } }").resolver, Resolver::System);
    }

    #[test]
    fn sites_inherit_every_key_and_headers_by_name() {
        let config = taken(
            "
            defaults:
              interval: 30s
              method: HEAD
              headers: { Accept: text/html, Authorization: 'Bearer ${TOKEN}', X-A: '1' }
              expect: { status: 204 }
              tls: { insecure: true }
              alert: { threshold: 95%, window: 10m }
            alerting: { threshold: 50%, min_samples: 3 }
            sites:
              - https://a.example
              - name: b
                url: https://b.example
                interval: 1m
                method: POST
                body: ping
                headers: { accept: '*/*', authorization: null, X-B: '2' }
                expect: { status: [200, 301-308] }
                tls: { insecure: false }
                alert: { threshold: 90% }
              - https://ada:pw@c.example
            ",
        );
        let [a, b, c] = config.sites.as_slice() else { panic!("three sites") };
        assert_eq!(headers(&a.site), ["Accept: text/html", "Authorization: Bearer s3cret", "X-A: 1"]);
        assert_eq!((a.site.interval.as_secs(), a.site.method.as_str(), a.site.tls.insecure), (30, "HEAD", true));
        assert_eq!((a.rule().threshold.ppm(), a.rule().window.as_secs(), a.rule().min_samples), (950_000, 600, 3));
        assert_eq!(headers(&b.site), ["X-A: 1", "accept: */*", "X-B: 2"]);
        assert_eq!((b.site.interval.as_secs(), b.site.method.as_str(), b.site.tls.insecure), (60, "POST", false));
        assert_eq!((b.rule().threshold.ppm(), b.rule().window.as_secs(), b.rule().min_samples), (900_000, 600, 3));
        assert!(b.site.expect.status.contains(crate::model::Status::new(302).unwrap()));
        assert!(!b.site.expect.status.contains(crate::model::Status::new(204).unwrap()));
        assert_eq!(headers(&c.site), ["Accept: text/html", "X-A: 1", "Authorization: Basic YWRhOnB3"]);
        assert_eq!((&*c.site.name, c.site.url.expose().as_str()), ("https://***@c.example/", "https://c.example/"));
    }

    #[test]
    fn own_keys_win_over_merged_ones_and_earlier_merges_win() {
        let config = taken(
            "
            x-a: &a { interval: 1m, timeout: 40s }
            x-b: &b { interval: 2m, timeout: 50s, method: HEAD }
            sites: [{ <<: [*a, *b], url: https://a.example, timeout: 30s }]
            ",
        );
        let site = &config.sites[0].site;
        assert_eq!((site.interval.as_secs(), site.timeout.as_secs(), site.method.as_str()), (60, 30, "HEAD"));
    }

    #[test]
    fn disabled_sites_are_kept_apart_and_a_site_can_undo_the_default() {
        let config = taken(
            "
            defaults: { enabled: false }
            sites: [https://a.example, { url: https://b.example, enabled: true }, https://c.example]
            ",
        );
        let names = |sites: &[ConfiguredSite]| {
            sites.iter().map(|configured| configured.site.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&config.sites), ["https://b.example"]);
        assert_eq!(names(&config.disabled), ["https://a.example", "https://c.example"]);
    }

    #[test]
    fn a_variable_never_shows_in_a_name_or_debug_text() {
        let config =
            taken("sites: [{ url: 'https://a.example/${TOKEN}', headers: { X: '${TOKEN}' }, body: '${TOKEN}' }]");
        let site = &config.sites[0].site;
        assert_eq!((&*site.name, site.url.expose().path()), ("https://a.example/***", "/s3cret"));
        assert_eq!(site.body.as_ref().map(crate::model::Secret::expose), Some("s3cret"));
        assert!(!format!("{:?} {:?}", site.headers, site.body).contains("s3cret"));
    }

    #[test]
    fn ten_thousand_sites_through_one_anchor_load() {
        let mut text = "x-fast: &fast { interval: 5s, timeout: 2s, headers: { A: b } }\nsites:\n".to_owned();
        for i in 0..10_000 {
            writeln!(text, "  - {{ <<: *fast, name: site-{i}, url: 'https://s{i}.example/health' }}").unwrap();
        }
        let config = taken(&text);
        assert_eq!(config.sites.len(), 10_000);
        assert!(config.sites.iter().all(|configured| configured.site.interval.as_secs() == 5));
        assert_eq!(&*config.sites[9_999].site.name, "site-9999");
    }

    #[test]
    fn missing_unreadable_and_invalid_files_differ() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sites.yaml");
        assert!(matches!(load(&path, &env), Err(ConfigError::Missing { .. })));
        assert!(matches!(load(dir.path(), &env), Err(ConfigError::Unreadable { .. })));

        std::fs::write(&path, b"sites:\n  - https://a\xff.example\n").unwrap();
        let error = load(&path, &env).unwrap_err();
        let ConfigError::Invalid { report, faults, first, .. } = &error else { panic!("{error}") };
        assert_eq!((*faults, first.as_str()), (1, "2:14 this is not UTF-8"));
        assert!(report.contains("sites.yaml:2:14\n"), "{report}");

        std::fs::write(&path, vec![b' '; FILE_MAX + 1]).unwrap();
        assert!(load(&path, &env).unwrap_err().to_string().contains("longer than 64 MiB"));
    }

    #[test]
    fn paths_start_at_the_folder_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sites.yaml");
        std::fs::write(dir.path().join("token"), "from a file\n").unwrap();
        std::fs::write(
            &path,
            "sites: [{ url: https://a.example, body: '${file:token}' }]\nstorage: { path: sub/w.redb }",
        )
        .unwrap();
        let config = load(&path, &env).unwrap();
        assert_eq!(config.sites[0].site.body.as_ref().map(crate::model::Secret::expose), Some("from a file"));
        assert_eq!(config.storage.map(|storage| storage.path), Some(dir.path().join("sub/w.redb")));
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_in_an_exposed_file_is_a_warning() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sites.yaml");
        let text = "sites:\n  - { url: https://a.example, headers: { Authorization: Bearer abc, X: '${TOKEN}' } }\n  \
                    - { url: 'https://b:c@b.example', headers: { Accept: x } }\n";
        std::fs::write(&path, text).unwrap();
        for (mode, warned) in [(0o644, 2), (0o640, 2), (0o600, 0)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let warnings = load(&path, &env).unwrap().warnings;
            assert_eq!(warnings.len(), warned, "{mode:o}: {warnings:?}");
            assert!(warnings.iter().all(|warning| !warning.contains("abc") && warning.contains("chmod 600")));
        }
    }

    #[test]
    fn an_ignored_proxy_is_a_warning() {
        let env = |name: &str| (name == "HTTPS_PROXY").then(|| "http://proxy:3128".to_owned());
        let config = parse("sites: [https://a.example]", "sites.yaml", Path::new(""), &env).unwrap();
        assert_eq!(config.warnings, ["HTTPS_PROXY is set; webmon connects directly, unless a site has `proxy: env`"]);
        let config =
            parse("sites: [{ url: 'https://a.example', proxy: env }]", "sites.yaml", Path::new(""), &env).unwrap();
        assert_eq!(config.warnings, Vec::<String>::new());
    }

    #[test]
    fn the_way_to_a_site_is_inherited_and_part_of_what_it_is_and_its_secrets_are_hidden() {
        let text = "
            defaults: { proxy: 'http://ada:hunter2@p.example:3128' }
            sites:
              - { name: a, url: 'https://a.example' }
              - { name: b, url: 'https://a.example', proxy: none }
              - { name: c, url: 'https://a.example', proxy: '${PROXY}' }
              - { name: d, url: 'https://a.example', proxy: 'socks5://ada:${PW}@p.example' }
              - { name: e, url: 'https://a.example', proxy: none, connect_to: '${LB}' }
              - { name: f, url: 'https://a.example', proxy: none, tls: { server_name: 'Bücher.example' } }
        ";
        let env = |name: &str| match name {
            "PROXY" => Some("http://secret-host.example".to_owned()),
            "PW" => Some("hunter22".to_owned()),
            "LB" => Some("secret-lb.example".to_owned()),
            _ => None,
        };
        let config = parse(text, "sites.yaml", Path::new(""), &env).unwrap_or_else(|error| panic!("{error}"));
        let sites: Vec<_> = config.sites.iter().map(|watched| &watched.site).collect();
        let called = |at: usize| sites[at].proxy.for_url(sites[at].url.expose()).map(|proxy| proxy.shown.to_string());
        let proxies = [0, 1, 2, 3].map(called);
        let shown = ["the proxy p.example:3128", "", "the proxy", "the proxy p.example:1080"];
        assert_eq!(proxies.map(Option::unwrap_or_default), shown);
        for (at, secret) in [(0, "hunter2"), (3, "hunter22"), (4, "secret-lb.example")] {
            assert!(sites[at].secrets.iter().any(|known| known == secret), "{at}");
            assert!(!curl::line(sites[at]).contains(secret), "{at}");
        }
        assert!(!curl::line(sites[2]).contains("secret-host"));
        assert_eq!(sites[5].tls.server_name.as_deref(), Some("xn--bcher-kva.example"));
        for (at, site) in sites.iter().enumerate() {
            let same: Vec<usize> = (0..sites.len())
                .filter(|&other| Site { name: site.name.clone(), ..Site::clone(sites[other]) }.is_same(site))
                .collect();
            assert_eq!(same, [at], "only {at} is reached so");
        }
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_can_be_checked_without_variables() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sites.yaml");
        let text = "sites: [{ url: https://a.example, interval: '${I}', headers: { A: '${B}' } }, 'https://${HOST}']";
        std::fs::write(&path, text).unwrap();
        let config = load_without_env(&path).unwrap();
        assert_eq!((config.sites.len(), config.sites[0].site.interval.as_secs()), (2, 10));

        std::fs::write(&path, text.replace("headers", "haeders").replace("${I}", "${I")).unwrap();
        let ConfigError::Invalid { faults, .. } = load_without_env(&path).unwrap_err() else { panic!("invalid") };
        assert_eq!(faults, 2);
    }

    #[test]
    fn typed_urls_need_no_file() {
        let urls = ["https://a.example", "b.example/x", "https://a.example", "127.0.0.1:80"].map(str::to_owned);
        let config = ad_hoc(&urls, &TypedSettings::default()).unwrap();
        let names: Vec<&str> = config.sites.iter().map(|configured| &*configured.site.name).collect();
        assert_eq!(names, ["https://a.example", "b.example/x", "127.0.0.1:80"]);
        assert_eq!((config.storage, config.views), (None, default_views()));

        let wrong = ["https://a.example".to_owned(), "ftp://u:hunter2@x".to_owned()];
        let error = ad_hoc(&wrong, &TypedSettings::default()).unwrap_err().to_string();
        assert_eq!(error, "error: ftp://***@x: the scheme ftp is not supported; use http, https, ws, wss, tcp or tls");
        assert!(ad_hoc(&[], &TypedSettings::default()).is_err());
    }

    #[test]
    fn the_shipped_file_is_valid_and_has_the_default_views() {
        let text = include_str!("../../sites.yaml");
        let config = taken(text);
        assert_eq!((config.sites.len(), config.warnings.len()), (5, 0), "{:?}", config.warnings);
        assert_eq!(config.views, default_views());
        assert!(config.sites.iter().all(|configured| duration::format(configured.site.interval) == "10s"));
    }
}
