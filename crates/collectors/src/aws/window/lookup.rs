//! CloudTrail's event history: one Region, looked up by one attribute, page by page.
//!
//! Management events of the last 90 days, newest first, 50 a page; delivered within about a quarter of
//! an hour. Writes that succeeded list the resources that they name; reads and refused calls list
//! none, so these are found by who or what made them, through a predicate.
//! Source: API reference of LookupEvents.

use super::Pace;
use crate::aws::Clients;
use crate::{Entry, Inquiry, Page, Reading, Refusal};
use async_trait::async_trait;
use aws_sdk_cloudtrail::config::retry::RetryConfig;
use aws_sdk_cloudtrail::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudtrail::operation::lookup_events::{LookupEventsError, LookupEventsOutput};
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use evidence::{Sha256Digest, Window};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use trail::Record;

/// The IAM action that a [`Lookup`] needs.
pub(super) const ACTION: &str = "cloudtrail:LookupEvents";

/// How far back the event history reaches.
const REACH: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The most pages of one lookup: 100,000 events, half an hour at one request a second. Whoever floods
/// the history must not keep a case waiting for what else there is to be looked up.
const MOST_PAGES: u32 = 2_000;

/// How often in a row a token may be refused at the same second before a lookup is given up.
const MOST_RESTARTS: u32 = 3;

/// How much of a record is kept that is longer than any of CloudTrail's.
const BEGINNING: usize = 64 * 1024;

/// Which records are kept.
pub(super) type Keep = Arc<dyn Fn(&Record) -> bool + Send + Sync>;

/// One attribute looked up over a window.
///
/// The entries are the records, verbatim, in the order of their own times and by their own ids, so
/// that the same record found by another lookup or in a trail's file is the same entry. What is no
/// JSON is kept whatever the predicate.
pub(super) struct Lookup {
    client: aws_sdk_cloudtrail::Client,
    region: String,
    pace: Arc<Pace>,
    window: Window,
    key: LookupAttributeKey,
    value: String,
    keep: Option<Keep>,
}

impl Lookup {
    /// Everything in the Region of `clients` whose attribute `key` is `value`; LookupEvents takes no
    /// part of a value, and no second attribute. The window's edges are included, to the second.
    pub(super) fn new(
        clients: &Clients,
        pace: &Arc<Pace>,
        window: Window,
        key: LookupAttributeKey,
        value: impl Into<String>,
    ) -> Self {
        Self {
            client: clients.cloudtrail.clone(),
            region: clients.region().to_owned(),
            pace: pace.clone(),
            window,
            key,
            value: value.into(),
            keep: None,
        }
    }

    /// Of it, only what `keep` keeps: by source or name, everybody's calls are found.
    pub(super) fn only(mut self, keep: &Keep) -> Self {
        self.keep = Some(keep.clone());
        self
    }

    /// One request; none if it failed. `expired` says that the token was refused.
    async fn ask(
        &self,
        inquiry: &mut Inquiry<'_>,
        place: &Place,
        expired: &mut bool,
    ) -> Option<LookupEventsOutput> {
        let attribute = LookupAttribute::builder()
            .attribute_key(self.key.clone())
            .attribute_value(&self.value)
            .build()
            .inspect_err(|_| inquiry.refuse(Refusal::Failed(self.failed("cannot be put together"))))
            .ok()?;
        let request = self
            .client
            .lookup_events()
            .lookup_attributes(attribute)
            .start_time(DateTime::from_secs(self.window.since.as_second()))
            .end_time(DateTime::from_secs(place.until))
            .max_results(50)
            .set_next_token(place.token.clone())
            .customize()
            // A retry of the SDK's would not keep the pace.
            .config_override(
                aws_sdk_cloudtrail::config::Builder::new().retry_config(RetryConfig::disabled()),
            );
        let pace = &self.pace;
        inquiry
            .ask(ACTION, &self.about(place.until), |_| async move {
                pace.turn().await;
                let answer = request.send().await;
                match &answer {
                    Ok(_) => pace.answered().await,
                    Err(error) if is_throttled(error) => pace.throttled().await,
                    Err(error) => {
                        *expired = error
                            .as_service_error()
                            .is_some_and(LookupEventsError::is_invalid_next_token_exception);
                    }
                }
                answer
            })
            .await
    }

