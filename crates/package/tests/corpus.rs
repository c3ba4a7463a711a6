//! A malicious corpus, made here byte by byte: each is examined within the limits, and what is odd
//! about it is named.

#![allow(clippy::unwrap_used, reason = "what a test cannot make, fails it")]

mod crafted;
mod examined;

use crafted::{
    Entry, deflate, deflated, end, gzipped, header, pax, specimens, stored, tar_entry, tarred,
    written, zipped,
};
use evidence::Sha256Digest;
use examined::{SLACK_BYTES, examined_within};
use package::{Contents, File, Kind, Limits, Oddity, Source, Unreadable};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;

// ---- looking at things

fn examined(bytes: &[u8]) -> Contents {
    examined_within(bytes, &Limits::default()).unwrap()
}

fn oddities(contents: &Contents) -> BTreeSet<Oddity> {
    contents
        .irregularities
        .iter()
        .map(|odd| odd.oddity)
        .collect()
}

#[track_caller]
fn assert_odd(contents: &Contents, oddity: Oddity, path: Option<&str>) {
    assert!(
        contents
            .irregularities
            .iter()
            .any(|odd| odd.oddity == oddity && odd.path.as_deref() == path),
        "{oddity:?} of {path:?} is missing in {:?}",
        contents.irregularities
    );
}

fn paths(contents: &Contents) -> Vec<&str> {
    contents
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect()
}

#[track_caller]
fn file<'c>(contents: &'c Contents, path: &str) -> &'c File {
    contents
        .files
        .iter()
        .find(|file| file.path == path)
        .unwrap_or_else(|| panic!("{path} is missing in {:?}", paths(contents)))
}

#[track_caller]
fn assert_holds(contents: &Contents, path: &str, bytes: &[u8]) {
    assert_eq!(
        file(contents, path).sha256,
        Some(Sha256Digest::of(bytes)),
        "{path}"
    );
}

/// The block with other bytes in it, and a checksum that fits.
fn with(mut block: [u8; 512], at: usize, bytes: &[u8]) -> [u8; 512] {
    block[at..at + bytes.len()].copy_from_slice(bytes);
    let mut header = tar::Header::from_byte_slice(&block).clone();
    header.set_cksum();
    *header.as_bytes()
}

// ---- bombs

#[test]
fn a_flat_bomb_is_stopped_and_the_file_beside_it_is_read() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file("bomb", SimpleFileOptions::default())
        .unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..300 {
        writer.write_all(&zeros).unwrap();
    }
    writer
        .start_file("handler.py", SimpleFileOptions::default())
        .unwrap();
    writer.write_all(b"import os\n").unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let contents = examined_within(
        &bytes,
        &Limits {
            ratio: 100,
            ..Limits::default()
        },
    )
    .unwrap();
    assert_odd(&contents, Oddity::Bomb, Some("bomb"));
    assert!(!contents.is_complete);
    assert!(file(&contents, "bomb").size_bytes < 40 << 20);
    assert_eq!(file(&contents, "bomb").sha256, None);
    assert_eq!(paths(&contents), ["bomb", "handler.py"]);
}

#[test]
fn a_bomb_of_bombs_is_stopped_by_what_all_of_it_comes_to() {
    let mut bytes = written(&[("zeros", &vec![0; 8 << 20])]);
    for _ in 0..3 {
        let names: Vec<String> = (0..16).map(|count| format!("{count}.zip")).collect();
        let files: Vec<(&str, &[u8])> = names
            .iter()
            .map(|name| (name.as_str(), bytes.as_slice()))
            .collect();
        bytes = written(&files);
    }
    let contents = examined(&bytes);
    assert!(
        oddities(&contents).contains(&Oddity::Bomb),
        "{:?}",
        contents.irregularities
    );
    let total: u64 = contents.files.iter().map(|file| file.size_bytes).sum();
    assert!(total <= 1_000 * bytes.len() as u64 + SLACK_BYTES);
}

#[test]
fn bytes_of_all_files_are_limited_and_what_follows_is_listed() {
    let data = vec![7; 300_000];
    let limits = Limits {
        total_bytes: 500_000,
        ratio: u64::MAX,
        ..Limits::default()
    };
    let files = [stored("a", &data), stored("b", &data), stored("c", &data)];
    let contents = examined_within(&zipped(&files), &limits).unwrap();
    assert_odd(&contents, Oddity::BeyondLimits, Some("b"));
    assert_holds(&contents, "a", &data);
    assert_eq!(paths(&contents), ["a", "b", "c"]);
    assert_eq!(file(&contents, "c").sha256, None);
    assert!(!contents.is_complete);
}

