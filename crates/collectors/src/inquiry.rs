//! One request being carried out: the calls made, the replies as they came, what was refused.

use crate::Gathered;
use crate::desk::{Desk, exhibit_name};
use crate::rest::{Reply, Trouble};
use async_trait::async_trait;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bytes::Bytes;
use evidence::{Acquisition, Call, Exhibit, Finding, Outcome, Request, Sha256Digest, Target};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use vault::{Opened, Source, SourceError, VaultError};

/// How many pages of one list are read: whoever can make resources can make very many.
pub(crate) const PAGES: usize = 50;

/// Takes a reply's bytes as they came over the wire: a field that the SDK does not know yet is
/// evidence too.
#[derive(Clone, Debug, Default)]
pub struct RawReply(Arc<Mutex<Option<Vec<u8>>>>);

#[dyn_dispatch_hint]
impl Intercept for RawReply {
    fn name(&self) -> &'static str {
        "RawReply"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let bytes = context.response().body().bytes().map(<[u8]>::to_vec);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        Ok(())
    }
}

impl RawReply {
    /// The reply as JSON; as text where it is none (IAM answers XML).
    pub fn value(&self) -> Value {
        let bytes = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .unwrap_or_default();
        serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// How often content is read that breaks off. The SDK's retries end where a body begins.
const ATTEMPTS: u32 = 3;

/// Why a call brought nothing. Holds the provider's error code and message, never a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The provider says there is none.
    Absent(String),
    /// Not allowed.
    Denied(String),
    /// Anything else.
    Failed(String),
}

/// One request being carried out.
///
/// Calls go through [`ask`](Self::ask), bytes through [`keep_content`](Self::keep_content);
/// [`finish`](Self::finish) puts the replies into the vault and says what came of it all.
pub struct Inquiry<'a> {
    desk: &'a Desk,
    target: &'a Target,
    request: Request,
    calls: Vec<Call>,
    replies: Vec<Value>,
    exhibits: Vec<Exhibit>,
    refusals: Vec<Refusal>,
    absent: Option<String>,
    findings: Vec<Finding>,
    next: Vec<Request>,
    transient: bool,
    too_large: bool,
}

impl<'a> Inquiry<'a> {
    /// Begins with nothing.
    pub fn new(desk: &'a Desk, target: &'a Target, request: Request) -> Self {
        Self {
            desk,
            target,
            request,
            calls: Vec::new(),
            replies: Vec::new(),
            exhibits: Vec::new(),
            refusals: Vec::new(),
            absent: None,
            findings: Vec::new(),
            next: Vec::new(),
            transient: false,
            too_large: false,
        }
    }

    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Now.
    pub fn now(&self) -> jiff::Timestamp {
        self.desk.now()
    }

