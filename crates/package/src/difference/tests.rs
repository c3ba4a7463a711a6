//! Applied, a difference gives what is; what is the same gives none; nothing breaks out of Markdown.

use super::*;
use proptest::prelude::*;

/// What `patch` does with a unified difference.
fn applied(before: &str, difference: &str) -> String {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let mut new = String::new();
    let mut at = 0;
    let mut lines = difference.split_inclusive('\n').skip(2).peekable();
    while let Some(line) = lines.next() {
        if let Some(header) = line.strip_prefix("@@ -") {
            let range = header.split(' ').next().unwrap();
            let mut numbers = range
                .split(',')
                .map(|number| number.parse::<usize>().unwrap());
            let (start, length) = (numbers.next().unwrap(), numbers.next().unwrap_or(1));
            let start = if length == 0 { start } else { start - 1 };
            new.extend(old[at..start].iter().copied());
            at = start;
            continue;
        }
        let (sign, rest) = line.split_at(1);
        let has_no_newline = lines.peek().is_some_and(|next| next.starts_with('\\'));
        let rest = if has_no_newline {
            rest.strip_suffix('\n').unwrap()
        } else {
            rest
        };
        match sign {
            " " => {
                assert_eq!(old[at], rest);
                new.push_str(rest);
                at += 1;
            }
            "-" => {
                assert_eq!(old[at], rest);
                at += 1;
            }
            "+" => new.push_str(rest),
            "\\" => {}
            other => panic!("{other:?}"),
        }
    }
    new.extend(old[at..].iter().copied());
    new
}

fn file(path: &str, bytes: &[u8]) -> File {
    File {
        path: path.to_owned(),
        sha256: Some(Sha256Digest::of(bytes)),
        size_bytes: bytes.len() as u64,
        mode: Some(0o644),
        modified_at: None,
        kind: Kind::of(bytes, true),
        link_to: None,
    }
}

fn contents(files: &[(&str, &str)]) -> Contents {
    Contents {
        files: files
            .iter()
            .map(|(path, text)| file(path, text.as_bytes()))
            .collect(),
        irregularities: Vec::new(),
        is_complete: true,
    }
}

/// A folder as a source.
fn folder(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Source, Contents) {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let mut source = Source::open(folder.path()).unwrap();
    let contents = source.read(&Limits::default(), &mut []).unwrap();
    (folder, source, contents)
}

fn difference(before: &[(&str, &[u8])], after: &[(&str, &[u8])]) -> Difference {
    let (_a, mut old, was) = folder(before);
    let (_b, mut new, is) = folder(after);
    Difference::read((&mut old, &was), (&mut new, &is), &Limits::default()).unwrap()
}

#[test]
fn added_removed_changed_and_moved_are_told_apart() {
    let before = contents(&[
        ("app.py", "old"),
        ("gone.py", "x"),
        ("lib/a.py", "moved"),
        ("same", "s"),
    ]);
    let after = contents(&[
        ("app.py", "new"),
        ("evil.py", "y"),
        ("lib/b.py", "moved"),
        ("same", "s"),
    ]);
    let changes = FileChanges::between(&before, &after);
    assert_eq!(changes.added[0].path, "evil.py");
    assert_eq!(changes.removed[0].path, "gone.py");
    assert_eq!(changes.changed[0].after.path, "app.py");
    assert_eq!(
        (
            changes.moved[0].from.as_str(),
            changes.moved[0].after.path.as_str()
        ),
        ("lib/a.py", "lib/b.py")
    );
    assert_eq!(changes.unchanged, 1);
    let (added, removed) = (changes.added.len(), changes.removed.len());
    assert_eq!(
        (added, removed, changes.changed.len(), changes.moved.len()),
        (1, 1, 1, 1)
    );
}

#[test]
fn a_file_that_may_be_run_now_is_changed_and_one_of_another_time_is_not() {
    let before = contents(&[("a", "x"), ("b", "x")]);
    let mut after = before.clone();
    after.files[0].mode = Some(0o755);
    after.files[1].mode = Some(0o600);
    after.files[1].modified_at = Some("2026-01-01T00:00:00".to_owned());
    let changes = FileChanges::between(&before, &after);
    assert_eq!(changes.changed.len(), 1);
    assert!(changes.as_markdown().contains("mode 644, now 755"));
}

