//! How long a server takes to answer each kind of question, asked through its query service: a line of JSON for each
//! kind. `benches/storage` asks a server that keeps ten million spans; what is asked is in `questions.rs`. With `--doors` it
//! is what every door of the server can be asked, through each of them, as `benches/doors` wants it (`doors.rs`).
//!
//! What is asked for is looked up before it is measured, by the same service, so any server can be asked whose spans
//! `tracewell generate` has sent. Without `--address`, as under `cargo test`, it is one in memory (`here.rs`): then each
//! question is put once, to see that it still works.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::Parser;
use futures::future::join_all;
use serde_json::json;
use tonic::transport::Channel;
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;

mod doors;
mod here;
mod questions;

use questions::{Question, Questions, Window};

/// The largest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

type Client = TraceQueryClient<Channel>;

#[derive(Debug, Parser)]
struct Args {
    /// The server to ask, an http:// URL; without one, a small one in memory is asked, each question once
    #[arg(long, requires = "end")]
    address: Option<String>,
    /// When the spans end, in seconds since 1970
    #[arg(long, default_value_t = 0)]
    end: u64,
    /// How long before that they begin, in hours
    #[arg(long, default_value_t = 24)]
    hours: u64,
    /// How often a question of each kind is put
    #[arg(long, default_value_t = 100)]
    repetitions: usize,
    /// After so many seconds the next kind is asked, however often the last one was
    #[arg(long, default_value_t = 60)]
    kind_seconds_max: u64,
    /// Put the questions of all kinds in turns, so many at the same time, and say only how many were answered
    #[arg(long, requires = "seconds")]
    readers: Option<usize>,
    /// How long the readers ask
    #[arg(long)]
    seconds: Option<u64>,
    /// Ask through every door; the address is the one for people and tools
    #[arg(long, requires = "zipkin")]
    doors: bool,
    /// Where Zipkin's door is, an http:// URL
    #[arg(long)]
    zipkin: Option<String>,
    /// Ask for this trace alone, through one door
    #[arg(long, requires = "door")]
    trace: Option<String>,
    /// Which, by its name
    #[arg(long)]
    door: Option<String>,
    /// Name the doors of a trace, and ask nothing
    #[arg(long)]
    list_doors: bool,
    /// What chance depends on
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// What cargo says to every bench.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    cargo: Vec<String>,
}

#[tokio::main]
async fn main() {
    let mut args = Args::parse();
    if args.list_doors {
        return doors::list();
    }
    if let (Some(trace), Some(door)) = (&args.trace, &args.door) {
        return doors::measure_large(&args, trace, door).await;
    }
    let server = if args.address.is_none() { Some(here::start(&mut args).await) } else { None };
    let mut client = connect(&args).await;
    let window = Window::before(args.end, args.hours);
    let questions = questions::look_around(&mut client, window, args.seed, args.repetitions).await;
    match args.readers {
        Some(readers) => read(&args, &questions, readers).await,
        None if args.doors => doors::measure(&args, &questions, false).await,
        None => measure(&args, &mut client, &questions, server.is_some()).await,
    }
    if server.is_some() {
        doors::measure(&args, &questions, true).await;
    }
}

async fn connect(args: &Args) -> Client {
    let address = args.address.clone().unwrap_or_default();
    let channel = Channel::from_shared(address).expect("an address").tcp_nodelay(true);
    let channel = channel.connect().await.expect("nobody answers at the address");
    Client::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// Each kind by itself, one question after the other.
async fn measure(args: &Args, client: &mut Client, questions: &Questions, is_test: bool) {
    for kind in &questions.kinds {
        let (began, mut tally) = (Instant::now(), Tally::default());
        for question in kind.questions.iter().cycle().take(args.repetitions) {
            tally.ask(question, client).await;
            if began.elapsed() > Duration::from_secs(args.kind_seconds_max) {
                break;
            }
        }
        assert!(!is_test || tally.failures.is_empty(), "{} {}: {:?}", kind.name, kind.window, tally.failures);
        tally.print(&json!({ "kind": kind.name, "window": kind.window }));
    }
}

/// Everything at once, for as long as was said.
async fn read(args: &Args, questions: &Questions, readers: usize) {
    let end = Instant::now().checked_add(Duration::from_secs(args.seconds.unwrap_or(0)));
    let tasks = (0..readers).map(|reader| async move {
        let (mut client, mut tally) = (connect(args).await, Tally::default());
        for question in questions.mixed(reader) {
            if end.is_none_or(|end| Instant::now() > end) {
                break;
            }
            tally.ask(question, &mut client).await;
        }
        tally
    });
    let mut all = Tally::default();
    for tally in join_all(tasks).await {
        all.took.extend(tally.took);
        tally.failures.into_iter().for_each(|(failure, count)| all.fail(failure, count));
    }
    all.print(&json!({ "kind": "mixed", "readers": readers }));
}

/// How long the answers took, and what was wrong with them.
#[derive(Debug, Default)]
struct Tally {
    took: Vec<Duration>,
    failures: BTreeMap<String, u64>,
}

impl Tally {
    async fn ask(&mut self, question: &Question, client: &mut Client) {
        let began = Instant::now();
        let answered = question.ask(client).await;
        self.took.push(began.elapsed());
        if let Err(failure) = answered {
            self.fail(failure, 1);
        }
    }

    fn fail(&mut self, failure: String, times: u64) {
        let count = self.failures.entry(failure).or_default();
        *count = count.saturating_add(times);
    }

    fn print(mut self, what: &serde_json::Value) {
        self.took.sort_unstable();
        let millis = |percent: usize| {
            let place = self.took.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
            self.took.get(place).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
        };
        let mut line = what.clone();
        line["count"] = self.took.len().into();
        line["p50_millis"] = millis(50).into();
        line["p99_millis"] = millis(99).into();
        line["failures"] = json!(self.failures);
        writeln!(io::stdout(), "{line}").expect("somebody reads");
    }
}
