//! How tightly operators bind, and how operands and operators become a tree. Operators wait on a stack and not in
//! function calls, so that only parentheses make the parser go deeper.

use super::{Grown, Parsed, Parser};

/// How tightly `&&` and `||` bind. The printer uses the same numbers.
pub(in crate::traceql) const LOGICAL: u8 = 1;
/// How tightly comparisons and structural operators bind.
pub(in crate::traceql) const COMPARISON: u8 = 2;
/// How tightly `+` and `-` bind.
pub(in crate::traceql) const SUM: u8 = 3;
/// How tightly `!` binds.
pub(in crate::traceql) const NOT: u8 = 4;
/// How tightly `*`, `/` and `%` bind.
pub(in crate::traceql) const PRODUCT: u8 = 5;
/// How tightly `^` binds; it groups from the right, all others from the left.
pub(in crate::traceql) const POWER: u8 = 6;
/// How tightly a minus before its operand binds.
pub(in crate::traceql) const MINUS: u8 = 7;

/// An operator of the query.
#[derive(Clone, Copy)]
pub(super) struct Operator {
    pub(super) symbol: &'static str,
    pub(super) column: usize,
    binding: u8,
    is_prefix: bool,
}

/// Makes a part of an operator and the operand after it.
pub(super) type Prefix<T> = fn(&mut Parser<'_>, Operator, Grown<T>) -> Parsed<T>;

/// What operators of one kind stand between.
pub(super) trait Operand: Sized {
    /// Reads one.
    fn read(parser: &mut Parser<'_>) -> Parsed<Self>;

    /// Whether this symbol, which binds so, is an operator between two of them.
    fn is_operator(symbol: &str, binding: u8) -> bool;

    /// What an operator makes of two. When `joined`, the left one is a chain of this very operator, written without
    /// parentheses.
    fn combined(
        parser: &mut Parser<'_>,
        left: Grown<Self>,
        operator: Operator,
        right: Grown<Self>,
        joined: bool,
    ) -> Parsed<Self>;

    /// What an operator before it makes of one; `None` when there are no such operators.
    const PREFIX: Option<Prefix<Self>>;
}

impl Parser<'_> {
    /// Operands with operators between and before them.
    pub(super) fn expression<T: Operand>(&mut self) -> Parsed<T> {
        let mut operators: Vec<Operator> = Vec::new();
        let mut before: Vec<Grown<T>> = Vec::new();
        // The logical operator that the leftmost operand is a chain of.
        let mut chain = None;
        loop {
            self.prefixes::<T>(&mut operators);
            let mut last = T::read(self)?;
            let next = self.infix::<T>();
            while let Some(operator) = operators.pop_if(|waiting| binds_before(waiting, next)) {
                last = match (T::PREFIX, before.pop_if(|_| !operator.is_prefix)) {
                    (_, Some(left)) => {
                        let joined =
                            operator.binding == LOGICAL && chain.replace(operator.symbol) == Some(operator.symbol);
                        T::combined(self, left, operator, last, joined)?
                    }
                    (Some(prefixed), None) => prefixed(self, operator, last)?,
                    (None, None) => last,
                };
            }
            let Some(operator) = next else { return Ok(last) };
            self.advance();
            operators.push(operator);
            before.push(last);
        }
    }

    /// Reads the operators before an operand.
    fn prefixes<T: Operand>(&mut self, operators: &mut Vec<Operator>) {
        while let Some(symbol) = self.symbol().filter(|_| T::PREFIX.is_some()) {
            let binding = match symbol {
                "!" => NOT,
                "-" if !super::is_number(&self.peek_second().token) => MINUS,
                _ => return,
            };
            operators.push(Operator { symbol, column: self.peek().column, binding, is_prefix: true });
            self.advance();
        }
    }

    /// The operator that is next, after an operand.
    fn infix<T: Operand>(&self) -> Option<Operator> {
        let symbol = self.symbol()?;
        let binding = binding(symbol).filter(|binding| T::is_operator(symbol, *binding))?;
        Some(Operator { symbol, column: self.peek().column, binding, is_prefix: false })
    }
}

/// Whether the operator that waits has all its operands before the next one is read.
fn binds_before(waiting: &Operator, next: Option<Operator>) -> bool {
    next.is_none_or(|next| waiting.binding > next.binding || (waiting.binding == next.binding && next.binding != POWER))
}

/// How tightly a symbol binds as an operator between two operands; `None` when it is none.
fn binding(symbol: &str) -> Option<u8> {
    match symbol {
        "&&" | "||" => Some(LOGICAL),
        "+" | "-" => Some(SUM),
        "*" | "/" | "%" => Some(PRODUCT),
        "^" => Some(POWER),
        "!" | "&" | "|" | "(" | ")" | "{" | "}" | "," | ":" => None,
        _ => Some(COMPARISON),
    }
}
