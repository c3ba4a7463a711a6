//! A file that is a program and is named as something else.

use super::{Hit, Over, Rule, Scene};
use crate::Kind;
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "disguised-file",
    technique: "T1036.008",
    advice: "Look for what opens or starts the file; nothing names a program so by accident.",
    over: Over::Every,
    look,
};

const PICTURES: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "bmp", "ico", "webp", "svg", "tif", "tiff", "mp3", "mp4", "wav",
    "ttf", "woff", "woff2", "pdf",
];
const TEXTS: &[&str] = &[
    "txt", "md", "json", "xml", "html", "htm", "css", "csv", "yml", "yaml", "toml", "ini", "cfg",
    "conf", "log", "rst", "py", "js", "mjs", "cjs", "ts", "rb", "sh", "pem", "crt", "lock",
];

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let Some((_, extension)) = scene.name.rsplit_once('.') else {
        return;
    };
    let extension = extension.to_ascii_lowercase();
    let is_picture = PICTURES.contains(&extension.as_str());
    let is_text = TEXTS.contains(&extension.as_str());
    let (what, severity) = match scene.file.kind {
        Kind::Elf if is_picture || is_text => ("an ELF program", Severity::High),
        Kind::Pe if is_picture || is_text => ("a Windows program", Severity::Medium),
        Kind::MachO if is_picture || is_text => ("a macOS program", Severity::Medium),
        Kind::Script if is_picture && extension != "svg" => ("a script", Severity::High),
        Kind::PythonBytecode if is_picture || is_text => ("compiled Python", Severity::High),
        Kind::JavaClass if is_picture => ("a Java class", Severity::Medium),
        Kind::Zip if is_picture => ("an archive", Severity::Medium),
        _ => return,
    };
    hits.push(
        Hit::new(
            severity,
            Confidence::High,
            format!("{} is named .{extension} and is {what}", scene.path()),
        )
        .if_owned(if scene.file.kind == Kind::Elf {
            Severity::Medium
        } else {
            Severity::Info
        }),
    );
}
