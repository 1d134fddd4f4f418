//! A request's body within its limits: read, decompressed, and large ones worked on where nobody else has to wait.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;

use crate::server::status::Failure;

/// Up to this size a body is decoded at once; a larger one would keep a thread from its sockets for too long.
const INLINE_BYTES_MAX: usize = 1 << 20;

/// Up to this size a body is decompressed at once: a thousand times as much may come out of it.
const INLINE_COMPRESSED_BYTES_MAX: usize = 8 << 10;

/// The largest window of a zstd frame, as a power of two: 8 MiB, which RFC 8878 asks every decoder to support, and all
/// that compression levels up to 19 use.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    /// HTTP's `deflate`, which is the zlib format.
    Zlib,
    Zstd,
}

impl Compression {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
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

/// Reads a whole body. One that turns out too large is read on, without being kept, up to as much again: a client
/// that is cut off while it sends does not hear why, and sends the same again.
pub(super) async fn read(mut body: Body, bytes_max: usize) -> Result<Bytes, Failure> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut whole = BytesMut::with_capacity(if announced > bytes_max { 0 } else { announced });
    let mut length = 0_usize;
    while length <= bytes_max.saturating_mul(2)
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| Failure::Undecodable(format!("the body ends early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > bytes_max {
            whole = BytesMut::new();
        } else {
            whole.extend_from_slice(&data);
        }
    }
    if length > bytes_max { Err(Failure::TooLarge { request_bytes_max: bytes_max }) } else { Ok(whole.freeze()) }
}

/// Undoes the compression of a body, up to a limit of what comes out.
pub(super) async fn decompress(compression: Compression, body: Bytes, bytes_max: usize) -> Result<Bytes, Failure> {
    if compression == Compression::None {
        return Ok(body);
    }
    let worth = if body.len() <= INLINE_COMPRESSED_BYTES_MAX { 0 } else { usize::MAX };
    offload(worth, move || {
        let plain = decompressor(compression, &body).and_then(|reader| read_up_to(reader, bytes_max));
        let plain = plain.map_err(|error| Failure::Undecodable(format!("{}: {error}", compression.name())))?;
        plain.map(Bytes::from).ok_or(Failure::TooLarge { request_bytes_max: bytes_max })
    })
    .await
}

/// Reads all there is, or `None` as soon as it is more than the limit: a kilobyte can hold a megabyte of zeros.
fn read_up_to(reader: impl Read, bytes_max: usize) -> std::io::Result<Option<Vec<u8>>> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut plain = Vec::new();
    reader.take(limit).read_to_end(&mut plain)?;
    Ok(Some(plain).filter(|plain| plain.len() <= bytes_max))
}

fn decompressor(compression: Compression, body: &[u8]) -> std::io::Result<Box<dyn Read + '_>> {
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
pub(super) async fn offload<T: Send + 'static>(
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

    /// Zeros without end, which may be read so many times at most.
    struct Zeros {
        bytes_left: usize,
    }

    impl Read for Zeros {
        fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
            self.bytes_left = self.bytes_left.checked_sub(target.len()).expect("far too much is read");
            target.fill(0);
            Ok(target.len())
        }
    }

    #[test]
    fn decompression_stops_at_the_limit() {
        assert_eq!(read_up_to(Zeros { bytes_left: 2_000 }, 1_000).unwrap(), None);
        assert_eq!(read_up_to(&[0; 1_000][..], 1_000).unwrap(), Some(vec![0; 1_000]));
    }

    /// Reads a body of so many chunks of 100 bytes, with a limit of 1,000: how many were taken, and whether it fits.
    async fn chunks_read(chunks: usize) -> (usize, bool) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let chunks = stream::iter(0..chunks).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from_static(&[0; 100]))
        });
        let fits = read(Body::from_stream(chunks), 1_000).await.is_ok();
        (taken.load(Ordering::Relaxed), fits)
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_read_to_its_end_but_not_forever() {
        assert_eq!(chunks_read(10).await, (10, true));
        assert_eq!(chunks_read(15).await, (15, false));
        assert_eq!(chunks_read(1_000).await, (21, false));
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
