//! A request's body within its limits: read and decompressed, every byte of it held by the request's place before it is
//! there, and large ones worked on where nobody else has to wait.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::time::{Instant, timeout_at};

use crate::ingest::{IngestError, Place};
use crate::server::status::Failure;

/// Up to this size a body is decoded at once; a larger one would keep a thread from its sockets for too long.
const INLINE_BYTES_MAX: usize = 1 << 20;

/// Up to this size a body is decompressed at once: a thousand times as much may come out of it.
const INLINE_COMPRESSED_BYTES_MAX: usize = 8 << 10;

/// The largest window of a zstd frame, as a power of two: 8 MiB, which RFC 8878 asks every decoder to support, and all
/// that compression levels up to 19 use.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

const ZSTD_WINDOW_BYTES_MAX: usize = 1 << ZSTD_WINDOW_LOG_MAX;

/// So many times smaller compression makes a body, usually.
const USUAL_RATIO: usize = 4;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Compression {
    None,
    Gzip,
    /// HTTP's `deflate`, which is the zlib format.
    Zlib,
    Zstd,
}

impl Compression {
    pub(in crate::server) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(Self::None) };
        let name = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
        match name.as_str() {
            "" | "identity" => Ok(Self::None),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" | "zlib" => Ok(Self::Zlib),
            "zstd" => Ok(Self::Zstd),
            _ => Err(Failure::Undecodable(format!("unsupported \"Content-Encoding\": {name}"))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "identity",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }
}

/// Bytes that grow, all of them held by a request's place.
pub(in crate::server) struct Growing<'a> {
    place: &'a Place,
    bytes: Vec<u8>,
    /// No more is expected; what comes all the same has room too.
    pub(in crate::server) expected_bytes: usize,
    /// What the place holds for something else.
    beside_bytes: usize,
    /// A decompressor keeps so many of the last bytes for itself.
    window_bytes_max: usize,
}

impl<'a> Growing<'a> {
    /// No bytes, beside those that the place holds already.
    pub(in crate::server) fn new(place: &'a Place, expected_bytes: usize) -> Self {
        Self { place, bytes: Vec::new(), expected_bytes, beside_bytes: place.bytes(), window_bytes_max: 0 }
    }

