//! Numbers: whole ones, ones with a point, durations. They compare and calculate with one another.

use std::cmp::Ordering;

use crate::traceql::tree::{Arithmetic, Literal};

/// A number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
    /// In nanoseconds.
    Duration(i64),
}

impl Number {
    /// The number of a literal that is one.
    pub(super) fn of(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Int(value) => Some(Self::Int(*value)),
            Literal::Float(value) => Some(Self::Float(*value)),
            Literal::Duration(nanos) => Some(Self::Duration(*nanos)),
            _ => None,
        }
    }

    pub(super) fn literal(self) -> Literal {
        match self {
            Self::Int(value) => Literal::Int(value),
            Self::Float(value) => Literal::Float(value),
            Self::Duration(nanos) => Literal::Duration(nanos),
        }
    }

    /// As a float; a duration in nanoseconds.
    pub(super) fn to_float(self) -> f64 {
        match self {
            Self::Int(value) | Self::Duration(value) => float(value.into()),
            Self::Float(value) => value,
        }
    }

    /// As metrics have it: a duration in seconds.
    pub(super) fn in_seconds(self) -> f64 {
        if matches!(self, Self::Duration(_)) { self.to_float() / 1e9 } else { self.to_float() }
    }

    fn whole(self) -> Option<i64> {
        match self {
            Self::Int(value) | Self::Duration(value) => Some(value),
            Self::Float(_) => None,
        }
    }

    /// Which is larger; `None` when one of them is not a number. Whole numbers and durations compare exactly.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self.whole(), other.whole()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => self.to_float().partial_cmp(&other.to_float()),
        }
    }

    /// What an operator makes of two numbers. Nothing when it divides by zero; a float when whole numbers would
    /// overflow, and when a duration is divided.
    pub(super) fn calculate(self, operator: Arithmetic, other: Self) -> Option<Self> {
        let divides = matches!(operator, Arithmetic::Divide | Arithmetic::Modulo);
        if divides && other.to_float() == 0.0 {
            return None;
        }
        Some(self.calculate_whole(operator, other).unwrap_or_else(|| self.calculate_float(operator, other)))
    }

    fn calculate_whole(self, operator: Arithmetic, other: Self) -> Option<Self> {
        let (left, right) = (self.whole()?, other.whole()?);
        let are_ints = matches!((self, other), (Self::Int(_), Self::Int(_)));
        let value = match operator {
            Arithmetic::Add => left.checked_add(right)?,
            Arithmetic::Subtract => left.checked_sub(right)?,
            Arithmetic::Multiply => left.checked_mul(right)?,
            Arithmetic::Divide if are_ints => left.checked_div(right)?,
            Arithmetic::Modulo => left.checked_rem(right)?,
            Arithmetic::Power if are_ints => left.checked_pow(u32::try_from(right).ok()?)?,
            Arithmetic::Divide | Arithmetic::Power => return None,
        };
        Some(if are_ints { Self::Int(value) } else { Self::Duration(value) })
    }

    fn calculate_float(self, operator: Arithmetic, other: Self) -> Self {
        Self::Float(calculate(self.to_float(), operator, other.to_float()))
    }

    /// The number with the other sign.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Int(value) => value.checked_neg().map_or(Self::Float(-self.to_float()), Self::Int),
            Self::Duration(nanos) => nanos.checked_neg().map_or(Self::Float(-self.to_float()), Self::Duration),
            Self::Float(value) => Self::Float(-value),
        }
    }
}

/// What an operator makes of two floats.
pub(super) fn calculate(left: f64, operator: Arithmetic, right: f64) -> f64 {
    match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Modulo => left % right,
        Arithmetic::Power => left.powf(right),
    }
}

/// The nearest float.
#[expect(clippy::cast_precision_loss, reason = "a float is what is asked for")]
pub(super) fn float(value: i128) -> f64 {
    value as f64
}
