//! The account's audit log: who changed what, by which token, from which address. All of it is kept: a
//! token that changed the script has changed other things as well. What was only read leaves no trace
//! there, so that nobody can be told to have looked.
//!
//! Source: <https://developers.cloudflare.com/fundamentals/account/account-security/audit-logs/>; kept 18
//! months.

use super::{Artifact, Investigation};
use crate::cloudflare::versions::withhold;
use crate::cloudflare::{list, text};
use crate::place::{PAGE_BYTES, Place};
use crate::{ENTRIES, Entry, Inquiry, Observed, Observer, Page, Reading, Refusal};
use async_trait::async_trait;
use evidence::{ArtifactKind, Confidence, Finding, Proof, Severity, Target, shown};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

const AUDIT: &str = "GET /accounts/{account_id}/logs/audit";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::AuditEvents,
    permissions: &["Account Settings Read"],
    operations: &[AUDIT],
    reading: |investigation| Box::new(AuditLog { investigation }),
    observer: |investigation| {
        Box::new(Seen {
            target: &investigation.target,
            entries: 0,
            lines: 0,
            changes: 0,
            who: BTreeMap::new(),
            not_followed: 0,
        })
    },
};

/// The most entries of one page.
const LIMIT: usize = 1000;
/// Whether `since` and `before` are part of the answer is not documented for both: a second more on each
/// side does no harm.
const A_SECOND: SignedDuration = SignedDuration::from_secs(1);

struct AuditLog<'a> {
    investigation: &'a Investigation,
}

#[async_trait]
impl Reading for AuditLog<'_> {
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let Investigation {
            rest,
            target,
            window,
            ..
        } = self.investigation;
        let since = window.since.checked_sub(A_SECOND).unwrap_or(window.since);
        let mut place = match cursor.map(|cursor| serde_json::from_value(cursor.clone())) {
            Some(Ok(place)) => place,
            Some(Err(_)) => {
                inquiry.refuse(Refusal::Failed("the place in it is lost".to_owned()));
                return Page::default();
            }
            None => Place::beginning(since, LIMIT),
        };
        let before = window.until.checked_add(A_SECOND).unwrap_or(window.until);
        let mut query = vec![
            ("since", place.since.to_string()),
            ("before", before.to_string()),
            ("direction", "asc".to_owned()),
            ("limit", place.limit.to_string()),
        ];
        if let Some(cursor) = &place.cursor {
            query.push(("cursor", cursor.clone()));
        }
        let account = [("account_id", target.account.as_str())];
        let call = rest.call(AUDIT, &account, &query, None);
        let Some(reply) = inquiry.ask_rest(AUDIT, "the account", call).await else {
            let is_final = inquiry.is_transient()
                || matches!(inquiry.last_refusal(), Some(Refusal::Denied(_)));
            // A cursor does not last: on from the last entry. What comes twice is kept once.
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
        if !reply.get("result").is_some_and(Value::is_array) {
            inquiry.refuse(Refusal::Failed(
                "an answer has no list of entries, not even an empty one".to_owned(),
            ));
        }
        let found = list(&reply, "/result");
        let mut entries = Vec::new();
        for entry in found {
            let at = text(entry, "/action/time").and_then(|at| at.parse::<Timestamp>().ok());
            let id = text(entry, "/id").unwrap_or_default();
            entries.extend(at.map(|at| Entry::new(at, id, without_values(entry).to_string())));
        }
        let bytes: usize = entries.iter().map(|entry| entry.raw.len()).sum();
        if bytes > PAGE_BYTES
            && found.len() > 1
            && let Some(place) = place.clone().with_less()
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
        // The documentation and the SDKs differ in where it is.
        let given = |at| text(&reply, at).filter(|next| !next.is_empty());
        let next = given("/result_info/cursor").or_else(|| given("/result_info/cursors/after"));
        if next.is_some() && next == place.cursor.as_deref() {
            if !found.is_empty() {
                inquiry.refuse(Refusal::Failed(format!(
                    "the same cursor was given twice: what comes after {} is not read",
                    place.last
                )));
            }
            return Page {
                entries,
                next: None,
            };
        }
        place.cursor = next.map(str::to_owned);
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

/// An entry without the values of variables that a request of somebody's, or the answer to it, brought.
fn without_values(entry: &Value) -> Value {
    let mut entry = entry.clone();
    for part in ["/resource/request", "/resource/response"] {
        if let Some(part) = entry.pointer_mut(part) {
            // What was sent as a form has its settings as text.
            for field in part.as_object_mut().into_iter().flat_map(Map::values_mut) {
                let read = field.as_str().map(serde_json::from_str::<Value>);
                if let Some(Ok(mut read @ (Value::Object(_) | Value::Array(_)))) = read {
                    withhold(&mut read);
                    *field = read.to_string().into();
                }
            }
            withhold(part);
        }
    }
    entry
}

/// Looks at every entry as it passes.
struct Seen<'a> {
    target: &'a Target,
    entries: u64,
    /// Lines of the exhibit: what an earlier pass brought has none.
    lines: u64,
    /// Changes of the script.
    changes: u64,
    /// Who changed the script or made a token.
    who: BTreeMap<Actor, Deeds>,
    /// What was done by more actors than are followed.
    not_followed: u64,
}

