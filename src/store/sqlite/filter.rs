//! A filter as SQL on `span_row`. What it says holds whenever the filter does; what it can not say is left to
//! `Filter::matches`.

use sqlx::{QueryBuilder, Sqlite};

use super::search::fragment;
use crate::model::{AttributeIs, Condition, Filter, TextIs, Value, Within};
use crate::store::text;

type Builder = QueryBuilder<Sqlite>;

/// Of a filter with more conditions than this nothing is said: a statement has a limit of 32,766 values.
pub(super) const CONDITIONS_MAX: usize = 128;

/// Up to here every whole number is a double, and no other is rounded to it.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// Appends what is to hold of a row, as one term.
pub(super) fn push_filter(filter: &Filter, query: &mut Builder) {
    if conditions(filter) > CONDITIONS_MAX {
        query.push("true");
    } else {
        push(filter, query);
    }
}

/// Whether it says all that the filter does.
pub(super) fn is_exact(filter: &Filter) -> bool {
    match filter {
        Filter::All(parts) | Filter::OneOf(parts) => conditions(filter) <= CONDITIONS_MAX && parts.iter().all(is_exact),
        Filter::Is(Condition::Attribute { .. }) => false,
        Filter::Is(Condition::Service(is) | Condition::Name(is)) => matches!(is, TextIs::Equal(_)),
        Filter::Everything | Filter::Is(_) => true,
    }
}

fn conditions(filter: &Filter) -> usize {
    match filter {
        Filter::Everything => 0,
        Filter::All(parts) | Filter::OneOf(parts) => parts.iter().map(conditions).fold(0, usize::saturating_add),
        Filter::Is(_) => 1,
    }
}

fn push(filter: &Filter, query: &mut Builder) {
    let (parts, between, of_none) = match filter {
        Filter::Everything => (&[][..], "", "true"),
        Filter::All(parts) => (&parts[..], " and ", "true"),
        Filter::OneOf(parts) => (&parts[..], " or ", "false"),
        Filter::Is(condition) => return push_condition(condition, query),
    };
    query.push("(");
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            query.push(between);
        }
        push(part, query);
    }
    query.push(if parts.is_empty() { of_none } else { "" }).push(")");
}

fn push_condition(condition: &Condition, query: &mut Builder) {
    match condition {
        Condition::Service(TextIs::Equal(name)) => {
            query.push("service_id = (select service_id from service where name = ");
            query.push_bind(text::stored(name).into_owned()).push(")");
        }
        Condition::Name(TextIs::Equal(name)) => {
            query.push("name = ").push_bind(text::stored(name).into_owned());
        }
        Condition::Service(TextIs::Matching(_)) | Condition::Name(TextIs::Matching(_)) => {
            query.push("true");
        }
        Condition::Kind(kind) => {
            query.push("kind = ").push_bind(kind.0);
        }
        Condition::Status(code) => {
            query.push("coalesce(status_code, 0) = ").push_bind(code.0);
        }
        Condition::Duration { min_nanos, max_nanos } => push_duration(*min_nanos, *max_nanos, query),
        Condition::TraceId(id) => {
            query.push("lower(hex(trace_id)) = ").push_bind(id.to_string());
        }
        Condition::SpanId(id) => {
            query.push("span_id = ").push_bind(id.as_bytes().to_vec());
        }
        Condition::ParentSpanId(id) => {
            query.push("parent_span_id = ").push_bind(id.as_bytes().to_vec());
        }
        Condition::Root => {
            query.push("parent_span_id is null");
        }
        Condition::Attribute { within, key, is } => push_attribute(*within, key, is, query),
    }
}

/// No span is longer than the integers of a database.
fn push_duration(min_nanos: u64, max_nanos: u64, query: &mut Builder) {
    match i64::try_from(min_nanos) {
        Err(_) => query.push("false"),
        Ok(min) => {
            query.push("duration_nano between ").push_bind(min).push(" and ");
            query.push_bind(i64::try_from(max_nanos).unwrap_or(i64::MAX))
        }
    };
}

fn push_attribute(within: Within, key: &str, is: &AttributeIs, query: &mut Builder) {
    match within {
        Within::Anywhere => {
            query.push("(");
            for place in [Within::Span, Within::Resource, Within::Event, Within::Link] {
                push_attribute(place, key, is, query);
                query.push(" or ");
            }
            push_attribute(Within::Scope, key, is, query);
            query.push(")");
        }
        Within::Span => push_has("span_row.attributes", key, is, query),
        Within::Event => push_has("span_row.events", key, is, query),
        Within::Link => push_has("span_row.links", key, is, query),
        Within::Resource => {
            query.push("resource_id in (select resource_id from resource_row where ");
            push_has("resource_row.attributes", key, is, query);
            query.push(")");
        }
        Within::Scope => {
            query.push("scope_id in (select scope_id from scope where ");
            push_has("scope.attributes", key, is, query);
            query.push(")");
        }
    }
}

/// That a JSON text has the key in it, and behind it what may be the value: an array, of which one element is enough, or
/// an object, which stands for a number that JSON has not.
fn push_has(json: &str, key: &str, is: &AttributeIs, query: &mut Builder) {
    // A number as a value can be written, and ends the pair.
    let pair = fragment(key, &Value::Int(1)).unwrap_or_default();
    let before = pair.strip_suffix('1').unwrap_or_default();
    let values = behind_key(is);
    query.push("(");
    for (number, value) in values.iter().enumerate() {
        query.push(if number > 0 { " or instr(" } else { "instr(" });
        query.push(json).push(", ").push_bind(format!("{before}{value}")).push(") > 0");
    }
    query.push(")");
}

/// How the values begin that may be this.
fn behind_key(is: &AttributeIs) -> Vec<String> {
    let or_array = |value: String| vec![value, "[".to_owned()];
    match is {
        AttributeIs::Text(TextIs::Matching(_)) => or_array("\"".to_owned()),
        AttributeIs::Text(TextIs::Equal(wanted)) => {
            let pair = fragment("", &Value::String(wanted.clone())).unwrap_or_default();
            or_array(pair.strip_prefix("\"\":").unwrap_or_default().to_owned())
        }
        AttributeIs::Bool(wanted) => or_array(wanted.to_string()),
        #[expect(clippy::float_cmp, reason = "a range of one number")]
        AttributeIs::Number { min, max } if min == max && min.abs() <= EXACT_MAX => {
            vec![(min + 0.0).to_string(), "[".to_owned(), "{".to_owned()]
        }
        AttributeIs::There | AttributeIs::Number { .. } => vec![String::new()],
    }
}
