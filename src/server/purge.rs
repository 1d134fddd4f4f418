//! `POST /purge`: removes everything, for a test bench that begins anew. It is wired only when `--allow-purge` says so;
//! without that there is no such path.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header;

use super::status::{Failure, TEXT};
use crate::ingest::Ingest;

#[derive(Clone)]
struct Purge {
    ingest: Ingest,
    wait_max: Duration,
}

/// The path. Requests that came in before have so long to end.
pub fn router(ingest: Ingest, wait_max: Duration) -> Router {
    Router::new().route("/purge", post(purge)).with_state(Purge { ingest, wait_max })
}

/// On a task of its own, so that a caller that goes away leaves no half of it.
async fn purge(State(Purge { ingest, wait_max }): State<Purge>) -> Response {
    let purged = tokio::spawn(async move { ingest.purge(wait_max).await });
    match purged.await {
        Ok(Ok(())) => {
            tracing::warn!("all data was removed: somebody asked for it by POST /purge");
            ([(header::CONTENT_TYPE, TEXT)], "all data was removed\n").into_response()
        }
        Ok(Err(error)) => Failure::from(error).to_text(),
        Err(error) => Failure::Bug(Arc::new(error)).to_text(),
    }
}
