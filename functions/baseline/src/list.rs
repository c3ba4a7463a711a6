//! Which functions there are: page by page, Region by Region, in batches to be recorded.

use crate::{BaselineError, Keeper};
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use collectors::aws::Regions;
use evidence::keys;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use vault::VaultError;

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// In which Region; the first one if not said.
    #[serde(default)]
    pub region: Option<String>,
    /// Where in its list, in Lambda's words.
    #[serde(default)]
    pub marker: Option<String>,
}

/// Functions to be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Their ARNs, in batches.
    pub batches: Vec<Vec<String>>,
    /// Where the next page begins; none after the last.
    pub next: Option<Marker>,
    /// How many functions are on this page.
    pub listed: usize,
    /// How many of them the owner wants left out by name.
    pub excluded: usize,
    /// Regions that could not be listed, and why: nothing of them is recorded.
    pub not_listed: Vec<String>,
}

/// How many functions a page holds at least, if there are as many: their ARNs stay far below the
/// 256 KiB that Step Functions passes on.
const PAGE: usize = 500;
/// How many functions are recorded in one invocation.
const BATCH: usize = 10;

impl Keeper {
    /// One page of the functions of all Regions.
    pub(crate) async fn list(&self, from: Marker) -> Result<Page, BaselineError> {
        if from == Marker::default() {
            self.make_mark_key().await?;
        }
        let mut page = Page::default();
        let mut functions: Vec<String> = Vec::new();
        let regions = self.clouds.aws.as_ref().map(Regions::named);
        let mut regions = regions.unwrap_or_default().iter().peekable();
        if let Some(region) = &from.region {
            while regions
                .next_if(|clients| clients.region() != region)
                .is_some()
            {}
            if regions.peek().is_none() {
                return Err(BaselineError::BadInput(format!(
                    "{region:?} is no Region of this stack"
                )));
            }
        }
        let mut marker = from.marker;
        while let Some(clients) = regions.peek() {
            if functions.len() >= PAGE {
                page.next = Some(Marker {
                    region: Some(clients.region().to_owned()),
                    marker: marker.take(),
                });
                break;
            }
            self.pace.wait().await;
            let call = clients.lambda().list_functions();
            let listed = call.set_marker(marker.take()).send().await;
            let listed = match listed {
                Ok(listed) => listed,
                Err(error) => {
                    let region = clients.region();
                    let code = error.code().unwrap_or("no answer");
                    let why = format!("lambda:ListFunctions {region}: {code}");
                    if !is_refusal(code) {
                        return Err(BaselineError::NotListed(why));
                    }
                    // The other Regions are no less worth recording.
                    tracing::error!(why, "the functions of a Region cannot be recorded");
                    page.not_listed.push(why);
                    regions.next();
                    continue;
                }
            };
            for function in listed.functions() {
                page.listed += 1;
                match (function.function_name(), function.function_arn()) {
                    (Some(name), _) if self.settings.excludes(name) => page.excluded += 1,
                    (_, Some(arn)) => functions.push(arn.to_owned()),
                    _ => {}
                }
            }
            marker = listed.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                regions.next();
            }
        }
        page.batches = functions.chunks(BATCH).map(<[String]>::to_vec).collect();
        tracing::info!(
            listed = page.listed,
            excluded = page.excluded,
            last = page.next.is_none(),
            "listed"
        );
        Ok(page)
    }

    /// Makes the key of the marks that environment values are compared by, once for all.
    async fn make_mark_key(&self) -> Result<(), BaselineError> {
        if self.vault.renew(keys::MARK_KEY).await?.is_some() {
            return Ok(());
        }
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).map_err(|_| {
            BaselineError::NotListed("the system gives no random numbers".to_owned())
        })?;
        let key = bytes::Bytes::copy_from_slice(&key);
        match self.vault.put_once(keys::MARK_KEY, key, BYTES).await {
            // The first one stands.
            Ok(_) | Err(VaultError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether asking again would be answered the same: not allowed, or a Region that is switched off.
fn is_refusal(code: &str) -> bool {
    code.contains("AccessDenied")
        || code.starts_with("Unrecognized")
        || code.starts_with("InvalidClientToken")
        || code.starts_with("InvalidSignature")
        || code.starts_with("OptInRequired")
}

const BYTES: &str = "application/octet-stream";