#[test]
fn archives_within_archives_end_at_the_depth_that_is_allowed() {
    let mut bytes = written(&[("payload", b"deep")]);
    for _ in 0..20 {
        bytes = written(&[("a.zip", &bytes)]);
    }
    let contents = examined(&bytes);
    let deepest = "a.zip!/a.zip!/a.zip!/a.zip";
    assert_eq!(paths(&contents).last(), Some(&deepest));
    assert_odd(&contents, Oddity::BeyondLimits, Some(deepest));
}

#[test]
fn a_tar_bomb_in_gzip_is_stopped() {
    let mut bytes = header("zeros", b'0', 3 << 30).to_vec();
    bytes.resize(64 << 20, 0);
    let contents = examined_within(
        &gzipped(&bytes),
        &Limits {
            ratio: 100,
            ..Limits::default()
        },
    )
    .unwrap();
    assert!(
        oddities(&contents).contains(&Oddity::Bomb),
        "{:?}",
        contents.irregularities
    );
}

#[test]
fn entries_that_all_point_at_the_same_bytes_are_noticed_and_bounded() {
    let data = vec![0; 1 << 20];
    let mut entries = vec![deflated("0", &data)];
    for count in 1..3_000 {
        entries.push(Entry {
            shares: Some(0),
            ..deflated(format!("{count}"), b"")
        });
        let first = entries[0].clone();
        let last = entries.last_mut().unwrap();
        (last.packed, last.crc, last.size) = (first.packed, first.crc, first.size);
    }
    let limits = Limits {
        ratio: 50,
        ..Limits::default()
    };
    let bytes = zipped(&entries);
    let contents = examined_within(&bytes, &limits).unwrap();
    assert_odd(&contents, Oddity::OverlappingEntries, Some("1"));
    assert!(oddities(&contents).contains(&Oddity::Bomb));
    assert_eq!(contents.files.len(), 3_000);
}

#[test]
fn seventy_thousand_entries_are_read_and_a_limit_on_them_holds() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for count in 0..70_000_u32 {
        writer.start_file(format!("{count}"), options).unwrap();
        writer.write_all(&count.to_le_bytes()).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    let contents = examined(&bytes);
    assert_eq!(contents.files.len(), 70_000);
    assert_eq!(contents.irregularities, []);
    assert_holds(&contents, "69999", &69_999_u32.to_le_bytes());

    let limits = Limits {
        entries: 1_000,
        ..Limits::default()
    };
    let contents = examined_within(&bytes, &limits).unwrap();
    assert_eq!(contents.files.len(), 1_000);
    assert_eq!(oddities(&contents), [Oddity::BeyondLimits].into());
    assert!(!contents.is_complete);
}

#[test]
fn announced_sizes_are_not_believed() {
    // An exabyte in zip64.
    let mut extra = vec![1, 0, 16, 0];
    extra.extend((1_u64 << 60).to_le_bytes());
    extra.extend((1_u64 << 60).to_le_bytes());
    let contents = examined(&zipped(&[
        Entry {
            size: u32::MAX,
            packed_said: Some(u32::MAX),
            central_extra: extra,
            ..stored("huge", b"small")
        },
        stored("b", b"two"),
    ]));
    assert_odd(&contents, Oddity::Truncated, Some("huge"));
    assert_holds(&contents, "b", b"two");

    // A tar's file, name and extended header of eight gigabytes.
    for what in [b'0', b'L', b'x', b'S'] {
        let mut bytes = header("huge", what, 0o77_777_777_777).to_vec();
        bytes.extend([b'x'; 2_000]);
        let contents = examined(&bytes);
        assert!(
            oddities(&contents).contains(&Oddity::Truncated),
            "{} {:?}",
            what as char,
            contents.irregularities
        );
    }
}

#[test]
fn work_that_yields_nothing_is_bounded_as_well() {
    // Empty blocks of deflate: a megabyte of input that unpacks to nothing, pointed at a thousand times.
    let mut entries = vec![Entry {
        packed: [0, 0, 0, 0xff, 0xff].repeat(200_000),
        method: 8,
        ..stored("0", b"")
    }];
    for count in 1..1_000 {
        entries.push(Entry {
            name: format!("{count}").into_bytes(),
            shares: Some(0),
            ..entries[0].clone()
        });
    }
    let limits = Limits {
        total_bytes: 20 << 20,
        ..Limits::default()
    };
    let contents = examined_within(&zipped(&entries), &limits).unwrap();
    assert!(
        oddities(&contents).contains(&Oddity::BeyondLimits),
        "{:?}",
        oddities(&contents)
    );
}

#[test]
fn sixty_thousand_entries_of_one_name_are_told_apart_without_much_ado() {
    let entries = vec![stored("a", b""); 60_000];
    let contents = examined(&zipped(&entries));
    assert_eq!(contents.files.len(), 60_000);
    assert_eq!(contents.files[59_999].path, "a#60000");
    assert!(contents.irregularities.len() < 300);
}

