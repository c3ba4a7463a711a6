//! What happened around the change: log lines, records of the trail, traces, as pages of a pass that
//! are read to their end.

use crate::function::{FOREIGN_LAYER, ROLE};
use crate::{ACCOUNT, ATTACKER, REGION, Specimen, hostile};
use anyhow::Result;
use collectors::Entry;
use evidence::{ArtifactKind, CaseId, Request, keys};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::io::Write as _;
use vault::Vault;

/// CloudTrail's id of the change.
pub(crate) const TAMPERING: &str = "0c0ffee0-1111-4222-8333-444455556666";

/// The pass whose pages these are.
const PASS: &str = "first";
/// How many entries a page has.
const PAGE: usize = 10_000;
/// Where Lambda calls from.
const LAMBDA: &str = "198.51.100.17";
/// The key of the function's session.
const KEY: &str = "ASIAEXAMPLEBILLING01";

/// Writes every page of the first pass.
pub(crate) async fn lay_down(specimen: &Specimen, id: &CaseId, vault: &dyn Vault) -> Result<()> {
    let story = Story { specimen };
    let group = format!("/aws/lambda/{}", specimen.function);
    let whole = Request::whole;
    let (filler_calls, filler_invocations) = (
        specimen.timeline_entries.div_ceil(2),
        specimen.timeline_entries.div_ceil(2),
    );
    let tasks = [
        (
            whole(ArtifactKind::Traces),
            "xray:GetTraceSummaries",
            story.traces(),
            json!([]),
        ),
        (
            Request::one(ArtifactKind::ExecutionLogs, group.as_str()),
            "logs:FilterLogEvents",
            story.log(filler_invocations),
            json!([]),
        ),
        (
            whole(ArtifactKind::AuditEvents),
            "cloudtrail:LookupEvents",
            story.audit_events(),
            json!([]),
        ),
        (
            whole(ArtifactKind::RoleBaseline),
            "cloudtrail:LookupEvents",
            story.ordinary_activity(),
            json!([]),
        ),
        (
            whole(ArtifactKind::RoleActivity),
            "cloudtrail:LookupEvents",
            story.role_activity(filler_calls),
            json!([]),
        ),
        (
            whole(ArtifactKind::TrailIntegrity),
            "cloudtrail:DescribeTrails",
            Vec::new(),
            json!([{"denied": "cloudtrail:DescribeTrails: AccessDeniedException"}]),
        ),
    ];
    for (request, call, mut entries, refusals) in tasks {
        entries.sort();
        // Without entries there is one page, which says so.
        let mut pages: Vec<&[Entry]> = entries.chunks(PAGE).collect();
        if pages.is_empty() {
            pages.push(&[]);
        }
        let (last, mut number) = (pages.len(), 0_u32);
        for page in pages {
            number += 1;
            let next = (number as usize != last).then(|| json!({"reading": 0, "at": null}));
            let head = json!({
                "next": next,
                "calls": [{
                    "api": call, "about": specimen.function, "error": null, "duration_ms": 182,
                    "started_at": specimen.after(SignedDuration::from_mins(20)),
                }],
                "refusals": refusals,
                "findings": [],
                "first_ns": page.first().map(|entry| entry.at_ns),
                "last_ns": page.last().map(|entry| entry.at_ns),
            });
            let mut file = GzEncoder::new(Vec::new(), Compression::fast());
            writeln!(file, "{head}")?;
            for Entry { at_ns, id, raw } in page {
                writeln!(file, "{at_ns} {id} {raw}")?;
            }
            let key = keys::page(id, PASS, &request, number);
            vault
                .put_once(&key, file.finish()?.into(), "application/gzip")
                .await?;
        }
    }
    Ok(())
}

/// The record of the change itself.
pub(crate) fn tampering(specimen: &Specimen) -> Value {
    let story = Story { specimen };
    let mut record = story.by_deployer(0, "lambda", "UpdateFunctionCode20150331v2");
    record["eventID"] = json!(TAMPERING);
    record["requestParameters"] =
        json!({"functionName": specimen.function, "publish": false, "dryRun": false});
    record
}

struct Story<'a> {
    specimen: &'a Specimen,
}

