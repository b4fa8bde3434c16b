//! A flipped byte in the journal: found and named; where a whole later batch lies behind it, no start.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use super::super::peers::claims_of;
use super::load::Sender;
use super::process::Site;

fn flip(file: &Path, offset: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

/// A stopped hub with some segments; the number of the active one.
async fn segments() -> (Site, u32) {
    let site = Site::new("[journal]\nsegment_bytes = 131072\n");
    let process = site.start().await;
    let sender = Sender::register(&site.hub(), "default", "kc").await;
    for n in 0..200 {
        let set =
            sender.idp.session_revoked("hub", &format!("j{n}"), "alice", Some(&format!("s{n}")), "user");
        assert_eq!(claims_of(&set)["txn"], format!("txn-j{n}"));
        assert_eq!(sender.push(&set).await.unwrap().0, 202);
    }
    process.stop().await;
    let active =
        (1..).take_while(|n| site.data().join(format!("journal/{n:08}.pay")).exists()).last().unwrap();
    assert!(active > 2, "one segment is no history");
    (site, active)
}

#[tokio::test]
async fn a_flipped_byte_in_a_sealed_segment_is_named() {
    let (site, _) = segments().await;
    let whole = site.answer(&["journal", "verify"]).await;
    assert!(whole["segments"].as_u64().unwrap() > 2, "{whole}");
    for (name, offset) in [("00000001.pay", 30_000), ("00000001.pay", 80), ("00000002.log", 3000)] {
        let file = site.data().join("journal").join(name);
        flip(&file, offset);
        let output = site.cli(&["journal", "verify"]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        let segment = format!("segment {}", name[..8].parse::<u32>().unwrap());
        assert!(said.contains(&segment) && said.contains(name) && said.contains("offset "), "{name}: {said}");
        let named: u64 = said.split("offset ").nth(1).unwrap().split(':').next().unwrap().parse().unwrap();
        assert!(named <= offset, "{name}: {said}");
        flip(&file, offset);
    }
    site.answer(&["journal", "verify"]).await;
}

#[tokio::test]
async fn a_flipped_byte_before_a_whole_batch_of_the_active_segment_stops_the_start() {
    let (site, active) = segments().await;
    let name = format!("{active:08}.pay");
    let file = site.data().join("journal").join(&name);
    // In the first of its batches.
    flip(&file, 64 + 200);
    let output = site.cli(&["journal", "verify"]).await;
    assert_eq!(output.status.code(), Some(1));
    let mut process = site.spawn();
    let status = process.exit(Duration::from_secs(60)).await;
    let said = site.log();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("segment {active}, file {name}, offset 64")), "{said}");
    // Nothing was cut: put right, it starts.
    flip(&file, 64 + 200);
    site.start().await.stop().await;
    site.answer(&["journal", "verify"]).await;
}
