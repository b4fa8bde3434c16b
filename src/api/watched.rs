//! Bodies that tell the connection's place how far they are: one that comes, one that goes.
//!
//! In the flow: between the HTTP server and the routes. Changes nothing in them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::places::Place;

/// Who watches a body.
pub trait Watch: Unpin {
    /// It was asked for more; whether that is waited for.
    fn polled(&mut self, waiting: bool);
    /// Nobody asks for more.
    fn ended(&mut self);
}

/// A body that is watched.
pub struct Watched<B, W: Watch> {
    inner: B,
    watch: W,
}

/// A request's body: while more of it is waited for, the connection is.
pub struct Coming {
    place: Arc<Place>,
    waiting: bool,
}

/// An answer's body: when it is dropped the server has all of it.
pub struct Going(Arc<Place>);

impl<B> Watched<B, Coming> {
    /// The body of a request that holds this place.
    pub fn coming(inner: B, place: Arc<Place>) -> Self {
        Self { inner, watch: Coming { place, waiting: false } }
    }
}

impl<B> Watched<B, Going> {
    /// The body of an answer to who holds this place.
    pub fn going(inner: B, place: Arc<Place>) -> Self {
        Self { inner, watch: Going(place) }
    }
}

impl Watch for Coming {
    fn polled(&mut self, waiting: bool) {
        if waiting != std::mem::replace(&mut self.waiting, waiting) {
            if waiting { self.place.stalls() } else { self.place.resumes() }
        }
    }

    /// Nobody waits for the rest: what is done now is the answer.
    fn ended(&mut self) {
        self.polled(false);
    }
}

impl Watch for Going {
    fn polled(&mut self, _: bool) {}

    fn ended(&mut self) {
        self.0.answered();
    }
}

impl<B: Body<Data = Bytes> + Unpin, W: Watch> Body for Watched<B, W> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        self.watch.polled(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B, W: Watch> Drop for Watched<B, W> {
    fn drop(&mut self) {
        self.watch.ended();
    }
}
