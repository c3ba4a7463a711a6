//! The traces of the project in the window. Which are the function's the entries of its logs say: each names
//! its trace. There is no switch: Cloud Run traces 0.1 requests a second of an instance at the most.
//! <https://cloud.google.com/run/docs/trace>

use super::{Artifact, Investigation};
use crate::gcp::{list, text};
use crate::place::{PAGE_BYTES, Place};
use crate::{Entry, Inquiry, Page, Reading, Refusal, Unobserved};
use async_trait::async_trait;
use evidence::{ArtifactKind, Request};
use jiff::Timestamp;
use serde_json::Value;

const TRACES: &str = "GET cloudtrace.googleapis.com/v1/projects/{project}/traces";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Traces,
    permissions: &["cloudtrace.traces.list"],
    operations: &[TRACES],
    requests: |_| vec![Request::whole(ArtifactKind::Traces)],
    reading: |investigation, _| Box::new(Traces { investigation }),
    observer: |_, _| Box::new(Unobserved),
};

/// Traces in one answer, each with all of its spans.
const LIMIT: usize = 200;

struct Traces<'a> {
    investigation: &'a Investigation,
}

#[async_trait]
impl Reading for Traces<'_> {
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let Investigation {
            google,
            target,
            window,
            ..
        } = self.investigation;
        let mut place = match cursor.map(|cursor| serde_json::from_value(cursor.clone())) {
            Some(Ok(place)) => place,
            Some(Err(_)) => {
                inquiry.refuse(Refusal::Failed("the place in it is lost".to_owned()));
                return Page::default();
            }
            None => Place::beginning(window.since, LIMIT),
        };
        let mut query = vec![
            ("view", "COMPLETE".to_owned()),
            ("startTime", place.since.to_string()),
            ("endTime", window.until.to_string()),
            ("orderBy", "start".to_owned()),
            ("pageSize", place.limit.to_string()),
        ];
        query.extend(
            place
                .cursor
                .iter()
                .map(|cursor| ("pageToken", cursor.clone())),
        );
        let project = [("project", target.account.as_str())];
        let call = google.call(TRACES, &project, &query, None);
        let Some(reply) = inquiry.ask_rest(TRACES, &target.account, call).await else {
            let is_final = inquiry.is_transient()
                || matches!(inquiry.last_refusal(), Some(Refusal::Denied(_)));
            let again = match inquiry.is_too_large() {
                true => place.with_less(),
                false => place.begun_again(),
            };
            let Some(place) = again.filter(|_| !is_final) else {
                return Page::default();
            };
            inquiry.take_back();
            return place.going_on(Vec::new());
        };
        let found = list(&reply, "/traces");
        let mut entries = Vec::new();
        for trace in found {
            let spans = list(trace, "/spans").iter();
            let starts = spans.filter_map(|span| text(span, "/startTime")?.parse().ok());
            // A trace without a span has no time of its own; it is of this answer.
            let at: Timestamp = starts.min().unwrap_or(place.last);
            let id = text(trace, "/traceId").unwrap_or_default();
            entries.push(Entry::new(at, id, trace.to_string()));
        }
        let bytes: usize = entries.iter().map(|entry| entry.raw.len()).sum();
        if bytes > PAGE_BYTES
            && found.len() > 1
            && let Some(place) = place.clone().with_less()
        {
            return place.going_on(Vec::new());
        }
        let times = entries.iter().map(Entry::occurred_at);
        place.last = times.fold(place.last, Timestamp::max);
        let next = text(&reply, "/nextPageToken").map(str::to_owned);
        if next.is_some() && next == place.cursor {
            inquiry.refuse(Refusal::Failed(
                "the same page of traces was given twice: the rest is not read".to_owned(),
            ));
            return Page {
                entries,
                next: None,
            };
        }
        place.cursor = next;
        place.relieved(LIMIT);
        match place.cursor.is_some() {
            true => place.going_on(entries),
            false => Page {
                entries,
                next: None,
            },
        }
    }
}
