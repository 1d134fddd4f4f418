//! Which engine a database URL means, and how it is opened: the one place that knows that there are two.

use std::sync::Arc;
use std::time::Duration;

use super::postgres::{self, PostgresSettings, PostgresStore};
use super::sqlite::{self, SqliteSettings, SqliteStore};
use super::{MigrationReport, OpenError, SpanStore};
use crate::metrics::CorruptBlocks;

/// What a database URL may look like.
const URL_FORM: &str = "postgres://user:password@host/database or sqlite:path/to/file.db";

/// How a database is opened and used.
#[derive(Debug, Clone)]
pub struct OpenSettings {
    /// How long to wait for a PostgreSQL that is not there yet.
    pub wait_max: Duration,
    /// At most so many connections write. SQLite always has one.
    pub writer_connections_max: u32,
    /// At most so many connections read.
    pub reader_connections_max: u32,
    /// How long a statement that reads may take.
    pub query_timeout: Duration,
    /// Counts what of the history can not be read.
    pub corrupt_blocks: CorruptBlocks,
}

impl Default for OpenSettings {
    fn default() -> Self {
        let postgres = PostgresSettings::default();
        Self {
            wait_max: postgres.start_wait_max,
            writer_connections_max: postgres.writer_connections_max,
            reader_connections_max: postgres.reader_connections_max,
            query_timeout: postgres.read_duration_max,
            corrupt_blocks: postgres.corrupt_blocks,
        }
    }
}

/// A database that is ready.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn SpanStore>,
    /// So many writes make sense at the same time.
    pub writers: usize,
    /// Where the spans are, for a person to read; without a password.
    pub place: String,
}

enum Engine {
    Postgres,
    Sqlite,
}

fn engine(url: &str) -> Result<Engine, OpenError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Engine::Postgres),
        Some("sqlite") => Ok(Engine::Sqlite),
        Some(_) | None => Err(OpenError::Url { form: URL_FORM, source: "it names no database that is known".into() }),
    }
}

/// Opens the database that the URL names, after bringing its schema to this version's.
pub async fn open(url: &str, settings: &OpenSettings) -> Result<Opened, OpenError> {
    match engine(url)? {
        Engine::Postgres => {
            let store = PostgresStore::connect(url, &postgres_settings(settings)).await?;
            let place = store.place();
            let writers = usize::try_from(settings.writer_connections_max).unwrap_or(usize::MAX);
            Ok(Opened { store: Arc::new(store), writers, place })
        }
        Engine::Sqlite => {
            let store = SqliteStore::open(url, &sqlite_settings(settings)).await?;
            Ok(Opened { place: url.to_owned(), store: Arc::new(store), writers: 1 })
        }
    }
}

/// Brings the schema of the database that the URL names to this version's, and says what was done.
pub async fn migrate(url: &str, wait_max: Duration) -> Result<MigrationReport, OpenError> {
    match engine(url)? {
        Engine::Postgres => postgres::migrate(url, wait_max).await,
        Engine::Sqlite => sqlite::migrate(url).await,
    }
}

/// Whether the database that the URL names keeps what is old in another way than what is new, so that there is something
/// to compact.
pub fn has_history(url: &str) -> Result<bool, OpenError> {
    Ok(matches!(engine(url)?, Engine::Postgres))
}

fn postgres_settings(settings: &OpenSettings) -> PostgresSettings {
    PostgresSettings {
        writer_connections_max: settings.writer_connections_max,
        reader_connections_max: settings.reader_connections_max,
        read_duration_max: settings.query_timeout,
        start_wait_max: settings.wait_max,
        corrupt_blocks: settings.corrupt_blocks.clone(),
        ..PostgresSettings::default()
    }
}

fn sqlite_settings(settings: &OpenSettings) -> SqliteSettings {
    SqliteSettings { reader_connections_max: settings.reader_connections_max }
}
