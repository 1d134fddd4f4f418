//! Starting: what it says when it can not, and that it waits for a database that is not there yet.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{Executor, PgConnection};
use tokio::net::TcpStream;

use super::{end_of, ends_because};
use crate::support::directory::Directory;
use crate::support::http::{get, post, send_span};
use crate::support::postgres::TestDatabase;
use crate::support::process::{Server, command};

/// Scenario: settings that can not work. Guarantee: one sentence that says what is wrong, and a status that is not zero.
#[tokio::test]
async fn what_can_not_work_ends_with_one_sentence() {
    let directory = Directory::create();
    let server = std::env::var("TEST_DATABASE_URL").expect("set TEST_DATABASE_URL or run ./scripts/test");
    let (server, _) = server.rsplit_once('/').unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = format!("postgres://user:secret@{closed}/spans");
    let no_directory = format!("sqlite:{}", directory.file("none/spans.db"));
    let wait = "--database-wait-seconds-max=0";
    for (url, reason) in [
        ("mysql://user:secret@host/spans", "the database URL can not be used"),
        ("postgres://user:secret@host:port/spans", "the database URL can not be used"),
        ("spans", "the database URL can not be used"),
        (&away, "no database answers"),
        (&format!("{server}/tracewell_no_such_database"), "there is no database"),
        (&no_directory, "none"),
    ] {
        ends_because(&["serve", "--database-url", url, wait], reason);
        ends_because(&["migrate", "--database-url", url, wait], reason);
    }
}

/// Scenario: another program has the port. Guarantee: one sentence that names address and setting.
#[test]
fn a_port_in_use_ends_with_one_sentence() {
    let directory = Directory::create();
    let url = format!("sqlite:{}", directory.file("spans.db"));
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    for flag in ["--grpc-listen", "--http-listen", "--web-listen"] {
        let mut command = command(env!("CARGO_BIN_EXE_tracewell"));
        for other in ["--grpc-listen", "--http-listen", "--web-listen"] {
            command.args([other, if other == flag { "" } else { "127.0.0.1:0" }]);
        }
        let args: Vec<String> = command.get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect();
        let args = args.iter().map(|arg| if arg.is_empty() { taken.to_string() } else { arg.clone() });
        let output = crate::support::process::command(env!("CARGO_BIN_EXE_tracewell"))
            .args(["serve", "--database-url", &url])
            .args(args)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        let sentence = format!("tracewell: can not listen on {taken} ({flag})");
        assert!(stderr.lines().last().unwrap().starts_with(&sentence), "{stderr}");
    }
    drop(holder);
}

/// Scenario: a later version has migrated the database. Guarantee: this one does not touch it, and says why.
#[tokio::test]
async fn a_newer_schema_ends_with_one_sentence() {
    let database = TestDatabase::create().await;
    let url = database.url();
    let (migrated, report, _) = end_of(&["migrate", "--database-url", &url]);
    assert!(migrated && report.contains("applied 1") && report.contains("the schema is at version"), "{report}");
    let (again, report, _) = end_of(&["migrate", "--database-url", &url]);
    assert!(again && !report.contains("applied") && report.contains("the schema is at version"), "{report}");
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (9999, 'later', true, '', 0)";
    let mut connection: PgConnection = database.connect().await;
    connection.execute(newer).await.unwrap();
    ends_because(&["serve", "--database-url", &url], "start a newer tracewell");
    ends_because(&["migrate", "--database-url", &url], "start a newer tracewell");
}

/// Scenario: the database comes up after tracewell. Guarantee: it waits and says so, it is alive but not ready, and
/// then it is both.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_yet_is_waited_for() {
    let database = TestDatabase::create().await;
    let (open, proxy) = gate(&database.url()).await;
    let mut server = Server::launch(&proxy);
    server.says("waiting for the database");
    let web = server.web;
    assert_eq!(get(web, "/healthz").unwrap().0, 200);
    assert_eq!(get(web, "/readyz").unwrap(), (503, "waiting for the database\n".to_owned()));
    assert!(!health(web));
    open.store(true, Ordering::SeqCst);
    server.says("listening");
    assert_eq!(get(web, "/readyz").unwrap(), (200, "ready\n".to_owned()));
    assert!(health(web));
    assert!(get(web, "/metrics").unwrap().1.ends_with("# EOF\n"));
    assert!(server.stop().success());
    assert!(!health(web));
}

