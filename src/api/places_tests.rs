//! Who gives up a place for whom.

use super::*;
use futures_util::FutureExt as _;

type Taken = (Arc<Place>, Cut);

fn ip(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn enter(places: &Arc<Places>, last: u8) -> Taken {
    places.enter(ip(last)).unwrap()
}

/// What each lost its place at, if it did.
fn lost(all: &mut [Taken]) -> Vec<Option<At>> {
    all.iter_mut().map(|(_, cut)| cut.told().now_or_never()).collect()
}

fn serve(place: &Place) {
    place.begins();
    place.answered();
    place.flushed();
}

#[test]
fn who_said_nothing_goes_before_who_idles_and_he_before_who_stalls() {
    let places = Places::new(4);
    let mut all: Vec<_> = (0..4).map(|n| enter(&places, n)).collect();
    // The oldest works, the next stalls in the middle of a request, then one idles, and one said nothing.
    all[0].0.begins();
    all[1].0.begins();
    all[1].0.stalls();
    serve(&all[2].0);
    for (cut, at) in [(3, At::Fresh), (2, At::Idle), (1, At::Stalled)] {
        let newer = enter(&places, 9);
        newer.0.begins();
        assert_eq!(lost(&mut all)[cut], Some(at), "{cut}");
        all.push(newer);
    }
    assert_eq!(lost(&mut all)[0], None);
    assert_eq!(places.enter(ip(9)).err(), Some(Full), "all are worked for, and nobody else comes");
    assert_eq!(places.table().held.len(), 4);
}

#[test]
fn the_oldest_first_and_a_trickle_makes_nobody_younger() {
    let places = Places::new(3);
    let mut all: Vec<_> = (0..3).map(|n| enter(&places, n)).collect();
    serve(&all[0].0);
    serve(&all[1].0);
    serve(&all[0].0);
    all[2].0.begins();
    let mut newer = vec![enter(&places, 7)];
    assert_eq!(lost(&mut all), [None, Some(At::Idle), None], "the other was heard of later");
    newer[0].0.begins();
    all[0].0.begins();
    for who in [&newer[0], &all[2], &all[0]] {
        who.0.stalls();
    }
    all[2].0.resumes();
    all[2].0.stalls();
    let _last = enter(&places, 8);
    assert_eq!((lost(&mut all)[2], lost(&mut newer)[0]), (Some(At::Stalled), None));
}

#[test]
fn an_answer_that_is_not_written_yet_is_no_idling() {
    let places = Places::new(1);
    let (place, mut cut) = enter(&places, 1);
    place.begins();
    place.flushed();
    place.answered();
    assert_eq!(places.enter(ip(1)).err(), Some(Full));
    place.stalls();
    place.resumes();
    assert_eq!(places.enter(ip(1)).err(), Some(Full));
    place.flushed();
    let (_newer, _) = enter(&places, 1);
    assert_eq!(cut.told().now_or_never(), Some(At::Idle));
    // Who lost its place changes nothing any more.
    place.begins();
    drop(place);
    let table = places.table();
    assert_eq!((table.held.len(), table.cuttable.len()), (1, 1));
}

#[test]
fn one_address_alone_keeps_nobody_out_and_loses_nothing_to_itself() {
    let places = Places::new(4);
    let mut flood: Vec<_> = (0..4).map(|_| enter(&places, 1)).collect();
    flood.iter().for_each(|(place, _)| place.begins());
    assert_eq!(places.enter(ip(1)).err(), Some(Full), "a proxy's own requests are not cut for more of them");
    let mut other = vec![enter(&places, 2)];
    assert_eq!(lost(&mut flood), [Some(At::Working), None, None, None]);
    other[0].0.begins();
    other.push(enter(&places, 3));
    other[1].0.begins();
    assert_eq!(lost(&mut flood), [Some(At::Working), Some(At::Working), None, None]);
    assert_eq!(places.enter(ip(4)).err(), Some(Full), "nobody holds more than half");

    // It opens more and says nothing: its own go first, though others are older.
    let places = Places::new(4);
    let mut quiet = vec![enter(&places, 2)];
    let mut flood: Vec<_> = (0..9).map(|_| enter(&places, 1)).collect();
    assert_eq!(lost(&mut quiet), [None]);
    assert_eq!(lost(&mut flood).iter().flatten().count(), 6);
    drop((quiet, flood));
    let table = places.table();
    assert!(table.held.is_empty() && table.of.is_empty() && table.dominant.is_none());
}

#[tokio::test]
async fn who_waits_hears_of_a_place() {
    let places = Places::new(1);
    let (place, _cut) = enter(&places, 1);
    place.begins();
    assert!(places.freed().now_or_never().is_none());
    place.stalls();
    places.freed().await;
    place.resumes();
    drop(place);
    places.freed().await;
    assert!(places.enter(ip(1)).is_ok());
}

#[test]
fn whose_connections_count_together() {
    let of = |text: &str| address(text.parse().unwrap()).to_string();
    assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(of("192.0.2.1"), "192.0.2.1");
}
