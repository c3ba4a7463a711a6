//! Providers that are asked by HTTP and JSON, without an SDK of theirs.
//!
//! A request is one constant: `GET /accounts/{account_id}/workers/scripts/{script_name}/settings` is what
//! is sent, what the manifest names the call by, and what the provider's specification is looked up by.
//! [`Rest`] sends it: credentials go to the provider's own origin only, no redirect is followed, what an
//! attacker may have named stays within its segment of the path, and no answer is waited for or held
//! without bound.

pub mod download;
pub mod keys;
mod reply;
pub mod resolver;

pub use download::{Downloads, SignedUrl};
pub use keys::{BadSecret, Fixed, HeaderName, Keys, Secret};
pub use reply::{Reply, Tell, Told, Trouble, told_by_cloudflare, told_by_error};
pub use resolver::{Origin, PublicOnly};

use crate::Pace;
use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
pub(crate) use download::byte_stream;
use download::{NOT_PUBLIC, opened};
use evidence::Sha256Digest;
use http::{HeaderValue, Method, Uri, header};
use jiff::fmt::rfc2822;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reply::{QUIET, SILENT, Unread, in_words, kept, read, read_error};
use resolver::is_not_public;
use serde_json::Value;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use vault::{Opened, Source, SourceError};

/// How often one call is sent at the most.
const TRIES: u32 = 4;
/// Before the second try; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait that a provider's word is taken for: Cloudflare's limit is one of five minutes.
const LONGEST_WAIT: Duration = Duration::from_secs(330);
/// With fewer requests left than this the rest of them is spread over the rest of their time.
const FEW: u64 = 100;

/// What a path's segment may hold as it is (RFC 3986, unreserved characters).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// One provider's API. Cloned, it is the same one: one set of connections, one [`Pace`].
#[derive(Clone)]
pub struct Rest {
    base: Arc<str>,
    origin: Origin,
    keys: Arc<dyn Keys>,
    pace: Arc<Pace>,
    connector: Arc<OnceLock<SharedHttpConnector>>,
    is_guarded: bool,
    tell: Option<Tell>,
    reading_posts: &'static [&'static str],
}

/// A base that is no URL of an API. It is not quoted: there may be a credential in it.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not the base of an API: https://HOST[:PORT][/PATH] is wanted")]
pub struct BadBase;

impl Rest {
    /// `base` is the origin and what all paths begin with, e.g.
    /// `https://api.cloudflare.com/client/v4`, as the **operator** named it or the house knows it: it may
    /// be on any network, and of http.
    pub fn new(base: &str, keys: Arc<dyn Keys>, pace: Arc<Pace>) -> Result<Self, BadBase> {
        let url: Uri = base.parse().map_err(|_| BadBase)?;
        // A fragment is dropped by the parser, not refused.
        if url.query().is_some() || base.contains('#') {
            return Err(BadBase);
        }
        Ok(Self {
            base: base.trim_end_matches('/').into(),
            origin: Origin::of(&url).ok_or(BadBase)?,
            keys,
            pace,
            connector: Arc::default(),
            is_guarded: false,
            tell: None,
            reading_posts: &[],
        })
    }

    /// The same, of a host that a **reply** named: https and the public internet only.
    pub fn named_by_reply(
        base: &str,
        keys: Arc<dyn Keys>,
        pace: Arc<Pace>,
    ) -> Result<Self, BadBase> {
        let rest = Self::new(base, keys, pace)?;
        if !rest.origin.is_https() || !rest.origin.may_be_public() {
            return Err(BadBase);
        }
        Ok(Self {
            is_guarded: true,
            ..rest
        })
    }

    /// Sends through a connector of the caller's: for tests.
    pub fn through(self, connector: SharedHttpConnector) -> Self {
        Self {
            connector: Arc::new(OnceLock::from(connector)),
            ..self
        }
    }

    /// Reads errors as the provider tells them.
    pub fn telling(self, tell: Tell) -> Self {
        Self {
            tell: Some(tell),
            ..self
        }
    }

