use super::*;
use futures_util::FutureExt as _;
use proptest::prelude::*;
use std::io::{Cursor, Read as _};
use vault::{MemoryVault, Vault as _};

/// A part as it is written: name, content type, content.
type Part = (String, String, Vec<u8>);

fn part(name: &str, content: impl AsRef<[u8]>) -> Part {
    let content_type = "application/javascript+module".to_owned();
    (name.to_owned(), content_type, content.as_ref().to_vec())
}

fn media_type(boundary: &str) -> String {
    format!("multipart/form-data; boundary=\"{boundary}\"")
}

/// A form as RFC 7578 has it.
fn form(boundary: &str, parts: &[Part]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content_type, content) in parts {
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        body.extend(format!("--{boundary}\r\n").bytes());
        body.extend(
            format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n")
                .bytes(),
        );
        body.extend(format!("Content-Type: {content_type}\r\n\r\n").bytes());
        body.extend(content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    body
}

/// A reply in chunks that end where `cuts` say.
#[derive(Clone)]
struct Reply {
    chunks: Vec<Bytes>,
}

impl Reply {
    fn whole(bytes: &[u8]) -> Self {
        Self::cut(bytes, &[])
    }

    fn cut(bytes: &[u8], cuts: &[usize]) -> Self {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]);
        Self {
            chunks: chunks.map(Bytes::copy_from_slice).collect(),
        }
    }

    fn bytewise(bytes: &[u8]) -> Self {
        let cuts: Vec<usize> = (0..bytes.len()).collect();
        Self::cut(bytes, &cuts)
    }

    fn stream(&self) -> BoxStream<'static, Result<Bytes, SourceError>> {
        stream::iter(self.chunks.clone()).map(Ok).boxed()
    }
}

#[async_trait]
impl Source for Reply {
    fn expected(&self) -> Option<Sha256Digest> {
        None
    }

    fn media_type(&self) -> &str {
        "multipart/form-data"
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        Ok(Opened {
            bytes: self.stream(),
            size_bytes: None,
        })
    }
}

/// The modules of a form with the boundary `B`.
fn read(body: &[u8]) -> Modules {
    read_as("B", &Reply::whole(body))
}

fn read_as(boundary: &str, reply: &Reply) -> Modules {
    let media_type = media_type(boundary);
    let modules = Modules::of_form(&media_type, reply.stream());
    modules.now_or_never().unwrap().unwrap()
}

fn content<'b>(module: &Module, body: &'b [u8]) -> &'b [u8] {
    let (from, size) = (module.offset as usize, module.size_bytes as usize);
    let content = &body[from..from + size];
    assert_eq!(module.sha256, Sha256Digest::of(content));
    assert_eq!(module.crc32, crc32fast::hash(content));
    content
}

fn parts(modules: &Modules, body: &[u8]) -> Vec<Part> {
    let part = |module: &Module| {
        let content = content(module, body).to_vec();
        (module.name.clone(), module.content_type.clone(), content)
    };
    modules.modules.iter().map(part).collect()
}

fn named_contents(body: &[u8]) -> Vec<(String, String)> {
    let text = |(name, _, content)| (name, String::from_utf8(content).unwrap());
    parts(&read(body), body).into_iter().map(text).collect()
}

fn zipped(modules: &[Module], reply: &dyn Source) -> Result<Vec<u8>, SourceError> {
    let archive = Archive::of(modules, reply);
    let opened = archive.open().now_or_never().unwrap()?;
    let chunks: Vec<_> = opened.bytes.collect().now_or_never().unwrap();
    let chunks = chunks.into_iter().collect::<Result<Vec<Bytes>, _>>()?;
    let bytes = chunks.concat();
    assert_eq!(opened.size_bytes, Some(bytes.len() as u64));
    Ok(bytes)
}

/// The entries of an archive one after the other, duplicates as well: name and content.
fn entries(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = Cursor::new(archive);
    let mut entries = Vec::new();
    if archive.get_ref().len() == 22 {
        // The end alone is shorter than what is read for a header.
        return entries;
    }
    while let Some(mut file) = zip::read::read_zipfile_from_stream(&mut archive).unwrap() {
        assert_eq!(file.compression(), zip::CompressionMethod::Stored);
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        entries.push((file.name().to_owned(), content));
    }
    entries
}

