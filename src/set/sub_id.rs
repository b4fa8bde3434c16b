//! Subject identifiers (RFC 9493, SSF 3.2–3.5): who or what an event is about.
//!
//! Parsed once from a SET's `sub_id` (or from a request to add a subject), then matched by `key`, resolved
//! by `lineage`. Members that a format does not describe are put up with on receipt (AMB-21); what goes out
//! is either the text as it came or `to_value`. Never canonicalises: SSF matching is exact.

use serde_json::{Map, Value, json};

use super::syntax;

/// Most members of a complex subject, and most identifiers of one `aliases`.
pub const PARTS_MAX: usize = 100;

/// Why a value is no subject identifier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not an object, or `format` is missing, empty or no string (SUBJ-01).
    #[error("a subject identifier is an object with a format")]
    Format,
    /// A member that the format requires is missing, empty, or against the format's rules (SUBJ-02).
    #[error("member {0} is missing or not as its format requires")]
    Member(&'static str),
    /// `aliases` or `complex` inside an identifier that must be simple (SUBJ-14, SUBJ-25).
    #[error("identifiers are nested that must not be")]
    Nested,
    /// No part, or more than `PARTS_MAX`.
    #[error("no part or too many parts")]
    Parts,
}

/// A simple subject identifier.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the members are those of RFC 9493 §3.2 and SSF 3.5")]
pub enum Simple {
    /// RFC 9493 §3.2.1.
    Account { uri: String },
    /// RFC 9493 §3.2.2.
    Email { email: String },
    /// RFC 9493 §3.2.3.
    IssSub { iss: String, sub: String },
    /// RFC 9493 §3.2.4.
    Opaque { id: String },
    /// RFC 9493 §3.2.5.
    PhoneNumber { phone_number: String },
    /// RFC 9493 §3.2.6.
    Did { url: String },
    /// RFC 9493 §3.2.7.
    Uri { uri: String },
    /// SSF 3.5.1.
    JwtId { iss: String, jti: String },
    /// SSF 3.5.2.
    SamlAssertionId { issuer: String, assertion_id: String },
    /// RFC 9493 §3.2.8: several identifiers of one subject, none of them `aliases` again.
    Aliases(Vec<Self>),
    /// SSF 3.5.3; `ip-addresses` on the wire.
    IpAddresses { ip_addresses: Vec<String> },
    /// Any other format, its members without `format` (SSF 3.4).
    Other { format: String, members: Map<String, Value> },
}

/// A subject: simple, or complex (SSF 3.3) with its named members in the order they came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubId {
    /// One identifier.
    Simple(Simple),
    /// Several members that together denote one principal.
    Complex(Vec<(String, Simple)>),
}

impl SubId {
    /// Parses a subject identifier of any format.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        let members = value.as_object().ok_or(Error::Format)?;
        if format(members)? != "complex" {
            return Simple::parse(value).map(Self::Simple);
        }
        if !(1..=PARTS_MAX).contains(&members.len().saturating_sub(1)) {
            return Err(Error::Parts);
        }
        let parts = members.iter().filter(|(name, _)| *name != "format");
        let parsed = parts.map(|(name, part)| Ok((name.clone(), Simple::parse(part)?)));
        parsed.collect::<Result<_, _>>().map(Self::Complex)
    }

    /// Parses the text of a subject identifier, as the journal keeps it.
    pub fn parse_str(json: &str) -> Result<Self, Error> {
        Self::parse(&serde_json::from_str(json).map_err(|_| Error::Format)?)
    }

    /// The identifier as JSON, without members that its format does not describe.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Simple(simple) => simple.to_value(),
            Self::Complex(parts) => {
                let mut out = Map::new();
                out.insert("format".into(), "complex".into());
                out.extend(parts.iter().map(|(name, part)| (name.clone(), part.to_value())));
                Value::Object(out)
            }
        }
    }

    /// The member of a complex subject, such as `user` or `session`; `None` for a simple one.
    pub fn member(&self, name: &str) -> Option<&Simple> {
        match self {
            Self::Simple(_) => None,
            Self::Complex(parts) => parts.iter().find(|(n, _)| n == name).map(|(_, part)| part),
        }
    }

    /// One text per subject: equal exactly when all described members are equal, whatever their order.
    pub fn key(&self) -> String {
        match self {
            Self::Simple(simple) => simple.key(),
            Self::Complex(parts) => {
                let mut parts: Vec<Value> =
                    parts.iter().map(|(name, part)| json!([name, part.key_value()])).collect();
                parts.sort_by_key(Value::to_string);
                json!(["complex", parts]).to_string()
            }
        }
    }
}

fn format(members: &Map<String, Value>) -> Result<&str, Error> {
    members.get("format").and_then(Value::as_str).filter(|f| !f.is_empty()).ok_or(Error::Format)
}

impl Simple {
    /// Parses a simple subject identifier; `complex` is refused.
    pub fn parse(value: &Value) -> Result<Self, Error> {
        Self::parse_at(value, false)
    }

