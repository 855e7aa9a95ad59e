//! The shipped code of a Rust file and the paths that it names, read with `syn`.
//!
//! Items, fields and statements under `#[cfg(test)]` are left out. Paths within macros are read from their tokens. Limit:
//! names that a macro builds are not seen, and a local module of the same name as a crate counts as it.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Meta, UseTree, Visibility};

/// A path as it is written, and what it leads to.
pub struct Used {
    /// The line on which it begins.
    pub line: usize,
    /// The path as it is written.
    pub segments: Vec<String>,
    /// The path from the root of the crate, if it is one of the crate's own.
    pub inside: Option<Vec<String>>,
    /// Whether it only makes a name of another module visible here: `pub use`.
    pub is_reexport: bool,
}

/// A file of the crate as the rules see it.
#[derive(Default)]
pub struct Source {
    /// Every path of two segments or more, and every single name that is imported.
    pub used: Vec<Used>,
    /// The names that `use` brings into the file's own module, with what they lead to within the crate.
    pub names: BTreeMap<String, Vec<String>>,
    /// The types that the file defines: name and line.
    pub types: Vec<String>,
    /// How many lines items under `#[cfg(test)]` take.
    pub test_lines: usize,
    /// The modules in files of their own that the file declares under `#[cfg(test)]`.
    pub test_modules: Vec<String>,
}

impl Source {
    /// Reads the text of `module`.
    pub fn read(module: &[String], text: &str) -> syn::Result<Self> {
        let file = syn::parse_file(text)?;
        let mut reader = Reader { scope: module.to_vec(), root: module.len(), source: Self::default() };
        reader.visit_file(&file);
        Ok(reader.source)
    }
}

/// The module of a file: `src/tui/screen.rs` is `tui::screen`.
pub fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

struct Reader {
    scope: Vec<String>,
    root: usize,
    source: Source,
}

impl Reader {
    fn note(&mut self, line: usize, segments: Vec<String>, is_reexport: bool) {
        let inside = self.inside(&segments);
        self.source.used.push(Used { line, segments, inside, is_reexport });
    }

    fn inside(&self, segments: &[String]) -> Option<Vec<String>> {
        let first = segments.first()?.as_str();
        let ups = segments.iter().take_while(|segment| *segment == "super").count();
        let (base, rest) = match first {
            "crate" => (&[][..], &segments[1..]),
            "self" => (&self.scope[..], &segments[1..]),
            "super" => (&self.scope[..self.scope.len().checked_sub(ups)?], &segments[ups..]),
            _ => return None,
        };
        Some(base.iter().chain(rest).cloned().collect())
    }

    /// Notes the leaves of a `use` tree.
    fn tree(&mut self, tree: &UseTree, prefix: &[String], is_reexport: bool) {
        let with = |name: &syn::Ident| prefix.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        let line = tree.span().start().line;
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident), is_reexport),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(item, prefix, is_reexport)),
            UseTree::Name(name) if name.ident == "self" => self.leaf(line, prefix.to_vec(), None, is_reexport),
            UseTree::Name(name) => self.leaf(line, with(&name.ident), None, is_reexport),
            UseTree::Rename(name) => self.leaf(line, with(&name.ident), Some(name.rename.to_string()), is_reexport),
            UseTree::Glob(_) => {
                let path = prefix.iter().cloned().chain(["*".to_owned()]).collect();
                self.note(line, path, is_reexport);
            }
        }
    }

    fn leaf(&mut self, line: usize, path: Vec<String>, name: Option<String>, is_reexport: bool) {
        // A path that begins with a child of this module is one of the crate's own.
        let own = self.inside(&path).unwrap_or_else(|| self.scope.iter().chain(&path).cloned().collect());
        if let Some(name) = name.or_else(|| path.last().cloned()).filter(|_| self.scope.len() == self.root) {
            self.source.names.insert(name, own);
        }
        self.note(line, path, is_reexport);
    }

    /// Notes the paths within the tokens of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(word) if colons == 2 && !path.is_empty() => path.push(word.to_string()),
                TokenTree::Ident(word) => {
                    self.end_of(&mut path, line);
                    line = word.span().start().line;
                    path.push(word.to_string());
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                other => {
                    self.end_of(&mut path, line);
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
            colons = 0;
        }
        self.end_of(&mut path, line);
    }

    fn end_of(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.note(line, path, false);
        }
    }

    /// Whether what has these attributes is shipped. If not, its lines count as lines of a test.
    fn is_shipped(&mut self, attributes: &[Attribute], whole: &impl Spanned) -> bool {
        let is_test = attributes.iter().any(is_test_cfg);
        if is_test {
            let span = whole.span();
            self.source.test_lines += span.end().line - span.start().line + 1;
        }
        !is_test
    }
}

