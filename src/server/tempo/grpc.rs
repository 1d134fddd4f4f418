//! `tempopb.StreamingQuerier`. A search comes in parts, each as soon as it is known; what can only be said at the end comes
//! as one message.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::super::generated::tempopb::streaming_querier_server::{StreamingQuerier, StreamingQuerierServer};
use super::super::generated::tempopb::{
    QueryInstantRequest, QueryInstantResponse, QueryRangeRequest, QueryRangeResponse, SearchRequest, SearchResponse,
    SearchTagValuesRequest, SearchTagValuesResponse, SearchTagValuesV2Response, SearchTagsRequest, SearchTagsResponse,
    SearchTagsV2Response,
};
use super::names::{TagsAsked, ValuesAsked};
use super::{Answer, Door, Now, metrics, search, status, with_page};
use crate::query::{Coverage, Query, QueryError};

/// The largest request: far more than the longest query needs.
const REQUEST_BYTES_MAX: usize = 4 << 20;

/// The service. Answers are compressed as the client likes it.
#[must_use]
pub fn service(query: Arc<Query>, now: Now) -> StreamingQuerierServer<impl StreamingQuerier> {
    let mut service = StreamingQuerierServer::new(Door { query, now }).max_decoding_message_size(REQUEST_BYTES_MAX);
    for encoding in [CompressionEncoding::Zstd, CompressionEncoding::Gzip] {
        service = service.accept_compressed(encoding).send_compressed(encoding);
    }
    service
}

type Sent<M> = Result<Response<BoxStream<'static, Result<M, Status>>>, Status>;

/// An answer of one message.
fn one<M: Send + 'static>(answer: Result<Answer<M>, QueryError>) -> Sent<M> {
    let message = answer.map_err(status)?.message;
    Ok(Response::new(stream::iter([Ok(message)]).boxed()))
}

#[tonic::async_trait]
impl StreamingQuerier for Door {
    type SearchStream = BoxStream<'static, Result<SearchResponse, Status>>;

    async fn search(&self, request: Request<SearchRequest>) -> Sent<SearchResponse> {
        let page_size_max = self.query.settings().page_size_max;
        let asked = search::Asked::of_message(request.get_ref(), page_size_max).map_err(status)?;
        let (mut traces_missing, mut covered) = (usize::try_from(asked.limit).unwrap_or(0), Coverage::default());
        // Nothing of the database is held between two pages, however slowly the client takes them.
        let pages = Arc::clone(&self.query).stream_traces(asked.question, asked.limit, String::new());
        let parts = pages.map(move |page| -> Result<SearchResponse, Status> {
            let page = page.map_err(status)?;
            let is_last = search::is_last(&page, traces_missing);
            traces_missing = traces_missing.saturating_sub(page.items.len());
            covered = with_page(std::mem::take(&mut covered), page.coverage);
            Ok(search::response(page.items, &covered, is_last))
        });
        Ok(Response::new(parts.boxed()))
    }

    type SearchTagsStream = BoxStream<'static, Result<SearchTagsResponse, Status>>;

    async fn search_tags(&self, request: Request<SearchTagsRequest>) -> Sent<SearchTagsResponse> {
        let asked = TagsAsked::of_message(request.get_ref()).map_err(status)?;
        one(self.tags_v1(&asked).await)
    }

    type SearchTagsV2Stream = BoxStream<'static, Result<SearchTagsV2Response, Status>>;

    async fn search_tags_v2(&self, request: Request<SearchTagsRequest>) -> Sent<SearchTagsV2Response> {
        let asked = TagsAsked::of_message(request.get_ref()).map_err(status)?;
        one(self.tags(&asked).await)
    }

    type SearchTagValuesStream = BoxStream<'static, Result<SearchTagValuesResponse, Status>>;

    async fn search_tag_values(&self, request: Request<SearchTagValuesRequest>) -> Sent<SearchTagValuesResponse> {
        let asked = ValuesAsked::of_v1_message(request.get_ref()).map_err(status)?;
        one(self.values_v1(&asked).await)
    }

    type SearchTagValuesV2Stream = BoxStream<'static, Result<SearchTagValuesV2Response, Status>>;

    async fn search_tag_values_v2(&self, request: Request<SearchTagValuesRequest>) -> Sent<SearchTagValuesV2Response> {
        let asked = ValuesAsked::of_message(request.get_ref()).map_err(status)?;
        one(self.values(&asked).await)
    }

    type MetricsQueryRangeStream = BoxStream<'static, Result<QueryRangeResponse, Status>>;

    async fn metrics_query_range(&self, request: Request<QueryRangeRequest>) -> Sent<QueryRangeResponse> {
        let asked = metrics::Asked::of_range_message(request.get_ref(), (self.now)()).map_err(status)?;
        one(self.range(&asked).await)
    }

    type MetricsQueryInstantStream = BoxStream<'static, Result<QueryInstantResponse, Status>>;

    async fn metrics_query_instant(&self, request: Request<QueryInstantRequest>) -> Sent<QueryInstantResponse> {
        let asked = metrics::Asked::of_instant_message(request.get_ref(), (self.now)()).map_err(status)?;
        one(self.instant(&asked).await)
    }
}
