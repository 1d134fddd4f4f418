//! Parameters, and the question that they are, in TraceQL.

use super::*;
use crate::server::zipkin::parameters::Parameters;

const END: &str = "endTs=2000&lookback=1000";

fn parameters(text: &str) -> Parameters {
    let request = http::Request::builder().uri(format!("/?{text}")).body(()).unwrap();
    Parameters::of(&request, &PARAMETERS).unwrap()
}

fn query(text: &str) -> String {
    let asked = asked(&parameters(&format!("{END}&{text}")), 1_000).unwrap();
    asked.question.query.map(|query| query.to_string()).unwrap_or_default()
}

#[test]
fn each_condition_is_of_some_span_of_the_service() {
    assert_eq!(query(""), "");
    assert_eq!(query("serviceName=web"), r#"{ resource.service.name = "web" }"#);
    assert_eq!(query("spanName=get"), r#"{ name = "get" }"#);
    assert_eq!(query("spanName=all"), "");
    assert_eq!(
        query("serviceName=web&spanName=get&minDuration=5&maxDuration=7"),
        r#"{ resource.service.name = "web" && name = "get" } && { resource.service.name = "web" && duration > 4us && duration <= 7us }"#
    );
}

#[test]
fn names_are_looked_for_as_given_and_in_lower_case() {
    let expected = r#"{ resource.service.name = "Web" || resource.service.name = "web" }"#;
    assert_eq!(query("serviceName=Web"), expected);
}

#[test]
fn tags_are_attributes_of_any_type() {
    let expected = r#"{ span.retries = "3" || span.retries = 3 || resource.retries = "3" || resource.retries = 3 }"#;
    assert_eq!(query("annotationQuery=retries%3D3"), expected);
    let expected = r#"{ span.cache.miss != nil || resource.cache.miss != nil || event:name = "cache.miss" }"#;
    assert_eq!(query("annotationQuery=cache.miss"), expected);
    let both = query("annotationQuery=error+and+a%3Db");
    assert!(both.contains("status = error") && both.contains(r#"span.a = "b""#), "{both}");
    assert!(both.contains("} && {"), "{both}");
}

#[test]
fn a_remote_service_is_named_by_the_first_attribute_that_is_there() {
    let query = query("remoteServiceName=db");
    let first = r#"span.peer.service = "db" && (kind = client || kind = producer || instrumentation:name = "zipkin")"#;
    assert!(query.contains(first), "{query}");
    assert!(query.contains(r#"span.server.address = "db""#), "{query}");
    assert!(query.contains("span.peer.service = nil"), "{query}");
}

/// What is built is a query of the language: read again, it is the same.
#[test]
fn every_question_is_valid_traceql() {
    for text in
        ["remoteServiceName=A", "annotationQuery=error+and+error%3Dx+and+t%3Dtrue+and+x+y%3D1.5", "spanName=A+b"]
    {
        let printed = query(text);
        assert_eq!(crate::traceql::parse(&printed).unwrap().to_string(), printed);
    }
}

#[test]
fn the_time_has_both_its_ends() {
    let asked = asked(&parameters(END), 1_000).unwrap();
    let search = asked.question.search;
    assert_eq!(search.start_min, Some(UnixNanos(1_000_000_000)));
    assert_eq!(search.start_max, Some(UnixNanos(2_000_001_000)));
    assert_eq!(asked.traces_max, 10);
}

#[test]
fn what_can_not_be_asked_is_refused_by_name() {
    for (text, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("endTs=x", "endTs"),
        ("lookback=-1", "lookback"),
        ("minDuration=a", "minDuration"),
        ("maxDuration=5", "maxDuration"),
        ("minDuration=6&maxDuration=5", "maxDuration"),
        ("annotationQuery=%3Dx", "annotationQuery"),
    ] {
        match asked(&parameters(text), 1_000) {
            Err(Failure::Search(error)) => assert_eq!(error.field, field, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let many = vec!["a"; 33].join("+and+");
    assert!(asked(&parameters(&format!("annotationQuery={many}")), 1_000).is_err());
}
