//! The questions in TraceQL, and what is asked while somebody writes one.

use prost_types::{Duration, Timestamp};
use tonic::Status;
use tracewell::server::generated::tracewell_v1::{
    ListAttributeKeysRequest, ListAttributeValuesRequest, QueryMetricsRequest, SearchRequest,
};

use super::super::Client;
use super::{ANY, Maker, Request, SESSION, SOME, Window, in_window, pick};

/// Between two samples of a day and of an hour, in seconds.
const STEPS_SECONDS: [u64; 2] = [300, 60];

/// In this order: those whose answer is in what the spans share come last.
const SEARCHES: [(&str, &str); 4] = [
    ("traceql: errors below anything", "{ } >> { status = error }"),
    ("traceql: traces of more than 2 s", "{ traceDuration > 2s }"),
    ("traceql: a regular expression over routes", r#"{ span.http.route =~ "/api/.*orders.*" }"#),
    ("traceql: two services in one trace", r#"{ resource.service.name =~ "check.*" } && { status = error }"#),
];

impl Maker {
    /// Searches, metrics and names, of the whole window and of an hour of it.
    pub(super) fn traceql(&mut self) {
        for hour in [false, true] {
            for (name, query) in SEARCHES {
                self.search(name, hour, ANY, |_, _| {
                    Some(SearchRequest { query: query.to_owned(), ..SearchRequest::default() })
                });
            }
            self.found_by_session(hour);
            self.timed("traceql: rate by service", hour, SOME, |window| {
                let [day, short] = STEPS_SECONDS;
                let step = if hour { short } else { day };
                Request::Metrics(Box::new(QueryMetricsRequest {
                    query: "{ } | rate() by (resource.service.name)".to_owned(),
                    start_time: Some(time(window.from)),
                    end_time: Some(time(window.until)),
                    step: Some(Duration { seconds: whole(step), nanos: 0 }),
                }))
            });
            self.timed("attribute keys", hour, SOME, |window| {
                let (start_time_min, start_time_max) = (Some(time(window.from)), Some(time(window.until)));
                Request::Keys(ListAttributeKeysRequest { start_time_min, start_time_max, ..Default::default() })
            });
            for (kind, name) in [
                ("values of span.http.route", "span.http.route"),
                ("values of resource.service.name", "resource.service.name"),
            ] {
                self.timed(kind, hour, SOME, |window| {
                    Request::Values(ListAttributeValuesRequest {
                        name: name.to_owned(),
                        start_time_min: Some(time(window.from)),
                        start_time_max: Some(time(window.until)),
                        ..Default::default()
                    })
                });
            }
        }
    }

    /// A value that one span has, by its query.
    fn found_by_session(&mut self, hour: bool) {
        let window = self.window;
        let of = |(session, start): &(String, u64), window: Window| SearchRequest {
            query: format!("{{ span.{SESSION} = \"{session}\" }}"),
            ..in_window(if hour { window.around(*start) } else { window })
        };
        let text = if hour { Window::hour() } else { window }.to_string();
        self.kind("traceql: a value that one span has", &text, 1..=1, |sample, chance| {
            Some(Request::Traces(Box::new(of(pick(&sample.needles, chance)?, window))))
        });
    }

    fn timed(
        &mut self,
        name: &'static str,
        hour: bool,
        finds: std::ops::RangeInclusive<usize>,
        make: impl Fn(Window) -> Request,
    ) {
        let window = self.window;
        let text = if hour { Window::hour() } else { window }.to_string();
        self.kind(name, &text, finds, |sample, chance| {
            let moment = *pick(&sample.moments, chance)?;
            Some(make(if hour { window.hour_of(moment, chance) } else { window }))
        });
    }
}

/// How many series there are.
pub(super) async fn series(client: &mut Client, request: QueryMetricsRequest) -> Result<usize, Status> {
    let answer = client.query_metrics(request).await?.into_inner();
    complete(answer.coverage.is_some_and(|coverage| coverage.limit_reached), answer.series.len())
}

/// How many keys there are.
pub(super) async fn keys(client: &mut Client, request: ListAttributeKeysRequest) -> Result<usize, Status> {
    let answer = client.list_attribute_keys(request).await?.into_inner();
    complete(answer.coverage.is_some_and(|coverage| coverage.limit_reached), answer.keys.len())
}

/// How many values there are.
pub(super) async fn values(client: &mut Client, request: ListAttributeValuesRequest) -> Result<usize, Status> {
    let answer = client.list_attribute_values(request).await?.into_inner();
    complete(answer.coverage.is_some_and(|coverage| coverage.limit_reached), answer.values.len())
}

/// An answer that the limit on work cut short is none.
fn complete(limit_reached: bool, count: usize) -> Result<usize, Status> {
    if limit_reached { Err(Status::resource_exhausted("the limit on work was reached")) } else { Ok(count) }
}

fn time(seconds: u64) -> Timestamp {
    Timestamp { seconds: whole(seconds), nanos: 0 }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
