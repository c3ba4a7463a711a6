//! What a check says: lines with a result and advice, and the ways in which AWS gives no answer.

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use evidence::shown;
use serde::Serialize;

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but look.
    Warn,
    /// Evidence would be lost or could be altered, or nobody would be told.
    Fail,
    /// Not looked at: nobody can from here, or the caller may not.
    NotChecked,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The check's name.
    pub check: &'static str,
    /// The heading under which it stands.
    pub area: &'static str,
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub result: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do; always there unless all is well.
    pub advice: Option<String>,
    /// The IAM action of the call that AWS did not answer: the caller lacks it, or the call failed.
    pub unanswered: Option<&'static str>,
}

impl Line {
    /// Whether AWS did not answer, so that nobody knows how it is.
    pub const fn is_unanswered(&self) -> bool {
        self.unanswered.is_some()
    }
}

/// The lines of one check.
pub struct Lines {
    check: &'static str,
    area: &'static str,
    lines: Vec<Line>,
}

/// The longest text of a line, in characters; names come from outside.
const LONGEST: usize = 600;

impl Lines {
    /// No lines yet.
    pub const fn of(check: &'static str, area: &'static str) -> Self {
        Self {
            check,
            area,
            lines: Vec::new(),
        }
    }

    /// As it should be.
    pub fn ok(&mut self, what: impl AsRef<str>, seen: impl AsRef<str>) {
        self.add(Verdict::Ok, what.as_ref(), seen.as_ref(), None);
    }

    /// It works, but look.
    pub fn warn(&mut self, what: impl AsRef<str>, seen: impl AsRef<str>, advice: impl AsRef<str>) {
        let advice = Some(advice.as_ref());
        self.add(Verdict::Warn, what.as_ref(), seen.as_ref(), advice);
    }

    /// It does not do what it is for.
    pub fn fail(&mut self, what: impl AsRef<str>, seen: impl AsRef<str>, advice: impl AsRef<str>) {
        let advice = Some(advice.as_ref());
        self.add(Verdict::Fail, what.as_ref(), seen.as_ref(), advice);
    }

    /// Not looked at, for a reason that is no failure.
    pub fn not_checked(
        &mut self,
        what: impl AsRef<str>,
        why: impl AsRef<str>,
        advice: impl AsRef<str>,
    ) {
        let advice = Some(advice.as_ref());
        self.add(Verdict::NotChecked, what.as_ref(), why.as_ref(), advice);
    }

    /// AWS gave no answer. What should be there and is absent is for the check to judge; here it fails.
    pub fn trouble(&mut self, what: impl AsRef<str>, trouble: &Trouble) {
        let Trouble { action, told, kind } = trouble;
        let what = what.as_ref();
        match kind {
            Kind::Denied => {
                let seen = format!("could not be checked: {action} is denied to the caller");
                let advice = format!("ask as somebody who has {action}");
                self.add(Verdict::NotChecked, what, &seen, Some(&advice));
                if let Some(line) = self.lines.last_mut() {
                    line.unanswered = Some(action);
                }
            }
            Kind::Absent => {
                let advice = "deploy the stack anew: what it made was taken away";
                self.add(
                    Verdict::Fail,
                    what,
                    &format!("is not there ({told})"),
                    Some(advice),
                );
            }
            Kind::Failed => {
                let seen = format!("could not be checked: {action}: {told}");
                let advice =
                    "try again; if it stays, ask with the AWS command line for the whole error";
                self.add(Verdict::NotChecked, what, &seen, Some(advice));
                // An answer that did not come is no clean bill.
                if let Some(line) = self.lines.last_mut() {
                    line.unanswered = Some(action);
                }
            }
        }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// The lines so far.
    pub fn done(self) -> Vec<Line> {
        self.lines
    }

    fn add(&mut self, result: Verdict, what: &str, seen: &str, advice: Option<&str>) {
        self.lines.push(Line {
            check: self.check,
            area: self.area,
            what: shown(what, LONGEST),
            result,
            seen: shown(seen, LONGEST),
            advice: advice.map(|advice| shown(advice, LONGEST)),
            unanswered: None,
        });
    }
}

/// Why AWS gave no answer.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The IAM action of the call.
    pub action: &'static str,
    /// The service's code and words, bounded.
    pub told: String,
    /// Which kind.
    pub kind: Kind,
}

