//! The answers to the questions of `docs/sql.md`, counted out from the spans: rows of plain text, as `questions.rs` makes
//! those that it finds.

use std::collections::{BTreeMap, BTreeSet};

use tracewell::model::{Span, SpanKind, UnixNanos, Value};

use super::known::{self, CUSTOMERS, MINUTE};

/// What the answers should be.
pub(super) struct Answers<'a>(pub(super) &'a [Span]);

fn number(value: f64) -> String {
    format!("{value:.3}")
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn count(value: usize) -> String {
    number(value as f64)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn percent(part: usize, of: usize) -> String {
    number((1e4 * part as f64 / of as f64).round() / 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn mean<'a>(spans: impl Iterator<Item = &'a Span> + Clone) -> f64 {
    millis(spans.clone().map(Span::duration_nanos).sum()) / spans.count() as f64
}

fn time(time: UnixNanos) -> String {
    let micros = time.0 / 1_000;
    let seconds = i64::try_from(micros / 1_000_000).unwrap();
    let text = prost_types::Timestamp { seconds, nanos: 0 }.to_string().replace('T', " ").replace('Z', "");
    let text = format!("{text}.{:06}", micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn text(attributes: &tracewell::model::Attributes, key: &str) -> String {
    match attributes.0.iter().find(|attribute| attribute.key == key).map(|attribute| &attribute.value) {
        Some(Value::String(text)) => text.clone(),
        _ => "null".to_owned(),
    }
}

/// What `percentile_disc` says.
fn quantile(spans: &[&Span], per_cent: usize) -> f64 {
    let mut durations: Vec<_> = spans.iter().map(|span| span.duration_nanos()).collect();
    durations.sort_unstable();
    millis(durations[(durations.len() * per_cent).div_ceil(100).max(1) - 1])
}

fn errors(spans: &[&Span]) -> usize {
    spans.iter().filter(|span| span.is_error()).count()
}

type Groups<'a, K> = BTreeMap<K, Vec<&'a Span>>;

fn grouped<'a, K: Ord>(spans: impl Iterator<Item = &'a Span>, key: impl Fn(&Span) -> K) -> Groups<'a, K> {
    let mut groups = Groups::new();
    for span in spans {
        groups.entry(key(span)).or_default().push(span);
    }
    groups
}

fn service(span: &Span) -> String {
    span.resource.service().to_owned()
}

impl<'a> Answers<'a> {
    pub(super) fn to(&self, heading: &str) -> Vec<Vec<String>> {
        match heading {
            "Slowest operations" => self.slowest(),
            "Error rate by version" => self.error_rate(),
            "95th percentile by route" => self.by_route(),
            "Requests of one user" => self.of_a_user(),
            "Joined with a table of your own" => self.by_plan(),
            "Traffic by service and minute" => self.traffic(),
            "Percentiles of a service" => self.percentiles(),
            "Traces in which a service failed" => self.failed(),
            "The same call again and again" => self.again(),
            "Longest spans" => self.longest(),
            "Two deployments compared" => self.compared(),
            "Who calls whom" => self.calls(),
            "One trace as a tree" => self.tree(),
            _ => panic!("the page has a question that nobody counted out: {heading}"),
        }
    }

    /// Those of today.
    fn recent(&self) -> impl Iterator<Item = &'a Span> + Clone + use<'a> {
        let newest = self.0.iter().map(|span| span.start.0).max().unwrap();
        self.0.iter().filter(move |span| span.start.0 > newest - 60 * MINUTE)
    }

    fn requests(&self) -> impl Iterator<Item = &'a Span> + use<'a> {
        self.recent().filter(|span| span.resource.service() == "web" && span.kind == SpanKind::SERVER)
    }

    fn slowest(&self) -> Vec<Vec<String>> {
        let groups = grouped(self.recent(), |span| (service(span), span.name.clone()));
        let mut rows: Vec<_> = groups
            .into_iter()
            .map(|((service, name), spans)| (mean(spans.iter().copied()), service, name, spans))
            .collect();
        rows.sort_by(|one, other| other.0.total_cmp(&one.0));
        let row = |(mean, service, name, spans): (f64, String, String, Vec<&Span>)| {
            vec![service, name, count(spans.len()), number(mean), number(quantile(&spans, 100))]
        };
        rows.into_iter().take(10).map(row).collect()
    }

    fn error_rate(&self) -> Vec<Vec<String>> {
        let groups = grouped(self.requests(), |span| text(&span.resource.attributes, "service.version"));
        let row = |(version, spans): (String, Vec<&Span>)| {
            vec![version, count(spans.len()), count(errors(&spans)), percent(errors(&spans), spans.len())]
        };
        groups.into_iter().map(row).collect()
    }

    fn by_route(&self) -> Vec<Vec<String>> {
        let groups = grouped(self.requests(), |span| text(&span.attributes, "http.route"));
        let row = |(route, spans): (String, Vec<&Span>)| vec![route, count(spans.len()), number(quantile(&spans, 95))];
        groups.into_iter().map(row).collect()
    }

    fn of_a_user(&self) -> Vec<Vec<String>> {
        let mut spans: Vec<_> = self.requests().filter(|span| text(&span.attributes, "user.id") == "u-3").collect();
        spans.sort_by_key(|span| std::cmp::Reverse(span.start));
        let row = |span: &Span| {
            let status = if span.is_error() { "error" } else { "unset" };
            let ms = number(millis(span.duration_nanos()));
            vec![time(span.start), span.name.clone(), ms, status.to_owned(), span.trace_id.to_string()]
        };
        spans.into_iter().take(20).map(row).collect()
    }

    fn by_plan(&self) -> Vec<Vec<String>> {
        let plans: BTreeMap<_, _> = CUSTOMERS.into_iter().collect();
        let groups = grouped(self.requests(), |span| plans[text(&span.attributes, "user.id").as_str()].to_owned());
        let row = |(plan, spans): (String, Vec<&Span>)| {
            let users: BTreeSet<_> = spans.iter().map(|span| text(&span.attributes, "user.id")).collect();
            vec![plan, count(users.len()), count(spans.len()), count(errors(&spans))]
        };
        groups.into_iter().map(row).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn traffic(&self) -> Vec<Vec<String>> {
        let groups = grouped(self.requests(), |span| (span.start.0 / MINUTE * MINUTE, service(span)));
        let row = |((minute, service), spans): ((u64, String), Vec<&Span>)| {
            vec![time(UnixNanos(minute)), service, count(spans.len()), number(spans.len() as f64 / 60.0)]
        };
        groups.into_iter().map(row).collect()
    }

    fn percentiles(&self) -> Vec<Vec<String>> {
        let row = |(service, spans): (String, Vec<&Span>)| {
            vec![service, count(spans.len()), number(quantile(&spans, 50)), number(quantile(&spans, 99))]
        };
        grouped(self.recent(), service).into_iter().map(row).collect()
    }

    fn failed(&self) -> Vec<Vec<String>> {
        let traces = grouped(self.recent(), |span| span.trace_id);
        let failed =
            traces.values().filter(|spans| spans.iter().any(|span| service(span) == "shop" && span.is_error()));
        let root = |spans: &[&'a Span]| *spans.iter().find(|span| span.parent_span_id.is_none()).unwrap();
        let mut failed: Vec<_> = failed.map(|spans| (root(spans), spans)).collect();
        failed.sort_by_key(|(root, _)| std::cmp::Reverse(root.start));
        let row = |(root, spans): (&Span, &Vec<&Span>)| {
            let counts = [count(spans.len()), count(errors(spans))];
            let head = [time(root.start), root.trace_id.to_string(), service(root), root.name.clone()];
            [head.to_vec(), counts.to_vec()].concat()
        };
        failed.into_iter().take(20).map(row).collect()
    }

    fn again(&self) -> Vec<Vec<String>> {
        let clients = self.recent().filter(|span| span.kind == SpanKind::CLIENT);
        let groups = grouped(clients, |span| (span.trace_id.to_string(), span.parent_span_id, span.name.clone()));
        let mut groups: Vec<_> = groups.into_iter().filter(|(_, spans)| spans.len() >= 10).collect();
        groups.sort_by_key(|((trace_id, ..), spans)| (std::cmp::Reverse(spans.len()), trace_id.clone()));
        let row =
            |((trace_id, parent, name), spans): ((String, Option<tracewell::model::SpanId>, String), Vec<&Span>)| {
                let ms = millis(spans.iter().map(|span| span.duration_nanos()).sum());
                let parent = parent.unwrap().to_string();
                vec![trace_id, parent, service(spans[0]), name, count(spans.len()), number(ms)]
            };
        groups.into_iter().map(row).collect()
    }

    fn longest(&self) -> Vec<Vec<String>> {
        let mut spans: Vec<_> = self.recent().collect();
        spans.sort_by_key(|span| std::cmp::Reverse(span.duration_nanos()));
        let row = |span: &Span| {
            let ms = number(millis(span.duration_nanos()));
            vec![ms, service(span), span.name.clone(), time(span.start), span.trace_id.to_string()]
        };
        spans.into_iter().take(10).map(row).collect()
    }

    fn compared(&self) -> Vec<Vec<String>> {
        let row = |(name, spans): (String, Vec<&Span>)| {
            let of = |version| {
                let is_of = |span: &&&Span| text(&span.resource.attributes, "service.version") == version;
                spans.iter().filter(is_of).copied().collect::<Vec<_>>()
            };
            let both = [of("1.4.0"), of("1.5.0")];
            let counts = both.iter().map(|spans| count(spans.len()));
            let rates = both.iter().map(|spans| percent(errors(spans), spans.len()));
            let means = both.iter().map(|spans| number(mean(spans.iter().copied())));
            [name].into_iter().chain(counts).chain(rates).chain(means).collect()
        };
        grouped(self.requests(), |span| span.name.clone()).into_iter().map(row).collect()
    }

    fn calls(&self) -> Vec<Vec<String>> {
        let by_id: BTreeMap<_, _> = self.recent().map(|span| ((span.trace_id, span.span_id), service(span))).collect();
        let called_by = |span: &Span| span.parent_span_id.and_then(|id| by_id.get(&(span.trace_id, id)).cloned());
        let called = self.recent().filter(|span| called_by(span).is_some_and(|by| by != service(span)));
        let mut groups: Vec<_> =
            grouped(called, |span| (called_by(span).unwrap(), service(span))).into_iter().collect();
        groups.sort_by_key(|(_, spans)| std::cmp::Reverse(spans.len()));
        let row = |((caller, callee), spans): ((String, String), Vec<&Span>)| {
            vec![caller, callee, count(spans.len()), count(errors(&spans))]
        };
        groups.into_iter().map(row).collect()
    }

    fn tree(&self) -> Vec<Vec<String>> {
        let mut spans: Vec<_> = self.0.iter().filter(|span| span.trace_id == known::shown()).collect();
        // Each of them has one with children of its own at the most, so the order of starts is that of the tree.
        spans.sort_by_key(|span| span.start);
        let depth = |span: &Span| match span.resource.service() {
            "web" => 0,
            "shop" => 1,
            _ => 2,
        };
        let row = |span: &Span| {
            let status = if span.is_error() { "error" } else { "unset" };
            let ms = number(millis(span.duration_nanos()));
            vec![count(depth(span)), service(span), span.name.clone(), ms, status.to_owned()]
        };
        spans.into_iter().map(row).collect()
    }
}
