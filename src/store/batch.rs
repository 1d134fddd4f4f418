//! What one request wants stored, with what it takes to recognise it when it is sent again.

use xxhash_rust::xxh3::xxh3_128;

use crate::model::Span;

/// The spans of one request. They are stored together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    spans: Vec<Span>,
    digests: Vec<u128>,
    fingerprint: Fingerprint,
}

/// 128 bits made from the whole content of all spans of a batch, whatever their order.
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
        let digests: Vec<u128> = spans.iter().map(Span::digest).collect();
        let mut sorted = digests.clone();
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
}
