//! `alerting.exec`: a program and its arguments, a list so that no shell ever reads them.
//!
//! A program with a slash in its name is a path from the configuration's folder. One without is the file of that name
//! in the folder, if there is one, and is searched for in `PATH` otherwise. That it cannot be found is a warning: it
//! may be there by the time of an alert. Limits: 64 arguments of 64 KiB; an argument holds no NUL.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::files::runnable::obstacle;
use crate::config::keys::declared::ValueForm;
use crate::config::keys::reader::{ConfigReader, Keys, Scalar};
use crate::config::syntax::tree::NodeId;
use crate::config::syntax::variables::Env;
use crate::model::text::clean_line;
use crate::model::{KnownSecrets, Secret};

/// Longest name of a program that is printed, bytes.
const SHOWN_MAX: usize = 80;
/// Half of what Linux takes for one argument.
const ARGUMENT_MAX: usize = 64 << 10;

/// A program to run, with its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Exec {
    /// Its path, or a name to be searched for in `PATH`.
    pub program: PathBuf,
    /// What it is called with. They may come out of variables, so they are never printed.
    pub arguments: Vec<Secret>,
    /// The program as it may be printed.
    pub shown: String,
    /// What must not come back in what it prints.
    pub secrets: KnownSecrets,
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exec({}, {} arguments)", self.shown, self.arguments.len())
    }
}

/// What stands under `exec`.
pub(crate) struct ExecSection {
    pub(crate) exec: Exec,
    /// Why it cannot be run as things are, and where that stands in the file.
    pub(crate) doubt: Option<(usize, String)>,
}

impl ExecSection {
    pub(crate) fn read(keys: &mut Keys<'_, '_>) -> Option<Self> {
        let reader = keys.reader();
        let ValueForm::Words(most) = keys.form("exec") else { unreachable!("exec is declared as words") };
        let id = keys.take("exec")?;
        let items = reader.list(id)?;
        if items.is_empty() || items.len() > *most {
            reader.fault_at(id, format!("write a program and at most {} arguments: [notify.sh, ops]", most - 1));
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
        let doubt = found.doubt.map(|doubt| (program.span.start, format!("alerting.exec: `{shown}` {doubt}")));
        let arguments = words.map(|word| Secret::new(word.value)).collect();
        Some(Self { exec: Exec { program: found.program, arguments, shown, secrets: KnownSecrets::default() }, doubt })
    }
}

/// One word of the list; none with a fault, or when its content does not matter.
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
    doubt: Option<String>,
}

/// Where programs are searched for without `PATH`, as the system does.
pub const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What `name` stands for, seen from `folder`.
fn find(name: &str, folder: &Path, env: Option<&Env<'_>>) -> FoundProgram {
    let path = env.and_then(|env| env("PATH")).unwrap_or_else(|| DEFAULT_PATH.to_owned());
    // An empty folder is the working directory; without a slash the system would search for the name in PATH.
    let beside = Path::new(".").join(folder).join(name);
    let untold = |doubt: &str| {
        let and_so = if doubt.contains(';') { "" } else { ", so alerts will not be delivered" };
        format!("{doubt}{and_so}")
    };
    if name.contains('/') || beside.is_file() {
        let doubt = obstacle(&beside, &path).map(|doubt| untold(&doubt));
        return FoundProgram { program: beside, doubt };
    }
    let mut found =
        std::env::split_paths(&path).map(|folder| folder.join(name)).filter(|path| path.is_file()).peekable();
    let doubt = match found.peek().map(|first| obstacle(first, &path)) {
        // What has that name and is no program is what was meant.
        None if beside.symlink_metadata().is_ok() => {
            let doubt = obstacle(&beside, &path).map(|doubt| untold(&doubt));
            return FoundProgram { program: beside, doubt };
        }
        None => Some("is neither beside this file nor in PATH".to_owned()),
        // The system goes on to the next one of that name.
        Some(doubt) => doubt.filter(|_| found.all(|other| obstacle(&other, &path).is_some())),
    };
    FoundProgram { program: PathBuf::from(name), doubt: doubt.map(|doubt| untold(&doubt)) }
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
        for (exec, program, doubt) in [
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
            let told = config.warnings.join("\n");
            assert_eq!(told.is_empty(), doubt.is_none(), "{exec}: {told}");
            assert!(told.contains(doubt.unwrap_or_default()), "{exec}: {told}");
        }
    }

    #[test]
    fn a_name_in_the_working_directory_is_not_searched_for_in_path() {
        let found = find("./notify.sh", Path::new(""), None);
        assert!(found.program.to_string_lossy().contains('/'), "{:?}", found.program);
    }
}
