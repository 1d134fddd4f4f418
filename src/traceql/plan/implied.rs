//! What is known when an expression over a span is true, whatever the facts are about.
//!
//! It follows `evaluate/field.rs` word by word. A value may be missing, so that `!` is no plain negation: what is known
//! when an expression is not true is less than what is known when it is false.

use super::known::Known;
use crate::traceql::pattern::Pattern;
use crate::traceql::tree::{Comparison, Field, Intrinsic, Literal, Reference, Term};

/// Something that is known of a span or of its trace, made from what stands in an expression.
pub(super) trait Fact: Sized {
    /// What is named compares so with a value, which is not nil.
    fn compared(comparison: Comparison, named: &Reference, literal: &Literal) -> Known<Self>;
    /// What is named is matched, or with `negated`, is not.
    fn matched(named: &Reference, negated: bool, pattern: &Pattern) -> Known<Self>;
    /// What is named has this truth value.
    fn is(named: &Reference, value: bool) -> Known<Self>;
    /// What is named has a value.
    fn there(named: &Reference) -> Known<Self>;
    /// What is named has none.
    fn missing(named: &Reference) -> Known<Self>;
}

/// What is known when the expression is true.
pub(super) fn by<C: Fact>(field: &Field) -> Known<C> {
    match &field.term {
        Term::Literal(Literal::Bool(true)) => Known::default(),
        Term::Literal(_) | Term::Minus(_) | Term::Arithmetic(..) => Known::never(),
        Term::Reference(named) => C::is(named, true),
        Term::Not(inner) => by_false(inner),
        Term::All(operands) => Known::all(operands.iter().map(by)),
        Term::Any(operands) => Known::one_of(operands.iter().map(by)),
        Term::Compare(comparison, left, right) => by_comparison(*comparison, left, right),
        Term::Match { negated, value, pattern } => match &value.term {
            Term::Reference(named) => C::matched(named, *negated, pattern),
            _ => by_there(value),
        },
    }
}

/// What is known when the expression's first value is false.
fn by_false<C: Fact>(field: &Field) -> Known<C> {
    match &field.term {
        Term::Literal(Literal::Bool(false)) => Known::default(),
        Term::Literal(_) | Term::Minus(_) | Term::Arithmetic(..) => Known::never(),
        Term::Reference(named) => C::is(named, false),
        Term::Not(inner) => by(inner),
        Term::All(_) | Term::Any(_) | Term::Compare(..) | Term::Match { .. } => by_untrue(field),
    }
}

/// What is known when the expression is not true: it may also be missing.
fn by_untrue<C: Fact>(field: &Field) -> Known<C> {
    match &field.term {
        Term::Literal(Literal::Bool(true)) => Known::never(),
        Term::Not(inner) if is_true_or_false(inner) => by(inner),
        Term::Literal(_) | Term::Minus(_) | Term::Arithmetic(..) | Term::Reference(_) | Term::Not(_) => {
            Known::default()
        }
        Term::All(operands) => Known::one_of(operands.iter().map(by_untrue)),
        Term::Any(operands) => Known::all(operands.iter().map(by_untrue)),
        Term::Compare(comparison, left, right) => by_no_comparison(*comparison, left, right),
        Term::Match { negated, value, pattern } => match &value.term {
            Term::Reference(named) if is_always_there(named) => C::matched(named, !negated, pattern),
            _ => Known::default(),
        },
    }
}

/// Whether the expression always has a truth value.
fn is_true_or_false(field: &Field) -> bool {
    match &field.term {
        Term::All(_) | Term::Any(_) | Term::Compare(..) | Term::Match { .. } => true,
        Term::Not(inner) => is_true_or_false(inner),
        Term::Literal(literal) => matches!(literal, Literal::Bool(_)),
        Term::Reference(_) | Term::Minus(_) | Term::Arithmetic(..) => false,
    }
}

fn by_comparison<C: Fact>(comparison: Comparison, left: &Field, right: &Field) -> Known<C> {
    match (left.is_nil(), right.is_nil()) {
        (true, true) => Known::never(),
        (true, false) => by_nil(comparison, right),
        (false, true) => by_nil(comparison, left),
        (false, false) => match (&left.term, &right.term) {
            (Term::Reference(named), Term::Literal(literal)) => C::compared(comparison, named, literal),
            (Term::Literal(literal), Term::Reference(named)) => C::compared(flipped(comparison), named, literal),
            _ => Known::all([by_there(left), by_there(right)]),
        },
    }
}

fn by_nil<C: Fact>(comparison: Comparison, asked: &Field) -> Known<C> {
    match (comparison, &asked.term) {
        (Comparison::Equal, Term::Reference(named)) => C::missing(named),
        (Comparison::Equal, _) => Known::default(),
        (Comparison::NotEqual, _) => by_there(asked),
        _ => Known::never(),
    }
}

/// What is known when the comparison does not hold.
fn by_no_comparison<C: Fact>(comparison: Comparison, left: &Field, right: &Field) -> Known<C> {
    let is_nil = left.is_nil() || right.is_nil();
    let named = [left, right].into_iter().find_map(|side| match &side.term {
        Term::Reference(named) => Some(named),
        _ => None,
    });
    let are_comparable = named.is_some_and(is_always_there) && [left, right].into_iter().any(is_literal);
    match comparison {
        Comparison::Equal | Comparison::NotEqual if is_nil => named.map_or_else(Known::default, |named| {
            if comparison == Comparison::Equal { C::there(named) } else { C::missing(named) }
        }),
        _ if is_nil || !are_comparable => Known::default(),
        _ => by_comparison(negated(comparison), left, right),
    }
}

fn is_literal(field: &Field) -> bool {
    matches!(field.term, Term::Literal(_))
}

/// What is known when the expression has a value.
fn by_there<C: Fact>(field: &Field) -> Known<C> {
    match &field.term {
        Term::Reference(named) => C::there(named),
        Term::Not(inner) | Term::Minus(inner) => by_there(inner),
        Term::Arithmetic(_, left, right) => Known::all([by_there(left), by_there(right)]),
        Term::Literal(_) | Term::All(_) | Term::Any(_) | Term::Compare(..) | Term::Match { .. } => Known::default(),
    }
}

/// Whether every span has exactly one value of it.
fn is_always_there(named: &Reference) -> bool {
    match named {
        Reference::Attribute { .. } => false,
        Reference::Intrinsic(intrinsic) => !matches!(
            intrinsic,
            Intrinsic::ParentId
                | Intrinsic::RootName
                | Intrinsic::RootService
                | Intrinsic::EventName
                | Intrinsic::EventTimeSinceStart
                | Intrinsic::LinkTraceId
                | Intrinsic::LinkSpanId
        ),
    }
}

/// The comparison of the same two the other way round.
pub(super) fn flipped(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal | Comparison::NotEqual => comparison,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
    }
}

/// The comparison that holds when this one does not.
fn negated(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Less => Comparison::GreaterOrEqual,
        Comparison::LessOrEqual => Comparison::Greater,
        Comparison::Greater => Comparison::LessOrEqual,
        Comparison::GreaterOrEqual => Comparison::Less,
    }
}
