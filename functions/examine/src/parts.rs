//! The packages of a case: which there are, what each of them holds, and what is wrong with it.

use crate::ExamineError;
use crate::content;
use crate::difference;
use crate::exhibits::{Exhibits, Lines};
use crate::look::{Look, Looked, Underway};
use crate::owner::Owner;
use ::evidence::{
    ArtifactKind, Confidence, Finding, Proof, Request, Severity, Sha256Digest, Target, shown,
};
use package::{Component, Contents, Limits, Part, PartRole};
use serde::{Deserialize, Serialize};
use serde_json::json;
use snapshot::{Content, Piece, runtime_of};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::time::Instant;
use vault::Vault;

/// The most packages of a case that are opened: an image has 127 layers at most, a function 5.
const MOST_PARTS: usize = 400;

/// The most files whose names are held at a time, to tell what shadows what.
const MOST_HELD_FILES: usize = 400_000;

/// What a package is to the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// What runs when nobody names a version.
    Code,
    /// A layer that it carries.
    Layer,
    /// A layer of its image.
    ImageLayer,
    /// What runs when a version is named.
    Version,
    /// Where the event says that the code came from.
    DeploymentSource,
}

/// A package that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) role: Role,
    /// What brought it.
    pub(crate) request: Request,
    pub(crate) content: Content,
    /// The other exhibits that are the same bytes.
    pub(crate) also: Vec<String>,
    /// The function's or the layer version's ARN.
    pub(crate) arn: Option<String>,
    pub(crate) runtime: Option<String>,
    pub(crate) handler: Option<String>,
    /// What was in its place when the function was last recorded as good.
    pub(crate) before: Option<Content>,
}

impl Wanted {
    /// As rules know it.
    pub(crate) fn part(&self) -> Part {
        Part {
            name: self.content.name.clone(),
            role: match self.role {
                Role::Code | Role::Version | Role::DeploymentSource => PartRole::Function,
                Role::Layer => PartRole::Layer,
                Role::ImageLayer => PartRole::Image,
            },
            runtime: self.runtime.clone(),
            handler: self.handler.clone(),
        }
    }
}

/// What is different in a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartChange {
    /// The exhibit's name.
    pub(crate) part: String,
    /// The digest of what was in its place.
    pub(crate) before_sha256: Sha256Digest,
    /// Its digest.
    pub(crate) after_sha256: Sha256Digest,
    /// How many files are there now only.
    pub(crate) added: usize,
    /// How many files were there before only.
    pub(crate) removed: usize,
    /// How many files have other bytes.
    pub(crate) changed: usize,
    /// How many files have another path.
    pub(crate) moved: usize,
    /// Why it could not be compared; none if it was.
    pub(crate) not_compared: Option<String>,
}

/// What came of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartReport {
    /// The exhibit's name.
    pub(crate) name: String,
    /// What it is to the function.
    pub(crate) role: Role,
    /// Its digest.
    pub(crate) sha256: Sha256Digest,
    /// Its size as stored.
    pub(crate) size_bytes: u64,
    /// The other exhibits that are the same bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) also: Vec<String>,
    /// Why it was not opened; none if it was.
    pub(crate) not_examined: Option<String>,
    /// How many files it holds, those of archives in it included.
    pub(crate) files: usize,
    /// Their bytes once unpacked.
    pub(crate) unpacked_bytes: u64,
    /// Whether all of it was read.
    pub(crate) is_complete: bool,
    /// How many components were recognised.
    pub(crate) components: usize,
}

/// What came of all packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Packages {
    /// One a package.
    pub(crate) parts: Vec<PartReport>,
    /// What is different in those that were others before.
    pub(crate) changed: Vec<PartChange>,
    /// What is wrong with them.
    pub(crate) findings: Vec<Finding>,
    /// What was not looked at.
    pub(crate) left_out: Vec<String>,
}

/// What is needed to open packages.
pub(crate) struct Opening<'a> {
    pub(crate) vault: &'a dyn Vault,
    pub(crate) scratch: &'a Path,
    pub(crate) limit_bytes: u64,
    pub(crate) limits: Limits,
    pub(crate) owner: Arc<Owner>,
    pub(crate) deadline: Instant,
    /// How many looks are being taken.
    pub(crate) underway: Arc<AtomicUsize>,
}

