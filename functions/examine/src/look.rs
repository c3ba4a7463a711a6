//! One look at one package: everything that is looked for, in one pass over it.

use crate::owner::Owner;
use crate::parts::{PartChange, Wanted};
use ::evidence::{Finding, Sha256Digest, shown};
use package::{Component, Contents, Examined, Limits, Source, Subject, Tools};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::NamedTempFile;

/// A package, and what it is looked at with.
pub(crate) struct Look {
    pub(crate) file: NamedTempFile,
    /// What was in its place, or why that is not at hand.
    pub(crate) before: Option<(Sha256Digest, Result<NamedTempFile, String>)>,
    pub(crate) wanted: Wanted,
    pub(crate) limits: Limits,
    pub(crate) owner: Arc<Owner>,
}

/// What was seen.
pub(crate) struct Looked {
    pub(crate) contents: Contents,
    pub(crate) components: Vec<Component>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) changed: Option<PartChange>,
}

impl Look {
    /// Takes it; or says why it cannot be taken. Works without pause: for a thread of its own.
    pub(crate) fn take(self) -> Result<Looked, String> {
        let part = self.wanted.part();
        let told = |error: package::Unreadable| shown(&error.to_string(), 300);
        let mut source = Source::open(self.file.path()).map_err(told)?;
        let subject = Subject {
            part: &part.name,
            arn: self.wanted.arn.as_deref(),
            sha256: Some(self.wanted.content.sha256),
        };
        let tools = Tools {
            limits: self.limits,
            advisories: &self.owner.advisories,
            expected: self.owner.expected.as_ref(),
        };
        let Examined {
            contents,
            components,
            findings,
            ..
        } = package::examine(&part, &subject, &mut source, &tools, None).map_err(told)?;
        let changed = self
            .before
            .as_ref()
            .map(|(sha256, before)| self.compared(*sha256, before, &contents));
        Ok(Looked {
            contents,
            components,
            findings,
            changed,
        })
    }

    /// Tells the package from the one that was in its place.
    fn compared(
        &self,
        before_sha256: Sha256Digest,
        before: &Result<NamedTempFile, String>,
        after: &Contents,
    ) -> PartChange {
        let mut change = PartChange {
            part: self.wanted.content.name.clone(),
            before_sha256,
            after_sha256: self.wanted.content.sha256,
            added: 0,
            removed: 0,
            changed: 0,
            not_compared: None,
        };
        let read = before.as_ref().map_err(Clone::clone).and_then(|file| {
            let told = |error: package::Unreadable| shown(&error.to_string(), 300);
            let mut source = Source::open(file.path()).map_err(told)?;
            source.read(&self.limits, &mut []).map_err(told)
        });
        let before = match read {
            Ok(before) => before,
            Err(why) => {
                change.not_compared = Some(why);
                return change;
            }
        };
        let known: BTreeMap<&str, _> = before
            .files
            .iter()
            .map(|file| (file.path.as_str(), file.sha256))
            .collect();
        let mut kept = 0;
        for file in &after.files {
            match known.get(file.path.as_str()) {
                None => change.added += 1,
                Some(sha256) => {
                    kept += 1;
                    change.changed += usize::from(*sha256 != file.sha256);
                }
            }
        }
        change.removed = known.len().saturating_sub(kept);
        change
    }
}
