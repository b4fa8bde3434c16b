//! The dialect of NGINX `auth_request` (GATES 2.1): a subrequest without a body, answered by status and headers.
//!
//! Anything but 200, 401, 403 is a 500 to the caller of the gateway, so there is nothing else. 401 carries
//! `WWW-Authenticate` (RFC 6750 §3), 403 does not. Every answer has `X-Hub-Decision-Id`, every refusal
//! `X-Hub-Reason`. Nothing that a token or a caller sent is ever part of an answer.

use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use super::judge::Gate;
use super::refusal::Refusal;
use super::ruling::Ruling;
use crate::tenant::TenantId;

/// How an enforcement point says who it is: `Bearer ` and its secret.
pub const X_HUB_POINT: HeaderName = HeaderName::from_static("x-hub-point");
/// Which decision this is: `tenant:seq` leads to the cause with `ssf-hub why`.
pub const X_HUB_DECISION_ID: HeaderName = HeaderName::from_static("x-hub-decision-id");
/// The reason code of a refusal.
pub const X_HUB_REASON: HeaderName = HeaderName::from_static("x-hub-reason");

impl Gate {
    /// Answers `GET v1/authz/nginx` from the request's headers.
    pub async fn nginx(&self, tenant: &TenantId, headers: &HeaderMap) -> Response<()> {
        let secret = bearer(headers, &X_HUB_POINT).unwrap_or(None);
        let presented = bearer(headers, &AUTHORIZATION).and_then(|token| token.ok_or(Refusal::Missing));
        answer(tenant, &self.rule(tenant, secret, presented).await)
    }
}

/// The answer at a door that is no tenant's. It is `_hub`'s, so that the path is not repeated to the caller.
pub fn nobodys_door() -> Response<()> {
    answer(&TenantId::hub(), &Ruling::PointUnknown)
}

/// The credential behind `Bearer ` in the one header field of this name; `None` if there is no such field,
/// or one of another scheme. Two fields would be two questions: malformed.
fn bearer<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Refusal> {
    let mut fields = headers.get_all(name).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) => return Ok(None),
        (Some(field), None) => field.as_bytes().trim_ascii(),
        (Some(_), Some(_)) => return Err(Refusal::Malformed),
    };
    let (scheme, rest) = field.split_at(field.iter().position(|c| *c == b' ').unwrap_or(field.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    match rest.trim_ascii() {
        [] => Err(Refusal::Malformed),
        credential => Ok(Some(credential)),
    }
}

/// The answer on the wire.
fn answer(tenant: &TenantId, ruling: &Ruling) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert(X_HUB_DECISION_ID, value(&ruling.decision_id(tenant)));
    // A cached answer would outlive a revocation.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if *ruling != Ruling::Allow {
        headers.insert(X_HUB_REASON, value(ruling.reason_code()));
    }
    if let Some(challenge) = challenge(ruling) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    *response.status_mut() = match ruling {
        Ruling::Allow => StatusCode::OK,
        Ruling::Refused(_) | Ruling::Revoked(_) => StatusCode::UNAUTHORIZED,
        Ruling::Suspended(_) | Ruling::PointUnknown => StatusCode::FORBIDDEN,
    };
    response
}

