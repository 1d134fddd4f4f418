//! A directory of a test's own, gone with it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes the names of one process's directories differ.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// An empty directory that is removed when this is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn create() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tracewell-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The path of a file in it, as a text.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind lies in the directory for what may be left behind.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