#[test]
fn what_could_not_be_read_is_neither_the_same_nor_changed() {
    let before = contents(&[("a", "x")]);
    let mut after = before.clone();
    after.files[0].sha256 = None;
    let changes = FileChanges::between(&before, &after);
    assert_eq!(
        (changes.unknown, changes.unchanged, changes.changed.len()),
        (1, 0, 0)
    );
    assert!(changes.as_markdown().contains("may be different"));
}

#[test]
fn a_changed_handler_is_a_readable_difference() {
    let before = b"import os\n\ndef handler(event, context):\n    return 1\n";
    let after = b"import os\nimport urllib.request\n\ndef handler(event, context):\n    return 1\n";
    let found = difference(&[("app.py", before)], &[("app.py", after)]);
    insta::assert_snapshot!(found.texts[0].unified.as_ref().unwrap(), @r"
    --- a/app.py
    +++ b/app.py
    @@ -1,4 +1,5 @@
     import os
    +import urllib.request
     
     def handler(event, context):
         return 1
    ");
}

#[test]
fn lines_of_windows_and_no_newline_at_the_end_are_kept() {
    for (old, new) in [
        ("a\r\nb\r\n", "a\r\nc\r\n"),
        ("a\nb", "a\nb\n"),
        ("a\rb", "a\rc"),
        ("", "x"),
        ("x\n", ""),
    ] {
        let found = unified(old.as_bytes(), new.as_bytes(), "f").unwrap();
        assert_eq!(applied(old, &found), new, "{old:?} {new:?}");
    }
}

#[test]
fn bytes_that_are_no_text_have_no_unified_difference() {
    assert_eq!(unified(b"\xff\xfe", b"a", "f"), None);
    assert_eq!(unified(b"a\0", b"a", "f"), None);
    assert_eq!(unified(b"a", b"a", "f"), None);
    let found = difference(
        &[("a.bin", &[0xff, 0, 1, 2])],
        &[("a.bin", &[0xff, 0, 1, 3, 4])],
    );
    assert_eq!(found.texts, []);
    assert_eq!(found.binaries[0].after.as_ref().unwrap().size_bytes, 5);
    assert_eq!(found.binaries[0].after.as_ref().unwrap().entropy, 2.32);
}

#[test]
fn a_change_in_one_long_line_is_told_by_its_place() {
    let begin: String = (0..2000).map(|n| format!("var a{n}={n};")).collect();
    let old = format!("{begin}end();");
    let new = format!("{begin}fetch('https://evil.example');end();");
    let found = difference(&[("app.js", old.as_bytes())], &[("app.js", new.as_bytes())]);
    let change = &found.texts[0];
    assert_eq!(change.unified, None);
    assert_eq!(
        change.excerpts,
        [Excerpt {
            line: 1,
            column: begin.len() + 1,
            before: String::new(),
            after: "fetch('https://evil.example');".to_owned(),
        }]
    );
    assert!(
        found
            .as_markdown()
            .contains("fetch('https://evil.example');")
    );
}

#[test]
fn lines_by_the_ten_thousand_that_are_all_different_end_soon() {
    let lines = |mark: &str| {
        (0..60_000)
            .map(|n| format!("{mark}{n}\n"))
            .collect::<String>()
    };
    let (old, new) = (lines("a"), lines("b"));
    assert_eq!(
        unified(old.as_bytes(), new.as_bytes(), "f"),
        None,
        "too long to be told"
    );
    let found = difference(&[("f", old.as_bytes())], &[("f", new.as_bytes())]);
    assert!(found.texts[0].is_cut);
}

#[test]
fn a_text_that_is_too_long_to_be_compared_is_told_by_its_size_and_not_as_new() {
    let short = b"x = 1\n".to_vec();
    let long = b"x = 1\n".repeat(200_000);
    for (old, new) in [(&short, &long), (&long, &short)] {
        let found = difference(&[("a.py", old)], &[("a.py", new)]);
        assert_eq!(found.texts, []);
        assert_eq!(
            found.binaries[0].before.as_ref().unwrap().size_bytes,
            old.len() as u64
        );
    }
}

#[test]
fn more_files_than_are_looked_into_are_counted() {
    let names: Vec<String> = (0..600).map(|n| format!("f{n:03}.py")).collect();
    let after: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), b"x = 1\n".as_slice()))
        .collect();
    let found = difference(&[], &after);
    assert_eq!((found.texts.len(), found.not_looked_into), (500, 100));
    assert!(found.as_markdown().contains("100 more files"));
}

