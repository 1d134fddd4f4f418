//! Listings: what can be listed of spans for whoever writes a query, keys of attributes and values under a name. What a
//! store does in its own language must agree with [`Listing::of_span`].

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{Attributes, Event, Scope, Span, Value, Within};

/// What is listed of spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The keys of the attributes there. One that is null is not there; of equal keys, the last one counts.
    Keys(Within),
    /// The values of the attribute with this key; from anywhere, those of the first place that has it, in the order of
    /// [`Within`].
    Values {
        /// Where it is looked for.
        within: Within,
        /// Its key.
        key: String,
    },
    /// [`Span::name`].
    Name,
    /// The number of [`Span::kind`].
    Kind,
    /// The number of the code of [`Span::status`].
    Status,
    /// The message of [`Span::status`].
    StatusMessage,
    /// The names of its events.
    EventName,
    /// The name of its instrumentation scope.
    ScopeName,
    /// The version of its instrumentation scope.
    ScopeVersion,
}

/// An item of a listing. Texts come first, in bytewise order, then numbers, then booleans. A whole number and a double
/// are two items even when they are equal.
#[derive(Debug, Clone)]
pub enum Listed {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A double; of those that are no number there is one.
    Double(f64),
    /// A boolean.
    Bool(bool),
}

impl Within {
    /// The places of attributes, in the order in which they are looked for.
    pub const PLACES: [Self; 5] = [Self::Span, Self::Resource, Self::Event, Self::Link, Self::Scope];
}

impl Listing {
    /// Gives each item that a span has, some perhaps more than once.
    pub fn of_span(&self, span: &Span, each: &mut dyn FnMut(Listed)) {
        match self {
            Self::Keys(Within::Anywhere) => {
                for place in Within::PLACES {
                    self.in_place(place, span, each);
                }
            }
            Self::Values { within: Within::Anywhere, .. } => {
                let _first = Within::PLACES.iter().find(|place| self.in_place(**place, span, each));
            }
            Self::Keys(within) | Self::Values { within, .. } => {
                self.in_place(*within, span, each);
            }
            Self::Name => each(text(&span.name)),
            Self::Kind => each(Listed::Int(span.kind.0.into())),
            Self::Status => each(Listed::Int(span.status.code.0.into())),
            Self::StatusMessage => each(text(&span.status.message)),
            Self::EventName => span.events.iter().for_each(|event| {
                self.of_event(event, each);
            }),
            Self::ScopeName | Self::ScopeVersion => self.of_scope(&span.scope, each),
        }
    }

    /// Gives what all spans of an instrumentation scope have for it.
    pub fn of_scope(&self, scope: &Scope, each: &mut dyn FnMut(Listed)) {
        match self {
            Self::ScopeName => each(text(&scope.name)),
            Self::ScopeVersion => each(text(&scope.version)),
            _ => {
                self.of_attributes(&scope.attributes, each);
            }
        }
    }

    /// Gives what an event has; says whether there is anything.
    pub fn of_event(&self, event: &Event, each: &mut dyn FnMut(Listed)) -> bool {
        if *self == Self::EventName {
            each(text(&event.name));
            return true;
        }
        self.of_attributes(&event.attributes, each)
    }

    /// Gives the keys, or the values, in some attributes; says whether there is anything.
    pub fn of_attributes(&self, attributes: &Attributes, each: &mut dyn FnMut(Listed)) -> bool {
        match self {
            Self::Values { key, .. } => attributes.get(key).is_some_and(|value| Listed::of_value(value, each)),
            Self::Keys(_) => {
                let (mut seen, mut is_any) = (HashSet::new(), false);
                for attribute in attributes.0.iter().rev() {
                    if seen.insert(&attribute.key) && attribute.value != Value::Null {
                        is_any = true;
                        each(text(&attribute.key));
                    }
                }
                is_any
            }
            _ => false,
        }
    }

    fn in_place(&self, place: Within, span: &Span, each: &mut dyn FnMut(Listed)) -> bool {
        let mut is_there = |attributes: &Attributes| self.of_attributes(attributes, each);
        let mut is_any = false;
        match place {
            Within::Anywhere => false,
            Within::Span => is_there(&span.attributes),
            Within::Resource => is_there(&span.resource.attributes),
            // All events and links give theirs, so none is passed over once one has been found.
            Within::Event => {
                for event in &span.events {
                    is_any |= is_there(&event.attributes);
                }
                is_any
            }
            Within::Link => {
                for link in &span.links {
                    is_any |= is_there(&link.attributes);
                }
                is_any
            }
            Within::Scope => is_there(&span.scope.attributes),
        }
    }
}

fn text(text: &str) -> Listed {
    Listed::Text(text.to_owned())
}

