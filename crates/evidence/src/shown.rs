//! Text that an attacker may have chosen, made fit to be shown: on a terminal, in a mail, in Markdown.

use std::fmt::Write as _;

/// `text` on one line, at most `longest` characters long. Control characters, what reverses the
/// direction of writing and what cannot be seen is written as `\u{…}`; a `…` stands for what was cut.
pub fn shown(text: &str, longest: usize) -> String {
    let mut line = String::with_capacity(text.len().min(longest));
    let mut length = 0;
    for character in text.chars() {
        let from = line.len();
        let added = if is_hidden(character) {
            // Writing to a String does not fail.
            let _ = match character {
                '\n' => write!(line, "\\n"),
                '\r' => write!(line, "\\r"),
                '\t' => write!(line, "\\t"),
                other => write!(line, "\\u{{{:x}}}", u32::from(other)),
            };
            line.len() - from
        } else {
            line.push(character);
            1
        };
        if length + added > longest {
            line.truncate(from);
            // Room for the sign that something was cut.
            while length >= longest && line.pop().is_some() {
                length -= 1;
            }
            if longest > 0 {
                line.push('…');
            }
            return line;
        }
        length += added;
    }
    line
}

/// As [`shown`], as a code span of Markdown that its content cannot end.
pub fn shown_code(text: &str, longest: usize) -> String {
    let line = shown(text, longest);
    let fence = "`".repeat(longest_run(&line, '`') + 1);
    if line.is_empty() {
        return "(empty)".to_owned();
    }
    // A space on both sides is taken off again by whoever renders it.
    if line.starts_with('`') || line.ends_with('`') {
        format!("{fence} {line} {fence}")
    } else {
        format!("{fence}{line}{fence}")
    }
}

/// How many of `wanted` stand in a row at most: a fence has to be longer.
pub fn longest_run(text: &str, wanted: char) -> usize {
    let mut run = 0;
    let mut longest = 0;
    for character in text.chars() {
        run = if character == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Whether a character is not seen as what it is: control characters, those that change the
/// direction of writing (Unicode Standard Annex 9), line separators, joiners, fillers, tags and
/// variation selectors, in which programs have been hidden.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_text_of_any_script_stays_as_it_is() {
        for text in [
            "billing-api",
            "Rechnungsprüfung",
            "請求書",
            "счёт",
            "a `b` c",
        ] {
            assert_eq!(shown(text, 80), text);
        }
    }

    #[test]
    fn what_hides_or_reverses_text_is_written_out() {
        assert_eq!(
            shown("a\u{1b}[2Jb\u{202e}c\nd\u{200b}", 80),
            "a\\u{1b}[2Jb\\u{202e}c\\nd\\u{200b}"
        );
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(shown("abcdef", 6), "abcdef");
        assert_eq!(shown("abcdefg", 6), "abcde…");
        assert_eq!(shown("abcd\u{202e}", 6), "abcd…");
    }

    #[test]
    fn a_code_span_is_not_ended_by_its_content() {
        assert_eq!(shown_code("a", 80), "`a`");
        assert_eq!(shown_code("a``b", 80), "```a``b```");
        assert_eq!(shown_code("`", 80), "`` ` ``");
    }

    proptest! {
        #[test]
        fn nothing_hidden_and_nothing_too_long_comes_out(text in "\\PC{0,40}|[\u{0}-\u{20}\u{200b}-\u{2069}`a]{0,60}", longest in 0_usize..50) {
            let line = shown(&text, longest);
            prop_assert!(line.chars().count() <= longest, "{line:?}");
            prop_assert!(!line.chars().any(is_hidden), "{line:?}");
        }
    }
}
