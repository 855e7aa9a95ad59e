//! Valid and invalid configuration files; each case is a file.
//!
//! `tests/config/valid/*.yaml` must load; the `.txt` beside it holds the warnings, if there are any. `tests/config/invalid/*.yaml`
//! must be refused with the report in the `.txt` beside it. After a change of wording, `WEBMON_BLESS=1 cargo test --test cli
//! config::` rewrites the `.txt` files; read the difference.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use webmon::config::{self, Config, ConfigError};

/// The variables that exist in every case.
fn env(name: &str) -> Option<String> {
    match name {
        "API_TOKEN" => Some("tok-VALUE-never-shown".to_owned()),
        "HOST" => Some("host-VALUE-never-shown.example".to_owned()),
        "NUMBER" => Some("VALUE-never-shown".to_owned()),
        "EMPTY" => Some(String::new()),
        "LINES" => Some("VALUE-\nnever-shown".to_owned()),
        "ENDING" => Some("VALUE-never-shown\n\n".to_owned()),
        "QUOTED" => Some("'VALUE-never-shown'".to_owned()),
        "SPACED" => Some(" VALUE-never-shown".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    config::parse(text, "sites.yaml", Path::new("/etc/webmon"), &env)
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(kind);
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the cases are part of the project")
        .map(|entry| entry.expect("a folder that opens can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        // What a program was built with decides about these.
        .filter(|path| cfg!(not(feature = "http3")) || !path.ends_with("http3.yaml"))
        // Without e-mail its outlets are a fault of their own.
        .filter(|path| cfg!(feature = "mail") || !fs::read_to_string(path).is_ok_and(|text| text.contains("email:")))
        .collect();
    cases.sort();
    assert!(cases.len() > 5, "the cases are gone");
    cases
}

/// Compares `found` with the file beside the case; no file stands for nothing found.
fn compare(case: &Path, found: &str, wrong: &mut String) {
    let path = case.with_extension("txt");
    if std::env::var_os("WEBMON_BLESS").is_some() {
        if found.is_empty() {
            drop(fs::remove_file(&path));
        } else {
            fs::write(&path, format!("{found}\n")).expect("the case's folder can be written");
        }
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if found != expected.trim_end_matches('\n') {
        writeln!(wrong, "{}\n--- expected\n{expected}\n--- found\n{found}\n", case.display())
            .expect("a String takes all");
    }
}

#[test]
fn valid_files_load_with_their_warnings() {
    let mut wrong = String::new();
    for case in cases("valid") {
        let text = fs::read_to_string(&case).expect("a case can be read");
        match parse(&text) {
            Ok(config) => compare(&case, &config.warnings.join("\n"), &mut wrong),
            Err(error) => writeln!(wrong, "{}\n{error}\n", case.display()).expect("a String takes all"),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn invalid_files_are_refused_with_every_fault_and_no_secret() {
    let mut wrong = String::new();
    for case in cases("invalid") {
        let text = fs::read_to_string(&case).expect("a case can be read");
        match parse(&text) {
            Ok(_) => writeln!(wrong, "{}: was taken", case.display()).expect("a String takes all"),
            Err(error) => {
                let report = error.to_string();
                compare(&case, &report, &mut wrong);
                for secret in ["VALUE-never-shown", "hunter2"] {
                    assert!(!report.contains(secret), "{}: shows {secret}\n{report}", case.display());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_the_documents_show_is_right() {
    let (mut files, mut parts) = (0, 0);
    for document in [include_str!("../../README.md"), include_str!("../../packaging/README.md")] {
        for block in document.split("```yaml\n").skip(1) {
            let text = block.split("```").next().expect("a split has a first part");
            if text.contains("sites:") {
                parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
                files += 1;
            } else {
                // A part of a site. Its only error is the credential file, which this machine does not have.
                let error = parse(&format!("sites:\n  - url: https://a.example\n{text}")).expect_err(text).to_string();
                assert!(
                    error.contains("cannot read the file /run/credentials/") && error.contains(": 1 error;"),
                    "{error}"
                );
                parts += 1;
            }
        }
    }
    assert_eq!((files, parts), (2, 1));
}

proptest! {
    /// A typo anywhere in a file yields a report or another configuration, never a panic, and shows no variable's value.
    #[test]
    fn no_slip_makes_it_panic_or_talk(
        from in 0.0f64..1.0, length in 0usize..40,
        slip in "[a:{}\\[\\]\"'&*<$\n\t -]{0,6}|\\$\\{[A-Z_]{0,9}\\}|.{0,6}",
    ) {
        let text = include_str!("../config/valid/contract.yaml");
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "a place")]
        let from = (from * text.len() as f64) as usize;
        let (before, after) = (&text[..from], &text[(from + length).min(text.len())..]);
        match parse(&format!("{before}{slip}{after}")) {
            Ok(config) => prop_assert!(!config.sites.is_empty()),
            Err(error) => {
                let report = error.to_string();
                prop_assert!(!report.contains("VALUE-never-shown"), "{}", report);
                prop_assert!(report.ends_with("nothing was started"), "{}", report);
                let harmful = |c: char| c != '\n' && webmon::model::text::is_harmful(c);
                prop_assert!(!report.contains(harmful), "{:?}", report);
            }
        }
    }
}
