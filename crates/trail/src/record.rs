//! One CloudTrail record, read leniently: whatever is missing or of an odd type is simply not there.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// A record as CloudTrail wrote it. Keeps the raw JSON: fields unknown here are evidence too.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    raw: Value,
}

impl Record {
    /// Takes any JSON for a record; nothing is checked.
    pub const fn new(raw: Value) -> Self {
        Self { raw }
    }

    /// The record, verbatim.
    pub const fn raw(&self) -> &Value {
        &self.raw
    }

    /// Gives the record up, verbatim.
    pub fn into_raw(self) -> Value {
        self.raw
    }

    /// CloudTrail's `eventID`.
    pub fn event_id(&self) -> Option<&str> {
        self.text("/eventID")
    }

    /// As recorded, API date included. Insight events have none.
    pub fn event_name(&self) -> Option<&str> {
        self.text("/eventName")
    }

    /// The event's name without its API date.
    pub fn base_name(&self) -> Option<&str> {
        self.event_name().map(base_name)
    }

    /// E.g. `lambda.amazonaws.com`.
    pub fn event_source(&self) -> Option<&str> {
        self.text("/eventSource")
    }

    /// The service's name in [`Self::event_source`], e.g. `lambda`; nothing for look-alikes such as
    /// `aws:s3`. CloudWatch calls itself `monitoring` there and is answered as `cloudwatch`.
    pub fn service(&self) -> Option<&str> {
        match self.event_source()?.strip_suffix(".amazonaws.com")? {
            "monitoring" => Some("cloudwatch"),
            service => Some(service),
        }
    }

    /// E.g. `AwsApiCall`.
    pub fn event_type(&self) -> Option<&str> {
        self.text("/eventType")
    }

    /// `Management`, `Data`, `Insight` or `NetworkActivity`; older records have none.
    pub fn event_category(&self) -> Option<&str> {
        self.text("/eventCategory")
    }

    /// When the call was made. Besides CloudTrail's own form, those that exports write are read:
    /// `2022-12-11 19:42:55` (UTC) and fractions down to nanoseconds.
    pub fn occurred_at(&self) -> Option<Timestamp> {
        let text = self.text("/eventTime")?;
        if let Ok(time) = text.parse::<Timestamp>() {
            return Some(time);
        }
        let local: DateTime = text.parse().ok()?;
        local
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    }

    /// The Region in which the call was made.
    pub fn region(&self) -> Option<&str> {
        self.text("/awsRegion")
    }

    /// The account that the record belongs to, else the caller's.
    pub fn account(&self) -> Option<&str> {
        self.text("/recipientAccountId")
            .or_else(|| self.text("/userIdentity/accountId"))
    }

    /// Whether the call only reads, where the record says so, as a boolean or as text.
    pub fn is_read_only(&self) -> Option<bool> {
        truth(self.raw.get("readOnly")?)
    }

    /// Whether the caller asked only what would happen.
    pub fn is_dry_run(&self) -> bool {
        self.request("dryRun").and_then(truth).unwrap_or(false)
    }

    /// Why the call failed, if it did.
    pub fn error_code(&self) -> Option<&str> {
        self.text("/errorCode")
    }

    /// The provider's words for the failure.
    pub fn error_message(&self) -> Option<&str> {
        self.text("/errorMessage")
    }

    /// A field of the request; `null` counts as absent.
    pub fn request(&self, field: &str) -> Option<&Value> {
        present(self.raw.get("requestParameters")?.get(field)?)
    }

    /// A field of the response; `null` counts as absent.
    pub fn response(&self, field: &str) -> Option<&Value> {
        present(self.raw.get("responseElements")?.get(field)?)
    }

    /// The ARNs in the record's own list of resources (KMS and S3 keep one).
    pub fn resource_arns(&self) -> impl Iterator<Item = &str> {
        let resources = self.raw.get("resources").and_then(Value::as_array);
        resources.into_iter().flatten().filter_map(|resource| {
            (resource.get("ARN").or_else(|| resource.get("arn"))).and_then(Value::as_str)
        })
    }

