//! What is odd about an archive, as findings: one for each kind of oddity and how bad it is.

use crate::proof::{EXCERPT_CHARS, NAME_CHARS, PATH_CHARS};
use crate::{Contents, File, Irregularity, Oddity};
use evidence::{Confidence, Finding, Proof, Severity, shown};
use std::collections::{BTreeMap, HashMap};

/// How many places a finding names.
const MOST_PROOFS: usize = 20;

/// Programs that run as root in every Linux image.
const USUALLY_PRIVILEGED: &[&str] = &[
    "chage",
    "chfn",
    "chsh",
    "crontab",
    "dbus-daemon-launch-helper",
    "expiry",
    "fusermount",
    "fusermount3",
    "gpasswd",
    "mount",
    "newgidmap",
    "newgrp",
    "newuidmap",
    "pam_extrausers_chkpwd",
    "pam_timestamp_check",
    "passwd",
    "ping",
    "pkexec",
    "polkit-agent-helper-1",
    "ssh-agent",
    "ssh-keysign",
    "su",
    "sudo",
    "umount",
    "unix_chkpwd",
    "userhelper",
    "usernetctl",
    "utempter",
    "wall",
    "write",
];

/// Where a link has no business to lead.
const SECRET_PLACES: &[&str] = &[
    "/dev/",
    "/etc/passwd",
    "/etc/shadow",
    "/home/",
    "/proc/",
    "/root/",
    "/run/",
    "/sys/",
    "/tmp/",
    "/var/runtime/",
    "/var/tmp/",
];

/// What is odd about how the exhibit `part` is packed. Rules are `archive-` and the oddity's name.
pub fn irregularities(part: &str, contents: &Contents) -> Vec<Finding> {
    let files: HashMap<&str, &File> = contents
        .files
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    let mut groups: BTreeMap<(std::cmp::Reverse<Severity>, Oddity), Vec<&Irregularity>> =
        BTreeMap::new();
    for irregularity in &contents.irregularities {
        let severity = severity(irregularity, &files);
        groups
            .entry((std::cmp::Reverse(severity), irregularity.oddity))
            .or_default()
            .push(irregularity);
    }
    groups
        .into_iter()
        .map(|((severity, oddity), group)| finding(part, severity.0, oddity, &group))
        .collect()
}

fn finding(part: &str, severity: Severity, oddity: Oddity, group: &[&Irregularity]) -> Finding {
    let Told {
        rule,
        statement,
        technique,
        advice,
    } = told(oddity);
    let first = group.first().map(|irregularity| {
        let detail = shown(&irregularity.detail, EXCERPT_CHARS);
        match &irregularity.path {
            Some(path) => format!(" in {}: {detail}", shown(path, NAME_CHARS)),
            None => format!(": {detail}"),
        }
    });
    let more = match group.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    Finding {
        rule: rule.to_owned(),
        statement: format!("{statement}{}{more}.", first.unwrap_or_default()),
        severity,
        confidence: match severity {
            Severity::Info | Severity::Low => Confidence::Low,
            Severity::Medium => Confidence::Medium,
            Severity::High | Severity::Critical => Confidence::High,
        },
        technique: technique.map(str::to_owned),
        advice: Some(advice.to_owned()),
        proof: group
            .iter()
            .take(MOST_PROOFS)
            .map(|irregularity| Proof {
                exhibit: part.to_owned(),
                path: irregularity
                    .path
                    .as_deref()
                    .map(|path| shown(path, PATH_CHARS)),
                line: None,
                excerpt: Some(shown(&irregularity.detail, EXCERPT_CHARS)),
            })
            .collect(),
    }
}

