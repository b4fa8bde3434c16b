//! What a PUT would change, member by member; secrets are never shown, only that they change.

use serde_json::{Map, Value, json};

/// What stands for a secret.
const HIDDEN: &str = "(secret)";

/// The members that differ, with what they were and what they become; an absent one is null. A member within a member is
/// named with a dot.
pub fn members(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    walk("", before, after, &mut out);
    out
}

fn walk(prefix: &str, before: &Map<String, Value>, after: &Map<String, Value>, out: &mut Map<String, Value>) {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    for name in after.keys().chain(gone) {
        let (from, to) = (before.get(name), after.get(name));
        if from == to {
            continue;
        }
        let path = format!("{prefix}{name}");
        match (from, to) {
            (Some(Value::Object(from)), Some(Value::Object(to))) => walk(&format!("{path}."), from, to, out),
            (from, to) => {
                let show = |value: Option<&Value>| match value {
                    Some(_) if is_secret(name) => HIDDEN.into(),
                    Some(value) => shown(value),
                    None => Value::Null,
                };
                out.insert(path, json!({ "from": show(from), "to": show(to) }));
            }
        }
    }
}

/// Whether a member holds a secret, its hash or its name.
fn is_secret(name: &str) -> bool {
    name.ends_with("_sha256") || name.contains("secret")
}

/// A value without what is secret in it.
fn shown(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let show = |(name, value): (&String, &Value)| {
                (name.clone(), if is_secret(name) { HIDDEN.into() } else { shown(value) })
            };
            Value::Object(members.iter().map(show).collect())
        }
        Value::Array(items) => items.iter().map(shown).collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(before: Value, after: Value) -> Value {
        Value::Object(members(before.as_object().unwrap(), after.as_object().unwrap()))
    }

    #[test]
    fn only_what_differs_and_never_a_secret() {
        let before = json!({ "id": "c", "facts": false, "bearer_sha256": "one", "authority": { "rate_per_s": 1, "effect": "record" } });
        let after = json!({ "id": "c", "facts": true, "bearer_sha256": "two", "authority": { "rate_per_s": 2, "effect": "record" }, "x": [{ "secret": "s", "y": 1 }] });
        let want = json!({
            "facts": { "from": false, "to": true },
            "bearer_sha256": { "from": HIDDEN, "to": HIDDEN },
            "authority.rate_per_s": { "from": 1, "to": 2 },
            "x": { "from": null, "to": [{ "secret": HIDDEN, "y": 1 }] },
        });
        assert_eq!(diff(before.clone(), after.clone()), want);
        assert_eq!(diff(before.clone(), before.clone()), json!({}));
        assert_eq!(diff(after, before)["x"]["to"], Value::Null);
    }
}
