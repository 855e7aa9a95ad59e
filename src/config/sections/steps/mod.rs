//! The key `steps` of a site: several requests in a row instead of one.
//!
//! A step inherits from its site what it does not write: headers by name, `expect` key by key but for `max_response_time`, which a
//! site has for all of them. What a step writes in `url`, `headers`, `body` and `form` is a template; what it inherits, and what an
//! expression puts into it, is not. Bounds: [`STEPS_MAX`] steps, 20 values of each.

pub(crate) mod request;
mod take;

use std::ops::Range;
use std::sync::Arc;

use url::Url;

use crate::config::keys::declared::{FIELDS_MAX, STEP};
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, Scalar};
use crate::config::keys::value;
use crate::config::syntax::fault::Fault;
use crate::config::syntax::quote;
use crate::config::syntax::tree::{Kind, NodeId};
use crate::model::curl::BENIGN;
use crate::model::steps::{STEPS_MAX, as_sent};
use crate::model::{Site, Step, StepBody, Template};

use super::headers;
use super::notes::Notes;
use super::url::{Address, TWO_CREDENTIALS, UNKNOWN, is_secret_field};
use request::read_request;
use take::TakenNames;

/// Longest list of names in a message.
const NAMED_MAX: usize = 8;
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// The steps of a site.
pub(crate) struct Journey {
    pub(crate) steps: Vec<Step>,
    /// The URL of the first step.
    pub(crate) first: Address,
    /// All URLs, with something in each place for a taken value, and where they stand.
    pub(crate) urls: Vec<(Url, Range<usize>)>,
    /// Sent to servers, which may send them back.
    pub(crate) secrets: Vec<String>,
}

/// The steps at `id`, over what `site` says; none after a fault that leaves a step without its URL or its name.
pub(crate) fn read(reader: &ConfigReader<'_>, id: NodeId, site: &Site, notes: &mut Notes) -> Option<Journey> {
    let items = reader.list(id)?;
    if items.is_empty() || items.len() > STEPS_MAX {
        reader.fault_at(id, format!("write 1 to {STEPS_MAX} steps; there are {}", items.len()));
        return None;
    }
    let mut steps =
        StepsReader { reader, site, notes, taken: TakenNames::default(), names: Vec::new(), secrets: Vec::new() };
    let read: Vec<Option<(Step, Place)>> =
        items.iter().enumerate().map(|(at, &item)| steps.step(item, at + 1)).collect();
    let StepsReader { taken, secrets, notes, .. } = steps;
    let read = read.into_iter().collect::<Option<Vec<_>>>()?;
    taken.warn_of_unused(notes);
    let (steps, places): (Vec<Step>, Vec<Place>) = read.into_iter().unzip();
    let urls = places.iter().map(|place| (place.address.url.clone(), place.span.clone())).collect();
    let first = places.into_iter().next().expect("there is a step").address;
    Some(Journey { steps, first, urls, secrets })
}

/// The URL of a step.
struct Place {
    address: Address,
    span: Range<usize>,
}

struct StepsReader<'r, 'a, 'n> {
    reader: &'r ConfigReader<'a>,
    site: &'r Site,
    notes: &'n mut Notes,
    taken: TakenNames,
    /// The names of the steps so far, and where each stands.
    names: Vec<(String, usize)>,
    secrets: Vec<String>,
}

