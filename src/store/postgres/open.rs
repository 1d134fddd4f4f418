//! Opening: wait until the database is there, bring it to our schema, and say in a sentence what stands in the way.

use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Error, PgConnection, SqlSafeStr};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::error::{code, is_hang_up};
use crate::store::open::{MigrationReport, OpenError};

const URL_FORM: &str = "postgres://user:password@host:5432/database";
const SERVER_VERSION_MIN: u32 = 150_000;
const APPLICATION_NAME: &str = "tracewell";
/// How long one attempt to connect may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(5);
/// How long to wait between two attempts.
const ATTEMPT_EVERY: Duration = Duration::from_secs(1);

/// Version, description and statements of each migration, oldest first. One that was released never changes.
const MIGRATIONS: [(i64, &str, &str); 9] = [
    (1, "spans", include_str!("../../../migrations/postgres/0001_spans.sql")),
    (2, "receipts", include_str!("../../../migrations/postgres/0002_receipts.sql")),
    (3, "steps", include_str!("../../../migrations/postgres/0003_steps.sql")),
    (4, "blocks", include_str!("../../../migrations/postgres/0004_blocks.sql")),
    (5, "derived", include_str!("../../../migrations/postgres/0005_derived.sql")),
    (6, "views", include_str!("../../../migrations/postgres/0006_views.sql")),
    (7, "retention", include_str!("../../../migrations/postgres/0007_retention.sql")),
    (8, "red_between", include_str!("../../../migrations/postgres/0008_red_between.sql")),
    (9, "calls", include_str!("../../../migrations/postgres/0009_calls.sql")),
];

/// Why an attempt failed.
enum Failure {
    /// Waiting may mend it.
    Passing(Error),
    /// It will not.
    Lasting(OpenError),
}

/// Reads a URL. What it leaves open comes from the environment, as libpq has it.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, OpenError> {
    let wrong = |source| OpenError::Url { form: URL_FORM, source };
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(wrong("it does not begin with postgres://".into()));
    }
    let options: PgConnectOptions = url.parse().map_err(|error: Error| wrong(error.into()))?;
    let is_named = options.get_application_name().is_some();
    Ok(if is_named { options } else { options.application_name(APPLICATION_NAME) })
}

/// Waits for the database and migrates it. Several processes may do so at once: all but one wait at a lock, and then
/// find nothing to do.
pub(super) async fn prepare(options: &PgConnectOptions, wait_max: Duration) -> Result<MigrationReport, OpenError> {
    let begin = Instant::now();
    loop {
        let error = match attempt(options).await {
            Ok(report) => return Ok(report),
            Err(Failure::Lasting(error)) => return Err(error),
            Err(Failure::Passing(error)) => error,
        };
        let waited = begin.elapsed();
        if waited.saturating_add(ATTEMPT_EVERY) > wait_max {
            return Err(OpenError::Unreachable { place: place(options), waited, source: error.into() });
        }
        warn!(database = place(options), waited_s = waited.as_secs(), %error, "waiting for the database");
        sleep(ATTEMPT_EVERY).await;
    }
}

fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Server and database. Without a name in the URL, PostgreSQL takes the database that is called like the user.
pub(super) fn place_of_database(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    format!("postgres://{}/{database}", place(options))
}

async fn attempt(options: &PgConnectOptions) -> Result<MigrationReport, Failure> {
    let connecting = timeout(ATTEMPT_MAX, PgConnection::connect_with(options)).await;
    let connected = connecting.unwrap_or_else(|elapsed| Err(Error::Io(elapsed.into())));
    let mut connection = connected.map_err(|error| judge(error, options))?;
    check_server(&mut connection, options).await?;
    let report = migrate(&mut connection).await.map_err(|error| judge_migration(error, options))?;
    // The server may be gone by now, and we are done with it.
    let _ = connection.close().await;
    Ok(report)
}