/// Whether a content, where it stands in a form, has a line that is a boundary.
fn holds_a_boundary(content: &[u8], boundary: &str) -> bool {
    let mut text = b"\r\n".to_vec();
    text.extend(content);
    text.extend(b"\r\n");
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    (0..text.len()).any(|at| {
        let Some(rest) = text[at..].strip_prefix(&delimiter[..]) else {
            return false;
        };
        let blanks = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        rest.starts_with(b"--") || rest[blanks..].starts_with(b"\r\n")
    })
}

/// Content that is made to be taken for a boundary.
fn hostile_content(boundary: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just("\r".to_owned()),
        Just("\n".to_owned()),
        Just("-".to_owned()),
        Just(" ".to_owned()),
        Just(boundary.to_owned()),
        Just(format!("--{boundary}")),
        Just(format!("\n--{boundary}\r\n")),
        Just(format!("\r\n--{}", &boundary[..boundary.len() - 1])),
        Just(format!("\r\n--{boundary}x\r\n")),
        Just(format!("\r\n--{boundary} \t")),
        Just(format!("\r\n--{boundary}-")),
        Just(format!("\r\n--{boundary} \r")),
    ];
    let fragment = prop_oneof![
        3 => fragment.prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(fragment, 0..12)
        .prop_map(|fragments| fragments.concat())
        .prop_filter("it holds a boundary", move |content| {
            !holds_a_boundary(content, boundary)
        })
}

const LONGEST: &str = "'()+_,-./:=?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345";

fn hostile_form() -> impl Strategy<Value = (&'static str, Vec<Part>)> {
    prop::sample::select(vec!["B", "----formdata-7", "a b", LONGEST]).prop_flat_map(|boundary| {
        let part = (
            "[^\r\n]{1,20}",
            "[a-z/+;=\"]{0,20}",
            hostile_content(boundary),
        );
        (Just(boundary), prop::collection::vec(part, 1..6))
    })
}

/// The same parts with names that no other part has.
fn told_apart(parts: Vec<Part>) -> Vec<Part> {
    let apart = |(number, (name, content_type, content))| {
        (format!("{name}{number}"), content_type, content)
    };
    parts.into_iter().enumerate().map(apart).collect()
}

proptest! {
    #[test]
    fn what_was_written_is_read_wherever_it_is_cut(
        (boundary, written) in hostile_form(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let written = told_apart(written);
        let body = form(boundary, &written);
        let modules = read_as(boundary, &Reply::cut(&body, &cuts));
        prop_assert_eq!(&modules.irregularities, &[]);
        prop_assert_eq!(parts(&modules, &body), written);
        prop_assert_eq!(read_as(boundary, &Reply::bytewise(&body)), modules);
    }

    #[test]
    fn equal_modules_are_equal_archives_whatever_their_boundary_and_chunks(
        (boundary, written) in hostile_form(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let written = told_apart(written);
        let reply = Reply::whole(&form(boundary, &written));
        let modules = read_as(boundary, &reply).modules;
        let archive = zipped(&modules, &reply).unwrap();

        let other = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
        let body = form(other, &written);
        let reply = Reply::cut(&body, &cuts);
        let others = read_as(other, &reply).modules;
        prop_assert!(zipped(&others, &reply).unwrap() == archive);
        prop_assert_eq!(modules_digest(&modules), modules_digest(&others));

        let in_archive: Vec<_> = written.iter().map(|(name, _, content)| (name.clone(), content.clone())).collect();
        prop_assert_eq!(entries(&archive), in_archive);
    }

    #[test]
    fn any_bytes_are_read_alike_wherever_they_are_cut(
        fragments in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "--B", "--B\r\n", "\r\n--B\r\n", "\r\n--B--", "\r\n", "\r", "\n", " ", ":", ";", "=", "\"", "\\",
                "Content-Disposition: form-data; name=", "filename=", "content-type:", "filename*=",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..8),
        ], 0..40),
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let body = fragments.concat();
        let modules = read(&body);
        prop_assert_eq!(&read_as("B", &Reply::cut(&body, &cuts)), &modules);
        prop_assert_eq!(&read_as("B", &Reply::bytewise(&body)), &modules);
        let reply = Reply::whole(&body);
        let contents: Vec<_> = modules.modules.iter().map(|module| content(module, &body).to_vec()).collect();
        let archive = zipped(&modules.modules, &reply).unwrap();
        let in_archive: Vec<_> = entries(&archive).into_iter().map(|(_, content)| content).collect();
        prop_assert_eq!(in_archive, contents);
    }
}

