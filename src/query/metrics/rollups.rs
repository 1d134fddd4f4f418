//! Spans that were counted before, as a function over spans sees them: as one span that is like all of them.

use std::collections::HashMap;
use std::sync::Arc;

use futures::TryStreamExt;

use super::path::{Path, RollupPath};
use super::run::{Failed, Run, SpanScan};
use super::windows::Window;
use crate::model::{
    Attributes, Keyed, Resource, SERVICE_UNKNOWN, Scope, Span, SpanId, Status, TraceId, UnixNanos, Value,
};
use crate::store::{MINUTE_NANOS, RolledUp, Rollup, RollupRequest, StoreError, Watermark};
use crate::traceql::evaluate::{Counted, TooMuch};

/// So many groups are remembered; when there are more, all are forgotten and looked up once more.
const GROUPS_MAX: usize = 100_000;

/// To which group of which function spans belong, by where in memory stands what they are; which stays there meanwhile.
pub(super) type Groups = HashMap<(usize, usize), (Arc<RolledUp>, Option<usize>)>;

impl Run<'_> {
    /// Answers a part of a function from rollups, and says what of it is left to be looked at span by span: what lies
    /// between whole minutes, and spans of which a rollup does not say what their resource calls their service.
    pub(super) async fn rollups(
        &mut self,
        leaf: usize,
        asked: RollupPath,
        window: Window,
        as_of: Watermark,
    ) -> Result<Vec<SpanScan>, Failed> {
        let all = SpanScan { window, service: None, leaves: vec![leaf] };
        let Some(minutes) = self.whole_minutes(window) else { return Ok(vec![all]) };
        let request = RollupRequest {
            start: minutes.start,
            end: minutes.end,
            by_hour: self.are_hours_whole(),
            detail: asked.detail,
            filter: self.paths.get(leaf).map(|Path { found, .. }| found.clone()).unwrap_or_default(),
            as_of,
            work: self.budget.work().clone(),
        };
        let Some(mut rollups) = self.store.rollups(request).await? else { return Ok(vec![all]) };
        let mut is_service_unknown = false;
        while let Some(rollup) = rollups.try_next().await? {
            if asked.asks_for_service && rollup.of.service == SERVICE_UNKNOWN {
                is_service_unknown = true;
            } else {
                self.add_rollup(leaf, &rollup)?;
            }
            self.check_limit()?;
        }
        let scan = |window, service| SpanScan { window, service, leaves: vec![leaf] };
        let mut rest: Vec<_> = window.edges(minutes).map(|edge| scan(edge, None)).collect();
        rest.extend(is_service_unknown.then(|| scan(minutes, Some(SERVICE_UNKNOWN.to_owned()))));
        Ok(rest)
    }

    fn add_rollup(&mut self, leaf: usize, rollup: &Rollup) -> Result<(), Failed> {
        let key = (leaf, Arc::as_ptr(&rollup.of).addr());
        let group = match self.groups.get(&key) {
            Some((_, group)) => *group,
            None => self.group(key, &rollup.of)?,
        };
        let counted = Counted {
            span_count: rollup.span_count,
            duration_sum_nanos: rollup.duration_sum_nanos,
            histogram: &rollup.histogram,
        };
        match group {
            Some(group) => Ok(self.measurement.add_counted(leaf, group, rollup.begin, &counted)?),
            None => Ok(()),
        }
    }

    fn group(&mut self, key: (usize, usize), of: &Arc<RolledUp>) -> Result<Option<usize>, TooMuch> {
        let group = match like(of) {
            Some(span) => self.measurement.group(key.0, &span)?,
            None => None,
        };
        if self.groups.len() >= GROUPS_MAX {
            self.groups.clear();
        }
        self.groups.insert(key, (Arc::clone(of), group));
        Ok(group)
    }

    /// The whole minutes of a part.
    fn whole_minutes(&self, window: Window) -> Option<Window> {
        let start = window.start.0.checked_next_multiple_of(MINUTE_NANOS)?;
        let is_end_of_time = window.end.0 == u64::MAX && !self.request.is_instant();
        let rest = window.end.0.checked_rem(MINUTE_NANOS).unwrap_or_default();
        let end = if is_end_of_time { u64::MAX } else { window.end.0.saturating_sub(rest) };
        (start < end).then_some(Window { start: UnixNanos(start), end: UnixNanos(end) })
    }

    /// Whether every hour lies in one interval.
    fn are_hours_whole(&self) -> bool {
        let hour = MINUTE_NANOS.saturating_mul(60);
        self.request.is_instant() || self.request.intervals().step_nanos().checked_rem(hour) == Some(0)
    }
}

impl Window {
    /// What lies before and after a part of it.
    fn edges(self, inner: Self) -> impl Iterator<Item = Self> {
        let before = Self { start: self.start, end: inner.start };
        let after = Self { start: inner.end, end: self.end };
        [before, after].into_iter().filter(|edge| edge.start < edge.end)
    }
}

/// A span that is in all that a rollup tells like those that it counts.
fn like(of: &RolledUp) -> Option<Span> {
    let attributes: Attributes = [("service.name", Value::from(of.service.as_str()))].into_iter().collect();
    Some(Span {
        trace_id: TraceId::from_slice(&[1; 16]).ok()?,
        span_id: SpanId::from_slice(&[1; 8]).ok()?,
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: of.name.clone(),
        kind: of.kind,
        start: UnixNanos(0),
        end: UnixNanos(0),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: Vec::new(),
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: Status { code: of.status, message: String::new() },
        resource: Arc::new(Keyed::new(Resource { attributes, ..Resource::default() })),
        scope: Arc::new(Keyed::new(Scope::default())),
    })
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TooMuch> for Failed {
    fn from(error: TooMuch) -> Self {
        Self::TooMuch(error)
    }
}
