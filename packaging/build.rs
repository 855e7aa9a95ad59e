//! Sets `WEBMON_VERSION`: the version and, in release builds, the commit if it is known; and `WEBMON_FEATURES`: which
//! features the build has.
//!
//! The commit comes from the files of `.git` or from `.cargo_vcs_info.json` of `cargo package`, so the build needs
//! neither git nor a crate. Debug builds omit it: each commit would recompile everything.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The features of Cargo.toml; a test compares them.
const FEATURES: [&str; 4] = ["http3", "influx", "mail", "nats"];

/// Hexadecimal digits of the commit in the version.
const SHOWN: usize = 9;

fn main() {
    println!("cargo::rerun-if-changed=packaging/build.rs");
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let commit = is_release.then(|| of_package(&root).or_else(|| of_repository(&root))).flatten();
    match commit {
        Some(commit) => println!("cargo::rustc-env=WEBMON_VERSION={version} ({})", &commit[..SHOWN]),
        None => println!("cargo::rustc-env=WEBMON_VERSION={version}"),
    }
    println!("cargo::rustc-env=WEBMON_FEATURES={}", features());
}

/// Each feature with `+` if this build has it, otherwise with `-`.
fn features() -> String {
    let sign = |name: &str| {
        let variable = format!("CARGO_FEATURE_{}", name.to_uppercase());
        if env::var_os(variable).is_some() { '+' } else { '-' }
    };
    FEATURES.map(|name| format!("{}{name}", sign(name))).join(" ")
}

/// The commit that `cargo package` recorded.
fn of_package(root: &Path) -> Option<String> {
    let text = read(&root.join(".cargo_vcs_info.json"))?;
    let (_, after) = text.split_once("\"sha1\"")?;
    commit(after.split('"').nth(1)?)
}

/// The checked-out commit; `root` may be a worktree.
fn of_repository(root: &Path) -> Option<String> {
    let git = root.join(".git");
    let git = match fs::read_to_string(&git) {
        Ok(link) => root.join(link.strip_prefix("gitdir:")?.trim()),
        Err(_) => git,
    };
    let common = read(&git.join("commondir")).map_or_else(|| git.clone(), |path| git.join(path.trim()));
    // The reflog changes with every commit and checkout, wherever git stores the reference.
    rerun_for(&git.join("logs/HEAD"));
    let head = read(&git.join("HEAD"))?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return commit(&head) };
    let packed = || {
        let packed = read(&common.join("packed-refs"))?;
        let line = packed.lines().find(|line| line.split_once(' ').is_some_and(|(_, packed)| packed == name))?;
        commit(line.split(' ').next()?)
    };
    read(&common.join(name)).and_then(|id| commit(&id)).or_else(packed)
}

/// The text of `path` if it exists; cargo reruns this script when it changes.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    rerun_for(path);
    Some(text)
}

fn rerun_for(path: &Path) {
    // cargo treats a missing file as changed.
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn commit(text: &str) -> Option<String> {
    let id = text.trim();
    (id.len() >= SHOWN && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}
