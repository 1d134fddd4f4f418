//! The nested-set numbers of spans: a walk from each root down and up again counts its steps.

use super::Trace;

/// A span's numbers; all 0 when no root leads to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct NestedSet {
    /// The step on which the walk came to it.
    pub(super) left: i64,
    /// The step on which it left.
    pub(super) right: i64,
    /// Where it came from: the parent's `left`, and -1 for a root.
    pub(super) parent: i64,
}

/// Numbers all spans that a root leads to, from 1. A span with several parents belongs to the first that the walk
/// comes to.
pub(super) fn number(trace: &Trace<'_>) -> Vec<NestedSet> {
    let mut walk = Walk { sets: vec![NestedSet::default(); trace.len()], step: 1 };
    for (root, span) in trace.spans().enumerate() {
        if span.parent_span_id.is_none() {
            walk.from(trace, root);
        }
    }
    walk.sets
}

struct Walk {
    sets: Vec<NestedSet>,
    step: i64,
}

impl Walk {
    /// Walks with a stack of its own: traces may be deep.
    fn from(&mut self, trace: &Trace<'_>, root: usize) {
        let mut path = Vec::new();
        let mut next = Some((root, -1));
        loop {
            if let Some((at, parent)) = next.take() {
                let left = self.take_step();
                self.set(at, |set| *set = NestedSet { left, right: 0, parent });
                path.push((at, left, trace.children(at)));
            }
            let Some((at, left, children)) = path.last_mut() else { return };
            if let Some(child) = children.find(|child| self.sets.get(*child).is_some_and(|set| set.left == 0)) {
                next = Some((child, *left));
            } else {
                let at = *at;
                let right = self.take_step();
                self.set(at, |set| set.right = right);
                path.pop();
            }
        }
    }

    fn take_step(&mut self) -> i64 {
        let step = self.step;
        self.step = step.saturating_add(1);
        step
    }

    fn set(&mut self, at: usize, change: impl FnOnce(&mut NestedSet)) {
        if let Some(set) = self.sets.get_mut(at) {
            change(set);
        }
    }
}
