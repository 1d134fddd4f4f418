//! A query that somebody is still typing: what of it can be used.
//!
//! Grafana asks for the values under a name with the query as it stands, `{ kind = server && resource.x = }`. Its braces
//! are cut at `&&`; the parts that are conditions by themselves are kept. What has `||` at that level, or conditions of
//! several spans, is not cut: less than all of it would leave out values that could be chosen.

use crate::traceql::tree::{Body, Query};
use crate::traceql::{QUERY_BYTES_MAX, parse, parse_reference};

/// A query that finds spans; empty when nothing of the text can be used. The whole of it if it is one.
pub(super) fn usable(text: &str) -> String {
    if text.len() > QUERY_BYTES_MAX {
        return String::new();
    }
    if matches!(parse(text), Ok(Query { body: Body::Traces(_), .. })) {
        return text.to_owned();
    }
    let parts = conjuncts(text).unwrap_or_default();
    // A name alone is one to which an operator will come.
    let is_condition = |part: &&str| parse_reference(part).is_err() && parse(&format!("{{ {part} }}")).is_ok();
    let kept: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).filter(is_condition).collect();
    if kept.is_empty() { String::new() } else { format!("{{ {} }}", kept.join(" && ")) }
}

/// What stands between the first braces, cut at `&&`. `None` when there are others, or `||`.
fn conjuncts(text: &str) -> Option<Vec<&str>> {
    let inside = text.trim_start().strip_prefix('{')?;
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    let mut quote = None;
    let mut chars = inside.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match (quote, char) {
            (Some('"'), '\\') => drop(chars.next()),
            (Some(open), _) => quote = Some(open).filter(|open| *open != char),
            (None, '"' | '`') => quote = Some(char),
            (None, '(') => depth = depth.saturating_add(1),
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '{') => return None,
            (None, '}') => {
                parts.push(inside.get(begin..at)?.trim());
                // A metrics function may follow; other spansets may not.
                let rest = inside.get(at..)?;
                return (!rest.contains('{')).then_some(parts);
            }
            (None, '|') if depth == 0 => return None,
            (None, '&') if depth == 0 && chars.peek().is_some_and(|(_, next)| *next == '&') => {
                parts.push(inside.get(begin..at)?.trim());
                begin = at.saturating_add(2);
                chars.next();
            }
            _ => {}
        }
    }
    // Not closed yet.
    parts.push(inside.get(begin..)?.trim());
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::usable;

    #[test]
    fn what_can_be_used_of_a_query_is_kept() {
        for (text, kept) in [
            ("", ""),
            ("{ kind = server }", "{ kind = server }"),
            ("{ kind = server } >> { status = error }", "{ kind = server } >> { status = error }"),
            ("{ resource.service.name = }", ""),
            ("{ kind = server && resource.x = }", "{ kind = server }"),
            ("{ .a = \"x && y\" && .b = && name =~ `a|b` ", "{ .a = \"x && y\" && name =~ `a|b` }"),
            ("{ (.a = 1 || .b = 2) && .c = }", "{ (.a = 1 || .b = 2) }"),
            ("{ .a = 1 || .b = }", ""),
            ("{ kind = server } >> { .b = }", ""),
            ("{ .a = \"\\\"&&\" && .b = }", "{ .a = \"\\\"&&\" }"),
            ("{ kind = server } | rate()", "{ kind = server }"),
            ("{ kind = server } && { .b = }", ""),
            ("kind = server", ""),
            ("{ .a = \"open && kind = server", ""),
            ("{ && && }", ""),
            ("{ .a = 1 && .b", "{ .a = 1 }"),
        ] {
            assert_eq!(usable(text), kept, "{text}");
        }
    }
}
