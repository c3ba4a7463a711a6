//! What a file is, told from its bytes.

use crate::Kind;

impl Kind {
    /// What these bytes are, from their beginning: `is_whole` if they are all of the file.
    pub fn of(bytes: &[u8], is_whole: bool) -> Self {
        if bytes.is_empty() {
            return if is_whole { Self::Empty } else { Self::Data };
        }
        match bytes {
            [0x7f, b'E', b'L', b'F', ..] => Self::Elf,
            [b'M', b'Z', ..] if is_windows(bytes) => Self::Pe,
            [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => {
                Self::MachO
            }
            // A macOS program for several processors, of which there are few; a Java class has its
            // version there, which begins at 45.
            [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, count, ..] if *count < 45 => Self::MachO,
            [0xca, 0xfe, 0xba, 0xbe, ..] => Self::JavaClass,
            [0, b'a', b's', b'm', ..] => Self::Wasm,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => Self::Zip,
            [0x1f, 0x8b, ..]
            | [0xfd, b'7', b'z', b'X', b'Z', 0, ..]
            | [0x28, 0xb5, 0x2f, 0xfd, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, ..] => Self::Compressed,
            [low, high, b'\r', b'\n', ..] if is_python(u16::from_le_bytes([*low, *high])) => {
                Self::PythonBytecode
            }
            _ if crate::tarred::is_header(bytes) => Self::Tar,
            [b'#', b'!', ..] if is_text(first_line(bytes), true) => Self::Script,
            _ if is_text(bytes, is_whole) => Self::Text,
            _ => Self::Data,
        }
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    let window = &bytes[..bytes.len().min(1024)];
    &window[..memchr::memchr(b'\n', window).unwrap_or(window.len())]
}

/// `MZ` begins many things; a Windows program has `PE` where its header says. One of DOS has not, and
/// is told by its length of less than a page.
fn is_windows(bytes: &[u8]) -> bool {
    bytes
        .get(0x3c..0x40)
        .and_then(|place| <[u8; 4]>::try_from(place).ok())
        .and_then(|place| usize::try_from(u32::from_le_bytes(place)).ok())
        .and_then(|place| bytes.get(place..place.checked_add(4)?))
        == Some(b"PE\0\0")
}

/// The magic numbers of CPython: 2.x in the fifties and sixties of thousands, 3.x from 3000 on.
fn is_python(magic: u16) -> bool {
    (3_000..4_500).contains(&magic) || (50_000..62_300).contains(&magic)
}

/// UTF-8 without control characters other than white space; the last character may be cut where the
/// bytes are.
fn is_text(bytes: &[u8], is_whole: bool) -> bool {
    let is_utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => !is_whole && error.error_len().is_none(),
    };
    is_utf8
        && !bytes
            .iter()
            .any(|byte| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_tell_and_names_do_not() {
        let mut windows = vec![0; 0x84];
        windows[..2].copy_from_slice(b"MZ");
        windows[0x3c] = 0x80;
        windows[0x80..].copy_from_slice(b"PE\0\0");
        for (bytes, kind) in [
            (&b""[..], Kind::Empty),
            (b"print('hello')\n", Kind::Text),
            ("größe, 日本\r\n\tx".as_bytes(), Kind::Text),
            (b"#!/bin/sh\nexec true\n", Kind::Script),
            (b"#!/bin/sh\nexec\n\0\x01\x02", Kind::Script),
            (b"#!\0\x01", Kind::Data),
            (b"\x7fELF\x02\x01\x01", Kind::Elf),
            (&windows, Kind::Pe),
            (b"MZ is how this sentence begins", Kind::Text),
            (b"\xcf\xfa\xed\xfe\x07\0\0\x01", Kind::MachO),
            (b"\xca\xfe\xba\xbe\0\0\0\x02\x01", Kind::MachO),
            (b"\xca\xfe\xba\xbe\0\0\0\x34\0", Kind::JavaClass),
            (b"\0asm\x01\0\0\0", Kind::Wasm),
            (b"\xcb\x0d\r\n\0\0\0\0", Kind::PythonBytecode),
            (b"PK\x03\x04", Kind::Zip),
            (b"PK are two letters", Kind::Text),
            (b"\x1f\x8b\x08", Kind::Compressed),
            (b"\x28\xb5\x2f\xfd", Kind::Compressed),
            (b"\xff\xfe\0\x01", Kind::Data),
            (b"text\0with a zero", Kind::Data),
        ] {
            assert_eq!(Kind::of(bytes, true), kind, "{bytes:?}");
        }
    }

    #[test]
    fn a_character_cut_at_the_end_of_what_is_held_is_still_text() {
        let cut = &"größe".as_bytes()[..3];
        assert_eq!(Kind::of(cut, false), Kind::Text);
        assert_eq!(Kind::of(cut, true), Kind::Data);
    }
}
