//! What Jaeger searches for, as a question that [`Query`](crate::query::Query) can be asked.
//!
//! Service, name, times and durations are conditions of a [`Search`]; the attributes are one TraceQL filter beside it.
//! Both must hold on one and the same span, as Jaeger has it. How requests are read is in the files of the three doors;
//! what the conditions mean for a span is in `model/search.rs` and `traceql/evaluate`.

use super::names::KINDS;
use crate::model::search::ATTRIBUTE_CONDITIONS_MAX;
use crate::model::{Search, SearchError, SearchFields, StatusCode, UnixNanos, Value};
use crate::query::{OwnedQuestion, QueryError, SPANS_PER_SET_DEFAULT};
use crate::traceql::tree::{
    Column, Comparison, Field, Intrinsic, Literal, Pipeline, Reference, Scope, SpansetExpression, Stage, Term,
};

/// How many traces are found when a request does not say, or says less than one.
const DEPTH_DEFAULT: usize = 100;
/// More traces can not be asked for at once.
const DEPTH_MAX: usize = 10_000;

/// What is asked, and how many traces at the most.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: OwnedQuestion,
    pub(super) depth: usize,
}

/// How many traces a search finds at the most.
///
/// # Errors
/// More than there can be at once.
pub(super) fn depth(field: &'static str, sent: i32) -> Result<usize, QueryError> {
    match usize::try_from(sent) {
        Err(_) | Ok(0) => Ok(DEPTH_DEFAULT),
        Ok(depth) if depth > DEPTH_MAX => {
            Err(QueryError::BadRequest { field, reason: format!("must not be more than {DEPTH_MAX}") })
        }
        Ok(depth) => Ok(depth),
    }
}

/// A search as any of the doors reads it. What is `None` or empty holds on every span.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) service: String,
    pub(super) operation: String,
    pub(super) start_min: Option<UnixNanos>,
    /// The last start that is still wanted.
    pub(super) start_max: Option<UnixNanos>,
    pub(super) duration_min_nanos: Option<u64>,
    /// 0 is no bound, as in Jaeger.
    pub(super) duration_max_nanos: Option<u64>,
    pub(super) attributes: Vec<(String, Value)>,
}

impl Wanted {
    /// The question that finds it.
    ///
    /// # Errors
    /// Bounds that exclude everything, too many attributes, and values that have no form to be searched in.
    pub(super) fn question(self) -> Result<OwnedQuestion, QueryError> {
        let query = pipeline(&self.attributes)?;
        let some_text = |text: String| Some(text).filter(|text| !text.is_empty());
        let fields = SearchFields {
            start_min: self.start_min,
            // Of a bound that is the last moment there is, nothing is left out.
            start_max: self.start_max.and_then(|max| max.0.checked_add(1)).map(UnixNanos),
            service: some_text(self.service),
            span_name: some_text(self.operation),
            duration_min_nanos: self.duration_min_nanos,
            duration_max_nanos: self.duration_max_nanos.filter(|max| *max > 0),
            ..SearchFields::default()
        };
        let search = Search::try_from(fields).map_err(refused)?;
        Ok(OwnedQuestion { search, query, spans_per_set_max: SPANS_PER_SET_DEFAULT })
    }
}

/// The refusal with the name that Jaeger has for the field.
fn refused(error: SearchError) -> QueryError {
    let field = match error.field {
        "start_max" => "start_time_max",
        "service" => "service_name",
        "span_name" => "operation_name",
        same => same,
    };
    QueryError::BadRequest { field, reason: error.reason }
}

/// `{ … }` with a condition for each attribute; `None` without any.
fn pipeline(attributes: &[(String, Value)]) -> Result<Option<Pipeline>, QueryError> {
    if attributes.len() > ATTRIBUTE_CONDITIONS_MAX {
        return Err(bad(format!("at most {ATTRIBUTE_CONDITIONS_MAX} attributes can be searched for at once")));
    }
    let conditions = attributes.iter().map(|(key, value)| condition(key, value)).collect::<Result<Vec<_>, _>>()?;
    let Some(condition) = joined(conditions, Term::All) else { return Ok(None) };
    let filter = Stage::Spansets(SpansetExpression::Filter(Some(condition)));
    Ok(Some(Pipeline { stages: vec![filter] }))
}

