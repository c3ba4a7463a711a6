//! Words on a page of so many columns: wrapped, cut, counted. Whatever comes in may be hostile and goes out
//! shown, bounded and without control characters.

use console::measure_text_width;
use evidence::shown;
use jiff::Timestamp;

/// `text` on one line of at most `width` columns; a `…` stands for what was cut.
pub fn cut(text: &str, width: usize) -> String {
    let mut line = shown(text, width);
    // A character may take two columns.
    if measure_text_width(&line) > width {
        while measure_text_width(&line) >= width && line.pop().is_some() {}
        line.push('…');
    }
    line
}

/// As [`cut`], filled up with spaces to exactly `width` columns.
pub fn padded(text: &str, width: usize) -> String {
    let line = cut(text, width);
    let room = width.saturating_sub(measure_text_width(&line));
    line + &" ".repeat(room)
}

/// `text` broken into at most `most` lines of at most `width` columns, between words where they are
/// not longer than a line; a `…` stands for what was cut. At least one line.
pub fn wrapped(text: &str, width: usize, most: usize) -> Vec<String> {
    let width = width.max(8);
    let text = shown(text, width.saturating_mul(most.saturating_add(1)));
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let size = measure_text_width(word);
        if used > 0 && used + 1 + size <= width {
            used += 1 + size;
            push(&mut lines, " ");
            push(&mut lines, word);
            continue;
        }
        if used > 0 {
            lines.push(String::new());
        }
        used = spill(&mut lines, word, width);
    }
    if lines.len() > most.max(1) {
        lines.truncate(most.max(1));
        if let Some(last) = lines.last_mut() {
            *last = cut(&format!("{last} …"), width);
            if !last.ends_with('…') {
                last.push('…');
            }
        }
    }
    lines
}

/// `text` in rows of at most `columns`, broken between words; `begin` stands before the first, `indent`
/// before the others. A word that is longer stays whole, so that a command can be copied. At least one row.
pub fn rows(begin: &str, indent: &str, text: &str, columns: usize) -> Vec<String> {
    let mut rows = vec![begin.to_owned()];
    let mut is_begun = false;
    for word in text.split_whitespace() {
        let used = rows.last().map_or(0, |row| measure_text_width(row));
        if is_begun && used + 1 + measure_text_width(word) > columns {
            rows.push(indent.to_owned());
        } else if is_begun {
            push(&mut rows, " ");
        }
        push(&mut rows, word);
        is_begun = true;
    }
    rows
}

/// `text` shown, at most `longest` characters of it, with longer runs of spaces told by their number: nobody
/// can push a part of a line out of sight. What was cut is told as well.
pub fn pressed(text: &str, longest: usize) -> String {
    const RUN: usize = 24;
    let mut pressed = String::new();
    let mut spaces = 0;
    let flush = |pressed: &mut String, spaces: &mut usize| {
        match *spaces {
            many if many > RUN => pressed.push_str(&format!("⟨{} spaces⟩", number(many as u64))),
            few => pressed.push_str(&" ".repeat(few)),
        }
        *spaces = 0;
    };
    for character in text.chars() {
        if character == ' ' {
            spaces += 1;
            continue;
        }
        flush(&mut pressed, &mut spaces);
        pressed.push(character);
    }
    flush(&mut pressed, &mut spaces);
    let all = pressed.chars().count();
    let told = shown(&pressed, longest);
    match all.checked_sub(longest) {
        None | Some(0) => told,
        Some(more) => format!(
            "{told} (and {} more characters; --json has all)",
            number(more as u64)
        ),
    }
}

/// `text` broken after each `width` columns wherever that is, its spaces kept: of code and of logs each
/// counts, and padding cannot make a terminal begin a row that looks like another line. At least one row.
pub fn broken(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    spill(&mut rows, text, width.max(8));
    rows
}

/// Goes on with `text` in the last of the rows, which is empty, and in as many more as it takes; how many
/// columns of the last are used.
fn spill(rows: &mut Vec<String>, text: &str, width: usize) -> usize {
    let mut used = 0;
    for character in text.chars() {
        let mut bytes = [0; 4];
        let character = character.encode_utf8(&mut bytes);
        let size = measure_text_width(character);
        if used + size > width {
            rows.push(String::new());
            used = 0;
        }
        used += size;
        push(rows, character);
    }
    used
}

