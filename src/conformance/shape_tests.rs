//! Each matcher holds where it should and nowhere else.

use super::*;
use serde_json::json;

fn fits(matcher: Value, value: Value) -> bool {
    let shape: Shape = serde_json::from_value(json!({ "/v": matcher })).unwrap();
    assert_eq!(shape.unknown_matchers(), Vec::<String>::new());
    shape.fits(&json!({ "v": value }), &Known::new()).unwrap()
}

#[test]
fn each_operation_holds_and_fails() {
    let table = [
        (json!({ "equals": { "a": 1, "b": 2 } }), json!({ "b": 2, "a": 1.0 }), json!({ "a": 1 })),
        (json!({ "not": "x" }), json!("y"), json!("x")),
        (json!({ "one_of": [1, 2] }), json!(2), json!(3)),
        (json!({ "within": ["a", "b"] }), json!(["a"]), json!(["a", "c"])),
        (json!({ "within": ["a", "b"] }), json!("b"), json!("c")),
        (json!({ "covers": ["a", "b"] }), json!(["b", "c", "a"]), json!(["a"])),
        (json!({ "contains": "a" }), json!(["a"]), json!(["b"])),
        (json!({ "contains": "a" }), json!("cat"), json!("dog")),
        (json!({ "excludes": "a" }), json!("dog"), json!("cat")),
        (json!({ "starts_with": "ab" }), json!("abc"), json!("bc")),
        (json!({ "start_of": "abc" }), json!("ab"), json!("b")),
        (
            json!({ "media_type": "application/json" }),
            json!("Application/JSON; charset=utf-8"),
            json!("text/json"),
        ),
        (json!({ "keys": "uri" }), json!({ "urn:a:b": 1 }), json!({ "a": 1 })),
        (json!({ "keys_within": ["a"] }), json!({ "a": 1 }), json!({ "a": 1, "b": 1 })),
        (json!({ "size": 2 }), json!([1, 2]), json!({ "a": 1 })),
        (json!({ "min_size": 1 }), json!("x"), json!([])),
        (json!({ "max_size": 1 }), json!([1]), json!([1, 2])),
        (json!({ "at_least": 3 }), json!(3), json!(2)),
        (json!({ "at_most": 3 }), json!(3), json!("2")),
        (json!({ "distinct": true }), json!([1, 2]), json!([1, 1])),
        (json!({ "any_of": ["string", 7] }), json!(7), json!(8)),
        (json!({ "optional": "text" }), json!("x"), json!(1)),
        (
            json!({ "fits": { "/a": "text", "": { "size": 1 } } }),
            json!({ "a": "x" }),
            json!({ "a": "x", "b": 1 }),
        ),
        (json!({ "some": { "/a": 1 } }), json!([{}, { "a": 1 }]), json!([{ "a": 2 }])),
        (json!({ "none": { "/a": 1 } }), json!([{ "a": 2 }]), json!([{}, { "a": 1 }])),
        (json!(["string", { "starts_with": "x" }]), json!("xy"), json!("y")),
        (json!("text"), json!("x"), json!("")),
        (json!(204), json!(204), json!(200)),
    ];
    for (matcher, good, bad) in table {
        assert!(fits(matcher.clone(), good.clone()), "{matcher} {good}");
        assert!(!fits(matcher.clone(), bad.clone()), "{matcher} {bad}");
    }
}

#[test]
fn paths_lead_to_what_is_there_and_what_is_not() {
    let doc = json!({ "keys": [{ "kty": "RSA" }, { "kty": "EC", "d": "x" }], "empty": [] });
    let faults = |shape: Value| {
        let shape: Shape = serde_json::from_value(shape).unwrap();
        shape.faults(&doc, &Known::new()).unwrap().len()
    };
    assert_eq!(faults(json!({ "/keys/*/kty": "text" })), 0);
    assert_eq!(faults(json!({ "/keys/*/d": "absent" })), 1);
    assert_eq!(faults(json!({ "/keys/1/d": "present", "/keys/2": "absent", "/x/y": "absent" })), 0);
    assert_eq!(faults(json!({ "/empty/*": "string", "/x": { "optional": 1 }, "/*": { "not": [] } })), 1);
    assert_eq!(faults(json!({ "/x": "present", "/y": { "equals": 1 }, "/z": { "any_of": [1, 2] } })), 3);
}

#[test]
fn a_matcher_that_means_nothing_is_found() {
    let shape: Shape =
        serde_json::from_value(json!({ "/a": "nonsense", "/b": { "x": 1 }, "/c": "text" })).unwrap();
    assert_eq!(shape.unknown_matchers().len(), 2);
}
