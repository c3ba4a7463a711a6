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

#[test]
fn a_lost_quote_or_bracket_costs_one_record_of_a_list() {
    let records: Vec<_> = (0..6).map(record).collect();
    let whole = wrapped(&records);
    let second = whole.find("\"eventID\":\"2\"").unwrap();
    let start = whole[..second].rfind("{\"eventVersion\"").unwrap();
    for (lost, what) in [
        (second, "an opening quote"),
        (second + 8, "a closing quote"),
        (
            whole[..second].rfind("]}}\"").unwrap_or(second - 3),
            "a bracket",
        ),
        (
            whole[start..].find(",null]").unwrap() + start + 5,
            "a bracket of a list",
        ),
        (
            whole[start..].find('{').unwrap() + start,
            "the record's own bracket",
        ),
    ] {
        let mut broken = whole.clone();
        broken.remove(lost);
        for layout in [
            broken.clone(),
            format!("{broken}\n{}", wrapped(&records[..1])),
        ] {
            let (found, tally) = scan(&layout);
            for id in ["0", "1", "3", "4", "5"] {
                assert!(
                    found.contains(&id.to_owned()),
                    "{what}: {found:?} {tally:?}"
                );
            }
            assert!((1..=2).contains(&tally.broken), "{what}: {tally:?}");
            let at = usize::try_from(tally.breakages[0].offset_bytes).unwrap();
            assert!((start - 1..=second + 12).contains(&at), "{what}: {tally:?}");
        }
    }
}

/// Nothing but quotes shows that one was lost, and the rest is more than is read again.
#[test]
fn a_lost_quote_is_noticed_before_the_file_ends() {
    let flat = |id: usize| json!({"eventVersion": "1.11", "eventID": id.to_string(), "text": "a".repeat(200)});
    let records: Vec<_> = (0..20_000).map(flat).collect();
    let mut input = wrapped(&records);
    let lost = input.find("\"eventID\":\"100\"").unwrap();
    input.remove(lost);
    assert!(input.len() > 2 * trail::MAX_RECORD_BYTES);
    let (found, tally) = scan_with(&Query::default(), input.as_bytes());
    assert_eq!((found.len(), tally.broken), (19_999, 1));
    assert!(!found.iter().any(|(id, ..)| id == "100"));
}

/// Bytes are moved to the front of the buffer when it is full, wherever a line happens to end.
#[test]
fn a_line_after_a_fault_is_found_wherever_it_begins() {
    const BUFFER: usize = 512 * 1024;
    for end in BUFFER - 3..BUFFER + 3 {
        let broken = "{\"a\":[}";
        let input = format!(
            "{broken}{}\n{}\n",
            "x".repeat(end - broken.len()),
            record(1)
        );
        let reordered = input.replace("{\"eventVersion\":\"1.11\",", "{");
        let (found, tally) = scan(&reordered);
        assert_eq!((found.len(), tally.broken), (1, 1), "{end}");
    }
}

#[test]
fn items_that_are_no_records_are_located_and_passed_over() {
    let input = format!(
        "{{\"Records\":[{},null,[{{}}],\"text\",17,{}]}}",
        record(0),
        record(1)
    );
    let (found, tally) = scan(&input);
    assert_eq!(
        (found, tally.broken),
        (ids(0..2), 3),
        "{:?}",
        tally.breakages
    );
    let foreign = format!("{{\"note\":\"{KEY}\"}}\n{}\n", record(0));
    let (found, tally) = scan(&foreign);
    assert_eq!((found, tally.broken, tally.records), (ids(0..1), 1, 1));
}

#[test]
fn a_file_cut_off_anywhere_gives_what_was_whole_and_one_breakage() {
    let records: Vec<_> = (0..3).map(record).collect();
    let whole = wrapped(&records);
    let ends: Vec<_> = (0..3)
        .map(|id| whole.find(&records[id].to_string()).unwrap() + records[id].to_string().len())
        .collect();
    for cut in 1..whole.len() {
        let (found, tally) = scan(&whole[..cut]);
        let expected = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(found, ids(0..expected), "cut at {cut}");
        assert_eq!(tally.broken, 1, "cut at {cut}: {:?}", tally.breakages);
        assert_eq!(tally.breakages[0].what, BreakageKind::Record);
    }
}

#[test]
fn compressed_data_cut_off_anywhere_are_one_broken_file() {
    let whole = gzip(wrapped(&(0..20).map(record).collect::<Vec<_>>()));
    for cut in 1..whole.len() {
        let (found, tally) = scan(&whole[..cut]);
        assert_eq!(found, ids(0..found.len()));
        assert_eq!(tally.broken, 1, "cut at {cut}: {:?}", tally.breakages);
        let kind = match cut {
            1 => BreakageKind::Text,
            _ => BreakageKind::File,
        };
        assert_eq!(tally.breakages[0].what, kind, "cut at {cut}");
    }
}

