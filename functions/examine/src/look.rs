//! One look at one package: everything that is looked for, in one pass over it.

use crate::owner::Owner;
use crate::parts::{PartChange, Wanted};
use ::evidence::{Finding, Sha256Digest, shown};
use package::{Component, Contents, Difference, Examined, Limits, Source, Subject, Tools};
use signatures::{Bounds, Matching};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::NamedTempFile;

/// A package, and what it is looked at with.
pub(crate) struct Look {
    pub(crate) file: NamedTempFile,
    /// What was in its place, or why that is not at hand.
    pub(crate) before: Option<(Sha256Digest, Result<NamedTempFile, String>)>,
    pub(crate) wanted: Wanted,
    pub(crate) limits: Limits,
    pub(crate) owner: Arc<Owner>,
    /// The longest that files are held against rules.
    pub(crate) time_for_rules: Duration,
}

/// What was seen.
pub(crate) struct Looked {
    pub(crate) contents: Contents,
    pub(crate) components: Vec<Component>,
    pub(crate) findings: Vec<Finding>,
    /// What is different, if it was another one before.
    pub(crate) changed: Option<(PartChange, Option<Difference>)>,
}

/// Counts a look for as long as it is taken, also when nobody waits for it any more.
pub(crate) struct Underway(Arc<AtomicUsize>);

impl Underway {
    pub(crate) fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
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
        let bounds = Bounds {
            time: self.time_for_rules.min(Bounds::default().time),
            ..Bounds::default()
        };
        let rules = Matching::within(&self.owner.signatures, &part.name, bounds);
        let Examined {
            contents,
            components,
            findings,
            ..
        } = package::examine(&part, &subject, &mut source, &tools, Some(Box::new(rules)))
            .map_err(told)?;
        let changed = match self.before {
            None => None,
            Some((before_sha256, before)) => {
                let difference = before.and_then(|file| {
                    let mut before = Source::open(file.path()).map_err(told)?;
                    let was = before.read(&self.limits, &mut []).map_err(told)?;
                    let (before, after) = ((&mut before, &was), (&mut source, &contents));
                    Difference::read(before, after, &self.limits).map_err(told)
                });
                let (difference, not_compared) = match difference {
                    Ok(difference) => (Some(difference), None),
                    Err(why) => (None, Some(why)),
                };
                let files = difference.as_ref().map(|difference| &difference.files);
                let change = PartChange {
                    part: part.name,
                    before_sha256,
                    after_sha256: self.wanted.content.sha256,
                    added: files.map_or(0, |files| files.added.len()),
                    removed: files.map_or(0, |files| files.removed.len()),
                    changed: files.map_or(0, |files| files.changed.len()),
                    moved: files.map_or(0, |files| files.moved.len()),
                    not_compared,
                };
                Some((change, difference))
            }
        };
        Ok(Looked {
            contents,
            components,
            findings,
            changed,
        })
    }
}
