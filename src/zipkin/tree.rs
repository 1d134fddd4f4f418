//! The tree of a trace's spans, as Zipkin makes it, with shared ids.
//!
//! A shared span is the server's side of a call: it is below the client's span, which has the same id, and it is known by
//! its endpoint too, since several servers may have answered. A span whose parent's id is shared is below the server's
//! side when it is of the same endpoint, else below the client's. The first span without a parent is the root; what has
//! no parent besides, or one that has not come, is below it; without such a span the root is one that nobody reported.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Endpoint, Span, merge};
use crate::model::SpanId;

/// By what a span is found: its id; a shared one by its endpoint as well, or by none in case the one who asks has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Own(SpanId),
    Shared(SpanId, Endpoint),
}

impl Key {
    fn of(span: &Span) -> Self {
        if span.shared { Self::Shared(span.id, span.local.clone()) } else { Self::Own(span.id) }
    }

    /// As [`Key::of`] for those who do not know the endpoint.
    fn plain(span: &Span) -> Self {
        if span.shared { Self::Shared(span.id, Endpoint::default()) } else { Self::Own(span.id) }
    }
}

/// A span in its place.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The span's number among [`Tree::spans`]; `None` for a root that nobody reported.
    span: Option<usize>,
    pub(super) children: Vec<usize>,
    pub(super) parent: Option<usize>,
}

/// All spans of a trace that are below its root.
#[derive(Debug)]
pub(super) struct Tree {
    spans: Vec<Span>,
    nodes: Vec<Node>,
}

/// The root's number.
const ROOT: usize = 0;

impl Tree {
    /// The tree of these reports.
    pub(super) fn of(reports: Vec<Span>) -> Self {
        Builder::default().build(merge::merge(reports))
    }

    pub(super) fn node(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number)
    }

    /// The span there.
    pub(super) fn span(&self, number: usize) -> Option<&Span> {
        self.spans.get(self.nodes.get(number)?.span?)
    }

    /// The numbers of all nodes, parents before their children.
    pub(super) fn walk(&self) -> Vec<usize> {
        let (mut next, mut walked) = (VecDeque::from([ROOT]), Vec::new());
        while let Some(number) = next.pop_front() {
            walked.push(number);
            next.extend(self.nodes.get(number).into_iter().flat_map(|node| &node.children));
        }
        walked
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// What there is to be below of.
    known: HashSet<Key>,
    places: HashMap<Key, usize>,
    has_root: bool,
}

impl Builder {
    fn build(mut self, spans: Vec<Span>) -> Tree {
        self.nodes.push(Node::default());
        self.known = spans.iter().map(Key::of).collect();
        // Each node by its own number: several spans may have one key.
        let placed: Vec<_> = spans.iter().enumerate().filter_map(|(number, span)| self.place(number, span)).collect();
        for (child, parent) in placed {
            let parent = parent.and_then(|parent| self.places.get(&parent).copied()).unwrap_or(ROOT);
            self.attach(child, parent);
        }
        Tree { spans, nodes: self.nodes }
    }

    /// Gives a span its node, and says what it is below of; nothing of the root.
    fn place(&mut self, number: usize, span: &Span) -> Option<(usize, Option<Key>)> {
        let parent = if span.shared { Some(Key::Own(span.id)) } else { self.parent(span) };
        if parent.is_none() && !self.has_root {
            self.has_root = true;
            if let Some(root) = self.nodes.get_mut(ROOT) {
                root.span = Some(number);
            }
            return None;
        }
        let place = self.nodes.len();
        self.nodes.push(Node { span: Some(number), ..Node::default() });
        self.places.insert(Key::of(span), place);
        self.places.insert(Key::plain(span), place);
        Some((place, parent))
    }

    /// The parent of a span that is not shared: the server's side of its endpoint, if there is one. One that is its own
    /// parent has none.
    fn parent(&self, span: &Span) -> Option<Key> {
        let parent_id = span.parent_id.filter(|parent| *parent != span.id)?;
        let shared = Key::Shared(parent_id, span.local.clone());
        Some(if self.known.contains(&shared) { shared } else { Key::Own(parent_id) })
    }

    fn attach(&mut self, child: usize, parent: usize) {
        if child == parent || self.nodes.get(child).is_none_or(|node| node.parent.is_some()) {
            return;
        }
        if let Some(node) = self.nodes.get_mut(parent) {
            node.children.push(child);
        }
        if let Some(node) = self.nodes.get_mut(child) {
            node.parent = Some(parent);
        }
    }
}
