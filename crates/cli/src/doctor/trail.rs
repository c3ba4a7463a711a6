//! The audit trail: without one that logs management events, EventBridge hears of nothing.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::operation::get_trail_status::GetTrailStatusOutput;
use aws_sdk_cloudtrail::types::{
    AdvancedEventSelector, AdvancedFieldSelector, ReadWriteType, Trail,
};
use futures_util::FutureExt as _;

pub(super) const CHECK: Check = Check {
    name: "trail",
    area: "The audit trail",
    actions: &[
        "cloudtrail:DescribeTrails",
        "cloudtrail:GetEventSelectors",
        "cloudtrail:GetTrailStatus",
    ],
    needs_stack: false,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

/// How many trails are looked at; an account may have five in a Region, and those of other Regions.
const MOST_TRAILS: usize = 100;

/// A trail, as far as it could be looked at.
struct Seen {
    trail: Trail,
    status: Result<GetTrailStatusOutput, Trouble>,
    selectors: Result<GetEventSelectorsOutput, Trouble>,
}

/// What a trail records of the calls that change something.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Records {
    /// All of them.
    Writes,
    /// All but those of these services.
    WritesBut(Vec<String>),
    /// None.
    Nothing,
}

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = aws_sdk_cloudtrail::Client::new(deployment.config());
    let described = client.describe_trails().include_shadow_trails(true);
    let trails = match described.send().await {
        Ok(reply) => reply.trail_list.unwrap_or_default(),
        Err(error) => {
            let trouble = Trouble::of("cloudtrail:DescribeTrails", &error);
            return lines.trouble("trails", &trouble);
        }
    };
    let mut seen = Vec::new();
    for trail in trails.into_iter().take(MOST_TRAILS) {
        let arn = trail.trail_arn().unwrap_or_default();
        let status = client.get_trail_status().name(arn).send().await;
        let selectors = client.get_event_selectors().trail_name(arn).send().await;
        seen.push(Seen {
            status: status.map_err(|error| Trouble::of("cloudtrail:GetTrailStatus", &error)),
            selectors: selectors
                .map_err(|error| Trouble::of("cloudtrail:GetEventSelectors", &error)),
            trail,
        });
    }
    judge(&seen, deployment, lines);
}