    /// Makes one call. `api` is its IAM action, `about` what it asks about. The raw reply is kept
    /// for the exhibit; a refusal is noted for the outcome, and the caller may go on.
    ///
    /// ```text
    /// let policy = inquiry.ask("lambda:GetPolicy", &name, |raw| {
    ///     client.get_policy().function_name(&name).customize().interceptor(raw).send()
    /// }).await;
    /// ```
    pub async fn ask<O, E, F>(
        &mut self,
        api: &'static str,
        about: &str,
        send: impl FnOnce(RawReply) -> F,
    ) -> Option<O>
    where
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let raw = RawReply::default();
        let started_at = self.desk.now();
        let result = send(raw.clone()).await;
        let refusal = result
            .as_ref()
            .err()
            .map(|error| refusal(api, about, error));
        self.transient |= result.as_ref().err().is_some_and(is_transient);
        self.note_call(api, about, started_at, refusal.as_ref());
        match result {
            Ok(output) => {
                self.replies.push(json!({
                    "call": api,
                    "about": about,
                    "received_at": self.desk.now(),
                    "reply": raw.value(),
                }));
                Some(output)
            }
            Err(_) => {
                self.refusals.extend(refusal);
                None
            }
        }
    }

    /// Makes one call of a provider that is asked by HTTP and JSON; `op` is its method and path
    /// template. The reply is kept for the exhibit as [`ask`](Self::ask) does, with the digest and the
    /// size in bytes of the body as it came. A call that waits for its turn is given up when the desk's
    /// time is up.
    ///
    /// ```text
    /// let settings = inquiry.ask_rest(SETTINGS, &name, rest.call(SETTINGS, &path, &[], None)).await;
    /// ```
    pub async fn ask_rest(
        &mut self,
        op: &'static str,
        about: &str,
        send: impl Future<Output = Result<Reply, Trouble>>,
    ) -> Option<Value> {
        let started_at = self.desk.now();
        let mut result = Err(Trouble::Passing("the time was up".to_owned()));
        self.desk.in_time(async { result = send.await }).await;
        let refusal = result
            .as_ref()
            .err()
            .map(|trouble| not_answered(op, about, trouble));
        self.transient |= matches!(result, Err(Trouble::Throttled(_) | Trouble::Passing(_)));
        self.too_large = result.as_ref().is_err_and(Trouble::is_too_large);
        self.note_call(op, about, started_at, refusal.as_ref());
        self.refusals.extend(refusal);
        let reply = result.ok()?;
        self.replies.push(json!({
            "call": op,
            "about": about,
            "received_at": self.desk.now(),
            "reply": reply.json,
            "reply_sha256": reply.sha256,
            "reply_bytes": reply.size_bytes,
        }));
        Some(reply.json)
    }

    /// Reads a list page by page, at most 50 of them. `each` looks at a page and answers the
    /// marker of the next one; `what` names the list, should its end not be reached.
    pub async fn ask_pages<O, E, F>(
        &mut self,
        what: &str,
        api: &'static str,
        about: &str,
        mut send: impl FnMut(RawReply, Option<String>) -> F,
        mut each: impl FnMut(&mut Self, O) -> Option<String>,
    ) where
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let mut marker = None;
        for _ in 0..PAGES {
            let Some(page) = self.ask(api, about, |raw| send(raw, marker.take())).await else {
                return;
            };
            // A last page has no marker, or an empty one.
            marker = each(self, page).filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return;
            }
        }
        self.refuse(Refusal::Failed(format!(
            "more than {PAGES} pages of {what}; the rest is not read"
        )));
    }

    /// Replaces a value in the last reply, by JSON pointer: signed URLs are bearer secrets, and an
    /// environment belongs to one exhibit only. Says so in its place. A reply in which nothing can
    /// be pointed at, because it is no JSON, is withheld as a whole.
    pub fn withhold(&mut self, pointer: &str, why: &str) {
        let Some(last) = self.replies.last_mut() else {
            return;
        };
        let whole = last.get("reply").is_some_and(Value::is_string);
        let pointer = if whole { "" } else { pointer };
        if let Some(value) = last.pointer_mut(&format!("/reply{pointer}")) {
            *value = Value::String(format!("withheld by coldcase: {why}"));
        }
    }

    /// The last reply as it came, to look at what the SDK does not know.
    pub fn last_reply(&self) -> Option<&Value> {
        self.replies.last().and_then(|reply| reply.get("reply"))
    }

    /// The last reply, to change it in place; prefer [`withhold`](Self::withhold).
    pub fn last_reply_mut(&mut self) -> Option<&mut Value> {
        self.replies
            .last_mut()
            .and_then(|reply| reply.get_mut("reply"))
    }

    /// Which of the exhibit's `replies` the last one is.
    pub fn last_place(&self) -> usize {
        self.replies.len().saturating_sub(1)
    }

    /// Adds something that no call answered: a decoded policy document, the record of an event.
    pub fn note(&mut self, name: &str, value: Value) {
        self.replies.push(json!({ "note": name, "value": value }));
    }

    /// Streams content into the vault as an exhibit named `name`. `api` and `about` are for the
    /// record: `https:GET` for a signed URL, which itself is named nowhere. A source that breaks
    /// is opened again, a few times, since this may be the last chance; each attempt is a call.
    pub async fn keep_content(
        &mut self,
        api: &'static str,
        about: &str,
        name: impl Into<String>,
        content: &dyn Source,
    ) -> Option<&Exhibit> {
        let (name, source) = (name.into(), format!("{api} {about}"));
        for attempt in 1..=ATTEMPTS {
            let started_at = self.desk.now();
            let kept = self.desk.keep_content(name.clone(), &source, content).await;
            let refusal = kept.as_ref().err().map(|error| not_kept(api, about, error));
            self.note_call(api, about, started_at, refusal.as_ref());
            let broken = matches!(&kept, Err(VaultError::Source(SourceError::Failed(_))));
            if broken && attempt < ATTEMPTS {
                continue;
            }
            self.refusals.extend(refusal);
            self.exhibits.push(kept.ok()?);
            break;
        }
        self.exhibits.last()
    }

    /// Keeps bytes that a call already brought, as an exhibit of their own: a document whose digest
    /// is its name must not be written anew. `api` and `about` are of that call.
    pub async fn keep_bytes(
        &mut self,
        api: &'static str,
        about: &str,
        name: impl Into<String>,
        media_type: &'static str,
        bytes: Bytes,
    ) -> Option<&Exhibit> {
        let source = format!("{api} {about}");
        let kept = self
            .desk
            .keep_content(name.into(), &source, &InHand { bytes, media_type })
            .await;
        self.refusals
            .extend(kept.as_ref().err().map(|error| not_kept(api, about, error)));
        self.exhibits.push(kept.ok()?);
        self.exhibits.last()
    }

    /// Streams into the vault what was made of other exhibits: no call is noted. `source` says of what.
    pub async fn keep_made(
        &mut self,
        name: impl Into<String>,
        source: &str,
        content: &dyn Source,
    ) -> Option<&Exhibit> {
        let kept = self.desk.keep_content(name.into(), source, content).await;
        let refusal = kept.as_ref().err();
        let refusal = refusal.map(|error| Refusal::Failed(format!("{source}: {error}")));
        self.refusals.extend(refusal);
        self.exhibits.push(kept.ok()?);
        self.exhibits.last()
    }

    /// What is on record, for a page: the calls, what was refused, what was noticed, and whether
    /// something failed in a way that may pass.
    pub(crate) fn into_parts(self) -> (Vec<Call>, Vec<Refusal>, Vec<Finding>, bool) {
        (self.calls, self.refusals, self.findings, self.transient)
    }

    /// The name of the exhibit that holds this request's replies.
    pub fn name(&self) -> String {
        exhibit_name(&self.request)
    }

    /// A name for another exhibit of this request.
    pub fn part(&self, part: &str) -> String {
        format!("{}-{part}", self.name())
    }

    /// Notes that something is missing, for a reason that no call gave.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    /// Adds what the last refusal means, where the service's error code does not tell.
    pub fn explain(&mut self, meaning: &str) {
        if let Some(refusal) = self.refusals.last_mut() {
            let (Refusal::Absent(why) | Refusal::Denied(why) | Refusal::Failed(why)) = refusal;
            *why = format!("{why} ({meaning})");
        }
    }

    /// Whether the call before was answered that there is none.
    pub fn is_absent(&self) -> bool {
        let failed = self.calls.last().is_some_and(|call| call.error.is_some());
        failed && matches!(self.refusals.last(), Some(Refusal::Absent(_)))
    }

    /// Whether a call failed in a way that may pass: a page is then thrown away and asked for again.
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// Whether the last answer by HTTP and JSON was longer than is held: less may be asked for at a time.
    pub fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// What was refused last may be granted later, though its error code does not tell.
    pub fn may_pass(&mut self) {
        self.transient = true;
    }

    /// What was refused last; none if nothing was.
    pub fn last_refusal(&self) -> Option<&Refusal> {
        self.refusals.last()
    }

    /// Takes the last refusal back: what it was about came in another way, or is told better. The
    /// call stays on record with its error.
    pub fn take_back(&mut self) {
        self.refusals.pop();
    }

    /// Says that there is none although calls answered: the empty list is kept as the proof of it.
    pub fn conclude_absent(&mut self, why: impl Into<String>) {
        self.absent = Some(why.into());
    }

    /// Takes down a finding.
    pub fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Wants more because of what was found.
    pub fn then(&mut self, request: Request) {
        self.next.push(request);
    }

    /// Wants one more, if the provider named it.
    pub fn then_maybe(&mut self, artifact: evidence::ArtifactKind, selector: Option<&str>) {
        self.next
            .extend(selector.map(|selector| Request::one(artifact, selector)));
    }

    /// Keeps the replies and says what came of it.
    ///
    /// *Denied* if anything was, even where the rest came in: a missing permission is for the
    /// account's owner to mend. Else *failed* or *partial* if anything failed, *absent* if all
    /// there was to say is that there is none, else *acquired*.
    pub async fn finish(mut self) -> Gathered {
        if !self.replies.is_empty() {
            let source = sources(&self.calls);
            let document = json!({
                "artifact": self.request.artifact,
                "selector": self.request.selector,
                "target": self.target.id(),
                "replies": std::mem::take(&mut self.replies),
            });
            match self.desk.keep_json(&self.request, &source, &document).await {
                Ok(exhibit) => self.exhibits.insert(0, exhibit),
                Err(error) => self
                    .refusals
                    .push(Refusal::Failed(format!("cannot be kept: {error}"))),
            }
        }
        let result = match (
            outcome(&self.refusals, !self.exhibits.is_empty()),
            self.absent,
        ) {
            (Outcome::Acquired, Some(why)) => Outcome::Absent { why },
            (outcome, _) => outcome,
        };
        Gathered {
            acquisition: Acquisition {
                request: self.request,
                target: self.target.clone(),
                result,
                calls: self.calls,
                exhibits: self.exhibits,
            },
            findings: self.findings,
            next: self.next,
            transient: self.transient,
        }
    }

    /// Puts a call on record that was made by itself, several at a time: when it began, and what came
    /// of it if it failed. What that means is the caller's to say.
    pub(crate) fn note_call(
        &mut self,
        api: &str,
        about: &str,
        started_at: jiff::Timestamp,
        refusal: Option<&Refusal>,
    ) {
        let elapsed = self.desk.now().duration_since(started_at);
        self.calls.push(Call {
            api: api.to_owned(),
            about: about.to_owned(),
            started_at,
            duration_ms: u64::try_from(elapsed.as_millis()).unwrap_or(0),
            error: refusal.map(|refusal| refusal.why().to_owned()),
            requests: 1,
        });
    }
}

