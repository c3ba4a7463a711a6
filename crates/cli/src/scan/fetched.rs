//! What a function runs now: its package and its layers, downloaded to be examined and then forgotten.

use super::{Args, Wanted};
use crate::desk::{Account, Failure, Kind, Options, Output};
use anyhow::{Context as _, Result};
use collectors::aws::{Aws, Regions, TriggerFacts};
use collectors::{Collector as _, Desk, Gathered};
use evidence::{
    ArtifactKind, CaseId, Exhibit, Outcome, Request, ResourceKind, Target, Trigger, shown,
};
use package::{Part, PartRole};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use vault::{DirectoryVault, Vault, is_content};

/// The largest package or layer that is downloaded. Lambda takes 250 MB unpacked.
const MOST_BYTES: u64 = 512 << 20;
/// How many layers Lambda lets a function have, and more.
const MOST_LAYERS: usize = 20;

/// What was downloaded.
pub(super) struct Fetched {
    /// The function's package first, or the layer.
    pub(super) wanted: Vec<Wanted>,
    /// What could not be had, and why.
    pub(super) not_examined: Vec<String>,
    /// Where it lies; gone when this goes.
    pub(super) folder: TempDir,
}

/// What is to be fetched, if it is no file: an ARN, or a name that could be a function's.
pub(super) fn named(package: &Path) -> Option<String> {
    let text = package.to_str()?;
    let is_name = |text: &str| {
        (1..=140).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_:$".contains(&byte))
    };
    let is_elsewhere = text.contains("://") && Target::parse(text).is_ok();
    let is_wanted = text.starts_with("arn:") || is_elsewhere || is_name(text) && !package.exists();
    is_wanted.then(|| text.to_owned())
}

/// The function or layer that somebody named.
pub(super) fn target(named: &str, account: &Account) -> Result<Target> {
    let no_such = |why: &str| {
        let named = shown(named, 200);
        Failure::new(Kind::Usage, format!("{named} cannot be examined: {why}"))
    };
    if named.starts_with("arn:") {
        let target = Target::from_arn(named).map_err(|error| no_such(&error.to_string()))?;
        return match target.kind {
            ResourceKind::Function => Ok(target),
            ResourceKind::Layer if target.qualifier.is_some() => Ok(target),
            ResourceKind::Layer => Err(no_such("name a version of the layer: …:layer:NAME:NUMBER")),
            _ => Err(no_such("it is neither a function nor a layer's version")),
        };
    }
    let (name, qualifier) = match named.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
        None => (named, None),
    };
    Ok(Target {
        qualifier,
        ..Target::aws(&account.id, &account.region, ResourceKind::Function, name)
    })
}

/// Downloads a function's package and layers, or a layer.
pub(super) async fn fetch(
    named: &str,
    args: &Args,
    options: &Options,
    output: &Output,
) -> Result<Fetched> {
    if named.contains("://") {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                "{} cannot be examined: only AWS is asked for a package; preserve it with `coldcase \
                 respond`, or scan a zip of it",
                shown(named, 200)
            ),
        ));
    }
    let account = Account::reach(options).await.with_context(|| {
        format!(
            "there is no file {} and the account was not reached",
            shown(named, 200)
        )
    })?;
    let target = target(named, &account)?;
    let regions = Regions::new(&account.config, &[&account.region]);
    let clients = regions.of(&target.region).ok_or_else(|| {
        let region = shown(&target.region, 40);
        Failure::new(Kind::Usage, format!("{region} is no Region"))
    })?;
    let spinner = output.draws().then(|| {
        let spinner = indicatif::ProgressBar::new_spinner();
        spinner.set_message(format!("downloading {}", shown(&target.arn(), 120)));
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    });
    let folder = tempfile::Builder::new()
        .prefix("coldcase-scan-")
        .tempdir()?;
    let vault: Arc<dyn Vault> = Arc::new(DirectoryVault::open(folder.path()).await?);
    let now = jiff::Timestamp::now();
    let trigger = Trigger::Person {
        request_id: "scan".to_owned(),
        reason: String::new(),
        occurred_at: now,
    };
    let fetching = Fetching {
        desk: Desk::new(
            vault,
            CaseId::derive(&trigger, &target),
            Arc::new(jiff::Timestamp::now),
            MOST_BYTES,
        ),
        aws: Aws::new(clients, target.clone(), TriggerFacts::default(), 0),
        folder: folder.path().to_owned(),
    };
    let mut fetched = Fetched {
        wanted: Vec::new(),
        not_examined: Vec::new(),
        folder,
    };
    if target.kind == ResourceKind::Layer {
        let request = Request::one(ArtifactKind::Layer, target.arn());
        fetched
            .wanted
            .push(fetching.layer(request, args.runtime.clone()).await?);
    } else {
        fetching.function(&target, args, &mut fetched).await?;
    }
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    Ok(fetched)
}

