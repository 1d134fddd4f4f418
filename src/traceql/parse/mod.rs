//! Tokens into a tree, by recursive descent and operator precedence. Whether the tree makes sense is asked by
//! [`super::validate`].
//!
//! Precedence, from the loosest: `|`; `&&` and `||` together; comparisons and structural operators; `+ -`; `!`;
//! `* / %`; `^`, which groups from the right; unary minus. [`precedence`] knows that; [`pipeline`] has what stands
//! between pipes, [`field`] what stands between braces, [`metrics`] what makes numbers over time.

mod field;
mod metrics;
mod pipeline;
pub(super) mod precedence;

use super::error::QueryError;
use super::lex::{Lexeme, Token, lex};
use super::tree::{Body, Column, Hint, HintName, Intrinsic, Literal, Query, Reference};
use super::{NESTING_LEVELS_MAX, QUERY_BYTES_MAX, QUERY_PARTS_MAX};
use pipeline::Chain;

/// Reads a query without checking types.
pub(super) fn parse(text: &str) -> Result<Query, QueryError> {
    Parser::of(text)?.query()
}

/// Reads an attribute or an intrinsic, and nothing else.
pub(super) fn parse_reference(text: &str) -> Result<Reference, QueryError> {
    let mut parser = Parser::of(text)?;
    let reference = parser.reference()?.ok_or_else(|| parser.unexpected(EXPECTED_REFERENCE))?;
    if parser.peek().token == Token::End { Ok(reference) } else { Err(parser.unexpected("nothing after it")) }
}

/// How deep the parser goes: a parenthesis for each level of the tree, so that whatever is read can be read again as
/// it is printed, and some for the braces and calls around.
const DESCENT_LEVELS_MAX: usize = NESTING_LEVELS_MAX + 8;

/// A part of the tree, with how many levels it has: operators make trees deep, as parentheses do.
struct Grown<T> {
    part: T,
    levels: usize,
}

impl<T> Grown<T> {
    fn leaf(part: T) -> Self {
        Self { part, levels: 1 }
    }

    fn map<U>(self, to: impl FnOnce(T) -> U) -> Grown<U> {
        Grown { part: to(self.part), levels: self.levels }
    }
}

type Parsed<T> = Result<Grown<T>, QueryError>;

struct Parser<'t> {
    lexemes: Vec<Lexeme<'t>>,
    end: Lexeme<'t>,
    next: usize,
    level: usize,
    parts: usize,
    regexes: usize,
}

