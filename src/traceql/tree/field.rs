//! Expressions over one span: what stands between the braces of a filter, and in `by()`.

use super::{Column, Reference};
use crate::model::{SpanKind, StatusCode};
use crate::traceql::pattern::Pattern;

/// An expression over one span.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Where its text is: of an operator between two operands, the operator.
    pub column: Column,
    /// What it says.
    pub term: Term,
}

impl Field {
    /// Whether it is the word `nil`.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self.term, Term::Literal(Literal::Nil))
    }
}

/// What a [`Field`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// A value.
    Literal(Literal),
    /// Something that the span has.
    Reference(Reference),
    /// `!x`
    Not(Box<Field>),
    /// `-x`
    Minus(Box<Field>),
    /// `a && b && …`, two or more.
    All(Vec<Field>),
    /// `a || b || …`, two or more.
    Any(Vec<Field>),
    /// `a = b`
    Compare(Comparison, Box<Field>, Box<Field>),
    /// `a =~ "b"`, or with `true`, `a !~ "b"`.
    Match {
        /// Whether it must not match.
        negated: bool,
        /// What is matched.
        value: Box<Field>,
        /// What it is matched with.
        pattern: Pattern,
    },
    /// `a + b`
    Arithmetic(Arithmetic, Box<Field>, Box<Field>),
}

/// A value written in a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Nothing; an attribute that is missing compares with it.
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// `1`
    Int(i64),
    /// `1.0`
    Float(f64),
    /// `"text"`
    Text(String),
    /// `1s`, in nanoseconds.
    Duration(i64),
    /// `ok`, `error`, `unset`
    Status(StatusCode),
    /// `server`, `client`, …
    Kind(SpanKind),
}

impl Literal {
    /// The words that are literals.
    pub const WORDS: [(&'static str, Self); 14] = [
        ("true", Self::Bool(true)),
        ("false", Self::Bool(false)),
        ("nil", Self::Nil),
        ("ok", Self::Status(StatusCode::OK)),
        ("error", Self::Status(StatusCode::ERROR)),
        ("unset", Self::Status(StatusCode::UNSET)),
        ("unspecified", Self::Kind(SpanKind::UNSPECIFIED)),
        ("internal", Self::Kind(SpanKind::INTERNAL)),
        ("server", Self::Kind(SpanKind::SERVER)),
        ("client", Self::Kind(SpanKind::CLIENT)),
        ("producer", Self::Kind(SpanKind::PRODUCER)),
        ("consumer", Self::Kind(SpanKind::CONSUMER)),
        ("minInt", Self::Int(i64::MIN)),
        ("maxInt", Self::Int(i64::MAX)),
    ];

    /// The literal that is this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, literal)| literal.clone())
    }
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// Every comparison with its symbol.
    pub const SYMBOLS: [(Self, &'static str); 6] = [
        (Self::Equal, "="),
        (Self::NotEqual, "!="),
        (Self::Less, "<"),
        (Self::LessOrEqual, "<="),
        (Self::Greater, ">"),
        (Self::GreaterOrEqual, ">="),
    ];

    /// The comparison with this symbol.
    #[must_use]
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Self::SYMBOLS.iter().find(|(_, known)| *known == symbol).map(|(comparison, _)| *comparison)
    }

    /// Its symbol.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        Self::SYMBOLS.iter().find(|(known, _)| *known == self).map(|(_, symbol)| *symbol).unwrap_or_default()
    }
}

/// How two numbers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `^`
    Power,
}

impl Arithmetic {
    /// Every operator with its symbol.
    pub const SYMBOLS: [(Self, &'static str); 6] = [
        (Self::Add, "+"),
        (Self::Subtract, "-"),
        (Self::Multiply, "*"),
        (Self::Divide, "/"),
        (Self::Modulo, "%"),
        (Self::Power, "^"),
    ];

    /// The operator with this symbol.
    #[must_use]
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Self::SYMBOLS.iter().find(|(_, known)| *known == symbol).map(|(operator, _)| *operator)
    }

    /// Its symbol.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        Self::SYMBOLS.iter().find(|(known, _)| *known == self).map(|(_, symbol)| *symbol).unwrap_or_default()
    }
}
