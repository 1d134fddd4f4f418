//! Why a query is refused: one line that names the column, what was found there and what was expected.

/// A refused query. Its text is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct QueryError {
    column: usize,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("found {found}, expected {expected}")]
    Unexpected { found: String, expected: String },
    #[error("{0} is not supported")]
    NotSupported(String),
    #[error("{0}")]
    Wrong(String),
}

/// So many characters of the query are shown in an error.
const SHOWN_CHARS_MAX: usize = 40;

impl QueryError {
    /// Where the query is wrong: 1 is its first character.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// Whether the query is right, and tracewell does not do what it asks for.
    #[must_use]
    pub fn is_not_supported(&self) -> bool {
        matches!(self.problem, Problem::NotSupported(_))
    }

    pub(super) fn unexpected(column: usize, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { column, problem: Problem::Unexpected { found: found.into(), expected: expected.into() } }
    }

    pub(super) fn not_supported(column: usize, what: impl Into<String>) -> Self {
        Self { column, problem: Problem::NotSupported(what.into()) }
    }

    pub(super) fn wrong(column: usize, what: impl Into<String>) -> Self {
        Self { column, problem: Problem::Wrong(what.into()) }
    }
}

/// A piece of the query as an error shows it: on one line, shortened.
pub(super) fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let rest = if start.len() < text.len() { "…" } else { "" };
    // Quotes of the query stay as they are: only what would break the line is escaped.
    let escape = |char: char| if char.is_control() { char.escape_default().to_string() } else { char.to_string() };
    format!("`{}{rest}`", start.chars().map(escape).collect::<String>())
}