impl Refusal {
    /// The reason.
    pub fn why(&self) -> &str {
        match self {
            Self::Absent(why) | Self::Denied(why) | Self::Failed(why) => why,
        }
    }
}

/// What came of it all, by what was refused.
pub(crate) fn outcome(refusals: &[Refusal], anything_kept: bool) -> Outcome {
    let of = |wanted: fn(&Refusal) -> bool| -> Option<String> {
        // The same on many pages is said once.
        let mut said = BTreeSet::new();
        let reasons: Vec<&str> = refusals
            .iter()
            .filter(|refusal| wanted(refusal))
            .map(Refusal::why)
            .filter(|why| said.insert(*why))
            .collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    };
    let denied = of(|refusal| matches!(refusal, Refusal::Denied(_)));
    let failed = of(|refusal| matches!(refusal, Refusal::Failed(_)));
    let absent = of(|refusal| matches!(refusal, Refusal::Absent(_)));
    match (denied, failed, absent) {
        (Some(why), _, _) => Outcome::Denied { why },
        (None, Some(why), _) if anything_kept => Outcome::Partial { why },
        (None, Some(why), _) => Outcome::Failed { why },
        (None, None, Some(why)) if !anything_kept => Outcome::Absent { why },
        _ => Outcome::Acquired,
    }
}

