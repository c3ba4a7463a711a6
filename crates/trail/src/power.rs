//! Calls that give power, keep it, reach for secrets or blind those who watch.
//!
//! What changes functions, roles, policies, logs and trails stands in [`TABLE`](crate::TABLE) already;
//! the rows here are what else a role may do with its power.

use crate::activity::Call;
use crate::table::{Standing, row};
use evidence::Severity;

use Severity::{Critical, High, Low, Medium};

/// What one API call means in the hands of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Power {
    pub(crate) service: &'static str,
    pub(crate) base_name: &'static str,
    pub(crate) technique: &'static str,
    pub(crate) severity: Severity,
    /// Reads on behind the call's name.
    pub(crate) meaning: &'static str,
}

/// The power that a call uses, if it is one of note.
pub(crate) fn of(call: &Call<'_>) -> Option<Power> {
    let power = named(&call.service, &call.action)?;
    if power.service == "sts" && power.base_name == "AssumeRole" {
        // Some functions take their own role again, for a narrower session.
        let asked = call.record.request("roleArn").and_then(|arn| arn.as_str());
        let own = call.record.session_issuer_arn();
        return (asked.is_none() || asked != own).then_some(power);
    }
    Some(power)
}

pub(crate) fn named(service: &str, base_name: &str) -> Option<Power> {
    let listed = POWERS
        .iter()
        .find(|power| power.base_name == base_name && power.service == service);
    if let Some(power) = listed {
        return Some(*power);
    }
    let row = row(service, base_name).filter(|row| row.standing != Standing::Ignore)?;
    Some(Power {
        service: row.service,
        base_name: row.base_name,
        technique: row.technique?,
        severity: row.severity,
        meaning: row.meaning,
    })
}

const fn of_service(
    service: &'static str,
    base_name: &'static str,
    technique: &'static str,
    severity: Severity,
    meaning: &'static str,
) -> Power {
    Power {
        service,
        base_name,
        technique,
        severity,
        meaning,
    }
}

