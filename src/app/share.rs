//! What a location checks of the sites of a fleet: its share, which a hub says and which is kept beside the store.
//!
//! The folder `<store>.fleet` has `members.json`, the locations among which sites with a number of locations are shared, as a hub wrote
//! it last. Without it, or if it cannot be read, a location checks everything that does not name other locations. So a site is never left out because a
//! server is away. Whoever reads sites.yaml again reads this again, too. Invariant: a file appears whole or not at all.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::cli::selection::Selection;
use crate::config::{ConfiguredSite, FileStamp, Named};
use crate::model::{DOCUMENT_MAX, Location, Members};

const MEMBERS: &str = "members.json";

/// See the module.
#[derive(Clone, Debug)]
pub struct Share {
    location: Location,
    folder: PathBuf,
}

impl Share {
    /// That of `location`, whose samples are in `store`.
    #[must_use]
    pub fn of(location: &Location, store: &Path) -> Self {
        let mut folder = OsString::from(store);
        folder.push(".fleet");
        Self { location: location.clone(), folder: folder.into() }
    }

    /// Its files, as they are now.
    #[must_use]
    pub fn look(&self) -> Named {
        let path = self.folder.join(MEMBERS);
        let stamp = FileStamp::of(&path);
        vec![(path, stamp)]
    }

    /// The members that a hub wrote down last, if it is known.
    #[must_use]
    pub fn members(&self) -> Option<Members> {
        let mut bytes = Vec::new();
        let file = File::open(self.folder.join(MEMBERS)).ok()?;
        file.take(DOCUMENT_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
        Members::decode(&bytes)
    }

    /// Leaves of `selection` what is checked here. Returns how many sites are checked elsewhere.
    pub fn cut(&self, selection: &mut Selection) -> usize {
        let members = self.members();
        let sites = &mut selection.config.sites;
        let is_here = |watched: &ConfiguredSite| {
            watched.locations.assignment.is_for(&self.location, &watched.site.name, members.as_ref())
        };
        let elsewhere: HashSet<Arc<str>> =
            sites.iter().filter(|site| !is_here(site)).map(|watched| Arc::clone(&watched.site.name)).collect();
        sites.retain(|watched| !elsewhere.contains(&watched.site.name));
        // An incident of a site that is checked elsewhere ends here.
        selection.all_names.retain(|name| !elsewhere.contains(name));
        elsewhere.len()
    }

    /// Keeps what a hub wrote down last. Returns whether it is new.
    ///
    /// # Errors
    /// The system's.
    pub fn keep_members(&self, members: &Members) -> io::Result<bool> {
        if self.members().is_some_and(|known| known.names() == members.names()) {
            return Ok(false);
        }
        self.write(MEMBERS, &members.encode()).map(|()| true)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match private(&mut DirBuilder::new()).create(&self.folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let temporary = self.folder.join(format!(".{name}.tmp"));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, self.folder.join(name))
        };
        write().inspect_err(|_| _ = fs::remove_file(&temporary))
    }
}

/// A folder for its owner alone.
fn private(builder: &mut DirBuilder) -> &mut DirBuilder {
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn selection() -> Selection {
        let text = "sites:\n- { name: all, url: 'http://a' }\n- { name: one, url: 'http://a', locations: 1 }\n\
                    - { name: here, url: 'http://a', locations: [fra1] }\n- { name: there, url: 'http://a', locations: [nyc1] }";
        let config = config::parse(text, "sites.yaml", Path::new(""), &|_| None).unwrap();
        let all_names = config.sites.iter().map(|watched| watched.site.name.clone()).collect();
        Selection { config, all_names, ad_hoc: false }
    }

    fn checked(share: &Share) -> (Vec<String>, Vec<String>) {
        let mut selection = selection();
        let elsewhere = share.cut(&mut selection);
        assert_eq!(selection.config.sites.len() + elsewhere, 4);
        let sites = selection.config.sites.iter().map(|watched| watched.site.name.to_string()).collect();
        (sites, selection.all_names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_location_checks_what_no_other_is_known_to_check() {
        let folder = tempfile::tempdir().unwrap();
        let [fra, nyc] = ["fra1", "nyc1"].map(|name| Location::new(name).unwrap());
        let share = Share::of(&fra, &folder.path().join("webmon.redb"));
        let everything = vec!["all".to_owned(), "one".to_owned(), "here".to_owned()];
        assert_eq!(checked(&share), (everything.clone(), everything.clone()));
        let before = share.look();
        let only_nyc = Members::new(1, vec![nyc.clone()]).unwrap();
        assert!(share.keep_members(&only_nyc).unwrap());
        assert_ne!(share.look(), before);
        let rest = vec!["all".to_owned(), "here".to_owned()];
        assert_eq!(checked(&share), (rest.clone(), rest));
        // The same members again are no change, whatever their revision.
        let before = share.look();
        assert!(!share.keep_members(&Members::new(2, vec![nyc]).unwrap()).unwrap());
        assert_eq!(share.look(), before);
        // What cannot be read is none.
        fs::write(folder.path().join("webmon.redb.fleet/members.json"), "{").unwrap();
        assert_eq!(checked(&share).0, everything);
    }
}