    /// These requests change nothing though they are POSTs, and may be sent again.
    pub fn reading_posts(self, ops: &'static [&'static str]) -> Self {
        Self {
            reading_posts: ops,
            ..self
        }
    }

    /// Where requests go: downloads from there are as trusted as it is ([`Downloads::new`]).
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Makes one call. `op` is its method and path template; `path` has a value for each `{name}` of it,
    /// `query` what comes after the path, both as they are: they are encoded here.
    ///
    /// What reads only is sent up to four times where the connection or the provider breaks; an answer
    /// that there are too many requests makes everybody wait who shares the [`Pace`]; an answer that the
    /// credentials are not valid has them fetched again, once.
    pub async fn call(
        &self,
        op: &'static str,
        path: &[(&str, &str)],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Result<Reply, Trouble> {
        let ask = self.ask(op, path, query, body, "application/json")?;
        let mut tries = Tries::default();
        loop {
            let (answer, secrets) = self.open(&ask, &mut tries).await?;
            let refused = match read(answer, ask.method == Method::GET).await {
                Ok(reply) => match self.told(Some(&reply.json), reply.status) {
                    None => return Ok(reply),
                    Some(told) => {
                        let said = words(reply.status, &told, &secrets);
                        Refused::Ended(told.means.unwrap_or(Trouble::Failed)(said))
                    }
                },
                Err(Unread::Passing(why)) => Refused::Passing(why),
                Err(Unread::Failed(why)) => Refused::Ended(Trouble::Failed(why)),
            };
            self.again(&ask, &mut tries, refused).await?;
        }
    }

    /// A body that is streamed with credentials, for code. Nothing is sent before it is opened.
    pub fn content(
        &self,
        op: &'static str,
        path: &[(&str, &str)],
        query: &[(&str, String)],
    ) -> Result<Content, Trouble> {
        Ok(Content {
            rest: self.clone(),
            ask: self.ask(op, path, query, None, "*/*")?,
            media_type: "application/octet-stream",
            expected: None,
            headers: Mutex::default(),
        })
    }

    fn ask(
        &self,
        op: &'static str,
        path: &[(&str, &str)],
        query: &[(&str, String)],
        body: Option<Value>,
        accept: &'static str,
    ) -> Result<Ask, Trouble> {
        let failed = |why: &str| Trouble::Failed(why.to_owned());
        let (method, template) = op.split_once(' ').unwrap_or(("", op));
        // Of a provider of several hosts the operation says which, for the manifest; the base does here.
        let template = template
            .find('/')
            .map_or(template, |path| &template[path..]);
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| failed("the request has no method"))?;
        let url = format!(
            "{}{}{}",
            self.base,
            filled(template, path)?,
            encoded_query(query)
        );
        let is_reading = [Method::GET, Method::HEAD].contains(&method);
        Ok(Ask {
            is_repeatable: is_reading || self.reading_posts.contains(&op),
            method,
            url: url
                .parse()
                .map_err(|_| failed("the request's address is too long"))?,
            body: body.map(|body| Bytes::from(body.to_string())),
            accept,
        })
    }

    /// Sends until there is a good answer, and tells what went along with it.
    async fn open(
        &self,
        ask: &Ask,
        tries: &mut Tries,
    ) -> Result<(HttpResponse, Vec<Secret>), Trouble> {
        loop {
            match self.once(ask, tries).await {
                Ok(answer) => return Ok(answer),
                Err(refused) => self.again(ask, tries, refused).await?,
            }
        }
    }

    async fn once(
        &self,
        ask: &Ask,
        tries: &mut Tries,
    ) -> Result<(HttpResponse, Vec<Secret>), Refused> {
        tries.sent += 1;
        self.pace.turn().await;
        let renew = std::mem::take(&mut tries.renew);
        let keys = self.keys.headers(renew).await.map_err(Refused::Ended)?;
        let request = ask
            .request(&keys)
            .ok_or_else(|| failed("the request could not be put together"))?;
        let connector = self.connector.get_or_init(|| match self.is_guarded {
            true => resolver::guarded(),
            false => resolver::anywhere(),
        });
        let answer = tokio::time::timeout(QUIET, connector.call(request)).await;
        let answer = match answer {
            Err(_) => return Err(Refused::Passing(SILENT.to_owned())),
            Ok(Err(error)) if is_not_public(&error) => return Err(failed(NOT_PUBLIC)),
            // What the transport says may quote a URL; its kind is enough.
            Ok(Err(error)) if error.is_user() => return Err(failed("could not be sent")),
            Ok(Err(_)) => return Err(Refused::Passing("the connection failed".to_owned())),
            Ok(Ok(answer)) => answer,
        };
        let secrets = keys.into_iter().map(|(_, secret)| secret).collect();
        match answer.status().as_u16() {
            200..=299 => {
                self.pace.answered().await;
                self.keep_within(answer.headers()).await;
                Ok((answer, secrets))
            }
            300..=399 => Err(failed("redirected; not followed")),
            status => {
                let wait = wait(answer.headers());
                let body = read_error(answer).await;
                let told = self.told(body.as_ref(), status);
                Err(self.refused(status, told, wait, &secrets))
            }
        }
    }

    fn told(&self, body: Option<&Value>, status: u16) -> Option<Told> {
        (self.tell?)(body?, status)
    }

    fn refused(
        &self,
        status: u16,
        told: Option<Told>,
        wait: Option<Duration>,
        secrets: &[Secret],
    ) -> Refused {
        let told = told.unwrap_or_default();
        let said = words(status, &told, secrets);
        let means = match status {
            401 => return Refused::Unknown(said),
            429 => return Refused::Throttled(said, wait.unwrap_or(self.pace.longest())),
            503 if wait.is_some() => return Refused::Throttled(said, wait.unwrap_or_default()),
            500.. => return Refused::Passing(said),
            403 => Trouble::Denied,
            404 | 410 => Trouble::Absent,
            _ => Trouble::Failed,
        };
        Refused::Ended(told.means.unwrap_or(means)(said))
    }

    /// Waits for when the request may be sent again; the trouble if it may not.
    async fn again(&self, ask: &Ask, tries: &mut Tries, refused: Refused) -> Result<(), Trouble> {
        let may = ask.is_repeatable && tries.sent < TRIES;
        match refused {
            Refused::Ended(trouble) => Err(trouble),
            Refused::Unknown(said) if tries.is_renewed => Err(Trouble::Denied(said)),
            // Who was not let in has changed nothing, so this holds for every method.
            Refused::Unknown(_) => {
                (tries.renew, tries.is_renewed) = (true, true);
                Ok(())
            }
            Refused::Throttled(said, wait) => {
                self.pace.throttled_for(wait.min(LONGEST_WAIT)).await;
                if may && wait <= LONGEST_WAIT {
                    return Ok(());
                }
                Err(Trouble::Throttled(said))
            }
            Refused::Passing(said) if !may => Err(Trouble::Passing(said)),
            Refused::Passing(_) => {
                let pause = FIRST_PAUSE * 2_u32.pow(tries.sent.saturating_sub(1).min(8));
                // Half by chance, so that those who broke off together do not come back together.
                tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                Ok(())
            }
        }
    }

    /// Slows down before there is nothing left of the rate, and stops where there is not.
    async fn keep_within(&self, headers: &Headers) {
        let limits = headers.get("ratelimit").unwrap_or_default();
        for (left, time) in limits.split(',').filter_map(left_of_rate) {
            match left {
                0 => self.pace.throttled_for(time.min(LONGEST_WAIT)).await,
                1..FEW => self.pace.slowed(time.div_f64(left as f64)).await,
                _ => {}
            }
        }
    }
}

