//! What SQLite's result codes mean to the caller of a store.

use sqlx::Error;

use crate::store::StoreError;

// Primary result codes; an extended code has its primary one in the lowest byte.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const TOOBIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const NOTADB: i32 = 26;

/// A failed statement, named by what the caller does next.
pub(super) fn store_error(error: Error) -> StoreError {
    match primary_code(&error) {
        Some(BUSY | LOCKED | IOERR | FULL | CANTOPEN) => StoreError::Busy(error.into()),
        Some(TOOBIG | CONSTRAINT | MISMATCH) => StoreError::Refused { reason: message(&error) },
        Some(CORRUPT | NOTADB) => StoreError::Corrupt { what: message(&error) },
        Some(_) => StoreError::Bug(error.into()),
        None => match error {
            Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed | Error::Io(_) => {
                StoreError::Busy(error.into())
            }
            other => StoreError::Bug(other.into()),
        },
    }
}

/// Why a file can not be opened, to stand behind its name.
pub(super) fn open_reason(error: &Error) -> String {
    match primary_code(error) {
        Some(BUSY | LOCKED) => "is locked by another program".to_owned(),
        Some(READONLY) => "can not be written".to_owned(),
        Some(CANTOPEN) => "can not be opened: its directory must exist, and it must be a file".to_owned(),
        Some(CORRUPT) => "is damaged".to_owned(),
        Some(NOTADB) => "is not a SQLite database".to_owned(),
        _ => format!("can not be opened: {}", message(error)),
    }
}

fn primary_code(error: &Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// SQLite's own words, without the code.
fn message(error: &Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
