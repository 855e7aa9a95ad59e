//! The frame of every page: head, style, favicon, footer. And the page of an error.
//!
//! Invariants: a page loads nothing; its one style has the hash [`style_hash`], the only one that the policy of the browser allows.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::Frame;
use super::words;

/// The style of all pages.
pub(super) const STYLE: &str = include_str!("style.css");

/// `sha256-…` of the style, for `style-src`.
#[must_use]
pub fn style_hash() -> &'static str {
    static HASH: LazyLock<String> =
        LazyLock::new(|| format!("sha256-{}", STANDARD.encode(digest(&SHA256, STYLE.as_bytes()))));
    &HASH
}

/// What a page says at a glance: its colour and shape are also those of its favicon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    Good,
    Mixed,
    Bad,
    Unknown,
}

impl Glance {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "up",
            Self::Mixed => "deg",
            Self::Bad => "down",
            Self::Unknown => "unk",
        }
    }

    /// A circle, a triangle up, a triangle down, a ring.
    const fn icon(self) -> &'static str {
        match self {
            Self::Good => "%3Ccircle cx='8' cy='8' r='7' fill='%231a7f37'/%3E",
            Self::Mixed => "%3Cpath d='M8 1l7 14H1z' fill='%23bf8700'/%3E",
            Self::Bad => "%3Cpath d='M8 15l7-14H1z' fill='%23cf222e'/%3E",
            Self::Unknown => "%3Ccircle cx='8' cy='8' r='5.5' fill='none' stroke='%236e7781' stroke-width='3'/%3E",
        }
    }
}

/// A whole page.
pub(super) fn document(title: &str, glance: Glance, body: &Markup) -> String {
    let icon = format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E{}%3C/svg%3E",
        glance.icon()
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (title) }
                link rel="icon" href=(icon);
                style { (PreEscaped(STYLE)) }
            }
            body id="top" { (body) }
        }
    };
    page.into_string()
}

/// What stands below a page.
pub(super) fn footer(frame: &Frame) -> Markup {
    html! {
        footer {
            p class="m" {
                "Time without checks is neither up nor down; ~ marks figures with less than 95 % of the time watched. "
                "Response times are of successful and of slow checks. As of " (words::at(frame, frame.as_of)) ", times in "
                (words::zone(frame)) ". Made by webmon " (frame.version) "."
            }
        }
    }
}

/// The page of an error.
#[must_use]
pub fn error(status: u16, words: &str, reason: &str) -> String {
    let title = format!("{status} {words}");
    let body = html! {
        main {
            h1 { (title) }
            p { (words::foreign(reason)) }
            p { a href="/" { "All sites" } }
        }
    };
    document(&title, Glance::Unknown, &body)
}