impl StepsReader<'_, '_, '_> {
    fn step(&mut self, id: NodeId, number: usize) -> Option<(Step, Place)> {
        let reader = self.reader;
        if !matches!(reader.kind(id), Kind::Map(_)) {
            reader.fault_at(id, "a step is a mapping with a `url`");
            return None;
        }
        let mut keys = Keys::of(reader, id, STEP)?;
        let name = self.name(&mut keys, id, number);
        let url = keys.take("url");
        let has_method = keys.key("method").is_some();
        let mut request = self.site.clone();
        request.expect.max_response_time = None;
        read_request(&mut keys, &mut request);
        let mut headers: Vec<(String, Template)> = Vec::new();
        for (name, value) in &self.site.headers {
            headers.push((name.clone(), Template::literal(value.expose())));
        }
        let written = keys.take("headers").map(|id| self.headers(id, &mut headers)).unwrap_or_default();
        let is_written = |name: &str| written.iter().any(|written: &String| written.eq_ignore_ascii_case(name));
        let (body, form) = (keys.take("body"), keys.take("form"));
        if let (Some(_), Some(form)) = (body, form) {
            reader.fault_at(form, "a step sends either `body` or `form`; keep one of them");
        }
        let inherited = self.site.body.as_ref().map(|body| StepBody::Text(Template::literal(body.expose())));
        let body = body.map(|id| self.body(id)).or_else(|| form.map(|id| self.form(id))).unwrap_or(inherited);
        if form.is_some() {
            if !is_written("content-type") {
                headers::set(&mut headers, "Content-Type".to_owned(), Some(Template::literal(FORM_TYPE)));
            }
            if !has_method {
                "POST".clone_into(&mut request.method);
            }
        }
        let place = url.and_then(|url| self.url(url));
        if url.is_none() && !keys.is_misspelt("url") {
            reader.fault_at(id, "this step has no `url`");
        }
        let takes = keys.take("take").map(|id| self.taken.read(reader, id)).unwrap_or_default();
        keys.finish();
        let (name, (url, shown, mut place)) = (name?, place?);
        if let Some(authorization) = place.address.authorization.take() {
            if is_written("authorization") {
                reader.fault(Fault::new(place.span.clone(), TWO_CREDENTIALS));
            }
            headers::set(&mut headers, "Authorization".to_owned(), Some(Template::literal(authorization.expose())));
        }
        let mut step = Step {
            name: name.into(),
            url,
            zone: place.address.zone.as_deref().map(Into::into),
            shown: shown.into(),
            method: request.method,
            headers,
            body,
            expect: request.expect,
            max_redirects: request.max_redirects,
            redirects: request.redirects,
            redirect_body: request.redirect_body,
            max_body: request.max_body,
            takes: Vec::new(),
        };
        for take in takes {
            step.take(take.name, take.from);
        }
        Some((step, place))
    }

    fn name(&mut self, keys: &mut Keys<'_, '_>, id: NodeId, number: usize) -> Option<String> {
        let (name, span) = match keys.take("name") {
            Some(id) => (self.reader.parsed(id, value::name)?, self.reader.span(id)),
            None => (format!("step {number}"), self.reader.span(id)),
        };
        if let Some((_, first)) = self.names.iter().find(|(before, _)| *before == name) {
            let message = "another step already has this name; give each step its own";
            self.reader.fault(Fault::new(span, message).after(*first));
            return None;
        }
        self.names.push((name.clone(), span.start));
        Some(name)
    }

    /// The URL at `id`: its template, and how it is printed.
    fn url(&mut self, id: NodeId) -> Option<(Template, String, Place)> {
        let (text, template) = self.template(id)?;
        let fault = |message: String| self.reader.fault(text.fault(message));
        let (url, address) = url_template(&text, &template).map_err(fault).ok()?;
        if address.authorization.is_some() {
            self.notes.credential(&text, "the password in the URL");
        }
        self.add_secrets(address.secrets.iter());
        let masked = match &text.masked {
            // Only its expressions are masked; its braces are the same.
            Some(masked) => Template::parse(masked, &[]).ok().map(|masked| stars(&masked)),
            None => template.names().next().is_some().then(|| stars(&template)),
        };
        let shown = address.shown_as(masked.as_deref());
        Some((url, shown, Place { address, span: text.span }))
    }

    /// Replaces the `headers` that are written at `id`, and returns their names.
    fn headers(&mut self, id: NodeId, headers: &mut Vec<(String, Template)>) -> Vec<String> {
        let mut written = Vec::new();
        for (name, value) in headers::read(self.reader, id) {
            if self.reader.is_null(value) {
                headers::set(headers, name, None);
                continue;
            }
            let Some((text, template)) = self.template(value) else { continue };
            if let Err(message) = value::header_value(&template.filled(|_| "".into())) {
                self.reader.fault(text.fault(message));
            }
            if template.names().next().is_none() {
                if quote::is_sensitive(&name.to_ascii_lowercase()) {
                    self.notes.credential(&text, format!("the header {name}"));
                }
                if !BENIGN.iter().any(|benign| name.eq_ignore_ascii_case(benign)) {
                    let value = template.filled(|_| "".into());
                    self.add_secrets(value.split_once(' ').map(|(_, after)| after.to_owned()).iter());
                    self.add_secrets([&value]);
                }
            }
            headers::set(headers, name.clone(), Some(template));
            written.push(name);
        }
        written
    }

    fn body(&mut self, id: NodeId) -> Option<StepBody> {
        let (_, template) = self.template(id)?;
        if template.names().next().is_none() {
            self.add_secrets([&template.filled(|_| "".into())]);
        }
        Some(StepBody::Text(template))
    }

    /// The fields of the form at `id`.
    fn form(&mut self, id: NodeId) -> Option<StepBody> {
        let entries = self.reader.mapping(id)?;
        if entries.len() > FIELDS_MAX {
            self.reader.fault_at(id, format!("{} fields are too many; the limit is {FIELDS_MAX}", entries.len()));
            return None;
        }
        let mut fields = Vec::new();
        for entry in entries {
            let Some((text, template)) = self.template(entry.value) else { continue };
            if template.names().next().is_none() && is_secret_field(entry.name) {
                self.notes.credential(&text, format!("the field {} of a form", quote::quotable_key(entry.name)));
                self.add_secrets([&template.filled(|_| "".into())]);
            }
            fields.push((entry.name.to_owned(), template));
        }
        Some(StepBody::Form(fields))
    }

    /// The text at `id` as a template of values that earlier steps take; none after a fault.
    fn template(&mut self, id: NodeId) -> Option<(Scalar, Template)> {
        let reader = self.reader;
        // A command that reads the file without its variables still knows the steps.
        let text = reader.text(id).or_else(|| reader.unexpanded(id))?;
        let fault = |message: String| reader.fault(Fault::new(text.span.clone(), message));
        let template = Template::parse(&text.value, &text.places).map_err(fault).ok()?;
        for name in template.names() {
            if !self.taken.uses(name) {
                let known: Vec<&str> = self.taken.names().take(NAMED_MAX).collect();
                let known = if known.is_empty() { "none is".to_owned() } else { known.join(", ") };
                // It is not quoted: it may be a part of a password.
                let message = "the name in braces is not taken by an earlier step";
                fault(format!("{message} ({known}); a brace is written {{{{ or }}}}"));
                return None;
            }
        }
        self.add_secrets(text.secrets.iter());
        Some((text, template))
    }

    fn add_secrets<'s>(&mut self, secrets: impl IntoIterator<Item = &'s String>) {
        self.secrets.extend(secrets.into_iter().flat_map(|secret| as_sent(secret)));
    }
}

