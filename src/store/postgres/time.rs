//! `timestamptz` as the model has times: microseconds since 1970 here, since 2000 on PostgreSQL's wire.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// 2000-01-01 in microseconds since 1970.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The type `timestamptz`, the same in every database.
const TIMESTAMPTZ: Oid = Oid(1184);
/// An array of them.
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);

/// An hour and a day, UTC, in microseconds.
pub(super) const HOUR_MICROS: i64 = 3_600_000_000;
pub(super) const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// Microseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Micros(pub(super) i64);

impl Micros {
    /// As PostgreSQL has it on the wire. No time of the model is out of its range.
    pub(super) fn to_wire(self) -> [u8; 8] {
        self.0.saturating_sub(POSTGRES_EPOCH_MICROS).to_be_bytes()
    }

    /// From what PostgreSQL has on the wire.
    pub(super) fn from_wire(wire: [u8; 8]) -> Self {
        Self(i64::from_be_bytes(wire).saturating_add(POSTGRES_EPOCH_MICROS))
    }
}

impl Type<Postgres> for Micros {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Micros {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
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
        Ok(Self::from_wire(value.as_bytes()?.try_into()?))
    }
}
