//! A block of the history is damaged, and a server is asked what is in it, again and again. The store's own answers are
//! tested in `tests/store/corrupt.rs`; here is what people hear of it.

use sqlx::AssertSqlSafe;
use tokio::task::block_in_place;
use tonic::transport::Endpoint;
use tracewell::server::generated::tracewell_v1::GetTraceRequest;
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;

use super::{gauge, open};
use crate::support::database::AT_ONCE;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;
use crate::support::sender::{Door, Doors, Heard, Request, Sender};

const REPORT: &str = "a block of the history can not be read and is left out";
const QUESTIONS: i64 = 5;

/// Scenario: of a trace's two blocks one is damaged, and the trace is asked for some times. Guarantee: each answer has the
/// spans of the other block; the damaged one is in the log once, with its id, its hour and its service, and counted each
/// time.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_is_told_once_and_counted_each_time() {
    let database = TestDatabase::create().await;
    let server = block_in_place(|| Server::start_with(&database.url(), &["--compaction", "off"]));
    let (cart, mut shop) = (Request::numbered(1, 0), Request::numbered(2, 0));
    for span in &mut shop.spans {
        span.trace_id = cart.spans[0].trace_id;
    }
    let (mut sender, shop) = (Sender::new(), Request::of(shop.spans));
    for request in [&cart, &shop] {
        assert_eq!(sender.send(Doors::of(&server), Door::Http, request).await, Heard::Stored);
    }
    let store = open(&database.url()).await;
    store.compact(&AT_ONCE).await.unwrap();
    store.close().await;
    let damage = "with damaged as (
            update span_block set trace_checks[1] = trace_checks[1] + 1, attribute_values = attribute_values || 'x'
            where service_id = (select service_id from service where name = 'shop 1')
            returning block_id, hour)
        select block_id, to_char(hour at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"') from damaged";
    let mut connection = database.connect().await;
    let (block_id, hour): (i64, String) =
        sqlx::query_as(AssertSqlSafe(damage)).fetch_one(&mut connection).await.unwrap();

    let channel = Endpoint::from_shared(format!("http://{}", server.grpc)).unwrap().connect_lazy();
    let mut client = TraceQueryClient::new(channel);
    for _ in 0..QUESTIONS {
        let request = GetTraceRequest { trace_id: shop.spans[0].trace_id.to_string() };
        let mut answer = client.get_trace(request).await.unwrap().into_inner();
        let mut shown = 0;
        while let Some(part) = answer.message().await.unwrap() {
            shown += part.spans.len();
        }
        assert_eq!(shown, shop.spans.len());
    }
    assert_eq!(gauge(&server, "tracewell_history_blocks_corrupt_total"), QUESTIONS);
    let told: Vec<_> = block_in_place(|| log_of(server)).into_iter().filter(|line| line.contains(REPORT)).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    for part in
        [format!("\"block_id\":{block_id}"), format!("\"hour\":\"{hour}\""), "\"service\":\"shop 1\"".to_owned()]
    {
        assert!(told[0].contains(&part), "{part} is not in {}", told[0]);
    }
}

/// Stops the server and gives all that it said.
fn log_of(mut server: Server) -> Vec<String> {
    server.terminate();
    let mut lines = Vec::new();
    while let Some(line) = server.next_line() {
        lines.push(line);
    }
    lines
}