#[test]
fn what_a_program_takes_from_others_is_told() {
    let program = |symbols: &[&str]| {
        use object::write::{Object, Symbol, SymbolSection};
        let mut object = Object::new(
            object::BinaryFormat::Elf,
            object::Architecture::X86_64,
            object::Endianness::Little,
        );
        for name in symbols {
            object.add_symbol(Symbol {
                name: name.as_bytes().to_vec(),
                value: 0,
                size: 0,
                kind: object::SymbolKind::Text,
                scope: object::SymbolScope::Dynamic,
                weak: false,
                section: SymbolSection::Undefined,
                flags: object::SymbolFlags::None,
            });
        }
        object.write().unwrap()
    };
    let facts = BinaryFacts::of(&program(&["connect"]), true);
    assert_eq!(facts.kind, Kind::Elf);
    // The tests themselves are a program that needs libc.
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let own = BinaryFacts::of(&own, true);
    let change = BinaryChange::between("bootstrap", Some(facts), Some(own));
    assert!(
        change
            .libraries_added
            .iter()
            .any(|name| name.starts_with("libc.so")),
        "{change:?}"
    );
    assert!(change.imports_added.len() > 10);
}

#[test]
fn hostile_text_stays_in_its_fence_and_shows_what_it_hides() {
    let after = "```\n# owned \u{202e}\u{1b}[2J\n````\n";
    let name = "x`\u{202e}y.py";
    let found = difference(&[], &[(name, after.as_bytes())]);
    let text = found.as_markdown();
    assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text}");
    assert!(
        text.contains("`````diff\n") && text.contains("\\u{202e}"),
        "{text}"
    );
}

#[test]
fn the_same_package_has_no_difference() {
    let files: &[(&str, &[u8])] = &[("a.py", b"x\n"), ("b.bin", &[0, 1, 2])];
    let found = difference(files, files);
    assert!(found.files.is_empty() && found.texts.is_empty() && found.binaries.is_empty());
    assert_eq!(found.files.unchanged, 2);
}

proptest! {
    #[test]
    fn applied_to_what_was_a_difference_gives_what_is(
        old in prop::collection::vec("[ab]{0,2}(\r)?", 0..40),
        edits in prop::collection::vec((0_usize..40, 0_u8..3, "[abc]{0,2}"), 0..12),
        ends in any::<(bool, bool)>(),
    ) {
        let mut new = old.clone();
        for (at, kind, line) in edits {
            let at = at.min(new.len());
            match kind {
                0 => new.insert(at, line),
                1 if at < new.len() => { new.remove(at); }
                _ if at < new.len() => new[at] = line,
                _ => {}
            }
        }
        let text = |lines: &[String], end: bool| lines.join("\n") + if end { "\n" } else { "" };
        let (old, new) = (text(&old, ends.0), text(&new, ends.1));
        match unified(old.as_bytes(), new.as_bytes(), "f") {
            None => prop_assert_eq!(old, new),
            Some(found) => {
                prop_assert_ne!(&old, &new);
                prop_assert_eq!(applied(&old, &found), new);
            }
        }
    }

    #[test]
    fn every_file_is_counted_once(
        before in prop::collection::btree_map("[a-e]", "[xyz]{0,2}", 0..5),
        after in prop::collection::btree_map("[a-e]", "[xyz]{0,2}", 0..5),
    ) {
        let list = |files: &std::collections::BTreeMap<String, String>| {
            let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
            contents(&files)
        };
        let changes = FileChanges::between(&list(&before), &list(&after));
        let both = changes.changed.len() + changes.moved.len() + changes.unchanged;
        prop_assert_eq!(both + changes.added.len(), after.len());
        prop_assert_eq!(both + changes.removed.len(), before.len());
        prop_assert_eq!(changes.is_empty(), before == after);
    }
}
