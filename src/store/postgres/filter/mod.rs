//! A filter as this store uses it: a tree of tests, each of which knows what the dictionaries (services, operations,
//! resources, scopes) say of it. Whatever the tree can not tell holds: it leaves out what can be left out cheaply, and
//! [`Filter::matches`](crate::model::Filter::matches) has the last word on the spans that are made.
//!
//! `tell.rs` asks the dictionaries, once for a scan. Then `rows.rs` says it in SQL of hot rows, `blocks.rs` in SQL of
//! whole blocks, and `places.rs` looks at the places of a block that was opened. `value.rs` is the SQL of a value in JSON.

mod blocks;
mod places;
mod rows;
mod tell;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
mod value;

use std::collections::BTreeSet;

use sqlx::{Postgres, QueryBuilder};

use super::dictionary::service_id;
use crate::model::{AttributeIs, Condition, Filter, SpanId, SpanKind, StatusCode, TextIs, TraceId, Within};
use crate::store::text;

pub(super) use blocks::{push_block, push_spans_have, push_traces};
pub(super) use places::Places;
pub(super) use rows::push_row;
pub(super) use tell::tell;
use value::push_value_is;

type Builder = QueryBuilder<Postgres>;

/// Of a filter with more conditions than this nothing is said in SQL: a statement has a limit of 65,535 values.
const TESTS_MAX: usize = 128;

/// What is known of a filter.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// All of these hold; of none, always.
    All(Vec<Told>),
    /// At least one of these holds; of none, never.
    OneOf(Vec<Told>),
    /// This holds.
    Is(Test),
}

/// A condition in one place, with what the dictionaries say of it; `None` when they were not asked, or say too much.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Service {
        is: TextIs,
        ids: Option<Vec<i64>>,
    },
    Name {
        is: TextIs,
        names: Option<Vec<String>>,
    },
    Kind(SpanKind),
    Status(StatusCode),
    Duration {
        min_nanos: u64,
        max_nanos: u64,
    },
    TraceId(TraceId),
    SpanId(SpanId),
    ParentSpanId(SpanId),
    Root,
    OfSpan(Attribute),
    OfEvent(Attribute),
    OfLink(Attribute),
    OfResource {
        attribute: Attribute,
        found: Option<Resources>,
    },
    OfScope {
        attribute: Attribute,
        ids: Option<Vec<i64>>,
    },
    /// More than is looked at here.
    More,
}

/// An attribute, wherever it is.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    key: String,
    is: AttributeIs,
}

/// Resources, and the services that they are of.
#[derive(Debug, Clone, Default)]
pub(super) struct Resources {
    ids: Vec<i64>,
    service_ids: BTreeSet<i64>,
}

impl Told {
    /// Holds always.
    pub(super) fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// Holds never.
    fn nothing() -> Self {
        Self::OneOf(Vec::new())
    }

    /// What a filter says by itself.
    fn of(filter: &Filter) -> Self {
        match filter {
            Filter::Everything => Self::everything(),
            Filter::All(filters) => Self::All(filters.iter().map(Self::of).collect()),
            Filter::OneOf(filters) => Self::OneOf(filters.iter().map(Self::of).collect()),
            Filter::Is(condition) => Self::of_condition(condition),
        }
    }

    fn of_condition(condition: &Condition) -> Self {
        Self::Is(match condition {
            Condition::Service(is) => {
                Test::Service { ids: equal(is).map(|name| vec![service_id(name)]), is: is.clone() }
            }
            Condition::Name(is) => Test::Name { names: equal(is).map(|name| vec![name.to_owned()]), is: is.clone() },
            Condition::Kind(kind) => Test::Kind(*kind),
            Condition::Status(code) => Test::Status(*code),
            Condition::Duration { min_nanos, max_nanos } => {
                Test::Duration { min_nanos: *min_nanos, max_nanos: *max_nanos }
            }
            Condition::TraceId(id) => Test::TraceId(*id),
            Condition::SpanId(id) => Test::SpanId(*id),
            Condition::ParentSpanId(id) => Test::ParentSpanId(*id),
            Condition::Root => Test::Root,
            Condition::Attribute { within, key, is } => {
                return Self::of_attribute(*within, &Attribute { key: key.clone(), is: is.clone() });
            }
        })
    }

    fn of_attribute(within: Within, attribute: &Attribute) -> Self {
        let attribute = attribute.clone();
        Self::Is(match within {
            Within::Anywhere => {
                let places = [Within::Span, Within::Resource, Within::Event, Within::Link, Within::Scope];
                return Self::OneOf(places.map(|place| Self::of_attribute(place, &attribute)).into());
            }
            Within::Span => Test::OfSpan(attribute),
            Within::Resource => Test::OfResource { attribute, found: None },
            Within::Event => Test::OfEvent(attribute),
            Within::Link => Test::OfLink(attribute),
            Within::Scope => Test::OfScope { attribute, ids: None },
        })
    }

