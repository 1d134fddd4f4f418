//! Trees into text. The text parses into an equal tree: parentheses stand where precedence needs them, and always
//! between `&&` and `||`, since few know that they bind alike.

use std::fmt::{self, Display, Formatter, Write};

use super::lex::ends_name;
use super::parse::precedence::{COMPARISON, LOGICAL, MINUS, NOT, POWER, PRODUCT, SUM};
use super::tree::{
    Aggregate, AggregateFunction, Arithmetic, Body, Compare, Field, Hint, Literal, Math, Metrics, MetricsFunction,
    MetricsSource, Pipeline, Query, Reference, Scalar, ScalarFilter, SecondStage, SpanMetrics, SpansetExpression,
    Stage, Term,
};
use crate::model::{SpanKind, StatusCode};

/// What binds as tightly as a value.
const VALUE: u8 = u8::MAX;

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Traces(pipeline) => write!(f, "{pipeline}")?,
            Body::Metrics(metrics) => write!(f, "{metrics}")?,
        }
        if self.hints.is_empty() { Ok(()) } else { write!(f, " with({})", List(", ", &self.hints)) }
    }
}

impl Display for Hint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name.word(), self.value)
    }
}

impl Display for Pipeline {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", List(" | ", &self.stages))
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spansets(spansets) => write!(f, "{spansets}"),
            Self::Filter(filter) => write!(f, "{filter}"),
            Self::By(field) => write!(f, "by({field})"),
            Self::Coalesce => f.write_str("coalesce()"),
            Self::Select(references) => write!(f, "select({})", List(", ", references)),
        }
    }
}

impl SpansetExpression {
    fn binding(&self) -> u8 {
        match self {
            Self::All(_) | Self::Any(_) => LOGICAL,
            Self::Structural(..) => COMPARISON,
            Self::Filter(_) | Self::Pipeline(_) => VALUE,
        }
    }
}

impl Display for SpansetExpression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(None) => f.write_str("{ }"),
            Self::Filter(Some(field)) => write!(f, "{{ {field} }}"),
            Self::All(all) => operands(f, " && ", all, Self::binding),
            Self::Any(any) => operands(f, " || ", any, Self::binding),
            Self::Structural(operator, _, left, right) => {
                operand(f, &**left, left.binding() >= COMPARISON)?;
                write!(f, " {} ", operator.symbol())?;
                operand(f, &**right, right.binding() > COMPARISON)
            }
            Self::Pipeline(pipeline) => write!(f, "({pipeline})"),
        }
    }
}

impl Field {
    fn binding(&self) -> u8 {
        match &self.term {
            Term::Literal(_) | Term::Reference(_) => VALUE,
            Term::All(_) | Term::Any(_) => LOGICAL,
            Term::Compare(..) | Term::Match { .. } => COMPARISON,
            Term::Arithmetic(operator, ..) => operator.binding(),
            Term::Not(_) => NOT,
            Term::Minus(_) => MINUS,
        }
    }
}

impl Arithmetic {
    fn binding(self) -> u8 {
        match self {
            Self::Add | Self::Subtract => SUM,
            Self::Multiply | Self::Divide | Self::Modulo => PRODUCT,
            Self::Power => POWER,
        }
    }

    /// Prints an operation between two operands, of which is known how tightly they bind.
    fn print<T: Display>(self, f: &mut Formatter<'_>, left: (&T, u8), right: (&T, u8)) -> fmt::Result {
        let is_power = self == Self::Power;
        let binding = self.binding();
        operand(f, left.0, left.1 > binding || (left.1 == binding && !is_power))?;
        write!(f, " {} ", self.symbol())?;
        operand(f, right.0, right.1 > binding || (right.1 == binding && is_power))
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Literal(literal) => write!(f, "{literal}"),
            Term::Reference(reference) => write!(f, "{reference}"),
            Term::Not(inner) => {
                f.write_char('!')?;
                operand(f, &**inner, inner.binding() >= NOT)
            }
            Term::Minus(inner) => {
                f.write_char('-')?;
                operand(f, &**inner, inner.binding() >= MINUS && !inner.is_positive_number())
            }
            Term::All(all) => operands(f, " && ", all, Self::binding),
            Term::Any(any) => operands(f, " || ", any, Self::binding),
            Term::Compare(comparison, left, right) => {
                operand(f, &**left, left.binding() >= COMPARISON)?;
                write!(f, " {} ", comparison.symbol())?;
                operand(f, &**right, right.binding() > COMPARISON)
            }
            Term::Match { negated, value, pattern } => {
                operand(f, &**value, value.binding() >= COMPARISON)?;
                f.write_str(if *negated { " !~ " } else { " =~ " })?;
                quoted(f, pattern.as_str())
            }
            Term::Arithmetic(operator, left, right) => {
                operator.print(f, (&**left, left.binding()), (&**right, right.binding()))
            }
        }
    }
}

impl Field {
    /// Whether a minus before it would become part of it.
    fn is_positive_number(&self) -> bool {
        match self.term {
            Term::Literal(Literal::Int(value) | Literal::Duration(value)) => value >= 0,
            Term::Literal(Literal::Float(value)) => value.is_sign_positive(),
            _ => false,
        }
    }
}

impl Display for ScalarFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.comparison.symbol(), self.right)
    }
}

