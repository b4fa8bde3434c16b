//! How many there are of what a limit is for, as far as the configuration file tells: objects by count, what receivers may
//! make by their own limits.
//!
//! Asked by [`super`] for each row. Streams of a receiver are as many as it may make, or as many as an operator made for it
//! where those are more: both count against `receiver.streams_max`.

use crate::config::Config;
use crate::hub::footprint::Per;
use crate::hub::object::{Client, Object, ObjectKind};
use crate::hub::subjects::complex::{LOOK_UPS_MAX, MEMBERS_MAX};
use crate::stream::receiver::Receiver;
use crate::stream::{Method, Stream};
use crate::tenant::TenantId;

/// Most look-up rows of one complex subject: one for each choice of its members, but none and all.
const LOOK_UPS_OF_ONE: usize = (1 << MEMBERS_MAX) - 2;

/// How many there are.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) tenants: usize,
    pub(super) upstreams: usize,
    pub(super) issuers: usize,
    /// Those that operators made, and those that receivers may make.
    pub(super) streams: usize,
    /// Of these, those that relay originals, and those that are polled.
    pub(super) relays: usize,
    pub(super) polled: usize,
    /// Clients and authorization servers with keys of their own.
    pub(super) keyed: usize,
    /// Subjects that the streams of receivers may have, those of them that may leave after a while, and rows by which complex
    /// ones are looked up.
    subjects: usize,
    leaving: usize,
    look_ups: usize,
}

impl Counts {
    pub(super) fn of(config: &Config) -> Self {
        let count = |kind| config.objects().iter().filter(|o| o.object.kind() == kind).count();
        let mut counts = Self {
            tenants: 1 + count(ObjectKind::Tenant),
            upstreams: count(ObjectKind::Upstream),
            issuers: count(ObjectKind::TokenIssuer),
            ..Self::default()
        };
        for named in config.objects() {
            match &named.object {
                Object::Client(client) => counts.add_client(client, &streams(config, &named.tenant, client)),
                Object::AuthorizationServer(server) => counts.keyed += usize::from(server.jwks.is_some()),
                Object::Stream(stream) if stream.relay => {
                    counts.streams += 1;
                    counts.relays += 1;
                }
                _ => {}
            }
        }
        counts
    }

    /// A client with the streams that the file makes for it: the config has no stream without a client.
    fn add_client(&mut self, client: &Client, made: &[&Stream]) {
        let polled = made.iter().filter(|stream| stream.method == Method::Poll).count();
        let Some(receiver) = &client.receiver else {
            self.streams += made.len();
            self.polled += polled;
            return;
        };
        let streams = at_most(receiver.streams_max).max(made.len());
        let of_its_own = if receiver.methods.contains(&Method::Poll) { streams - made.len() } else { 0 };
        self.streams = self.streams.saturating_add(streams);
        self.polled = self.polled.saturating_add(polled + of_its_own);
        self.keyed += usize::from(receiver.jwks.is_some());
        self.add_subjects(receiver, streams);
    }

    fn add_subjects(&mut self, receiver: &Receiver, streams: usize) {
        let subjects = at_most(receiver.subjects_max);
        let add = |sum: &mut usize, each: usize| *sum = sum.saturating_add(streams.saturating_mul(each));
        add(&mut self.subjects, subjects);
        add(&mut self.leaving, if receiver.removal_grace_s > 0 { subjects } else { 0 });
        add(&mut self.look_ups, subjects.saturating_mul(LOOK_UPS_OF_ONE).min(LOOK_UPS_MAX));
    }

    pub(super) fn per(&self, per: Per) -> usize {
        match per {
            Per::Hub => 1,
            Per::Tenant => self.tenants,
            Per::Upstream => self.upstreams,
            Per::Stream => self.streams,
            Per::Subject => self.subjects,
            Per::Leaving => self.leaving,
            Per::LookUp => self.look_ups,
        }
    }
}

fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The streams that the file makes for a client. Relays are no SSF streams, and count by themselves.
fn streams<'a>(config: &'a Config, tenant: &TenantId, client: &Client) -> Vec<&'a Stream> {
    let of_tenant = config.objects().iter().filter(|named| named.tenant == *tenant);
    let streams = of_tenant.filter_map(|named| match &named.object {
        Object::Stream(stream) => Some(stream),
        _ => None,
    });
    streams.filter(|stream| stream.client == client.id && !stream.relay).collect()
}
