//! Which records are asked for: by role, session, access key, resource and time.

use crate::record::Record;
use jiff::Timestamp;
use memchr::{memchr, memmem};
use serde_json::Value;

/// How deep requests and responses are searched for a resource.
const MAX_SEARCH_DEPTH: usize = 16;

/// The longest error message that is searched for a resource, in bytes.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// Every condition that is given must hold. Without any, every record is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The ARN of a role: what its sessions did.
    ///
    /// Compared with `userIdentity.sessionContext.sessionIssuer.arn`. Where that is missing, with the
    /// account and name in `userIdentity.arn` (`arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`),
    /// which leaves the role's path out.
    pub role: Option<String>,
    /// The name of a session; a Lambda function's sessions are named after it.
    pub session: Option<String>,
    /// The id of an access key: `userIdentity.accessKeyId`.
    pub access_key: Option<String>,
    /// What calls were about: an ARN, or a name.
    ///
    /// Found in `resources[].ARN`, as a whole string anywhere in the request or the response, or, for
    /// calls whose parameters CloudTrail leaves out because they were denied, in the error message
    /// behind `on resource:`. A name is found in an ARN that names it; an ARN is found in a longer one
    /// of something inside of it (a version, an object), and in a bare name (or one of Lambda's partial
    /// ARNs) only in the calls of the same service, Region and account. Other resources of the same name are found as well: the
    /// record does not say more.
    pub resource: Option<String>,
    /// No earlier than this; a record without a time is then not asked for.
    pub since: Option<Timestamp>,
    /// No later than this; a record without a time is then not asked for.
    pub until: Option<Timestamp>,
}

impl Query {
    /// Whether the record is asked for.
    pub fn matches(&self, record: &Record) -> bool {
        self.matches_caller(record)
            && self.matches_time(record)
            && (self.resource.as_deref()).is_none_or(|wanted| names_resource(record, wanted))
    }

    fn matches_caller(&self, record: &Record) -> bool {
        let role = self.role.as_deref();
        let session = self.session.as_deref();
        let access_key = self.access_key.as_deref();
        role.is_none_or(|role| is_of_role(record, role))
            && session.is_none_or(|session| is_of_session(record, session))
            && access_key.is_none_or(|key| record.access_key_id() == Some(key))
    }

    fn matches_time(&self, record: &Record) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        record.occurred_at().is_some_and(|time| {
            self.since.is_none_or(|since| time >= since)
                && self.until.is_none_or(|until| time <= until)
        })
    }

    /// Texts of which each stands, in some spelling, in every record that matches.
    fn needles(&self) -> impl Iterator<Item = &str> {
        let role = self.role.as_deref().map(last_part);
        let resource = self.resource.as_deref().map(common_name);
        // Rarest first: the sooner one is missing, the less is searched.
        [
            self.access_key.as_deref(),
            self.session.as_deref(),
            resource,
            role,
        ]
        .into_iter()
        .flatten()
    }
}

/// The name of the session that made the call, if one did: what follows the role in an assumed role's
/// (or the user in a federated user's) ARN, else what follows the id of the role in `principalId`.
pub(crate) fn session_name(record: &Record) -> Option<&str> {
    let named = |arn: &'_ str| {
        let section = arn.splitn(6, ':').nth(5)?.len();
        let section = &arn[arn.len() - section..];
        let of_session =
            section.starts_with("assumed-role/") || section.starts_with("federated-user/");
        of_session.then(|| arn.len() - section.rsplit('/').next().map_or(0, str::len))
    };
    if let Some(arn) = record.text("/userIdentity/arn") {
        return named(arn).map(|start| &arn[start..]);
    }
    let (_, name) = record.text("/userIdentity/principalId")?.rsplit_once(':')?;
    (!name.is_empty()).then_some(name)
}

fn is_of_session(record: &Record, session: &str) -> bool {
    if session_name(record) == Some(session) {
        return true;
    }
    // The two need not agree in what exports make of them.
    let principal = record.text("/userIdentity/principalId");
    principal.and_then(|id| id.rsplit_once(':')).map(|p| p.1) == Some(session)
}