    /// The exact question, for the record.
    fn about(&self, until: i64) -> String {
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        format!(
            "{} {} in {} from {} to {}",
            self.key.as_str(),
            self.value,
            self.region,
            at(self.window.since.as_second()),
            at(until)
        )
    }

    fn failed(&self, why: &str) -> String {
        format!(
            "{ACTION} {}: {why}",
            self.about(self.window.until.as_second())
        )
    }

    /// The record of one event, if it is kept.
    fn entry(&self, inquiry: &mut Inquiry<'_>, event: &Event, place: &Place) -> Option<Entry> {
        let told_at = seconds(event).and_then(|second| Timestamp::from_second(second).ok());
        let raw = match event.cloud_trail_event() {
            Some(raw) => raw.to_owned(),
            // An event without its record: what LookupEvents says of it is all there is.
            None => json!({
                "eventID": event.event_id(),
                "eventName": event.event_name(),
                "eventSource": event.event_source(),
                "eventTime": told_at,
            })
            .to_string(),
        };
        let too_long = raw.len() > trail::MAX_RECORD_BYTES;
        let record = serde_json::from_str(&raw).ok().map(Record::new);
        if let (Some(keep), Some(record)) = (&self.keep, &record)
            && !keep(record)
        {
            return None;
        }
        let occurred_at = record
            .as_ref()
            .and_then(Record::occurred_at)
            .or(told_at)
            .or_else(|| Timestamp::from_second(place.until).ok())?;
        let id = record.as_ref().and_then(Record::event_id);
        let id = id.or(event.event_id()).unwrap_or_default();
        if !too_long {
            return Some(Entry::new(occurred_at, id, raw));
        }
        let sha256 = Sha256Digest::of(&raw);
        inquiry.refuse(Refusal::Failed(format!(
            "a record of {} bytes (SHA-256 {sha256}) is longer than any of CloudTrail's; its \
             beginning is kept",
            raw.len()
        )));
        let cut = json!({
            "eventID": id,
            "eventTime": occurred_at,
            "cutByColdcase": {
                "sizeBytes": raw.len(),
                "sha256": sha256,
                "beginning": &raw[..raw.floor_char_boundary(BEGINNING)],
            },
        });
        Some(Entry::new(occurred_at, id, cut.to_string()))
    }
}

/// Where a lookup is, in seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    /// The end of the stretch that is being asked for. It belongs to the token.
    until: i64,
    /// The next page's; none at the stretch's beginning.
    token: Option<String>,
    /// The time of the oldest event so far.
    oldest: Option<i64>,
    pages: u32,
    /// How often in a row the token was refused at this `until`.
    restarts: u32,
}

impl Place {
    /// Where to begin anew without a token: at the oldest event so far, which may not be the only one
    /// of its second. None where that was tried often enough.
    fn restarted(self) -> Option<Self> {
        let until = self.oldest.unwrap_or(self.until).min(self.until);
        let restarts = if until < self.until {
            0
        } else {
            self.restarts + 1
        };
        (restarts <= MOST_RESTARTS).then_some(Self {
            until,
            token: None,
            restarts,
            ..self
        })
    }
}

