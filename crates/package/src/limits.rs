//! How much of a hostile package is looked at.

/// The most that is done for one source. What lies beyond is recorded as [`crate::Oddity::BeyondLimits`],
/// and the contents are then not [complete](crate::Contents::is_complete).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files, those of nested archives included.
    pub entries: usize,
    /// Bytes of all files once unpacked.
    pub total_bytes: u64,
    /// How many times larger than packed a file may become, once it is over a megabyte.
    pub ratio: u64,
    /// Archives within archives.
    pub depth: usize,
    /// Bytes of a path.
    pub path_bytes: usize,
    /// How much of a file is held in memory for observers; it is hashed whole all the same.
    pub held_bytes: usize,
}

impl Default for Limits {
    /// Room for everything that Lambda runs (250 MB unzipped, 10 GB as an image would not fit: 4 GB).
    fn default() -> Self {
        Self {
            entries: 200_000,
            total_bytes: 4 << 30,
            ratio: 1_000,
            depth: 3,
            path_bytes: 4_096,
            held_bytes: 48 << 20,
        }
    }
}