#[test]
fn headers_that_claim_the_same_bytes_for_their_names_are_bounded() {
    // No directory, and a local header every thirty bytes, each with 128 KB of name and extra field.
    let mut header = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    header.extend([0; 8]);
    header.extend([0xff; 4]);
    let limits = Limits {
        total_bytes: 64 << 20,
        ..Limits::default()
    };
    let contents = examined_within(&header.repeat(40_000), &limits).unwrap();
    assert!(
        oddities(&contents).contains(&Oddity::BeyondLimits),
        "{:?}",
        oddities(&contents)
    );
}

// ---- names

#[test]
fn paths_that_lead_out_are_named_and_listed() {
    let hostile = [
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../b",
        "..\\..\\windows",
        "C:\\windows",
        "c:evil",
        "a\\b",
        "..",
    ];
    let entries: Vec<Entry> = hostile.iter().map(|name| stored(name, b"x")).collect();
    let contents = examined(&zipped(&entries));
    assert_eq!(paths(&contents), hostile);
    for name in hostile {
        assert_odd(&contents, Oddity::TraversingPath, Some(name));
    }
    let tar: Vec<Vec<u8>> = hostile
        .iter()
        .map(|name| tar_entry(name, b'0', b"x"))
        .collect();
    let contents = examined(&tarred(&tar));
    for name in hostile {
        assert_odd(&contents, Oddity::TraversingPath, Some(name));
    }
    let fine = ["a..b", "..a/b", "a/.hidden", "./a"].map(|name| stored(name, b"x"));
    assert_eq!(examined(&zipped(&fine)).irregularities, []);
}

#[test]
fn names_that_are_not_what_they_look_like_are_named() {
    let hostile: [(&[u8], &str); 7] = [
        (b"caf\xe9.py", "caf\\xE9.py"),
        (b"\xff\xfe\x00", "\\xFF\\xFE\0"),
        (b"a\nb", "a\nb"),
        (b"\x1b[2Jgone", "\u{1b}[2Jgone"),
        ("gpj.\u{202e}yp.exe".as_bytes(), "gpj.\u{202e}yp.exe"),
        (b"", "(unnamed)"),
        (b"a.jar!/Evil.class", "a.jar\\x21/Evil.class"),
    ];
    let entries: Vec<Entry> = hostile.iter().map(|(name, _)| stored(name, b"x")).collect();
    let contents = examined(&zipped(&entries));
    for (_, shown) in hostile {
        assert_odd(&contents, Oddity::HostileName, Some(shown));
        assert_holds(&contents, shown, b"x");
    }
}

#[test]
fn both_of_two_entries_with_one_name_are_read() {
    let entries = [
        stored("index.py", b"good"),
        stored("index.py", b"evil"),
        stored("index.py#2", b"clever"),
        stored("index.py", b"third"),
    ];
    let contents = examined(&zipped(&entries));
    assert_eq!(
        paths(&contents),
        ["index.py", "index.py#2", "index.py#2#2", "index.py#3"]
    );
    assert_holds(&contents, "index.py#2", b"evil");
    assert_holds(&contents, "index.py#2#2", b"clever");
    assert_odd(&contents, Oddity::DuplicateName, Some("index.py#2"));

    let tar = tarred(&[tar_entry("a", b'0', b"one"), tar_entry("./a", b'0', b"two")]);
    let contents = examined(&tar);
    assert_odd(&contents, Oddity::DuplicateName, Some("a#2"));
    assert_holds(&contents, "a#2", b"two");
}

#[test]
fn names_that_differ_in_case_or_unicode_form_only_are_twins() {
    let contents = examined(&zipped(&[
        stored("Index.py", b"1"),
        stored("index.PY", b"2"),
        stored("caf\u{e9}", b"3"),
        stored("cafe\u{301}", b"4"),
        stored("other", b"5"),
    ]));
    assert_odd(&contents, Oddity::DuplicateName, Some("index.PY"));
    assert_odd(&contents, Oddity::DuplicateName, Some("cafe\u{301}"));
    assert_eq!(contents.irregularities.len(), 2);
    assert!(contents.is_complete);
}

#[test]
fn long_names_are_taken_whole_or_cut_where_the_limit_is() {
    let long = format!("{}/end", "d".repeat(300));
    let longer = "x".repeat(60_000);
    let tar = tarred(&[
        tar_entry("././@LongLink", b'L', format!("{long}\0").as_bytes()),
        tar_entry("gnu", b'0', b"gnu"),
        pax(&[
            ("path", &format!("pax{long}")),
            ("mtime", "1.5"),
            ("comment", "x"),
        ]),
        tar_entry("short", b'0', b"pax"),
        tar_entry("././@LongLink", b'L', longer.as_bytes()),
        tar_entry("gnu", b'0', b"cut"),
        tar_entry("plain", b'0', b"plain"),
    ]);
    let contents = examined(&tar);
    assert_holds(&contents, &long, b"gnu");
    assert_holds(&contents, &format!("pax{long}"), b"pax");
    assert_holds(&contents, "plain", b"plain");
    let cut = &contents.files[2];
    assert!(cut.path.len() <= 4096 && cut.path.ends_with('…'));
    assert_odd(&contents, Oddity::BeyondLimits, Some(&cut.path));

    // Cut to the same, and told apart all the same.
    let names = [format!("{longer}1"), format!("{longer}2")];
    let contents = examined(&zipped(&[stored(&names[0], b"1"), stored(&names[1], b"2")]));
    assert_eq!(contents.files.len(), 2);
    assert!(oddities(&contents).contains(&Oddity::BeyondLimits));
}