impl Listed {
    /// Gives the items of a value: itself, or of an array its elements. Bytes, maps and what is in arrays of arrays are
    /// there, and are no items. Says whether there is anything, as there is unless it is null.
    pub fn of_value(value: &Value, each: &mut dyn FnMut(Self)) -> bool {
        match value {
            Value::Array(values) => values.iter().filter_map(Self::of_one).for_each(each),
            one => Self::of_one(one).into_iter().for_each(each),
        }
        *value != Value::Null
    }

    fn of_one(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Int(int) => Some(Self::Int(*int)),
            Value::Double(double) if double.is_nan() => Some(Self::Double(f64::NAN)),
            Value::Double(double) => Some(Self::Double(*double)),
            Value::Bool(bool) => Some(Self::Bool(*bool)),
            Value::Null | Value::Bytes(_) | Value::Array(_) | Value::Map(_) => None,
        }
    }

    /// A number's place: the double that is nearest to it, and what tells apart those that have the same one.
    #[expect(clippy::cast_precision_loss, reason = "whole numbers with the same double are told apart by themselves")]
    fn number(&self) -> Option<(f64, (bool, i64))> {
        match self {
            Self::Int(int) => Some((*int as f64, (false, *int))),
            Self::Double(double) => Some((*double, (true, 0))),
            Self::Text(_) | Self::Bool(_) => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::Int(_) | Self::Double(_) => 1,
            Self::Bool(_) => 2,
        }
    }
}

impl Ord for Listed {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            _ => match (self.number(), other.number()) {
                (Some((a, a_exact)), Some((b, b_exact))) => a.total_cmp(&b).then(a_exact.cmp(&b_exact)),
                _ => self.rank().cmp(&other.rank()),
            },
        }
    }
}

impl PartialOrd for Listed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Listed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Listed {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn listed(listing: &Listing, span: &Span) -> BTreeSet<Listed> {
        let mut found = BTreeSet::new();
        listing.of_span(span, &mut |item| {
            found.insert(item);
        });
        found
    }

    fn values(within: Within, span: &Span) -> Vec<Listed> {
        listed(&Listing::Values { within, key: "k".to_owned() }, span).into_iter().collect()
    }

    #[test]
    fn items_have_an_order_of_their_own() {
        let ordered = [
            Listed::Text(String::new()),
            Listed::Text("B".to_owned()),
            Listed::Text("a".to_owned()),
            Listed::Double(f64::NEG_INFINITY),
            Listed::Int(i64::MIN),
            Listed::Double(-0.0),
            Listed::Int(0),
            Listed::Double(0.0),
            Listed::Int(9_007_199_254_740_992),
            Listed::Int(9_007_199_254_740_993),
            Listed::Double(9_007_199_254_740_992.0),
            Listed::Double(f64::NAN),
            Listed::Bool(false),
            Listed::Bool(true),
        ];
        assert!(ordered.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_key_counts_by_its_last_value() {
        let pairs = [("a", Value::Int(1)), ("b", Value::Null), ("a", Value::Null), ("b", Value::Int(1))];
        let span = Span { attributes: pairs.into_iter().collect(), ..Span::example("x") };
        for within in [Within::Span, Within::Anywhere] {
            assert_eq!(listed(&Listing::Keys(within), &span), BTreeSet::from([text("b")]));
        }
        assert!(listed(&Listing::Keys(Within::Resource), &span).is_empty());
    }

    #[test]
    fn a_value_is_from_the_first_place_that_has_it() {
        let attributes = |value| [("k", value)].into_iter().collect::<Attributes>();
        let event = |value| super::super::Event { attributes: attributes(value), ..Default::default() };
        let mut span = Span::example("x");
        span.events = vec![event(Value::Int(1)), event(Value::Null), event(Value::Int(2))];
        span.attributes = attributes(Value::Null);
        assert_eq!(values(Within::Anywhere, &span), [Listed::Int(1), Listed::Int(2)]);
        // Something that is no item hides what is behind it all the same.
        span.attributes = attributes(Value::Bytes(vec![]));
        assert_eq!(values(Within::Anywhere, &span), []);
        assert_eq!(values(Within::Event, &span), [Listed::Int(1), Listed::Int(2)]);
    }

    #[test]
    fn of_an_array_the_elements_are_listed() {
        let array = vec![Value::from("b"), Value::Null, Value::Array(vec![Value::Int(1)]), Value::Bool(true)];
        let span = Span { attributes: [("k", Value::Array(array))].into_iter().collect(), ..Span::example("x") };
        assert_eq!(values(Within::Span, &span), [text("b"), Listed::Bool(true)]);
    }
}
