//! The ledger: what became of every span that came in, by service. For each service, and for all together,
//!
//! > received = stored + recognised + rejected
//!
//! A span is entered when it is known what became of it, its request's entries all at once: whoever reads the ledger
//! finds it balanced. A span whose sender was told to come again is none of these, it is refused; it comes again.
//!
//! Who knows what became of a span is not known here; that is `ingest/`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// So many services have a label of their own, the first ones of a process; all others share [`SERVICES_OTHER`].
pub const SERVICES_MAX: usize = 256;

/// The label of the services over [`SERVICES_MAX`].
pub const SERVICES_OTHER: &str = "(other)";

/// So many bytes of a service's name are its label. Services that begin with the same ones share it.
pub const SERVICE_BYTES_MAX: usize = 128;

/// What is said of some spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// They came in, and it is known what became of them.
    Received,
    /// They were committed.
    Stored,
    /// Their request was committed before.
    Recognised,
    /// They never will be stored, for this reason.
    Rejected(&'static str),
    /// They are to come again, for this reason.
    Refused(&'static str),
}

/// The accounts of all services.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Mutex<Accounts>,
}

type Accounts = BTreeMap<String, Account>;

/// What became of one service's spans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Account {
    received: u64,
    stored: u64,
    recognised: u64,
    rejected: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
}

/// The ledger, open for the entries of one request: nobody reads it until this is dropped.
#[derive(Debug)]
pub struct OpenLedger<'a> {
    accounts: MutexGuard<'a, Accounts>,
}

impl Ledger {
    pub(super) fn open(&self) -> OpenLedger<'_> {
        OpenLedger { accounts: self.accounts.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl OpenLedger<'_> {
    /// Enters so many spans of a service.
    pub fn enter(&mut self, service: &str, entry: Entry, spans: u64) {
        let label = service.get(..service.floor_char_boundary(SERVICE_BYTES_MAX)).unwrap_or(service);
        match self.accounts.get_mut(label) {
            Some(account) => account.add(entry, spans),
            None => self.new_account(label).add(entry, spans),
        }
    }

    fn new_account(&mut self, label: &str) -> &mut Account {
        let label = if self.accounts.len() < SERVICES_MAX { label } else { SERVICES_OTHER };
        self.accounts.entry(label.to_owned()).or_default()
    }
}

impl Account {
    fn add(&mut self, entry: Entry, spans: u64) {
        let count = match entry {
            Entry::Received => &mut self.received,
            Entry::Stored => &mut self.stored,
            Entry::Recognised => &mut self.recognised,
            Entry::Rejected(reason) => self.rejected.entry(reason).or_default(),
            Entry::Refused(reason) => self.refused.entry(reason).or_default(),
        };
        *count = count.saturating_add(spans);
    }
}

impl Collector for Ledger {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // A copy: who reads slowly must not keep others from counting.
        let accounts = self.open().accounts.clone();
        let mut family = |name, help, write: &dyn Fn(&str, &Account, &mut MetricEncoder<'_>) -> fmt::Result| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            accounts.iter().try_for_each(|(service, account)| write(service, account, &mut metric))
        };
        let help = "Spans that came in and were stored, recognised or rejected";
        family("spans_received", help, &|service, account, metric| plain(service, account.received, metric))?;
        family("spans_stored", "Spans in committed requests", &|service, account, metric| {
            plain(service, account.stored, metric)
        })?;
        let help = "Spans of requests that were stored before and were sent again";
        family("spans_recognised", help, &|service, account, metric| plain(service, account.recognised, metric))?;
        family("spans_rejected", "Spans that can not be stored, by reason", &|service, account, metric| {
            by_reason(service, &account.rejected, metric)
        })?;
        family("spans_refused", "Spans that were told to come again, by reason", &|service, account, metric| {
            by_reason(service, &account.refused, metric)
        })
    }
}

fn plain(service: &str, count: u64, metric: &mut MetricEncoder<'_>) -> fmt::Result {
    metric.encode_family(&[("service", service)])?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}

fn by_reason(service: &str, counts: &BTreeMap<&'static str, u64>, metric: &mut MetricEncoder<'_>) -> fmt::Result {
    counts.iter().try_for_each(|(reason, count)| {
        let labels = [("service", service), ("reason", *reason)];
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)
    })
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn text(ledger: Ledger) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(ledger));
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn every_entry_has_its_counter() {
        let ledger = Ledger::default();
        for (entry, spans) in [
            (Entry::Received, 60),
            (Entry::Stored, 1),
            (Entry::Recognised, 2),
            (Entry::Rejected("a"), 3),
            (Entry::Rejected("b"), 4),
            (Entry::Refused("c"), 5),
            (Entry::Refused("c"), 6),
        ] {
            ledger.open().enter("shop \"1\"", entry, spans);
        }
        let text = text(ledger);
        for line in [
            r#"spans_received_total{service="shop \"1\""} 60"#,
            r#"spans_stored_total{service="shop \"1\""} 1"#,
            r#"spans_recognised_total{service="shop \"1\""} 2"#,
            r#"spans_rejected_total{service="shop \"1\"",reason="a"} 3"#,
            r#"spans_rejected_total{service="shop \"1\"",reason="b"} 4"#,
            r#"spans_refused_total{service="shop \"1\"",reason="c"} 11"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    /// Labels are few and short, whatever senders call themselves, and a service never changes its label.
    #[test]
    fn labels_are_bounded() {
        let ledger = Ledger::default();
        let long = "é".repeat(SERVICE_BYTES_MAX);
        for _ in 0..2 {
            for number in 0..SERVICES_MAX + 10 {
                let service = if number == 0 { long.clone() } else { format!("shop {number}") };
                ledger.open().enter(&service, Entry::Received, 1);
            }
        }
        let accounts = ledger.open().accounts.clone();
        assert_eq!(accounts.len(), SERVICES_MAX + 1);
        assert_eq!(accounts[SERVICES_OTHER].received, 20);
        assert_eq!(accounts["é".repeat(SERVICE_BYTES_MAX / 2).as_str()].received, 2);
        assert!(accounts.values().all(|account| matches!(account.received, 2 | 20)));
    }
}