    fn parse_at(value: &Value, within_aliases: bool) -> Result<Self, Error> {
        let members = value.as_object().ok_or(Error::Format)?;
        let any = |_: &str| true;
        let text = |name: &'static str, fits: fn(&str) -> bool| {
            let value = members.get(name).and_then(Value::as_str).filter(|s| !s.is_empty() && fits(s));
            value.map(String::from).ok_or(Error::Member(name))
        };
        Ok(match format(members)? {
            "account" => Self::Account { uri: text("uri", syntax::is_acct)? },
            "email" => Self::Email { email: text("email", syntax::is_addr_spec)? },
            "iss_sub" => Self::IssSub { iss: text("iss", any)?, sub: text("sub", any)? },
            "opaque" => Self::Opaque { id: text("id", any)? },
            "phone_number" => {
                Self::PhoneNumber { phone_number: text("phone_number", syntax::is_phone_number)? }
            }
            "did" => Self::Did { url: text("url", syntax::is_did)? },
            "uri" => Self::Uri { uri: text("uri", syntax::is_uri)? },
            "jwt_id" => Self::JwtId { iss: text("iss", any)?, jti: text("jti", any)? },
            "saml_assertion_id" => Self::SamlAssertionId {
                issuer: text("issuer", any)?,
                assertion_id: text("assertion_id", any)?,
            },
            "ip-addresses" => Self::IpAddresses { ip_addresses: ip_addresses(members)? },
            "complex" => return Err(Error::Nested),
            "aliases" if within_aliases => return Err(Error::Nested),
            "aliases" => Self::Aliases(aliases(members)?),
            other => Self::other(other, members),
        })
    }

    fn other(format: &str, members: &Map<String, Value>) -> Self {
        let described = members.iter().filter(|(name, _)| *name != "format");
        let members = described.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self::Other { format: format.into(), members }
    }

    /// The format's name and its described members, in the order of the specifications.
    fn described(&self) -> (&str, Vec<(&str, Value)>) {
        match self {
            Self::Account { uri } => ("account", vec![("uri", json!(uri))]),
            Self::Email { email } => ("email", vec![("email", json!(email))]),
            Self::IssSub { iss, sub } => ("iss_sub", vec![("iss", json!(iss)), ("sub", json!(sub))]),
            Self::Opaque { id } => ("opaque", vec![("id", json!(id))]),
            Self::PhoneNumber { phone_number } => {
                ("phone_number", vec![("phone_number", json!(phone_number))])
            }
            Self::Did { url } => ("did", vec![("url", json!(url))]),
            Self::Uri { uri } => ("uri", vec![("uri", json!(uri))]),
            Self::JwtId { iss, jti } => ("jwt_id", vec![("iss", json!(iss)), ("jti", json!(jti))]),
            Self::SamlAssertionId { issuer, assertion_id } => {
                ("saml_assertion_id", vec![("issuer", json!(issuer)), ("assertion_id", json!(assertion_id))])
            }
            Self::Aliases(many) => {
                let many: Vec<Value> = many.iter().map(Self::to_value).collect();
                ("aliases", vec![("identifiers", many.into())])
            }
            Self::IpAddresses { ip_addresses } => {
                ("ip-addresses", vec![("ip-addresses", json!(ip_addresses))])
            }
            Self::Other { format, members } => {
                (format, members.iter().map(|(name, value)| (name.as_str(), value.clone())).collect())
            }
        }
    }

    /// The identifier as JSON.
    pub fn to_value(&self) -> Value {
        let (format, members) = self.described();
        let mut out = Map::new();
        out.insert("format".into(), format.into());
        out.extend(members.into_iter().map(|(name, value)| (name.to_string(), value)));
        Value::Object(out)
    }

    /// One text per identifier; see `SubId::key`.
    pub fn key(&self) -> String {
        self.key_value().to_string()
    }

    fn key_value(&self) -> Value {
        match self {
            // A set in all but name: the order of aliases says nothing.
            Self::Aliases(many) => {
                let mut keys: Vec<String> = many.iter().map(Self::key).collect();
                keys.sort();
                keys.dedup();
                json!(["aliases", keys])
            }
            Self::Other { format, members } => json!([format, sorted(&Value::Object(members.clone()))]),
            _ => {
                let (format, members) = self.described();
                let values: Vec<Value> = members.into_iter().map(|(_, value)| value).collect();
                json!([format, values])
            }
        }
    }
}

fn aliases(members: &Map<String, Value>) -> Result<Vec<Simple>, Error> {
    let many = members.get("identifiers").and_then(Value::as_array).ok_or(Error::Member("identifiers"))?;
    if !(1..=PARTS_MAX).contains(&many.len()) {
        return Err(Error::Parts);
    }
    many.iter().map(|one| Simple::parse_at(one, true)).collect()
}

fn ip_addresses(members: &Map<String, Value>) -> Result<Vec<String>, Error> {
    let bad = Error::Member("ip-addresses");
    let many = members.get("ip-addresses").and_then(Value::as_array).filter(|many| !many.is_empty());
    let texts = many.and_then(|many| {
        let fits = |v: &Value| v.as_str().filter(|s| syntax::is_ip_address(s)).map(String::from);
        many.iter().map(fits).collect::<Option<Vec<_>>>()
    });
    texts.ok_or(bad)
}

/// The same value with the members of every object in order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            names.into_iter().filter_map(|n| Some((n.clone(), sorted(members.get(n)?)))).collect()
        }
        Value::Array(many) => many.iter().map(sorted).collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
#[path = "sub_id_tests.rs"]
mod tests;