    /// Who called, by the best the record has: an ARN, the role behind the session, a principal id,
    /// the service.
    pub fn principal(&self) -> Option<&str> {
        [
            "/userIdentity/arn",
            "/userIdentity/sessionContext/sessionIssuer/arn",
            "/userIdentity/principalId",
            "/userIdentity/invokedBy",
            "/userIdentity/type",
        ]
        .iter()
        .find_map(|pointer| self.text(pointer))
    }

    /// The ARN of the role behind an assumed-role session.
    pub fn session_issuer_arn(&self) -> Option<&str> {
        self.text("/userIdentity/sessionContext/sessionIssuer/arn")
    }

    /// From where; a host name when a service called.
    pub fn source_address(&self) -> Option<&str> {
        self.text("/sourceIPAddress")
    }

    /// With which program.
    pub fn user_agent(&self) -> Option<&str> {
        self.text("/userAgent")
    }

    /// The access key that signed the call.
    pub fn access_key_id(&self) -> Option<&str> {
        self.text("/userIdentity/accessKeyId")
    }

    /// A non-empty string by JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        let text = self.raw.pointer(pointer)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }
}

/// An event name without the API date that Lambda's carry (`UpdateFunctionCode20150331v2`):
/// without `\d{8}(v\d+)?` at its end. The rest is compared whole: as a mere prefix,
/// `DeleteFunction` would swallow `DeleteFunctionConcurrency`.
pub fn base_name(event_name: &str) -> &str {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let dated = match event_name.rsplit_once('v') {
        Some((head, revision)) if digits(revision) => head,
        _ => event_name,
    };
    match dated.len().checked_sub(8) {
        Some(length @ 1..) if dated.is_char_boundary(length) && digits(&dated[length..]) => {
            &dated[..length]
        }
        _ => event_name,
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn present(value: &Value) -> Option<&Value> {
    (!value.is_null()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_date_with_its_revision_is_cut_from_a_name() {
        for (name, base) in [
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("UpdateFunctionCode20150331", "UpdateFunctionCode"),
            ("PublishLayerVersion20181031", "PublishLayerVersion"),
            ("TagResource20170331v12", "TagResource"),
            (
                "DeleteFunctionConcurrency20171031",
                "DeleteFunctionConcurrency",
            ),
            ("DeleteFunction", "DeleteFunction"),
            ("CreateFunctionUrlConfig", "CreateFunctionUrlConfig"),
            ("CreateClusterV2", "CreateClusterV2"),
            ("Movev2", "Movev2"),
            ("20150331", "20150331"),
            ("é0150331v", "é0150331v"),
            ("", ""),
        ] {
            assert_eq!(base_name(name), base, "{name}");
        }
    }

    #[test]
    fn a_time_is_read_in_every_form_met_in_the_wild() {
        for (text, utc) in [
            ("2022-12-11T19:42:55Z", "2022-12-11T19:42:55Z"),
            ("2022-12-11 19:42:55", "2022-12-11T19:42:55Z"),
            ("2020-11-20 06:19:05.000", "2020-11-20T06:19:05Z"),
            (
                "2022-12-12 21:46:17.000000007",
                "2022-12-12T21:46:17.000000007Z",
            ),
            ("2023-11-15T10:30:00.789Z", "2023-11-15T10:30:00.789Z"),
            ("2016-01-01T23:59:59.000+0000", "2016-01-01T23:59:59Z"),
        ] {
            let record = Record::new(json!({"eventTime": text}));
            assert_eq!(record.occurred_at(), Some(utc.parse().unwrap()), "{text}");
        }
        for text in [json!("redacted"), json!("..."), json!(7), json!(null)] {
            assert_eq!(Record::new(json!({"eventTime": text})).occurred_at(), None);
        }
    }

    #[test]
    fn read_only_may_be_text() {
        let read_only = |value| Record::new(json!({"readOnly": value})).is_read_only();
        assert_eq!(read_only(json!("false")), Some(false));
        assert_eq!(read_only(json!("True")), Some(true));
        assert_eq!(read_only(json!(true)), Some(true));
        assert_eq!(read_only(json!(1)), None);
    }
}
