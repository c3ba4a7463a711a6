//! What a provider answered: JSON of a bounded size, or why there is none, in words that can be shown.

use super::keys::Secret;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use evidence::{Sha256Digest, shown};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::time::Duration;
use vault::SourceError;

/// A good answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status, 200 to 299.
    pub status: u16,
    /// The few headers that matter, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; null if there was none. What is valid JSON but nested deeper than 128 comes as the text
    /// it is: whoever can name a thing can nest one.
    pub json: Value,
    /// Of the body as it came: what JSON loses, such as a name that is there twice, is still told.
    pub sha256: Sha256Digest,
    /// Of the body as it came.
    pub size_bytes: u64,
}

/// Why a call brought nothing. Holds the provider's code and message, never a URL or a credential.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Trouble {
    /// Not allowed.
    #[error("{0}")]
    Denied(String),
    /// The provider says there is none.
    #[error("{0}")]
    Absent(String),
    /// Too many requests, also after waiting.
    #[error("{0}")]
    Throttled(String),
    /// Broken on the way or on the provider's side: the same call may bring more later.
    #[error("{0}")]
    Passing(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl Trouble {
    /// The reason.
    pub fn why(&self) -> &str {
        match self {
            Self::Denied(why)
            | Self::Absent(why)
            | Self::Throttled(why)
            | Self::Passing(why)
            | Self::Failed(why) => why,
        }
    }

    /// Whether the answer was longer than is held: less of it may be asked for. What a provider says
    /// itself never reads so, since its status comes first.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Failed(why) if why.starts_with(TOO_LARGE))
    }
}

impl From<Trouble> for SourceError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Denied(why) => Self::Denied(why),
            Trouble::Absent(why) => Self::Absent(why),
            Trouble::Throttled(why) | Trouble::Passing(why) | Trouble::Failed(why) => {
                Self::Failed(why)
            }
        }
    }
}

/// The error that a body tells of, in the provider's own way of telling.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The provider's code, if it has one.
    pub code: String,
    /// Its message.
    pub message: String,
    /// What it means where the HTTP status does not tell, e.g. `Some(Trouble::Denied)`.
    pub means: Option<fn(String) -> Trouble>,
}

/// Reads the error out of a body; none if it tells of none. Given the body and the HTTP status.
pub type Tell = fn(&Value, u16) -> Option<Told>;

/// The codes by which Cloudflare says with status 400 that it does not take a credential:
/// authentication error, invalid access token, invalid request headers.
const NOT_TAKEN: &[u64] = &[10_000, 9_109, 6_003];

/// As Cloudflare tells: `{"success": false, "errors": [{"code": 10007, "message": "…"}]}`, also with
/// status 200. Source: its API reference, "Making API calls", and the code of its SDKs.
pub fn told_by_cloudflare(body: &Value, status: u16) -> Option<Told> {
    let failed = body.get("success").and_then(Value::as_bool) == Some(false);
    if !failed && status < 400 {
        return None;
    }
    let errors = body.get("errors").and_then(Value::as_array);
    let Some(first) = errors.and_then(|errors| errors.first()) else {
        return failed.then(Told::default);
    };
    let code = first.get("code").and_then(Value::as_u64);
    let not_taken = status == 400 && code.is_some_and(|code| NOT_TAKEN.contains(&code));
    Some(Told {
        code: word(first.get("code")),
        message: word(first.get("message")),
        means: not_taken.then_some(Trouble::Denied),
    })
}

/// As Google and Azure tell: `{"error": {"code": …, "message": "…", "status": "PERMISSION_DENIED"}}`,
/// App Service's `{"Code": "…", "Message": "…"}`, and an OAuth 2.0 server's `{"error": "invalid_grant",
/// "error_description": "…"}` (RFC 6749, section 5.2).
pub fn told_by_error(body: &Value, status: u16) -> Option<Told> {
    if status < 400 {
        return None;
    }
    let told = |code: Option<&Value>, message: Option<&Value>| Told {
        code: word(code),
        message: word(message),
        means: None,
    };
    match body.get("error") {
        Some(code @ Value::String(_)) => Some(told(Some(code), body.get("error_description"))),
        Some(error) => Some(told(
            error.get("status").or_else(|| error.get("code")),
            error.get("message"),
        )),
        None if body.get("Code").is_some() => Some(told(body.get("Code"), body.get("Message"))),
        None => None,
    }
}

