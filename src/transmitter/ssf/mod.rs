//! SSF's own words: discovery, and the stream configurations that receivers make and read (SSF 1.0, 7 and 8).
//!
//! In the flow: `api/ssf` has found out who asks and for what; here a request becomes a [`crate::stream::Stream`], or a
//! refusal, and a stream becomes what its receiver is shown. Never journals, never answers.
//!
//! - [`metadata`]: the discovery document
//! - [`wish`]: what a receiver asks for, [`plan`]: what it gets, [`follow`]: what becomes of it when rights change
//! - [`shown`]: a stream as its receiver sees it
//! - [`interval`], [`activity`]: how often it verifies, when it was heard of last

pub mod activity;
pub mod follow;
pub mod interval;
pub mod metadata;
pub mod plan;
pub mod shown;
pub mod wish;

use crate::tenant::TenantId;

/// The URLs of one tenant's transmitter (DESIGN, Doors).
#[derive(Clone, Debug)]
pub struct Doors {
    iss: String,
    well_known: String,
}

impl Doors {
    /// Under `public_url`, without a trailing slash.
    pub fn new(public_url: &str, tenant: &TenantId) -> Self {
        let base = public_url.trim_end_matches('/');
        // The well-known part stands between host and path (SSF 1.0, 7.2.1).
        let host_end = base.find("://").and_then(|at| base[at + 3..].find('/').map(|slash| at + 3 + slash));
        let (host, path) = base.split_at(host_end.unwrap_or(base.len()));
        Self {
            iss: format!("{base}/t/{tenant}"),
            well_known: format!("{host}/.well-known/ssf-configuration{path}/t/{tenant}"),
        }
    }

    /// The issuer.
    pub fn iss(&self) -> &str {
        &self.iss
    }

    /// Where the discovery document is.
    pub fn well_known(&self) -> &str {
        &self.well_known
    }

    /// Where a poll stream is polled.
    pub fn poll(&self, stream_id: &str) -> String {
        format!("{}/poll/{stream_id}", self.iss)
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.iss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_stands_between_host_and_path() {
        let tenant = TenantId::parse("t1").unwrap();
        for (public_url, iss, well_known) in [
            (
                "https://h.example",
                "https://h.example/t/t1",
                "https://h.example/.well-known/ssf-configuration/t/t1",
            ),
            (
                "http://127.0.0.1:8480/",
                "http://127.0.0.1:8480/t/t1",
                "http://127.0.0.1:8480/.well-known/ssf-configuration/t/t1",
            ),
            (
                "https://h.example/hub",
                "https://h.example/hub/t/t1",
                "https://h.example/.well-known/ssf-configuration/hub/t/t1",
            ),
        ] {
            let doors = Doors::new(public_url, &tenant);
            assert_eq!((doors.iss(), doors.well_known()), (iss, well_known));
            assert_eq!(doors.poll("s"), format!("{iss}/poll/s"));
        }
    }
}
