//! Parses YAML into a tree of nodes with positions.
//!
//! Validation walks the tree, so that it can report all faults at once, each with carets; a deserializer would stop at the first.
//! An alias is a reference into the arena of nodes, so ten thousand sites through one anchor cost nothing, and so does an alias
//! bomb. Scalars keep their text: `007` stays `007`.
//!
//! Invariant: spans are byte ranges of the text, on character boundaries. Bounds: one document, 250 levels of nesting, four million
//! nodes of 40 bytes, since a scalar without escapes is a part of the file's text; tags are refused.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle};

use super::fault::Fault;

const NESTING_MAX: usize = 250;
const NODES_MAX: usize = 4_000_000;

/// The index of a node in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(u32);

impl NodeId {
    const fn place(self) -> usize {
        self.0 as usize
    }
}

/// The content of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'t> {
    /// A text; `plain` if written without quotes and not as a block.
    Scalar { text: Cow<'t, str>, plain: bool },
    /// A list.
    List(Vec<NodeId>),
    /// A mapping as written, with merge keys and duplicates.
    Map(Vec<(NodeId, NodeId)>),
}

/// A range of bytes of a file, which is shorter than 4 GiB.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(range: &Range<usize>) -> Self {
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: short(range.start), end: short(range.end) }
    }

    const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[derive(Clone, Debug)]
enum TreeNode<'t> {
    Node { kind: Kind<'t>, span: Span },
    Alias(NodeId),
}

/// One document.
#[derive(Debug, Default)]
pub(crate) struct Tree<'t> {
    slots: Vec<TreeNode<'t>>,
}

