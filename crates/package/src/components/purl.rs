//! Package URLs, as <https://github.com/package-url/purl-spec> defines them.

use super::{Ecosystem, python_name};
use std::fmt::Write as _;

/// The package URL of a component.
pub(super) fn of(ecosystem: Ecosystem, name: &str, version: Option<&str>) -> String {
    let (kind, name) = match ecosystem {
        Ecosystem::PyPi => ("pypi", python_name(name)),
        Ecosystem::Npm => ("npm", name.to_owned()),
        Ecosystem::Maven => ("maven", name.replacen(':', "/", 1)),
        Ecosystem::Go => ("golang", name.to_lowercase()),
        Ecosystem::CratesIo => ("cargo", name.to_owned()),
        Ecosystem::NuGet => ("nuget", name.to_owned()),
        Ecosystem::RubyGems => ("gem", name.to_owned()),
    };
    let mut purl = format!("pkg:{kind}");
    for part in name.split('/').filter(|part| !part.is_empty()) {
        purl.push('/');
        encode(part, &mut purl);
    }
    if let Some(version) = version {
        purl.push('@');
        encode(version, &mut purl);
    }
    purl
}

fn encode(part: &str, purl: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            purl.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(purl, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::Ecosystem;

    #[test]
    fn every_ecosystem_has_the_spelling_of_the_specification() {
        let cases = [
            (
                Ecosystem::PyPi,
                "Typing_Extensions",
                Some("4.12.2"),
                "pkg:pypi/typing-extensions@4.12.2",
            ),
            (
                Ecosystem::Npm,
                "@smithy/types",
                Some("3.0.0"),
                "pkg:npm/%40smithy/types@3.0.0",
            ),
            (
                Ecosystem::Maven,
                "com.google.code.gson:gson",
                Some("2.11.0"),
                "pkg:maven/com.google.code.gson/gson@2.11.0",
            ),
            (
                Ecosystem::Go,
                "github.com/AWS/aws-lambda-go",
                Some("v1.47.0"),
                "pkg:golang/github.com/aws/aws-lambda-go@v1.47.0",
            ),
            (
                Ecosystem::CratesIo,
                "zlib-rs",
                Some("0.5.0+x"),
                "pkg:cargo/zlib-rs@0.5.0%2Bx",
            ),
            (
                Ecosystem::NuGet,
                "Amazon.Lambda.Core",
                None,
                "pkg:nuget/Amazon.Lambda.Core",
            ),
            (
                Ecosystem::RubyGems,
                "rack",
                Some("3.1.7"),
                "pkg:gem/rack@3.1.7",
            ),
        ];
        for (ecosystem, name, version, expected) in cases {
            assert_eq!(of(ecosystem, name, version), expected);
        }
    }

    #[test]
    fn a_hostile_name_cannot_break_out() {
        assert_eq!(
            of(Ecosystem::Npm, "a@1?x=y#z\n\u{202e}", Some("1@2/3")),
            "pkg:npm/a%401%3Fx%3Dy%23z%0A%E2%80%AE@1%402%2F3"
        );
    }
}
