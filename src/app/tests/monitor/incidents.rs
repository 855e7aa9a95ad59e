//! The page of an incident: what its reader finds in a store, and in the memory of a monitor.

use super::*;
use crate::alert::incident::page::{IncidentPage, IncidentRequest};
use crate::app::dashboard::incident_reader::open;
use crate::model::text::document::Section;

/// Two sites that fail from minute 5 to minute 10, and one that does not.
async fn run(store: Option<PathBuf>) -> TestRun {
    let shaky: Script = |at| {
        let is_down = (300..600).contains(&at.as_secs());
        (Duration::from_millis(5), if is_down { Cause::ConnectRefused } else { Cause::Ok })
    };
    let mut trial = TestMonitor::new(&[("api", shaky), ("cart", shaky), ("docs", steady)]);
    trial.store = store;
    trial.run(Duration::ZERO, 1_800 * SECOND).await
}

/// What a reader of `store` finds about the newest alert of `api`.
fn page(run: &TestRun, store: Option<PathBuf>) -> Arc<IncidentPage> {
    let alert = run.face.alerts.list().iter().rfind(|alert| &*alert.site == "api").cloned().unwrap();
    let request = IncidentRequest { ended: Some(alert.at), as_of: START.after(1_800 * SECOND), alert };
    let reader = open(store, run.face.clone(), TimeZone::UTC).unwrap();
    reader.request(request.clone());
    let page = loop {
        if let Some(page) = reader.read() {
            break page;
        }
        std::thread::yield_now();
    };
    assert_eq!(page.request, request);
    page
}

fn facts(page: &IncidentPage) -> Vec<(&'static str, String)> {
    page.document.sections.iter().flat_map(|section: &Section| section.facts.clone()).collect()
}

fn fact(page: &IncidentPage, wanted: &str) -> String {
    facts(page).into_iter().find(|(name, _)| *name == wanted).map(|(_, text)| text).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn the_store_and_the_memory_tell_the_same_of_an_incident() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let run = run(Some(path.clone())).await;
    let (stored, remembered) = (page(&run, Some(path)), page(&run, None));
    assert_eq!(stored.document.title, remembered.document.title);
    assert!(stored.document.title.starts_with("api was down for "), "{}", stored.document.title);
    for name in ["Incident", "Alert", "Ended", "Message", "Within", "Sites"] {
        assert_eq!(fact(&stored, name), fact(&remembered, name), "{name}");
        assert!(!fact(&stored, name).is_empty(), "{name}");
    }
    assert_eq!(fact(&stored, "Sites"), "cart (refused)");
    assert!(fact(&stored, "First failed check").ends_with("refused: scripted"), "the store has the reason");
    assert!(fact(&remembered, "First failed check").ends_with("refused"), "the memory has not");
    assert_eq!(fact(&stored, "Note"), "");
    assert!(fact(&remembered, "Note").starts_with("no store is kept"));
    let changed = fact(&stored, "What changed");
    assert!(changed.starts_with("refused instead of 200 since "), "{changed:?}");
    assert_eq!(changed, fact(&remembered, "What changed"));
    let answers = |page: &IncidentPage| {
        let section = page.document.sections.iter().find(|section| section.heading == "Answers").unwrap();
        section.table.clone().unwrap()
    };
    assert_eq!(answers(&stored), answers(&remembered));
    assert!(stored.markdown.starts_with("# api was down for ") && stored.markdown.contains("| during |"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_named_and_the_memory_told() {
    let run = run(None).await;
    let folder = tempfile::tempdir().unwrap();
    let found = page(&run, Some(folder.path().join("gone.redb")));
    assert!(fact(&found, "Note").starts_with("the store cannot be read ("), "{:?}", facts(&found));
    assert!(!fact(&found, "First failed check").is_empty());
}

/// It answers wrongly from minute 5 to minute 10 and from minute 25 on, and from minute 28 on not at all.
fn sorry(at: Duration) -> (Duration, Cause) {
    let cause = match at.as_secs() {
        300..600 | 1_500..1_680 => Cause::Body,
        1_680.. => Cause::ConnectRefused,
        _ => Cause::Ok,
    };
    (Duration::from_millis(5), cause)
}

#[tokio::test(start_paused = true)]
async fn the_first_failed_answer_of_each_incident_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let mut trial = TestMonitor::new(&[("api", sorry), ("docs", steady)]);
    trial.store = Some(path.clone());
    let run = trial.run(Duration::ZERO, 1_800 * SECOND).await;
    let archive = crate::store::Archive::open(&path).unwrap();
    let id = archive.named("api").unwrap().unwrap();
    let kept = archive.evidence(id, &(Timestamp::ZERO..=Timestamp::MAX)).unwrap();
    let seconds: Vec<&str> = kept.iter().map(|answer| &*answer.evidence.headers[0].1).collect();
    assert_eq!(seconds, ["300", "1500"], "one of each incident, the first");
    let page = page(&run, Some(path));
    let answered = page.document.sections.iter().find(|section| section.heading == Section::ANSWERED).unwrap();
    assert_eq!(answered.quoted, ["x-second: 1500", "", "<h1>sorry</h1>"]);
    assert!(page.markdown.contains("\n```\nx-second: 1500\n\n<h1>sorry</h1>\n```\n"), "{}", page.markdown);
}