impl<'t> Parser<'t> {
    fn of(text: &'t str) -> Result<Self, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::wrong(1, format!("the query is longer than {QUERY_BYTES_MAX} bytes")));
        }
        let end = Lexeme { column: text.chars().count().saturating_add(1), text: "", token: Token::End };
        Ok(Self { lexemes: lex(text)?, end, next: 0, level: 0, parts: 0, regexes: 0 })
    }

    fn query(mut self) -> Result<Query, QueryError> {
        if self.peek().token == Token::End {
            return Err(self.unexpected("a query such as { status = error }"));
        }
        let body = match self.chain()? {
            Chain::Spans(pipeline) => Body::Traces(pipeline.part),
            Chain::Metrics(metrics) => Body::Metrics(metrics.part),
            Chain::Scalar(_) => return Err(self.unexpected("a comparison, as in count() > 2")),
        };
        let hints = self.hints()?;
        if self.peek().token != Token::End {
            let more = if hints.is_empty() { "an operator, |, with(…) or " } else { "" };
            return Err(self.unexpected(format!("{more}the end of the query")));
        }
        Ok(Query { body, hints })
    }

    /// `with(name=value, …)`, or nothing.
    fn hints(&mut self) -> Result<Vec<Hint>, QueryError> {
        let mut hints = Vec::new();
        if self.take_word("with") {
            self.expect("(")?;
            loop {
                hints.push(self.hint()?);
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        Ok(hints)
    }

    fn hint(&mut self) -> Result<Hint, QueryError> {
        let lexeme = self.peek();
        let (column, word) = (lexeme.column, lexeme.text);
        if lexeme.token != Token::Word {
            return Err(self.unexpected("the name of a hint"));
        }
        let Some((name, _)) = HintName::WORDS.into_iter().find(|(_, known)| *known == word) else {
            return Err(QueryError::not_supported(column, format!("the hint {word}")));
        };
        self.advance();
        self.expect("=")?;
        let value = self.literal()?.ok_or_else(|| self.unexpected("a value"))?;
        Ok(Hint { column: Column(column), name, value })
    }

    /// A literal, when there is one; a number may have a sign.
    fn literal(&mut self) -> Result<Option<Literal>, QueryError> {
        let is_negative = self.is("-") && is_number(&self.peek_second().token);
        let lexeme = if is_negative { self.peek_second() } else { self.peek() };
        let literal = match &lexeme.token {
            Token::Int(value) => Literal::Int(signed(*value, is_negative).ok_or_else(|| too_large(lexeme))?),
            Token::Duration(value) => Literal::Duration(signed(*value, is_negative).ok_or_else(|| too_large(lexeme))?),
            Token::Float(value) => Literal::Float(if is_negative { -value } else { *value }),
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Word => match Literal::from_word(lexeme.text) {
                Some(literal) => literal,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        if is_negative {
            self.advance();
        }
        self.advance();
        self.count_part()?;
        Ok(Some(literal))
    }

    /// An attribute or an intrinsic, when there is one.
    fn reference(&mut self) -> Result<Option<Reference>, QueryError> {
        let lexeme = self.peek();
        let reference = match &lexeme.token {
            Token::Attribute(scope, name) => Reference::Attribute { scope: *scope, name: name.clone() },
            Token::Word if lexeme.text == "parent" || lexeme.text.starts_with("parent:") => {
                return Err(QueryError::not_supported(lexeme.column, format!("the intrinsic {}", lexeme.text)));
            }
            Token::Word => match Intrinsic::from_word(lexeme.text) {
                Some(intrinsic) => Reference::Intrinsic(intrinsic),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.advance();
        self.count_part()?;
        Ok(Some(reference))
    }

    /// `(x, …)` with at least one attribute or intrinsic.
    fn references(&mut self) -> Result<Vec<Reference>, QueryError> {
        self.expect("(")?;
        let mut references = Vec::new();
        loop {
            references.push(self.reference()?.ok_or_else(|| self.unexpected(EXPECTED_REFERENCE))?);
            if !self.take(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(references)
    }

    /// Runs `inner` one level deeper, when there is one.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, QueryError>) -> Result<T, QueryError> {
        if self.level >= DESCENT_LEVELS_MAX {
            return Err(too_deep(self.peek().column));
        }
        self.level = self.level.saturating_add(1);
        let result = inner(self);
        self.level = self.level.saturating_sub(1);
        result
    }

    /// A part above parts of which the deepest has so many levels.
    fn grown<T>(&mut self, part: T, levels_below: usize, column: usize) -> Parsed<T> {
        self.count_part()?;
        let levels = levels_below.saturating_add(1);
        if levels > NESTING_LEVELS_MAX { Err(too_deep(column)) } else { Ok(Grown { part, levels }) }
    }

    fn count_part(&mut self) -> Result<(), QueryError> {
        self.parts = self.parts.saturating_add(1);
        if self.parts > QUERY_PARTS_MAX {
            return Err(QueryError::wrong(
                self.peek().column,
                format!("the query has more than {QUERY_PARTS_MAX} parts"),
            ));
        }
        Ok(())
    }

    fn peek(&self) -> &Lexeme<'t> {
        self.lexemes.get(self.next).unwrap_or(&self.end)
    }

    fn peek_second(&self) -> &Lexeme<'t> {
        self.lexemes.get(self.next.saturating_add(1)).unwrap_or(&self.end)
    }

    fn advance(&mut self) {
        self.next = self.next.saturating_add(1);
    }

    /// The symbol that is next, when it is one.
    fn symbol(&self) -> Option<&'static str> {
        match self.peek().token {
            Token::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    fn is(&self, symbol: &str) -> bool {
        self.symbol() == Some(symbol)
    }

    /// The word that is next, when it is one.
    fn word(&self) -> Option<&'t str> {
        let lexeme = self.peek();
        (lexeme.token == Token::Word).then_some(lexeme.text)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let is = self.is(symbol);
        if is {
            self.advance();
        }
        is
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = self.word() == Some(word);
        if is {
            self.advance();
        }
        is
    }

    fn expect(&mut self, symbol: &str) -> Result<(), QueryError> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(symbol)) }
    }

    fn unexpected(&self, expected: impl Into<String>) -> QueryError {
        let lexeme = self.peek();
        QueryError::unexpected(lexeme.column, lexeme.found(), expected)
    }
}

const EXPECTED_REFERENCE: &str = "an attribute such as .name or resource.name, or an intrinsic such as duration";

fn is_number(token: &Token) -> bool {
    matches!(token, Token::Int(_) | Token::Float(_) | Token::Duration(_))
}

fn signed(magnitude: u64, is_negative: bool) -> Option<i64> {
    if is_negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

fn too_large(lexeme: &Lexeme<'_>) -> QueryError {
    QueryError::unexpected(lexeme.column, lexeme.found(), "a number of 64 bits")
}

fn too_deep(column: usize) -> QueryError {
    QueryError::wrong(column, format!("the query is nested more than {NESTING_LEVELS_MAX} levels deep"))
}
