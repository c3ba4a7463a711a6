//! Which of two versions comes first, by the rules of their ecosystem.

use crate::components::Ecosystem;
use std::cmp::Ordering;
use std::str::FromStr;

/// Compares two versions; none if one of them is no version of that ecosystem.
pub(super) fn compare(ecosystem: Ecosystem, a: &str, b: &str) -> Option<Ordering> {
    // Every rule below is linear or close to it, but nobody's version is longer.
    if a.len() > 256 || b.len() > 256 {
        return None;
    }
    match ecosystem {
        Ecosystem::PyPi => {
            let a = pep440_rs::Version::from_str(a).ok()?;
            let b = pep440_rs::Version::from_str(b).ok()?;
            Some(a.cmp(&b))
        }
        Ecosystem::Npm | Ecosystem::CratesIo | Ecosystem::Go => {
            Some(semantic(a)?.cmp_precedence(&semantic(b)?))
        }
        Ecosystem::NuGet => nuget(a, b),
        Ecosystem::Maven => Some(maven(a, b)),
        Ecosystem::RubyGems => Some(ruby(a, b)),
    }
}

/// A semantic version, with the liberties that registries took: a leading `v`, parts left out.
fn semantic(text: &str) -> Option<semver::Version> {
    let text = text.trim().trim_start_matches(['v', 'V', '=']);
    if let Ok(version) = semver::Version::parse(text) {
        return Some(version);
    }
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let padded = match numbers.matches('.').count() {
        0 => format!("{numbers}.0.0{rest}"),
        1 => format!("{numbers}.0{rest}"),
        _ => return None,
    };
    semver::Version::parse(&padded).ok()
}

/// Up to four numbers, then a pre-release without regard to case.
/// <https://learn.microsoft.com/en-us/nuget/concepts/package-versioning>
fn nuget(a: &str, b: &str) -> Option<Ordering> {
    fn parse(text: &str) -> Option<([u64; 4], semver::Prerelease)> {
        let text = text.split('+').next()?;
        let (numbers, pre) = match text.split_once('-') {
            Some((numbers, pre)) => (numbers, pre),
            None => (text, ""),
        };
        let mut parts = [0; 4];
        for (at, number) in numbers.split('.').enumerate() {
            *parts.get_mut(at)? = number.parse().ok()?;
        }
        Some((parts, semver::Prerelease::new(&pre.to_lowercase()).ok()?))
    }
    let (a, b) = (parse(a)?, parse(b)?);
    Some(a.cmp(&b))
}