impl Story<'_> {
    fn at(&self, seconds: i64) -> Timestamp {
        self.specimen.after(SignedDuration::from_secs(seconds))
    }

    /// A record of CloudTrail; `number` makes its id.
    fn record(&self, seconds: i64, number: usize, service: &str, name: &str) -> Value {
        json!({
            "eventVersion": "1.11",
            "eventID": format!("5eed0000-0000-4000-8000-{number:012x}"),
            "eventTime": self.at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name,
            "awsRegion": REGION,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "readOnly": false,
            "recipientAccountId": ACCOUNT,
            "requestParameters": {"functionName": self.specimen.function},
        })
    }

    /// A call of whoever made the change.
    fn by_deployer(&self, seconds: i64, service: &str, name: &str) -> Value {
        let number = usize::try_from(seconds.unsigned_abs()).unwrap_or_default() + 0x1000;
        let mut record = self.record(seconds, number, service, name);
        let (arn, address, agent) = if self.specimen.hostile {
            let agent = format!("aws-cli/2.27 {}", hostile::NAME);
            (hostile::principal(), hostile::address(), agent)
        } else {
            (
                format!("arn:aws:iam::{ACCOUNT}:user/ci-deploy"),
                ATTACKER.to_owned(),
                "aws-cli/2.27.1 md/Botocore#1.38 ua/2.1 os/linux#6.8 lang/python#3.13".to_owned(),
            )
        };
        record["userIdentity"] = json!({
            "type": "IAMUser", "arn": arn, "accountId": ACCOUNT, "userName": "ci-deploy",
            "principalId": "AIDAEXAMPLECIDEPLOY", "accessKeyId": "AKIAEXAMPLECIDEPLOY1",
        });
        record["sourceIPAddress"] = json!(address);
        record["userAgent"] = json!(agent);
        record
    }

    /// A call of the function's session, from inside of Lambda or from elsewhere.
    fn by_role(
        &self,
        seconds: i64,
        number: usize,
        service: &str,
        name: &str,
        inside: bool,
    ) -> Value {
        let mut record = self.record(seconds, number, service, name);
        let function = &self.specimen.function;
        record["userIdentity"] = json!({
            "type": "AssumedRole",
            "principalId": format!("AROAEXAMPLEBILLING:{function}"),
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/billing-role/{function}"),
            "accountId": ACCOUNT,
            "accessKeyId": KEY,
            "sessionContext": {"sessionIssuer": {
                "type": "Role", "arn": ROLE, "accountId": ACCOUNT, "userName": "billing-role",
                "principalId": "AROAEXAMPLEBILLING"}},
            "inScopeOf": {"issuerType": "AWS::Lambda::Function", "credentialsIssuedTo": self.specimen.target().arn()},
        });
        let (address, agent) = match inside {
            true => (
                LAMBDA,
                "Boto3/1.38 lang/python#3.13 exec-env/AWS_Lambda_python3.13",
            ),
            false => (ATTACKER, "aws-cli/2.27.1 os/linux#6.8 kali"),
        };
        record["sourceIPAddress"] = json!(address);
        record["userAgent"] = json!(agent);
        record["requestParameters"] = json!(null);
        record
    }

    fn audit_events(&self) -> Vec<Entry> {
        let function = &self.specimen.function;
        let mut looked = self.by_deployer(-420, "lambda", "GetFunction20150331v2");
        looked["readOnly"] = json!(true);
        let mut policy = self.by_deployer(-60, "iam", "PutRolePolicy");
        policy["requestParameters"] = json!({"roleName": "billing-role", "policyName": "data"});
        let mut layer = self.by_deployer(40, "lambda", "UpdateFunctionConfiguration20150331v2");
        layer["requestParameters"] = json!({"functionName": function, "layers": [FOREIGN_LAYER]});
        let mut permission = self.by_deployer(75, "lambda", "AddPermission20150331v2");
        permission["requestParameters"] = json!({"functionName": function, "statementId": "support",
            "action": "lambda:InvokeFunction", "principal": "444455556666"});
        let mut denied = self.by_deployer(95, "lambda", "DeleteFunction20150331");
        denied["errorCode"] = json!("AccessDenied");
        denied["errorMessage"] = json!("User is not authorized to perform: lambda:DeleteFunction");
        let mut records = vec![
            looked,
            policy,
            tampering(self.specimen),
            layer,
            permission,
            denied,
        ];
        if self.specimen.hostile {
            let mut long = self.by_deployer(110, "lambda", "TagResource20170331v2");
            long["requestParameters"] = json!({"resource": self.specimen.target().arn(),
                "tags": {"note": hostile::long()}});
            long["userAgent"] = json!(hostile::long());
            records.push(long);
        }
        records.iter().map(entry).collect()
    }

    /// What the role did in the two weeks before the window.
    fn ordinary_activity(&self) -> Vec<Entry> {
        let nights = (3..16_i64).map(|night| {
            let number = usize::try_from(night).unwrap_or_default() + 0x2000;
            entry(&self.by_role(-night * 86_400, number, "kms", "Decrypt", true))
        });
        nights.collect()
    }

    fn role_activity(&self, filler: usize) -> Vec<Entry> {
        let mut records = vec![
            self.by_role(-86_400, 0x3000, "kms", "Decrypt", true),
            self.by_role(120, 0x3001, "kms", "Decrypt", true),
            self.by_role(180, 0x3002, "sts", "GetCallerIdentity", false),
            self.by_role(200, 0x3003, "s3", "ListBuckets", false),
            self.by_role(240, 0x3004, "iam", "CreateAccessKey", false),
            self.by_role(260, 0x3005, "secretsmanager", "ListSecrets", false),
            self.by_role(300, 0x3006, "kms", "Decrypt", true),
        ];
        for (place, action) in [
            "ListUsers",
            "ListRoles",
            "GetAccountSummary",
            "ListPolicies",
            "CreateUser",
        ]
        .into_iter()
        .enumerate()
        {
            let seconds = 210 + i64::try_from(place).unwrap_or_default();
            let mut denied = self.by_role(seconds, 0x3100 + place, "iam", action, false);
            denied["errorCode"] = json!("AccessDenied");
            denied["errorMessage"] = json!(format!("not authorized to perform: iam:{action}"));
            records.push(denied);
        }
        if self.specimen.hostile {
            let mut odd = self.by_role(310, 0x3200, "s3", hostile::NAME, false);
            odd["userAgent"] = json!(hostile::long());
            odd["requestParameters"] = json!({"bucketName": hostile::NAME});
            records.push(odd);
        }
        let mut entries: Vec<Entry> = records.iter().map(entry).collect();
        entries.extend((0..filler).map(|place| {
            let seconds = self.spread(place, filler);
            let (service, name) = [
                ("kms", "Decrypt"),
                ("dynamodb", "DescribeTable"),
                ("sqs", "GetQueueUrl"),
            ][place % 3];
            entry(&self.by_role(seconds, 0x10_0000 + place, service, name, true))
        }));
        entries
    }

    /// Seconds after the change at which one of many ordinary things happened, over the window.
    fn spread(&self, place: usize, of: usize) -> i64 {
        let (place, of) = (place as i64, of.max(1) as i64);
        -47 * 3600 + place * (47 * 3600 + 1100) / of
    }

    fn log(&self, filler: usize) -> Vec<Entry> {
        let mut log = Log {
            story: self,
            entries: Vec::new(),
        };
        let stream = "2026/11/19/[$LATEST]0c0ffee00c0ffee00c0ffee00c0ffee0";
        let other = "2026/11/20/[$LATEST]5eed00005eed00005eed00005eed0000";
        log.invocation(
            stream,
            -86_400,
            1,
            212.4,
            Some(310.0),
            &["billed 18 customers"],
            None,
        );
        log.invocation(
            other,
            118,
            2,
            941.7,
            Some(402.0),
            &["billed 18 customers"],
            None,
        );
        log.invocation(other, 298, 3, 1204.9, None, &["billed 18 customers"], None);
        log.invocation(
            other,
            420,
            4,
            15_000.0,
            None,
            &["[ERROR] URLError: <urlopen error timed out>"],
            Some("timeout"),
        );
        if self.specimen.hostile {
            let long = hostile::long();
            let lines = [hostile::NAME, "\u{1b}[2J\u{1b}[Hall is well", long.as_str()];
            log.invocation(other, 500, 5, 12.0, None, &lines, None);
        }
        for place in 0..filler {
            let duration_ms = 150.0 + (place % 97) as f64;
            log.invocation(
                stream,
                self.spread(place, filler),
                100 + place,
                duration_ms,
                None,
                &[],
                None,
            );
        }
        log.entries
    }

    fn traces(&self) -> Vec<Entry> {
        let at = self.at(118);
        let id = format!("1-{:08x}-a006649127e371903a2de979", at.as_second());
        let function = &self.specimen.function;
        let (begins, ends) = (at.as_second() as f64, at.as_second() as f64 + 0.9);
        let segment = json!({
            "id": "70de5b6f19ff9a0a", "trace_id": id, "name": function, "origin": "AWS::Lambda::Function",
            "start_time": begins, "end_time": ends, "resource_arn": self.specimen.target().arn(),
            "subsegments": [{"id": "70de5b6f19ff9a0b", "name": ATTACKER, "namespace": "remote",
                "start_time": begins, "end_time": ends, "http": {"request": {"method": "POST", "url": format!("https://{ATTACKER}/c")}}}],
        });
        let summary = json!({"summary": {"Id": id, "Duration": 0.9, "ResponseTime": 0.9, "StartTime": begins}});
        let trace = json!({"trace": {"Id": id, "Duration": 0.9, "Segments": [
            {"Id": "70de5b6f19ff9a0a", "Document": segment.to_string()}]}});
        vec![
            Entry::new(at, &format!("{id}.summary"), summary.to_string()),
            Entry::new(at, &format!("{id}.trace"), trace.to_string()),
        ]
    }
}