fn is_of_role(record: &Record, role: &str) -> bool {
    if let Some(issuer) = record.session_issuer_arn() {
        return issuer == role;
    }
    let Some(arn) = record.text("/userIdentity/arn") else {
        return false;
    };
    let (mut of_role, mut of_session) = (role.splitn(6, ':'), arn.splitn(6, ':'));
    let (Some(role), Some(session)) = (parts(&mut of_role), parts(&mut of_session)) else {
        return false;
    };
    let mut names = session.section.split('/');
    role.service == "iam"
        && session.service == "sts"
        && role.partition == session.partition
        && role.account == session.account
        && role.section.starts_with("role/")
        && names.next() == Some("assumed-role")
        && names.next() == Some(last_part(role.section))
}

struct Parts<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    section: &'a str,
}

fn parts<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<Parts<'a>> {
    (parts.next() == Some("arn")).then_some(())?;
    Some(Parts {
        partition: parts.next()?,
        service: parts.next()?,
        region: parts.next()?,
        account: parts.next()?,
        section: parts.next()?,
    })
}

fn arn(text: &str) -> Option<Parts<'_>> {
    text.starts_with("arn:")
        .then(|| parts(&mut text.splitn(6, ':')))?
}

fn last_part(text: &str) -> &str {
    text.rsplit(['/', ':']).next().unwrap_or(text)
}

fn names_resource(record: &Record, wanted: &str) -> bool {
    if record
        .resource_arns()
        .any(|arn| is_same(record, arn, wanted))
    {
        return true;
    }
    let parameters = record.raw().get("requestParameters");
    let response = record.raw().get("responseElements");
    if [parameters, response]
        .into_iter()
        .flatten()
        .any(|value| holds(record, value, wanted, 0))
    {
        return true;
    }
    parameters.is_none_or(Value::is_null)
        && record.error_code().is_some()
        && record.error_message().is_some_and(|message| {
            refused_resources(message).any(|named| is_same(record, named, wanted))
        })
}

fn holds(record: &Record, value: &Value, wanted: &str, depth: usize) -> bool {
    match value {
        Value::String(text) => is_same(record, text, wanted),
        Value::Array(items) if depth < MAX_SEARCH_DEPTH => items
            .iter()
            .any(|item| holds(record, item, wanted, depth + 1)),
        Value::Object(fields) if depth < MAX_SEARCH_DEPTH => fields
            .values()
            .any(|field| holds(record, field, wanted, depth + 1)),
        _ => false,
    }
}

/// The resources in `User: ARN is not authorized to perform: ACTION on resource: ARN because …`. The
/// caller's own ARN stands before and is none: a function's sessions carry the function's name.
pub(crate) fn refused_resources(message: &str) -> impl Iterator<Item = &str> {
    let end = message.floor_char_boundary(MAX_MESSAGE_BYTES);
    let told = message[..end].split_once("on resource: ");
    told.into_iter().flat_map(|(_, told)| {
        let words = told.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ')'));
        words
            .map(|word| word.trim_end_matches('.'))
            .filter(|word| !word.is_empty())
            .take(16)
    })
}