    /// Every test in it.
    fn tests(&self) -> Vec<&Test> {
        match self {
            Self::All(parts) | Self::OneOf(parts) => parts.iter().flat_map(Self::tests).collect(),
            Self::Is(test) => vec![test],
        }
    }

    /// Every test in it.
    fn tests_mut(&mut self) -> Vec<&mut Test> {
        match self {
            Self::All(parts) | Self::OneOf(parts) => parts.iter_mut().flat_map(Self::tests_mut).collect(),
            Self::Is(test) => vec![test],
        }
    }

    /// Without what follows from the rest.
    fn simplified(self) -> Self {
        match self {
            Self::All(parts) => Self::all(parts.into_iter().map(Self::simplified)),
            Self::OneOf(parts) => Self::one_of(parts.into_iter().map(Self::simplified)),
            Self::Is(test) if test.is_never() => Self::nothing(),
            is @ Self::Is(_) => is,
        }
    }

    fn all(parts: impl Iterator<Item = Self>) -> Self {
        let mut all = Vec::new();
        for part in parts {
            match part {
                Self::All(parts) => all.extend(parts),
                part => all.push(part),
            }
        }
        let all = if all.len() == 1 { all.remove(0) } else { Self::All(all) };
        if all.service_ids().is_some_and(|ids| ids.is_empty()) { Self::nothing() } else { all }
    }

    fn one_of(parts: impl Iterator<Item = Self>) -> Self {
        let mut one_of = Vec::new();
        for part in parts {
            match part {
                Self::All(parts) if parts.is_empty() => return Self::everything(),
                Self::OneOf(parts) => one_of.extend(parts),
                part => one_of.push(part),
            }
        }
        if one_of.len() == 1 { one_of.remove(0) } else { Self::OneOf(one_of) }
    }

    /// The services of all spans on which it holds; `None` when they can be any.
    pub(super) fn service_ids(&self) -> Option<BTreeSet<i64>> {
        match self {
            Self::Is(test) => test.service_ids(),
            Self::OneOf(parts) => parts.iter().try_fold(BTreeSet::new(), |mut all, part| {
                all.extend(part.service_ids()?);
                Some(all)
            }),
            Self::All(parts) => {
                let sets = parts.iter().filter_map(Self::service_ids);
                sets.reduce(|all, ids| all.intersection(&ids).copied().collect())
            }
        }
    }

    /// The traces of all spans on which it holds; `None` when they can be any.
    pub(super) fn trace_ids(&self) -> Option<BTreeSet<TraceId>> {
        match self {
            Self::Is(Test::TraceId(id)) => Some(BTreeSet::from([*id])),
            Self::Is(_) => None,
            Self::OneOf(parts) => parts.iter().try_fold(BTreeSet::new(), |mut all, part| {
                all.extend(part.trace_ids()?);
                Some(all)
            }),
            Self::All(parts) => parts.iter().find_map(Self::trace_ids),
        }
    }

    /// Whether SQL says all that it says of rows, or nearly so.
    pub(super) fn is_told_by_rows(&self) -> bool {
        self.tests().into_iter().all(|test| match test {
            Test::Service { ids, .. } | Test::OfScope { ids, .. } => ids.is_some(),
            Test::Name { names, .. } => names.is_some(),
            Test::OfResource { found, .. } => found.is_some(),
            Test::OfSpan(attribute) | Test::OfEvent(attribute) | Test::OfLink(attribute) => {
                !matches!(attribute.is, AttributeIs::Text(TextIs::Matching(_)))
            }
            Test::More => false,
            _ => true,
        })
    }
}

impl Test {
    fn is_never(&self) -> bool {
        match self {
            Self::Service { ids: Some(ids), .. } | Self::OfScope { ids: Some(ids), .. } => ids.is_empty(),
            Self::Name { names: Some(names), .. } => names.is_empty(),
            Self::OfResource { found: Some(found), .. } => found.ids.is_empty(),
            _ => false,
        }
    }

    fn service_ids(&self) -> Option<BTreeSet<i64>> {
        match self {
            Self::Service { ids, .. } => ids.as_ref().map(|ids| ids.iter().copied().collect()),
            Self::OfResource { found, .. } => found.as_ref().map(|found| found.service_ids.clone()),
            _ => None,
        }
    }
}

impl Attribute {
    fn stored_key(&self) -> String {
        text::stored(&self.key).into_owned()
    }
}

fn equal(is: &TextIs) -> Option<&str> {
    match is {
        TextIs::Equal(text) => Some(text),
        TextIs::Matching(_) => None,
    }
}

/// Appends a tree in SQL, as one term; `leaf` appends a test.
fn push_tree(told: &Told, sql: &mut Builder, leaf: fn(&Test, &mut Builder)) {
    let (parts, between, of_none) = match told {
        Told::Is(test) => return leaf(test, sql),
        Told::All(parts) => (parts, " and ", "true"),
        Told::OneOf(parts) => (parts, " or ", "false"),
    };
    sql.push("(");
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            sql.push(between);
        }
        push_tree(part, sql, leaf);
    }
    sql.push(if parts.is_empty() { of_none } else { "" }).push(")");
}
