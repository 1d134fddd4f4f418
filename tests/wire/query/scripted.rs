//! A store that answers as a test tells it to, and to no other question.

use std::time::Duration;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::oneshot;
use tracewell::model::{Operation, SpanKey, TraceId, TraceSummary};
use tracewell::store::{Batch, Scan, SpanStore, SpanStream, StoreError, Watermark, Work, Written};

/// What a ping comes to.
pub(super) enum Ping {
    Answer,
    Failure,
    Silence,
}

/// The answers; a scan never comes to an end.
#[derive(Default)]
pub(super) struct Scripted {
    /// What the one trace is.
    pub(super) trace: Mutex<Option<SpanStream>>,
    /// What a scan tells when it begins, and what it holds until it is dropped.
    pub(super) held: Mutex<Option<(oneshot::Sender<()>, oneshot::Sender<()>)>>,
    /// What pings come to; when there are no more, they are answered.
    pub(super) pings: Mutex<VecDeque<Ping>>,
}

pub(super) fn busy() -> StoreError {
    StoreError::Busy("away".into())
}

impl Scripted {
    fn hold(&self) -> Option<oneshot::Sender<()>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        held.map(|(begun, held)| {
            let _: Result<(), ()> = begun.send(());
            held
        })
    }
}

#[async_trait]
impl SpanStore for Scripted {
    async fn write(&self, _: &[Batch]) -> Result<Vec<Written>, StoreError> {
        Err(busy())
    }
    async fn forget_receipts(&self, _: Duration) -> Result<u64, StoreError> {
        Err(busy())
    }

    async fn retain(&self, _: &tracewell::store::RetentionSettings) -> Result<tracewell::store::Retained, StoreError> {
        Err(busy())
    }
    async fn purge(&self) -> Result<(), StoreError> {
        Err(busy())
    }
    fn trace(&self, _: TraceId) -> SpanStream {
        let trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner).take();
        trace.unwrap_or_else(|| stream::empty().boxed())
    }
    fn traces(&self, _: Vec<TraceId>, _: Option<Watermark>, _: Work) -> SpanStream {
        stream::pending().boxed()
    }
    fn scan_spans(&self, _: Scan) -> SpanStream {
        let held = self.hold();
        stream::poll_fn(move |_| {
            let _ = &held;
            std::task::Poll::Pending
        })
        .boxed()
    }
    async fn scan_keys(&self, _: Scan) -> Result<Vec<SpanKey>, StoreError> {
        let _held = self.hold();
        std::future::pending().await
    }
    async fn summaries(&self, _: &[TraceId], _: Option<Watermark>) -> Result<Vec<TraceSummary>, StoreError> {
        Err(busy())
    }
    async fn watermark(&self) -> Result<Watermark, StoreError> {
        Ok(Watermark(0))
    }
    async fn services(&self, _: Option<&str>, _: usize) -> Result<Vec<String>, StoreError> {
        Err(busy())
    }
    async fn operations(&self, _: &str, _: Option<&Operation>, _: usize) -> Result<Vec<Operation>, StoreError> {
        Err(StoreError::Bug("secret".into()))
    }
    async fn ping(&self) -> Result<(), StoreError> {
        let next = self.pings.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match next.unwrap_or(Ping::Answer) {
            Ping::Answer => Ok(()),
            Ping::Failure => Err(busy()),
            Ping::Silence => std::future::pending().await,
        }
    }
    async fn close(&self) {}
}
