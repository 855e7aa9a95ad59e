//! The keys of `page`.

use super::{DeclaredKey, ValueForm, key};

/// Groups that come first, at most.
const GROUPS_MAX: usize = 100;

pub(crate) static PAGE: &[DeclaredKey] = &[
    key("title", ValueForm::Text, "the title of the status page").such_as("Status of example.org").or("Status"),
    key("groups", ValueForm::Names(GROUPS_MAX), "groups that come first, in this order").such_as("[shop, www]"),
    key("days", ValueForm::Whole(1..=400), "how many days each bar has").or("90"),
    key("show_url", ValueForm::Boolean, "also the URLs of the sites, secrets as ***").or("false"),
    key("show_errors", ValueForm::Boolean, "also what alerts said").or("false"),
];
