//! What Cloudflare stored of a Worker: found by time, so many at the most in one answer. A slice of time
//! whose answer is full is halved; where it cannot be, the answer is gone on with after its last entry.
//!
//! Source: the types and descriptions of Cloudflare's own SDKs, `workers.observability.telemetry`, and
//! <https://developers.cloudflare.com/workers/observability/logs/workers-logs/>.

use super::Investigation;
use super::slices::{Slice, Slices};
use crate::cloudflare::{list, text};
use crate::place::PAGE_BYTES;
use crate::{Entry, Inquiry, Page, Reading, Refusal};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A POST that changes nothing: the query is not kept (`dry`).
pub(crate) const QUERY: &str = "POST /accounts/{account_id}/workers/observability/telemetry/query";

/// The most entries of one answer: more than 2,000 are not asked for by Cloudflare's own tools either.
/// Source: `zQueryRunRequest` of <https://github.com/cloudflare/mcp-server-cloudflare>.
const LIMIT: usize = 2000;
/// An answer that does not say how many there are is taken to be whole if it holds fewer.
const FEW: usize = 20;
/// How long Cloudflare keeps what it stored; three days on a free plan.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is looked at, and where it is in an answer.
pub(super) struct View {
    /// `events` or `traces`.
    pub(super) name: &'static str,
    /// Where the list is.
    pub(super) list: &'static str,
    /// Where it says how many there are; none where it does not.
    pub(super) count: Option<&'static str>,
    /// Where an entry's time is, in milliseconds since 1970.
    pub(super) at_ms: &'static str,
    /// Where its id is.
    pub(super) id: &'static str,
}

/// One view of the window.
pub(super) struct Telemetry<'a> {
    pub(super) investigation: &'a Investigation,
    pub(super) view: View,
}

#[async_trait]
impl Reading for Telemetry<'_> {
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let mut slices = match cursor.map(|cursor| serde_json::from_value(cursor.clone())) {
            Some(Ok(slices)) => slices,
            Some(Err(_)) => {
                inquiry.refuse(Refusal::Failed("the place in it is lost".to_owned()));
                return Page::default();
            }
            None => self.begin(inquiry),
        };
        let Some(slice) = slices.next() else {
            return Page::default();
        };
        let Investigation { rest, target, .. } = self.investigation;
        let account = [("account_id", target.account.as_str())];
        let call = rest.call(QUERY, &account, &[], Some(self.query(&slice)));
        let about = format!("{} of {}", self.view.name, target.name);
        let Some(reply) = inquiry.ask_rest(QUERY, &about, call).await else {
            if inquiry.is_too_large() && slices.lessen(&slice) {
                // Whoever writes long lines must not keep the others from being read.
                inquiry.take_back();
                return next(slices, Vec::new());
            }
            // What this slice failed for, the others need not.
            return match inquiry.last_refusal() {
                Some(Refusal::Failed(_)) => next(slices, Vec::new()),
                _ => Page::default(),
            };
        };
        let result = reply.get("result").unwrap_or(&Value::Null);
        let found = list(result, self.view.list);
        let (entries, unreadable) = self.entries(found);
        let bytes: usize = entries.iter().map(|entry| entry.raw.len()).sum();
        if bytes > PAGE_BYTES && found.len() > 1 && slices.lessen(&slice) {
            return next(slices, Vec::new());
        }
        let seen = slice.seen + found.len() as u64;
        let is_longest = slices.is_longest(found.len());
        // Cloudflare may answer fewer than are asked for, and may count what it sampled away.
        let count = self.view.count.and_then(|at| result.pointer(at)?.as_f64());
        let is_more = match count {
            Some(count) => count > seen as f64,
            None => found.len() >= FEW && is_longest,
        };
        let is_full = found.len() >= slice.at_most;
        let may_be_full = is_full || (is_more && is_longest && !found.is_empty());
        if may_be_full && slices.halve(&slice) {
            return next(slices, Vec::new());
        }
        self.judge(inquiry, result);
        if unreadable > 0 {
            inquiry.refuse(Refusal::Failed(format!(
                "{unreadable} {} have no time and are left out",
                self.view.name
            )));
        }
        if is_full || is_more {
            // The rest comes after the last one.
            let last = found.last().and_then(|event| text(event, self.view.id));
            match last.filter(|last| slice.after.as_deref() != Some(*last)) {
                Some(last) => slices.go_on(slice, last.to_owned(), seen),
                None => inquiry.refuse(Refusal::Failed(format!(
                    "there are more {} than Cloudflare answers",
                    self.view.name
                ))),
            }
        }
        next(slices, entries)
    }
}

