//! What can not be read of the history: each block is told of in the log once, and counted each time that it is left out.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use sqlx::{Executor, PgConnection};
use tracing::error;

use super::GO_BACK;
use crate::metrics::CorruptBlocks;
use crate::model::TraceId;
use crate::store::StoreError;
use crate::store::postgres::error::{is_damage, meaning};

/// A process tells of so many blocks and traces. Where there are more, somebody has to look for the cause anyway.
const TOLD_MAX: usize = 1_000;

/// The hour and the service of a block, from columns that are never stored out of line.
const WHEREABOUTS: &str = "\
    select to_char(hour at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"'), service.name
    from span_block left join service using (service_id) where block_id = $1 limit 1";

/// The damage that a process has met.
#[derive(Debug)]
pub(in crate::store::postgres) struct Damage {
    counter: CorruptBlocks,
    told: Mutex<BTreeSet<Told>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Block(i64),
    Trace(TraceId),
}

impl Damage {
    /// None yet.
    pub(in crate::store::postgres) fn counted_by(counter: CorruptBlocks) -> Self {
        Self { counter, told: Mutex::default() }
    }

    /// The blocks that were told of.
    pub(in crate::store::postgres) fn block_ids(&self) -> Vec<i64> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let block_id = |told: &Told| if let Told::Block(id) = told { Some(*id) } else { None };
        told.iter().filter_map(block_id).collect()
    }

    /// Counts that a block was left out, and says so if it is the first time.
    pub(in crate::store::postgres) async fn leave_out(
        &self,
        block_id: i64,
        what: &str,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        self.counter.count();
        if self.is_news(Told::Block(block_id)) {
            let (hour, service) = whereabouts(block_id, connection).await?;
            error!(block_id, hour, service, what, "a block of the history can not be read and is left out");
        }
        Ok(())
    }

    /// The same of a block that a trace's row names and that is not there.
    pub(super) async fn miss(
        &self,
        trace_id: TraceId,
        block_id: i64,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let what = format!("it is not there, and the row of trace {trace_id} names it");
        self.leave_out(block_id, &what, connection).await
    }

    /// Says that a trace's row can not be read.
    pub(in crate::store::postgres) fn tell_of_row(&self, trace_id: TraceId, error: &StoreError) {
        if self.is_news(Told::Trace(trace_id)) {
            error!(%trace_id, %error, "the row of a trace can not be read, its blocks are read instead");
        }
    }

    fn is_news(&self, told: Told) -> bool {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= TOLD_MAX || !all.insert(told) {
            return false;
        }
        if all.len() == TOLD_MAX {
            error!("this was the {TOLD_MAX}th damaged part of the history, further ones are only counted");
        }
        true
    }
}

async fn whereabouts(
    block_id: i64,
    connection: &mut PgConnection,
) -> Result<(Option<String>, Option<String>), StoreError> {
    let found = sqlx::query_as(WHEREABOUTS).bind(block_id).fetch_optional(&mut *connection).await;
    match found {
        Ok(found) => Ok(found.unwrap_or_default()),
        Err(error) if is_damage(&error) => {
            go_back(connection).await?;
            Ok((None, None))
        }
        Err(error) => Err(meaning(error)),
    }
}

/// Lets the transaction go on after a statement that failed.
pub(super) async fn go_back(connection: &mut PgConnection) -> Result<(), StoreError> {
    connection.execute(GO_BACK).await.map_err(meaning)?;
    Ok(())
}