// ---- lies of zips

#[test]
fn wrong_checksums_and_sizes_are_named_and_the_bytes_are_listed_as_they_are() {
    let contents = examined(&zipped(&[
        Entry {
            crc: 1,
            ..deflated("crc", b"data")
        },
        Entry {
            size: 3,
            ..deflated("size", b"data")
        },
        Entry {
            packed: b"\x07no deflate at all".to_vec(),
            ..deflated("corrupt", b"data")
        },
        Entry {
            packed: deflate(b"half of it")[..5].to_vec(),
            ..deflated("half", b"half of it")
        },
        deflated("fine", b"fine"),
    ]));
    for path in ["crc", "size", "corrupt"] {
        assert_odd(&contents, Oddity::BadChecksum, Some(path));
    }
    assert_odd(&contents, Oddity::Truncated, Some("half"));
    assert_holds(&contents, "crc", b"data");
    assert_holds(&contents, "size", b"data");
    assert_holds(&contents, "fine", b"fine");
    assert_eq!(file(&contents, "corrupt").sha256, None);
    assert_eq!(file(&contents, "half").sha256, None);
}

#[test]
fn headers_that_contradict_the_directory_are_named() {
    let contents = examined(&zipped(&[
        Entry {
            local_name: Some(b"evil.exe".to_vec()),
            ..stored("harmless.txt", b"x")
        },
        Entry {
            local_method: Some(0),
            ..deflated("method", b"data")
        },
        stored("fine", b"fine"),
    ]));
    assert_odd(
        &contents,
        Oddity::ContradictingHeaders,
        Some("harmless.txt"),
    );
    assert_odd(&contents, Oddity::ContradictingHeaders, Some("method"));
    assert!(
        contents
            .irregularities
            .iter()
            .any(|odd| odd.detail.contains("evil.exe"))
    );
    assert_eq!(contents.irregularities.len(), 2);

    // Local sizes, checksum, encryption.
    let honest = zipped(&[stored("a", b"12345")]);
    for (at, byte) in [(14, 9), (18, 4), (22, 4), (6, 1)] {
        let mut bytes = honest.clone();
        bytes[at] = byte;
        assert_odd(&examined(&bytes), Oddity::ContradictingHeaders, Some("a"));
    }
    // The count at the end.
    let mut bytes = honest.clone();
    let count = bytes.len() - 12;
    bytes[count] = 2;
    assert_odd(&examined(&bytes), Oddity::ContradictingHeaders, None);
    // The offset in the directory.
    let mut bytes = honest;
    let offset = bytes.len() - 22 - 1 - 4;
    bytes[offset] = 3;
    let contents = examined(&bytes);
    assert_odd(&contents, Oddity::ContradictingHeaders, Some("a"));
    assert_holds(&contents, "a#2", b"12345");
}

#[test]
fn a_second_name_in_an_extra_field_is_named() {
    let mut extra = vec![0x75, 0x70, 13, 0, 1];
    extra.extend(crc32fast::hash(b"a.txt").to_le_bytes());
    extra.extend(b"evil.exe");
    let contents = examined(&zipped(&[Entry {
        central_extra: extra,
        ..stored("a.txt", b"x")
    }]));
    assert_odd(&contents, Oddity::ContradictingHeaders, Some("a.txt"));
}

#[test]
fn a_second_directory_in_the_comment_is_named() {
    let mut bytes = zipped(&[stored("a", b"one")]);
    bytes.truncate(bytes.len() - 22);
    let size = bytes.len() as u32 - 34;
    let inner = end(0, 0, 0, b"");
    bytes.extend(end(1, size, 34, &inner));
    let contents = examined(&bytes);
    assert_odd(&contents, Oddity::ContradictingHeaders, None);
    assert!(paths(&contents).contains(&"a"));
}

