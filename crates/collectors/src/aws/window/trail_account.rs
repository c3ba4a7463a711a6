//! An account with a trail, for tests: its bucket, CloudTrail and Athena, answering as the services do.

use super::{Investigation, Pace, Scope, TrailSource};
use crate::aws::canned;
use crate::aws::{Clients, Regions};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use flate2::Compression;
use flate2::write::GzEncoder;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

/// Where the bucket is.
pub(super) const REGION: &str = "eu-west-1";
pub(super) const ACCOUNT: &str = "111122223333";

/// How a call goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// With this status and error code.
    Refused(u16, &'static str),
    /// Its body ends half-way.
    CutOff,
    /// The file is deleted just before.
    Deleted,
}

/// An object's bytes and metadata.
pub(super) type Stored = (Vec<u8>, BTreeMap<String, String>);

#[derive(Debug, Default)]
pub(super) struct State {
    /// By bucket and key.
    pub(super) objects: BTreeMap<(String, String), Stored>,
    /// What DescribeTrails answers.
    pub(super) trails: Vec<Value>,
    /// What ListPublicKeys answers, by Region.
    pub(super) keys: BTreeMap<String, Value>,
    /// What GetQueryExecution answers, one after the other, the last for ever: state and reason.
    pub(super) query_states: Vec<(&'static str, &'static str)>,
    /// What GetQueryResults answers: paths.
    pub(super) paths: Vec<String>,
    /// A call whose line holds this text goes wrong, so many times.
    pub(super) faults: Vec<(String, u32, Fault)>,
    /// The Region that each bucket is in, if not [`REGION`].
    pub(super) elsewhere: BTreeMap<String, String>,
    /// Every call: `Operation about`.
    pub(super) asked: Vec<String>,
    /// How many keys a listing answers.
    pub(super) most_keys: usize,
}

/// The account.
#[derive(Clone, Debug)]
pub(super) struct TrailAccount(Arc<Mutex<State>>);

impl TrailAccount {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            most_keys: 1000,
            ..State::default()
        })))
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub(super) fn put(&self, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) {
        let object = (bytes.into(), BTreeMap::new());
        self.with(|state| {
            state
                .objects
                .insert((bucket.to_owned(), key.to_owned()), object)
        });
    }

    /// Puts a log file with these records where CloudTrail would, and answers its key.
    pub(super) fn deliver(
        &self,
        bucket: &str,
        region: &str,
        stamp: &str,
        mark: &str,
        records: &[Value],
    ) -> String {
        let key = log_file(region, stamp, mark);
        self.put(bucket, &key, gzip(json!({"Records": records}).to_string()));
        key
    }

    pub(super) fn fault(&self, call: &str, times: u32, fault: Fault) {
        self.with(|state| state.faults.push((call.to_owned(), times, fault)));
    }

    /// The calls whose line holds the text.
    pub(super) fn asked(&self, text: &str) -> Vec<String> {
        let asked = self.with(|state| state.asked.clone());
        asked
            .into_iter()
            .filter(|line| line.contains(text))
            .collect()
    }

    /// An investigation in it.
    pub(super) fn investigation(&self, scope: Scope, trail: TrailSource) -> Investigation {
        let config = canned::config(REGION, SharedHttpConnector::new(self.clone()));
        let clients = Clients::new(&config);
        let regions = Regions::new(&config, &[REGION]);
        Investigation::new(clients, regions, Arc::new(Pace::default()), scope).with_trail(trail)
    }
}

/// `AWSLogs/111122223333/CloudTrail/REGION/2026/01/02/…_20260102T0304Z_MARK.json.gz`.
pub(super) fn log_file(region: &str, stamp: &str, mark: &str) -> String {
    let (year, month, day) = (&stamp[..4], &stamp[4..6], &stamp[6..8]);
    format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/{region}/{year}/{month}/{day}/{ACCOUNT}_CloudTrail_{region}_{stamp}Z_{mark}.json.gz"
    )
}

pub(super) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    file.write_all(text.as_ref()).unwrap();
    file.finish().unwrap()
}

impl HttpConnector for TrailAccount {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let reply = self.with(|state| state.answer(&request));
        HttpConnectorFuture::ready(Ok(reply))
    }
}

impl State {
    fn answer(&mut self, request: &HttpRequest) -> HttpResponse {
        let target = request.headers().get("x-amz-target");
        match target.and_then(|target| target.split('.').next_back()) {
            Some(operation) => {
                let operation = operation.to_owned();
                let body = request.body().bytes().unwrap_or_default();
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                let host = host(request.uri());
                self.asked.push(format!("{operation} {host} {body}"));
                match self.fault_of() {
                    Some(Fault::Refused(status, code)) => reply(
                        status,
                        json!({"__type": code, "message": "no"}).to_string(),
                        &[],
                    ),
                    _ => self.service(&operation, &host, &body),
                }
            }
            None => self.bucket(request),
        }
    }

    /// The fault that the last call meets.
    fn fault_of(&mut self) -> Option<Fault> {
        let call = self.asked.last()?;
        let met = self
            .faults
            .iter_mut()
            .find(|(text, times, _)| *times > 0 && call.contains(text.as_str()));
        met.map(|(_, times, fault)| {
            *times -= 1;
            *fault
        })
    }

