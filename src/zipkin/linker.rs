//! Who calls whom, counted as Zipkin's linker counts it: a pure function of a trace's spans.
//!
//! * Of a call that both sides report, the server's side counts; a client's span that has anything below it is passed over.
//! * A span without a kind is a client's when both services are known, else it is passed over.
//! * A message is counted from either side when both ends are known; the broker is one of them.
//! * Who called a server is the nearest span above it that has a kind, whatever its own remote endpoint says; a root whose
//!   caller is not known is passed over. A client whose service is not that of the nearest span above it was called, too.
//! * A call failed when the span has the tag `error`, or the client's span right above it does.

use std::collections::BTreeMap;

use super::tree::Tree;
use super::{Kind, Span};

/// Calls from one service to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    /// How many.
    pub count: u64,
    /// How many of them failed.
    pub errors: u64,
}

/// Calls by who makes them and who takes them.
pub type Links = BTreeMap<(String, String), Calls>;

/// Adds the calls of a whole trace.
pub fn add_trace(reports: Vec<Span>, links: &mut Links) {
    let tree = Tree::of(reports);
    let walk = tree.walk();
    // The nearest span with a kind at a node or above it: parents come first in the walk.
    let mut nearest: BTreeMap<usize, usize> = BTreeMap::new();
    for number in walk {
        let Some(node) = tree.node(number) else { continue };
        let above = node.parent.and_then(|parent| nearest.get(&parent).copied());
        let span = tree.span(number);
        let own = span.filter(|span| span.kind.is_some()).map(|_| number);
        if let Some(here) = own.or(above) {
            nearest.insert(number, here);
        }
        if let Some(span) = span {
            link(span, !node.children.is_empty(), above.and_then(|above| tree.span(above)), links);
        }
    }
}

fn link(span: &Span, has_children: bool, above: Option<&Span>, links: &mut Links) {
    if span.kind == Some(Kind::Client) && has_children {
        return;
    }
    let (local, remote) = (known(&span.local.service), known(&span.remote.service));
    let Some(kind) = span.kind.or((local.is_some() && remote.is_some()).then_some(Kind::Client)) else { return };
    let (mut parent, child) = match kind {
        Kind::Client | Kind::Producer => (local, remote),
        Kind::Server | Kind::Consumer => (remote, local),
    };
    let mut is_error = span.is_error();
    if matches!(kind, Kind::Client | Kind::Server)
        && let Some((above, caller)) = above.and_then(|above| Some((above, known(&above.local.service)?)))
    {
        if let Some(local) = local.filter(|local| kind == Kind::Client && *local != caller) {
            add(links, caller, local, false);
        }
        if kind == Kind::Server || parent.is_none() {
            parent = Some(caller);
        }
        let is_called_by_it = above.kind == Some(Kind::Client) && span.parent_id == Some(above.id);
        is_error |= is_called_by_it && above.is_error();
    }
    if let (Some(parent), Some(child)) = (parent, child) {
        add(links, parent, child, is_error);
    }
}

fn known(service: &str) -> Option<&str> {
    Some(service).filter(|service| !service.is_empty())
}

fn add(links: &mut Links, parent: &str, child: &str, is_error: bool) {
    let calls = links.entry((parent.to_owned(), child.to_owned())).or_default();
    calls.count = calls.count.saturating_add(1);
    calls.errors = calls.errors.saturating_add(u64::from(is_error));
}

#[cfg(test)]
mod tests;
