//! Names with wildcards, as owners write them in parameters.

/// Whether `text` is like `pattern`, in which `*` is any number of characters and `?` is one.
pub fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the last `*` stands, and how much of the text it took so far.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match (pattern.get(at), star) {
            (Some('*'), _) => {
                star = Some((at, read));
                at += 1;
            }
            (Some(c), _) if *c == '?' || Some(c) == text.get(read) => {
                at += 1;
                read += 1;
            }
            (_, Some((place, taken))) => {
                star = Some((place, taken + 1));
                at = place + 1;
                read = taken + 1;
            }
            (_, None) => return false,
        }
    }
    pattern.iter().skip(at).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn wildcards_stand_for_any_and_for_one() {
        for (pattern, text, like) in [
            ("billing", "billing", true),
            ("billing", "billing-2", false),
            ("billing-*", "billing-2", true),
            ("billing-*", "billing", false),
            ("*-canary", "a-canary-b-canary", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "ab-", false),
        ] {
            assert_eq!(is_like(pattern, text), like, "{pattern} {text}");
        }
        let (pattern, text) = ("*a".repeat(60), "a".repeat(59));
        assert!(!is_like(&pattern, &text));
    }
}