#[async_trait]
impl Reading for Lookup {
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let known = cursor.and_then(|cursor| Place::deserialize(cursor).ok());
        let mut place = match known {
            Some(place) => place,
            None => {
                if inquiry.now().duration_since(self.window.since) > REACH {
                    inquiry.refuse(Refusal::Failed(
                        "CloudTrail's event history reaches 90 days back, and the window begins \
                         before: what is older is in a trail's files, if anywhere"
                            .to_owned(),
                    ));
                }
                Place {
                    until: self.window.until.as_second(),
                    token: None,
                    oldest: None,
                    pages: 0,
                    restarts: 0,
                }
            }
        };
        let mut expired = false;
        let mut answer = self.ask(inquiry, &place, &mut expired).await;
        if expired {
            // Tokens don't live for ever, and a case may have waited long since the last page.
            inquiry.take_back();
            let Some(restarted) = place.restarted() else {
                inquiry.refuse(Refusal::Failed(self.failed(
                    "the next page's token is refused again and again; older events are missing",
                )));
                return Page::default();
            };
            place = restarted;
            answer = self.ask(inquiry, &place, &mut false).await;
        }
        let Some(answer) = answer else {
            if let Some(Refusal::Denied(_)) = inquiry.last_refusal() {
                // Whatever the attribute, it is one permission.
                inquiry.take_back();
                let why = format!("{ACTION} in {} is denied", self.region);
                inquiry.refuse(Refusal::Denied(why));
            }
            return Page::default();
        };
        let mut entries = Vec::new();
        for event in answer.events() {
            entries.extend(self.entry(inquiry, event, &place));
        }
        place.oldest = answer
            .events()
            .iter()
            .filter_map(seconds)
            .chain(place.oldest)
            .min();
        place.pages += 1;
        place.token = answer
            .next_token()
            .filter(|token| !token.is_empty())
            .map(str::to_owned);
        if place.token.is_some() && place.pages >= MOST_PAGES {
            inquiry.refuse(Refusal::Failed(self.failed(&format!(
                "more than {MOST_PAGES} pages; nothing before {} is looked through",
                place
                    .oldest
                    .and_then(|second| Timestamp::from_second(second).ok())
                    .unwrap_or(self.window.until)
            ))));
            place.token = None;
        }
        Page {
            entries,
            next: place.token.is_some().then(|| json!(place)),
        }
    }
}

fn seconds(event: &Event) -> Option<i64> {
    event.event_time().map(DateTime::secs)
}