/// What a 401 asks for. A call without a token gets no error code (RFC 6750 §3.1).
fn challenge(ruling: &Ruling) -> Option<HeaderValue> {
    let description = match ruling {
        Ruling::Refused(Refusal::Missing) => return Some(HeaderValue::from_static("Bearer")),
        Ruling::Refused(refusal) => refusal.to_string(),
        Ruling::Revoked(_) => "the token is revoked".into(),
        Ruling::Allow | Ruling::Suspended(_) | Ruling::PointUnknown => return None,
    };
    Some(value(&format!(r#"Bearer error="invalid_token", error_description="{description}""#)))
}

/// All values are made of fixed texts, tenant ids, numbers and reason codes. A reason code comes out of a
/// journal, so it is still held to printable ASCII.
fn value(text: &str) -> HeaderValue {
    let plain = text.len() <= 256 && text.bytes().all(|c| (b' '..=b'~').contains(&c));
    let value = if plain { HeaderValue::from_str(text).ok() } else { None };
    value.unwrap_or(HeaderValue::from_static("other"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::decide::Cause;
    use super::super::fixture::{Bench, NOW_S, POINT, payload, sign};
    use super::*;
    use crate::revocation::key::Kind;
    use crate::revocation::record::{Basis, Effect, Until};
    use crate::tenant::Seq;

    fn headers(fields: &[(&'static str, String)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn point() -> (&'static str, String) {
        ("x-hub-point", format!("Bearer {POINT}"))
    }

    fn authorization(value: impl Into<String>) -> (&'static str, String) {
        ("authorization", value.into())
    }

    /// Status, decision id, reason, challenge.
    type Seen = (u16, String, Option<String>, Option<String>);

    fn seen(response: &Response<()>) -> Seen {
        let text = |name: &HeaderName| {
            let mut all = response.headers().get_all(name).iter();
            let one = all.next().map(|v| v.to_str().unwrap().to_string());
            assert!(all.next().is_none());
            one
        };
        let id = text(&X_HUB_DECISION_ID).unwrap();
        assert!(response.headers().len() <= 4);
        (response.status().as_u16(), id, text(&X_HUB_REASON), text(&WWW_AUTHENTICATE))
    }

    async fn ask(bench: &Bench, fields: &[(&'static str, String)]) -> Seen {
        seen(&bench.gate.nginx(&bench.tenant, &headers(fields)).await)
    }

    fn invalid(code: &str, text: &str) -> Seen {
        let challenge = format!(r#"Bearer error="invalid_token", error_description="{text}""#);
        (401, format!("default:{code}"), Some(code.into()), Some(challenge))
    }

    #[tokio::test]
    async fn the_wire_by_table() {
        let bench = Bench::new();
        let good = sign("at+jwt", &payload(json!({})));
        let old = sign("at+jwt", &payload(json!({"iat": NOW_S - 400, "exp": NOW_S - 100})));
        let unknown: Seen = (403, "default:point_unknown".into(), Some("point_unknown".into()), None);
        let missing: Seen =
            (401, "default:token_missing".into(), Some("token_missing".into()), Some("Bearer".into()));
        let malformed = invalid("token_malformed", "the token is malformed");
        let allow: Seen = (200, "default:allow".into(), None, None);
        let table = [
            (vec![], unknown.clone()),
            (vec![authorization(format!("Bearer {good}"))], unknown.clone()),
            (vec![("x-hub-point", POINT.into()), authorization(format!("Bearer {good}"))], unknown.clone()),
            (vec![("x-hub-point", "Bearer wrong".into())], unknown.clone()),
            (vec![point(), point(), authorization(format!("Bearer {good}"))], unknown),
            (vec![point()], missing.clone()),
            (vec![point(), authorization("Basic YTpi")], missing.clone()),
            (vec![point(), authorization(format!("DPoP {good}"))], missing),
            (vec![point(), authorization("Bearer")], malformed.clone()),
            (vec![point(), authorization("Bearer ")], malformed.clone()),
            (vec![point(), authorization("Bearer x y z")], malformed.clone()),
            (vec![point(), authorization(format!("Bearer {good}, Bearer {good}"))], malformed.clone()),
            (vec![point(), authorization(format!("Bearer {good}")), authorization("Bearer x")], malformed),
            (
                vec![point(), authorization(format!("Bearer {old}"))],
                invalid("token_expired", "the token expired"),
            ),
            (vec![point(), authorization(format!("Bearer {good}"))], allow.clone()),
            (vec![point(), authorization(format!("bEARER   {good}  "))], allow),
        ];
        for (fields, want) in table {
            assert_eq!(ask(&bench, &fields).await, want, "{fields:?}");
        }
    }

    #[tokio::test]
    async fn a_record_leads_to_its_entry() {
        let bench = Bench::new();
        let fields = [point(), authorization(format!("Bearer {}", sign("at+jwt", &payload(json!({})))))];
        let client = bench.hash(Kind::Client, "client", "app");
        bench.put(client, 42, Basis::Suspended, Until::Hold, Effect::Suspend);
        let want: Seen = (403, "default:42".into(), Some("r42".into()), None);
        assert_eq!(ask(&bench, &fields).await, want);
        let tool = bench.hash_of(Kind::Tool, "tool", "", "tool-a");
        bench.put(tool, 43, Basis::Killed, Until::Hold, Effect::Deny);
        let (status, id, reason, challenge) = ask(&bench, &fields).await;
        assert_eq!((status, id.as_str(), reason.as_deref()), (401, "default:43", Some("r43")));
        assert!(challenge.unwrap().ends_with(r#"error_description="the token is revoked""#));
    }

    #[test]
    fn nothing_from_outside_gets_into_a_header() {
        let tenant = TenantId::default_tenant();
        for reason_code in ["a\r\nSet-Cookie: x=1", "a\0", "é", &"x".repeat(257)] {
            let cause = Cause { seq: Seq(1), reason_code: reason_code.into() };
            for ruling in [Ruling::Revoked(cause.clone()), Ruling::Suspended(cause)] {
                let (_, id, reason, _) = seen(&answer(&tenant, &ruling));
                assert_eq!((id.as_str(), reason.as_deref()), ("default:1", Some("other")));
            }
        }
    }

    #[tokio::test]
    async fn names_in_a_token_do_not_come_back() {
        let bench = Bench::new();
        let evil = "x\", Set-Cookie: a=\"b";
        for changes in [json!({"sub": evil, "aud": evil}), json!({"iss": evil}), json!({"sub": "a\r\nb: c"})]
        {
            let token = sign("at+jwt", &payload(changes));
            let answer = bench
                .gate
                .nginx(&bench.tenant, &headers(&[point(), authorization(format!("Bearer {token}"))]))
                .await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            assert!(answer.headers().values().all(|v| !v.to_str().unwrap().contains("ookie")));
        }
    }

    #[test]
    fn only_the_three_statuses_for_every_refusal() {
        let tenant = TenantId::default_tenant();
        for refusal in Refusal::ALL {
            let (status, id, reason, challenge) = seen(&answer(&tenant, &Ruling::Refused(refusal)));
            assert_eq!((status, id), (401, format!("default:{}", refusal.code())));
            assert_eq!(reason.as_deref(), Some(refusal.code()));
            assert!(challenge.unwrap().starts_with("Bearer"));
        }
    }

    #[test]
    fn a_door_that_is_no_tenants_is_answered_in_full_too() {
        let response = nobodys_door();
        let want = (403, "_hub:point_unknown".to_string(), Some("point_unknown".to_string()), None);
        assert_eq!(seen(&response), want);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }
}
