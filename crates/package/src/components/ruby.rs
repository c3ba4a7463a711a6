//! Ruby: `*.gemspec` of installed gems, and `Gemfile.lock`.

use super::{
    Declared, Ecosystem, LIST_BYTES, METADATA_BYTES, Presence, Recogniser, Unread, base, text,
};
use crate::{Content, File};

pub(super) const RECOGNISER: Recogniser = Recogniser {
    declares: |file: &File| file.path.ends_with(".gemspec") || is_lock(&file.path),
    read,
    settle: None,
};

fn is_lock(path: &str) -> bool {
    matches!(base(path), "Gemfile.lock" | "gems.locked")
}

fn read(file: &File, content: Content<'_>, found: &mut Vec<Declared>) -> Result<(), Unread> {
    let mut add = |name: &str, version: &str, presence| {
        if found.len() <= super::MOST_COMPONENTS {
            found.push(Declared {
                ecosystem: Ecosystem::RubyGems,
                name: name.to_owned(),
                version: Some(version.to_owned()),
                path: file.path.clone(),
                presence,
                licenses: Vec::new(),
            });
        }
    };
    if is_lock(&file.path) {
        // A gem's own lock is its developers' matter.
        if file.path.contains("/gems/") {
            return Ok(());
        }
        for (name, version) in locked(&text(content, LIST_BYTES)?) {
            add(name, version, Presence::Declared);
        }
        return Ok(());
    }
    let text = text(content, METADATA_BYTES)?;
    let stem = base(&file.path).trim_end_matches(".gemspec");
    // RubyGems writes `specifications/rack-3.1.7.gemspec` of what it installs. A gemspec beside a
    // gem's sources mostly computes its version and only repeats the other.
    let is_installed = file.path.contains("specifications/");
    match (literal(&text, ".name"), literal(&text, ".version")) {
        (Some(name), Some(version)) if is_installed => add(name, version, Presence::Installed),
        (Some(name), Some(version)) => add(name, version, Presence::Declared),
        _ if is_installed => {
            if let Some((name, version)) = by_name(stem) {
                add(name, version, Presence::Installed);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The string of `s.name = "rack".freeze`.
fn literal<'a>(text: &'a str, attribute: &str) -> Option<&'a str> {
    text.lines().take(400).find_map(|line| {
        let (left, right) = line.split_once('=')?;
        let right = right.trim_start();
        let quote = right.chars().next().filter(|c| ['"', '\''].contains(c))?;
        let value = right[1..].split(quote).next()?;
        (left.trim_end().ends_with(attribute) && !value.contains("#{")).then_some(value)
    })
}

/// `aws-sdk-core-3.191.0-x86_64-linux` → `aws-sdk-core`, `3.191.0`.
fn by_name(stem: &str) -> Option<(&str, &str)> {
    stem.match_indices('-')
        .map(|(at, _)| (&stem[..at], &stem[at + 1..]))
        .find(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()))
        .map(|(name, version)| (name, without_platform(version)))
}

/// Lines of `    rack (3.1.7)` below `  specs:`; deeper ones are requirements.
fn locked(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let line = line
            .strip_prefix("    ")
            .filter(|line| !line.starts_with(' '))?;
        let (name, version) = line.strip_suffix(')')?.split_once(" (")?;
        version
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| (name, without_platform(version)))
    })
}

fn without_platform(version: &str) -> &str {
    version.split('-').next().unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use crate::components::fixtures::Package;

    #[test]
    fn installed_gems_are_found_by_their_specification_or_its_name() {
        let package = Package::default()
            .with(
                "vendor/bundle/ruby/3.3.0/specifications/rack-3.1.7.gemspec",
                "Gem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"3.1.7\"\n  s.required_rubygems_version = Gem::Requirement.new(\">= 0\")\nend\n",
            )
            .with("ruby/gems/3.3.0/specifications/nokogiri-1.16.7-x86_64-linux.gemspec", "eval x")
            .with("gems/rack-3.1.7/rack.gemspec", "s.name = 'rack'\ns.version = Rack::RELEASE\n");
        assert_eq!(
            package.purls(),
            ["pkg:gem/nokogiri@1.16.7", "pkg:gem/rack@3.1.7"]
        );
    }

    #[test]
    fn locked_gems_are_found_without_their_requirements() {
        let lock = "GEM\n  remote: https://rubygems.org/\n  specs:\n    aws-sdk-s3 (1.151.0)\n      aws-sdk-core (~> 3, >= 3.194.0)\n    nokogiri (1.16.7-x86_64-linux)\n\nDEPENDENCIES\n  aws-sdk-s3\n";
        assert_eq!(
            Package::default().with("Gemfile.lock", lock).purls(),
            ["pkg:gem/aws-sdk-s3@1.151.0", "pkg:gem/nokogiri@1.16.7"]
        );
        assert_eq!(
            Package::default()
                .with("vendor/gems/x-1/Gemfile.lock", lock)
                .purls(),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_gemspec_that_computes_everything_has_none() {
        let package =
            Package::default().with("my.gemspec", "s.name = NAME\ns.version = \"#{V}\"\n");
        assert_eq!(package.purls(), Vec::<String>::new());
    }
}
