//! Parts of the text of a sites.yaml: which sites there are, and all the rest. A fleet hands the first part around, and each location puts it
//! in place of its own.
//!
//! The text is cut between the keys at its left edge, so that comments, anchors and `${…}` stay as they are written. Invariant: what is
//! pushed has no other section, so no credential of an outlet or of a server is in it.

use super::ConfigError;
use super::excerpt::redact::Redactor;
use super::excerpt::source::SourceText;
use super::syntax::fault::Fault;
use super::syntax::tree::{Kind, Tree};

/// Which sites there are, and the anchors that they may use.
fn is_of_sites(key: &str) -> bool {
    matches!(key, "sites" | "defaults") || key.starts_with("x-")
}

/// The part of `text` about its sites: `sites`, `defaults`, and keys that begin with `x-`.
///
/// # Errors
/// [`ConfigError::Invalid`]: it is not YAML, or its keys do not stand at the left edge. Errors call it `file_name`.
pub fn of_sites(text: &str, file_name: &str) -> Result<String, ConfigError> {
    cut(text, file_name, is_of_sites)
}

/// `text` with the sites of `pushed` in place of its own. Errors call it `file_name`.
///
/// # Errors
/// As [`of_sites`].
pub fn with_sites(text: &str, pushed: &str, file_name: &str) -> Result<String, ConfigError> {
    let own = cut(text, file_name, |key| !matches!(key, "sites" | "defaults"))?;
    let gap = if own.is_empty() || own.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{own}{gap}{}", of_sites(pushed, file_name)?))
}

fn cut(text: &str, file_name: &str, stays: impl Fn(&str) -> bool) -> Result<String, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let refused = |fault: Fault| {
        let secrets = Redactor::of_line(text, fault.span.start);
        SourceText::new(file_name, text).report(vec![fault], &secrets)
    };
    let (tree, root) = Tree::parse(text).map_err(refused)?;
    let Some(root) = root else { return Ok(String::new()) };
    let Kind::Map(entries) = tree.kind(root) else { return Ok(text.to_owned()) };
    let starts: Vec<usize> = entries.iter().map(|(key, _)| tree.span(*key).start).collect();
    let mut kept = String::new();
    for (at, (key, _)) in entries.iter().enumerate() {
        if starts[at] > 0 && !text[..starts[at]].ends_with('\n') {
            let fault = Fault::new(tree.span(*key), "only a file whose sections stand at the left edge can be pushed");
            return Err(refused(fault.hint("write each section on a line of its own: sites:")));
        }
        let end = starts.get(at + 1).copied().unwrap_or(text.len());
        if tree.text(*key).is_some_and(&stays) {
            kept.push_str(&text[starts[at]..end]);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    const FILE: &str = "\
# A fleet.
x-fast: &fast { interval: 1s, timeout: 1s }
alerting:
  notify: { ops: { slack: 'https://hooks.example/hunter2' } }
defaults:
  timeout: 2s
# The shop.
sites:
  - { <<: *fast, name: shop, url: 'https://${HOST}/', headers: { A: '${TOKEN}' } }
  - https://b.example
fleet: { server: 'nats://127.0.0.1', user: me, password: hunter2 }
";

    #[test]
    fn what_is_pushed_has_the_sites_as_they_are_written_and_no_other_section() {
        let pushed = of_sites(FILE, "sites.yaml").unwrap();
        assert!(pushed.contains("'https://${HOST}/'") && pushed.contains("timeout: 2s") && pushed.contains("&fast"));
        assert!(!pushed.contains("hunter2") && !pushed.contains("alerting") && !pushed.contains("fleet"), "{pushed}");
        assert_eq!(of_sites(&pushed, "sites.yaml").unwrap(), pushed);
    }

    #[test]
    fn a_location_keeps_its_own_sections_and_takes_the_sites() {
        let own = "fleet: { server: 'nats://127.0.0.1', location: fra1 }\nsites: ['https://own.example']\nstorage:\n  path: a.redb";
        let env = |name: &str| Some(format!("{name}.example"));
        let read =
            |text: &str| parse(text, "sites.yaml", Path::new(""), &env).unwrap_or_else(|error| panic!("{error}"));
        let text = with_sites(own, &of_sites(FILE, "sites.yaml").unwrap(), "sites.yaml").unwrap();
        let config = read(&text);
        let names: Vec<&str> = config.sites.iter().map(|watched| &*watched.site.name).collect();
        assert_eq!(names, ["shop", "https://b.example"]);
        assert_eq!(config.fleet.unwrap().location.unwrap().name(), "fra1");
        assert!(config.storage.unwrap().path.ends_with("a.redb"));
        assert_eq!(config.sites[1].site.timeout.as_secs(), 2);
    }

    #[test]
    fn what_cannot_be_cut_is_refused_where_it_is() {
        for (text, told) in [("{ sites: ['https://a.example'] }", "sites.yaml:1:3"), ("sites: [", "sites.yaml:1:")] {
            let error = of_sites(text, "sites.yaml").unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!(of_sites("# nothing\n", "sites.yaml").unwrap(), "");
    }
}
