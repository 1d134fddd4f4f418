//! What one request wants stored, with what it takes to recognise it when it is sent again.

use xxhash_rust::xxh3::xxh3_128;

use crate::model::{Span, UnixNanos};

/// The spans of one request. They are stored together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    spans: Vec<Span>,
    digests: Vec<u128>,
    fingerprint: Fingerprint,
}

/// 128 bits made from the whole content of all spans of a batch, whatever their order; without what is not the sender's: the
/// start of a span that begins when it arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// As a database holds it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl Batch {
    /// Computes the digests of these spans, which takes about as long as copying them.
    #[must_use]
    pub fn new(spans: Vec<Span>) -> Self {
        Self::begun_on_arrival(spans, &[])
    }

    /// The same, when some of the spans, by their index, begin when they arrived: they would begin later when the request is
    /// sent again, and it is the same request all the same. Since that changes nothing, the first arrival stays.
    #[must_use]
    pub fn begun_on_arrival(spans: Vec<Span>, begun_on_arrival: &[usize]) -> Self {
        let digests: Vec<u128> = spans.iter().map(Span::digest).collect();
        let mut sorted = digests.clone();
        for index in begun_on_arrival {
            if let (Some(digest), Some(span)) = (sorted.get_mut(*index), spans.get(*index)) {
                let end = UnixNanos(span.end.0.saturating_sub(span.start.0));
                *digest = Span { start: UnixNanos(0), end, ..span.clone() }.digest();
            }
        }
        sorted.sort_unstable();
        let form: Vec<u8> = sorted.iter().flat_map(|digest| digest.to_le_bytes()).collect();
        Self { spans, digests, fingerprint: Fingerprint(xxh3_128(&form)) }
    }

    /// The spans, in the order sent.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Each span with its [`Span::digest`], in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&Span, u128)> {
        self.spans.iter().zip(self.digests.iter().copied())
    }

    /// What a request with the same spans has as well, and no other.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_all_spans_in_any_order() {
        let print = |names: &[&str]| Batch::new(names.iter().map(|name| Span::example(name)).collect()).fingerprint();
        assert_eq!(print(&["a", "b", "c"]), print(&["c", "a", "b"]));
        for other in [&["a", "b"][..], &["a", "b", "d"], &["a", "b", "c", "c"], &[]] {
            assert_ne!(print(&["a", "b", "c"]), print(other), "{other:?}");
        }
    }

    #[test]
    fn a_fingerprint_is_not_of_arrivals() {
        let at = |start| {
            let moved = |name| Span { start: UnixNanos(start), end: UnixNanos(start + 7), ..Span::example(name) };
            Batch::begun_on_arrival(vec![Span::example("a"), moved("b")], &[1])
        };
        let (first, again) = (at(1_000), at(2_000));
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_ne!(first.iter().nth(1).unwrap().1, again.iter().nth(1).unwrap().1, "a span's digest is of its start");
        let longer = Span { start: UnixNanos(1_000), end: UnixNanos(1_008), ..Span::example("b") };
        let others = Batch::begun_on_arrival(vec![Span::example("a"), longer], &[1]);
        assert_ne!(first.fingerprint(), others.fingerprint());
        assert_ne!(first.fingerprint(), Batch::new(first.spans().to_vec()).fingerprint());
    }
}