fn is_throttled<R>(error: &SdkError<LookupEventsError, R>) -> bool {
    let code = error.code().unwrap_or_default();
    code.contains("Throttl")
        || code.starts_with("TooManyRequests")
        || code.starts_with("RequestLimitExceeded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Desk;
    use crate::aws::canned::{self, Investigated, Script};
    use crate::{Carried, Facts, Scope};
    use evidence::{ArtifactKind, Request, Target};
    use std::time::Duration;
    use vault::MemoryVault;

    const EMPTY: &str = r#"{"Events":[]}"#;

    /// Looked up through the audit events of a function without a role; `window` is in the form
    /// `FROM/TO`.
    async fn looked_up(window: &str, lines: &[(&'static str, u16, &'static str)]) -> Investigated {
        let (since, until) = window.split_once('/').unwrap();
        let scope = Scope {
            target: Target::from_arn("arn:aws:lambda:eu-west-1:111122223333:function:billing")
                .unwrap(),
            facts: Facts::default(),
            window: Window::new(since.parse().unwrap(), until.parse().unwrap()).unwrap(),
            baseline: None,
            tampered_at: None,
        };
        let mut script = lines.to_vec();
        script.push(("LookupEvents", 200, EMPTY));
        let script: Script = script.leak();
        let request = Request::whole(ArtifactKind::AuditEvents);
        canned::investigate(scope, &request, &Carried::new(), script).await
    }

    const NOON: &str = "2026-01-01T11:00:00Z/2026-01-01T13:00:00Z";

    /// A record on the function at a second after noon.
    fn record(second: i64) -> Value {
        let at = "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap();
        json!({
            "eventVersion": "1.11",
            "eventID": format!("id-{second}"),
            "eventTime": at + SignedDuration::from_secs(second),
            "eventSource": "lambda.amazonaws.com",
            "eventName": "GetFunction20150331v2",
            "readOnly": true,
            "awsRegion": "eu-west-1",
            "recipientAccountId": "111122223333",
            "requestParameters": {"functionName": "billing"},
        })
    }

    fn event(raw: &str, at: i64) -> Value {
        json!({"EventId": "outer", "EventTime": at, "CloudTrailEvent": raw})
    }

    fn page(records: &[Value], token: Option<&str>) -> &'static str {
        let events = records.iter().map(|record| {
            let at: Timestamp = record["eventTime"].as_str().unwrap().parse().unwrap();
            event(&record.to_string(), at.as_second())
        });
        let mut page = json!({"Events": events.collect::<Vec<_>>()});
        if let Some(token) = token {
            page["NextToken"] = token.into();
        }
        page.to_string().leak()
    }

    fn asked_by_name(looked_up: &Investigated) -> Vec<Value> {
        let of_name = looked_up
            .asked
            .iter()
            .filter(|call| call.contains(r#""AttributeValue":"billing""#));
        of_name
            .map(|call| serde_json::from_str(call.splitn(3, ' ').nth(2).unwrap()).unwrap())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn edges_are_included_to_the_second_and_empty_pages_are_read_on_from() {
        let looked_up = looked_up(
            "2026-01-01T11:00:00.9Z/2026-01-01T12:00:02.9Z",
            &[
                (
                    r#"once LookupEvents "AttributeValue":"billing""#,
                    200,
                    r#"{"Events":[],"NextToken":"t1"}"#,
                ),
                (
                    r#"once LookupEvents "NextToken":"t1""#,
                    200,
                    page(&[record(2), record(1)], Some("t2")),
                ),
                (
                    r#"once LookupEvents "NextToken":"t2""#,
                    200,
                    r#"{"Events":[],"NextToken":"t3"}"#,
                ),
                (
                    r#"once LookupEvents "NextToken":"t3""#,
                    200,
                    page(&[record(-3600)], None),
                ),
            ],
        )
        .await;
        assert_eq!(looked_up.outcome(), ("acquired", ""));
        let expected = [record(-3600), record(1), record(2)].map(|record| record.to_string());
        assert_eq!(looked_up.lines("audit-events-first-0"), expected);
        let asked = asked_by_name(&looked_up);
        assert_eq!(asked.len(), 4);
        for question in asked {
            assert_eq!(question["StartTime"], 1_767_265_200);
            assert_eq!(question["EndTime"], 1_767_268_802);
            assert_eq!(question["MaxResults"], 50);
        }
        let calls = &looked_up.concluded.acquisition.calls;
        assert_eq!(calls[0].requests, 4);
        assert_eq!(
            calls[0].about,
            "ResourceName billing in eu-west-1 from 2026-01-01T11:00:00Z to 2026-01-01T12:00:02Z"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_whose_token_expired_begins_anew_at_the_oldest_event() {
        let looked_up = looked_up(
            NOON,
            &[
                (
                    r#"once LookupEvents "AttributeValue":"billing""#,
                    200,
                    page(&[record(5), record(3)], Some("t1")),
                ),
                (
                    r#"once LookupEvents "NextToken":"t1""#,
                    400,
                    r#"{"__type":"InvalidNextTokenException"}"#,
                ),
                // The second of the oldest event is asked for again: there may be more of it.
                (
                    r#"once LookupEvents "EndTime":1767268803"#,
                    200,
                    page(&[record(3), record(2)], Some("t2")),
                ),
                (
                    r#"once LookupEvents "EndTime":1767268803 "NextToken":"t2""#,
                    200,
                    page(&[record(1)], None),
                ),
            ],
        )
        .await;
        assert_eq!(looked_up.outcome(), ("acquired", ""));
        let expected = [1, 2, 3, 5].map(|second| record(second).to_string());
        assert_eq!(looked_up.lines("audit-events-first-0"), expected);
        let calls = &looked_up.concluded.acquisition.calls;
        assert!(calls.iter().any(|call| {
            let error = call.error.as_deref().unwrap_or_default();
            error.contains("InvalidNextTokenException")
        }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_always_refused_ends_the_lookup_and_is_told() {
        let looked_up = looked_up(
            NOON,
            &[
                (
                    r#"LookupEvents "NextToken":"t1""#,
                    400,
                    r#"{"__type":"InvalidNextTokenException"}"#,
                ),
                (
                    r#"LookupEvents "AttributeValue":"billing""#,
                    200,
                    page(&[record(5)], Some("t1")),
                ),
            ],
        )
        .await;
        let (outcome, why) = looked_up.outcome();
        assert_eq!(outcome, "partial");
        assert!(why.contains("refused again and again"), "{why}");
        assert_eq!(looked_up.lines("audit-events-first-0").len(), 1);
        assert!(asked_by_name(&looked_up).len() < 20);
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_slows_down_and_loses_nothing() {
        const THROTTLED: &str = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
        let first = (
            r#"once LookupEvents "AttributeValue":"billing""#,
            200,
            page(&[record(5)], Some("t1")),
        );
        let rest = (
            r#"once LookupEvents "NextToken":"t1""#,
            200,
            page(&[record(4)], None),
        );
        let throttled = (r#"once LookupEvents "NextToken":"t1""#, 400, THROTTLED);
        let calm = looked_up(NOON, &[first, rest]).await;
        let lines = [first, throttled, throttled, throttled, throttled, rest];
        let slow = looked_up(NOON, &lines).await;
        assert_eq!(slow.outcome(), ("acquired", ""));
        assert_eq!(
            slow.lines("audit-events-first-0"),
            calm.lines("audit-events-first-0")
        );
        assert_eq!(asked_by_name(&slow).len(), asked_by_name(&calm).len() + 4);
        // Every call waits its second, and after each refusal twice as long.
        let calls = u32::try_from(calm.asked.len()).unwrap();
        assert!(
            calm.took >= Duration::from_secs(1) * (calls - 1),
            "{:?}",
            calm.took
        );
        assert!(
            calm.took < Duration::from_secs(2) * calls,
            "{:?}",
            calm.took
        );
        assert!(
            slow.took > calm.took + Duration::from_secs(2 + 4 + 8 + 16),
            "{:?}",
            slow.took
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_always_throttled_is_given_up_and_the_rest_goes_on() {
        let lines = [
            (
                r#"LookupEvents "AttributeValue":"billing""#,
                400,
                r#"{"__type":"ThrottlingException"}"#,
            ),
            ("LookupEvents EventSource", 200, page(&[record(4)], None)),
        ];
        let looked_up = looked_up(NOON, &lines).await;
        let (outcome, why) = looked_up.outcome();
        assert_eq!(outcome, "partial");
        assert!(why.contains("ResourceName billing"), "{why}");
        assert_eq!(asked_by_name(&looked_up).len(), 10);
        assert_eq!(looked_up.lines("audit-events-first-0").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_is_told_once_and_what_came_is_kept() {
        let lines = [
            (
                r#"LookupEvents "AttributeValue":"billing""#,
                200,
                page(&[record(4)], None),
            ),
            (
                "LookupEvents",
                400,
                r#"{"__type":"AccessDeniedException","message":"no"}"#,
            ),
        ];
        let looked_up = looked_up(NOON, &lines).await;
        let why = "cloudtrail:LookupEvents in eu-west-1 is denied";
        assert_eq!(looked_up.outcome(), ("denied", why));
        assert_eq!(looked_up.lines("audit-events-first-0").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn hostile_records_are_kept_and_break_nothing() {
        let odd = json!({"eventID": 7, "eventTime": [], "userIdentity": "me", "eventSource": {},
            "requestParameters": "x", "eventName": null});
        let long = json!({"eventID": "long", "eventTime": "2026-01-01T12:00:09Z",
            "eventSource": "lambda.amazonaws.com", "pad": "ä".repeat(trail::MAX_RECORD_BYTES)});
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let events = json!({"Events": [
            event("{\"broken\":\n", 1_767_268_801),
            event(&odd.to_string(), 1_767_268_802),
            event(&long.to_string(), 1_767_268_803),
            event(&deep, 1_767_268_804),
            event("", 1_767_268_805),
            {"EventId": "bare", "EventTime": 1_767_268_806},
            {},
            event(&record(1).to_string(), 1_767_268_801),
        ]});
        let events = events.to_string().leak();
        let named = [(
            r#"LookupEvents "AttributeValue":"arn:aws:lambda:eu-west-1:111122223333:function:billing""#,
            200,
            &*events,
        )];
        let looked_up = looked_up(NOON, &named).await;
        let (outcome, why) = looked_up.outcome();
        assert_eq!(outcome, "partial");
        assert!(why.contains("is longer than any of CloudTrail's"), "{why}");
        assert!(why.contains("3 records are no JSON objects"), "{why}");
        let lines = looked_up.lines("audit-events-first-0");
        assert_eq!(lines.len(), 8);
        assert!(lines.contains(&r#""{\"broken\":\n""#));
        assert!(lines.contains(&odd.to_string().as_str()));
        assert!(lines.contains(&deep.as_str()));
        let cut = lines
            .iter()
            .find(|line| line.contains("cutByColdcase"))
            .unwrap();
        assert!(cut.len() < 2 * BEGINNING, "{}", cut.len());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_predicate_does_not_keep_is_left_out_and_the_same_record_is_there_once() {
        let others = json!({"eventID": "other", "eventTime": "2026-01-01T12:00:01Z",
            "eventSource": "lambda.amazonaws.com", "eventName": "GetFunction20150331v2",
            "requestParameters": {"functionName": "billing2"}});
        let all = page(&[record(3), others, record(2)], None);
        let lines = [
            (
                r#"LookupEvents "AttributeValue":"billing""#,
                200,
                page(&[record(3)], None),
            ),
            ("LookupEvents EventSource lambda", 200, all),
        ];
        let looked_up = looked_up(NOON, &lines).await;
        assert_eq!(looked_up.outcome(), ("acquired", ""));
        let expected = [2, 3].map(|second| record(second).to_string());
        assert_eq!(looked_up.lines("audit-events-first-0"), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_history_has_forgotten_is_told_once() {
        let looked_up = looked_up("2025-10-01T00:00:00Z/2026-01-01T13:00:00Z", &[]).await;
        let (outcome, why) = looked_up.outcome();
        assert_eq!(outcome, "failed");
        assert_eq!(why.matches("90 days").count(), 1, "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_ends_a_lookup_at_a_limit() {
        let more = page(&[record(5)], Some("more"));
        let clients = canned::clients("eu-west-1", vec![("LookupEvents", 200, more)].leak());
        let until: Timestamp = "2026-01-01T13:00:00Z".parse().unwrap();
        let window = Window::new(until, until).unwrap();
        let pace = Arc::new(Pace::default());
        let lookup = Lookup::new(
            &clients,
            &pace,
            window,
            LookupAttributeKey::EventSource,
            "x",
        );
        let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
        let clock = Arc::new(|| "2026-01-02T03:04:05Z".parse().unwrap());
        let desk = Desk::new(Arc::new(MemoryVault::default()), case, clock, u64::MAX);
        let target = Target::from_arn("arn:aws:lambda:eu-west-1:111122223333:function:f").unwrap();
        let request = Request::whole(ArtifactKind::AuditEvents);
        let mut inquiry = Inquiry::new(&desk, &target, request);
        let place = Place {
            until: until.as_second(),
            token: Some("more".to_owned()),
            oldest: None,
            pages: MOST_PAGES - 2,
            restarts: 0,
        };
        let page = lookup.page(&mut inquiry, Some(&json!(place))).await;
        assert!(inquiry.last_refusal().is_none());
        let page = lookup.page(&mut inquiry, page.next.as_ref()).await;
        assert_eq!((page.entries.len(), page.next), (1, None));
        let Some(Refusal::Failed(why)) = inquiry.last_refusal() else {
            panic!("nothing is told");
        };
        assert!(why.contains("nothing before 2026-01-01T12:00:05Z"), "{why}");
    }
}