/// Bytes that are already here.
struct InHand {
    bytes: Bytes,
    media_type: &'static str,
}

#[async_trait]
impl Source for InHand {
    fn expected(&self) -> Option<Sha256Digest> {
        Some(Sha256Digest::of(&self.bytes))
    }

    fn media_type(&self) -> &str {
        self.media_type
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let bytes = self.bytes.clone();
        Ok(Opened {
            size_bytes: Some(bytes.len() as u64),
            bytes: futures_util::stream::iter([Ok(bytes)]).boxed(),
        })
    }
}

pub(crate) fn sources(calls: &[Call]) -> String {
    if calls.is_empty() {
        return "the trigger".to_owned();
    }
    let mut names: Vec<&str> = Vec::new();
    for call in calls {
        if !names.contains(&call.api.as_str()) {
            names.push(&call.api);
        }
    }
    names.join(", ")
}

/// What a failed call means. Sources: the services' error codes in their published models;
/// HTTP status where the code is not one of the well-known ones.
pub(crate) fn refusal<E>(api: &str, about: &str, error: &SdkError<E, HttpResponse>) -> Refusal
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map(|reply| reply.status().as_u16());
    let Some(service) = error.as_service_error() else {
        // What the transport says may quote a URL; its kind is enough.
        let kind = match error {
            SdkError::TimeoutError(_) => "timed out",
            SdkError::DispatchFailure(_) => "could not be sent",
            SdkError::ConstructionFailure(_) => "could not be put together",
            _ => "brought a reply that cannot be read",
        };
        return Refusal::Failed(format!("{api} {about} {kind}"));
    };
    let code = service.code().unwrap_or("unknown error");
    let said = format!("{api} {about}: {code}");
    match code {
        c if c.contains("AccessDenied")
            || c.starts_with("Unauthorized")
            || c == "AuthorizationError"
            || c == "NotAuthorized" =>
        {
            Refusal::Denied(said)
        }
        c if c.ends_with("NotFoundException")
            || c.ends_with("NotFound")
            || c.starts_with("NoSuch")
            || c.ends_with("NonExistentQueue")
            || c.ends_with("DoesNotExist") =>
        {
            Refusal::Absent(said)
        }
        _ if status == Some(403) => Refusal::Denied(said),
        _ if status == Some(404) => Refusal::Absent(said),
        _ => {
            let message: String = service
                .message()
                .unwrap_or_default()
                .chars()
                .take(200)
                .collect();
            Refusal::Failed(format!("{said}: {message}"))
        }
    }
}

