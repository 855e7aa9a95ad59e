//! Which sites a setting is about: all, some by name, or the members of groups (`group:shop`).
//!
//! Invariant: words read back as the selector that wrote them, so a site whose name is also such a word is written `site:all`.

use std::sync::Arc;

/// The prefix of a group.
pub const GROUP: &str = "group:";

/// The word for all sites.
const ALL: &str = "all";

/// The prefix of the name of a site that would be another word.
const SITE: &str = "site:";

/// A set of sites. Cost of a test: linear in its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SiteSelector {
    /// Every site.
    #[default]
    All,
    /// Sites of these names, and members of these groups.
    Some {
        /// Names.
        names: Vec<Arc<str>>,
        /// Groups.
        groups: Vec<Arc<str>>,
    },
}

impl SiteSelector {
    /// The sites that `words` select: names, `group:NAME`, or `all`.
    #[must_use]
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut names, mut groups) = (Vec::new(), Vec::new());
        for word in words {
            match word.strip_prefix(GROUP) {
                Some(group) => groups.push(Arc::from(group)),
                None if word == ALL => return Self::All,
                None => names.push(Arc::from(Self::name_in(word))),
            }
        }
        Self::Some { names, groups }
    }

    /// Whether `name` as a word is not the site of this name, but something else.
    #[must_use]
    pub fn is_other(name: &str) -> bool {
        name == ALL || name.starts_with(GROUP) || name.strip_prefix(SITE).is_some_and(Self::is_other)
    }

    /// The word for the site `name`: `api`, `site:all`.
    #[must_use]
    pub fn word_for(name: &str) -> String {
        if Self::is_other(name) { format!("{SITE}{name}") } else { name.to_owned() }
    }

    /// The name of the site that `word`, which is one for a site, stands for.
    #[must_use]
    pub fn name_in(word: &str) -> &str {
        word.strip_prefix(SITE).filter(|name| Self::is_other(name)).unwrap_or(word)
    }

    /// Whether the site of this name and group is selected.
    #[must_use]
    pub fn selects(&self, site: &str, group: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Some { names, groups } => {
                names.iter().any(|name| **name == *site)
                    || group.is_some_and(|group| groups.iter().any(|selected| **selected == *group))
            }
        }
    }

    /// Its words, as in sites.yaml.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::All => vec![ALL.to_owned()],
            Self::Some { names, groups } => {
                let groups = groups.iter().map(|group| format!("{GROUP}{group}"));
                names.iter().map(|name| Self::word_for(name)).chain(groups).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_groups_and_all_select() {
        let some = SiteSelector::of(["api", "group:shop"]);
        assert!(some.selects("api", None) && some.selects("cart", Some("shop")));
        assert!(!some.selects("blog", None) && !some.selects("shop", Some("api")));
        assert_eq!(some.words(), ["api", "group:shop"]);
        let all = SiteSelector::of(["api", "all"]);
        assert!(all.selects("blog", None) && all == SiteSelector::All);
        assert_eq!(all.words(), ["all"]);
    }

    #[test]
    fn a_site_whose_name_is_another_word_can_be_meant() {
        for (name, word) in [
            ("api", "api"),
            ("all", "site:all"),
            ("group:shop", "site:group:shop"),
            ("site:all", "site:site:all"),
            // Nothing else is meant by these.
            ("site:api", "site:api"),
            ("site:", "site:"),
            ("All", "All"),
            ("all ", "all "),
        ] {
            let one = SiteSelector::Some { names: vec![name.into()], groups: Vec::new() };
            assert_eq!(one.words(), [word]);
            assert_eq!(SiteSelector::of([word]), one);
            assert_eq!(SiteSelector::is_other(name), name != word);
            assert!(one.selects(name, None) && !one.selects("other", Some("shop")));
        }
    }
}
