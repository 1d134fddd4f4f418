//! Settings of `serve` for what it does with spans in time: compaction and retention. What they mean is with the things
//! themselves: [`crate::store::CompactionSettings`], [`crate::store::RetentionSettings`].

use clap::{Args, ValueEnum};

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// By this process too
    On,
    /// Not by this process
    Off,
}

/// How what arrived becomes history (PostgreSQL only; SQLite keeps one tier).
#[derive(Debug, Clone, Args)]
pub struct CompactionArgs {
    /// Whether this process makes history of what arrived earlier, in PostgreSQL. One process at a time does; somebody
    /// must, or the database grows five times as fast
    #[arg(long, env = "TRACEWELL_COMPACTION", value_enum, default_value_t = Switch::On)]
    pub compaction: Switch,
    /// Spans arrive in steps, which are made history as a whole. A step is closed when it is as old as this, in seconds
    #[arg(long, env = "TRACEWELL_STEP_AGE_SECONDS_MAX", default_value_t = 300, value_parser = step_age)]
    pub step_age_seconds_max: u64,
    /// or when it has so many bytes
    #[arg(long, env = "TRACEWELL_STEP_BYTES_MAX", default_value_t = 256 * super::MIB as u64, value_parser = step_bytes)]
    pub step_bytes_max: u64,
    /// Share of its time that compaction works while one step waits, in percent; it rests for the remainder. With two
    /// steps it works twice as much, and so on, so that it keeps up
    #[arg(long, env = "TRACEWELL_COMPACTION_SHARE_PERCENT", default_value_t = 25, value_parser = percent)]
    pub compaction_share_percent: u8,
}

/// What goes, and when.
#[derive(Debug, Clone, Args)]
pub struct RetentionArgs {
    /// How many days spans are kept: a span is removed with the day (UTC) on which it began; one that began longer ago
    /// already when it arrived, or days in the future, with the day on which it arrived. 0 keeps them for ever
    #[arg(long, env = "TRACEWELL_RETENTION_AGE_DAYS", default_value_t = 14, value_parser = age_days)]
    pub retention_age_days: u32,
    /// Most bytes that all spans may take on disk, in tables and indexes; beyond, the oldest are removed, but none that
    /// began today. 0 sets no limit
    #[arg(long, env = "TRACEWELL_RETENTION_BYTES_MAX", default_value_t = 0)]
    pub retention_bytes_max: u64,
}

fn age_days(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number <= 36_500);
    number.ok_or_else(|| "must be a whole number of days from 0 to 36500".to_owned())
}

fn step_age(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=86_400).contains(number));
    number.ok_or_else(|| "must be a whole number of seconds from 1 to 86400".to_owned())
}

fn step_bytes(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "must be a whole number of bytes from 1".to_owned())
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.parse().ok().filter(|number| (1..=100).contains(number));
    number.ok_or_else(|| "must be a whole number from 1 to 100".to_owned())
}
