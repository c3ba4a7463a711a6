//! Names and lines as an attacker makes them: a script, a terminal's escapes, text from right to left,
//! more of it than anybody reads.

use crate::{ACCOUNT, ATTACKER};

/// Whatever of this reaches a page or a terminal as it is, breaks it: markup, an escape character, a
/// bell, an override of the direction of text.
pub const BREAKS: [&str; 5] = ["<script>", "<img ", "\u{1b}", "\u{7}", "\u{202e}"];

/// How long the longest name is.
pub const LONG_NAME_BYTES: usize = 1 << 20;

/// All of it.
pub(crate) const NAME: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}gnp.exe";

/// What a zip takes as a file's name.
pub(crate) const FILE: &str = "lib/<img src=x onerror=alert(3)>\u{1b}[31m\u{202e}yp";

/// A module of that name.
pub(crate) const SOURCE: &[u8] =
    "# \u{202e}<script>alert(4)</script>\u{1b}[2J\nexec(open(\"/tmp/next\").read())\n".as_bytes();

pub(crate) fn principal() -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{NAME}")
}

pub(crate) fn address() -> String {
    format!("{ATTACKER}\u{1b}[8m<script>alert(5)</script>")
}

/// A megabyte of it.
pub(crate) fn long() -> String {
    let mut text = NAME.repeat(LONG_NAME_BYTES / NAME.len() + 1);
    text.truncate(text.floor_char_boundary(LONG_NAME_BYTES));
    text
}