/// How bad: archives within a package were often made by careless tools, the package itself by the
/// deployment's.
fn severity(irregularity: &Irregularity, files: &HashMap<&str, &File>) -> Severity {
    let path = irregularity.path.as_deref().unwrap_or_default();
    let is_nested = path.contains("!/");
    let inner = path.rsplit_once("!/").map_or(path, |(_, inner)| inner);
    let name = inner.rsplit_once('/').map_or(inner, |(_, name)| name);
    match irregularity.oddity {
        Oddity::TraversingPath => {
            if inner.split(['/', '\\']).any(|part| part == "..") {
                Severity::High
            } else if inner.starts_with('/') || inner.as_bytes().get(1) == Some(&b':') {
                Severity::Medium
            } else {
                // Old Windows programs write backslashes.
                Severity::Low
            }
        }
        Oddity::DuplicateName => match original(path, files) {
            // On Linux these are two files like any other two.
            None if path.is_ascii() => Severity::Info,
            None => Severity::Low,
            Some((first, second)) if first.sha256 == second.sha256 && first.sha256.is_some() => {
                Severity::Info
            }
            Some(_) if is_nested => Severity::Low,
            Some(_) => Severity::High,
        },
        Oddity::OverlappingEntries | Oddity::Bomb => Severity::High,
        Oddity::ContradictingHeaders if is_nested => Severity::Low,
        Oddity::ContradictingHeaders => Severity::High,
        Oddity::Truncated | Oddity::BadChecksum if is_nested => Severity::Low,
        Oddity::Encrypted
        | Oddity::UnknownMethod
        | Oddity::Truncated
        | Oddity::BadChecksum
        | Oddity::BeyondLimits => Severity::Medium,
        Oddity::StrayBytes => {
            if irregularity.detail.starts_with("it stands in the archive") {
                Severity::Medium
            } else if irregularity.detail.contains(" before what belongs") {
                // A program that unpacks itself; what begins it is told from its own bytes.
                Severity::Info
            } else {
                Severity::Low
            }
        }
        Oddity::HostileName if inner.contains("\\x") => Severity::Low,
        Oddity::HostileName => Severity::Medium,
        Oddity::EscapingLink => {
            let target = files
                .get(path)
                .and_then(|file| file.link_to.as_deref())
                .unwrap_or_default();
            let is_inside = target.starts_with('/')
                && !target.split('/').any(|part| part == "..")
                && !SECRET_PLACES.iter().any(|place| target.starts_with(place));
            if is_inside {
                Severity::Info
            } else {
                Severity::Medium
            }
        }
        Oddity::SpecialFile if inner.starts_with("dev/") => Severity::Info,
        Oddity::SpecialFile => Severity::Medium,
        Oddity::Privileged if USUALLY_PRIVILEGED.contains(&name) && is_program(inner) => {
            Severity::Info
        }
        Oddity::Privileged => Severity::Medium,
        Oddity::Refused => Severity::Low,
    }
}

/// Whether a path is where an image has its programs.
fn is_program(path: &str) -> bool {
    ["bin/", "sbin/", "usr/"]
        .iter()
        .any(|folder| path.starts_with(folder))
}

/// The file of which this `name#2` is another, and this one; none of names that only look alike.
fn original<'f>(path: &str, files: &HashMap<&str, &'f File>) -> Option<(&'f File, &'f File)> {
    let (name, count) = path.rsplit_once('#')?;
    count.parse::<u64>().ok()?;
    Some((files.get(name)?, files.get(path)?))
}

struct Told {
    rule: &'static str,
    statement: &'static str,
    technique: Option<&'static str>,
    advice: &'static str,
}

