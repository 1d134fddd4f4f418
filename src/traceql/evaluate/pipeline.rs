//! Pipelines: stages that make spansets of spansets.

use std::collections::{BTreeSet, HashMap};

use super::value::Value;
use super::{Trace, field, reference, scalar, structure};
use crate::model::Span;
use crate::traceql::tree::{Field, Literal, Pipeline, Reference, SpansetExpression, Stage};

/// Spans of one trace that belong together.
#[derive(Debug, Clone)]
pub struct Spanset<'a> {
    /// What is known of them as a whole: what they were grouped by, and the aggregates that were compared; each named
    /// as the query has it.
    pub attributes: Vec<(String, Literal)>,
    /// The spans, in the order of their keys.
    pub spans: Vec<FoundSpan<'a>>,
}

/// A span that matched.
#[derive(Debug, Clone)]
pub struct FoundSpan<'a> {
    /// The span.
    pub span: &'a Span,
    /// The first value of each attribute that the query selects, of those that it has, named as the query has it.
    /// Bytes and maps have no place in the language, and are left out.
    pub selected: Vec<(String, Literal)>,
}

/// The spansets that a pipeline makes of a trace; none when the trace does not match.
#[must_use]
pub fn spansets<'a>(pipeline: &Pipeline, trace: &Trace<'a>) -> Vec<Spanset<'a>> {
    let mut selected = Vec::new();
    collect_selected(pipeline, &mut selected);
    let found = |at: &usize| {
        let show = |named: &&Reference| {
            let first = reference::values(named, trace, *at).into_iter().next();
            let literal = first.map(Value::into_literal).filter(|literal| *literal != Literal::Nil);
            literal.map(|literal| (named.to_string(), literal))
        };
        trace.span(*at).map(|span| FoundSpan { span, selected: selected.iter().filter_map(show).collect() })
    };
    let sets = sets(pipeline, trace).into_iter();
    sets.map(|set| Spanset { spans: set.spans.iter().filter_map(found).collect(), attributes: set.attributes })
        .collect()
}

/// A spanset by the places of its spans in the trace, in order.
#[derive(Debug, Clone)]
pub(super) struct Set {
    attributes: Vec<(String, Literal)>,
    pub(super) spans: Vec<usize>,
}

/// The spansets that a pipeline makes of a trace.
pub(super) fn sets(pipeline: &Pipeline, trace: &Trace<'_>) -> Vec<Set> {
    let whole = Set { attributes: Vec::new(), spans: (0..trace.len()).collect() };
    staged(pipeline, trace, vec![whole])
}

fn staged(pipeline: &Pipeline, trace: &Trace<'_>, input: Vec<Set>) -> Vec<Set> {
    pipeline.stages.iter().fold(input, |mut sets, stage| {
        sets.retain(|set| !set.spans.is_empty());
        match stage {
            Stage::Spansets(expression) => sets.iter().flat_map(|set| expressed(expression, trace, set)).collect(),
            Stage::Filter(filter) => {
                let keep = |set: Set| {
                    let shown = scalar::filtered(filter, trace, &set.spans)?;
                    let known =
                        set.attributes.into_iter().filter(|(name, _)| shown.iter().all(|(other, _)| other != name));
                    Some(Set { attributes: known.chain(shown.iter().cloned()).collect(), ..set })
                };
                sets.into_iter().filter_map(keep).collect()
            }
            Stage::By(by) => sets.iter().flat_map(|set| grouped(by, trace, set)).collect(),
            Stage::Coalesce => united(&sets, Vec::new()).into_iter().collect(),
            Stage::Select(_) => sets,
        }
    })
}

/// What an expression makes of a spanset; nothing that is empty.
fn expressed(expression: &SpansetExpression, trace: &Trace<'_>, input: &Set) -> Vec<Set> {
    let operand = |operand| united(&expressed(operand, trace, input), input.attributes.clone());
    let spans = match expression {
        SpansetExpression::Filter(None) => input.spans.clone(),
        SpansetExpression::Filter(Some(condition)) => {
            input.spans.iter().copied().filter(|at| field::is_true(condition, trace, *at)).collect()
        }
        SpansetExpression::All(operands) => {
            let sides: Option<Vec<_>> = operands.iter().map(operand).collect();
            return sides.and_then(|sides| united(&sides, input.attributes.clone())).into_iter().collect();
        }
        SpansetExpression::Any(operands) => {
            let sides: Vec<_> = operands.iter().filter_map(operand).collect();
            return united(&sides, input.attributes.clone()).into_iter().collect();
        }
        SpansetExpression::Structural(operator, _, left, right) => {
            let spans = |side| operand(side).map(|set| set.spans).unwrap_or_default();
            structure::apply(*operator, trace, &spans(left), &spans(right))
        }
        SpansetExpression::Pipeline(pipeline) => return staged(pipeline, trace, vec![input.clone()]),
    };
    let set = Set { attributes: input.attributes.clone(), spans };
    Some(set).filter(|set| !set.spans.is_empty()).into_iter().collect()
}

/// All spans of some spansets, once and in order; `None` when there are none.
fn united(sets: &[Set], attributes: Vec<(String, Literal)>) -> Option<Set> {
    let spans: BTreeSet<_> = sets.iter().flat_map(|set| set.spans.iter().copied()).collect();
    (!spans.is_empty()).then(|| Set { attributes, spans: spans.into_iter().collect() })
}

/// A spanset for each value, in the order in which the values come up; what is missing is a value too.
fn grouped(by: &Field, trace: &Trace<'_>, set: &Set) -> Vec<Set> {
    let name = format!("by({by})");
    let mut groups: Vec<Set> = Vec::new();
    let mut group_of: HashMap<String, usize> = HashMap::new();
    for at in &set.spans {
        let value = field::first(by, trace, *at).map_or(Literal::Nil, Value::into_literal);
        let group = *group_of.entry(value.to_string()).or_insert(groups.len());
        if let Some(group) = groups.get_mut(group) {
            group.spans.push(*at);
        } else {
            let attributes = [set.attributes.clone(), vec![(name.clone(), value)]].concat();
            groups.push(Set { attributes, spans: vec![*at] });
        }
    }
    groups
}

/// What is selected anywhere in a pipeline, in order.
fn collect_selected<'q>(pipeline: &'q Pipeline, selected: &mut Vec<&'q Reference>) {
    for stage in &pipeline.stages {
        match stage {
            Stage::Select(references) => {
                for reference in references {
                    if !selected.contains(&reference) {
                        selected.push(reference);
                    }
                }
            }
            Stage::Spansets(expression) => collect_selected_within(expression, selected),
            Stage::Filter(_) | Stage::By(_) | Stage::Coalesce => {}
        }
    }
}

fn collect_selected_within<'q>(expression: &'q SpansetExpression, selected: &mut Vec<&'q Reference>) {
    match expression {
        SpansetExpression::Filter(_) => {}
        SpansetExpression::All(operands) | SpansetExpression::Any(operands) => {
            for operand in operands {
                collect_selected_within(operand, selected);
            }
        }
        SpansetExpression::Structural(_, _, left, right) => {
            collect_selected_within(left, selected);
            collect_selected_within(right, selected);
        }
        SpansetExpression::Pipeline(pipeline) => collect_selected(pipeline, selected),
    }
}
