//! Values that come inside other messages, already decoded by prost: the attribute conditions of a search. Requests
//! full of spans do not come this way.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};

use crate::model::{Attribute, Attributes, Value};

/// The model's form of a value. Its nesting is bounded by prost, which decodes no message deeper than 100 levels.
#[must_use]
pub fn value(value: AnyValue) -> Value {
    use any_value::Value as Sent;
    match value.value {
        // A reference to a dictionary that only profiles have counts as absent.
        None | Some(Sent::StringValueStrindex(_)) => Value::Null,
        Some(Sent::StringValue(text)) => Value::String(text),
        Some(Sent::BoolValue(bool)) => Value::Bool(bool),
        Some(Sent::IntValue(int)) => Value::Int(int),
        Some(Sent::DoubleValue(double)) => Value::Double(double),
        Some(Sent::BytesValue(bytes)) => Value::Bytes(bytes),
        Some(Sent::ArrayValue(array)) => Value::Array(array.values.into_iter().map(self::value).collect()),
        Some(Sent::KvlistValue(list)) => Value::Map(Attributes(list.values.into_iter().map(attribute).collect())),
    }
}

fn attribute(pair: KeyValue) -> Attribute {
    Attribute { key: pair.key, value: pair.value.map_or(Value::Null, value) }
}
