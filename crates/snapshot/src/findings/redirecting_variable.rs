//! Environment variables that send the function's calls elsewhere.

use super::{Look, Noticed, Rule};
use evidence::Severity;

/// By name only: values are not known here.
pub(super) const RULE: Rule = Rule {
    id: "redirecting-variable",
    technique: "T1557",
    advice: "Look at the address in the configuration exhibit: calls that go there carry signed requests, and answers from there are believed.",
    look,
};

const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
];
const TRUST: [&str; 4] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];
const CREDENTIALS: [&str; 4] = [
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
];

fn look(look: &Look<'_>) -> Vec<Noticed> {
    super::variables(look, &|name| {
        let upper = name.to_ascii_uppercase();
        let upper = upper.as_str();
        if upper.starts_with("AWS_ENDPOINT_URL") {
            Some((
                "says where AWS services are",
                Severity::Info,
                Severity::High,
            ))
        } else if PROXIES.contains(&upper) || TRUST.contains(&upper) {
            Some((
                "lets somebody stand between the function and whom it calls",
                Severity::Info,
                Severity::Medium,
            ))
        } else if CREDENTIALS.contains(&upper) {
            Some((
                "says where credentials come from",
                Severity::Info,
                Severity::Medium,
            ))
        } else if upper == "NODE_TLS_REJECT_UNAUTHORIZED" || upper == "PYTHONHTTPSVERIFY" {
            Some((
                "can turn the check of certificates off",
                Severity::Low,
                Severity::Medium,
            ))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::canned::ordinary;
    use crate::findings::tests::found;
    use evidence::Severity;

    const RULE: &str = "redirecting-variable";

    #[test]
    fn one_that_came_since_weighs_and_one_from_before_does_not() {
        for (name, severity) in [
            ("AWS_ENDPOINT_URL_S3", Severity::High),
            ("https_proxy", Severity::Medium),
        ] {
            let now = ordinary().variable(name, "https://elsewhere.example");
            assert_eq!(found(RULE, &now, Some(&ordinary())), [severity], "{name}");
            assert_eq!(found(RULE, &now, Some(&now)), [Severity::Info], "{name}");
            assert_eq!(found(RULE, &now, None), [Severity::Info], "{name}");
        }
    }

    #[test]
    fn an_address_of_the_functions_own_is_nothing() {
        let now = ordinary().variable("PAYMENTS_URL", "https://elsewhere.example");
        assert_eq!(found(RULE, &now, Some(&ordinary())), []);
    }
}
