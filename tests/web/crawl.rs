//! Reads a report as a browser would that follows every link.

use std::collections::BTreeSet;
use std::path::Path;

/// The files below `folder` with their contents, by name.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The text between `from` and `to`, for each.
pub fn between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from).skip(1).filter_map(|rest| rest.split_once(to).map(|(found, _)| found)).collect()
}

/// Asserts that each page of `files` is whole and that each of its links leads to another. Returns the number of pages.
#[track_caller]
pub fn crawl(files: &[(String, Vec<u8>)]) -> usize {
    let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let is_page = |name: &str| Path::new(name).extension().is_some_and(|end| end == "html");
    let pages = files.iter().filter(|(name, _)| is_page(name));
    for (name, bytes) in pages.clone() {
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(text.ends_with("</html>"), "{name} is cut off");
        for link in between(text, "<a href=\"", "\"") {
            let target = match (link.strip_prefix("../"), name.contains('/')) {
                (Some(up), true) => up.to_owned(),
                (None, false) => link.to_owned(),
                _ => panic!("{link} in {name}"),
            };
            assert!(names.contains(target.as_str()), "{link} in {name}");
        }
    }
    pages.count()
}
