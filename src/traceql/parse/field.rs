//! Expressions over one span.

use super::precedence::{COMPARISON, Operand, Operator, Prefix};
use super::{EXPECTED_REFERENCE, Grown, Parsed, Parser};
use crate::traceql::REGEXES_MAX;
use crate::traceql::error::{QueryError, shown};
use crate::traceql::lex::Token;
use crate::traceql::pattern::Pattern;
use crate::traceql::tree::{Arithmetic, Column, Comparison, Field, Literal, Term};

impl Parser<'_> {
    /// An expression over one span.
    pub(super) fn field(&mut self) -> Parsed<Field> {
        self.nested(Self::expression)
    }
}

impl Operand for Field {
    const PREFIX: Option<Prefix<Self>> = Some(|parser, operator, operand| {
        let inner = Box::new(operand.part);
        let term = if operator.symbol == "!" { Term::Not(inner) } else { Term::Minus(inner) };
        let column = operator.column;
        parser.grown(Self { column: Column(column), term }, operand.levels, column)
    });

    fn read(parser: &mut Parser<'_>) -> Parsed<Self> {
        let column = Column(parser.peek().column);
        if let Some(literal) = parser.literal()? {
            return Ok(Grown::leaf(Self { column, term: Term::Literal(literal) }));
        }
        if let Some(reference) = parser.reference()? {
            return Ok(Grown::leaf(Self { column, term: Term::Reference(reference) }));
        }
        if let (Some(word), Token::Symbol("(")) = (parser.word(), &parser.peek_second().token) {
            return Err(QueryError::not_supported(column.0, format!("the function {word}() in braces")));
        }
        if !parser.take("(") {
            return Err(parser.unexpected(format!("a value, {EXPECTED_REFERENCE}")));
        }
        let field = parser.field()?;
        parser.expect(")")?;
        Ok(field)
    }

    fn is_operator(symbol: &str, binding: u8) -> bool {
        binding != COMPARISON || Comparison::from_symbol(symbol).is_some() || symbol == "=~" || symbol == "!~"
    }

    fn combined(
        parser: &mut Parser<'_>,
        left: Grown<Self>,
        operator: Operator,
        right: Grown<Self>,
        joined: bool,
    ) -> Parsed<Self> {
        let column = operator.column;
        let mut levels = left.levels.max(right.levels);
        let mut field = left.part;
        match (operator.symbol, &mut field.term) {
            (_, Term::All(operands) | Term::Any(operands)) if joined => {
                operands.push(right.part);
                levels = left.levels.saturating_sub(1).max(right.levels);
            }
            ("=~" | "!~", _) => field = parser.matched(field, operator, &right.part)?,
            _ => field = Self { column: Column(column), term: term(field, operator, right.part)? },
        }
        parser.grown(field, levels, column)
    }
}

/// What an operator between two operands makes of them.
fn term(left: Field, operator: Operator, right: Field) -> Result<Term, QueryError> {
    let symbol = operator.symbol;
    if symbol == "&&" {
        return Ok(Term::All(vec![left, right]));
    }
    if symbol == "||" {
        return Ok(Term::Any(vec![left, right]));
    }
    let (left, right) = (Box::new(left), Box::new(right));
    if let Some(comparison) = Comparison::from_symbol(symbol) {
        return Ok(Term::Compare(comparison, left, right));
    }
    let arithmetic = Arithmetic::from_symbol(symbol)
        .ok_or_else(|| QueryError::unexpected(operator.column, shown(symbol), "an operator"))?;
    Ok(Term::Arithmetic(arithmetic, left, right))
}

impl Parser<'_> {
    /// `left =~ "right"`
    fn matched(&mut self, left: Field, operator: Operator, right: &Field) -> Result<Field, QueryError> {
        let column = right.column.0;
        let Term::Literal(Literal::Text(text)) = &right.term else {
            let what = format!("after {} must stand a regular expression in quotes", operator.symbol);
            return Err(QueryError::wrong(column, what));
        };
        self.regexes = self.regexes.saturating_add(1);
        if self.regexes > REGEXES_MAX {
            let what = format!("the query has more than {REGEXES_MAX} regular expressions");
            return Err(QueryError::wrong(column, what));
        }
        let pattern = Pattern::new(text)
            .map_err(|reason| QueryError::wrong(column, format!("this is no regular expression: {reason}")))?;
        let term = Term::Match { negated: operator.symbol == "!~", value: Box::new(left), pattern };
        Ok(Field { column: Column(operator.column), term })
    }
}
