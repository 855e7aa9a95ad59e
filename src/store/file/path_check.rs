//! Checks of the path before it is used as a store: a file of ours, an empty one, or something else.
//!
//! Invariants: only a regular file is opened, without waiting (a named pipe would wait); a symbolic link is followed
//! only if this user or root made it, so another user's link leads nowhere; a file of another user is not written to,
//! except by root, who is notified. A file that others can read or write is made private, because any user who can read
//! a store can hold its locks.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::store::error::StoreError;

/// `path`, or where the symbolic link at it leads.
pub fn resolved(path: &Path) -> Result<PathBuf, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(seen) if seen.is_symlink() => {
            let refused = || StoreError::Symlink { path: path.to_owned() };
            if !owner::is_trusted(&seen) {
                return Err(refused());
            }
            fs::canonicalize(path).map_err(|_| refused())
        }
        // Opening it reports any problem with the path.
        _ => Ok(path.to_owned()),
    }
}

/// Opens the regular file at `path` for reading, and for writing if `write`.
pub fn open(path: &Path, write: bool) -> Result<File, StoreError> {
    let owned = || path.to_owned();
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => StoreError::Missing { path: owned() },
        _ => StoreError::Io { path: owned(), doing: "open", source },
    };
    let seen = fs::symlink_metadata(path).map_err(failed)?;
    if seen.is_symlink() {
        return Err(StoreError::Symlink { path: owned() });
    }
    if !seen.is_file() {
        return Err(StoreError::NotAFile { path: owned(), what: kind(&seen) });
    }
    if write && !owner::is_trusted(&seen) {
        return Err(StoreError::Strange { path: owned() });
    }
    let mut options = OpenOptions::new();
    options.read(true).write(write);
    owner::strict(&mut options);
    let file = options.open(path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    // The path may have changed since the check.
    if Identity::of(&seen) == Identity::of(&opened) && opened.is_file() {
        Ok(file)
    } else {
        Err(StoreError::Symlink { path: owned() })
    }
}

/// Makes the store at `path` private; returns notices about that and about its owner.
pub fn secure(path: &Path) -> Vec<String> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Vec::new() };
    owner::secure(path, &metadata)
}

/// The kind of file, in words, of `metadata` that is no regular file.
#[cfg(unix)]
fn kind(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "no regular file",
    }
}

#[cfg(not(unix))]
fn kind(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() { "a folder" } else { "no regular file" }
}

#[cfg(unix)]
mod owner {
    use std::fs::{self, Metadata, OpenOptions, Permissions};
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
    use std::path::Path;

    use rustix::fs::OFlags;

    const ROOT: u32 = 0;
    /// Permissions of group and others.
    const OTHERS: u32 = 0o077;

    fn own() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// Whether the owner is this user or root; root trusts any owner.
    pub fn is_trusted(metadata: &Metadata) -> bool {
        is_trusted_by(own(), metadata.uid())
    }

    pub(super) fn is_trusted_by(user: u32, owner: u32) -> bool {
        user == ROOT || owner == user || owner == ROOT
    }

    /// Do not follow a link or wait for the other end of a pipe.
    pub fn strict(options: &mut OpenOptions) {
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }

    pub fn secure(path: &Path, metadata: &Metadata) -> Vec<String> {
        let mut said = Vec::new();
        let (name, mode) = (path.display(), metadata.permissions().mode());
        if metadata.uid() != own() {
            said.push(format!("{name} belongs to another user (number {}): check that it is yours", metadata.uid()));
        }
        if mode & OTHERS != 0 {
            let (open, private) = (mode & 0o777, mode & 0o700);
            said.push(match fs::set_permissions(path, Permissions::from_mode(private)) {
                Ok(()) => {
                    format!("{name} was open to other users (mode {open:04o}): made private (mode {private:04o})")
                }
                Err(error) => format!("{name} is open to other users (mode {open:04o}): make it private ({error})"),
            });
        }
        said
    }
}

#[cfg(not(unix))]
mod owner {
    use std::fs::{Metadata, OpenOptions};
    use std::path::Path;

    pub fn is_trusted(_: &Metadata) -> bool {
        true
    }

    pub fn strict(_: &mut OpenOptions) {}

    pub fn secure(_: &Path, _: &Metadata) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn whose_a_file_may_be() {
        for (user, owner, trusted) in
            [(1_000, 1_000, true), (1_000, 0, true), (1_000, 1_001, false), (0, 1_001, true), (0, 0, true)]
        {
            assert_eq!(owner::is_trusted_by(user, owner), trusted, "{owner} by {user}");
        }
    }

    #[test]
    fn what_is_no_file_is_named_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), mode).unwrap();
        let named = [("folder", "a folder"), ("socket", "a socket"), ("pipe", "a named pipe")];
        let paths = named.map(|(name, what)| (at(name), what)).into_iter().chain([("/dev/null".into(), "a device")]);
        for (path, what) in paths {
            for write in [false, true] {
                let refused = open(&path, write).unwrap_err().to_string();
                assert!(refused.contains(what) && refused.contains("--store FILE"), "{refused}");
            }
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_made_private_and_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let said = secure(&path).join("\n");
        assert!(said.contains("mode 0644") && said.contains("mode 0600"), "{said}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(secure(&path), Vec::<String>::new());
    }

    #[test]
    fn a_link_of_ours_is_followed_and_one_that_leads_nowhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (link, file) = (folder.path().join("webmon.redb"), folder.path().join("elsewhere"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(matches!(resolved(&link), Err(StoreError::Symlink { .. })));
        fs::write(&file, "").unwrap();
        assert_eq!(resolved(&link).unwrap(), fs::canonicalize(&file).unwrap());
        assert!(matches!(open(&link, false), Err(StoreError::Symlink { .. })), "only when it was resolved");
    }
}

/// The identity of a file, independent of its name; constant where the system has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64, u64);

impl Identity {
    /// The file that `metadata` is of.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    /// The file that it is of.
    #[cfg(not(unix))]
    pub fn of(_: &Metadata) -> Self {
        Self(0, 0)
    }

    /// A file of this number on some disk.
    #[cfg(test)]
    pub const fn numbered(number: u64) -> Self {
        Self(0, number)
    }

    /// Its disk.
    #[cfg(target_os = "linux")]
    pub const fn device(self) -> u64 {
        self.0
    }

    /// Its number on its disk.
    pub const fn node(self) -> u64 {
        self.1
    }

    /// The file at `path`, if there is one.
    pub fn at(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(|metadata| Self::of(&metadata))
    }
}