/// The kinds of no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The caller may not ask.
    Denied,
    /// What was asked about does not exist.
    Absent,
    /// Anything else: throttled, not reached, broken off.
    Failed,
}

impl Trouble {
    /// What came of a call that failed.
    pub fn of<E>(action: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error.raw_response().map(|reply| reply.status().as_u16());
        let service = error.as_service_error();
        let code = service.and_then(ProvideErrorMetadata::code);
        let kind = kind(code, status);
        let words = match service {
            Some(service) => service.message().unwrap_or_default().to_owned(),
            None => crate::desk::chain(error),
        };
        let code = code.unwrap_or("no answer");
        let told = if words.is_empty() {
            code.to_owned()
        } else {
            format!("{code}: {}", shown(&words, 200))
        };
        Self { action, told, kind }
    }

    /// A refusal, for tests.
    #[cfg(test)]
    pub fn refused(action: &'static str) -> Self {
        Self {
            action,
            told: "denied".to_owned(),
            kind: Kind::Denied,
        }
    }

    /// Whether what was asked about does not exist.
    pub fn is_absent(&self) -> bool {
        self.kind == Kind::Absent
    }
}

/// Services have many words for the same two things.
fn kind(code: Option<&str>, status: Option<u16>) -> Kind {
    let code = code.unwrap_or_default();
    let absent = [
        "NotFound",
        "NoSuch",
        "DoesNotExist",
        "NonExistent",
        "NotExist",
    ];
    let denied = [
        "AccessDenied",
        "Unauthorized",
        "AuthorizationError",
        "NotAuthorized",
        "Forbidden",
    ];
    if absent.iter().any(|word| code.contains(word)) {
        Kind::Absent
    } else if denied.iter().any(|word| code.contains(word)) || status == Some(403) {
        Kind::Denied
    } else if status == Some(404) {
        Kind::Absent
    } else {
        Kind::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_absent_and_broken_are_told_apart_in_every_services_words() {
        for code in [
            "ResourceNotFoundException",
            "NoSuchBucketPolicy",
            "TrailNotFoundException",
            "StateMachineDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
            "QueueDoesNotExist",
            "NoSuchEntity",
        ] {
            assert_eq!(kind(Some(code), Some(400)), Kind::Absent, "{code}");
        }
        for code in [
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
            "UnauthorizedOperation",
        ] {
            assert_eq!(kind(Some(code), Some(400)), Kind::Denied, "{code}");
        }
        assert_eq!(kind(None, Some(403)), Kind::Denied);
        assert_eq!(kind(None, Some(404)), Kind::Absent);
        assert_eq!(kind(Some("ThrottlingException"), Some(400)), Kind::Failed);
        assert_eq!(kind(None, None), Kind::Failed);
    }

    #[test]
    fn what_was_denied_is_not_checked_and_not_failed() {
        let mut lines = Lines::of("x", "X");
        lines.trouble("a role", &Trouble::refused("iam:GetRole"));
        let line = &lines.done()[0];
        assert_eq!(line.result, Verdict::NotChecked);
        assert_eq!(line.unanswered, Some("iam:GetRole"));
    }

    #[test]
    fn hostile_names_are_shown_and_bounded() {
        let mut lines = Lines::of("x", "X");
        lines.ok("\u{1b}[2J", "y".repeat(5_000));
        let line = &lines.done()[0];
        assert!(!line.what.contains('\u{1b}'));
        assert!(line.seen.chars().count() <= LONGEST + 1);
    }
}
