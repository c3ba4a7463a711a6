//! Go: the modules that the linker notes in every binary, in the section `.go.buildinfo`.
//! Its layout: Go's `debug/buildinfo`.

use super::{Declared, Ecosystem, Presence, Recogniser, Unread};
use crate::{Content, File, Kind};
use object::{Object, ObjectSection, ObjectSegment};

pub(super) const RECOGNISER: Recogniser = Recogniser {
    declares,
    read,
    settle: None,
};

const MAGIC: &[u8] = b"\xff Go buildinf:";
const HEADER_BYTES: usize = 32;
/// Since Go 1.18 the two strings follow the header; before, it held their addresses.
const FLAG_INLINE: u8 = 2;
const FLAG_BIG_ENDIAN: u8 = 1;
/// The most that the list of modules may take.
const MOST_BYTES: usize = 4 << 20;
/// Sentinels before and after the list.
const SENTINEL_BYTES: usize = 16;

fn declares(file: &File) -> bool {
    file.kind == Kind::Elf
}

fn read(file: &File, content: Content<'_>, found: &mut Vec<Declared>) -> Result<(), Unread> {
    let Some((version, modules)) = build_info(content.bytes) else {
        return if content.is_whole {
            Ok(())
        } else {
            Err(Unread("(a program too large to be held whole)"))
        };
    };
    let mut add = |name: &str, version: Option<&str>| {
        found.push(Declared {
            ecosystem: Ecosystem::Go,
            name: name.to_owned(),
            version: version.map(ToOwned::to_owned),
            path: file.path.clone(),
            presence: Presence::Installed,
            licenses: Vec::new(),
        });
    };
    // `go1.22.1 X:experiment` is 1.22.1 of the standard library.
    if let Some(version) = version.split(' ').next().and_then(|v| v.strip_prefix("go")) {
        add("stdlib", Some(version));
    }
    let mut last: Option<(&str, Option<&str>)> = None;
    for line in modules.lines().take(super::MOST_COMPONENTS + 1) {
        let mut parts = line.split('\t');
        let (Some(word), Some(name)) = (parts.next(), parts.next()) else {
            continue;
        };
        let version = parts.next().filter(|it| !it.is_empty() && *it != "(devel)");
        match word {
            "mod" | "dep" => {
                if let Some((name, version)) = last.replace((name, version)) {
                    add(name, version);
                }
            }
            // What was built instead of the module above.
            "=>" => last = Some((name, version)),
            _ => {}
        }
    }
    if let Some((name, version)) = last {
        add(name, version);
    }
    Ok(())
}

/// Go's version and the list of modules.
fn build_info(bytes: &[u8]) -> Option<(String, String)> {
    let elf = object::File::parse(bytes).ok();
    let section = elf
        .as_ref()
        .and_then(|elf| elf.section_by_name(".go.buildinfo"))
        .and_then(|section| section.data().ok())
        .filter(|data| data.starts_with(MAGIC));
    let info = match section {
        Some(section) => section,
        // Cut off before the section headers: the linker aligns the header to 16 bytes.
        None if elf.is_none() => {
            let at = find_aligned(bytes)?;
            &bytes[at..]
        }
        None => return None,
    };
    let flags = *info.get(MAGIC.len() + 1)?;
    let (version, modules) = if flags & FLAG_INLINE != 0 {
        let mut rest = info.get(HEADER_BYTES..)?;
        (inline(&mut rest)?, inline(&mut rest)?)
    } else {
        let elf = elf.as_ref()?;
        let width = usize::from(info[MAGIC.len()]);
        let is_big = flags & FLAG_BIG_ENDIAN != 0;
        let header = |n: usize| {
            pointer(info.get(16 + n * width..)?, width, is_big)
                .and_then(|address| at_address(elf, address, width, is_big))
        };
        (header(0)?, header(1)?)
    };
    let modules = modules
        .get(SENTINEL_BYTES..modules.len().checked_sub(SENTINEL_BYTES)?)
        .unwrap_or_default();
    Some((
        String::from_utf8_lossy(version).into_owned(),
        String::from_utf8_lossy(modules).into_owned(),
    ))
}

fn find_aligned(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len())
        .step_by(16)
        .find(|at| bytes[*at..].starts_with(MAGIC))
}

/// A string with its length before it, as a varint.
fn inline<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0usize;
    for shift in (0..28).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            if length > MOST_BYTES {
                return None;
            }
            let (text, tail) = rest.split_at_checked(length)?;
            *rest = tail;
            return Some(text);
        }
    }
    None
}

