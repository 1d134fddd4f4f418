//! `compare()`: which values the spans of a selection have, and which the others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::super::{Trace, field, reference};
use super::Series;
use super::series::whole;
use crate::model::{Attributes, Span};
use crate::traceql::tree::{Compare, Intrinsic, Literal, Reference, Scope, SpanMetrics};

/// So many values of an attribute are shown, unless the query says how many.
const VALUES_MAX_DEFAULT: u64 = 10;

/// What is compared besides attributes: neither times nor ids, of which every span has another.
const COMPARED: [Intrinsic; 6] = [
    Intrinsic::Name,
    Intrinsic::Status,
    Intrinsic::StatusMessage,
    Intrinsic::Kind,
    Intrinsic::RootName,
    Intrinsic::RootService,
];

/// A comparison, and what was counted for it.
#[derive(Debug)]
pub(super) struct Comparer<'q> {
    pub(super) metrics: &'q SpanMetrics,
    compare: &'q Compare,
    intervals: usize,
    /// By side and attribute.
    counted: BTreeMap<(&'static str, String), Counted>,
}

/// The spans of one side that have an attribute.
#[derive(Debug, Default)]
struct Counted {
    total: Vec<u64>,
    /// By the text of the value.
    values: BTreeMap<String, (Literal, Vec<u64>)>,
}

impl<'q> Comparer<'q> {
    pub(super) fn new(metrics: &'q SpanMetrics, compare: &'q Compare, intervals: usize) -> Self {
        Self { metrics, compare, intervals, counted: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, trace: &Trace<'_>, at: usize, interval: usize) {
        let Some(span) = trace.span(at) else { return };
        let side = if self.is_selected(trace, at, span) { "selection" } else { "baseline" };
        for named in named(span) {
            let Some(value) = reference::values(&named, trace, at).into_iter().next() else { continue };
            let literal = value.into_literal();
            if literal == Literal::Nil {
                continue;
            }
            let counted = self.counted.entry((side, named.to_string())).or_default();
            increment(&mut counted.total, interval, self.intervals);
            let values = &mut counted.values.entry(literal.to_string()).or_insert((literal, Vec::new())).1;
            increment(values, interval, self.intervals);
        }
    }

    fn is_selected(&self, trace: &Trace<'_>, at: usize, span: &Span) -> bool {
        let in_window = self.compare.window.is_none_or(|(start, end)| start <= span.start && span.start < end);
        in_window && self.compare.selection.as_ref().is_none_or(|selection| field::is_true(selection, trace, at))
    }

    /// A series for each value, a total for each attribute, and a sign where there were more values.
    pub(super) fn finish(self) -> Vec<Series> {
        let values_max = self.compare.values_max.unwrap_or(VALUES_MAX_DEFAULT);
        let values_max = usize::try_from(values_max).unwrap_or(usize::MAX);
        let mut series = Vec::new();
        let mut exceeded = BTreeSet::new();
        for ((side, name), counted) in self.counted {
            if counted.values.len() > values_max {
                exceeded.insert(name.clone());
            }
            series.push(one("__meta_type", &format!("{side}_total"), &name, Literal::Nil, &counted.total));
            let mut values: Vec<_> = counted.values.into_iter().collect();
            values.sort_by_key(|(text, (_, counts))| (Reverse(counts.iter().sum::<u64>()), text.clone()));
            let shown = values.into_iter().take(values_max);
            series.extend(shown.map(|(_, (value, counts))| one("__meta_type", side, &name, value, &counts)));
        }
        let none = vec![0; self.intervals];
        let signs = exceeded.iter().map(|name| one("__meta_error", "__too_many_values__", name, Literal::Nil, &none));
        series.extend(signs);
        series
    }
}

fn one(kind: &str, what: &str, name: &str, value: Literal, counts: &[u64]) -> Series {
    let labels = vec![(kind.to_owned(), Literal::Text(what.to_owned())), (name.to_owned(), value)];
    Series { labels, values: counts.iter().map(|count| Some(whole(*count))).collect() }
}

fn increment(counts: &mut Vec<u64>, interval: usize, intervals: usize) {
    counts.resize(intervals, 0);
    if let Some(count) = counts.get_mut(interval) {
        *count = count.saturating_add(1);
    }
}

/// What is compared of a span.
fn named(span: &Span) -> Vec<Reference> {
    let keys = |attributes: &Attributes| attributes.iter().map(|one| one.key.clone()).collect::<BTreeSet<_>>();
    let of = |scope, names: BTreeSet<String>| names.into_iter().map(move |name| Reference::Attribute { scope, name });
    let own = of(Scope::Span, keys(&span.attributes));
    let resource = of(Scope::Resource, keys(&span.resource.attributes));
    COMPARED.into_iter().map(Reference::Intrinsic).chain(own).chain(resource).collect()
}