/// Whether `text`, met in a record, names what is wanted.
fn is_same(record: &Record, text: &str, wanted: &str) -> bool {
    if text == wanted {
        return true;
    }
    let Some(wanted_arn) = arn(wanted) else {
        return match arn(text) {
            Some(met) => names(&met)
                .chain(container(&met))
                .any(|name| name == wanted),
            None => text.starts_with("https://") && last_part(text) == wanted,
        };
    };
    if text.starts_with("arn:") {
        // A version of a function, an object in a bucket, an index of a table.
        let rest = text.strip_prefix(wanted);
        return rest.is_some_and(|rest| rest.starts_with([':', '/']));
    }
    let name = match text.starts_with("https://") {
        true => last_part(text),
        false => text,
    };
    let contradicts = |told: &str, met: Option<&str>| {
        !told.is_empty() && met.is_some_and(|met| !met.is_empty() && met != told)
    };
    // Lambda takes `NAME:QUALIFIER` and `ACCOUNT:function:NAME` for a function's name as well.
    let is_lambda = wanted_arn.service == "lambda";
    let name = match name.strip_prefix(wanted_arn.account) {
        Some(rest) if is_lambda => rest.strip_prefix(':').unwrap_or(name),
        _ => name,
    };
    let is_qualified = |rest: &str| is_lambda && rest.starts_with(':');
    names(&wanted_arn).any(|wanted| {
        let rest = name.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || is_qualified(rest))
    })
        && service_of(record) == Some(wanted_arn.service)
        && !contradicts(wanted_arn.account, record.account())
        // What is global is recorded in one Region only.
        && !contradicts(wanted_arn.region, record.region())
}

/// As ARNs spell it.
fn service_of(record: &Record) -> Option<&str> {
    record.event_source()?.strip_suffix(".amazonaws.com")
}

/// The names by which what an ARN names may be called: `billing` (and `billing:live`) for
/// `arn:aws:lambda:eu-west-1:111122223333:function:billing:live`, `app` for `…:role/team/app`.
fn names<'a>(arn: &Parts<'a>) -> impl Iterator<Item = &'a str> {
    let section = arn.section;
    let after_kind = section.split_once([':', '/']).map(|(_, rest)| rest);
    // `function:NAME:QUALIFIER`, `layer:NAME:VERSION`, `log-group:NAME:*`; otherwise `role/PATH/NAME`.
    let without_the_rest = match section.split(':').nth(1) {
        Some(name) => Some(name),
        None if arn.service == "s3" => None,
        None => section.rsplit('/').next(),
    };
    [Some(section), after_kind, without_the_rest]
        .into_iter()
        .flatten()
        .filter(|name| !name.is_empty() && *name != "*")
}

/// The bucket of an object, the topic of a subscription: what an ARN names besides the thing itself.
fn container<'a>(arn: &Parts<'a>) -> Option<&'a str> {
    matches!(arn.service, "s3" | "sns").then(|| arn.section.split([':', '/']).next())?
}

/// A text that stands in every record that names the resource; empty if there may be none.
fn common_name(wanted: &str) -> &str {
    let Some(parts) = arn(wanted) else {
        return wanted;
    };
    // Each is part of the longer ones.
    let shortest = names(&parts).min_by_key(|name| name.len());
    shortest.unwrap_or_default()
}

/// Says of a record's bytes whether the record may match, without parsing them. Never rules out a
/// record that does match.
#[derive(Debug)]
pub(crate) struct Sieve {
    needles: Vec<memmem::Finder<'static>>,
}

impl Sieve {
    pub(crate) fn of(query: &Query) -> Self {
        // JSON must escape quotes, backslashes and control characters, in more than one way; such
        // a text cannot be looked for in raw bytes.
        let is_verbatim =
            |text: &&str| !text.contains(|c: char| c.is_control() || matches!(c, '"' | '\\'));
        let needles = query.needles().filter(is_verbatim);
        Self {
            needles: needles
                .map(|needle| memmem::Finder::new(needle).into_owned())
                .collect(),
        }
    }

    /// `has_backslash`: whether `raw` holds any.
    pub(crate) fn lets_through(&self, raw: &[u8], has_backslash: bool) -> bool {
        let missing = self.needles.iter().any(|needle| needle.find(raw).is_none());
        !missing || (has_backslash && hides_characters(raw))
    }
}

/// Whether any character is written as `\u…`, or `/` as `\/`: then the bytes may hide any text.
fn hides_characters(raw: &[u8]) -> bool {
    let mut rest = raw;
    while let Some(at) = memchr(b'\\', rest) {
        match rest.get(at + 1) {
            Some(b'u' | b'/') => return true,
            Some(_) => rest = &rest[at + 2..],
            None => return false,
        }
    }
    false
}
