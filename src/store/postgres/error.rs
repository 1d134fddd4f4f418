//! PostgreSQL's errors in the store's words: try later, the batch's own fault, or nobody foresaw it.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::store::StoreError;

/// How the SQLSTATEs of errors begin that pass: connection lost; login, database or rights that somebody is changing;
/// a standby that was not promoted yet; conflicts; out of disk, memory or connections; a lock that was not free;
/// stopping, starting, out of time; files that can not be read or written.
const PASSING: [&str; 11] = ["08", "28", "3D000", "42501", "25006", "40", "53", "55P03", "57", "58000", "58030"];

/// How those begin that a value is to blame for: invalid data, and what is beyond PostgreSQL's limits.
const ABOUT_THE_DATA: [&str; 2] = ["22", "54"];

/// How those begin that say of a stored row, when nothing else can be to blame, that it is damaged: a file is, or a
/// value is not what it should be.
const ABOUT_THE_ROW: [&str; 3] = ["XX001", "XX002", "0A000"];

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

/// Whether a server hung up on us before it said a word, as a proxy does while there is nothing behind it. The driver
/// takes the end of the stream for a byte of zero.
pub(super) fn is_hang_up(error: &Error) -> bool {
    matches!(error, Error::Protocol(text) if text.starts_with("unexpected response from SSLRequest: 0x00"))
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
        _ if is_hang_up(&error) => StoreError::Busy(error.into()),
        Error::ColumnDecode { index, .. } => StoreError::Corrupt { what: format!("column {index} has another type") },
        _ => StoreError::Bug(error.into()),
    }
}

/// Whether the same statement may succeed when the database or its administrator has had some time.
fn is_passing(error: &dyn DatabaseError) -> bool {
    let code = code(error);
    PASSING.iter().any(|start| code.starts_with(start))
}

/// Whether the values are what it can not take. It says of a value beyond 1 GiB only that it can not get the memory.
fn is_about_the_data(error: &dyn DatabaseError) -> bool {
    let code = code(error);
    ABOUT_THE_DATA.iter().any(|start| code.starts_with(start))
        || (code == "XX000" && error.message().starts_with("invalid memory alloc request size"))
}

/// Whether a statement that reads stored rows may have failed for their sake.
pub(super) fn is_damage(error: &Error) -> bool {
    let Error::Database(error) = error else { return false };
    let code = code(&**error);
    is_about_the_data(&**error) || ABOUT_THE_ROW.contains(&&*code)
}

/// The SQLSTATE.
pub(super) fn code(error: &dyn DatabaseError) -> Cow<'_, str> {
    error.code().unwrap_or_default()
}
