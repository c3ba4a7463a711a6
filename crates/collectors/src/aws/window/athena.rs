//! Athena is asked which files of the trail hold any of what is asked for, where they are too many to
//! be searched; the records themselves are then read from those files, as CloudTrail wrote them.
//!
//! A query is started once: its id is in the page's cursor before anything waits for it, and until
//! then a token makes a second start the same query.
//! Sources: API reference of StartQueryExecution, GetQueryExecution and GetQueryResults; Athena User
//! Guide, "Query AWS CloudTrail logs" and "Use partition projection".

use super::Investigation;
use super::trail_bucket::{AthenaTable, Folder, Object, Span};
use crate::{Inquiry, Refusal};
use aws_sdk_athena::types::{QueryExecution, QueryExecutionContext, QueryExecutionState};
use evidence::{Sha256Digest, Window};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;
use trail::Query;

/// To start the query, in its workgroup.
pub(super) const START_QUERY: &str = "athena:StartQueryExecution";
/// To see whether it is over.
pub(super) const GET_QUERY: &str = "athena:GetQueryExecution";
/// To read its answer. Takes `s3:GetObject` where the workgroup puts results.
pub(super) const GET_RESULTS: &str = "athena:GetQueryResults";
/// Athena reads the database's and the table's definition in the caller's name.
pub(super) const GET_DATABASE: &str = "glue:GetDatabase";
/// See [`GET_DATABASE`].
pub(super) const GET_TABLE: &str = "glue:GetTable";
/// Athena looks for the bucket of the results in the caller's name.
pub(super) const LOCATE_RESULTS: &str = "s3:GetBucketLocation";
/// Athena writes the results in the caller's name.
pub(super) const PUT_RESULTS: &str = "s3:PutObject";

/// How many files are named at a time.
const ROWS: i32 = 200;

/// How long a query may take; Athena itself ends most after half an hour.
const PATIENCE: SignedDuration = SignedDuration::from_hours(2);

/// Between two looks at a query.
const PAUSE: Duration = Duration::from_secs(2);

/// The longest query, in bytes (service quotas of Athena: 262,144).
const MOST_BYTES: usize = 250_000;

/// How far a query has come; a part of a page's cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Progress {
    /// It is not started.
    #[default]
    NotAsked,
    /// It runs, or waits to.
    Running { id: String, asked_at: Timestamp },
    /// Its answer is being read, from this page on.
    Answered { id: String, token: Option<String> },
}

impl Progress {
    /// To the next page of the answer.
    pub(super) fn turn(&mut self, next: String) {
        if let Self::Answered { token, .. } = self {
            *token = Some(next);
        }
    }
}

/// What a question led to.
pub(super) enum Answer {
    /// To wait for, from a next page on.
    Waiting,
    /// To these files.
    Named(Named),
    /// To nothing, which is refused.
    Failed,
}

/// A page of an answer.
pub(super) struct Named {
    /// Files, each with its folder's number.
    pub(super) files: Vec<(usize, Object)>,
    /// The next page's token.
    pub(super) next: Option<String>,
}

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) investigation: &'a Investigation,
    pub(super) table: &'a AthenaTable,
    pub(super) window: Window,
    pub(super) queries: &'a [Query],
    /// When the files are named that may hold any of it.
    pub(super) span: Span,
    pub(super) folders: &'a [Folder],
}