#[test]
fn a_form_that_breaks_off_anywhere_keeps_what_came() {
    let written = [
        part("index.js", "export default {}\r\n--b"),
        part("empty", ""),
        part("a.wasm", [0, 13, 10, 45, 45, 65, 13]),
    ];
    let body = form("B", &written);
    let whole = read(&body);
    assert_eq!(
        (whole.modules.len(), &whole.irregularities[..]),
        (3, &[][..])
    );
    let delimiter = b"\r\n--B";
    for length in 0..body.len() {
        let modules = read(&body[..length]);
        // A part is whole if the line of the boundary after it is; of the last one, both dashes.
        let is_whole = |module: &&Module| {
            let ends = (module.offset + module.size_bytes) as usize + delimiter.len() + 2;
            ends <= length
        };
        let wholes = whole.modules.iter().filter(is_whole).count();
        assert_eq!(modules.modules[..wholes], whole.modules[..wholes]);
        match &modules.modules[wholes..] {
            [] => {}
            [cut] => {
                let begun = &whole.modules[wholes];
                assert_eq!((&cut.name, cut.offset), (&begun.name, begun.offset));
                // Half a boundary is content: nothing that came is left out.
                let came = &body[cut.offset as usize..length];
                assert_eq!(content(cut, &body[..length]), came);
                assert_eq!(
                    modules.irregularities,
                    [Irregularity::MissingEnd(wholes + 1)]
                );
            }
            more => panic!("{more:?}"),
        }
        let is_complete = length >= body.len() - 2;
        assert_eq!(modules.irregularities.is_empty(), is_complete, "{length}");
    }
}

#[test]
fn a_boundary_is_one_only_at_the_beginning_of_a_line_and_as_a_whole_line() {
    for content in [
        "x--B\r\n",
        "\n--B\r\n",
        "\r--B--\r\n",
        "\r\n --B\r\n",
        "\r\n-B\r\n",
        "\r\n--b\r\n",
        "\r\n--Bx\r\n",
        "\r\n--B-x",
        "\r\n--B \t x\r\n",
        "\r\n--B\n",
        "\r\n--B \r \r\n",
        "\r\r\r\n-",
    ] {
        let body = form("B", &[part("a", content), part("b", "")]);
        assert_eq!(
            named_contents(&body),
            [
                ("a".to_owned(), content.to_owned()),
                ("b".to_owned(), String::new())
            ],
            "{content:?}"
        );
    }
}

