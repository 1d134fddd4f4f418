//! Compaction: makes history of closed steps, the oldest first, each in one transaction: its spans become blocks, traces
//! and rollups, exact copies are left out, and `first_hot_step` moves past it. Nobody sees anything in between, and a
//! crash at any point leaves the step as it was. The step's partition is dropped a while later (`partitions.rs`).
//!
//! Where little arrives, a step makes small blocks; those of an hour that is over are merged (`merge.rs`). What an earlier
//! version made history of without counting calls is counted (`uncounted.rs`).
//!
//! One process compacts at a time. `step.rs` is the transaction; `copies.rs` finds what the history has already.

mod copies;
mod merge;
mod partitions;
mod step;
mod uncounted;

use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use super::error::meaning;
use super::history::Damage;
use super::write::Lease;
use crate::store::{Compaction, CompactionSettings, StoreError};

pub(super) use partitions::drop_compacted;

/// The class of the advisory locks of steps; shared by writers, taken alone by who compacts.
const STEP_LOCK: i32 = 1_953_653_091;
/// The lock of who compacts, or changes the history in another way.
pub(super) const COMPACTION_LOCK: i64 = 0x7472_6163_6577;

const TRY_LOCK: &str = "select pg_try_advisory_lock($1)";
const UNLOCK: &str = "select pg_advisory_unlock($1)";

/// Closed steps that are not compacted, the oldest first.
const WAITING: &str = "\
    select step.step from step, tier
    where step.step >= tier.first_hot_step and step.step < tier.open_step
    order by step.step";

/// Writers of the step have its lock; new ones find that it is closed. So once it was free, it is free for ever.
const WAIT_FOR_WRITERS: &str = "select pg_advisory_lock($1, $2), pg_advisory_unlock($1, $2)";

/// The compacting part of the store.
#[derive(Debug)]
pub(super) struct Compactor {
    pub(super) pool: PgPool,
    pub(super) damage: Arc<Damage>,
}

impl Compactor {
    /// Compacts all that is closed, after closing the open step if it is time. When another process is at it, nothing
    /// is done; when another one comes in between two steps, it is left to that one.
    pub(super) async fn compact(&self, settings: &CompactionSettings) -> Result<Compaction, StoreError> {
        let mut lease = Lease::take(&self.pool).await?;
        let connection = lease.connection()?;
        let is_ours: bool =
            sqlx::query_scalar(TRY_LOCK).bind(COMPACTION_LOCK).fetch_one(&mut *connection).await.map_err(meaning)?;
        let mut done = Compaction { is_elsewhere: !is_ours, ..Compaction::default() };
        if is_ours {
            locked(connection, settings, &self.damage, &mut done).await?;
        }
        if !done.is_elsewhere {
            sqlx::query(UNLOCK).bind(COMPACTION_LOCK).execute(&mut *connection).await.map_err(meaning)?;
        }
        lease.give_back();
        Ok(done)
    }
}

async fn locked(
    connection: &mut PgConnection,
    settings: &CompactionSettings,
    damage: &Arc<Damage>,
    done: &mut Compaction,
) -> Result<(), StoreError> {
    partitions::drop_compacted(connection, settings.drop_after).await?;
    partitions::close_if_due(connection, settings).await?;
    let waiting: Vec<i32> = sqlx::query_scalar(WAITING).fetch_all(&mut *connection).await.map_err(meaning)?;
    for (index, step) in waiting.iter().copied().enumerate() {
        if index > 0 && !give_way(connection).await? {
            done.is_elsewhere = true;
            return Ok(());
        }
        wait_for_writers(step, connection).await?;
        partitions::make_days(connection, step).await?;
        let share = settings.share_of(waiting.len().saturating_sub(index));
        step::compact(connection, step, share, damage, done).await?;
        partitions::measure(connection).await?;
    }
    merge::merge(connection, settings, damage, done).await?;
    if done.is_elsewhere {
        return Ok(());
    }
    uncounted::count(connection, settings, damage, done).await?;
    if done.is_elsewhere {
        return Ok(());
    }
    partitions::drop_compacted(connection, settings.drop_after).await
}

/// Waits until nobody writes to a closed step.
pub(super) async fn wait_for_writers(step: i32, connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(WAIT_FOR_WRITERS).bind(STEP_LOCK).bind(step).execute(connection).await.map_err(meaning)?;
    Ok(())
}

/// Lets who waits for the lock have it: a backlog takes long, and retention must not wait for its end. Says whether the
/// lock is ours again.
async fn give_way(connection: &mut PgConnection) -> Result<bool, StoreError> {
    sqlx::query(UNLOCK).bind(COMPACTION_LOCK).execute(&mut *connection).await.map_err(meaning)?;
    sqlx::query_scalar(TRY_LOCK).bind(COMPACTION_LOCK).fetch_one(connection).await.map_err(meaning)
}

/// Lets others work for as long as a part of the work took that may take this share of the time.
async fn rest(worked: Duration, share: f64) {
    let rest = worked.mul_f64((1.0 / share.clamp(0.01, 1.0)) - 1.0);
    if !rest.is_zero() {
        tokio::time::sleep(rest).await;
    }
}
