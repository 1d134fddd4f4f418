//! `compare()`: which values the spans of a selection have, and which the others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::{Trace, field, reference};
use super::Series;
use super::limits::{Held, TooMuch};
use super::measure::Shown;
use super::series::whole;
use crate::model::{Attributes, Span};
use crate::traceql::tree::{Compare, Intrinsic, Literal, Reference, Scope, SpanMetrics};

/// So many values of an attribute are shown, unless the query says how many.
const VALUES_SHOWN_DEFAULT: u64 = 10;

/// What is compared besides attributes: neither times nor ids, of which every span has another.
pub(super) const COMPARED: [Intrinsic; 6] = [
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
    /// By side and attribute.
    counted: BTreeMap<(&'static str, String), Counted>,
}

/// Spans by interval.
type Counts = BTreeMap<usize, u64>;

/// The spans of one side that have an attribute.
#[derive(Debug, Default)]
struct Counted {
    total: Counts,
    /// By the text of the value; empty when there are too many.
    values: HashMap<String, (Literal, Counts)>,
    are_too_many: bool,
}

impl<'q> Comparer<'q> {
    pub(super) fn new(metrics: &'q SpanMetrics, compare: &'q Compare) -> Self {
        Self { metrics, compare, counted: BTreeMap::new() }
    }

    pub(super) fn add(
        &mut self,
        trace: &Trace<'_>,
        at: usize,
        interval: usize,
        held: &mut Held,
    ) -> Result<(), TooMuch> {
        let Some(span) = trace.span(at) else { return Ok(()) };
        let side = if self.is_selected(trace, at, span) { "selection" } else { "baseline" };
        let values_max = self.values_shown().max(held.limits.compared_values_max);
        for named in named(span) {
            let Some(value) = reference::values(&named, trace, at).into_iter().next() else { continue };
            let literal = value.into_literal();
            if literal == Literal::Nil {
                continue;
            }
            let key = (side, named.to_string());
            if !self.counted.contains_key(&key) {
                held.take_entry(key.1.len())?;
            }
            self.counted.entry(key).or_default().add(literal, interval, values_max, held)?;
        }
        Ok(())
    }

    fn is_selected(&self, trace: &Trace<'_>, at: usize, span: &Span) -> bool {
        let in_window = self.compare.window.is_none_or(|(start, end)| start <= span.start && span.start < end);
        in_window && self.compare.selection.as_ref().is_none_or(|selection| field::is_true(selection, trace, at))
    }

    fn values_shown(&self) -> usize {
        usize::try_from(self.compare.values_max.unwrap_or(VALUES_SHOWN_DEFAULT)).unwrap_or(usize::MAX)
    }

    /// A series for each value, a total for each attribute, and a sign where there were more values.
    pub(super) fn finish(mut self, shown: &Shown, held: &Held) -> Result<Vec<Series>, TooMuch> {
        for counted in self.counted.values_mut() {
            counted.cut(shown.first);
        }
        self.counted.retain(|_, counted| !counted.total.is_empty());
        let values_shown = self.values_shown();
        let one_and = |counted: &Counted| counted.values.len().min(values_shown).saturating_add(2);
        held.check_series(self.counted.values().map(one_and).sum(), shown.count)?;
        let (mut series, mut exceeded) = (Vec::new(), BTreeSet::new());
        for ((side, name), counted) in self.counted {
            if counted.are_too_many || counted.values.len() > values_shown {
                exceeded.insert(name.clone());
            }
            series.push(one("__meta_type", &format!("{side}_total"), &name, Literal::Nil, &counted.total, shown));
            let mut values: Vec<_> = counted.values.into_iter().collect();
            values.sort_by_cached_key(|(text, (_, counts))| (Reverse(counts.values().sum::<u64>()), text.clone()));
            let most = values.into_iter().take(values_shown);
            series.extend(most.map(|(_, (value, counts))| one("__meta_type", side, &name, value, &counts, shown)));
        }
        let sign =
            |name: &String| one("__meta_error", "__too_many_values__", name, Literal::Nil, &Counts::new(), shown);
        series.extend(exceeded.iter().map(sign));
        Ok(series)
    }
}

impl Counted {
    fn add(&mut self, value: Literal, interval: usize, values_max: usize, held: &mut Held) -> Result<(), TooMuch> {
        increment(&mut self.total, interval, held)?;
        if self.are_too_many {
            return Ok(());
        }
        let text = value.to_string();
        if !self.values.contains_key(&text) {
            if self.values.len() >= values_max {
                (self.values, self.are_too_many) = (HashMap::new(), true);
                return Ok(());
            }
            held.take_entry(text.len().saturating_mul(2))?;
        }
        increment(&mut self.values.entry(text).or_insert((value, Counts::new())).1, interval, held)
    }

    /// Forgets what is before an interval.
    fn cut(&mut self, first: usize) {
        self.total = self.total.split_off(&first);
        for (_, counts) in self.values.values_mut() {
            *counts = counts.split_off(&first);
        }
        self.values.retain(|_, (_, counts)| !counts.is_empty());
    }
}

fn one(kind: &str, what: &str, name: &str, value: Literal, counts: &Counts, shown: &Shown) -> Series {
    let labels = vec![(kind.to_owned(), Literal::Text(what.to_owned())), (name.to_owned(), value)];
    let count = |interval| Some(whole(counts.get(&interval).copied().unwrap_or_default()));
    Series { labels, values: shown.values(count) }
}

fn increment(counts: &mut Counts, interval: usize, held: &mut Held) -> Result<(), TooMuch> {
    let count = counts.entry(interval).or_default();
    *count = count.saturating_add(1);
    if *count == 1 { held.take_entry(0) } else { Ok(()) }
}

/// What is compared of a span.
fn named(span: &Span) -> Vec<Reference> {
    let keys = |attributes: &Attributes| attributes.iter().map(|one| one.key.clone()).collect::<BTreeSet<_>>();
    let of = |scope, names: BTreeSet<String>| names.into_iter().map(move |name| Reference::Attribute { scope, name });
    let own = of(Scope::Span, keys(&span.attributes));
    let resource = of(Scope::Resource, keys(&span.resource.attributes));
    COMPARED.into_iter().map(Reference::Intrinsic).chain(own).chain(resource).collect()
}
