//! The ledger under everything at once: whatever senders do and the database says, no span goes missing in the metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, block_in_place, yield_now};
use tracewell::otlp::decode::MESSAGE_DEPTH_MAX;

use super::{A_WHILE, random, rounds};
use crate::support::ledger::Ledger;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;
use crate::support::random::Random;
use crate::support::sender::{Door, Doors, Heard, Request, Sender};

const SENDERS: u64 = 6;
/// Fewer than there are senders, so that some meet a full queue.
const QUEUE_REQUESTS_MAX: &str = "4";
const SERVICES: u64 = 4;
/// Requests of one sender, for each round.
const REQUESTS: u64 = 6;

/// The database refuses a span called "unfit" for good, and two times out of three it has no room for one called "large".
const TRIGGER: &str = "
    create sequence attempt;
    create function judge() returns trigger language plpgsql as $$ begin
        if new.name = 'unfit' then
            raise exception using errcode = '22023', message = 'as the test says';
        elsif nextval('attempt') % 3 <> 0 then
            raise exception using errcode = '53100', message = 'as the test says';
        end if;
        return new;
    end $$;
    create trigger judge before insert on span_row
        for each row when (new.name in ('unfit', 'large')) execute function judge();";

/// Scenario: senders send good and bad spans of several services, send again what was acknowledged, hang up, meet a full
/// queue, a database without room and one that refuses for good. Guarantee: at any moment, for every service, what was
/// received is what was stored, recognised or rejected; at the end the database holds as many spans of each service as
/// were counted, which is as many as there were; and every rejected span was counted by its reason.
#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_balances_whatever_happens() {
    let database = TestDatabase::create().await;
    let settings = ["--writer-connections-max", "2", "--queue-requests-max", QUEUE_REQUESTS_MAX];
    let server = block_in_place(|| Server::start_with(&database.url(), &settings));
    let mut reader = database.connect().await;
    reader.execute(AssertSqlSafe(TRIGGER)).await.unwrap();
    let (doors, mut chance) = (Doors::of(&server), random());
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        senders.spawn(send_all(doors, Random::from_seed(chance.number()), rounds(5) * REQUESTS));
    }
    let mut sent = Sent::default();
    while let Some(done) = tokio::time::timeout(A_WHILE, senders.join_next()).await.expect("a sender does not finish") {
        sent.add(done.unwrap());
        Ledger::read(&server);
    }
    let ledger = Ledger::read(&server);
    assert_eq!(ledger.by_service("stored"), sent.stored);
    assert_eq!(stored_rows(&mut reader).await, sent.stored);
    assert_eq!(ledger.by_reason("rejected", "trace_id"), sent.without_id);
    assert_eq!(ledger.by_reason("rejected", "depth"), sent.too_deep);
    assert_eq!(ledger.by_reason("rejected", "database_refused"), sent.unfit);
    // What was sent again after an OK; what hung up may have been stored at the first time, too.
    for (service, count) in &sent.again {
        assert!(ledger.by_service("recognised")[service] >= *count, "{service}: {count} of\n{ledger:#?}");
    }
    assert!(!ledger.by_reason("refused", "database_busy").is_empty(), "the database was never busy: {ledger:#?}");
    assert!(!sent.again.is_empty() && !sent.unfit.is_empty(), "{sent:?}");
}

async fn stored_rows(connection: &mut PgConnection) -> BTreeMap<String, u64> {
    let query = sqlx::query_as("select service, count(*) from span group by service");
    let rows: Vec<(String, i64)> = query.fetch_all(connection).await.unwrap();
    rows.into_iter().map(|(service, count)| (service, count.unsigned_abs())).collect()
}

type ByService = BTreeMap<String, u64>;

/// What must be in the ledger at the end, in spans.
#[derive(Debug, Default)]
struct Sent {
    stored: ByService,
    /// Acknowledged, sent again, acknowledged again.
    again: ByService,
    without_id: ByService,
    too_deep: ByService,
    unfit: ByService,
}

impl Sent {
    fn add(&mut self, other: Self) {
        let Self { stored, again, without_id, too_deep, unfit } = other;
        let pairs = [
            (&mut self.stored, stored),
            (&mut self.again, again),
            (&mut self.without_id, without_id),
            (&mut self.too_deep, too_deep),
            (&mut self.unfit, unfit),
        ];
        for (sum, counts) in pairs {
            merge(sum, &counts);
        }
    }
}

fn merge(sum: &mut ByService, counts: &ByService) {
    for (service, count) in counts {
        *sum.entry(service.clone()).or_default() += count;
    }
}

/// A request, and what there is in it.
struct Mixture {
    request: Request,
    good: ByService,
    without_id: ByService,
    too_deep: ByService,
}

