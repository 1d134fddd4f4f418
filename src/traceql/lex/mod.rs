//! Text into tokens, each with its column. Knows words, symbols, literals and attribute names, not what they mean;
//! that is [`super::parse`].

mod number;
mod text;

use super::error::{QueryError, shown};
use super::tree::Scope;

/// A token and where it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lexeme<'t> {
    /// 1 is the query's first character.
    pub(super) column: usize,
    /// Its text.
    pub(super) text: &'t str,
    /// What it is.
    pub(super) token: Token,
}

/// What a piece of the query is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Punctuation or an operator.
    Symbol(&'static str),
    /// A word, or two with a colon between.
    Word,
    /// An attribute's name with its scope.
    Attribute(Scope, String),
    /// A string.
    Text(String),
    /// A whole number, without sign.
    Int(u64),
    /// A number with a point or an exponent.
    Float(f64),
    /// A duration in nanoseconds, without sign.
    Duration(u64),
    /// The end of the query.
    End,
}

/// Punctuation and operators, none after one that it begins with.
const SYMBOLS: [&str; 37] = [
    "!>>", "!<<", "&>>", "&<<", "!>", "!<", "!~", "!=", "&>", "&<", "&~", "&&", "||", ">>", "<<", ">=", "<=", "=~",
    "=", "!", ">", "<", "~", "|", "+", "-", "*", "/", "%", "^", "{", "}", "(", ")", ",", "&", ":",
];

impl Lexeme<'_> {
    /// What an error says was found here.
    pub(super) fn found(&self) -> String {
        if self.token == Token::End { "the end of the query".to_owned() } else { shown(self.text) }
    }
}

/// Cuts a query into tokens; the last one is [`Token::End`].
pub(super) fn lex(text: &str) -> Result<Vec<Lexeme<'_>>, QueryError> {
    let mut lexer = Lexer { rest: text, column: 1 };
    let mut lexemes = Vec::new();
    loop {
        let lexeme = lexer.lexeme()?;
        let ended = lexeme.token == Token::End;
        lexemes.push(lexeme);
        if ended {
            return Ok(lexemes);
        }
    }
}

struct Lexer<'t> {
    rest: &'t str,
    column: usize,
}

impl<'t> Lexer<'t> {
    fn lexeme(&mut self) -> Result<Lexeme<'t>, QueryError> {
        self.skip_blanks();
        let (column, before) = (self.column, self.rest);
        let token = self.token()?;
        Ok(Lexeme { column, text: self.since(before), token })
    }

    fn token(&mut self) -> Result<Token, QueryError> {
        match (self.peek(), self.rest.chars().nth(1)) {
            (None, _) => Ok(Token::End),
            (Some('"'), _) => self.quoted().map(Token::Text),
            (Some('`'), _) => self.raw().map(Token::Text),
            (Some('.'), Some(second)) if second.is_ascii_digit() => self.number(),
            (Some('.'), _) => self.attribute(Scope::Any),
            (Some(first), _) if first.is_ascii_digit() => self.number(),
            (Some(first), _) if is_word(first) => self.word(),
            _ => self.symbol(),
        }
    }

    fn symbol(&mut self) -> Result<Token, QueryError> {
        let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol)) else {
            let found = self.peek().map(String::from).unwrap_or_default();
            return Err(QueryError::unexpected(self.column, shown(&found), "an operator, a word or a value"));
        };
        self.skip_while(symbol.chars().count(), |_| true);
        Ok(Token::Symbol(symbol))
    }

    /// A word, a scoped intrinsic, or the scope of an attribute with its name.
    fn word(&mut self) -> Result<Token, QueryError> {
        let (column, before) = (self.column, self.rest);
        self.skip_while(usize::MAX, is_word);
        let word = self.since(before);
        match self.peek() {
            Some('.') => self.attribute(scope(word, column)?),
            Some(':') => {
                self.bump();
                self.skip_while(usize::MAX, is_word);
                Ok(Token::Word)
            }
            _ => Ok(Token::Word),
        }
    }

    /// The dot before an attribute's name, and the name.
    fn attribute(&mut self, scope: Scope) -> Result<Token, QueryError> {
        self.bump();
        let column = self.column;
        let (mut name, mut has_quoted) = (String::new(), false);
        while let Some(char) = self.peek().filter(|char| !ends_name(*char)) {
            if char == '"' {
                name.push_str(&self.quoted_name()?);
                has_quoted = true;
            } else {
                name.push(char);
                self.bump();
            }
        }
        if name.is_empty() && !has_quoted {
            let found = self.peek().map_or_else(|| "the end of the query".to_owned(), |char| shown(&char.to_string()));
            return Err(QueryError::unexpected(column, found, "the name of an attribute"));
        }
        Ok(Token::Attribute(scope, name))
    }

    /// Skips white space, and comments from `//` to the end of the line.
    fn skip_blanks(&mut self) {
        loop {
            self.skip_while(usize::MAX, char::is_whitespace);
            if !self.rest.starts_with("//") {
                return;
            }
            self.skip_while(usize::MAX, |char| char != '\n');
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let first = chars.next()?;
        self.rest = chars.as_str();
        self.column = self.column.saturating_add(1);
        Some(first)
    }

    fn skip_while(&mut self, chars_max: usize, wanted: impl Fn(char) -> bool) {
        for _ in 0..chars_max {
            if !self.peek().is_some_and(&wanted) {
                return;
            }
            self.bump();
        }
    }

    /// What was read since `before` was the rest.
    fn since(&self, before: &'t str) -> &'t str {
        before.get(..before.len().saturating_sub(self.rest.len())).unwrap_or_default()
    }
}

/// The scope that is called so.
fn scope(word: &str, column: usize) -> Result<Scope, QueryError> {
    if word == "parent" {
        return Err(QueryError::not_supported(column, "the scope parent"));
    }
    let known = Scope::NAMED.into_iter().find(|scope| scope.word() == word);
    known.ok_or_else(|| {
        let words = Scope::NAMED.map(Scope::word).join(", ");
        QueryError::unexpected(column, shown(&format!("{word}.")), format!("one of the scopes {words}"))
    })
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// Whether an attribute's name ends before this character, unless it is quoted. The printer asks too.
pub(super) fn ends_name(char: char) -> bool {
    char.is_whitespace() || "{}()=~!<>&|^,".contains(char)
}
