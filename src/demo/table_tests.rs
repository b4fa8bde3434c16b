//! What people read, as text.

use serde_json::json;

use super::super::outcome::tests::good;
use super::*;

#[test]
fn columns_line_up() {
    let rows = [
        vec![cell("1.5 ms").right(), cell("é"), cell("long text")],
        vec![cell("12.25 ms").right(), cell("abc").look(Look::Red), cell("")],
        vec![cell(""), cell("x").look(Look::Bold)],
    ];
    let plain = lines(&rows, Paint::new(false));
    assert_eq!(plain, "    1.5 ms   é     long text\n  12.25 ms   abc\n             x\n");
    let painted = lines(&rows, Paint::new(true));
    assert!(painted.contains("12.25 ms   \u{1b}[31mabc\u{1b}[0m"), "{painted:?}");
    let stripped = painted.replace("\u{1b}[31m", "").replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
    assert_eq!(stripped.lines().map(str::trim_end).collect::<Vec<_>>(), plain.lines().collect::<Vec<_>>());
}

#[test]
fn the_story_in_the_order_of_time() {
    let text = ending(&good(), Paint::new(false));
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no `{what}` in:\n{text}"));
    let order = [
        "   3.900 ms   idp       202    the hub has the signal",
        "   4.321 ms   gateway   401    the next call of r1 is refused",
        "   5.001 ms   siem      poll   session-revoked: session S1\n",
        "   5.001 ms   siem      poll   session-revoked: run r1 (lineage added it)",
        "   6.004 ms   crm       push   session-revoked: session S1",
        "r1       ",
        "0   stopped   spawned by r1.1; the user logged out",
        "7   goes on   night shift",
        "--launched_from-->",
    ];
    let places: Vec<usize> = order.iter().map(|what| at(what.trim_start())).collect();
    assert!(places.is_sorted(), "{places:?}\n{text}");
    assert!(!text.contains('\u{1b}') && text.matches("crm").count() == 1, "{text}");
}

#[test]
fn a_tree_of_runs() {
    let text = lines(&tree(), Paint::new(false));
    let stems: Vec<&str> =
        text.lines().map(|line| line.split("   researcher").next().unwrap_or(line)).collect();
    assert_eq!(
        stems[1..4].iter().map(|s| s.trim_end()).collect::<Vec<_>>(),
        ["  ├─ r1", "  │  └─ r1.1", "  │     └─ r1.1.1"]
    );
    assert!(stems[4].starts_with("  └─ r2 ") && stems[5].starts_with("     └─ r2.1 "), "{text}");
}

#[test]
fn subjects_by_their_narrowest_member() {
    let id = |id: &str| json!({ "format": "opaque", "id": id });
    let table = [
        (
            json!({ "format": "complex", "user": {"format": "iss_sub", "sub": "a"}, "session": id("s") }),
            "session s",
        ),
        (json!({ "format": "complex", "session": id("r"), "run": id("r") }), "run r"),
        (json!({ "format": "jwt_id", "jti": "j" }), "token j"),
        (json!({ "format": "email", "email": "e" }), "email"),
    ];
    for (sub_id, want) in table {
        assert_eq!(about(&sub_id), want);
    }
}
