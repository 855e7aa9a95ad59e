//! The import graph of the crate's files: what imports what, in cycles or not, and a table per room.
//!
//! A name that a module re-exports counts as an import of the file that defines it, and a re-export of a module's own
//! children as none. A `mod.rs` and its own children may import each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::source::Source;

/// How often a name may be re-exported on its way.
const REEXPORTS_MAX: usize = 8;

/// The shipped modules of the crate and their imports.
pub struct Graph {
    imports: BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
}

/// How the entries of a folder, its files and its folders, import each other.
#[derive(Debug, PartialEq, Eq)]
pub struct Entries {
    /// Files beside `mod.rs`, and folders.
    pub count: usize,
    /// The most entries in a chain of imports.
    pub chain: usize,
    /// Pairs of entries of which the first imports the second.
    pub arrows: usize,
    /// Groups of entries that import each other in a circle.
    pub cycles: Vec<BTreeSet<String>>,
}

impl Graph {
    /// The graph of `sources`, each with its module.
    pub fn new(sources: &BTreeMap<Vec<String>, &Source>) -> Self {
        let imports = sources.iter().map(|(module, source)| {
            let targets = source.used.iter().filter_map(|used| {
                let child = || module.iter().chain(&used.segments).cloned().collect::<Vec<_>>();
                let path = used.inside.clone().or_else(|| Some(child()).filter(|path| of(sources, path) != *module))?;
                let target = followed(sources, path);
                let is_own = target.starts_with(module) && used.is_reexport;
                (!is_own && target != *module && !target.is_empty()).then_some(target)
            });
            (module.clone(), targets.collect())
        });
        Self { imports: imports.collect() }
    }

    /// Groups of files that import each other in a circle. A module and its direct children may.
    pub fn file_cycles(&self) -> Vec<BTreeSet<String>> {
        let is_parent = |of: &[String], module: &[String]| of.split_last().is_some_and(|(_, parent)| parent == module);
        let edges = self.imports.iter().map(|(module, targets)| {
            let targets = targets.iter().filter(|target| !is_parent(target, module) && !is_parent(module, target));
            (module.join("::"), targets.map(|target| target.join("::")).collect())
        });
        circles(&edges.collect())
    }

    /// How the entries of `folder` import each other.
    pub fn entries(&self, folder: &[String]) -> Entries {
        let entry = |module: &[String]| module.strip_prefix(folder).and_then(<[String]>::first).cloned();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, targets) in &self.imports {
            let Some(from) = entry(module) else { continue };
            let to = targets.iter().filter_map(|target| entry(target)).filter(|to| *to != from);
            edges.entry(from.clone()).or_default().extend(to);
        }
        let mut chains = BTreeMap::new();
        let chain = edges.keys().map(|name| chain(&edges, name, &mut chains, 0)).max().unwrap_or(0);
        Entries { count: edges.len(), chain, arrows: edges.values().map(BTreeSet::len).sum(), cycles: circles(&edges) }
    }

    /// Every pair of `folder`'s entries of which the first imports the second, with the files that do.
    pub fn arrows(&self, folder: &[String]) -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut arrows: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (module, targets) in &self.imports {
            let Some(from) = module.strip_prefix(folder).and_then(<[String]>::first) else { continue };
            for target in targets {
                if let Some(to) = target.strip_prefix(folder).and_then(<[String]>::first).filter(|to| *to != from) {
                    let files = format!("{} -> {}", module.join("::"), target.join("::"));
                    arrows.entry((from.clone(), to.clone())).or_default().insert(files);
                }
            }
        }
        arrows
    }

    /// The names of `folder`'s entries.
    pub fn names(&self, folder: &[String]) -> BTreeSet<String> {
        let below = self.imports.keys().filter_map(|module| module.strip_prefix(folder));
        below.filter_map(<[String]>::first).cloned().collect()
    }

    /// All folders of the crate, below its root.
    pub fn folders(&self) -> BTreeSet<Vec<String>> {
        self.imports.keys().filter_map(|module| module.split_last()).map(|(_, parent)| parent.to_vec()).collect()
    }

    /// One line per room: entries, longest chain, arrows, cycles.
    pub fn table(&self, rooms: &[&str]) -> String {
        let mut table = String::from("room      entries  longest chain  arrows  cycles\n");
        for room in rooms {
            let entries = self.entries(&[(*room).to_owned()]);
            let (count, chain, arrows, cycles) = (entries.count, entries.chain, entries.arrows, entries.cycles.len());
            writeln!(table, "{room:<9}{count:>8}{chain:>15}{arrows:>8}{cycles:>8}").expect("a string takes any text");
        }
        table
    }
}

/// The longest module that `path` leads into.
fn of(sources: &BTreeMap<Vec<String>, &Source>, path: &[String]) -> Vec<String> {
    let lengths = (0..=path.len()).rev();
    lengths.map(|length| path[..length].to_vec()).find(|module| sources.contains_key(module)).unwrap_or_default()
}

/// The module that defines what `path` names, through re-exports.
fn followed(sources: &BTreeMap<Vec<String>, &Source>, mut path: Vec<String>) -> Vec<String> {
    let mut module = of(sources, &path);
    for _ in 0..REEXPORTS_MAX {
        let rest = &path[module.len()..];
        let Some(next) = rest.first().and_then(|name| sources.get(&module)?.names.get(name)) else { break };
        let onward: Vec<String> = next.iter().chain(&rest[1..]).cloned().collect();
        let into = of(sources, &onward);
        if into.is_empty() || onward == path {
            break;
        }
        (path, module) = (onward, into);
    }
    module
}

/// The groups of more than one name in which each reaches each.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = edges.keys().map(|name| (name, reached(edges, name))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (name, seen) in &reach {
        if seen.contains(name) && !circles.iter().any(|circle| circle.contains(*name)) {
            let circle = seen.iter().filter(|other| reach.get(*other).is_some_and(|back| back.contains(name)));
            circles.push(circle.map(|name| (*name).clone()).collect());
        }
    }
    circles
}

fn reached<'a>(edges: &'a BTreeMap<String, BTreeSet<String>>, name: &String) -> BTreeSet<&'a String> {
    let mut seen = BTreeSet::new();
    let mut left: Vec<&String> = edges.get(name).into_iter().flatten().collect();
    while let Some(next) = left.pop() {
        if seen.insert(next) {
            left.extend(edges.get(next).into_iter().flatten());
        }
    }
    seen
}

fn chain(
    edges: &BTreeMap<String, BTreeSet<String>>,
    name: &String,
    known: &mut BTreeMap<String, usize>,
    depth: usize,
) -> usize {
    if let Some(&length) = known.get(name) {
        return length;
    }
    // A circle has no longest chain.
    if depth > edges.len() {
        return depth;
    }
    let longest = edges.get(name).into_iter().flatten().map(|next| chain(edges, next, known, depth + 1)).max();
    let length = 1 + longest.unwrap_or(0);
    known.insert(name.clone(), length);
    length
}