/// Judges the best of the trails: events need one that works, not all.
fn judge(seen: &[Seen], deployment: &Deployment, lines: &mut Lines) {
    let region = &deployment.account.region;
    if seen.is_empty() {
        return lines.fail(
            "management events",
            format!("no trail covers {region}: nothing reaches EventBridge, so coldcase never wakes (Event history alone delivers nothing)"),
            "make one: aws cloudtrail create-trail --name management --s3-bucket-name BUCKET --is-multi-region-trail --enable-log-file-validation, then aws cloudtrail start-logging --name management",
        );
    }
    let Some(best) = seen.iter().max_by_key(|one| rank(one)) else {
        return;
    };
    let name = best.trail.name().unwrap_or("without a name").to_owned();
    let what = format!("trail {name}");
    match &best.selectors {
        Err(trouble) => lines.trouble(format!("{what}: management events"), trouble),
        Ok(selectors) => match records(selectors) {
            Records::Writes => lines.ok(&what, format!("records every call that changes something in {region}")),
            Records::WritesBut(services) => lines.fail(
                &what,
                format!("leaves out the management events of {}: what is done there is never seen", services.join(", ")),
                format!("aws cloudtrail put-event-selectors --trail-name {name} with ReadWriteType All and no excluded sources"),
            ),
            Records::Nothing => lines.fail(
                &what,
                "records no management events that write",
                format!("aws cloudtrail put-event-selectors --trail-name {name} --event-selectors '[{{\"ReadWriteType\": \"All\", \"IncludeManagementEvents\": true}}]'"),
            ),
        },
    }
    match &best.status {
        Err(trouble) => lines.trouble(format!("{what}: logging"), trouble),
        Ok(status) => {
            if status.is_logging() == Some(true) {
                lines.ok("logging", "the trail is on");
            } else {
                let since = status.stop_logging_time().map(|at| format!(" since {at}"));
                lines.fail(
                    "logging",
                    format!("the trail is stopped{}: nothing reaches EventBridge", since.unwrap_or_default()),
                    format!("find out who stopped it (event StopLogging), then aws cloudtrail start-logging --name {name}"),
                );
            }
            match status
                .latest_delivery_error()
                .filter(|error| !error.is_empty())
            {
                Some(error) => lines.fail(
                    "delivery",
                    format!("the last log files could not be delivered: {error}"),
                    format!(
                        "mend the policy of bucket {} or of its key",
                        best.trail.s3_bucket_name().unwrap_or_default()
                    ),
                ),
                None => lines.ok("delivery", "no error at the last delivery of log files"),
            }
            match status.latest_digest_delivery_error().filter(|error| !error.is_empty()) {
                Some(error) => lines.warn(
                    "digests",
                    format!("the last digest could not be delivered: {error}; files since then cannot be proved unaltered"),
                    format!("mend the policy of bucket {}", best.trail.s3_bucket_name().unwrap_or_default()),
                ),
                None if best.trail.log_file_validation_enabled() == Some(true) => {
                    lines.ok("digests", "log file validation is on, no error at the last digest");
                }
                None => lines.warn(
                    "digests",
                    "log file validation is off: nothing proves that log files were not altered",
                    format!("aws cloudtrail update-trail --name {name} --enable-log-file-validation"),
                ),
            }
        }
    }
    if best.trail.is_multi_region_trail() == Some(true) {
        lines.ok("Regions", "the trail covers all of them");
    } else {
        lines.warn(
            "Regions",
            format!(
                "the trail covers {} only: what is done elsewhere leaves no event",
                best.trail.home_region().unwrap_or(region)
            ),
            format!("aws cloudtrail update-trail --name {name} --is-multi-region-trail"),
        );
    }
    if best.trail.include_global_service_events() == Some(true) {
        lines.ok(
            "IAM's events",
            "the trail includes those of global services",
        );
    } else {
        lines.fail(
            "IAM's events",
            "the trail leaves global services out: changes of roles and policies are never seen",
            format!("aws cloudtrail update-trail --name {name} --include-global-service-events"),
        );
    }
    if deployment.is_deployed() {
        named(best, deployment, lines);
    }
}

/// Whether the stack knows where the trail's files are.
fn named(best: &Seen, deployment: &Deployment, lines: &mut Lines) {
    let bucket = best.trail.s3_bucket_name().unwrap_or_default();
    match deployment.parameter("TrailBucket") {
        "" => lines.warn(
            "the trail's files",
            "the stack does not read them: cases hold no data events (objects read, items written)",
            format!("deploy with TrailBucket={bucket} if those are wanted"),
        ),
        known if known == bucket => lines.ok("the trail's files", format!("read from {known}")),
        known => lines.warn(
            "the trail's files",
            format!("the stack reads {known}, the trail writes to {bucket}"),
            format!("deploy with TrailBucket={bucket}"),
        ),
    }
}

/// How well a trail serves: recording writes, and on.
fn rank(seen: &Seen) -> u8 {
    let recorded = seen.selectors.as_ref().map(records);
    let records = match recorded {
        Ok(Records::Writes) => 3,
        Ok(Records::WritesBut(_)) => 2,
        Err(_) => 1,
        Ok(Records::Nothing) => 0,
    };
    let logs = match &seen.status {
        Ok(status) if status.is_logging() == Some(true) => 3,
        Err(_) => 1,
        Ok(_) => 0,
    };
    let covers = u8::from(seen.trail.is_multi_region_trail() == Some(true));
    records * 8 + logs * 2 + covers
}

