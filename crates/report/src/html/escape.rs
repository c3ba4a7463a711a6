//! The only ways in which text gets into the page: as text or an attribute, and as data for the script.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidence::is_hidden;
use std::fmt::{self, Display, Write as _};

/// `text` as text of the page or the value of a quoted attribute. What is not seen as what it is, control
/// characters and what reverses the direction of writing, is written out.
pub(super) fn esc(text: &str) -> impl Display {
    fmt::from_fn(move |f| {
        for character in text.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '`' => f.write_str("&#96;")?,
                hidden if is_hidden(hidden) => write!(f, "\\u{{{:x}}}", u32::from(hidden))?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    })
}

/// Bytes as data inside of an element: letters, digits, `+`, `/` and `=`, which nothing can be ended by.
pub(super) fn data(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_leaves_its_context(text in "\\PC{0,40}|[<>&\"'`/=!a \u{0}-\u{20}\u{2028}-\u{202e}\u{200f}]{0,60}") {
            let escaped = esc(&text).to_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'', '`']), "{escaped:?}");
            prop_assert!(!escaped.chars().any(is_hidden), "{escaped:?}");
            // Every ampersand begins one of our own five.
            for (at, _) in escaped.match_indices('&') {
                let rest = &escaped[at..];
                let ours = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#96;"];
                prop_assert!(ours.iter().any(|it| rest.starts_with(it)), "{escaped:?}");
            }
        }

        #[test]
        fn ordinary_text_is_read_as_it_was_written(text in "[a-zA-Zäöüß请求书 <>&\"']{0,40}") {
            let read = esc(&text).to_string()
                .replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"")
                .replace("&#39;", "'").replace("&amp;", "&");
            prop_assert_eq!(read, text);
        }

        #[test]
        fn data_ends_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
            prop_assert!(data(&bytes).bytes().all(plain));
        }
    }
}