#[test]
fn streamed_entries_of_each_form_are_read() {
    for (mark, is_long) in [(true, false), (false, false), (true, true), (false, true)] {
        let data = b"streamed".repeat(10);
        let mut entry = Entry {
            flags: 8,
            ..deflated("s", &data)
        };
        let packed = entry.packed.len() as u64;
        // Written by hand behind the data, instead of by `zipped`.
        let mut behind = if mark {
            b"PK\x07\x08".to_vec()
        } else {
            Vec::new()
        };
        behind.extend(entry.crc.to_le_bytes());
        for number in [packed, data.len() as u64] {
            behind.extend(&number.to_le_bytes()[..if is_long { 8 } else { 4 }]);
        }
        entry.behind = behind;
        let mut bytes = zipped(&[entry, stored("after", b"x")]);
        let at = 31 + packed as usize;
        bytes.drain(at..at + 16);
        // What came after has moved.
        let len = bytes.len();
        let directory = u32::from_le_bytes(bytes[len - 6..len - 2].try_into().unwrap()) - 16;
        bytes[len - 6..len - 2].copy_from_slice(&directory.to_le_bytes());
        let second = directory as usize + 47 + 42;
        let offset = u32::from_le_bytes(bytes[second..second + 4].try_into().unwrap()) - 16;
        bytes[second..second + 4].copy_from_slice(&offset.to_le_bytes());
        let contents = examined(&bytes);
        assert_eq!(contents.irregularities, [], "mark {mark}, long {is_long}");
        assert_holds(&contents, "s", &data);
    }
}

#[test]
fn bytes_that_belong_to_nothing_are_named_and_searched_for_entries() {
    let files = [stored("a", b"one"), stored("b", b"two")];
    let plain = zipped(&files);

    let before = [b"#!/usr/bin/env python3\n".as_slice(), &plain].concat();
    let contents = examined(&before);
    assert_eq!(oddities(&contents), [Oddity::StrayBytes].into());
    assert_holds(&contents, "b", b"two");

    let behind = [plain.as_slice(), b"payload"].concat();
    let contents = examined(&behind);
    assert_eq!(oddities(&contents), [Oddity::StrayBytes].into());
    assert_holds(&contents, "b", b"two");

    let between = zipped(&[
        stored("a", b"one"),
        Entry {
            before: b"payload".to_vec(),
            ..stored("b", b"two")
        },
        Entry {
            packed: [deflate(b"three"), b"payload".to_vec()].concat(),
            ..deflated("c", b"three")
        },
    ]);
    let contents = examined(&between);
    assert_odd(&contents, Oddity::StrayBytes, None);
    assert_odd(&contents, Oddity::StrayBytes, Some("c"));
    assert_holds(&contents, "c", b"three");

    let hidden = zipped(&[
        stored("a", b"one"),
        Entry {
            is_unlisted: true,
            ..deflated("hidden.py", b"import os")
        },
        Entry {
            is_unlisted: true,
            flags: 8,
            ..deflated("hidden-stream.py", b"import sys")
        },
        stored("b", b"two"),
    ]);
    let contents = examined(&hidden);
    assert_eq!(
        paths(&contents),
        ["a", "b", "hidden.py", "hidden-stream.py"]
    );
    assert_odd(&contents, Oddity::StrayBytes, Some("hidden.py"));
    assert_holds(&contents, "hidden.py", b"import os");
    assert_holds(&contents, "hidden-stream.py", b"import sys");

    // A zip behind a zip: most programs see the last one only.
    let contents = examined(&[zipped(&[stored("first", b"1")]), plain].concat());
    assert_holds(&contents, "first", b"1");
    assert_odd(&contents, Oddity::StrayBytes, Some("first"));
}

#[test]
fn a_zip_behind_another_file_is_opened_wherever_it_stands() {
    let inner = zipped(&[stored("payload.py", b"import os")]);
    let mut program = b"\x7fELF\x02\x01\x01\0".to_vec();
    program.extend([0x90; 200]);
    program.extend(&inner);
    let contents = examined(&zipped(&[stored("bin/tool", &program)]));
    assert_eq!(file(&contents, "bin/tool").kind, Kind::Elf);
    assert_holds(&contents, "bin/tool!/payload.py", b"import os");
}

#[test]
fn what_cannot_be_read_is_listed_and_named() {
    let contents = examined(&zipped(&[
        Entry {
            flags: 1,
            ..stored("zipcrypto", b"secret")
        },
        Entry {
            method: 99,
            ..stored("aes", b"secret")
        },
        Entry {
            method: 12,
            ..stored("bzip2", b"BZh9")
        },
        Entry {
            method: 93,
            ..stored("zstd", b"data")
        },
        stored("plain", b"plain"),
    ]));
    for path in ["zipcrypto", "aes"] {
        assert_odd(&contents, Oddity::Encrypted, Some(path));
        assert_eq!(file(&contents, path).sha256, None);
    }
    for path in ["bzip2", "zstd"] {
        assert_odd(&contents, Oddity::UnknownMethod, Some(path));
    }
    assert_holds(&contents, "plain", b"plain");
    assert!(!contents.is_complete);
}