fn told(oddity: Oddity) -> Told {
    let (rule, statement, technique, advice) = match oddity {
        Oddity::TraversingPath => (
            "archive-traversing-path",
            "A path of the archive leads out of its folder",
            None,
            "Do not unpack it by hand; find out what made the archive and what the entry would replace.",
        ),
        Oddity::DuplicateName => (
            "archive-duplicate-name",
            "The archive has two entries of the same name",
            Some("T1036"),
            "Compare both: which of them runs depends on the program that unpacks.",
        ),
        Oddity::OverlappingEntries => (
            "archive-overlapping-entries",
            "Entries of the archive share its bytes",
            Some("T1027"),
            "No ordinary program packs like this; treat the archive as made to deceive scanners.",
        ),
        Oddity::Encrypted => (
            "archive-encrypted",
            "The archive has an encrypted entry that could not be looked at",
            Some("T1027.013"),
            "Find out who packed it and what reads it; search the code for the password.",
        ),
        Oddity::Truncated => (
            "archive-truncated",
            "The archive ends too soon",
            None,
            "Compare its digest with the one the provider reports; fetch it again.",
        ),
        Oddity::BadChecksum => (
            "archive-bad-checksum",
            "The archive's bytes are not those that its checksums announce",
            Some("T1027"),
            "Look at what was changed after packing; fetch it again to exclude a broken copy.",
        ),
        Oddity::ContradictingHeaders => (
            "archive-contradicting-headers",
            "The archive says different things of the same entry",
            Some("T1027"),
            "Programs differ in what they unpack from it; compare with what the function really loads.",
        ),
        Oddity::UnknownMethod => (
            "archive-unknown-method",
            "The archive has an entry packed in a way that is not read here",
            Some("T1027"),
            "Unpack it in a safe place with a program that knows the method, and look at it by hand.",
        ),
        Oddity::StrayBytes => (
            "archive-stray-bytes",
            "The archive has bytes that belong to no entry",
            Some("T1027"),
            "Cut them out and look at them: a payload can lie where no unpacking program looks.",
        ),
        Oddity::HostileName => (
            "archive-hostile-name",
            "The archive has a name that is not what it looks like",
            Some("T1036"),
            "Look at the name byte by byte; do not copy it into a terminal.",
        ),
        Oddity::EscapingLink => (
            "archive-escaping-link",
            "The archive has a link that leads out of it",
            None,
            "Look at what the link would reach where the function runs.",
        ),
        Oddity::SpecialFile => (
            "archive-special-file",
            "The archive has a device, a pipe or a socket",
            None,
            "A package needs none; find out what made the archive.",
        ),
        Oddity::Privileged => (
            "archive-privileged-file",
            "The archive has a program that runs with its owner's rights",
            Some("T1548.001"),
            "Compare the program with the one of the distribution; remove the bit if nothing needs it.",
        ),
        Oddity::Bomb => (
            "archive-bomb",
            "The archive unpacks to absurdly more than it is packed",
            Some("T1499"),
            "Do not unpack it; what lies behind was not looked at here.",
        ),
        Oddity::BeyondLimits => (
            "archive-beyond-limits",
            "The archive was not looked at in full",
            None,
            "Look by hand at what was left out, or examine again with higher limits.",
        ),
        Oddity::Refused => (
            "archive-refused",
            "A part of the folder could not be read",
            None,
            "Examine again with the right to read it.",
        ),
    };
    Told {
        rule,
        statement,
        technique,
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(oddity: Oddity, path: &str, detail: &str) -> Irregularity {
        Irregularity {
            oddity,
            path: Some(path.to_owned()),
            detail: detail.to_owned(),
        }
    }

    fn found(irregularities_: Vec<Irregularity>) -> Vec<Finding> {
        irregularities(
            "function-code",
            &Contents {
                irregularities: irregularities_,
                ..Contents::default()
            },
        )
    }

    #[test]
    fn one_finding_tells_of_many_places_and_the_worst_comes_first() {
        let mut all: Vec<_> = (0..500)
            .map(|count| {
                odd(
                    Oddity::TraversingPath,
                    &format!("a\\{count}"),
                    "a backslash",
                )
            })
            .collect();
        all.push(odd(Oddity::TraversingPath, "../x", "climbs"));
        let findings = found(all);
        assert_eq!(findings.len(), 2);
        assert_eq!(findings[0].severity, Severity::High);
        assert_eq!(findings[0].rule, "archive-traversing-path");
        assert_eq!(findings[1].severity, Severity::Low);
        assert_eq!(findings[1].proof.len(), MOST_PROOFS);
        assert!(
            findings[1].statement.contains("and 499 more"),
            "{findings:?}"
        );
    }

    #[test]
    fn names_are_shown_as_they_are_and_bounded() {
        let name = format!("a\u{202e}\n\u{1b}[2J{}", "x".repeat(10_000));
        let findings = found(vec![odd(Oddity::HostileName, &name, "its name")]);
        let written = serde_json::to_string(&findings).unwrap();
        assert!(written.len() < 2_000, "{}", written.len());
        assert!(!findings[0].statement.chars().any(evidence::is_hidden));
        assert!(
            !findings[0].proof[0]
                .path
                .as_deref()
                .unwrap()
                .chars()
                .any(evidence::is_hidden)
        );
    }

    #[test]
    fn a_careless_jar_is_no_alarm_and_a_second_handler_is_one() {
        let file = |path: &str, byte: u8| File {
            path: path.to_owned(),
            sha256: Some(evidence::Sha256Digest::of([byte])),
            size_bytes: 1,
            mode: None,
            modified_at: None,
            kind: crate::Kind::Data,
            link_to: None,
        };
        let severity_of = |path: &str, first: u8, second: u8| {
            let contents = Contents {
                files: vec![file(path, first), file(&format!("{path}#2"), second)],
                irregularities: vec![odd(Oddity::DuplicateName, &format!("{path}#2"), "again")],
                is_complete: true,
            };
            irregularities("function-code", &contents)[0].severity
        };
        assert_eq!(severity_of("index.py", 1, 2), Severity::High);
        assert_eq!(severity_of("index.py", 1, 1), Severity::Info);
        assert_eq!(severity_of("a.jar!/LICENSE", 1, 2), Severity::Low);
    }
}
