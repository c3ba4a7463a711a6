//! Whatever the bytes: the parts of a form lie within it, in order, and wherever it is cut they are the same.

#![no_main]

#[path = "../../../collectors/src/cloudflare/modules/multipart.rs"]
#[allow(dead_code, unused_imports)]
mod multipart;

use multipart::{Event, Irregularity, Parser};

/// What was read of a form: name, where its content begins, the content.
#[derive(Debug, Default, PartialEq)]
struct Form {
    parts: Vec<(String, String, u64, Vec<u8>)>,
    odd: Vec<Irregularity>,
    is_open: bool,
}

fn read<'b>(chunks: impl Iterator<Item = &'b [u8]>) -> Form {
    let mut form = Form::default();
    let mut parser = Parser::new("B");
    for chunk in chunks {
        parser.feed(chunk, &mut |event| form.take(event));
    }
    parser.finish(&mut |event| form.take(event));
    assert!(!form.is_open && parser.is_stopped());
    form
}

impl Form {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Begins(head) => {
                assert!(!std::mem::replace(&mut self.is_open, true));
                assert_eq!(head.number, self.parts.len() + 1);
                assert!(!head.name.is_empty());
                self.parts
                    .push((head.name, head.content_type, head.offset, Vec::new()));
            }
            Event::Content(bytes) => {
                assert!(self.is_open && !bytes.is_empty());
                self.parts.last_mut().unwrap().3.extend(bytes);
            }
            Event::Ends => assert!(std::mem::take(&mut self.is_open)),
            Event::Odd(irregularity) => self.odd.push(irregularity),
        }
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let whole = read(std::iter::once(bytes));
    let mut before = 0;
    for (_, _, offset, content) in &whole.parts {
        let from = usize::try_from(*offset).unwrap();
        assert!(from >= before);
        before = from + content.len();
        assert_eq!(&bytes[from..before], content);
    }
    // A part that breaks off has everything that came.
    let breaks_off = matches!(whole.odd.last(), Some(Irregularity::MissingEnd(_)));
    assert!(!breaks_off || before == bytes.len());
    assert_eq!(read(bytes.chunks(1)), whole);
    // As long as the first byte says.
    let length = usize::from(bytes.first().copied().unwrap_or_default()).max(1);
    assert_eq!(read(bytes.chunks(length)), whole);

    // A media type is what the provider says, too.
    let _ = multipart::boundary(&String::from_utf8_lossy(bytes));
});
