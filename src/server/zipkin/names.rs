//! Lists of names: services and spans of all time, and of the last day what has to be looked for in spans.

use std::collections::BTreeSet;

use super::super::clock::now;
use super::super::status::Failure;
use super::parameters::Parameters;
use super::search::LOOKBACK_MILLIS_DEFAULT;
use super::{Names, terms};
use crate::model::{Listed, UnixNanos, Within};
use crate::query::{Coverage, KeysRequest, NamesOf, PageRequest, Query, ValuesRequest};
use crate::store::Counted;
use crate::traceql::tree::{Pipeline, Scope, SpansetExpression, Stage};
use crate::zipkin::encode::PEER_KEYS;
use crate::zipkin::marks;

/// A list of more names is cut, and says so.
const NAMES_MAX: usize = 10_000;

const LIMIT_REACHED: &str = "the limit on work was reached; names of some spans are left out";

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Names from all pages of a list, until there are too many.
struct List {
    names: BTreeSet<String>,
    note: String,
    /// So many spans may be read for all of it.
    spans_left: u64,
}

impl List {
    fn of(query: &Query) -> Self {
        Self { names: BTreeSet::new(), note: String::new(), spans_left: query.settings().work_spans_max }
    }

    /// Adds a page; says whether to ask for the next one, by its token.
    fn add(&mut self, names: impl IntoIterator<Item = String>, next: &str) -> bool {
        self.names.extend(names);
        let is_full = self.names.len() >= NAMES_MAX;
        if is_full && !next.is_empty() {
            self.note = format!("there are more than {NAMES_MAX} names");
        }
        !is_full && !next.is_empty()
    }

    /// Whether there is work left for another page; what is over is noted. The limit is one for all pages, of which the last
    /// may pass it.
    fn may_go_on(&mut self) -> bool {
        if self.spans_left == 0 {
            LIMIT_REACHED.clone_into(&mut self.note);
        }
        self.spans_left > 0
    }

    /// Notes what a page took and how far it went; says whether to go on.
    fn covers(&mut self, coverage: &Coverage) -> bool {
        self.spans_left = self.spans_left.saturating_sub(coverage.work.of(Counted::SpansRead));
        if coverage.limit_reached {
            LIMIT_REACHED.clone_into(&mut self.note);
        }
        !coverage.limit_reached
    }

    fn finish(self) -> Names {
        (self.names.into_iter().take(NAMES_MAX).collect(), self.note)
    }
}

pub(super) async fn services(query: &Query) -> Result<Names, Failure> {
    let (mut list, mut token) = (List::of(query), String::new());
    loop {
        let page = query.services(&PageRequest { size: Some(1_000), token: &token }).await?;
        if !list.add(page.items, &page.next) {
            return Ok(list.finish());
        }
        token = page.next;
    }
}

pub(super) async fn spans(query: &Query, parameters: Parameters) -> Result<Names, Failure> {
    let mut list = List::of(query);
    for service in as_given_and_lower(parameters.required("serviceName")?) {
        let mut token = String::new();
        loop {
            let page = query.operations(&service, &PageRequest { size: Some(1_000), token: &token }).await?;
            let names = page.items.into_iter().map(|operation| operation.name).filter(|name| !name.is_empty());
            if !list.add(names, &page.next) {
                break;
            }
            token = page.next;
        }
    }
    Ok(list.finish())
}

fn as_given_and_lower(name: &str) -> BTreeSet<String> {
    BTreeSet::from([name.to_owned(), name.to_lowercase()])
}

/// Each attribute that may name the other side, of the spans in which none before it does.
pub(super) async fn remote_services(query: &Query, parameters: Parameters) -> Result<Names, Failure> {
    let service = parameters.required("serviceName")?;
    let mut list = List::of(query);
    for (place, (key, _)) in (0..).zip(PEER_KEYS) {
        let condition = terms::all(vec![terms::service(service), terms::is_remote_by(place)]);
        let filter = Stage::Spansets(SpansetExpression::Filter(Some(condition)));
        let of = of_last_day(&Pipeline { stages: vec![filter] }.to_string())?;
        let request = ValuesRequest::new(of, &terms::attribute(Scope::Span, key).to_string())?;
        if !add_values(query, &request, &mut list, |name| name.parse::<std::net::IpAddr>().is_err()).await? {
            break;
        }
    }
    Ok(list.finish())
}

/// Keys of tags: attributes of spans and of resources.
pub(super) async fn keys(query: &Query) -> Result<Names, Failure> {
    let mut list = List::of(query);
    for within in [Within::Span, Within::Resource] {
        let request = KeysRequest::new(of_last_day("")?, within);
        let mut token = String::new();
        while list.may_go_on() {
            let page = query.attribute_keys(&request, &PageRequest { size: Some(1_000), token: &token }).await?;
            let keys = page.items.into_iter().map(|key| key.key).filter(|key| key != marks::KEY);
            if !list.add(keys, &page.next) | !list.covers(&page.coverage) {
                break;
            }
            token = page.next;
        }
    }
    Ok(list.finish())
}

pub(super) async fn values(query: &Query, parameters: Parameters) -> Result<Names, Failure> {
    let key = parameters.required("key")?;
    let mut list = List::of(query);
    for scope in [Scope::Span, Scope::Resource] {
        let request = ValuesRequest::new(of_last_day("")?, &terms::attribute(scope, key).to_string())?;
        if !add_values(query, &request, &mut list, |_| true).await? {
            break;
        }
    }
    Ok(list.finish())
}

/// Adds all values; says whether there is room and work left for more.
async fn add_values(
    query: &Query,
    request: &ValuesRequest,
    list: &mut List,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<bool, Failure> {
    let mut token = String::new();
    while list.may_go_on() {
        let page = query.attribute_values(request, &PageRequest { size: Some(1_000), token: &token }).await?;
        let values = page.items.into_iter().map(text).filter(|value| !value.is_empty() && is_wanted(value));
        let goes_on = list.add(values, &page.next);
        if !list.covers(&page.coverage) {
            return Ok(false);
        }
        if !goes_on {
            return Ok(page.next.is_empty());
        }
        token = page.next;
    }
    Ok(false)
}

fn text(value: Listed) -> String {
    match value {
        Listed::Text(text) => text,
        Listed::Int(int) => int.to_string(),
        Listed::Double(double) => double.to_string(),
        Listed::Bool(bool) => bool.to_string(),
    }
}

fn of_last_day(query: &str) -> Result<NamesOf, Failure> {
    let lookback = LOOKBACK_MILLIS_DEFAULT.saturating_mul(NANOS_PER_MILLI);
    let start_min = UnixNanos(now().0.saturating_sub(lookback));
    Ok(NamesOf::new(String::new(), Some(start_min), None, query)?)
}
