//! What the function wrote into its log groups: every line of the window, and its invocations.
//!
//! A group of the class STANDARD is read with FilterLogEvents, one of INFREQUENT_ACCESS with Logs
//! Insights ([`insights`]), one of DELIVERY not at all. A group that other functions write to as
//! well is kept whole; its streams tell whose each line is.

mod insights;
mod invocations;
mod lines;

use super::{Artifact, Investigation};
use crate::Carried;
use crate::facts::LogGroup;
use crate::{Entry, Inquiry, Observer, Page, Reading, Refusal};
use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsOutput;
use evidence::{ArtifactKind, Request, Window};
use insights::Slice;
use invocations::Invocations;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request a log group; the selector is its name.
pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ExecutionLogs,
    actions: &[
        "logs:DescribeLogGroups",
        "logs:FilterLogEvents",
        "logs:StartQuery",
        "logs:GetQueryResults",
    ],
    requests: |investigation| {
        // Whoever configures the function or publishes versions of it names groups.
        let groups = investigation.facts.log_groups.keys().take(MOST_GROUPS);
        groups
            .map(|group| Request::one(ArtifactKind::ExecutionLogs, group.as_str()))
            .collect()
    },
    readings,
    observer,
    after: &[],
};

fn readings<'a>(
    investigation: &'a Investigation,
    request: &'a Request,
) -> Vec<Box<dyn Reading + 'a>> {
    let Some(group) = request.selector.as_deref() else {
        return Vec::new();
    };
    let reading = |(part, window)| -> Box<dyn Reading + 'a> {
        Box::new(LogGroupReading {
            investigation,
            group,
            window,
            part,
        })
    };
    nearest_first(investigation)
        .into_iter()
        .enumerate()
        .map(reading)
        .collect()
}

/// The window from shortly before the change on, then what was before. A log is read in order of time:
/// where there is more of it than a case can hold, what is left out is what tells least.
fn nearest_first(investigation: &Investigation) -> Vec<Window> {
    let window = investigation.window;
    let near = investigation
        .tampered_at
        .and_then(|changed_at| changed_at.checked_sub(SHORTLY_BEFORE).ok());
    match near {
        Some(near) if window.contains(near) && near > window.since => vec![
            Window {
                since: near,
                until: window.until,
            },
            Window {
                since: window.since,
                until: near,
            },
        ],
        _ => vec![window],
    }
}

fn observer<'a>(
    investigation: &'a Investigation,
    request: &'a Request,
    _carried: &Carried,
) -> Box<dyn Observer + 'a> {
    let group = request.selector.as_deref().unwrap_or_default();
    let facts = &investigation.facts;
    // Where Lambda's own lines are left out, their absence says nothing.
    let whole = !facts
        .log_filters
        .iter()
        .any(|left_out| left_out.starts_with("platform"));
    Box::new(Invocations::of(group, investigation.window, whole))
}

/// How long before the change what is read first begins.
const SHORTLY_BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// The most log groups that are read.
const MOST_GROUPS: usize = 20;

/// A token for the next page lives 24 hours (API reference of FilterLogEvents).
const TOKEN_LIVES: SignedDuration = SignedDuration::from_hours(23);

/// One log group, read page by page.
struct LogGroupReading<'a> {
    investigation: &'a Investigation,
    group: &'a str,
    window: Window,
    /// Which of the window's parts this is.
    part: usize,
}

/// Where a reading goes on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// Event by event.
    Filter(Filter),
    /// By queries.
    Insights(Slice),
}

/// Where FilterLogEvents goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Filter {
    /// Where the request begins that the token belongs to, in milliseconds.
    start_ms: i64,
    /// The next page of it.
    token: Option<String>,
    /// When the token was given.
    token_given_at: Option<Timestamp>,
    /// The time of the last event seen. From there it begins anew if the token is refused:
    /// CloudWatch Logs answers in order of time, and what comes twice is kept once.
    last_ms: i64,
    /// Where it began anew last.
    restarted_ms: Option<i64>,
    /// The group's class; none if it could not be asked for.
    class: Option<String>,
    /// Whether the group was there when it was asked about.
    was_there: bool,
}

/// What is known of the group before it is read.
struct Looked {
    class: Option<String>,
    /// Whether DescribeLogGroups showed it.
    was_there: bool,
    /// Nothing is there from before: the group was made then, or lines have expired since.
    nothing_before_ms: Option<i64>,
}

#[async_trait]
impl Reading for LogGroupReading<'_> {
    fn reads_on(&self) -> bool {
        self.part > 0
    }

    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let stage = cursor.and_then(|cursor| Stage::deserialize(cursor).ok());
        match stage {
            None => match self.begin(inquiry).await {
                Some(stage) => page(Vec::new(), Some(stage)),
                None => Page::default(),
            },
            Some(Stage::Filter(at)) => self.filter(inquiry, at).await,
            Some(Stage::Insights(slice)) => insights::page(self, inquiry, slice).await,
        }
    }
}

