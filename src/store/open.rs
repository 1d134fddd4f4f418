//! What can go wrong while a database is opened, in words for whoever starts the server, and what a migration did.

use std::fmt;
use std::time::Duration;

use super::BoxError;

/// Why a database can not be used. Each is one sentence: what is wrong, and what to do. None contains the URL, which
/// may hold a password; details of the database are in the source.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL can not be read.
    #[error("the database URL can not be used: write it as {form}")]
    Url {
        /// What it should look like.
        form: &'static str,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// Nothing answered for as long as we were told to wait.
    #[error("no database answers at {place} after {} s: start it, or correct the database URL", waited.as_secs())]
    Unreachable {
        /// Host and port, or the file.
        place: String,
        /// How long we waited.
        waited: Duration,
        /// What the last attempt said.
        #[source]
        source: BoxError,
    },
    /// The database does not let us in.
    #[error("the database does not let user {user} in: correct user name and password in the database URL")]
    Login {
        /// Who asked.
        user: String,
        /// What the database said.
        #[source]
        source: BoxError,
    },
    /// There is no such database.
    #[error("there is no database {name}: create it, or correct the database URL")]
    Missing {
        /// The database that was asked for.
        name: String,
        /// What the database said.
        #[source]
        source: BoxError,
    },
    /// The server is of a version that we do not know how to use.
    #[error("the database server is version {found}, too old for tracewell: upgrade it to version {needed} or later")]
    ServerTooOld {
        /// Its version.
        found: String,
        /// The oldest one that will do.
        needed: &'static str,
    },
    /// The database holds its texts in an encoding that not every text fits.
    #[error("the database has the encoding {encoding}, which can not hold every text: create one with encoding UTF8")]
    Encoding {
        /// Its encoding.
        encoding: String,
    },
    /// A newer tracewell has been here.
    #[error("the database has schema version {found}, this tracewell knows {known} at most: start a newer tracewell")]
    SchemaNewer {
        /// The newest version in the database.
        found: i64,
        /// The newest version of this binary.
        known: i64,
    },
    /// The schema was made by something else than our migrations.
    #[error("schema version {version} of the database is not tracewell's: use another database or schema")]
    SchemaForeign {
        /// The version that differs.
        version: i64,
    },
    /// We may not change the schema.
    #[error("user {user} may not change the schema: grant it create on schema and database, or migrate as its owner")]
    Permission {
        /// Who tried.
        user: String,
        /// What the database said.
        #[source]
        source: BoxError,
    },
    /// Another process has the file.
    #[error("{place} is in use by another tracewell: stop that one, or give this one a file of its own")]
    InUse {
        /// The file.
        place: String,
    },
    /// The file can not be used.
    #[error("{place} {reason}")]
    File {
        /// The file.
        place: String,
        /// What is wrong with it.
        reason: String,
        /// What SQLite or the operating system said.
        #[source]
        source: BoxError,
    },
    /// Anything else.
    #[error("the database can not be opened: see the cause")]
    Failed(#[source] BoxError),
}

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// The migrations that were applied now, oldest first: version and description.
    pub applied: Vec<(i64, String)>,
    /// The schema's version now.
    pub version: i64,
}

impl fmt::Display for MigrationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (version, description) in &self.applied {
            writeln!(f, "applied {version}: {description}")?;
        }
        write!(f, "the schema is at version {}", self.version)
    }
}