/// MITRE ATT&CK Enterprise v19, as [`TABLE`](crate::TABLE).
#[rustfmt::skip] // One row, one line: the table is read by columns.
const POWERS: &[Power] = &[
    // Users, groups and keys: power that outlives the session.
    of_service("iam", "CreateUser", "T1136.003", High, "makes a user"),
    of_service("iam", "CreateAccessKey", "T1098.001", High, "makes credentials that outlive the session"),
    of_service("iam", "UpdateAccessKey", "T1098.001", Medium, "switches an access key on or off"),
    of_service("iam", "DeleteAccessKey", "T1531", Medium, "takes an access key away"),
    of_service("iam", "CreateLoginProfile", "T1098.001", High, "gives a user a password for the console"),
    of_service("iam", "UpdateLoginProfile", "T1098.001", High, "changes a user's password"),
    of_service("iam", "CreateServiceSpecificCredential", "T1098.001", High, "makes credentials that outlive the session"),
    of_service("iam", "UploadSSHPublicKey", "T1098.004", High, "gives a user a key of somebody's"),
    of_service("iam", "UploadSigningCertificate", "T1098.001", High, "gives a user a certificate of somebody's"),
    of_service("iam", "AttachUserPolicy", "T1098.003", High, "gives a user more power"),
    of_service("iam", "PutUserPolicy", "T1098.003", High, "writes what a user may do"),
    of_service("iam", "AttachGroupPolicy", "T1098.003", High, "gives a group more power"),
    of_service("iam", "PutGroupPolicy", "T1098.003", High, "writes what a group may do"),
    of_service("iam", "AddUserToGroup", "T1098.003", High, "gives a user a group's power"),
    of_service("iam", "CreateGroup", "T1098.003", Low, "makes a group"),
    of_service("iam", "CreatePolicy", "T1098.003", Low, "writes a policy that nobody carries yet"),
    of_service("iam", "DeleteUser", "T1531", High, "deletes a user"),
    of_service("iam", "DeleteUserPolicy", "T1531", Medium, "takes power from a user"),
    of_service("iam", "DetachUserPolicy", "T1531", Medium, "takes power from a user"),
    of_service("iam", "DeleteUserPermissionsBoundary", "T1098", High, "frees a user of its bounds"),
    of_service("iam", "PutUserPermissionsBoundary", "T1098", Medium, "moves the bounds of a user"),
    of_service("iam", "AddRoleToInstanceProfile", "T1098.003", High, "gives a role to machines"),
    of_service("iam", "CreateInstanceProfile", "T1098.003", Low, "makes a profile by which machines get a role"),
    of_service("iam", "DeactivateMFADevice", "T1556.006", High, "lets a user in without a second factor"),
    of_service("iam", "DeleteVirtualMFADevice", "T1556.006", Medium, "deletes a second factor"),
    of_service("iam", "UpdateAccountPasswordPolicy", "T1556", Medium, "changes what passwords must be like"),
    of_service("iam", "DeleteAccountPasswordPolicy", "T1556", Medium, "lets passwords be anything"),
    of_service("iam", "CreateSAMLProvider", "T1484.002", High, "lets an identity provider vouch for callers"),
    of_service("iam", "UpdateSAMLProvider", "T1484.002", High, "changes which identity provider vouches for callers"),
    of_service("iam", "CreateOpenIDConnectProvider", "T1484.002", High, "lets an identity provider vouch for callers"),
    of_service("iam", "AddClientIDToOpenIDConnectProvider", "T1484.002", Medium, "lets further clients of an identity provider in"),
    of_service("rolesanywhere", "CreateTrustAnchor", "T1484.002", High, "lets a certificate authority vouch for callers"),
    of_service("rolesanywhere", "CreateProfile", "T1098.001", High, "lets holders of a certificate take roles"),

    // Other identities.
    of_service("sts", "AssumeRole", "T1548.005", Medium, "takes another role"),
    of_service("sts", "GetFederationToken", "T1550.001", High, "makes a session that outlives a revoked key"),
    of_service("sts", "GetSessionToken", "T1550.001", Medium, "makes a session from long-lived credentials"),
    of_service("signin", "GetSigninToken", "T1550.001", High, "turns the session into one of the console"),
    of_service("signin", "ConsoleLogin", "T1078.004", Medium, "uses the console"),

    // Secrets.
    of_service("secretsmanager", "GetSecretValue", "T1555.006", Medium, "reads a secret"),
    of_service("secretsmanager", "BatchGetSecretValue", "T1555.006", Medium, "reads secrets"),
    of_service("secretsmanager", "PutResourcePolicy", "T1555.006", High, "lets somebody else read a secret"),
    of_service("secretsmanager", "DeleteSecret", "T1485", High, "deletes a secret"),
    of_service("ssm", "GetParameter", "T1555.006", Low, "reads a parameter"),
    of_service("ssm", "GetParameters", "T1555.006", Low, "reads parameters"),
    of_service("ssm", "GetParametersByPath", "T1555.006", Medium, "reads all parameters under a path"),
    of_service("ssm", "GetParameterHistory", "T1555.006", Medium, "reads earlier values of a parameter"),
    of_service("ec2", "GetPasswordData", "T1552", Medium, "reads a machine's administrator password"),

    // Machines.
    of_service("ssm", "SendCommand", "T1651", High, "runs commands on machines"),
    of_service("ssm", "StartSession", "T1651", High, "opens a shell on a machine"),
    of_service("ec2-instance-connect", "SendSSHPublicKey", "T1098.004", High, "puts a key onto a machine"),
    of_service("ec2-instance-connect", "SendSerialConsoleSSHPublicKey", "T1098.004", High, "puts a key onto a machine's console"),
    of_service("ec2", "ImportKeyPair", "T1098.004", Medium, "brings a key for machines to come"),
    of_service("ec2", "CreateKeyPair", "T1098.004", Low, "makes a key for machines to come"),
    of_service("ec2", "RunInstances", "T1578.002", Medium, "starts machines"),
    of_service("ec2", "AssociateIamInstanceProfile", "T1098.003", High, "gives a role to a machine"),
    of_service("ec2", "ReplaceIamInstanceProfileAssociation", "T1098.003", High, "gives another role to a machine"),

    // Data to other accounts.
    of_service("ec2", "ModifySnapshotAttribute", "T1537", High, "lets another account read a disk"),
    of_service("ec2", "ModifyImageAttribute", "T1537", High, "lets another account use an image"),
    of_service("rds", "ModifyDBSnapshotAttribute", "T1537", High, "lets another account read a database"),
    of_service("rds", "ModifyDBClusterSnapshotAttribute", "T1537", High, "lets another account read a database"),
    of_service("s3", "PutBucketReplication", "T1537", Medium, "copies new objects elsewhere"),
    of_service("s3", "PutBucketAcl", "T1537", Medium, "changes who may read a bucket"),
    of_service("s3", "DeleteBucketPublicAccessBlock", "T1537", Medium, "lets a bucket be public"),
    of_service("ecr", "SetRepositoryPolicy", "T1537", Medium, "changes who may read images"),
    of_service("ecr", "PutImage", "T1525", Medium, "puts an image where functions and machines get theirs"),

    // Those who watch, beyond the trail and the logs.
    of_service("guardduty", "DeleteDetector", "T1685", Critical, "ends threat detection"),
    of_service("guardduty", "UpdateDetector", "T1685", High, "changes what threat detection looks at"),
    of_service("guardduty", "StopMonitoringMembers", "T1685", High, "ends threat detection in accounts"),
    of_service("guardduty", "DisassociateFromAdministratorAccount", "T1685", High, "takes the account from those who watch it"),
    of_service("guardduty", "CreateFilter", "T1685", High, "hides findings"),
    of_service("guardduty", "CreateIPSet", "T1685", High, "makes addresses trusted"),
    of_service("config", "StopConfigurationRecorder", "T1685", High, "stops recording configurations"),
    of_service("config", "DeleteConfigurationRecorder", "T1685", High, "stops recording configurations"),
    of_service("config", "DeleteDeliveryChannel", "T1685", High, "stops telling of configurations"),
    of_service("securityhub", "DisableSecurityHub", "T1685", High, "ends the collection of findings"),
    of_service("macie2", "DisableMacie", "T1685", High, "ends the search for exposed data"),
    of_service("access-analyzer", "DeleteAnalyzer", "T1685", High, "ends the search for exposed resources"),
    of_service("ec2", "DeleteFlowLogs", "T1685.002", High, "stops recording network traffic"),
    of_service("route53resolver", "DeleteResolverQueryLogConfig", "T1685.002", High, "stops recording name queries"),
    of_service("organizations", "LeaveOrganization", "T1666", Critical, "takes the account from its organisation and its guard rails"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_call_has_one_row_and_a_technique_that_is_an_id() {
        let names: BTreeSet<_> = POWERS.iter().map(|p| (p.service, p.base_name)).collect();
        assert_eq!(names.len(), POWERS.len());
        for power in POWERS {
            assert_eq!(crate::base_name(power.base_name), power.base_name);
            let (technique, sub) = power
                .technique
                .split_once('.')
                .unwrap_or((power.technique, "000"));
            assert!(technique.len() == 5 && technique.starts_with('T') && sub.len() == 3);
        }
    }

    #[test]
    fn a_row_here_says_more_than_the_table_or_the_table_says_nothing() {
        for power in POWERS {
            if let Some(row) = row(power.service, power.base_name) {
                assert_eq!(row.standing, Standing::Ignore, "{}", power.base_name);
            }
        }
        assert_eq!(
            named("lambda", "UpdateFunctionCode").map(|p| p.technique),
            Some("T1648")
        );
        assert_eq!(named("kms", "CreateGrant"), None);
        assert_eq!(named("lambda", "TagResource"), None);
        assert_eq!(named("s3", "GetObject"), None);
    }
}
