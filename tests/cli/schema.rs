//! The JSON Schema of sites.yaml agrees with the parser as far as a schema can: it accepts what the parser accepts, and
//! refuses what is malformed.
//!
//! Another YAML library and a schema validator read the files of `tests/config`, so that webmon's reader and schema do
//! not test themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

/// Well-formed files whose errors only the parser can find.
const BEYOND_A_SCHEMA: [&str; 7] =
    ["all_disabled", "duplicate_names", "http3", "listen_address", "records_of_the_system", "shapes", "variables"];

fn schema() -> Validator {
    let schema: Value = serde_json::from_str(&webmon::config::schema()).expect("the schema is JSON");
    assert!(jsonschema::meta::is_valid(&schema), "the schema is one");
    jsonschema::validator_for(&schema).expect("a schema can be compiled")
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(kind);
    let entries = fs::read_dir(folder).expect("the cases are part of the project");
    let paths = entries.map(|entry| entry.expect("a folder that opens can be read").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// The content of the file; `None` if another YAML library refuses it.
fn value(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).expect("a case can be read");
    serde_saphyr::from_str(text.trim_start_matches('\u{feff}')).ok()
}

fn faults(schema: &Validator, value: &Value) -> Vec<String> {
    schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_valid_file_fits_the_schema() {
    let schema = schema();
    let mut judged = 0;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("sites.yaml");
    for path in cases("valid").into_iter().chain([shipped]) {
        let value = value(&path).unwrap_or_else(|| panic!("{} is YAML", path.display()));
        assert_eq!(faults(&schema, &value), Vec::<String>::new(), "{}", path.display());
        judged += 1;
    }
    assert!(judged > 10, "{judged}");
}

#[test]
fn what_is_wrong_in_form_does_not_fit() {
    let schema = schema();
    let (mut taken, mut refused) = (BTreeSet::new(), 0);
    for path in cases("invalid") {
        match value(&path) {
            Some(value) if schema.is_valid(&value) => {
                taken.insert(path.file_stem().expect("a file has a name").to_string_lossy().into_owned());
            }
            Some(_) => refused += 1,
            None => {}
        }
    }
    let beyond: BTreeSet<String> = BEYOND_A_SCHEMA.map(str::to_owned).into();
    assert_eq!(taken, beyond, "only these are beyond a schema");
    assert!(refused > 12, "{refused}");
}

#[test]
fn each_slip_is_found_where_it_is() {
    let schema = schema();
    for (text, place) in [
        ("sites: [https://a.example]\nalertin: {}", ""),
        ("sites: []", "/sites"),
        ("defaults: { intervall: 10s }\nsites: [https://a.example]", "/defaults"),
        ("defaults: { interval: 10 }\nsites: [https://a.example]", "/defaults/interval"),
        ("defaults: { max_redirects: 32 }\nsites: [https://a.example]", "/defaults/max_redirects"),
        ("defaults: { expect: { status: 99 } }\nsites: [https://a.example]", "/defaults/expect/status"),
        ("dashboard: { theme: drak }\nsites: [https://a.example]", "/dashboard/theme"),
        ("dashboard: { views: [{ timeframe: 1m }] }\nsites: [https://a.example]", "/dashboard/views/0"),
        ("alerting: { threshold: 80 }\nsites: [https://a.example]", "/alerting/threshold"),
        ("sites: [{ name: a }]", "/sites/0"),
        ("sites: [ftp://a.example]", "/sites/0"),
        ("sites: [tcp://a.example]", "/sites/0"),
        ("sites: ['tls://ada@a.example:1']", "/sites/0"),
        ("sites: [{ url: 'TLS://a.example:1', method: GET }]", "/sites/0"),
        ("sites: [{ url: 'wss://a.example', http: 2 }]", "/sites/0"),
        ("sites: [{ url: 'wss://a.example', expect: { status: 101 } }]", "/sites/0"),
        ("sites: [{ url: 'ws://a.example', tls: { insecure: true } }]", "/sites/0"),
        ("sites: [{ url: 'https://a.example', send: ping }]", "/sites/0"),
    ] {
        let value: Value = serde_saphyr::from_str(text).expect("it is YAML");
        let faults = faults(&schema, &value);
        assert!(faults.len() == 1 && faults[0].starts_with(&format!("{place}: ")), "{text}: {faults:?}");
    }
}
