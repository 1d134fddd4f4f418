//! OTLP's doors: over gRPC (`grpc.rs`, its messages in `frame.rs`) and over HTTP (`http.rs`). What becomes of a request is
//! the same for all doors and in `intake/`; here is what OTLP says of it.

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};

use super::intake::Accepted;

mod frame;
mod grpc;
mod http;

pub use grpc::TraceService;
pub use http::router;

impl From<Accepted> for ExportTraceServiceResponse {
    /// OTLP wants `partial_success` unset, not empty, when there is nothing to say.
    fn from(accepted: Accepted) -> Self {
        let Accepted { rejected, message } = accepted;
        let partial_success = (rejected > 0 || !message.is_empty()).then(|| ExportTracePartialSuccess {
            rejected_spans: i64::try_from(rejected).unwrap_or(i64::MAX),
            error_message: message,
        });
        Self { partial_success }
    }
}