/// The packages of a case, what tells most first.
pub(crate) fn wanted(pieces: &[Piece], target: &Target) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for piece in pieces {
        let selector = piece.request.selector.as_deref();
        let (role, arn, qualifier) = match (piece.request.artifact, selector) {
            (ArtifactKind::FunctionCode, None) => (Role::Code, Some(target.id_unqualified()), None),
            (ArtifactKind::FunctionCode, Some(version)) => (
                Role::Version,
                Some(format!("{}:{version}", target.id_unqualified())),
                Some(version),
            ),
            (ArtifactKind::Layer, arn) => (Role::Layer, arn.map(str::to_owned), None),
            (ArtifactKind::ContainerImage, _) => (Role::ImageLayer, None, None),
            (ArtifactKind::DeploymentSource, _) => (Role::DeploymentSource, None, None),
            _ => continue,
        };
        let running = runtime_of(pieces, qualifier);
        let told = |text: &Option<String>| text.as_deref().map(|text| shown(text, 200));
        for content in &piece.contents {
            // An image's configuration and manifests are no archives, nor is a reply as it came.
            let is_archive = match role {
                Role::ImageLayer => is_image_layer(&content.name),
                Role::Code | Role::Version => content.is_archive(),
                Role::Layer | Role::DeploymentSource => true,
            };
            if !is_archive {
                continue;
            }
            wanted.push(Wanted {
                role,
                request: piece.request.clone(),
                content: content.clone(),
                also: Vec::new(),
                arn: arn.clone(),
                runtime: told(&running.runtime),
                handler: told(&running.handler),
                before: None,
            });
        }
    }
    let named = runtime_of(pieces, None).layers;
    let place = |wanted: &Wanted| {
        let arn = wanted.arn.as_deref().filter(|_| wanted.role == Role::Layer);
        let place = arn.and_then(|arn| named.iter().position(|named| *named == arn));
        place.unwrap_or(usize::MAX)
    };
    // Of an image the last layers are the owner's own, or the attacker's; the first are the base.
    wanted.reverse();
    wanted.sort_by_key(|wanted| (wanted.role, place(wanted)));
    let mut once: Vec<Wanted> = Vec::new();
    for wanted in wanted {
        let same = once
            .iter_mut()
            .find(|known| known.content.sha256 == wanted.content.sha256);
        match same {
            Some(known) => known.also.push(wanted.content.name),
            None => once.push(wanted),
        }
    }
    once
}

/// `container-image-…-001-layer-0c0ffee01234`.
fn is_image_layer(name: &str) -> bool {
    name.rsplit('-').nth(1) == Some("layer")
}

impl Opening<'_> {
    /// Opens every package, keeps what is in it as exhibits, and says what is wrong; and, for people, what
    /// is different in them.
    pub(crate) async fn all(
        &self,
        wanted: Vec<Wanted>,
        exhibits: &mut Exhibits,
    ) -> Result<(Packages, String), ExamineError> {
        let mut packages = Packages::default();
        let mut texts = String::new();
        let mut components: Vec<Component> = Vec::new();
        let mut held = Vec::new();
        let mut held_files = 0_usize;
        let beyond = wanted.len().saturating_sub(MOST_PARTS);
        for wanted in wanted.into_iter().take(MOST_PARTS) {
            let name = wanted.content.name.clone();
            let mut report = PartReport {
                name: name.clone(),
                role: wanted.role,
                sha256: wanted.content.sha256,
                size_bytes: wanted.content.size_bytes,
                also: wanted.also.clone(),
                not_examined: None,
                files: 0,
                unpacked_bytes: 0,
                is_complete: false,
                components: 0,
            };
            match self.one(&wanted, &mut packages, exhibits).await? {
                Err(why) => {
                    packages
                        .left_out
                        .push(format!("{} was not opened: {why}", shown(&name, 100)));
                    report.not_examined = Some(why);
                }
                Ok(looked) => {
                    let Looked {
                        contents,
                        components: found,
                        findings,
                        changed,
                    } = looked;
                    if let Some((change, details)) = changed {
                        if let Some(details) = details {
                            difference::keep_files(exhibits, &change, &details).await?;
                            texts.push_str(&difference::part_markdown(&change, Some(&details)));
                        } else {
                            texts.push_str(&difference::part_markdown(&change, None));
                        }
                        packages.changed.push(change);
                    }
                    report.files = contents.files.len();
                    report.unpacked_bytes = contents.files.iter().map(|file| file.size_bytes).sum();
                    report.is_complete = contents.is_complete;
                    report.components = found.len();
                    if !contents.is_complete {
                        packages.left_out.push(format!(
                            "{} was not read as a whole: see its irregularities",
                            shown(&name, 100)
                        ));
                    }
                    packages.findings.extend(findings);
                    components.extend(found);
                    keep_contents(exhibits, &report, &contents).await?;
                    if held_files + contents.files.len() <= MOST_HELD_FILES {
                        held_files += contents.files.len();
                        held.push((wanted, contents));
                    }
                }
            }
            packages.parts.push(report);
        }
        if beyond > 0 {
            packages
                .left_out
                .push(format!("{beyond} packages beyond the first {MOST_PARTS}"));
        }
        let shares = |wanted: &Wanted| matches!(wanted.role, Role::Code | Role::Layer);
        let parts: Vec<(Part, &Contents)> = held
            .iter()
            .filter(|(wanted, _)| shares(wanted))
            .map(|(wanted, contents)| (wanted.part(), contents))
            .collect();
        let parts: Vec<(&Part, &Contents)> = parts
            .iter()
            .map(|(part, contents)| (part, *contents))
            .collect();
        packages.findings.extend(package::across(&parts));
        keep_components(exhibits, &components).await?;
        Ok((packages, texts))
    }

    /// One package, or why it was not opened.
    async fn one(
        &self,
        wanted: &Wanted,
        packages: &mut Packages,
        exhibits: &Exhibits,
    ) -> Result<Result<Looked, String>, ExamineError> {
        if Instant::now() >= self.deadline {
            return Ok(Err("the time was up".to_owned()));
        }
        let Content {
            key, sha256, name, ..
        } = &wanted.content;
        let fetched = content::fetch(
            self.vault,
            key,
            *sha256,
            self.scratch,
            self.limit_bytes,
            self.deadline,
        );
        let file = match fetched.await? {
            Ok(file) => file,
            Err(fault) => {
                packages.findings.extend(fault.finding(name));
                return Ok(Err(fault.to_string()));
            }
        };
        let before = match &wanted.before {
            Some(before) if before.sha256 != *sha256 => {
                let fetched = content::fetch(
                    self.vault,
                    &before.key,
                    before.sha256,
                    self.scratch,
                    self.limit_bytes,
                    self.deadline,
                );
                match fetched.await? {
                    Ok(file) => Some((before.sha256, Ok(file))),
                    Err(fault) => Some((before.sha256, Err(fault.to_string()))),
                }
            }
            _ => None,
        };
        if exhibits.opening(*sha256).await? {
            packages.findings.push(deadly(name));
            return Ok(Err(
                "opening it ended the function before; the rest was examined without it".to_owned(),
            ));
        }
        let look = Look {
            file,
            before,
            wanted: wanted.clone(),
            limits: self.limits,
            owner: Arc::clone(&self.owner),
            // What is looked for besides needs its time as well.
            time_for_rules: self.deadline.saturating_duration_since(Instant::now()) / 3,
        };
        let underway = Underway::begin(&self.underway);
        let looking = tokio::task::spawn_blocking(move || {
            let _underway = underway;
            look.take()
        });
        let looked = tokio::time::timeout_at(self.deadline, looking).await;
        exhibits.opened(*sha256).await;
        match looked {
            Ok(Ok(looked)) => Ok(looked),
            // A rule or a parser that panics on what an attacker packed.
            Ok(Err(_)) => Ok(Err("its examination broke down".to_owned())),
            Err(_) => Ok(Err("the time was up before all of it was read".to_owned())),
        }
    }
}