fn stars(template: &Template) -> String {
    template.filled(|_| "***".into())
}

/// `template` of a whole URL, without userinfo and fragment, and the URL with something in its places.
fn url_template(text: &Scalar, template: &Template) -> Result<(Template, Address), String> {
    let names: Vec<_> = template.names().cloned().collect();
    let mark = |salt: usize, name: &str| {
        let number = names.iter().position(|known| **known == *name).unwrap_or_default();
        format!("webmon{number}taken{salt}")
    };
    // Marks that do not occur in the text itself.
    let salts = 0..=text.value.len();
    let salt = salts.into_iter().find(|salt| !text.value.contains(&format!("taken{salt}")));
    let salt = salt.expect("a text has fewer such marks than bytes");
    let parsed = |salt: usize| {
        let url = template.filled(|name| mark(salt, name).into());
        match Address::parse(&url) {
            Err(_) if text.masked.is_some() && text.secrets.is_empty() => Address::parse(UNKNOWN),
            address => address,
        }
    };
    let (address, other) = (parsed(salt)?, parsed(salt + 1)?);
    let place = |address: &Address| {
        let (url, authorization) = (&address.url, &address.authorization);
        (url[..url::Position::BeforePath].to_owned(), authorization.clone(), address.zone.clone())
    };
    if place(&address) != place(&other) {
        let reason = "a server would choose where the next request goes";
        return Err(format!("a taken value cannot stand before the path of a URL: {reason}"));
    }
    let marks: Vec<_> = names.iter().map(|name| (mark(salt, name), Arc::clone(name))).collect();
    Ok((Template::marked(address.url.as_str(), &marks), address))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;
    use crate::model::{Taken, curl};

    fn site(text: &str) -> Site {
        let env = |name: &str| (name == "PW").then(|| "p{csrf}ss&w".to_owned());
        let config =
            parse(text, "sites.yaml", Path::new("/etc"), &env).unwrap_or_else(|error| panic!("{text}: {error}"));
        Site::clone(&config.sites[0].site)
    }

    /// The requests of the steps, when `csrf` is `T`.
    fn requests(site: &Site) -> Vec<String> {
        let mut taken = Taken::default();
        taken.insert("csrf".into(), "T".to_owned());
        let request = |step: &Step| {
            let site = step.site(site, &taken).unwrap();
            let headers = site.headers.iter().map(|(name, value)| format!("{name}: {}", value.expose()));
            let headers: Vec<String> = headers.collect();
            let body = site.body.as_ref().map_or("", |body| body.expose());
            format!("{} {} [{}] {body}", site.method, site.url.expose(), headers.join(", "))
        };
        site.steps.iter().map(request).collect()
    }

    #[test]
    fn a_step_has_what_it_does_not_write_from_its_site() {
        let site = site(
            "defaults: { headers: { X-D: '{d}', X-Both: d, Content-Type: text/plain }, max_redirects: 3, expect: { status: 201 } }
sites:
- name: a
  method: PUT
  body: '{b}'
  max_body: 5KiB
  expect: { max_response_time: 1s, body_contains: ok }
  headers: { X-Both: s }
  steps:
    - { url: 'http://a.example/', take: { csrf: { header: X-C } } }
    - url: http://ada:pw@a.example/{csrf}#{csrf}
      headers: { x-both: 'of {csrf}', X-D: null, X-Own: '{{}}' }
      form: { a: '${PW}', b: '{csrf}' }
      expect: { status: 303, max_response_time: 2s }
      max_redirects: 0
    - { url: 'http://a.example/', body: '{{{csrf}}}', method: GET, headers: { Content-Type: a/b } }
    - { url: 'http://a.example/', form: {}, method: GET, headers: { Content-Type: a/b } }",
        );
        assert_eq!(
            requests(&site),
            [
                "PUT http://a.example/ [X-D: {d}, Content-Type: text/plain, X-Both: s] {b}",
                "POST http://a.example/T [x-both: of T, X-Own: {}, Content-Type: application/x-www-form-urlencoded, \
                 Authorization: Basic YWRhOnB3] a=p%7Bcsrf%7Dss%26w&b=T",
                "GET http://a.example/ [X-D: {d}, X-Both: s, Content-Type: a/b] {T}",
                "GET http://a.example/ [X-D: {d}, X-Both: s, Content-Type: a/b] ",
            ]
        );
        let [first, second, ..] = &*site.steps else { unreachable!("there are four") };
        assert_eq!((first.max_redirects, second.max_redirects, first.max_body), (3, 0, 5 << 10));
        assert_eq!((first.expect.status.to_string(), second.expect.status.to_string()), ("201".into(), "303".into()));
        assert!(first.expect.max_response_time.is_none() && second.expect.max_response_time.is_some());
        assert_eq!((first.expect.body.contains.len(), second.expect.body.contains.len()), (1, 1));
        assert!(site.expect.max_response_time.is_some());
        assert_eq!((&*second.name, &*second.shown), ("step 2", "http://a.example/***"));
        for secret in ["p{csrf}ss&w", "p%7Bcsrf%7Dss%26w"] {
            assert_eq!(site.secrets.hidden_in(secret), "***");
        }
    }

    #[test]
    fn the_first_step_is_what_a_site_shows() {
        let site = site(
            "sites: [{ timeout: 3s, steps: [{ url: 'http://a.example/{{in}}?k=v', form: { a: b }, redirects: none }, { url: 'http://b.example/' }] }]",
        );
        assert_eq!(
            (&*site.name, site.url.expose().as_str()),
            ("http://a.example/%7Bin%7D?k=***", "http://a.example/%7Bin%7D?k=v")
        );
        assert_eq!(
            curl::line(&site),
            format!(
                "curl -sSi -X POST --max-time 3 -A webmon/{} -H 'Content-Type: application/x-www-form-urlencoded' \
                 --data-raw '***' 'http://a.example/%7Bin%7D?k=***'",
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    /// A reload compares sites.
    #[test]
    fn a_site_with_another_step_is_another_site() {
        let text = |step: &str| {
            format!(
                "sites: [{{ name: a, steps: [{{ url: 'http://a.example/', {step} }}, {{ url: 'http://a.example/' }}] }}]"
            )
        };
        let plain = "x-nothing: 1";
        for step in [
            "name: b",
            "method: PUT",
            "headers: { X-A: b }",
            "body: b",
            "form: { a: b }",
            "form: { a: c }",
            "expect: { status: 204 }",
            "expect: { max_response_time: 1s }",
            "max_redirects: 3",
            "redirects: none",
            "redirect_body: any",
            "max_body: 2KiB",
            "take: { a: { header: x } }",
            "take: { a: { header: y } }",
            "take: { a: { json: /x } }",
            "take: { a: { body_regex: x } }",
            "take: { b: { body_regex: x } }",
        ] {
            let (before, after) = (site(&text(plain)), site(&text(step)));
            assert!(!before.is_same(&after) && after.is_same(&site(&text(step))), "{step}");
        }
    }

    #[test]
    fn without_variables_the_steps_are_known() {
        let text = "sites: [{ name: a, steps: [{ url: 'https://${HOST}/x', take: { t: { header: x } } }, { name: b, url: 'http://b.example/${ID}/{t}', form: { p: '${PW}' } }] }]";
        let scope = crate::config::Substitutions::new(None, Path::new("/etc"));
        let config =
            crate::config::validate(text, "sites.yaml", scope, false).unwrap_or_else(|error| panic!("{error}"));
        let site = &config.sites[0].site;
        assert_eq!(site.steps.iter().map(|step| &*step.name).collect::<Vec<_>>(), ["step 1", "b"]);
        assert_eq!((&*site.steps[1].shown, config.warnings.len()), ("http://b.example/***/***", 0));
    }
}
