//! Filling `{name}` in the texts of a case with what is known while it runs.
//!
//! A text that is nothing but one name becomes the value itself, of any type; inside a longer text the value's text is
//! put in. Names of members are filled too. A dot leads into an object: `{s.config.delivery}`. Never guesses: an unknown
//! name is an answer of its own, because it says what the transmitter did not offer.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What is known, by name.
pub type Known = BTreeMap<String, Value>;

/// Nothing is known under this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is known as {0}")]
pub struct Unknown(pub String);

/// Fills all texts of a value.
pub fn fill(value: &Value, known: &Known) -> Result<Value, Unknown> {
    Ok(match value {
        Value::String(text) => fill_text(text, known)?,
        Value::Array(items) => Value::Array(items.iter().map(|v| fill(v, known)).collect::<Result<_, _>>()?),
        Value::Object(members) => {
            let mut out = Map::new();
            for (name, value) in members {
                out.insert(text(name, known)?, fill(value, known)?);
            }
            Value::Object(out)
        }
        other => other.clone(),
    })
}

/// Fills a text; a value that is put in keeps no quotes.
pub fn text(template: &str, known: &Known) -> Result<String, Unknown> {
    fill_text(template, known).map(|value| plain(&value))
}

/// A value as it stands inside a longer text.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn fill_text(template: &str, known: &Known) -> Result<Value, Unknown> {
    let (mut out, mut rest) = (String::new(), template);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        match name_in(from) {
            Some(name) => {
                let value = lookup(name, known).ok_or_else(|| Unknown(name.into()))?;
                if name.len() + 2 == template.len() {
                    return Ok(value.clone());
                }
                out.push_str(&plain(value));
                rest = from.get(name.len() + 2..).unwrap_or_default();
            }
            None => {
                out.push('{');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    Ok(Value::String(out))
}

/// The name in `{name}…`; a brace that holds anything else stands for itself.
fn name_in(from: &str) -> Option<&str> {
    let name = from.strip_prefix('{')?.split_once('}')?.0;
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    (name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fine)).then_some(name)
}

fn lookup<'a>(name: &str, known: &'a Known) -> Option<&'a Value> {
    if let Some(value) = known.get(name) {
        return Some(value);
    }
    let (owner, member) = name.rsplit_once('.')?;
    lookup(owner, known)?.get(member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_values_and_names_are_filled() {
        let known = Known::from([
            ("a".into(), json!("x")),
            ("s".into(), json!({ "config": { "n": 7 } })),
            ("url".into(), json!("https://h/{a}")),
        ]);
        let table = [
            (json!("{a}"), json!("x")),
            (json!("{s.config.n}"), json!(7)),
            (json!("{a}-{s.config.n}"), json!("x-7")),
            (json!({ "{a}": ["{s.config}"] }), json!({ "x": [{ "n": 7 }] })),
            (json!(";{ broken"), json!(";{ broken")),
            (json!("{A} {} {"), json!("{A} {} {")),
            // What was put in is not filled again.
            (json!("{url}"), json!("https://h/{a}")),
            (json!(5), json!(5)),
        ];
        for (template, want) in table {
            assert_eq!(fill(&template, &known), Ok(want), "{template}");
        }
        assert_eq!(fill(&json!(["{b}"]), &known), Err(Unknown("b".into())));
        assert_eq!(fill(&json!("{s.config.m}"), &known), Err(Unknown("s.config.m".into())));
        assert_eq!(text("{s.config}", &known), Ok("{\"n\":7}".into()));
    }
}