async fn check_server(connection: &mut PgConnection, options: &PgConnectOptions) -> Result<(), Failure> {
    let version = connection.server_version_num().unwrap_or_default();
    if version < SERVER_VERSION_MIN {
        let found = version.checked_div(10_000).unwrap_or_default().to_string();
        return Err(Failure::Lasting(OpenError::ServerTooOld { found, needed: "15" }));
    }
    let query = sqlx::query_scalar("select current_setting('server_encoding')");
    let encoding: String = query.fetch_one(connection).await.map_err(|error| judge(error, options))?;
    match encoding.as_str() {
        // SQL_ASCII, which a cluster without a locale has, keeps the bytes of our UTF-8 as they are.
        "UTF8" | "SQL_ASCII" => Ok(()),
        _ => Err(Failure::Lasting(OpenError::Encoding { encoding })),
    }
}

/// The lock is taken here as well (it counts how often), so that what is reported is what this call did.
async fn migrate(connection: &mut PgConnection) -> Result<MigrationReport, MigrateError> {
    let migrator = migrator();
    connection.lock().await?;
    connection.ensure_migrations_table(&migrator.table_name).await?;
    let before = connection.list_applied_migrations(&migrator.table_name).await?;
    migrator.run_direct(None, connection, false).await?;
    connection.unlock().await?;
    let is_new = |migration: &&Migration| !before.iter().any(|applied| applied.version == migration.version);
    let applied: Vec<_> = migrator
        .iter()
        .filter(is_new)
        .map(|migration| (migration.version, migration.description.to_string()))
        .collect();
    for (version, description) in &applied {
        info!(version, description, "applied a migration");
    }
    Ok(MigrationReport { applied, version: version_known() })
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|(version, description, sql)| {
        Migration::new(*version, (*description).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// The newest schema version that this binary knows.
fn version_known() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or_default()
}

fn judge(error: Error, options: &PgConnectOptions) -> Failure {
    let user = || options.get_username().to_owned();
    let code = match &error {
        Error::Database(database) => code(&**database).into_owned(),
        Error::Io(_) => return Failure::Passing(error),
        _ if is_hang_up(&error) => return Failure::Passing(error),
        _ => return Failure::Lasting(OpenError::Failed(error.into())),
    };
    match code.as_bytes() {
        // Starting up, stopping, out of connections, or cut off.
        [b'5', b'7', b'P', ..] | [b'5', b'3', ..] | [b'0', b'8', ..] => Failure::Passing(error),
        [b'2', b'8', ..] => Failure::Lasting(OpenError::Login { user: user(), source: error.into() }),
        b"3D000" => Failure::Lasting(OpenError::Missing {
            name: options.get_database().unwrap_or(options.get_username()).to_owned(),
            source: error.into(),
        }),
        b"42501" => Failure::Lasting(OpenError::Permission { user: user(), source: error.into() }),
        _ => Failure::Lasting(OpenError::Failed(error.into())),
    }
}

fn judge_migration(error: MigrateError, options: &PgConnectOptions) -> Failure {
    let known = version_known();
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => judge(error, options),
        MigrateError::VersionMissing(found) if found > known => {
            Failure::Lasting(OpenError::SchemaNewer { found, known })
        }
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => {
            Failure::Lasting(OpenError::SchemaForeign { version })
        }
        other => Failure::Lasting(OpenError::Failed(other.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_in_the_folder_is_applied() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let known = MIGRATIONS.map(|(version, description, _)| format!("{version:04}_{description}.sql"));
        assert_eq!(files, known);
    }

    #[test]
    fn a_url_that_can_not_be_read_is_told_without_its_password() {
        for url in
            ["postgres://u:secret@h:port/d", "mysql://u:secret@h/d", "u:secret@h", "postgres://u:secret@h/?sslmode=x"]
        {
            let error = parse(url).unwrap_err();
            let mut told = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                told += &cause.to_string();
                source = cause.source();
            }
            assert!(!told.contains("secret"), "{told}");
            assert!(told.contains("postgres://user:password@host"), "{told}");
        }
    }
}
