//! Deployers that the owner trusts, and what an event says of them.
//!
//! A change of theirs makes a case like any other. If it came from where they work and concerns what
//! they deploy, the case says so; the same role from elsewhere, or at another function, is worse than
//! a stranger: somebody has its credentials.

use evidence::{Confidence, Finding, Proof, Severity, Target, shown};
use function::is_like;
use serde_json::Value;
use std::net::IpAddr;
use std::str::FromStr;
use trail::Record;

/// The finding of a change that was to be expected.
pub(crate) const EXPECTED: &str = "expected-change";
/// The finding of a trusted role that is used as it never is.
const UNEXPECTED: &str = "unexpected-use-of-deployer";

/// A pipeline's role, where it works from, and what it deploys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployer {
    role: Target,
    places: Vec<Place>,
    functions: Vec<String>,
}

/// Where a call may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// A block of addresses.
    Block { network: IpAddr, bits: u32 },
    /// A VPC endpoint.
    Endpoint(String),
    /// A service of AWS that calls in the role's name: CloudTrail then names its host.
    Host(String),
}

/// Text that names no trusted deployers.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no trusted deployer: it takes ROLE_ARN|ADDRESSES|FUNCTIONS, e.g. \
     arn:aws:iam::111122223333:role/pipeline|198.51.100.0/24,cloudformation.amazonaws.com|billing-*"
)]
pub struct BadDeployer(String);

impl Deployer {
    /// Reads `ROLE_ARN|ADDRESSES|FUNCTIONS`, several after semicolons. None of the three may be
    /// missing: what is unusual has to be said.
    pub fn all(text: &str) -> Result<Vec<Self>, BadDeployer> {
        let some = |part: &&str| !part.trim().is_empty();
        text.split(';').filter(some).map(str::parse).collect()
    }

    /// What is unusual about this event; nothing if all is as it should be.
    fn unusual(&self, record: &Record, target: &Target) -> Vec<String> {
        let mut unusual = Vec::new();
        let address = record.source_address().unwrap_or_default();
        // Through an interface endpoint the address is one of the caller's own network, and anybody can
        // have a network of any addresses.
        let endpoint = record.raw().get("vpcEndpointId").and_then(Value::as_str);
        let holds = |place: &Place| match endpoint {
            Some(endpoint) => place.is_endpoint(endpoint),
            None => place.holds(address),
        };
        if !self.places.iter().any(holds) {
            let through = endpoint
                .map(|id| format!(" through {id}"))
                .unwrap_or_default();
            let address = shown(&format!("{address}{through}"), 100);
            unusual.push(format!("from {address}, where it does not work"));
        }
        let is_its = |pattern: &String| is_like(pattern, &target.name);
        let is_function = target.kind == evidence::ResourceKind::Function;
        if !(is_function && self.functions.iter().any(is_its)) {
            let what = format!("{} {}", target.kind.as_str(), target.name);
            unusual.push(format!(
                "at {}, which it does not deploy",
                shown(&what, 160)
            ));
        }
        unusual
    }

    /// Whether somebody acted in a session of this role.
    fn acted(&self, record: &Record) -> bool {
        let issuer = record.session_issuer_arn();
        issuer.and_then(|arn| Target::from_arn(arn).ok()).as_ref() == Some(&self.role)
    }
}

impl FromStr for Deployer {
    type Err = BadDeployer;