fn word(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// How much of a message is shown, in characters.
const SHOWN: usize = 200;

/// A refusal in words: `404 10007: no such script`. What looks like an address is left out, since it
/// may be a signed one, and so are the credentials that went along.
pub(super) fn in_words(status: u16, told: &Told, secrets: &[&Secret]) -> String {
    let mut said = format!("answered {status}");
    for (before, text) in [(" ", &told.code), (": ", &told.message)] {
        if !text.is_empty() {
            said.push_str(before);
            said.push_str(text);
        }
    }
    let said = secrets
        .iter()
        .fold(said, |said, secret| secret.struck_from(&said));
    shown(&without_addresses(&said), SHOWN)
}

fn without_addresses(text: &str) -> String {
    let address = |word: &str| word.contains("//") || word.to_ascii_lowercase().contains("%2f%2f");
    let words = text.split(' ').map(|word| {
        if word.split_ascii_whitespace().any(address) {
            "(address)"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The headers that matter: what a body is, how fast may be asked, and by which a provider finds a
/// request again. A name that ends in `*` stands for all that begin so.
const KEPT: &[&str] = &[
    "content-type",
    "content-encoding",
    "content-length",
    "date",
    "etag",
    "last-modified",
    "retry-after",
    "ratelimit*",
    "x-ratelimit-*",
    "x-ms-ratelimit-*",
    "cf-entrypoint",
    "cf-ray",
    "request-id",
    "x-request-id",
    "x-ms-request-id",
    "x-ms-correlation-request-id",
    "x-goog-generation",
    "x-goog-hash",
];

/// The headers of an answer that matter.
pub(super) fn kept(headers: &Headers) -> Vec<(String, String)> {
    let is_kept = |name: &str| {
        KEPT.iter().any(|kept| match kept.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == *kept,
        })
    };
    headers
        .iter()
        .filter(|(name, _)| is_kept(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// How long nothing may come.
pub(super) const QUIET: Duration = Duration::from_secs(60);
/// How long a JSON body may take in all: whoever sends a byte a minute is not waited for.
const WHOLE: Duration = Duration::from_secs(300);
/// How it is told that a body is longer.
const TOO_LARGE: &str = "answered with more than";
/// The largest JSON body, in bytes.
pub(super) const LARGEST: usize = 16 * 1024 * 1024;
/// The most of an error's body that is read, in bytes.
const LARGEST_ERROR: usize = 256 * 1024;

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Reading it again may help.
    Passing(String),
    /// It would not.
    Failed(String),
}

/// The JSON of a good answer.
pub(super) async fn read(mut answer: HttpResponse, is_get: bool) -> Result<Reply, Unread> {
    let status = answer.status().as_u16();
    let headers = kept(answer.headers());
    let named = |wanted: &str| {
        let mut headers = headers.iter();
        headers.find_map(|(name, value)| (name == wanted).then_some(value.as_str()))
    };
    let is_empty = status == 204 || (!is_get && named("content-length") == Some("0"));
    if !is_empty {
        is_json(named("content-type"))?;
    }
    let body = whole(answer.take_body(), announced(answer.headers()), LARGEST).await?;
    let json = if is_empty && body.is_empty() {
        Value::Null
    } else {
        parsed(&body)?
    };
    Ok(Reply {
        status,
        headers,
        json,
        sha256: Sha256Digest::of(&body),
        size_bytes: body.len() as u64,
    })
}

/// The JSON of a bad answer, if there is any to be had.
pub(super) async fn read_error(mut answer: HttpResponse) -> Option<Value> {
    let announced = announced(answer.headers());
    let body = whole(answer.take_body(), announced, LARGEST_ERROR).await;
    serde_json::from_slice(&body.ok()?).ok()
}

/// How long a body is, in bytes, if the provider told.
pub(super) fn announced(headers: &Headers) -> Option<u64> {
    headers.get("content-length")?.parse().ok()
}

fn is_json(media_type: Option<&str>) -> Result<(), Unread> {
    let Some(media_type) = media_type else {
        return Err(Unread::Failed("answered without a media type".to_owned()));
    };
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if matches!(essence.as_str(), "application/json" | "text/json") || essence.ends_with("+json") {
        return Ok(());
    }
    Err(Unread::Failed(format!(
        "answered with {}",
        shown(&essence, 60)
    )))
}

fn parsed(body: &[u8]) -> Result<Value, Unread> {
    if let Ok(json) = serde_json::from_slice(body) {
        return Ok(json);
    }
    // Passing over JSON takes no stack, so what is only nested too deeply is told from what is none.
    match (
        serde_json::from_slice::<IgnoredAny>(body),
        std::str::from_utf8(body),
    ) {
        (Ok(_), Ok(text)) => Ok(Value::String(text.to_owned())),
        _ => Err(Unread::Failed(
            "answered with what is no JSON though it says so".to_owned(),
        )),
    }
}

/// A body to its end, counted as it comes: nothing beyond `largest` is held.
async fn whole(body: SdkBody, announced: Option<u64>, largest: usize) -> Result<Vec<u8>, Unread> {
    let too_large = || Unread::Failed(format!("{TOO_LARGE} {largest} bytes"));
    if announced.is_some_and(|announced| announced > largest as u64) {
        return Err(too_large());
    }
    let reading = async {
        let mut chunks = chunks(body);
        let mut read = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|why| Unread::Passing(why.to_owned()))?;
            if read.len() + chunk.len() > largest {
                return Err(too_large());
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read)
    };
    let slow = || Unread::Passing(format!("took longer than {} seconds", WHOLE.as_secs()));
    let read = tokio::time::timeout(WHOLE, reading).await;
    read.unwrap_or_else(|_| Err(slow()))
}

/// What is said where nothing came for [`QUIET`].
pub(super) const SILENT: &str = "nothing came for 60 seconds";

/// A body as it comes; ends with the first thing that goes wrong.
pub(super) fn chunks(body: SdkBody) -> BoxStream<'static, Result<Bytes, &'static str>> {
    futures_util::stream::unfold(Some(ByteStream::new(body)), |body| async {
        let mut body = body?;
        match tokio::time::timeout(QUIET, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(body))),
            Ok(Some(Err(_))) => Some((Err("the answer was cut off"), None)),
            Err(_) => Some((Err(SILENT), None)),
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(told: Option<Told>, status: u16) -> String {
        in_words(status, &told.unwrap(), &[])
    }

    #[test]
    fn cloudflares_code_and_message_are_read_also_where_the_status_is_good() {
        let body = json!({"success": false, "result": null, "messages": [],
            "errors": [{"code": 10007, "message": "workers.api.error.script_not_found"}]});
        let said = words(told_by_cloudflare(&body, 404), 404);
        assert_eq!(
            said,
            "answered 404 10007: workers.api.error.script_not_found"
        );
        assert!(told_by_cloudflare(&body, 200).is_some());
        assert!(told_by_cloudflare(&json!({"success": false}), 200).is_some());
        let good = json!({"success": true, "result": [], "errors": []});
        assert!(told_by_cloudflare(&good, 200).is_none());
        // The body of a script's own, served as JSON, tells nothing.
        assert!(told_by_cloudflare(&json!({"errors": [{"code": 1}]}), 200).is_none());
        assert!(told_by_cloudflare(&json!([1]), 500).is_none());
    }

    #[test]
    fn a_credential_that_cloudflare_does_not_take_is_a_denial_though_the_status_is_400() {
        let means = |code: u64, status| {
            let body = json!({"success": false, "errors": [{"code": code, "message": "m"}]});
            told_by_cloudflare(&body, status).unwrap().means
        };
        for code in [10000, 9109, 6003] {
            let means = means(code, 400).map(|means| means(String::new()));
            assert_eq!(means, Some(Trouble::Denied(String::new())), "{code}");
        }
        assert!(means(10021, 400).is_none());
        assert!(means(10000, 500).is_none());
    }

    #[test]
    fn googles_and_azures_code_and_message_are_read() {
        for (body, said) in [
            (
                json!({"error": {"code": 403, "message": "Permission denied on resource", "status": "PERMISSION_DENIED"}}),
                "answered 403 PERMISSION_DENIED: Permission denied on resource",
            ),
            (
                json!({"error": {"code": "AuthorizationFailed", "message": "The client has no authorization"}}),
                "answered 403 AuthorizationFailed: The client has no authorization",
            ),
            (
                json!({"Code": "Forbidden", "Message": "Not here"}),
                "answered 403 Forbidden: Not here",
            ),
            (
                json!({"error": "invalid_grant", "error_description": "Bad Request"}),
                "answered 403 invalid_grant: Bad Request",
            ),
            (json!({"error": [1, {"a": 2}]}), "answered 403"),
            (json!({"error": null}), "answered 403"),
        ] {
            assert_eq!(words(told_by_error(&body, 403), 403), said);
            assert!(told_by_error(&body, 200).is_none());
        }
        assert!(told_by_error(&json!("error"), 500).is_none());
    }

    #[test]
    fn a_message_is_short_and_visible_and_names_no_address_and_no_credential() {
        let told = Told {
            code: "E1".to_owned(),
            message: format!(
                "see https://storage.example.com/o?sig=marked or\n\"//x.example.com/marked\" or \
                 https%3A%2F%2Fmarked; sent token-marked\u{202e} {}",
                "x".repeat(400)
            ),
            means: None,
        };
        let secret = Secret::bearer("token-marked").unwrap();
        let said = in_words(400, &told, &[&secret]);
        assert!(!said.contains("marked"), "{said}");
        assert!(said.contains("(address)"), "{said}");
        assert!(said.contains("(secret)"), "{said}");
        assert!(said.contains("\\u{202e}"), "{said}");
        assert_eq!(said.chars().count(), 200);
    }

    #[test]
    fn only_json_is_taken_for_json() {
        for good in [
            "application/json",
            "application/json; charset=UTF-8",
            "Application/JSON",
            "application/problem+json",
            "text/json",
        ] {
            assert_eq!(is_json(Some(good)), Ok(()), "{good}");
        }
        let said = |media_type| match is_json(media_type) {
            Err(Unread::Failed(why)) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            said(Some("text/html; charset=a")),
            "answered with text/html"
        );
        assert_eq!(said(Some("a\u{1b}[2J")), "answered with a\\u{1b}[2j");
        assert_eq!(said(None), "answered without a media type");
        assert!(said(Some(&"x".repeat(500))).chars().count() < 80);
    }

    #[test]
    fn json_that_is_nested_too_deeply_comes_as_text_and_costs_no_stack() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parsed(deep(100).as_bytes()).unwrap().is_array());
        assert_eq!(parsed(deep(200).as_bytes()).unwrap(), json!(deep(200)));
        // The largest there can be.
        assert!(parsed(deep(LARGEST / 2).as_bytes()).unwrap().is_string());
        for bad in [&b"{"[..], b"", b"{} {}", b"<html>", b"\"\xff\"", b"NaN"] {
            assert!(matches!(parsed(bad), Err(Unread::Failed(_))), "{bad:?}");
        }
        let open = "[".repeat(LARGEST);
        assert!(matches!(parsed(open.as_bytes()), Err(Unread::Failed(_))));
    }

    #[test]
    fn only_headers_that_matter_are_kept() {
        let mut headers = Headers::new();
        for name in ["Content-Type", "Ratelimit", "RateLimit-Policy", "CF-Ray"] {
            headers.insert(name.to_ascii_lowercase(), "a");
        }
        headers.insert("x-ms-ratelimit-remaining-subscription-reads", "11999");
        headers.insert("set-cookie", "marked");
        headers.insert("location", "marked");
        let kept = kept(&headers);
        assert_eq!(kept.len(), 5);
        assert!(!format!("{kept:?}").contains("marked"));
    }
}
