//! An ELF program in a package of Python, Node or Ruby that no installed component brought.

use super::{Hit, Over, Part, PartRole, Rule, Scene};
use crate::{Contents, Kind};
use evidence::{Confidence, Severity};
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};

pub(super) static RULE: Rule = Rule {
    id: "program-in-script-package",
    technique: "T1105",
    advice: "Find out who added it and what starts it; compare its digest with its publisher's.",
    over: Over::Elf,
    look,
};

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let is_library =
        scene.name.ends_with(".so") || scene.name.ends_with(".node") || scene.name.contains(".so.");
    let is_extension_module = scene.name.ends_with(".node")
        || [".cpython-", ".abi3.so", ".pypy"]
            .iter()
            .any(|mark| scene.name.contains(mark));
    let severity = if is_extension_module {
        Severity::Info
    } else if is_library && !starts_by_itself(scene.bytes) {
        // Libraries lie in lib/ for others to load.
        Severity::Low
    } else {
        Severity::Medium
    };
    hits.push(Hit::new(
        severity,
        Confidence::Medium,
        format!(
            "{} is a native {} and no installed component lists it",
            scene.path(),
            if is_library { "library" } else { "program" }
        ),
    ));
}

/// Whether the part is one that consists of scripts: by its runtime, or if that is unknown by its files.
pub(super) fn applies(part: &Part, contents: &Contents) -> bool {
    if part.role == PartRole::Image {
        return false;
    }
    if let Some(runtime) = &part.runtime {
        return ["python", "nodejs", "ruby"]
            .iter()
            .any(|language| runtime.starts_with(language));
    }
    // Where something native is what Lambda starts, programs are what the package is for.
    let starts_native = contents
        .files
        .iter()
        .any(|file| file.path == "bootstrap" && file.kind == Kind::Elf);
    !starts_native
        && contents.files.iter().any(|file| {
            [".py", ".js", ".mjs", ".cjs", ".rb"]
                .iter()
                .any(|ending| file.path.ends_with(ending))
        })
}

/// Whether it is a program for all its name: it has an interpreter, or is no shared object.
fn starts_by_itself(bytes: &[u8]) -> bool {
    if let Ok(header) = elf::FileHeader64::<object::Endianness>::parse(bytes) {
        let Ok(endian) = header.endian() else {
            return false;
        };
        return header.e_type(endian) == elf::ET_EXEC
            || header.program_headers(endian, bytes).is_ok_and(|segments| {
                segments.iter().any(|one| one.p_type(endian) == elf::PT_INTERP)
                    // Some libraries print their version when started; those are named lib….so.
                    && !segments.iter().any(|one| one.p_type(endian) == elf::PT_DYNAMIC)
            });
    }
    false
}
