//! The keys of a step, one request of a site with several.

use super::expect::EXPECT;
use super::{DeclaredKey, ValueForm, key};

/// Most fields of a form.
pub(crate) const FIELDS_MAX: usize = 100;

/// A step; what it does not write it has from its site.
pub(crate) static STEP: &[DeclaredKey] = &[
    key("name", ValueForm::Text, "must be unique among the steps; default: step 1, step 2 …").such_as("form"),
    key("url", ValueForm::Url, "http or https; {name} is a value that an earlier step took, {{ a brace")
        .such_as("https://shop.example/login")
        .required(),
    key("method", ValueForm::Text, "default: the site's, or POST with a form").such_as("POST"),
    key("headers", ValueForm::Headers, "over those of the site; null removes one")
        .such_as("{ Authorization: \"Bearer {token}\" }"),
    key("body", ValueForm::Text, "the body of the request; each brace doubled").such_as("'{{\"ping\":true}}'"),
    key("form", ValueForm::Texts(FIELDS_MAX), "the body as fields of a form, encoded as browsers do")
        .such_as("{ user: monitor, password: \"${PASSWORD}\", csrf: \"{csrf}\" }"),
    key("expect", ValueForm::Section(EXPECT), "over what the site expects; max_response_time is for this step")
        .such_as("{ status: 303 }"),
    key("max_redirects", ValueForm::Whole(0..=31), "0: do not follow").such_as("0"),
    key("redirects", ValueForm::Choice(&["any", "same-host", "none"]), "where they may lead").such_as("none"),
    key("redirect_body", ValueForm::Choice(&["same-host", "any"]), "where a 307 or 308 may resend the body")
        .such_as("any"),
    key("max_body", ValueForm::Size(1..=1 << 30), "read at most this much").such_as("64KiB"),
    key("take", ValueForm::Takes(TAKE), "values of the answer for later steps, secret, of at most 4 KiB")
        .such_as("{ csrf: { body_regex: 'name=\"csrf\" value=\"([^\"]+)\"' }, token: { json: /access_token } }"),
];

/// Where a value is taken from: one of these.
pub(crate) static TAKE: &[DeclaredKey] = &[
    key("body_regex", ValueForm::Text, "what the group of this regular expression matches in the body, or all of it"),
    key("json", ValueForm::Text, "the text, number or boolean at this JSON Pointer or JSONPath")
        .such_as("/access_token"),
    key("header", ValueForm::Text, "the value of this header").such_as("location"),
];