struct Fetching {
    desk: Desk,
    aws: Aws,
    folder: PathBuf,
}

impl Fetching {
    async fn function(&self, target: &Target, args: &Args, into: &mut Fetched) -> Result<()> {
        let request = match &target.qualifier {
            Some(qualifier) => Request::one(ArtifactKind::FunctionCode, qualifier),
            None => Request::whole(ArtifactKind::FunctionCode),
        };
        let gathered = self.aws.collect(&self.desk, request).await;
        if let Some(image) = gathered
            .next
            .iter()
            .find(|it| it.artifact == ArtifactKind::ContainerImage)
        {
            let image = shown(image.selector.as_deref().unwrap_or("?"), 200);
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "{} runs the container image {image}: scan reads zips; `coldcase respond` preserves \
                     the image and examines its layers",
                    target.arn()
                ),
            ));
        }
        let content = kept(&gathered)?;
        let configuration = self.configuration(&gathered).await?;
        let text = |name: &str| configuration.get(name)?.as_str().map(str::to_owned);
        let runtime = args.runtime.clone().or_else(|| text("Runtime"));
        into.wanted.push(Wanted {
            part: Part {
                name: target.arn(),
                role: PartRole::Function,
                runtime: runtime.clone(),
                handler: args.handler.clone().or_else(|| text("Handler")),
            },
            arn: Some(target.arn()),
            path: self.folder.join(&content.key),
            findings: gathered.findings.clone(),
        });
        let layers = configuration.get("Layers").and_then(Value::as_array);
        for (count, layer) in layers.into_iter().flatten().enumerate() {
            let arn = layer.get("Arn").and_then(Value::as_str).unwrap_or("?");
            if count >= MOST_LAYERS {
                into.not_examined
                    .push(format!("layers beyond {MOST_LAYERS}"));
                break;
            }
            let request = Request::one(ArtifactKind::Layer, arn);
            match self.layer(request, runtime.clone()).await {
                Ok(wanted) => into.wanted.push(wanted),
                // One layer that another account took back: the rest is examined.
                Err(error) => {
                    into.not_examined
                        .push(format!("the layer {}: {error:#}", shown(arn, 200)));
                }
            }
        }
        Ok(())
    }

    async fn layer(&self, request: Request, runtime: Option<String>) -> Result<Wanted> {
        let arn = request.selector.clone().unwrap_or_default();
        let gathered = self.aws.collect(&self.desk, request).await;
        let content = kept(&gathered)?;
        Ok(Wanted {
            part: Part {
                name: arn.clone(),
                role: PartRole::Layer,
                runtime,
                handler: None,
            },
            arn: Some(arn),
            path: self.folder.join(&content.key),
            findings: gathered.findings.clone(),
        })
    }

    /// What Lambda said of the function beside its package; without the environment.
    async fn configuration(&self, gathered: &Gathered) -> Result<Value> {
        let exhibits = &gathered.acquisition.exhibits;
        let Some(document) = exhibits.iter().find(|it| !is_content(it)) else {
            return Ok(Value::Null);
        };
        let bytes = self.desk.vault().get(&document.key).await?;
        let document: Value = serde_json::from_slice(&bytes)?;
        let configuration = document.pointer("/replies/0/reply/Configuration");
        Ok(configuration.cloned().unwrap_or_default())
    }
}

/// The package that was brought; else why there is none.
fn kept(gathered: &Gathered) -> Result<&Exhibit> {
    let acquisition = &gathered.acquisition;
    if let Some(content) = acquisition.exhibits.iter().find(|it| is_content(it)) {
        return Ok(content);
    }
    let kind = match &acquisition.result {
        Outcome::Absent { .. } => Kind::Absent,
        _ => Kind::Access,
    };
    let why = acquisition.result.why();
    let why =
        why.unwrap_or("Lambda keeps no copy of its code: only the deployment source holds it");
    Err(Failure::new(
        kind,
        format!("{}: {}", acquisition.result.as_str(), shown(why, 500)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_path_is_never_asked_of_an_account() {
        for path in ["function.zip", "./billing", "build/", "/tmp/x", "", "a b"] {
            assert_eq!(named(Path::new(path)), None, "{path}");
        }
        for name in [
            "billing",
            "billing:7",
            "arn:aws:lambda:eu-west-1:111122223333:function:x",
        ] {
            assert_eq!(named(Path::new(name)).as_deref(), Some(name));
        }
        // There is such a folder here.
        assert_eq!(named(Path::new("src")), None);
    }
}