#[test]
fn zip64_is_read() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().large_file(true);
    for name in ["a", "b"] {
        writer.start_file(name, options).unwrap();
        writer.write_all(name.as_bytes()).unwrap();
    }
    let contents = examined(&writer.finish().unwrap().into_inner());
    assert_eq!(contents.irregularities, []);
    assert_holds(&contents, "b", b"b");

    // Sizes only in the zip64 field, in header and directory.
    let mut extra = vec![1, 0, 16, 0];
    extra.extend(5_u64.to_le_bytes());
    extra.extend(5_u64.to_le_bytes());
    let contents = examined(&zipped(&[Entry {
        size: u32::MAX,
        packed_said: Some(u32::MAX),
        central_extra: extra,
        ..stored("z", b"12345")
    }]));
    assert_holds(&contents, "z", b"12345");
    let contents = examined(&zipped(&[Entry {
        size: u32::MAX,
        packed_said: Some(u32::MAX),
        ..stored("z", b"12345")
    }]));
    assert_odd(&contents, Oddity::ContradictingHeaders, Some("z"));
}

// ---- links, devices, rights

#[test]
fn links_are_listed_and_never_followed() {
    let link = |name: &str, target: &str| Entry {
        mode: 0o120_777,
        ..stored(name, target.as_bytes())
    };
    let zip = examined(&zipped(&[
        link("lib/out", "../../etc/passwd"),
        link("lib/absolute", "/proc/self/environ"),
        link("lib/in", "../a.so"),
    ]));
    let tar_link = |name: &str, what: u8, target: &str| {
        with(header(name, what, 0), 157, target.as_bytes()).to_vec()
    };
    let tar = examined(&tarred(&[
        tar_link("lib/out", b'2', "../../etc/passwd"),
        tar_link("lib/absolute", b'2', "/proc/self/environ"),
        tar_link("lib/in", b'2', "../a.so"),
        tar_link("lib/hard", b'1', "../etc/shadow"),
        tar_link("lib/hard-in", b'1', "lib/a"),
    ]));
    for contents in [&zip, &tar] {
        assert_odd(contents, Oddity::EscapingLink, Some("lib/out"));
        assert_odd(contents, Oddity::EscapingLink, Some("lib/absolute"));
        let inside = file(contents, "lib/in");
        assert_eq!((inside.kind, inside.sha256), (Kind::Link, None));
        assert_eq!(inside.link_to.as_deref(), Some("../a.so"));
    }
    assert_odd(&tar, Oddity::EscapingLink, Some("lib/hard"));
    assert_eq!((zip.irregularities.len(), tar.irregularities.len()), (2, 3));
}

#[test]
fn devices_pipes_and_set_user_id_are_named() {
    let contents = examined(&zipped(&[
        Entry {
            mode: 0o104_755,
            ..stored("sudo", b"x")
        },
        Entry {
            mode: 0o060_644,
            ..stored("disk", b"")
        },
        Entry {
            mode: 0o010_644,
            ..stored("pipe-with-bytes", b"payload")
        },
    ]));
    assert_odd(&contents, Oddity::Privileged, Some("sudo"));
    assert_odd(&contents, Oddity::SpecialFile, Some("disk"));
    assert_odd(&contents, Oddity::SpecialFile, Some("pipe-with-bytes"));
    assert_holds(&contents, "pipe-with-bytes", b"payload");
    assert_eq!(file(&contents, "sudo").mode, Some(0o4755));
    assert_eq!(file(&contents, "disk").kind, Kind::Special);

    let mut entries: Vec<Vec<u8>> = [b'3', b'4', b'6']
        .iter()
        .map(|what| header(&format!("special-{}", *what as char), *what, 0).to_vec())
        .collect();
    entries.push(with(header("setgid", b'0', 0), 100, b"0002755\0").to_vec());
    let contents = examined(&tarred(&entries));
    for path in ["special-3", "special-4", "special-6"] {
        assert_odd(&contents, Oddity::SpecialFile, Some(path));
    }
    assert_odd(&contents, Oddity::Privileged, Some("setgid"));
}

