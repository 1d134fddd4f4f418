//! The ids of a trace and of its spans. They depend on the seed and on the trace's number only, so a run can be checked
//! afterwards, and a trace can link to another one without making it.

use super::chance::{Subject, bits};
use crate::model::{SpanId, SpanKind, TraceId};

/// The slot of a trace's first PRODUCER span.
const SLOT_PRODUCER: u64 = u64::MAX;

/// Hands out the ids of one trace.
#[derive(Debug)]
pub(super) struct Ids {
    pub(super) trace_id: TraceId,
    base: u64,
    next: u64,
    produced: bool,
}

impl Ids {
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let (trace_id, base) = trace(seed, number);
        Self { trace_id, base, next: 0, produced: false }
    }

    /// The id of the next span.
    pub(super) fn next(&mut self, kind: SpanKind) -> SpanId {
        if kind == SpanKind::PRODUCER && !self.produced {
            self.produced = true;
            return span_id(self.base, SLOT_PRODUCER);
        }
        self.next = self.next.saturating_add(1);
        span_id(self.base, self.next)
    }
}

/// The id of a trace, and of its first PRODUCER span if it has one.
pub(super) fn producer(seed: u64, number: u64) -> (TraceId, SpanId) {
    let (trace_id, base) = trace(seed, number);
    (trace_id, span_id(base, SLOT_PRODUCER))
}

/// The id of a trace.
pub(super) fn trace_id(seed: u64, number: u64) -> TraceId {
    trace(seed, number).0
}

fn trace(seed: u64, number: u64) -> (TraceId, u64) {
    let bits = bits(seed, Subject::Ids, number);
    let base = u64::try_from(bits >> 64).unwrap_or(0).rotate_left(29);
    (nonzero(&bits.to_be_bytes(), TraceId::from_slice), base)
}

/// Mixes base and slot. Every step can be undone, so the slots of a trace never share an id.
fn span_id(base: u64, slot: u64) -> SpanId {
    let mut bits = base.wrapping_add(slot.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    nonzero(&(bits ^ bits >> 31).to_be_bytes(), SpanId::from_slice)
}

/// The id in these bytes. All zeros, which are none, become all ones.
fn nonzero<const N: usize, T, E>(bytes: &[u8; N], id: impl Fn(&[u8]) -> Result<T, E>) -> T {
    match id(bytes) {
        Ok(id) => id,
        Err(_) => id(&[0xff; N]).unwrap_or_else(|_| unreachable!("N bytes, not all of them zero")),
    }
}