/// What must hold for one attribute. Some keys are no attributes, but what Jaeger has under these names.
fn condition(key: &str, value: &Value) -> Result<Field, QueryError> {
    if key.is_empty() || key.contains('\0') {
        return Err(bad("a key must not be empty nor contain U+0000".to_owned()));
    }
    let forms = Forms::of(key, value)?;
    Ok(match key {
        "error" => of_error(&forms.text),
        "span.status" => compare(Comparison::Equal, Intrinsic::Status, Literal::Status(status(&forms.text))),
        "span.kind" => of_kind(&forms.text),
        "scope.name" => compare(Comparison::Equal, Intrinsic::InstrumentationName, Literal::Text(forms.text)),
        "scope.version" => compare(Comparison::Equal, Intrinsic::InstrumentationVersion, Literal::Text(forms.text)),
        _ => match key.strip_prefix("resource.") {
            Some(key) => forms.within(&[Scope::Resource], key),
            None => forms.within(&Scope::NAMED, key),
        },
    })
}

/// A value's text, and the literals that mean the same: a span says 200 as a number or as a text, and is found by both.
/// A whole number as a literal also equals a double without a fraction, whose text is the same.
struct Forms {
    text: String,
    literals: Vec<Literal>,
}

impl Forms {
    fn of(key: &str, value: &Value) -> Result<Self, QueryError> {
        let (text, typed) = match value {
            Value::String(text) => (text.clone(), typed(text)),
            Value::Bool(value) => (value.to_string(), Some(Literal::Bool(*value))),
            Value::Int(value) => (value.to_string(), Some(Literal::Int(*value))),
            Value::Double(value) => (double(*value), Some(Literal::Float(*value))),
            Value::Null | Value::Bytes(_) | Value::Array(_) | Value::Map(_) => {
                let what = "a null, bytes, a list or a map can not be searched for: use a text, a number or a boolean";
                return Err(bad(format!("{key}: {what}")));
            }
        };
        let literals = std::iter::once(Literal::Text(text.clone())).chain(typed).collect();
        Ok(Self { text, literals })
    }

    /// Whether an attribute in one of these places has one of the forms.
    fn within(&self, scopes: &[Scope], key: &str) -> Field {
        let reference = |scope| Reference::Attribute { scope, name: key.to_owned() };
        let of_scope = |scope: &Scope| {
            let literals = self.literals.iter().cloned();
            literals.map(|literal| equal(reference(*scope), literal)).collect::<Vec<_>>()
        };
        joined(scopes.iter().flat_map(of_scope).collect(), Term::Any).unwrap_or_else(never)
    }
}

/// What a text says when it is just what a boolean, a whole number or a double is written as.
fn typed(text: &str) -> Option<Literal> {
    let bool = || text.parse().ok().map(Literal::Bool);
    let int = || text.parse::<i64>().ok().filter(|int| int.to_string() == text).map(Literal::Int);
    let float = || text.parse::<f64>().ok().filter(|float| double(*float) == text).map(Literal::Float);
    bool().or_else(int).or_else(float)
}

/// A double as Jaeger writes it: the shortest text that gives it again, with an exponent only at the extremes.
fn double(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !value.is_finite() || (1e-6..1e21).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    if size < 1.0 { text } else { text.replace('e', "e+") }
}

/// `error=true` is the status error, `error=false` any other; another value is found nowhere.
fn of_error(text: &str) -> Field {
    let comparison = match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Comparison::Equal,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Comparison::NotEqual,
        _ => return never(),
    };
    compare(comparison, Intrinsic::Status, Literal::Status(StatusCode::ERROR))
}

fn status(text: &str) -> StatusCode {
    match text {
        "OK" => StatusCode::OK,
        "ERROR" => StatusCode::ERROR,
        _ => StatusCode::UNSET,
    }
}

