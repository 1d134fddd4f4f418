//! How long the parts of the way in take, one after the other: decoding, digests, storing. For the whole see
//! `benches/ingest`, which tells what a part is worth.
//!
//! The requests are those of `tracewell generate`, of a thousand spans, as an endpoint gets them. `cargo bench` measures;
//! under `cargo test` each part runs once, to see that it still does.

use std::env::temp_dir;
use std::hint::black_box;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, process};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::Request;
use clap::Parser;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use flate2::read::GzDecoder;
use prost::Message;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracewell::cli::{Cli, Command, generate};
use tracewell::model::{Span, UnixNanos};
use tracewell::otlp::{decode, encode, encode_json};
use tracewell::server::listen::{ListenSettings, serve};
use tracewell::store::memory::MemoryStore;
use tracewell::store::sqlite::{SqliteSettings, SqliteStore};
use tracewell::store::{Batch, SpanStore};

/// As in the program that is measured by it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SPANS: u64 = 1_000;
/// A moment of 2026.
const NOW: UnixNanos = UnixNanos(1_790_000_000_000_000_000);
const BODY_BYTES_MAX: usize = 16 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Runtime::new().expect("no runtime");
    let protobuf = runtime.block_on(request("--protocol http/protobuf"));
    let spans = decode::protobuf(&protobuf).expect("protobuf").spans;
    let mut group = criterion.benchmark_group("a thousand spans");
    group.throughput(Throughput::Elements(u64::try_from(spans.len()).unwrap_or(SPANS)));
    decoding(&mut group, &protobuf, &runtime);
    encoding(&mut group, &spans);
    storing(&mut group, &spans, &runtime);
    group.finish();
    criterion.final_summary();
}

fn decoding(group: &mut BenchmarkGroup<'_, WallTime>, protobuf: &[u8], runtime: &Runtime) {
    let json = runtime.block_on(request("--protocol http/json"));
    let gzip = runtime.block_on(request("--protocol http/protobuf --compression gzip"));
    let zstd = runtime.block_on(request("--protocol http/protobuf --compression zstd"));
    group.bench_function("decode protobuf", |bench| bench.iter(|| decode::protobuf(black_box(protobuf))));
    group.bench_function("decode JSON", |bench| bench.iter(|| decode::json(black_box(&json))));
    group.bench_function("gunzip and decode protobuf", |bench| {
        bench.iter(|| {
            let mut plain = Vec::new();
            GzDecoder::new(black_box(&gzip[..])).read_to_end(&mut plain).expect("gzip");
            decode::protobuf(&plain)
        });
    });
    group.bench_function("undo zstd and decode protobuf", |bench| {
        bench.iter(|| decode::protobuf(&zstd::stream::decode_all(black_box(&zstd[..])).expect("zstd")));
    });
}

fn encoding(group: &mut BenchmarkGroup<'_, WallTime>, spans: &[Span]) {
    group.bench_function("encode protobuf", |bench| {
        bench.iter(|| encode::traces_data(black_box(spans)).encode_to_vec());
    });
    let data = encode::traces_data(spans);
    group.bench_function("encode JSON", |bench| bench.iter(|| encode_json::traces_data(black_box(&data))));
    group.bench_function("digests and fingerprint", |bench| {
        bench.iter_batched(|| spans.to_vec(), Batch::new, BatchSize::SmallInput);
    });
}

/// Each time into a new store: what was stored before would be recognised.
fn storing(group: &mut BenchmarkGroup<'_, WallTime>, spans: &[Span], runtime: &Runtime) {
    let batches = [Batch::new(spans.to_vec())];
    let write = |store: &dyn SpanStore| runtime.block_on(store.write(&batches)).expect("a write");
    group.bench_function("write to memory", |bench| {
        bench.iter_batched_ref(MemoryStore::default, |store| write(store), BatchSize::PerIteration);
    });
    let folder = Folder::create();
    let (mut number, settings) = (0_u64, SqliteSettings::default());
    group.sample_size(20).bench_function("write to SQLite", |bench| {
        let mut new_file = || {
            number = number.wrapping_add(1);
            let file = folder.0.join(format!("{number}.db"));
            runtime.block_on(SqliteStore::open(&file.to_string_lossy(), &settings)).expect("a new file")
        };
        bench.iter_batched_ref(&mut new_file, |store| write(store), BatchSize::PerIteration);
    });
}

/// A folder that is gone with its owner.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Self {
        let folder = temp_dir().join(format!("tracewell-parts-{}", process::id()));
        fs::create_dir(&folder).expect("a new folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// The first request of a run of the load generator.
async fn request(flags: &str) -> Bytes {
    let bodies = Bodies::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = listener.local_addr().expect("an address");
    let routes = Router::new().fallback(keep).with_state(Arc::clone(&bodies));
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, routes, ListenSettings::default(), stop.clone()));
    let flags = format!("tracewell generate --endpoint http://{endpoint} --seed 7 --spans {SPANS} {flags}");
    let Some(Command::Generate(args)) = Cli::parse_from(flags.split_whitespace()).command else { unreachable!() };
    generate::run(&args, NOW).await.expect("a run");
    stop.cancel();
    let first = bodies.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
    first.expect("a request")
}

async fn keep(State(bodies): State<Bodies>, request: Request<Body>) -> &'static str {
    let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await.expect("a body");
    bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
    "{}"
}