impl LogGroupReading<'_> {
    /// The window's first and last millisecond. CloudWatch Logs counts in whole ones, so that of
    /// the window's beginning belongs to it.
    fn first_ms(&self) -> i64 {
        self.window.since.as_millisecond()
    }

    fn last_ms(&self) -> i64 {
        self.window.until.as_millisecond()
    }

    /// Looks at the group and says how it can be read, if it can.
    async fn begin(&self, inquiry: &mut Inquiry<'_>) -> Option<Stage> {
        let looked = self.look(inquiry).await?;
        match looked.class.as_deref() {
            Some("DELIVERY") => {
                inquiry.refuse(Refusal::Failed(
                    "the log group is of the class DELIVERY: it hands its lines on to S3 or \
                     Firehose, and CloudWatch Logs does not show them"
                        .to_owned(),
                ));
                None
            }
            Some("INFREQUENT_ACCESS") => {
                let slice = Slice::whole(
                    self.first_ms(),
                    self.last_ms(),
                    looked.nothing_before_ms,
                    looked.was_there,
                );
                Some(Stage::Insights(slice))
            }
            _ => Some(Stage::Filter(Filter {
                start_ms: self.first_ms(),
                token: None,
                token_given_at: None,
                last_ms: self.first_ms(),
                restarted_ms: None,
                class: looked.class,
                was_there: looked.was_there,
            })),
        }
    }

    /// Asks what the group is now, and tells what cannot be there any more. None if there is no
    /// such group, or if it has to be asked again.
    async fn look(&self, inquiry: &mut Inquiry<'_>) -> Option<Looked> {
        let facts = &self.investigation.facts;
        let sealed = facts.log_groups.get(self.group).cloned();
        let sealed: LogGroup = sealed.unwrap_or_default();
        let logs = &self.investigation.clients.logs;
        // A prefix is all that can be asked for. The list is sorted: the name itself comes first.
        let asked = inquiry
            .ask("logs:DescribeLogGroups", self.group, |raw| {
                let call = logs.describe_log_groups();
                let call = call.log_group_name_prefix(self.group);
                call.customize().interceptor(raw).send()
            })
            .await;
        let Some(found) = asked else {
            if inquiry.is_transient() {
                return None;
            }
            let nothing_before_ms = self.tell_gaps(inquiry, sealed.retention_days, None);
            return Some(Looked {
                class: sealed.class,
                was_there: false,
                nothing_before_ms,
            });
        };
        let named = |found: &&aws_sdk_cloudwatchlogs::types::LogGroup| {
            found.log_group_name() == Some(self.group)
        };
        let Some(group) = found.log_groups().iter().find(named) else {
            let then = match sealed.class {
                Some(_) => " any more: it was there when the case was sealed",
                None => "",
            };
            let why = format!("there is no log group {}{then}", self.group);
            inquiry.refuse(Refusal::Absent(why));
            return None;
        };
        let created_ms = group.creation_time();
        if let (Some(before), Some(now)) = (sealed.created_ms, created_ms)
            && now > before
            && now > self.first_ms()
        {
            let at = at(now);
            inquiry.refuse(Refusal::Failed(format!(
                "the log group was deleted and made again at {at}: the lines before are gone"
            )));
        }
        let retention_days = group.retention_in_days().map(i64::from);
        Some(Looked {
            // Groups from before there were classes are of the first one.
            class: Some(
                group
                    .log_group_class()
                    .map_or("STANDARD", |class| class.as_str())
                    .to_owned(),
            ),
            was_there: true,
            nothing_before_ms: self.tell_gaps(inquiry, retention_days, created_ms),
        })
    }

    /// Tells what expired and what was never written. Answers since when there can be lines.
    fn tell_gaps(
        &self,
        inquiry: &mut Inquiry<'_>,
        retention_days: Option<i64>,
        created_ms: Option<i64>,
    ) -> Option<i64> {
        let facts = &self.investigation.facts;
        if !facts.log_filters.is_empty() {
            let filters: Vec<&str> = facts.log_filters.iter().map(String::as_str).collect();
            let filters = filters.join(" and ");
            inquiry.refuse(Refusal::Failed(format!(
                "the function's logging leaves out {filters}"
            )));
        }
        let expired_before = retention_days
            .and_then(|days| days.checked_mul(24))
            .and_then(SignedDuration::try_from_hours)
            .and_then(|kept| inquiry.now().checked_sub(kept).ok());
        if let (Some(before), Some(days)) = (expired_before, retention_days)
            && before > self.window.since
        {
            inquiry.refuse(Refusal::Failed(format!(
                "lines before {before} have expired: the group keeps {days} days"
            )));
        }
        let expired_ms = expired_before.map(|before| before.as_millisecond());
        expired_ms.max(created_ms)
    }

    /// The group is gone although it was there.
    fn tell_deletion(&self, inquiry: &mut Inquiry<'_>) {
        inquiry.take_back();
        inquiry.refuse(Refusal::Failed(
            "the log group was deleted while it was read".to_owned(),
        ));
    }

    /// One page of FilterLogEvents.
    async fn filter(&self, inquiry: &mut Inquiry<'_>, mut at: Filter) -> Page {
        let now = inquiry.now();
        let expired = at
            .token_given_at
            .is_some_and(|given| now.duration_since(given) > TOKEN_LIVES);
        let mut answer = None;
        if !expired {
            answer = self.ask(inquiry, at.start_ms, at.token.clone()).await;
        }
        if answer.is_none() && inquiry.is_transient() {
            return Page::default();
        }
        let refused = matches!(inquiry.last_refusal(), Some(Refusal::Failed(_)));
        if answer.is_none() && at.token.is_some() && (expired || refused) {
            if refused {
                inquiry.take_back();
            }
            if at.restarted_ms == Some(at.last_ms) {
                let place = self::at(at.last_ms);
                inquiry.refuse(Refusal::Failed(format!(
                    "the next page was refused twice at {place}; what follows is not read"
                )));
                return Page::default();
            }
            at.start_ms = at.last_ms;
            at.restarted_ms = Some(at.last_ms);
            at.token = None;
            answer = self.ask(inquiry, at.start_ms, None).await;
            if answer.is_none() && inquiry.is_transient() {
                return Page::default();
            }
        }
        let Some(answer) = answer else {
            return self.refused(inquiry, &at);
        };
        let entries = self.entries(inquiry);
        let last = entries.iter().map(|entry| entry.at_ns / 1_000_000).max();
        let token = answer.next_token().filter(|token| !token.is_empty());
        let Some(token) = token else {
            return page(entries, None);
        };
        let next = Filter {
            token: Some(token.to_owned()),
            token_given_at: Some(now),
            last_ms: last.unwrap_or(at.last_ms).max(at.last_ms),
            was_there: true,
            ..at
        };
        page(entries, Some(Stage::Filter(next)))
    }

    /// What follows from a refusal that is none of a token.
    fn refused(&self, inquiry: &mut Inquiry<'_>, at: &Filter) -> Page {
        match inquiry.last_refusal() {
            Some(Refusal::Absent(_)) if at.was_there => self.tell_deletion(inquiry),
            // Whose class is not known may be one that cannot be read this way.
            Some(Refusal::Failed(_)) if at.class.is_none() && at.token.is_none() => {
                inquiry.take_back();
                let (first, last) = (self.first_ms(), self.last_ms());
                let slice = Slice::whole(first, last, None, at.was_there);
                return page(Vec::new(), Some(Stage::Insights(slice)));
            }
            _ => {}
        }
        Page::default()
    }

    async fn ask(
        &self,
        inquiry: &mut Inquiry<'_>,
        start_ms: i64,
        token: Option<String>,
    ) -> Option<FilterLogEventsOutput> {
        let logs = &self.investigation.clients.logs;
        inquiry
            .ask("logs:FilterLogEvents", self.group, |raw| {
                let call = logs.filter_log_events().log_group_name(self.group);
                let call = call.start_time(start_ms).end_time(self.last_ms());
                let call = call.set_next_token(token);
                call.customize().interceptor(raw).send()
            })
            .await
    }

    /// The last reply's events, each as it came.
    fn entries(&self, inquiry: &mut Inquiry<'_>) -> Vec<Entry> {
        let events = inquiry
            .last_reply_mut()
            .and_then(|reply| reply.get_mut("events"))
            .map(Value::take);
        let Some(Value::Array(events)) = events else {
            return Vec::new();
        };
        events
            .into_iter()
            .filter_map(|event| {
                let ms = |field: &str| event.get(field).and_then(Value::as_i64);
                // An event without a time does not exist in the published model.
                let ms = ms("timestamp").or_else(|| ms("ingestionTime"));
                let ms = ms.unwrap_or_else(|| self.first_ms());
                let inside = (self.first_ms()..=self.last_ms()).contains(&ms);
                let id = event.get("eventId").and_then(Value::as_str);
                inside.then(|| Entry::new(at(ms), id.unwrap_or_default(), event.to_string()))
            })
            .collect()
    }
}

fn page(entries: Vec<Entry>, next: Option<Stage>) -> Page {
    Page {
        entries,
        // A stage is made of strings and numbers, which always become JSON.
        next: next.and_then(|stage| serde_json::to_value(stage).ok()),
    }
}

/// A time in milliseconds; what no calendar holds becomes 1970.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests;