/// `cfg(test)` or `cfg(all(…, test, …))`.
fn is_test_cfg(attribute: &Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("cfg") {
        let parsed = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident("test");
            if meta.path.is_ident("all") {
                meta.parse_nested_meta(|inner| {
                    found |= inner.path.is_ident("test");
                    skip(&inner)
                })?;
            } else {
                skip(&meta)?;
            }
            Ok(())
        });
        // What cannot be read as a list of conditions is none that we know.
        found &= parsed.is_ok();
    }
    found
}

/// Reads past what follows a condition: `= "…"` or `(…)`.
fn skip(meta: &syn::meta::ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(syn::token::Paren) {
        let inner;
        syn::parenthesized!(inner in meta.input);
        inner.parse::<TokenStream>()?;
    } else if meta.input.peek(syn::Token![=]) {
        meta.value()?.parse::<syn::Lit>()?;
    }
    Ok(())
}

fn attributes(item: &syn::Item) -> &[Attribute] {
    use syn::Item::{
        Const, Enum, ExternCrate, Fn, ForeignMod, Impl, Macro, Mod, Static, Struct, Trait, Type, Union, Use,
    };
    match item {
        Const(it) => &it.attrs,
        Enum(it) => &it.attrs,
        ExternCrate(it) => &it.attrs,
        Fn(it) => &it.attrs,
        ForeignMod(it) => &it.attrs,
        Impl(it) => &it.attrs,
        Macro(it) => &it.attrs,
        Mod(it) => &it.attrs,
        Static(it) => &it.attrs,
        Struct(it) => &it.attrs,
        Trait(it) => &it.attrs,
        Type(it) => &it.attrs,
        Union(it) => &it.attrs,
        Use(it) => &it.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if let syn::Item::Mod(module) = item
            && module.content.is_none()
            && module.attrs.iter().any(is_test_cfg)
        {
            self.source.test_modules.push(module.ident.to_string());
        }
        if !self.is_shipped(attributes(item), item) {
            return;
        }
        match item {
            syn::Item::Struct(it) => self.source.types.push(it.ident.to_string()),
            syn::Item::Enum(it) => self.source.types.push(it.ident.to_string()),
            syn::Item::Trait(it) => self.source.types.push(it.ident.to_string()),
            syn::Item::Type(it) => self.source.types.push(it.ident.to_string()),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.scope.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.scope.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        self.tree(&item.tree, &[], is_reexport);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes: &[Attribute] = match item {
            syn::ImplItem::Const(it) => &it.attrs,
            syn::ImplItem::Fn(it) => &it.attrs,
            syn::ImplItem::Type(it) => &it.attrs,
            syn::ImplItem::Macro(it) => &it.attrs,
            _ => &[],
        };
        if self.is_shipped(attributes, item) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if self.is_shipped(&field.attrs, field) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if self.is_shipped(&field.attrs, field) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if self.is_shipped(&local.attrs, local) {
            visit::visit_local(self, local);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.note(path.span().start().line, segments, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}
