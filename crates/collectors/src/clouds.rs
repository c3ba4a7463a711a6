//! The clouds that can be asked, and what answers for each: one folder a provider.

use crate::aws::window::{Investigation, TrailSource};
use crate::aws::{Aws, LocateError, Located, Regions, TriggerFacts, functions_concerned};
use crate::cloudflare::{self, Cloudflare, Worker};
use crate::gcp::{self, Function, Google};
use crate::rest::Trouble;
use crate::{Collector, Pace, Scope, Surroundings};
use evidence::{Provider, Target};
use std::sync::Arc;

/// The clouds that can be asked; none of a provider that nobody configured. Cheap to clone.
#[derive(Clone, Default)]
pub struct Clouds {
    /// AWS: the Regions that have functions, the responder's own first.
    pub aws: Option<Regions>,
    /// Cloudflare.
    pub cloudflare: Option<Cloudflare>,
    /// Google Cloud.
    pub google: Option<Google>,
}

/// How a window is looked into, whoever the provider is.
pub struct Around {
    /// What is looked into.
    pub scope: Scope,
    /// The provider's id of the record that opened the case; none where a person did.
    pub event_id: Option<String>,
    /// How fast AWS's LookupEvents may be asked.
    pub pace: Arc<Pace>,
    /// Where the trail of an AWS account keeps its files.
    pub trail: TrailSource,
}

impl Clouds {
    /// AWS alone.
    pub fn of_aws(regions: Regions) -> Self {
        Self {
            aws: Some(regions),
            ..Self::default()
        }
    }

    /// The functions that a target leads to: itself, and of an AWS layer, role or policy those that have
    /// it.
    pub async fn concerned(&self, target: &Target) -> Result<Located, LocateError> {
        match (target.provider, &self.aws) {
            (Provider::Aws, Some(regions)) => functions_concerned(regions.named(), target).await,
            _ => Ok(Located {
                targets: [target.clone()].into(),
                gaps: Vec::new(),
            }),
        }
    }

    /// Whether there is such a function, of a provider other than AWS; an error if that cannot be told.
    pub async fn knows(&self, target: &Target) -> Result<bool, Trouble> {
        match (target.provider, &self.cloudflare, &self.google) {
            (Provider::Cloudflare, Some(cloud), _) => cloud.knows(target).await,
            (Provider::Gcp, _, Some(google)) => google.knows(target).await,
            _ => Err(Trouble::Failed(not_configured(target))),
        }
    }

    /// Who fetches the artifacts of a target; `versions` published ones of its code at most. An error
    /// says in words why nobody can.
    pub fn collector(
        &self,
        target: &Target,
        trigger: TriggerFacts,
        versions: usize,
    ) -> Result<Box<dyn Collector>, String> {
        match target.provider {
            Provider::Aws => {
                let regions = self.aws.as_ref().ok_or_else(|| not_configured(target))?;
                // A record can name any place; nothing may be asked of one that is none.
                let clients = regions.of(&target.region).ok_or_else(|| {
                    "the event names a Region that is none; nothing was asked there".to_owned()
                })?;
                let aws = Aws::new(clients, target.clone(), trigger, versions);
                Ok(Box::new(aws))
            }
            Provider::Cloudflare => {
                let cloud = self.cloudflare.as_ref();
                let cloud = cloud.ok_or_else(|| not_configured(target))?;
                Ok(Box::new(Worker::new(cloud, target.clone(), versions)))
            }
            Provider::Gcp => {
                let google = self.google.as_ref();
                let google = google.ok_or_else(|| not_configured(target))?;
                Ok(Box::new(Function::new(google, target.clone())))
            }
            Provider::Azure => Err(not_yet(target)),
        }
    }

    /// Who looks into what happened around a change. An error says in words why nobody can.
    pub fn surroundings(&self, around: Around) -> Result<Box<dyn Surroundings>, String> {
        let target = &around.scope.target;
        match target.provider {
            Provider::Aws => {
                let regions = self.aws.as_ref().ok_or_else(|| not_configured(target))?;
                let region = &target.region;
                let clients = regions
                    .of(region)
                    .ok_or_else(|| format!("{region:?} is no Region that could be asked"))?;
                let (regions, pace) = (regions.clone(), around.pace);
                let investigation = Investigation::new(clients, regions, pace, around.scope);
                let investigation = investigation.with_trail(around.trail);
                Ok(Box::new(match &around.event_id {
                    Some(event_id) => investigation.caused_by(event_id),
                    None => investigation,
                }))
            }
            Provider::Cloudflare => {
                let cloud = self.cloudflare.as_ref();
                let cloud = cloud.ok_or_else(|| not_configured(target))?;
                Ok(Box::new(cloudflare::window::Investigation::new(
                    cloud,
                    around.scope,
                )))
            }
            Provider::Gcp => {
                let google = self.google.as_ref();
                let google = google.ok_or_else(|| not_configured(target))?;
                Ok(Box::new(gcp::window::Investigation::new(
                    google,
                    around.scope,
                )))
            }
            Provider::Azure => Err(not_yet(target)),
        }
    }
}

fn not_yet(target: &Target) -> String {
    format!(
        "this version of coldcase does not look into {}",
        target.provider.name()
    )
}

fn not_configured(target: &Target) -> String {
    format!(
        "there are no credentials for {}; nothing was asked there",
        target.provider.name()
    )
}
