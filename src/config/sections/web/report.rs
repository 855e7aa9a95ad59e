//! The section `report`: where the status page goes as files while webmon runs, how often, and what runs then.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::sections::exec::{Exec, Purpose, program};
use crate::config::sections::notes::Notes;
use crate::config::syntax::fault::Fault;
use crate::model::text::clean_line;

/// Longest path that a message quotes, bytes.
const QUOTED_MAX: usize = 120;

/// Time between reports by default.
const EVERY: Duration = Duration::from_mins(5);

const THEN: Purpose = Purpose {
    key: "then",
    path: "report.then",
    example: "[rclone, sync, public, \"s3:bucket\"]",
    loss: "so the report will not be published",
};

/// Where the status page goes as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportTerms {
    /// One file if it ends in .html, else a folder.
    pub out: PathBuf,
    /// Time between reports, 10 s to 1 day.
    pub every: Duration,
    /// The program to run after each whole report.
    pub then: Option<Arc<Exec>>,
    /// The folder of the configuration, in which it runs.
    pub folder: PathBuf,
}

/// What is under `report`, if anything is.
pub(crate) fn report(keys: &mut Keys<'_, '_>, notes: &mut Notes) -> Option<ReportTerms> {
    let reader = keys.reader();
    let ValueForm::Section(declared) = *keys.form("report") else { unreachable!("it is declared as a section") };
    let id = keys.take("report").filter(|&id| !reader.is_null(id))?;
    let mut keys = Keys::of(reader, id, declared)?;
    let is_written = keys.place("out").is_some();
    let out = keys.value("out", out);
    let (every, then) = (keys.duration("every"), program(&mut keys, &THEN, notes));
    keys.finish();
    if !is_written {
        let fault = Fault::new(reader.span(id), "this report has no `out`");
        reader.fault(fault.hint("example: report: { out: public, every: 5m }"));
    }
    let folder = reader.scope().base_dir.to_owned();
    let out = folder.join(out?);
    Some(ReportTerms { out, every: every.unwrap_or(EVERY), then: then.map(Arc::new), folder })
}

/// `text` as the path of a folder or a file that can be replaced by another.
fn out(text: &str) -> Result<PathBuf, String> {
    // `components` leaves out what is at the end and means nothing.
    let path: PathBuf = Path::new(text.trim()).components().collect();
    let is_name = !text.contains('\0') && path.file_name().is_some();
    let quoted = || clean_line(text, QUOTED_MAX);
    is_name.then_some(path).ok_or_else(|| {
        format!(
            "{:?} cannot be replaced by a report; write a folder such as public, or a file such as status.html",
            quoted()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, parse};
    use crate::model::Secret;

    fn read(report: &str) -> Result<Config, ConfigError> {
        let text = format!("sites: ['http://a']\nreport: {report}");
        parse(&text, "sites.yaml", Path::new("/etc/webmon"), &|name| (name == "B").then(|| "s3:bucket".to_owned()))
    }

    #[test]
    fn the_section_is_read_as_written() {
        let config = read("{ out: public/, every: 1m, then: [/bin/sh, -c, '${B}'] }");
        let report = config.unwrap_or_else(|error| panic!("{error}")).report.unwrap();
        assert_eq!((report.out, report.every), ("/etc/webmon/public".into(), Duration::from_mins(1)));
        assert_eq!(report.folder, Path::new("/etc/webmon"));
        let then = report.then.unwrap();
        assert_eq!(then.program, Path::new("/bin/sh"));
        assert_eq!(then.arguments.iter().map(Secret::expose).collect::<Vec<_>>(), ["-c", "s3:bucket"]);
        assert_eq!(then.secrets.hidden_in("no s3:bucket there"), "no *** there", "it may print its arguments");
        let usual = read("{ out: /srv/www/status.html }").unwrap().report.unwrap();
        assert_eq!((usual.out, usual.every, usual.then), ("/srv/www/status.html".into(), EVERY, None));
        assert!(read("").unwrap().report.is_none());
        let missing = read("{ out: public, then: [no-such-program] }").unwrap().warnings;
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert!(missing[0].contains("so the report will not be published"), "{missing:?}");
    }

    #[test]
    fn faults_say_what_to_write() {
        for (report, fault) in [
            ("{ every: 5m }", "this report has no `out`"),
            ("public", "expected a mapping"),
            ("{ out: '' }", "\"\" cannot be replaced by a report; write a folder"),
            ("{ out: .. }", "\"..\" cannot be replaced"),
            ("{ out: / }", "\"/\" cannot be replaced"),
            ("{ out: public, every: 9s }", "it must be between 10s and 1d"),
            ("{ out: public, then: rclone }", "list"),
            ("{ out: public, then: [] }", "write a program and at most 64 arguments: [rclone, sync, public"),
            ("{ out: public, evry: 5m }", "did you mean `every`?"),
        ] {
            let told = read(report).expect_err(report).to_string();
            assert!(told.contains(fault), "{report}: {told}");
        }
    }
}