/// What the selectors let in. Without any, a trail records all management events.
fn records(selectors: &GetEventSelectorsOutput) -> Records {
    let advanced = selectors.advanced_event_selectors();
    if !advanced.is_empty() {
        let mut best = Records::Nothing;
        for one in advanced.iter().map(of_advanced) {
            match (&best, one) {
                (_, Records::Writes) => return Records::Writes,
                (Records::Nothing, one) => best = one,
                _ => {}
            }
        }
        return best;
    }
    let basic = selectors.event_selectors();
    if basic.is_empty() {
        return Records::Writes;
    }
    let mut best = Records::Nothing;
    for one in basic {
        let writes = one.include_management_events() != Some(false)
            && one.read_write_type() != Some(&ReadWriteType::ReadOnly);
        if writes {
            let excluded = one.exclude_management_event_sources();
            if excluded.is_empty() {
                return Records::Writes;
            }
            best = Records::WritesBut(excluded.to_vec());
        }
    }
    best
}

fn of_advanced(selector: &AdvancedEventSelector) -> Records {
    let fields = selector.field_selectors();
    let of = |name: &str| {
        fields
            .iter()
            .filter(move |field| field.field() == name)
            .collect::<Vec<_>>()
    };
    let management = of("eventCategory")
        .iter()
        .any(|field| field.equals().iter().any(|value| value == "Management"));
    let reads_only = of("readOnly")
        .iter()
        .any(|field| field.equals().iter().any(|value| value == "true"));
    if !management || reads_only {
        return Records::Nothing;
    }
    // Any other field narrows what is recorded.
    let narrowing =
        |field: &&AdvancedFieldSelector| !["eventCategory", "readOnly"].contains(&field.field());
    let narrowed: Vec<String> = fields
        .iter()
        .filter(narrowing)
        .map(|field| match field.not_equals() {
            [] => format!("what {} does not select", field.field()),
            excluded => excluded.join(", "),
        })
        .collect();
    if narrowed.is_empty() {
        Records::Writes
    } else {
        Records::WritesBut(narrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cloudtrail::types::EventSelector;

    fn field(name: &str) -> aws_sdk_cloudtrail::types::builders::AdvancedFieldSelectorBuilder {
        AdvancedFieldSelector::builder().field(name)
    }

    fn advanced(fields: Vec<AdvancedFieldSelector>) -> Records {
        let selector = AdvancedEventSelector::builder().set_field_selectors(Some(fields));
        let output = GetEventSelectorsOutput::builder();
        let output = output.advanced_event_selectors(selector.build().unwrap());
        records(&output.build())
    }

    #[test]
    fn advanced_selectors_are_read_as_cloudtrail_reads_them() {
        let management = || field("eventCategory").equals("Management").build().unwrap();
        let read = |value: &str| field("readOnly").equals(value).build().unwrap();
        let but_kms = || {
            field("eventSource")
                .not_equals("kms.amazonaws.com")
                .build()
                .unwrap()
        };
        let data = || field("eventCategory").equals("Data").build().unwrap();
        assert_eq!(advanced(vec![management()]), Records::Writes);
        assert_eq!(advanced(vec![management(), read("false")]), Records::Writes);
        assert_eq!(advanced(vec![management(), read("true")]), Records::Nothing);
        assert_eq!(advanced(vec![data()]), Records::Nothing);
        assert_eq!(
            advanced(vec![management(), but_kms()]),
            Records::WritesBut(vec!["kms.amazonaws.com".to_owned()])
        );
    }

    #[test]
    fn basic_selectors_are_read_as_cloudtrail_reads_them() {
        let of = |selector: Option<EventSelector>| {
            let output = GetEventSelectorsOutput::builder()
                .set_event_selectors(selector.map(|one| vec![one]));
            records(&output.build())
        };
        let one = |kind: ReadWriteType, management: bool| {
            Some(
                EventSelector::builder()
                    .read_write_type(kind)
                    .include_management_events(management)
                    .build(),
            )
        };
        assert_eq!(of(None), Records::Writes);
        assert_eq!(of(one(ReadWriteType::All, true)), Records::Writes);
        assert_eq!(of(one(ReadWriteType::WriteOnly, true)), Records::Writes);
        assert_eq!(of(one(ReadWriteType::ReadOnly, true)), Records::Nothing);
        assert_eq!(of(one(ReadWriteType::All, false)), Records::Nothing);
    }
}
