//! `cargo bench --bench transmitter [-- [--quick] [PART …]]`: what handing out costs: 10,000 streams, slow receivers, a
//! burst of signatures.
//!
//! As `line.rs`: the hub is a process of its own with its default configuration, the load comes from this process, raw
//! costs are measured in the same run, and the last line is one JSON object. Nothing is extrapolated. A part is a module
//! with `run(&mut Bench)` and a name in `main`.
#![allow(clippy::disallowed_methods, reason = "a benchmark is no part of the hub")]

mod bench;
mod burst;
mod cpu;
mod fanout;
#[allow(dead_code, reason = "shared with the line's")]
mod figures;
mod foreign;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../it/hub.rs"]
mod hub;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../it/peers.rs"]
mod peers;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../it/pki.rs"]
mod pki;
#[allow(dead_code, reason = "shared with the line's")]
mod process;
#[allow(dead_code, reason = "shared with the line's")]
mod raw;
#[allow(dead_code, reason = "shared with the line's")]
mod receivers;
#[allow(dead_code, reason = "shared with the line's")]
mod secure;
mod sets;
mod slow;
mod streams;
mod subjects;
mod wire;

use bench::Bench;

/// The hub's own: raw costs and what is measured here in process are as they are there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut bench = Bench::of("the transmitter", &args);
    runtime.block_on(async {
        let b = &mut bench;
        if b.wants("fanout") {
            b.figures.title("Out: 10,000 polled streams of 100 clients, nobody asks");
            fanout::run(b).await;
        }
        if b.wants("foreign") {
            b.figures.title("Management API: another receiver's stream, and one that does not exist");
            foreign::run(b).await;
        }
        if b.wants("subjects") {
            b.figures.title("Subjects: one stream, folded in this process");
            subjects::run(b);
        }
        if b.wants("slow") {
            b.figures.title("Push: SET sent → SET at the receivers, with and without one that never answers");
            slow::run(b).await;
        }
        if b.wants("burst") {
            b.figures
                .title("In beside out: 500 SETs a second, with and without a burst of 10,000 signatures");
            burst::run(b).await;
        }
    });
    bench.end();
}