/// The most actors that are followed: whoever makes many tokens must not fill the memory.
const MOST_ACTORS: usize = 1000;
/// How many are told of one kind.
const MOST_TOLD: usize = 50;

/// Who did it: whose the token was, and which one if it was one. Names can be given twice, ids not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Actor {
    who: String,
    token: Option<String>,
}

impl Actor {
    /// None if the entry does not say.
    fn of(entry: &Value) -> Option<Self> {
        let of = |at| text(entry, at).filter(|text| !text.is_empty());
        let who = of("/actor/id").or_else(|| of("/actor/email"));
        let token = of("/actor/token_id").or_else(|| of("/actor/token_name"));
        (who.is_some() || token.is_some()).then(|| Self {
            who: shown(who.unwrap_or_default(), 120),
            token: token.map(|token| shown(token, 80)),
        })
    }
}

/// What somebody did.
#[derive(Debug, Default)]
struct Deeds {
    /// What they are called.
    called: String,
    /// From where they changed the script.
    from: BTreeSet<String>,
    changed: Deed,
    made_a_token: Deed,
}

/// Something that was done once or more often.
#[derive(Debug, Default)]
struct Deed {
    /// Whether an earlier pass knew of it.
    is_old: bool,
    /// The first line of the exhibit that says so.
    line: Option<u64>,
}

impl Deed {
    fn note(&mut self, line: Option<u64>) {
        match line {
            Some(line) => self.line = self.line.or(Some(line)),
            None => self.is_old = true,
        }
    }

    fn is_done(&self) -> bool {
        self.is_old || self.line.is_some()
    }
}

/// How many segments of a path are looked at: no operation has more.
const SEGMENTS: usize = 32;

/// The path of the request that an entry is of, in segments as they were meant.
fn segments(entry: &Value) -> Vec<Cow<'_, str>> {
    let uri = text(entry, "/raw/uri").unwrap_or_default();
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .take(SEGMENTS)
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
        .collect()
}

impl Seen<'_> {
    /// Whether an entry is about the script.
    fn is_about(&self, entry: &Value, segments: &[Cow<'_, str>]) -> bool {
        let name = self.target.name.as_str();
        // A script may be called as a segment is: `scripts`.
        let is_named = segments.windows(3).any(|three| {
            let [product, kind, named] = three else {
                return false;
            };
            product == "workers"
                && matches!(&**kind, "scripts" | "services" | "workers")
                && named == name
        });
        let elsewhere = [
            "/resource/id",
            "/resource/request/script",
            "/resource/request/service",
        ];
        is_named || elsewhere.iter().any(|at| text(entry, at) == Some(name))
    }

    /// What is known of whoever did it; none if that is nobody, or one more than are followed.
    fn deeds(&mut self, entry: &Value) -> Option<&mut Deeds> {
        let actor = Actor::of(entry)?;
        if self.who.len() >= MOST_ACTORS && !self.who.contains_key(&actor) {
            self.not_followed += 1;
            return None;
        }
        let deeds = self.who.entry(actor).or_default();
        if deeds.called.is_empty() {
            deeds.called = called(entry);
        }
        Some(deeds)
    }
}