fn next(slices: Slices, entries: Vec<Entry>) -> Page {
    Page {
        entries,
        next: (!slices.is_empty()).then(|| json!(slices)),
    }
}

impl Telemetry<'_> {
    /// The window, as far as anything of it can be kept still.
    fn begin(&self, inquiry: &mut Inquiry<'_>) -> Slices {
        let Investigation {
            window, is_stored, ..
        } = self.investigation;
        if *is_stored == Some(false) {
            inquiry.refuse(Refusal::Absent(
                "observability was off when the Worker was preserved: what a Worker does while it is off \
                 is stored nowhere"
                .to_owned(),
            ));
        }
        if window.until < window.since {
            inquiry.refuse(Refusal::Failed(
                "the window ends before it begins".to_owned(),
            ));
        }
        let oldest = inquiry.now().checked_sub(KEPT).unwrap_or(Timestamp::MIN);
        if window.since < oldest {
            inquiry.refuse(Refusal::Failed(format!(
                "Cloudflare keeps what it stored 7 days at the most: of the time before {oldest} nothing \
                 can be told"
            )));
        }
        let since = window.since.max(oldest);
        // The last millisecond may not be part of the answer.
        let until_ms = window.until.as_millisecond().saturating_add(1);
        Slices::of(since.as_millisecond(), until_ms, LIMIT)
    }

    fn query(&self, slice: &Slice) -> Value {
        let mut query = json!({
            "queryId": "coldcase",
            "timeframe": {"from": slice.from_ms, "to": slice.to_ms},
            "view": self.view.name,
            "limit": slice.at_most,
            "dry": true,
            "parameters": {
                "filterCombination": "and",
                "filters": [{
                    "key": "$workers.scriptName", "operation": "eq", "type": "string",
                    "value": self.investigation.target.name,
                }],
            },
        });
        if let (Some(after), Some(query)) = (&slice.after, query.as_object_mut()) {
            query.insert("offset".to_owned(), json!(after));
        }
        query
    }

    /// What the answer says of itself.
    fn judge(&self, inquiry: &mut Inquiry<'_>, result: &Value) {
        if result.get(self.view.name).is_none_or(Value::is_null) {
            inquiry.refuse(Refusal::Failed(format!(
                "an answer has no {} at all, not even none",
                self.view.name
            )));
        }
        let status = text(result, "/run/status").unwrap_or("COMPLETED");
        if status != "COMPLETED" {
            inquiry.refuse(Refusal::Failed(format!(
                "the query did not come to its end: {}",
                evidence::shown(status, 40)
            )));
        }
        let level = result
            .pointer("/statistics/abr_level")
            .and_then(Value::as_f64);
        if level.is_some_and(|level| level > 1.0) {
            inquiry.refuse(Refusal::Failed(
                "Cloudflare answered from a sample of what it stored".to_owned(),
            ));
        }
    }

    /// The entries that have a time, and how many have none.
    fn entries(&self, found: &[Value]) -> (Vec<Entry>, usize) {
        let entries: Vec<Entry> = found.iter().filter_map(|event| self.entry(event)).collect();
        let unreadable = found.len() - entries.len();
        (entries, unreadable)
    }

    fn entry(&self, event: &Value) -> Option<Entry> {
        let at = event.pointer(self.view.at_ms)?;
        let at_ms = at.as_i64().or_else(|| {
            let at = at.as_f64()?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a time out of range is none"
            )]
            let whole = at as i64;
            Some(whole)
        })?;
        let at = Timestamp::from_millisecond(at_ms).ok()?;
        let id = text(event, self.view.id).unwrap_or_default();
        Some(Entry::new(at, id, event.to_string()))
    }
}
