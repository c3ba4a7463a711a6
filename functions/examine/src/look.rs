//! One look at one package: everything that is looked for, in one pass over it.

use crate::owner::Owner;
use crate::parts::Wanted;
use ::evidence::{Finding, shown};
use package::{
    Component, Components, Contents, InstallScripts, Integrity, Limits, Observer, Source, Subject,
    irregularities, lookalikes,
};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// A package, and what it is looked at with.
pub(crate) struct Look {
    pub(crate) file: NamedTempFile,
    pub(crate) wanted: Wanted,
    pub(crate) limits: Limits,
    pub(crate) owner: Arc<Owner>,
}

/// What was seen.
pub(crate) struct Looked {
    pub(crate) contents: Contents,
    pub(crate) components: Vec<Component>,
    pub(crate) findings: Vec<Finding>,
}

impl Look {
    /// Takes it; or says why it cannot be taken. Works without pause: for a thread of its own.
    pub(crate) fn take(self) -> Result<Looked, String> {
        let part = self.wanted.content.name.as_str();
        let told = |error: package::Unreadable| shown(&error.to_string(), 300);
        let mut source = Source::open(self.file.path()).map_err(told)?;
        let mut components = Components::new();
        let mut integrity = Integrity::new();
        let mut scripts = InstallScripts::new();
        let mut observers: Vec<&mut dyn Observer> =
            vec![&mut components, &mut integrity, &mut scripts];
        let contents = source.read(&self.limits, &mut observers).map_err(told)?;
        let mut findings = irregularities(part, &contents);
        findings.extend(components.gaps(part));
        let components = components.finish(&contents);
        findings.extend(integrity.finish(&contents).findings(part));
        findings.extend(scripts.finish(part));
        findings.extend(lookalikes(part, &components));
        if let Some(expected) = &self.owner.expected {
            let subject = Subject {
                part,
                arn: self.wanted.arn.as_deref(),
                sha256: Some(self.wanted.content.sha256),
            };
            findings.extend(expected.check(&subject, &contents, &components));
        }
        Ok(Looked {
            contents,
            components,
            findings,
        })
    }
}

/// What several packages do to each other.
pub(crate) fn across(_held: &[(Wanted, Contents)]) -> Vec<Finding> {
    Vec::new()
}
