//! The commands that order something of the monitor of a store: `ack` and `silence`.
//!
//! They read the store beside the monitor and change nothing in it; what they want is a file in the folder of orders.

pub(crate) mod ack;
pub(crate) mod silence;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::alert::incident::list::IncidentList;
use crate::alert::incident::order::{OrderedBy, TEXT_MAX, UserOrder};
use crate::app::cli::args::CommonArgs;
use crate::app::cli::selection::unknown_site;
use crate::app::cli::stdout::print_text;
use crate::app::cli::zone;
use crate::app::clock;
use crate::app::commands::history::stored_period::{configuration, store_path};
use crate::app::exit::{CommandError, complain};
use crate::app::orders::client::{Fate, PATIENCE, login_name, send};
use crate::app::orders::file_format::Answer;
use crate::app::orders::folder::OrderFolder;
use crate::config::Config;
use crate::model::text::{clean_line, shown_path};
use crate::model::time::duration;
use crate::model::{OWN_NAME, Timestamp};
use crate::store::Archive;

/// The store that a command is about, and what is known of it.
struct OrderDesk {
    /// The store, without links.
    store: PathBuf,
    list: IncidentList,
    config: Option<Config>,
    /// The sites of the file and of the store.
    names: Vec<Arc<str>>,
    zone: TimeZone,
    now: Timestamp,
}

impl OrderDesk {
    fn open(common: &CommonArgs) -> Result<Self, CommandError> {
        let (zone, now) = (zone::local_or_complain(), clock::wall());
        let config = configuration(common)?;
        let archive = Archive::open(&store_path(common, config.as_ref()))?;
        let (incidents, silences) = archive.standing()?;
        let listed = config.iter().flat_map(|config| config.sites.iter().chain(&config.disabled));
        let mut names: Vec<Arc<str>> = listed.map(|watched| Arc::clone(&watched.site.name)).collect();
        names.extend(archive.sites()?.into_iter().map(|site| site.name));
        let list = IncidentList::new(&incidents, &silences);
        Ok(Self { store: archive.path().to_owned(), list, config, names, zone, now })
    }

    fn is_site(&self, word: &str) -> bool {
        word == OWN_NAME || self.names.iter().any(|name| **name == *word)
    }

    fn unknown(&self, word: &str) -> CommandError {
        unknown_site(word, &self.store, self.names.iter().map(|name| &**name))
    }

    /// Whether a monitor may be writing the store.
    fn has_monitor(&self) -> bool {
        Archive::has_writer(&self.store) != Some(false)
    }

    /// Gives `order`, and prints what became of it: `say` puts the answer in words.
    fn give(
        &self,
        order: &UserOrder,
        text: Option<&str>,
        say: impl FnOnce(&Answer) -> Vec<String>,
    ) -> Result<(), CommandError> {
        let text = clean_line(text.unwrap_or_default(), TEXT_MAX);
        let ordered = OrderedBy { by: login_name(), at: self.now, text };
        let (store, folder) = (shown_path(&self.store), shown_path(OrderFolder::of(&self.store).path()));
        match send(&self.store, order, &ordered)? {
            Fate::Answered(Answer { refused: Some(reason), .. }) => {
                Err(CommandError::Usage(clean_line(&reason, 2 * TEXT_MAX)))
            }
            Fate::Answered(answer) => {
                if !answer.is_saved {
                    complain("warning: the monitor cannot save now: it obeys, and keeps the order until it can");
                }
                let lines = say(&answer);
                print_text(|out| {
                    use std::io::Write as _;
                    lines.iter().try_for_each(|line| writeln!(out, "{}", clean_line(line, 4 * TEXT_MAX)))
                })
            }
            Fate::Waits => {
                let line = format!("no monitor writes {store} now: the order waits in {folder} for its next start");
                print_text(|out| {
                    use std::io::Write as _;
                    writeln!(out, "{line}")
                })
            }
            Fate::Unanswered => Err(CommandError::StoreFault(format!(
                "the monitor of {store} did not take the order within {}: it waits in {folder} until one does; \
                 remove its file to take it back",
                duration::format(PATIENCE)
            ))),
        }
    }
}
