//! Finds out why a program cannot be run, without running it.
//!
//! When the interpreter or the loader of a program is missing, the system says "No such file" about the program itself. So its
//! first bytes are read as the system reads them (execve(2)): `#!` and an interpreter, or an ELF header with a loader.
//!
//! Invariants: an obstacle is a sentence without its subject, the program; a program without one may still fail to run. Only a
//! regular file is opened. Formats registered with `binfmt_misc` are not checked. Bounds: 4 KiB of a file; interpreters that are
//! scripts are followed as deep as Linux does.

use std::path::Path;

#[cfg(unix)]
pub use unix::obstacle;

/// Why the program at `path` cannot be run; `search` is `PATH`.
#[cfg(not(unix))]
pub fn obstacle(path: &Path, _search: &str) -> Option<String> {
    (!path.is_file()).then(|| "is not there".to_owned())
}

/// Why the program `name`, searched for in `search`, cannot be run; none also if it is not found.
#[must_use]
pub fn obstacle_of(name: &Path, search: &str) -> Option<String> {
    if name.components().count() > 1 || name.has_root() || name.starts_with(".") {
        return obstacle(name, search);
    }
    std::env::split_paths(search)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .and_then(|path| obstacle(&path, search))
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, File};
    use std::io::{self, Read as _};
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

    use crate::model::text::clean_line;

    /// Bytes that are read: the system reads 256 for the first line; the name of a loader is within the first pages.
    const HEAD: u64 = 4 << 10;
    /// Levels of interpreters.
    const DEPTH: usize = 4;
    /// Longest name of an interpreter that is printed, bytes.
    const SHOWN_MAX: usize = 120;

    /// Why the program at `path` cannot be run; `search` is `PATH`.
    #[must_use]
    pub fn obstacle(path: &Path, search: &str) -> Option<String> {
        look(path, search, DEPTH)
    }

    fn look(path: &Path, search: &str, depth: usize) -> Option<String> {
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return Some(unreachable(path, &error)),
        };
        if metadata.is_dir() {
            return Some("is a folder".to_owned());
        }
        if !metadata.is_file() {
            return Some("is not a regular file".to_owned());
        }
        if metadata.permissions().mode() & 0o111 == 0 {
            return Some("cannot be run; make it executable with chmod +x".to_owned());
        }
        if statvfs(path).is_ok_and(|disk| disk.f_flag.contains(StatVfsMountFlags::NOEXEC)) {
            return Some("is on a file system that is mounted noexec, from which nothing can be run".to_owned());
        }
        if access(path, Access::EXEC_OK).is_err() {
            return Some("cannot be run by this user; check its owner and mode".to_owned());
        }
        // A program that may be run need not be readable.
        let mut head = Vec::new();
        File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
        inspect(&head, search, depth)
    }

    /// Why the file at `path` cannot be inspected.
    fn unreachable(path: &Path, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                let closed = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
                let closed = closed.filter(|folder| access(*folder, Access::EXEC_OK).is_err()).last();
                let folder =
                    closed.map_or_else(|| "its folder".to_owned(), |folder| shown(folder.as_os_str().as_bytes()));
                format!("cannot be reached: this user may not enter {folder}")
            }
            io::ErrorKind::NotFound => match fs::read_link(path) {
                Ok(to) => format!("is a link to {}, which is not there", shown(to.as_os_str().as_bytes())),
                Err(_) => "is not there".to_owned(),
            },
            _ => format!("cannot be inspected: {error}"),
        }
    }

    fn inspect(head: &[u8], search: &str, depth: usize) -> Option<String> {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        if let Some(line) = head.strip_prefix(b"#!") {
            return script(line, search, depth);
        }
        if head.starts_with(b"\x7fELF") {
            return elf(head);
        }
        if head.is_empty() {
            return Some("is empty".to_owned());
        }
        if head.strip_prefix(BYTE_ORDER_MARK).is_some_and(|rest| rest.starts_with(b"#!")) {
            return Some(
                "begins with a byte order mark before #!, which hides its interpreter; save it as UTF-8 without one"
                    .to_owned(),
            );
        }
        if has_binfmt_misc() {
            return None;
        }
        if head.contains(&0) {
            return Some("is not a program for this system".to_owned());
        }
        Some("does not name its interpreter; begin it with a line like #!/bin/sh".to_owned())
    }

    /// Inspects a script; `line` follows its `#!`.
    fn script(line: &[u8], search: &str, depth: usize) -> Option<String> {
        let end = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
        let line = &line[..end];
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let mut words = line.split(is_blank).filter(|word| !word.is_empty());
        let Some(interpreter) = words.next().filter(|word| *word != b"\r") else {
            return Some("names no interpreter after #!, such as #!/bin/sh".to_owned());
        };
        let asks = format!("asks for the interpreter {}", shown(interpreter));
        if line.ends_with(b"\r") {
            let asks = if interpreter.ends_with(b"\r") {
                asks
            } else {
                format!("begins with {}", shown(&[&b"#!"[..], line].concat()))
            };
            return Some(format!(
                "{asks}: it has Windows line endings; save it with Unix ones (sed -i 's/\\r$//' FILE)"
            ));
        }
        let Some(deeper) = depth.checked_sub(1) else {
            return Some(format!("{asks}, and too many interpreters are scripts themselves"));
        };
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(interpreter));
        if let Some(obstacle) = look(&path, search, deeper) {
            return Some(format!("{asks}, which {obstacle}"));
        }
        let name = words.next().filter(|_| path.file_name().is_some_and(|name| name == "env"))?;
        // Options and assignments of env are not followed.
        if name.starts_with(b"-") || name.contains(&b'=') || name.contains(&b'/') {
            return None;
        }
        let name = Path::new(std::ffi::OsStr::from_bytes(name));
        let is_there = std::env::split_paths(search).any(|folder| look(&folder.join(name), search, deeper).is_none());
        (!is_there)
            .then(|| format!("asks for the interpreter {}, which is not in PATH", shown(name.as_os_str().as_bytes())))
    }

    /// Inspects a 64-bit little-endian ELF program, the kind of every machine that webmon is built for.
    fn elf(head: &[u8]) -> Option<String> {
        /// Machine numbers (elf(5)), and pairs of which the first runs programs of the second.
        const MACHINES: [(u16, &str); 6] =
            [(62, "x86-64"), (3, "x86"), (183, "aarch64"), (40, "arm"), (243, "riscv64"), (21, "ppc64")];
        const RUNS: [(u16, u16); 2] = [(62, 3), (183, 40)];
        let number = |at: usize, bytes: usize| -> Option<u64> {
            Some(head.get(at..at + bytes)?.iter().rev().fold(0, |number, &byte| (number << 8) | u64::from(byte)))
        };
        let machine = u16::try_from(number(18, 2)?).ok()?;
        let name = |of: u16| MACHINES.iter().find(|(number, _)| *number == of).map(|(_, name)| *name);
        let own = own_machine();
        if let Some(own) = own.filter(|&own| own != machine && !RUNS.contains(&(own, machine)) && !has_binfmt_misc()) {
            let (built, here) = (name(machine).unwrap_or("another processor"), name(own).unwrap_or("another one"));
            return Some(format!("is built for {built}; this machine is {here}"));
        }
        if head.get(4..6)? != [2, 1] {
            return None;
        }
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        for index in 0..count.min(64) {
            let at = usize::try_from(table.checked_add(index * size)?).ok()?;
            if number(at, 4)? != 3 {
                continue;
            }
            let (from, length) =
                (usize::try_from(number(at + 8, 8)?).ok()?, usize::try_from(number(at + 32, 8)?).ok()?);
            let loader = head.get(from..from.checked_add(length)?)?;
            let loader = loader.split(|&byte| byte == 0).next()?;
            let is_there = Path::new(std::ffi::OsStr::from_bytes(loader)).exists();
            let text =
                || format!("needs the loader {}, which is not there: it is built for another C library", shown(loader));
            return (!is_there).then(text);
        }
        None
    }

    /// The machine number of this program.
    fn own_machine() -> Option<u16> {
        let mut head = [0; 20];
        File::open("/proc/self/exe").ok()?.read_exact(&mut head).ok()?;
        head.starts_with(b"\x7fELF").then(|| u16::from_le_bytes([head[18], head[19]]))
    }

    /// Whether the system runs further formats.
    fn has_binfmt_misc() -> bool {
        let Ok(formats) = fs::read_dir("/proc/sys/fs/binfmt_misc") else { return false };
        formats.flatten().any(|format| !["register", "status"].contains(&&*format.file_name().to_string_lossy()))
    }

    /// Bytes of a file, quoted and with invisible characters escaped.
    fn shown(bytes: &[u8]) -> String {
        clean_line(&format!("{:?}", String::from_utf8_lossy(bytes)), SHOWN_MAX)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn program(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
            let path = folder.join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }

        fn inspected(bytes: &[u8]) -> Option<String> {
            let folder = tempfile::tempdir().unwrap();
            obstacle(&program(folder.path(), "notify.sh", bytes, 0o755), "/usr/bin:/bin")
        }

        #[test]
        fn a_missing_interpreter_is_named() {
            for (script, expected) in [
                ("#!/bin/sh\r\necho\r\n", "asks for the interpreter \"/bin/sh\\r\": it has Windows line endings"),
                ("#!/usr/bin/env sh\r\n", "begins with \"#!/usr/bin/env sh\\r\": it has Windows line endings"),
                ("#! /opt/nowhere/bash5 -e\n", "asks for the interpreter \"/opt/nowhere/bash5\", which is not there"),
                (
                    "#!/usr/bin/env webmon-nowhere\n",
                    "asks for the interpreter \"webmon-nowhere\", which is not in PATH",
                ),
                ("#!/tmp\n", "asks for the interpreter \"/tmp\", which is a folder"),
                ("#!\n", "names no interpreter after #!"),
                ("#! \r\n", "names no interpreter after #!"),
                ("\u{feff}#!/bin/sh\n", "byte order mark"),
                ("", "is empty"),
            ] {
                let found = inspected(script.as_bytes()).unwrap_or_default();
                assert!(found.contains(expected), "{script:?}: {found}");
            }
            for sound in [
                "#!/bin/sh\n",
                "#! /bin/sh -e\nexit\n",
                "#!/usr/bin/env -S sh -e\n",
                "#!/usr/bin/env sh",
                "#!/bin/sh\necho a\r\n",
            ] {
                assert_eq!(inspected(sound.as_bytes()), None, "{sound:?}");
            }
        }

        #[test]
        fn files_other_than_scripts_are_inspected() {
            let found = |bytes: &[u8]| inspected(bytes).unwrap_or_default();
            if !has_binfmt_misc() {
                assert!(found(b"echo hello\n").contains("does not name its interpreter"));
                assert!(found(b"MZ\0\0").contains("is not a program for this system"));
            }
            let Some(own) = own_machine() else { return };
            let header = |machine: u16, loader: &[u8]| {
                let mut bytes = vec![0; 64 + 56];
                bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
                bytes[18..20].copy_from_slice(&machine.to_le_bytes());
                bytes[32] = 64;
                bytes[54] = 56;
                bytes[56] = 1;
                bytes[64] = 3;
                bytes[72] = 120;
                bytes[96] = u8::try_from(loader.len()).unwrap();
                [bytes, loader.to_vec()].concat()
            };
            let loader = found(&header(own, b"/lib/nowhere.so\0"));
            assert!(loader.contains("needs the loader \"/lib/nowhere.so\", which is not there"), "{loader}");
            assert_eq!(found(&header(own, b"/tmp\0")), "");
            if !has_binfmt_misc() {
                assert!(found(&header(if own == 243 { 62 } else { 243 }, b"/tmp\0")).contains("is built for "));
            }
            assert_eq!(found(&fs::read("/proc/self/exe").unwrap()), "");
        }

        #[test]
        fn interpreters_that_are_scripts_are_followed() {
            let folder = tempfile::tempdir().unwrap();
            let inner = program(folder.path(), "inner", b"#!/opt/nowhere/x\n", 0o755);
            let outer = program(folder.path(), "outer", format!("#!{}\n", inner.display()).as_bytes(), 0o755);
            let found = obstacle(&outer, "").unwrap();
            assert!(
                found.contains("inner\", which asks for the interpreter \"/opt/nowhere/x\", which is not there"),
                "{found}"
            );
            let itself = folder.path().join("itself");
            program(folder.path(), "itself", format!("#!{}\n", itself.display()).as_bytes(), 0o755);
            assert!(obstacle(&itself, "").unwrap().contains("too many interpreters"));
        }

        #[test]
        fn paths_without_a_program_are_described() {
            let folder = tempfile::tempdir().unwrap();
            std::os::unix::fs::symlink("/nowhere/at-all", folder.path().join("link")).unwrap();
            program(folder.path(), "plain", b"#!/bin/sh\n", 0o644);
            for (name, expected) in [
                ("gone", "is not there"),
                ("link", "is a link to \"/nowhere/at-all\""),
                ("plain", "chmod +x"),
                ("", "is a folder"),
            ] {
                let found = obstacle(&folder.path().join(name), "").unwrap();
                assert!(found.contains(expected), "{name}: {found}");
            }
            assert_eq!(obstacle(Path::new("/dev/null"), "").unwrap(), "is not a regular file");
        }
    }
}
