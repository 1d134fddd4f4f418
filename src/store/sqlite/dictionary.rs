//! Resources and scopes on the way out: read once, then shared by all spans that have them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::query;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::error::store_error;
use super::row::Columns;
use super::statements::{SELECT_RESOURCES, SELECT_SCOPES};
use crate::model::{Keyed, Resource, Scope};
use crate::store::{StoreError, json};

/// At most so many resources, and as many scopes, are kept in memory; then all are dropped, and read again.
const KEPT_MAX: usize = 1_024;

/// Things by their keys.
pub(super) type ByKey<T> = HashMap<i64, Arc<Keyed<T>>>;

/// The resources and scopes that were read lately.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    resources: Mutex<ByKey<Resource>>,
    scopes: Mutex<ByKey<Scope>>,
}

impl Dictionary {
    /// Keeps nothing of what was read.
    pub(super) fn forget(&self) {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The resources with these keys.
    pub(super) async fn resources(
        &self,
        keys: BTreeSet<i64>,
        connection: &mut SqliteConnection,
    ) -> Result<ByKey<Resource>, StoreError> {
        look_up(&self.resources, keys, SELECT_RESOURCES, resource, connection).await
    }

    /// The scopes with these keys.
    pub(super) async fn scopes(
        &self,
        keys: BTreeSet<i64>,
        connection: &mut SqliteConnection,
    ) -> Result<ByKey<Scope>, StoreError> {
        look_up(&self.scopes, keys, SELECT_SCOPES, scope, connection).await
    }
}

async fn look_up<T>(
    kept: &Mutex<ByKey<T>>,
    keys: BTreeSet<i64>,
    statement: &'static str,
    decode: impl Fn(&SqliteRow) -> Result<Keyed<T>, StoreError>,
    connection: &mut SqliteConnection,
) -> Result<ByKey<T>, StoreError> {
    let (mut found, missing) = kept_of(kept, keys);
    if missing.is_empty() {
        return Ok(found);
    }
    let rows = query(statement).bind(json_array(&missing)).fetch_all(connection).await.map_err(store_error)?;
    let mut read = ByKey::new();
    for row in &rows {
        let item = decode(row)?;
        // The key is made of the content, so one that was damaged is not found by the key in the span's row.
        read.insert(item.key(), Arc::new(item));
    }
    keep(kept, &read);
    found.extend(read);
    Ok(found)
}

/// What is kept of these, and the keys of the others.
fn kept_of<T>(kept: &Mutex<ByKey<T>>, keys: BTreeSet<i64>) -> (ByKey<T>, Vec<i64>) {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let (known, missing): (Vec<i64>, Vec<i64>) = keys.into_iter().partition(|key| kept.contains_key(key));
    let found = known.iter().filter_map(|key| kept.get(key).map(|item| (*key, Arc::clone(item))));
    (found.collect(), missing)
}

fn keep<T>(kept: &Mutex<ByKey<T>>, read: &ByKey<T>) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.extend(read.iter().map(|(key, item)| (*key, Arc::clone(item))));
}

/// Numbers as a JSON array: a list of any length in one parameter.
pub(super) fn json_array(numbers: &[i64]) -> String {
    let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", numbers.join(","))
}

fn resource(row: &SqliteRow) -> Result<Keyed<Resource>, StoreError> {
    let mut columns = Columns::of(row);
    let _key: i64 = columns.take()?;
    let (schema_url, attributes) = (columns.text()?, columns.attributes()?);
    let dropped_attributes_count = columns.take()?;
    let entity_refs = columns.json_or_null(json::read_entity_refs)?;
    Ok(Keyed::new(Resource { attributes, dropped_attributes_count, entity_refs, schema_url }))
}

fn scope(row: &SqliteRow) -> Result<Keyed<Scope>, StoreError> {
    let mut columns = Columns::of(row);
    let _key: i64 = columns.take()?;
    let (name, version, schema_url) = (columns.text()?, columns.text()?, columns.text()?);
    let attributes = columns.attributes()?;
    Ok(Keyed::new(Scope { name, version, attributes, dropped_attributes_count: columns.take()?, schema_url }))
}
