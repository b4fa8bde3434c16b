//! Plain HTTP to a real part (its admin interface, a gateway), as any client would speak it.

use std::time::Duration;

use serde_json::Value;

/// What is sent.
pub enum Body<'a> {
    None,
    Json(&'a Value),
    Form(&'a [(&'a str, &'a str)]),
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Answer {
    /// Panics when the body is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Panics, showing the answer, when the status is not a 2xx.
    pub fn expect_success(self) -> Self {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self
    }
}

/// One exchange, at most 120 s; redirects are not followed. Panics when there is no answer.
pub async fn call(method: &str, url: &str, headers: &[(&str, &str)], body: Body<'_>) -> Answer {
    #[allow(
        clippy::disallowed_methods,
        reason = "a client of the part's, with nothing of the hub's own egress"
    )]
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(120))
        .build()
        .expect("an HTTP client");
    let mut request = client.request(method.parse().expect("a method"), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request = match body {
        Body::None => request,
        Body::Json(value) => request.header("content-type", "application/json").body(value.to_string()),
        Body::Form(pairs) => {
            let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            request.header("content-type", "application/x-www-form-urlencoded").body(text)
        }
    };
    let answer = request.send().await.unwrap_or_else(|e| panic!("{method} {url}: {e:?}"));
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.text().await.unwrap_or_else(|e| panic!("{method} {url}: {e:?}"));
    Answer { status, headers, body }
}
