//! The dashboard for Grafana in `docs/grafana/`: every query of it is asked as Grafana asks it, and its files name one
//! another rightly. Whether Grafana draws them is not tested here.

use serde_json::Value;

use super::{Kept, Postgres, Rows, known};
use tracewell::model::{Span, SpanKind};

const DASHBOARD: &str = include_str!("../../docs/grafana/dashboards/tracewell.json");
const DATA_SOURCES: &str = include_str!("../../docs/grafana/provisioning/datasources/tracewell.yaml");

/// Every query, with the title of its panel.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let variables = list(&dashboard["templating"]["list"]);
    let mut queries: Vec<_> =
        variables.iter().map(|variable| (text(&variable["name"]), text(&variable["query"]))).collect();
    for panel in list(&dashboard["panels"]) {
        let targets = list(&panel["targets"]);
        queries.extend(targets.iter().map(|target| (text(&panel["title"]), text(&target["rawSql"]))));
    }
    queries
}

/// What Grafana sends: its words are times, as texts, and the chosen values.
fn expanded(query: &str, since: &str, until: &str) -> String {
    let query = query.replace("$__timeFrom()", since).replace("$__timeTo()", until);
    let query = query.replace("${service:sqlstring}", "'web','shop','db'");
    assert!(!query.contains('$'), "a word of Grafana's is not known here: {query}");
    query
}

fn numbers(rows: &Rows, column: usize) -> Vec<f64> {
    rows.iter().map(|row| row[column].as_deref().unwrap().parse().unwrap()).collect()
}

/// Scenario: an hour of a shop, in both tiers, and every query of the dashboard of that hour. Guarantees: each is answered;
/// the rates, the heatmap, the errors and the operations are those of the spans.
#[tokio::test]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
async fn every_query_of_the_dashboard_is_answered() {
    let mut postgres = Postgres::new().await;
    let opening = known::opening(&mut postgres.connection).await;
    let spans = known::spans(opening);
    postgres.keep(&spans, Kept::Torn).await;
    let time = |nanos: u64| {
        let seconds = i64::try_from(nanos / 1_000_000_000).unwrap();
        format!("'{}'", prost_types::Timestamp { seconds, nanos: 0 })
    };
    let (since, until) = (time(opening), time(opening + 60 * known::MINUTE));
    let recent = || spans.iter().filter(|span| span.start.0 >= opening);
    let served = recent().filter(|span| span.kind == SpanKind::SERVER).count() as f64;
    let failed: Vec<&Span> = recent().filter(|span| span.is_error()).collect();
    let operations =
        recent().map(|span| (span.resource.service(), &span.name)).collect::<std::collections::BTreeSet<_>>();

    let all = queries();
    assert_eq!(all.len(), 9);
    for (title, query) in all {
        let rows = postgres.rows(&expanded(&query, &since, &until)).await;
        assert!(!rows.is_empty(), "{title} shows nothing");
        match title.as_str() {
            "service" => {
                let names: Vec<_> = rows.iter().map(|row| row[0].as_deref().unwrap()).collect();
                assert_eq!(names, ["db", "shop", "web"]);
            }
            "Rate" => assert!((numbers(&rows, 2).iter().sum::<f64>() * 60.0 - served).abs() < 1e-6),
            "Errors" => assert!(numbers(&rows, 2).iter().all(|part| (0.0..=100.0).contains(part))),
            "Duration, p95" => assert!(numbers(&rows, 2).iter().all(|ms| (15.0..60.0).contains(ms))),
            "Latency" => {
                let counts = (1..rows[0].len()).flat_map(|column| numbers(&rows, column));
                assert!((counts.sum::<f64>() - served).abs() < 0.5);
            }
            "Duration of all" => {
                let (half, most) = (numbers(&rows, 1), numbers(&rows, 3));
                assert!(half.iter().zip(&most).all(|(half, most)| half <= most));
            }
            "Slowest operations" => assert_eq!(rows.len(), operations.len().min(20)),
            "Failing operations" => assert!((numbers(&rows, 2).iter().sum::<f64>() - failed.len() as f64).abs() < 0.5),
            "Latest errors" => assert_eq!(rows.len(), failed.len().min(50)),
            other => panic!("nobody knows what {other} should show"),
        }
    }
    postgres.end().await;
}

/// Guarantee: the data sources that the dashboard asks and links to are those that are provisioned.
#[test]
fn the_dashboard_names_the_data_sources() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let uids: Vec<_> = DATA_SOURCES.lines().filter_map(|line| line.trim().strip_prefix("uid: ")).collect();
    assert_eq!(uids, ["tracewell", "tracewell-jaeger", "tracewell-sql"]);
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        assert_eq!(variable["datasource"]["uid"], "tracewell-sql");
    }
    for panel in dashboard["panels"].as_array().unwrap() {
        assert_eq!(panel["datasource"]["uid"], "tracewell-sql");
        assert_eq!(panel["targets"][0]["datasource"], panel["datasource"]);
    }
    assert!(DASHBOARD.contains("%22datasource%22:%22tracewell%22"));
}
