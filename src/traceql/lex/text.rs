//! Strings: in double quotes with Go's escapes, in backticks without, and as attribute names.

use super::Lexer;
use crate::traceql::error::QueryError;

impl Lexer<'_> {
    /// A string in double quotes.
    pub(super) fn quoted(&mut self) -> Result<String, QueryError> {
        let start = self.column;
        self.bump();
        let mut bytes = Vec::new();
        loop {
            let column = self.column;
            match self.bump() {
                None | Some('\n') => return Err(not_closed(start, "\"")),
                Some('"') => break,
                Some('\\') => {
                    let escaped = self.escaped().ok_or_else(|| QueryError::wrong(column, "no such escape in a string"));
                    bytes.extend(escaped?);
                }
                Some(char) => bytes.extend(utf8(char)),
            }
        }
        String::from_utf8(bytes).map_err(|_| QueryError::wrong(start, "the string's escapes do not make UTF-8"))
    }

    /// A string in backticks.
    pub(super) fn raw(&mut self) -> Result<String, QueryError> {
        let start = self.column;
        self.bump();
        let before = self.rest;
        self.skip_while(usize::MAX, |char| char != '`');
        let text = self.since(before).to_owned();
        self.bump().map(|_| text).ok_or_else(|| not_closed(start, "`"))
    }

    /// A quoted part of an attribute's name, in which only `\"` and `\\` are escapes.
    pub(super) fn quoted_name(&mut self) -> Result<String, QueryError> {
        let start = self.column;
        self.bump();
        let mut name = String::new();
        loop {
            let column = self.column;
            match self.bump() {
                None => return Err(not_closed(start, "\"")),
                Some('"') => return Ok(name),
                Some('\\') => match self.bump() {
                    Some(char @ ('"' | '\\')) => name.push(char),
                    _ => return Err(QueryError::wrong(column, r#"only \" and \\ can be escaped in a name"#)),
                },
                Some(char) => name.push(char),
            }
        }
    }

    /// The bytes that an escape stands for; the backslash is read.
    fn escaped(&mut self) -> Option<Vec<u8>> {
        let byte = match self.bump()? {
            'a' => 7,
            'b' => 8,
            't' => b'\t',
            'n' => b'\n',
            'v' => 11,
            'f' => 12,
            'r' => b'\r',
            '\\' => b'\\',
            '"' => b'"',
            'x' => u8::try_from(self.digits(2, 16)?).ok()?,
            'u' => return char::from_u32(self.digits(4, 16)?).map(utf8),
            'U' => return char::from_u32(self.digits(8, 16)?).map(utf8),
            first @ '0'..='7' => {
                let high = first.to_digit(8)?;
                u8::try_from(high.checked_mul(64)?.checked_add(self.digits(2, 8)?)?).ok()?
            }
            _ => return None,
        };
        Some(vec![byte])
    }

    /// A number of exactly `count` digits.
    fn digits(&mut self, count: usize, radix: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count {
            let digit = self.bump()?.to_digit(radix)?;
            value = value.checked_mul(radix)?.checked_add(digit)?;
        }
        Some(value)
    }
}

fn utf8(char: char) -> Vec<u8> {
    char.to_string().into_bytes()
}

fn not_closed(column: usize, quote: &str) -> QueryError {
    QueryError::wrong(column, format!("the string that begins here has no closing {quote}"))
}
