//! Puts a report where it belongs: a file, or a folder of files.
//!
//! Invariants: a report is written beside its place and then put there, so a reader, and a crash, finds the old one or the new one
//! whole. A folder with files of others is never replaced. Where the place is a link, the report goes to what it points at, and the
//! link stays.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The folder in which `path` is.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where `place` is: what it points at, if it is a link.
fn resolved(place: &Path) -> io::Result<PathBuf> {
    // Without a final slash, which would hide that it is a link.
    let place: PathBuf = place.components().collect();
    if !fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink()) {
        return Ok(place);
    }
    fs::canonicalize(&place).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "it is a link to a place that does not exist"),
        _ => error,
    })
}

/// Writes `bytes` to `path`, in place of an earlier file.
///
/// # Errors
/// The system's; an earlier file stays.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let path = resolved(path)?;
    let mut file =
        tempfile::Builder::new().prefix(".webmon-report-").permissions(readable()).tempfile_in(parent(&path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// A report is for others.
fn readable() -> fs::Permissions {
    #[cfg(unix)]
    {
        std::os::unix::fs::PermissionsExt::from_mode(0o644)
    }
    #[cfg(not(unix))]
    fs::metadata(".").map(|folder| folder.permissions()).expect("there is a current folder")
}

/// A folder that is being written beside the place where it belongs.
pub struct Fresh {
    folder: TempDir,
    place: PathBuf,
}

impl Fresh {
    /// An empty folder that belongs at `place`, instead of an earlier report.
    ///
    /// # Errors
    /// The system's, and [`io::ErrorKind::AlreadyExists`] if other files are at `place`.
    pub fn beside(place: &Path) -> io::Result<Self> {
        let place = resolved(place)?;
        let is_report = place.join("summary.json").is_file() && place.join("index.html").is_file();
        let is_empty = || fs::read_dir(&place).is_ok_and(|mut entries| entries.next().is_none());
        if place.exists() && !is_report && !is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there are other files in it; choose a folder that is new, empty, or an earlier report",
            ));
        }
        let folder = tempfile::Builder::new().prefix(".webmon-report-").tempdir_in(parent(&place))?;
        Ok(Self { folder, place })
    }

    /// Adds the file `name`, with its folders.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&self, name: impl AsRef<Path>, text: &str) -> io::Result<()> {
        let file = self.folder.path().join(name);
        fs::create_dir_all(parent(&file))?;
        fs::write(&file, text)
    }

    /// Puts it where it belongs.
    ///
    /// # Errors
    /// The system's; an earlier report stays.
    pub fn put(self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755))?;
        }
        put(self.folder, &self.place)
    }
}

/// Puts `fresh` at `path`. Linux swaps them in one step; elsewhere a crash between two steps leaves the old one beside its place.
/// Removes the folder unless it was put in its place.
fn put(fresh: TempDir, path: &Path) -> io::Result<()> {
    if !path.exists() {
        fs::rename(fresh.path(), path)?;
        let _moved = fresh.keep();
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, fresh.path(), CWD, path, RenameFlags::EXCHANGE).is_ok() {
            // What is dropped here is the old one.
            return Ok(());
        }
    }
    let old = tempfile::Builder::new().prefix(".webmon-report-old-").tempdir_in(parent(path))?;
    let aside = old.path().join("report");
    fs::rename(path, &aside)?;
    if let Err(error) = fs::rename(fresh.path(), path) {
        // Better the old one than none, and better beside its place than gone.
        if fs::rename(&aside, path).is_err() {
            let _left = old.keep();
        }
        return Err(error);
    }
    let _moved = fresh.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(out: &Path, text: &str) -> io::Result<()> {
        let fresh = Fresh::beside(out)?;
        fresh.add("index.html", text)?;
        fresh.add("summary.json", "{}")?;
        fresh.put()
    }

    /// Of a folder, in order.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_the_report_is_where_it_points() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        fs::create_dir(at("www")).unwrap();
        fs::create_dir(at("real")).unwrap();
        link("../real", "www/pub");
        for (out, text) in [("www/pub", "one"), ("www/pub/", "two")] {
            write(&at(out), text).unwrap();
            assert_eq!(fs::read_to_string(at("real/index.html")).unwrap(), text);
            assert_eq!(fs::read_link(at("www/pub")).unwrap(), Path::new("../real"));
        }
        fs::write(at("real.html"), "old").unwrap();
        link("../real.html", "www/pub.html");
        write_file(&at("www/pub.html"), b"three").unwrap();
        assert_eq!(fs::read_to_string(at("real.html")).unwrap(), "three");
        assert_eq!(fs::read_link(at("www/pub.html")).unwrap(), Path::new("../real.html"));
        assert_eq!((names(&at("www")), names(place.path())), {
            let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            (names(&["pub", "pub.html"]), names(&["real", "real.html", "www"]))
        });
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nowhere_is_refused_and_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("pub");
        std::os::unix::fs::symlink("nowhere", &out).unwrap();
        for slash in ["", "/"] {
            let refused = write(&place.path().join(format!("pub{slash}")), "one").unwrap_err().to_string();
            assert_eq!(refused, "it is a link to a place that does not exist");
        }
        assert!(write_file(&out, b"one").unwrap_err().to_string().contains("does not exist"));
        assert_eq!(names(place.path()), ["pub"]);
        // Nor does one whose place becomes such a link meanwhile.
        fs::remove_file(&out).unwrap();
        let fresh = Fresh::beside(&out).unwrap();
        std::os::unix::fs::symlink("nowhere", &out).unwrap();
        assert!(fresh.put().is_err());
        assert_eq!(names(place.path()), ["pub"]);
    }

    #[test]
    fn a_folder_is_replaced_whole_and_nothing_of_others() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("public");
        write(&out, "one").unwrap();
        fs::write(out.join("site.html"), "old").unwrap();
        write(&out, "two").unwrap();
        assert_eq!(fs::read_to_string(out.join("index.html")).unwrap(), "two");
        assert!(!out.join("site.html").exists());
        // One that is given up leaves the old one and nothing else.
        let fresh = Fresh::beside(&out).unwrap();
        fresh.add("site/a.html", "three").unwrap();
        drop(fresh);
        assert_eq!(fs::read_to_string(out.join("index.html")).unwrap(), "two");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
        let other = place.path().join("mine");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("thesis.txt"), "precious").unwrap();
        assert!(write(&other, "three").is_err());
        assert_eq!(fs::read_to_string(other.join("thesis.txt")).unwrap(), "precious");
    }
}
