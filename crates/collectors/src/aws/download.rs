//! Downloads by signed URL: bearer secrets that are used at once and named nowhere.

use async_trait::async_trait;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use evidence::Sha256Digest;
use futures_util::StreamExt as _;
use std::sync::{Arc, OnceLock};
use vault::{Opened, Source, SourceError};

/// Fetches signed URLs; no credentials of ours go along, and no redirect is followed.
#[derive(Clone, Default)]
pub(crate) struct Downloads(Arc<OnceLock<SharedHttpConnector>>);

impl Downloads {
    /// Downloads through a connector of the caller's.
    #[cfg(test)]
    pub(crate) fn through(connector: SharedHttpConnector) -> Self {
        Self(Arc::new(OnceLock::from(connector)))
    }

    /// The content behind a signed URL.
    pub(crate) fn url(
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

    fn connector(&self) -> &SharedHttpConnector {
        self.0.get_or_init(|| {
            SharedHttpConnector::new(
                Connector::builder()
                    .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
                    .build(),
            )
        })
    }
}

/// Content behind a signed URL. Not `Debug`: the URL is a secret.
pub(crate) struct SignedUrl {
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
        let mut request = HttpRequest::empty();
        request
            .set_uri(self.url.as_str())
            .map_err(|_| failed("the download address is no URL"))?;
        let reply = self
            .downloads
            .connector()
            .call(request)
            .await
            .map_err(|_| failed("the download could not be opened"))?;
        match reply.status().as_u16() {
            200 => {}
            // A signed URL that has run out answers 403.
            status @ (401 | 403) => {
                return Err(SourceError::Denied(format!("download answered {status}")));
            }
            404 => return Err(SourceError::Absent("download answered 404".to_owned())),
            status => return Err(failed(&format!("download answered {status}"))),
        }
        let size_bytes = reply
            .headers()
            .get("content-length")
            .and_then(|text| text.parse().ok());
        Ok(Opened {
            bytes: byte_stream(ByteStream::new(reply.into_body())),
            size_bytes,
        })
    }
}

/// An SDK body as a source's bytes.
pub(crate) fn byte_stream(
    body: ByteStream,
) -> futures_util::stream::BoxStream<'static, Result<bytes::Bytes, SourceError>> {
    futures_util::stream::unfold(Some(body), |body| async {
        let mut body = body?;
        match body.next().await? {
            Ok(bytes) => Some((Ok(bytes), Some(body))),
            Err(_) => Some((
                Err(SourceError::Failed("the download was cut off".to_owned())),
                None,
            )),
        }
    })
    .boxed()
}
