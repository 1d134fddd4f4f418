//! The spans of a scan in outline: hot rows and history put together, in one snapshot.

use sqlx::PgConnection;

use super::Reader;
use super::places::hot_spans;
use crate::model::{Parts, SpanKey};
use crate::store::postgres::error::within;
use crate::store::postgres::filter::Told;
use crate::store::postgres::history::{Between, Outlined, Wanted, is_of_starts, newest_outlines};
use crate::store::{Outlines, Scan, StoreError};

impl Reader {
    /// `None` when the filter asks for more than an outline has, or spans and their copies can not be told apart; or for nothing.
    pub(in crate::store::postgres) async fn scan_outlines(
        &self,
        scan: &Scan,
        parts: &Parts,
    ) -> Result<Option<Outlines>, StoreError> {
        if !is_of_starts(scan) || scan.limit == 0 {
            return Ok(None);
        }
        let told = within(self.limit, self.told(&scan.filter)).await?;
        within(self.limit, async {
            let mut connection = self.connection().await?;
            let mut transaction = Reader::begin(&mut connection).await?;
            self.outlines(scan, &told, parts, &mut transaction).await
        })
        .await
    }

    async fn outlines(
        &self,
        scan: &Scan,
        told: &Told,
        parts: &Parts,
        connection: &mut PgConnection,
    ) -> Result<Option<Outlines>, StoreError> {
        let mut blocks = self.blocks(scan.work.clone());
        let (rows, rows_floor) = hot_spans(scan, told, scan.before, scan.limit, &mut blocks, connection).await?;
        let between = Between { before: scan.before, floor: rows_floor };
        let wanted = Wanted { scan, told, between, limit: scan.limit };
        let Some(mut outlined) = newest_outlines(wanted, parts, &mut blocks, connection).await? else {
            return Ok(None);
        };
        for (key, span) in rows {
            outlined.add(key, span);
        }
        let Outlined { spans, twice, horizon, is_cut } = outlined;
        // Of the rows' last one there may be more with its ids.
        let least = |key: SpanKey| SpanKey { digest: i64::MIN, ..key };
        let floor = twice.max(rows_floor.map(least));
        let is_sure = |key: &SpanKey| {
            floor.is_none_or(|floor| *key > floor)
                && horizon.is_none_or(|horizon| key.start.to_micros_and_nanos().0 > horizon.0)
        };
        let spans: Vec<_> = spans.into_iter().rev().take_while(|(key, _)| is_sure(key)).collect();
        let is_all = floor.is_none() && horizon.is_none() && !is_cut;
        Ok((is_all || !spans.is_empty()).then_some(Outlines { spans, is_all }))
    }
}
