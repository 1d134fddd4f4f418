//! What the metrics of a running server say became of the spans that it received, by service.

use std::collections::BTreeMap;

use tokio::task::block_in_place;

use super::http::get;
use super::process::Server;

/// Numbers of spans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger(BTreeMap<Line, u64>);

/// What is counted: of which service, what ("received", "stored", ...), and why, if that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    service: String,
    what: String,
    reason: String,
}

impl Ledger {
    /// Asks a server, and asserts that the ledger balances, as it must at any moment.
    pub(crate) fn read(server: &Server) -> Self {
        let (_, text) = block_in_place(|| get(server.web, "/metrics").unwrap());
        let ledger = Self(text.lines().filter_map(parse).collect());
        ledger.assert_balanced();
        ledger
    }

    fn assert_balanced(&self) {
        for service in self.services() {
            let count = |what| self.count(|line| line.service == service && line.what == what);
            let accounted = count("stored") + count("recognised") + count("rejected");
            assert_eq!(count("received"), accounted, "of {service}:\n{self:#?}");
        }
    }

    fn services(&self) -> Vec<&str> {
        let mut services: Vec<_> = self.0.keys().map(|line| &*line.service).collect();
        services.dedup();
        services
    }

    /// So many spans of all services.
    pub(crate) fn total(&self, what: &str) -> u64 {
        self.count(|line| line.what == what)
    }

    /// So many spans of each service that has any.
    pub(crate) fn by_service(&self, what: &str) -> BTreeMap<String, u64> {
        let counts = self.services().into_iter().map(|service| {
            let count = self.count(|line| line.service == service && line.what == what);
            (service.to_owned(), count)
        });
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// So many spans of each service, for this reason.
    pub(crate) fn by_reason(&self, what: &str, reason: &str) -> BTreeMap<String, u64> {
        let lines = self.0.iter().filter(|(line, _)| line.what == what && line.reason == reason);
        lines.map(|(line, count)| (line.service.clone(), *count)).collect()
    }

    fn count(&self, is_meant: impl Fn(&Line) -> bool) -> u64 {
        self.0.iter().filter(|(line, _)| is_meant(line)).map(|(_, count)| *count).sum()
    }
}

/// `tracewell_spans_rejected_total{service="shop",reason="depth"} 1`
fn parse(line: &str) -> Option<(Line, u64)> {
    let (what, rest) = line.strip_prefix("tracewell_spans_")?.split_once("_total{")?;
    let (labels, count) = rest.rsplit_once("} ")?;
    let label = |name: &str| {
        let (_, value) = labels.split_once(&format!("{name}=\""))?;
        value.split('"').next().map(ToOwned::to_owned)
    };
    let line = Line { service: label("service")?, what: what.to_owned(), reason: label("reason").unwrap_or_default() };
    Some((line, count.parse().unwrap()))
}
