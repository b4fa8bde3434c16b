//! Bodies that tell the connection's place how far they are: one that comes, one that goes.
//!
//! In the flow: between the HTTP server and the routes. Changes nothing in them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::places::Place;

/// A request's body. While more of it is waited for, the connection is.
pub struct Coming<B> {
    inner: B,
    place: Arc<Place>,
    waiting: bool,
}

impl<B> Coming<B> {
    /// The body of a request that holds this place.
    pub fn new(inner: B, place: Arc<Place>) -> Self {
        Self { inner, place, waiting: false }
    }

    fn waits(&mut self, waiting: bool) {
        if waiting != std::mem::replace(&mut self.waiting, waiting) {
            if waiting { self.place.stalls() } else { self.place.resumes() }
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Coming<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        self.waits(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for Coming<B> {
    /// Nobody waits for the rest: what is done now is the answer.
    fn drop(&mut self) {
        self.waits(false);
    }
}

/// An answer's body. When it is dropped the server has all of it.
pub struct Going<B> {
    inner: B,
    place: Arc<Place>,
}

impl<B> Going<B> {
    /// The body of an answer to who holds this place.
    pub fn new(inner: B, place: Arc<Place>) -> Self {
        Self { inner, place }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Going<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for Going<B> {
    fn drop(&mut self) {
        self.place.answered();
    }
}
