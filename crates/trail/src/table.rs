//! The classification table: what each API call touches, how bad that is, and what is done about it.
//!
//! One row per event source and base name. Adding a trigger is adding a row: the classifier, the
//! EventBridge patterns and the tests all read it from here.
//!
//! Techniques are those of MITRE ATT&CK Enterprise v19 (April 2026), which revoked T1562.008
//! (Disable or Modify Cloud Logs) in favour of T1685.002, T1562.001 in favour of T1685 and
//! T1562.010 in favour of T1689.

use evidence::{Category, ResourceKind, Severity};

use Category::{
    Alias, AntiForensics, Code, CodeSigning, Concurrency, Configuration, Destruction, Layer,
    Permission, Policy, Role, Trigger,
};
use Severity::{Critical, High, Info, Low, Medium};
use Standing::{Ignore, Record, Respond, RespondForFunctions};

/// Serverless Execution: code, settings or routing decide what a function executes.
const SERVERLESS_EXECUTION: Option<&str> = Some("T1648");
/// Event Triggered Execution: something new may set the function off.
const EVENT_TRIGGERED: Option<&str> = Some("T1546");
/// Implant Internal Image: a layer is a shared part that functions load when they start.
const IMPLANT_IMAGE: Option<&str> = Some("T1525");
/// Transfer Data to Cloud Account: another account may read what is shared.
const TRANSFER_TO_ACCOUNT: Option<&str> = Some("T1537");
/// Service Stop: callers or triggers are cut off.
const SERVICE_STOP: Option<&str> = Some("T1489");
/// Modify Cloud Compute Infrastructure: Modify Cloud Compute Configurations: quotas and sizes.
const COMPUTE_CONFIGURATION: Option<&str> = Some("T1578.005");
/// Resource Hijacking: a function that may call itself without end.
const RESOURCE_HIJACKING: Option<&str> = Some("T1496");
/// Downgrade Attack: an older runtime brings its known holes back.
const DOWNGRADE: Option<&str> = Some("T1689");
/// Subvert Trust Controls: Code Signing Policy Modification.
const SIGNING_POLICY: Option<&str> = Some("T1553.006");
/// Account Manipulation: who may be the role, and within which bounds.
const ACCOUNT_MANIPULATION: Option<&str> = Some("T1098");
/// Account Manipulation: Additional Cloud Roles: the role may do more.
const ADDITIONAL_ROLES: Option<&str> = Some("T1098.003");
/// Create Account: Cloud Account.
const CREATE_ACCOUNT: Option<&str> = Some("T1136.003");
/// Account Access Removal: the role may do less, or is gone.
const ACCESS_REMOVAL: Option<&str> = Some("T1531");
/// Data Destruction.
const DESTRUCTION: Option<&str> = Some("T1485");
/// Data Destruction: Lifecycle-Triggered Deletion.
const LIFECYCLE_DELETION: Option<&str> = Some("T1485.001");
/// Inhibit System Recovery: versions and locks are what brings objects back.
const INHIBIT_RECOVERY: Option<&str> = Some("T1490");
/// Disable or Modify Tools: Disable or Modify Cloud Log.
const CLOUD_LOG: Option<&str> = Some("T1685.002");
/// Disable or Modify Tools: rules, alarms, queues and keys that a defence is made of.
pub(crate) const DEFENCE: Option<&str> = Some("T1685");

/// Where in a record the target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// `functionName`, `fullyQualifiedArn` or the response's `functionArn`; the `qualifier` too.
    Function,
    /// A function, with the alias in `name` as its qualifier.
    Alias,
    /// `layerName` with `versionNumber`, or the response's layer ARN.
    Layer,
    /// A mapping's function where the record names it, else the mapping by its UUID.
    EventSourceMapping,
    /// `codeSigningConfigArn`.
    CodeSigningConfig,
    /// Any resource of Lambda by ARN: `resource`, `resourceArn`.
    LambdaResource,
    /// `roleName`.
    Role,
    /// `policyArn`.
    Policy,
    /// `logGroupName`; the function itself for `/aws/lambda/NAME`.
    LogGroup,
    /// `name` or `trailName`, each a name or an ARN.
    Trail,
    /// `name` or `rule`, on the bus `eventBusName`.
    Rule,
    /// `bucketName`.
    Bucket,
    /// `keyId`: an id, an ARN or an alias; the response's ARN resolves it.
    Key,
    /// `aliasName` of KMS and the key behind it.
    KeyAlias,
    /// `queueUrl`.
    Queue,
    /// `topicArn`, or the topic of a `subscriptionArn`.
    Topic,
    /// `stateMachineArn`, or the state machine of an `executionArn`.
    StateMachine,
    /// `alarmName` or `alarmNames`.
    Alarm,
    /// No resource that could be a target.
    Nothing,
}