#[test]
fn a_damaged_gzip_member_is_passed_over_up_to_the_next() {
    let member =
        |range: std::ops::Range<usize>| gzip(wrapped(&range.map(record).collect::<Vec<_>>()));
    let (first, mut second, third) = (member(0..3), member(3..6), member(6..9));
    let middle = second.len() / 2;
    second[middle..middle + 8].fill(0xFF);
    let input = [first.clone(), second, third.clone()].concat();
    let (found, tally) = scan(&input);
    assert!(
        found.starts_with(&ids(0..3)) && found.ends_with(&ids(6..9)),
        "{found:?}"
    );
    assert_eq!(tally.breakages.len(), 1, "{:?}", tally.breakages);
    assert_eq!(tally.breakages[0].what, BreakageKind::File);

    let mut wrong_sum = first.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    let (found, tally) = scan([wrong_sum, third.clone()].concat());
    assert_eq!(found.len(), 6);
    assert!(
        tally.breakages[0].why.contains("checksum"),
        "{:?}",
        tally.breakages
    );

    let (found, tally) = scan([first, vec![0; 512], third, b"and more".to_vec()].concat());
    assert_eq!((found.len(), tally.broken), (6, 1), "{:?}", tally.breakages);
}

#[test]
fn a_record_may_lie_across_gzip_members() {
    let whole = wrapped(&(0..4).map(record).collect::<Vec<_>>());
    let (left, right) = whole.as_bytes().split_at(whole.len() / 2);
    let (found, tally) = scan([gzip(left), gzip(right)].concat());
    assert_eq!((found, tally.broken), (ids(0..4), 0));
}

#[test]
fn a_giant_or_deep_record_is_passed_over_and_the_next_one_found() {
    let mut giant = record(1);
    giant["requestParameters"] =
        json!({"text": "x\\".repeat(2 * trail::MAX_RECORD_BYTES), "list": [{}]});
    let mut large = record(2);
    large["requestParameters"] = json!("x".repeat(trail::MAX_RECORD_BYTES - 1000));
    let mut crowded = record(3);
    crowded["requestParameters"] = json!(vec![0; 200_000]);
    let mut nested = record(3);
    nested["requestParameters"] = json!(vec![[[[[[0]]]]]; 4_000]);
    let deep = format!(
        "{{\"eventID\":\"4\",\"k\":\"{KEY}\",\"a\":{}{}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    for layout in [
        format!(
            "{{\"Records\":[{},{giant},{large},{crowded},{nested},{deep},{}]}}",
            record(0),
            record(5)
        ),
        format!(
            "{}\n{giant}\n{large}\n{crowded}\n{nested}\n{deep}\n{}",
            record(0),
            record(5)
        ),
    ] {
        let (found, tally) = scan(&layout);
        assert_eq!(found, ["0", "2", "5"]);
        let why: Vec<_> = tally.breakages.iter().map(|b| b.why.as_str()).collect();
        assert_eq!(tally.broken, 4, "{why:?}");
        assert!(
            why[0].contains("larger")
                && why[1].contains("commas")
                && why[2].contains("lists")
                && why[3].contains("deep"),
            "{why:?}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_broken_only_where_they_are() {
    let mut input = wrapped(&[record(0), record(1), record(2)]).into_bytes();
    let at = input
        .windows(15)
        .position(|w| w == b"\"eventID\":\"1\"},")
        .unwrap()
        + 11;
    input[at] = 0xFF;
    let (found, tally) = scan(&input);
    assert_eq!(found, ["0", "2"]);
    assert_eq!((tally.broken, tally.records), (1, 2));
    assert_eq!(tally.breakages[0].why, "not UTF-8");
}

#[test]
fn breakages_are_listed_up_to_a_bound_and_counted_beyond() {
    let (_, tally) = scan("nonsense\n".repeat(MAX_BREAKAGES + 500));
    assert_eq!(tally.broken, MAX_BREAKAGES as u64 + 500);
    assert_eq!(tally.breakages.len(), MAX_BREAKAGES);
}

#[test]
fn reading_that_fails_is_told_with_what_came_before() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the line\nwas cut"))
        }
    }
    let whole = lines(&[record(0), record(1)]);
    let (found, tally) = scan_with(&asked(), whole.as_bytes().chain(Failing));
    assert_eq!((found.len(), tally.broken), (2, 1));
    let breakage = &tally.breakages[0];
    assert_eq!(
        (breakage.what, breakage.offset_bytes),
        (BreakageKind::File, whole.len() as u64)
    );
    assert!(
        breakage.why.contains("the line\\nwas cut"),
        "{}",
        breakage.why
    );
}

