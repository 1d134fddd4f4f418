//! Reading and printing under random trees, random texts of the language, and random bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tracewell::traceql::{self, NESTING_LEVELS_MAX, QUERY_BYTES_MAX, QUERY_PARTS_MAX, REGEXES_MAX};

use super::property;
use crate::support::queries;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Scenario: any well-typed tree is printed. Guarantee: its text is read as an equal tree.
    #[test]
    fn a_printed_tree_is_read_as_itself(query in queries::query()) {
        let text = query.to_string();
        prop_assert_eq!(traceql::parse(&text).map_err(|error| format!("{error}: {text}")), Ok(query));
    }

    /// Scenario: texts made of the language's pieces in any order. Guarantee: no panic; what is read, prints as a
    /// text that is read as an equal tree; what is not, is refused in one line that points into the text.
    #[test]
    fn a_text_is_read_or_refused(text in pieces()) {
        property::query(text.as_bytes());
    }

    /// Scenario: a query of which a part was cut out, doubled or replaced. Guarantee: the same.
    #[test]
    fn a_mutated_query_is_read_or_refused(
        query in queries::query(), from in 0..300_usize, length in 0..40_usize, insert in pieces(),
    ) {
        let chars: Vec<char> = query.to_string().chars().collect();
        let from = from.min(chars.len());
        let to = (from + length).min(chars.len());
        let text = [&chars[..from], &insert.chars().collect::<Vec<_>>(), &chars[to..]].concat();
        property::query(text.into_iter().collect::<String>().as_bytes());
    }

    /// Scenario: any characters. Guarantee: the same.
    #[test]
    fn any_characters_are_read_or_refused(text in vec(any::<char>(), 0..60), bytes in vec(any::<u8>(), 0..60)) {
        property::query(text.iter().collect::<String>().as_bytes());
        property::query(&bytes);
    }
}

/// Pieces of the language, in an order that is often right.
fn pieces() -> BoxedStrategy<String> {
    let operands =
        [".a", "span.b", "name", "duration", "1", "1.5", "2s", "\"x\"", "`y`", "true", "nil", "ok", "server"];
    let infix = ["=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "^", "&&", "||", "=~"];
    let prefix = ["", "", "", "!", "-", "("];
    let operand = (select(prefix.to_vec()), select(operands.to_vec()), prop_oneof![4 => Just(""), 1 => Just(")")])
        .prop_map(|(prefix, operand, suffix)| format!("{prefix}{operand}{suffix} "));
    let field = (operand.clone(), vec((select(infix.to_vec()), operand), 0..4)).prop_map(|(first, rest)| {
        rest.into_iter().fold(first, |text, (symbol, operand)| format!("{text}{symbol} {operand}"))
    });
    let joints = [" | ", " && ", " || ", " > ", " >> ", " !~ ", " &<< ", " + ", " / ", " ", " (", ") "];
    let stages = ["count() > 2", "avg(duration) > 1s", "by(.a)", "coalesce()", "select(.a, name)", "rate()", "topk(3)"];
    let stage = prop_oneof![
        4 => field.prop_map(|field| format!("{{ {field} }}")),
        1 => select(stages.to_vec()).prop_map(str::to_owned),
        1 => Just("({ } | rate() by(.b))".to_owned()),
    ];
    (stage.clone(), vec((select(joints.to_vec()), stage), 0..3))
        .prop_map(|(first, rest)| rest.into_iter().fold(first, |text, (joint, stage)| format!("{text}{joint}{stage}")))
        .boxed()
}

/// Scenario: queries as large and as deep as can be written. Guarantee: each is refused on a small stack, by the limit that
/// it exceeds.
#[test]
fn enormous_queries_are_refused() {
    let many = 100_000;
    let chain = |part: &str, symbol: &str, count: usize| vec![part; count].join(symbol);
    let queries = [
        ("(".repeat(many), "levels deep"),
        ("{".repeat(many), "expected"),
        (format!("{{ {}", "(".repeat(many)), "levels deep"),
        (format!("{{ {}true }}", "!".repeat(many)), "levels deep"),
        (format!("{{ {}1 > 2 }}", "- ".repeat(many / 2)), "levels deep"),
        (format!("{{ {}", "(.a || .a = 1 + 1 * 1 ^ ".repeat(many / 30)), "levels deep"),
        ("({ } || { } > ".repeat(many / 20), "levels deep"),
        ("(1 + 1 * 1 ^ ".repeat(many / 20), "levels deep"),
        (format!("{{ {} > 2 }}", chain("1", "+", many / 2)), "levels deep"),
        (format!("{{ {} > 2 }}", chain("1", "^", 100)), "levels deep"),
        (format!("{{ {} }}", chain(".a", " = ", many / 5)), "levels deep"),
        (chain("{}", ">>", many / 4), "levels deep"),
        (chain("{}", "||", many / 4), "parts"),
        (chain("{}", "|", many / 3), "parts"),
        (format!("{{ {} }}", chain(".a", "&&", many / 5)), "parts"),
        (format!("{{ {} }}", chain(".a", "&& .b ||", many / 20)), "levels deep"),
        (format!("{{ {} }}", chain(".a =~ `x`", "&&", REGEXES_MAX + 1)), "regular expressions"),
        (" ".repeat(QUERY_BYTES_MAX + 1), "bytes"),
        (format!("{{ .a =~ `{}` }}", "(a{1000})".repeat(100)), "compiles to more"),
    ];
    for (query, reason) in queries {
        let error = on_a_small_stack(move || traceql::parse(&query).unwrap_err().to_string());
        assert!(error.contains(reason), "{error} instead of {reason}");
    }
}

/// Scenario: queries just within the limits. Guarantee: they are read, printed and compared on a small stack; long
/// chains of `&&` and `||` are not deep.
#[test]
fn the_largest_queries_are_read() {
    let deep = NESTING_LEVELS_MAX - 4;
    let queries = [
        format!("{{ {}.a{} }}", "(".repeat(deep), ")".repeat(deep)),
        format!("{{ {}.a }}", "!".repeat(deep)),
        format!("{}{{ }}{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{} {{ }} {}", "({ } > ".repeat(deep / 2), ")".repeat(deep / 2)),
        format!("{{ {} }}", vec![".a = 1"; QUERY_PARTS_MAX / 5].join(" && ")),
        vec!["{ }"; QUERY_PARTS_MAX / 3].join(" || "),
        format!("{{ {} > 1 }}", vec!["1"; deep].join(" + ")),
        format!("{{ {}.a{} }}", ".a = (".repeat(deep / 2), " || .b && .c".repeat(deep / 4) + &")".repeat(deep / 2)),
        format!("{{ {}.a{} }}", "!(.a = !".repeat(deep / 3), ")".repeat(deep / 3)),
    ];
    for query in queries {
        on_a_small_stack(move || {
            let parsed = traceql::parse(&query).unwrap();
            assert_eq!(traceql::parse(&parsed.to_string()), Ok(parsed));
        });
    }
}

/// Half of what a thread of the server has.
fn on_a_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(1024 * 1024).spawn(run).unwrap().join().unwrap()
}