/// `Gem::Version`: runs of digits and of letters; letters come before digits, trailing zeros count
/// for nothing, and a `-` begins a pre-release.
fn ruby(a: &str, b: &str) -> Ordering {
    fn segments(text: &str) -> Vec<String> {
        let text = text.trim().replace('-', ".pre.");
        let mut segments = runs(&text);
        while segments.last().is_some_and(|it| is_zero(it)) {
            segments.pop();
        }
        segments
    }
    let (a, b) = (segments(a), segments(b));
    for at in 0..a.len().max(b.len()) {
        let zero = "0".to_owned();
        let (x, y) = (a.get(at).unwrap_or(&zero), b.get(at).unwrap_or(&zero));
        let order = match (is_number(x), is_number(y)) {
            (true, true) => number(x, y),
            (false, false) => x.cmp(y),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Runs of digits and runs of letters, whatever stands between them.
fn runs(text: &str) -> Vec<String> {
    let mut runs: Vec<String> = Vec::new();
    let mut is_new = true;
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            is_new = true;
            continue;
        }
        match runs.last_mut() {
            Some(run)
                if !is_new && run.ends_with(|d: char| d.is_ascii_digit()) == c.is_ascii_digit() =>
            {
                run.push(c);
            }
            _ => runs.push(c.to_string()),
        }
        is_new = false;
    }
    runs
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

/// Numbers of any length.
fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Maven's order: <https://maven.apache.org/pom.html#version-order-specification>
fn maven(a: &str, b: &str) -> Ordering {
    let (a, b) = (MavenToken::all(a), MavenToken::all(b));
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at), b.get(at)) {
            (Some(x), Some(y)) => x.order(y),
            (Some(x), None) => x.order(&x.nothing()),
            (None, Some(y)) => y.nothing().order(y),
            (None, None) => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

#[derive(Clone, Debug)]
struct MavenToken {
    follows_hyphen: bool,
    text: String,
}

impl MavenToken {
    fn all(version: &str) -> Vec<Self> {
        let mut tokens: Vec<Self> = Vec::new();
        let mut text = String::new();
        let mut follows_hyphen = false;
        let mut push = |text: &mut String, follows_hyphen: bool, before_number: bool| {
            let text = std::mem::take(text);
            tokens.push(Self {
                text: if text.is_empty() {
                    "0".to_owned()
                } else {
                    spelt_out(text, before_number)
                },
                follows_hyphen,
            });
        };
        for c in version.trim().to_lowercase().chars() {
            match c {
                '.' | '-' | '_' => {
                    push(&mut text, follows_hyphen, false);
                    follows_hyphen = c != '.';
                }
                c => {
                    let last = text.chars().next_back();
                    if last.is_some_and(|d| d.is_ascii_digit() != c.is_ascii_digit()) {
                        push(&mut text, follows_hyphen, c.is_ascii_digit());
                        follows_hyphen = true;
                    }
                    text.push(c);
                }
            }
        }
        push(&mut text, follows_hyphen, false);
        // What says nothing falls away before each hyphen and at the end.
        let mut end = tokens.len();
        loop {
            let mut start = end;
            while start > 1 && tokens[start - 1].is_nothing() {
                start -= 1;
            }
            tokens.drain(start..end);
            match (1..start).rev().find(|at| tokens[*at].follows_hyphen) {
                Some(at) => end = at,
                None => return tokens,
            }
        }
    }

    fn is_nothing(&self) -> bool {
        self.text.is_empty() || is_zero(&self.text)
    }

    /// What stands in the place of a token that the other version lacks.
    fn nothing(&self) -> Self {
        let is_dotted_number =
            is_number(&self.text) && !self.text.is_empty() && !self.follows_hyphen;
        Self {
            follows_hyphen: self.follows_hyphen,
            text: if is_dotted_number {
                "0".to_owned()
            } else {
                String::new()
            },
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.rank()
            .cmp(&other.rank())
            .then_with(|| match self.rank() {
                0 => qualifier(&self.text).cmp(&qualifier(&other.text)),
                _ => number(&self.text, &other.text),
            })
    }

    /// A qualifier comes before `-number` before `.number`.
    fn rank(&self) -> u8 {
        match (
            self.text.is_empty() || !is_number(&self.text),
            self.follows_hyphen,
        ) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }
}

fn spelt_out(text: String, before_number: bool) -> String {
    match (text.as_str(), before_number) {
        ("a", true) => "alpha".to_owned(),
        ("b", true) => "beta".to_owned(),
        ("m", true) => "milestone".to_owned(),
        ("cr", _) => "rc".to_owned(),
        ("final" | "ga" | "release", _) => String::new(),
        _ => text,
    }
}

fn qualifier(text: &str) -> (usize, &str) {
    const ORDER: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
    match ORDER.iter().position(|known| *known == text) {
        Some(at) => (at, ""),
        None => (ORDER.len(), text),
    }
}

#[cfg(test)]
mod tests {
    use super::compare;
    use crate::components::Ecosystem;
    use std::cmp::Ordering;

    #[test]
    fn versions_stand_in_the_order_of_their_ecosystem() {
        let rows: [(Ecosystem, &[&str]); 7] = [
            (
                Ecosystem::PyPi,
                &[
                    "1.0.dev1",
                    "1.0a1",
                    "1.0rc1",
                    "1.0",
                    "1.0.post1",
                    "1.9",
                    "1.10",
                    "1!0.1",
                ],
            ),
            (
                Ecosystem::Npm,
                &[
                    "0.9.0",
                    "1.0.0-alpha",
                    "1.0.0-alpha.2",
                    "1.0.0-alpha.10",
                    "1.0.0",
                    "1.2",
                    "1.10.0",
                ],
            ),
            (Ecosystem::CratesIo, &["0.1.0", "0.1.1-rc.1", "0.1.1"]),
            (
                Ecosystem::Go,
                &[
                    "v0.0.0-20200101000000-abcdef",
                    "v0.1.0",
                    "1.2.3",
                    "v2.0.0+incompatible",
                    "v2.0.1",
                ],
            ),
            (
                Ecosystem::NuGet,
                &[
                    "1.0.0-Alpha",
                    "1.0.0-beta",
                    "1.0.0",
                    "1.0.0.1",
                    "1.2",
                    "1.10",
                ],
            ),
            (
                Ecosystem::Maven,
                &[
                    "1.0-alpha-1",
                    "1.0-beta1",
                    "1.0-m3",
                    "1.0-rc1",
                    "1.0-SNAPSHOT",
                    "1.0",
                    "1.0-sp",
                    "1-foo",
                    "1-1",
                    "1.0.1",
                    "1.9",
                    "1.10",
                    "2.0.0.RELEASE",
                    "2.0.1",
                ],
            ),
            (
                Ecosystem::RubyGems,
                &[
                    "1.0.a", "1.0.b1", "1.0-2", "1.0.rc1", "1.0", "1.0.1", "1.9", "1.10",
                ],
            ),
        ];
        for (ecosystem, row) in rows {
            for (x, a) in row.iter().enumerate() {
                for (y, b) in row.iter().enumerate() {
                    assert_eq!(
                        compare(ecosystem, a, b),
                        Some(x.cmp(&y)),
                        "{ecosystem:?} {a} {b}"
                    );
                }
            }
        }
    }

    #[test]
    fn different_spellings_of_one_version_are_equal() {
        for (ecosystem, a, b) in [
            (Ecosystem::PyPi, "1.0", "1.0.0"),
            (Ecosystem::PyPi, "1.0-RC.1", "1.0rc1"),
            (Ecosystem::Npm, "v1.2.3", "1.2.3+build"),
            (Ecosystem::Go, "v1.21", "1.21.0"),
            (Ecosystem::NuGet, "1.0", "1.0.0.0+x"),
            (Ecosystem::Maven, "1.0.0-ga", "1"),
            (Ecosystem::Maven, "1.0-cr1", "1-RC-1"),
            (Ecosystem::RubyGems, "1.0.0", "1"),
        ] {
            assert_eq!(compare(ecosystem, a, b), Some(Ordering::Equal), "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_version_is_not_compared() {
        for ecosystem in [
            Ecosystem::PyPi,
            Ecosystem::Npm,
            Ecosystem::Go,
            Ecosystem::NuGet,
        ] {
            assert_eq!(compare(ecosystem, "latest", "1.0.0"), None);
            assert_eq!(compare(ecosystem, &"1".repeat(400), "1.0.0"), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn hostile_versions_are_borne(a in "\\PC{0,40}", b in "[0-9a-z.+_-]{0,40}") {
            for ecosystem in [
                Ecosystem::PyPi, Ecosystem::Npm, Ecosystem::Maven, Ecosystem::Go,
                Ecosystem::CratesIo, Ecosystem::NuGet, Ecosystem::RubyGems,
            ] {
                let one = compare(ecosystem, &a, &b);
                proptest::prop_assert_eq!(one, compare(ecosystem, &b, &a).map(Ordering::reverse));
            }
        }
    }
}
