//! What a request delivers, and what is entered in the ledger when it is known what became of it.

use std::sync::Arc;

use crate::metrics::{Entry, Metrics};
use crate::model::{Keyed, Resource, Span};
use crate::otlp::decode::{Decoded, Rejected};
use crate::store::{Batch, StoreError, Written};

/// A decoded request: its good spans, ready to be stored, and what must be counted.
#[derive(Debug)]
pub struct Delivery {
    pub(super) batch: Batch,
    pub(super) tally: Tally,
}

/// How many spans of which service a request has.
#[derive(Debug)]
pub(super) struct Tally {
    /// Good spans that came one after the other with the same resource.
    good: Vec<(Arc<Keyed<Resource>>, u64)>,
    rejected: Rejected,
    /// How many texts of them were repaired.
    repaired: u64,
}

impl From<Decoded> for Delivery {
    /// Computes what the spans are recognised by, which takes about as long as copying them.
    fn from(decoded: Decoded) -> Self {
        let Decoded { spans, rejected, repaired, begun_on_arrival } = decoded;
        let tally = Tally { good: runs(&spans), rejected, repaired };
        Self { batch: Batch::begun_on_arrival(spans, &begun_on_arrival), tally }
    }
}

fn runs(spans: &[Span]) -> Vec<(Arc<Keyed<Resource>>, u64)> {
    let runs = spans.chunk_by(|one, next| Arc::ptr_eq(&one.resource, &next.resource));
    let run = |spans: &[Span]| {
        let length = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        spans.first().map(|span| (Arc::clone(&span.resource), length))
    };
    runs.filter_map(run).collect()
}

impl Tally {
    /// What the store did with the good spans is what became of the request.
    pub(super) fn settle(&self, metrics: &Metrics, written: Result<Written, &StoreError>) {
        match written {
            Ok(Written::Stored) => {
                metrics.repaired(self.repaired);
                self.receive(metrics, Entry::Stored);
            }
            Ok(Written::Recognised) => self.receive(metrics, Entry::Recognised),
            Err(StoreError::Refused { .. }) => self.receive(metrics, Entry::Rejected("database_refused")),
            Err(StoreError::Corrupt { .. } | StoreError::Bug(_)) => {
                self.receive(metrics, Entry::Rejected("store_failure"));
            }
            Err(StoreError::Busy(_)) => self.refuse(metrics, "database_busy"),
        }
    }

    /// The request is done: this became of its good spans.
    fn receive(&self, metrics: &Metrics, became: Entry) {
        let mut ledger = metrics.ledger();
        for (service, spans) in self.good() {
            ledger.enter(service, Entry::Received, spans);
            ledger.enter(service, became, spans);
        }
        for (service, reason, spans) in self.rejected.by_service_and_reason() {
            ledger.enter(service, Entry::Received, spans);
            ledger.enter(service, Entry::Rejected(reason), spans);
        }
    }

    /// The request is to come again, with all its spans, also those that will be rejected then.
    pub(super) fn refuse(&self, metrics: &Metrics, reason: &'static str) {
        let mut ledger = metrics.ledger();
        let rejected = self.rejected.by_service_and_reason().map(|(service, _, spans)| (service, spans));
        for (service, spans) in self.good().chain(rejected) {
            ledger.enter(service, Entry::Refused(reason), spans);
        }
    }

    fn good(&self) -> impl Iterator<Item = (&str, u64)> {
        self.good.iter().map(|(resource, spans)| (resource.service(), *spans))
    }
}
