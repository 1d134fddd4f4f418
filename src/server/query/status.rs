//! What a caller of the query service hears when there is no answer.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::query::QueryError;
use crate::store::StoreError;

/// When a caller should come again that the database could not answer.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The gRPC status of an error.
pub(super) fn status(error: QueryError) -> Status {
    let message = error.to_string();
    match error {
        QueryError::BadRequest { field, reason } => {
            let details = ErrorDetails::with_bad_request_violation(field, reason);
            Status::with_error_details(Code::InvalidArgument, message, details)
        }
        QueryError::NotFound { .. } => Status::not_found(message),
        QueryError::TimedOut { .. } => Status::deadline_exceeded(message),
        QueryError::Store(StoreError::Busy(_)) => {
            let details = ErrorDetails::with_retry_info(Some(RETRY_DELAY));
            Status::with_error_details(Code::Unavailable, message, details)
        }
        QueryError::Store(error) => {
            tracing::error!(error = &error as &dyn Error, "a query failed");
            Status::internal("internal error")
        }
    }
}