/// Lines of the function's log.
struct Log<'a> {
    story: &'a Story<'a>,
    entries: Vec<Entry>,
}

impl Log<'_> {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one field of one row of the story"
    )]
    fn invocation(
        &mut self,
        stream: &str,
        seconds: i64,
        number: usize,
        duration_ms: f64,
        init_ms: Option<f64>,
        lines: &[&str],
        ended: Option<&str>,
    ) {
        let id = format!("b1110000-0000-4000-8000-{number:012x}");
        let began_ms = self.story.at(seconds).as_millisecond();
        let ended_ms = began_ms + duration_ms as i64;
        let runtime = "arn:aws:lambda:eu-west-1::runtime:0c0ffee";
        if init_ms.is_some() {
            let version = format!(
                "INIT_START Runtime Version: python:3.13.v40\tRuntime Version ARN: {runtime}\n"
            );
            self.line(stream, began_ms - 500, number, 0, &version);
        }
        let version = "$LATEST";
        self.line(
            stream,
            began_ms,
            number,
            1,
            &format!("START RequestId: {id} Version: {version}\n"),
        );
        for (place, line) in lines.iter().enumerate() {
            self.line(
                stream,
                began_ms + 1,
                number,
                2 + place,
                &format!("{line}\n"),
            );
        }
        let init = init_ms
            .map(|ms| format!("Init Duration: {ms:.2} ms\t"))
            .unwrap_or_default();
        let status = ended
            .map(|ended| format!("Status: {ended}\t"))
            .unwrap_or_default();
        self.line(
            stream,
            ended_ms,
            number,
            98,
            &format!("END RequestId: {id}\n"),
        );
        self.line(stream, ended_ms, number, 99, &format!(
            "REPORT RequestId: {id}\tDuration: {duration_ms:.2} ms\tBilled Duration: {} ms\tMemory Size: 256 MB\tMax Memory Used: 71 MB\t{init}{status}\n",
            duration_ms.ceil()
        ));
    }

    fn line(&mut self, stream: &str, at_ms: i64, number: usize, place: usize, message: &str) {
        let id = format!("{at_ms:036}{number:014}{place:06}");
        let event = json!({
            "logStreamName": stream, "timestamp": at_ms, "message": message,
            "ingestionTime": at_ms + 500, "eventId": id,
        });
        let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
        self.entries.push(Entry::new(at, &id, event.to_string()));
    }
}

fn entry(record: &Value) -> Entry {
    let text = |field: &str| record[field].as_str().unwrap_or_default();
    let at = text("eventTime").parse().unwrap_or_default();
    Entry::new(at, text("eventID"), record.to_string())
}
