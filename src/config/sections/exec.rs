//! The keys `alerting.exec` and `report.then`: a program and its arguments, a list so that no shell reads them.
//!
//! A name with a slash is a path from the folder of the configuration. One without is a file of that folder, or else searched for
//! in `PATH`. A missing program is a warning, because it may exist by the time it is needed. Bounds: 64 arguments of 64 KiB.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::files::runnable::obstacle;
use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, Scalar};
use crate::config::syntax::tree::NodeId;
use crate::config::syntax::variables::Env;
use crate::model::text::clean_line;
use crate::model::{KnownSecrets, Secret};

use super::notes::Notes;

/// Longest name of a program that is printed, bytes.
const SHOWN_MAX: usize = 80;
/// Half of the limit of Linux for one argument.
const ARGUMENT_MAX: usize = 64 << 10;

/// A program to run, with its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Exec {
    /// Its path, or a name to be searched for in `PATH`.
    pub program: PathBuf,
    /// May come from variables, so they are never printed.
    pub arguments: Vec<Secret>,
    /// The program as it may be printed.
    pub shown: String,
    /// Masked in its output.
    pub secrets: KnownSecrets,
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exec({}, {} arguments)", self.shown, self.arguments.len())
    }
}

/// What a program is for, for messages.
pub(crate) struct Purpose {
    /// Its key.
    pub(crate) key: &'static str,
    /// The key with its section.
    pub(crate) path: &'static str,
    /// A value of it.
    pub(crate) example: &'static str,
    /// What happens without it.
    pub(crate) loss: &'static str,
}

/// `alerting.exec`.
pub(crate) const EXEC: Purpose = Purpose {
    key: "exec",
    path: "alerting.exec",
    example: "[notify.sh, ops]",
    loss: "so alerts will not be delivered",
};

/// The program for `purpose`. Adds to `notes` why it cannot be run now.
pub(crate) fn program(keys: &mut Keys<'_, '_>, purpose: &Purpose, notes: &mut Notes) -> Option<Exec> {
    let reader = keys.reader();
    let ValueForm::Words(most) = keys.form(purpose.key) else { unreachable!("programs are declared as words") };
    let id = keys.take(purpose.key)?;
    let items = reader.list(id)?;
    if items.is_empty() || items.len() > *most {
        let example = purpose.example;
        reader.fault_at(id, format!("write a program and at most {} arguments: {example}", most - 1));
        return None;
    }
    let words: Option<Vec<Scalar>> = items.iter().map(|&item| word(reader, item)).collect();
    let mut words = words?.into_iter();
    let program = words.next().expect("the list is not empty");
    if program.value.is_empty() {
        reader.fault(program.fault("the program has no name".to_owned()));
        return None;
    }
    let shown = clean_line(program.masked.as_ref().unwrap_or(&program.value), SHOWN_MAX);
    let scope = reader.scope();
    let found = find(&program.value, scope.base_dir, scope.env);
    if let Some(obstacle) = found.obstacle {
        let loss = if obstacle.contains(';') { String::new() } else { format!(", {}", purpose.loss) };
        notes.warnings.push((program.span.start, format!("{}: `{shown}` {obstacle}{loss}", purpose.path)));
    }
    let arguments = words.map(|word| Secret::new(word.value)).collect();
    Some(Exec { program: found.program, arguments, shown, secrets: KnownSecrets::default() })
}

/// One word of the list; none after a fault, or when contents do not matter.
fn word(reader: &ConfigReader<'_>, id: NodeId) -> Option<Scalar> {
    let text = reader.text(id)?;
    let message = if text.value.contains('\0') {
        "an argument cannot contain a NUL".to_owned()
    } else if text.value.len() > ARGUMENT_MAX {
        format!("an argument of {} bytes is too long; the limit is {ARGUMENT_MAX}", text.value.len())
    } else {
        return Some(text);
    };
    reader.fault(text.fault(message));
    None
}

struct FoundProgram {
    program: PathBuf,
    obstacle: Option<String>,
}

/// The search path of the system without `PATH`.
pub const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The program that `name` means in a configuration in `folder`.
fn find(name: &str, folder: &Path, env: Option<&Env<'_>>) -> FoundProgram {
    let path = env.and_then(|env| env("PATH")).unwrap_or_else(|| DEFAULT_PATH.to_owned());
    // The working directory needs its `./`: without a slash the system would search for the name in PATH.
    let beside = Path::new(".").join(folder).join(name);
    if name.contains('/') || beside.is_file() {
        return FoundProgram { obstacle: obstacle(&beside, &path), program: beside };
    }
    let mut found =
        std::env::split_paths(&path).map(|folder| folder.join(name)).filter(|path| path.is_file()).peekable();
    let obstacle = match found.peek().map(|first| obstacle(first, &path)) {
        // A file of that name that cannot be run is probably meant.
        None if beside.symlink_metadata().is_ok() => {
            return FoundProgram { obstacle: obstacle(&beside, &path), program: beside };
        }
        None => Some("is neither beside this file nor in PATH".to_owned()),
        // The system tries the next one of that name.
        Some(first) => first.filter(|_| found.all(|other| obstacle(&other, &path).is_some())),
    };
    FoundProgram { program: PathBuf::from(name), obstacle }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Config};

    fn taken(exec: &str, folder: &Path) -> Config {
        let text = format!("sites: [https://a.example]\nalerting: {{ exec: {exec}, window: 5m }}");
        let env = |name: &str| match name {
            "PATH" => Some(format!("/nowhere:{}", folder.join("bin").display())),
            "CHAT" => Some("room-s3cret".to_owned()),
            _ => None,
        };
        config::parse(&text, "sites.yaml", folder, &env).unwrap_or_else(|error| panic!("{error}"))
    }

    #[cfg(unix)]
    #[test]
    fn a_program_is_a_path_a_file_beside_or_a_name_in_path() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("bin")).unwrap();
        for (name, mode) in [("notify.sh", 0o700), ("plain.txt", 0o600), ("bin/pager", 0o755)] {
            let path = folder.path().join(name);
            std::fs::write(&path, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::fs::create_dir(folder.path().join("hooks")).unwrap();
        std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
        let beside = |name: &str| folder.path().join(name);
        for (exec, program, expected) in [
            ("[notify.sh, ops]", beside("notify.sh"), None),
            ("[./notify.sh]", beside("./notify.sh"), None),
            ("[pager]", PathBuf::from("pager"), None),
            ("[bin/pager, '${CHAT}']", beside("bin/pager"), None),
            ("[plain.txt]", beside("plain.txt"), Some("cannot be run")),
            ("[hooks]", beside("hooks"), Some("`hooks` is a folder")),
            ("[loop]", beside("loop"), Some("`loop` ")),
            ("[gone.sh]", PathBuf::from("gone.sh"), Some("is neither beside this file nor in PATH")),
            ("[./gone.sh]", beside("./gone.sh"), Some("`./gone.sh` is not there")),
        ] {
            let config = taken(exec, folder.path());
            let found = config.exec.unwrap();
            assert_eq!(found.program, program, "{exec}");
            assert!(!format!("{found:?}").contains("s3cret"), "{found:?}");
            let warnings = config.warnings.join("\n");
            assert_eq!(warnings.is_empty(), expected.is_none(), "{exec}: {warnings}");
            assert!(warnings.contains(expected.unwrap_or_default()), "{exec}: {warnings}");
        }
    }

    #[test]
    fn a_name_in_the_working_directory_is_not_searched_for_in_path() {
        let found = find("./notify.sh", Path::new(""), None);
        assert!(found.program.to_string_lossy().contains('/'), "{:?}", found.program);
    }
}
