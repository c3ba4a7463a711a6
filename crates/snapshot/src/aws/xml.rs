//! What is needed of IAM's, S3's and SNS's replies, which are XML: the text of elements by name. No
//! parser: replies come from AWS, are small, and what is not found is simply not there.

/// What stands between every `<tag …>` and its `</tag>`, in order; at most 10,000.
pub(super) fn blocks<'a>(xml: &'a str, tag: &str) -> Vec<&'a str> {
    let (begin, end) = (format!("<{tag}"), format!("</{tag}>"));
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find(&begin) {
        rest = rest.get(at + begin.len()..).unwrap_or_default();
        // `<Tag` is not `<Tags>`.
        if !rest.starts_with(['>', ' ', '/', '\n', '\t']) {
            continue;
        }
        let Some(opened) = rest.find('>') else { break };
        let is_empty = rest.get(..opened).is_some_and(|head| head.ends_with('/'));
        rest = rest.get(opened + 1..).unwrap_or_default();
        if is_empty {
            found.push("");
            continue;
        }
        let Some(closed) = rest.find(&end) else { break };
        found.push(rest.get(..closed).unwrap_or_default());
        rest = rest.get(closed + end.len()..).unwrap_or_default();
        if found.len() >= 10_000 {
            break;
        }
    }
    found
}

/// The texts of every such element.
pub(super) fn texts(xml: &str, tag: &str) -> Vec<String> {
    blocks(xml, tag).into_iter().map(unescape).collect()
}

/// The text of the first such element, if it says something.
pub(super) fn text(xml: &str, tag: &str) -> Option<String> {
    let first = blocks(xml, tag).into_iter().next().map(unescape);
    first.filter(|text| !text.is_empty())
}

/// Every element that holds text and no element, with its name, in order.
pub(super) fn leaves(xml: &str) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    let mut pieces = xml.split('<').skip(1).peekable();
    while let Some(piece) = pieces.next() {
        let closes = pieces.peek().is_some_and(|next| next.starts_with('/'));
        if piece.starts_with(['/', '?', '!']) || !closes {
            continue;
        }
        if let Some((head, text)) = piece.split_once('>') {
            let name = head.split_whitespace().next().unwrap_or_default();
            leaves.push((name.to_owned(), unescape(text)));
        }
    }
    leaves
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let named = from.split_once(';').filter(|(name, _)| name.len() < 12);
        let character = named.and_then(|(name, _)| match name {
            "&amp" => Some('&'),
            "&lt" => Some('<'),
            "&gt" => Some('>'),
            "&quot" => Some('"'),
            "&apos" => Some('\''),
            number => {
                let number = number.strip_prefix("&#")?;
                let code = match number.strip_prefix('x') {
                    Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
                    None => number.parse().ok(),
                };
                char::from_u32(code?)
            }
        });
        match (character, named) {
            (Some(character), Some((_, after))) => {
                plain.push(character);
                rest = after;
            }
            _ => {
                plain.push('&');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_found_by_their_whole_name() {
        let xml = "<Tags><Tag><Key>a&amp;b</Key></Tag><Tag/><TagX>n</TagX></Tags>";
        assert_eq!(blocks(xml, "Tag"), ["<Key>a&amp;b</Key>", ""]);
        assert_eq!(texts(xml, "Key"), ["a&b"]);
        assert_eq!(text(xml, "None"), None);
    }

    #[test]
    fn leaves_are_elements_of_text() {
        let xml = "<?xml?><A x=\"1\"><B>1</B><C><D>&#x32;</D></C></A>";
        let expected = [("B", "1"), ("D", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(leaves(xml), expected);
    }

    proptest! {
        #[test]
        fn nothing_that_is_no_xml_is_a_panic(text in "[<>/&;#xaé \n]{0,60}") {
            blocks(&text, "a");
            leaves(&text);
            unescape(&text);
        }
    }
}
