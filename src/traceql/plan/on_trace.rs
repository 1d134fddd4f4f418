//! Facts of a trace, as its summary can tell them.

use super::implied::Fact;
use super::known::{Known, needed_of_one};
use super::range;
use crate::model::{Condition, TextIs, TraceSummary};
use crate::traceql::pattern::Pattern;
use crate::traceql::tree::{Comparison, Intrinsic, Literal, Reference};

/// Something that holds of a trace.
#[derive(Debug, Clone)]
pub enum TraceCondition {
    /// [`TraceSummary::duration_nanos`], both bounds included.
    Duration {
        /// Not shorter than this.
        min_nanos: u64,
        /// Not longer than this.
        max_nanos: u64,
    },
    /// The service of [`TraceSummary::root`]; there is one.
    RootService(TextIs),
    /// The name of [`TraceSummary::root`]; there is one.
    RootName(TextIs),
}

impl TraceCondition {
    /// Whether it holds.
    #[must_use]
    pub fn matches(&self, summary: &TraceSummary) -> bool {
        let root = summary.root.as_ref();
        match self {
            Self::Duration { min_nanos, max_nanos } => (*min_nanos..=*max_nanos).contains(&summary.duration_nanos()),
            Self::RootService(is) => root.is_some_and(|(service, _)| is.matches(service)),
            Self::RootName(is) => root.is_some_and(|(_, name)| is.matches(name)),
        }
    }

    /// What holds on the root, when it says something of that.
    fn of_root(&self) -> Option<Condition> {
        match self {
            Self::Duration { .. } => None,
            Self::RootService(is) => Some(Condition::Service(is.clone())),
            Self::RootName(is) => Some(Condition::Name(is.clone())),
        }
    }
}

/// What some span of such a trace must have.
pub(super) fn needed(trace: &Known<TraceCondition>) -> Vec<Known<Condition>> {
    match trace {
        Known::Is(condition) => root_with(condition.of_root()).into_iter().collect(),
        Known::OneOf(parts) => needed_of_one(parts.iter().map(needed)),
        Known::All(parts) => {
            // What is said of the root is said of one span.
            let of_root = parts.iter().filter_map(|part| if let Known::Is(is) = part { is.of_root() } else { None });
            let others = parts.iter().filter(|part| !matches!(part, Known::Is(_))).flat_map(needed);
            root_with(of_root).into_iter().chain(others).collect()
        }
    }
}

fn root_with(conditions: impl IntoIterator<Item = Condition>) -> Option<Known<Condition>> {
    let conditions: Vec<_> = conditions.into_iter().map(Known::Is).collect();
    (!conditions.is_empty()).then(|| Known::all([Known::Is(Condition::Root), Known::all(conditions)]))
}

impl Fact for TraceCondition {
    fn compared(comparison: Comparison, named: &Reference, literal: &Literal) -> Known<Self> {
        let is_equal = comparison == Comparison::Equal;
        match (named, literal) {
            (Reference::Intrinsic(Intrinsic::RootName), Literal::Text(text)) if is_equal => {
                Known::Is(Self::RootName(TextIs::Equal(text.clone())))
            }
            // A service has a name: that of the unknown ones, when nothing else.
            (Reference::Intrinsic(Intrinsic::RootService), Literal::Text(text)) if is_equal && text.is_empty() => {
                Known::never()
            }
            (Reference::Intrinsic(Intrinsic::RootService), Literal::Text(text)) if is_equal => {
                Known::Is(Self::RootService(TextIs::Equal(text.clone())))
            }
            (Reference::Intrinsic(Intrinsic::TraceDuration), _) if comparison != Comparison::NotEqual => {
                match range::of(comparison, literal) {
                    Some(nanos) if nanos.is_empty() => Known::never(),
                    Some(nanos) => Known::Is(Self::Duration { min_nanos: *nanos.start(), max_nanos: *nanos.end() }),
                    None => Known::default(),
                }
            }
            _ => Known::default(),
        }
    }

    fn matched(named: &Reference, negated: bool, pattern: &Pattern) -> Known<Self> {
        let is = || TextIs::Matching(pattern.regex().clone());
        match named {
            Reference::Intrinsic(Intrinsic::RootName) if !negated => Known::Is(Self::RootName(is())),
            Reference::Intrinsic(Intrinsic::RootService) if !negated => Known::Is(Self::RootService(is())),
            _ => Known::default(),
        }
    }

    fn is(_: &Reference, _: bool) -> Known<Self> {
        Known::default()
    }

    fn there(_: &Reference) -> Known<Self> {
        Known::default()
    }

    fn missing(_: &Reference) -> Known<Self> {
        Known::default()
    }
}