impl Question<'_> {
    /// Starts the query, waits for it until the time is up, or reads a page of its answer.
    pub(super) async fn advance(
        &self,
        inquiry: &mut Inquiry<'_>,
        progress: &mut Progress,
        until: Instant,
    ) -> Answer {
        loop {
            match progress {
                Progress::NotAsked => {
                    let Some(id) = self.start(inquiry).await else {
                        return Answer::Failed;
                    };
                    let asked_at = inquiry.now();
                    *progress = Progress::Running { id, asked_at };
                    return Answer::Waiting;
                }
                Progress::Running { id, asked_at } => {
                    let Some(is_over) = self.look(inquiry, id, *asked_at).await else {
                        return Answer::Failed;
                    };
                    if is_over {
                        let id = std::mem::take(id);
                        *progress = Progress::Answered { id, token: None };
                    } else if Instant::now() + PAUSE >= until {
                        return Answer::Waiting;
                    } else {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Progress::Answered { id, token } => {
                    let named = self.results(inquiry, id, token.clone()).await;
                    return named.map_or(Answer::Failed, Answer::Named);
                }
            }
        }
    }

    /// The stack's own Region has the table, whatever Region the function is in.
    fn client(&self) -> &aws_sdk_athena::Client {
        let home = self.investigation.regions.named().first();
        &home.unwrap_or(&self.investigation.clients).athena
    }

    async fn start(&self, inquiry: &mut Inquiry<'_>) -> Option<String> {
        let query = self.sql();
        if query.len() > MOST_BYTES {
            inquiry.refuse(Refusal::Failed(format!(
                "Athena takes no query of {} bytes",
                query.len()
            )));
            return None;
        }
        let AthenaTable {
            database,
            workgroup,
            ..
        } = self.table;
        // The same question within the hour is the same query, whoever asks again after a crash.
        let hour = inquiry.now().as_second().div_euclid(3600);
        let token = Sha256Digest::of(format!("{hour} {workgroup} {query}")).to_string();
        let context = QueryExecutionContext::builder().database(database).build();
        let answer = inquiry
            .ask(START_QUERY, &query, |_| {
                self.client()
                    .start_query_execution()
                    .query_string(&query)
                    .client_request_token(token)
                    .query_execution_context(context)
                    .work_group(workgroup)
                    .send()
            })
            .await;
        let Some(answer) = answer else {
            if let Some(refusal) = inquiry.last_refusal().cloned() {
                // The query stands in the call; its reason is enough.
                let why = refusal.why().replace(&query, "the trail's table");
                inquiry.take_back();
                inquiry.refuse(match refusal {
                    Refusal::Denied(_) => Refusal::Denied(why),
                    _ => meaning(&why),
                });
            }
            return None;
        };
        if answer.query_execution_id().is_none() {
            inquiry.refuse(Refusal::Failed(format!("{START_QUERY} named no query")));
        }
        answer.query_execution_id
    }

    /// Whether the query has succeeded. None if it never will.
    async fn look(&self, inquiry: &mut Inquiry<'_>, id: &str, asked_at: Timestamp) -> Option<bool> {
        let about = format!("query {id}");
        let answer = inquiry
            .ask(GET_QUERY, &about, |_| {
                self.client()
                    .get_query_execution()
                    .query_execution_id(id)
                    .send()
            })
            .await?;
        let status = answer.query_execution().and_then(QueryExecution::status);
        let reason = status.and_then(|status| status.state_change_reason());
        let reason: String = reason
            .unwrap_or("no reason given")
            .chars()
            .take(400)
            .collect();
        match status.and_then(|status| status.state()) {
            Some(QueryExecutionState::Succeeded) => Some(true),
            Some(state @ (QueryExecutionState::Failed | QueryExecutionState::Cancelled)) => {
                inquiry.refuse(meaning(&format!(
                    "Athena's query {id} ended as {}: {reason}",
                    state.as_str()
                )));
                None
            }
            _ if inquiry.now().duration_since(asked_at) > PATIENCE => {
                inquiry.refuse(Refusal::Failed(format!(
                    "Athena's query {id} is not over after {} hours",
                    PATIENCE.as_hours()
                )));
                None
            }
            _ => Some(false),
        }
    }

    async fn results(
        &self,
        inquiry: &mut Inquiry<'_>,
        id: &str,
        token: Option<String>,
    ) -> Option<Named> {
        // The first row of the first page is the columns' names.
        let header = usize::from(token.is_none());
        let about = format!("query {id}");
        let answer = inquiry
            .ask(GET_RESULTS, &about, |_| {
                self.client()
                    .get_query_results()
                    .query_execution_id(id)
                    .set_next_token(token)
                    .max_results(ROWS)
                    .send()
            })
            .await;
        let Some(answer) = answer else {
            inquiry.explain("s3:GetObject where the workgroup puts its results belongs to it");
            return None;
        };
        let rows = answer
            .result_set()
            .map(|set| set.rows())
            .unwrap_or_default();
        let paths = rows.iter().skip(header);
        let paths: Vec<&str> = paths
            .filter_map(|row| row.data().first()?.var_char_value())
            .collect();
        let files: Vec<(usize, Object)> = paths.iter().filter_map(|path| self.file(path)).collect();
        if files.len() < paths.len() {
            inquiry.refuse(Refusal::Failed(format!(
                "Athena's table {}.{} has files elsewhere than the trail; they are not read",
                self.table.database, self.table.table
            )));
        }
        Some(Named {
            files,
            next: answer.next_token.filter(|token| !token.is_empty()),
        })
    }

    /// The file of a `$path`, if it is one of the trail's.
    fn file(&self, path: &str) -> Option<(usize, Object)> {
        let (bucket, key) = path.strip_prefix("s3://")?.split_once('/')?;
        let is_there = |folder: &Folder| folder.bucket == bucket && key.starts_with(&folder.key);
        let folder = self.folders.iter().position(is_there)?;
        let object = Object {
            key: key.to_owned(),
            size_bytes: 0,
            stored_at: None,
        };
        Some((folder, object))
    }

    /// Which files hold how many of the records. It may name more than hold any, never fewer, but for
    /// records that name a resource in their list of resources alone.
    fn sql(&self) -> String {
        let regions: BTreeSet<&str> = self
            .folders
            .iter()
            .map(|folder| folder.region.as_str())
            .collect();
        let regions: Vec<String> = regions.into_iter().map(literal).collect();
        let (first, last) = self.span.days();
        let day = |day: jiff::civil::Date| literal(&day.strftime("%Y/%m/%d").to_string());
        // A time with a fraction sorts before the whole second.
        let since = self.window.since.as_second().saturating_sub(1);
        let until = self.window.until.as_second();
        let second = |second| {
            let time = Timestamp::from_second(second).unwrap_or_default();
            literal(&time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        };
        let conditions: BTreeSet<String> = self.queries.iter().map(condition).collect();
        let conditions: Vec<String> = conditions.into_iter().collect();
        format!(
            "SELECT \"$path\" AS path, count(*) AS records FROM {}.{} WHERE region IN ({}) AND \
             day BETWEEN {} AND {} AND eventtime BETWEEN {} AND {} AND ({}) GROUP BY \"$path\" \
             ORDER BY 1",
            identifier(&self.table.database),
            identifier(&self.table.table),
            regions.join(", "),
            day(first),
            day(last),
            second(since),
            second(until),
            conditions.join(" OR ")
        )
    }
}

/// What a reason of Athena's means: it acts in the caller's name, so that a permission of the caller's
/// may be what is missing.
fn meaning(why: &str) -> Refusal {
    let lower = why.to_lowercase();
    let hint = if lower.contains("not authorized") {
        ""
    } else if lower.contains("denied on s3") {
        " (s3:ListBucket and s3:GetObject on the trail, kms:Decrypt where it is encrypted)"
    } else if lower.contains("writing output") || lower.contains("access denied") {
        " (s3:PutObject where the workgroup puts its results)"
    } else if lower.contains("output bucket") {
        " (s3:GetBucketLocation on the bucket of the workgroup's results)"
    } else {
        return Refusal::Failed(why.to_owned());
    };
    Refusal::Denied(format!("{why}{hint}"))
}

/// Records that may answer a query.
fn condition(query: &Query) -> String {
    let Query {
        role,
        session,
        access_key,
        resource,
        since: _,
        until: _,
    } = query;
    let role = role.as_ref().map(|role| {
        format!(
            "(useridentity.sessioncontext.sessionissuer.arn = {} OR useridentity.arn LIKE {})",
            literal(role),
            like("%:assumed-role/", last_part(role), "/%")
        )
    });
    let session = session.as_ref().map(|session| {
        format!(
            "(useridentity.principalid LIKE {} OR useridentity.arn LIKE {})",
            like("%:", session, ""),
            like("%/", session, "")
        )
    });
    let key = access_key.as_ref();
    let key = key.map(|key| format!("useridentity.accesskeyid = {}", literal(key)));
    let resource = resource.as_ref().and_then(|resource| {
        let name = last_part(resource);
        // JSON may spell anything else in more than one way.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
        let name =
            literal(Some(name).filter(|name| !name.is_empty() && name.chars().all(is_plain))?);
        let columns = ["requestparameters", "responseelements", "errormessage"];
        let columns = columns.map(|column| format!("strpos({column}, {name}) > 0"));
        Some(format!("({})", columns.join(" OR ")))
    });
    let conditions: Vec<String> = [role, session, key, resource]
        .into_iter()
        .flatten()
        .collect();
    match conditions.is_empty() {
        true => "1 = 1".to_owned(),
        false => conditions.join(" AND "),
    }
}

fn last_part(text: &str) -> &str {
    text.rsplit(['/', ':']).next().unwrap_or(text)
}

/// A text in SQL: only its quotes are special, and there is no other escape.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A pattern of LIKE around a text that is meant as it is.
fn like(before: &str, text: &str, after: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("{} ESCAPE '\\'", literal(&format!("{before}{text}{after}")))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
