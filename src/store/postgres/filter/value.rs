//! A value in JSON, in SQL. What it says holds whenever the condition does. It may hold elsewhere too: an array is looked
//! into by its text, and a regular expression is not known here.

use super::{Attribute, Builder};
use crate::model::{AttributeIs, TextIs, Value};
use crate::store::json;

/// Appends what is to hold of an object's value under the key.
pub(super) fn push_value_is(object: &str, attribute: &Attribute, sql: &mut Builder) {
    let key = attribute.stored_key();
    let value = |sql: &mut Builder| {
        sql.push(format_args!("({object} -> ")).push_bind(key.clone()).push(")");
    };
    match &attribute.is {
        AttributeIs::There => {
            value(sql);
            sql.push(" <> 'null'::jsonb");
        }
        AttributeIs::Text(TextIs::Equal(wanted)) => push_equal(value, json_of(&Value::String(wanted.clone())), sql),
        AttributeIs::Bool(wanted) => push_equal(value, wanted.to_string(), sql),
        AttributeIs::Text(TextIs::Matching(_)) => {
            sql.push("jsonb_typeof(");
            value(sql);
            sql.push(") in ('string', 'array')");
        }
        AttributeIs::Number { min, max } => push_number(value, *min, *max, sql),
    }
}

/// A value as JSON, which jsonb may print in another way.
pub(super) fn json_of(value: &Value) -> String {
    let mut bytes = Vec::new();
    // A text or a truth value is not nested.
    let written = json::value(value, &mut bytes).ok().and_then(|()| String::from_utf8(bytes).ok());
    written.unwrap_or_default()
}

fn push_equal(value: impl Fn(&mut Builder), wanted: String, sql: &mut Builder) {
    sql.push("(");
    value(sql);
    sql.push(" = ").push_bind(wanted.clone()).push("::jsonb or jsonb_typeof(");
    value(sql);
    sql.push(") = 'array' and strpos(");
    value(sql);
    sql.push("::text, (").push_bind(wanted).push("::jsonb)::text) > 0)");
}

/// Compares doubles, as the filter does: a whole number with many digits is rounded before. What JSON has no number for
/// (infinities, minus zero) is an object.
fn push_number(value: impl Fn(&mut Builder), min: f64, max: f64, sql: &mut Builder) {
    sql.push("case jsonb_typeof(");
    value(sql);
    sql.push(") when 'number' then ");
    value(sql);
    sql.push("::float8 between ").push_bind(min).push(" and ").push_bind(max);
    sql.push(" when 'array' then true when 'object' then ");
    value(sql);
    sql.push(" ? '$double' else false end");
}
