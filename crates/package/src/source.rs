//! Something to be looked at: a zip, a tar, a folder.

use crate::bytes::{Bytes as _, FileBytes};
use crate::walk::{Place, Shape, Visitor, Walk};
use crate::{Content, Contents, Kind, Limits, Observer, folder, tarred, zipped};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Seek as _};
use std::path::{Path, PathBuf};

/// A package as it lies somewhere. Nothing of it is ever written anywhere, and no link in it is
/// followed.
#[derive(Debug)]
pub struct Source {
    name: String,
    from: From,
}

/// Why a source cannot be looked at at all.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The bytes are not those of an archive.
    #[error("{name} is no zip, no tar, no tar.gz and no folder; give one of these")]
    NoArchive {
        /// What was given.
        name: String,
    },
    /// The system did not give the bytes.
    #[error("cannot read {name}: {source}; check that it is there and may be read")]
    Io {
        /// What was given.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

impl Unreadable {
    /// A failure while reading; who asked gives it the name.
    pub(crate) fn reading(source: io::Error) -> Self {
        Self::Io {
            name: String::new(),
            source,
        }
    }

    fn of(self, name: &str) -> Self {
        let name = name.to_owned();
        match self {
            Self::NoArchive { .. } => Self::NoArchive { name },
            Self::Io { source, .. } => Self::Io { name, source },
        }
    }
}

#[derive(Debug)]
enum From {
    File(File, Shape),
    Memory(Vec<u8>, Shape),
    Folder(PathBuf),
}

impl Source {
    /// A zip, a tar (plain or gzip), or a folder; told by its bytes, whatever its name.
    ///
    /// # Errors
    /// [`Unreadable::NoArchive`] if it is none of these, [`Unreadable::Io`] if it cannot be read.
    pub fn open(path: &Path) -> Result<Self, Unreadable> {
        let name = path.display().to_string();
        let from = Self::open_path(path).map_err(|why| why.of(&name))?;
        Ok(Self { name, from })
    }

    /// The same of bytes in memory; `name` is what errors call it.
    ///
    /// # Errors
    /// [`Unreadable::NoArchive`] if they are no zip and no tar.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Unreadable> {
        match Shape::of(&bytes, Kind::of(&bytes, true)) {
            Some(shape) => Ok(Self {
                name: name.to_owned(),
                from: From::Memory(bytes, shape),
            }),
            None => Err(Unreadable::NoArchive {
                name: name.to_owned(),
            }),
        }
    }

    fn open_path(path: &Path) -> Result<From, Unreadable> {
        // Only regular files are opened: a pipe would wait for ever.
        let about = fs::metadata(path).map_err(Unreadable::reading)?;
        if about.is_dir() {
            return Ok(From::Folder(path.to_owned()));
        }
        if !about.is_file() {
            return Err(Unreadable::NoArchive {
                name: String::new(),
            });
        }
        let mut file = File::open(path).map_err(Unreadable::reading)?;
        let mut bytes = FileBytes::new(&mut file).map_err(Unreadable::reading)?;
        let beginning = bytes.copy(0, 64 << 10).map_err(Unreadable::reading)?;
        let is_whole = beginning.len() as u64 == bytes.size();
        let shape = match Kind::of(&beginning, is_whole) {
            Kind::Zip => Some(Shape::Zip),
            Kind::Tar => Some(Shape::Tar),
            Kind::Compressed => tarred::is_gzip_of_tar(&beginning).then_some(Shape::Gzip),
            _ => zipped::ends_as_zip_at(&mut bytes)
                .map_err(Unreadable::reading)?
                .then_some(Shape::Zip),
        };
        match shape {
            Some(shape) => Ok(From::File(file, shape)),
            None => Err(Unreadable::NoArchive {
                name: String::new(),
            }),
        }
    }

    /// Reads all once, start to end; every regular file passes every observer.
    ///
    /// # Errors
    /// [`Unreadable::Io`] if the system fails to give the bytes; whatever is wrong with them is an
    /// [`crate::Irregularity`] of the contents and not an error.
    pub fn read(
        &mut self,
        limits: &Limits,
        observers: &mut [&mut dyn Observer],
    ) -> Result<Contents, Unreadable> {
        self.walk(limits, Visitor::Observers(observers))
    }

    /// A second look: hands the files of these paths over, in the order of the source. The limits must
    /// be those of the first look, or paths that were met twice may be called otherwise.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn pick(
        &mut self,
        paths: &BTreeSet<String>,
        limits: &Limits,
        found: &mut dyn FnMut(&str, Content<'_>),
    ) -> Result<(), Unreadable> {
        let visitor = Visitor::Pick {
            wanted: paths,
            left: paths.len(),
            found,
        };
        self.walk(limits, visitor).map(drop)
    }

    fn walk(&mut self, limits: &Limits, visitor: Visitor<'_, '_>) -> Result<Contents, Unreadable> {
        let place = Place::default();
        let walked = match &mut self.from {
            From::Folder(path) => {
                let mut walk = Walk::new(limits, None, visitor);
                folder::read(&mut walk, &place, path).map(|()| walk)
            }
            From::Memory(bytes, shape) => {
                let mut bytes = bytes.as_slice();
                let mut walk = Walk::new(limits, Some(bytes.len() as u64), visitor);
                match shape {
                    Shape::Zip => zipped::read(&mut walk, &place, &mut bytes),
                    Shape::Tar => tarred::read(&mut walk, &place, &mut bytes),
                    Shape::Gzip => tarred::read_gzip(&mut walk, &place, &mut bytes),
                }
                .map(|()| walk)
            }
            From::File(file, shape) => walk_file(file, *shape, limits, visitor, &place),
        };
        walked.map(Walk::finish).map_err(|why| why.of(&self.name))
    }
}

