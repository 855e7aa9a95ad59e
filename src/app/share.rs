//! What a location checks of the sites of a fleet: its share, which a hub says and which is kept beside the store.
//!
//! The folder `<store>.fleet` has `members.json`, the locations among which sites with a number of locations are shared, as a hub wrote
//! it last. Without it, or if it cannot be read, a location checks everything that does not name other locations. So a site is never left out because a
//! server is away. `sites.yaml` there has the sites that `webmon fleet push` gave, in place of those of the location's own file. What reads
//! sites.yaml again reads these again, too. Invariants: a file appears whole or not at all; the pushed sites were valid here when they came.
//! Bounds: [`PUSHED_MAX`] bytes are pushed.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::cli::selection::{Selection, settled, variable};
use crate::config::{self, Config, ConfigError, ConfiguredSite, FileStamp, Named, parts};
use crate::model::text::clean_line;
use crate::model::{DOCUMENT_MAX, Location, Members};

const MEMBERS: &str = "members.json";
const SITES: &str = "sites.yaml";

/// Longest part of a sites.yaml that is pushed, bytes.
pub const PUSHED_MAX: usize = 512 << 10;

/// Longest reason, bytes.
const REASON_MAX: usize = 400;

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
        let paths = [MEMBERS, SITES].map(|name| self.folder.join(name));
        paths.into_iter().map(|path| (path.clone(), FileStamp::of(&path))).collect()
    }

    /// The file of the pushed sites.
    #[must_use]
    pub fn sites_path(&self) -> PathBuf {
        self.folder.join(SITES)
    }

    /// Whether sites were pushed.
    #[must_use]
    pub fn has_sites(&self) -> bool {
        self.sites_path().exists()
    }

    /// Reads the configuration at `path`, with the pushed sites in place of its own, if there are any.
    ///
    /// # Errors
    /// [`ConfigError`]: the faults of the file, or of what it becomes with the pushed sites.
    pub fn load(&self, path: &Path) -> Result<Config, ConfigError> {
        let own = config::load(path, &variable)?;
        let mut pushed = String::new();
        let read =
            File::open(self.sites_path()).and_then(|file| file.take(PUSHED_MAX as u64).read_to_string(&mut pushed));
        if read.is_err() {
            return Ok(settled(own));
        }
        joined(path, &pushed).map(settled)
    }

    /// Keeps pushed sites if the configuration at `path` is valid with them.
    ///
    /// # Errors
    /// Why they are not taken, as the end of a sentence.
    pub fn keep_sites(&self, path: &Path, pushed: &[u8]) -> Result<(), String> {
        if pushed.len() > PUSHED_MAX {
            return Err(format!("they are longer than {} KiB", PUSHED_MAX >> 10));
        }
        let text = std::str::from_utf8(pushed).map_err(|_| "they are not UTF-8".to_owned())?;
        joined(path, text).map_err(|error| reason(&error))?;
        if fs::read(self.sites_path()).is_ok_and(|known| known == pushed) {
            return Ok(());
        }
        self.write(SITES, pushed).map_err(|error| format!("they cannot be kept: {error}"))
    }

    /// Goes back to the sites of the location's own file.
    ///
    /// # Errors
    /// The system's.
    pub fn drop_sites(&self) -> io::Result<()> {
        match fs::remove_file(self.sites_path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
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

/// The configuration at `path` with the sites of `pushed`.
fn joined(path: &Path, pushed: &str) -> Result<Config, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let own = fs::read_to_string(path).map_err(unreadable)?;
    let name = format!("{} with the pushed sites", path.display());
    let text = parts::with_sites(&own, pushed, &name)?;
    let base_dir = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    config::parse(&text, &name, &base_dir, &variable)
}

/// The first fault, on one line.
fn reason(error: &ConfigError) -> String {
    match error {
        ConfigError::Invalid { first, faults: 1, .. } => clean_line(first, REASON_MAX),
        ConfigError::Invalid { first, faults, .. } => {
            clean_line(&format!("{first} (and {} more)", faults - 1), REASON_MAX)
        }
        error => clean_line(&error.to_string(), REASON_MAX),
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
    fn pushed_sites_are_kept_if_they_are_valid_here() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.yaml");
        fs::write(&path, "sites: ['http://own.example']\nstorage: { path: a.redb }\n").unwrap();
        let share = Share::of(&Location::new("a").unwrap(), &folder.path().join("a.redb"));
        let names = || {
            let config = share.load(&path).unwrap();
            assert!(config.storage.unwrap().path.ends_with("a.redb"));
            config.sites.iter().map(|watched| watched.site.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(), ["http://own.example"]);
        let before = share.look();
        share.keep_sites(&path, b"sites:\n- { name: pushed, url: 'http://a.example' }\n").unwrap();
        assert!(share.has_sites() && share.look() != before);
        assert_eq!(names(), ["pushed"]);
        for (wrong, told) in [
            (&b"sites: []\n"[..], "there are no sites to watch"),
            (b"sites:\n- { name: a, url: 'http://a.example', alert: { tell: [nobody] } }\n", "nobody"),
            (b"\xff", "not UTF-8"),
            (&vec![b'#'; PUSHED_MAX + 1], "longer than 512 KiB"),
        ] {
            let reason = share.keep_sites(&path, wrong).unwrap_err();
            assert!(reason.contains(told), "{reason}");
            assert_eq!(names(), ["pushed"]);
        }
        share.drop_sites().unwrap();
        share.drop_sites().unwrap();
        assert_eq!(names(), ["http://own.example"]);
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