/// What whoever did it is called: the token if there is one, else whoever it was.
fn called(entry: &Value) -> String {
    let of = |at| text(entry, at).filter(|text| !text.is_empty());
    let who = of("/actor/email")
        .or_else(|| of("/actor/id"))
        .unwrap_or("unknown");
    match of("/actor/token_name").or_else(|| of("/actor/token_id")) {
        Some(token) => format!("{} with the token {}", shown(who, 120), shown(token, 80)),
        None => shown(who, 120),
    }
}

impl Observer for Seen<'_> {
    fn see(&mut self, entry: &Entry, is_new: bool, _rows: &mut Vec<String>) {
        self.entries += 1;
        self.lines += u64::from(is_new);
        let line = is_new.then_some(self.lines);
        let Ok(read) = serde_json::from_str::<Value>(&entry.raw) else {
            return;
        };
        // What was tried in vain has changed nothing.
        if text(&read, "/action/result") == Some("failure") {
            return;
        }
        let segments = segments(&read);
        if self.is_about(&read, &segments) {
            self.changes += 1;
            let from = text(&read, "/actor/ip_address").unwrap_or("unknown");
            if let Some(deeds) = self.deeds(&read) {
                deeds.changed.note(line);
                if deeds.from.len() < MOST_TOLD {
                    deeds.from.insert(shown(from, 64));
                }
            }
        }
        let kind = text(&read, "/resource/type").unwrap_or_default();
        let is_token = kind.to_ascii_lowercase().contains("token")
            || segments.last().is_some_and(|last| last == "tokens");
        let is_made = text(&read, "/action/type") == Some("create");
        if is_made
            && is_token
            && let Some(deeds) = self.deeds(&read)
        {
            deeds.made_a_token.note(line);
        }
    }

    fn conclude(self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        let who = self.who.values();
        let changers = who.filter(|deeds| deeds.changed.is_done());
        let mut by: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for deeds in changers.clone().take(MOST_TOLD) {
            let from = deeds.from.iter().map(String::as_str);
            by.entry(&deeds.called).or_default().extend(from);
        }
        let findings: Vec<Finding> = changers
            .clone()
            .filter_map(|deeds| token_created(deeds, self.target))
            .collect();
        let mut refusals = Vec::new();
        if findings.len() > MOST_TOLD {
            refusals.push(Refusal::Failed(format!(
                "{} actors changed the script and made API tokens, of which {MOST_TOLD} are told",
                findings.len()
            )));
        }
        if self.not_followed > 0 {
            refusals.push(Refusal::Failed(format!(
                "{} entries are by others than the first {MOST_ACTORS} who changed the script or made \
                 tokens: whether one of those did both is not known",
                self.not_followed
            )));
        }
        let summary = json!({
            "entries": self.entries,
            "changes_of_the_script": self.changes,
            "changed_by": changers.count(),
            "by": by,
        });
        Observed {
            documents: match self.entries {
                0 => Vec::new(),
                _ => vec![("summary", summary)],
            },
            findings: findings.into_iter().take(MOST_TOLD).collect(),
            refusals,
            ..Observed::default()
        }
    }
}