#[test]
fn what_stands_before_the_first_boundary_and_blanks_after_one_are_no_content() {
    let body = b"this is a form\r\n--Bx\r\n\r\n--B \t \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B\t\r\n\
        content-disposition:form-data;NAME = \"b\"\r\n\r\n2\r\n--B--  \r\n";
    let expected = [("a", "1"), ("b", "2")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(named_contents(body), expected);
    assert_eq!(read(body).irregularities, []);
}

#[test]
fn a_part_without_content_or_headers_is_a_part() {
    let with_lines = b"--B\r\nA: b\r\n\r\n\r\n--B\r\n\r\n\r\n--B--";
    // By its grammar the line's end before a boundary may be that of the empty line before it.
    let without = b"--B\r\nA: b\r\n\r\n--B\r\n\r\n--B--";
    for body in [&with_lines[..], without] {
        let expected = ["part-1", "part-2"].map(|name| (name.to_owned(), String::new()));
        assert_eq!(named_contents(body), expected);
        assert_eq!(read(body).irregularities, []);
    }
}

#[test]
fn a_part_is_named_by_what_it_says() {
    for (disposition, name, filename) in [
        ("form-data; name=\"a.js\"; filename=\"a.js\"", "a.js", None),
        (
            "form-data; filename=\"b.js\"; name=\"a.js\"",
            "a.js",
            Some("b.js"),
        ),
        ("form-data; filename=b.js", "b.js", None),
        ("form-data; name=\"\"; filename=\"b.js\"", "b.js", None),
        ("form-data; name=\"\"", "part-1", None),
        ("form-data", "part-1", None),
        ("", "part-1", None),
        ("name=a", "part-1", None),
        ("form-data; filename*=UTF-8''a%20b", "UTF-8''a%20b", None),
        ("form-data; name=a; filename*=UTF-8''b", "a", None),
        ("form-data; x; =; y=\"name=b\"; Name=a ; name=c", "a", None),
        (r#"form-data; name="a\"b\\c\d""#, r#"a"b\c\d"#, None),
        (r"form-data; name=a%22%0d%0ab", "a%22%0d%0ab", None),
        ("form-data; name=\"a; filename=b\"", "a; filename=b", None),
        ("form-data; name=\"a", "a", None),
        (
            "form-data; name=\"../../etc/passwd\"",
            "../../etc/passwd",
            None,
        ),
        ("form-data; name=\"/a\0b\"", "/a\0b", None),
        ("form-data; name=\"ö\u{202e}\"", "ö\u{202e}", None),
        ("form-data;\r\n name=a;\r\n\tfilename=b", "a", Some("b")),
    ] {
        let body = format!("--B\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--B--");
        let modules = read(body.as_bytes());
        assert_eq!(modules.irregularities, []);
        assert_eq!(modules.modules[0].name, name, "{disposition}");
        assert_eq!(
            modules.modules[0].filename.as_deref(),
            filename,
            "{disposition}"
        );
    }
}

#[test]
fn a_name_that_is_no_text_is_shown_as_far_as_it_is_and_told() {
    let body = b"--B\r\nContent-Disposition: form-data; name=\"a\xff\"\r\n\r\nx\r\n--B--";
    let modules = read(body);
    assert_eq!(modules.modules[0].name, "a\u{fffd}");
    assert_eq!(modules.irregularities, [Irregularity::NotText(1)]);
}

#[test]
fn a_name_twice_is_two_modules_and_told_once() {
    let written = [
        part("a", "1"),
        part("b", "2"),
        part("a", "3"),
        part("a", "4"),
    ];
    let body = form("B", &written);
    let modules = read(&body);
    assert_eq!(parts(&modules, &body), written);
    assert_eq!(
        modules.irregularities,
        [Irregularity::NameTwice("a".to_owned())]
    );
    let archive = zipped(&modules.modules, &Reply::whole(&body)).unwrap();
    let contents = entries(&archive).into_iter().map(|(_, content)| content);
    assert_eq!(contents.collect::<Vec<_>>().concat(), b"1234");
}

#[test]
fn more_parts_than_are_read_are_told_and_the_others_kept() {
    let many: Vec<Part> = (0..MOST_PARTS + 1)
        .map(|number| part(&number.to_string(), "x"))
        .collect();
    let modules = read(&form("B", &many[1..]));
    assert_eq!(
        (modules.modules.len(), &modules.irregularities[..]),
        (5_000, &[][..])
    );
    let body = form("B", &many);
    let modules = read(&body);
    assert_eq!(parts(&modules, &body), many[..5_000]);
    assert_eq!(modules.irregularities, [Irregularity::TooManyParts]);
    let archive = zipped(&modules.modules, &Reply::whole(&body)).unwrap();
    assert_eq!(
        zip::ZipArchive::new(Cursor::new(archive)).unwrap().len(),
        5_000
    );
}

#[test]
fn more_bytes_than_are_read_are_told_and_the_others_kept() {
    let mebibyte = Bytes::from(vec![b'x'; 1 << 20]);
    let mut chunks = vec![Bytes::from_static(b"--B\r\n\r\n1\r\n--B\r\n\r\n")];
    let before = chunks[0].len() as u64;
    chunks.extend(vec![mebibyte; 129]);
    chunks.push(Bytes::from_static(b"\r\n--B--\r\n"));
    let reply = Reply { chunks };
    let modules = read_as("B", &reply);
    let sizes: Vec<u64> = modules
        .modules
        .iter()
        .map(|module| module.size_bytes)
        .collect();
    assert_eq!(sizes, [1, MOST_BYTES - before]);
    assert_eq!(
        modules.irregularities,
        [Irregularity::MissingEnd(2), Irregularity::TooLarge]
    );

    let script = Modules::of_script("application/javascript", reply.stream());
    let script = script.now_or_never().unwrap().unwrap();
    assert_eq!(script.modules[0].size_bytes, MOST_BYTES);
    assert_eq!(script.irregularities, [Irregularity::TooLarge]);
}

#[test]
fn headers_that_are_too_long_or_too_many_are_passed_over_and_the_content_is_not() {
    let named = "Content-Disposition: form-data; name=\"a\"";
    let longest = format!("{:<1$}", "X:", LONGEST_HEADER);
    let long = format!("{longest} ");
    let folded = format!("{named};\r\n {longest}\r\n Content-Type: x");
    let disposition = format!("{named}{}", " ".repeat(LONGEST_HEADER));
    let many = vec!["A: b"; 64].join("\r\n");
    for (headers, name, odd) in [
        (format!("{longest}\r\n{named}"), "a", None),
        (
            format!("{long}\r\n{named}"),
            "a",
            Some(Irregularity::LongHeader(1)),
        ),
        (
            format!("{long}\r\n {named}"),
            "part-1",
            Some(Irregularity::LongHeader(1)),
        ),
        (folded, "part-1", Some(Irregularity::LongHeader(1))),
        (disposition, "part-1", Some(Irregularity::LongHeader(1))),
        (format!("{}\r\n{named}", &many[6..]), "a", None),
        (
            format!("{many}\r\n{named}\r\nB: c"),
            "part-1",
            Some(Irregularity::ManyHeaders(1)),
        ),
    ] {
        let body = format!("--B\r\n{headers}\r\n\r\nx\r\n--B\r\n\r\ny\r\n--B--");
        let expected = [(name, "x"), ("part-2", "y")];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(named_contents(body.as_bytes()), expected);
        let modules = read(body.as_bytes());
        assert_eq!(modules.modules[0].content_type, "");
        assert_eq!(modules.irregularities, Vec::from_iter(odd));
    }
}

#[test]
fn headers_that_a_boundary_cuts_off_hide_no_part() {
    let body = b"--B\r\nContent-Disposition: form-data; name=a\r\n--B \r\n\r\n1\r\n--B\r\nA: b\r\n--B--\r\n";
    let expected = [("a", ""), ("part-2", "1"), ("part-3", "")];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(named_contents(body), expected);
    let odd = [Irregularity::CutHeaders(1), Irregularity::CutHeaders(3)];
    assert_eq!(read(body).irregularities, odd);
    // In the middle of a line.
    let modules = read(b"--B\r\nContent-Dispo");
    assert_eq!(
        (modules.modules.len(), modules.irregularities),
        (0, vec![Irregularity::CutHeaders(1)])
    );
}

#[test]
fn what_follows_the_end_is_counted() {
    for (end, odd) in [
        ("", 0),
        ("\r\n", 0),
        ("\n", 0),
        (" \t\r\n", 0),
        ("\r\n\r\n", 2),
        ("x", 1),
        ("\r\n--B\r\n\r\ny", 8),
    ] {
        let body = format!("--B\r\n\r\nx\r\n--B--{end}");
        let modules = read(body.as_bytes());
        assert_eq!(modules.modules.len(), 1);
        let odd = (odd > 0).then_some(Irregularity::AfterTheEnd(odd));
        assert_eq!(modules.irregularities, Vec::from_iter(odd), "{end:?}");
    }
}

#[test]
fn a_form_without_parts_says_so() {
    for body in ["", "no form", "--B--\r\n", "--B", "x--B\r\n\r\nx"] {
        let modules = read(body.as_bytes());
        assert_eq!(
            (modules.modules.len(), modules.irregularities),
            (0, vec![Irregularity::NoPart]),
            "{body}"
        );
    }
}

#[test]
fn a_boundary_that_no_sender_may_choose_is_told() {
    let body = form("B", &[part("a", "x")]);
    let read = |media_type: &str| {
        let modules = Modules::of_form(media_type, Reply::whole(&body).stream());
        modules.now_or_never().unwrap().unwrap()
    };
    for media_type in [
        "multipart/form-data; boundary=B",
        "multipart/form-data;charset=x; BOUNDARY=\"B\" ",
    ] {
        assert_eq!(read(media_type).modules.len(), 1, "{media_type}");
    }
    let long = format!("multipart/form-data; boundary={}", "B".repeat(71));
    for media_type in [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"B \"",
        "multipart/form-data; boundary=\"B\r\n\"",
        "multipart/form-data; boundary=B{",
        "multipart/form-data; boundary=ö",
        &long,
    ] {
        let modules = read(media_type);
        let odd = [Irregularity::Boundary(media_type.to_owned())];
        assert_eq!(
            (modules.modules.len(), &modules.irregularities[..]),
            (0, &odd[..]),
            "{media_type}"
        );
    }
}

#[test]
fn irregularities_are_sentences_fit_to_be_shown_and_not_too_many() {
    let mut written = Vec::new();
    for number in 0..30 {
        let name = format!("\u{1b}[2J{number}{}", "n".repeat(500));
        written.extend([part(&name, "x"), part(&name, "y")]);
    }
    let mut body = form("B", &written);
    body.extend(b"more");
    let modules = read(&body);
    assert_eq!(modules.modules.len(), 60);
    assert_eq!(modules.irregularities.len(), 22);
    for irregularity in &modules.irregularities {
        let sentence = irregularity.to_string();
        assert!(
            sentence.len() < 300 && !sentence.chars().any(evidence::is_hidden),
            "{sentence}"
        );
    }
    let last: Vec<String> = modules.irregularities[20..]
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        last,
        [
            "4 bytes follow the last boundary and belong to no part",
            "10 more parts are not as they should be",
        ]
    );
}

#[test]
fn a_source_that_breaks_is_no_form_that_breaks_off() {
    let broken = || SourceError::Failed("cut".to_owned());
    let chunks = [Ok(Bytes::from_static(b"--B\r\n\r\nx")), Err(broken())];
    let media_type = media_type("B");
    let modules = Modules::of_form(&media_type, stream::iter(chunks.clone()));
    assert_eq!(modules.now_or_never().unwrap(), Err(broken()));
    let script = Modules::of_script("application/javascript", stream::iter(chunks));
    assert_eq!(script.now_or_never().unwrap(), Err(broken()));
}

#[tokio::test]
async fn what_a_vault_keeps_becomes_an_archive_in_it() {
    let written = [
        part("index.js", "export default { fetch }"),
        part("../outside", b"\0\xff"),
        part("\\\\host\\a", ""),
        part("dir/ö.txt", "text"),
    ];
    let vault = MemoryVault::new();
    let reply = Reply::cut(&form("B", &written), &[3, 50, 51, 200]);
    let kept = vault.put_content(&reply, MOST_BYTES).await.unwrap();
    let opened = vault.open(&kept.key).await.unwrap();
    let modules = Modules::of_form(&media_type("B"), opened.bytes)
        .await
        .unwrap();
    let archive = Archive::of(&modules.modules, &reply);
    let receipt = vault.put_content(&archive, MOST_BYTES).await.unwrap();
    let again = vault.put_content(&archive, MOST_BYTES).await.unwrap();
    assert!(receipt.newly_stored && !again.newly_stored);

    let bytes = vault.get(&receipt.key).await.unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    for (index, (name, _, content)) in written.iter().enumerate() {
        let mut file = archive.by_index(index).unwrap();
        let mut found = Vec::new();
        file.read_to_end(&mut found).unwrap();
        assert_eq!((file.name(), &found), (name.as_str(), content));
        let time = file.last_modified().unwrap();
        assert_eq!(
            (time.year(), time.month(), time.day(), time.hour()),
            (1980, 1, 1, 0)
        );
        assert!(file.extra_data().unwrap_or_default().is_empty() && file.comment().is_empty());
    }
    assert_eq!(archive.len(), written.len());
}

#[test]
fn a_reply_that_is_another_one_the_second_time_makes_no_archive() {
    let body = form(
        "B",
        &[part("a", "first"), part("b", ""), part("c", "third")],
    );
    let modules = read(&body).modules;
    let archive = zipped(&modules, &Reply::whole(&body)).unwrap();
    assert!(zipped(&modules, &Reply::bytewise(&body)).unwrap() == archive);
    let ends = (modules[2].offset + modules[2].size_bytes) as usize;
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 1;
        let is_content = modules.iter().any(|module| {
            (module.offset..module.offset + module.size_bytes).contains(&(at as u64))
        });
        match zipped(&modules, &Reply::whole(&changed)) {
            Ok(bytes) => assert!(!is_content && bytes == archive),
            Err(error) => assert!(is_content && matches!(error, SourceError::Failed(_))),
        }
        let cut = zipped(&modules, &Reply::whole(&body[..at]));
        assert_eq!(cut.is_ok(), at >= ends, "{at}");
    }
    let backwards: Vec<Module> = modules.into_iter().rev().collect();
    assert!(zipped(&backwards, &Reply::whole(&body)).is_err());
}