#[cfg(unix)]
#[test]
fn a_folder_is_read_without_following_links_or_waiting_for_pipes() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    std::fs::create_dir(folder.path().join("lib")).unwrap();
    std::fs::write(folder.path().join("lib/a.py"), "import os\n").unwrap();
    std::fs::set_permissions(
        folder.path().join("lib/a.py"),
        std::fs::Permissions::from_mode(0o4755),
    )
    .unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    symlink(".", folder.path().join("lib/loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path().join("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let mut source = Source::open(folder.path()).unwrap();
    let contents = source.read(&Limits::default(), &mut []).unwrap();
    assert_eq!(
        paths(&contents),
        ["lib/a.py", "lib/loop", "out", "pipe", "socket"]
    );
    assert_odd(&contents, Oddity::EscapingLink, Some("out"));
    assert_odd(&contents, Oddity::SpecialFile, Some("pipe"));
    assert_odd(&contents, Oddity::SpecialFile, Some("socket"));
    assert_odd(&contents, Oddity::Privileged, Some("lib/a.py"));
    assert_eq!(contents.irregularities.len(), 4);
}

// ---- tars

#[test]
fn sparse_files_are_read_as_they_would_be_on_disk() {
    let mut whole = vec![0; 3_000];
    whole[1_000..1_005].copy_from_slice(b"hello");

    // The old form: the map in the header.
    let mut old = with(header("old", b'S', 5), 386, b"00000001750\x0000000000005\0");
    old = with(old, 483, b"00000005670\0");
    let mut old = old.to_vec();
    old.extend(b"hello");
    old.resize(1024, 0);

    // 0.1: the map in the extended header; 1.0: before the data.
    let sizes = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")];
    let name = [("GNU.sparse.name", "new"), ("GNU.sparse.realsize", "3000")];
    let mut new = b"1\n1000\n5\n".to_vec();
    new.resize(512, 0);
    new.extend(b"hello");
    // The map is padded with zeros, which its reader must not take for digits.
    let new = [
        pax(&[sizes, name].concat()),
        tar_entry("GNUSparseFile.0/new", b'0', &new),
    ]
    .concat();
    let middle = [
        pax(&[
            ("GNU.sparse.size", "3000"),
            ("GNU.sparse.map", "1000,5"),
            ("GNU.sparse.name", "middle"),
        ]),
        tar_entry("GNUSparseFile.0/middle", b'0', b"hello"),
    ]
    .concat();
    let contents = examined(&tarred(&[old, new, middle, tar_entry("after", b'0', b"x")]));
    assert_eq!(contents.irregularities, []);
    for path in ["old", "new", "middle"] {
        assert_holds(&contents, path, &whole);
    }
    assert_holds(&contents, "after", b"x");
}

#[test]
fn a_sparse_file_of_a_terabyte_is_a_bomb_and_one_without_sense_is_named() {
    let huge = with(
        header("huge", b'S', 0),
        483,
        b"\x80\0\0\0\0\0\x01\0\0\0\0\0",
    )
    .to_vec();
    let contents = examined(&tarred(&[huge]));
    assert!(
        oddities(&contents).contains(&Oddity::Bomb),
        "{:?}",
        contents.irregularities
    );

    let mut senseless = with(header("a", b'S', 5), 386, b"00000001750\x0000000000005\0");
    senseless = with(senseless, 483, b"00000000001\0");
    let mut senseless = senseless.to_vec();
    senseless.extend(b"hello");
    senseless.resize(1024, 0);
    let contents = examined(&tarred(&[senseless, tar_entry("after", b'0', b"x")]));
    assert_odd(&contents, Oddity::UnknownMethod, Some("a"));
    assert_holds(&contents, "after", b"x");
}

#[test]
fn entries_behind_the_end_mark_and_behind_damage_are_found() {
    let mut bytes = tarred(&[tar_entry("a", b'0', b"one")]);
    bytes.extend(tarred(&[tar_entry("hidden", b'0', b"two")]));
    let contents = examined(&bytes);
    assert_holds(&contents, "hidden", b"two");
    assert_odd(&contents, Oddity::StrayBytes, None);

    let mut bytes = tarred(&[
        tar_entry("a", b'0', b"one"),
        tar_entry("b", b'0', b"two"),
        tar_entry("c", b'0', b"three"),
    ]);
    bytes[1024 + 5] ^= 0xff;
    let contents = examined(&bytes);
    assert_odd(&contents, Oddity::BadChecksum, None);
    assert_eq!(paths(&contents), ["a", "c"]);
    assert!(!contents.is_complete);
}

#[test]
fn gzip_of_several_streams_is_one_and_what_follows_is_named() {
    let tar = tarred(&[tar_entry("a", b'0', b"one"), tar_entry("b", b'0', b"two")]);
    let two = [gzipped(&tar[..700]), gzipped(&tar[700..])].concat();
    let contents = examined(&two);
    assert_eq!(contents.irregularities, []);
    assert_holds(&contents, "b", b"two");

    let contents = examined(&[gzipped(&tar), b"payload".to_vec()].concat());
    assert_eq!(oddities(&contents), [Oddity::StrayBytes].into());
    let contents = examined(&[gzipped(&tar), vec![0; 700]].concat());
    assert_eq!(contents.irregularities, []);

    let mut damaged = gzipped(&tar);
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    let contents = examined(&damaged);
    assert_eq!(oddities(&contents), [Oddity::BadChecksum].into());
    assert_holds(&contents, "b", b"two");
}

// ---- cut, mutated, arbitrary

#[test]
fn every_cut_is_noticed_and_what_stands_before_it_is_read() {
    for whole in specimens() {
        let honest = examined(&whole);
        assert!(honest.is_complete, "{:?}", honest.irregularities);
        let digests: BTreeMap<&str, Option<Sha256Digest>> = honest
            .files
            .iter()
            .map(|file| (file.path.as_str(), file.sha256))
            .collect();
        let mut most = 0;
        for cut in (0..whole.len())
            .step_by(97)
            .chain([whole.len() - 1, whole.len() - 22])
        {
            let contents = match examined_within(&whole[..cut], &Limits::default()) {
                Ok(contents) => contents,
                Err(why) => {
                    assert!(matches!(why, Unreadable::NoArchive { .. }), "{why}");
                    assert!(cut < 1_024, "cut at {cut} of {}", whole.len());
                    continue;
                }
            };
            assert!(
                oddities(&contents).contains(&Oddity::Truncated),
                "cut at {cut} of {}: {:?}",
                whole.len(),
                contents.irregularities
            );
            assert!(!contents.is_complete);
            for file in contents.files.iter().filter(|file| file.sha256.is_some()) {
                if let Some(digest) = digests.get(file.path.as_str()) {
                    assert!(*digest == file.sha256 || digest.is_none(), "{}", file.path);
                }
            }
            most = most.max(contents.files.len());
        }
        assert!(
            most + 1 >= honest.files.len(),
            "a cut at the end loses nothing"
        );
    }
}

/// A change of a few bytes: numbers at their edges are likelier to hurt than any.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Number(prop::sample::Index, Vec<u8>),
    Cut(prop::sample::Index),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Mark(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    let number = prop::sample::select(vec![
        vec![0; 4],
        vec![0xff; 2],
        vec![0xff; 4],
        vec![0xff; 8],
        vec![0xff, 0xff, 0xff, 0x7f],
        vec![0, 0, 0, 0x80],
        vec![1, 0, 0, 0],
    ]);
    prop_oneof![
        4 => (index(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (index(), number).prop_map(|(at, bytes)| Change::Number(at, bytes)),
        1 => index().prop_map(Change::Cut),
        1 => (index(), 1..40_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (index(), 1..300_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        2 => (index(), index()).prop_map(|(at, mark)| Change::Mark(at, mark)),
    ]
}

const MARKS: [&[u8]; 7] = [
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x07\x08",
    b"ustar\0",
];

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let len = bytes.len();
        let overwrite = |bytes: &mut Vec<u8>, at: usize, with: &[u8]| {
            let count = with.len().min(len - at);
            bytes[at..at + count].copy_from_slice(&with[..count]);
        };
        match change {
            Change::Set(at, byte) => bytes[at.index(len)] = *byte,
            Change::Number(at, with) => overwrite(&mut bytes, at.index(len), with),
            Change::Mark(at, mark) => {
                overwrite(&mut bytes, at.index(len), MARKS[mark.index(MARKS.len())])
            }
            Change::Cut(at) => bytes.truncate(at.index(len)),
            Change::Remove(at, count) => {
                let at = at.index(len);
                bytes.drain(at..(at + count).min(len));
            }
            Change::Repeat(at, count) => {
                let at = at.index(len);
                let again = bytes[at..(at + count).min(len)].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_examined_within_the_limits(
        start in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\0"]),
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        let _ = examined_within(&[start, &bytes].concat(), &examined::tight());
    }

    #[test]
    fn any_change_of_an_archive_is_examined_within_the_limits(
        which in 0..4_usize,
        changes in prop::collection::vec(change(), 1..8),
    ) {
        let bytes = changed(specimens().swap_remove(which), &changes);
        let _ = examined_within(&bytes, &examined::tight());
        let _ = examined_within(&bytes, &Limits::default());
    }

    #[test]
    fn an_honest_zip_has_exactly_its_files(
        files in prop::collection::btree_map(
            "[a-z]{1,8}(/[a-z0-9_.]{1,8}[a-z])?",
            prop::collection::vec(any::<u8>(), 0..3_000),
            0..12,
        ),
        is_deflated in any::<bool>(),
    ) {
        let method = if is_deflated {
            zip::CompressionMethod::Deflated
        } else {
            zip::CompressionMethod::Stored
        };
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method).unix_permissions(0o640);
        for (name, bytes) in &files {
            writer.start_file(name.as_str(), options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        let contents = examined(&writer.finish().unwrap().into_inner());
        prop_assert_eq!(&contents.irregularities, &[]);
        prop_assert!(contents.is_complete);
        let read: Vec<_> = contents
            .files
            .iter()
            .filter(|file| !file.path.contains("!/"))
            .map(|file| (file.path.clone(), file.sha256, file.size_bytes, file.mode))
            .collect();
        let expected: Vec<_> = files
            .iter()
            .map(|(name, bytes)| {
                (name.clone(), Some(Sha256Digest::of(bytes)), bytes.len() as u64, Some(0o640))
            })
            .collect();
        prop_assert_eq!(read, expected);
    }
}
