//! How one page refers to another: in the listener, in a folder of files, within one file.

use aws_lc_rs::digest::{SHA256, digest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a path keeps as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Paths of the listener.
    Served,
    /// Files beside each other: `index.html` and `site/SLUG.html`.
    Files,
    /// One file.
    Within,
}

impl Links {
    /// Where the page of the site `name` is, seen from the status page.
    #[must_use]
    pub fn site(self, name: &str) -> String {
        match self {
            Self::Served => format!("/site/{}", utf8_percent_encode(name, KEPT)),
            Self::Files => format!("site/{}.html", slug(name)),
            Self::Within => format!("#{}", anchor(name)),
        }
    }

    /// Where the status page is, seen from that of a site.
    #[must_use]
    pub const fn all(self) -> &'static str {
        match self {
            Self::Served => "/",
            Self::Files => "../index.html",
            Self::Within => "#top",
        }
    }
}

/// The `id` of the site `name` in a page of all sites. No other `id` begins as these do, and a slug that is not the name itself has
/// a second `-`, with which none begins that is: so they differ, up to a collision of 32 bits.
#[must_use]
pub fn anchor(name: &str) -> String {
    let slug = slug(name);
    if slug == name { format!("site-{slug}") } else { format!("site--{slug}") }
}

/// A name for files: lower-case ASCII, digits and `-`, with 8 hexadecimal digits of a hash where that is not the
/// name itself. Different names have different slugs, up to a collision of 32 bits, unless one is written to be the slug of another.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.truncate(60);
    let slug = slug.trim_end_matches('-').to_owned();
    if slug == name {
        return slug;
    }
    let hash = digest(&SHA256, name.as_bytes());
    let digits = hash.as_ref().iter().take(4).fold(0_u32, |digits, byte| digits << 8 | u32::from(*byte));
    let digits = format!("{digits:08x}");
    if slug.is_empty() { digits } else { format!("{slug}-{digits}") }
}