impl Subject {
    /// The kinds of resource that such an event can be about.
    pub const fn kinds(self) -> &'static [ResourceKind] {
        use ResourceKind as K;
        match self {
            Self::Function | Self::Alias => &[K::Function],
            Self::Layer => &[K::Layer],
            Self::EventSourceMapping => &[K::Function, K::EventSourceMapping],
            Self::CodeSigningConfig => &[K::CodeSigningConfig],
            Self::LambdaResource => &[
                K::Function,
                K::Layer,
                K::EventSourceMapping,
                K::CodeSigningConfig,
            ],
            Self::Role => &[K::Role],
            Self::Policy => &[K::Policy],
            Self::LogGroup => &[K::Function, K::LogGroup],
            Self::Trail => &[K::Trail],
            Self::Rule => &[K::Rule],
            Self::Bucket => &[K::Bucket],
            Self::Key | Self::KeyAlias => &[K::Key],
            Self::Queue => &[K::Queue],
            Self::Topic => &[K::Topic],
            Self::StateMachine => &[K::StateMachine],
            Self::Alarm => &[K::Alarm],
            Self::Nothing => &[],
        }
    }
}

/// What is done about a successful call on anything but the responder's own parts. On those, every
/// row of the table is answered with a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// A case.
    Respond,
    /// A case where the log group is a function's own (`/aws/lambda/NAME`), else a note.
    RespondForFunctions,
    /// A note.
    Record,
    /// Nothing: it happens all day on resources that are none of the responder's business.
    Ignore,
}

/// One row: what one API call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The service, as in `SERVICE.amazonaws.com`; `cloudwatch` stands for `monitoring`.
    pub service: &'static str,
    /// The event's name without its API date.
    pub base_name: &'static str,
    /// What it touches.
    pub category: Category,
    /// Where its target stands.
    pub subject: Subject,
    /// MITRE ATT&CK technique id; nothing where none fits.
    pub technique: Option<&'static str>,
    /// How bad, on a resource that is not the responder's own.
    pub severity: Severity,
    /// What is done about it.
    pub standing: Standing,
    /// What the call does and why that matters, to follow the event's name.
    pub meaning: &'static str,
}

#[allow(clippy::too_many_arguments)] // A row of a table has its columns.
const fn of(
    service: &'static str,
    base_name: &'static str,
    category: Category,
    subject: Subject,
    technique: Option<&'static str>,
    severity: Severity,
    standing: Standing,
    meaning: &'static str,
) -> Row {
    Row {
        service,
        base_name,
        category,
        subject,
        technique,
        severity,
        standing,
        meaning,
    }
}

/// The row of an event: service and base name must both be equal, whole.
pub fn row(service: &str, base_name: &str) -> Option<&'static Row> {
    TABLE
        .iter()
        .find(|row| row.base_name == base_name && row.service == service)
}

