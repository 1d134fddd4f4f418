//! `timestamptz` as the model has times: microseconds since 1970 here, since 2000 on PostgreSQL's wire.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// 2000-01-01 in microseconds since 1970.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The type `timestamptz`, the same in every database.
const TIMESTAMPTZ: Oid = Oid(1184);

/// Microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Micros(pub(super) i64);

impl Micros {
    /// As PostgreSQL has it on the wire. No time of the model is out of its range.
    pub(super) fn to_wire(self) -> [u8; 8] {
        self.0.saturating_sub(POSTGRES_EPOCH_MICROS).to_be_bytes()
    }
}

impl Type<Postgres> for Micros {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl Encode<'_, Postgres> for Micros {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.to_wire());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Micros {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let wire = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(wire.saturating_add(POSTGRES_EPOCH_MICROS)))
    }
}
