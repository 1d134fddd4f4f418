//! Tempo's older way to search: tags in logfmt, and how long a trace takes. Made TraceQL of, so that there is one meaning.
//!
//! A tag is a part of an attribute's text, in capitals or not; where it reads as a number or a truth value, also such an
//! attribute's value. All tags must be on one span (in Tempo, on spans of one trace).

use std::fmt::Write as _;

use super::bad;
use crate::query::QueryError;

/// At most so many tags: each is a regular expression.
const TAGS_MAX: usize = 32;

/// Reads `key=value other="with blanks"`.
pub(super) fn logfmt(text: &str) -> Result<Vec<(String, String)>, QueryError> {
    let mut tags: Vec<(String, String)> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|char: char| char == '=' || char == '"' || char.is_whitespace()).unwrap_or(rest.len());
        let (key, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let no_value = || bad("tags", format!("{key:?} has no value: write key=value, parted by blanks"));
        let after = after.strip_prefix('=').filter(|_| !key.is_empty()).ok_or_else(no_value)?;
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            unquoted(quoted).ok_or_else(|| bad("tags", format!("the value of {key} is not closed")))?
        } else {
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            let (value, after) = after.split_at_checked(end).unwrap_or((after, ""));
            (value.to_owned(), after)
        };
        if value.is_empty() {
            return Err(no_value());
        }
        if tags.iter().any(|(known, _)| known == key) {
            return Err(bad("tags", format!("{key} is given more than once")));
        }
        tags.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(tags)
}

/// A text to its closing quote, and what follows that; a backslash takes the next character as it is.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => value.push(chars.next()?),
            char => value.push(char),
        }
    }
    let rest = chars.as_str();
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some((value, rest))
}

/// The query that finds spans with all tags, of traces that take so long.
pub(super) fn query(
    tags: &[(String, String)],
    duration_min: Option<u64>,
    duration_max: Option<u64>,
) -> Result<String, QueryError> {
    if tags.len() > TAGS_MAX {
        return Err(bad("tags", format!("at most {TAGS_MAX} tags are possible")));
    }
    if matches!((duration_min, duration_max), (Some(min), Some(max)) if max < min) {
        return Err(bad("maxDuration", "must not be shorter than minDuration"));
    }
    let mut conditions = tags.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
    conditions.extend(duration_min.map(|nanos| format!("traceDuration >= {nanos}ns")));
    conditions.extend(duration_max.map(|nanos| format!("traceDuration <= {nanos}ns")));
    Ok(format!("{{ {} }}", conditions.join(" && ")))
}

fn condition((key, value): &(String, String)) -> Result<String, QueryError> {
    let pattern = quoted(&format!("(?i).*{}.*", regex::escape(value)));
    Ok(match key.as_str() {
        "name" => format!("name =~ {pattern}"),
        "root.name" => format!("rootName =~ {pattern}"),
        "root.service.name" => format!("rootServiceName =~ {pattern}"),
        "status.code" if ["ok", "error", "unset"].contains(&value.as_str()) => format!("status = {value}"),
        "status.code" => return Err(bad("tags", "status.code must be ok, error or unset")),
        "error" if value == "true" => "status = error".to_owned(),
        "error" if value == "false" => "status != error".to_owned(),
        _ => {
            let name = attribute(key);
            if is_number(value) || value == "true" || value == "false" {
                format!("({name} =~ {pattern} || {name} = {value})")
            } else {
                format!("{name} =~ {pattern}")
            }
        }
    })
}

/// Whether it is a number as the language writes them.
fn is_number(value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned) && value.parse::<i64>().is_ok_and(|number| number > i64::MIN),
    }
}

/// An attribute in any scope, as the language names it.
pub(super) fn attribute(key: &str) -> String {
    let key = key.replace('\\', "\\\\").replace('"', "\\\"");
    format!(".\"{key}\"")
}

/// A text with the escapes that the language has.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            // Writing to a String can not fail.
            char if char.is_ascii_control() => drop(write!(quoted, "\\x{:02x}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traceql::parse;

    #[test]
    fn logfmt_is_read_or_refused() {
        let tags = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let text = r#" service.name=shop  url="/a \"b\" c" n==1 "#;
        let expected = tags(&[("service.name", "shop"), ("url", "/a \"b\" c"), ("n", "=1")]);
        assert_eq!(logfmt(text).unwrap(), expected);
        assert_eq!(logfmt("  ").unwrap(), []);
        for wrong in ["a", "a=", "=b", "a=\"b", "a=\"b\"c=d", "\"a\"=b", "a=1 a=2", "a b=c"] {
            assert!(logfmt(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whatever_is_in_a_tag_makes_a_query() {
        for (key, value) in [
            ("a", "x"),
            ("a b}\"\\", "c\"\\d\n\t{ || `"),
            ("n", "5"),
            ("n", "-5.25"),
            ("n", "1e5"),
            ("n", "NaN"),
            ("n", "9999999999999999999999"),
            ("ok", "true"),
            ("name", "get"),
            ("root.name", "a.b"),
            ("root.service.name", "é"),
            ("status.code", "unset"),
            ("error", "true"),
            ("error", "maybe"),
        ] {
            let text = query(&[(key.to_owned(), value.to_owned())], Some(5), Some(6)).unwrap();
            assert!(parse(&text).is_ok(), "{key}={value}: {text}: {:?}", parse(&text));
        }
    }
}
