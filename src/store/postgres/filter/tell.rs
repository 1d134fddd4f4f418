//! What the dictionaries say of a filter. They are asked once for a scan, and not before it begins: whatever was committed
//! by then has its services, operations, resources and scopes in them.

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::{Attribute, Builder, Resources, TESTS_MAX, Test, Told, equal, push_value_is, service_id};
use crate::model::{Filter, TextIs};
use crate::store::postgres::error::meaning;
use crate::store::postgres::row::Columns;
use crate::store::{StoreError, json};

/// Of what a condition finds more of than this, nothing is said. Of so many services and names all are looked through.
const FOUND_MAX: usize = 10_000;

const SERVICES: &str = "select service_id, name from service limit $1";

const NAMES: &str = "\
    select distinct name from operation where $1::bigint[] is null or service_id = any($1) limit $2";

/// What is known of a filter. The connection is that of a transaction of the scan.
pub(in crate::store::postgres) async fn tell(
    filter: &Filter,
    connection: &mut PgConnection,
) -> Result<Told, StoreError> {
    let mut told = Told::of(filter);
    if told.tests().len() > TESTS_MAX {
        return Ok(Told::Is(Test::More));
    }
    for test in told.tests_mut() {
        match test {
            Test::Service { is, ids } if ids.is_none() => *ids = services(is, connection).await?,
            Test::OfResource { attribute, found } => *found = resources(attribute, connection).await?,
            Test::OfScope { attribute, ids } => *ids = scopes(attribute, connection).await?,
            _ => {}
        }
    }
    let mut told = told.simplified();
    let service_ids = told.service_ids().map(|ids| ids.into_iter().collect::<Vec<_>>());
    for test in told.tests_mut() {
        if let Test::Name { is, names } = test
            && equal(is).is_none()
        {
            *names = names_of(service_ids.as_deref(), is, connection).await?;
        }
    }
    Ok(told.simplified())
}

/// The services whose names are this.
async fn services(is: &TextIs, connection: &mut PgConnection) -> Result<Option<Vec<i64>>, StoreError> {
    let query = sqlx::query(SERVICES).bind(one_more());
    let rows = query.fetch_all(connection).await.map_err(meaning)?;
    found(&rows, |row| {
        let mut columns = Columns::of(row);
        let (id, name) = (columns.take()?, columns.text()?);
        Ok(is.matches(&name).then_some(id))
    })
}

/// The names that are this, of the operations of these services, or of all.
async fn names_of(
    service_ids: Option<&[i64]>,
    is: &TextIs,
    connection: &mut PgConnection,
) -> Result<Option<Vec<String>>, StoreError> {
    let query = sqlx::query(NAMES).bind(service_ids).bind(one_more());
    let rows = query.fetch_all(connection).await.map_err(meaning)?;
    found(&rows, |row| {
        let name = Columns::of(row).text()?;
        Ok(is.matches(&name).then_some(name))
    })
}

/// The resources that have the attribute.
async fn resources(attribute: &Attribute, connection: &mut PgConnection) -> Result<Option<Resources>, StoreError> {
    let rows = having("r.resource_id, r.service", "resource_row r", "r.attributes", attribute, connection).await?;
    let resources = found(&rows, |row| {
        let mut columns = Columns::of(row);
        let has = attribute.is_in(columns.take()?);
        let (id, service) = (columns.take::<i64>()?, columns.text()?);
        Ok(has.then(|| (id, service_id(&service))))
    })?;
    Ok(resources.map(|resources| Resources {
        ids: resources.iter().map(|(id, _)| *id).collect(),
        service_ids: resources.into_iter().map(|(_, service_id)| service_id).collect(),
    }))
}

/// The scopes that have the attribute.
async fn scopes(attribute: &Attribute, connection: &mut PgConnection) -> Result<Option<Vec<i64>>, StoreError> {
    let rows = having("c.scope_id", "scope c", "c.attributes", attribute, connection).await?;
    found(&rows, |row| {
        let mut columns = Columns::of(row);
        let has = attribute.is_in(columns.take()?);
        Ok(if has { Some(columns.take()?) } else { None })
    })
}

/// Rows that may have the attribute: its value, and these columns.
async fn having(
    columns: &str,
    table: &str,
    object: &str,
    attribute: &Attribute,
    connection: &mut PgConnection,
) -> Result<Vec<PgRow>, StoreError> {
    let mut sql = Builder::new("select (");
    sql.push(object).push(" -> ").push_bind(attribute.stored_key()).push(")::text, ").push(columns);
    sql.push(" from ").push(table).push(" where ");
    push_value_is(object, attribute, &mut sql);
    sql.push(" limit ").push_bind(one_more());
    sql.build().fetch_all(connection).await.map_err(meaning)
}

impl Attribute {
    /// Whether the JSON of a value is what the attribute is to be. What can not be read may be anything.
    fn is_in(&self, value: &str) -> bool {
        json::read_value(value.as_bytes()).map_or(true, |value| self.is.matches(&value))
    }
}

fn one_more() -> i64 {
    i64::try_from(FOUND_MAX.saturating_add(1)).unwrap_or(i64::MAX)
}

/// What is wanted of these rows; `None` when there are more rows than were fetched.
fn found<T>(
    rows: &[PgRow],
    wanted: impl Fn(&PgRow) -> Result<Option<T>, StoreError>,
) -> Result<Option<Vec<T>>, StoreError> {
    if rows.len() > FOUND_MAX {
        return Ok(None);
    }
    rows.iter().filter_map(|row| wanted(row).transpose()).collect::<Result<_, _>>().map(Some)
}
