//! A connection whose other end must take what it is sent: who does not read is cut.
//!
//! Between the HTTP server and the socket (or TLS). While an answer waits to be written, at least [`PROGRESS_BYTES`], or all
//! that is left, must go within the time allowed. Reading is not bounded here: heads and bodies have their own times.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::places::Place;

/// What must go within the time allowed, in bytes.
pub const PROGRESS_BYTES: usize = 64 << 10;

/// A connection that is cut when its other end does not read.
pub struct Paced<S> {
    inner: S,
    within: Duration,
    cut: Counter,
    /// Told while the other end is waited for, and when all is written.
    place: Arc<Place>,
    /// Runs from the moment that a write could not go on.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Written since it runs.
    gone: usize,
}

impl<S> Paced<S> {
    /// `cut` counts connections that were.
    pub fn new(inner: S, within: Duration, cut: Counter, place: Arc<Place>) -> Self {
        Self { inner, within, cut, place, stalled: None, gone: 0 }
    }

    /// A write cannot go on: for how long may it not?
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.stalled.is_none() {
            self.place.stalls();
        }
        let within = self.within;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        ready!(stalled.as_mut().poll(cx));
        self.cut.inc();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn progress(&mut self, written: usize) {
        self.gone += written;
        if self.gone >= PROGRESS_BYTES {
            self.goes_on();
        }
    }

    fn goes_on(&mut self) {
        if self.stalled.take().is_some() {
            self.place.resumes();
        }
        self.gone = 0;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(cx, buf) {
            Poll::Ready(Ok(written)) => {
                self.progress(written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_flush(cx) {
            // The server flushes behind the last byte of what it has.
            Poll::Ready(done) => {
                self.goes_on();
                self.place.flushed();
                Poll::Ready(done)
            }
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_shutdown(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write_vectored(cx, bufs) {
            Poll::Ready(Ok(written)) => {
                self.progress(written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::Places;
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn paced(within_ms: u64) -> (Paced<tokio::io::DuplexStream>, tokio::io::DuplexStream, Counter) {
        let (ours, theirs) = tokio::io::duplex(1024);
        let (cut, places) = (Counter::default(), Places::new(1));
        let (place, _) = places.enter([127, 0, 0, 1].into()).unwrap();
        (Paced::new(ours, Duration::from_millis(within_ms), cut.clone(), place), theirs, cut)
    }

    #[tokio::test]
    async fn who_does_not_read_is_cut() {
        let (mut ours, _theirs, cut) = paced(50);
        let error = ours.write_all(&[0; 4096]).await.unwrap_err();
        assert_eq!((error.kind(), cut.get()), (io::ErrorKind::TimedOut, 1));
    }

    #[tokio::test]
    async fn who_reads_a_little_now_and_then_is_cut_too() {
        let (mut ours, mut theirs, cut) = paced(100);
        let trickle = async {
            loop {
                let mut some = [0; 64];
                if theirs.read_exact(&mut some).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            written = ours.write_all(&[0; 1 << 20]) => assert!(written.is_err()),
            () = trickle => panic!("it was not cut"),
        }
        assert_eq!(cut.get(), 1);
    }

    #[tokio::test]
    async fn who_reads_gets_all_of_it() {
        let (mut ours, mut theirs, cut) = paced(60_000);
        let writing = async {
            ours.write_all(&[7; 300_000]).await.unwrap();
            ours.flush().await.unwrap();
            assert!(ours.stalled.is_none());
            ours.shutdown().await.unwrap();
        };
        let mut got = vec![];
        let (_, read) = tokio::join!(writing, theirs.read_to_end(&mut got));
        assert_eq!((read.unwrap(), cut.get()), (300_000, 0));
    }
}