impl<'t> Tree<'t> {
    /// The document in `text` and its root, which is absent if the text is empty or only comments.
    ///
    /// # Errors
    /// The first position at which `text` is not one YAML document.
    pub(crate) fn parse(text: &'t str) -> Result<(Self, Option<NodeId>), Fault> {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: NESTING_MAX,
            block_nesting_limit: NESTING_MAX,
        };
        let mut builder = Builder::default();
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| {
                let at = error.marker().byte_offset().unwrap_or(text.len());
                Fault::new(at..at, format!("this is not YAML: {}", error.info()))
            })?;
            builder.take(event, span.byte_range().unwrap_or(text.len()..text.len()), span.tag_start().is_some())?;
        }
        Ok((builder.tree, builder.root))
    }

    /// The content of `id`, through aliases.
    pub(crate) fn kind(&self, id: NodeId) -> &Kind<'t> {
        self.resolve(id).0
    }

    /// The position of `id`; of an alias, the position of its anchor.
    pub(crate) fn span(&self, id: NodeId) -> Range<usize> {
        self.resolve(id).1.range()
    }

    /// The text of `id`, if it is a scalar.
    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        match self.kind(id) {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether `id` is empty or `null`.
    pub(crate) fn is_null(&self, id: NodeId) -> bool {
        matches!(self.kind(id), Kind::Scalar { text, plain: true }
            if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The pairs of all mappings.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.slots
            .iter()
            .filter_map(|slot| match slot {
                TreeNode::Node { kind: Kind::Map(pairs), .. } => Some(pairs.iter().copied()),
                _ => None,
            })
            .flatten()
    }

    /// The texts and positions of all scalars.
    pub(crate) fn scalars(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.slots.iter().filter_map(|slot| match slot {
            TreeNode::Node { kind: Kind::Scalar { text, .. }, span } => Some((&**text, span.range())),
            _ => None,
        })
    }

    fn resolve(&self, id: NodeId) -> (&Kind<'t>, Span) {
        let target = match &self.slots[id.place()] {
            TreeNode::Node { kind, span } => return (kind, *span),
            TreeNode::Alias(target) => target,
        };
        match &self.slots[target.place()] {
            TreeNode::Node { kind, span } => (kind, *span),
            TreeNode::Alias(_) => unreachable!("an anchor is on a node, never on an alias"),
        }
    }
}

/// A collection that is still open.
struct OpenCollection {
    id: NodeId,
    key: Option<NodeId>,
}

#[derive(Default)]
struct Builder<'t> {
    tree: Tree<'t>,
    root: Option<NodeId>,
    open: Vec<OpenCollection>,
    anchors: HashMap<usize, NodeId>,
    documents: usize,
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>, span: Range<usize>, tagged: bool) -> Result<(), Fault> {
        if tagged {
            return Err(Fault::new(span, "tags (`!…`) are not supported"));
        }
        if self.tree.slots.len() >= NODES_MAX {
            return Err(Fault::new(span, "there are more than 4,000,000 keys and values"));
        }
        let anchor = event.anchor_id();
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::new(span, "a second document begins here; a file can hold only one"));
                }
            }
            Event::Alias(id) => {
                let target =
                    *self.anchors.get(&id).expect("the parser resolves an alias to an anchor of an earlier event");
                self.add(TreeNode::Alias(target), None);
            }
            Event::Scalar(text, style, ..) => {
                let kind = Kind::Scalar { text, plain: style == ScalarStyle::Plain };
                self.add(TreeNode::Node { kind, span: Span::of(&span) }, anchor);
            }
            Event::SequenceStart(..) => self.open(Kind::List(Vec::new()), &span, anchor),
            Event::MappingStart(..) => self.open(Kind::Map(Vec::new()), &span, anchor),
            Event::SequenceEnd | Event::MappingEnd => drop(self.open.pop()),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind<'t>, span: &Range<usize>, anchor: Option<usize>) {
        let id = self.add(TreeNode::Node { kind, span: Span::of(span) }, anchor);
        self.open.push(OpenCollection { id, key: None });
    }

    fn add(&mut self, slot: TreeNode<'t>, anchor: Option<usize>) -> NodeId {
        let id = NodeId(u32::try_from(self.tree.slots.len()).expect("there are at most NODES_MAX of them"));
        self.tree.slots.push(slot);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(id);
            return id;
        };
        let TreeNode::Node { kind, .. } = &mut self.tree.slots[parent.id.place()] else {
            unreachable!("only nodes are opened")
        };
        match kind {
            Kind::List(items) => items.push(id),
            Kind::Map(pairs) => match parent.key.take() {
                None => parent.key = Some(id),
                Some(key) => pairs.push((key, id)),
            },
            Kind::Scalar { .. } => unreachable!("a scalar is never opened"),
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    fn root(text: &str) -> (Tree<'_>, NodeId) {
        let (tree, root) = Tree::parse(text).unwrap();
        (tree, root.unwrap())
    }

    fn refusal(text: &str) -> String {
        Tree::parse(text).unwrap_err().message
    }

    #[test]
    fn every_node_has_its_position() {
        let text = "a: &x [1, 'zwei']\nb: *x\n";
        let (tree, root) = root(text);
        let Kind::Map(pairs) = tree.kind(root) else { panic!("a mapping") };
        let shown: Vec<&str> = pairs.iter().map(|&(key, _)| &text[tree.span(key)]).collect();
        assert_eq!(shown, ["a", "b"]);
        for &(_, value) in pairs {
            let Kind::List(items) = tree.kind(value) else { panic!("a list, also through its alias") };
            let shown: Vec<&str> = items.iter().map(|&item| &text[tree.span(item)]).collect();
            assert_eq!(shown, ["1", "'zwei'"]);
        }
    }

    #[test]
    fn scalars_keep_their_text_and_only_plain_ones_can_be_null() {
        for (text, value, null) in
            [("007", "007", false), ("no", "no", false), ("1.50", "1.50", false), ("~", "~", true), ("'~'", "~", false)]
        {
            let (tree, root) = root(text);
            assert_eq!((tree.text(root), tree.is_null(root)), (Some(value), null), "{text}");
        }
    }

    #[test]
    fn an_empty_text_has_no_root() {
        for text in ["", "\n\n", "# only a comment\n"] {
            assert_eq!(Tree::parse(text).unwrap().1, None, "{text:?}");
        }
    }

    #[test]
    fn hostile_texts_are_refused() {
        let open = "[".repeat(100_000);
        assert!(refusal(&open).contains("recursion limit"), "{}", refusal(&open));
        assert!(refusal("a: b: c\n").contains("not YAML"));
        let mut builder = Builder::default();
        let mut more = || builder.take(Event::Scalar("a".into(), ScalarStyle::Plain, 0, None), 0..1, false);
        let refused = (0..=NODES_MAX).find_map(|_| more().err()).unwrap();
        assert!(refused.message.contains("more than 4,000,000"));
        assert!(refusal("a: 1\n--- \nb: 2\n").contains("second document"));
        assert!(refusal("a: !!int 1\n").contains("tags"));
        // Nine to the ninth nodes if aliases were copied.
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..=9 {
            let below = format!("*a{}", level - 1);
            writeln!(bomb, "a{level}: &a{level} [{}]", [below.as_str(); 9].join(", ")).unwrap();
        }
        assert!(root(&bomb).0.slots.len() < 200);
    }

    proptest! {
        #[test]
        fn any_text_is_a_tree_or_a_fault_within_it(text in "[a:\\- \n\t\\[\\]{},'\"|>&*#!x]{0,40}|.*") {
            match Tree::parse(&text) {
                Ok((tree, _)) => for (_, span) in tree.scalars() {
                    prop_assert!(text.get(span).is_some());
                },
                Err(fault) => prop_assert!(text.get(fault.span).is_some()),
            }
        }
    }
}
