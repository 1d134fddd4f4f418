//! `POST /purge`, through the program as it is wired: only where it was asked for, and then nothing is left.

use crate::support::directory::Directory;
use crate::support::http::{get, post, send_span};
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;

#[test]
fn everything_goes_in_sqlite() {
    let directory = Directory::create();
    check(&format!("sqlite:{}", directory.file("spans.db")));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_in_postgres() {
    let database = TestDatabase::create().await;
    tokio::task::block_in_place(|| check(&database.url()));
}

fn services(server: &Server) -> String {
    get(server.web, "/api/v3/services").unwrap().1
}

/// Scenario: a server that may not remove everything, and then one that may. Guarantees: with the one the path is like
/// any that is not there, and nothing happens; with the other, all is gone when the answer comes, a request that is sent
/// again is stored again, and only POST does it.
fn check(url: &str) {
    let server = Server::start(url);
    assert_eq!(send_span(server.http, 1).unwrap(), 200);
    let (status, text) = post(server.web, "/purge", "text/plain", "").unwrap();
    assert_eq!((status, text), post(server.web, "/nothing", "text/plain", "").unwrap());
    assert_eq!(status, 404);
    assert_eq!(services(&server), r#"{"services":["sender"]}"#);
    assert!(server.stop().success());

    let server = Server::start_with(url, &["--allow-purge"]);
    assert_eq!(get(server.web, "/purge").unwrap().0, 405);
    for _ in 0..2 {
        assert_eq!(send_span(server.http, 1).unwrap(), 200);
        assert_eq!(services(&server), r#"{"services":["sender"]}"#);
        let (status, text) = post(server.web, "/purge", "text/plain", "").unwrap();
        assert_eq!((status, text.as_str()), (200, "all data was removed\n"));
        assert_eq!(services(&server), r#"{"services":[]}"#);
        assert_eq!(get(server.web, "/api/v3/traces/1").unwrap().0, 404);
    }
    let metrics = get(server.web, "/metrics").unwrap().1;
    assert!(metrics.contains("tracewell_spans_stored_total{service=\"sender\"} 1\n"), "{metrics}");
    assert!(metrics.contains("tracewell_spans_recognised_total{service=\"sender\"} 1\n"), "{metrics}");
    for address in [server.grpc, server.http] {
        assert_ne!(
            post(address, "/purge", "text/plain", "").unwrap().0,
            200,
            "only at the address for people and tools"
        );
    }
    assert!(server.stop().success());
}