#[test]
fn a_bomb_is_cut_off() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    let bomb = encoder.finish().unwrap().repeat(300);
    let (_, tally) = scan(&bomb);
    assert!(
        tally.bytes < trail::BOMB_BYTES + (1 << 20),
        "{}",
        tally.bytes
    );
    assert!(
        tally.breakages[0].why.contains("300-fold"),
        "{:?}",
        tally.breakages
    );
}

/// Each of these would be read over and over if every fault led back to its beginning.
#[test]
fn a_file_made_of_faults_is_read_in_linear_time() {
    for piece in [
        "{\"eventVersion\":[{\"eventVersion\":1},",
        "\n{\"a\":[",
        "{\"eventVersion\":\"",
        "\n{\"a\":\n",
        "\n{}}",
        "\n{\"Records\":[[",
        "{\"eventVersion\":",
    ] {
        let input = piece.repeat(3 * 512 * 1024 / piece.len());
        let begun = std::time::Instant::now();
        let (_, tally) = scan(&input);
        assert!(tally.broken > 0, "{piece}");
        // A debug build reads some 20 MB/s; quadratic work would take hours.
        assert!(
            begun.elapsed().as_secs() < 120,
            "{piece}: {:?}",
            begun.elapsed()
        );
    }
}

/// Takes everything down, in order.
#[derive(Default, PartialEq, Debug)]
struct Log {
    lines: Vec<String>,
    stop_after: Option<usize>,
}

impl Sink for Log {
    fn matched(&mut self, found: Match<'_>) -> ControlFlow<()> {
        let id = found.record.event_id().unwrap_or("none");
        self.lines
            .push(format!("{} {} {id}", found.file, found.offset));
        match self.stop_after {
            Some(most) if self.lines.len() >= most => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn finished(&mut self, file: &str, tally: &Tally) -> ControlFlow<()> {
        self.lines.push(format!(
            "{file} done: {} of {}",
            tally.matched, tally.records
        ));
        ControlFlow::Continue(())
    }
}

fn scan_all(files: &[Vec<u8>], threads: usize, stop_after: Option<usize>) -> (Log, Tally) {
    let mut log = Log {
        stop_after,
        ..Log::default()
    };
    let files = files.iter().cloned().enumerate().map(|(index, bytes)| {
        TrailFile::new(format!("{index}"), move || match bytes.is_empty() {
            true => Err(io::Error::other("no such thing")),
            false => Ok(Cursor::new(bytes)),
        })
    });
    let tally = scan_files(
        files,
        &asked(),
        NonZeroUsize::new(threads).unwrap(),
        &mut log,
    );
    (log, tally)
}

#[test]
fn many_threads_hand_out_what_one_does_in_the_same_order() {
    let mut id = 0;
    let files: Vec<Vec<u8>> = (0..60)
        .map(|file| {
            // The first files are the largest: all others have to wait for them.
            let count = [4000, 1500, 3, 0, 40][if file < 2 { file } else { 2 + file % 3 }];
            let records: Vec<_> = (0..count)
                .map(|_| {
                    id += 1;
                    record(id)
                })
                .collect();
            match file % 7 {
                5 => Vec::new(),
                6 => b"nonsense\n".repeat(100),
                _ if file % 2 == 0 => gzip(wrapped(&records)),
                _ => lines(&records).into_bytes(),
            }
        })
        .collect();
    let one = scan_all(&files, 1, None);
    assert!(
        one.1.broken >= 8 && one.1.matched > 5000,
        "{:?}",
        one.1.broken
    );
    for threads in [2, 3, 8] {
        assert_eq!(scan_all(&files, threads, None), one, "{threads} threads");
    }
}

/// More matches wait than may be held: those behind have to stop until it is their turn.
#[test]
fn a_file_behind_waits_when_it_holds_too_much() {
    let mut large = record(7);
    large["requestParameters"] = json!("x".repeat(100_000));
    let body = lines(&vec![large; 150]).into_bytes();
    let files = vec![body; 4];
    let one = scan_all(&files, 1, None);
    assert_eq!(one.1.matched, 600);
    assert_eq!(scan_all(&files, 4, None), one);
}

#[test]
fn a_sink_that_has_enough_ends_all_threads() {
    let files = vec![lines(&(0..500).map(record).collect::<Vec<_>>()).into_bytes(); 20];
    for threads in [1, 4] {
        let (log, _) = scan_all(&files, threads, Some(700));
        assert_eq!(log.lines.len(), 700);
    }
}

/// Files are opened one by one, and never far ahead.
#[test]
fn files_are_opened_when_their_turn_comes() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    struct Counted(Arc<AtomicUsize>, Cursor<Vec<u8>>);
    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.read(buffer)
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let open = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let files = (0..200).map(|index| {
        let (open, most) = (open.clone(), most.clone());
        TrailFile::new(index.to_string(), move || {
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Ok(Counted(open, Cursor::new(lines(&[record(1)]).into_bytes())))
        })
    });
    let tally = scan_files(
        files,
        &asked(),
        NonZeroUsize::new(3).unwrap(),
        &mut |_: Match<'_>| ControlFlow::Continue(()),
    );
    assert_eq!((tally.files, tally.matched), (200, 200));
    assert!(most.load(Ordering::SeqCst) <= 3);
}

/// Any JSON, with what is hard to tell apart in its strings.
fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        ".{0,12}",
        r#"[{}\[\]":,\\a\n ]{0,40}"#,
        Just("{\"eventVersion\"".to_owned())
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner.clone()), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            inner.prop_map(|value| Value::String(value.to_string())),
        ]
    })
}

