//! A PostgreSQL database that takes texts for bytes, as a cluster without a locale makes it.

use super::Database;
use crate::support::postgres::TestDatabase;

/// An empty database.
pub(crate) async fn create() -> Box<dyn Database> {
    Box::new(TestDatabase::create_with("encoding 'SQL_ASCII' locale 'C'").await)
}
