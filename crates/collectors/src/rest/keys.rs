//! What shows a provider who is asking: headers whose values nobody gets to see.

use super::Trouble;
use async_trait::async_trait;
pub use http::HeaderName;
use http::HeaderValue;

/// Where the credentials of requests come from.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The headers that go along with one request. `renew` is asked for when the provider has refused
    /// the ones before as unknown or run out (401): a token that was kept is to be fetched again.
    async fn headers(&self, renew: bool) -> Result<Vec<(HeaderName, Secret)>, Trouble>;
}

/// Keys that are the same for as long as the program runs.
#[derive(Clone, Default)]
pub struct Fixed(Vec<(HeaderName, Secret)>);

impl Fixed {
    /// These headers, with each request.
    pub fn new(headers: Vec<(HeaderName, Secret)>) -> Self {
        Self(headers)
    }
}

#[async_trait]
impl Keys for Fixed {
    async fn headers(&self, _renew: bool) -> Result<Vec<(HeaderName, Secret)>, Trouble> {
        Ok(self.0.clone())
    }
}

/// A header's value that is a secret. It can be sent, and it can be struck from a text; there is no
/// way to write it down: neither `Debug` nor `Display` nor `Serialize`.
#[derive(Clone)]
pub struct Secret(HeaderValue);

/// Text that cannot be the value of a header. It is not quoted.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the credential is no header value: it has a line end, or characters that are not ASCII")]
pub struct BadSecret;

/// Shorter words are nothing that could be told from ordinary text.
const SHORTEST: usize = 8;

impl Secret {
    /// The value as a whole: an API key, a mail address.
    pub fn new(text: &str) -> Result<Self, BadSecret> {
        let mut value = HeaderValue::from_str(text).map_err(|_| BadSecret)?;
        if value.to_str().is_err() {
            return Err(BadSecret);
        }
        // Kept out of what HTTP/2 remembers of a connection, and out of the `Debug` of a request.
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The value of `Authorization` for a token.
    pub fn bearer(token: &str) -> Result<Self, BadSecret> {
        Self::new(&format!("Bearer {token}"))
    }

    /// For the request.
    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// `text` without the secret: a provider may quote what it was sent.
    pub(super) fn struck_from(&self, text: &str) -> String {
        let words = self.0.to_str().unwrap_or_default().split(' ');
        words
            .filter(|word| word.len() >= SHORTEST)
            .fold(text.to_owned(), |text, word| text.replace(word, "(secret)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_sent_as_it_is_and_shown_by_nothing() {
        let secret = Secret::bearer("marked-secret").unwrap();
        assert_eq!(secret.value(), "Bearer marked-secret");
        assert!(secret.value().is_sensitive());
        assert_eq!(format!("{:?}", secret.value()), "Sensitive");
    }

    #[test]
    fn what_a_provider_quotes_of_a_secret_is_struck() {
        let secret = Secret::bearer("marked-secret").unwrap();
        let said = "Bearer: the token marked-secret is unknown (marked-secret)";
        assert_eq!(
            secret.struck_from(said),
            "Bearer: the token (secret) is unknown ((secret))"
        );
    }

    #[test]
    fn a_value_that_would_be_another_header_is_no_secret_and_is_not_quoted() {
        for text in ["marked\r\nX-Other: secret", "marked-sécret", "marked\0"] {
            let error = Secret::new(text).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("marked"), "{error}");
        }
    }
}