/// Every call that is known here.
#[rustfmt::skip] // One row, one line: the table is read by columns.
pub const TABLE: &[Row] = &[
    // Code. PublishVersion freezes what is in $LATEST already: whatever put it there opened a case.
    of("lambda", "UpdateFunctionCode", Code, Subject::Function, SERVERLESS_EXECUTION, High, Respond, "replaces the code that runs"),
    of("lambda", "CreateFunction", Code, Subject::Function, SERVERLESS_EXECUTION, Medium, Respond, "brings new code under a role of the account"),
    of("lambda", "PublishVersion", Code, Subject::Function, SERVERLESS_EXECUTION, Low, Record, "freezes the present code as a version and changes nothing that runs"),

    // Configuration.
    of("lambda", "UpdateFunctionConfiguration", Configuration, Subject::Function, SERVERLESS_EXECUTION, High, Respond, "changes settings that decide what runs and as whom"),
    of("lambda", "PutRuntimeManagementConfig", Configuration, Subject::Function, DOWNGRADE, Medium, Respond, "pins or moves the runtime version"),
    of("lambda", "TagResource", Configuration, Subject::LambdaResource, None, Info, Record, "changes tags, which run nothing"),
    of("lambda", "UntagResource", Configuration, Subject::LambdaResource, None, Info, Record, "changes tags, which run nothing"),

    // Layers. A hidden version still runs where it is attached.
    of("lambda", "PublishLayerVersion", Layer, Subject::Layer, IMPLANT_IMAGE, High, Respond, "publishes layer code for the functions that carry this layer"),
    of("lambda", "AddLayerVersionPermission", Layer, Subject::Layer, TRANSFER_TO_ACCOUNT, Medium, Respond, "lets others read and use the layer version"),
    of("lambda", "RemoveLayerVersionPermission", Layer, Subject::Layer, SERVICE_STOP, Low, Respond, "takes the layer version away from others"),
    of("lambda", "DeleteLayerVersion", Destruction, Subject::Layer, DESTRUCTION, High, Respond, "hides a layer version that functions may keep running"),

    // Who may call.
    of("lambda", "AddPermission", Permission, Subject::Function, EVENT_TRIGGERED, High, Respond, "lets someone else call the function"),
    of("lambda", "RemovePermission", Permission, Subject::Function, SERVICE_STOP, Medium, Respond, "takes away a caller, or the trace of one"),
    of("lambda", "PutResourcePolicy", Permission, Subject::LambdaResource, EVENT_TRIGGERED, High, Respond, "replaces the policy that says who may call"),
    of("lambda", "DeleteResourcePolicy", Permission, Subject::LambdaResource, SERVICE_STOP, Medium, Respond, "deletes the policy that says who may call"),

    // What calls.
    of("lambda", "CreateEventSourceMapping", Trigger, Subject::EventSourceMapping, EVENT_TRIGGERED, High, Respond, "connects a stream or queue to the function"),
    of("lambda", "UpdateEventSourceMapping", Trigger, Subject::EventSourceMapping, EVENT_TRIGGERED, Medium, Respond, "changes what a stream or queue sends, and to which function"),
    of("lambda", "DeleteEventSourceMapping", Trigger, Subject::EventSourceMapping, SERVICE_STOP, Medium, Respond, "cuts a stream or queue off"),
    of("lambda", "CreateFunctionUrlConfig", Trigger, Subject::Function, EVENT_TRIGGERED, High, Respond, "opens a URL to the function"),
    of("lambda", "UpdateFunctionUrlConfig", Trigger, Subject::Function, EVENT_TRIGGERED, High, Respond, "changes who may use the function's URL"),
    of("lambda", "DeleteFunctionUrlConfig", Trigger, Subject::Function, SERVICE_STOP, Medium, Respond, "closes the function's URL"),
    of("lambda", "PutFunctionEventInvokeConfig", Trigger, Subject::Function, EVENT_TRIGGERED, Medium, Respond, "changes where results and failures are sent"),
    of("lambda", "UpdateFunctionEventInvokeConfig", Trigger, Subject::Function, EVENT_TRIGGERED, Medium, Respond, "changes where results and failures are sent"),
    of("lambda", "DeleteFunctionEventInvokeConfig", Trigger, Subject::Function, SERVICE_STOP, Low, Respond, "drops the destinations of results and failures"),

    // Aliases.
    of("lambda", "CreateAlias", Alias, Subject::Alias, SERVERLESS_EXECUTION, Medium, Respond, "gives a version a name to be called by"),
    of("lambda", "UpdateAlias", Alias, Subject::Alias, SERVERLESS_EXECUTION, High, Respond, "sends callers to another version"),
    of("lambda", "DeleteAlias", Alias, Subject::Alias, SERVICE_STOP, Medium, Respond, "takes away a name that callers use"),

    // How much may run.
    of("lambda", "PutFunctionConcurrency", Concurrency, Subject::Function, SERVICE_STOP, Medium, Respond, "limits how much may run; zero stops the function"),
    of("lambda", "DeleteFunctionConcurrency", Concurrency, Subject::Function, COMPUTE_CONFIGURATION, Medium, Respond, "lifts the limit on how much may run"),
    of("lambda", "PutProvisionedConcurrencyConfig", Concurrency, Subject::Function, COMPUTE_CONFIGURATION, Low, Respond, "keeps environments running, and replaces them"),
    of("lambda", "DeleteProvisionedConcurrencyConfig", Concurrency, Subject::Function, COMPUTE_CONFIGURATION, Low, Respond, "ends environments that were kept running"),
    of("lambda", "PutFunctionRecursionConfig", Concurrency, Subject::Function, RESOURCE_HIJACKING, Medium, Respond, "decides whether endless loops are stopped"),
    of("lambda", "PutFunctionScalingConfig", Concurrency, Subject::Function, COMPUTE_CONFIGURATION, Low, Respond, "changes how many environments run"),

    // Code signing.
    of("lambda", "CreateCodeSigningConfig", CodeSigning, Subject::CodeSigningConfig, SIGNING_POLICY, Low, Record, "makes a signing configuration that no function uses yet"),
    of("lambda", "UpdateCodeSigningConfig", CodeSigning, Subject::CodeSigningConfig, SIGNING_POLICY, High, Respond, "changes whose code functions accept"),
    of("lambda", "DeleteCodeSigningConfig", CodeSigning, Subject::CodeSigningConfig, SIGNING_POLICY, High, Respond, "deletes the rule that code must be signed"),
    of("lambda", "PutFunctionCodeSigningConfig", CodeSigning, Subject::Function, SIGNING_POLICY, High, Respond, "changes whose code the function accepts"),
    of("lambda", "DeleteFunctionCodeSigningConfig", CodeSigning, Subject::Function, SIGNING_POLICY, High, Respond, "lets the function accept unsigned code"),

    // Destruction. The role, the log group and the published layers are still there to be kept.
    of("lambda", "DeleteFunction", Destruction, Subject::Function, DESTRUCTION, High, Respond, "deletes the function or a version; its role and logs may remain"),

    // Roles.
    of("iam", "UpdateAssumeRolePolicy", Role, Subject::Role, ACCOUNT_MANIPULATION, High, Respond, "changes who may take the role"),
    of("iam", "AttachRolePolicy", Role, Subject::Role, ADDITIONAL_ROLES, High, Respond, "gives the role more power"),
    of("iam", "PutRolePolicy", Role, Subject::Role, ADDITIONAL_ROLES, High, Respond, "writes what the role may do"),
    of("iam", "DetachRolePolicy", Role, Subject::Role, ACCESS_REMOVAL, Medium, Respond, "takes power from the role, or hides that it had it"),
    of("iam", "DeleteRolePolicy", Role, Subject::Role, ACCESS_REMOVAL, Medium, Respond, "takes power from the role, or hides that it had it"),
    of("iam", "PutRolePermissionsBoundary", Role, Subject::Role, ACCOUNT_MANIPULATION, Medium, Respond, "moves the bounds of the role"),
    of("iam", "DeleteRolePermissionsBoundary", Role, Subject::Role, ACCOUNT_MANIPULATION, High, Respond, "frees the role of its bounds"),
    of("iam", "UpdateRole", Role, Subject::Role, ACCOUNT_MANIPULATION, Low, Respond, "changes how long sessions of the role live"),
    of("iam", "UpdateRoleDescription", Role, Subject::Role, None, Info, Record, "changes words that grant nothing"),
    of("iam", "CreateRole", Role, Subject::Role, CREATE_ACCOUNT, Low, Record, "makes a role that no function uses yet"),
    of("iam", "DeleteRole", Role, Subject::Role, ACCESS_REMOVAL, High, Respond, "deletes a role that functions may name"),
    of("iam", "TagRole", Role, Subject::Role, ACCOUNT_MANIPULATION, Low, Record, "changes tags, which matter only to policies that read them"),
    of("iam", "UntagRole", Role, Subject::Role, ACCOUNT_MANIPULATION, Low, Record, "changes tags, which matter only to policies that read them"),

    // Policies. A version that can be deleted is not the one in force, and every update by the
    // usual tools deletes one; a policy must be detached first, which opens the role's case.
    of("iam", "CreatePolicyVersion", Policy, Subject::Policy, ADDITIONAL_ROLES, High, Respond, "writes what roles with this policy may do"),
    of("iam", "SetDefaultPolicyVersion", Policy, Subject::Policy, ADDITIONAL_ROLES, High, Respond, "puts another version of the policy in force"),
    of("iam", "DeletePolicyVersion", Policy, Subject::Policy, ACCESS_REMOVAL, Low, Record, "deletes a version that is not in force"),
    of("iam", "DeletePolicy", Policy, Subject::Policy, ACCESS_REMOVAL, Low, Record, "deletes a policy that no role carries any more"),

    // The audit trail: the responder's own feed. Whichever trail it is, someone has to look.
    of("cloudtrail", "StopLogging", AntiForensics, Subject::Trail, CLOUD_LOG, Critical, Respond, "stops the audit trail"),
    of("cloudtrail", "DeleteTrail", AntiForensics, Subject::Trail, CLOUD_LOG, Critical, Respond, "deletes the audit trail"),
    of("cloudtrail", "UpdateTrail", AntiForensics, Subject::Trail, CLOUD_LOG, High, Respond, "changes what the audit trail keeps and where"),
    of("cloudtrail", "PutEventSelectors", AntiForensics, Subject::Trail, CLOUD_LOG, High, Respond, "changes which events the audit trail keeps"),
    of("cloudtrail", "PutInsightSelectors", AntiForensics, Subject::Trail, CLOUD_LOG, Low, Record, "changes which anomalies the audit trail reports"),
    of("cloudtrail", "DeleteEventDataStore", AntiForensics, Subject::Nothing, CLOUD_LOG, High, Record, "deletes an event data store, beside the trail that feeds the responder"),
    of("cloudtrail", "StopEventDataStoreIngestion", AntiForensics, Subject::Nothing, CLOUD_LOG, High, Record, "stops an event data store, beside the trail that feeds the responder"),

    // Logs. Without a retention they are kept for ever, so deleting it destroys nothing.
    of("logs", "DeleteLogGroup", AntiForensics, Subject::LogGroup, CLOUD_LOG, High, RespondForFunctions, "deletes the log group"),
    of("logs", "DeleteLogStream", AntiForensics, Subject::LogGroup, CLOUD_LOG, High, RespondForFunctions, "deletes a log stream"),
    of("logs", "PutRetentionPolicy", AntiForensics, Subject::LogGroup, CLOUD_LOG, Medium, RespondForFunctions, "lets logs expire"),
    of("logs", "DeleteRetentionPolicy", AntiForensics, Subject::LogGroup, None, Info, Record, "keeps logs for ever"),
    of("logs", "PutSubscriptionFilter", AntiForensics, Subject::LogGroup, CLOUD_LOG, Medium, RespondForFunctions, "sends logs elsewhere, or no longer there"),
    of("logs", "DeleteSubscriptionFilter", AntiForensics, Subject::LogGroup, CLOUD_LOG, High, RespondForFunctions, "stops logs from being forwarded"),
    of("logs", "AssociateKmsKey", AntiForensics, Subject::LogGroup, CLOUD_LOG, Medium, RespondForFunctions, "encrypts logs with a key that may be out of reach"),
    of("logs", "DisassociateKmsKey", AntiForensics, Subject::LogGroup, CLOUD_LOG, Low, Record, "stops encrypting logs with the account's key"),
    of("logs", "PutDataProtectionPolicy", AntiForensics, Subject::LogGroup, CLOUD_LOG, Medium, RespondForFunctions, "masks what logs say"),

    // Rules. On others' rules a note: they may trigger functions, but AddPermission must come along.
    of("events", "DisableRule", AntiForensics, Subject::Rule, DEFENCE, Medium, Record, "switches a rule off"),
    of("events", "DeleteRule", AntiForensics, Subject::Rule, DEFENCE, Medium, Record, "deletes a rule"),
    of("events", "RemoveTargets", AntiForensics, Subject::Rule, DEFENCE, Medium, Record, "takes away what a rule calls"),
    of("events", "PutRule", AntiForensics, Subject::Rule, DEFENCE, Low, Record, "writes what a rule matches"),
    of("events", "PutTargets", AntiForensics, Subject::Rule, DEFENCE, Low, Record, "changes what a rule calls"),

    // Buckets. What shrinks protection is noted on any bucket; the rest is everyday deployment.
    of("s3", "PutBucketPolicy", AntiForensics, Subject::Bucket, DEFENCE, Low, Record, "changes who may do what in the bucket"),
    of("s3", "DeleteBucketPolicy", AntiForensics, Subject::Bucket, DEFENCE, Medium, Record, "drops the bucket's protection"),
    of("s3", "PutBucketLifecycle", AntiForensics, Subject::Bucket, LIFECYCLE_DELETION, Medium, Record, "may let objects expire"),
    of("s3", "PutBucketLifecycleConfiguration", AntiForensics, Subject::Bucket, LIFECYCLE_DELETION, Medium, Record, "may let objects expire"),
    of("s3", "DeleteBucketLifecycle", AntiForensics, Subject::Bucket, DEFENCE, Info, Ignore, "keeps objects longer"),
    of("s3", "PutBucketVersioning", AntiForensics, Subject::Bucket, INHIBIT_RECOVERY, Medium, Record, "may stop overwritten objects from being kept"),
    of("s3", "PutObjectLockConfiguration", AntiForensics, Subject::Bucket, INHIBIT_RECOVERY, Medium, Record, "changes how long new objects are locked"),
    of("s3", "PutBucketObjectLockConfiguration", AntiForensics, Subject::Bucket, INHIBIT_RECOVERY, Medium, Record, "changes how long new objects are locked"),
    of("s3", "PutBucketEncryption", AntiForensics, Subject::Bucket, DEFENCE, Low, Ignore, "changes the key of new objects"),
    of("s3", "DeleteBucketEncryption", AntiForensics, Subject::Bucket, DEFENCE, Medium, Record, "drops the key of new objects"),
    of("s3", "PutBucketAcl", AntiForensics, Subject::Bucket, DEFENCE, Low, Ignore, "changes who may read the bucket"),
    of("s3", "PutBucketOwnershipControls", AntiForensics, Subject::Bucket, DEFENCE, Low, Ignore, "changes who owns new objects"),
    of("s3", "PutBucketPublicAccessBlock", AntiForensics, Subject::Bucket, DEFENCE, Low, Ignore, "changes whether the bucket may be public"),
    of("s3", "DeleteBucketPublicAccessBlock", AntiForensics, Subject::Bucket, DEFENCE, Low, Ignore, "lets the bucket be public"),
    of("s3", "PutBucketReplication", AntiForensics, Subject::Bucket, TRANSFER_TO_ACCOUNT, Low, Ignore, "copies new objects elsewhere"),
    of("s3", "DeleteBucketReplication", AntiForensics, Subject::Bucket, DEFENCE, Low, Ignore, "stops copies of new objects"),
    // Data events, which come only where a trail records them for the responder's bucket. The responder
    // may not delete, so these are never its own; a delete marker hides evidence, locked or not.
    of("s3", "DeleteObject", AntiForensics, Subject::Bucket, DESTRUCTION, Low, Ignore, "deletes or hides an object"),
    of("s3", "DeleteObjects", AntiForensics, Subject::Bucket, DESTRUCTION, Low, Ignore, "deletes or hides objects"),
    of("s3", "DeleteBucket", AntiForensics, Subject::Bucket, DESTRUCTION, Medium, Record, "deletes the bucket"),

    // Keys. Losing the key loses what it encrypts.
    of("kms", "DisableKey", AntiForensics, Subject::Key, DESTRUCTION, Medium, Record, "makes what the key encrypts unreadable"),
    of("kms", "ScheduleKeyDeletion", AntiForensics, Subject::Key, DESTRUCTION, High, Record, "will make what the key encrypts unreadable for ever"),
    of("kms", "DeleteImportedKeyMaterial", AntiForensics, Subject::Key, DESTRUCTION, High, Record, "makes what the key encrypts unreadable"),
    of("kms", "PutKeyPolicy", AntiForensics, Subject::Key, DEFENCE, Medium, Record, "changes who may use the key"),
    of("kms", "CreateGrant", AntiForensics, Subject::Key, DEFENCE, Low, Ignore, "lets someone else use the key, as services do all day"),
    of("kms", "DisableKeyRotation", AntiForensics, Subject::Key, DEFENCE, Low, Ignore, "stops the key from being rotated"),
    of("kms", "UpdateAlias", AntiForensics, Subject::KeyAlias, DEFENCE, Low, Ignore, "points an alias at another key"),
    of("kms", "DeleteAlias", AntiForensics, Subject::KeyAlias, DEFENCE, Low, Ignore, "deletes an alias of a key"),

    // Queues, topics, state machines, alarms: watched for the responder's own only; on others' they
    // are everyday deployment, and what reaches a function from them shows in Lambda's own events.
    of("sqs", "SetQueueAttributes", AntiForensics, Subject::Queue, DEFENCE, Low, Ignore, "changes the queue's policy or settings"),
    of("sqs", "DeleteQueue", AntiForensics, Subject::Queue, DEFENCE, Low, Ignore, "deletes the queue"),
    of("sqs", "PurgeQueue", AntiForensics, Subject::Queue, DEFENCE, Low, Ignore, "throws away what waits in the queue"),
    of("sqs", "AddPermission", AntiForensics, Subject::Queue, DEFENCE, Low, Ignore, "lets someone else use the queue"),
    of("sqs", "RemovePermission", AntiForensics, Subject::Queue, DEFENCE, Low, Ignore, "takes the queue away from someone"),
    of("sns", "SetTopicAttributes", AntiForensics, Subject::Topic, DEFENCE, Low, Ignore, "changes the topic's policy or settings"),
    of("sns", "DeleteTopic", AntiForensics, Subject::Topic, DEFENCE, Low, Ignore, "deletes the topic"),
    of("sns", "Subscribe", AntiForensics, Subject::Topic, DEFENCE, Low, Ignore, "sends what the topic says to someone else"),
    of("sns", "Unsubscribe", AntiForensics, Subject::Topic, DEFENCE, Low, Ignore, "stops a subscriber from being told"),
    of("sns", "SetSubscriptionAttributes", AntiForensics, Subject::Topic, DEFENCE, Low, Ignore, "changes what a subscriber is told"),
    of("sns", "AddPermission", AntiForensics, Subject::Topic, DEFENCE, Low, Ignore, "lets someone else use the topic"),
    of("sns", "RemovePermission", AntiForensics, Subject::Topic, DEFENCE, Low, Ignore, "takes the topic away from someone"),
    of("states", "UpdateStateMachine", AntiForensics, Subject::StateMachine, DEFENCE, Low, Ignore, "changes what the state machine does"),
    of("states", "DeleteStateMachine", AntiForensics, Subject::StateMachine, DEFENCE, Low, Ignore, "deletes the state machine"),
    of("states", "StopExecution", AntiForensics, Subject::StateMachine, DEFENCE, Low, Ignore, "stops an execution under way"),
    of("cloudwatch", "DeleteAlarms", AntiForensics, Subject::Alarm, DEFENCE, Medium, Record, "deletes alarms"),
    of("cloudwatch", "DisableAlarmActions", AntiForensics, Subject::Alarm, DEFENCE, Medium, Record, "keeps alarms from telling anybody"),
    of("cloudwatch", "PutMetricAlarm", AntiForensics, Subject::Alarm, DEFENCE, Low, Ignore, "changes when an alarm goes off"),
    of("cloudwatch", "PutCompositeAlarm", AntiForensics, Subject::Alarm, DEFENCE, Low, Ignore, "changes when an alarm goes off"),
    of("cloudwatch", "SetAlarmState", AntiForensics, Subject::Alarm, DEFENCE, Low, Ignore, "overrides what an alarm says"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_service_and_a_name_have_one_row() {
        let keys: BTreeSet<_> = TABLE.iter().map(|r| (r.service, r.base_name)).collect();
        assert_eq!(keys.len(), TABLE.len());
    }

    #[test]
    fn every_case_has_a_technique_and_a_target() {
        for row in TABLE {
            if matches!(row.standing, Respond | RespondForFunctions) {
                assert!(row.technique.is_some(), "{}", row.base_name);
                assert!(!row.subject.kinds().is_empty(), "{}", row.base_name);
            }
        }
    }

    #[test]
    fn a_technique_is_an_id() {
        for id in TABLE.iter().filter_map(|row| row.technique) {
            let (technique, sub) = id.split_once('.').unwrap_or((id, "000"));
            let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            assert!(technique.len() == 5 && technique.starts_with('T'), "{id}");
            assert!(
                digits(&technique[1..]) && sub.len() == 3 && digits(sub),
                "{id}"
            );
        }
    }

    #[test]
    fn no_name_in_the_table_carries_a_date() {
        for row in TABLE {
            assert_eq!(crate::base_name(row.base_name), row.base_name);
        }
    }

    #[test]
    fn a_prefix_is_not_enough() {
        assert_eq!(row("lambda", "DeleteFunctionCode"), None);
        assert_eq!(row("lambda", "UpdateFunction"), None);
        assert_ne!(
            row("lambda", "DeleteFunction"),
            row("lambda", "DeleteFunctionConcurrency")
        );
        assert_ne!(row("lambda", "UpdateAlias"), row("kms", "UpdateAlias"));
    }
}
