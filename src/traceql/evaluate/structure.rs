//! Which spans are related to which. Linear in the size of the trace.

use std::collections::{HashMap, HashSet};

use super::Trace;
use crate::traceql::tree::{Relation, StructuralOperator, StructuralResult};

/// The places that a structural operator gives for the places on its two sides, in order.
pub(super) fn apply(operator: StructuralOperator, trace: &Trace<'_>, left: &[usize], right: &[usize]) -> Vec<usize> {
    let related = related(operator.relation, trace, left);
    let is_related = |at: &usize| related.contains(at);
    match operator.result {
        StructuralResult::Related => right.iter().copied().filter(is_related).collect(),
        StructuralResult::Unrelated => right.iter().copied().filter(|at| !is_related(at)).collect(),
        StructuralResult::Both => {
            let back = self::related(inverse(operator.relation), trace, right);
            let mut both: Vec<_> = right.iter().copied().filter(is_related).collect();
            both.extend(left.iter().filter(|at| back.contains(at)));
            both.sort_unstable();
            both.dedup();
            both
        }
    }
}

/// What a span on the left is to a span on the right.
fn inverse(relation: Relation) -> Relation {
    match relation {
        Relation::Child => Relation::Parent,
        Relation::Parent => Relation::Child,
        Relation::Descendant => Relation::Ancestor,
        Relation::Ancestor => Relation::Descendant,
        Relation::Sibling => Relation::Sibling,
    }
}

/// The places of all spans that are this to at least one of the given ones.
fn related(relation: Relation, trace: &Trace<'_>, given: &[usize]) -> HashSet<usize> {
    match relation {
        Relation::Child => given.iter().flat_map(|at| trace.children(*at)).collect(),
        Relation::Parent => given.iter().flat_map(|at| trace.parents(*at)).collect(),
        Relation::Descendant => reached(given, |at, next| next.extend(trace.children(at))),
        Relation::Ancestor => reached(given, |at, next| next.extend(trace.parents(at))),
        Relation::Sibling => siblings(trace, given),
    }
}

/// The places that one or more steps lead to.
fn reached(given: &[usize], step: impl Fn(usize, &mut Vec<usize>)) -> HashSet<usize> {
    let mut reached = HashSet::new();
    let mut next = Vec::new();
    for at in given {
        step(*at, &mut next);
    }
    while let Some(at) = next.pop() {
        if reached.insert(at) {
            step(at, &mut next);
        }
    }
    reached
}

/// The places of all spans that name the same parent as another one that is given. Roots have no siblings.
fn siblings(trace: &Trace<'_>, given: &[usize]) -> HashSet<usize> {
    let parent_id = |at: usize| trace.span(at).and_then(|span| span.parent_span_id);
    let mut by_parent: HashMap<_, Vec<usize>> = HashMap::new();
    for at in given {
        if let Some(id) = parent_id(*at) {
            by_parent.entry(id).or_default().push(*at);
        }
    }
    let has_other = |at: usize| {
        let given = parent_id(at).and_then(|id| by_parent.get(&id));
        given.is_some_and(|given| given.iter().take(2).any(|other| *other != at))
    };
    (0..trace.len()).filter(|at| has_other(*at)).collect()
}
