//! An ELF program that unpacks itself: packed with UPX, memory both writable and executable, or no
//! sections and nothing but noise.

use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};
use std::ops::Range;

pub(super) static RULE: Rule = Rule {
    id: "packed-program",
    technique: "T1027.002",
    advice: "Unpack it without running it (`upx -d`), and judge what comes out.",
    over: Over::Elf,
    look,
};

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let bytes = scene.bytes;
    let start = bytes.get(..bytes.len().min(4 << 10)).unwrap_or_default();
    if let Some(at) = memchr::memmem::find(start, b"UPX!") {
        hits.push(
            Hit::new(
                Severity::Medium,
                Confidence::High,
                format!("{} is packed with UPX", scene.path()),
            )
            .at_concealed(at),
        );
        return;
    }
    match shape(bytes) {
        Shape::WritableCode => hits.push(
            Hit::new(
                Severity::Medium,
                Confidence::Medium,
                format!(
                    "{} asks for memory that is writable and executable at once",
                    scene.path()
                ),
            )
            .if_owned(Severity::Low),
        ),
        Shape::Noise => hits.push(
            Hit::new(
                Severity::Medium,
                Confidence::Medium,
                format!(
                    "{} has no sections and looks like noise: packed or encrypted",
                    scene.path()
                ),
            )
            .if_owned(Severity::Low),
        ),
        Shape::Ordinary => {}
    }
}

enum Shape {
    Ordinary,
    WritableCode,
    Noise,
}

fn shape(bytes: &[u8]) -> Shape {
    if let Ok(header) = elf::FileHeader64::<object::Endianness>::parse(bytes) {
        return of(header, bytes);
    }
    if let Ok(header) = elf::FileHeader32::<object::Endianness>::parse(bytes) {
        return of(header, bytes);
    }
    Shape::Ordinary
}

fn of<Elf: FileHeader<Endian = object::Endianness>>(header: &Elf, bytes: &[u8]) -> Shape {
    let Ok(endian) = header.endian() else {
        return Shape::Ordinary;
    };
    let Ok(segments) = header.program_headers(endian, bytes) else {
        return Shape::Ordinary;
    };
    let has_no_sections = header.e_shnum(endian) == 0;
    for segment in segments.iter().take(64) {
        if segment.p_type(endian) != elf::PT_LOAD {
            continue;
        }
        let flags = segment.p_flags(endian);
        if flags & elf::PF_X != 0 && flags & elf::PF_W != 0 {
            return Shape::WritableCode;
        }
        let from: u64 = segment.p_offset(endian).into();
        let size: u64 = segment.p_filesz(endian).into();
        if has_no_sections && flags & elf::PF_X != 0 && size >= 16 << 10 {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let size = usize::try_from(size).unwrap_or(usize::MAX).min(1 << 20);
            let place: Range<usize> = from..from.saturating_add(size).min(bytes.len());
            if bytes.get(place).is_some_and(|code| entropy(code) > 7.6) {
                return Shape::Noise;
            }
        }
    }
    Shape::Ordinary
}

/// Shannon entropy in bits a byte: code has about 6, what is compressed or encrypted nearly 8.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = bytes.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}
