//! Signs a request with a digest of its body that is known already: in a function with a small
//! share of a processor, hashing is what takes the time.

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use evidence::Sha256Digest;

/// The body has this digest. S3 refuses the request if it has another.
#[derive(Debug)]
pub(super) struct SignedAs(pub(super) Sha256Digest);

impl Intercept for SignedAs {
    fn name(&self) -> &'static str {
        "SignedAs"
    }

    fn modify_before_signing(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let known = PayloadSigningOverride::Precomputed(self.0.to_string());
        config.interceptor_state().store_put(known);
        Ok(())
    }
}
