//! Who calls whom, by the minute: how the numbers change when spans come to the history or leave it. `count.rs` compares
//! what is before and after, `tables.rs` has the statements. What a call is, is told in `store/calls.rs`.
//!
//! Whoever changes the history, or reads what is not history yet, gives all spans of the traces that change to a
//! [`CallChange`]: those that are there before and after, and those that are there on one side only. What comes out is
//! exact, whichever of them share an id and in whatever order they came. Messages go from trace to trace: those that were
//! taken stay in `message_row` by their sender, for as long as the span is there that took them. Neither table has anything
//! of a time that is not counted yet (`uncounted.rs`).

mod count;
mod tables;
mod texts;
mod uncounted;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;

use super::super::block::HotRow;
use super::super::history::{BlockSpan, Blocks};
use super::day::Day;
use super::trace_row;
use crate::model::{Span, SpanId, SpanKind, StatusCode, TraceId, UnixNanos};
use crate::store::StoreError;
use crate::store::calls::{CallerId, CallerRank, senders};
use crate::store::postgres::dictionary::service_id;
use crate::store::postgres::time::Micros;
pub(in crate::store::postgres) use count::Tally;
use count::{Callers, MinuteKey, Minutes, parents};
pub(in crate::store::postgres) use texts::{senders_of_row, senders_of_texts};
pub(in crate::store::postgres) use uncounted::{Counting, Uncounted};

/// What counts of a span.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::postgres) struct CallSpan {
    pub(in crate::store::postgres) trace_id: TraceId,
    pub(in crate::store::postgres) span_id: SpanId,
    pub(in crate::store::postgres) parent: Option<SpanId>,
    pub(in crate::store::postgres) start: UnixNanos,
    pub(in crate::store::postgres) service_id: i64,
    pub(in crate::store::postgres) is_server: bool,
    pub(in crate::store::postgres) is_error: bool,
    pub(in crate::store::postgres) stay: Stay,
}

/// On which side of a change a span is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::postgres) enum Stay {
    /// After it.
    Comes,
    /// Before it.
    Goes,
    /// On both.
    Stays,
    /// On both, but so far the calls to it were not counted.
    Uncounted,
}

impl Stay {
    fn is_before(self) -> bool {
        self != Self::Comes
    }

    fn is_after(self) -> bool {
        self != Self::Goes
    }

    fn is_counted_before(self) -> bool {
        matches!(self, Self::Stays | Self::Goes)
    }
}

impl CallSpan {
    /// Of a span as it was read.
    pub(in crate::store::postgres) fn of(span: &Span, stay: Stay) -> Self {
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent: span.parent_span_id,
            start: span.start,
            service_id: service_id(span.resource.service()),
            is_server: span.kind == SpanKind::SERVER,
            is_error: span.is_error(),
            stay,
        }
    }

    /// Of a row that becomes history.
    pub(in crate::store::postgres) fn of_row(row: &HotRow) -> Self {
        Self {
            trace_id: row.key.trace_id,
            span_id: row.key.span_id,
            parent: row.parent_span_id,
            start: row.key.start,
            service_id: row.service_id,
            is_server: SpanKind(row.kind) == SpanKind::SERVER,
            is_error: StatusCode(row.status) == StatusCode::ERROR,
            stay: Stay::Comes,
        }
    }

    fn rank(&self) -> CallerRank {
        CallerRank::from_parts(self.is_server, self.start, self.service_id)
    }

    fn caller(&self) -> Caller {
        Caller { service_id: self.service_id, day: Day::of(self.start) }
    }

    /// One call to it.
    fn tally(&self) -> Tally {
        Tally { calls: 1, errors: i64::from(self.is_error) }
    }
}

/// Who sends messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::postgres) struct Caller {
    service_id: i64,
    /// On which it begins.
    day: Day,
}

/// Messages that were taken, apart from how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store::postgres) struct MessageKey {
    sender: CallerId,
    minute: Micros,
    called_id: i64,
}

/// Spans that come to the history, or leave it, with all the others of their traces.
#[derive(Debug, Default)]
pub(in crate::store::postgres) struct CallChange {
    spans: Vec<CallSpan>,
    /// Messages that are taken by spans that come, less those that go.
    messages: BTreeMap<MessageKey, Tally>,
    /// A day that goes: of traces that are not here, no span of it stays.
    day: Option<Day>,
    /// What is called in this time is counted later.
    uncounted: Uncounted,
}

impl CallChange {
    /// A change that leaves out what is called in a time that is counted later. All of it, then, is counted by who comes last.
    pub(in crate::store::postgres) fn but_for(uncounted: Uncounted) -> Self {
        Self { uncounted, ..Self::default() }
    }

    /// A day goes. The traces that have spans of other days, too, are still to be given.
    pub(in crate::store::postgres) fn without_day(self, day: Day) -> Self {
        Self { day: Some(day), ..self }
    }

    /// A span that is on one side or on both.
    pub(in crate::store::postgres) fn add(&mut self, span: CallSpan) {
        self.spans.push(span);
    }

    /// The same, with the messages that it takes.
    pub(in crate::store::postgres) fn add_taker(&mut self, span: CallSpan, senders: BTreeSet<CallerId>) {
        let sign = match span.stay {
            Stay::Comes | Stay::Uncounted => 1,
            Stay::Goes => -1,
            Stay::Stays => 0,
        };
        let sign = if self.uncounted.has(span.start) { 0 } else { sign };
        for sender in senders.into_iter().filter(|_| sign != 0) {
            let key = MessageKey { sender, minute: count::minute(span.start), called_id: span.service_id };
            self.messages.entry(key).or_default().add(span.tally().times(sign));
        }
        self.add(span);
    }