    fn from_str(text: &str) -> Result<Self, BadDeployer> {
        let bad = || BadDeployer(text.chars().take(300).collect());
        let mut parts = text.trim().split('|');
        let (Some(role), Some(places), Some(functions), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        let role = Target::from_arn(role.trim()).map_err(|_| bad())?;
        let listed = |list: &str| -> Vec<String> {
            let items = list.split(',').map(str::trim);
            items
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let places = listed(places);
        let places: Option<Vec<Place>> = places.iter().map(|place| Place::read(place)).collect();
        let deployer = Self {
            role,
            places: places.ok_or_else(bad)?,
            functions: listed(functions),
        };
        let is_role = deployer.role.kind == evidence::ResourceKind::Role;
        if !is_role || deployer.places.is_empty() || deployer.functions.is_empty() {
            return Err(bad());
        }
        Ok(deployer)
    }
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        if text.ends_with(".amazonaws.com") {
            return Some(Self::Host(text.to_owned()));
        }
        if text.starts_with("vpce-") {
            return Some(Self::Endpoint(text.to_owned()));
        }
        let (network, bits) = match text.split_once('/') {
            Some((network, bits)) => (network, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let network: IpAddr = network.parse().ok()?;
        let longest = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(longest);
        (bits <= longest).then_some(Self::Block { network, bits })
    }

    fn is_endpoint(&self, id: &str) -> bool {
        matches!(self, Self::Endpoint(endpoint) if endpoint == id)
    }

    fn holds(&self, address: &str) -> bool {
        match self {
            Self::Host(host) => host == address,
            Self::Endpoint(_) => false,
            Self::Block { network, bits } => match (network, address.parse()) {
                (IpAddr::V4(network), Ok(IpAddr::V4(address))) => {
                    let differing = u32::from(*network) ^ u32::from(address);
                    differing.leading_zeros() >= *bits
                }
                (IpAddr::V6(network), Ok(IpAddr::V6(address))) => {
                    let differing = u128::from(*network) ^ u128::from(address);
                    differing.leading_zeros() >= *bits
                }
                _ => false,
            },
        }
    }
}

/// What an event about `target` says of the trusted deployers; nothing if none of them acted.
pub(crate) fn finding(deployers: &[Deployer], record: &Record, target: &Target) -> Option<Finding> {
    let theirs: Vec<&Deployer> = deployers.iter().filter(|one| one.acted(record)).collect();
    // A role may be named more than once, with other places for other functions.
    let unusual: Vec<Vec<String>> = theirs
        .iter()
        .map(|one| one.unusual(record, target))
        .collect();
    let least = unusual.into_iter().min_by_key(Vec::len)?;
    let role = theirs.first().map(|one| one.role.arn()).unwrap_or_default();
    let path = |path: &str| Proof {
        exhibit: "trigger-event".to_owned(),
        path: Some(path.to_owned()),
        line: None,
        excerpt: None,
    };
    let proof = vec![
        path("/userIdentity/sessionContext/sessionIssuer/arn"),
        path("/sourceIPAddress"),
    ];
    if least.is_empty() {
        return Some(Finding {
            rule: EXPECTED.to_owned(),
            statement: format!(
                "A session of the trusted deployer {role} made the change, from where it works and \
                 at what it deploys."
            ),
            severity: Severity::Info,
            confidence: Confidence::Medium,
            technique: None,
            advice: Some(
                "Check that the pipeline deployed at that time; a trusted deployer can be misused \
                 where it works."
                    .to_owned(),
            ),
            proof,
        });
    }
    Some(Finding {
        rule: UNEXPECTED.to_owned(),
        statement: format!(
            "A session of the trusted deployer {role} made the change {}.",
            least.join(" and ")
        ),
        severity: Severity::High,
        confidence: Confidence::High,
        technique: Some("T1078.004".to_owned()),
        advice: Some(
            "Ask the pipeline's owner whether this was theirs; if not, revoke the role's sessions and \
             look for where its credentials went."
                .to_owned(),
        ),
        proof,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use evidence::ResourceKind;
    use serde_json::json;

    const ROLE: &str = "arn:aws:iam::111122223333:role/ci/pipeline";
    const SAYS: &str = "arn:aws:iam::111122223333:role/ci/pipeline|198.51.100.0/24, 2001:db8::/32,cloudformation.amazonaws.com|billing-*,orders";

    fn record(issuer: &str, address: &str) -> Record {
        through(None, issuer, address)
    }

    fn through(endpoint: Option<&str>, issuer: &str, address: &str) -> Record {
        let record = json!({
            "vpcEndpointId": endpoint,
            "eventVersion": "1.09", "eventSource": "lambda.amazonaws.com",
            "eventName": "UpdateFunctionCode20150331v2", "eventTime": "2026-01-02T03:04:05Z",
            "sourceIPAddress": address,
            "userIdentity": {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn": issuer}}},
        });
        trail::unwrap_value(record).pop().unwrap().unwrap()
    }

    fn rule(says: &str, issuer: &str, address: &str, function: &str) -> Option<String> {
        let deployers = Deployer::all(says).unwrap();
        let target = Target::aws(
            "111122223333",
            "eu-west-1",
            ResourceKind::Function,
            function,
        );
        finding(&deployers, &record(issuer, address), &target).map(|found| found.rule)
    }

    #[test]
    fn who_deploys_what_it_deploys_from_where_it_works_is_expected() {
        for address in [
            "198.51.100.7",
            "2001:db8::1",
            "cloudformation.amazonaws.com",
        ] {
            for function in ["billing-api", "orders"] {
                let found = rule(SAYS, ROLE, address, function);
                assert_eq!(found.as_deref(), Some(EXPECTED), "{address} {function}");
            }
        }
    }

    #[test]
    fn the_same_role_from_elsewhere_or_at_another_function_is_not() {
        for (address, function) in [
            ("203.0.113.9", "orders"),
            ("198.51.101.1", "orders"),
            ("", "orders"),
            ("cloudformation.amazonaws.com.evil.test", "orders"),
            ("198.51.100.7", "orders-2"),
            ("198.51.100.7", "payroll"),
        ] {
            let found = rule(SAYS, ROLE, address, function);
            assert_eq!(found.as_deref(), Some(UNEXPECTED), "{address} {function}");
        }
    }

    #[test]
    fn an_address_in_a_network_of_anybodys_making_counts_for_nothing() {
        let target = Target::aws(
            "111122223333",
            "eu-west-1",
            ResourceKind::Function,
            "orders",
        );
        let found = |places: &str, endpoint| {
            let deployers = Deployer::all(&format!("{ROLE}|{places}|orders")).unwrap();
            let record = through(Some(endpoint), ROLE, "198.51.100.7");
            finding(&deployers, &record, &target).unwrap().rule
        };
        assert_eq!(found("198.51.100.0/24", "vpce-0a1b"), UNEXPECTED);
        assert_eq!(found("198.51.100.0/24,vpce-0a1b", "vpce-0a1b"), EXPECTED);
        assert_eq!(found("vpce-0a1b", "vpce-0a1c"), UNEXPECTED);
    }

    #[test]
    fn anybody_else_is_neither() {
        for issuer in [
            "",
            "arn:aws:iam::111122223333:role/ci/pipeline-2",
            "arn:aws:iam::999999999999:role/ci/pipeline",
        ] {
            assert_eq!(
                rule(SAYS, issuer, "198.51.100.7", "orders"),
                None,
                "{issuer}"
            );
        }
        assert_eq!(rule("", ROLE, "198.51.100.7", "orders"), None);
    }

    #[test]
    fn what_one_line_does_not_allow_another_may() {
        let says = format!("{ROLE}|192.0.2.1|orders;{ROLE}|198.51.100.0/24|billing");
        let found = |address, function| rule(&says, ROLE, address, function).unwrap();
        assert_eq!(found("192.0.2.1", "orders"), EXPECTED);
        assert_eq!(found("198.51.100.1", "billing"), EXPECTED);
        assert_eq!(found("192.0.2.1", "billing"), UNEXPECTED);
    }

    #[test]
    fn a_change_of_something_else_than_a_function_is_never_expected() {
        let deployers = Deployer::all(&format!("{ROLE}|0.0.0.0/0|*")).unwrap();
        let key = Target::aws("111122223333", "eu-west-1", ResourceKind::Key, "orders");
        let found = finding(&deployers, &record(ROLE, "192.0.2.1"), &key).unwrap();
        assert_eq!(found.rule, UNEXPECTED);
    }

    #[test]
    fn all_three_have_to_be_said() {
        for bad in [
            "pipeline|192.0.2.1|*",
            "arn:aws:iam::111122223333:role/x",
            "arn:aws:iam::111122223333:role/x||*",
            "arn:aws:iam::111122223333:role/x|192.0.2.1|",
            "arn:aws:iam::111122223333:role/x|192.0.2.1/33|*",
            "arn:aws:iam::111122223333:role/x|office|*",
            "arn:aws:iam::111122223333:policy/x|192.0.2.1|*",
            "arn:aws:iam::111122223333:role/x|192.0.2.1|*|more",
        ] {
            assert!(Deployer::all(bad).is_err(), "{bad}");
        }
    }
}