/// What a call's trouble means for the outcome.
fn not_answered(op: &str, about: &str, trouble: &Trouble) -> Refusal {
    let said = format!("{op} {about}: {}", trouble.why());
    match trouble {
        Trouble::Denied(_) => Refusal::Denied(said),
        Trouble::Absent(_) => Refusal::Absent(said),
        Trouble::Throttled(_) | Trouble::Passing(_) | Trouble::Failed(_) => Refusal::Failed(said),
    }
}

/// Whether the same call may bring more later: throttled, timed out, broken on the way or on the
/// provider's side.
pub(crate) fn is_transient<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    if matches!(error, SdkError::ConstructionFailure(_)) {
        return false;
    }
    let Some(service) = error.as_service_error() else {
        return true;
    };
    let status = error.raw_response().map(|reply| reply.status().as_u16());
    let code = service.code().unwrap_or_default();
    status.is_some_and(|status| status == 429 || status >= 500)
        || code.contains("Throttl")
        || code.starts_with("TooManyRequests")
        || code.starts_with("RequestLimitExceeded")
        || code.starts_with("RequestTimeout")
        || code == "SlowDown"
}

fn not_kept(api: &str, about: &str, error: &VaultError) -> Refusal {
    let said = format!("{api} {about}: {error}");
    match error {
        VaultError::Source(SourceError::Denied(_)) => Refusal::Denied(said),
        VaultError::Source(SourceError::Absent(_)) => Refusal::Absent(said),
        _ => Refusal::Failed(said),
    }
}
