//! One post: what goes out, to where, under which header fields, and how it went.
//!
//! Called by the stream's task in `push`. Never follows a redirect, never logs a body or a secret.

use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

use super::answer::Answer;
use super::credential::Credential;
use super::push::Push;
use crate::clock::Stopwatch;
use crate::egress::{self, Outbound};
use crate::outbox::destination::{Pass, Went};
use crate::outbox::job::Job;
use crate::outbox::queue::Queue;
use crate::stream::Stream;

/// How much of a receiver's answer is read, in bytes: enough for an error object.
pub const ANSWER_MAX: usize = 64 << 10;

/// How one post went.
pub(super) struct Posted {
    pub(super) job: Job,
    pub(super) jti: String,
    /// The key that signed it; empty where the hub signed nothing.
    pub(super) kid: Arc<str>,
    pub(super) status: Option<u16>,
    pub(super) duration_ms: u64,
    pub(super) answer: Answer,
    pub(super) pass: Option<Pass>,
    pub(super) went: Went,
    /// Nothing was sent: its stream does not flow any more, or is not what it was.
    pub(super) held_back: bool,
}

impl Push {
    /// The request's header fields (PUSH-02, 03, 06, 07); `None` when the configured secret is missing.
    pub(super) fn headers(
        &self,
        queue: &Queue,
        stream: &Stream,
        credential: &mut Credential,
    ) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/secevent+jwt"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let Some(id) = &stream.authorization_secret else { return Some(headers) };
        let now_ms = self.parts.clock.boot_ms();
        headers.insert(AUTHORIZATION, credential.value(&self.parts.keys, &queue.tenant, id, now_ms)?);
        Some(headers)
    }

    /// One POST of one SET (PUSH-01, PUSH-04).
    pub(super) async fn post(
        &self,
        queue: &Queue,
        job: Job,
        pass: Option<Pass>,
        headers: Option<HeaderMap>,
    ) -> Posted {
        let watch = Stopwatch::start();
        let mut posted = Posted {
            jti: String::new(),
            kid: "".into(),
            status: None,
            duration_ms: 0,
            answer: Answer::no_secret(),
            pass,
            went: Went::Unsent,
            held_back: false,
            job,
        };
        match self.text(queue, &posted.job).await {
            Err(answer) => posted.answer = answer,
            Ok((jti, kid, compact)) => {
                (posted.jti, posted.kid) = (jti, kid);
                if let Some(headers) = headers {
                    self.send(queue, &mut posted, headers, compact).await;
                }
            }
        }
        posted.duration_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
        posted
    }

    /// What goes out, and its name: signed by the hub, or relayed as it came (PUSH-35).
    async fn text(&self, queue: &Queue, job: &Job) -> Result<(String, Arc<str>, Vec<u8>), Answer> {
        if job.stream.relay {
            let original = self.parts.outbox.originals.of(&queue.tenant, job.item);
            let original = original.ok_or_else(Answer::no_original)?;
            return Ok((original.jti.clone(), "".into(), original.compact.as_bytes().to_vec()));
        }
        match self.parts.signer.signed(&queue.tenant, job.item, &job.claims, &job.stream, 1).await {
            Ok(set) => Ok((set.jti, set.kid, set.compact.as_bytes().to_vec())),
            Err(error) => {
                tracing::error!(tenant = %queue.tenant, stream_id = job.stream.stream_id, %error, "cannot sign");
                Err(Answer::of_signer(&error))
            }
        }
    }

    async fn send(&self, queue: &Queue, posted: &mut Posted, headers: HeaderMap, body: Vec<u8>) {
        let stream = Arc::clone(&posted.job.stream);
        let timeout_ms = Some(self.parts.config.push_timeout_ms);
        let place = match self.parts.egress.place(timeout_ms).await {
            Ok(place) => place,
            Err(error) => return posted.unanswered(&error),
        };
        // Signing and the place took their time. Who was told "paused" or "gone" meanwhile gets nothing more (STAT-08).
        if !queue.goes(&stream, posted.job.item) {
            posted.held_back = true;
            return;
        }
        let watch = Stopwatch::start();
        let outbound = Outbound {
            method: Method::POST,
            url: stream.endpoint_url.as_deref().unwrap_or_default(),
            headers,
            body,
            max_response_bytes: ANSWER_MAX,
            timeout_ms,
        };
        match place.send(outbound).await {
            Ok(got) => {
                let wall_ms = self.parts.clock.wall_ms();
                let ms = i64::try_from(watch.elapsed().as_millis()).unwrap_or(i64::MAX);
                posted.answer = Answer::of_http(got.status, &got.headers, &got.body, wall_ms);
                (posted.status, posted.went) = (Some(got.status), Went::Answered(ms));
            }
            Err(error) => posted.unanswered(&error),
        }
    }
}

impl Posted {
    fn unanswered(&mut self, error: &egress::Error) {
        self.answer = Answer::of_egress(error);
        // The guard or our own limit said no: that says nothing of the destination.
        let unsent = matches!(error, egress::Error::Refused(_) | egress::Error::Busy);
        self.went = if unsent { Went::Unsent } else { Went::Failed };
    }
}