    /// The same of a span that was read.
    pub(in crate::store::postgres) fn add_span(&mut self, span: &Span, stay: Stay) {
        match stay {
            Stay::Stays => self.add(CallSpan::of(span, stay)),
            _ => self.add_taker(CallSpan::of(span, stay), senders(span)),
        }
    }

    /// What changes. Opens blocks, and writes nothing.
    pub(in crate::store::postgres) async fn settle(
        mut self,
        blocks: &mut Blocks,
        connection: &mut PgConnection,
    ) -> Result<CallDifference, StoreError> {
        self.spans.sort_unstable_by_key(|span| (span.trace_id, span.span_id, span.rank()));
        let callers = Callers::of(&self.spans);
        let mut difference = CallDifference { day: self.day, ..CallDifference::default() };
        parents(&callers, &self.uncounted, &mut difference.minutes);
        let mut traces: BTreeSet<TraceId> = callers.trace_ids().collect();
        traces.extend(self.messages.keys().map(|key| key.sender.0));
        let taken = tables::taken(&traces, self.day, connection).await?;
        let mut senders: BTreeMap<CallerId, Sender> = BTreeMap::new();
        for (sender, before) in &taken {
            let is_gone = self.day.is_some() && before.caller.map(|caller| caller.day) == self.day;
            let after =
                if callers.has_trace(sender.0) { callers.after(*sender) } else { before.caller.filter(|_| !is_gone) };
            senders.insert(*sender, Sender { before: before.caller, after });
        }
        self.find_others(&callers, &mut senders, blocks, connection).await?;
        for (sender, found) in &senders {
            if let Some(before) = taken.get(sender) {
                difference.move_messages(*sender, *found, &before.messages);
            }
        }
        for (key, tally) in self.messages {
            let after = senders.get(&key.sender).and_then(|sender| sender.after);
            difference.minutes.add_call(key.minute, after, key.called_id, tally);
            difference.messages.insert(key, (tally, after));
        }
        Ok(difference)
    }

    /// Those senders of messages that nobody took before.
    async fn find_others(
        &self,
        callers: &Callers<'_>,
        senders: &mut BTreeMap<CallerId, Sender>,
        blocks: &mut Blocks,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let mut elsewhere = BTreeSet::new();
        for sender in self.messages.keys().map(|key| key.sender) {
            if senders.contains_key(&sender) {
                continue;
            }
            if callers.has_trace(sender.0) {
                senders.insert(sender, Sender { before: None, after: callers.after(sender) });
            } else {
                elsewhere.insert(sender);
            }
        }
        let found = of_history(&elsewhere, blocks, connection).await?;
        senders.extend(found.into_iter().map(|(id, after)| (id, Sender { before: None, after: Some(after) })));
        Ok(())
    }
}

/// Who a sender was taken for, and who it is.
#[derive(Debug, Clone, Copy)]
struct Sender {
    before: Option<Caller>,
    after: Option<Caller>,
}

/// Those of these senders that the history has.
async fn of_history(
    senders: &BTreeSet<CallerId>,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<HashMap<CallerId, Caller>, StoreError> {
    let traces: BTreeSet<TraceId> = senders.iter().map(|(trace_id, _)| *trace_id).collect();
    let filed = trace_row::existing(connection, &traces.into_iter().collect::<Vec<_>>()).await?;
    let block_ids: BTreeSet<i64> = filed.values().flat_map(|filed| filed.block_ids.iter().copied()).collect();
    let mut found = HashMap::<CallerId, CallSpan>::new();
    let add = |read: BlockSpan| {
        let span = CallSpan::of(&read.span, Stay::Stays);
        let id = (span.trace_id, span.span_id);
        if senders.contains(&id) {
            let first = found.entry(id).or_insert(span);
            if span.rank() < first.rank() {
                *first = span;
            }
        }
    };
    let block_ids: Vec<i64> = block_ids.into_iter().collect();
    blocks.each_span(&block_ids, |trace_id| filed.contains_key(trace_id), add, connection).await?;
    Ok(found.into_iter().map(|(id, span)| (id, span.caller())).collect())
}

/// What changes in the tables.
#[derive(Debug, Default)]
pub(in crate::store::postgres) struct CallDifference {
    minutes: Minutes,
    /// Messages that are taken or no longer, and their sender.
    messages: BTreeMap<MessageKey, (Tally, Option<Caller>)>,
    /// Who the senders are from now on of messages that were taken before.
    moved: BTreeMap<CallerId, Option<Caller>>,
    day: Option<Day>,
}

impl CallDifference {
    /// By minute, caller and called.
    pub(in crate::store::postgres) fn minutes(&self) -> impl Iterator<Item = (MinuteKey, Tally)> {
        self.minutes.iter()
    }

    fn move_messages(&mut self, sender: CallerId, found: Sender, messages: &[(Micros, i64, Tally)]) {
        if found.before == found.after {
            return;
        }
        for (minute, called_id, tally) in messages {
            self.minutes.add_call(*minute, found.before, *called_id, tally.times(-1));
            self.minutes.add_call(*minute, found.after, *called_id, *tally);
        }
        self.moved.insert(sender, found.after);
    }

    /// Writes it; what is of a day that goes is not written, but goes.
    pub(in crate::store::postgres) async fn write(mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        if let Some(day) = self.day {
            self.minutes.leave_out(day);
            tables::delete_day(day, connection).await?;
        }
        tables::add_minutes(&self.minutes, connection).await?;
        tables::add_messages(&self.messages, connection).await?;
        tables::move_messages(&self.moved, connection).await
    }
}
