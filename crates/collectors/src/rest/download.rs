//! Downloads by signed URL: bearer secrets that came in a reply, used at once and named nowhere.
//!
//! No credentials go along and no redirect is followed. Where an attacker may have written what the
//! reply says, the host has to be on the public internet (see [`super::resolver`]).

use super::reply::{QUIET, SILENT, announced, chunks};
use super::resolver::{self, Origin, is_not_public};
use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use evidence::Sha256Digest;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http::Uri;
use std::sync::{Arc, OnceLock};
use vault::{Opened, Source, SourceError};

/// Fetches signed URLs.
#[derive(Clone, Default)]
pub struct Downloads {
    guarded: Arc<OnceLock<SharedHttpConnector>>,
    own: Arc<OnceLock<SharedHttpConnector>>,
    is_anywhere: bool,
    also: Option<Origin>,
}

impl Downloads {
    /// From wherever a URL leads: of a provider whose replies name its own hosts only, which may be
    /// reached inside a private network.
    pub fn anywhere() -> Self {
        Self {
            is_anywhere: true,
            ..Self::default()
        }
    }

    /// From the public internet by https; and from `also`, the origin that the operator named as the
    /// provider's, wherever it is and however it is reached.
    pub fn new(also: Option<Origin>) -> Self {
        Self {
            also,
            ..Self::default()
        }
    }

    /// Downloads through a connector of the caller's. What may be asked stays as it is, as far as a URL
    /// tells; names are the connector's to resolve.
    pub fn through(self, connector: SharedHttpConnector) -> Self {
        Self {
            guarded: Arc::new(OnceLock::from(connector.clone())),
            own: Arc::new(OnceLock::from(connector)),
            ..self
        }
    }

    /// The content behind a signed URL.
    pub fn url(
        &self,
        url: &str,
        media_type: &'static str,
        expected: Option<Sha256Digest>,
    ) -> SignedUrl {
        SignedUrl {
            downloads: self.clone(),
            url: url.to_owned(),
            media_type,
            expected,
        }
    }

    /// What may fetch `url`.
    fn connector(&self, url: &Uri) -> Result<&SharedHttpConnector, &'static str> {
        if self.is_anywhere {
            return Ok(self.own.get_or_init(resolver::anywhere));
        }
        let origin = Origin::of(url).ok_or("the download address is no URL of https")?;
        if self.also.as_ref() == Some(&origin) {
            return Ok(self.own.get_or_init(resolver::anywhere));
        }
        if !origin.is_https() {
            return Err("the download address is not encrypted; not asked");
        }
        if !origin.may_be_public() {
            return Err(NOT_PUBLIC);
        }
        Ok(self.guarded.get_or_init(resolver::guarded))
    }
}

/// What is said of a host that must not be asked.
pub(super) const NOT_PUBLIC: &str = "the address is not on the public internet; not asked";

/// Content behind a signed URL. Not `Debug`: the URL is a secret.
pub struct SignedUrl {
    downloads: Downloads,
    url: String,
    media_type: &'static str,
    expected: Option<Sha256Digest>,
}

#[async_trait]
impl Source for SignedUrl {
    fn expected(&self) -> Option<Sha256Digest> {
        self.expected
    }

    fn media_type(&self) -> &str {
        self.media_type
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let failed = |why: &str| SourceError::Failed(why.to_owned());
        let url: Uri = self
            .url
            .parse()
            .map_err(|_| failed("the download address is no URL"))?;
        let connector = self.downloads.connector(&url).map_err(failed)?;
        let mut request = HttpRequest::empty();
        request
            .set_uri(url)
            .map_err(|_| failed("the download address is no URL"))?;
        let answer = tokio::time::timeout(QUIET, connector.call(request)).await;
        let answer = answer.map_err(|_| failed(SILENT))?;
        let answer = answer.map_err(|error| {
            failed(if is_not_public(&error) {
                NOT_PUBLIC
            } else {
                "the download could not be opened"
            })
        })?;
        match answer.status().as_u16() {
            200 => Ok(opened(answer)),
            // A signed URL that has run out answers 403.
            status @ (401 | 403) => Err(SourceError::Denied(format!("download answered {status}"))),
            status @ (404 | 410) => Err(SourceError::Absent(format!("download answered {status}"))),
            300..=399 => Err(failed("the download is redirected; not followed")),
            status => Err(failed(&format!("download answered {status}"))),
        }
    }
}

/// A good answer as an opened source.
pub(super) fn opened(answer: HttpResponse) -> Opened {
    Opened {
        size_bytes: announced(answer.headers()),
        bytes: byte_stream(answer.into_body()),
    }
}

/// A body as a source's bytes.
pub(crate) fn byte_stream(body: SdkBody) -> BoxStream<'static, Result<Bytes, SourceError>> {
    let failed = |why: &str| SourceError::Failed(why.to_owned());
    chunks(body).map(move |chunk| chunk.map_err(failed)).boxed()
}

#[cfg(test)]
mod tests;
