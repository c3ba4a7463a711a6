//! What opens Cloudflare's API: a token, or the older key with an e-mail address.

use crate::rest::{BadSecret, Fixed, HeaderName, Keys, Secret};
use std::sync::Arc;

/// A token, or a global key with its user. Not `Debug`: all of it is secret.
pub struct Credentials {
    headers: Vec<(HeaderName, Secret)>,
    /// The user that a key is of; a token says itself whose it is.
    user: Option<String>,
}

/// No credentials, or such as no header can hold.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadCredentials {
    /// Nothing is set.
    #[error(
        "no credentials of Cloudflare: set CLOUDFLARE_API_TOKEN to an API token that may read the \
         account's Workers (or CLOUDFLARE_API_KEY and CLOUDFLARE_EMAIL)"
    )]
    Missing,
    /// A line break, a byte that is no text.
    #[error("{0} holds what no HTTP header can")]
    Unusable(&'static str),
}

const TOKEN: &str = "CLOUDFLARE_API_TOKEN";
const KEY: &str = "CLOUDFLARE_API_KEY";
const EMAIL: &str = "CLOUDFLARE_EMAIL";

impl Credentials {
    /// A token, from wherever it is kept.
    pub fn token(token: &str) -> Result<Self, BadCredentials> {
        let bearer = Secret::bearer(token).map_err(unusable(TOKEN))?;
        Ok(Self {
            headers: vec![(http::header::AUTHORIZATION, bearer)],
            user: None,
        })
    }

    /// Reads what Cloudflare's own tools read: `CLOUDFLARE_API_TOKEN`, else `CLOUDFLARE_API_KEY` with
    /// `CLOUDFLARE_EMAIL`. An empty variable counts as none.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, BadCredentials> {
        let set = |name| env(name).filter(|text| !text.trim().is_empty());
        if let Some(token) = set(TOKEN) {
            return Self::token(token.trim());
        }
        let (Some(key), Some(email)) = (set(KEY), set(EMAIL)) else {
            return Err(BadCredentials::Missing);
        };
        let of = |name: &'static str, header: &'static str, text: &str| {
            let secret = Secret::new(text.trim()).map_err(unusable(name))?;
            Ok((HeaderName::from_static(header), secret))
        };
        Ok(Self {
            headers: vec![
                of(KEY, "x-auth-key", &key)?,
                of(EMAIL, "x-auth-email", &email)?,
            ],
            user: Some(email.trim().to_owned()),
        })
    }

    /// The user that a key is of.
    pub(super) fn user(&self) -> Option<String> {
        self.user.clone()
    }

    pub(super) fn into_keys(self) -> Arc<dyn Keys> {
        Arc::new(Fixed::new(self.headers))
    }
}

fn unusable(name: &'static str) -> impl Fn(BadSecret) -> BadCredentials {
    move |_| BadCredentials::Unusable(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Result<Vec<String>, BadCredentials> {
        let set: Vec<(String, String)> = set
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        let credentials = Credentials::from_env(|name| {
            let found = set.iter().find(|(known, _)| known == name);
            found.map(|(_, text)| text.clone())
        })?;
        Ok(credentials
            .headers
            .iter()
            .map(|(name, _)| name.to_string())
            .collect())
    }

    #[test]
    fn a_token_goes_before_a_key_and_a_key_needs_its_user() {
        let all = [(TOKEN, "t"), (KEY, "k"), (EMAIL, "alice@example.com")];
        assert_eq!(of(&all), Ok(vec!["authorization".to_owned()]));
        assert_eq!(of(&all[1..]).unwrap(), ["x-auth-key", "x-auth-email"]);
        assert_eq!(of(&all[1..2]), Err(BadCredentials::Missing));
        assert_eq!(of(&[(TOKEN, " ")]), Err(BadCredentials::Missing));
    }

    #[test]
    fn what_no_header_can_hold_is_named_and_not_told() {
        let error = of(&[(TOKEN, "marked\nsecret")]).unwrap_err();
        assert_eq!(error, BadCredentials::Unusable(TOKEN));
        assert!(!error.to_string().contains("marked"));
    }
}