fn any_record() -> impl Strategy<Value = Value> {
    (any_json(), any_json(), 0..9usize).prop_map(|(request, more, id)| {
        let mut record = record(id);
        record["requestParameters"] = request;
        record["Records"] = json!(more.to_string());
        record
    })
}

fn any_layout() -> impl Strategy<Value = (Vec<Value>, String)> {
    (prop::collection::vec(any_record(), 0..12), 0..6usize).prop_map(|(records, layout)| {
        let text = match layout {
            0 => wrapped(&records),
            1 => lines(&records),
            2 => serde_json::to_string_pretty(&json!({"a": "]}", "Records": records, "b": [{}]}))
                .unwrap(),
            3 => json!(records).to_string(),
            4 => records
                .iter()
                .map(|r| serde_json::to_string_pretty(r).unwrap())
                .collect(),
            _ => records
                .iter()
                .map(|r| wrapped(std::slice::from_ref(r)))
                .collect(),
        };
        (records, text)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What the scan tells apart is what a JSON parser reads, whatever pieces it comes in.
    #[test]
    fn records_are_those_that_a_parser_reads(
        (records, text) in any_layout(),
        sizes in prop::collection::vec(1..200usize, 1..6),
        is_compressed in any::<bool>(),
    ) {
        let bytes = if is_compressed { gzip(&text) } else { text.into_bytes() };
        let pieces = Pieces { rest: &bytes, sizes, turn: 0 };
        let (found, tally) = scan_with(&Query::default(), pieces);
        let found: Vec<Value> = found.iter().map(|(_, raw, _)| serde_json::from_str(raw).unwrap()).collect();
        prop_assert_eq!(found, records);
        prop_assert_eq!(tally.broken, 0, "{:?}", tally.breakages);
    }

    /// Damage, too, is told the same whatever pieces it comes in; and never twice the same record.
    #[test]
    fn damage_is_found_the_same_in_any_pieces(
        (_, text) in any_layout(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..6),
        sizes in prop::collection::vec(1..4000usize, 1..6),
        is_compressed in any::<bool>(),
    ) {
        let mut bytes = text.into_bytes();
        if is_compressed {
            bytes = gzip(&bytes);
        }
        for (index, byte, is_removed) in cuts {
            if bytes.is_empty() { break; }
            let at = index.index(bytes.len());
            if is_removed { bytes.remove(at); } else { bytes[at] = byte; }
        }
        let whole = scan_with(&Query::default(), &bytes[..]);
        let pieces = scan_with(&Query::default(), Pieces { rest: &bytes, sizes, turn: 0 });
        prop_assert_eq!(&whole, &pieces);
        let offsets: Vec<_> = whole.0.iter().map(|(_, raw, offset)| (*offset, *offset + raw.len() as u64)).collect();
        prop_assert!(offsets.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{offsets:?}");
    }

    #[test]
    fn garbage_never_panics(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]\",:\\\n Re\x1f\x8b\x08\x00"[..])], 0..600),
        sizes in prop::collection::vec(1..100usize, 1..4),
        magic in any::<bool>(),
    ) {
        let mut input = if magic { gzip("")[..10].to_vec() } else { Vec::new() };
        input.extend(bytes);
        let whole = scan_with(&Query::default(), &input[..]);
        let pieces = scan_with(&Query::default(), Pieces { rest: &input, sizes, turn: 0 });
        prop_assert_eq!(whole, pieces);
    }
}

/// Every record at hand comes out of every layout as it went in.
#[test]
fn real_records_come_out_as_they_went_in() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/aws");
    // Records of others are not part of the repository; without them there is nothing to look at.
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut records = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.ends_with("not-cloudtrail.ndjson") {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            records.push(line["record"].take());
        }
    }
    assert!(records.len() > 500);
    for text in [wrapped(&records), lines(&records)] {
        let (found, tally) = scan_with(&Query::default(), text.as_bytes());
        assert_eq!(
            (tally.broken, found.len()),
            (0, records.len()),
            "{:?}",
            tally.breakages
        );
        for ((_, raw, _), record) in found.iter().zip(&records) {
            assert_eq!(*raw, record.to_string());
        }
    }
}
