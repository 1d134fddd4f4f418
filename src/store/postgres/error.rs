//! PostgreSQL's errors in the store's words: try later, the batch's own fault, or nobody foresaw it.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::store::StoreError;

/// Runs a call with a limit of time, so that a host that fell silent holds nobody up.
pub(super) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result,
        Err(elapsed) => Err(StoreError::Busy(elapsed.into())),
    }
}

/// What a failed statement means for the caller.
pub(super) fn meaning(error: Error) -> StoreError {
    match &error {
        Error::Database(database) if is_passing(&**database) => StoreError::Busy(error.into()),
        Error::Database(database) if is_about_the_data(&**database) => {
            StoreError::Refused { reason: database.message().to_owned() }
        }
        Error::Io(_) | Error::Tls(_) | Error::PoolTimedOut | Error::PoolClosed | Error::BeginFailed => {
            StoreError::Busy(error.into())
        }
        Error::ColumnDecode { index, .. } => StoreError::Corrupt { what: format!("column {index} has another type") },
        _ => StoreError::Bug(error.into()),
    }
}

/// Whether the same statement may succeed when the database or its administrator has had some time.
fn is_passing(error: &dyn DatabaseError) -> bool {
    match code(error).as_bytes() {
        // Connection lost; out of disk, memory or connections; conflicts; shutting down, starting up, out of time;
        // failed reads and writes of files; login, database or rights that somebody is changing.
        [b'0', b'8', ..] | [b'5', b'3', ..] | [b'4', b'0', ..] | [b'5', b'7', ..] | [b'2', b'8', ..] => true,
        b"55P03" | b"58000" | b"58030" | b"3D000" | b"42501" => true,
        // A standby that has not been promoted yet.
        b"25006" => true,
        _ => false,
    }
}

/// Whether the values are what it can not take.
fn is_about_the_data(error: &dyn DatabaseError) -> bool {
    match code(error).as_bytes() {
        // Invalid data; beyond a limit of PostgreSQL's.
        [b'2', b'2', ..] | [b'5', b'4', ..] => true,
        // The only way in which it says that a value is beyond 1 GiB.
        b"XX000" => error.message().starts_with("invalid memory alloc request size"),
        _ => false,
    }
}

/// The SQLSTATE.
pub(super) fn code(error: &dyn DatabaseError) -> Cow<'_, str> {
    error.code().unwrap_or_default()
}
