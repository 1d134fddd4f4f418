//! Attributes: named values of OTLP's types, in the order in which they were sent.
//!
//! OpenTelemetry says that keys should be unique and leaves open what a receiver does when they are not: here every
//! pair is kept, and a look-up by key finds the last one. An int 1 and a double 1.0 are different values; doubles are
//! compared by their bits, so a NaN equals itself and -0.0 is not 0.0.

/// One attribute value: OTLP's `AnyValue`.
#[derive(Debug, Clone)]
pub enum Value {
    /// An `AnyValue` in which nothing is set.
    Null,
    /// A text, any Unicode scalar values, U+0000 too.
    String(String),
    /// A truth value.
    Bool(bool),
    /// A signed 64-bit integer.
    Int(i64),
    /// A 64-bit float, any bits.
    Double(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list of values of any types, also mixed.
    Array(Vec<Value>),
    /// OTLP's `KeyValueList`.
    Map(Attributes),
}

/// A key and its value: OTLP's `KeyValue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute's name, for instance `http.request.method`.
    pub key: String,
    /// What it is set to.
    pub value: Value,
}

/// A list of attributes in the order sent, duplicates included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes(pub Vec<Attribute>);

impl Attributes {
    /// The value of the last attribute with this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().rev().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
    }

    /// The value under this key when it is a text that is not empty.
    #[must_use]
    pub fn get_text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Whether there is no attribute.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attributes in the order sent.
    pub fn iter(&self) -> std::slice::Iter<'_, Attribute> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = &'a Attribute;
    type IntoIter = std::slice::Iter<'a, Attribute>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Into<String>> FromIterator<(K, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| Attribute { key: key.into(), value }).collect())
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_keys_is_found() {
        let attributes: Attributes =
            [("a", Value::Int(1)), ("b", Value::Null), ("a", Value::Int(2))].into_iter().collect();
        assert_eq!(attributes.get("a"), Some(&Value::Int(2)));
        assert_eq!(attributes.get("c"), None);
        assert_eq!(attributes.get_text("a"), None);
    }

    #[test]
    fn values_are_equal_only_in_type_and_bits() {
        assert_ne!(Value::Int(1), Value::Double(1.0));
        assert_ne!(Value::Double(0.0), Value::Double(-0.0));
        assert_eq!(Value::Double(f64::NAN), Value::Double(f64::NAN));
        assert_ne!(Value::from("1"), Value::Int(1));
        assert_ne!(Value::Null, Value::Map(Attributes::default()));
    }
}
