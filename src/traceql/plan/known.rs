//! Facts that are joined by "all" and "one of", kept small.

use crate::model::{Condition, Filter};

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<C> {
    /// All of these; of none: nothing.
    All(Vec<Known<C>>),
    /// At least one of these; of none: that it can not be.
    OneOf(Vec<Known<C>>),
    /// This.
    Is(C),
}

impl<C> Default for Known<C> {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl<C> Known<C> {
    /// That it can not be.
    #[must_use]
    pub fn never() -> Self {
        Self::OneOf(Vec::new())
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    fn is_never(&self) -> bool {
        matches!(self, Self::OneOf(parts) if parts.is_empty())
    }

    /// All of these.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                part if part.is_never() => return part,
                Self::All(parts) => flat.extend(parts),
                part => flat.push(part),
            }
        }
        Self::alone(flat).unwrap_or_else(Self::All)
    }

    /// One of these.
    #[must_use]
    pub fn one_of(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                part if part.is_everything() => return part,
                Self::OneOf(parts) => flat.extend(parts),
                part => flat.push(part),
            }
        }
        Self::alone(flat).unwrap_or_else(Self::OneOf)
    }

    /// The only part; else all of them.
    fn alone(mut parts: Vec<Self>) -> Result<Self, Vec<Self>> {
        match parts.pop() {
            Some(part) if parts.is_empty() => Ok(part),
            Some(part) => {
                parts.push(part);
                Err(parts)
            }
            None => Err(parts),
        }
    }

    /// Whether it holds of something on which conditions hold so.
    pub fn holds(&self, condition: &impl Fn(&C) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(condition)),
            Self::OneOf(parts) => parts.iter().any(|part| part.holds(condition)),
            Self::Is(is) => condition(is),
        }
    }
}

impl From<Known<Condition>> for Filter {
    fn from(known: Known<Condition>) -> Self {
        let filters = |parts: Vec<Known<Condition>>| parts.into_iter().map(Self::from).collect();
        match known {
            Known::All(parts) if parts.is_empty() => Self::Everything,
            Known::All(parts) => Self::All(filters(parts)),
            Known::OneOf(parts) => Self::OneOf(filters(parts)),
            Known::Is(condition) => Self::Is(condition),
        }
    }
}

/// What some span must have when one of several needs is met: of each, its first part. When one of them needs nothing,
/// nothing is needed.
pub(super) fn needed_of_one<C>(needs: impl IntoIterator<Item = Vec<Known<C>>>) -> Vec<Known<C>> {
    let firsts = needs.into_iter().map(|need| need.into_iter().find(|part| !part.is_everything()));
    firsts.collect::<Option<Vec<_>>>().map(Known::one_of).into_iter().collect()
}
