//! Reading and printing queries: a table of queries with what they print as, or why they are refused.

use tracewell::traceql;

/// Scenario: each query of the table. Guarantee: it prints as the table says, and that text reads and prints the
/// same; or it is refused, with this line.
#[test]
fn queries_print_as_in_the_table() {
    let mut wrong = Vec::new();
    for (query, expected) in table(include_str!("parse.txt")) {
        let printed = match traceql::parse(query) {
            Ok(parsed) => parsed.to_string(),
            Err(error) => format!("! {error}"),
        };
        if printed != expected {
            wrong.push(format!("{query}\n=> {printed}\n   instead of\n=> {expected}"));
        }
        if let Ok(parsed) = traceql::parse(query) {
            assert_eq!(traceql::parse(&printed).as_ref(), Ok(&parsed), "{query}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The queries of a table, each with the line `=> …` after it.
fn table(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let blocks = text.split("\n\n").map(|block| block.trim_start_matches('\n'));
    blocks.filter(|block| !block.starts_with('#') && !block.is_empty()).map(|block| {
        let (query, expected) = block.rsplit_once("\n=>").unwrap_or_else(|| panic!("no result: {block}"));
        (query, expected.trim())
    })
}
