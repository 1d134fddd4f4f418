//! Zipkin's conditions as expressions of TraceQL's tree.
//!
//! Services and span names that came by Zipkin are in lower case, others are as their sender wrote them: a name is looked
//! for as it is given and, when that is another, in lower case. A tag is an attribute of the span or of its resource, of
//! whatever type, that looks like the value.

use crate::model::{SpanKind, StatusCode};
use crate::traceql::tree::{Column, Comparison, Field, Intrinsic, Literal, Reference, Scope, Term};
use crate::zipkin::encode::PEER_KEYS;

/// All of these hold. As in a query that was read, a chain of `&&` is one list.
pub(super) fn all(operands: Vec<Field>) -> Field {
    let flat = operands.into_iter().flat_map(|operand| match operand.term {
        Term::All(operands) => operands,
        term => vec![field(term)],
    });
    one_or(flat.collect(), Term::All)
}

/// One of these holds, likewise.
fn any(operands: Vec<Field>) -> Field {
    let flat = operands.into_iter().flat_map(|operand| match operand.term {
        Term::Any(operands) => operands,
        term => vec![field(term)],
    });
    one_or(flat.collect(), Term::Any)
}

/// Operators have two operands at least.
fn one_or(mut operands: Vec<Field>, many: fn(Vec<Field>) -> Term) -> Field {
    match operands.pop() {
        Some(only) if operands.is_empty() => only,
        Some(last) => {
            operands.push(last);
            field(many(operands))
        }
        None => field(Term::Literal(Literal::Bool(true))),
    }
}

fn field(term: Term) -> Field {
    Field { column: Column::default(), term }
}

fn compare(reference: Reference, comparison: Comparison, literal: Literal) -> Field {
    let (left, right) = (field(Term::Reference(reference)), field(Term::Literal(literal)));
    field(Term::Compare(comparison, Box::new(left), Box::new(right)))
}

fn equal(reference: &Reference, literal: Literal) -> Field {
    compare(reference.clone(), Comparison::Equal, literal)
}

pub(super) fn attribute(scope: Scope, key: &str) -> Reference {
    Reference::Attribute { scope, name: key.to_owned() }
}

fn named(reference: &Reference, name: &str) -> Field {
    let lower = name.to_lowercase();
    let mut names = vec![equal(reference, Literal::Text(name.to_owned()))];
    if lower != name {
        names.push(equal(reference, Literal::Text(lower)));
    }
    any(names)
}

/// The span is of this service.
pub(super) fn service(name: &str) -> Field {
    named(&attribute(Scope::Resource, "service.name"), name)
}

/// The span has this name.
pub(super) fn name(name: &str) -> Field {
    named(&Reference::Intrinsic(Intrinsic::Name), name)
}

/// The span takes so many microseconds at the least, as Zipkin rounds them up.
pub(super) fn duration_min(micros: u64) -> Field {
    duration(Comparison::Greater, micros.saturating_sub(1))
}

/// The span takes so many microseconds at the most.
pub(super) fn duration_max(micros: u64) -> Field {
    duration(Comparison::LessOrEqual, micros)
}

fn duration(comparison: Comparison, micros: u64) -> Field {
    let nanos = i64::try_from(micros.saturating_mul(1_000)).unwrap_or(i64::MAX);
    compare(Reference::Intrinsic(Intrinsic::Duration), comparison, Literal::Duration(nanos))
}

/// The span has this annotation, or a tag of this name.
pub(super) fn said(text: &str) -> Field {
    let there = |scope| compare(attribute(scope, text), Comparison::NotEqual, Literal::Nil);
    let name = Reference::Intrinsic(Intrinsic::EventName);
    let mut ways: Vec<_> = [Scope::Span, Scope::Resource].map(there).into();
    match text {
        // Who has not failed has no such tag, unless it came by Zipkin; but then it has failed.
        "error" => ways = [Scope::Span, Scope::Resource].map(|scope| all(vec![there(scope), not_false(scope)])).into(),
        "otel.status_code" => ways.push(by_otlp(any(vec![status(StatusCode::OK), status(StatusCode::ERROR)]))),
        _ => ways.extend(
            scope_of(text).map(|part| by_otlp(compare(part, Comparison::NotEqual, Literal::Text(String::new())))),
        ),
    }
    ways.push(equal(&name, Literal::Text(text.to_owned())));
    if text == "error" {
        ways.push(status(StatusCode::ERROR));
    }
    any(ways)
}

