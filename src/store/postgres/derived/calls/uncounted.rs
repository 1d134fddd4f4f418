//! Times of the history whose calls are not counted yet: an earlier version made it. Whoever changes the history leaves them
//! out of what is counted, so that at any moment the tables have all calls of the other times and none of these. They are
//! made up for by `compact/uncounted.rs`, each hour from its begin to its end.
//!
//! A row of `call_uncounted` says of one hour: from this moment in it on. Of two for the same hour, the earlier one holds.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::model::UnixNanos;
use crate::store::StoreError;
use crate::store::postgres::error::meaning;
use crate::store::postgres::time::{HOUR_MICROS, Micros};

const LOAD: &str = "select hour from call_uncounted";

const ADVANCE: [&str; 2] =
    ["delete from call_uncounted where hour >= $1 and hour < $2", "insert into call_uncounted select $1 where $1 < $2"];

const CLEAR: [&str; 2] = [
    "delete from call_minute_row where minute >= $1 and minute < $2",
    "delete from message_row where minute >= $1 and minute < $2",
];

/// All such times.
#[derive(Debug, Clone, Default)]
pub(in crate::store::postgres) struct Uncounted {
    /// By the number of the hour.
    from: BTreeMap<i64, Micros>,
}

impl Uncounted {
    /// As they are now.
    pub(in crate::store::postgres) async fn load(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let rows: Vec<Micros> = sqlx::query_scalar(LOAD).fetch_all(connection).await.map_err(meaning)?;
        let mut from = BTreeMap::<i64, Micros>::new();
        for row in rows {
            from.entry(hour_of(row)).and_modify(|from| *from = row.min(*from)).or_insert(row);
        }
        Ok(Self { from })
    }

    /// Whether a span that begins then is called in such a time.
    pub(super) fn has(&self, start: UnixNanos) -> bool {
        let start = Micros(start.to_micros_and_nanos().0);
        self.from.get(&hour_of(start)).is_some_and(|from| start >= *from)
    }

    /// What is left of the newest such hour.
    pub(in crate::store::postgres) fn newest(&self) -> Option<Counting> {
        let (hour, from) = self.from.last_key_value()?;
        let hour = Micros(hour.saturating_mul(HOUR_MICROS));
        Some(Counting { hour, from: *from, end: Micros(hour.0.saturating_add(HOUR_MICROS)) })
    }
}

fn hour_of(time: Micros) -> i64 {
    time.0.div_euclid(HOUR_MICROS)
}

/// An hour that is being counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::postgres) struct Counting {
    pub(in crate::store::postgres) hour: Micros,
    /// What is before this is counted.
    pub(in crate::store::postgres) from: Micros,
    /// Of the hour.
    pub(in crate::store::postgres) end: Micros,
}

impl Counting {
    /// Whether nothing of it is counted.
    fn is_begin(&self) -> bool {
        self.from == self.hour
    }

    /// Says that it is counted up to this moment, in the transaction that counts it. At the begin of the hour, what was
    /// counted of it by anybody goes.
    pub(in crate::store::postgres) async fn advance(
        &self,
        until: Micros,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        for statement in CLEAR.into_iter().filter(|_| self.is_begin()) {
            let query = sqlx::query(statement).bind(self.hour).bind(self.end);
            query.execute(&mut *connection).await.map_err(meaning)?;
        }
        for (statement, begin) in ADVANCE.into_iter().zip([self.hour, until]) {
            let query = sqlx::query(statement).bind(begin).bind(self.end);
            query.execute(&mut *connection).await.map_err(meaning)?;
        }
        Ok(())
    }
}
