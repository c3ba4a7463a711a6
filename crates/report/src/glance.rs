//! Who, what, when, where: what opened the case, and on what.

use crate::word;
use evidence::{Manifest, Severity, Trigger, shown};
use jiff::Timestamp;
use serde::Serialize;

/// The case at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Glance {
    /// Who made the change, as CloudTrail names them; who asked is not recorded.
    pub principal: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// The call that opened the case; none where a person asked.
    pub event: Option<String>,
    /// CloudTrail's id of it, or that of the request.
    pub id: String,
    /// What the call touches: `code`, `permission`.
    pub category: Option<String>,
    /// MITRE ATT&CK technique id of the call.
    pub technique: Option<String>,
    /// How bad such a call is by itself.
    pub severity: Option<Severity>,
    /// In a person's words, why the case was opened.
    pub reason: Option<String>,
    /// When it happened, or when the request came in.
    pub occurred_at: Timestamp,
    /// The function's name.
    pub name: String,
    /// What kind of resource it is.
    pub kind: String,
    /// Its ARN.
    pub arn: String,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// When work on the case began.
    pub opened_at: Timestamp,
    /// When the case itself was sealed.
    pub sealed_at: Timestamp,
    /// Which program sealed it.
    pub program: String,
    /// As whom.
    pub identity: String,
}

impl Glance {
    /// Of the case itself.
    pub fn of(manifest: &Manifest) -> Self {
        let text = |text: &str| shown(text, 300);
        let target = &manifest.target;
        let responder = &manifest.responder;
        let mut glance = Self {
            principal: None,
            address: None,
            event: None,
            id: text(manifest.trigger.identity()),
            category: None,
            technique: None,
            severity: None,
            reason: None,
            occurred_at: manifest.trigger.occurred_at(),
            name: text(&target.name),
            kind: target.kind.as_str().to_owned(),
            arn: shown(&target.id(), 600),
            account: text(&target.account),
            region: text(&target.region),
            opened_at: manifest.opened_at,
            sealed_at: manifest.sealed_at,
            program: text(&format!("{} {}", responder.program, responder.version)),
            identity: text(&responder.identity),
        };
        match &manifest.trigger {
            Trigger::CloudTrailEvent {
                event_name,
                category,
                severity,
                technique,
                principal,
                source_address,
                ..
            } => {
                glance.event = Some(text(event_name));
                glance.category = Some(word(category));
                glance.severity = Some(*severity);
                glance.technique = Some(text(technique));
                glance.principal = principal.as_deref().map(text);
                glance.address = source_address.as_deref().map(text);
            }
            Trigger::Person { reason, .. } => glance.reason = Some(shown(reason, 1000)),
        }
        glance
    }
}
