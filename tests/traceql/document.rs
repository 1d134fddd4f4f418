//! `docs/traceql.md`: every row of its tables is run, and there is a row for all that the language has.

use std::collections::BTreeSet;

use tracewell::model::Span;
use tracewell::traceql::evaluate::metrics::INTERVALS_MAX;
use tracewell::traceql::tree::{
    AggregateFunction, Arithmetic, Comparison, HintName, Intrinsic, Literal, MetricsFunction, Scope, StructuralOperator,
};
use tracewell::traceql::{
    self, METRICS_GROUPS_MAX, NESTING_LEVELS_MAX, QUERY_BYTES_MAX, QUERY_PARTS_MAX, REGEX_PROGRAM_BYTES_MAX,
    REGEXES_MAX,
};

use super::{evaluate, parts, text};

const DOCUMENT: &str = include_str!("../../docs/traceql.md");
/// The times of the page's metrics.
const TIMES: &str = "time 10s to 30s step 10s";

/// A row of a table that has a query.
struct Row {
    section: &'static str,
    /// The words that it is about.
    words: Vec<String>,
    state: &'static str,
    query: String,
    finds: String,
}

/// The rows of all tables that have queries.
fn rows() -> Vec<Row> {
    let sections = DOCUMENT.split("\n## ").filter_map(|section| section.split_once('\n'));
    let rows = sections.flat_map(|(section, text)| text.lines().filter_map(move |line| row(section, line)));
    rows.collect()
}

fn row(section: &'static str, line: &'static str) -> Option<Row> {
    let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: Vec<_> = line.split(" | ").collect();
    let [words, state @ ("yes" | "differs" | "refused"), _, query, finds] = cells[..] else { return None };
    let query = code(query).unwrap_or_else(|| panic!("no query: {line}"));
    let finds = code(finds).unwrap_or_else(|| panic!("no answer: {line}"));
    Some(Row { section, words: codes(words), state, query, finds })
}

/// What stands in a cell as code: a `|` there is written `\|`, and a back-tick needs two around it.
fn code(cell: &str) -> Option<String> {
    let inner = cell.strip_prefix("``").and_then(|cell| cell.strip_suffix("``"));
    let inner = inner.or_else(|| cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')))?;
    Some(inner.replace("\\|", "|"))
}

fn codes(cell: &str) -> Vec<String> {
    match code(cell).filter(|code| !code.contains("`, `") && !code.contains("` `")) {
        Some(one) => vec![one],
        None => cell.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "|")).collect(),
    }
}

/// The queries of the page.
pub(super) fn queries() -> impl Iterator<Item = String> {
    rows().into_iter().map(|row| row.query)
}

/// The traces of the page.
fn traces() -> Vec<Vec<Span>> {
    let (_, text) = DOCUMENT.split_once("```traces\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    (1..).zip(text.split("\n\n")).map(|(number, trace)| text::trace(number, trace)).collect()
}

/// Scenario: each row of the tables. Guarantee: a query that is supported is read, prints as a text that is read as the same
/// query, and finds what the row says; one that is refused is refused in its words.
#[test]
fn every_row_holds() {
    let (rows, traces, times) = (rows(), traces(), evaluate::times(TIMES));
    assert!(rows.len() > 100, "only {} rows were read", rows.len());
    let mut wrong = Vec::new();
    for Row { state, query, finds, .. } in rows {
        let found = match traceql::parse(&query) {
            Err(error) if state == "refused" && error.is_not_supported() => {
                error.to_string().split_once(": ").unwrap().1.to_owned()
            }
            Err(error) => format!("refused: {error}"),
            Ok(_) if state == "refused" => "not refused".to_owned(),
            Ok(parsed) => {
                let printed = parsed.to_string();
                assert_eq!(traceql::parse(&printed), Ok(parsed), "{query} prints as {printed}");
                evaluate::run(&query, &traces, Some(&times)).replace('\n', "; ")
            }
        };
        let is_right = finds.strip_suffix("…").map_or(found == finds, |begin| found.starts_with(begin));
        if !is_right {
            wrong.push(format!("{query}\n=> {found}\n   instead of\n=> {finds}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Scenario: something is added to the language. Guarantee: the page has a row whose first column names it, and whose query
/// has it in its tree.
#[test]
fn every_part_of_the_language_has_a_row() {
    let rows = rows();
    let supported = || rows.iter().filter(|row| row.state != "refused");
    let mut expected: Vec<(&str, Vec<String>)> = Vec::new();
    let mut expect =
        |section, words: Vec<&str>| expected.push((section, words.into_iter().map(str::to_owned).collect()));
    expect("Spansets", StructuralOperator::SYMBOLS.into_iter().flat_map(|(_, symbols)| symbols).collect());
    expect("What a span has", Intrinsic::SPELLINGS.into_iter().flat_map(|(_, spellings)| spellings.to_vec()).collect());
    expect("Values", Literal::WORDS.into_iter().map(|(word, _)| word).collect());
    expect("Operators within braces", Comparison::SYMBOLS.into_iter().map(|(_, symbol)| symbol).collect());
    expect("Operators within braces", Arithmetic::SYMBOLS.into_iter().map(|(_, symbol)| symbol).collect());
    expect("Pipelines", Comparison::SYMBOLS.into_iter().map(|(_, symbol)| symbol).collect());
    expect("Pipelines", Arithmetic::SYMBOLS.into_iter().map(|(_, symbol)| symbol).collect());
    expect("Metrics", Comparison::SYMBOLS.into_iter().map(|(_, symbol)| symbol).collect());
    expect("Hints", HintName::WORDS.into_iter().map(|(_, word)| word).collect());
    let scopes = [Scope::Any].into_iter().chain(Scope::NAMED).map(|scope| format!("{}.name", scope.word()));
    expected.push(("What a span has", scopes.collect()));
    let calls = AggregateFunction::WORDS.into_iter().map(|(_, word)| format!("{word}( … )"));
    expected.push(("Pipelines", calls.collect()));
    let call = |word: &str| {
        if matches!(word, "rate" | "count_over_time") { format!("{word}()") } else { format!("{word}( … )") }
    };
    expected.push(("Metrics", MetricsFunction::WORDS.into_iter().map(call).collect()));
    for (section, words) in expected {
        for word in words {
            let has_it = |row: &&Row| row.section == section && row.words.contains(&word);
            assert!(supported().any(|row| has_it(&row)), "{section}: there is no row for {word}");
        }
    }
    let queries: Vec<_> = supported().map(|row| traceql::parse(&row.query).unwrap()).collect();
    let found: BTreeSet<_> = queries.iter().flat_map(parts::of_query).collect();
    let missing: Vec<_> = parts::all().difference(&found).cloned().collect();
    assert!(missing.is_empty(), "no query of the page has {missing:?}");
}

/// Guarantee: the limits of the page are those of the code.
#[test]
fn the_limits_are_those_of_the_code() {
    let (_, section) = DOCUMENT.split_once("\n## Limits\n").unwrap();
    let rows = section.lines().take_while(|line| !line.starts_with("## ")).filter_map(|line| {
        let (_, number) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        number.parse::<usize>().ok()
    });
    let limits = [
        QUERY_BYTES_MAX,
        NESTING_LEVELS_MAX,
        QUERY_PARTS_MAX,
        REGEXES_MAX,
        REGEX_PROGRAM_BYTES_MAX,
        METRICS_GROUPS_MAX,
        INTERVALS_MAX,
    ];
    assert_eq!(rows.collect::<Vec<_>>(), limits);
}