/// Scenario: the database is named in each way there is. Guarantee: the flag wins over `TRACEWELL_DATABASE_URL`, that
/// over `DATABASE_URL`, and that over the default, a file in the working directory.
#[test]
fn the_database_is_named_by_flag_variable_or_default() {
    let directory = Directory::create();
    let name = |name: &str| format!("sqlite:{}", directory.file(name));
    let mut names = vec![("tracewell.db", None, None, None)];
    names.push(("common", None, None, Some(name("common"))));
    names.push(("variable", None, Some(name("variable")), Some(name("common"))));
    names.push(("flag", Some(name("flag")), Some(name("variable")), Some(name("common"))));
    for (made, flag, variable, common) in names {
        let mut command = command(env!("CARGO_BIN_EXE_tracewell"));
        command.arg("migrate").args(flag.iter().flat_map(|url| ["--database-url", url]));
        command.envs(variable.map(|url| ("TRACEWELL_DATABASE_URL", url)));
        command.envs(common.map(|url| ("DATABASE_URL", url))).current_dir(directory.file("."));
        assert!(!std::path::Path::new(&directory.file(made)).exists());
        assert!(command.output().unwrap().status.success());
        assert!(std::path::Path::new(&directory.file(made)).exists(), "{made} was not made");
    }
}

fn health(web: SocketAddr) -> bool {
    end_of(&["health", "--web-listen", &web.to_string()]).0
}

/// Scenario: senders mix up ports, paths and signals. Guarantee: OTLP/HTTP is stored at the gRPC address as well; where
/// nothing is, nobody who speaks HTTP hears 200, and who sends metrics hears what to do.
#[test]
fn every_request_is_answered_in_its_own_protocol() {
    let directory = Directory::create();
    let server = Server::start(&format!("sqlite:{}", directory.file("spans.db")));
    for address in [server.grpc, server.http] {
        assert_eq!(send_span(address, 1).unwrap(), 200);
    }
    let stored = get(server.web, "/metrics").unwrap().1;
    assert!(stored.contains("tracewell_spans_received_total{service=\"sender\"} 2\n"), "{stored}");
    for address in [server.grpc, server.http, server.web] {
        let (status, text) = get(address, "/v1/metrics").unwrap();
        assert!(status == 404 && text.contains("traces only"), "{status} {text}");
        let (status, text) = get(address, "/nothing").unwrap();
        assert!(status == 404 && text.contains("nothing is served"), "{status} {text}");
        let (status, text) = post(address, "/v1/logs", "application/json", "{}").unwrap();
        assert!(status == 404 && text.contains(r#""code":12"#), "{status} {text}");
        let (status, _) = post(address, "/a.logs.v1.LogsService/Export", "application/grpc", "").unwrap();
        assert_eq!(status, 200, "gRPC says what is wrong in its own status");
    }
    assert_eq!(send_span(server.web, 1).unwrap(), 404, "spans go to the other two");
}

/// A way to the server of this URL that hangs up until it is told to let through; and the URL with it.
async fn gate(url: &str) -> (Arc<AtomicBool>, String) {
    let (user, rest) = url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (server, path) = rest.split_once('/').unwrap();
    let (server, open) = (server.to_owned(), Arc::new(AtomicBool::new(false)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://{user}@{}/{path}", listener.local_addr().unwrap());
    let is_open = Arc::clone(&open);
    tokio::spawn(async move {
        while let Ok((mut inside, _)) = listener.accept().await {
            if is_open.load(Ordering::SeqCst) {
                let mut outside = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut inside, &mut outside).await });
            }
        }
    });
    (open, url)
}

/// Guarantee: Grafana finds both its paths and its streams on the address for people and tools, at one port.
#[tokio::test]
async fn grafana_needs_one_address() {
    use tracewell::server::generated::tempopb::SearchRequest;
    use tracewell::server::generated::tempopb::streaming_querier_client::StreamingQuerierClient;
    let directory = Directory::create();
    let server = Server::start(&format!("sqlite:{}", directory.file("spans.db")));
    assert_eq!(send_span(server.http, 1).unwrap(), 200);
    assert_eq!(get(server.web, "/api/echo").unwrap(), (200, "echo".to_owned()));
    assert_eq!(get(server.web, "/ready").unwrap(), (200, "ready\n".to_owned()));
    let found: serde_json::Value = serde_json::from_str(&get(server.web, "/api/search").unwrap().1).unwrap();
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.web)).unwrap();
    let mut client = StreamingQuerierClient::new(channel.connect().await.unwrap());
    let mut stream = client.search(SearchRequest::default()).await.unwrap().into_inner();
    let message = stream.message().await.unwrap().unwrap();
    assert_eq!(found["traces"][0]["traceID"], message.traces[0].trace_id);
}
