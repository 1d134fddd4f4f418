//! Load: senders that send one request after the other and never give up: what got no OK is sent again, byte for
//! byte, until it does. A test watches what they have done so far, and breaks things meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracewell::model::Span;

use super::sender::{Door, Doors, Heard, Request, Sender};

/// No wait takes so long unless something is wrong; then the test fails instead of hanging.
const A_WHILE: Duration = Duration::from_secs(90);

/// What all senders have done so far, in requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Sent, again too.
    pub(crate) sent: u64,
    /// Answered OK.
    pub(crate) stored: u64,
    /// Told to come again.
    pub(crate) busy: u64,
    /// Told that it took too long.
    pub(crate) late: u64,
    /// Sent to a server that was gone, or went meanwhile.
    pub(crate) unheard: u64,
}

/// The senders, at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    senders: JoinSet<Vec<Span>>,
}

struct Shared {
    progress: watch::Sender<Progress>,
    /// Where the server is; `None` while it may be gone.
    doors: watch::Sender<Option<Doors>>,
    ending: watch::Sender<bool>,
}

impl Load {
    /// So many senders, half of them by gRPC and half by HTTP, in protobuf.
    pub(crate) fn start(senders: u64, doors: Doors) -> Self {
        Self::run(senders, doors, &[Door::Grpc, Door::Http], Request::numbered)
    }

    /// So many senders of these requests, by every door; `request` gets the numbers of a sender and of its request.
    pub(crate) fn start_with(senders: u64, doors: Doors, request: fn(u64, u64) -> Request) -> Self {
        Self::run(senders, doors, &Door::ALL, request)
    }

    fn run(senders: u64, doors: Doors, by: &[Door], request: fn(u64, u64) -> Request) -> Self {
        let shared = Arc::new(Shared {
            progress: watch::Sender::new(Progress::default()),
            doors: watch::Sender::new(Some(doors)),
            ending: watch::Sender::new(false),
        });
        let run = |(number, door)| send_all(Arc::clone(&shared), number, door, request);
        let senders = (0..senders).zip(by.iter().copied().cycle()).map(run).collect();
        Self { shared, senders }
    }

    /// What they have done so far.
    pub(crate) fn progress(&self) -> Progress {
        self.shared.progress.borrow().clone()
    }

    /// Waits until they have done so much.
    pub(crate) async fn until(&self, what: &str, reached: impl Fn(&Progress) -> bool) {
        let mut progress = self.shared.progress.subscribe();
        let waited = timeout(A_WHILE, progress.wait_for(reached)).await;
        assert!(waited.is_ok(), "waited too long for {what}: {:?}", self.progress());
    }

    /// From now on the server may be gone.
    pub(crate) fn server_goes(&self) {
        self.shared.doors.send_replace(None);
    }

    /// The server is here now. Whoever got no answer sends again.
    pub(crate) fn server_is(&self, doors: Doors) {
        self.shared.doors.send_replace(Some(doors));
    }

    /// Lets them bring what they have begun to its OK, and returns all spans that there ever were: each of them was
    /// acknowledged.
    pub(crate) async fn finish(mut self) -> Vec<Span> {
        self.shared.ending.send_replace(true);
        let mut spans = Vec::new();
        while let Ok(Some(sent)) = timeout(A_WHILE, self.senders.join_next()).await {
            spans.extend(sent.unwrap());
        }
        assert!(self.senders.is_empty(), "the senders can not finish: {:?}", self.progress());
        spans
    }
}

async fn send_all(shared: Arc<Shared>, number: u64, door: Door, request_of: fn(u64, u64) -> Request) -> Vec<Span> {
    let mut sender = Sender::new();
    let mut spans = Vec::new();
    let mut requests = 0;
    while !*shared.ending.borrow() {
        let request = request_of(number, requests);
        requests += 1;
        shared.deliver(&mut sender, door, &request).await;
        spans.extend(request.spans);
    }
    spans
}

impl Shared {
    fn count(&self, count: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(count);
    }

    /// Sends the request until it is acknowledged.
    async fn deliver(&self, sender: &mut Sender, door: Door, request: &Request) {
        let mut known = self.doors.subscribe();
        loop {
            let doors = known.wait_for(Option::is_some).await.unwrap().unwrap();
            self.count(|progress| progress.sent += 1);
            match sender.send(doors, door, request).await {
                Heard::Stored => return self.count(|progress| progress.stored += 1),
                Heard::Busy(_) => self.count(|progress| progress.busy += 1),
                Heard::Late => self.count(|progress| progress.late += 1),
                Heard::Nothing => {
                    assert_ne!(*known.borrow(), Some(doors), "the server does not answer, and nobody killed it");
                    self.count(|progress| progress.unheard += 1);
                }
                Heard::Refused(code, message) => panic!("refused: {code}: {message}"),
            }
        }
    }
}