/// One item of a `Ratelimit` header: how many requests are left, for how long. `"default";r=50;t=30`.
/// Source: draft-ietf-httpapi-ratelimit-headers, section 4.
fn left_of_rate(item: &str) -> Option<(u64, Duration)> {
    let parameter = |name: &str| {
        let mut parameters = item.split(';');
        parameters.find_map(|parameter| {
            let value = parameter.trim().strip_prefix(name)?.strip_prefix('=')?;
            value.parse::<u64>().ok()
        })
    };
    Some((parameter("r")?, Duration::from_secs(parameter("t")?)))
}

/// How long to wait by `Retry-After`, in seconds or until a date (RFC 9110, section 10.2.3). A date is
/// held against the one of the answer itself: the provider's clock, not ours.
fn wait(headers: &Headers) -> Option<Duration> {
    let text = headers.get("retry-after")?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let read = |text: &str| {
        let parser = rfc2822::DateTimeParser::new();
        parser.parse_timestamp(text.trim()).ok()
    };
    let (until, now) = (read(text)?, read(headers.get("date")?)?);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

fn words(status: u16, told: &Told, secrets: &[Secret]) -> String {
    in_words(status, told, &secrets.iter().collect::<Vec<_>>())
}

fn failed(why: &str) -> Refused {
    Refused::Ended(Trouble::Failed(why.to_owned()))
}

/// How often one call has been sent.
#[derive(Default)]
struct Tries {
    sent: u32,
    /// The credentials are to be fetched again.
    renew: bool,
    /// They were.
    is_renewed: bool,
}

/// Why there is no good answer.
enum Refused {
    /// The credentials were not taken.
    Unknown(String),
    /// Too many requests; how long to wait.
    Throttled(String, Duration),
    /// Broken on the way or on the provider's side.
    Passing(String),
    /// The same request would end the same.
    Ended(Trouble),
}

/// One request, to be sent as often as need be. Not `Debug`: a query may hold a secret.
struct Ask {
    method: Method,
    url: Uri,
    body: Option<Bytes>,
    accept: &'static str,
    is_repeatable: bool,
}

impl Ask {
    fn request(&self, keys: &[(HeaderName, Secret)]) -> Option<HttpRequest> {
        let body = self.body.clone();
        let has_body = body.is_some();
        let mut request = http::Request::new(body.map_or_else(SdkBody::empty, SdkBody::from));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(self.accept));
        // Packed, it would be no longer what the provider has, and its length not the one announced.
        let identity = HeaderValue::from_static("identity");
        headers.insert(header::ACCEPT_ENCODING, identity);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        if has_body {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        for (name, secret) in keys {
            headers.insert(name, secret.value());
        }
        HttpRequest::try_from(request).ok()
    }
}

/// Who asks, for whoever reads the provider's audit log.
const AGENT: &str = concat!("coldcase/", env!("CARGO_PKG_VERSION"));

/// A template with its values: each stays within its segment, whatever it is.
fn filled(template: &str, values: &[(&str, &str)]) -> Result<String, Trouble> {
    let failed = |why: String| Err(Trouble::Failed(why));
    if !template.starts_with('/') || template.contains(['?', '#']) {
        return failed(format!("{template} is no path"));
    }
    let is_taken = |(name, _): &(&str, &str)| template.contains(&format!("{{{name}}}"));
    if !values.iter().all(is_taken) {
        return failed(format!("{template} does not take what is given"));
    }
    let mut path = String::new();
    for (number, segment) in template.split('/').enumerate() {
        if number > 0 {
            path.push('/');
        }
        let begin = path.len();
        let mut rest = segment;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let Some((_, value)) = values.iter().find(|(wanted, _)| *wanted == name) else {
                return failed(format!("nothing is given for {{{name}}}"));
            };
            if matches!(*value, "" | "." | "..") {
                return failed(format!("what is given for {{{name}}} is no name"));
            }
            path.push_str(before);
            path.extend(utf8_percent_encode(value, ENCODED));
            rest = after;
        }
        path.push_str(rest);
        // Of two values of one dot each as well.
        if matches!(&path[begin..], "." | "..") {
            return failed(format!("{template} would lead out of its path"));
        }
    }
    Ok(path)
}

