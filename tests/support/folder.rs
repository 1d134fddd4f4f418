//! A folder that belongs to one test and goes with it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, process};

/// An empty folder. Dropping it deletes it with all that is in it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes it, in the place that Cargo has for such things.
    pub(crate) fn create() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("test-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The URL of an SQLite file in it.
    pub(crate) fn sqlite_url(&self) -> String {
        format!("sqlite:{}", self.0.join("tracewell.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