    pub(in crate::server) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(in crate::server) fn append(&mut self, data: &[u8]) -> Result<(), IngestError> {
        self.make_room(data.len())?;
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// Sees to it that so many bytes more have room. While they move, the bytes are there twice.
    fn make_room(&mut self, more_bytes: usize) -> Result<(), IngestError> {
        let (length, old) = (self.bytes.len(), self.bytes.capacity());
        let needed = length.saturating_add(more_bytes);
        if needed <= old {
            return Ok(());
        }
        let new = old.saturating_mul(2).min(self.expected_bytes).max(needed);
        let window = new.min(self.window_bytes_max);
        let held = self.beside_bytes.saturating_add(window).saturating_add(new);
        self.place.hold(held.saturating_add(old))?;
        self.bytes.reserve_exact(new.saturating_sub(length));
        self.place.hold(held)
    }

    /// All bytes; the place holds what it held for something else, and them.
    pub(in crate::server) fn finish(self) -> Bytes {
        self.bytes.into()
    }
}

/// Reads a whole body, held by its place.
pub(in crate::server) async fn read(body: &mut Body, place: &Place, bytes_max: usize) -> Result<Bytes, Failure> {
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let mut whole = Growing::new(place, announced.unwrap_or(bytes_max));
    while let Some(data) = next_data(body).await {
        let data = data.map_err(|error| Failure::Undecodable(format!("the body ends early: {error}")))?;
        if whole.bytes.len().saturating_add(data.len()) > bytes_max {
            return Err(Failure::TooLarge { request_bytes_max: bytes_max });
        }
        whole.append(&data)?;
    }
    Ok(whole.finish())
}

/// The next piece of a body; `None` at its end.
pub(in crate::server) async fn next_data<B: HttpBody<Data = Bytes> + Unpin>(
    body: &mut B,
) -> Option<Result<Bytes, B::Error>> {
    loop {
        match body.frame().await?.map(Frame::into_data) {
            Ok(Ok(data)) => return Some(Ok(data)),
            // Trailers; no client of OTLP has any.
            Ok(Err(_)) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Reads the rest of a refused request's body and keeps nothing of it: a client that is cut off while it sends may not
/// hear why, and has to connect anew to send the same again. One that sends more than this is cut off.
pub(in crate::server) async fn discard<B: HttpBody<Data = Bytes> + Unpin>(mut body: B, bytes_max: usize) {
    let mut length = 0_usize;
    while length <= bytes_max
        && let Some(Ok(data)) = next_data(&mut body).await
    {
        length = length.saturating_add(data.len());
    }
}

/// Waits for it until then: `None` if it takes longer.
pub(in crate::server) async fn until<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, work).await.ok(),
        // Later than clocks go.
        None => Some(work.await),
    }
}

/// Undoes the compression of a body, up to a limit of what comes out. Its place holds both bodies meanwhile, and in the
/// end what came out.
pub(in crate::server) async fn decompress(
    compression: Compression,
    place: Place,
    body: Bytes,
    bytes_max: usize,
) -> Result<(Place, Bytes), Failure> {
    if compression == Compression::None {
        return Ok((place, body));
    }
    let worth = if body.len() <= INLINE_COMPRESSED_BYTES_MAX { 0 } else { usize::MAX };
    offload(worth, move || {
        let plain = read_plain(compression, &place, &body, bytes_max)?;
        drop(body);
        place.hold(plain.capacity())?;
        Ok((place, plain.into()))
    })
    .await
}

fn read_plain(compression: Compression, place: &Place, body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let broken = |error: io::Error| Failure::Undecodable(format!("{}: {error}", compression.name()));
    let mut plain = Growing::new(place, bytes_max.saturating_add(1));
    plain.window_bytes_max = if compression == Compression::Zstd { ZSTD_WINDOW_BYTES_MAX } else { 0 };
    plain.make_room(body.len().saturating_mul(USUAL_RATIO).clamp(1, plain.expected_bytes))?;
    let mut reader = decompressor(compression, body).map_err(broken)?;
    loop {
        plain.make_room(1)?;
        let room = plain.bytes.capacity().min(plain.expected_bytes).saturating_sub(plain.bytes.len());
        let room_bytes = u64::try_from(room).unwrap_or(u64::MAX);
        // As many as there is room for, so the bytes do not grow by themselves.
        let read = (&mut reader).take(room_bytes).read_to_end(&mut plain.bytes).map_err(broken)?;
        if plain.bytes.len() > bytes_max {
            return Err(Failure::TooLarge { request_bytes_max: bytes_max });
        }
        if read < room {
            return Ok(plain.bytes);
        }
    }
}

fn decompressor(compression: Compression, body: &[u8]) -> io::Result<Box<dyn Read + '_>> {
    Ok(match compression {
        Compression::None => Box::new(body),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(body)),
        Compression::Zlib => Box::new(flate2::bufread::ZlibDecoder::new(body)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

/// Does a piece of work on a body of this size: a small one here, a large one on a thread of its own, so that sockets
/// are served meanwhile. A panic is a bug's answer to one request, not the end of a connection: its client would only
/// send the same again.
pub(in crate::server) async fn offload<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let caught = || catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(bug("a panic in the decoding")));
    if bytes <= INLINE_BYTES_MAX {
        return caught();
    }
    tokio::task::spawn_blocking(caught).await.unwrap_or_else(|error| Err(bug(error)))
}

fn bug(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::Bug(Arc::from(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::{StreamExt, stream};

    use crate::ingest::{Ingest, IngestSettings};
    use crate::store::memory::MemoryStore;

    /// A place in a queue that may hold so many bytes.
    fn place(queue_bytes_max: usize) -> Place {
        let settings = IngestSettings { queue_requests_max: 1, queue_bytes_max, writers: 1, group_spans_max: 1 };
        Ingest::start(Arc::new(MemoryStore::default()), settings, Arc::default()).enter().unwrap()
    }

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = flate2::read::GzEncoder::new(plain, flate2::Compression::fast());
        let mut bytes = Vec::new();
        encoder.read_to_end(&mut bytes).unwrap();
        bytes.into()
    }

    /// A kilobyte can hold a megabyte of zeros.
    #[tokio::test]
    async fn decompression_stops_at_the_limit_and_at_what_the_place_may_hold() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let zeros = |length| match compression {
                Compression::Gzip => gzip(&vec![0; length]),
                _ => zstd::stream::encode_all(&*vec![0; length], 3).unwrap().into(),
            };
            let plain = |length, limit, held| decompress(compression, place(held), zeros(length), limit);
            let (place, whole) = plain(100_000, 100_000, 1_000_000).await.unwrap();
            assert_eq!((whole.len(), place.bytes()), (100_000, 100_001));
            assert_eq!(plain(100_001, 100_000, 1_000_000).await.map(|_| ()).unwrap_err().reason(), "too_large");
            let failure = plain(10_000_000, 20_000_000, 1_000_000).await.map(|_| ()).unwrap_err();
            assert_eq!(failure.reason(), "too_large_in_memory");
        }
    }

    /// Reads a body of so many chunks of 100 bytes, with a limit of 1,000, and what is left of it after a failure: how
    /// many were taken, and what went wrong.
    async fn chunks_read(chunks: usize, queue_bytes_max: usize) -> (usize, Option<&'static str>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let chunks = stream::iter(0..chunks).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, io::Error>(Bytes::from_static(&[0; 100]))
        });
        let (mut body, place) = (Body::from_stream(chunks), place(queue_bytes_max));
        let failure = read(&mut body, &place, 1_000).await.err();
        if failure.is_some() {
            discard(body, 1_000).await;
        }
        (taken.load(Ordering::Relaxed), failure.map(|failure| failure.reason()))
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_read_to_its_end_but_not_forever() {
        assert_eq!(chunks_read(10, 10_000).await, (10, None));
        assert_eq!(chunks_read(15, 10_000).await, (15, Some("too_large")));
        assert_eq!(chunks_read(1_000, 10_000).await, (22, Some("too_large")));
        assert_eq!(chunks_read(10, 500).await, (10, Some("too_large_in_memory")));
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_on_either_thread() {
        for bytes in [0, usize::MAX] {
            let answer = offload(bytes, || -> Result<(), _> { panic!("as the test says") }).await;
            assert_eq!(answer.unwrap_err().reason(), "bug");
        }
    }

    #[tokio::test]
    async fn small_bodies_are_decoded_at_once_and_large_ones_elsewhere() {
        let here = std::thread::current().id();
        let thread = |bytes| offload(bytes, || Ok(std::thread::current().id()));
        assert_eq!(thread(INLINE_BYTES_MAX).await.unwrap(), here);
        assert_ne!(thread(INLINE_BYTES_MAX + 1).await.unwrap(), here);
    }
}