fn encoded_query(query: &[(&str, String)]) -> String {
    let encoded = |text| utf8_percent_encode(text, ENCODED);
    let pairs = query.iter().enumerate().map(|(number, (name, value))| {
        let sign = if number == 0 { '?' } else { '&' };
        format!("{sign}{}={}", encoded(name), encoded(value))
    });
    pairs.collect()
}

/// A body that is streamed with credentials. Not `Debug`: a query may hold a secret.
pub struct Content {
    rest: Rest,
    ask: Ask,
    media_type: &'static str,
    expected: Option<Sha256Digest>,
    headers: Mutex<Vec<(String, String)>>,
}

impl Content {
    /// The type to keep it as: what the answer says is known only when it is opened.
    pub fn typed(self, media_type: &'static str) -> Self {
        Self { media_type, ..self }
    }

    /// The digest that the provider told elsewhere.
    pub fn expecting(self, expected: Option<Sha256Digest>) -> Self {
        Self { expected, ..self }
    }

    /// The headers that matter of the answer that was opened last; none before.
    pub fn headers(&self) -> Vec<(String, String)> {
        let headers = self.headers.lock();
        headers.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Source for Content {
    fn expected(&self) -> Option<Sha256Digest> {
        self.expected
    }

    fn media_type(&self) -> &str {
        self.media_type
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let (answer, _) = self.rest.open(&self.ask, &mut Tries::default()).await?;
        // Kept as evidence, a part must not pass for the whole.
        if answer.status().as_u16() != 200 {
            let status = answer.status().as_u16();
            return Err(SourceError::Failed(format!("answered {status}")));
        }
        *self.headers.lock().unwrap_or_else(PoisonError::into_inner) = kept(answer.headers());
        Ok(opened(answer))
    }
}

#[cfg(test)]
mod stand;
#[cfg(test)]
mod tests;
