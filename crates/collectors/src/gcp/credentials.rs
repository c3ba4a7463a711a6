//! What opens Google's API: application default credentials, read by Google's own library, or an access
//! token that somebody has at hand.

use crate::rest::{Fixed, HeaderName, Keys, Secret, Trouble};
use async_trait::async_trait;
use evidence::shown;
use google_cloud_auth::credentials::{
    CacheableResource, Credentials as Library, external_account, impersonated, mds,
    service_account, user_account,
};
use google_cloud_auth::errors::CredentialsError;
use http::Extensions;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Reading needs no more; what may be changed the roles say.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a token may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Credentials of Google Cloud. Not `Debug`: all of it is secret.
pub struct Credentials {
    keys: Arc<dyn Keys>,
    whose: String,
}

/// No credentials, or such as cannot be used. Nothing of their content is quoted.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadCredentials {
    /// Nothing is set.
    #[error(
        "no credentials of Google Cloud: run `gcloud auth application-default login`, or set \
         GOOGLE_APPLICATION_CREDENTIALS to a credentials file"
    )]
    Missing,
    /// A file that cannot be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// Where it is.
        path: String,
        /// In the words of the operating system.
        why: String,
    },
    /// No JSON, no type that is known, a field that is missing.
    #[error("{from} holds no credentials that can be used: {why}")]
    Unusable {
        /// The file or the variable.
        from: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What gcloud reads an access token from.
const TOKEN: &str = "CLOUDSDK_AUTH_ACCESS_TOKEN";
/// Where a credentials file is.
const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// gcloud's folder, where it is not `~/.config/gcloud`.
const FOLDER: &str = "CLOUDSDK_CONFIG";

impl Credentials {
    /// Reads what Google's own tools read: `CLOUDSDK_AUTH_ACCESS_TOKEN`, else application default
    /// credentials, which are the file that `GOOGLE_APPLICATION_CREDENTIALS` names, the one that `gcloud
    /// auth application-default login` writes, or, on a machine of Google's, its metadata server. An
    /// empty variable counts as none. <https://cloud.google.com/docs/authentication/application-default-credentials>
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, BadCredentials> {
        let set = |name| env(name).filter(|text| !text.trim().is_empty());
        if let Some(token) = set(TOKEN) {
            return Self::token(token.trim());
        }
        if let Some(path) = set(FILE) {
            return Self::file(Path::new(path.trim()));
        }
        let folder = set(FOLDER).map(PathBuf::from).or_else(|| {
            let home = set("HOME")?;
            Some(Path::new(&home).join(".config/gcloud"))
        });
        let usual = folder.map(|folder| folder.join("application_default_credentials.json"));
        if let Some(path) = usual.filter(|path| path.exists()) {
            return Self::file(&path);
        }
        if set("GCE_METADATA_HOST").is_some() || set("CLOUD_SHELL").is_some() || is_googles() {
            let library = mds::Builder::default().with_scopes([SCOPE]).build();
            return Self::of(library, "the machine", "google machine".to_owned());
        }
        Err(BadCredentials::Missing)
    }

    /// An access token; it lasts an hour at the most.
    pub fn token(token: &str) -> Result<Self, BadCredentials> {
        let bearer = Secret::bearer(token).map_err(|error| unusable(TOKEN, &error))?;
        Ok(Self {
            keys: Arc::new(Fixed::new(vec![(http::header::AUTHORIZATION, bearer)])),
            whose: "google access token".to_owned(),
        })
    }

    fn file(path: &Path) -> Result<Self, BadCredentials> {
        let from = path.display().to_string();
        let text = std::fs::read(path).map_err(|error| BadCredentials::Unreadable {
            path: shown(&from, 200),
            why: error.to_string(),
        })?;
        // What the parser says of a bad file may quote it.
        let json = serde_json::from_slice(&text).map_err(|_| unusable(&from, &"it is no JSON"))?;
        Self::json(json, &from)
    }

    /// The content of a credentials file, of whichever type: a service account's key, a person's login,
    /// workload identity federation, impersonation. `from` is what it came from.
    pub fn json(json: Value, from: &str) -> Result<Self, BadCredentials> {
        let text = |at: &str| json.pointer(at).and_then(Value::as_str);
        let last =
            |at: &str| text(at).map(|text| shown(text.rsplit('/').next().unwrap_or(""), 200));
        let kind = text("/type").unwrap_or_default().to_owned();
        let whose = match kind.as_str() {
            "service_account" => text("/client_email").map(|email| shown(email, 200)),
            "external_account" => last("/audience").map(|name| format!("by federation, {name}")),
            "impersonated_service_account" => last("/service_account_impersonation_url")
                .map(|name| name.trim_end_matches(":generateAccessToken").to_owned()),
            "authorized_user" => text("/account").map(|account| shown(account, 200)),
            other => {
                let why = format!("its type is {:?}", shown(other, 40));
                return Err(unusable(from, &why));
            }
        };
        let whose = match (kind.as_str(), whose.filter(|whose| !whose.is_empty())) {
            ("authorized_user", None) => {
                "google user of application default credentials".to_owned()
            }
            ("authorized_user", Some(user)) => format!("google user {user}"),
            (_, Some(name)) => format!("google service account {name}"),
            (_, None) => "google service account of an unknown name".to_owned(),
        };
        with_a_provider();
        let library = match kind.as_str() {
            "service_account" => service_account::Builder::new(json)
                .with_access_specifier(service_account::AccessSpecifier::from_scopes([SCOPE]))
                .build(),
            "external_account" => external_account::Builder::new(json)
                .with_scopes([SCOPE])
                .build(),
            "impersonated_service_account" => impersonated::Builder::new(json)
                .with_scopes([SCOPE])
                .build(),
            _ => user_account::Builder::new(json)
                .with_scopes([SCOPE])
                .build(),
        };
        Self::of(library, from, whose)
    }

    fn of<E>(library: Result<Library, E>, from: &str, whose: String) -> Result<Self, BadCredentials>
    where
        E: std::fmt::Display,
    {
        with_a_provider();
        let library = library.map_err(|error| unusable(from, &error))?;
        Ok(Self {
            keys: Arc::new(ByLibrary(library)),
            whose,
        })
    }

    /// Whose they are, as far as they say: `google service account NAME@PROJECT.iam.gserviceaccount.com`.
    pub(super) fn whose(&self) -> &str {
        &self.whose
    }

    pub(super) fn keys(&self) -> Arc<dyn Keys> {
        self.keys.clone()
    }
}

/// Whether this machine is one of Google's, as its firmware says.
fn is_googles() -> bool {
    let name = std::fs::read_to_string("/sys/class/dmi/id/product_name");
    name.is_ok_and(|name| name.trim() == "Google Compute Engine")
}

/// TLS for the library is ring, as everywhere here. Whoever has chosen before keeps it.
fn with_a_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn unusable(from: &str, why: &dyn std::fmt::Display) -> BadCredentials {
    BadCredentials::Unusable {
        from: shown(from, 200),
        why: shown(&why.to_string(), 200),
    }
}

/// Tokens that the library fetches, and fetches again before they run out.
struct ByLibrary(Library);

#[async_trait]
impl Keys for ByLibrary {
    async fn headers(&self, _renew: bool) -> Result<Vec<(HeaderName, Secret)>, Trouble> {
        let coming = self.0.headers(Extensions::new());
        let slow = || Trouble::Passing("no access token came within 30 seconds".to_owned());
        let come = tokio::time::timeout(PATIENCE, coming)
            .await
            .map_err(|_| slow())?;
        let CacheableResource::New { data, .. } = come.map_err(|error| not_given(&error))? else {
            return Err(Trouble::Failed("no access token came".to_owned()));
        };
        let headers = data.iter().map(|(name, value)| {
            let value = value.to_str().ok().and_then(|text| Secret::new(text).ok());
            value.map(|secret| (name.clone(), secret))
        });
        let headers: Option<Vec<_>> = headers.collect();
        headers.ok_or_else(|| {
            Trouble::Failed("an access token came that no header can hold".to_owned())
        })
    }
}

fn not_given(error: &CredentialsError) -> Trouble {
    let said = format!("no access token: {}", shown(&error.to_string(), 200));
    match error.is_transient() {
        true => Trouble::Passing(said),
        false => Trouble::Denied(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(set: &[(&str, &str)]) -> Result<String, BadCredentials> {
        let found = |name: &str| {
            let known = set.iter().find(|(known, _)| *known == name);
            known.map(|(_, text)| (*text).to_owned())
        };
        Credentials::from_env(found).map(|credentials| credentials.whose().to_owned())
    }

    fn written(json: &Value) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json.to_string()).unwrap();
        file
    }

    #[test]
    fn a_token_goes_before_a_file() {
        let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"});
        let file = written(&user);
        let path = file.path().to_str().unwrap();
        assert_eq!(
            of(&[(TOKEN, "t"), (FILE, path)]).unwrap(),
            "google access token"
        );
    }

    #[tokio::test]
    async fn a_file_says_whose_it_is() {
        let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"});
        let federation = json!({"type": "external_account",
            "audience": "//iam.googleapis.com/projects/111122223333/locations/global/workloadIdentityPools/aws/providers/coldcase",
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"environment_id": "aws1",
                "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}});
        for (json, whose) in [
            (&user, "google user of application default credentials"),
            (
                &federation,
                "google service account by federation, coldcase",
            ),
        ] {
            let file = written(json);
            let path = file.path().to_str().unwrap();
            assert_eq!(of(&[(FILE, path)]).unwrap(), whose);
        }
    }

    #[tokio::test]
    async fn gclouds_own_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(of(&[("HOME", home)]), Err(BadCredentials::Missing));
        let gcloud = folder.path().join(".config/gcloud");
        std::fs::create_dir_all(&gcloud).unwrap();
        let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r",
            "account": "alice@example.com"});
        let name = "application_default_credentials.json";
        std::fs::write(gcloud.join(name), user.to_string()).unwrap();
        assert_eq!(
            of(&[("HOME", home)]).unwrap(),
            "google user alice@example.com"
        );
        let other = [("HOME", "/nowhere"), (FOLDER, gcloud.to_str().unwrap())];
        assert_eq!(of(&other).unwrap(), "google user alice@example.com");
    }

    #[test]
    fn what_is_wrong_is_named_and_nothing_of_it_is_told() {
        let error = of(&[(FILE, "/nowhere/adc.json")]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/nowhere/adc.json cannot be read"),
            "{error}"
        );
        for json in [
            json!("marked-secret"),
            json!({"type": "marked", "private_key": "marked-secret"}),
            json!({"type": "service_account", "private_key": "marked-secret"}),
            json!({"type": "authorized_user", "refresh_token": "marked-secret"}),
        ] {
            let error = Credentials::json(json, "adc.json").err().unwrap();
            assert!(
                error.to_string().starts_with("adc.json holds no"),
                "{error}"
            );
            assert!(
                !format!("{error} {error:?}").contains("marked-secret"),
                "{error}"
            );
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "marked-secret").unwrap();
        let error = of(&[(FILE, file.path().to_str().unwrap())]).unwrap_err();
        assert!(!error.to_string().contains("marked-secret"), "{error}");
    }
}