    fn service(&mut self, operation: &str, host: &str, body: &Value) -> HttpResponse {
        let answer = match operation {
            "DescribeTrails" => json!({"trailList": self.trails}),
            "ListPublicKeys" => {
                let region = host.split('.').nth(1).unwrap_or_default();
                let keys = self.keys.get(region).cloned().unwrap_or(json!([]));
                json!({"PublicKeyList": keys})
            }
            "StartQueryExecution" => json!({"QueryExecutionId": "query-1"}),
            "GetQueryExecution" => {
                let (state, reason) = self.query_states[0];
                if self.query_states.len() > 1 {
                    self.query_states.remove(0);
                }
                json!({"QueryExecution": {"Status": {"State": state, "StateChangeReason": reason}}})
            }
            "GetQueryResults" => {
                let begin: usize = body["NextToken"]
                    .as_str()
                    .map_or(0, |token| token.parse().unwrap());
                let most = usize::try_from(body["MaxResults"].as_u64().unwrap()).unwrap();
                let mut rows = vec!["path".to_owned()];
                rows.extend(self.paths.iter().cloned());
                let page: Vec<Value> = rows
                    .iter()
                    .skip(begin)
                    .take(most)
                    .map(|path| json!({"Data": [{"VarCharValue": path}, {"VarCharValue": "1"}]}))
                    .collect();
                let next = (begin + most < rows.len()).then(|| (begin + most).to_string());
                json!({"ResultSet": {"Rows": page}, "NextToken": next})
            }
            other => {
                return reply(
                    400,
                    json!({"__type": "Unknown", "message": other}).to_string(),
                    &[],
                );
            }
        };
        reply(
            200,
            answer.to_string(),
            &[("content-type", "application/x-amz-json-1.1")],
        )
    }

    fn bucket(&mut self, request: &HttpRequest) -> HttpResponse {
        let host = host(request.uri());
        let (bucket, rest) = host.split_once(".s3.").unwrap();
        let region = rest.split('.').next().unwrap_or_default();
        let path = request.uri().splitn(4, '/').nth(3).unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let key = decoded(path);
        let parameters: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decoded(&value.replace('+', " "))))
            .collect();
        let is_list = parameters.contains_key("list-type");
        let about = if is_list { &parameters["prefix"] } else { &key };
        let operation = if is_list { "List" } else { "Get" };
        self.asked
            .push(format!("{operation} s3://{bucket}/{about}"));
        let home = self.elsewhere.get(bucket).map_or(REGION, String::as_str);
        if home != region {
            return error(301, "PermanentRedirect", &[("x-amz-bucket-region", home)]);
        }
        let fault = self.fault_of();
        if let Some(Fault::Refused(status, code)) = fault {
            return error(status, code, &[]);
        }
        if !self.objects.keys().any(|(known, _)| known == bucket) {
            return error(404, "NoSuchBucket", &[]);
        }
        if is_list {
            return self.list(bucket, &parameters);
        }
        if let Some(Fault::Deleted) = fault {
            self.objects.remove(&(bucket.to_owned(), key.clone()));
        }
        let Some((bytes, metadata)) = self.objects.get(&(bucket.to_owned(), key)) else {
            return error(404, "NoSuchKey", &[]);
        };
        let length = bytes.len().to_string();
        let sent = match fault {
            Some(Fault::CutOff) => bytes[..bytes.len() / 2].to_vec(),
            _ => bytes.clone(),
        };
        let mut headers = vec![("content-length".to_owned(), length)];
        headers.extend(
            metadata
                .iter()
                .map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone())),
        );
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        reply(200, sent, &headers)
    }

    fn list(&self, bucket: &str, parameters: &BTreeMap<String, String>) -> HttpResponse {
        let prefix = &parameters["prefix"];
        let after = parameters
            .get("start-after")
            .or(parameters.get("continuation-token"));
        let (mut files, mut folders, mut last) = (String::new(), Vec::new(), None);
        let mut is_truncated = false;
        for ((_, key), (bytes, _)) in self
            .objects
            .iter()
            .filter(|((known, _), _)| known == bucket)
        {
            if !key.starts_with(prefix.as_str()) || after.is_some_and(|after| key <= after) {
                continue;
            }
            if files.matches("<Key>").count() + folders.len() >= self.most_keys {
                is_truncated = true;
                break;
            }
            last = Some(key);
            let rest = &key[prefix.len()..];
            if let (true, Some((folder, _))) =
                (parameters.contains_key("delimiter"), rest.split_once('/'))
            {
                let folder = format!("{prefix}{folder}/");
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
                continue;
            }
            files.push_str(&format!(
                "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2026-01-02T03:00:00.000Z</LastModified></Contents>",
                bytes.len()
            ));
        }
        let folders: String = folders
            .iter()
            .map(|folder| format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"))
            .collect();
        let token = last.filter(|_| is_truncated);
        let token =
            token.map(|key| format!("<NextContinuationToken>{key}</NextContinuationToken>"));
        let body = format!(
            "<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{}{files}{folders}</ListBucketResult>",
            token.unwrap_or_default()
        );
        reply(200, body, &[])
    }
}

fn host(uri: &str) -> String {
    uri.split('/').nth(2).unwrap_or_default().to_owned()
}

fn error(status: u16, code: &str, headers: &[(&str, &str)]) -> HttpResponse {
    reply(
        status,
        format!("<Error><Code>{code}</Code><Message>no</Message></Error>"),
        headers,
    )
}

fn reply(status: u16, body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> HttpResponse {
    let mut reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.into()));
    for (name, value) in headers {
        reply
            .headers_mut()
            .insert((*name).to_owned(), (*value).to_owned());
    }
    reply
}