fn walk_file<'v, 'o>(
    file: &mut File,
    shape: Shape,
    limits: &Limits,
    visitor: Visitor<'v, 'o>,
    place: &Place,
) -> Result<Walk<'v, 'o>, Unreadable> {
    let mut bytes = FileBytes::new(file).map_err(Unreadable::reading)?;
    let mut walk = Walk::new(limits, Some(bytes.size()), visitor);
    if shape == Shape::Zip {
        zipped::read(&mut walk, place, &mut bytes)?;
        return Ok(walk);
    }
    file.rewind().map_err(Unreadable::reading)?;
    let mut reader = BufReader::with_capacity(128 << 10, file);
    if shape == Shape::Tar {
        tarred::read(&mut walk, place, &mut reader)?;
    } else {
        tarred::read_gzip(&mut walk, place, &mut reader)?;
    }
    Ok(walk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::File as Listed;
    use std::io::Write as _;

    /// Keeps what passes.
    #[derive(Default)]
    struct Seen(Vec<(String, Vec<u8>, bool)>);

    impl Observer for Seen {
        fn file(&mut self, file: &Listed, content: Content<'_>) {
            self.0
                .push((file.path.clone(), content.bytes.to_vec(), content.is_whole));
        }
    }

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1_700_000_000);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn one_package_reads_alike_as_zip_tar_gzip_and_folder() {
        let jar = zip(&[("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n")]);
        let files = [
            ("a.py", &b"import os\n"[..]),
            ("bin/run", b"#!/bin/sh\n"),
            ("lib/a.jar", &jar),
        ];
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let packed = tempfile::NamedTempFile::new().unwrap();
        fs::write(packed.path(), zip(&files)).unwrap();
        let sources = [
            Source::open(folder.path()).unwrap(),
            Source::open(packed.path()).unwrap(),
            Source::from_bytes("tar", tar(&files)).unwrap(),
            Source::from_bytes("tar.gz", gzip(&tar(&files))).unwrap(),
        ];
        for mut source in sources {
            let mut seen = Seen::default();
            let contents = source.read(&Limits::default(), &mut [&mut seen]).unwrap();
            assert_eq!(contents.irregularities, [], "{source:?}");
            assert!(contents.is_complete);
            let listed: Vec<_> = contents
                .files
                .iter()
                .map(|file| (file.path.as_str(), file.kind, file.sha256))
                .collect();
            let digest = |bytes: &[u8]| Some(evidence::Sha256Digest::of(bytes));
            let manifest = b"Manifest-Version: 1.0\n";
            assert_eq!(
                listed,
                [
                    ("a.py", Kind::Text, digest(b"import os\n")),
                    ("bin/run", Kind::Script, digest(b"#!/bin/sh\n")),
                    ("lib/a.jar", Kind::Zip, digest(&jar)),
                    (
                        "lib/a.jar!/META-INF/MANIFEST.MF",
                        Kind::Text,
                        digest(manifest)
                    ),
                ]
            );
            let names: Vec<_> = contents
                .files
                .iter()
                .map(|file| file.path.clone())
                .collect();
            assert_eq!(
                names,
                seen.0.iter().map(|seen| seen.0.clone()).collect::<Vec<_>>()
            );
            assert!(seen.0.iter().all(|(_, _, is_whole)| *is_whole));

            let mut picked = Vec::new();
            let wanted = [
                "lib/a.jar!/META-INF/MANIFEST.MF".to_owned(),
                "a.py".to_owned(),
            ];
            source
                .pick(&wanted.into(), &Limits::default(), &mut |path, content| {
                    picked.push((path.to_owned(), content.bytes.to_vec()));
                })
                .unwrap();
            assert_eq!(
                picked,
                [
                    ("a.py".to_owned(), b"import os\n".to_vec()),
                    (names[3].clone(), manifest.to_vec()),
                ]
            );
        }
    }

    #[test]
    fn what_is_no_archive_is_named_and_no_crash() {
        let text = tempfile::NamedTempFile::new().unwrap();
        fs::write(text.path(), "hello").unwrap();
        let why = Source::open(text.path()).unwrap_err().to_string();
        assert!(why.contains(&*text.path().to_string_lossy()), "{why}");
        assert!(matches!(
            Source::open(&text.path().join("gone")),
            Err(Unreadable::Io { .. })
        ));
        assert!(matches!(
            Source::from_bytes("gz", gzip(b"no tar")),
            Err(Unreadable::NoArchive { .. })
        ));
    }

    #[test]
    fn only_the_beginning_of_a_large_file_is_held_and_all_of_it_is_hashed() {
        let large: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut source = Source::from_bytes("zip", zip(&[("large", &large)])).unwrap();
        let limits = Limits {
            held_bytes: 70_000,
            ..Limits::default()
        };
        let mut seen = Seen::default();
        let contents = source.read(&limits, &mut [&mut seen]).unwrap();
        assert_eq!(contents.files[0].size_bytes, large.len() as u64);
        assert_eq!(
            contents.files[0].sha256,
            Some(evidence::Sha256Digest::of(&large))
        );
        let (_, held, is_whole) = &seen.0[0];
        assert_eq!(held.as_slice(), &large[..70_000]);
        assert!(!is_whole);
    }
}
