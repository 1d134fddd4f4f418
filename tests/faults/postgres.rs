//! PostgreSQL goes away under load and comes back. tracewell is never restarted.

use std::net::SocketAddr;

use tokio::task::block_in_place;
use tokio::time::timeout;
use tonic::transport::Endpoint;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::{A_WHILE, assert_shows};
use crate::support::cluster::{Cluster, Stop};
use crate::support::http::get;
use crate::support::ledger::Ledger;
use crate::support::load::Load;
use crate::support::process::Server;
use crate::support::sender::Doors;

const SENDERS: u64 = 6;
/// So many requests are acknowledged before the database goes, and after it has come back.
const STORED: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_loses_and_doubles_nothing() {
    check(Stop::Fast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_and_doubles_nothing() {
    check(Stop::Immediate).await;
}

/// Scenario: the database ends while requests are being committed, stays away until everybody has noticed, and starts
/// again. Guarantee: meanwhile requests are refused with the time to come again and the server says that it is not
/// ready, on both ways to ask; then it is again, by itself, and the three statements hold. The ledger balances.
async fn check(how: Stop) {
    let cluster = block_in_place(Cluster::create);
    let server = block_in_place(|| Server::start(&cluster.url()));
    let mut health = Health::watch(server.grpc).await;
    health.becomes(ServingStatus::Serving).await;
    let load = Load::start(SENDERS, Doors::of(&server));
    load.until("the first requests", |progress| progress.stored >= STORED).await;

    block_in_place(|| cluster.stop(how));
    let stored = load.progress().stored;
    // Those that were under way when it ended, and then those that found nobody there.
    load.until("refusals", |progress| progress.busy >= 2 * SENDERS).await;
    health.becomes(ServingStatus::NotServing).await;
    assert_eq!(ready(&server), (503, "the database does not answer\n".to_owned()));
    let progress = load.progress();
    assert!(progress.stored <= stored + SENDERS, "something was stored nowhere: {progress:?}");

    block_in_place(|| cluster.start());
    let stored = progress.stored + STORED;
    load.until("the database again", |progress| progress.stored >= stored).await;
    health.becomes(ServingStatus::Serving).await;
    assert_eq!(ready(&server), (200, "ready\n".to_owned()));
    let progress = load.progress();
    let spans = load.finish().await;
    assert_eq!((progress.late, progress.unheard), (0, 0), "{progress:?}");
    // Each span was acknowledged once. Of those that were refused, some were committed: they were recognised later.
    let ledger = Ledger::read(&server);
    assert_eq!(ledger.total("received"), spans.len() as u64, "{ledger:#?}");
    assert_shows(&cluster.url(), &spans).await;
    assert!(block_in_place(|| server.stop()).success());
}

/// What the server says of itself by HTTP.
fn ready(server: &Server) -> (u16, String) {
    block_in_place(|| get(server.web, "/readyz").unwrap())
}

/// What the server says of itself by gRPC, as it changes.
struct Health(tonic::Streaming<HealthCheckResponse>);

impl Health {
    async fn watch(address: SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let everything = HealthCheckRequest { service: String::new() };
        Self(HealthClient::new(channel).watch(everything).await.unwrap().into_inner())
    }

    async fn becomes(&mut self, status: ServingStatus) {
        let waits = async { while self.0.message().await.unwrap().unwrap().status() != status {} };
        assert!(timeout(A_WHILE, waits).await.is_ok(), "it never becomes {status:?}");
    }
}
