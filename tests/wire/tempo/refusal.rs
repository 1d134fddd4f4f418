//! Parameters that are malformed, contradictory or enormous: 400 with a text that names the parameter, never a 500.

use super::{Served, spans, with_parameters};

/// Guarantee: each wrong parameter is refused by its name.
#[tokio::test]
async fn wrong_parameters_are_refused_by_name() {
    let served = Served::of(spans()).await;
    let long = "x".repeat(40_000);
    let many_tags: Vec<_> = (0..33).map(|number| format!("k{number}=v")).collect();
    let (many_tags, range) = (many_tags.join(" "), "/api/metrics/query_range");
    let rate = ("q", "{ } | rate()");
    for (path, parameters, said) in [
        ("/api/search", vec![("q", "{")], "q: "),
        ("/api/search", vec![("q", "{ duration = `a` }")], "q: "),
        ("/api/search", vec![rate], "q: ends in a metrics function"),
        ("/api/search", vec![("q", long.as_str())], "q: "),
        ("/api/search", vec![("q", "{ }"), ("tags", "a=b")], "q: can not be together"),
        ("/api/search", vec![("q", "{ }"), ("minDuration", "1s")], "q: can not be together"),
        ("/api/search", vec![("tags", "a")], "tags: "),
        ("/api/search", vec![("tags", "a=\"b")], "tags: "),
        ("/api/search", vec![("tags", many_tags.as_str())], "tags: at most 32"),
        ("/api/search", vec![("tags", "status.code=5")], "tags: "),
        ("/api/search", vec![("minDuration", "1")], "minDuration: "),
        ("/api/search", vec![("maxDuration", "-1s")], "maxDuration: "),
        ("/api/search", vec![("minDuration", "2s"), ("maxDuration", "1s")], "maxDuration: "),
        ("/api/search", vec![("limit", "0")], "limit: must be from 1 to 1000"),
        ("/api/search", vec![("limit", "1001")], "limit: must be from 1 to 1000"),
        ("/api/search", vec![("limit", "-1")], "limit: must be a whole number"),
        ("/api/search", vec![("limit", "+1")], "limit: must be a whole number"),
        ("/api/search", vec![("limit", "99999999999")], "limit: must be a whole number"),
        ("/api/search", vec![("spss", "0")], "spss: "),
        ("/api/search", vec![("spss", "101")], "spss: "),
        ("/api/search", vec![("start", "x")], "start: "),
        ("/api/search", vec![("start", "1.5")], "start: "),
        ("/api/search", vec![("start", "2"), ("end", "2")], "end: must be later"),
        ("/api/search", vec![("start", "2"), ("start", "3")], "parameters: start is given more than once"),
        ("/tempo/api/traces/x", vec![], "trace id: "),
        ("/tempo/api/traces/0", vec![], "trace id: "),
        ("/tempo/api/traces/123456789012345678901234567890123", vec![], "trace id: "),
        ("/tempo/api/traces/1", vec![("start", "2"), ("end", "1")], "end: "),
        ("/api/v2/traces/%C3%A9", vec![], "trace id: "),
        ("/api/v2/traces/1", vec![("q", "{ }")], "q: is not supported"),
        ("/api/search/tags", vec![("scope", "x")], "scope: "),
        ("/api/v2/search/tags", vec![("scope", "x")], "scope: "),
        ("/api/v2/search/tags", vec![("limit", "x")], "limit: "),
        ("/api/v2/search/tags", vec![("start", "2"), ("end", "1")], "end: "),
        ("/api/v2/search/tags", vec![("maxStaleValues", "x")], "maxStaleValues: "),
        ("/api/v2/search/tag/service.name/values", vec![], "tag: "),
        ("/api/v2/search/tag/%7B/values", vec![], "tag: "),
        ("/api/v2/search/tag/name/values", vec![("limit", "x")], "limit: "),
        ("/api/search/tag/name/values", vec![("start", "2"), ("end", "1")], "end: "),
        (range, vec![], "q: is required"),
        (range, vec![("q", "{ }")], "q: "),
        (range, vec![("q", "{ } | rate(")], "q: "),
        (range, vec![rate, ("query", "{ } | rate()")], "q: "),
        (range, vec![rate, ("start", "2"), ("end", "2")], "end: must be later than start"),
        (range, vec![rate, ("start", "5000")], "end: must be later than start"),
        (range, vec![rate, ("start", "yesterday")], "start: "),
        (range, vec![rate, ("start", "1"), ("since", "1h")], "since: "),
        (range, vec![rate, ("since", "1")], "since: "),
        (range, vec![rate, ("step", "0")], "step: "),
        (range, vec![rate, ("step", "-1s")], "step: "),
        (range, vec![rate, ("step", "1ns")], "step: at most 11000"),
        (range, vec![rate, ("exemplars", "x")], "exemplars: "),
        (range, vec![rate, ("maxSeries", "x")], "maxSeries: "),
        ("/api/metrics/query", vec![rate, ("step", "1s")], "step: is not supported"),
        ("/api/metrics/query", vec![rate, ("start", "2"), ("end", "1")], "end: "),
    ] {
        let answer = served.get(&with_parameters(path, &parameters)).await;
        let shown = &answer.text()[..answer.text().len().min(200)];
        assert_eq!(answer.status, 400, "{path} {said}: {shown}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        assert!(shown.starts_with(said), "{path} {said}: {shown}");
    }
}

/// Guarantee: what can not be decoded at all is refused, too; a plus is a blank.
#[tokio::test]
async fn what_can_not_be_decoded_is_refused() {
    let served = Served::of(spans()).await;
    for query in ["q=%zz", "q=%ff", "%f", "limit=1&limit"] {
        let answer = served.get(&format!("/api/search?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().starts_with("parameters: "), "{query}: {}", answer.text());
    }
    // A plus is a blank, as Grafana writes it.
    assert_eq!(served.get("/api/search?q={+name+%3D+`buy`+}").await.json()["traces"].as_array().unwrap().len(), 1);
}