fn pointer(bytes: &[u8], width: usize, is_big: bool) -> Option<u64> {
    let bytes = bytes.get(..width)?;
    match width {
        4 => {
            let four = bytes.try_into().ok()?;
            Some(u64::from(if is_big {
                u32::from_be_bytes(four)
            } else {
                u32::from_le_bytes(four)
            }))
        }
        8 => {
            let eight = bytes.try_into().ok()?;
            Some(if is_big {
                u64::from_be_bytes(eight)
            } else {
                u64::from_le_bytes(eight)
            })
        }
        _ => None,
    }
}

/// The string whose header (address, length) stands at `address`.
fn at_address<'a>(
    elf: &object::File<'a>,
    address: u64,
    width: usize,
    is_big: bool,
) -> Option<&'a [u8]> {
    let header = mapped(elf, address, 2 * width as u64)?;
    let start = pointer(header, width, is_big)?;
    let length = pointer(header.get(width..)?, width, is_big)?;
    (length <= MOST_BYTES as u64).then(|| mapped(elf, start, length))?
}

fn mapped<'a>(elf: &object::File<'a>, address: u64, length: u64) -> Option<&'a [u8]> {
    elf.segments()
        .find_map(|segment| segment.data_range(address, length).ok().flatten())
}

#[cfg(test)]
mod tests {
    use super::{HEADER_BYTES, MAGIC};
    use crate::components::fixtures::{Package, elf, file};
    use crate::{Components, Content, Observer};

    const MODULES: &str = "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tgithub.com/aws/aws-lambda-go\tv1.47.0\th1:x=\ndep\tgolang.org/x/net\tv0.20.0\th1:y=\n=>\tgithub.com/fork/net\tv0.20.1\th1:z=\nbuild\t-compiler=gc\n";

    fn varint(mut n: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while n >= 0x80 {
            out.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
        out
    }

    fn section() -> Vec<u8> {
        let mut section = MAGIC.to_vec();
        section.extend([8, super::FLAG_INLINE]);
        section.resize(HEADER_BYTES, 0);
        section.extend(varint(8));
        section.extend(b"go1.22.1");
        let modules = [&[0x30; 16], MODULES.as_bytes(), &[0x32; 16]].concat();
        section.extend(varint(modules.len()));
        section.extend(modules);
        section
    }

    const PURLS: [&str; 4] = [
        "pkg:golang/example.com/app",
        "pkg:golang/github.com/aws/aws-lambda-go@v1.47.0",
        "pkg:golang/github.com/fork/net@v0.20.1",
        "pkg:golang/stdlib@1.22.1",
    ];

    #[test]
    fn modules_of_a_binary_are_found_and_replaced_ones_under_their_real_name() {
        let binary = elf(".go.buildinfo", &section());
        assert_eq!(Package::default().with("bootstrap", binary).purls(), PURLS);
    }

    #[test]
    fn a_binary_that_was_cut_off_still_tells() {
        let binary = elf(".go.buildinfo", &section());
        let end = binary
            .windows(9)
            .rposition(|it| it == b"compiler=")
            .unwrap()
            + 40;
        let held = &binary[..end];
        let mut components = Components::new();
        let file = file("bootstrap", &binary);
        components.file(
            &file,
            Content {
                bytes: held,
                is_whole: false,
            },
        );
        let contents = Package::default().with("bootstrap", &binary).contents();
        let purls: Vec<_> = components
            .finish(&contents)
            .into_iter()
            .map(|it| it.purl)
            .collect();
        assert_eq!(purls, PURLS);
    }

    #[test]
    fn a_binary_of_another_language_has_none() {
        let binary = elf(".comment", b"GCC: (GNU) 13");
        assert_eq!(
            Package::default().with("bootstrap", binary).purls(),
            Vec::<String>::new()
        );
    }

    #[test]
    fn lengths_that_lie_are_borne() {
        let mut lying = section();
        lying.truncate(HEADER_BYTES);
        lying.extend([0xff; 64]);
        for flags in 0..4 {
            lying[MAGIC.len() + 1] = flags;
            for width in [0, 4, 8, 255] {
                lying[MAGIC.len()] = width;
                let binary = elf(".go.buildinfo", &lying);
                assert_eq!(
                    Package::default().with("x", binary).purls(),
                    Vec::<String>::new()
                );
            }
        }
    }
}