/// Whoever changed the script and made an API token as well; none if that was told in an earlier pass.
fn token_created(deeds: &Deeds, target: &Target) -> Option<Finding> {
    let Deeds {
        changed,
        made_a_token: made,
        ..
    } = deeds;
    let is_told = changed.is_old && made.is_old;
    if is_told || !changed.is_done() || !made.is_done() {
        return None;
    }
    let proof = |line: u64| Proof {
        exhibit: ENTRIES.to_owned(),
        path: None,
        line: Some(line),
        excerpt: None,
    };
    Some(Finding {
        rule: "token-created".to_owned(),
        statement: format!(
            "{}, who changed {} in the window, also made an API token",
            deeds.called,
            shown(&target.name, 80)
        ),
        severity: Severity::High,
        confidence: Confidence::Medium,
        technique: Some("T1098.001".to_owned()),
        advice: Some("Revoke that token unless its owner can tell what it is for.".to_owned()),
        proof: [made.line, changed.line]
            .into_iter()
            .flatten()
            .map(proof)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudflare::canned::{Investigated, investigate};
    use crate::cloudflare::window::tests::{leaked, scope};
    use crate::{Carried, Surroundings as _};
    use evidence::Request;

    const UPLOAD: &str =
        "/client/v4/accounts/0123456789abcdef0123456789abcdef/workers/scripts/billing-api";
    const TOKENS: &str = "/client/v4/accounts/0123456789abcdef0123456789abcdef/tokens";

    /// A change at a second of the window, by somebody's token.
    fn entry(second: i64, token: &str, kind: &str, uri: &str) -> Value {
        let at = Timestamp::from_second(1_767_225_600 + second).unwrap();
        json!({
            "id": format!("e{second}"),
            "action": {"type": kind, "time": at, "result": "success"},
            "actor": {"id": "u-1", "email": "mallory@example.com", "token_id": token,
                "token_name": format!("token {token}"), "ip_address": "198.51.100.7"},
            "raw": {"method": "PUT", "uri": uri, "status_code": 200},
            "resource": {"product": "workers", "type": "script"},
        })
    }

    fn other(second: i64) -> Value {
        entry(second, "t-9", "update", "/client/v4/zones/z/dns_records/r")
    }

    fn page(entries: &[Value], info: &Value) -> &'static str {
        leaked(
            &json!({"success": true, "errors": [], "messages": [], "result": entries, "result_info": info}),
        )
    }

    async fn read(lines: &[(&'static str, u16, &'static str)]) -> Investigated {
        let script = lines.to_vec().leak();
        investigate(scope(), ArtifactKind::AuditEvents, script).await
    }

    async fn one_page(entries: &[Value]) -> Investigated {
        read(&[("GET /logs/audit", 200, page(entries, &json!({})))]).await
    }

    fn ids(found: &Investigated) -> Vec<String> {
        let lines = found.lines("audit-events-first-0").into_iter();
        let read = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        read.map(|entry| entry["id"].as_str().unwrap_or("none").to_owned())
            .collect()
    }

    const REFUSED: &str =
        r#"{"success":false,"errors":[{"code":10021,"message":"the cursor has expired"}]}"#;

    #[tokio::test(start_paused = true)]
    async fn the_cursor_is_found_in_both_places_and_empty_pages_go_on() {
        for of in [
            |cursor: &str| json!({"cursor": cursor}),
            |cursor: &str| json!({"cursors": {"after": cursor}}),
        ] {
            let found = read(&[
                ("GET cursor=b", 200, page(&[], &of("c"))),
                ("GET cursor=c", 200, page(&[other(3)], &of(""))),
                ("GET", 200, page(&[other(2), other(1), other(2)], &of("b"))),
            ])
            .await;
            assert_eq!(found.outcome(), ("acquired", ""));
            assert_eq!(ids(&found), ["e1", "e2", "e3"]);
            assert_eq!(
                found.asked[0],
                "GET /client/v4/accounts/0123456789abcdef0123456789abcdef/logs/audit\
                 ?since=2025-12-31T23%3A59%3A59Z&before=2026-01-02T00%3A00%3A01Z&direction=asc&limit=1000 "
            );
            assert_eq!(found.asked.len(), 3);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cursor_that_has_run_out_is_begun_again_where_it_was() {
        let found = read(&[
            ("GET cursor=b", 400, REFUSED),
            // From a second before the last entry: there may be more of the same moment.
            (
                "GET since=2026-01-01T00%3A00%3A06Z",
                200,
                page(&[other(6), other(7), other(8)], &json!({})),
            ),
            (
                "GET since=2025-12-31",
                200,
                page(&[other(5), other(6), other(7)], &json!({"cursor": "b"})),
            ),
        ])
        .await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(ids(&found), ["e5", "e6", "e7", "e8"]);
        assert_eq!(found.asked.len(), 3);
        assert_eq!(found.document("summary")["entries"], 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cursor_that_always_runs_out_is_told_in_the_end() {
        let found = read(&[
            ("GET cursor=b", 400, REFUSED),
            ("GET", 200, page(&[other(5)], &json!({"cursor": "b"}))),
        ])
        .await;
        let (word, why) = found.outcome();
        assert_eq!(word, "partial");
        assert!(
            why.ends_with("answered 400 10021: the cursor has expired"),
            "{why}"
        );
        assert_eq!(ids(&found), ["e5"]);
        // Once, and ten times more, each with its cursor.
        assert_eq!(found.asked.len(), 22);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_cursor_twice_ends_it_and_what_may_be_missing_is_told() {
        let given = json!({"cursor": "b"});
        for (second, outcome) in [
            (
                vec![other(6)],
                (
                    "partial",
                    "the same cursor was given twice: what comes after 2026-01-01T00:00:06Z is not read",
                ),
            ),
            (vec![], ("acquired", "")),
        ] {
            let found = read(&[
                ("GET cursor=b", 200, page(&second, &given)),
                ("GET", 200, page(&[other(5)], &given)),
            ])
            .await;
            assert_eq!(found.outcome(), outcome);
            assert_eq!(found.asked.len(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_shut_out_in_the_middle_keeps_what_came() {
        let shut =
            r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}"#;
        let found = read(&[
            ("GET cursor=b", 403, shut),
            ("GET", 200, page(&[other(5)], &json!({"cursor": "b"}))),
        ])
        .await;
        assert_eq!(found.outcome().0, "denied");
        assert_eq!((ids(&found), found.asked.len()), (vec!["e5".to_owned()], 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_is_too_long_is_asked_for_with_fewer_entries() {
        let found = read(&[
            ("GET limit=1000", 200, "content-length: 99999999\n\n{}"),
            (
                "GET limit=250",
                200,
                page(&[other(5)], &json!({"cursor": "b"})),
            ),
            ("GET cursor=b limit=500", 200, page(&[other(6)], &json!({}))),
        ])
        .await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(ids(&found), ["e5", "e6"]);
    }

    #[tokio::test(start_paused = true)]
    async fn entries_without_a_time_are_told_and_hostile_ones_do_no_harm() {
        let long = "x".repeat(300_000);
        let mut timeless = other(1);
        timeless["action"]["time"] = json!("yesterday");
        let mut hostile = entry(2, &long, "create", &"/%ff/tokens".repeat(20_000));
        hostile["id"] = json!(long);
        hostile["actor"]["ip_address"] = json!(long);
        hostile["resource"] =
            json!({"id": "billing-api", "type": "Token\n\u{202e}", "request": [1]});
        let bare =
            json!({"id": 4, "action": {"time": "2026-01-01T00:00:09Z"}, "actor": "x", "raw": []});
        let found = one_page(&[timeless, json!(7), hostile, bare]).await;
        assert_eq!(
            found.outcome(),
            ("partial", "2 entries have no time and are left out")
        );
        assert_eq!(found.lines("audit-events-first-0").len(), 2);
        let told = format!(
            "{:?}{}",
            found.concluded.findings,
            found.document("summary")
        );
        assert!(
            told.len() < 3000 && !told.contains('\u{202e}'),
            "{}",
            told.len()
        );
        // No list is not an empty one.
        let found = read(&[("GET", 200, r#"{"success":true,"result":null}"#)]).await;
        assert_eq!(found.outcome().0, "failed");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_about_the_script_is_counted_and_nothing_else_is() {
        let of = |uri: &str| entry(1, "t-1", "update", uri);
        let account = "/client/v4/accounts/a/workers";
        let with = |pointer: &str, value: &str| {
            let mut entry = of("/client/v4/zones/z/workers/routes");
            entry["resource"]["request"] = json!({"script": "x"});
            *entry.pointer_mut("/resource").unwrap() = match pointer {
                "id" => json!({"id": value}),
                field => json!({"id": "r-1", "request": {field: value}}),
            };
            entry
        };
        let mut failed = of(UPLOAD);
        failed["action"]["result"] = json!("failure");
        let about = [
            of(UPLOAD),
            of(&format!("{UPLOAD}/schedules?dry=1")),
            of(&format!("{account}/scripts/billing%2dapi/settings#x")),
            of(&format!(
                "{account}/services/billing-api/environments/production"
            )),
            of(&format!("{account}//scripts//billing-api/")),
            of("https://api.cloudflare.com/client/v4/accounts/a/workers/scripts/billing-api"),
            with("id", "billing-api"),
            with("script", "billing-api"),
            with("service", "billing-api"),
        ];
        let not_about = [
            of(&format!("{UPLOAD}-2")),
            of(&format!("{account}/scripts/billing")),
            of(&format!(
                "{account}/scripts/other?from=/workers/scripts/billing-api"
            )),
            of(&format!(
                "{account}/dispatch/namespaces/n/scripts/billing-api"
            )),
            of("/client/v4/accounts/a/pages/projects/billing-api"),
            with("id", "billing-api-2"),
            with("script", "billing"),
            failed,
        ];
        for (entries, changes) in [(about.as_slice(), 1), (not_about.as_slice(), 0)] {
            for entry in entries {
                let found = one_page(std::slice::from_ref(entry)).await;
                let summary = found.document("summary");
                assert_eq!(summary["changes_of_the_script"], changes, "{entry}");
            }
        }
    }

    /// The summary of a Worker whose name is a segment of every Worker's path.
    #[tokio::test(start_paused = true)]
    async fn a_script_that_is_called_as_a_path_is_not_every_script() {
        let mut scope = scope();
        scope.target.name = "scripts".to_owned();
        let own = entry(
            1,
            "t",
            "update",
            "/client/v4/accounts/a/workers/scripts/scripts",
        );
        let script = vec![(
            "GET",
            200,
            page(&[own, entry(2, "t", "update", UPLOAD)], &json!({})),
        )];
        let found = investigate(scope, ArtifactKind::AuditEvents, script.leak()).await;
        assert_eq!(found.document("summary")["changes_of_the_script"], 1);
    }

    fn token(second: i64, token: &str) -> Value {
        let mut made = entry(second, token, "create", TOKENS);
        made["resource"] = json!({"id": "new", "type": "api_token"});
        made
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_made_by_whoever_changed_the_script_is_a_finding_in_either_order() {
        let change = |second| entry(second, "t-1", "update", UPLOAD);
        let orders = [
            (vec![other(1), change(2), token(3, "t-1")], [3, 2]),
            (vec![token(1, "t-1"), other(2), change(3)], [1, 3]),
        ];
        for (entries, lines) in orders {
            let found = one_page(&entries).await;
            let [finding] = found.concluded.findings.as_slice() else {
                panic!("{:?}", found.concluded.findings);
            };
            assert_eq!(finding.rule, "token-created");
            assert_eq!(
                finding.statement,
                "mallory@example.com with the token token t-1, who changed billing-api in the window, also \
                 made an API token"
            );
            let proven: Vec<u64> = finding
                .proof
                .iter()
                .filter_map(|proof| proof.line)
                .collect();
            assert_eq!(proven, lines);
            for proof in &finding.proof {
                assert_eq!(proof.exhibit, "audit-events-first-0001");
            }
            let kept = found.lines("audit-events-first-0");
            assert!(kept[usize::try_from(lines[0]).unwrap() - 1].contains("api_token"));
            assert!(kept[usize::try_from(lines[1]).unwrap() - 1].contains("billing-api"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_has_nothing_to_do_with_the_change_is_no_finding() {
        let change = entry(1, "t-1", "update", UPLOAD);
        let mut failed = token(2, "t-1");
        failed["action"]["result"] = json!("failure");
        let mut in_vain = change.clone();
        in_vain["action"]["result"] = json!("failure");
        // Another token that bears the same name.
        let mut namesake = token(2, "t-2");
        namesake["actor"]["token_name"] = json!("token t-1");
        let mut revoked = token(2, "t-1");
        revoked["action"]["type"] = json!("delete");
        let mut nobodys = [change.clone(), token(2, "t-1")];
        for entry in &mut nobodys {
            entry["actor"] = json!({});
        }
        for entries in [
            vec![change.clone(), failed],
            vec![in_vain, token(2, "t-1")],
            vec![change.clone(), namesake],
            vec![change, revoked],
            vec![token(2, "t-1")],
            nobodys.to_vec(),
        ] {
            let found = one_page(&entries).await;
            assert_eq!(found.concluded.findings, [], "{entries:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_summary_says_who_changed_the_script_and_from_where() {
        let mut from_elsewhere = entry(2, "t-1", "update", UPLOAD);
        from_elsewhere["actor"]["ip_address"] = json!("203.0.113.9");
        let mut by_hand = entry(3, "", "update", UPLOAD);
        by_hand["actor"] = json!({"id": "u-2", "email": "ops@example.com", "type": "user"});
        let found = one_page(&[
            entry(1, "t-1", "update", UPLOAD),
            from_elsewhere,
            by_hand,
            token(4, "t-3"),
        ])
        .await;
        insta::assert_json_snapshot!(found.document("summary"));
    }

    /// What is seen of entries, each with whether this pass brought it.
    fn seen(entries: &[(Value, bool)]) -> Observed {
        let connector = crate::aws::canned::Canned::answering(&[]);
        let connector = aws_smithy_runtime_api::client::http::SharedHttpConnector::new(connector);
        let cloud = crate::cloudflare::canned::cloud(connector);
        let investigation = Investigation::new(&cloud, scope());
        let request = Request::whole(ArtifactKind::AuditEvents);
        let mut observer = investigation.observer(&request, &Carried::new());
        let mut rows = Vec::new();
        for (entry, is_new) in entries {
            let at = text(entry, "/action/time").unwrap().parse().unwrap();
            let entry = Entry::new(at, text(entry, "/id").unwrap(), entry.to_string());
            observer.see(&entry, *is_new, &mut rows);
        }
        observer.conclude(&mut rows)
    }

    #[test]
    fn what_an_earlier_pass_brought_is_not_told_again_and_counts_for_what_is_new() {
        let change = entry(5, "t-1", "update", UPLOAD);
        let lines = |observed: &Observed| -> Vec<Vec<Option<u64>>> {
            let findings = observed.findings.iter();
            findings
                .map(|finding| finding.proof.iter().map(|proof| proof.line).collect())
                .collect()
        };
        let both_old = [(token(1, "t-1"), false), (change.clone(), false)];
        assert_eq!(lines(&seen(&both_old)), Vec::<Vec<_>>::new());
        let old_token = [
            (token(1, "t-1"), false),
            (other(2), true),
            (change.clone(), true),
        ];
        assert_eq!(lines(&seen(&old_token)), [[Some(2)]]);
        let old_change = [(change, false), (token(6, "t-1"), true)];
        assert_eq!(lines(&seen(&old_change)), [[Some(1)]]);
    }

    #[test]
    fn whoever_makes_very_many_tokens_does_not_fill_the_memory_and_hides_nothing_unsaid() {
        let many = (0..1500).flat_map(|number| {
            let name = format!("t-{number}");
            [
                (entry(2 * number, &name, "update", UPLOAD), true),
                (token(2 * number + 1, &name), true),
            ]
        });
        let observed = seen(&many.collect::<Vec<_>>());
        assert_eq!(observed.findings.len(), MOST_TOLD);
        let told: Vec<&str> = observed.refusals.iter().map(Refusal::why).collect();
        assert_eq!(
            told,
            [
                "1000 actors changed the script and made API tokens, of which 50 are told",
                "1000 entries are by others than the first 1000 who changed the script or made tokens: \
                 whether one of those did both is not known"
            ]
        );
        let (_, summary) = &observed.documents[0];
        assert_eq!(summary["changed_by"], 1000);
        assert_eq!(summary["by"].as_object().unwrap().len(), MOST_TOLD);
        assert_eq!(summary["changes_of_the_script"], 1500);
    }
}
