//! `cargo bench --bench line [-- --quick]`: what the line costs, from an accepted SET to its acknowledgement.
//!
//! The hub runs as a process of its own with its default configuration and its data on the disk; the load comes from
//! this process, so that the CPU of the hub is what the kernel accounts to it. Raw costs (josekit, `fdatasync`, a bare
//! axum) are measured in the same run, between the rounds. On a busy machine only the ratios say something. Nothing is
//! asserted but that every SET was answered 202 and every receiver got all of it; the table says `over` where a figure
//! misses its aim (DESIGN, Numbers to design for). Last line: one JSON object of all figures.
#![allow(clippy::disallowed_methods, reason = "a benchmark is no part of the hub")]

mod accept;
mod backlog;
mod bench;
mod cpu;
mod deliver;
mod figures;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../it/hub.rs"]
mod hub;
mod idle;
mod lookup;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../it/peers.rs"]
mod peers;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../it/pki.rs"]
mod pki;
mod process;
mod raw;
mod receivers;
mod secure;
mod sets;
mod start;
mod wire;

use bench::Bench;
use deliver::Way;
use figures::Aim;
use ssf_hub::jose::alg::Alg::{ES256, RS256};

/// What is measured of delivery.
const WAYS: [Way; 4] = [
    Way { name: "push_rs256", from: RS256, to: RS256, poll: false, aim: Aim::Ratio(1.25) },
    Way { name: "push_es256", from: ES256, to: ES256, poll: false, aim: Aim::Ratio(2.3) },
    Way { name: "whole_es256", from: ES256, to: ES256, poll: true, aim: Aim::Most(300.0) },
    Way { name: "whole_rs256", from: ES256, to: RS256, poll: true, aim: Aim::Most(2000.0) },
];

/// The hub's own: raw costs and what is measured here in process are as they are there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if args.iter().any(|arg| arg == raw::BARE_AXUM) {
        return runtime.block_on(raw::bare_axum());
    }
    let mut bench = Bench::of("the line", &args);
    runtime.block_on(async {
        let b = &mut bench;
        if b.wants("raw") {
            b.figures.title("Raw costs, all cores busy");
            raw::show(b).await;
        }
        if b.wants("accept") {
            b.figures.title("In: RS256, 256 in flight, nobody subscribed");
            accept::run(b).await;
        }
        if b.wants("deliver") {
            b.figures.title("Through: one SET in, durable, and out by push or poll; 64 in flight");
            for way in WAYS {
                deliver::run(b, way).await;
            }
        }
        if b.wants("idle") {
            b.figures.title("How long: SET sent → derived SET at the receiver, its flush included");
            idle::run(b).await;
        }
        if b.wants("lookup") {
            b.figures.title("Gate: 1,000,000 records");
            lookup::run(b);
        }
        if b.wants("backlog") {
            b.figures.title("Journal and backlog: ES256, 256 in flight, polled streams");
            let history = backlog::run(b).await;
            b.figures.title("Start with 100,000 entries of history");
            start::run(b, history).await;
        }
    });
    bench.end();
}