fn push(lines: &mut [String], text: &str) {
    if let Some(last) = lines.last_mut() {
        last.push_str(text);
    }
}

/// A time to the second, in UTC: `2026-11-23 03:15:01Z`.
pub fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The same, to the millisecond.
pub fn at_ms(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S.%3fZ").to_string()
}

/// How long from one time to another, in its largest units: `9 s`, `2 h 10 min`, `3 d`.
pub fn lasting(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => match seconds % 3_600 / 60 {
            0 => format!("{} h", seconds / 3_600),
            minutes => format!("{} h {minutes} min", seconds / 3_600),
        },
        _ => format!("{} d", seconds / 86_400),
    }
}

/// So many bytes: `512 bytes`, `1.2 kB`, `48 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        None => format!("{bytes} bytes"),
        // One digit after the point below ten, none above.
        Some((unit, name)) if bytes < unit * 10 => {
            format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
        }
        Some((unit, name)) => format!("{} {name}", bytes / unit),
    }
}

/// A number with its thousands apart: `204,118`.
pub fn number(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut apart = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// So many of something: `1 case`, `1,200 cases`.
pub fn count(many: usize, one: &str, more: &str) -> String {
    format!("{} {}", number(many), if many == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_long_words_anywhere() {
        assert_eq!(
            wrapped("one two three four", 9, 9),
            ["one two", "three", "four"]
        );
        assert_eq!(wrapped("abcdefghijklmnop", 8, 9), ["abcdefgh", "ijklmnop"]);
        assert_eq!(wrapped("", 8, 9), [""]);
        assert_eq!(wrapped("one two three four", 9, 2), ["one two", "three …"]);
    }

    #[test]
    fn padding_makes_no_line_of_its_own() {
        let forged = format!("harmless{}2026-11-23  all is well", " ".repeat(32));
        let rows = broken(&forged, 40);
        assert_eq!(rows.concat(), forged);
        assert_eq!(rows[1], "2026-11-23  all is well");
        assert_eq!(broken("", 40), [""]);
        assert_eq!(broken("請求書請求書", 8), ["請求書請", "求書"]);
    }

    #[test]
    fn nothing_is_pushed_out_of_sight() {
        let hidden = format!("x = 1  #{}; import os", " ".repeat(1_200));
        assert_eq!(pressed(&hidden, 100), "x = 1  #⟨1,200 spaces⟩; import os");
        assert_eq!(pressed("    deep\u{9b}", 100), "    deep\\u{9b}");
        let told = pressed(&"a".repeat(130), 100);
        assert!(
            told.ends_with("a… (and 30 more characters; --json has all)"),
            "{told}"
        );
    }

    #[test]
    fn whatever_it_is_a_line_has_its_columns_and_no_escape() {
        for text in [
            "x".repeat(1_000_000),
            "請求書".repeat(1_000),
            "\u{1b}[2J\u{9b}31m\u{202e}abc\r\n".repeat(1_000),
            "a\u{301}".repeat(100_000),
        ] {
            for line in wrapped(&text, 40, 3).iter().chain([&cut(&text, 40)]) {
                assert!(measure_text_width(line) <= 41, "{line:?}");
                assert!(!line.chars().any(evidence::is_hidden), "{line:?}");
            }
            assert_eq!(measure_text_width(&padded(&text, 40)), 40);
        }
    }

    #[test]
    fn figures_are_told_in_units_that_people_read() {
        assert_eq!(
            [size(512), size(1_234), size(48_100_000)],
            ["512 bytes", "1.2 kB", "48 MB"]
        );
        assert_eq!([number(7_u64), number(204_118_u64)], ["7", "204,118"]);
        let at = |text: &str| text.parse().unwrap();
        let begun = at("2026-11-23T03:15:01Z");
        assert_eq!(lasting(begun, at("2026-11-23T03:15:10Z")), "9 s");
        assert_eq!(lasting(begun, at("2026-11-23T05:25:01Z")), "2 h 10 min");
        assert_eq!(lasting(begun, at("2026-11-26T05:25:01Z")), "3 d");
    }
}