/// The span has this tag with this value.
pub(super) fn tag(key: &str, value: &str) -> Field {
    let mut literals = vec![Literal::Text(value.to_owned())];
    literals.extend(value.parse().ok().filter(|int: &i64| int.to_string() == value).map(Literal::Int));
    literals.extend(value.parse().ok().map(Literal::Bool));
    let is_double = |double: &f64| double.is_finite() && double.to_string() == value && value.contains('.');
    literals.extend(value.parse().ok().filter(is_double).map(Literal::Float));
    let places = [Scope::Span, Scope::Resource].map(|scope| attribute(scope, key));
    let mut ways: Vec<_> =
        places.iter().flat_map(|place| literals.iter().map(|literal| equal(place, literal.clone()))).collect();
    match (key, value) {
        ("error", _) => {
            let mut shown = vec![by_zipkin()];
            if value != "false" {
                shown.push(compare(Reference::Intrinsic(Intrinsic::Status), Comparison::NotEqual, ERROR));
            }
            let message = equal(&Reference::Intrinsic(Intrinsic::StatusMessage), Literal::Text(value.to_owned()));
            return any(vec![all(vec![any(ways), any(shown)]), by_otlp(all(vec![status(StatusCode::ERROR), message]))]);
        }
        ("otel.status_code", "OK") => ways.push(by_otlp(status(StatusCode::OK))),
        ("otel.status_code", "ERROR") => ways.push(by_otlp(status(StatusCode::ERROR))),
        (_, "") => {}
        _ => ways.extend(scope_of(key).map(|part| by_otlp(equal(&part, Literal::Text(value.to_owned()))))),
    }
    any(ways)
}

const ERROR: Literal = Literal::Status(StatusCode::ERROR);

fn status(code: StatusCode) -> Field {
    equal(&Reference::Intrinsic(Intrinsic::Status), Literal::Status(code))
}

/// The attribute `error` is not the word or the value that says that nothing failed, which is not shown.
fn not_false(scope: Scope) -> Field {
    let said = [Literal::Bool(false), Literal::Text("false".to_owned())];
    let said = said.map(|literal| field(Term::Not(Box::new(equal(&attribute(scope, "error"), literal)))));
    all(said.into())
}

/// What of the instrumentation is shown as a tag of this name.
fn scope_of(tag: &str) -> Option<Reference> {
    match tag {
        "otel.scope.name" => Some(Reference::Intrinsic(Intrinsic::InstrumentationName)),
        "otel.scope.version" => Some(Reference::Intrinsic(Intrinsic::InstrumentationVersion)),
        _ => None,
    }
}

fn scope_is(comparison: Comparison) -> Field {
    let name = Reference::Intrinsic(Intrinsic::InstrumentationName);
    compare(name, comparison, Literal::Text("zipkin".to_owned()))
}

/// The span came by Zipkin.
fn by_zipkin() -> Field {
    scope_is(Comparison::Equal)
}

/// The span came by OTLP, so that it is shown with tags that are no attributes, and this holds.
fn by_otlp(condition: Field) -> Field {
    all(vec![scope_is(Comparison::NotEqual), condition])
}

/// What holds of a span when this attribute, by its place in [`PEER_KEYS`], names its remote service: those before it do
/// not, and spans by OTLP have one only when they call. Spans by Zipkin have the first of these attributes.
pub(super) fn is_remote_by(place: usize) -> Field {
    let kind = |kind| equal(&Reference::Intrinsic(Intrinsic::Kind), Literal::Kind(kind));
    let calls = any(vec![kind(SpanKind::CLIENT), kind(SpanKind::PRODUCER)]);
    if place == 0 {
        return any(vec![calls, by_zipkin()]);
    }
    let before = PEER_KEYS.iter().take(place);
    let missing = before.map(|(key, _)| compare(attribute(Scope::Span, key), Comparison::Equal, Literal::Nil));
    all([calls, scope_is(Comparison::NotEqual)].into_iter().chain(missing).collect())
}

/// The span's remote service is this.
pub(super) fn remote_service(name: &str) -> Field {
    let by_key = (0..).zip(&PEER_KEYS).map(|(place, (key, _))| {
        all(vec![named(&attribute(Scope::Span, key), name), is_remote_by(place)]) //
    });
    any(by_key.collect())
}