impl Scalar {
    fn binding(&self) -> u8 {
        if let Self::Arithmetic(operator, ..) = self { operator.binding() } else { VALUE }
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => write!(f, "{literal}"),
            Self::Aggregate(aggregate) => write!(f, "{aggregate}"),
            Self::Arithmetic(operator, left, right) => {
                operator.print(f, (&**left, left.binding()), (&**right, right.binding()))
            }
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => f.write_str("count()"),
            Self::Of(function, field) => write!(f, "{function}({field})"),
        }
    }
}

impl Display for AggregateFunction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Display for Metrics {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.source {
            MetricsSource::Spans(spans) => write!(f, "{spans}")?,
            MetricsSource::Math(math) => write!(f, "{math}")?,
        }
        self.then.iter().try_for_each(|stage| write!(f, "{stage}"))
    }
}

impl Display for SpanMetrics {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {}", self.spans, self.function)?;
        if self.by.is_empty() { Ok(()) } else { write!(f, " by({})", List(", ", &self.by)) }
    }
}

impl Display for MetricsFunction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.word())?;
        match self {
            Self::Compare(compare) => write!(f, "{compare}")?,
            _ => self.measured().map_or(Ok(()), |measured| write!(f, "{measured}"))?,
        }
        if let Self::Quantile(_, quantiles) = self {
            quantiles.iter().try_for_each(|quantile| write!(f, ", {quantile:?}"))?;
        }
        f.write_char(')')
    }
}

impl Display for Compare {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.selection {
            None => f.write_str("{ }")?,
            Some(field) => write!(f, "{{ {field} }}")?,
        }
        if let Some(values_max) = self.values_max {
            write!(f, ", {values_max}")?;
        }
        self.window.map_or(Ok(()), |(start, end)| write!(f, ", {}, {}", start.0, end.0))
    }
}

impl Display for SecondStage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(series) => write!(f, " | topk({series})"),
            Self::Bottom(series) => write!(f, " | bottomk({series})"),
            Self::Filter(comparison, number) => write!(f, " {} {number}", comparison.symbol()),
        }
    }
}

impl Math {
    fn binding(&self) -> u8 {
        if let Self::Binary(operator, ..) = self { operator.binding() } else { VALUE }
    }
}

impl Display for Math {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Metrics(metrics) => write!(f, "({metrics})"),
            Self::Binary(operator, left, right) => {
                operator.print(f, (&**left, left.binding()), (&**right, right.binding()))
            }
        }
    }
}

impl Display for Reference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intrinsic(intrinsic) => f.write_str(intrinsic.word()),
            Self::Attribute { scope, name } => {
                write!(f, "{}.", scope.word())?;
                // A dot and a digit would begin a number.
                let is_plain = !name.is_empty()
                    && !name.starts_with(|char: char| char.is_ascii_digit())
                    && !name.contains(|char| ends_name(char) || char == '"');
                if is_plain {
                    f.write_str(name)
                } else {
                    write!(f, "\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
                }
            }
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => quoted(f, text),
            Self::Duration(nanos) => duration(f, *nanos),
            Self::Status(StatusCode::UNSET) => f.write_str("unset"),
            Self::Status(StatusCode::OK) => f.write_str("ok"),
            Self::Status(StatusCode::ERROR) => f.write_str("error"),
            Self::Status(StatusCode(code)) | Self::Kind(SpanKind(code @ (..=-1 | 6..))) => write!(f, "{code}"),
            Self::Kind(kind) => {
                let words = ["unspecified", "internal", "server", "client", "producer", "consumer"];
                f.write_str(usize::try_from(kind.0).ok().and_then(|kind| words.get(kind)).copied().unwrap_or_default())
            }
        }
    }
}

/// A string with Go's escapes.
fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' | '\\' => write!(f, "\\{char}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            char if char.is_control() => write!(f, "\\u{:04x}", u32::from(char))?,
            char => f.write_char(char)?,
        }
    }
    f.write_char('"')
}

/// A duration by its units, the largest first.
fn duration(f: &mut Formatter<'_>, nanos: i64) -> fmt::Result {
    let units = [
        ("h", 3_600_000_000_000_u64),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    if nanos == 0 {
        return f.write_str("0s");
    }
    f.write_str(if nanos < 0 { "-" } else { "" })?;
    let mut rest = nanos.unsigned_abs();
    for (unit, size) in units {
        let count = rest.checked_div(size).unwrap_or_default();
        rest = rest.saturating_sub(count.saturating_mul(size));
        if count > 0 {
            write!(f, "{count}{unit}")?;
        }
    }
    Ok(())
}

/// Items with a text between them.
struct List<'a, T>(&'static str, &'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, item) in self.1.iter().enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { self.0 })?;
        }
        Ok(())
    }
}

/// An operand, in parentheses unless it binds tightly enough.
fn operand(f: &mut Formatter<'_>, part: &impl Display, is_tight: bool) -> fmt::Result {
    if is_tight { write!(f, "{part}") } else { write!(f, "({part})") }
}

/// The operands of a chain of `&&` or `||`.
fn operands<T: Display>(f: &mut Formatter<'_>, between: &str, parts: &[T], binding: fn(&T) -> u8) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { between })?;
        operand(f, part, binding(part) > LOGICAL)?;
    }
    Ok(())
}
