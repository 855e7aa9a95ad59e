//! Connects the export thread to the store task: progress to the one writer, the request to finish to the export.
//!
//! Invariants: the store task waits for the export only at the end, for at most [`LAST_FLUSH`]; a panic of the export resumes in
//! the store task. Bounds: progress that the writer has not taken is merged, so the queue is short.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::model::{ExportHealth, ExportTarget};
use crate::store::{Intake, Progress};

/// How long a clean exit waits for the rest of the export, at most.
pub const LAST_FLUSH: Duration = Duration::from_millis(1_500);

const QUEUE: usize = 8;

/// The group of each site that has one, by the name of the site.
pub type Groups = HashMap<Arc<str>, Arc<str>>;

/// The part of the configuration that a reload changes for a running export.
#[derive(Clone, Debug, Default)]
pub struct ExportUpdate {
    /// The groups of sites.
    pub groups: Groups,
    /// The section of the file; `None` if the target came from the command line.
    pub section: Option<ExportTarget>,
}

impl ExportUpdate {
    /// The terms of `config`.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut terms = Self { groups: Groups::new(), section: config.export.clone() };
        regroup(&mut terms.groups, config);
        terms
    }

    /// Takes over the groups of `config`, and its credentials if they are for the same target. Returns whether anything
    /// changed.
    pub fn follow(&mut self, config: &Config) -> bool {
        let before = self.groups.clone();
        regroup(&mut self.groups, config);
        let mut is_changed = self.groups != before;
        if let (Some(section), Some(other)) = (&mut self.section, &config.export)
            && other.is_same_but_credentials(section)
            && other.authorization != section.authorization
        {
            section.authorization.clone_from(&other.authorization);
            is_changed = true;
        }
        is_changed
    }
}

/// Takes over the groups of `config`. A site that is not in it keeps its group for its samples that are not exported yet.
fn regroup(groups: &mut Groups, config: &Config) {
    for watched in config.sites.iter().chain(&config.disabled) {
        let name = &watched.site.name;
        match &watched.group {
            Some(group) => groups.insert(Arc::clone(name), Arc::clone(group)),
            None => groups.remove(name),
        };
    }
}

/// The end of the store task.
pub struct ExportHandle {
    /// How the export gets on.
    pub health: watch::Receiver<ExportHealth>,
    /// Where its terms are changed.
    pub terms: watch::Sender<ExportUpdate>,
    progress: mpsc::Receiver<Progress>,
    finish: CancellationToken,
    ended: oneshot::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// The end of the export thread.
pub struct ExportContext {
    /// Where its health is read.
    pub health: watch::Sender<ExportHealth>,
    /// Its terms from now on.
    pub terms: watch::Receiver<ExportUpdate>,
    /// Cancelled once everything is committed.
    pub finish: CancellationToken,
    progress: mpsc::Sender<Progress>,
    /// Progress that did not fit the queue.
    unsaved: Option<Progress>,
    _ended: oneshot::Sender<()>,
}

impl ExportHandle {
    /// Creates the two ends of an export with this initial health and these terms.
    #[must_use]
    pub fn open(health: ExportHealth, terms: ExportUpdate) -> (Self, ExportContext) {
        let (health, read) = watch::channel(health);
        let (to_terms, terms) = watch::channel(terms);
        let (sender, progress) = mpsc::channel(QUEUE);
        let (alive, ended) = oneshot::channel();
        let finish = CancellationToken::new();
        let inlet =
            ExportContext { health, terms, finish: finish.clone(), progress: sender, unsaved: None, _ended: alive };
        (Self { health: read, terms: to_terms, progress, finish, ended, thread: None }, inlet)
    }

    /// Adds the thread of the export.
    #[must_use]
    pub fn on(mut self, thread: JoinHandle<()>) -> Self {
        self.thread = Some(thread);
        self
    }

    /// Passes progress to the writer's intake.
    pub fn hand_over(&mut self, intake: &mut Intake) {
        while let Ok(progress) = self.progress.try_recv() {
            intake.note_progress(progress);
        }
    }

    /// Waits until the export ends; before [`ExportHandle::finish`] only a panic ends it.
    pub async fn ended(&mut self) {
        // Its end is dropped, never used.
        drop((&mut self.ended).await);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }

    /// Lets the export send committed samples for at most [`LAST_FLUSH`].
    pub async fn finish(&mut self) {
        self.finish.cancel();
        // The next run sends the rest.
        drop(tokio::time::timeout(LAST_FLUSH, self.ended()).await);
    }
}

impl ExportContext {
    /// Sends the progress, merged with earlier progress that did not fit the queue.
    pub fn save(&mut self, progress: Progress) {
        match &mut self.unsaved {
            Some(unsaved) => unsaved.update(progress),
            None => self.unsaved = Some(progress),
        }
        let Some(unsaved) = self.unsaved.take() else { return };
        if let Err(mpsc::error::TrySendError::Full(back)) = self.progress.try_send(unsaved) {
            self.unsaved = Some(back);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A token that is meant for another server never goes to this one.
    #[test]
    fn credentials_follow_the_file_only_where_the_place_is_the_same() {
        let config = |influx: &str| {
            let text = format!("sites: ['http://a']\nexport: {{ influx: {{ {influx} }} }}");
            crate::config::parse(&text, "sites.yaml", Path::new(""), &|_| None).unwrap()
        };
        let mut terms = ExportUpdate::of(&config("url: 'http://h', token: one"));
        let token =
            |terms: &ExportUpdate| terms.section.as_ref().unwrap().authorization.as_ref().unwrap().expose().to_owned();
        for (influx, expect) in [
            ("url: 'http://h', token: one", "Token one"),
            ("url: 'http://h', token: two", "Token two"),
            ("url: 'http://other', token: three", "Token two"),
            ("url: 'http://other', token: four", "Token two"),
            ("url: 'http://h', bucket: b, token: five", "Token two"),
            ("url: 'http://h', token: six", "Token six"),
        ] {
            let is_other = token(&terms) != expect;
            assert_eq!(terms.follow(&config(influx)), is_other, "{influx}");
            assert_eq!(token(&terms), expect, "{influx}");
        }
    }

    #[test]
    fn groups_follow_the_configuration_and_stay_with_whoever_left_it() {
        let mut groups = Groups::new();
        for (sites, expect) in [
            ("{ url: 'http://a', group: x }, { url: 'http://b', group: y, enabled: false }, 'http://c'", "a=x b=y"),
            ("{ url: 'http://a', group: z }, 'http://b', { url: 'http://c', group: x }", "a=z c=x"),
            ("'http://b', 'http://c'", "a=z"),
        ] {
            let text = format!("sites: [{sites}]");
            let config = crate::config::parse(&text, "sites.yaml", Path::new(""), &|_| None).unwrap();
            regroup(&mut groups, &config);
            let mut shown: Vec<String> = groups
                .iter()
                .map(|(name, group)| format!("{}={group}", name.trim_start_matches("http://").trim_end_matches('/')))
                .collect();
            shown.sort();
            assert_eq!(shown.join(" "), expect, "{sites}");
        }
    }
}