fn of_kind(text: &str) -> Field {
    let kind = KINDS.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
    kind.map_or_else(never, |kind| compare(Comparison::Equal, Intrinsic::Kind, Literal::Kind(kind)))
}

fn compare(comparison: Comparison, intrinsic: Intrinsic, literal: Literal) -> Field {
    let (left, right) = (term(Term::Reference(Reference::Intrinsic(intrinsic))), term(Term::Literal(literal)));
    term(Term::Compare(comparison, Box::new(left), Box::new(right)))
}

fn equal(reference: Reference, literal: Literal) -> Field {
    let (left, right) = (term(Term::Reference(reference)), term(Term::Literal(literal)));
    term(Term::Compare(Comparison::Equal, Box::new(left), Box::new(right)))
}

/// Holds on no span.
fn never() -> Field {
    term(Term::Literal(Literal::Bool(false)))
}

/// One of several as it is, more of them in a chain; `None` of none.
fn joined(mut fields: Vec<Field>, chain: impl Fn(Vec<Field>) -> Term) -> Option<Field> {
    if fields.len() > 1 { Some(term(chain(fields))) } else { fields.pop() }
}

/// No text says it, so it has no column.
fn term(term: Term) -> Field {
    Field { column: Column::default(), term }
}

fn bad(reason: String) -> QueryError {
    QueryError::BadRequest { field: "attributes", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(key: &str, value: Value) -> String {
        let wanted = Wanted { attributes: vec![(key.to_owned(), value)], ..Wanted::default() };
        wanted.question().unwrap().query.unwrap().to_string()
    }

    #[test]
    fn a_value_is_looked_for_in_every_place_and_form() {
        for (value, forms) in [
            (Value::from("x"), vec!["`x`"]),
            (Value::from("200"), vec!["`200`", "200"]),
            (Value::Int(200), vec!["`200`", "200"]),
            (Value::from("0200"), vec!["`0200`"]),
            (Value::Bool(true), vec!["`true`", "true"]),
            (Value::Double(72.5), vec!["`72.5`", "72.5"]),
        ] {
            let query = printed("k", value.clone()).replace('"', "`");
            for scope in Scope::NAMED {
                for form in &forms {
                    let part = format!("{}.k = {form}", scope.word());
                    assert!(query.contains(&part), "{value:?}: {part} is not in {query}");
                }
            }
            assert_eq!(query.matches(" = ").count(), 5 * forms.len(), "{query}");
        }
    }

    #[test]
    fn some_keys_are_no_attributes() {
        for (key, value, query) in [
            ("error", "true", "{ status = error }"),
            ("error", "F", "{ status != error }"),
            ("error", "perhaps", "{ false }"),
            ("span.status", "OK", "{ status = ok }"),
            ("span.status", "", "{ status = unset }"),
            ("span.kind", "server", "{ kind = server }"),
            ("span.kind", "SERVER", "{ false }"),
            ("scope.name", "x", "{ instrumentation:name = \"x\" }"),
            ("resource.k", "x", "{ resource.k = \"x\" }"),
        ] {
            assert_eq!(printed(key, value.into()).replace('`', "\""), query, "{key}={value}");
        }
    }

    #[test]
    fn both_ends_of_the_time_are_inside() {
        let at = |time| Some(UnixNanos(time));
        let question = Wanted { start_min: at(5), start_max: at(5), ..Wanted::default() }.question().unwrap();
        assert_eq!((question.search.start_min, question.search.start_max), (at(5), at(6)));
        let question = Wanted { start_max: at(u64::MAX), ..Wanted::default() }.question().unwrap();
        assert_eq!(question.search.start_max, None);
    }

    #[test]
    fn doubles_are_written_as_jaeger_writes_them() {
        for (value, text) in
            [(1.0, "1"), (0.1, "0.1"), (1e21, "1e+21"), (1e-7, "1e-7"), (-1e20, "-100000000000000000000")]
        {
            assert_eq!(double(value), text);
        }
    }
}