#[test]
fn a_name_longer_than_an_archive_takes_makes_none() {
    let body = form("B", &[part("a", "x")]);
    let mut modules = read(&body).modules;
    modules[0].name = "n".repeat(65_535);
    let archive = zipped(&modules, &Reply::whole(&body)).unwrap();
    assert_eq!(entries(&archive)[0].0, modules[0].name);
    modules[0].name.push('n');
    assert!(zipped(&modules, &Reply::whole(&body)).is_err());
}

#[test]
fn no_modules_are_an_empty_archive() {
    let archive = zipped(&[], &Reply::whole(b"")).unwrap();
    assert_eq!(archive.len(), 22);
    assert!(
        zip::ZipArchive::new(Cursor::new(archive))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_service_worker_is_one_module() {
    let script = b"addEventListener('fetch', respond)";
    let reply = Reply::cut(script, &[5]);
    let modules = Modules::of_script("application/javascript", reply.stream());
    let modules = modules.now_or_never().unwrap().unwrap();
    let only = (
        "index.js".to_owned(),
        "application/javascript".to_owned(),
        script.to_vec(),
    );
    assert_eq!(parts(&modules, script), [only]);
    assert_eq!(modules.irregularities, []);
    let archive = zipped(&modules.modules, &reply).unwrap();
    assert_eq!(
        entries(&archive),
        [("index.js".to_owned(), script.to_vec())]
    );
}

#[test]
fn modules_in_hand_are_the_same_archive_as_those_of_a_form() {
    let written = [
        part("index.js", "export default {}"),
        part("empty", ""),
        part("a.wasm", [0, 1]),
    ];
    let reply = Reply::whole(&form("B", &written));
    let of_form = read_as("B", &reply).modules;
    let hand = |parts: &[Part]| {
        let take = |(name, content_type, content): &Part| {
            (
                name.clone(),
                content_type.clone(),
                Bytes::from(content.clone()),
            )
        };
        Modules::in_hand(parts.iter().map(take).collect())
    };
    let (in_hand, contents) = hand(&written);
    assert_eq!(in_hand.irregularities, []);
    assert_eq!(modules_digest(&in_hand.modules), modules_digest(&of_form));
    assert!(zipped(&in_hand.modules, &contents).unwrap() == zipped(&of_form, &reply).unwrap());

    let long = "n".repeat(LONGEST_HEADER + 1);
    let (odd, contents) = hand(&[part("", "1"), part(&long, "2"), part("part-1", "3")]);
    let archive = zipped(&odd.modules, &contents).unwrap();
    let names: Vec<String> = entries(&archive)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["part-1", "part-2", "part-1"]);
    let twice = Irregularity::NameTwice("part-1".to_owned());
    assert_eq!(odd.irregularities, [Irregularity::LongName(2), twice]);

    let many: Vec<Part> = (0..5_001)
        .map(|number| part(&number.to_string(), ""))
        .collect();
    let (many, _) = hand(&many);
    assert_eq!(
        (many.modules.len(), many.irregularities),
        (5_000, vec![Irregularity::TooManyParts])
    );
}

#[test]
fn the_digest_of_modules_is_that_of_their_sorted_lines() {
    let digest = |parts: &[Part]| modules_digest(&read(&form("B", parts)).modules);
    let [one, two] = [part("b.js", "1"), part("a.js", "2")];
    // As sha256sum says.
    let lines = "a.js\0application/javascript+module\0d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35\n\
        b.js\0application/javascript+module\x006b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\n";
    assert_eq!(digest(&[one.clone(), two.clone()]), Sha256Digest::of(lines));
    assert_eq!(digest(&[two.clone(), one.clone()]), Sha256Digest::of(lines));
    for other in [
        vec![one.clone()],
        vec![one.clone(), two.clone(), two.clone()],
        vec![one.clone(), part("a.js", "3")],
        vec![one.clone(), part("A.js", "2")],
        vec![
            one.clone(),
            ("a.js".to_owned(), "text/plain".to_owned(), b"2".to_vec()),
        ],
        // A name that reads as the line of another module.
        vec![part(
            lines
                .split_once("\0application/javascript+module\x006b")
                .unwrap()
                .0,
            "1",
        )],
    ] {
        assert_ne!(digest(&other), Sha256Digest::of(lines));
    }
}
