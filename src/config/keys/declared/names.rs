//! The keys under `dns` and `domain` of a site.

use super::{DeclaredKey, ValueForm, key};

/// Records of one type that can be expected.
const RECORDS_MAX: usize = 20;
const RECORDS: ValueForm = ValueForm::Records(RECORDS_MAX);

/// What the DNS must answer for the host of a site's URL; one key for each type of records.
pub(super) static RECORDS_OF_NAME: &[DeclaredKey] = &[
    key("a", RECORDS, "its IPv4 addresses: all of them, in any order; or present, absent, { contains: ADDRESS }")
        .such_as("[192.0.2.10, 192.0.2.11]"),
    key("aaaa", RECORDS, "its IPv6 addresses").such_as("\"2001:db8::10\""),
    key("cname", RECORDS, "the name that it is an alias of").such_as("shop.cdn.example"),
    key("mx", RECORDS, "its mail servers, each with or without its preference").such_as("10 mail.example.com"),
    key("ns", RECORDS, "the name servers of its zone").such_as("[ns1.example.net, ns2.example.net]"),
    key("txt", RECORDS, "its texts; { contains: TEXT } is a part of one").such_as("{ contains: v=spf1 }"),
    key("caa", RECORDS, "who may issue certificates for it; by its own records, or those of the nearest parent")
        .such_as("{ contains: letsencrypt.org }"),
];

/// How the domain of a site is watched.
pub(super) static DOMAIN_FORM: ValueForm = ValueForm::Section(&[
    key("warn_days", ValueForm::Whole(0..=3_650), "warn this many days before the registration ends").or("30"),
    key("bootstrap", ValueForm::Url, "the list of registries to use instead of IANA's, for closed networks")
        .such_as("https://rdap.example.com/dns.json"),
]);
