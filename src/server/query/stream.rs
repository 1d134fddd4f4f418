//! `StreamTraces`: pages as they come, for as long as the client takes them.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::super::generated::tracewell_v1::SearchTracesResponse;
use super::request::Asked;
use super::{response, status};
use crate::query::{FoundTrace, Query, QueryError, SearchPage};

/// Pages of one stream that wait for the client to read them.
const PAGES_WAITING_MAX: usize = 1;

type Sent = Result<SearchTracesResponse, Status>;

/// The stream, once its first page is there.
pub(super) async fn traces(query: Arc<Query>, asked: Asked) -> Result<ReceiverStream<Sent>, QueryError> {
    let limit = query.settings().query_timeout;
    let mut pages = query.stream_traces(asked.question, asked.page_size, asked.page_token);
    let first = pages.try_next().await?;
    let (sender, receiver) = mpsc::channel(PAGES_WAITING_MAX);
    tokio::spawn(async move {
        let all_sent = async {
            let sent = tokio::time::timeout(limit, send(first, pages, &sender)).await;
            if let Err(error) = sent.unwrap_or(Err(QueryError::TimedOut { limit })) {
                // Fails only when the client is gone, and then there is nobody to tell.
                drop(sender.send(Err(status(error))).await);
            }
        };
        tokio::select! {
            () = sender.closed() => {}
            () = all_sent => {}
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// Sends pages to the end, or until nobody takes them.
async fn send(
    first: Option<SearchPage<FoundTrace>>,
    mut pages: BoxStream<'static, Result<SearchPage<FoundTrace>, QueryError>>,
    sender: &mpsc::Sender<Sent>,
) -> Result<(), QueryError> {
    let mut next = first;
    while let Some(page) = next {
        if sender.send(Ok(response::traces_page(page))).await.is_err() {
            return Ok(());
        }
        next = pages.try_next().await?;
    }
    Ok(())
}
