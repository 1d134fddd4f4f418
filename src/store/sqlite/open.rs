//! Opening the file: its name, the lock on it, its schema, and the connections with their settings.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Error, SqlSafeStr};
use tracing::info;

use super::SqliteSettings;
use super::error::open_reason;
use crate::store::open::{MigrationReport, OpenError};

/// How the database is named, for those who named it otherwise.
const URL_FORM: &str = "sqlite:path/to/file.db";

/// How long a read waits for its turn, and any statement for another program's lock.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Pages in memory, in KiB, as SQLite wants it: negative.
const WRITER_CACHE_KIB: &str = "-32768";
const READER_CACHE_KIB: &str = "-8192";

/// The file is not mapped into memory: a disk that fails would then kill the process instead of failing a statement.
const MMAP_BYTES: &str = "0";

/// A commit that makes the log longer than so many pages of 4 KiB brings it into the file, as far as that was not done
/// beside it (`checkpoint.rs`), so that the log begins again.
const CHECKPOINT_PAGES: &str = "16384";

/// A log that grew beyond this, in bytes, is cut back.
const LOG_BYTES_MAX: &str = "67108864";

/// Version, description and statements of each migration, oldest first. One that was released never changes.
const MIGRATIONS: [(i64, &str, &str); 6] = [
    (1, "spans", include_str!("../../../migrations/sqlite/0001_spans.sql")),
    (2, "receipts", include_str!("../../../migrations/sqlite/0002_receipts.sql")),
    (3, "red", include_str!("../../../migrations/sqlite/0003_red.sql")),
    (4, "views", include_str!("../../../migrations/sqlite/0004_views.sql")),
    (5, "retention", include_str!("../../../migrations/sqlite/0005_retention.sql")),
    (6, "sql_contract", include_str!("../../../migrations/sqlite/0006_sql_contract.sql")),
];

/// The right to be the only process on the file, for as long as this lives or until it is given back.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    pub(super) fn give_back(&self) {
        // It fails when the file is closed, and then the lock is gone as well.
        let _ = self.0.unlock();
    }
}

/// An open file.
pub(super) struct Pools {
    /// Of one connection.
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    /// Of one connection, for what is done beside the writes.
    pub(super) checkpoints: SqlitePool,
    pub(super) lock: Lock,
}

/// Brings the schema of the file to this version's, and says what was done.
pub async fn migrate(url_or_path: &str) -> Result<MigrationReport, OpenError> {
    let path = path_of(url_or_path)?;
    let lock = lock(&path)?;
    let writer = open_writer(&path).await?;
    let report = apply(&writer).await.map_err(|error| meaning(&path, error));
    writer.close().await;
    lock.give_back();
    report
}

pub(super) async fn open(url_or_path: &str, settings: &SqliteSettings) -> Result<Pools, OpenError> {
    let path = path_of(url_or_path)?;
    let lock = lock(&path)?;
    let writer = open_writer(&path).await?;
    if let Err(error) = apply(&writer).await {
        writer.close().await;
        return Err(meaning(&path, error));
    }
    let readers = SqlitePoolOptions::new().max_connections(settings.reader_connections_max).acquire_timeout(WAIT_MAX);
    let readers = readers.connect_lazy_with(reader_options(&path));
    let checkpoints = SqlitePoolOptions::new().max_connections(1).acquire_timeout(WAIT_MAX);
    Ok(Pools { writer, readers, checkpoints: checkpoints.connect_lazy_with(reader_options(&path)), lock })
}

/// The one connection that writes, to a file that is made when it is not there.
async fn open_writer(path: &Path) -> Result<SqlitePool, OpenError> {
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(WAIT_MAX);
    // On some errors, a full disk for one, SQLite ends the transaction by itself; the driver does not see that, and could
    // never begin another.
    let pool = pool.before_acquire(|connection, _| {
        let is_free = !connection.is_in_transaction();
        Box::pin(async move { Ok(is_free) })
    });
    let pool = pool.idle_timeout(None).max_lifetime(None).connect_with(writer_options(path));
    pool.await.map_err(|error| unusable(path, error))
}

