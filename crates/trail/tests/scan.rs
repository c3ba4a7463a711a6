//! Trail files of any shape, whole and broken, searched in one thread and in many.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{self, Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use trail::{
    BreakageKind, MAX_BREAKAGES, Match, Query, Scanner, Sink, Tally, TrailFile, scan_files,
};

const KEY: &str = "ASIAEXAMPLEEXAMPLE01";

fn record(id: usize) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {"type": "AssumedRole", "accessKeyId": KEY},
        "eventTime": "2026-11-20T09:12:33Z", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
        "requestParameters": {"policy": "{\"Version\":\"2012\",\"Statement\":[{\"a\":\"\\\\\"}]}",
            "list": [1, [2, {"x": "}"}], null]},
        "eventID": id.to_string(),
    })
}

fn asked() -> Query {
    Query {
        access_key: Some(KEY.into()),
        ..Query::default()
    }
}

fn wrapped(records: &[Value]) -> String {
    json!({"Records": records}).to_string()
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// What a scan hands out: ids, raw texts and offsets.
fn scan_with(query: &Query, input: impl Read) -> (Vec<(String, String, u64)>, Tally) {
    let mut found = Vec::new();
    let tally = Scanner::new(query).scan("file", input, |m| {
        let id = m.record.event_id().unwrap_or("none").to_owned();
        found.push((id, m.raw.to_owned(), m.offset));
        ControlFlow::Continue(())
    });
    assert_eq!(tally.matched, found.len() as u64);
    (found, tally)
}

fn scan(input: impl AsRef<[u8]>) -> (Vec<String>, Tally) {
    let bytes = input.as_ref();
    let (found, tally) = scan_with(&asked(), bytes);
    for (_, raw, offset) in &found {
        if !bytes.starts_with(&[0x1F, 0x8B]) {
            let start = usize::try_from(*offset).unwrap();
            assert_eq!(
                &bytes[start..start + raw.len()],
                raw.as_bytes(),
                "exactly as in the file"
            );
        }
    }
    (found.into_iter().map(|(id, ..)| id).collect(), tally)
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|id| id.to_string()).collect()
}

/// Hands its bytes out in pieces of the given sizes, over and over.
struct Pieces<'a> {
    rest: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        let size = size.min(buffer.len()).min(self.rest.len());
        buffer[..size].copy_from_slice(&self.rest[..size]);
        self.rest = &self.rest[size..];
        Ok(size)
    }
}

#[test]
fn every_layout_gives_the_same_records() {
    let records: Vec<_> = (0..5).map(record).collect();
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let all = json!({"Records": records});
    for layout in [
        wrapped(&records),
        pretty(&all),
        format!("\u{feff}{all}\r\n"),
        format!(
            "  {{ \"owner\": [1, {{}}], \"Records\" :\r\n {} , \"more\": {{\"a\": [\"]}}\"]}} }} ",
            json!(records)
        ),
        format!("{}\n{}", wrapped(&records[..2]), wrapped(&records[2..])),
        format!("{}{}", wrapped(&records[..2]), lines(&records[2..])),
        lines(&records),
        lines(&records).replace('\n', "\r\n"),
        lines(&records).replace('\n', "\n\n"),
        lines(&records).replace('\n', ""),
        json!(records).to_string(),
        pretty(&json!(records)),
        records.iter().map(pretty).collect::<Vec<_>>().join("\n"),
    ] {
        for bytes in [layout.clone().into_bytes(), gzip(&layout)] {
            let (found, tally) = scan(&bytes);
            assert_eq!(found, ids(0..5), "{layout}");
            assert_eq!(tally.broken, 0, "{layout}\n{:?}", tally.breakages);
            assert_eq!((tally.records, tally.bytes), (5, layout.len() as u64));
            assert_eq!(tally.stored_bytes, bytes.len() as u64);
        }
    }
}

#[test]
fn nothing_holds_nothing() {
    for input in [
        "",
        "\n \r\n",
        "[]",
        "{\"Records\":[]}",
        "\u{feff}",
        "{\"Records\": []}\n",
    ] {
        for bytes in [input.as_bytes().to_vec(), gzip(input)] {
            let (found, tally) = scan(bytes);
            assert_eq!(
                (found.len(), tally.records, tally.broken),
                (0, 0, 0),
                "{input:?}"
            );
        }
    }
}

#[test]
fn a_broken_line_is_located_and_the_rest_goes_on() {
    let whole = record(0).to_string();
    for broken in [
        "nonsense",
        r#"{"eventName": "Upd"#,
        r#"{"eventName": "UpdateFunctionCode", "#,
        r#"{"eventName":"#,
        "}}}",
        "[",
        "null",
        "17",
        r#"{"a": [1}"#,
        r#"{"a": {"b": 1}"#,
        "{",
        "\u{fffd}\0\u{1}",
    ] {
        let input = format!("{whole}\n{broken}\n{whole}\n{whole}\n");
        let (found, tally) = scan(&input);
        assert_eq!(found.len(), 3, "{broken}: {tally:?}");
        assert_eq!(tally.broken, 1, "{broken}: {tally:?}");
        let at = tally.breakages[0].offset_bytes;
        // A list may hold all that follows; that it has no end shows at the end.
        let expected = match broken {
            "[" => input.len(),
            _ => whole.len() + 1,
        };
        assert_eq!(at, expected as u64, "{broken}: {tally:?}");
    }
    let two =
        format!("{whole}\nnonsense\nmore of it\n{whole}\n{{\"a\": 1,\n{{\"b\": 2,\n{whole}\n");
    let (found, tally) = scan(&two);
    assert_eq!((found.len(), tally.broken), (3, 4), "{tally:?}");
}
