//! Entries of Google's logs that a filter finds, in order of time.
//!
//! Source: <https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list> and
//! <https://cloud.google.com/logging/docs/view/logging-query-language>.

use super::Investigation;
use crate::gcp::{last, list, text, values};
use crate::place::{PAGE_BYTES, Place};
use crate::{Entry, Inquiry, Page, Reading, Refusal};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A POST that only reads.
pub(crate) const ENTRIES: &str = "POST logging.googleapis.com/v2/entries:list";

/// The most entries of one answer.
const LIMIT: usize = 1000;

/// What a filter finds in the window.
pub(super) struct Entries<'a> {
    pub(super) investigation: &'a Investigation,
    /// In Google's query language, without the window.
    pub(super) filter: String,
    /// What is asked about, for the record.
    pub(super) about: String,
    /// What is known to be missing before anything is asked.
    pub(super) gap: Option<String>,
}

impl Entries<'_> {
    fn query(&self, place: &Place) -> Value {
        let Investigation { target, window, .. } = self.investigation;
        let mut query = json!({
            "resourceNames": [format!("projects/{}", target.account)],
            "filter": format!(
                "({}) AND timestamp>=\"{}\" AND timestamp<=\"{}\"",
                self.filter, place.since, window.until
            ),
            "orderBy": "timestamp asc",
            "pageSize": place.limit,
        });
        if let (Some(cursor), Some(query)) = (&place.cursor, query.as_object_mut()) {
            query.insert("pageToken".to_owned(), json!(cursor));
        }
        query
    }

    fn begin(&self, inquiry: &mut Inquiry<'_>) -> Place {
        let window = self.investigation.window;
        if window.until < window.since {
            let why = "the window ends before it begins";
            inquiry.refuse(Refusal::Failed(why.to_owned()));
        }
        if let Some(gap) = &self.gap {
            inquiry.refuse(Refusal::Failed(gap.clone()));
        }
        Place::beginning(window.since, LIMIT)
    }
}

#[async_trait]
impl Reading for Entries<'_> {
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let mut place = match cursor.map(|cursor| serde_json::from_value(cursor.clone())) {
            Some(Ok(place)) => place,
            Some(Err(_)) => {
                inquiry.refuse(Refusal::Failed("the place in it is lost".to_owned()));
                return Page::default();
            }
            None => self.begin(inquiry),
        };
        let google = &self.investigation.google;
        let call = google.call(ENTRIES, &[], &[], Some(self.query(&place)));
        let Some(reply) = inquiry.ask_rest(ENTRIES, &self.about, call).await else {
            let is_final = inquiry.is_transient()
                || matches!(inquiry.last_refusal(), Some(Refusal::Denied(_)));
            // A token holds for the page's size that it came with, and not for ever: on from the last
            // entry. What comes twice is kept once.
            let again = match inquiry.is_too_large() {
                true => smaller(place),
                false => place.begun_again(),
            };
            let Some(place) = again.filter(|_| !is_final) else {
                return Page::default();
            };
            inquiry.take_back();
            return place.going_on(Vec::new());
        };
        let found = list(&reply, "/entries");
        let mut entries = Vec::new();
        for entry in found {
            let at = text(entry, "/timestamp").and_then(|at| at.parse::<Timestamp>().ok());
            // An id is unique within its log only.
            let id = format!(
                "{}:{}",
                text(entry, "/insertId").unwrap_or_default(),
                text(entry, "/logName").map_or("", last)
            );
            entries.extend(at.map(|at| Entry::new(at, &id, without_values(entry).to_string())));
        }
        let bytes: usize = entries.iter().map(|entry| entry.raw.len()).sum();
        if bytes > PAGE_BYTES
            && found.len() > 1
            && let Some(place) = smaller(place.clone())
        {
            return place.going_on(Vec::new());
        }
        let unreadable = found.len() - entries.len();
        if unreadable > 0 {
            inquiry.refuse(Refusal::Failed(format!(
                "{unreadable} entries have no time and are left out"
            )));
        }
        let times = entries.iter().map(Entry::occurred_at);
        place.last = times.fold(place.last, Timestamp::max);
        // A page may be empty and not be the last one.
        let next = text(&reply, "/nextPageToken").map(str::to_owned);
        if next.is_some() && next == place.cursor {
            inquiry.refuse(Refusal::Failed(format!(
                "the same page was given twice: what comes after {} is not read",
                place.last
            )));
            return Page {
                entries,
                next: None,
            };
        }
        place.cursor = next;
        match place.cursor.is_some() {
            true => place.going_on(entries),
            false => Page {
                entries,
                next: None,
            },
        }
    }
}

/// Fewer entries at a time, from the last one that came: a token holds for the size that it came with.
fn smaller(place: Place) -> Option<Place> {
    let place = place.with_less()?;
    match place.cursor.is_some() {
        true => place.begun_again(),
        false => Some(place),
    }
}

/// An entry without the values of variables that somebody's request, or the answer to it, brought.
fn without_values(entry: &Value) -> Value {
    let mut entry = entry.clone();
    entry.get_mut("protoPayload").map(values::withhold);
    entry
}

/// A string in the query language: whoever named a function named nothing else.
pub(super) fn quoted(text: &str) -> String {
    json!(text).to_string()
}