/// The file that a URL or a path names, from the root on: a name that began with `file:` would be a URL to SQLite.
fn path_of(url_or_path: &str) -> Result<PathBuf, OpenError> {
    let refuse = |why: &str| OpenError::Url { form: URL_FORM, source: why.into() };
    let name = url_or_path.strip_prefix("sqlite:").unwrap_or(url_or_path);
    let name = name.strip_prefix("//").filter(|_| name.len() < url_or_path.len()).unwrap_or(name);
    if name.is_empty() || name.contains(":memory:") {
        return Err(refuse("spans are kept in a file, and it names none"));
    }
    if name.len() < url_or_path.len() && name.contains('?') {
        return Err(refuse("parameters are not known"));
    }
    std::path::absolute(name).map_err(|error| OpenError::Url { form: URL_FORM, source: error.into() })
}

/// Takes the lock, on a file of its own: SQLite's own locks on the database come and go.
fn lock(path: &Path) -> Result<Lock, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |error: std::io::Error| OpenError::File {
        place: shown(path),
        reason: format!("can not be locked, which takes a file beside it: {error}"),
        source: error.into(),
    };
    let file = File::options().create(true).truncate(false).write(true).open(name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { place: shown(path) }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Applies what is missing; to a file of a newer version, nothing.
async fn apply(writer: &SqlitePool) -> Result<MigrationReport, MigrateError> {
    let migrator = migrator();
    let before = versions(&migrator, writer).await?;
    migrator.run(writer).await?;
    let applied = migrator.iter().filter(|migration| !before.contains(&migration.version));
    let applied: Vec<_> = applied.map(|migration| (migration.version, migration.description.to_string())).collect();
    for (version, description) in &applied {
        info!(version, description, "applied a migration");
    }
    Ok(MigrationReport { applied, version: version_known() })
}

fn migrator() -> Migrator {
    let migration = |(version, description, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.map(migration).to_vec())
}

/// The versions that the file has, in their order.
async fn versions(migrator: &Migrator, writer: &SqlitePool) -> Result<Vec<i64>, MigrateError> {
    let mut connection = writer.acquire().await?;
    connection.ensure_migrations_table(&migrator.table_name).await?;
    let applied = connection.list_applied_migrations(&migrator.table_name).await?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}

/// The newest schema version that this binary knows.
fn version_known() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or_default()
}

fn meaning(path: &Path, error: MigrateError) -> OpenError {
    let known = version_known();
    match error {
        MigrateError::VersionMissing(found) if found > known => OpenError::SchemaNewer { found, known },
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => {
            OpenError::SchemaForeign { version }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => unusable(path, error),
        other => OpenError::Failed(other.into()),
    }
}

fn unusable(path: &Path, error: Error) -> OpenError {
    OpenError::File { place: shown(path), reason: open_reason(&error), source: error.into() }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What both kinds of connection have in common. A commit is on the disk before it is answered: that is `full`.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // On macOS a plain fsync stops short of the disk; elsewhere this says nothing.
        .pragma("fullfsync", "on")
        .foreign_keys(false)
        .busy_timeout(WAIT_MAX)
        .pragma("temp_store", "memory")
        .pragma("mmap_size", MMAP_BYTES)
        .disable_statement_logging()
}

pub(super) fn writer_options(path: &Path) -> SqliteConnectOptions {
    options(path)
        .create_if_missing(true)
        .pragma("cache_size", WRITER_CACHE_KIB)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_BYTES_MAX)
}

pub(super) fn reader_options(path: &Path) -> SqliteConnectOptions {
    options(path).pragma("cache_size", READER_CACHE_KIB).pragma("query_only", "on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_in_the_folder_is_applied() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let known = MIGRATIONS.map(|(version, description, _)| format!("{version:04}_{description}.sql"));
        assert_eq!(files, known);
    }

    #[test]
    fn urls_and_paths_name_a_file() {
        for (name, path) in [
            ("sqlite:/a/b.db", "/a/b.db"),
            ("sqlite:///a/b.db", "/a/b.db"),
            ("/a/b.db", "/a/b.db"),
            ("/a/b?c.db", "/a/b?c.db"),
            ("//a/b.db", "/a/b.db"),
        ] {
            assert_eq!(path_of(name).unwrap(), Path::new(path), "{name}");
        }
        let here = std::env::current_dir().unwrap();
        for name in ["sqlite:a.db", "sqlite://a.db", "a.db"] {
            assert_eq!(path_of(name).unwrap(), here.join("a.db"), "{name}");
        }
        for name in ["", "sqlite:", "sqlite://", "sqlite::memory:", ":memory:", "sqlite:a.db?mode=ro"] {
            let error = path_of(name).unwrap_err();
            assert!(error.to_string().contains(URL_FORM), "{name}: {error}");
        }
    }
}
