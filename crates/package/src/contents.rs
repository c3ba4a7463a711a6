//! What is in a package: its files, and what is odd about how they are packed.

use evidence::Sha256Digest;
use serde::{Deserialize, Serialize};

/// What a source holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Every file, link and special file, in the order of the source. Folders are left out.
    pub files: Vec<File>,
    /// What is odd about the archive itself.
    pub irregularities: Vec<Irregularity>,
    /// Whether everything in it was read.
    pub is_complete: bool,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its path with `/` between, relative, as named by the archive; bytes that are no UTF-8 as
    /// `\xNN`. Of nested archives `lib/a.jar!/META-INF/MANIFEST.MF`. Chosen by the attacker: escape
    /// it on the way out.
    pub path: String,
    /// SHA-256 of its bytes; none of a link, and of what could not be read.
    pub sha256: Option<Sha256Digest>,
    /// Its size once unpacked, in bytes, as counted.
    pub size_bytes: u64,
    /// Unix permission bits, where the archive has them.
    pub mode: Option<u32>,
    /// When it was changed, as the archive says, in ISO 8601; of no time zone if the archive knows none.
    pub modified_at: Option<String>,
    /// What it is, by its bytes.
    pub kind: Kind,
    /// Where a link leads.
    pub link_to: Option<String>,
}

/// What a file is, told from its bytes and not from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No bytes.
    Empty,
    /// UTF-8 text without control characters.
    Text,
    /// Text that begins with `#!`.
    Script,
    /// An ELF program or library.
    Elf,
    /// A Windows program or library.
    Pe,
    /// A macOS program or library.
    MachO,
    /// WebAssembly.
    Wasm,
    /// A Java class.
    JavaClass,
    /// Compiled Python.
    PythonBytecode,
    /// A zip archive: a jar, a wheel.
    Zip,
    /// A gzip, xz, zstd or bzip2 stream.
    Compressed,
    /// A tar archive.
    Tar,
    /// A symbolic or hard link.
    Link,
    /// A device, a pipe, a socket.
    Special,
    /// Anything else.
    Data,
}

/// Something odd about how a source is packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Irregularity {
    /// What.
    pub oddity: Oddity,
    /// Of which file; none if of the archive.
    pub path: Option<String>,
    /// What exactly, in words of our own, with figures.
    pub detail: String,
}

/// Kinds of odd packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// A path that leads out of the folder: absolute, `..`, a drive, a backslash.
    TraversingPath,
    /// Two entries of one name, or of names that differ in case or in Unicode form only.
    DuplicateName,
    /// Two entries that share bytes of the archive.
    OverlappingEntries,
    /// Encrypted: nobody without the password can read it.
    Encrypted,
    /// The archive or an entry ends too soon.
    Truncated,
    /// Bytes do not have the checksum or the size that the archive says.
    BadChecksum,
    /// What the directory at the end says is not what stands before the entry.
    ContradictingHeaders,
    /// A compression method that is not read here.
    UnknownMethod,
    /// Bytes before, between or after what belongs to the archive.
    StrayBytes,
    /// A name of control characters, of no valid encoding, of reversed direction, or empty.
    HostileName,
    /// A link that leads out of the package.
    EscapingLink,
    /// A device, a pipe or a socket.
    SpecialFile,
    /// Set-user-ID or set-group-ID.
    Privileged,
    /// Unpacks to absurdly more than it is packed; the rest was not looked at.
    Bomb,
    /// More than the limits allow; the rest was not looked at.
    BeyondLimits,
    /// The system does not give the bytes: no permission, or gone meanwhile.
    Refused,
}
