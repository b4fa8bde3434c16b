//! Bases and `journal verify` beside a hub that takes SETs in.

use std::time::Duration;

use super::load::{Load, Sender};
use super::process::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bases_and_verify_work_beside_a_hub_under_load() {
    let site = Site::new("[journal]\nsegment_bytes = 262144\n");
    let process = site.start().await;
    let hub = site.hub();
    let senders =
        [Sender::register(&hub, "default", "kc").await, Sender::register(&hub, "default", "itdr").await];
    let load = Load::start(&senders, Duration::from_millis(2));
    let mut agreed = 0;
    let (mut rounds, mut taken) = (0, 0);
    // Whether a SET comes in between is a matter of a moment: a round in which none did proves nothing.
    while taken < 5 {
        rounds += 1;
        assert!(rounds <= 40, "SETs were taken in beside {taken} of {rounds} rounds only");
        let before = load.count();
        let (base, verified) = tokio::join!(site.answer(&["base"]), site.answer(&["journal", "verify"]));
        assert!(base["base"].as_str().unwrap().starts_with("base-"), "{base}");
        agreed = agreed.max(verified["bases_agreed"].as_u64().unwrap());
        assert!(verified["entries"].as_u64().unwrap() > 0, "{verified}");
        taken += usize::from(load.count() > before);
    }
    assert!(agreed >= 2, "no base was held against the fold");
    load.finish().await;
    let bases = std::fs::read_dir(site.data().join("bases")).unwrap();
    let bases =
        bases.filter(|b| b.as_ref().unwrap().file_name().to_str().unwrap().starts_with("base-")).count();
    assert_eq!(bases, 3, "the newest are kept");
    let live = hub.status().await["tenants"].clone();
    let verified = site.answer(&["journal", "verify"]).await;
    assert!(verified["folded_from"].as_str().unwrap().starts_with("base-"), "{verified}");
    assert!(verified["heads_agreed"].as_u64().unwrap() > 0, "{verified}");
    assert_eq!(verified["tenants"]["default"]["digest"], live["default"]["digest"]);
    process.stop().await;

    // Without the mirror it starts from the base.
    std::fs::remove_dir_all(site.data().join("mirror")).unwrap();
    let process = site.start().await;
    site.logs("from=Base(").await;
    assert_eq!(hub.status().await["tenants"], live);
    process.stop().await;

    // Without the bases from zero.
    std::fs::remove_dir_all(site.data().join("mirror")).unwrap();
    std::fs::remove_dir_all(site.data().join("bases")).unwrap();
    let process = site.start().await;
    assert_eq!(hub.status().await["tenants"], live);
    process.stop().await;
}
