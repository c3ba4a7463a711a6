//! What has to hold of any bytes whatever: the tests and the fuzzer examine them through here.

#![allow(clippy::unwrap_used, reason = "what a test cannot make, fails it")]

use evidence::Sha256Digest;
use package::{Content, Contents, File, Limits, Observer, Source, Unreadable};
use std::collections::BTreeSet;

/// How much more than the limit may have been looked at: the chunk in which it was reached.
pub const SLACK_BYTES: u64 = 128 << 10;

/// Limits that small inputs reach.
pub fn tight() -> Limits {
    Limits {
        entries: 40,
        total_bytes: 200_000,
        ratio: 200,
        depth: 2,
        path_bytes: 200,
        held_bytes: 3_000,
    }
}

/// Reads it twice, the second time by picking, and holds it against the limits.
pub fn examined_within(bytes: &[u8], limits: &Limits) -> Result<Contents, Unreadable> {
    let mut source = Source::from_bytes("corpus", bytes.to_vec())?;
    let mut seen = Seen {
        limits: *limits,
        files: Vec::new(),
    };
    let contents = source.read(limits, &mut [&mut seen])?;
    assert_bounded(&contents, limits);
    let findings = package::irregularities("function-code", &contents);
    assert_eq!(findings.is_empty(), contents.irregularities.is_empty());
    for finding in &findings {
        assert!(finding.statement.chars().count() < 500, "{finding:?}");
        assert!(!finding.statement.chars().any(evidence::is_hidden));
    }

    let listed: BTreeSet<&str> = contents
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(
        listed.len(),
        contents.files.len(),
        "every path is one file's"
    );
    let wanted = seen.files.iter().map(|(path, _)| path.clone()).collect();
    let mut picked = Vec::new();
    source.pick(&wanted, limits, &mut |path, content| {
        picked.push((path.to_owned(), content.bytes.to_vec()));
    })?;
    assert!(
        picked == seen.files,
        "the second look sees what the first saw"
    );
    Ok(contents)
}

/// Keeps what passes, and checks that it is bounded.
struct Seen {
    limits: Limits,
    files: Vec<(String, Vec<u8>)>,
}

impl Observer for Seen {
    fn file(&mut self, file: &File, content: Content<'_>) {
        assert!(content.bytes.len() <= self.limits.held_bytes);
        assert_eq!(
            content.is_whole,
            file.sha256.is_some() && content.bytes.len() as u64 == file.size_bytes
        );
        if content.is_whole {
            assert_eq!(file.sha256, Some(Sha256Digest::of(content.bytes)));
        }
        self.files.push((file.path.clone(), content.bytes.to_vec()));
    }
}

fn assert_bounded(contents: &Contents, limits: &Limits) {
    assert!(contents.files.len() <= limits.entries);
    let total: u64 = contents.files.iter().map(|file| file.size_bytes).sum();
    assert!(total <= limits.total_bytes + SLACK_BYTES, "{total} bytes");
    for file in &contents.files {
        // What stands around the archives' own names: `!/`, `#2`, and room for a name in a full path.
        assert!(file.path.len() <= limits.path_bytes + 80 * (limits.depth + 1));
    }
    assert!(contents.irregularities.len() < 201 * 20);
    if !contents.is_complete {
        assert!(!contents.irregularities.is_empty(), "nothing is silent");
    }
}