/// An attempt before this one did not survive opening a package.
fn deadly(name: &str) -> Finding {
    let name = shown(name, 200);
    Finding {
        rule: "package-ends-examination".to_owned(),
        statement: format!(
            "Opening {name} ended the examining function, so it was not opened again: it is made to do \
             that, or needs more memory than there is"
        ),
        severity: Severity::High,
        confidence: Confidence::Medium,
        // Impair Defenses.
        technique: Some("T1562".to_owned()),
        advice: Some(
            "Give the function more memory and have the case examined after another pass, or look at the \
             package with coldcase scan on a machine that nobody needs."
                .to_owned(),
        ),
        proof: vec![Proof {
            exhibit: name,
            path: None,
            line: None,
            excerpt: None,
        }],
    }
}

/// What is in a package, a line a file; the first line says of what.
async fn keep_contents(
    exhibits: &mut Exhibits,
    report: &PartReport,
    contents: &Contents,
) -> Result<(), ExamineError> {
    let source = format!("coldcase: the files of {}", shown(&report.name, 100));
    let mut lines = Lines::new(&format!("contents-{}", report.name), &source);
    let head = json!({
        "part": report.name,
        "sha256": report.sha256,
        "files": report.files,
        "unpacked_bytes": report.unpacked_bytes,
        "is_complete": report.is_complete,
        "irregularities": contents.irregularities.iter().take(10_000).collect::<Vec<_>>(),
    });
    let bytes = serde_json::to_vec(&head).map_err(std::io::Error::other)?;
    lines.put(exhibits, &bytes).await?;
    for file in &contents.files {
        let bytes = serde_json::to_vec(file).map_err(std::io::Error::other)?;
        lines.put(exhibits, &bytes).await?;
    }
    lines.finish(exhibits).await?;
    Ok(())
}

/// What the packages are made of, as CycloneDX.
async fn keep_components(
    exhibits: &mut Exhibits,
    components: &[Component],
) -> Result<(), ExamineError> {
    let case = exhibits.case.to_string();
    match package::cyclonedx(&case, components, (exhibits.clock)()) {
        Ok(inventory) => {
            let source = "coldcase: what the packages are made of";
            exhibits
                .keep(
                    "components",
                    source,
                    inventory.into_bytes(),
                    "cdx.json",
                    "application/vnd.cyclonedx+json",
                )
                .await?;
        }
        Err(error) => exhibits
            .left_out
            .push(shown(&format!("components: {error}"), 300)),
    }
    Ok(())
}
