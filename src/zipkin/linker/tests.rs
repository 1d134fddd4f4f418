//! Traces and who calls whom in them. A line is a span: id, parent, kind, service, remote service, and what else it is;
//! `-` stands for nothing. After `=>` come the calls, and how many failed.

use super::*;
use crate::model::SpanId;
use crate::zipkin::Endpoint;

fn endpoint(service: &str) -> Endpoint {
    let service = if service == "-" { String::new() } else { service.to_owned() };
    Endpoint { service, ..Endpoint::default() }
}

fn span(line: &str) -> Span {
    let words: Vec<&str> = line.split_whitespace().collect();
    let id = |word: &str| SpanId::from_slice(&[word.parse::<u8>().unwrap(); 8]).ok();
    let kind = Kind::NAMES.iter().find(|(name, _)| *name == words[2]).map(|(_, kind)| *kind);
    let mut span = Span::example(words[0].parse().unwrap());
    span.parent_id = if words[1] == "-" { None } else { id(words[1]) };
    span.kind = kind;
    span.local = endpoint(words[3]);
    span.remote = endpoint(words[4]);
    span.shared = words[5..].contains(&"shared");
    if words[5..].contains(&"error") {
        span.tags.insert("error".to_owned(), String::new());
    }
    span
}

fn check(script: &str) {
    let (spans, expected) = script.split_once("=>").unwrap();
    let mut spans: Vec<Span> = spans.lines().filter(|line| !line.trim().is_empty()).map(span).collect();
    for _ in 0..2 {
        let mut links = Links::new();
        add_trace(spans.clone(), &mut links);
        let show = |((parent, child), calls): (&(String, String), &Calls)| {
            format!("{parent}>{child} {}/{}", calls.count, calls.errors)
        };
        let found: Vec<_> = links.iter().map(show).collect();
        assert_eq!(found.join(", "), expected.trim(), "{script}");
        // The order in which spans are stored says nothing.
        spans.reverse();
    }
}

#[test]
fn a_call_that_both_sides_report_counts_once() {
    check("1 - SERVER web -\n 2 1 CLIENT web -\n 3 2 SERVER app - => web>app 1/0");
    check("1 - SERVER web -\n 2 1 CLIENT web app\n 2 1 SERVER app - shared => web>app 1/0");
    // Some tracers do not say that they share.
    check("1 - SERVER web -\n 2 1 CLIENT web app\n 2 1 SERVER app - => web>app 1/0");
}

#[test]
fn a_client_alone_counts_when_it_says_whom_it_calls() {
    check("1 - CLIENT web app => web>app 1/0");
    check("1 - CLIENT web - =>");
    check("1 - SERVER web -\n 2 1 CLIENT - db => web>db 1/0");
    check("1 - - web db => web>db 1/0");
    check("1 - - web - =>");
}

#[test]
fn the_root_counts_when_it_says_who_calls_it() {
    check("1 - SERVER web - =>");
    check("1 - SERVER web user => user>web 1/0");
}

#[test]
fn who_called_is_the_nearest_span_with_a_kind() {
    check("1 - SERVER web -\n 2 1 - web -\n 3 2 - web -\n 4 3 CLIENT web -\n 5 4 SERVER app other => web>app 1/0");
    check("1 - SERVER web -\n 2 1 - x -\n 3 2 SERVER app - => web>app 1/0");
}

#[test]
fn a_client_of_another_service_than_the_one_above_was_called_too() {
    check("1 - SERVER web -\n 2 1 CLIENT app db => app>db 1/0, web>app 1/0");
}

#[test]
fn a_call_fails_by_its_own_tag_or_its_clients() {
    check("1 - SERVER web -\n 2 1 CLIENT web - error\n 3 2 SERVER app - => web>app 1/1");
    check("1 - SERVER web -\n 2 1 CLIENT web -\n 3 2 SERVER app - error => web>app 1/1");
    // Not by that of a client further up.
    check("1 - CLIENT web - error\n 2 1 - web -\n 3 2 SERVER app - => web>app 1/0");
    // Nor is the link that a client of another service gives a failure.
    check("1 - SERVER web -\n 2 1 CLIENT app db error => app>db 1/1, web>app 1/0");
}

#[test]
fn messages_count_by_their_broker() {
    check("1 - PRODUCER web kafka\n 2 1 CONSUMER app kafka => kafka>app 1/0, web>kafka 1/0");
    check("1 - PRODUCER web -\n 2 1 CONSUMER app - =>");
    // A consumer's caller is no service above it.
    check("1 - SERVER web -\n 2 1 CONSUMER app - =>");
}

#[test]
fn spans_whose_root_has_not_come_are_below_one_that_nobody_reported() {
    check("3 2 SERVER app -\n 4 3 CLIENT app db => app>db 1/0");
    check("2 1 SERVER app - shared\n 3 2 CLIENT app db => app>db 1/0");
}

#[test]
fn several_servers_may_share_one_id() {
    check(
        "1 - CLIENT web -\n 1 - SERVER a - shared\n 1 - SERVER b - shared\n 2 1 CLIENT a db\n 3 1 CLIENT b db
         => a>db 1/0, b>db 1/0, web>a 1/0, web>b 1/0",
    );
}

#[test]
fn several_servers_may_share_one_id_and_not_say_so() {
    check(
        "1 - CLIENT web -\n 1 - SERVER a -\n 1 - SERVER b -\n 2 1 CLIENT a db\n 3 1 CLIENT b db
         => a>db 1/0, b>db 1/0, web>a 1/0, web>b 1/0",
    );
}

#[test]
fn several_spans_may_have_one_id() {
    check(
        "1 - SERVER web user\n 2 1 CLIENT web db\n 2 1 CLIENT app db => app>db 1/0, user>web 1/0, web>app 1/0, web>db 1/0",
    );
}

#[test]
fn a_span_that_is_its_own_parent_is_below_the_root() {
    check("1 - SERVER web user\n 2 2 CLIENT web db => user>web 1/0, web>db 1/0");
}

#[test]
fn what_is_in_a_circle_is_below_no_root() {
    check("1 - SERVER web user\n 2 3 SERVER a x\n 3 2 SERVER b y => user>web 1/0");
    check("1 1 SERVER web user => user>web 1/0");
}
