//! A way to PostgreSQL that cuts a connection in the worst moment. It knows just enough of the protocol to see such a
//! moment come: after its first message, each has a type of one byte, a length of four, and what the length says.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// A cut that takes so long to come will not come.
const A_WHILE: Duration = Duration::from_mins(1);

/// How many columns a row of spans has; no other statement has so many parameters.
const COLUMNS: u16 = 25;

/// What a client asks first: whether the connection may be encrypted. The answer is one byte; here, always no.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// When to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// In the middle of the first data of a COPY.
    InCopy,
    /// In the middle of the rows of an insert.
    InInsert,
    /// Instead of passing on the COMMIT of a transaction that sent rows.
    BeforeCommit,
    /// When the server has committed such a one and says so, and before anybody hears of it.
    AfterCommit,
}

impl Cut {
    /// The moments of a write of few spans.
    pub(crate) const OF_INSERTS: [Self; 3] = [Self::InInsert, Self::BeforeCommit, Self::AfterCommit];
    /// The moments of a write of many spans.
    pub(crate) const OF_COPIES: [Self; 3] = [Self::InCopy, Self::BeforeCommit, Self::AfterCommit];
}

/// The proxy, for as long as this lives.
pub(crate) struct Proxy {
    url: String,
    armed: Armed,
    door: Arc<watch::Sender<DoorState>>,
    accepting: AbortHandle,
}

/// The cut that is to come next; the first connection that meets it takes it.
#[derive(Clone)]
struct Armed(Arc<watch::Sender<Option<Cut>>>);

/// What becomes of a new connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DoorState {
    Open,
    Closed,
    /// Closed, and somebody came.
    Knocked,
}

impl Proxy {
    /// A way to the server of this URL, which has parameters already.
    pub(crate) async fn start(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let server = (options.get_host().to_owned(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Armed(Arc::new(watch::Sender::new(None)));
        let door = Arc::new(watch::Sender::new(DoorState::Open));
        let accepting = tokio::spawn(accept(listener, server, armed.clone(), Arc::clone(&door))).abort_handle();
        // Of parameters that are there twice, the last counts. What the client does by default asks for encryption.
        let url = format!("{url}&host=127.0.0.1&port={port}&sslmode=prefer");
        Self { url, armed, door, accepting }
    }

    /// The way through the proxy to the database of that URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next connection that comes to this moment is cut.
    pub(crate) fn arm(&self, cut: Cut) {
        self.armed.0.send_replace(Some(cut));
    }

    /// Waits until the cut was made.
    pub(crate) async fn cut(&self) {
        let mut armed = self.armed.0.subscribe();
        let made = timeout(A_WHILE, armed.wait_for(Option::is_none)).await.map(|made| made.is_ok());
        assert!(made.is_ok_and(|made| made), "there was nothing to cut");
    }

    /// From now on, who connects is hung up on instead of the first answer, as by a proxy that finds nobody behind it.
    pub(crate) fn hang_up(&self) {
        self.door.send_replace(DoorState::Closed);
    }

    /// Waits until somebody was hung up on, and lets the next ones through.
    pub(crate) async fn let_through(&self) {
        let mut door = self.door.subscribe();
        let knocked = timeout(A_WHILE, door.wait_for(|door| *door == DoorState::Knocked)).await.is_ok();
        assert!(knocked, "nobody came");
        self.door.send_replace(DoorState::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Armed {
    /// Takes the cut if it is this one.
    fn take(&self, cut: Cut) -> bool {
        self.0.send_if_modified(|armed| {
            let is_this = *armed == Some(cut);
            *armed = armed.filter(|_| !is_this);
            is_this
        })
    }
}

async fn accept(listener: TcpListener, server: (String, u16), armed: Armed, door: Arc<watch::Sender<DoorState>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, armed, door) = (server.clone(), armed.clone(), Arc::clone(&door));
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await?;
            // Small messages are passed on as they come.
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            let (mut from_client, mut to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let hello = read_body(&mut from_client, Vec::new()).await?;
            assert_eq!(hello, SSL_REQUEST);
            if *door.borrow() != DoorState::Open {
                door.send_replace(DoorState::Knocked);
                return Ok(());
            }
            to_client.write_all(b"N").await?;
            let is_secret = AtomicBool::new(false);
            // When one of the two ends, so does the other, and both connections are cut.
            tokio::select! {
                ended = to_the_server(from_client, to_server, &armed, &is_secret) => ended,
                ended = to_the_client(from_server, to_client, &is_secret) => ended,
            }
        });
    }
}

async fn to_the_server(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    armed: &Armed,
    is_secret: &AtomicBool,
) -> io::Result<()> {
    let startup = read_body(&mut client, Vec::new()).await?;
    server.write_all(&startup).await?;
    let mut sent_rows = false;
    loop {
        let message = read_message(&mut client).await?;
        let (is_copied, is_inserted) = (message.starts_with(b"d"), parameters(&message) == Some(COLUMNS));
        sent_rows = is_copied || is_inserted || (sent_rows && !is_begin(&message));
        let is_commit = sent_rows && message.starts_with(b"Q") && message.get(5..) == Some(b"COMMIT\0");
        if is_copied && armed.take(Cut::InCopy) {
            return server.write_all(&message[..message.len() / 2]).await;
        }
        if is_inserted && armed.take(Cut::InInsert) {
            return server.write_all(&message[..message.len() / 2]).await;
        }
        if is_commit && armed.take(Cut::BeforeCommit) {
            return Ok(());
        }
        if is_commit && armed.take(Cut::AfterCommit) {
            is_secret.store(true, Ordering::SeqCst);
        }
        server.write_all(&message).await?;
    }
}

/// Once the answers are secret, none is passed on any more, and with the one to COMMIT it ends.
async fn to_the_client(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    is_secret: &AtomicBool,
) -> io::Result<()> {
    loop {
        let message = read_message(&mut server).await?;
        if !is_secret.load(Ordering::SeqCst) {
            client.write_all(&message).await?;
        } else if message.starts_with(b"C") {
            assert_eq!(message.get(5..), Some(&b"COMMIT\0"[..]), "the server did not commit");
            return Ok(());
        }
    }
}

/// Whether a message begins a transaction, rather than a savepoint within one.
fn is_begin(message: &[u8]) -> bool {
    let words = message.strip_prefix(b"Q").and_then(|message| message.get(4..9));
    words.is_some_and(|words| words.eq_ignore_ascii_case(b"begin"))
}

/// How many parameters a message binds. It names a portal and a statement first, and then a format for each parameter.
fn parameters(message: &[u8]) -> Option<u16> {
    let names = message.strip_prefix(b"B")?.get(4..)?;
    let mut after_names = names.splitn(3, |byte| *byte == 0).nth(2)?;
    let formats = usize::from(after_names.read_u16().now_or_never()?.ok()?);
    let mut after_formats = after_names.get(2 * formats..)?;
    after_formats.read_u16().now_or_never()?.ok()
}

async fn read_message(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let message_type = from.read_u8().await?;
    read_body(from, vec![message_type]).await
}

/// Appends a length, which counts itself, and what it is the length of.
async fn read_body(from: &mut OwnedReadHalf, mut message: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    message.extend(length.to_be_bytes());
    from.take(u64::from(length) - 4).read_to_end(&mut message).await?;
    Ok(message)
}
