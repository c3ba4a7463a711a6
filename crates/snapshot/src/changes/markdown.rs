//! Changes as Markdown, for people. Nothing in it can break out of its place.

use super::{Change, ChangeKind, Gap};
use evidence::{Provider, shown_code};
use std::fmt::Write as _;

/// All changes of a function of AWS's by part, then what could not be compared.
pub fn changes_as_markdown(changes: &[Change], gaps: &[Gap]) -> String {
    changes_as_markdown_for(Provider::Aws, changes, gaps)
}

/// The same in words of what runs at this provider.
pub fn changes_as_markdown_for(provider: Provider, changes: &[Change], gaps: &[Gap]) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_all(&mut text, provider, changes, gaps);
    text
}

fn write_all(
    text: &mut String,
    provider: Provider,
    changes: &[Change],
    gaps: &[Gap],
) -> std::fmt::Result {
    if changes.is_empty() {
        writeln!(text, "Nothing that could be compared is different.")?;
    }
    let mut part: Option<ChangeKind> = None;
    for change in changes {
        if part != Some(change.kind) {
            part = Some(change.kind);
            let words = change.kind.words_for(provider);
            let (first, rest) = words.split_at(1);
            writeln!(text, "\n### {}{rest}\n", first.to_uppercase())?;
        }
        let subject = shown_code(&change.subject, 200);
        let code = |value: &String| shown_code(value, 600);
        match (&change.before, &change.after) {
            (None, Some(after)) => writeln!(text, "- {subject} **added**: {}", code(after))?,
            (Some(before), None) => writeln!(text, "- {subject} **removed**: {}", code(before))?,
            (before, after) => {
                writeln!(text, "- {subject} **changed**")?;
                for (word, value) in [("was", before), ("is", after)] {
                    if let Some(value) = value {
                        writeln!(text, "  - {word} {}", code(value))?;
                    }
                }
            }
        }
    }
    if !gaps.is_empty() {
        writeln!(text, "\n### Not compared\n")?;
    }
    for gap in gaps {
        let when = if gap.is_before { "before" } else { "now" };
        let subject = shown_code(&gap.subject, 200);
        writeln!(
            text,
            "- {subject}, unknown {when}: {}",
            shown_code(&gap.why, 300)
        )?;
    }
    Ok(())
}
