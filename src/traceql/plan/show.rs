//! A filter as text of the language, for people to read.

use crate::model::{AttributeIs, Condition, Filter, TextIs, Within};
use crate::traceql::pattern::Pattern;
use crate::traceql::tree::{
    Column, Comparison, Field, Intrinsic, Literal, Pipeline, Reference, Scope, SpansetExpression, Stage, Term,
};

/// The filter as `{ … }`; empty when it holds on every span.
#[must_use]
pub fn text_of(filter: &Filter) -> String {
    let Some(shown) = field_of(filter) else { return String::new() };
    Pipeline { stages: vec![Stage::Spansets(SpansetExpression::Filter(Some(shown)))] }.to_string()
}

/// `None` when it holds on every span.
fn field_of(filter: &Filter) -> Option<Field> {
    match filter {
        Filter::Everything => None,
        Filter::All(filters) => joined(filters.iter().filter_map(field_of).collect(), Term::All),
        Filter::OneOf(filters) if filters.is_empty() => Some(field(Term::Literal(Literal::Bool(false)))),
        Filter::OneOf(filters) => {
            let all: Option<Vec<_>> = filters.iter().map(field_of).collect();
            all.and_then(|all| joined(all, Term::Any))
        }
        Filter::Is(condition) => field_of_condition(condition),
    }
}

fn joined(mut fields: Vec<Field>, term: fn(Vec<Field>) -> Term) -> Option<Field> {
    if fields.len() > 1 { Some(field(term(fields))) } else { fields.pop() }
}

fn field_of_condition(condition: &Condition) -> Option<Field> {
    let service = || attribute(Scope::Resource, "service.name");
    match condition {
        Condition::Service(is) => text(service(), is),
        Condition::Name(is) => text(intrinsic(Intrinsic::Name), is),
        Condition::Kind(kind) => Some(equal(intrinsic(Intrinsic::Kind), Literal::Kind(*kind))),
        Condition::Status(code) => Some(equal(intrinsic(Intrinsic::Status), Literal::Status(*code))),
        Condition::Duration { min_nanos, max_nanos } => {
            let nanos = |nanos: u64| i64::try_from(nanos).ok().map(Literal::Duration);
            let min = nanos(*min_nanos).filter(|_| *min_nanos > 0);
            between(&intrinsic(Intrinsic::Duration), min, nanos(*max_nanos))
        }
        Condition::TraceId(id) => Some(equal(intrinsic(Intrinsic::TraceId), Literal::Text(id.to_string()))),
        Condition::SpanId(id) => Some(equal(intrinsic(Intrinsic::SpanId), Literal::Text(id.to_string()))),
        Condition::ParentSpanId(id) => Some(equal(intrinsic(Intrinsic::ParentId), Literal::Text(id.to_string()))),
        Condition::Root => Some(equal(intrinsic(Intrinsic::ParentId), Literal::Nil)),
        Condition::Attribute { within, key, is } => field_of_attribute(attribute(scope(*within), key), is),
    }
}

fn field_of_attribute(named: Field, is: &AttributeIs) -> Option<Field> {
    match is {
        AttributeIs::There => Some(compare(Comparison::NotEqual, named, Literal::Nil)),
        AttributeIs::Text(is) => text(named, is),
        AttributeIs::Bool(value) => Some(equal(named, Literal::Bool(*value))),
        AttributeIs::Number { min, max } => {
            let bound = |number: f64| number.is_finite().then_some(Literal::Float(number));
            between(&named, bound(*min), bound(*max))
        }
    }
}

fn scope(within: Within) -> Scope {
    match within {
        Within::Anywhere => Scope::Any,
        Within::Span => Scope::Span,
        Within::Resource => Scope::Resource,
        Within::Event => Scope::Event,
        Within::Link => Scope::Link,
        Within::Scope => Scope::Instrumentation,
    }
}

fn text(named: Field, is: &TextIs) -> Option<Field> {
    match is {
        TextIs::Equal(text) => Some(equal(named, Literal::Text(text.clone()))),
        TextIs::Matching(regex) => {
            let pattern = Pattern::of_regex(regex)?;
            Some(field(Term::Match { negated: false, value: Box::new(named), pattern }))
        }
    }
}

/// Not less than the one, not more than the other.
fn between(named: &Field, min: Option<Literal>, max: Option<Literal>) -> Option<Field> {
    if min.is_some() && min == max {
        return min.map(|value| equal(named.clone(), value));
    }
    let min = min.map(|min| compare(Comparison::GreaterOrEqual, named.clone(), min));
    let max = max.map(|max| compare(Comparison::LessOrEqual, named.clone(), max));
    joined(min.into_iter().chain(max).collect(), Term::All)
}

fn equal(named: Field, literal: Literal) -> Field {
    compare(Comparison::Equal, named, literal)
}

fn compare(comparison: Comparison, named: Field, literal: Literal) -> Field {
    field(Term::Compare(comparison, Box::new(named), Box::new(field(Term::Literal(literal)))))
}

fn intrinsic(intrinsic: Intrinsic) -> Field {
    field(Term::Reference(Reference::Intrinsic(intrinsic)))
}

fn attribute(scope: Scope, name: &str) -> Field {
    field(Term::Reference(Reference::Attribute { scope, name: name.to_owned() }))
}

fn field(term: Term) -> Field {
    Field { column: Column(0), term }
}
