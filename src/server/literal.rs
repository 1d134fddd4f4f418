//! TraceQL's values as OTLP's, for every door that tells what a query selects or groups by. Attributes of spans are OTLP's
//! from the start: those are in `otlp/encode.rs`.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};

use crate::traceql::tree::Literal;

pub(super) fn key_value((key, literal): (String, Literal)) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value: any_value(literal) }), ..KeyValue::default() }
}

/// What has no type of its own there is the text that the language has for it.
fn any_value(literal: Literal) -> Option<any_value::Value> {
    Some(match literal {
        Literal::Nil => return None,
        Literal::Bool(value) => any_value::Value::BoolValue(value),
        Literal::Int(value) => any_value::Value::IntValue(value),
        Literal::Float(value) => any_value::Value::DoubleValue(value),
        Literal::Text(text) => any_value::Value::StringValue(text),
        other @ (Literal::Duration(_) | Literal::Status(_) | Literal::Kind(_)) => {
            any_value::Value::StringValue(other.to_string())
        }
    })
}