/// One sender's requests, one after the other.
async fn send_all(doors: Doors, mut random: Random, requests: u64) -> Sent {
    let (mut sender, mut sent, mut earlier) = (Sender::new(), Sent::default(), Vec::<Mixture>::new());
    for _ in 0..requests {
        let door = if random.below(2) == 0 { Door::Grpc } else { Door::Http };
        match random.below(8) {
            0 if !earlier.is_empty() => {
                let at = usize::try_from(random.below(earlier.len() as u64)).unwrap();
                deliver(&mut sender, doors, door, &earlier[at].request).await;
                merge(&mut sent.again, &earlier[at].good);
                merge(&mut sent.without_id, &earlier[at].without_id);
                merge(&mut sent.too_deep, &earlier[at].too_deep);
            }
            1 => {
                let mixture = mixture(&mut random, "unfit", true);
                let heard = until_not_busy(&mut sender, doors, door, &mixture.request).await;
                assert!(matches!(heard, Heard::Refused(..)), "{heard:?}");
                merge(&mut sent.unfit, &mixture.good);
                merge(&mut sent.without_id, &mixture.without_id);
                merge(&mut sent.too_deep, &mixture.too_deep);
            }
            kind => {
                let hangs_up = kind == 2;
                let name = if kind == 3 { "large" } else { "get" };
                let mixture = mixture(&mut random, name, !hangs_up);
                if hangs_up {
                    hang_up(doors, &mut random, &mixture.request).await;
                }
                deliver(&mut sender, doors, door, &mixture.request).await;
                merge(&mut sent.stored, &mixture.good);
                merge(&mut sent.without_id, &mixture.without_id);
                merge(&mut sent.too_deep, &mixture.too_deep);
                earlier.push(mixture);
            }
        }
    }
    sent
}

/// Sends it until it is acknowledged.
async fn deliver(sender: &mut Sender, doors: Doors, door: Door, request: &Request) {
    assert_eq!(until_not_busy(sender, doors, door, request).await, Heard::Stored);
}

async fn until_not_busy(sender: &mut Sender, doors: Doors, door: Door, request: &Request) -> Heard {
    loop {
        let heard = sender.send(doors, door, request).await;
        if !heard.is_busy() {
            return heard;
        }
        yield_now().await;
    }
}

/// Sends all of it, or the first part, and does not wait for an answer.
async fn hang_up(doors: Doors, random: &mut Random, request: &Request) {
    let body = request.bytes();
    let mut stream = TcpStream::connect(doors.http).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-protobuf";
    stream.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes()).await.unwrap();
    let length = if random.below(2) == 0 { body.len() } else { body.len() / 2 };
    stream.write_all(&body[..length]).await.unwrap();
}

/// A request of one to three services, whose first good span has this name. Each service has good spans; if bad ones are
/// wanted, some have spans without a trace id, and one comes with a resource that can not be read.
fn mixture(random: &mut Random, name: &str, with_bad: bool) -> Mixture {
    let (mut good, mut without_id, mut too_deep) = (ByService::new(), ByService::new(), ByService::new());
    let mut resource_spans = Vec::new();
    for number in 0..=random.below(3) {
        let service = format!("shop {}", random.below(SERVICES));
        let (many, bad) = (1 + random.below(4), if with_bad { random.below(3) } else { 0 });
        let mut spans: Vec<_> = (0..many).map(|_| span("get")).collect();
        if number == 0 {
            name.clone_into(&mut spans[0].name);
        }
        spans.extend((0..bad).map(|_| Span { trace_id: vec![0; 16], ..span("bad") }));
        resource_spans.push(group(vec![attribute("service.name", text(&service))], spans));
        *good.entry(service.clone()).or_default() += many;
        if bad > 0 {
            *without_id.entry(service).or_default() += bad;
        }
    }
    if with_bad && random.below(3) == 0 {
        let spans = vec![span("get"); 2];
        too_deep.insert("unknown_service".to_owned(), 2);
        let attributes = vec![attribute("service.name", text("lost")), attribute("deep", nested())];
        resource_spans.push(group(attributes, spans));
    }
    let rejected = without_id.values().chain(too_deep.values()).sum();
    let request = Request::of_message(ExportTraceServiceRequest { resource_spans }, rejected);
    Mixture { request, good, without_id, too_deep }
}

/// A span that no other is a copy of.
fn span(name: &str) -> Span {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    Span {
        trace_id: u128::from(number).to_be_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        name: name.to_owned(),
        start_time_unix_nano: number,
        end_time_unix_nano: number,
        ..Span::default()
    }
}

fn group(attributes: Vec<KeyValue>, spans: Vec<Span>) -> ResourceSpans {
    let resource = Some(Resource { attributes, ..Resource::default() });
    ResourceSpans {
        resource,
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }
}

fn text(text: &str) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) }
}

/// A value deeper than any that is kept.
fn nested() -> AnyValue {
    let array = |value| AnyValue { value: Some(any_value::Value::ArrayValue(ArrayValue { values: vec![value] })) };
    (0..MESSAGE_DEPTH_MAX).fold(text("deep"), |value, _| array(value))
}
