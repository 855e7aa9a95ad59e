//! Which sites a setting is about: all, some by name, or the members of groups (`group:shop`).

use std::sync::Arc;

/// The prefix of a group.
pub const GROUP: &str = "group:";

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
                None if word == "all" => return Self::All,
                None => names.push(Arc::from(word)),
            }
        }
        Self::Some { names, groups }
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
            Self::All => vec!["all".to_owned()],
            Self::Some { names, groups } => {
                let groups = groups.iter().map(|group| format!("{GROUP}{group}"));
                names.iter().map(ToString::to_string).chain(groups).collect()
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
}
